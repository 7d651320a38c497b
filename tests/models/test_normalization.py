"""Normalisation inside the window: worked by hand, undone exactly, the same when served."""

import numpy as np
import pandas as pd
import pytest

from forecaster.config.schema import Model
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.inputs import Inputs
from forecaster.models.normalization import build_normalization, smooth_level
from forecaster.training.export import export_onnx
from tests.helpers import networks
from tests.helpers.fake_network import one_answer, roll_out

pytestmark = pytest.mark.slow

NAMES = ["none", "last", "mean", "revin", "seasonal", "profile"]
LENGTH, SEASON = 10, 3
WINDOW = np.array([[1.0, 2, 4, 3, 5, 9]], "float32")


@pytest.mark.parametrize(
    ("name", "read", "offset", "scale"),
    [
        ("none", [1, 2, 4, 3, 5, 9], [0, 0, 0, 0], 1),
        ("last", [-8, -7, -5, -6, -4, 0], [9, 9, 9, 9], 1),
        ("mean", [-3, -2, 0, -1, 1, 5], [4, 4, 4, 4], 1),
        ("revin", np.array([-3, -2, 0, -1, 1, 5]) / np.sqrt(40 / 6), [4, 4, 4, 4], np.sqrt(40 / 6)),
        ("seasonal", [3 - 1, 5 - 2, 9 - 4], [3, 5, 9, 3], 1),
    ],
)
def test_worked_by_hand(name, read, offset, scale):
    normalization = build_normalization(name, SEASON)
    found, anchors = normalization(WINDOW)
    np.testing.assert_allclose(found, [read], rtol=1e-5)
    _, anchors = normalization.step(WINDOW[:, -1:], anchors)
    found_offset, found_scale = normalization.compute_affine(anchors, 4)
    np.testing.assert_allclose(np.broadcast_to(found_offset, (1, 4)), [offset], rtol=1e-5)
    np.testing.assert_allclose(found_scale, [[scale]], rtol=1e-5)


def test_a_profile_and_a_level_worked_by_hand():
    swing = np.array([2.0, -1, 0, -3, 2])
    window = np.tile(swing, 3)[None, 2:].astype("float32") + 7  # two whole seasons, and three steps before them
    normalization = build_normalization("profile", 5, segment=2)
    read, anchors = normalization(window)
    np.testing.assert_allclose(read, np.zeros((1, 13)), atol=1e-5)
    read, anchors = normalization.step(window[:, -2:] + 1, anchors)
    np.testing.assert_allclose(read, [[1, 1]], atol=1e-5)
    np.testing.assert_allclose(
        normalization.compute_affine(anchors, 7)[0], [7 + swing[[0, 1, 2, 3, 4, 0, 1]]], atol=1e-5
    )
    _, anchors = normalization.step(window[:, :2], anchors)
    np.testing.assert_allclose(normalization.compute_affine(anchors, 4)[0], [7 + swing[[2, 3, 4, 0]]], atol=1e-5)


def test_a_trend_is_no_part_of_a_profile():
    swing = np.array([2.0, -1, 0, -3, 2])
    window = (np.tile(swing, 4) + 3 * np.arange(20))[None].astype("float32")
    np.testing.assert_allclose(
        build_normalization("profile", 5, segment=5).compute_anchors(window)[0], [swing], atol=1e-4
    )


@pytest.mark.parametrize(
    ("apart", "left"),
    [
        (1, 3 / 4),  # V / A = (2 * 4 / 4 / 2) / (8 / 4) = 1 / 2, of which (5 - 3) / (5 - 1) is taken
        (2, 1 / 2),  # all of it is chance
    ],
)
def test_a_profile_is_drawn_to_0_as_far_as_its_seasons_differ(apart, left):
    swing, noise = np.array([2.0, -2, 0, 0, 0]), apart * np.array([1.0, 1, -1, -1, 0])
    window = np.concatenate([swing + noise, swing - noise])[None].astype("float32")
    profile, _ = build_normalization("profile", 5, segment=5).compute_anchors(window)
    np.testing.assert_allclose(profile, [left * swing], atol=1e-6)


