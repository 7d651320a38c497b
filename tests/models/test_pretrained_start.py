"""Networks that start from the zero-shot forecast: it is their forecast before training, and they learn the rest."""

import numpy as np
import pytest
import tensorflow as tf

from forecaster.config.schema import Model
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs
from forecaster.models import build_network
from tests.helpers.networks import fitted, randomised

pytestmark = pytest.mark.slow

LENGTH, AHEAD, SEASON = 12, 6, 4
DECODERS = {
    "dense": {"decoder": "dense"},
    "dense, both directions": {"decoder": "dense", "bidirectional": True, "attention": "additive"},
    "dense, linear": {"decoder": "dense", "linear": True},
    "positional": {"decoder": "positional", "segment": 4},
    "positional, linear": {"decoder": "positional", "segment": 4, "linear": True},
    "seq2seq": {"decoder": "seq2seq", "segment": 4, "attention": "additive"},
    "context": {"decoder": "context", "segment": 2},
    "latent": {"decoder": "latent", "latent": 3},
}
NORMALIZATIONS = [
    {"normalization": name, "normalization_scale": size}
    for name in ("none", "last", "mean", "revin", "seasonal", "profile")
    for size in (("none",) if name == "revin" else ("none", "change"))
]


def inputs_of(channels: int = 1, known: int = 0, windows: int = 5) -> Inputs:
    """Random windows, their known features, and zero-shot forecasts."""
    generator = np.random.default_rng(1)
    features = generator.normal(size=(windows, LENGTH + AHEAD, known)).astype("float32")
    zero_shot = generator.normal(size=(windows, AHEAD, channels)).astype("float32")
    return Inputs(
        generator.normal(size=(windows, LENGTH * channels)).astype("float32"),
        features[:, :LENGTH] if known else None,
        np.concatenate([features[:, LENGTH:], zero_shot], axis=-1),
    )


def model_of(decoder: str, **options) -> Model:
    return Model(**{"cell": "gru", "units": [5], "pretrained": True, **DECODERS[decoder], **options})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *(("dense", options) for options in NORMALIZATIONS),
        *((name, NORMALIZATIONS[2]) for name in DECODERS if name != "dense"),
    ],
    ids=str,
)
def test_before_training_the_forecast_is_the_zero_shot_forecast(name, options):
    channels = 2
    inputs = inputs_of(channels, known=2)
    network = build_network(
        model_of(name, **options), LENGTH, AHEAD, SEASON, known_width=2, channels=channels, loss="mae"
    )
    expected = inputs.future[:, :, 2:].reshape(len(inputs.window), -1)
    np.testing.assert_allclose(network(inputs)[..., 0], expected, atol=1e-5)


@pytest.mark.parametrize("head", ["quantile", "normal", "student_t"])
def test_the_middle_of_a_distribution_starts_there_too(head):
    inputs, quantiles = inputs_of(), (0.1, 0.5, 0.9) if head == "quantile" else None
    network = build_network(model_of("dense", head=head, quantiles=quantiles), LENGTH, AHEAD)
    middle = np.asarray(network.head.to_point(network(inputs)))
    np.testing.assert_allclose(middle, inputs.future[..., 0], atol=1e-5)


@pytest.mark.parametrize("head", ["log_normal", "negative_binomial"])
def test_heads_above_0_start_next_to_it(head):
    inputs = inputs_of()
    inputs = inputs._replace(future=1 + np.abs(inputs.future))
    network = build_network(model_of("dense", head=head, normalization="last"), LENGTH, AHEAD)
    middle = np.asarray(network.head.to_point(network(inputs)))
    np.testing.assert_allclose(middle, inputs.future[..., 0], atol=0.01)  # a softplus that is nearly the identity


@pytest.mark.parametrize(("name", "known"), [("dense", 0), ("positional", 2), ("seq2seq", 2), ("context", 0)])
def test_it_is_served_as_keras_has_it(name, known):
    inputs, model = inputs_of(known=known), model_of(name, normalization="mean", normalization_scale="deviation")
    network, served = randomised(model, LENGTH, AHEAD, SEASON, known_width=known)
    kind = "direct" if model.decoder in {"dense", "positional"} else "carry"
    expected = np.asarray(network(inputs))[..., 0]
    np.testing.assert_allclose(Rollout(served, kind)(inputs, AHEAD).mean, expected, atol=1e-4)
    moved = inputs._replace(future=inputs.future + np.eye(1, known + 1, known, dtype="float32"))  # forecasts 1 higher
    assert np.abs(np.asarray(network(moved))[..., 0] - expected - 1).max() > 1e-3  # decoders read them, too


def test_channels_start_from_their_own_forecasts_when_served():
    inputs, model = inputs_of(channels=3, windows=2), model_of("seq2seq", normalization="last")
    network, served = randomised(model, LENGTH, AHEAD, SEASON, channels=3)
    rows = np.moveaxis(inputs.window.reshape(2, LENGTH, 3), 2, 1).reshape(6, LENGTH)  # a row for each channel
    found = Rollout(served, "carry", channels=3)(Inputs(rows, None, np.repeat(inputs.future, 3, axis=0)), AHEAD).mean
    expected = np.asarray(network(inputs))[..., 0].reshape(2, AHEAD, 3)
    np.testing.assert_allclose(found, np.moveaxis(expected, 2, 1).reshape(6, AHEAD), atol=1e-4)


def test_it_learns_what_the_zero_shot_forecast_is_wrong_by():
    """The zero-shot forecast is twice too far from the window's last value, which decoders see as they read both."""

    def batch(generator):
        window = generator.normal(size=(64, LENGTH)).astype("float32")
        zero_shot = window[:, -1:] + generator.normal(size=(64, AHEAD)).astype("float32")
        return Inputs(window, None, zero_shot[..., None]), (zero_shot + window[:, -1:]) / 2

    network = build_network(model_of("dense", normalization="last", units=[8]), LENGTH, AHEAD)
    network = fitted(network, batch, steps=100, rate=0.03)
    inputs, targets = batch(np.random.default_rng(9))
    assert np.mean((np.asarray(network(inputs))[..., 0] - targets) ** 2) < 0.05  # 0.25 without training


@pytest.mark.parametrize("name", DECODERS)
def test_every_weight_is_trained_after_the_first_batch(name):
    """The head starts at 0, so the first gradient reaches nothing behind it; the second reaches every weight."""
    inputs = Inputs(*(None if array is None else tf.constant(array) for array in inputs_of()))
    targets = tf.constant(np.random.default_rng(2).normal(size=(5, AHEAD)).astype("float32"))
    network = build_network(model_of(name), LENGTH, AHEAD, SEASON)
    weights = network.trainable_variables
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = network.compute_training_loss(inputs, targets, tf.constant(5.0))
        gradients = tape.gradient(loss, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.assign_sub(0.1 * gradient)
    still = [
        weight.path
        for weight, gradient in zip(weights, gradients, strict=True)
        if gradient is None or not np.any(gradient)
    ]
    assert not still
