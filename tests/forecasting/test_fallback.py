"""The fallback: when forecasts blend in the last season, by how much, and what the command reports of it."""

import math

import numpy as np
import pandas as pd
import pytest

from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.distributions import Point, Quantile
from forecaster.forecasting.fallback import (
    Fallback,
    fit_fallback,
    forecast_from_windows,
    list_window_baselines,
    repeat_last_season,
)
from forecaster.forecasting.predictive_distribution import BlendedDistribution, NetworkDistribution
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.transforms import Transform
from tests.helpers.command import write_hourly_csv


def fallback_of(network, baseline, horizons, fallback="combine"):
    names = [f"s{number}" for number in range(len(network))]
    baselines = {"seasonal_naive": np.array(baseline)}
    return fit_fallback(names, np.array(network), baselines, np.array(horizons), 24, fallback)


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


def test_the_baseline_is_the_best_in_validation_of_all_series():
    network, horizons = np.array([2.0, 2.0]), np.array([4.0, 4.0])
    baselines = {"seasonal_naive": np.array([1.0, 4.0]), "naive": np.array([1.5, 1.5]), "window_mean": network}
    fitted = fit_fallback(["a", "b"], network, baselines, horizons, 12, "combine")
    assert (fitted.baseline, fitted.season) == ("naive", 12)
    # every ratio is 2 / 1.5, so that the weight is 1 / (1 + (4 / 3)^2)
    assert fitted.weights == {"a": pytest.approx(9 / 25), "b": pytest.approx(9 / 25)}
    assert fitted.name_source(0.36) == "network+naive"
    exact = {**baselines, "window_drift": np.array([0.0, 0.0])}
    assert fit_fallback(["a", "b"], network, exact, horizons, 12, "combine").baseline == "window_drift"


@pytest.mark.parametrize(("horizons", "weights"), [(1.0, {}), (1.4, {}), (1.5, {"s0": pytest.approx(0.2)})])
def test_one_horizon_of_validation_does_not_change_a_forecast(horizons, weights):
    fitted = fallback_of([2.0], [1.0], [horizons])
    assert (fitted.weights, fitted.unknown_weight < 1) == (weights, bool(weights))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("seasonal_naive", [[5, 9, 5], [4, 6, 4]]),
        ("naive", [[9, 9, 9], [6, 6, 6]]),
        ("window_drift", [[11, 13, 15], [8, 10, 12]]),  # 8 in 4 steps, and 2 in 1 step
        ("window_mean", [[4.4, 4.4, 4.4], [5, 5, 5]]),
        ("window_seasons", [[4.5, 6, 4.5], [4, 6, 4]]),  # seasons 4, 3 and 5, 9
    ],
)
def test_baselines_read_the_window_from_its_first_known_value(name, expected):
    windows = np.array([[1.0, 4, 3, 5, 9], [np.nan, np.nan, np.nan, 4, 6]])
    np.testing.assert_allclose(forecast_from_windows(name, windows, 3, 2), expected)
    assert name in list_window_baselines(2, 5)


def test_there_are_seasonal_baselines_where_the_window_holds_seasons():
    assert list_window_baselines(1, 5) == ["naive", "window_drift", "window_mean"]
    assert list_window_baselines(3, 5) == ["seasonal_naive", "naive", "window_drift", "window_mean"]


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
    fitted = Fallback(24, {"a": 0.123456789012345}, 0.5, "window_mean")
    assert Fallback.from_json(fitted.to_json()) == fitted
    before = {"season": 24, "weights": {"a": 0.25}, "unknown_weight": 0.5}  # as runs without a baseline
    assert Fallback.from_json(before).baseline == "seasonal_naive"
    assert Fallback.from_json({**before, "season": 1}).baseline == "naive"
    with pytest.raises(ValueError, match="the baseline 'sum'"):
        Fallback.from_json({**before, "baseline": "sum"})


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
