"""A CSV that is not held in memory: block by block into a panel whose values lie in a file without a name.

Dialect, columns, the way to write dates and the step are found in the beginning of the file; what is written in another
way further on is an error. Memory grows with the number of series and with the longest of them, not with the file.
"""

import datetime
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.data.assembly.fast_csv import HEAD, PlainBlocks
from forecaster.data.assembly.localize import rank_within_series
from forecaster.data.assembly.parse_cells import category_notice, with_marks
from forecaster.data.assembly.regular_grid import panel_of
from forecaster.data.assembly.rows import Rows, found_columns, moved_rows, rows_of
from forecaster.data.assembly.sort_rows import ticks_of
from forecaster.data.assembly.spool import Spool, grouped
from forecaster.data.dialect import Dialect
from forecaster.data.options import ROWS as A_SERIES_A_ROW
from forecaster.data.options import Reading
from forecaster.data.panel import Columns, Panel
from forecaster.data.series import Column
from forecaster.data.sources.files import beginning, blocks, described, steady
from forecaster.data.sources.issues import FILE, IssueLog, Places
from forecaster.data.sources.source import Source
from forecaster.data.sources.text_table import Table, block_table, head_table
from forecaster.data.sources.timestamp_formats import joined, parse_timestamps
from forecaster.data.time.resolve_frequency import Step
from forecaster.data.time.rules import AS_WRITTEN
from forecaster.errors import DataError
from forecaster.problems import Problem

BLOCK = 1 << 25  # bytes that are read at once
ROWS = 1 << 21  # rows that are sorted, and laid out, at once


def read_large(source: Source, dialect: Dialect, reading: Reading) -> Panel:
    """The panel of plain files of any size; values and covariates are float32.

    Raises:
        DataError: they cannot be read as series; all problems at once.
        Changing: one changed while it was read.
        InputOutputFailed: one cannot be read, or there is no room for what is kept of it.
    """
    spooled = _Spooled(source, dialect, reading)
    spooled.read()
    return _laid_out(spooled, reading)


