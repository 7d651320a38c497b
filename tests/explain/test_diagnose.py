"""The gradient flow: its norms against closed forms and numerical derivatives, its verdict, its command."""

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
import pytest

from forecaster.cli import diagnose as command
from forecaster.config import Config, load_values
from forecaster.config.schema import Model, Optimizer
from forecaster.data import Series
from forecaster.errors import CannotCreate, DataError, RunError
from forecaster.explain.diagnose import _sample_windows, diagnose
from forecaster.explain.gradient_advice import describe_gradients
from forecaster.explain.gradient_norms import LARGEST_NORM, GradientKind, GradientNorms
from forecaster.explain.plots import plot_gradients
from forecaster.explain.state_gradients import measure_gradients
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.preprocessing.plan import Plan, restore_plan
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.split import Split
from forecaster.runs import Version, load_version, load_version_at
from forecaster.training.build import initialize_network
from forecaster.training.optimizers import build_optimizer
from forecaster.training.schedules import Constant
from forecaster.training.step import Steps, TrainingStep
from forecaster.training.trainer import Trainer
from tests.faults.hostile import replace_file
from tests.helpers.command import TINY
from tests.helpers.members import only

pytestmark = pytest.mark.slow

GENERATOR = np.random.default_rng(7)
LENGTH = 12
WINDOWS = GENERATOR.normal(size=(3, LENGTH)).astype("float32")
TARGETS = GENERATOR.normal(size=(3, 4)).astype("float32")


def flow(norms, stride=1, layer="lstm_1", state="h", level=0) -> GradientNorms:
    return GradientNorms(layer, state, level, stride, np.array(norms, float))


@pytest.mark.parametrize("weight", [0.5, 1.0, -2.0])
def test_a_linear_units_gradient_is_the_power_of_its_recurrent_weight(weight):
    model = Model(cell="simple_rnn", units=1, activation="linear", decoder="dense")
    network = build_network(model, LENGTH, 4)
    network.encoder.layers[0].cell.recurrent_kernel.assign([[weight]])
    (found,) = measure_gradients(network, Inputs(WINDOWS), TARGETS)
    assert (found.layer, found.state, found.level, found.stride) == ("simple_rnn_1", "h", 0, 1)
    np.testing.assert_allclose(found.norms / found.norms[0], abs(weight) ** np.arange(LENGTH), rtol=1e-5)
    assert found.doublings == pytest.approx(np.log2(abs(weight)), abs=1e-5) or weight == 1.0


def test_more_windows_than_are_read_at_once_change_nothing():
    network = build_network(Model(cell="gru", units=2, decoder="dense"), LENGTH, 4)
    many = [np.tile(rows, (30, 1)) for rows in (WINDOWS, TARGETS)]
    few, all_at_once = (
        measure_gradients(network, Inputs(WINDOWS), TARGETS),
        measure_gradients(network, Inputs(many[0]), many[1]),
    )
    np.testing.assert_allclose(all_at_once[0].norms, few[0].norms, rtol=1e-4)


