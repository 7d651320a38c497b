"""Rollouts, against a recurrence worked by hand and against a plain loop over the Keras network."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from forecaster.config.sections import Activation, Model
from forecaster.data import Series
from forecaster.data.scaling import Scaler
from forecaster.errors import DataError, Diverged
from forecaster.export import export_onnx
from forecaster.forecast import Forecast
from forecaster.inference import OnnxNetwork, forecast_series, roll_out
from forecaster.models import build_network
from forecaster.models.weights import weights_from_h5, weights_to_h5

LENGTH = 9


class Fibonacci:
    """y = previous + the one before; its state is the value before `previous`."""

    segment = 1

    def __init__(self):
        self.batches = []

    def encode(self, windows):
        self.batches.append(windows.shape)
        return [windows[:, -2:-1]]

    def decode(self, states, previous):
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


class LastAndLength:
    """Answers with the window's first value, so that a window that slid wrongly shows."""

    segment = 1

    def encode(self, windows):
        assert windows.shape[1] == 3
        return [windows[:, :1]]

    def decode(self, states, previous):
        return states[0], [states[0]]


def test_sliding_reads_the_last_steps_its_own_outputs_among_them():
    forecast = roll_out(LastAndLength(), np.array([[1.0, 2, 3]]), 7, "slide")
    np.testing.assert_array_equal(forecast, [[1, 2, 3, 1, 2, 3, 1]])


def test_many_windows_go_through_in_batches_of_bounded_size():
    network = Fibonacci()
    windows = np.random.default_rng(0).normal(size=(2500, 3))
    forecast = roll_out(network, windows, 2, "carry")
    assert [batch for batch, _ in network.batches] == [1024, 1024, 452]
    np.testing.assert_allclose(forecast[:, 0], windows[:, -1] + windows[:, -2], atol=1e-6)


class Explosive(Fibonacci):
    def decode(self, states, previous):
        with np.errstate(over="ignore"):
            return previous * np.float32(1e20), states


def hours(values):
    return Series("y", "t", pd.date_range("2026-01-01", periods=len(values), freq="h"), np.asarray(values, float), "h")


def test_a_forecast_is_in_the_series_own_unit_after_its_last_timestamp():
    forecast = forecast_series(Fibonacci(), Scaler(10, 2), hours([10, 12, 12, 14]), 3, 2, "slide")
    np.testing.assert_allclose(forecast.mean, [16, 20])  # scaled: 0 1 1 2 -> 3 5
    assert [str(timestamp) for timestamp in forecast.timestamps] == ["2026-01-01 04:00:00", "2026-01-01 05:00:00"]


def test_a_rollout_that_explodes_is_an_error_not_infinity():
    with pytest.raises(Diverged, match="became infinite at step 2"):
        forecast_series(Explosive(), Scaler(0, 1), hours([1, 2, 3]), 3, 5, "slide")


def test_a_series_shorter_than_the_window_is_refused():
    with pytest.raises(DataError, match="2 rows are too few to forecast from; expected at least 3"):
        forecast_series(Fibonacci(), Scaler(0, 1), hours([1, 2]), 3, 5, "slide")


def test_a_forecast_written_as_csv_reads_back():
    forecast = forecast_series(Fibonacci(), Scaler(0.1, 0.3), hours([1, 2, 3]), 3, 5, "slide")
    again = Forecast.from_csv(forecast.to_csv())
    np.testing.assert_array_equal(again.mean, forecast.mean)
    assert list(again.timestamps) == list(forecast.timestamps)
    assert (again.series, again.origin) == (forecast.series, forecast.origin)


def randomised(model: Model, ahead: int):
    network = build_network(model, LENGTH, ahead)
    generator = np.random.default_rng(3)
    for variable in network.trainable_variables:
        variable.assign(generator.normal(size=variable.shape) * 0.4)
    return network, OnnxNetwork(*export_onnx(network, LENGTH))


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
    values, _ = served.decode(served.encode(WINDOWS), WINDOWS[:, -1:])
    np.testing.assert_allclose(values, network(WINDOWS), atol=1e-5)


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
    values, _ = served.decode(served.encode(WINDOWS), WINDOWS[:, -1:])
    np.testing.assert_allclose(values, network(WINDOWS), atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("cell", CELLS)
def test_sliding_is_a_plain_loop_over_the_keras_network(cell, bidirectional):
    network, served = randomised(Model(cell=cell, units=[5, 3], bidirectional=bidirectional), 1)
    expected = WINDOWS
    for _ in range(12):
        expected = np.concatenate([expected, network(expected[:, -LENGTH:])], axis=1)
    np.testing.assert_allclose(roll_out(served, WINDOWS, 12, "slide"), expected[:, LENGTH:], atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_carrying_is_the_keras_network_reading_everything_from_the_start(cell):
    network, served = randomised(Model(cell=cell, units=[5, 3], output="sequence"), 1)
    expected = WINDOWS
    for _ in range(12):
        expected = np.concatenate([expected, np.asarray(network(expected))[:, -1:]], axis=1)
    np.testing.assert_allclose(roll_out(served, WINDOWS, 12, "carry"), expected[:, LENGTH:], atol=1e-5)


def test_weights_written_and_read_back_make_the_same_network():
    model = Model(cell="lstm", units=[5, 3], bidirectional=True)
    network, _ = randomised(model, 1)
    other = build_network(model, LENGTH, 1)
    weights_from_h5(other, weights_to_h5(network))
    np.testing.assert_array_equal(network(WINDOWS), other(WINDOWS))


def test_weights_of_another_shape_are_refused():
    network, _ = randomised(Model(units=5), 1)
    with pytest.raises(ValueError, match="shape"):
        weights_from_h5(build_network(Model(units=4), LENGTH, 1), weights_to_h5(network))
