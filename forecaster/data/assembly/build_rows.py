"""The first half of reading: series ids, timestamps, values and covariates built from decoded columns."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecaster.config.reader import format_option as set_option
from forecaster.data.assembly.column_roles import HEAD, ColumnRoles, are_numbers, find_roles, report_series_in_rows
from forecaster.data.assembly.dates_across import report_dates_across, turn_dates
from forecaster.data.assembly.decoded_columns import (
    EMPTY,
    GIVEN,
    INFINITE,
    INVALID,
    NAMED,
    TEXT,
    DecodedColumns,
    Labels,
    Numbers,
    add_marks,
    concat_columns,
)
from forecaster.data.assembly.localize import (
    changes_timestamps,
    localize_each_series,
    rank_within_series,
    resolve_rules,
)
from forecaster.data.assembly.rows import Rows
from forecaster.data.assembly.sort_rows import to_ticks
from forecaster.data.assembly.wide_to_long import stack_columns
from forecaster.data.options import AUTO, DATES, Reading
from forecaster.data.series import Column
from forecaster.data.sources.issues import FILE, CellReporter, IssueLog, group_by_series
from forecaster.data.sources.text_table import Table
from forecaster.formats.number_formats import NaValues, is_missing
from forecaster.formats.timestamp_formats import (
    ISO,
    ParsedTimestamps,
    find_date_order,
    join_columns,
    parse_time_columns,
    parse_timestamps,
    split_way,
)
from forecaster.problems import Cells, Problem
from forecaster.time.gaps import GAP_REPAIRS
from forecaster.time.jitter import format_duration
from forecaster.time.rules import TimeRules
from forecaster.wording import KEPT, format_timestamp, format_timestamps, name_duration


def parse_rows(table: Table, reading: Reading, roles: ColumnRoles | None = None) -> Rows:
    """Build the rows of a table of text, with problems of cells; raise `DataError` where roles or marks are unclear."""
    table = table.require_rows(reading.where)
    if reading.layout == DATES:
        table, reading = turn_dates(table, reading)
        roles = None
    elif roles is None:
        report_series_in_rows(table, reading)
        report_dates_across(table, reading)
    roles = roles or find_roles(table, reading)
    covariates = (name for name in reading.columns if name not in reading.categorical)
    numeric = [name for name in covariates if are_numbers(table.columns[name].iloc[:HEAD], reading.na_values)]
    shown = roles.targets or numeric[:1]  # the columns that show the decimal marks
    marked = add_marks(table, shown, reading.na_values, numeric)
    columns = DecodedColumns(marked.columns, marked, marked.places, marked.lines, reading.na_values)
    return build_rows(columns, roles, reading)


def build_rows(columns: DecodedColumns, roles: ColumnRoles, reading: Reading) -> Rows:
    """Build rows in the order of the source; problems of cells are kept with them."""
    issues = IssueLog()
    names, codes = _number_series(columns, roles.ids, issues)
    timestamps, rules = _build_timestamps(columns, roles, codes, reading, issues)
    covariates, notices = _build_covariates(columns, reading, issues)
    categories = _find_categories(columns, codes, reading.static, issues)
    rows = Rows(
        columns.places,
        columns.dialect,
        roles.times,
        (),
        names,
        codes,
        columns.lines,
        timestamps,
        np.zeros(len(columns.lines)),
        categories,
        covariates,
        issues,
        (*roles.notices, *columns.notices, *notices),
        rules=rules,
        ids=roles.ids,
    )
    rows = stack_columns(rows, roles.targets or [""], reading.layout)
    return dataclasses.replace(rows, values=_build_values(columns, roles, rows, reading)) if roles.targets else rows


def _number_series(columns: DecodedColumns, ids: Sequence[str], issues: IssueLog) -> tuple[list[str], np.ndarray]:
    """Name the series, none without columns of ids, and number each row's, (rows,) int32."""
    if not ids:
        return [], np.zeros(len(columns.lines), np.int32)
    parts = [columns.get_labels(name) for name in ids]
    for name, part in zip(ids, parts, strict=True):
        empty = columns.lines[(part.texts == "").to_numpy()[part.codes]]
        if len(empty):
            where = columns.places.locate(empty[0])
            issues.problems[FILE].append(Problem("empty-series-id", where, name, Cells(len(empty))))
    codes, texts = parts[0]
    names = texts.tolist()
    for others, more in parts[1:]:
        pairs, distinct = pd.factorize(codes.astype(np.int64) * len(more) + others)
        joined = [f"{names[pair // len(more)]}/{more.iloc[pair % len(more)]}" for pair in distinct.tolist()]
        numbers, unique = pd.factorize(pd.Series(joined))  # `a/b` with `c` is named like `a` with `b/c`
        codes, names = numbers[pairs], unique.tolist()
    return list(map(str, names)), codes.astype(np.int32, copy=False)


