"""Panel: many series of one frequency, laid end to end in flat arrays."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, overload

import numpy as np

from forecaster.data.dialect import USUAL, Dialect
from forecaster.data.series import Column, Series
from forecaster.errors import DataError
from forecaster.problems import Problem
from forecaster.time.grid import Grid, find_part
from forecaster.time.rules import AS_WRITTEN, TimeRules

if TYPE_CHECKING:
    import pandas as pd

    from forecaster.forecast import Timestamp
    from forecaster.time.calendars import Calendars


@dataclass(frozen=True)
class Columns:
    """The covariates of a panel, each (rows,), of each series from its first step to where `ends`, (series,), is."""

    columns: Mapping[str, Column] = field(default_factory=dict)
    ends: np.ndarray = field(default_factory=lambda: np.zeros(0, int))

    def select_rows(self, rows: slice | np.ndarray) -> dict[str, Column]:
        """Select those of some rows."""
        return {name: column.select(rows) for name, column in self.columns.items()}


@dataclass(frozen=True, eq=False)
class Panel(Sequence[Series]):
    """A sequence of series, each made when it is asked for, its arrays views of the panel's.

    Attributes:
        time: the time column, or its columns; None where the row number is the step.
        firsts: the first timestamp of each, (series,); or the grid of its only series, where it is known.
        ends: where the values of each end, (series,).
        values: of all series end to end, (steps,), float64, or float32 where they are kept on disk.
        timestamps: (steps,) where each row is a step (`sessions`); None where they follow from `firsts`.
        observed: whether each value is in the file, (steps,); None where all are.
        categories: of each series, its values of the covariates `static`; empty where there are none.
        notices: of series, by their number.
        ids: the columns that name the series, none where they are named otherwise.
    """

    names: Sequence[str]
    targets: Sequence[str]
    time: str | tuple[str, ...] | None
    frequency: str
    firsts: "pd.Index | Grid"
    ends: np.ndarray
    values: np.ndarray
    rules: TimeRules = AS_WRITTEN
    timestamps: "pd.Index | None" = None
    observed: np.ndarray | None = None
    static: Sequence[str] = ()
    categories: Sequence[tuple[str, ...]] = ()
    columns: Columns = field(default_factory=Columns)
    notices: Mapping[int, tuple[Problem, ...]] = field(default_factory=dict)
    dialect: Dialect = USUAL
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, number: int) -> Series: ...
    @overload
    def __getitem__(self, number: slice) -> list[Series]: ...
    def __getitem__(self, number: int | slice) -> Series | list[Series]:
        if isinstance(number, slice):
            return [self[each] for each in range(len(self))[number]]
        number = range(len(self))[number]
        part = find_part(self.ends, number)
        observed = None if self.observed is None else self.observed[part]
        return Series(
            self.names[number],
            self.targets[number],
            self.time,
            self.firsts.cut(0, part.stop) if isinstance(self.firsts, Grid) else partial(self._make_timestamps, number),
            self.values[part],
            self.frequency,
            self.notices.get(number, ()),
            dict(zip(self.static, self.categories[number], strict=True)) if self.categories else {},
            self.rules,
            None if observed is None or observed.all() else observed,
            self.dialect,
            self.columns.select_rows(find_part(self.columns.ends, number)) if self.columns.columns else {},
        )

    @property
    def lengths(self) -> np.ndarray:
        """Steps in each series, (series,)."""
        return np.diff(self.ends, prepend=0)

    def iterate_blocks(self, numbers: Sequence[int], most: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Iterate over the values of some series, those together that are neighbours here and have the same length.

        Yields:
            The places in `numbers`, which rise, of at most `most` series; and the values (series, steps).
        """
        lengths = self.lengths[numbers]
        changes = np.flatnonzero((np.diff(numbers) != 1) | (np.diff(lengths) != 0)) + 1
        for begin, end in itertools.pairwise([0, *changes.tolist(), len(numbers)]):
            for first in range(begin, end, most):
                last = min(first + most, end)
                stop, steps = int(self.ends[numbers[last - 1]]), int(lengths[first]) * (last - first)
                yield slice(first, last), self.values[stop - steps : stop].reshape(last - first, -1)

    def find_span(self) -> "tuple[Timestamp, Timestamp]":
        """Find the first and the last timestamp of all series."""
        if isinstance(self.firsts, Grid):
            return self.firsts.find(0), self.firsts.find(int(self.ends[0]) - 1)
        if self.timestamps is not None:
            return self.timestamps.min(), self.timestamps.max()
        alike = dict(zip(zip(self.firsts, self.lengths.tolist(), strict=True), range(len(self)), strict=True))
        return min(self.firsts), max(self[number].timestamps[-1] for number in alike.values())

    @property
    def longest(self) -> Series:
        """The longest series, the first of several."""
        return self[int(np.argmax(self.lengths))]

    @property
    def all_notices(self) -> Iterator[Problem]:
        """The notices of all series, in their order."""
        return (notice for number in sorted(self.notices) for notice in self.notices[number])

    def carry_forward(self) -> "Panel":
        """Fill each gap, which was left open in reading, with the last value before it."""
        observed = ~np.isnan(self.values)
        last = np.maximum.accumulate(np.where(observed, np.arange(len(observed)), 0))  # every series begins with one
        return replace(self, values=self.values[last], observed=observed)

    def prepend_steps(self, steps: int, season: int) -> "Panel":
        """Prepend steps to each series, which count as not observed.

        They hold its first season, again and again, so that nothing happens in them that does not happen every season.

        Raises:
            DataError: each row is a step, and no calendar gives the earlier ones.
        """
        if not steps:
            return self
        if self.timestamps is not None:
            repairs = ({"window.min_length": None},)
            raise DataError(Problem("no-earlier-sessions", column="window.min_length", repairs=repairs))
        places, ends = _prepend_places(self.ends, steps, season)
        columns = self.columns
        if columns.columns:
            rows, row_ends = _prepend_places(columns.ends, steps, season)
            columns = Columns(columns.select_rows(rows), row_ends)
        observed = np.ones(len(places), bool) if self.observed is None else self.observed[places]
        observed[np.concatenate([[0], ends[:-1]])[:, None] + np.arange(steps)] = False
        return replace(
            self,
            firsts=self._move_firsts([-steps] * len(self)),
            ends=ends,
            values=self.values[places],
            observed=observed,
            columns=columns,
        )

    def drop_steps(self, steps: int) -> "Panel":
        """Drop the first steps of each series, such as those of `prepend_steps`."""
        return self._cut([slice(steps, length) for length in self.lengths.tolist()]) if steps else self

    def align_targets(self, targets: Sequence[str]) -> "Panel":
        """Cut each group of series, one for each target, to the steps that all of them have.

        Raises:
            DataError: those of a group have none in common, or one has no number at all.
        """
        channels = len(targets)
        kept: list[slice] = []
        problems: list[Problem] = []
        repairs = ({"model.channels": "independent"},)
        for group in (self[first : first + channels] for first in range(0, len(self), channels)):
            named = ", ".join(series.name for series in group)
            if [series.target for series in group] != list(targets):
                detail = {"series": named, "targets": list(targets)}
                problems.append(Problem("missing-channel", detail=detail, repairs=repairs))
                break
            first, last = max(s.timestamps[0] for s in group), min(s.timestamps[-1] for s in group)
            if first > last:
                problems.append(Problem("no-common-step", detail={"series": named}, repairs=repairs))
            kept += [slice(*s.timestamps.slice_locs(first, last)) for s in group]
        if problems:
            raise DataError(problems)
        return self._cut(kept)

    def take(self, numbers: np.ndarray) -> "Panel":
        """Copy some series, (series,) numbers in any order."""
        steps, columns, chosen = _list_places(self.ends, numbers), self.columns, numbers.tolist()
        if columns.columns:
            rows = _list_places(columns.ends, numbers)
            columns = Columns(columns.select_rows(rows), np.cumsum(np.diff(columns.ends, prepend=0)[numbers]))
        return replace(
            self,
            names=[self.names[number] for number in chosen],
            targets=[self.targets[number] for number in chosen],
            firsts=self.firsts if isinstance(self.firsts, Grid) else self.firsts[numbers],
            ends=np.cumsum(self.lengths[numbers]),
            values=self.values[steps],
            timestamps=None if self.timestamps is None else self.timestamps[steps],
            observed=None if self.observed is None else self.observed[steps],
            categories=[self.categories[number] for number in chosen] if self.categories else (),
            columns=columns,
            notices={place: self.notices[number] for place, number in enumerate(chosen) if number in self.notices},
        )

    def _cut(self, kept: Sequence[slice]) -> "Panel":
        """Cut each series to a range of its steps; covariates are cut where it begins alone."""
        columns = self.columns
        if columns.columns:
            rows = _choose_places(columns.ends, [slice(part.start, None) for part in kept])
            columns = Columns(columns.select_rows(rows), columns.ends - np.cumsum([part.start for part in kept]))
        return replace(
            self._select_steps(kept), firsts=self._move_firsts([part.start for part in kept]), columns=columns
        )

    def truncate(self, lengths: np.ndarray) -> "Panel":
        """Cut each series to its first steps, as it was known then: (series,) lengths.

        A gap at its end is filled with the last observed value, since later values were not known then.
        Covariates stay whole: past ones are read up to a window's end alone.
        """
        found = self._select_steps([slice(0, length) for length in lengths.tolist()])
        if (observed := found.observed) is not None:
            for number in np.flatnonzero((lengths > 0) & ~observed[np.maximum(found.ends - 1, 0)]).tolist():
                part = find_part(found.ends, number)
                found.values[part] = carry_forward(found.values[part], observed[part])
        return found

    def _select_steps(self, parts: Sequence[slice]) -> "Panel":
        """Copy a range of the steps of each series; `firsts` and covariates stay as they are."""
        steps = _choose_places(self.ends, parts)
        return replace(
            self,
            ends=np.cumsum([part.stop - part.start for part in parts]),
            values=self.values[steps],
            timestamps=None if self.timestamps is None else self.timestamps[steps],
            observed=None if self.observed is None else self.observed[steps],
        )

    def _make_timestamps(self, number: int) -> "pd.Index":
        part = find_part(self.ends, number)
        return (
            self._calendars.list_steps(number, part.stop - part.start)
            if self.timestamps is None
            else self.timestamps[part]
        )

    def _move_firsts(self, steps: Sequence[int]) -> "pd.Index | Grid":
        """Move the first timestamp of each series by some steps, below 0 to earlier ones."""
        if isinstance(self.firsts, Grid):
            return self.firsts.cut(steps[0], self.firsts.steps)
        if self.timestamps is None:
            return self._calendars.move_firsts(steps)
        return self.timestamps[self.ends - self.lengths + np.array(steps)]

    @cached_property
    def _calendars(self) -> "Calendars":
        from forecaster.time.calendars import Calendars  # noqa: PLC0415  with pandas

        assert not isinstance(self.firsts, Grid)
        return Calendars(self.firsts, self.lengths, self.rules.make_grid_step(self.frequency))


