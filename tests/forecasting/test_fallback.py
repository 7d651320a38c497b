"""The fallback: how much each forecaster counts, by its errors in validation, and what the command reports of it."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.distributions import Point, Quantile
from forecaster.forecasting.fallback import (
    Fallback,
    PastErrors,
    fit_fallback,
    forecast_from_windows,
    forecast_without_network,
    has_network,
    list_window_baselines,
    name_source,
    repeat_last_season,
)
from forecaster.forecasting.predictive_distribution import BlendedDistribution, NetworkDistribution
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.transforms import Transform
from tests.helpers.command import write_hourly_csv


def fallback_of(errors, horizons, fallback="combine", past=None):
    names = [f"s{number}" for number in range(len(horizons))]
    errors = {name: np.array(each) for name, each in errors.items()}
    return fit_fallback(names, errors, np.array(horizons), fallback, past)


def test_weights_fall_with_a_power_of_the_error_that_grows_with_the_horizons_seen():
    errors = {"network": [1.0], "zero-shot": [1.25], "naive": [1.2], "window_mean": [1.1]}
    fitted = fallback_of(errors, [2.0])
    # Powers are 4 + 2 * 2, of errors over the zero-shot network's; of the network's logarithm 2 horizons of 3 count, and
    # a mean has a quarter of the weight.
    shares = np.array([0.8 ** (-8 * 2 / 3), 1, 0.96**-8, 0.25 * 0.88**-8])
    # They count 2 horizons; as 1 horizon the squares of errors, where a baseline has a tenth of the weight.
    flat = np.array([0.8 ** (-2 * 2 / 3), 1, 0.1 * 0.96**-2, 0.1 * 0.88**-2])
    np.testing.assert_allclose(fitted.weights["s0"], (2 * shares / shares.sum() + flat / flat.sum()) / 3)
    assert fitted.forecasters == ("network", "zero-shot", "naive", "window_mean")
    assert fitted.get_weights("other", known=False) == fitted.unknown_weights == pytest.approx(fitted.weights["s0"])
    assert fitted.horizons == 2.0


def test_the_best_is_alone_after_many_horizons_and_those_with_less_than_a_hundredth_are_left_out():
    errors = {"network": [1.0], "zero-shot": [4.0], "naive": [5.0]}
    fitted = fallback_of(errors, [10.0])
    assert (fitted.forecasters, fitted.weights, fitted.unknown_weights) == (("network",), {}, (1.0,))
    sharp, flat = (np.array([1, prior * 1.05**-power]) for prior, power in ((1, 14), (0.1, 2)))  # 14 as after five
    np.testing.assert_allclose(
        fallback_of({"network": [1.0], "naive": [1.05]}, [99.0]).weights["s0"],
        (99 * sharp / sharp.sum() + flat / flat.sum()) / 100,
    )
    fitted = fallback_of({"network": [1.0], "zero-shot": [2.8], "naive": [90.0]}, [1.0])
    assert fitted.forecasters == ("network", "zero-shot")
    sharp = np.array([1, 2.8**-3])  # half of a power of 6; more than 1.65 times the lowest error has no flat weight
    np.testing.assert_allclose(fitted.weights["s0"], (sharp / sharp.sum() + [1, 0]) / 2, rtol=1e-4)


def test_the_best_alone_replaces_the_network_where_that_is_asked():
    errors = {"network": [2.0, 1.0], "zero-shot": [1.0, 2.0], "naive": [1.5, 1.5]}
    fitted = fallback_of(errors, [3.0, 9.0], "replace")
    # logarithms of network over zero-shot, 3/4 * 0.69 and 9/10 * -0.69, and of all series (3 * 0.52 + 9 * -0.62) / 12
    assert fitted.forecasters == ("network", "zero-shot")
    assert fitted.weights == {"s0": (0.0, 1.0)}
    assert fitted.unknown_weights == (1.0, 0.0)


def test_a_short_validation_part_is_drawn_to_that_of_all_series():
    # The network in logarithms, of which 3 of 4 and 7 of 8 horizons count: 1.5 and -0.875, all together -0.1625;
    # drawn (3 * 1.5 - 3 * 0.1625) / 6 = 0.66875.
    fitted = fallback_of({"network": [1.0, 1.0], "zero-shot": np.exp([-2.0, 1.0])}, [3.0, 7.0])
    assert 1 / (1 + math.exp(-10 * 0.66875)) > 0.99
    assert fitted.weights["s0"] == pytest.approx((0.0, 1.0))  # below a hundredth
    fitted = fallback_of({"network": [1.0, 1.0], "zero-shot": np.exp([-0.2, 0.1])}, [3.0, 7.0])
    weight = (3 / (1 + math.exp(-10 * 0.066875)) + 1 / (1 + math.exp(-2 * 0.066875))) / 4
    assert fitted.weights["s0"] == pytest.approx((1 - weight, weight))


def test_those_that_were_not_trained_are_compared_in_the_training_part_too():
    errors = {"network": [1.0], "zero-shot": [1.0], "naive": [1.0], "window_drift": [1.0]}
    before = {"zero-shot": np.array([2.0]), "naive": np.array([2 * np.exp(0.5)]), "window_drift": np.array([np.nan])}
    fitted = fallback_of(errors, [2.0], past=PastErrors(before, np.array([6.0])))
    # The naive's logarithm is 0 in 2 horizons and 0.5 in 6; its power is that of 2 horizons of validation, 8.
    shares, flat = np.array([1, 1, np.exp(-8 * 0.375), 0.25]), np.array([1, 1, 0.1 * np.exp(-2 * 0.375), 0.1])
    np.testing.assert_allclose(fitted.weights["s0"], (2 * shares / shares.sum() + flat / flat.sum()) / 3)
    long, longer = (fallback_of(errors, [2.0], past=PastErrors(before, np.array([count]))) for count in (20.0, 500.0))
    assert longer.weights == long.weights
    assert long.weights["s0"][2] < fitted.weights["s0"][2]


def test_series_without_origins_in_the_training_part_use_validation_alone():
    errors = {"network": [1.0, 1.0], "zero-shot": [1.0, 1.0], "naive": [2.0, 2.0]}
    before = {"zero-shot": np.array([1.0, np.nan]), "naive": np.array([2.0, np.nan])}
    fitted = fallback_of(errors, [3.0, 3.0], past=PastErrors(before, np.array([9.0, 1.0])))
    assert fitted.weights["s0"] == pytest.approx(fitted.weights["s1"])
    assert fitted.weights["s1"] == pytest.approx(fallback_of(errors, [3.0, 3.0]).weights["s1"])


def test_a_forecaster_that_is_always_right_takes_over_and_unknown_errors_follow_the_others():
    fitted = fallback_of({"network": [1.0, 2.0, np.nan], "naive": [0.0, 1.0, np.nan]}, [2.0, 2.0, 2.0])
    assert fitted.weights["s0"] == (0.0, 1.0)
    assert fitted.weights["s2"] == fitted.unknown_weights
    exact = fallback_of({"network": [0.0], "naive": [0.0]}, [2.0])
    assert exact.weights["s0"] == pytest.approx(((2 / 2 + 10 / 11) / 3, (2 / 2 + 1 / 11) / 3))  # there is no difference


def test_a_forecast_is_called_by_what_it_is_made_of():
    forecasters = ("network", "zero-shot", "naive")
    assert name_source(forecasters, (0.5, 0.25, 0.25)) == "network+zero-shot+naive"
    assert name_source(forecasters, (0.0, 1.0, 0.0)) == "zero-shot"
    assert [has_network(source) for source in ("network", "network+naive (late: fill)", "zero-shot", "naive")] == [
        True,
        True,
        False,
        False,
    ]


def test_the_zero_shot_network_reads_its_own_history_and_the_last_value_replaces_it_where_that_is_too_short():
    history = np.array([[np.nan, 3.0, 3.0, 3.0], [np.nan, np.nan, 4.0, 5.0]])
    found = forecast_without_network("zero-shot", history[:, -1:], history, 2, (12,))
    np.testing.assert_allclose(found, [[3, 3], [5, 5]])  # equal values are repeated


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


def test_all_are_averaged_in_means_intervals_and_paths():
    network = NetworkDistribution(Point(np.array([[[1.0], [2.0]], [[1.0], [2.0]]])), Scaler(0.0, 10.0), counts=False)
    others = np.array([[[30.0, 40.0], [np.nan, np.nan]], [[np.nan, np.nan], [np.nan, np.nan]]])
    weights = np.array([[[0.25], [1.0]], [[0.75], [0.0]], [[0.0], [0.0]]])
    mixed = BlendedDistribution(network, others, weights)
    np.testing.assert_allclose(mixed.mean, [[25, 35], [10, 20]])
    thirds = BlendedDistribution(network, np.array([2 * [[30.0, 40.0]], 2 * [[50.0, 60.0]]]), np.full((3, 2, 1), 1 / 3))
    np.testing.assert_allclose(thirds.mean, 2 * [[30, 40]])
    np.testing.assert_allclose(thirds.centre, 2 * [[30, 40]])
    residuals = np.array([[0.1, 0.2], [-0.1, -0.2], [0.1, 0.2], [0.1, 0.2]])
    quantiles = mixed.compute_conformal_quantiles(Calibration(residuals), [80])
    np.testing.assert_allclose(quantiles[0.1], [[24, 33], [9, 18]])
    paths = mixed.draw_paths(3, Calibration(residuals), np.random.default_rng(0))
    assert paths.shape == (3, 2, 2)
    assert set(np.abs(paths[:, 0, 0] - 25).round(6)) == {1.0}


def test_the_average_of_equal_forecasts_is_exactly_these():
    network = NetworkDistribution(Point(np.full((1, 1, 1), 0.7)), Scaler(0.0, 10.0), counts=False)
    weights = np.full((7, 1, 1), 1 / 7)
    mixed = BlendedDistribution(network, np.repeat(network.mean[None], 6, axis=0), weights)
    np.testing.assert_array_equal(mixed.mean, network.mean)


def test_a_forecast_of_0_has_no_logarithm_and_the_average_is_transformed_instead():
    network = NetworkDistribution(Point(np.array([[[0.0]]])), Scaler(0.0, 1.0, Transform("log")), counts=False)
    mixed = BlendedDistribution(network, np.array([[[0.0]]]), np.array([[[0.5]], [[0.5]]]))
    np.testing.assert_allclose(mixed.mean, [[0.5]])
    np.testing.assert_allclose(mixed.centre, [[math.log(0.5)]])


def test_quantiles_of_both_stay_within_the_bounds_of_a_transform():
    # The network's median is 0.5 and its other quantiles logistic(-z) and logistic(z); a weight of 0 leaves the
    # baseline's logit, 3, as their middle.
    logit = Transform("logit", low=0.0, high=1.0)
    network = NetworkDistribution(
        Quantile(np.array([[[-2.0, 0.0, 2.0]]]), (0.1, 0.5, 0.9)), Scaler(0.0, 1.0, logit), False
    )
    mixed = BlendedDistribution(network, np.array([[[1 / (1 + np.exp(-3.0))]]]), np.array([[[0.0]], [[1.0]]]))
    found = mixed.compute_quantiles([80])
    np.testing.assert_allclose([found[p][0, 0] for p in (0.1, 0.9)], 1 / (1 + np.exp([-1.0, -5.0])))


@pytest.mark.parametrize(
    ("intervals", "is_new", "expected"),
    [("auto", True, [20, 40]), ("auto", False, [29, 31]), ("head", True, [29, 31])],
)
def test_intervals_of_a_blend_are_as_wide_as_its_errors_in_validation(intervals, is_new, expected):
    # The network is sure of 10 ± 1 and counts nothing in the first series, whose forecast is 30; errors are ± 10.
    quantiles = Quantile(np.tile([0.9, 1.0, 1.1], (2, 1, 1)), (0.1, 0.5, 0.9))
    network = NetworkDistribution(quantiles, Scaler(0.0, 10.0), counts=False)
    residuals = (10 / network.spread[0, 0]) * np.array([[1.0], [-1.0], [1.0], [-1.0]])
    document = {"data": {"path": "x"}, "window": {"length": 2, "horizon": 1}, "model": {"head": "quantile"}}
    config = load_values({**document, "forecast": {"intervals": intervals}}, "x").config
    fallback = Fallback(("network", "naive"), {}, (0.5, 0.5), intervals_by_errors=is_new)
    predictor = Predictor(None, config, None, calibration=Calibration(residuals, fallback=fallback))
    weights = np.array([[[0.0], [1.0]], [[1.0], [0.0]]])
    found = predictor.compute_quantiles(BlendedDistribution(network, np.full((1, 2, 1), 30.0), weights), [80])
    np.testing.assert_allclose([found[0.1][:, 0], found[0.9][:, 0]], [[expected[0], 9], [expected[1], 11]])


def test_the_fallback_is_kept_exactly():
    weights = {"a": (0.123456789012345, 1 - 0.123456789012345)}
    fitted = Fallback(("network", "zero-shot"), weights, (0.5, 0.5), 1.25)
    assert Fallback.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


def test_runs_with_one_baseline_keep_their_weights():
    before = {"season": 24, "weights": {"a": 0.25}, "unknown_weight": 0.5, "baseline": "window_mean"}
    found = Fallback.from_json(before)
    assert found == Fallback(("network", "window_mean"), {"a": (0.25, 0.75)}, (0.5, 0.5), intervals_by_errors=False)
    assert (found.get_weights("a"), found.get_weights("b")) == ((0.25, 0.75), (1.0, 0.0))
    del before["baseline"]  # the first of them
    assert Fallback.from_json(before).forecasters == ("network", "seasonal_naive")
    assert Fallback.from_json({**before, "season": 1}).forecasters == ("network", "naive")
    with pytest.raises(ValueError, match="sum"):
        Fallback.from_json({**before, "baseline": "sum"})


def test_the_command_reports_where_a_forecast_comes_from(forecast, tmp_path):
    hours = np.arange(400)
    write_hourly_csv(tmp_path / "load.csv", values=100 + 10 * np.sin(2 * np.pi * hours / 24) + hours % 5 / 10_000)
    (tmp_path / "weak.yaml").write_text(
        "data: {path: load.csv}\nwindow: {length: 12, horizon: 6}\n"
        "model: {cell: simple_rnn, units: 2}\ntraining: {epochs: 1}\n"
    )
    trained = forecast("train", "weak.yaml", "--verbose", cwd=tmp_path, fitted=False)
    assert (
        "Forecasts are those of the seasonal naive alone, by errors in 6.7 horizons of validation (forecast.fallback)."
    ) in trained.stderr
    assert forecast("predict", "runs/weak", "--output", "f.csv", cwd=tmp_path).returncode == 0
    rows = pd.read_csv(tmp_path / "f.csv")
    assert set(rows["source"]) == {"seasonal_naive"}
    np.testing.assert_allclose(rows["mean"], 100 + 10 * np.sin(2 * np.pi * (400 + np.arange(6)) / 24), atol=0.5)
