"""The Diebold-Mariano test: whether the difference between two forecasts is statistically significant."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr


class Significance(NamedTuple):
    """The result of a test of two forecasts.

    Attributes:
        statistic: below 0 where the first is better; NaN where nothing can be tested.
        p_value: the probability of a statistic as far from 0 if both forecasts are equally good; two-sided.
    """

    statistic: float
    p_value: float


def compare_losses(first: np.ndarray, second: np.ndarray, horizon: int) -> Significance:
    """Compare the losses of two forecasts of the same steps, with the small-sample correction.

    Diebold & Mariano (1995): S = d̄ / √V̂(d̄), where d is the first's loss less the second's. Steps ahead overlap, so
    that d is taken as autocorrelated up to lag h - 1: V̂ = (γ₀ + 2 Σ γₖ) / n, the rectangular kernel. That sum can
    fall to 0 or below; then Bartlett's weights 1 - k / h take its place, which cannot (Newey & West 1987). S times
    √((n + 1 - 2h + h (h - 1) / n) / n) is compared with Student's t of n - 1 degrees (Harvey, Leybourne & Newbold
    1997, equations 8 and 9).

    Args:
        first, second: losses (absolute errors, squared errors, ..., or their means over a horizon), (origins,), by
            origin in rising order, of one series or averaged over series. An origin that is NaN in either is left out.
        horizon: the furthest step ahead of a loss, in strides between origins: 24 steps ahead are 1 at every 24th
            step, 24 at every step.

    Returns:
        NaN and NaN where there are no more origins than `horizon`, or where the losses differ by one constant, which
        leaves no variance; 0 and 1 where they do not differ at all.
    """
    differences = first - second
    differences = differences[~np.isnan(differences)]
    count = len(differences)
    if count <= max(horizon, 1):
        return Significance(np.nan, np.nan)
    if not differences.any():
        return Significance(0.0, 1.0)
    variance = _estimate_variance_of_mean(differences, horizon)
    if variance <= 0:
        return Significance(np.nan, np.nan)
    correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    statistic = float(differences.mean() * np.sqrt(correction / variance))
    return Significance(statistic, float(2 * stdtr(count - 1, -abs(statistic))))


def _estimate_variance_of_mean(differences: np.ndarray, horizon: int) -> float:
    """Of values that are correlated up to lag `horizon` - 1; 0 where they are all one, up to rounding."""
    count, centred = len(differences), differences - differences.mean()
    if np.ptp(differences) <= 1e-12 * np.abs(differences).max():
        return 0.0
    lags = np.arange(1, horizon)
    own = centred @ centred / count
    shared = np.array([centred[lag:] @ centred[:-lag] / count for lag in lags])
    for weights in (np.ones(len(lags)), 1 - lags / horizon):
        variance = own + 2 * weights @ shared
        if variance > 0:
            return float(variance / count)
    return 0.0


def count_overlapping(origins: np.ndarray, horizon: int) -> int:
    """Count the origins within the steps of one forecast, from its own on, where there are most: 1 without overlap.

    Args:
        origins: steps, distinct and in rising order, (origins,).
        horizon: steps of each forecast.
    """
    return int(np.max(np.searchsorted(origins, origins + horizon) - np.arange(len(origins)), initial=1))


def count_separate(origins: np.ndarray, horizon: int) -> int:
    """Count the forecasts that do not overlap with the one counted before; arguments as for `count_overlapping`."""
    count, place = 0, 0
    while place < len(origins):
        count, place = count + 1, int(np.searchsorted(origins, origins[place] + horizon))
    return count
