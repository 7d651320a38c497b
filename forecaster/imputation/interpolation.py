"""Seasonal interpolation of gaps without a network: baselines of imputation, with linear interpolation."""

import numpy as np

from forecaster.time.gaps import interpolate_linearly


def fill_seasonal_mean(values: np.ndarray, season: int) -> np.ndarray:
    """Fill gaps of (steps,) with the mean of the cells one season before and after.

    If one of them is missing the other is used; if both are, linear interpolation.
    """
    return np.where(np.isnan(values), _average_neighbours(values, season), values)


def interpolate_seasonally(values: np.ndarray, season: int) -> np.ndarray:
    """Fill gaps of (steps,) with the seasonal mean plus an interpolated offset, so that they join the observed cells.

    The offset is the difference between observed cells and their own seasonal mean, interpolated over each gap.
    """
    profile = _average_neighbours(values, season)
    return np.where(np.isnan(values), profile + interpolate_linearly(values - profile), values)


def _average_neighbours(values: np.ndarray, season: int) -> np.ndarray:
    """Average the cells one season before and after each step, or take the observed one; else interpolate."""
    before, after = (np.full(len(values), np.nan) for _ in range(2))
    before[season:], after[:-season] = values[:-season], values[season:]
    one = np.where(np.isnan(before), after, before)
    mean = np.where(np.isnan(after), one, (one + after) / 2)
    return np.where(np.isnan(mean), interpolate_linearly(values), mean)
