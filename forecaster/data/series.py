"""Series: what a CSV becomes, and everything after `data/` begins with."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, overload

import numpy as np

from forecaster.data.dialect import USUAL, Dialect
from forecaster.problems import Problem
from forecaster.time.grid import STEP, Grid
from forecaster.time.rules import AS_WRITTEN, TimeRules

if TYPE_CHECKING:
    import pandas as pd

    from forecaster.forecast import Timestamp

TimesAhead = tuple["Timestamp", "pd.Index | Sequence[Timestamp]"]


@dataclass(frozen=True)
class Column:
    """A covariate of one series, as it was read.

    Attributes:
        values: one for each step, and behind the last step for each further row that the file has: (rows,) float64,
            NaN where missing; of a categorical one int32 numbers of its levels, -1 where missing.
        levels: the categories, None where the values are numbers.
    """

    values: np.ndarray
    levels: tuple[str, ...] | None = None

    def select(self, places: slice | np.ndarray) -> "Column":
        """Select the values at some places."""
        return Column(self.values[places], self.levels)


class _Timestamps:
    """A field that takes an index, or what makes it when it is first asked for: a grid or a function."""

    def __get__(self, series: "Series | None", owner: type) -> "pd.Index":
        if series is None:
            raise AttributeError("timestamps")  # so that the field has no default
        found = series.__dict__["timestamps"]
        if isinstance(found, Grid):
            return found.index
        if callable(found):
            found = series.__dict__["timestamps"] = found()
        return found

    def __set__(self, series: "Series", value: "pd.Index | Grid | Callable[[], pd.Index]") -> None:
        series.__dict__["timestamps"] = value


@dataclass(frozen=True)
class Series:
    """One regular series: a value at every step from the first to the last.

    Attributes:
        name: its id, or the target column of a file that holds it alone.
        time: the time column, or its columns; None where the row number is the step.
        timestamps: (steps,), increasing by one step of `frequency`; with their zone where it is known. Given as an
            index, or as a grid or a function that makes it when it is first asked for.
        values: (steps,) float64, in the series' own unit; never infinite; NaN only where gaps are left open (`mask`).
        frequency: a pandas alias, `step` for integer timestamps, or `sessions` where each row is a step.
        categories: its value of each static covariate.
        rules: how its rows became steps, and which are to come.
        observed: whether each value is in the file, (steps,); None where all are.
        covariates: past and future ones by column.
    """

    name: str
    target: str
    time: str | tuple[str, ...] | None
    timestamps: _Timestamps = _Timestamps()
    values: np.ndarray  # type: ignore[misc]  # the descriptor above is no default
    frequency: str  # type: ignore[misc]
    notices: tuple[Problem, ...] = ()
    categories: Mapping[str, str] = field(default_factory=dict)
    rules: TimeRules = AS_WRITTEN
    observed: np.ndarray | None = None
    dialect: Dialect = USUAL
    covariates: Mapping[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def cut(self, first: int, last: int) -> "Series":
        """Cut its steps from `first` to before `last`, with the covariates of all later steps."""
        if first == 0 and last == len(self):
            return self
        observed = None if self.observed is None else self.observed[first:last]
        columns = {name: column.select(slice(first, None)) for name, column in self.covariates.items()}
        grid, values = self._grid, self.values[first:last]
        timestamps = self.timestamps[first:last] if grid is None else grid.cut(first, last)
        return replace(self, values=values, timestamps=timestamps, observed=observed, covariates=columns)

    def get_id(self, wide: bool) -> str:
        """Return the id of its rows: its name, without its target in a file of several targets."""
        return self.name.removesuffix(f"/{self.target}") if wide else self.name

    @property
    def has_dates(self) -> bool:
        """Whether its timestamps are dates, not the numbers of steps."""
        return self.frequency != STEP

    @property
    def _grid(self) -> Grid | None:
        """The grid of its timestamps, where it is known."""
        found = self.__dict__["timestamps"]
        return found if isinstance(found, Grid) else None

    @property
    def calendar(self) -> "Grid | pd.Index":
        """What its timestamps are listed in, one object for series of a panel that have the same."""
        return self.timestamps if self._grid is None else self._grid

    @property
    def last_timestamp(self) -> "Timestamp":
        """The timestamp of its last step."""
        return self.find_timestamp(len(self) - 1)

    def find_timestamp(self, place: int) -> "Timestamp":
        """Find the timestamp of a step, which may lie after the last; `OverflowError` beyond the dates that exist."""
        if self._grid is not None:
            return self._grid.find(place)
        further = place - len(self) + 1
        return self.timestamps[place] if further <= 0 else self.list_future_timestamps(further)[-1]

    def find_end(self, place: int) -> datetime.datetime:
        """Find when a step is over, one that is dated by its last day at the end of that day; raises as above."""
        if self._grid is not None:
            return self._grid.find(place + 1)
        from forecaster.time.resolve_frequency import find_bar_length  # noqa: PLC0415  with pandas

        end: datetime.datetime = self.find_timestamp(place) + find_bar_length(self.timestamps, self.frequency)
        return end

    def find_times_ahead(self, steps: int, known: "dict[int, TimesAhead]") -> "TimesAhead":
        """Find its last timestamp and those of the `steps` steps after it.

        Args:
            steps: how many.
            known: those of series with the same index, by its identity; the result is added.
        """
        if self._grid is not None:
            return self.last_timestamp, self._grid.list_after(steps)
        timestamps = self.timestamps
        if id(timestamps) not in known:
            known[id(timestamps)] = timestamps[-1], self.list_future_timestamps(steps)
        return known[id(timestamps)]

    def list_future_timestamps(self, steps: int) -> "pd.Index":
        """Return the timestamps of the `steps` steps after its last."""
        from forecaster.time.frequency import list_future_timestamps  # noqa: PLC0415  with pandas

        return list_future_timestamps(self.timestamps, steps, self.frequency, self.rules)


@dataclass(frozen=True)
class SelectedSeries(Sequence[Series]):
    """Some series of a panel, each made when it is asked for.

    Attributes:
        panel: all series.
        numbers: the places of those that are selected.
    """

    panel: Sequence[Series]
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Series: ...
    @overload
    def __getitem__(self, place: slice) -> list[Series]: ...
    def __getitem__(self, place: int | slice) -> Series | list[Series]:
        if isinstance(place, slice):
            return [self.panel[number] for number in self.numbers[place]]
        return self.panel[self.numbers[place]]
