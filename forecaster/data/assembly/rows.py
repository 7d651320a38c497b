"""Rows: a CSV as typed columns, in the order of the file: the first half of reading."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.assembly.column_roles import HEAD, every_target, find_ids, find_target, find_time, mostly_numbers
from forecaster.data.assembly.localize import (
    changes_timestamps,
    describe_shifts,
    localize_each_series,
    rank_within_series,
    resolve_rules,
    rules_of,
)
from forecaster.data.assembly.parse_cells import (
    EMPTY,
    GIVEN,
    INFINITE,
    NAMED,
    TEXT,
    cells_of,
    covariates_of,
    numbers_of,
    with_marks,
)
from forecaster.data.assembly.wide_to_long import Stack, stacked
from forecaster.data.dialect import Dialect
from forecaster.data.options import AUTO, ROWS, Reading
from forecaster.data.series import Column
from forecaster.data.sources.issues import FILE, CellReporter, IssueLog, Places, by_series
from forecaster.data.sources.text_table import Table
from forecaster.data.sources.timestamp_formats import ISO, ParsedTimestamps, joined, parse_timestamps
from forecaster.data.time.jitter import duration_text
from forecaster.data.time.rules import AS_WRITTEN, TimeRules
from forecaster.errors import DataError
from forecaster.problems import Cells, Problem
from forecaster.wording import KEPT

GAP_REPAIRS = tuple({"data.gaps": policy} for policy in ("interpolate", "seasonal", "previous", "zero"))


@dataclass(frozen=True)
class Rows:
    """The rows of one or several series.

    Attributes:
        places: what messages say of lines.
        dialect: how the CSV is written.
        time: what the column of time is called, None where there is none.
        targets: what the values of each series are called.
        names: of the series, in the order in which they first stand there.
        long: whether there are several series, or may be.
        codes: the number of each row's series, (rows,) int32.
        lines: (rows,), counted on from file to file.
        timestamps: (rows,), dates in one zone, or integers.
        values: (rows,) float64, NaN where missing.
        categories: of each series, its values of the static covariates.
        columns: the covariates, a value for each row.
        told: the problems of cells, and what was taken for missing.
        notices: what was found while reading.
        stacked: whether the columns of values are several, of which some may be empty.
        rules: for their timestamps, those that are stated with what the cells tell.
    """

    places: Places
    dialect: Dialect
    time: str | None
    targets: Sequence[str]
    names: Sequence[str]
    long: bool
    codes: np.ndarray
    lines: np.ndarray
    timestamps: pd.Index
    values: np.ndarray
    categories: Sequence[tuple[str, ...]] = ()
    columns: dict[str, Column] = field(default_factory=dict)
    told: IssueLog = field(default_factory=IssueLog)
    notices: tuple[Problem, ...] = ()
    stacked: bool = False
    rules: TimeRules = AS_WRITTEN

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, chosen: np.ndarray | slice) -> "Rows":
        """Some of them, by number, by a mask or by a range."""
        columns = {name: Column(column.values[chosen], column.levels) for name, column in self.columns.items()}
        return dataclasses.replace(
            self,
            codes=self.codes[chosen],
            lines=self.lines[chosen],
            timestamps=self.timestamps[chosen],
            values=self.values[chosen],
            columns=columns,
        )

    def series(self, chosen: np.ndarray) -> "Rows":
        """Those of some series, (series,) bool, numbered anew; what is told of the others is left out."""
        numbers = np.flatnonzero(chosen).tolist()
        renumbered = np.cumsum(chosen).astype(np.int32) - 1
        rows = self.rows(chosen[self.codes])
        told = IssueLog()
        for mine, all_of_them in ((told.problems, self.told.problems), (told.notices, self.told.notices)):
            mine |= {new: all_of_them[old] for new, old in enumerate(numbers) if old in all_of_them}
        return dataclasses.replace(
            rows,
            codes=renumbered[rows.codes],
            names=[self.names[number] for number in numbers],
            targets=[self.targets[number] for number in numbers],
            categories=[self.categories[number] for number in numbers] if self.categories else [],
            told=told,
        )

    def without_empty(self) -> "Rows":
        """Those of the series that have a number, if columns are stacked; the others are said."""
        if not self.stacked:
            return self
        good = np.bincount(self.codes[~np.isnan(self.values)], minlength=len(self.names)) > 0
        if good.all() or not good.any():
            return self
        empty = [name for name, kept in zip(self.names, good, strict=True) if not kept]
        detail = {"count": len(empty), "names": empty[:KEPT]}
        notice = Problem("empty-series-dropped", self.places.path, detail=detail)
        return dataclasses.replace(self.series(good), notices=(*self.notices, notice))

    def problems(self) -> list[Problem]:
        """All that is wrong, in the order of the series, each with the name of its series."""
        told = self.told.problems
        return [self.named(number, each) for number in sorted(told) for each in told[number]]

    def named(self, number: int, problem: Problem) -> Problem:
        """Add the name of its series to a problem, where there are several."""
        return problem.of_series(self.names[number]) if self.long and number != FILE else problem


def rows_of(table: Table, reading: Reading) -> Rows:
    """The typed columns of a table; what is wrong with cells is told in them.

    Raises:
        DataError: a column is not there or cannot be told, or its cells can be read in several ways.
    """
    found = found_columns(table, reading)
    table = with_marks(table, found.targets or _numeric(table, reading), reading.na_values)
    told = IssueLog()
    names, codes = _series(table, found.ids, told) if found.ids else ([], np.zeros(len(table), np.int32))
    timestamps, rules = _timestamps(table, found, codes, reading, told)
    columns, wrong, said = covariates_of(table, reading.columns, reading.categorical, reading.na_values)
    if wrong:
        told.problems[FILE] += wrong
    categories = _categories(table, codes, reading.static, told)
    stack = stacked(found.targets or [""], names, codes, timestamps, table.lines, reading.layout)
    values = _values(table, stack, reading, told) if found.targets else np.zeros(len(table))
    rows = build_rows(stack, values, table, found, categories, columns, told, (*table.notices, *said))
    return dataclasses.replace(rows, rules=rules)


def build_rows(
    stack: Stack,
    values: np.ndarray,
    table: Table,
    found: "ColumnRoles",
    categories: Sequence[tuple[str, ...]],
    columns: dict[str, Column],
    told: IssueLog,
    notices: tuple[Problem, ...],
) -> Rows:
    """Rows of what was made of the columns of a table.

    Args:
        stack, values: of the targets.
        table: where they stand.
        found: the columns.
        categories: by the series of the table's rows.
        columns: the covariates, a value for each row of the table.
        told, notices: what was found.
    """
    each = len(stack.names) // max(len(categories), 1)
    if not isinstance(stack.rows, slice):
        columns = {name: Column(column.values[stack.rows], column.levels) for name, column in columns.items()}
    return Rows(
        table.places,
        table.dialect,
        found.time,
        stack.targets,
        stack.names,
        bool(found.ids) or len(stack.names) > 1,
        stack.codes,
        stack.lines,
        stack.timestamps,
        values,
        [category for category in categories for _ in range(each)],
        columns,
        told,
        notices,
        len(stack.columns) > 1,
    )


class ColumnRoles(NamedTuple):
    """The columns that are read.

    Attributes:
        times: of time, read together; none where rows are steps.
        ids: of ids.
        targets: of values; none where covariates are read alone.
    """

    times: tuple[str, ...]
    ids: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def time(self) -> str | None:
        """What the columns of time are called together."""
        return " ".join(self.times) or None


def found_columns(table: Table, reading: Reading) -> ColumnRoles:
    """The columns that are read, found where they are not stated.

    Raises:
        DataError: one cannot be told, or a column is not there.
    """
    if reading.layout == ROWS:
        return _found_in_rows(table, reading)
    time = find_time(table) if reading.time == AUTO else None
    times = reading.times if reading.time != AUTO else (time,) if time else ()
    named = [*times, *reading.ids, *reading.static, *reading.columns]
    match reading.target:
        case None:
            targets: tuple[str, ...] = ()
        case "auto":
            targets = (find_target(table, named, reading.na_values),)
        case "*":
            targets = tuple(every_target(table, named, reading.na_values))
        case str(name):
            targets = (name,)
        case several:
            targets = tuple(several)
    table.require([*named, *targets])
    return ColumnRoles(times, reading.ids, targets)


def _found_in_rows(table: Table, reading: Reading) -> ColumnRoles:
    """The columns where a row is a series: its ids, and those behind them or from the one named on."""
    ids = reading.ids or (find_ids(table),)
    stated = [] if reading.target == AUTO or reading.target is None else reading.target
    targets = [stated] if isinstance(stated, str) else list(stated)
    table.require([*ids, *reading.static, *targets])
    names = list(table.columns)
    if not targets:
        targets = names[1 + max(map(names.index, (*ids, *reading.static))) :]
    elif isinstance(stated, str):
        targets = names[names.index(stated) :]
    if not targets:
        raise DataError(Problem("no-value-columns", table.path, detail={"last": ids[-1]}))
    return ColumnRoles((), ids, tuple(targets))


def _numeric(table: Table, reading: Reading) -> tuple[str, ...]:
    """The first covariate of numbers, which tells the marks where there is no target."""
    numeric = (name for name in reading.columns if mostly_numbers(table.columns[name].iloc[:HEAD], reading.na_values))
    return tuple(itertools.islice((name for name in numeric if name not in reading.categorical), 1))


def _series(table: Table, ids: Sequence[str], told: IssueLog) -> tuple[list[str], np.ndarray]:
    """The names of the series, and the number of each row's."""
    cells = functools.reduce(lambda text, more: text + "/" + more, (table.columns[name] for name in ids))
    for name in ids:
        empty = table.lines[(table.columns[name] == "").to_numpy()]
        if len(empty):
            where = table.places.where(empty[0])
            told.problems[FILE].append(Problem("empty-series-id", where, name, Cells(len(empty))))
    codes, names = pd.factorize(cells)
    return list(map(str, names)), codes.astype(np.int32)


