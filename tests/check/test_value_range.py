"""Transforms, bounds and counts that `check` offers by the values of a series."""

import numpy as np
import pytest

from forecaster.check.statistics import measure_errors
from forecaster.check.value_range import has_proportional_changes, is_count, stays_above_zero

MONTHS = np.arange(144)
GROWING = 110 * np.exp(0.01 * MONTHS) * (1 + 0.2 * np.sin(MONTHS * 2 * np.pi / 12))  # as sales of a growing market


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (GROWING, True),
        (20 * 1.13 ** np.arange(39), True),
        (100 + np.cumsum(np.random.default_rng(1).normal(size=400)), False),
        (np.linspace(10, 100, 120) + np.random.default_rng(2).normal(size=120), False),  # grows, its changes do not
        (GROWING - GROWING.mean(), False),  # negative
        (np.full(50, 3.0), False),
        (np.array([1.0, 2.0]), False),
    ],
)
def test_logarithms_are_offered_where_changes_are_a_share_of_the_level(values, expected):
    assert has_proportional_changes(values) is expected
    holes = values.copy()
    holes[3::10] = np.nan
    assert has_proportional_changes(holes) is expected


@pytest.mark.parametrize(
    ("values", "counts", "bound"),
    [
        ([0, 2, 0, 0, 5, 1, 0, np.nan, 3], True, True),
        ([0, 2, 0, 0, 5, 1.5], False, True),
        ([-1, 2, 0, 4], False, False),
        ([0, 1, 0, 1, 1], False, True),  # a flag
        ([200, 210, 205, 230], False, False),  # whole numbers far from 0
        ([np.nan], False, False),
    ],
)
def test_counts_and_bounds(values, counts, bound):
    assert is_count(np.array(values, float)) is counts
    assert stays_above_zero(np.array(values, float)) is bound


def test_a_series_with_a_gap_in_every_window_is_measured():
    generator = np.random.default_rng(0)
    values = 10 * np.sin(np.arange(1423) * 2 * np.pi / 7) + generator.normal(size=1423)
    values[6::7] = np.nan
    errors = measure_errors(values, [7])
    assert errors is not None
    assert errors.seasonal[7] < errors.naive