class _Spooled:
    """The rows of files as records in a spool."""

    def __init__(self, source: Source, dialect: Dialect, reading: Reading) -> None:
        self.files, self.path = source.files, source.name
        head = head_table(beginning(self.files[0], HEAD), self.files[0], self.path, dialect)
        if head.dialect.encoding.startswith("utf-16"):
            raise DataError(Problem("too-large-for-encoding", self.path))
        if reading.layout == A_SERIES_A_ROW:
            raise DataError(Problem("too-large-for-layout", self.path))
        found = found_columns(head, reading)
        first = rows_of(head, replace(reading, rules=AS_WRITTEN))
        if first.told.stop or FILE in first.told.problems:
            raise DataError(first.problems())
        marked = with_marks(head, found.targets, reading.na_values)
        self.reading = replace(
            reading,
            time=found.times or None,
            target=found.targets,
            rules=AS_WRITTEN,
            gaps="mask" if reading.columns or len(found.targets) > 1 else reading.gaps,
            categorical=[name for name, column in first.columns.items() if column.levels is not None],
            way=_way(head, found.times, reading.rules.date_order) if found.times else None,
        )
        self.dialect = marked.dialect
        self._plain = PlainBlocks(marked, self.dialect, self.reading)
        self._header_lines = head.places.header_line + dialect.skip
        self._names = list(head.columns)
        self._asked = reading.categorical
        self.first, self.notices, self.told = first, dict.fromkeys(marked.notices), IssueLog()
        self.numbers: dict[str, int] = {}
        self.targets: list[str] = []
        self.categories: dict[int, tuple[str, ...]] = {}
        self.levels: dict[str, dict[str, int]] = {name: {} for name in self.reading.categorical}
        kinds = [(name, np.float32 if column.levels is None else np.int32) for name, column in first.columns.items()]
        self._fields = {name: f"column {number}" for number, (name, _) in enumerate(kinds)}
        columns = [(self._fields[name], kind) for name, kind in kinds]
        self.spool = Spool([("series", "i4"), ("line", "i8"), ("tick", "i8"), ("value", "f8"), *columns])
        self.counts = np.zeros(0, np.int64)
        self.starts: list[tuple[int, str]] = []
        self._sorted, self._zones = True, set[datetime.tzinfo | None]()

    def read(self) -> None:
        """Spool every block."""
        before = 0
        for file in self.files:
            header = self._header(file)
            self.starts.append((before, described(file)))
            line = before + header.count(b"\n") + 1
            with steady(file):
                for block in blocks(file, len(header), BLOCK):
                    self._take(self._rows(header, block, line, before))
                    line += block.count(b"\n")
            before = line - 1
        if FILE in self.told.problems or self.told.stop:
            raise DataError(self.problems())
        for name in self.reading.categorical:
            if name not in self._asked:
                column = Column(np.zeros(0), tuple(self.levels[name]))
                self.notices |= {category_notice(self.path, name, column): None}

    def _header(self, file: str) -> bytes:
        """The bytes of a file up to the end of its header."""
        head = beginning(file, HEAD)
        if (names := list(head_table(head, file, file, self.dialect).columns)) != self._names:
            detail = {"first": self.files[0], "columns": names, "expected": self._names}
            raise DataError(Problem("different-columns", file, detail=detail))
        return b"".join(itertools.islice(head.splitlines(keepends=True), self._header_lines))

    def _rows(self, header: bytes, block: bytes, line: int, before: int) -> Rows | None:
        """The rows of a block; None where it has none."""
        if not block.strip():
            return None
        rows = self._plain.rows(block, line)
        if rows is None:
            table = block_table(header, block, line - before, self.starts[-1][1], self.dialect)
            places = Places(self.path, tuple(self.starts))
            rows = rows_of(replace(table, places=places, lines=table.lines + before), self.reading)
        return rows

    def _take(self, rows: Rows | None) -> None:
        """Add the rows of a block."""
        if rows is None:
            return
        self.targets += [
            target for name, target in zip(rows.names, rows.targets, strict=True) if name not in self.numbers
        ]
        numbers = np.array([self.numbers.setdefault(name, len(self.numbers)) for name in rows.names])
        self.notices |= dict.fromkeys(rows.notices)
        self.told.add(rows.told, numbers.tolist())
        self._check_categories(rows, numbers)
        records = np.empty(len(rows), self.spool.dtype)
        records["series"], records["line"], records["value"] = numbers[rows.codes], rows.lines, rows.values
        records["tick"] = 0 if rows.time is None else ticks_of(_in_microseconds(rows.timestamps))
        for name, column in rows.columns.items():
            records[self._fields[name]] = self._values(name, column, rows)
        if isinstance(rows.timestamps, pd.DatetimeIndex):
            self._zones.add(rows.timestamps.tz)
        last = self.spool.read(len(self.spool) - 1, 1)["series"] if len(self.spool) else records["series"][:1]
        self._sorted &= bool(np.all(np.diff(records["series"], prepend=last) >= 0))
        self.counts = np.pad(self.counts, (0, len(self.numbers) - len(self.counts)))
        self.counts += np.bincount(records["series"], minlength=len(self.counts))
        self.spool.append(records)

    def _values(self, name: str, column: Column, rows: Rows) -> np.ndarray:
        """The numbers of a covariate, or the numbers of its levels in the whole file."""
        if column.levels is None:
            return column.values
        if name not in self.levels:
            repairs = ({"data.covariates.categorical": [name]},)
            raise DataError(Problem("mixed-covariate", rows.places.where(rows.lines[0]), name, repairs=repairs))
        known = self.levels[name]
        numbers = np.array([*(known.setdefault(level, len(known)) for level in column.levels), -1])
        return numbers[column.values]

    def _check_categories(self, rows: Rows, numbers: np.ndarray) -> None:
        """One value of each static covariate for each series, in all blocks."""
        for number, values in zip(numbers.tolist(), rows.categories, strict=False):
            known = self.categories.setdefault(number, values)
            for column, one, other in zip(self.reading.static, known, values, strict=True):
                if one != other and number not in self.told.problems:
                    detail = {"count": 2, "values": [one, other]}
                    problem = Problem("several-static-values", self.path, column, detail=detail)
                    self.told.problems[number].append(problem)

    def problems(self) -> list[Problem]:
        """The problems of cells."""
        return replace(self.first, names=list(self.numbers), told=self.told).problems()

    def groups(self) -> Iterator[tuple[int, Rows]]:
        """The rows of a few series at a time, with the number of the first of them."""
        ends = np.cumsum(self.counts)
        spool = self.spool if self._sorted else grouped(self.spool, "series", ends, ROWS)
        names, first, start = list(self.numbers), 0, 0
        while first < len(names):
            last = max(first + 1, int(np.searchsorted(ends, start + ROWS, side="right")))
            yield first, self._group(spool.read(start, int(ends[last - 1]) - start), names, first, last)
            first, start = last, int(ends[last - 1])

    def _group(self, records: np.ndarray, names: list[str], first: int, last: int) -> Rows:
        told = IssueLog()
        for mine, all_of_them in ((told.problems, self.told.problems), (told.notices, self.told.notices)):
            mine |= {number - first: all_of_them[number] for number in range(first, last) if number in all_of_them}
        codes = records["series"] - np.int32(first)
        columns = {}
        for name, column in self.first.columns.items():
            levels = None if column.levels is None else tuple(self.levels[name])
            columns[name] = Column(records[self._fields[name]].copy(), levels)
        return replace(
            self.first,
            places=Places(self.path, tuple(self.starts)),
            names=names[first:last],
            targets=self.targets[first:last],
            codes=codes,
            lines=records["line"],
            timestamps=self._timestamps(records["tick"], codes),
            values=records["value"].copy(),
            categories=[self.categories[number] for number in range(first, last)] if self.categories else [],
            columns=columns,
            told=told,
            notices=tuple(self.notices) if first == 0 else (),
        )

    def _timestamps(self, ticks: np.ndarray, codes: np.ndarray) -> pd.Index:
        if self.first.time is None:
            return rank_within_series(codes)
        if not self._zones:
            return pd.Index(ticks)
        index = pd.DatetimeIndex(ticks.view("datetime64[us]"))
        if self._zones == {None}:
            return index
        zone = next(iter(self._zones)) if len(self._zones) == 1 else datetime.UTC
        return index.tz_localize("UTC").tz_convert(zone)