def _timestamps(
    table: Table, columns: ColumnRoles, codes: np.ndarray, reading: Reading, told: IssueLog
) -> tuple[pd.Index, TimeRules]:
    """The timestamp of each row, integers from 0 in each series where there is no column of them; and their rules."""
    time = columns.time
    if time is None:
        return rank_within_series(codes), reading.rules
    cells = joined([table.columns[name] for name in columns.times])
    read = parse_timestamps(cells, reading.way, reading.rules.date_order)
    rules = rules_of(read, reading)
    if read.others:
        told.problems[FILE].append(_ambiguous_dates(table, time, cells, read))
        told.stop = True
    reporter = CellReporter(table.places, [time], table.lines, cells.iloc.__getitem__, codes)
    reporter.report("not-a-timestamp", read.wrong, told.problems)
    if not changes_timestamps(rules) or read.wrong.any() or read.others:
        told.stop |= changes_timestamps(rules)
        return read.timestamps, rules
    return _move_timestamps(read, codes, reading.frequency, rules, reporter, told), rules


def _ambiguous_dates(table: Table, time: str, cells: pd.Series, read: ParsedTimestamps) -> Problem:
    """Report dates that can be read in several ways, at the first that differs between them."""
    other = parse_timestamps(cells, read.others[0])
    row = int(np.argmax(np.asarray(read.timestamps != other.timestamps)))
    detail = {"cell": cells.iloc[row], "formats": [read.way, *read.others]}
    repairs = tuple({"data.date_order": order} for order in ("day_first", "month_first"))
    where = table.places.where(table.lines[row])
    return Problem("ambiguous-dates", where, time, detail=detail, repairs=repairs)


