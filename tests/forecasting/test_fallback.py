"""The fallback: when forecasts blend in the last season, by how much, and what the command reports of it."""

import math

import numpy as np
import pandas as pd
import pytest

from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.distributions import Point, Quantile
from forecaster.forecasting.fallback import Fallback, fit_fallback, repeat_last_season
from forecaster.forecasting.predictive_distribution import BlendedDistribution, NetworkDistribution
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.transforms import Transform
from tests.helpers.command import write_hourly_csv


def fallback_of(network, baseline, horizons, fallback="combine"):
    names = [f"s{number}" for number in range(len(network))]
    return fit_fallback(names, np.array(network), np.array(baseline), np.array(horizons), 24, fallback)


def test_a_network_that_wins_is_left_alone():
    fitted = fallback_of([1.0], [1.1], [5.0])
    assert (fitted.weights, fitted.unknown_weight, fitted.name_source(fitted.get_weight("s0"))) == ({}, 1.0, "network")


def test_one_that_loses_gets_the_weight_of_its_error():
    fitted = fallback_of([2.0], [1.0], [5.0])
    assert fitted.weights["s0"] == pytest.approx(1 / (1 + 2**2))
    assert fitted.get_weight("other", known=False) == pytest.approx(0.2)
    assert fitted.name_source(0.2) == "network+seasonal_naive"
    assert fallback_of([2.0], [1.0], [5.0], "replace").weights == {"s0": 0.0}
    assert fitted.name_source(0.0) == "seasonal_naive"


def test_a_short_validation_part_is_drawn_to_that_of_all_series():
    # In logarithms: own 2 (1 horizon) and -1 (9 horizons); all together (1 * 2 + 9 * -1) / 10 = -0.7.
    fitted = fallback_of(np.exp([2.0, -1.0]), [1.0, 1.0], [1.0, 9.0])
    assert fitted.weights == {}  # (1 * 2 + 3 * -0.7) / 4 is below 0
    fitted = fallback_of(np.exp([2.0, -1.0]), [1.0, 1.0], [3.0, 7.0])  # together -0.1, so (3 * 2 - 0.3) / 6 = 0.95
    assert fitted.weights == {"s0": pytest.approx(1 / (1 + math.exp(1.9)))}


def test_a_baseline_that_is_always_right_takes_over_and_unknown_errors_follow_the_others():
    fitted = fallback_of([1.0, 2.0, np.nan], [0.0, 1.0, np.nan], [2.0, 2.0, 2.0])
    assert fitted.weights["s0"] == 0
    assert fitted.weights["s2"] == fitted.unknown_weight == pytest.approx(0.2)
    assert fallback_of([0.0], [0.0], [2.0]).weights == {}


def test_the_last_season_is_repeated_and_the_last_value_where_there_is_none():
    windows = np.array([[1.0, 2, 3, 4], [np.nan, np.nan, 7, 8]])
    np.testing.assert_array_equal(repeat_last_season(windows, 5, 3), [[2, 3, 4, 2, 3], [8, 8, 8, 8, 8]])
    np.testing.assert_array_equal(repeat_last_season(windows, 2, 1), [[4, 4], [8, 8]])
    np.testing.assert_array_equal(repeat_last_season(windows, 2, 9), [[4, 4], [8, 8]])


def test_both_are_mixed_in_means_intervals_and_paths():
    network = NetworkDistribution(Point(np.array([[[1.0], [2.0]], [[1.0], [2.0]]])), Scaler(0.0, 10.0), counts=False)
    mixed = BlendedDistribution(network, np.array([[30.0, 40.0], [np.nan, np.nan]]), np.array([[0.25], [1.0]]))
    np.testing.assert_allclose(mixed.mean, [[25, 35], [10, 20]])
    residuals = np.array([[0.1, 0.2], [-0.1, -0.2], [0.1, 0.2], [0.1, 0.2]])
    quantiles = mixed.compute_conformal_quantiles(Calibration(residuals), [80])
    np.testing.assert_allclose(quantiles[0.1], [[24, 33], [9, 18]])
    paths = mixed.draw_paths(3, Calibration(residuals), np.random.default_rng(0))
    assert paths.shape == (3, 2, 2)
    assert set(np.abs(paths[:, 0, 0] - 25).round(6)) == {1.0}


def test_quantiles_of_both_stay_within_the_bounds_of_a_transform():
    # The network's median is 0.5 and its other quantiles logistic(-z) and logistic(z); a weight of 0 leaves the
    # baseline's logit, 3, as their middle.
    logit = Transform("logit", low=0.0, high=1.0)
    network = NetworkDistribution(
        Quantile(np.array([[[-2.0, 0.0, 2.0]]]), (0.1, 0.5, 0.9)), Scaler(0.0, 1.0, logit), False
    )
    mixed = BlendedDistribution(network, np.array([[1 / (1 + np.exp(-3.0))]]), np.array([[0.0]]))
    found = mixed.compute_quantiles([80])
    np.testing.assert_allclose([found[p][0, 0] for p in (0.1, 0.9)], 1 / (1 + np.exp([-1.0, -5.0])))


def test_the_fallback_is_kept_exactly():
    fitted = Fallback(24, {"a": 0.123456789012345}, 0.5)
    assert Fallback.from_json(fitted.to_json()) == fitted


def test_the_command_reports_where_a_forecast_comes_from(forecast, tmp_path):
    hours = np.arange(400)
    write_hourly_csv(tmp_path / "load.csv", values=100 + 10 * np.sin(2 * np.pi * hours / 24) + hours % 5 / 100)
    (tmp_path / "weak.yaml").write_text(
        "data: {path: load.csv}\nwindow: {length: 12, horizon: 6}\n"
        "model: {cell: simple_rnn, units: 2}\ntraining: {epochs: 1}\n"
    )
    trained = forecast("train", "weak.yaml", "--verbose", cwd=tmp_path)
    assert (
        "did not beat the seasonal naive. Forecasts are a weighted average of both (network weight " in trained.stderr
    )
    assert forecast("predict", "runs/weak", "--output", "f.csv", cwd=tmp_path).returncode == 0
    rows = pd.read_csv(tmp_path / "f.csv")
    assert set(rows["source"]) == {"network+seasonal_naive"}
    np.testing.assert_allclose(rows["mean"], 100 + 10 * np.sin(2 * np.pi * (400 + np.arange(6)) / 24), atol=0.5)