@pytest.mark.parametrize(("asked", "ahead"), [(0, 1), (2, 2), (9, 2)])
def test_a_level_is_smoothed_by_the_factors_that_forecast_best(asked, ahead):
    values = pd.Series([4.0, 6, 3, 5, 5, 8, 2])
    means = [values.expanding().mean(), *(values.ewm(alpha=factor).mean() for factor in (0.04, 0.16, 0.36, 0.64, 1))]
    following = values.rolling(ahead).mean().shift(-ahead)
    likelihoods = [((following - mean) ** 2).mean() ** (-(7 - ahead) / 2) for mean in means]
    expected = np.average([mean.iloc[-1] for mean in means], weights=likelihoods)
    found = smooth_level(np.stack([values, 10 * values], axis=1)[None].astype("float32"), asked)
    np.testing.assert_allclose(found, [[expected, 10 * expected]], rtol=1e-5)


SIZES = {
    "deviation": np.sqrt(((3 - 17 / 3) ** 2 + (5 - 17 / 3) ** 2 + (9 - 17 / 3) ** 2) / 3),  # of 3, 5, 9
    "level": (3 + 5 + 9) / 3,
    "change": (2 + 3 + 5) / 3,  # 1 to 3, 2 to 5, 4 to 9
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "read", "offset"),
    [
        ("none", [1, 2, 4, 3, 5, 9], [0, 0, 0, 0]),
        ("last", [-8, -7, -5, -6, -4, 0], [9, 9, 9, 9]),
        ("mean", [-3, -2, 0, -1, 1, 5], [4, 4, 4, 4]),
        ("seasonal", [2, 3, 5], [3, 5, 9, 3]),
    ],
)
def test_sizes_worked_by_hand(name, read, offset, size):
    normalization = build_normalization(name, SEASON, size=size)
    found, anchors = normalization(WINDOW)
    np.testing.assert_allclose(found, [np.array(read) / SIZES[size]], rtol=1e-5)
    last, anchors = normalization.step(WINDOW[:, -1:], anchors)
    np.testing.assert_allclose(last, found[:, -1:], rtol=1e-5)
    found_offset, found_scale = normalization.compute_affine(anchors, 4)
    np.testing.assert_allclose(np.broadcast_to(found_offset, (1, 4)), [offset], rtol=1e-5)
    np.testing.assert_allclose(np.broadcast_to(found_scale, (1, 4)), [4 * [SIZES[size]]], rtol=1e-5)


def test_without_a_season_a_size_is_that_of_the_whole_window():
    sizes = {"deviation": np.std(WINDOW), "level": 4, "change": (1 + 2 + 1 + 2 + 4) / 5}
    for size, expected in sizes.items():
        np.testing.assert_allclose(
            build_normalization("mean", 1, size=size).compute_unit(WINDOW), [[expected]], rtol=1e-5
        )


def test_each_channel_has_its_own_size():
    window = np.stack([WINDOW, 10 * WINDOW], axis=2).reshape(1, -1)
    normalization = build_normalization("mean", SEASON, channels=2, size="change")
    found, anchors = normalization(window)
    np.testing.assert_allclose(found[:, ::2], found[:, 1::2], rtol=1e-5)
    np.testing.assert_allclose(
        normalization.compute_affine(anchors, 4)[1], [[10 / 3, 100 / 3, 10 / 3, 100 / 3]], rtol=1e-5
    )


def test_a_flat_window_has_the_smallest_size():
    normalization = build_normalization("last", SEASON, size="deviation")
    np.testing.assert_allclose(normalization(np.full((1, 6), 3.0, "float32"))[0], np.zeros((1, 6)))
    np.testing.assert_allclose(normalization.compute_unit(np.full((1, 6), 3.0, "float32")), [[0.01]])


@pytest.mark.parametrize("options", [{}, {"head": "quantile", "quantiles": (0.1, 0.5)}], ids=str)
def test_errors_count_in_the_size_of_their_window(options):
    model = Model(units=4, normalization="mean", normalization_scale="level", decoder="dense", **options)
    network = random_network(model, 5)
    windows, targets = WINDOWS + 3, WINDOWS[:, :5] + 3
    expected = network.compute_training_loss(Inputs(windows), targets, 0.0)
    np.testing.assert_allclose(
        network.compute_training_loss(Inputs(7 * windows), 7 * targets, 0.0), expected, rtol=1e-4
    )


