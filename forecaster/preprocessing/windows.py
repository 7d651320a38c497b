"""The starts of training and validation windows, without copies of the windows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from forecaster.data.series import Series

Ends = TypeVar("Ends", int, np.ndarray)


def compute_window_bounds(first_target: Ends, last_target: Ends, length: int, ahead: int) -> tuple[Ends, Ends]:
    """Compute the range [first, last) of the starts of windows whose targets lie in [first_target, last_target).

    A window that starts at s reads steps s .. s+length-1; its `ahead` targets are s+length .. s+length+ahead-1.
    Arrays compute many parts at once.
    """
    return np.maximum(0, first_target - length), np.maximum(0, last_target - ahead - length + 1)


def list_window_starts(first_target: int, last_target: int, length: int, ahead: int) -> np.ndarray:
    """List these starts, (starts,) int32."""
    return np.arange(*compute_window_bounds(first_target, last_target, length, ahead), dtype=np.int32)


@dataclass(frozen=True)
class Starts:
    """The starts of a panel's windows, stored as runs of consecutive steps: a few numbers per series.

    Attributes:
        firsts: first start of each run, (runs,).
        ends: cumulative number of starts at the end of each run, (runs,).
        series_ends: cumulative number of starts at the end of each series, (series,).
    """

    firsts: np.ndarray
    ends: np.ndarray
    series_ends: np.ndarray

    @classmethod
    def from_bounds(cls, firsts: np.ndarray, lasts: np.ndarray) -> "Starts":
        """Build one run [first, last) for each series."""
        ends = np.cumsum(np.maximum(0, lasts - firsts))
        return cls(firsts, ends, ends)

    @classmethod
    def from_starts(cls, parts: Iterable[np.ndarray]) -> "Starts":
        """Build the runs of each series' starts, which are in rising order."""
        firsts: list[int] = []
        counts: list[int] = []
        series_counts = []
        for starts in parts:
            # where a run begins; -2 precedes no start
            begins = np.flatnonzero(np.diff(starts, prepend=-2) != 1).tolist()
            firsts += [int(starts[begin]) for begin in begins]
            counts += [end - begin for begin, end in zip(begins, [*begins[1:], len(starts)], strict=False)]
            series_counts.append(len(starts))
        return cls(np.array(firsts, int), np.cumsum(counts, dtype=int), np.cumsum(series_counts))

    def __len__(self) -> int:
        return int(self.series_ends[-1])

    def __getitem__(self, numbers: np.ndarray) -> np.ndarray:
        """Return the starts with these numbers, (count,)."""
        runs = np.searchsorted(self.ends, numbers, side="right")  # the run of each number
        before = np.concatenate([[0], self.ends])[runs]
        return self.firsts[runs] + numbers - before

    def spread_evenly(self, most: int) -> np.ndarray:
        """Return at most `most` starts, evenly spaced over all."""
        return self[np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(int)]

    def thin(self, most: int) -> "Starts":
        """Keep at most `most` starts, evenly spaced over all."""
        if len(self) <= most:
            return self
        numbers = np.linspace(0, len(self) - 1, most).round().astype(int)
        counts = np.searchsorted(numbers, self.series_ends)  # starts kept up to the end of each series
        return Starts.from_starts(np.split(self[numbers], counts[:-1]))

    def draw_balanced(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Draw numbers of starts so that each series that has any is equally likely."""
        begins = np.concatenate([[0], self.series_ends[:-1]])
        filled = np.flatnonzero(self.series_ends > begins)
        drawn = filled[generator.integers(len(filled), size=count)]  # the series of each draw, (count,)
        return generator.integers(begins[drawn], self.series_ends[drawn])


def select_observed_windows(
    starts: np.ndarray, observed: np.ndarray | None, length: int, ahead: int, min_length: int | None = None
) -> np.ndarray:
    """Select the starts of windows with at least half of their steps and all of their targets observed.

    If fewer than a tenth of the windows remain, half of the targets is enough.

    Args:
        observed: (steps,), None if every step is.
        starts, length, ahead: as in `list_window_starts`.
        min_length: observed steps that are enough, if fewer than half.
    """
    if observed is None or not len(starts):
        return starts
    counts = np.concatenate([[0], np.cumsum(observed)])  # observed steps before each step, (steps + 1,)
    read = counts[starts + length] - counts[starts]
    learnt = counts[starts + length + ahead] - counts[starts + length]  # observed targets of each window
    half = read >= min(length / 2, length if min_length is None else min_length)
    whole = half & (learnt == ahead)
    return starts[whole if 10 * whole.sum() >= len(starts) else half & (2 * learnt >= ahead)]


def combine_observed(panel: Sequence[Series]) -> np.ndarray | None:
    """Return whether each step was observed in all of several aligned series; None if every step was."""
    known = [series.observed for series in panel if series.observed is not None]
    return np.logical_and.reduce(known) if known else None


def gather_windows(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Gather windows: values (steps,), starts (batch,) -> (batch, length)."""
    return values[starts[:, None] + np.arange(length)]


def take_last_steps(values: np.ndarray, end: int, length: int) -> np.ndarray:
    """Return the `length` steps before `end`, (length,); NaN before the series' first step."""
    steps = values[max(0, end - length) : end]
    return np.concatenate([np.full(length - len(steps), np.nan), steps])
