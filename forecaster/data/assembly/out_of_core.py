"""Data beyond memory: block by block into a panel whose values are in a file without a name.

Dialect, roles, the format of timestamps and the step are found in the first rows; what is written in another way
below them is an error. Memory grows with the number of series and with the longest of them, not with the file.
"""

import datetime
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.data.assembly.blocks import Blocks, decode_rows
from forecaster.data.assembly.build_rows import localize_rows, make_category_notice, parse_rows
from forecaster.data.assembly.column_roles import ColumnRoles, find_roles
from forecaster.data.assembly.decoded_columns import add_marks
from forecaster.data.assembly.localize import changes_timestamps, rank_within_series
from forecaster.data.assembly.regular_grid import build_panel
from forecaster.data.assembly.rows import Rows, report_similar_names
from forecaster.data.assembly.sort_rows import to_ticks
from forecaster.data.assembly.typed_columns import find_layout
from forecaster.data.options import AUTO, COLUMNS, Reading
from forecaster.data.panel import Columns, Panel
from forecaster.data.series import Column
from forecaster.data.sources.arrow_csv import NotPlain, require_plain
from forecaster.data.sources.files import check_unchanged
from forecaster.data.sources.issues import FILE, IssueLog
from forecaster.data.sources.text_table import Table
from forecaster.errors import DataError
from forecaster.formats.timestamp_formats import parse_time_columns
from forecaster.problems import Problem
from forecaster.spool import Spool, group_records
from forecaster.threads import read_ahead
from forecaster.time.resolve_frequency import Step
from forecaster.time.rules import AS_WRITTEN, CALENDAR, SESSIONS

ROWS = 1 << 21  # rows that are sorted at once
GROUP = 1 << 18  # rows that are laid out at once


def read_large(blocks: Blocks, reading: Reading) -> Panel:
    """Read a source of any size; values and covariates are float32.

    Raises:
        DataError: it cannot be read as series; all problems at once.
        Changing: a file changed while it was read.
        InputOutputFailed: it cannot be read, or there is no room for the temporary file.
    """
    panels = _PanelSpool()
    for panel in read_groups(blocks, reading):
        panels.add(panel)
    return panels.join()


def read_groups(blocks: Blocks, reading: Reading, is_plain: bool = False) -> Iterator[Panel]:
    """Read a source of any size into panels of some series each, in the order of their first rows.

    All rows have been read, and are in a file without a name, before the first panel is made.

    Args:
        blocks: of the source.
        reading: the policies.
        is_plain: whether to raise `NotPlain` for rows that only the text path reads, or series whose step or
            timestamps follow from those of others.

    Raises:
        DataError: it cannot be read as series; those of rows at once, those of gaps and steps after the last panel.
        Changing, InputOutputFailed: as `read_large`.
    """
    roles = find_roles(blocks.head, reading)
    if is_plain:
        _require_separate_series(roles, reading)
    first = _parse_head(blocks.head, roles, reading)
    numeric = [name for name, column in first.columns.items() if column.levels is None]
    head = add_marks(blocks.head, roles.targets, reading.na_values, numeric)
    known = _add_head(reading, head, roles, first)
    spool = _RowSpool(replace(first, notices=head.notices), head.path, known)
    with check_unchanged(blocks.files):
        parts = _build_rows(blocks, head, roles, known, is_plain)
        for rows in read_ahead(parts) if blocks.files else parts:  # a database may be read by one thread alone
            spool.add(rows)
    spool.finish(reading)
    return _lay_out_groups(spool, reading, replace(reading, way=known.way))


def _require_separate_series(roles: ColumnRoles, reading: Reading) -> None:
    """Raise `NotPlain` where a series is read otherwise with others than alone, or has more than its values."""
    require_plain(reading.layout == COLUMNS and len(roles.targets) == 1 and not (reading.columns or reading.static))
    require_plain(reading.frequency not in {AUTO, SESSIONS, CALENDAR} and reading.late is None)
    require_plain(not changes_timestamps(reading.rules))


def _lay_out_groups(spool: "_RowSpool", reading: Reading, localized: Reading) -> Iterator[Panel]:
    """Lay out the rows of a few series at a time."""
    step: Step | None = None
    problems: list[Problem] = []
    for rows in spool.read_groups():
        try:
            panel = build_panel(localize_rows(rows, localized), reading, step, whole=False)
        except DataError as error:
            problems += error.problems
            continue
        step = Step(panel.frequency, panel.rules)
        yield panel
    if problems:
        raise DataError(problems)


def _parse_head(head: Table, roles: ColumnRoles, reading: Reading) -> Rows:
    """Build the rows of a head; raise `DataError` for problems of no single series."""
    if head.dialect.encoding.startswith("utf-16"):
        raise DataError(Problem("too-large-for-encoding", head.path))
    if reading.layout != COLUMNS:
        raise DataError(Problem("too-large-for-layout", head.path))
    kept = head.keep_rows(reading.where)  # rows that are read may all be below the head
    rows = parse_rows(kept if len(kept) else head, replace(reading, rules=AS_WRITTEN, where={}), roles)
    if rows.issues.stop or FILE in rows.issues.problems:
        raise DataError(rows.list_problems())
    return rows


