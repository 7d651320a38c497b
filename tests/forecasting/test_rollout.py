"""Rollouts, against a recurrence worked by hand."""

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.data import Series
from forecaster.errors import Diverged
from forecaster.forecast import Forecast
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.preprocessing.scaling import Scaler
from tests.helpers.fake_network import Fake, roll_out

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


def forecast_of(network, scaler, values, steps):
    timestamps = pd.date_range("2026-01-01", periods=len(values), freq="h")
    predictor = Predictor.from_network(network, CONFIG, Preprocessing({"y": scaler}))
    series = Series("y", "y", "t", timestamps, np.asarray(values, float), "h")
    return predictor.forecast([series], steps, [])[0]


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
