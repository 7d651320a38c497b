"""The zero-shot forecast as an input: what it reads of a series, and the scaled units that a network reads it in."""

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Series
from forecaster.preprocessing import zero_shot_feature
from forecaster.preprocessing.prepared_series import PreparedSeries
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.split import Split
from forecaster.preprocessing.transforms import Transform, undo_difference
from forecaster.preprocessing.zero_shot_feature import compute_zero_shot, compute_zero_shot_of_groups

HISTORY, HORIZON = 6, 3


@pytest.fixture
def received(monkeypatch):
    """The windows that the pretrained network receives; it forecasts the last known value plus 1, 2, 3."""
    windows = []

    def forecast(given, seasons, horizon, probabilities):
        assert list(probabilities) == [0.5]
        windows.append((given.copy(), tuple(seasons)))
        last = np.array([row[~np.isnan(row)][-1] for row in given])
        return (last[:, None] + np.arange(1, horizon + 1))[..., None]

    monkeypatch.setattr(zero_shot_feature, "forecast_zero_shot", forecast)
    monkeypatch.setattr(zero_shot_feature, "count_history_steps", lambda seasons: HISTORY)
    return windows


def series_of(values, observed=None, name="a") -> Series:
    values = np.asarray(values, float)
    times = pd.date_range("2026-01-01", periods=len(values), freq="D")
    return Series(name, "y", "day", times, values, "D", observed=observed)


def stacked(*scalers) -> Scaler:
    return Scaler.stack(scalers)


def test_it_reads_what_was_observed_before_the_origin(received):
    observed = np.array([False, False, True, True, False, True, True, True])  # padded at the front, and a gap
    series = [series_of(np.arange(8), observed), series_of(10 + np.arange(8))]
    found = compute_zero_shot(series, [6, 4], stacked(Scaler(1.0, 2.0), Scaler(0.0, 1.0)), (7,), HORIZON)
    nan = np.nan
    expected = [[nan, nan, 2, 3, nan, 5], [nan, nan, 10, 11, 12, 13]]
    np.testing.assert_array_equal(received[0][0], expected)
    assert received[0][1] == (7,)
    np.testing.assert_allclose(found, [[2.5, 3.0, 3.5], [14, 15, 16]])  # (6, 7, 8 - 1) / 2
    assert found.dtype == np.float32


def test_values_after_the_origin_change_nothing(received):
    series = series_of([3, 1, 4, 1, 5, 9])
    changed = series_of([3, 1, 4, 1, -70, 90])
    one, other = (compute_zero_shot([each], [4], stacked(Scaler(0.0, 1.0)), (), HORIZON) for each in (series, changed))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("lags", [(), (1,), (2, 1)])
@pytest.mark.parametrize("kind", ["none", "log", "log1p", "boxcox"])
def test_a_network_that_adds_nothing_gives_the_zero_shot_forecast_back(received, kind, lags):
    series, end = series_of([5, 9, 8, 7, 3, 4, 6]), 6
    scaler = stacked(Scaler(0.3, 1.7, Transform(kind, 0.5), lags))
    scaled = compute_zero_shot([series], [end], scaler, (), HORIZON).astype(float)
    history = scaler.curve.apply(series.values[None, :end])
    transformed = undo_difference(scaler.unscale(scaled), history, lags) if lags else scaler.unscale(scaled)
    np.testing.assert_allclose(scaler.curve.invert(transformed), [[5, 6, 7]], rtol=1e-5)


def test_too_few_known_values_repeat_the_last_one(received):
    observed = np.array([False, True, False, True, False])
    found = compute_zero_shot([series_of([1, 2, 3, 8, 5], observed)], [5], stacked(Scaler(0.0, 2.0)), (), HORIZON)
    np.testing.assert_array_equal(found, [[4, 4, 4]])
    assert not received


def test_a_value_outside_of_the_transform_is_the_nearest_known_one(received, monkeypatch):
    monkeypatch.setattr(zero_shot_feature, "forecast_zero_shot", lambda *_: np.array([[[0.0], [-3.0], [4.0]]]))
    found = compute_zero_shot([series_of([8, 2, 4, 5])], [4], stacked(Scaler(0.0, 1.0, Transform("log"))), (), HORIZON)
    np.testing.assert_allclose(np.exp(found), [[2, 2, 4]], rtol=1e-6)


def test_channels_lie_next_to_each_other(received):
    first, second = (
        PreparedSeries(series_of(values), Split(4, 5, 6), scaler)
        for values, scaler in (([1, 2, 3, 4, 5, 6], Scaler(0.0, 1.0)), ([10, 20, 30, 40, 50, 60], Scaler(0.0, 10.0)))
    )
    found = compute_zero_shot_of_groups([(first, second)] * 2, np.array([4, 5]), (), HORIZON)
    np.testing.assert_allclose(found[0], [[5, 4.1], [6, 4.2], [7, 4.3]], rtol=1e-6)
    np.testing.assert_allclose(found[1], [[6, 5.1], [7, 5.2], [8, 5.3]], rtol=1e-6)


def test_many_origins_are_forecast_in_batches(received, monkeypatch):
    monkeypatch.setattr(zero_shot_feature, "_BATCH", 4)
    series = series_of(np.arange(20))
    found = compute_zero_shot([series] * 10, range(5, 15), Scaler.stack([Scaler(0.0, 1.0)] * 10), (), 1)
    np.testing.assert_allclose(found[:, 0], np.arange(5, 15))
    assert [len(windows) for windows, _ in received] == [4, 4, 2]
