"""Metrics against numbers worked by hand, closed forms and published rows."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from forecaster.evaluation.baselines import BASELINES, forecast_naive, forecast_naive2, forecast_seasonal_naive
from forecaster.evaluation.metrics import (
    Scale,
    ScoredForecasts,
    compute_coverage,
    compute_mae,
    compute_owa,
    compute_scores,
    compute_scores_by_series,
    compute_scores_by_step,
    compute_seasonal_scale,
    compute_seasonal_scales,
    count_unscaled,
    drop_undefined,
    find_levels,
)
from tests.helpers.command import DATA, ROOT

DOCS = ROOT / "docs"
published = pytest.mark.skipif(not DATA.exists(), reason="the real files are not part of the project")
NAN = np.nan


def two_series(**more) -> ScoredForecasts:
    """Two origins of series 0, one of series 1, and a cell that nobody knows."""
    return ScoredForecasts(
        np.array([[1.0, 2.0], [4.0, 0.0], [100.0, NAN]]),
        np.array([[2.0, 2.0], [1.0, 0.0], [90.0, 7.0]]),
        series=np.array([0, 0, 1]),
        scale=Scale(np.array([2.0, 4.0, 5.0]), np.array([4.0, 9.0, 50.0])),
        **more,
    )


def test_overall_scores_by_hand():
    assert compute_scores(two_series()) == pytest.approx(
        {
            "mae": (1 + 0 + 3 + 0 + 10) / 5,
            "rmse": math.sqrt(110 / 5),
            "mse": 22,
            "bias": (1 - 3 - 10) / 5,
            "wape": 100 * 14 / 107,
            # by series, then the mean of the two: 0 against 0 is no error to sMAPE, and no cell to MAPE
            "smape": 200 * ((1 / 3 + 0 + 3 / 5 + 0) / 4 + 10 / 190) / 2,
            "mape": 100 * ((1 + 0 + 3 / 4) / 3 + 10 / 100) / 2,
            "mase": ((1 / 2 + 0 + 3 / 4 + 0) / 4 + 10 / 5) / 2,
            "rmsse": (math.sqrt((1 / 4 + 9 / 9) / 4) + math.sqrt(100 / 50)) / 2,
        }
    )


def test_scores_of_each_series_by_hand():
    found = compute_scores_by_series(two_series())
    assert found.index.tolist() == [0, 1]
    np.testing.assert_allclose(found["mae"], [1, 10])
    np.testing.assert_allclose(found["rmse"], [math.sqrt(10 / 4), 10])
    np.testing.assert_allclose(found["wape"], [100 * 4 / 7, 10])
    np.testing.assert_allclose(found["mase"], [1.25 / 4, 2])


def test_scores_of_each_step_by_hand():
    found = compute_scores_by_step(two_series())
    assert found.index.tolist() == [1, 2]
    np.testing.assert_allclose(found["mae"], [14 / 3, 0])
    np.testing.assert_allclose(found["mase"], [((1 / 2 + 3 / 4) / 2 + 2) / 2, 0])  # of step 2 series 0 alone knows
    np.testing.assert_allclose(found["wape"], [100 * 14 / 105, 0])


def test_a_series_with_many_origins_counts_no_more_in_scaled_errors():
    actual, mean = np.zeros((100, 1)), np.r_[np.ones((99, 1)), [[3.0]]]
    series, ones = np.r_[np.zeros(99, int), 7], np.ones(100)
    found = compute_scores(ScoredForecasts(actual, mean, series=series, scale=Scale(ones, ones)))
    assert (found["mase"], found["mae"]) == (2, pytest.approx(1.02))


def test_a_constant_series_is_left_out_of_scaled_errors_and_counted():
    assert compute_seasonal_scale(np.full(9, 5.0), 1) == pytest.approx((NAN, NAN), nan_ok=True)
    assert compute_seasonal_scale(np.tile([1.0, 2.0], 9), 2) == pytest.approx((NAN, NAN), nan_ok=True)
    absolute = np.array([NAN, 2.0])
    judged = ScoredForecasts(
        np.ones((2, 3)), np.full((2, 3), 5.0), series=np.array([3, 4]), scale=Scale(absolute, absolute)
    )
    found = compute_scores(judged)
    assert (found["mase"], found["mae"], count_unscaled(judged)) == (2, 4, 1)
    assert compute_scores_by_series(judged)["mase"].tolist() == pytest.approx([NAN, 2], nan_ok=True)
    alone = compute_scores(ScoredForecasts(np.ones((1, 1)), np.ones((1, 1)), scale=Scale(*np.full((2, 1), NAN))))
    assert math.isnan(alone["mase"])
    assert "mase" not in drop_undefined(alone)


def test_scales_by_hand():
    assert compute_seasonal_scale(np.array([1.0, 2, 4, 1]), 1) == ((1 + 2 + 3) / 3, (1 + 4 + 9) / 3)
    assert compute_seasonal_scale(np.array([1.0, 2, 4, 1]), 2) == ((3 + 1) / 2, (9 + 1) / 2)
    assert compute_seasonal_scale(np.array([1.0, NAN, 4, 1]), 1) == (3, 9)
    assert np.isnan(compute_seasonal_scale(np.array([1.0, 2.0]), 2)).all()
    several = compute_seasonal_scales(np.array([[1.0, 2, 4, 1], [5.0, 5, 5, 5]]), 1)
    np.testing.assert_array_equal(several, [[2, 14 / 3], [NAN, NAN]])
    np.testing.assert_array_equal(compute_seasonal_scales(np.array([[1.0, NAN, 4, 1], [1.0, 2, 4, 1]]), 1)[0], [3, 9])


def test_percentage_errors_of_nothing_but_zeros_are_not_defined():
    found = compute_scores(ScoredForecasts(np.zeros((1, 2)), np.ones((1, 2))))
    assert (found["smape"], math.isnan(found["mape"]), math.isnan(found["wape"])) == (200, True, True)


def test_a_forecast_that_is_nan_is_not_overlooked():
    found = compute_scores(
        ScoredForecasts(np.ones((1, 2)), np.array([[1.0, NAN]]), {0.1: np.ones((1, 2)), 0.9: np.full((1, 2), NAN)})
    )
    assert all(math.isnan(found[name]) for name in ("mae", "rmse", "smape", "mape", "wape", "wql", "coverage_80"))
    one_of_two = compute_scores(ScoredForecasts(np.ones((2, 1)), np.array([[1.0], [NAN]]), series=np.array([0, 1])))
    assert math.isnan(one_of_two["smape"])


def test_a_perfect_forecast_has_no_error():
    values = np.array([[0.0, -3, 5]])
    found = compute_scores(
        ScoredForecasts(values, values, {0.1: values, 0.9: values}, values[None], scale=Scale(*np.ones((2, 1))))
    )
    assert found.pop("coverage_80") == 100
    assert set(found.values()) == {0}


QUANTILES = {0.1: np.array([[0.0, 0, 0]]), 0.5: np.array([[5.0, 5, 5]]), 0.9: np.array([[10.0, 10, 10]])}


def test_quantile_scores_by_hand():
    found = compute_scores(ScoredForecasts(np.array([[5.0, 12, -4]]), QUANTILES[0.5], QUANTILES))
    low, middle, high = (0.5 + 1.2 + 3.6) / 3, (0 + 3.5 + 4.5) / 3, (0.5 + 1.8 + 1.4) / 3
    assert found["pinball_q0.1"] == pytest.approx(low)
    assert found["pinball_q0.5"] == pytest.approx(middle)
    assert found["pinball_q0.9"] == pytest.approx(high)
    assert found["wql"] == pytest.approx(2 * (low + middle + high) / 3 / (21 / 3))
    assert found["crps"] == pytest.approx(2 * (0.3 * low + 0.4 * middle + 0.3 * high))


def test_interval_scores_by_hand():
    found = compute_scores(ScoredForecasts(np.array([[5.0, 12, -4]]), QUANTILES[0.5], QUANTILES))
    assert found["interval_score_80"] == pytest.approx(10 + (0 + 2 + 4) * (2 / 0.2) / 3)
    assert (found["width_80"], found["coverage_80"]) == (10, pytest.approx(100 / 3))
    assert found["interval_score_80"] == pytest.approx((found["pinball_q0.1"] + found["pinball_q0.9"]) * 2 / 0.2)


def test_levels_are_those_with_both_quantiles():
    assert find_levels([0.0005, 0.025, 0.1, 0.5, 0.9, 0.975, 0.99, 0.9995]) == [80, 95, 99.9]


def test_bounds_count_as_covered():
    assert compute_coverage(np.array([0.0, 1, 2, 3]), np.ones(4), np.full(4, 2.0)) == 50


def normal_crps(actual):
    """Gneiting & Raftery (2007), below equation 21, of the standard normal."""
    return actual * (2 * stats.norm.cdf(actual) - 1) + 2 * stats.norm.pdf(actual) - 1 / np.sqrt(np.pi)


@pytest.mark.parametrize("actual", [0.0, -0.7, 2.5])
def test_crps_of_fine_quantiles_is_the_integral_however_they_are_spaced(actual):
    probabilities = np.sort(np.random.default_rng(0).beta(0.7, 0.7, 800)).tolist()
    quantiles = {probability: np.full((1, 1), stats.norm.ppf(probability)) for probability in probabilities}
    judged = ScoredForecasts(np.full((1, 1), actual), np.zeros((1, 1)), quantiles)
    assert compute_scores(judged)["crps"] == pytest.approx(normal_crps(actual), rel=5e-3)


def test_crps_of_paths_is_the_mean_over_pairs():
    paths, actual = np.array([3.0, -1, 4, 0.5]), 1.2
    pairs = [abs(one - other) for one in paths for other in paths]
    expected = np.abs(paths - actual).mean() - sum(pairs) / (2 * 4 * 3)
    judged = ScoredForecasts(np.full((1, 1), actual), np.zeros((1, 1)), samples=paths[:, None, None])
    assert compute_scores(judged)["crps_samples"] == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 5])
def test_crps_of_few_paths_is_fair(count):
    paths = np.random.default_rng(0).normal(size=(count, 50_000, 1))
    judged = ScoredForecasts(np.full((50_000, 1), 0.4), np.zeros((50_000, 1)), samples=paths)
    assert compute_scores(judged)["crps_samples"] == pytest.approx(normal_crps(0.4), abs=5e-3)


def test_crps_of_one_path_is_the_absolute_error():
    judged = ScoredForecasts(np.zeros((1, 2)), np.zeros((1, 2)), samples=np.array([[[3.0, -1.0]]]))
    assert compute_scores(judged)["crps_samples"] == 2


def test_owa_is_the_mean_of_two_ratios():
    assert compute_owa({"smape": 9, "mase": 3}, {"smape": 18, "mase": 2}) == 1
    assert math.isnan(compute_owa({"smape": 9, "mase": 3}, {"smape": 0, "mase": 2}))


def test_mae_of_plain_arrays():
    assert compute_mae(np.array([1.0, 2, 4]), np.array([2.0, 2, 1])) == pytest.approx(4 / 3)


def test_every_metric_and_baseline_has_its_row_in_the_docs():
    text = (DOCS / "metrics.md").read_text()
    found = compute_scores(
        two_series(quantiles={0.1: np.ones((3, 2)), 0.9: np.ones((3, 2))}, samples=np.ones((1, 3, 2)))
    )
    names = {re.sub(r"_(q0\.\d|80)$", "_…", name) for name in found}
    assert "pinball_…" in names
    assert {name for name in [*names, *BASELINES] if f"`{name.replace('pinball_', 'pinball_q')}`" not in text} == set()


@pytest.fixture(scope="module")
def m4_hourly() -> dict[str, dict[str, float]]:
    """The scores of three baselines on all series of M4's hourly part."""
    train, test = (pd.read_csv(DATA / f"M4/Hourly-{part}.csv").set_index("V1") for part in ("train", "test"))
    histories = [train.loc[name].dropna().to_numpy(float) for name in test.index]
    actual, series = test.to_numpy(float), np.arange(len(test))
    scale = Scale(*np.array([compute_seasonal_scale(history, 24) for history in histories]).T)
    forecasts = {
        "naive": lambda values, origins: forecast_naive(values, origins, 48),
        "seasonal_naive": lambda values, origins: forecast_seasonal_naive(values, origins, 48, 24),
        "naive2": lambda values, origins: forecast_naive2(values, origins, 48, 24),
    }
    return {
        name: compute_scores(
            ScoredForecasts(
                actual,
                np.concatenate([forecast(values, np.array([len(values) - 1])) for values in histories]),
                series=series,
                scale=scale,
            )
        )
        for name, forecast in forecasts.items()
    }


