"""Metrics and baselines against numbers worked by hand and against published rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.baselines import baseline_forecasts, naive, seasonal_naive
from forecaster.metrics import mae, rmse, scores, smape

M4 = Path(__file__).parent.parent.parent / "shared" / "data" / "M4"


def test_metrics_worked_by_hand():
    actual, forecast = np.array([1.0, 2, 4, 0]), np.array([2.0, 2, 1, 0])
    assert scores(actual, forecast) == {
        "mae": pytest.approx(1.0),
        "rmse": pytest.approx(np.sqrt(10 / 4)),
        "smape": pytest.approx(200 * (1 / 3 + 0 + 3 / 5 + 0) / 4),
    }


@pytest.mark.parametrize("metric", [mae, rmse, smape])
def test_a_perfect_forecast_has_no_error(metric):
    assert metric(np.array([0.0, -3, 5]), np.array([0.0, -3, 5])) == 0


def test_baselines_worked_by_hand():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7])
    origins = np.array([4, 6])
    np.testing.assert_array_equal(naive(values, origins, 2), [[5, 5], [7, 7]])
    np.testing.assert_array_equal(seasonal_naive(values, origins, 5, 3), [[3, 4, 5, 3, 4], [5, 6, 7, 5, 6]])


def test_the_seasonal_naive_needs_a_season_and_a_whole_one_before_the_origin():
    values = np.arange(10.0)
    assert set(baseline_forecasts(values, np.array([5]), 2, 1)) == {"naive"}
    assert set(baseline_forecasts(values, np.array([5]), 2, 7)) == {"naive"}
    assert set(baseline_forecasts(values, np.array([6]), 2, 7)) == {"naive", "seasonal_naive"}


@pytest.mark.skipif(not M4.exists(), reason="the M4 data are not beside the project")
def test_the_seasonal_naive_of_m4_hourly_has_its_published_smape():
    train, test = (pd.read_csv(M4 / f"Hourly-{part}.csv").set_index("V1") for part in ("train", "test"))
    errors = []
    for name, actual in test.iterrows():
        values = train.loc[name].dropna().to_numpy(float)
        forecast = seasonal_naive(values, np.array([len(values) - 1]), 48, 24)
        errors.append(smape(actual.to_numpy(float)[None], forecast))
    assert np.mean(errors) == pytest.approx(13.912, abs=5e-4)  # Makridakis et al. 2020