def _way(head: Table, times: Sequence[str], date_order: str) -> str:
    """The way that timestamps are written in."""
    return parse_timestamps(joined([head.columns[name] for name in times]), date_order=date_order).way


def _in_microseconds(timestamps: pd.Index) -> pd.Index:
    return timestamps.as_unit("us") if isinstance(timestamps, pd.DatetimeIndex) else timestamps


def _laid_out(spooled: _Spooled, reading: Reading) -> Panel:
    """The panel of spooled rows, group by group."""
    kept = _Kept()
    problems: list[Problem] = []
    for first, rows in spooled.groups():
        try:
            kept.add(first, panel_of(moved_rows(rows, replace(reading, way=spooled.reading.way)), reading, kept.step))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return kept.panel()


class _Kept:
    """A panel that grows, its long arrays in spools."""

    def __init__(self) -> None:
        self.step: Step | None = None
        self._panels: list[Panel] = []
        self._notices: dict[int, tuple[Problem, ...]] = {}
        self._values, self._observed, self._ticks = Spool(np.float32), Spool(np.bool_), Spool(np.int64)
        self._columns: dict[str, Spool] = {}
        self._filled = False

    def add(self, first: int, panel: Panel) -> None:
        """Add the series from a number on."""
        self.step = Step(panel.frequency, panel.rules)
        self._values.append(panel.values)
        self._filled |= panel.observed is not None
        self._observed.append(np.ones(len(panel.values), bool) if panel.observed is None else panel.observed)
        if panel.timestamps is not None:
            self._ticks.append(ticks_of(panel.timestamps))
        for name, column in panel.columns.columns.items():
            self._columns.setdefault(name, Spool(column.values.dtype)).append(column.values)
        self._notices |= {number + first: notices for number, notices in panel.notices.items()}
        empty = {
            name: Column(column.values[:0].copy(), column.levels) for name, column in panel.columns.columns.items()
        }
        timestamps = None if panel.timestamps is None else panel.timestamps[:0].copy()
        columns = Columns(empty, panel.columns.ends)
        self._panels.append(
            replace(panel, values=panel.values[:0].copy(), observed=None, timestamps=timestamps, columns=columns)
        )

    def panel(self) -> Panel:
        """All of them."""
        one, *others = self._panels
        timestamps = None
        if one.timestamps is not None:
            timestamps = pd.DatetimeIndex(self._ticks.mapped().view("datetime64[us]"), copy=False)
            zone = pd.DatetimeIndex(one.timestamps).tz
            timestamps = timestamps if zone is None else timestamps.tz_localize("UTC").tz_convert(zone)
        columns = {
            name: Column(self._columns[name].mapped(), column.levels) for name, column in one.columns.columns.items()
        }
        return replace(
            one,
            names=[name for panel in self._panels for name in panel.names],
            targets=[target for panel in self._panels for target in panel.targets],
            firsts=one.firsts.append([panel.firsts for panel in others]),
            ends=_joined([panel.ends for panel in self._panels]),
            values=self._values.mapped(),
            timestamps=timestamps,
            observed=self._observed.mapped() if self._filled else None,
            categories=[categories for panel in self._panels for categories in panel.categories],
            columns=Columns(columns, _joined([panel.columns.ends for panel in self._panels])),
            notices=self._notices,
        )


def _joined(ends: list[np.ndarray]) -> np.ndarray:
    """Where series end, whose panels follow each other."""
    return np.cumsum(np.concatenate([np.diff(some, prepend=0) for some in ends]))
