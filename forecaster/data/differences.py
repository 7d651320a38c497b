"""Differences of a series, and the sums that undo them."""

from collections.abc import Sequence

import numpy as np


def differenced(values: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """y(t) - y(t - lag) for one lag after the other: (..., steps) -> (..., steps), the first sum(lags) of them NaN."""
    for lag in lags:
        differences = np.full(values.shape, np.nan)
        differences[..., lag:] = values[..., lag:] - values[..., :-lag]
        values = differences
    return values


def summed(differences: np.ndarray, history: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """The values whose differences follow a history: (..., horizon), (..., at least sum(lags)) -> (..., horizon)."""
    levels = [history]
    for lag in lags[:-1]:
        levels.append(levels[-1][..., lag:] - levels[-1][..., :-lag])
    for lag, level in zip(reversed(lags), reversed(levels), strict=True):
        known = np.broadcast_to(level[..., -lag:], (*differences.shape[:-1], lag))
        values = np.concatenate([known, differences], axis=-1)
        for step in range(lag, values.shape[-1]):
            values[..., step] += values[..., step - lag]
        differences = values[..., lag:]
    return differences
