"""A series whose gaps are filled, as the CSV that it came from with its gaps filled and marked."""

import csv
import datetime
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import pandas as pd

from forecaster.data.assembly.localize import row_timestamps
from forecaster.data.series import Series
from forecaster.data.sources.text_table import Table
from forecaster.data.sources.timestamp_formats import DATE_FORMATS
from forecaster.errors import DataError
from forecaster.forecast import Timestamp
from forecaster.problems import Problem

FILLED = "filled"
_Precision = Literal["seconds", "minutes", "milliseconds", "microseconds"]
_DIGITS = 6  # of the spread of the observed values
_SAMPLE = 50  # timestamps from which the way to write one is found


@dataclass(frozen=True)
class FilledSeries:
    """A series with gaps, and what was found for them; all arrays are (steps,), in the series' own unit.

    Attributes:
        series: as it was read, NaN at its gaps.
        values: the same with its gaps filled.
        quantiles: by probability in rising order; NaN where observed.
    """

    series: Series
    values: np.ndarray
    quantiles: Mapping[float, np.ndarray]

    @property
    def gap(self) -> np.ndarray:
        """Whether each step was filled, (steps,)."""
        return np.isnan(self.series.values)


def check_columns(table: Table, probabilities: Iterable[float]) -> None:
    """Refuse a table that has a column of a name that will be added.

    Raises:
        DataError: names them.
    """
    added = {FILLED, *(_quantile_name(probability) for probability in probabilities)}
    if taken := [name for name in table.columns if name in added]:
        where = table.places.where(table.places.header_line)
        raise DataError(Problem("reserved-column", where, detail={"names": list(map(repr, taken))}))


def format_filled_csv(table: Table, filling: FilledSeries) -> str:
    """Every row as it is written, and those that were missing, in order; then the columns `filled`, q0.025, ...

    A missing row comes after the row of the step before it. Observed rows are copied as text; in a row that is
    filled, the target alone changes.
    """
    series = filling.series
    timestamps = row_timestamps(table, series.time, series.frequency, series.rules)
    steps = series.timestamps.get_indexer(timestamps)  # (rows,), -1 before the first number and after the last
    backwards = bool(np.median(np.diff(steps)) < 0) if len(steps) > 1 else False
    writer = _Writer(table, filling, _timestamp_writer(table, series, timestamps))
    order = range(len(table))
    records = list(writer.records(steps, order[::-1] if backwards else order))
    header = writer.joined(table.header, [FILLED, *map(_quantile_name, filling.quantiles)])
    return "".join(["\ufeff" if table.marked else "", header, *(records[::-1] if backwards else records)])


class _Writer:
    """Writes the records of one table."""

    def __init__(self, table: Table, filling: FilledSeries, timestamp: Callable[[Timestamp], str]) -> None:
        self._table, self._filling, self._timestamp = table, filling, timestamp
        self._delimiter, self._decimal = table.dialect.delimiter, filling.series.dialect.decimal
        self._names = [name.strip() for name in self._cells(table.header)]
        self._end = "\r\n" if table.header.endswith("\r\n") else "\n"
        self._gap = filling.gap
        self._decimals = _decimals(filling.series.values)

    def records(self, steps: np.ndarray, order: Sequence[int]) -> Iterator[str]:
        """The rows in some order, each followed by the missing ones after it."""
        last = {int(steps[row]): row for row in order}  # of the rows of each step
        for row in order:
            step = int(steps[row])
            yield self._row(self._table.texts[row], step)
            if step < 0 or last[step] != row:
                continue
            while (step := step + 1) < len(self._gap) and step not in last:
                yield self._inserted(step)

    def joined(self, text: str, added: Sequence[str]) -> str:
        """A record as it is written, with cells added after those that have a name."""
        cells = self._cells(text)
        kept = text.rstrip("\r\n") if len(cells) == len(self._names) else self._record(cells[: len(self._names)])
        return kept + self._delimiter + self._record(added) + self._end

    def _row(self, text: str, step: int) -> str:
        if step < 0 or not self._gap[step]:
            return self.joined(text, ["0", *("" for _ in self._filling.quantiles)])
        cells = self._cells(text)
        cells[self._names.index(self._filling.series.target)] = self._number(self._filling.values[step])
        return self.joined(self._record(cells), self._marks(step))

    def _inserted(self, step: int) -> str:
        series = self._filling.series
        written = self._timestamp(series.timestamps[step])
        known = {series.time: written} if series.time in self._names else {"": written}  # an index without a name
        known[series.target] = self._number(self._filling.values[step])
        return self.joined(self._record([known.get(name, "") for name in self._names]), self._marks(step))

    def _marks(self, step: int) -> list[str]:
        return ["1", *(self._number(values[step]) for values in self._filling.quantiles.values())]

    def _number(self, value: float) -> str:
        text = np.format_float_positional(round(float(value), self._decimals), trim="-")
        return text.replace(".", self._decimal)

    def _cells(self, text: str) -> list[str]:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter))

    def _record(self, cells: Sequence[str]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=self._delimiter, lineterminator="").writerow(cells)
        return text.getvalue()


