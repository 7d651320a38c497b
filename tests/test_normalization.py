"""Normalisation inside the window: worked by hand, undone exactly, the same when served."""

import numpy as np
import pytest

from forecaster.config.sections import Model
from forecaster.export import export_onnx
from forecaster.inference import OnnxNetwork
from forecaster.inputs import Inputs
from forecaster.models.normalization import build_normalization

from . import networks
from .networks import one_answer, roll_out

NAMES = ["none", "last", "mean", "revin", "seasonal"]
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
    found_offset, found_scale = normalization.affine(anchors, 4)
    np.testing.assert_allclose(np.broadcast_to(found_offset, (1, 4)), [offset], rtol=1e-5)
    np.testing.assert_allclose(found_scale, [[scale]], rtol=1e-5)


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


WINDOWS = np.random.default_rng(4).normal(size=(6, LENGTH)).astype("float32")


@pytest.mark.parametrize(
    "options", [{"decoder": "dense"}, {}, {"bidirectional": True}, {"decoder": "dense", "cell": "gru"}], ids=str
)
@pytest.mark.parametrize("name", NAMES)
def test_the_exported_graphs_agree_with_keras(name, options):
    network, served = randomised(Model(units=4, normalization=name, **options), 7 if "decoder" in options else 1)
    np.testing.assert_allclose(one_answer(served, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5)


@pytest.mark.parametrize("name", ["last", "mean", "revin"])
@pytest.mark.parametrize("options", [{"decoder": "dense"}, {}], ids=str)
def test_a_network_shifted_with_its_window_forecasts_the_shifted_future(name, options):
    _, served = randomised(Model(units=4, normalization=name, **options), 5 if options else 1)
    rollout = "direct" if options else "slide"
    low = roll_out(served, WINDOWS, 5, rollout)
    np.testing.assert_allclose(roll_out(served, WINDOWS + 100, 5, rollout), low + 100, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_sliding_is_a_plain_loop_over_the_keras_network(name):
    network, served = randomised(Model(units=4, normalization=name), 1)
    expected = WINDOWS
    for _ in range(8):
        expected = np.concatenate([expected, network(Inputs(expected[:, -LENGTH:]))[..., 0]], axis=1)
    np.testing.assert_allclose(roll_out(served, WINDOWS, 8, "slide"), expected[:, LENGTH:], atol=1e-5)


@pytest.mark.parametrize("name", ["none", "seasonal"])
def test_carrying_is_the_keras_network_reading_everything_from_the_start(name):
    network, served = randomised(Model(units=4, normalization=name, output="sequence"), 1)
    expected = WINDOWS
    for _ in range(8):
        expected = np.concatenate([expected, network(Inputs(expected))[..., 0]], axis=1)
    np.testing.assert_allclose(roll_out(served, WINDOWS, 8, "carry"), expected[:, LENGTH:], atol=1e-5)


def test_a_head_of_zeros_makes_the_seasonal_network_the_seasonal_naive():
    network, _ = randomised(Model(units=4, normalization="seasonal", decoder="dense"), 7)
    network.head.dense.kernel.assign(np.zeros((4, 7)))
    network.head.dense.bias.assign(np.zeros(7))
    forecast = roll_out(OnnxNetwork(*export_onnx(network, LENGTH)), WINDOWS, 7, "direct")
    np.testing.assert_allclose(forecast, WINDOWS[:, [7, 8, 9, 7, 8, 9, 7]], atol=1e-6)


def test_seasonal_learns_every_step_from_a_season_before_it():
    network, _ = randomised(Model(units=4, normalization="seasonal", output="sequence"), 1)
    network.head.dense.kernel.assign(np.zeros((4, 1)))
    network.head.dense.bias.assign(np.zeros(1))
    # predictions after steps 3..9 are the values a season before steps 4..10
    np.testing.assert_allclose(network.after_each(Inputs(WINDOWS))[..., 0], WINDOWS[:, 1:8], atol=1e-6)
