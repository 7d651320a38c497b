"""Split-conformal intervals, against ranks counted by hand and against the coverage that they promise."""

import numpy as np
import pandas as pd
import pytest

from forecaster.evaluation.metrics import compute_coverage
from forecaster.forecast import Forecast, level_to_quantiles
from forecaster.forecasting.conformal import compute_conformal_quantiles, compute_half_widths


@pytest.mark.parametrize(
    ("level", "tails"), [(95, (0.025, 0.975)), (80, (0.1, 0.9)), (50, (0.25, 0.75)), (99.9, (0.0005, 0.9995))]
)
def test_a_level_is_exactly_two_quantiles(level, tails):
    assert level_to_quantiles(level) == tails


@pytest.mark.parametrize(
    ("count", "level", "rank"),
    [
        (19, 95, 19),  # (19 + 1) * 0.95 = 19
        (19, 80, 16),
        (99, 95, 95),
        (100, 80, 81),  # ceil(80.8)
        (10, 95, 10),  # too few for the level: the largest
        (1, 50, 1),
    ],
)
def test_the_width_is_the_ranked_residual(count, level, rank):
    sizes = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    signs = np.where(np.arange(count) % 2, -1, 1)
    assert compute_half_widths((sizes * signs)[:, None], level) == [rank]


def test_steps_without_truth_are_left_out_and_a_step_without_any_takes_the_one_before():
    residuals = np.array([[1.0, 5.0, np.nan], [-3.0, np.nan, np.nan]])
    np.testing.assert_array_equal(compute_half_widths(residuals, 60), [3, 5, 5])


def test_a_step_with_too_few_residuals_is_no_surer_than_the_one_before():
    residuals = np.array([[4.0, 1.0], [3.0, np.nan], [2.0, np.nan], [1.0, np.nan]])
    np.testing.assert_array_equal(compute_half_widths(residuals, 60), [3, 3])


def test_intervals_lie_around_the_mean_and_continue_with_the_last_width():
    residuals = np.array([[1.0, 2.0]] * 9 + [[5.0, 6.0]])
    mean = np.array([10.0, 20, 30])
    quantiles = compute_conformal_quantiles(mean, np.ones(3), residuals, [80, 95])
    assert list(quantiles) == [0.025, 0.1, 0.9, 0.975]
    np.testing.assert_array_equal(quantiles[0.1], [9, 18, 28])
    np.testing.assert_array_equal(quantiles[0.975], [15, 26, 36])
    found = Forecast("y", 0, pd.RangeIndex(1, 4), mean, quantiles)
    assert list(found.to_frame().columns)[5:] == ["lower_95", "lower_80", "upper_80", "upper_95", "source"]
    again = Forecast.from_csv(found.to_csv())
    np.testing.assert_array_equal(again.quantiles[0.025], found.quantiles[0.025])


def test_widths_are_in_units_of_the_spread_of_each_forecast():
    residuals = np.array([[1.0, 2.0]] * 9)
    mean, spread = np.array([[10.0, 20], [30, 40]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    quantiles = compute_conformal_quantiles(mean, spread, residuals, [80])
    np.testing.assert_array_equal(quantiles[0.9], [[11, 24], [33, 48]])


def covered(new, calibration, level):
    low, high = compute_conformal_quantiles(np.zeros_like(new), np.ones_like(new), calibration, [level]).values()
    return compute_coverage(new, low, high)


@pytest.mark.parametrize("level", [50, 80, 95])
def test_new_residuals_of_the_same_kind_are_covered_as_promised(level):
    rng = np.random.default_rng(1)
    calibration, new = rng.standard_t(3, (2000, 3)), rng.standard_t(3, (20000, 3))
    assert covered(new, calibration, level) == pytest.approx(level, abs=1.5)


def test_a_few_residuals_cover_at_least_as_promised_on_average():
    rng = np.random.default_rng(2)
    shares = [covered(rng.normal(size=(200, 1)), rng.normal(size=(39, 1)), 90) for _ in range(400)]
    assert np.mean(shares) == pytest.approx(90, abs=1)  # exact: 36 / 40
