"""Rollouts, against a recurrence worked by hand and against a plain loop over the Keras network."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.config.schema import Activation, Model
from forecaster.data import Series
from forecaster.errors import Diverged
from forecaster.forecast import Forecast
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.forecasting.predictor import Predictor
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.models.weights import dump_weights, load_weights
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.preprocessing.scaling import Scaler
from forecaster.training.export import export_onnx
from tests.helpers import networks
from tests.helpers.networks import Fake, one_answer, roll_out

LENGTH = 9


class Fibonacci(Fake):
    """y = previous + the one before; its state is the value before `previous`."""

    def __init__(self):
        self.batches = []

    def read(self, windows):
        self.batches.append(windows.shape)
        return [windows[:, -2:-1]]

    def answer(self, states, previous):
        return states[0] + previous, [previous]


@pytest.mark.parametrize("rollout", ["slide", "carry"])
def test_a_rollout_of_a_known_recurrence(rollout):
    windows = np.array([[0.0, 1, 1], [0, 2, 3]])
    forecast = roll_out(Fibonacci(), windows, 6, rollout)
    np.testing.assert_array_equal(forecast, [[2, 3, 5, 8, 13, 21], [5, 8, 13, 21, 34, 55]])


def test_sliding_encodes_each_step_and_carrying_encodes_once_for_all_windows():
    slide, carry = Fibonacci(), Fibonacci()
    roll_out(slide, np.ones((7, 3)), 4, "slide")
    roll_out(carry, np.ones((7, 3)), 4, "carry")
    assert (slide.batches, carry.batches) == ([(7, 3)] * 4, [(7, 3)])


class LastAndLength(Fake):
    """Answers with the window's first value, so that a window that slid wrongly shows."""

    def read(self, windows):
        assert windows.shape[1] == 3
        return [windows[:, :1]]

    def answer(self, states, previous):
        return states[0], [states[0]]


def test_sliding_reads_the_last_steps_its_own_outputs_among_them():
    forecast = roll_out(LastAndLength(), np.array([[1.0, 2, 3]]), 7, "slide")
    np.testing.assert_array_equal(forecast, [[1, 2, 3, 1, 2, 3, 1]])


def test_many_windows_go_through_in_batches_of_bounded_size():
    network = Fibonacci()
    windows = np.random.default_rng(0).normal(size=(10_000, 3))
    forecast = roll_out(network, windows, 2, "carry")
    assert [batch for batch, _ in network.batches] == [4096, 4096, 1808]
    np.testing.assert_allclose(forecast[:, 0], windows[:, -1] + windows[:, -2], atol=1e-6)


class Explosive(Fibonacci):
    def answer(self, states, previous):
        with np.errstate(over="ignore"):
            return previous * np.float32(1e20), states


CONFIG = load_values(
    {"data": {"path": "x.csv"}, "window": {"length": 3, "horizon": 5}, "forecast": {"levels": []}}, "x"
).config
NO_RESIDUALS = np.zeros((1, 5))


def forecast_of(network, scaler, values, steps):
    timestamps = pd.date_range("2026-01-01", periods=len(values), freq="h")
    predictor = Predictor.of(network, CONFIG, Preprocessing({"y": scaler}))
    series = Series("y", "y", "t", timestamps, np.asarray(values, float), "h")
    return predictor.forecasts([series], steps, NO_RESIDUALS, [])[0]


def test_a_forecast_is_in_the_series_own_unit():
    forecast = forecast_of(Fibonacci(), Scaler(10, 2), [10, 12, 12, 14], 2)
    np.testing.assert_allclose(forecast.mean, [16, 20])  # scaled: 0 1 1 2 -> 3 5


def test_a_rollout_that_explodes_is_an_error_not_infinity():
    with pytest.raises(Diverged, match="become infinite at step 2"):
        forecast_of(Explosive(), Scaler(0, 1), [1, 2, 3], 5)


def test_a_forecast_written_as_csv_reads_back():
    forecast = forecast_of(Fibonacci(), Scaler(0.1, 0.3), [1, 2, 3], 5)
    again = Forecast.from_csv(forecast.to_csv())
    np.testing.assert_array_equal(again.mean, forecast.mean)
    assert list(again.timestamps) == list(forecast.timestamps)
    assert (again.series, again.origin) == (forecast.series, forecast.origin)


def randomised(model: Model, ahead: int):
    return networks.randomised(model, LENGTH, ahead)


def random_network(model: Model, ahead: int):
    return networks.random_network(model, LENGTH, ahead)


WINDOWS = np.random.default_rng(4).normal(size=(6, LENGTH)).astype("float32")
CELLS = ["simple_rnn", "lstm", "gru"]


@pytest.mark.parametrize("units", [[5], [5, 3]], ids=["one", "stacked"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("decoder", ["rollout", "dense"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_exported_graphs_agree_with_keras(cell, decoder, bidirectional, units):
    model = Model(cell=cell, decoder=decoder, bidirectional=bidirectional, units=units)
    ahead = 4 if decoder == "dense" else 1
    network, served = randomised(model, ahead)
    np.testing.assert_allclose(one_answer(served, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        *({"activation": name, "recurrent_activation": name} for name in get_args(Activation)),
        {"unroll": True},
        {"dropout": 0.3, "recurrent_dropout": 0.2},
    ],
    ids=str,
)
def test_the_exported_graphs_agree_with_keras_under_every_option(options):
    network, served = randomised(Model(cell="gru", units=[3], **options), 1)
    np.testing.assert_allclose(one_answer(served, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("cell", CELLS)
def test_sliding_is_a_plain_loop_over_the_keras_network(cell, bidirectional):
    network, served = randomised(Model(cell=cell, units=[5, 3], bidirectional=bidirectional), 1)
    expected = WINDOWS
    for _ in range(12):
        expected = np.concatenate([expected, network(Inputs(expected[:, -LENGTH:]))[..., 0]], axis=1)
    np.testing.assert_allclose(roll_out(served, WINDOWS, 12, "slide"), expected[:, LENGTH:], atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_carrying_is_the_keras_network_reading_everything_from_the_start(cell):
    network, served = randomised(Model(cell=cell, units=[5, 3], output="sequence"), 1)
    expected = WINDOWS
    for _ in range(12):
        expected = np.concatenate([expected, network(Inputs(expected))[..., 0]], axis=1)
    np.testing.assert_allclose(roll_out(served, WINDOWS, 12, "carry"), expected[:, LENGTH:], atol=1e-5)


def test_weights_written_and_read_back_make_the_same_network():
    model = Model(cell="lstm", units=[5, 3], bidirectional=True)
    network = random_network(model, 1)
    other = build_network(model, LENGTH, 1)
    load_weights(other, dump_weights(network))
    np.testing.assert_array_equal(network(Inputs(WINDOWS)), other(Inputs(WINDOWS)))


def test_weights_of_another_shape_are_refused():
    network = random_network(Model(units=5), 1)
    with pytest.raises(ValueError, match="shape"):
        load_weights(build_network(Model(units=4), LENGTH, 1), dump_weights(network))


def test_a_network_is_exported_though_an_optimisation_of_its_graph_fails(monkeypatch):
    def fail(*_):
        raise RuntimeError("no such node")

    monkeypatch.setattr("tf2onnx.optimizer.IdentityOptimizer.optimize", fail)
    network = random_network(Model(units=(3,), decoder="dense"), 2)
    served = OnnxNetwork(*export_onnx(network, LENGTH))
    windows = np.ones((2, LENGTH), np.float32)
    np.testing.assert_allclose(one_answer(served, windows), network(Inputs(windows), training=False), atol=1e-6)
