"""The gaps of a series: where they are, how far inside them a cell lies, and gaps cut on purpose."""

from typing import NamedTuple

import numpy as np

GAP_REPAIRS = tuple({"data.gaps": policy} for policy in ("interpolate", "seasonal", "previous", "zero"))


class Gap(NamedTuple):
    """Cells missing in a row: `length` of them from index `first`."""

    first: int
    length: int

    @property
    def middle(self) -> int:
        """The index of the middle cell, the later one of two."""
        return self.first + self.length // 2


def find_gaps(values: np.ndarray) -> list[Gap]:
    """Find the runs of NaN in (steps,), in order."""
    missing = np.concatenate([[False], np.isnan(values), [False]]).astype(int)
    edges = np.flatnonzero(np.diff(missing)).reshape(-1, 2)  # (gaps, 2), where each begins and ends
    return [Gap(int(first), int(end - first)) for first, end in edges]


def find_longest_gap(values: np.ndarray) -> Gap:
    """Find the longest run of NaN in (steps,), the first of several; of length 0 where there is none."""
    return max(find_gaps(values), key=lambda gap: gap.length, default=Gap(0, 0))


def fill_gaps(values: np.ndarray, policy: str, season: int) -> np.ndarray:
    """Fill the gaps of (steps,), whose first and last cell are known.

    Args:
        policy: `interpolate | seasonal | previous | zero`; `mask` leaves them.
        season: steps in a season, read by `seasonal`.
    """
    match policy:
        case "interpolate":
            return interpolate_linearly(values)
        case "previous":
            return values[np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))]
        case "seasonal":
            return interpolate_linearly(_fill_from_seasons(values, season))
        case "zero":
            return np.nan_to_num(values, nan=0.0)
        case _:
            return values


def interpolate_linearly(values: np.ndarray) -> np.ndarray:
    """Interpolate gaps of (steps,) linearly, constant before the first and after the last known cell."""
    steps, known = np.arange(len(values)), ~np.isnan(values)
    return np.interp(steps, steps[known], values[known]) if known.any() else values


def _fill_from_seasons(values: np.ndarray, season: int) -> np.ndarray:
    """Fill each missing cell from one season before, else from one season after; NaN if both are missing."""
    result = values.copy()
    for step in np.flatnonzero(np.isnan(values)):
        if step >= season:
            result[step] = result[step - season]  # which may have been filled itself
    for step in np.flatnonzero(np.isnan(result))[::-1]:
        if step + season < len(result):
            result[step] = result[step + season]
    return result