def _move_timestamps(
    read: ParsedTimestamps, codes: np.ndarray, frequency: str, rules: TimeRules, reporter: CellReporter, told: IssueLog
) -> pd.Index:
    """Move timestamps into their zone and onto their steps; those that cannot be moved are reported."""
    timestamps, never, far, shifts = localize_each_series(read, codes, frequency, rules)
    reporter.report("nonexistent-time", never, told.problems, {"zone": rules.timezone})
    tolerance = duration_text(rules.tolerance.value // 1000)
    reporter.report("far-from-step", far, told.problems, {"tolerance": tolerance})
    if moved := describe_shifts(reporter.places.path, shifts):
        told.notices[0] += moved
    return timestamps


def moved_rows(rows: Rows, reading: Reading) -> Rows:
    """Rows whose timestamps are as they are written, moved into their zone and to their steps.

    Args:
        rows: of each series in the order of the file.
        reading: the rules.
    """
    read = ParsedTimestamps(rows.timestamps, np.zeros(len(rows), bool), reading.way or ISO)
    rules = resolve_rules(read, reading.rules)
    rows = dataclasses.replace(rows, rules=rules)
    if not changes_timestamps(rules) or rows.time is None or not isinstance(rows.timestamps, pd.DatetimeIndex):
        return rows
    reporter = CellReporter(rows.places, [rows.time], rows.lines, lambda row: str(rows.timestamps[row]), rows.codes)
    timestamps = _move_timestamps(read, rows.codes, reading.frequency, rules, reporter, rows.told)
    return dataclasses.replace(rows, timestamps=timestamps)


def _values(table: Table, stack: Stack, reading: Reading, told: IssueLog) -> np.ndarray:
    """Read the stacked cells as float64, NaN where one is missing or infinite; invalid ones are reported."""
    cells = cells_of(table, stack.columns)
    numbers, kinds = numbers_of(cells, table.dialect, reading.na_values)
    reporter = CellReporter(table.places, stack.targets, stack.lines, cells.iloc.__getitem__, stack.codes)
    if reading.invalid_values == "error":
        repairs = ({"data.invalid_values": "missing"},)
        reporter.report("not-a-number", kinds == TEXT, told.problems, repairs=repairs)
    else:
        reporter.report("text-as-missing", kinds == TEXT, told.notices)
    if reading.gaps != "error":
        reporter.report("infinite-as-missing", kinds == INFINITE, told.notices)
    for domain in reading.domains:
        reporter.report(domain.code, domain.outside(numbers), told.problems, domain.detail, domain.repairs)
    values = np.where(kinds == GIVEN, numbers, np.nan)
    if reading.gaps == "error":
        expected = expected_rows(values, stack, bool(reading.columns))
        kinds_missing = [(EMPTY, "empty"), (NAMED, "missing (data.na_values)"), (INFINITE, "infinite")]
        for kind, what in [*kinds_missing, *([(TEXT, "not a number")] if reading.invalid_values == "missing" else [])]:
            detail = {"kind": what}
            reporter.report("missing-cell", (kinds == kind) & expected, told.problems, detail, GAP_REPAIRS)
    return values


def expected_rows(values: np.ndarray, stack: Stack, future: bool) -> np.ndarray:
    """Which cells should hold a number, (cells,).

    All; but where covariates tell of the `future` none behind the last number of a series, and where columns are
    stacked none before its first number or behind its last.
    """
    ragged, timestamps = len(stack.columns) > 1, stack.timestamps
    if not (ragged or future) or len(timestamps) < len(values) or timestamps.hasnans:
        return np.ones(len(values), bool)
    ticks = np.asarray(timestamps.asi8 if isinstance(timestamps, pd.DatetimeIndex) else timestamps)
    known, limits = ~np.isnan(values), np.iinfo(np.int64)
    first, last = np.full(len(stack.names), limits.max), np.full(len(stack.names), limits.min)
    np.maximum.at(last, stack.codes[known], ticks[known])
    np.minimum.at(first, stack.codes[known], ticks[known])
    inside = ticks <= last[stack.codes]
    if ragged:
        return inside & (ticks >= first[stack.codes])
    return inside | (first == limits.max)[stack.codes]


def first_rows(codes: np.ndarray) -> np.ndarray:
    """The first row of each series, (series,)."""
    first = np.zeros(int(codes.max()) + 1, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first


def _categories(table: Table, codes: np.ndarray, static: Sequence[str], told: IssueLog) -> list[tuple[str, ...]]:
    """The one value that each static covariate has for each series."""
    if not static:
        return []
    firsts = first_rows(codes)
    found = []
    for column in static:
        values = table.columns[column]
        numbers = pd.factorize(values)[0]
        for number, _ in by_series(numbers != numbers[firsts][codes], codes):
            several = values[codes == number].unique().tolist()
            where = table.places.where(table.lines[firsts[number]])
            detail = {"count": len(several), "values": several[:KEPT]}
            told.problems[number].append(Problem("several-static-values", where, column, detail=detail))
        found.append(values.iloc[firsts].tolist())
    return list(zip(*found, strict=True))
