"""The original CSV with the gaps of its series filled and marked."""

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

from forecaster.data.assembly.localize import parse_row_timestamps
from forecaster.data.series import Series
from forecaster.data.sources.text_table import Table
from forecaster.errors import DataError
from forecaster.forecast import ColumnNames, Timestamp, name_column
from forecaster.formats.timestamp_formats import DATE_FORMATS
from forecaster.formats.units import copy_marks
from forecaster.problems import Problem

FILLED = "filled"
_Precision = Literal["seconds", "minutes", "milliseconds", "microseconds"]
_DIGITS = 6  # significant digits relative to the standard deviation of the observed values
_SAMPLE = 50  # timestamps from which their format is inferred


@dataclass(frozen=True)
class FilledSeries:
    """A series with the values of its gaps; all arrays are (steps,), in the series' own unit.

    Attributes:
        series: as read, NaN at its gaps.
        values: the series with its gaps filled.
        quantiles: by probability in rising order; NaN at observed steps.
    """

    series: Series
    values: np.ndarray
    quantiles: Mapping[float, np.ndarray]

    @property
    def gap(self) -> np.ndarray:
        """Mask of the filled steps, (steps,)."""
        return np.isnan(self.series.values)


def check_columns(table: Table, probabilities: Iterable[float], names: ColumnNames) -> None:
    """Check that a table has no column with the name of one that will be added.

    Raises:
        DataError: it has; names them.
    """
    added = {FILLED, *(name_column(probability, names) for probability in probabilities)}
    if taken := [name for name in table.columns if name in added]:
        where = table.places.locate(table.places.header_line)
        raise DataError(Problem("reserved-column", where, detail={"names": list(map(repr, taken))}))


def format_filled_csv(table: Table, filling: FilledSeries, names: ColumnNames = "levels") -> str:
    """Format the table with missing rows inserted and the columns `filled`, lower_95, ... appended.

    A missing row follows the row of the previous step. Observed rows are copied as text; in a filled row, only the
    target changes.
    """
    series = filling.series
    timestamps = parse_row_timestamps(table, series.time, series.frequency, series.rules)
    steps = series.timestamps.get_indexer(timestamps)  # (rows,), -1 before the first observed cell and after the last
    backwards = bool(np.median(np.diff(steps)) < 0) if len(steps) > 1 else False
    writer = _Writer(table, filling, _find_timestamp_format(table, series, timestamps))
    order = range(len(table))
    records = list(writer.format_records(steps, order[::-1] if backwards else order))
    header = writer.append_cells(
        table.header, [FILLED, *(name_column(probability, names) for probability in filling.quantiles)]
    )
    return "".join(["\ufeff" if table.marked else "", header, *(records[::-1] if backwards else records)])


class _Writer:
    """Formats the records of one table."""

    def __init__(self, table: Table, filling: FilledSeries, timestamp: Callable[[Timestamp], str]) -> None:
        self._table, self._filling, self._timestamp = table, filling, timestamp
        self._delimiter, self._decimal = table.dialect.delimiter, filling.series.dialect.decimal
        self._names = [name.strip() for name in self._parse_cells(table.header)]
        self._end = "\r\n" if table.header.endswith("\r\n") else "\n"
        self._gap = filling.gap
        self._decimals = _count_decimals(filling.series.values)
        target = filling.series.target
        self._add_marks = copy_marks(table.columns[target], filling.series.dialect.get_unit(target))

    def format_records(self, steps: np.ndarray, order: Sequence[int]) -> Iterator[str]:
        """Format the rows in an order, each followed by the missing rows after it."""
        last = {int(steps[row]): row for row in order}  # last row of each step
        for row in order:
            step = int(steps[row])
            yield self._format_row(self._table.texts[row], step)
            if step < 0 or last[step] != row:
                continue
            while (step := step + 1) < len(self._gap) and step not in last:
                yield self._format_missing_row(step)

    def append_cells(self, text: str, added: Sequence[str]) -> str:
        """Append cells to a record, kept as text, after the cells that have a column name."""
        cells = self._parse_cells(text)
        kept = text.rstrip("\r\n") if len(cells) == len(self._names) else self._format_record(cells[: len(self._names)])
        return kept + self._delimiter + self._format_record(added) + self._end

    def _format_row(self, text: str, step: int) -> str:
        if step < 0 or not self._gap[step]:
            return self.append_cells(text, ["0", *("" for _ in self._filling.quantiles)])
        cells = self._parse_cells(text)
        cells[self._names.index(self._filling.series.target)] = self._format_value(step)
        return self.append_cells(self._format_record(cells), self._format_marks(step))

    def _format_missing_row(self, step: int) -> str:
        series = self._filling.series
        timestamp = self._timestamp(series.timestamps[step])
        known = {series.time if series.time in self._names else "": timestamp}  # an index column may have no name
        known[series.target] = self._format_value(step)
        return self.append_cells(
            self._format_record([known.get(name, "") for name in self._names]), self._format_marks(step)
        )

    def _format_marks(self, step: int) -> list[str]:
        return ["1", *(self._format_number(values[step]) for values in self._filling.quantiles.values())]

    def _format_value(self, step: int) -> str:
        return self._add_marks(self._format_number(self._filling.values[step]))

    def _format_number(self, value: float) -> str:
        text = np.format_float_positional(round(float(value), self._decimals), trim="-")
        return text.replace(".", self._decimal)

    def _parse_cells(self, text: str) -> list[str]:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter))

    def _format_record(self, cells: Sequence[str]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=self._delimiter, lineterminator="").writerow(cells)
        return text.getvalue()


