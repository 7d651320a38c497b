"""Where the windows of each part start, never a copy of every window."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from forecaster.data.series import Series

Ends = TypeVar("Ends", int, np.ndarray)


def compute_window_bounds(first_target: Ends, last_target: Ends, length: int, ahead: int) -> tuple[Ends, Ends]:
    """The first and the last, exclusive, of the starts of windows whose targets lie in [first_target, last_target).

    A window that starts at s reads steps s .. s+length-1; its `ahead` targets are s+length .. s+length+ahead-1.
    Of many parts at once where targets are arrays.
    """
    return np.maximum(0, first_target - length), np.maximum(0, last_target - ahead - length + 1)


def list_window_starts(first_target: int, last_target: int, length: int, ahead: int) -> np.ndarray:
    """All of them, (starts,) int32."""
    return np.arange(*compute_window_bounds(first_target, last_target, length, ahead), dtype=np.int32)


@dataclass(frozen=True)
class Starts:
    """Where the windows of a panel start, kept as runs of steps in a row: a few numbers for each series.

    Attributes:
        firsts: where each run begins, (runs,).
        ends: how many starts there are up to the end of each run, (runs,).
        series_ends: how many there are up to the end of each series, (series,).
    """

    firsts: np.ndarray
    ends: np.ndarray
    series_ends: np.ndarray

    @classmethod
    def from_bounds(cls, firsts: np.ndarray, lasts: np.ndarray) -> "Starts":
        """A run for each series, up to its last, exclusive."""
        ends = np.cumsum(np.maximum(0, lasts - firsts))
        return cls(firsts, ends, ends)

    @classmethod
    def from_starts(cls, parts: Iterable[np.ndarray]) -> "Starts":
        """Those of each series, in rising order."""
        firsts: list[int] = []
        counts: list[int] = []
        series_counts = []
        for starts in parts:
            begins = np.flatnonzero(np.diff(starts, prepend=-2) != 1).tolist()
            firsts += [int(starts[begin]) for begin in begins]
            counts += [end - begin for begin, end in zip(begins, [*begins[1:], len(starts)], strict=False)]
            series_counts.append(len(starts))
        return cls(np.array(firsts, int), np.cumsum(counts, dtype=int), np.cumsum(series_counts))

    def __len__(self) -> int:
        return int(self.series_ends[-1])

    def __getitem__(self, numbers: np.ndarray) -> np.ndarray:
        """The starts of these numbers, (count,) int32."""
        runs = np.searchsorted(self.ends, numbers, side="right")
        before = np.concatenate([[0], self.ends])[runs]
        return (self.firsts[runs] + numbers - before).astype(np.int32)

    def spread_evenly(self, most: int) -> np.ndarray:
        """At most so many starts, evenly spaced over all."""
        return self[np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(int)]

    def draw_balanced(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Numbers of starts drawn so that each series that has any comes up as often as the others."""
        begins = np.concatenate([[0], self.series_ends[:-1]])
        filled = np.flatnonzero(self.series_ends > begins)
        drawn = filled[generator.integers(len(filled), size=count)]
        return generator.integers(begins[drawn], self.series_ends[drawn])


def select_observed_windows(
    starts: np.ndarray, observed: np.ndarray | None, length: int, ahead: int, min_length: int | None = None
) -> np.ndarray:
    """Those starts whose windows are no filler: at least half of the window is observed, and every target.

    Where gaps lie so close that less than a tenth of the windows would be left, half of the targets is enough.

    Args:
        observed: (steps,), None where every step is.
        starts, length, ahead: as in `list_window_starts`.
        min_length: steps of a window that are enough, where it may be fewer than half.
    """
    if observed is None or not len(starts):
        return starts
    counts = np.concatenate([[0], np.cumsum(observed)])
    read = counts[starts + length] - counts[starts]
    learnt = counts[starts + length + ahead] - counts[starts + length]
    half = read >= min(length / 2, length if min_length is None else min_length)
    whole = half & (learnt == ahead)
    return starts[whole if 10 * whole.sum() >= len(starts) else half & (2 * learnt >= ahead)]


def combine_observed(panel: Sequence[Series]) -> np.ndarray | None:
    """Whether each step stood in the file for every one of some series of the same steps; None where all did."""
    known = [series.observed for series in panel if series.observed is not None]
    return np.logical_and.reduce(known) if known else None


def gather_windows(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """The steps of some windows: (steps,), (batch,) -> (batch, length)."""
    return values[starts[:, None] + np.arange(length)]


def take_last_steps(values: np.ndarray, end: int, length: int) -> np.ndarray:
    """The `length` steps before `end`, (length,); NaN where the series had not begun."""
    found = values[max(0, end - length) : end]
    return np.concatenate([np.full(length - len(found), np.nan), found])