# Each: the model of six steps, which of its flows (layer, stride, recurrent steps), and the layer itself.
NETWORKS = {
    "dense": ({"decoder": "dense"}, ("lstm_1", 1, 6), lambda n: n.encoder.layers[0]),
    "rollout": ({"cell": "gru"}, ("gru_1", 1, 6), lambda n: n.encoder.layers[0]),
    "unrolled": ({"unroll": True, "decoder": "dense"}, ("lstm_1", 1, 6), lambda n: n.encoder.layers[0]),
    "a segment": ({"decoder": "seq2seq", "segment": 2}, ("lstm_1", 2, 3), lambda n: n.encoder.layers[0]),
    "attention": (
        {"cell": "simple_rnn", "decoder": "dense", "attention": "additive"},
        ("simple_rnn_1", 1, 6),
        lambda n: n.encoder.layers[0],
    ),
    "positional": ({"decoder": "positional", "zoneout": 0.0}, ("lstm_1", 1, 6), lambda n: n.encoder.layers[0]),
    "a backward half": (
        {"decoder": "dense", "bidirectional": True},
        ("lstm_1_backward", 1, 6),
        lambda n: n.encoder.layers[0].backward,
    ),
    "a dilated upper layer": (
        {"cell": "peephole_lstm", "units": [2, 2], "decoder": "dense", "dilation": True, "residual": True},
        ("peephole_lstm_2", 1, 6),
        lambda n: n.encoder.layers[1],
    ),
    "an sLSTM with a linear forecast": (
        {"cell": "slstm", "decoder": "positional", "linear": True},
        ("slstm_1", 1, 6),
        lambda n: n.encoder.layers[0],
    ),
    "the steps of a season": ({"decoder": "context"}, ("lstm_1", 1, 3), lambda n: n.encoder.layers[0]),
    "a context over seasons": ({"decoder": "latent"}, ("context", 3, 2), lambda n: n.context),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_a_norm_is_that_of_the_numerical_derivative(case):
    options, (name, stride, steps), layer_of = NETWORKS[case]
    model = Model(**{"units": 2, **options})
    network = build_network(model, 6, model.segment if model.decoder == "rollout" else 4, season=3)
    targets = TARGETS[:1, : network.ahead]
    flows = measure_gradients(network, Inputs(WINDOWS[:1, :6]), targets)
    (found,) = (flow for flow in flows if (flow.layer, flow.state) == (name, "h"))
    assert (found.stride, len(found.norms)) == (stride, steps)
    for back in (0, steps // 2):
        expected = numerical_norm(network, layer_of(network), steps - 1 - back, targets)
        assert found.norms[back] == pytest.approx(expected, rel=0.01, abs=1e-4)


def numerical_norm(network, layer, number, targets) -> float:
    """Central differences of the loss by the newest h after a step in the order of reading, a row at a time."""
    rows = rows_of(network, layer, targets)
    gradient = np.zeros((rows, layer.cell.units))
    for place in np.ndindex(*gradient.shape):
        nudge = np.zeros_like(gradient)
        nudge[place] = 0.01
        above, below = (loss_with(network, layer, number, sign * nudge, targets) for sign in (1, -1))
        gradient[place] = (above - below) / 0.02
    return float(np.linalg.norm(gradient, axis=1).mean())


def rows_of(network, layer, targets) -> int:
    seen: list = []
    layer.observer = lambda states: seen.append(states[0].shape[0])
    network.compute_validation_loss(Inputs(WINDOWS[:1, :6]), targets)
    layer.observer = None
    return seen[0]


def loss_with(network, layer, number, nudge, targets) -> float:
    """The loss where the newest h is moved by hand after one step."""
    plain, count = type(layer).step, iter(range(1000))

    def step(*arguments):
        hidden, *others = plain(layer, *arguments)
        if next(count) == number:
            old = hidden.shape[1] - layer.cell.units
            hidden = hidden + np.pad(nudge, ((0, 0), (old, 0))).astype("float32")
        return [hidden, *others]

    layer.step = step
    try:
        return float(network.compute_validation_loss(Inputs(WINDOWS[:1, :6]), targets))
    finally:
        del layer.step


def test_a_cell_states_gradient_has_the_way_through_its_own_hidden_state():
    network = build_network(Model(units=2, decoder="dense"), LENGTH, 4)
    hidden, cell = measure_gradients(network, Inputs(WINDOWS), TARGETS)
    assert (hidden.state, cell.state) == ("h", "c")
    assert cell.norms[0] > 0  # after the last step h alone is read


@pytest.mark.parametrize("head", ["quantile", "normal", "student_t", "log_normal", "negative_binomial", "categorical"])
def test_every_head_has_a_gradient(head):
    network = build_network(Model(units=2, decoder="dense", head=head, quantiles=(0.1, 0.5, 0.9)), LENGTH, 4)
    flows = measure_gradients(network, Inputs(np.exp(WINDOWS)), np.exp(TARGETS))
    assert all(np.isfinite(flow.norms).all() and (flow.norms > 0).all() for flow in flows)


def test_a_network_over_several_series_reads_what_distinguishes_them():
    network = build_network(Model(units=2, decoder="dense", embedding=2), LENGTH, 4, categories=(3,))
    flows = [
        measure_gradients(network, Inputs(WINDOWS, categories=np.array(codes)), TARGETS)[0]
        for codes in ([[0], [1], [2]], [[0]] * 3)
    ]
    assert not np.allclose(flows[0].norms, flows[1].norms)


def test_nothing_is_observed_afterwards():
    network = build_network(Model(units=2, decoder="dense", bidirectional=True), LENGTH, 4)
    measure_gradients(network, Inputs(WINDOWS), TARGETS)
    assert network.encoder.layers[0].forward.observer is network.encoder.layers[0].backward.observer is None


def test_numbers_that_float32_does_not_hold_are_capped():
    network = build_network(Model(cell="simple_rnn", units=1, activation="linear", decoder="dense"), 100, 1)
    network.encoder.layers[0].cell.recurrent_kernel.assign([[1e3]])
    (found,) = measure_gradients(network, Inputs(np.ones((2, 100), "float32")), np.ones((2, 1), "float32"))
    assert np.isfinite(found.norms).all()
    network.encoder.layers[0].cell.kernel.assign([[0.0]])  # the forecast stays finite, its gradient does not
    (found,) = measure_gradients(network, Inputs(np.ones((2, 100), "float32")), np.ones((2, 1), "float32"))
    assert found.norms.max() == LARGEST_NORM
    assert found.kind is GradientKind.EXPLODING
    assert plot_gradients([found], [flow([0, 0, 0], layer="simple_rnn_1")], "both extremes").axes


def trained_flow(options) -> tuple[GradientNorms, GradientNorms]:
    """The lowest layer's carrying state before and after learning a level under noise, 100 steps long."""
    generator, length, series = np.random.default_rng(0), 101, 512
    levels = generator.normal(size=(series, 1))
    values = np.hstack([levels + generator.normal(size=(series, length)), levels])  # the target is the level itself
    starts = np.arange(series, dtype=np.int32) * (length + 1)
    sample = Inputs(values[-32:, :length].astype("float32")), values[-32:, length:]
    keras.utils.set_random_seed(1)
    network = build_network(Model(units=8, decoder="dense", **options), length, 1)
    before = measure_gradients(network, *sample)[-1]
    optimizer = build_optimizer(**Optimizer(learning_rate=0.005).model_dump())
    tensors = Steps(values.ravel()).to_tensors()
    step = TrainingStep(network, optimizer, tensors.specs, length)
    trainer = Trainer(step, Constant(), tensors, starts[:-64], starts[-64:], batch_size=32, epochs=10, seed=1)
    trainer.fit(Silent())
    return before, measure_gradients(network, *sample)[-1]


class Silent:
    def report_batch(self, epoch, batch, batches, loss): ...

    def report_epoch(self, epoch): ...


def test_over_100_steps_a_sigmoid_simple_rnns_gradient_vanishes_where_a_trained_lstms_does_not():
    (rnn_before, rnn), (lstm_before, lstm) = (
        trained_flow(options) for options in ({"cell": "simple_rnn", "activation": "sigmoid"}, {"cell": "lstm"})
    )
    assert rnn.span == lstm.span == 100
    assert lstm.state == "c"
    # Less than 1/4 of it passes a sigmoid at each step: nothing is left before training, nor has it learnt to keep it.
    assert rnn_before.norms[-1] < 1e-30 * rnn_before.norms.max()
    assert rnn.norms[-1] < 1e-6 * rnn.norms.max()
    assert rnn.kind is rnn_before.kind is GradientKind.VANISHING
    # An LSTM whose forget gates stand at σ(1) forgets, too; what it can, and this one does, is learn not to.
    assert lstm_before.kind is GradientKind.VANISHING
    assert lstm.norms[-1] > 0.003 * lstm.norms.max()
    assert lstm.kind is GradientKind.HEALTHY


@pytest.mark.parametrize(
    ("norms", "kind", "reach", "doublings"),
    [
        (0.5 ** np.arange(8.0), GradientKind.HEALTHY, 7, -1),
        (0.5 ** np.arange(21.0), GradientKind.VANISHING, 9, -1),
        (0.1 ** np.arange(60.0), GradientKind.VANISHING, 3, -np.log2(10)),  # beyond 1e-36 nothing counts
        (2.0 ** np.arange(5.0), GradientKind.EXPLODING, 4, 1),
        (2.0 ** np.arange(4.0), GradientKind.HEALTHY, 3, 1),
        ([0, 1, 0.5, 0.25], GradientKind.HEALTHY, 3, -1),
        ([1.0], GradientKind.HEALTHY, 0, np.nan),
        ([1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01], GradientKind.HEALTHY, 9, np.nan),  # no rate
        ([0, 0, 0], GradientKind.NONE, 2, np.nan),
        ([LARGEST_NORM] * 3, GradientKind.EXPLODING, 2, np.nan),
    ],
    ids=str,
)
def test_a_flow_is_called_by_what_it_does(norms, kind, reach, doublings):
    found = flow(norms)
    assert (found.kind, found.reach) == (kind, reach)
    assert found.doublings == pytest.approx(doublings, rel=1e-6, nan_ok=True)
    assert flow(norms, stride=24).doublings == pytest.approx(doublings / 24, rel=1e-6, nan_ok=True)


def config_with(**sections) -> Config:
    return Config.model_validate(
        {"data": {"path": "x.csv", "season": 24}, "window": {"length": 48, "horizon": 6}, **sections}
    )


HALVING, LASTING, GROWING = flow(0.5 ** np.arange(48)), flow(np.ones(48)), flow(2.0 ** np.arange(48))
VANISHES = "the gradient of lstm_1's hidden state vanishes: more than 9 steps back (of 47) it is less than 0.001 of its largest norm; it halves every step"
LASTS = "the gradient of lstm_1's hidden state is preserved: 47 steps back it is 1 of its largest norm"
EXPLODES = "the gradient of lstm_1's hidden state explodes: 47 steps back its norm is 1.41e+14 times as large; it doubles every step"
WORDS = {
    "what lasts needs nothing": (HALVING, LASTING, {}, [VANISHES, LASTS]),
    "a simple cell, looked through in one piece": (
        HALVING, HALVING, {"cell": "simple_rnn", "decoder": "dense"},
        [VANISHES, VANISHES, "try model.cell: lstm or gru, model.segment: 6 (fewer recurrent steps), model.attention: additive (a direct path to each step), model.dilation: true (with a second layer), or a window.length of about 10 (it learns little from older steps)"],
    ),
    "where all else is there, a shorter window": (
        HALVING, HALVING, {"decoder": "seq2seq", "attention": "additive", "units": [4, 4], "dilation": True, "segment": 4},
        [VANISHES, VANISHES, "try a window.length of about 12 (it learns little from older steps)"],
    ),
    "a memory that training shortened": (
        LASTING, HALVING, {"units": [4, 4], "dilation": True},
        [LASTS, VANISHES, "training shortened its memory; if older steps matter, try model.segment: 6 (fewer recurrent steps), or a window.length of about 10 (it learns little from older steps)"],
    ),
    "an explosion in a simple cell": (
        LASTING, GROWING, {"cell": "simple_rnn", "activation": "relu"},
        [LASTS, EXPLODES, "try a training.optimizer.learning_rate below 0.001, model.activation: tanh (bounded), or model.cell: lstm or gru"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WORDS)
def test_the_verdict_states_what_happens_and_what_to_try(case):
    before, after, model, expected = WORDS[case]
    found = describe_gradients([before], [after], config_with(model=model))
    assert found == [f"before training {expected[0]}", f"after training {expected[1]}", *expected[2:]]


def test_the_verdict_suggests_clipping_where_there_is_none():
    config = config_with(training={"optimizer": {"clip_norm": None}})
    assert describe_gradients([LASTING], [GROWING], config)[-1] == "try training.optimizer.clip_norm: 1.0"


def test_the_verdict_uses_the_cell_states_of_the_lowest_layers():
    flows = [
        flow([1, 1], state=state, layer=layer, level=level)
        for layer, level in (("lstm_1", 0), ("lstm_2", 1), ("context", 0))
        for state in "hc"
    ]
    sentences = describe_gradients(flows, flows, config_with())
    named = [sentence.split("gradient of ")[1].split(" state")[0] for sentence in sentences]
    assert named == ["lstm_1's cell", "context's cell"] * 2


def test_the_verdict_has_words_for_extremes():
    extremes = [flow([0, 0]), flow([LARGEST_NORM, 1], layer="context"), flow([1.0], layer="x")]
    text = " ".join(describe_gradients(extremes, extremes, config_with()))
    assert "is 0" in text
    assert "exceeds the range of float32" in text
    assert "has one step only: the network reads everything at once" in text


@pytest.mark.slow
def test_before_is_what_the_training_of_that_run_began_with(forecast, project):
    (project / "still.yaml").write_text(
        TINY.replace("decoder: rollout", "decoder: dense, head: categorical, bins: 8").replace("epochs: 2", "epochs: 1")
    )
    result = forecast("train", "still.yaml", cwd=project, fitted=False)
    assert result.returncode == 0, result.stderr
    version = load_version(project / "runs/still")
    plan = restore_plan(version, project / "load.csv")
    network = initialize_network(plan.config, plan.preprocessing)
    with h5py.File(io.BytesIO(version.read("network.weights.h5"))) as file:
        for variable in network.trainable_variables:
            np.testing.assert_allclose(variable.numpy(), file[variable.path.split("/", 1)[1]][()], rtol=0, atol=1e-30)
    found = diagnose(version, plan)
    for before, after in zip(found.before, found.after, strict=True):
        np.testing.assert_allclose(before.norms, after.norms, rtol=1e-5)
        assert before.norms.all()


def test_diagnose_writes_a_row_for_each_state_and_step_and_talks_when_asked(forecast, trained, tmp_path):
    output, plot = tmp_path / "gradients.csv", tmp_path / "gradients.png"
    arguments = ["--output", output, "--plot", plot, "--verbose", "--data", trained / "load.csv"]
    result = forecast("diagnose", trained / "runs/tiny", *arguments)
    assert (result.returncode, result.stdout) == (0, "")
    assert [line.split(" the gradient of lstm_1's cell state")[0] for line in result.stderr.splitlines()[:2]] == [
        "before training",
        "after training",
    ]
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert list(rows[0]) == ["when", "layer", "state", "steps_back", "gradient_norm"]
    assert [(row["when"], row["layer"], row["state"], int(row["steps_back"])) for row in rows] == [
        (when, "lstm_1", state, back) for when in ("before", "after") for state in "hc" for back in range(12)
    ]
    assert all(float(row["gradient_norm"]) > 0 for row in rows)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_without_a_validation_part_the_training_part_is_read(trained):
    version = load_version(trained / "runs/tiny")
    plan = restore_plan(version, trained / "load.csv")
    (member,) = plan.members
    whole, part = (
        diagnose(version, replace(plan, members=only(member.series, split, member.scaler))).after[0].norms
        for split in (Split(400, 400, 400), member.split)
    )
    assert not np.allclose(whole, part)
    assert (whole > 0).all()


REFUSALS = {
    "no such run": (["nothing"], 6, "the run does not exist"),
    "no data": (["runs/tiny", "--data", "nothing.csv"], 4, "nothing.csv"),
    "too few rows": (["runs/tiny", "--data", "few.csv"], 4, "few.csv: 13 rows are too few"),
    "a picture of another kind": (["runs/tiny", "--plot", "x.jpg"], 2, "use --plot x.png"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_diagnose_refuses_with_the_exit_codes_of_the_other_verbs(forecast, trained, tmp_path, case):
    folder = tmp_path / "project"
    shutil.copytree(trained, folder)
    lines = (folder / "load.csv").read_text().splitlines()
    (folder / "few.csv").write_text("\n".join(lines[:14]) + "\n")
    arguments, code, message = REFUSALS[case]
    result = forecast("diagnose", *arguments, cwd=folder)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr


def test_an_output_that_cannot_be_created_is_reported_and_its_exit_code_is_73(trained, tmp_path):
    output = tmp_path / "no" / "folder.csv"
    with pytest.raises(CannotCreate, match="folder.csv: cannot be created"):
        command.diagnose(trained / "runs/tiny", trained / "load.csv", str(output))
    assert CannotCreate.exit_code == 73


def test_weights_of_another_network_are_a_damaged_run(trained, tmp_path):
    version = load_version(trained / "runs/tiny")
    plan = restore_plan(version, trained / "load.csv")
    path = Path(shutil.copytree(version.path, tmp_path / "version"))
    replace_file(path, "network.weights.h5", b"not HDF5")
    with pytest.raises(RunError, match="network.weights.h5: cannot be what training wrote"):
        diagnose(load_version_at(path), plan)
    (path / "network.weights.h5").unlink()
    with pytest.raises(RunError, match="network.weights.h5: missing"):
        diagnose(Version(path, version.manifest), plan)
    replace_file(path, "network.weights.h5", version.read("network.weights.h5"))
    replace_file(path, "preprocessing.json", b'{"scalers": {}}')
    with pytest.raises(RunError, match="preprocessing.json: cannot be what training wrote"):
        restore_plan(load_version_at(path), trained / "load.csv")
    with pytest.raises(DataError):
        restore_plan(version, tmp_path / "nothing.csv")


@pytest.mark.parametrize("validation", [0, 8])
def test_windows_of_differences_begin_where_there_are_differences(validation):
    values = np.arange(30.0) ** 2
    series = Series("y", "y", "t", pd.date_range("2026-01-01", periods=30), values, "D")
    document = {
        "data": {"path": "x.csv", "difference": [1, 2]},
        "window": {"length": 4, "horizon": 1},
        "split": {"validation": validation, "test": 0},
    }
    members = only(series, Split(30 - validation, 30, 30), Scaler(0.0, 1.0, lags=(1, 2)))
    inputs, targets = _sample_windows(Plan(load_values(document, "x").config, members))
    assert inputs.window.shape == (validation or 23, 4)
    assert (inputs.window == 4).all()  # the differences of the odd numbers, two steps apart
    assert (targets == 4).all()