def _count_decimals(values: np.ndarray) -> int:
    """Count the decimals with which filled values are written, by the spread of the observed ones."""
    spread = float(np.nanstd(values)) or float(np.nanmax(np.abs(values))) or 1.0
    return max(0, _DIGITS - 1 - math.floor(math.log10(spread)))


def _find_timestamp_format(table: Table, series: Series, timestamps: pd.Index) -> Callable[[Timestamp], str]:
    """Find the timestamp format of the table: the one that reproduces most of its cells."""
    if not isinstance(series.time, str) or not isinstance(timestamps, pd.DatetimeIndex):
        return str
    some = range(0, len(table), -(-len(table) // _SAMPLE))
    cells = [(timestamps[row], table.columns[series.time].iloc[row]) for row in some]
    convert = partial(_convert_zone, example=cells[0][1], zone=series.rules.timezone)
    local = [(convert(timestamp), cell) for timestamp, cell in cells]
    render = max(_list_formats(), key=lambda render: sum(render(timestamp) == cell for timestamp, cell in local))
    return lambda timestamp: render(convert(timestamp))


def _convert_zone(timestamp: pd.Timestamp, example: str, zone: str | None) -> pd.Timestamp:
    """Convert a timestamp to the zone of the table's cells, or to no zone if they name none.

    Args:
        zone: of the config, or the zone that all cells have.
    """
    if example.isdigit() or (timestamp.tz is None and zone is None):
        return timestamp
    named = datetime.datetime.fromisoformat(example).tzinfo if example[:4].isdigit() else None
    if timestamp.tz is None:  # a date
        return timestamp if named is None else timestamp.tz_localize(zone)
    if zone is not None:
        return timestamp if named is not None else timestamp.tz_localize(None)
    return timestamp.tz_convert(named) if named is not None else timestamp


def _list_formats() -> Iterator[Callable[[pd.Timestamp], str]]:
    for between in (" ", "T"):
        for precision in get_args(_Precision):
            yield partial(pd.Timestamp.isoformat, sep=between, timespec=precision)
            yield partial(_format_iso_utc, between=between, precision=precision)
    for form in DATE_FORMATS:
        short = form.replace("%d", "%-d").replace("%m", "%-m").replace("%I", "%-I")
        yield from (partial(pd.Timestamp.strftime, format=each) for each in (form, short, short.replace("%H", "%-H")))
    yield from (partial(_format_epoch, units=units) for units in (1, 1000))


def _format_iso_utc(timestamp: pd.Timestamp, between: str, precision: _Precision) -> str:
    return timestamp.tz_localize(None).isoformat(between, precision) + "Z"


def _format_epoch(timestamp: pd.Timestamp, units: int) -> str:
    return str(round(timestamp.timestamp() * units))
