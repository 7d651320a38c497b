"""Artificial gaps cut into observed values, for training and scoring."""

import numpy as np

from forecaster.time.gaps import Gap


def measure_distances(values: np.ndarray) -> np.ndarray:
    """Measure the steps from each cell to the nearest observed cell, (steps,); 0 for an observed one."""
    steps = np.arange(len(values))
    observed = np.flatnonzero(~np.isnan(values))
    after = np.searchsorted(observed, steps)  # index of the first observed cell at or after each step
    back = steps - observed[np.maximum(after - 1, 0)]
    ahead = observed[np.minimum(after, len(observed) - 1)] - steps
    return np.minimum(np.abs(back), np.abs(ahead))


def compute_length_shares(gaps: list[Gap], longest: int) -> np.ndarray:
    """Compute the probability that a gap of 1, ..., `longest` steps is cut, (longest,).

    It is the mean of the lengths of the series' own gaps and of a uniform distribution.
    """
    shares = np.full(longest, 1 / longest)
    counts = np.bincount([min(gap.length, longest) for gap in gaps], minlength=longest + 1)[1:]
    return (shares + counts / counts.sum()) / 2 if counts.any() else shares


def cut_gaps(
    values: np.ndarray, first: int, last: int, shares: np.ndarray, cut: float, generator: np.random.Generator
) -> np.ndarray:
    """Cut random gaps into a copy of (steps,), in [first, last), removing about a share `cut` of its cells.

    Args:
        shares: the probability of each length from 1.
    """
    gapped = values.copy()
    lengths = np.arange(1, len(shares) + 1)
    between = (lengths @ shares) * (1 - cut) / cut  # mean steps from a gap to the next
    position = first
    while (position := position + 1 + int(generator.exponential(between))) < last:
        end = min(position + int(generator.choice(lengths, p=shares)), last)
        gapped[position:end] = np.nan
        position = end
    return gapped