def _quantile_name(probability: float) -> str:
    return f"q{probability:g}"


def _decimals(values: np.ndarray) -> int:
    """Digits after the point that tell a filled value as exactly as anybody can know it."""
    spread = float(np.nanstd(values)) or float(np.nanmax(np.abs(values))) or 1.0
    return max(0, _DIGITS - 1 - math.floor(math.log10(spread)))


def _timestamp_writer(table: Table, series: Series, timestamps: pd.Index) -> Callable[[Timestamp], str]:
    """How the table writes its timestamps: the first of many ways that gives back the most of its cells."""
    if series.time is None or not isinstance(timestamps, pd.DatetimeIndex):
        return str
    some = range(0, len(table), -(-len(table) // _SAMPLE))
    cells = [(timestamps[row], table.columns[series.time].iloc[row]) for row in some]
    written = partial(_as_written, example=cells[0][1], zone=series.rules.timezone)
    local = [(written(timestamp), cell) for timestamp, cell in cells]
    way = max(_ways(), key=lambda way: sum(way(timestamp) == cell for timestamp, cell in local))
    return lambda timestamp: way(written(timestamp))


def _as_written(timestamp: pd.Timestamp, example: str, zone: str | None) -> pd.Timestamp:
    """A timestamp in the zone of a cell, or in no zone, where the cells name none.

    Args:
        zone: that was stated beside the cells, which need not have an offset then, or that they all have.
    """
    if example.isdigit() or (timestamp.tz is None and zone is None):
        return timestamp
    named = datetime.datetime.fromisoformat(example).tzinfo if example[:4].isdigit() else None
    if timestamp.tz is None:  # a date
        return timestamp if named is None else timestamp.tz_localize(zone)
    if zone is not None:
        return timestamp if named is not None else timestamp.tz_localize(None)
    return timestamp.tz_convert(named) if named is not None else timestamp


def _ways() -> Iterator[Callable[[pd.Timestamp], str]]:
    for between in (" ", "T"):
        for precision in get_args(_Precision):
            yield partial(_iso, between=between, precision=precision)
            yield partial(_iso_utc, between=between, precision=precision)
    for form in DATE_FORMATS:
        short = form.replace("%d", "%-d").replace("%m", "%-m").replace("%I", "%-I")
        yield from (partial(_formatted, form=each) for each in (form, short, short.replace("%H", "%-H")))
    yield from (partial(_epoch, units=units) for units in (1, 1000))


def _iso(timestamp: pd.Timestamp, between: str, precision: _Precision) -> str:
    return timestamp.isoformat(between, precision)


def _iso_utc(timestamp: pd.Timestamp, between: str, precision: _Precision) -> str:
    return _iso(timestamp.tz_localize(None), between, precision) + "Z"


def _formatted(timestamp: pd.Timestamp, form: str) -> str:
    return timestamp.strftime(form)


def _epoch(timestamp: pd.Timestamp, units: int) -> str:
    return str(round(timestamp.timestamp() * units))