def _build_timestamps(
    columns: DecodedColumns, roles: ColumnRoles, codes: np.ndarray, reading: Reading, issues: IssueLog
) -> tuple[pd.Index, TimeRules]:
    """Build the timestamp of each row, its place among those of its series without a time column; and their rules."""
    if roles.time is None:
        return rank_within_series(codes), reading.rules
    read = columns.get_timestamps(roles.times, reading.known_way, reading.rules.date_order)
    # Those of a block are as they are stated, since the cells of other blocks are not known.
    rules = resolve_rules(read, reading.rules) if reading.way is None else reading.rules
    if read.others:
        issues.problems[FILE].append(_report_ambiguous_dates(columns, roles, reading, read))
        issues.stop = True
    text = _quote(lambda: join_columns(columns.get_texts(roles.times), roles.times).texts)
    # Where columns are stacked a row is one of several series, and its date is reported once.
    owners = np.full_like(codes, FILE) if len(roles.targets) > 1 else codes
    reporter = CellReporter(columns.places, [roles.time], columns.lines, text, owners)
    unlike = _find_other_offsets(columns, roles, read)
    reporter.report("mixed-offsets", unlike, issues.problems)
    reporter.report("not-a-timestamp", read.wrong & ~unlike, issues.problems)
    issues.stop |= bool(len(roles.targets) > 1 and read.wrong.any())
    if not changes_timestamps(rules) or read.wrong.any() or read.others:
        issues.stop |= changes_timestamps(rules)
        return read.timestamps, rules
    return _move_timestamps(read, codes, reading.frequency, rules, reporter, issues), rules


def _find_other_offsets(columns: DecodedColumns, roles: ColumnRoles, read: ParsedTimestamps) -> np.ndarray:
    """Find the cells that are timestamps with an offset from UTC among some without one, or the reverse, (rows,)."""
    unlike = read.wrong.copy()
    if unlike.any() and isinstance(read.timestamps, pd.DatetimeIndex):
        texts = join_columns(columns.get_texts(roles.times), roles.times).texts
        alone = parse_timestamps(texts[unlike], ISO)
        zones = getattr(alone.timestamps, "tz", None), read.timestamps.tz
        unlike[unlike] = ~alone.wrong & ((zones[0] is None) != (zones[1] is None))
        return unlike
    return np.zeros_like(unlike)


def _report_ambiguous_dates(
    columns: DecodedColumns, roles: ColumnRoles, reading: Reading, read: ParsedTimestamps
) -> Problem:
    """Report dates that can be read in several ways, at the first that differs between them."""
    parts = columns.get_texts(roles.times)
    others = [parse_time_columns(parts, roles.times, way).timestamps for way in read.others]
    are_alike = isinstance(read.timestamps, pd.DatetimeIndex) == isinstance(others[0], pd.DatetimeIndex)
    row = int(np.argmax(read.timestamps != others[0])) if are_alike else 0  # steps and dates always differ
    ways = [split_way(way)[1] for way in (read.way, *read.others)]
    orders = [find_date_order(way) for way in ways]
    detail = {"cell": join_columns(parts, roles.times).texts.iloc[row], "formats": ways}
    code = "ambiguous-dates"
    if {*orders} == {"day_first", "month_first"}:
        repairs = tuple({"data.date_order": order} for order in ("day_first", "month_first"))
    else:
        found = reading.time == AUTO and len(roles.times) == 1
        code, named = "ambiguous-timestamps", {"data.time": roles.times[0]} if found else {}
        repairs = tuple({**named, "data.time_format": way} for way in ways)
        meanings = (format_timestamps([timestamps[row]])[0] for timestamps in (read.timestamps, *others))
        detail["formats"] = [f"{way} ({meaning})" for way, meaning in zip(ways, meanings, strict=True)]
        detail["options"] = [" ".join(set_option(*item) for item in repair.items()) for repair in repairs]
    where = columns.places.locate(columns.lines[row])
    return Problem(code, where, str(roles.time), detail=detail, repairs=repairs)