def carry_forward(values: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Repeat the last observed value of (steps,) up to its end."""
    last = int(np.flatnonzero(observed)[-1])
    return np.concatenate([values[: last + 1], np.full(len(values) - last - 1, values[last])])


def _prepend_places(ends: np.ndarray, steps: int, season: int) -> tuple[np.ndarray, np.ndarray]:
    """Take rows of series end to end, with `steps` more before each, by their numbers; and where each then ends."""
    lengths = np.diff(ends, prepend=0)
    longer = ends + steps * np.arange(1, len(ends) + 1)
    within = np.arange(longer[-1]) - np.repeat(longer - lengths, lengths + steps)  # below 0 before the first
    seasons = np.repeat(np.clip(lengths, 1, season), lengths + steps)
    places = np.where(within < 0, within % seasons, within) + np.repeat(ends - lengths, lengths + steps)
    return np.minimum(places, ends[-1] - 1), longer  # an empty series has no row to repeat


def _choose_places(ends: np.ndarray, parts: Sequence[slice]) -> np.ndarray:
    """Find the places of some steps of each series among all steps."""
    places = np.arange(ends[-1])
    return np.concatenate([places[find_part(ends, number)][part] for number, part in enumerate(parts)])


def _list_places(ends: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """List the places of all steps of some series, (steps,)."""
    lengths = np.diff(ends, prepend=0)[numbers]
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(ends[numbers] - lengths - before, lengths)
