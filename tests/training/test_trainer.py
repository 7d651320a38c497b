"""Losses, schedules and the training loop, against numbers worked by hand and other libraries."""

import contextlib
import functools
import io
import random
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecaster.config import load_values
from forecaster.config.schema import Model
from forecaster.errors import DataError, Diverged
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.models.losses import LOSSES
from forecaster.models.parameter_counts import count_parameters
from forecaster.preprocessing.plan import place_windows, plan_training
from forecaster.preprocessing.windows import Starts
from forecaster.training.averaging import Equal
from forecaster.training.averaging import Exponential as ExponentialAverage
from forecaster.training.build import choose_compilation, prepare_trainer
from forecaster.training.early_stopping import Patience
from forecaster.training.optimizers import OPTIMIZERS, build_optimizer
from forecaster.training.schedules import Constant, Cosine, Exponential, Plateau
from forecaster.training.step import Steps, TrainingStep
from forecaster.training.train import _UNFIT_STATE
from forecaster.training.trainer import Trainer
from tests.helpers.fast_trainings import run_untraced

pytestmark = pytest.mark.slow


TARGETS = np.array([[0.0, 1.0], [-2.0, 5.0]], "float32")
PREDICTIONS = np.array([[0.5, 1.0], [1.0, 2.0]], "float32")
KERAS_LOSSES = {
    "mse": keras.losses.MeanSquaredError(),
    "mae": keras.losses.MeanAbsoluteError(),
    "huber": keras.losses.Huber(),
    "log_cosh": keras.losses.LogCosh(),
}


@pytest.mark.parametrize("name", KERAS_LOSSES)
def test_a_loss_is_that_of_keras(name):
    assert float(LOSSES[name](TARGETS, PREDICTIONS)) == pytest.approx(
        float(KERAS_LOSSES[name](TARGETS, PREDICTIONS)), rel=1e-6
    )


def test_percentages_of_logarithms_are_those_of_the_values():
    actual, forecast = np.array([[10.0, 20, 5]]), np.array([[15.0, 12, 13]])
    logs = np.log(actual).astype("float32"), np.log(forecast).astype("float32")
    assert float(LOSSES["mape"](*logs)) == pytest.approx((5 / 10 + 8 / 20 + 8 / 5) / 3, rel=1e-5)
    assert float(LOSSES["smape"](*logs)) == pytest.approx(2 * (5 / 25 + 8 / 32 + 8 / 18) / 3, rel=1e-5)


def test_a_percentage_grows_no_faster_than_a_straight_line_beyond_an_error_of_e():
    found = [float(LOSSES["mape"](np.zeros((1, 1), "float32"), np.full((1, 1), e, "float32"))) for e in (0.999, 1, 3)]
    assert found == pytest.approx([np.e**0.999 - 1, np.e - 1, 3 * np.e - 1])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("error", [0.0, 1e-30, 100.0, 1e30])
def test_a_loss_and_its_gradient_are_finite_at_extremes(name, error):
    prediction = tf.constant([[error]], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        loss = LOSSES[name](tf.zeros((1, 1)), prediction)
    assert np.isfinite(loss)
    assert np.all(np.isfinite(tape.gradient(loss, prediction)))


def test_schedules_worked_by_hand():
    assert Constant().compute_share(7.5) == 1
    assert Exponential(0.5).compute_share(3) == pytest.approx(0.125)
    assert [Cosine(10, 0.2).compute_share(at) for at in (0, 5, 10)] == pytest.approx([1, 0.6, 0.2])
    assert [Constant(warmup=4).compute_share(at) for at in (1, 2, 4, 9)] == [0.25, 0.5, 1, 1]
    assert Exponential(0.5, warmup=2).compute_share(1) == pytest.approx(0.25)


def test_a_plateau_reduces_after_its_patience_and_never_below_its_minimum():
    schedule = Plateau(factor=0.5, patience=2, minimum=0.2)
    shares = []
    for loss in (1.0, 0.9, 0.95, 0.92, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6):
        schedule.observe(loss)
        shares.append(schedule.compute_share(1))
    assert shares == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]


