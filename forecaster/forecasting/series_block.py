"""Series that are forecast together, with their names and newest values in arrays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import overload

import numpy as np

from forecaster.data.panel import Panel
from forecaster.data.series import SelectedSeries, Series, TimesAhead
from forecaster.problems import Problem
from forecaster.time.grid import Grid


class SeriesBlock(Sequence[Series]):
    """Some series of a panel or of a list; arrays are those of the panel, and no series is made for them.

    Args:
        series: all series, or some of them.
        numbers: the places of those that are meant; all where None.
    """

    def __init__(self, series: Sequence[Series], numbers: Sequence[int] | np.ndarray | None = None) -> None:
        chosen = np.arange(len(series)) if numbers is None else np.asarray(numbers, int)
        while isinstance(series, SelectedSeries | SeriesBlock):
            chosen, series = np.asarray(series.numbers, int)[chosen], series.panel
        self.panel: Sequence[Series] = series
        self.numbers: np.ndarray = chosen
        self._flat = series if isinstance(series, Panel) else None  # its series are end to end in one array

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Series: ...
    @overload
    def __getitem__(self, place: slice) -> list[Series]: ...
    def __getitem__(self, place: int | slice) -> Series | list[Series]:
        if isinstance(place, slice):
            return [self.panel[number] for number in self.numbers[place].tolist()]
        return self.panel[int(self.numbers[place])]

    def __iter__(self) -> Iterator[Series]:
        return (self.panel[number] for number in self.numbers.tolist())

    def select(self, places: Sequence[int] | np.ndarray) -> "SeriesBlock":
        """Select some of them by place, or by a mask."""
        return SeriesBlock(self.panel, self.numbers[places if len(places) else slice(0)])

    def detach(self) -> "SeriesBlock":
        """Copy them from a panel, so that nothing of its other series is sent to another process with them."""
        if self._flat is None:
            return SeriesBlock([replace(series, timestamps=series.calendar) for series in self])
        return SeriesBlock(self._flat.take(self.numbers))

    def split(self, most: int) -> "Iterator[SeriesBlock]":
        """Split them into blocks of at most `most` that follow each other."""
        return (SeriesBlock(self.panel, self.numbers[first : first + most]) for first in range(0, len(self), most))

    def list_names(self) -> list[str]:
        """List their names."""
        if self._flat is None:
            return [series.name for series in self]
        names = self._flat.names
        return [names[number] for number in self.numbers.tolist()]

    def get_notices(self) -> Mapping[int, tuple[Problem, ...]]:
        """Get the notices of those that have any, by place."""
        if self._flat is None:
            return {place: series.notices for place, series in enumerate(self) if series.notices}
        notices = self._flat.notices
        return (
            {place: notices[each] for place, each in enumerate(self.numbers.tolist()) if each in notices}
            if notices
            else {}
        )

    def measure_lengths(self) -> np.ndarray:
        """Measure the steps in each, (series,)."""
        begins, ends = self._find_bounds()
        return ends - begins

    def are_observed(self) -> np.ndarray:
        """Return whether all values of each are in its file, (series,)."""
        if self._flat is None:
            return np.array([series.observed is None for series in self], bool)
        if (observed := self._flat.observed) is None:
            return np.ones(len(self), bool)
        begins, ends = self._find_bounds()
        return np.array([observed[begin:end].all() for begin, end in zip(begins, ends, strict=True)], bool)

    def take_last_steps(self, steps: int, skipped: int = 0, only_observed: bool = False) -> np.ndarray:
        """Take the last steps of each, (series, steps) float64; NaN before its first step.

        Args:
            steps: how many.
            skipped: steps at the beginning of each that are left out.
            only_observed: whether values that are not in the file are NaN.
        """
        if self._flat is None:
            rows = [_take_last_steps(series, steps, skipped, only_observed) for series in self]
            return np.array(rows).reshape(len(self), steps)
        begins, ends = self._find_bounds()
        places = ends[:, None] + np.arange(-steps, 0)  # (series, steps)
        before = places < (begins + skipped)[:, None]
        np.maximum(places, 0, out=places)
        found = self._flat.values[places].astype(float)
        if only_observed and self._flat.observed is not None:
            found[~self._flat.observed[places]] = np.nan
        found[before] = np.nan
        return found

    def measure_ranges_before(self, steps: int) -> np.ndarray:
        """Measure the lowest and the highest value before the last `steps`, (series, 2); NaN where there is none."""
        found = np.full((len(self), 2), np.nan)
        if self._flat is None:
            for row, series in zip(found, self, strict=True):
                if len(values := series.values[:-steps]):
                    row[:] = values.min(), values.max()
            return found
        begins, ends = self._find_bounds()
        rows = np.flatnonzero(ends - steps > begins)
        bounds = np.stack([begins[rows], ends[rows] - steps], axis=1).reshape(-1)
        for column, reduce in enumerate((np.minimum, np.maximum) if len(rows) else ()):
            found[rows, column] = reduce.reduceat(self._flat.values, bounds)[::2]
        return found

    def list_times_ahead(self, steps: int) -> list[TimesAhead]:
        """List the last timestamp of each, and those of the `steps` steps after it; once for each calendar."""
        known: dict[int, TimesAhead] = {}
        starts = None if self._flat is None or self._flat.timestamps is not None else self._flat.firsts
        if starts is None or isinstance(starts, Grid) or not hasattr(starts, "asi8"):
            return [series.find_times_ahead(steps, known) for series in self]
        # Series with the same first timestamp and as many steps have one calendar.
        firsts, lengths = starts[self.numbers].asi8.tolist(), self.measure_lengths().tolist()
        found: dict[tuple[int, int], TimesAhead] = {}
        for place, key in enumerate(zip(firsts, lengths, strict=True)):
            if key not in found:
                found[key] = self[place].find_times_ahead(steps, known)
        return [found[key] for key in zip(firsts, lengths, strict=True)]

    def _find_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Find where each begins and ends in the array of the panel, (series,) both."""
        if self._flat is None:
            return np.zeros(len(self), int), np.array([len(series) for series in self], int)
        ends, numbers = self._flat.ends, self.numbers
        return np.where(numbers > 0, ends[numbers - 1], 0), ends[numbers]


def _take_last_steps(series: Series, steps: int, skipped: int, only_observed: bool) -> np.ndarray:
    values = series.values
    if only_observed and series.observed is not None:
        values = np.where(series.observed, values, np.nan)
    newest = values[max(skipped, len(values) - steps) :]
    return np.concatenate([np.full(steps - len(newest), np.nan), newest])