@pytest.mark.parametrize("options", [{"decoder": "dense"}, {"segment": 2}, {"decoder": "seq2seq"}], ids=str)
@pytest.mark.parametrize("name", ["none", "last", "mean", "seasonal", "profile"])
def test_a_network_scaled_with_its_window_forecasts_the_scaled_future(name, options):
    model = Model(units=4, normalization=name, normalization_scale="change", **options)
    ahead = 4 if "decoder" in options else model.segment
    _, served = networks.randomised(model, 12, ahead, 4)
    rollout = {"dense": "direct", "seq2seq": "carry"}.get(options.get("decoder", ""), "slide")
    windows = np.random.default_rng(4).normal(size=(6, 12)).astype("float32")
    low = roll_out(served, windows, 4, rollout)
    np.testing.assert_allclose(roll_out(served, 100 * windows, 4, rollout), 100 * low, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_last_value_read_by_step_is_that_read_in_the_window(name):
    normalization = build_normalization(name, SEASON)
    read, anchors = normalization(WINDOW)
    if name == "revin":
        normalization.gain.assign([1.7])
        normalization.bias.assign([-0.4])
        read, anchors = normalization(WINDOW)
    last, _ = normalization.step(WINDOW[:, -1:], anchors)
    np.testing.assert_allclose(last, np.asarray(read)[:, -1:], atol=1e-6)


def randomised(model: Model, ahead: int):
    return networks.randomised(model, LENGTH, ahead, SEASON)


def random_network(model: Model, ahead: int):
    return networks.random_network(model, LENGTH, ahead, SEASON)


WINDOWS = np.random.default_rng(4).normal(size=(6, LENGTH)).astype("float32")


@pytest.mark.parametrize(
    "options", [{"decoder": "dense", "cell": "gru"}, {"bidirectional": True}], ids=str
)  # a rollout of an LSTM is in `test_sliding_is_a_plain_loop_over_the_keras_network`
@pytest.mark.parametrize("name", NAMES)
def test_the_exported_graphs_agree_with_keras(name, options):
    network, served = randomised(Model(units=4, normalization=name, **options), 7 if "decoder" in options else 1)
    np.testing.assert_allclose(one_answer(served, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5)


@pytest.mark.parametrize("name", ["last", "mean", "revin", "profile"])
@pytest.mark.parametrize("options", [{"decoder": "dense", "cell": "gru"}, {}], ids=str)
def test_a_network_shifted_with_its_window_forecasts_the_shifted_future(name, options):
    _, served = randomised(Model(units=4, normalization=name, **options), 7 if options else 1)
    rollout = "direct" if options else "slide"
    low = roll_out(served, WINDOWS, 7, rollout)
    np.testing.assert_allclose(roll_out(served, WINDOWS + 100, 7, rollout), low + 100, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_sliding_is_a_plain_loop_over_the_keras_network(name):
    network, served = randomised(Model(units=4, normalization=name), 1)
    found = roll_out(served, WINDOWS, 8, "slide")
    known = np.concatenate([WINDOWS, found], axis=1)
    np.testing.assert_allclose(found, networks.answer_windows(network, known, LENGTH, 8), atol=1e-5)


@pytest.mark.parametrize("name", ["none", "seasonal"])
def test_carrying_is_the_keras_network_reading_everything_from_the_start(name):
    network, served = randomised(Model(units=4, normalization=name, output="sequence"), 1)
    found = roll_out(served, WINDOWS, 8, "carry")
    known = np.concatenate([WINDOWS, found], axis=1)
    np.testing.assert_allclose(found, networks.answer_beginnings(network, known, LENGTH, 8), atol=1e-5)


def test_a_head_of_zeros_makes_the_seasonal_network_the_seasonal_naive():
    network = random_network(Model(units=4, normalization="seasonal", decoder="dense"), 7)
    network.head.dense.kernel.assign(np.zeros((4, 7)))
    network.head.dense.bias.assign(np.zeros(7))
    forecast = roll_out(OnnxNetwork(*export_onnx(network, LENGTH)), WINDOWS, 7, "direct")
    np.testing.assert_allclose(forecast, WINDOWS[:, [7, 8, 9, 7, 8, 9, 7]], atol=1e-6)


def test_seasonal_learns_every_step_from_a_season_before_it():
    network = random_network(Model(units=4, normalization="seasonal", output="sequence"), 1)
    network.head.dense.kernel.assign(np.zeros((4, 1)))
    network.head.dense.bias.assign(np.zeros(1))
    # predictions after steps 3..9 are the values a season before steps 4..10
    np.testing.assert_allclose(network.predict_after_each(Inputs(WINDOWS))[..., 0], WINDOWS[:, 1:8], atol=1e-6)