def test_patience_counts_epochs_without_enough_improvement():
    patience = Patience(2, min_delta=0.1)
    exhausted = []
    for loss in (1.0, 0.95, 0.85, 0.84, 0.83):
        patience.observe(loss)
        exhausted.append(patience.is_exhausted)
    assert exhausted == [False, False, False, False, True]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss(name):
    rate = {"adadelta": 5.0, "adagrad": 0.5, "ftrl": 0.5}.get(name, 0.02)
    trainer = tiny_trainer(build_optimizer(name, rate), network=linear())
    trainer.fit(Silent())
    losses = [row.loss for row in trainer.progress.history]
    assert losses[-1] < losses[0]


def test_clipping_by_norm_is_over_all_weights():
    weights = [tf.Variable([3.0]), tf.Variable([4.0])]
    optimizer = build_optimizer("sgd", 1.0, clip_norm=1.0)
    optimizer.build(weights)
    optimizer.apply([tf.constant([3.0]), tf.constant([4.0])], weights)
    np.testing.assert_allclose([weight.numpy()[0] for weight in weights], [3 - 0.6, 4 - 0.8], rtol=1e-6)


def test_clipping_by_value_is_one_by_one():
    weight = tf.Variable([0.0, 0.0])
    optimizer = build_optimizer("sgd", 1.0, clip_value=0.5)
    optimizer.build([weight])
    optimizer.apply([tf.constant([3.0, 0.25])], [weight])
    np.testing.assert_allclose(weight, [-0.5, -0.25])


def test_momentum_and_nesterov_reach_sgd():
    optimizer = build_optimizer("sgd", 0.1, momentum=0.9, nesterov=True)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


def test_parameters_are_counted_by_the_part_they_play():
    network = build_network(Model(cell="simple_rnn", units=20, output="sequence"), 15, 1)
    assert [(row.input_weights, row.recurrent_weights, row.biases) for row in count_parameters(network)] == [
        (20, 400, 20),
        (20, 0, 1),
    ]
    assert sum(row.total for row in count_parameters(network)) == network.count_params() == 461


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
def test_parameters_are_as_many_as_in_keras(cell):
    network = build_network(Model(cell=cell, units=[7, 5], bidirectional=True, decoder="dense"), 10, 3)
    layer = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    theirs = keras.Sequential(
        [
            keras.Input((10, 1)),
            keras.layers.Bidirectional(layer(7, return_sequences=True)),
            keras.layers.Bidirectional(layer(5)),
            keras.layers.Dense(3),
        ]
    )
    assert sum(row.total for row in count_parameters(network)) == theirs.count_params()


class Silent:
    def report_batch(self, *arguments):
        pass

    def report_epoch(self, *arguments):
        pass


VALUES = np.sin(np.arange(80) / 3).astype("float32")


class Linear(keras.layers.Layer):
    """A linear forecast of the next value with dropout: a network that is traced in a tenth of a recurrent one's time."""

    ahead = 1

    def __init__(self):
        super().__init__()
        self.dropout, self.dense = keras.layers.Dropout(0.2), keras.layers.Dense(1)
        self.dense(np.zeros((1, 8), "float32"))

    def compute_training_loss(self, inputs, targets, epoch):
        return tf.reduce_mean((self.dense(self.dropout(inputs.window, training=True)) - targets) ** 2)

    def compute_validation_loss(self, inputs, targets):
        return tf.reduce_mean((self.dense(inputs.window) - targets) ** 2)


def linear() -> Linear:
    """The same at each call."""
    keras.utils.set_random_seed(5)
    return Linear()


def tiny_trainer(
    optimizer=None,
    *,
    values=VALUES,
    model=None,
    epochs=3,
    schedule=None,
    early_stopping=None,
    average=None,
    validation=10,
    is_compiled=False,
    network=None,
    **options,
) -> Trainer:
    keras.utils.set_random_seed(5)
    if network is None:
        model = model or Model(cell="gru", units=4, dropout=0.2, recurrent_dropout=0.2)
        network = build_network(model, 8, 1, season=4)
    tensors = Steps(values).to_tensors()
    optimizer = optimizer or build_optimizer("adam", 0.01, clip_norm=1.0)
    average = average and average(network.trainable_variables)
    step = TrainingStep(
        network, optimizer, tensors.specs, 8, average=average, compiled_size=16 if is_compiled else None
    )
    return Trainer(
        step,
        schedule or Constant(),
        tensors,
        np.arange(40, dtype=np.int32),
        np.arange(50, 50 + validation, dtype=np.int32),
        batch_size=16,
        epochs=epochs,
        seed=5,
        early_stopping=early_stopping,
        **options,
    )


