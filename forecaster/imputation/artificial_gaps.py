"""Gaps cut into observed values, to learn from and to be scored by."""

import numpy as np

from forecaster.data.gaps import Gap


def measure_distances(values: np.ndarray) -> np.ndarray:
    """Steps from each cell to the nearest that is not NaN, (steps,); 0 for itself."""
    steps = np.arange(len(values))
    observed = np.flatnonzero(~np.isnan(values))
    after = np.searchsorted(observed, steps)  # of the observed, the first at or after each step
    back = steps - observed[np.maximum(after - 1, 0)]
    ahead = observed[np.minimum(after, len(observed) - 1)] - steps
    return np.minimum(np.abs(back), np.abs(ahead))


def compute_length_shares(gaps: list[Gap], longest: int) -> np.ndarray:
    """How often a gap of 1, 2, ..., `longest` steps is cut, (longest,): half like the gaps, half any length alike."""
    shares = np.full(longest, 1 / longest)
    counts = np.bincount([min(gap.length, longest) for gap in gaps], minlength=longest + 1)[1:]
    return (shares + counts / counts.sum()) / 2 if counts.any() else shares


def cut_gaps(
    values: np.ndarray, first: int, last: int, shares: np.ndarray, cut: float, generator: np.random.Generator
) -> np.ndarray:
    """A copy of (steps,) with gaps cut at random into [first, last), about a share `cut` of its cells.

    Args:
        shares: how often each length from 1 is drawn.
    """
    gapped = values.copy()
    lengths = np.arange(1, len(shares) + 1)
    between = (lengths @ shares) * (1 - cut) / cut  # steps from a gap to the next, on average
    position = first
    while (position := position + 1 + int(generator.exponential(between))) < last:
        end = min(position + int(generator.choice(lengths, p=shares)), last)
        gapped[position:end] = np.nan
        position = end
    return gapped
