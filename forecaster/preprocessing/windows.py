"""The chronological split, and the starts of the windows in each part; never a copy of every window."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from forecaster.data.series import Series
from forecaster.errors import DataError

Ends = TypeVar("Ends", int, np.ndarray)


@dataclass(frozen=True)
class Split:
    """Where the parts of a series of `steps` steps end: training, then validation, then test."""

    training_end: int
    validation_end: int
    steps: int

    def led_in(self, steps: int) -> "Split":
        """The same of a series with so many steps before its first."""
        return Split(self.training_end + steps, self.validation_end + steps, self.steps + steps)

    @property
    def validation(self) -> int:
        """Steps in the validation part."""
        return self.validation_end - self.training_end

    @property
    def test(self) -> int:
        """Steps in the test part."""
        return self.steps - self.validation_end


@functools.lru_cache(typed=True)  # 1 step is no fraction of 1.0
def chronological_split(
    steps: int, validation: int | float, test: int | float, length: int, ahead: int, horizon: int
) -> Split:
    """Split a series of `steps` steps in order of time.

    Args:
        validation, test: a fraction of the series, or whole steps; 0 for no such part.
        length: steps in a window.
        ahead: steps that the network is trained to give at once.
        horizon: steps in a forecast.

    Raises:
        DataError: a part has no room for one window's targets; says how many rows it takes.
    """
    split = _split(steps, validation, test)
    if _fits(split, validation, test, length, ahead, horizon):
        return split
    needed = _rows_needed(validation, test, length, ahead, horizon)
    raise DataError(
        [
            f"{steps} rows are too few for a window of {length} steps, a horizon of {horizon}, a validation part of "
            f"{validation} and a test part of {test}; expected at least {needed:,} rows, or a shorter window or horizon"
        ]
    )


def window_bounds(first_target: Ends, last_target: Ends, length: int, ahead: int) -> tuple[Ends, Ends]:
    """The first and the last, exclusive, of the starts of windows whose targets lie in [first_target, last_target).

    A window that starts at s reads steps s .. s+length-1; its `ahead` targets are s+length .. s+length+ahead-1.
    Of many parts at once where targets are arrays.
    """
    return np.maximum(0, first_target - length), np.maximum(0, last_target - ahead - length + 1)


def window_starts(first_target: int, last_target: int, length: int, ahead: int) -> np.ndarray:
    """All of them, (starts,) int32."""
    return np.arange(*window_bounds(first_target, last_target, length, ahead), dtype=np.int32)


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
    def between(cls, firsts: np.ndarray, lasts: np.ndarray) -> "Starts":
        """A run for each series, up to its last, exclusive."""
        ends = np.cumsum(np.maximum(0, lasts - firsts))
        return cls(firsts, ends, ends)

    @classmethod
    def of(cls, parts: Iterable[np.ndarray]) -> "Starts":
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

    def spread(self, most: int) -> np.ndarray:
        """At most so many starts, evenly spaced over all."""
        return self[np.linspace(0, len(self) - 1, min(most, len(self))).round().astype(int)]

    def balanced(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Numbers of starts drawn so that each series that has any comes up as often as the others."""
        begins = np.concatenate([[0], self.series_ends[:-1]])
        filled = np.flatnonzero(self.series_ends > begins)
        drawn = filled[generator.integers(len(filled), size=count)]
        return generator.integers(begins[drawn], self.series_ends[drawn])


def told_by_data(
    starts: np.ndarray, observed: np.ndarray | None, length: int, ahead: int, min_length: int | None = None
) -> np.ndarray:
    """Those starts whose windows are no filler: at least half of the window is observed, and every target.

    Where gaps lie so close that less than a tenth of the windows would be left, half of the targets is enough.

    Args:
        observed: (steps,), None where every step is.
        starts, length, ahead: as in `window_starts`.
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


def observed_in_all(panel: Sequence[Series]) -> np.ndarray | None:
    """Whether each step stood in the file for every one of some series of the same steps; None where all did."""
    known = [series.observed for series in panel if series.observed is not None]
    return np.logical_and.reduce(known) if known else None


def gather_windows(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """The steps of some windows: (steps,), (batch,) -> (batch, length)."""
    return values[starts[:, None] + np.arange(length)]


def last_steps(values: np.ndarray, end: int, length: int) -> np.ndarray:
    """The `length` steps before `end`, (length,); NaN where the series had not begun."""
    found = values[max(0, end - length) : end]
    return np.concatenate([np.full(length - len(found), np.nan), found])


def _split(steps: int, validation: int | float, test: int | float) -> Split:
    test_steps, validation_steps = (
        round(part * steps) if isinstance(part, float) else part for part in (test, validation)
    )
    return Split(steps - test_steps - validation_steps, steps - test_steps, steps)


def _fits(split: Split, validation: int | float, test: int | float, length: int, ahead: int, horizon: int) -> bool:
    return (
        split.training_end >= length + ahead
        and (not validation or split.validation >= ahead)
        and (not test or split.test >= horizon)
    )


def _rows_needed(validation: int | float, test: int | float, length: int, ahead: int, horizon: int) -> int:
    """A number of rows for which each part has room, while it has none with one row less."""
    few = length + ahead - 1  # too few for the training part alone
    enough = few + 1
    while not _fits(_split(enough, validation, test), validation, test, length, ahead, horizon):
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        if _fits(_split(middle, validation, test), validation, test, length, ahead, horizon):
            enough = middle
        else:
            few = middle
    return enough