def weights(trainer: Trainer) -> list[np.ndarray]:
    return [variable.numpy() for variable in trainer.network.trainable_variables]


def assert_same_weights(one: Trainer, other: Trainer) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_seed_gives_the_same_weights():
    one, other = (tiny_trainer(validation=0, epochs=2) for _ in range(2))
    with run_untraced():
        assert one.fit(Silent())
        assert other.fit(Silent())
    assert_same_weights(one, other)


DRAWING = {"decoder": "latent", "latent": 2, "head": "normal", "scheduled_sampling": 0.5, "warmup": 2}


AVERAGES = {"ema": lambda weights: ExponentialAverage(weights, 0.8), "swa": lambda weights: Equal(weights, 0.5, 4)}


def four_epochs(more: str | None) -> Trainer:
    """A trainer of a network with dropout, and with what `more` names."""
    options = DRAWING if more == "drawing" else {"dropout": 0.2, "recurrent_dropout": 0.2}
    return tiny_trainer(
        network=None if more in {None, "drawing"} else linear(),
        validation=0 if more == "drawing" else 10,
        average=AVERAGES.get(more),
        sign_flip=more == "sign_flip",
        model=Model(cell="gru", units=4, **options),
        epochs=4,
        schedule=Plateau(0.5, 1, 0.01),
        early_stopping=Patience(3),
        optimizer=build_optimizer("nadam", 0.02),
    )


def pause(trainer: Trainer, batch: int) -> bytes:
    """Train from where the trainer is until `batch` batches are done, and save its state."""

    def is_reached() -> bool:
        return len(trainer.progress.history) * trainer.batches + trainer.progress.batch == batch

    assert not trainer.fit(Silent(), stop=is_reached)
    return trainer.save_state()