@published
@pytest.mark.parametrize(
    ("name", "smape", "mase"), [("seasonal_naive", 13.912, 1.193), ("naive2", 18.383, 2.395), ("naive", 43.003, 11.608)]
)
def test_baselines_of_m4_hourly_have_their_published_scores(m4_hourly, name, smape, mase):
    assert m4_hourly[name]["smape"] == pytest.approx(smape, abs=5e-4)
    assert m4_hourly[name]["mase"] == pytest.approx(mase, abs=5e-4)


@published
def test_owa_of_m4_hourly_stands_on_naive2(m4_hourly):
    assert compute_owa(m4_hourly["naive2"], m4_hourly["naive2"]) == 1
    expected = (13.912 / 18.383 + 1.193 / 2.395) / 2
    assert compute_owa(m4_hourly["seasonal_naive"], m4_hourly["naive2"]) == pytest.approx(expected, abs=2e-4)


@published
@pytest.mark.parametrize(("name", "mse", "error"), [("ETTh1", 1.295, 0.713), ("ETTh2", 0.432, 0.422)])
def test_the_last_value_of_ett_has_its_published_errors(name, mse, error):
    """12, 4 and 4 months of 30 days, in standard deviations of the training part, 96 steps after each step.

    Published are means of batches, so that the last place may differ by one.
    """
    values = pd.read_csv(DATA / f"ETT-small/{name}.csv").iloc[:, 1:].to_numpy(float)
    training, validation, end = (months * 30 * 24 for months in (12, 16, 20))
    scaled = (values - values[:training].mean(axis=0)) / values[:training].std(axis=0)
    origins = np.arange(validation - 1, end - 96)
    steps = origins[:, None] + np.arange(1, 97)
    actual = np.concatenate([channel[steps] for channel in scaled.T])
    mean = np.concatenate([forecast_naive(channel, origins, 96) for channel in scaled.T])
    found = compute_scores(ScoredForecasts(actual, mean))
    assert (found["mse"], found["mae"]) == (pytest.approx(mse, abs=1e-3), pytest.approx(error, abs=1e-3))