def _move_timestamps(
    read: ParsedTimestamps,
    codes: np.ndarray,
    frequency: str,
    rules: TimeRules,
    reporter: CellReporter,
    issues: IssueLog,
) -> pd.Index:
    """Move timestamps into their zone and onto their steps; those that cannot be moved are reported."""
    timestamps, never, far, shifts = localize_each_series(read, codes, frequency, rules)
    reporter.report("nonexistent-time", never, issues.problems, {"zone": rules.timezone})
    tolerance = format_duration(pd.Timedelta(rules.tolerance).value // 1000)
    reporter.report("far-from-step", far, issues.problems, {"tolerance": tolerance})
    if shifts.any():
        furthest = name_duration(pd.Timedelta(np.abs(shifts).max(), "us"))
        detail = {"count": int(np.count_nonzero(shifts)), "furthest": furthest}
        issues.notices[0].append(Problem("timestamps-moved", reporter.places.path, detail=detail))
    return timestamps


def localize_rows(rows: Rows, reading: Reading) -> Rows:
    """Move the timestamps of rows in the order of the file, as they are written, into their zone and to their steps."""
    read = ParsedTimestamps(rows.timestamps, np.zeros(len(rows), bool), reading.way or ISO)
    rules = resolve_rules(read, reading.rules)
    rows = dataclasses.replace(rows, rules=rules)
    if not changes_timestamps(rules) or rows.time is None or not isinstance(rows.timestamps, pd.DatetimeIndex):
        return rows
    reporter = CellReporter(
        rows.places, [rows.time], rows.lines, lambda row: format_timestamp(rows.timestamps[row]), rows.codes
    )
    timestamps = _move_timestamps(read, rows.codes, reading.frequency, rules, reporter, rows.issues)
    return dataclasses.replace(rows, timestamps=timestamps)


def _build_covariates(
    columns: DecodedColumns, reading: Reading, issues: IssueLog
) -> tuple[dict[str, Column], list[Problem]]:
    """Build the covariates, with a notice of each that is taken for categories.

    A column of which every given cell is a number is numeric, one of which at most half are is categorical. Text
    among numbers is a problem. Numbers are written as those of the target are.
    """
    covariates: dict[str, Column] = {}
    notices: list[Problem] = []
    for name in dict.fromkeys(reading.columns):
        if name in reading.categorical:
            covariates[name] = _to_categories(columns.get_labels(name), reading.na_values)
            continue
        numbers = columns.get_numbers([name])
        wrong = np.flatnonzero(numbers.kinds >= TEXT)
        if len(wrong) >= max(int(np.isin(numbers.kinds, (GIVEN, INFINITE)).sum()), 1):
            covariates[name] = _to_categories(columns.get_labels(name), reading.na_values)
            notices.append(make_category_notice(columns.places.path, name, covariates[name].levels or ()))
        elif len(wrong):
            text = columns.get_texts([name])[0].iloc.__getitem__
            reporter = CellReporter(columns.places, [name], columns.lines, text, np.full(len(columns.lines), FILE))
            repairs = ({"data.covariates.categorical": [name]},)
            _report_invalid(numbers, columns, [name], reporter, issues, ("not-a-number-in-covariate", repairs))
        else:
            covariates[name] = Column(numbers.known)
    return covariates, notices


def _to_categories(labels: Labels, na_values: NaValues) -> Column:
    """Convert labels to the numbers of categories in the order of their first rows, -1 where a cell is missing."""
    given = ~is_missing(labels.texts, na_values)
    numbers = np.where(given, np.cumsum(given) - 1, -1).astype(np.int32)
    return Column(numbers[labels.codes], tuple(map(str, labels.texts[given])))


def make_category_notice(path: str, name: str, levels: Sequence[str]) -> Problem:
    """Give a notice of a column that is taken for categories."""
    return Problem("categories-found", path, name, detail={"count": len(levels), "levels": list(levels[:KEPT])})


def _build_values(columns: DecodedColumns, roles: ColumnRoles, rows: Rows, reading: Reading) -> np.ndarray:
    """Build the values of rows as float64, NaN where one is missing or infinite; invalid cells are reported."""
    found, issues = columns.get_numbers(roles.targets), rows.issues
    kinds, text = found.kinds, _quote(lambda: concat_columns(columns.get_texts(roles.targets)))
    reporter = CellReporter(rows.places, rows.targets, rows.lines, text, rows.codes)
    if kinds.any():  # not every cell holds a number
        if reading.invalid_values == "error":
            text_problem = "not-a-number", ({"data.invalid_values": "missing"},)
            _report_invalid(found, columns, roles.targets, reporter, issues, text_problem)
        else:
            reporter.report("text-as-missing", kinds >= TEXT, issues.notices)
        if reading.gaps != "error":
            reporter.report("infinite-as-missing", kinds == INFINITE, issues.notices)
    for domain in reading.domains:
        reporter.report(domain.code, domain.find_outside(found.values), issues.problems, domain.detail, domain.repairs)
    if not kinds.any():
        return found.values
    if reading.gaps == "error":
        expected = _find_expected_cells(found.known, rows, bool(reading.columns))
        if reading.late is not None:  # the grid decides which of them are late
            expected &= ~_find_newest_cells(rows, reading.late.steps)
        _report_missing(found, expected, reading, reporter, issues)
    return found.known


def _report_invalid(
    found: Numbers,
    columns: DecodedColumns,
    names: Sequence[str],
    reporter: CellReporter,
    issues: IssueLog,
    text: tuple[str, tuple[Mapping[str, Any], ...]],
) -> None:
    """Report the cells that are no numbers, by what they hold; `text` is the problem of those without a digit."""
    column_of_cell = np.arange(len(found.kinds)) // max(len(columns.lines), 1)
    for kind, code in INVALID.items():
        for number in np.unique(column_of_cell[found.kinds == kind]):
            detail = {"unit": columns.dialect.get_unit(names[number]), "name": names[number]}
            chosen = (found.kinds == kind) & (column_of_cell == number)
            problem = (text[0], {}, text[1]) if kind == TEXT else (code, detail, ())
            reporter.report(problem[0], chosen, issues.problems, *problem[1:])


def _report_missing(
    found: Numbers, expected: np.ndarray, reading: Reading, reporter: CellReporter, issues: IssueLog
) -> None:
    """Report the expected cells, (cells,) bool, that hold no number, by the kind of what they hold."""
    kinds = {EMPTY: "empty", NAMED: "missing (data.na_values)", INFINITE: "infinite"}
    if reading.invalid_values == "missing":
        kinds[TEXT] = "not a number"
    for kind, what in kinds.items():
        chosen = (found.kinds >= TEXT if kind == TEXT else found.kinds == kind) & expected
        reporter.report("missing-cell", chosen, issues.problems, {"kind": what}, GAP_REPAIRS)


def _quote(read: Callable[[], pd.Series]) -> Callable[[int], str]:
    """Give the text of a row's cell; the texts are read when the first one is quoted."""
    texts = functools.cache(read)
    return lambda row: texts().iloc[row]


def _find_expected_cells(values: np.ndarray, rows: Rows, future: bool) -> np.ndarray:
    """Find the cells that should hold a number, (cells,) bool.

    All; but where covariates reach into the `future` none after the last number of a series, and where columns are
    stacked none before its first number or after its last.
    """
    if not (rows.stacked or future) or rows.timestamps.hasnans:
        return np.ones(len(values), bool)
    ticks, codes = to_ticks(rows.timestamps), rows.codes
    known, limits = ~np.isnan(values), np.iinfo(np.int64)
    first, last = np.full(len(rows.names), limits.max), np.full(len(rows.names), limits.min)
    np.maximum.at(last, codes[known], ticks[known])
    np.minimum.at(first, codes[known], ticks[known])
    inside = ticks <= last[codes]
    return inside & (ticks >= first[codes]) if rows.stacked else inside | (first == limits.max)[codes]


def _find_newest_cells(rows: Rows, most: int) -> np.ndarray:
    """Find the newest `most` cells of each series, (cells,) bool."""
    newest = np.zeros(len(rows), bool)
    if not rows.timestamps.hasnans:
        order = np.lexsort((to_ticks(rows.timestamps), rows.codes))
        ends = np.searchsorted(rows.codes[order], rows.codes[order], side="right")
        newest[order] = np.arange(len(rows)) >= ends - most
    return newest


def _find_categories(
    columns: DecodedColumns, codes: np.ndarray, static: Sequence[str], issues: IssueLog
) -> list[tuple[str, ...]]:
    """Find the one value that each static covariate has for each series."""
    if not static:
        return []
    first = np.unique(codes, return_index=True)[1]  # the first row of each series
    found = []
    for column in static:
        numbers, texts = columns.get_labels(column)
        for number, _ in group_by_series(numbers != numbers[first][codes], codes):
            several = texts[pd.unique(numbers[codes == number])].tolist()
            where = columns.places.locate(columns.lines[first[number]])
            detail = {"count": len(several), "values": several[:KEPT]}
            issues.problems[number].append(Problem("several-static-values", where, column, detail=detail))
        found.append(texts.iloc[numbers[first]].tolist())
    return list(zip(*found, strict=True))