def _add_head(reading: Reading, head: Table, roles: ColumnRoles, first: Rows) -> Reading:
    """Add what the head decides to what is asked: kinds of covariates, and the format of timestamps."""
    times, order = [head.columns[name] for name in roles.times], reading.rules.date_order
    return replace(
        reading,
        rules=AS_WRITTEN,
        gaps="mask" if reading.columns or len(roles.targets) > 1 else reading.gaps,
        categorical=[name for name, column in first.columns.items() if column.levels is not None],
        way=parse_time_columns(times, roles.times, reading.known_way, order).way if times else None,
    )


def _build_rows(blocks: Blocks, head: Table, roles: ColumnRoles, reading: Reading, is_plain: bool) -> Iterator[Rows]:
    """Build the rows of each block, from text where it is not plain; raise `NotPlain` where all have to be."""
    refused = () if is_plain else (NotPlain,)
    layout = None
    with suppress(*refused):
        layout = find_layout(head, head.dialect, roles, reading)
    are_none = True
    for block in blocks.read(()):
        rows = None
        if layout is not None:
            with suppress(*refused):
                rows = decode_rows([block], layout)
                if rows is None:
                    continue
        if rows is None:
            table = replace(block.to_text(), dialect=head.dialect).keep_rows(reading.where)
            if not len(table):
                continue
            rows = parse_rows(table, replace(reading, where={}), roles)
        are_none = False
        yield replace(rows, places=block.places)
    if are_none:
        head.require_rows(reading.where)


class _RowSpool:
    """Rows as records in a file, given back in groups of whole series."""

    def __init__(self, first: Rows, path: str, reading: Reading) -> None:
        self._first, self._path, self._static = first, path, reading.static
        self._places, self._issues = first.places, IssueLog()
        self._notices = dict.fromkeys(first.notices)
        self._numbers: dict[str, int] = {}
        self._targets: list[str] = []
        self._categories: dict[int, tuple[str, ...]] = {}
        self._levels: dict[str, dict[str, int]] = {name: {} for name in reading.categorical}
        self._fields = {name: f"column {number}" for number, name in enumerate(first.columns)}
        kinds = ("f4" if column.levels is None else "i4" for column in first.columns.values())
        columns = zip(self._fields.values(), kinds, strict=True)
        self._spool = Spool([("series", "i4"), ("line", "i8"), ("tick", "i8"), ("value", "f8"), *columns])
        self._counts = np.zeros(0, np.int64)
        self._sorted, self._zones = True, set[datetime.tzinfo | None]()

    def add(self, rows: Rows) -> None:
        """Append the rows of a block, whose series are numbered anew."""
        self._places = rows.places
        named = zip(rows.names, rows.targets, strict=True)
        self._targets += [target for name, target in named if name not in self._numbers]
        numbers = np.array([self._numbers.setdefault(name, len(self._numbers)) for name in rows.names])
        self._notices |= dict.fromkeys(rows.notices)
        self._issues.add(rows.issues, numbers.tolist())
        self._check_categories(rows, numbers)
        records = np.empty(len(rows), self._spool.dtype)
        records["series"], records["line"], records["value"] = numbers[rows.codes], rows.lines, rows.values
        timestamps = rows.timestamps
        if isinstance(timestamps, pd.DatetimeIndex):
            timestamps = timestamps.as_unit("us")
            self._zones.add(timestamps.tz)
        records["tick"] = 0 if rows.time is None else to_ticks(timestamps)
        for name, column in rows.columns.items():
            records[self._fields[name]] = self._number_levels(name, column, rows)
        last = self._spool.read(len(self._spool) - 1, 1)["series"] if len(self._spool) else records["series"][:1]
        self._sorted &= bool(np.all(np.diff(records["series"], prepend=last) >= 0))
        self._counts = np.pad(self._counts, (0, len(self._numbers) - len(self._counts)))
        self._counts += np.bincount(records["series"], minlength=len(self._counts))
        self._spool.append(records)

    def _number_levels(self, name: str, column: Column, rows: Rows) -> np.ndarray:
        """Convert a covariate to records: its numbers, or the numbers of its levels in the whole source."""
        if column.levels is None:
            return column.values
        if name not in self._levels:
            repairs = ({"data.covariates.categorical": [name]},)
            raise DataError(Problem("mixed-covariate", rows.places.locate(rows.lines[0]), name, repairs=repairs))
        known = self._levels[name]
        return np.array([*(known.setdefault(level, len(known)) for level in column.levels), -1])[column.values]

    def _check_categories(self, rows: Rows, numbers: np.ndarray) -> None:
        """Report the series whose static covariates have other values in another block."""
        for number, values in zip(numbers.tolist(), rows.categories, strict=False):
            known = self._categories.setdefault(number, values)
            for column, one, other in zip(self._static, known, values, strict=True):
                problems, detail = self._issues.problems, {"count": 2, "values": [one, other]}
                if one != other and number not in problems:
                    problems[number].append(Problem("several-static-values", self._path, column, detail=detail))

    def finish(self, reading: Reading) -> None:
        """Raise `DataError` where rows cannot be laid out; add notices of covariates that are taken for categories."""
        if FILE in self._issues.problems or self._issues.stop:
            raise DataError(replace(self._first, names=list(self._numbers), issues=self._issues).list_problems())
        for name, levels in self._levels.items():
            if name not in reading.categorical:
                self._notices |= {make_category_notice(self._path, name, tuple(levels)): None}

    def read_groups(self) -> Iterator[Rows]:
        """Read the rows of a few series at a time."""
        ends = np.cumsum(self._counts)
        spool = self._spool if self._sorted else group_records(self._spool, "series", ends, ROWS)
        names, first, start = list(self._numbers), 0, 0
        while first < len(names):
            last = max(first + 1, int(np.searchsorted(ends, start + GROUP, side="right")))
            yield self._build_group(spool.read(start, int(ends[last - 1]) - start), names, first, last)
            first, start = last, int(ends[last - 1])

    def _build_group(self, records: np.ndarray, names: list[str], first: int, last: int) -> Rows:
        codes = records["series"] - np.int32(first)
        columns = {}
        for name, column in self._first.columns.items():
            levels = None if column.levels is None else tuple(self._levels[name])
            columns[name] = Column(records[self._fields[name]].copy(), levels)
        return replace(
            self._first,
            places=self._places,
            names=names[first:last],
            targets=self._targets[first:last],
            codes=codes,
            lines=records["line"],
            timestamps=self._restore_timestamps(records["tick"], codes),
            values=records["value"].copy(),
            categories=[self._categories[number] for number in range(first, last)] if self._categories else [],
            columns=columns,
            issues=self._issues.select(range(first, last)),
            notices=(*self._notices, *report_similar_names(self._path, names)) if first == 0 else (),
        )

    def _restore_timestamps(self, ticks: np.ndarray, codes: np.ndarray) -> pd.Index:
        if self._first.time is None:
            return rank_within_series(codes)
        if not self._zones:
            return pd.Index(ticks)
        index = pd.DatetimeIndex(ticks.view("datetime64[us]"))
        if self._zones == {None}:
            return index
        zone = next(iter(self._zones)) if len(self._zones) == 1 else datetime.UTC
        return index.tz_localize("UTC").tz_convert(zone)