@pytest.mark.parametrize(
    ("pauses", "more"),
    [((0, 1, 3, 4, 8), None), ((4,), "drawing"), ((4,), "ema"), ((4,), "sign_flip"), ((9,), "swa")],
    ids=str,
)
def test_training_paused_between_any_two_batches_continues_to_the_same_weights(pauses, more):
    trainer = four_epochs(more)
    first = trainer.save_state()
    assert trainer.fit(Silent())
    expected, progress = weights(trainer), trainer.progress
    for batch in pauses:
        trainer.restore(first)
        state = pause(trainer, batch)
        assert trainer.fit(Silent())  # far from where it was paused
        trainer.restore(state)
        assert trainer.progress is not progress
        assert trainer.fit(Silent())
        for ours, theirs in zip(weights(trainer), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert [row.loss for row in trainer.progress.history] == [row.loss for row in progress.history]
        assert trainer.progress.best_epoch == progress.best_epoch


def test_a_compiled_step_computes_the_same_weights():
    # 40 windows in batches of 16: the last batch of an epoch is filled up. The layer of the other is run by a kernel.
    model = Model(cell="lstm", units=4, decoder="dense", head="student_t", residual=False)
    one, other = (
        tiny_trainer(model=model, average=AVERAGES["ema"], validation=0, is_compiled=each) for each in (True, False)
    )
    assert one.fit(Silent())
    assert other.fit(Silent())
    assert one.step.compiled.experimental_get_tracing_count() == 1  # compiled once, for one shape
    for ours, theirs in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    losses = [[row.loss for row in trainer.progress.history] for trainer in (one, other)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_a_compiled_training_resumes_exactly_with_random_masks_and_signs():
    model = Model(cell="gru", units=4, dropout=0.2, recurrent_dropout=0.2, zoneout=0.1)
    trainer = tiny_trainer(model=model, sign_flip=True, validation=0, is_compiled=True)
    state = pause(trainer, 5)  # before a batch that is filled up
    assert trainer.fit(Silent())
    expected = weights(trainer)
    trainer.restore(state)
    assert trainer.fit(Silent())
    for ours, theirs in zip(weights(trainer), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("model", "windows", "expected"),
    [
        ({"cell": "gru"}, 31_000, True),  # 10 epochs of 1,000 batches of 96 steps, less a few
        ({"cell": "gru"}, 3_000, False),
        ({"cell": "gru", "unroll": True}, 320_000, False),  # each step would be compiled
        ({"cell": "lstm"}, 31_000, True),  # though TensorFlow has a kernel
        ({"cell": "lstm"}, 3_000, False),
        ({"cell": "gru", "decoder": "seq2seq"}, 25_000, True),  # 96 steps and 24 of the decoder
        ({"cell": "gru", "decoder": "seq2seq", "head": "student_t"}, 320_000, False),  # no gamma samples in XLA
        ({"cell": "gru", "segment": 24}, 31_000, False),  # four steps a window
    ],
    ids=str,
)
def test_a_step_is_compiled_where_much_work_is_ahead(model, windows, expected):
    model = Model(**{"decoder": "dense", "units": 4, **model})
    window = {"length": 96, "horizon": 24}
    values = {"data": {"path": "x.csv"}, "window": window, "training": {"epochs": 10}}
    training = load_values(values, "x").config.training
    assert choose_compilation(build_network(model, 96, 24), model, training, 96, windows) is expected


def damage_states(whole: bytes):
    """States of a checkpoint that was damaged or made by somebody else."""
    arrays = dict(np.load(io.BytesIO(whole)))
    generator = random.Random(1)
    for _ in range(40):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        yield bytes(damaged[: generator.choice([len(whole), generator.randrange(len(whole))])])
    for save, changed in [
        (np.savez_compressed, arrays),
        (np.savez, {}),
        (np.savez, arrays | {"record": np.frombuffer(b"[" * 100_000, np.uint8)}),
        (np.savez, arrays | {"record": np.frombuffer(b"{}", np.uint8)}),
        (np.savez, {name: values if name == "record" else values[..., None] for name, values in arrays.items()}),
        (np.savez, {name: values if name == "record" else values.astype(str) for name, values in arrays.items()}),
    ]:
        file = io.BytesIO()
        save(file, **changed)
        yield file.getvalue()


def test_an_unfit_state_is_one_of_the_errors_that_a_training_reports():
    trainer = four_epochs(None)
    whole = trainer.save_state()
    refused = 0
    for state in damage_states(whole):
        with contextlib.suppress(*_UNFIT_STATE):
            trainer.restore(state)
            continue
        refused += 1
    assert refused >= 6 + 20
    trainer.restore(whole)


def test_sign_flipped_windows_are_those_of_the_sign_flipped_series(monkeypatch):
    monkeypatch.setattr(Trainer, "_draw_signs", lambda _, count, __: -tf.ones((count, 1)))
    flipped, negative = tiny_trainer(sign_flip=True, network=linear()), tiny_trainer(values=-VALUES, network=linear())
    flipped.fit(Silent())
    negative.fit(Silent())
    assert [row.loss for row in flipped.progress.history] == [row.loss for row in negative.progress.history]


def test_half_of_the_windows_are_flipped_and_others_in_each_batch():
    trainer = tiny_trainer(sign_flip=True)
    first, again, second = (trainer._draw_signs(10_000, batch).numpy() for batch in (1, 1, 2))
    assert set(first.ravel().tolist()) == {-1.0, 1.0}
    np.testing.assert_array_equal(first, again)
    assert abs(first.mean()) < 0.05  # five deviations of a fair coin
    assert abs((first * second).mean()) < 0.05


def test_the_best_epochs_weights_are_kept():
    trainer = tiny_trainer(
        build_optimizer("sgd", 3.0), epochs=6, model=Model(cell="simple_rnn", units=3, activation="sigmoid")
    )
    trainer.fit(Silent())
    validation = [row.validation_loss for row in trainer.progress.history]
    assert trainer.progress.best_epoch == int(np.argmin(validation)) + 1
    assert trainer.step.validate(trainer.tensors, trainer.validation_starts) == pytest.approx(min(validation), rel=1e-5)


def test_early_stopping_stops():
    trainer = tiny_trainer(
        build_optimizer("sgd", 1e-9), epochs=50, early_stopping=Patience(2, min_delta=0.1), network=linear()
    )
    trainer.fit(Silent())
    assert len(trainer.progress.history) == 3


def test_averages_worked_by_hand():
    weight = tf.Variable([0.0])
    exponential, equal = ExponentialAverage([weight], 0.5), Equal([weight], 0.5, 4)
    assert (exponential.first_epoch, equal.first_epoch, Equal([weight], 0.75, 10).first_epoch) == (1, 3, 8)
    means = []
    for epoch, value in enumerate((1.0, 3.0, 5.0, 9.0), 1):
        weight.assign([value])
        exponential.observe_batch()
        equal.observe_epoch(epoch)
        means.append([float(average.means[0][0]) for average in (exponential, equal)])
    # m = 0.5, 1.75, 3.375, 6.1875 over 1 - 0.5^t; and the mean of the third and the fourth.
    expected = [0.5 / 0.5, 1.75 / 0.75, 3.375 / 0.875, 6.1875 / 0.9375]
    np.testing.assert_allclose(means, np.transpose([expected, [0, 0, 5, 7]]), rtol=1e-6)
    with exponential.replace_weights():
        assert float(weight[0]) == pytest.approx(6.6)
    assert float(weight[0]) == 9


class Seen(Silent):
    """Keeps the network's own weights after each batch."""

    def __init__(self, trainer):
        self.trainer, self.batches = trainer, []

    def report_batch(self, *arguments):
        self.batches.append(weights(self.trainer))


@functools.cache
def fit_without_average() -> list[np.ndarray]:
    trainer = tiny_trainer(epochs=4, validation=0, network=linear())
    trainer.fit(Silent())
    return weights(trainer)


@pytest.mark.parametrize("name", AVERAGES)
def test_the_weights_that_are_kept_are_the_average(name):
    trainer = tiny_trainer(epochs=4, average=AVERAGES[name], validation=0, network=linear())
    seen = Seen(trainer)
    trainer.fit(seen)
    for ours, theirs in zip(seen.batches[-1], fit_without_average(), strict=True):
        np.testing.assert_array_equal(ours, theirs)  # the training itself continues as it would
    shares = 0.8 ** np.arange(12)[::-1] if name == "ema" else np.isin(np.arange(12), [8, 11])
    for kept, batches in zip(weights(trainer), zip(*seen.batches, strict=True), strict=True):
        np.testing.assert_allclose(kept, np.average(batches, axis=0, weights=shares), atol=1e-6)


def test_the_average_is_validated_and_chosen_and_nothing_before_it():
    trainer = tiny_trainer(
        build_optimizer("sgd", 1e-9),
        epochs=6,
        average=lambda w: Equal(w, 0.5, 6),
        early_stopping=Patience(2),
        network=linear(),
    )
    trainer.fit(Silent())
    assert trainer.progress.best_epoch >= 4
    assert len(trainer.progress.history) == 6  # three epochs before the mean begins did not count for patience
    validation = trainer.progress.history[trainer.progress.best_epoch - 1].validation_loss
    assert trainer.step.validate(trainer.tensors, trainer.validation_starts) == pytest.approx(validation, rel=1e-6)


def test_a_snapshot_begins_with_the_weights_and_the_optimizer_of_the_one_before():
    first, second = (tiny_trainer(first_choice=3, network=linear()) for _ in range(2))
    first.fit(Silent())
    second.begin_from(first.save_state())
    assert_same_weights(first, second)
    assert int(second.optimizer.iterations) == 9
    assert second.progress.history == []
    second.fit(Silent())
    assert second.progress.best_epoch == 3  # the end of the cycle, whatever was best


def test_an_epoch_can_be_limited_to_some_batches():
    trainer = tiny_trainer(epochs=1, batches_per_epoch=2)
    assert trainer.batches == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_training_and_names_the_batch(value):
    values = VALUES.copy()
    values[20] = value
    with pytest.raises(
        Diverged, match=r"loss became (nan|inf) in epoch 1, batch \d of 3.*smaller training.optimizer.learning_rate"
    ):
        tiny_trainer(values=values, network=linear()).fit(Silent())


def test_targets_of_a_sequence_are_the_window_shifted_by_one():
    trainer = tiny_trainer(model=Model(cell="gru", units=3, output="sequence"), values=np.arange(80, dtype="float32"))
    seen = []
    trainer.network.head.point_loss = lambda targets, values: seen.append(targets) or tf.reduce_mean(values * 0)
    batch = trainer.step.cut_batch(trainer.tensors, tf.constant([7]))
    trainer.network.compute_training_loss(*batch, tf.constant(0.0))
    np.testing.assert_array_equal(seen[0], [np.arange(8, 16)])
    trainer.network.compute_validation_loss(*batch)
    np.testing.assert_array_equal(seen[1], [[15]])


def test_the_gradient_is_that_of_finite_differences():
    network = build_network(Model(cell="lstm", units=3, decoder="dense"), 6, 2)
    windows = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    targets = np.random.default_rng(1).normal(size=(4, 2)).astype("float32")
    with tf.GradientTape() as tape:
        loss = network.compute_training_loss(Inputs(windows), targets, tf.constant(0.0))
    gradients = tape.gradient(loss, network.trainable_variables)
    step = 1e-2
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        original = variable.numpy()
        index = np.unravel_index(np.argmax(np.abs(gradient)), original.shape)
        losses = []
        for shift in (step, -step):
            moved = original.copy()
            moved[index] += shift
            variable.assign(moved)
            losses.append(float(network.compute_validation_loss(Inputs(windows), targets)))
        variable.assign(original)
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(float(gradient.numpy()[index]), rel=0.02, abs=1e-4)


def gapped_plan(tmp_path, gaps, missing):
    rows = [f"2026-01-01 {step // 60:02}:{step % 60:02},{step % 7}" for step in range(100) if step not in missing]
    (tmp_path / "x.csv").write_text("\n".join(["t,y", *rows]) + "\n")
    data = {"path": str(tmp_path / "x.csv"), "gaps": gaps}
    model = {"decoder": "dense"}
    window, split = {"length": 4, "horizon": 2}, {"validation": 20, "test": 20}
    return plan_training(load_values({"data": data, "window": window, "split": split, "model": model}, "x.yaml"))


@pytest.mark.parametrize("sign_flip", [False, True])
def test_windows_are_flipped_as_the_config_asks(tmp_path, sign_flip):
    plan = gapped_plan(tmp_path, "previous", {30})
    training = plan.config.training.model_copy(update={"sign_flip": sign_flip})
    plan = replace(plan, config=plan.config.model_copy(update={"training": training}))
    assert prepare_trainer(plan).sign_flip is sign_flip


def test_windows_of_filler_are_not_trained_on(tmp_path):
    training, validation = place_windows(gapped_plan(tmp_path, "previous", {30, 31, 70}))
    # Targets begin at step 4 and two of them stand after each window: 30 and 31 are targets of starts 25 to 27 alone,
    # the windows from 28 to 30 read half of their steps, and step 70 is a target of the starts 65 and 66.
    assert sorted(set(range(55)) - set(training)) == [25, 26, 27]
    assert sorted(set(range(56, 75)) - set(validation)) == [65, 66]
    assert len(place_windows(gapped_plan(tmp_path, "zero", {30, 31, 70}))[0]) == 55


def test_a_part_of_filler_alone_is_refused(tmp_path):
    with pytest.raises(DataError, match="every window of the validation part consists mostly of filled values"):
        place_windows(gapped_plan(tmp_path, "interpolate", set(range(58, 82))))


def test_starts_are_kept_as_runs():
    starts = Starts.from_starts([np.array([3, 4, 5, 9]), np.empty(0, int), np.array([20, 22])])
    np.testing.assert_array_equal(starts.firsts, [3, 9, 20, 22])
    assert len(starts) == 6
    np.testing.assert_array_equal(starts[np.arange(6)], [3, 4, 5, 9, 20, 22])
    np.testing.assert_array_equal(starts.spread_evenly(3), [3, 5, 22])
    np.testing.assert_array_equal(Starts.from_starts([np.empty(0, int)]).spread_evenly(3), [])


def test_balanced_draws_take_each_series_as_often_as_the_others():
    starts = Starts.from_starts([np.arange(100), np.empty(0, int), np.arange(200, 203)])
    drawn = starts[starts.draw_balanced(np.random.default_rng(0), 10_000)]
    assert np.mean(drawn >= 200) == pytest.approx(0.5, abs=0.02)
    found, counts = np.unique(drawn[drawn >= 200], return_counts=True)
    np.testing.assert_array_equal(found, [200, 201, 202])
    assert counts.min() > 1500


def test_an_epoch_takes_all_windows_once_or_as_many_as_its_batches_hold():
    trainer = tiny_trainer(batches_per_epoch=2)
    order = trainer._order(np.random.default_rng(0))
    assert (len(order), len(set(order.tolist()))) == (32, 32)
    np.testing.assert_array_equal(np.sort(tiny_trainer()._order(np.random.default_rng(0))), np.arange(40))
