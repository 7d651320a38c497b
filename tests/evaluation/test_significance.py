"""The Diebold-Mariano test against sums worked by hand, scipy's t test, and how often it cries wolf."""

import numpy as np
import pytest
from scipy import stats

from forecaster.evaluation.significance import compare_losses, count_overlapping, count_separate


def test_one_step_ahead_it_is_the_t_test_of_the_differences():
    """For h = 1 the corrected statistic is d̄ / (s / √n), s with n - 1."""
    first, second = np.random.default_rng(0).gamma(2, size=(2, 30))
    expected = stats.ttest_rel(first, second)
    found = compare_losses(first, second, 1)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)


def test_two_steps_ahead_by_hand():
    differences = np.array([1.0, 2, 0, 3, 4])  # mean 2: -1, 0, -2, 1, 2
    variance = (10 / 5 + 2 * (0 + 0 - 2 + 2) / 5) / 5
    correction = (5 + 1 - 4 + 2 / 5) / 5
    statistic = 2 / np.sqrt(variance) * np.sqrt(correction)
    found = compare_losses(10 + differences, np.full(5, 10.0), 2)
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(2 * stats.t.sf(statistic, 4))
    assert compare_losses(np.full(5, 10.0), 10 + differences, 2).statistic == pytest.approx(-statistic)


def test_where_the_rectangular_kernel_is_below_0_bartletts_takes_its_place():
    differences = np.array([3.0, -1] * 4)  # mean 1: 2, -2, 2, ...
    assert 4 + 2 * -4 * 7 / 8 < 0
    variance = (4 + 2 * 0.5 * -4 * 7 / 8) / 8
    correction = (8 + 1 - 4 + 2 / 8) / 8
    assert compare_losses(differences, np.zeros(8), 2).statistic == pytest.approx(np.sqrt(correction / variance))


def test_origins_that_either_does_not_know_are_left_out():
    first, second = np.random.default_rng(0).gamma(2, size=(2, 30))
    expected = compare_losses(first[2:], second[2:], 3)
    first[0], second[1] = np.nan, np.nan
    assert compare_losses(first, second, 3) == expected


@pytest.mark.parametrize(
    ("first", "second", "horizon"),
    [
        ([1.0, 2.0, 5.0], [1.0, 0.0, 1.0], 3),
        ([1.1, 2.1, 3.1, 4.1], [1.0, 2.0, 3.0, 4.0], 1),
        ([1.0], [2.0], 1),
        ([], [], 1),
    ],
    ids=["too few origins", "one constant", "one origin", "none"],
)
def test_what_cannot_be_tested_is_nan(first, second, horizon):
    assert np.isnan(compare_losses(np.array(first), np.array(second), horizon)).all()


def test_losses_that_do_not_differ_are_as_good():
    assert compare_losses(np.arange(9.0), np.arange(9.0), 2) == (0, 1)


@pytest.mark.parametrize("horizon", [1, 4])
def test_of_equal_forecasts_about_5_in_100_differ_by_5_percent(horizon):
    """Differences as moving averages of the order h - 1, as optimal forecasts have them."""
    noise = np.random.default_rng(1).normal(size=(1000, 200 + horizon - 1))
    walks = np.lib.stride_tricks.sliding_window_view(noise, horizon, axis=1).sum(axis=2)
    found = [compare_losses(walk, np.zeros(200), horizon).p_value for walk in walks]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.025)


@pytest.mark.parametrize(
    ("origins", "horizon", "overlapping", "separate"),
    [
        ([0, 12, 24], 12, 1, 3),
        ([0, 1, 2], 12, 3, 1),
        ([0, 6, 12, 18, 24], 12, 2, 3),
        ([0, 3, 7, 11, 14], 8, 3, 2),
        ([5], 1, 1, 1),
        ([], 4, 1, 0),
    ],
)
def test_forecasts_that_overlap_are_counted(origins, horizon, overlapping, separate):
    assert count_overlapping(np.array(origins), horizon) == overlapping
    assert count_separate(np.array(origins), horizon) == separate