class _PanelSpool:
    """Panels of a few series that become one, whose long arrays are in files."""

    def __init__(self) -> None:
        self._panels: list[Panel] = []
        self._notices: dict[int, tuple[Problem, ...]] = {}
        self._values, self._observed, self._ticks = Spool(np.float32), Spool(np.bool_), Spool(np.int64)
        self._columns: dict[str, Spool] = {}
        self._filled = False

    def add(self, panel: Panel) -> None:
        """Append the series of a panel."""
        first = sum(map(len, self._panels))
        self._values.append(panel.values)
        self._filled |= panel.observed is not None
        self._observed.append(np.ones(len(panel.values), bool) if panel.observed is None else panel.observed)
        if panel.timestamps is not None:
            self._ticks.append(to_ticks(panel.timestamps))
        for name, column in panel.columns.columns.items():
            self._columns.setdefault(name, Spool(column.values.dtype)).append(column.values)
        self._notices |= {number + first: notices for number, notices in panel.notices.items()}
        timestamps = None if panel.timestamps is None else panel.timestamps[:0].copy()
        columns = {name: Column(np.zeros(0), column.levels) for name, column in panel.columns.columns.items()}
        empty = replace(panel, values=np.zeros(0), observed=None, timestamps=timestamps)
        self._panels.append(replace(empty, columns=Columns(columns, panel.columns.ends)))

    def join(self) -> Panel:
        """Join all of them."""
        one = self._panels[0]
        timestamps = None
        if one.timestamps is not None:
            timestamps = pd.DatetimeIndex(self._ticks.map_records().view("datetime64[us]"), copy=False)
            zone = pd.DatetimeIndex(one.timestamps).tz
            timestamps = timestamps if zone is None else timestamps.tz_localize("UTC").tz_convert(zone)
        firsts = [panel.firsts for panel in self._panels if isinstance(panel.firsts, pd.Index)]
        levels = {name: column.levels for name, column in one.columns.columns.items()}
        rows = [np.diff(panel.columns.ends, prepend=0) for panel in self._panels]
        columns = {name: Column(spool.map_records(), levels[name]) for name, spool in self._columns.items()}
        return replace(
            one,
            names=[name for panel in self._panels for name in panel.names],
            targets=[target for panel in self._panels for target in panel.targets],
            firsts=firsts[0].append(firsts[1:]),
            ends=np.cumsum(np.concatenate([panel.lengths for panel in self._panels])),
            values=self._values.map_records(),
            timestamps=timestamps,
            observed=self._observed.map_records() if self._filled else None,
            categories=[categories for panel in self._panels for categories in panel.categories],
            columns=Columns(columns, np.cumsum(np.concatenate(rows))),
            notices=self._notices,
        )
