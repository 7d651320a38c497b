"""Each part learns what it is there for, on data made so that nothing else would do."""

import keras
import numpy as np
import pytest

from forecaster.config.schema import Model
from forecaster.forecasting.distributions import select_distribution
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.training.export import export_onnx
from tests.helpers.networks import fitted

pytestmark = pytest.mark.slow

BATCH = 64


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(3)


def error(network, batch):
    """The mean squared error over the variance of the targets, on data that were not trained on."""
    windows, targets, *categories = batch(np.random.default_rng(99))
    answers = np.asarray(network.head.to_point(network(Inputs(windows, None, None, *categories))))
    return np.mean((answers - targets) ** 2) / np.var(targets)


def remembered(steps):
    """The first value of a window is the value after it; the rest is a little noise."""

    def batch(generator):
        windows = generator.normal(0, 0.2, size=(BATCH, steps)).astype("float32")
        windows[:, 0] = generator.normal(size=BATCH)
        return windows, windows[:, :1]

    return batch


@pytest.mark.parametrize("cell", ["lstm", "peephole_lstm", "gru", "slstm"])
def test_a_gated_cell_keeps_a_value_over_fifteen_steps(cell):
    network = fitted(build_network(Model(cell=cell, units=[12]), 15, 1), remembered(15), steps=80, rate=0.04)
    assert error(network, remembered(15)) < 0.2


def waves(length, ahead):
    """Sines of any phase, with a period of 6."""

    def batch(generator):
        steps = np.arange(length + ahead)
        phases = generator.uniform(0, 6, size=(BATCH, 1))
        values = np.sin(2 * np.pi * (steps + phases) / 6).astype("float32")
        return values[:, :length], values[:, length:]

    return batch


@pytest.mark.parametrize(
    ("length", "options"),
    [
        (6, {"cell": "lstm", "decoder": "seq2seq", "scheduled_sampling": 1.0, "warmup": 3, "bidirectional": True}),
        (12, {"decoder": "positional", "segment": 3, "cell": "simple_rnn", "bidirectional": True, "merge": "mean"}),
        (6, {"cell": "lstm", "decoder": "context", "scheduled_sampling": 1.0}),
        (6, {"decoder": "dense", "units": [8] * 3, "residual": True, "dilation": True, "layer_normalization": True}),
    ],
    ids=str,
)
def test_a_wave_is_continued_over_a_whole_horizon(length, options):
    network = build_network(Model(**{"cell": "gru", "units": [12], **options}), length, 6, season=6)
    fitted(network, waves(length, 6), steps=80 if length == 12 else 50, rate=0.03)
    assert error(network, waves(length, 6)) < 0.05


def marked(generator):
    """Somewhere in a window a 4 marks the value after it, which also follows the window."""
    windows = generator.uniform(-1, 1, size=(BATCH, 20)).astype("float32")
    places = generator.integers(0, 18, size=BATCH)
    windows[np.arange(BATCH), places] = 4
    return windows, windows[np.arange(BATCH), places + 1][:, None]


@pytest.mark.parametrize(
    ("kind", "cell", "steps", "rate"), [("additive", "lstm", 80, 0.035), ("multiplicative", "gru", 130, 0.02)]
)
def test_attention_finds_the_step_that_matters(kind, cell, steps, rate):
    network = build_network(Model(cell=cell, units=[16], decoder="dense", attention=kind), 20, 1)
    fitted(network, marked, steps, rate)
    assert error(network, marked) < 0.2
    windows, _ = marked(np.random.default_rng(99))
    weights = np.asarray(network.decode(network.encode(Inputs(windows)), windows[:, -1:]).attention)
    marks = windows.argmax(axis=1)
    looked = weights[np.arange(BATCH), marks] + weights[np.arange(BATCH), marks + 1]
    assert np.mean(looked > 0.5) > 0.8


def by_season(generator):
    """Seasons of 6 steps whose level alternates between 1 and -1; the next is the other one, at any time of it."""
    signs = np.where(np.arange(4) % 2, 1.0, -1.0) * generator.choice([-1, 1], size=(BATCH, 1))
    values = np.repeat(signs, 6, axis=1) + generator.normal(0, 0.5, size=(BATCH, 24))
    return values[:, :18].astype("float32"), values[:, 18:].astype("float32")


def test_a_context_carries_from_season_to_season():
    model = Model(cell="gru", units=[12], decoder="context", scheduled_sampling=1.0)
    network = fitted(build_network(model, 18, 6, season=6), by_season, steps=70, rate=0.02)
    assert error(network, by_season) < 0.25  # the noise alone is 0.2


def up_or_down(generator):
    """After a flat window the whole horizon goes up, or the whole of it down."""
    signs = generator.choice([-1.0, 1.0], size=(BATCH, 1))
    targets = signs + generator.normal(0, 0.1, size=(BATCH, 4))
    return generator.normal(0, 0.1, size=(BATCH, 4)).astype("float32"), targets.astype("float32")


def test_a_latent_variable_draws_whole_trajectories():
    model = Model(cell="gru", units=[12], decoder="latent", latent=2, head="normal", warmup=5, scheduled_sampling=1.0)
    network = fitted(build_network(model, 4, 4, season=4), up_or_down, steps=100, rate=0.04)
    served = OnnxNetwork(*export_onnx(network, 4))
    windows, _ = up_or_down(np.random.default_rng(99))
    paths = Rollout(served, "carry", select_distribution(model, 1.0), paths=300)(Inputs(windows[:1]), 4).parameters[
        0
    ]  # (horizon, paths)
    assert np.corrcoef(paths).min() > 0.9  # one trajectory goes one way
    assert 0.2 < np.mean(paths > 0) < 0.8  # and some go the other
    assert np.mean(np.abs(np.abs(paths) - 1) < 0.5) > 0.8  # none stays in the middle


def by_kind(generator):
    """Windows of noise; the value after them depends on the series alone, and on its kind: 2, -2 or 0."""
    series = generator.integers(0, 6, size=BATCH)
    kinds = np.array([2.0, 2.0, -2.0, -2.0, 0.0, 0.0])[series]
    windows = generator.normal(size=(BATCH, 3)).astype("float32")
    return windows, kinds[:, None].astype("float32"), series[:, None].astype("int32")


@pytest.mark.parametrize("decoder", ["rollout", "dense", "positional", "seq2seq"])
def test_an_embedding_learns_which_series_are_alike(decoder):
    network = build_network(
        Model(cell="lstm", units=[8], decoder=decoder, embedding=3, unroll=True), 3, 1, categories=[6]
    )
    fitted(network, by_kind, steps=60, rate=0.05)
    assert error(network, by_kind) < 0.05
    vectors = network.embedding.tables[0].numpy()
    nearest = np.linalg.norm(vectors[:, None] - vectors, axis=-1) + 100 * np.eye(6)
    np.testing.assert_array_equal(nearest.argmin(axis=1), [1, 0, 3, 2, 5, 4])


def noisy(draw):
    """Targets drawn by the window's own last value, between 0 and 1."""

    def batch(generator):
        windows = generator.uniform(0, 1, size=(4 * BATCH, 2)).astype("float32")
        return windows, draw(generator, windows[:, -1:].astype(float)).astype("float32")

    return batch


HEADS = {
    "normal": lambda g, x: g.normal(2 * x, 0.2 + x),
    "student_t": lambda g, x: 2 * x + (0.2 + x) * g.standard_t(3, size=x.shape),
    "log_normal": lambda g, x: np.exp(g.normal(x, 0.2 + 0.5 * x)),
    "negative_binomial": lambda g, x: g.poisson(g.gamma(2, (1 + 4 * x) / 2)),
    "quantile": lambda g, x: g.normal(2 * x, 0.2 + x),
    "categorical": lambda g, x: g.choice([-1, 1], size=x.shape) * (1 + x) + g.normal(0, 0.1, size=x.shape),
}


@pytest.mark.parametrize("head", HEADS)
def test_a_head_learns_how_sure_it_can_be(head):
    model = Model(cell="gru", units=[8], decoder="dense", head=head, quantiles=(0.1, 0.5, 0.9), bins=64, unroll=True)
    network = build_network(model, 2, 1)
    network.head.adapt(-2.5, 2.5)
    long, short = (240, 0.1), (120, 0.05)
    steps, rate = long if head in ("categorical", "negative_binomial") else short
    fitted(network, noisy(HEADS[head]), steps, rate)
    generator = np.random.default_rng(7)
    for last in (0.1, 0.9):
        window = np.array([[0.5, last]], "float32")
        truth = HEADS[head](generator, np.full((100_000, 1), last))
        found = select_distribution(model, 1.0)(np.asarray(network(Inputs(window))))
        if head == "negative_binomial":  # a quantile of counts covers more than its probability
            assert found.mean[0, 0] == pytest.approx(truth.mean(), rel=0.15)
            assert found.deviation[0, 0] == pytest.approx(truth.std(), rel=0.2)
            continue
        for probability in (0.1, 0.9):
            covered = np.mean(truth <= found.compute_quantile(probability)[0, 0])
            assert covered == pytest.approx(probability, abs=0.05)
