"""The typed columns of a plain CSV through pyarrow, many times faster than cell by cell.

It gives the same rows as `rows_of`, and keeps its hands from what it is not sure of: reading cell by cell then finds
out what that is, or says what is wrong with it.
"""

import contextlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecaster.data.assembly.localize import (
    changes_timestamps,
    describe_shifts,
    localize_each_series,
    rank_within_series,
    rules_of,
)
from forecaster.data.assembly.parse_cells import GIVEN, INFINITE, categories_of, category_notice, numbers_of
from forecaster.data.assembly.parse_cells import TEXT as TEXT_CELL
from forecaster.data.assembly.rows import Rows, build_rows, expected_rows, first_rows, found_columns
from forecaster.data.assembly.wide_to_long import Stack, stacked
from forecaster.data.dialect import AUTO, USUAL, Dialect
from forecaster.data.options import Reading
from forecaster.data.series import Column
from forecaster.data.sources.arrow_columns import converted_column, datetimes
from forecaster.data.sources.files import beginning, described, steady
from forecaster.data.sources.issues import IssueLog, Places
from forecaster.data.sources.number_formats import MISSING, NONE, is_missing
from forecaster.data.sources.source import Source
from forecaster.data.sources.text_table import TEXT, Table, head_table
from forecaster.data.sources.timestamp_formats import (
    EPOCHS,
    ISO,
    STEPS,
    ParsedTimestamps,
    parse_timestamps,
    within_years,
)
from forecaster.data.time.rules import TimeRules
from forecaster.errors import Changing, DataError
from forecaster.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

WORTHWHILE = 1 << 20  # bytes from which pyarrow is worth its loading
HEAD = 1 << 20  # bytes that columns and dialect are found in
_LINES = 2000  # of them, at most, where whole columns are converted
_SAMPLE = 500  # rows that have to stand in them
_BLOCK = 1 << 22  # bytes that are converted at once
_ISO = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?"
_MISSING = sorted({form for text in MISSING for form in (text, text.upper(), text.title(), "NaN", "NaT")})


class _NotPlain(Exception):
    """Something that has to be read cell by cell."""


def _require(held: object) -> None:
    if not held:
        raise _NotPlain


def plain_rows(source: Source, dialect: Dialect, reading: Reading) -> Rows | None:
    """The rows of a CSV, as `rows_of` has them; None where it is not plain, where it is small, or without pyarrow."""
    if (pyarrow := _pyarrow()) is None:
        return None
    try:
        _require(source.size is not None and source.size >= WORTHWHILE)
        (first, *others), name = source.files, source.name
        head = head_table(_whole_lines(first), first, name, dialect)
        for file in others:
            other = head_table(_whole_lines(file), file, name, head.dialect)
            _require(other.columns.keys() == head.columns.keys())
        return _Conversion(head, dialect, reading).of_files(source.files)
    except (_NotPlain, DataError, Changing, OSError, pyarrow.ArrowException):
        return None


def plain_columns(columns: "pa.Table", places: Places, head: Table, reading: Reading) -> Rows | None:
    """The rows of columns that have types; None where a cell has to be looked at by itself.

    Args:
        columns: all that are asked for.
        places: of their rows.
        head: the first rows as text.
        reading: what is asked.
    """
    import pyarrow as pa  # noqa: PLC0415

    try:
        return _Conversion(head, USUAL, reading).of_columns(columns, places)
    except (_NotPlain, pa.ArrowException):
        return None


class PlainBlocks:
    """The rows of blocks of one CSV, each of whole lines."""

    def __init__(self, head: Table, dialect: Dialect, reading: Reading) -> None:
        self._conversion, self._pyarrow = None, _pyarrow()
        if self._pyarrow is not None:
            with contextlib.suppress(_NotPlain):
                self._conversion = _Conversion(head, dialect, reading)

    def rows(self, block: bytes, line: int) -> Rows | None:
        """The rows of a block that begins on a line; None where it is not plain."""
        if self._conversion is None or self._pyarrow is None:
            return None
        try:
            return self._conversion.of_block(block, line)
        except (_NotPlain, self._pyarrow.ArrowException):
            return None


def _pyarrow() -> ModuleType | None:
    try:
        import pyarrow  # noqa: PLC0415
    except ImportError:
        return None
    return pyarrow


class _Conversion:
    """The way from bytes to rows, by what their beginning tells.

    Args:
        head: the first rows.
        dialect: as far as it is stated.
        reading: what is asked.

    Raises:
        _NotPlain: there is no such way.
        DataError: nor another.
    """

    def __init__(self, head: Table, dialect: Dialect, reading: Reading) -> None:
        self._head, self._reading = head, reading
        _require(
            head.places.header_line <= 1
            and dialect.comment is None
            and dialect.skip == 0
            and dialect.header is not False
            and head.dialect.encoding == "utf-8"
        )
        self._found = found_columns(head, reading)
        _require(self._found.targets and len(self._found.times) < 2)
        self._decimal = _decimal(dialect, head.dialect.delimiter)
        self._types = self._column_types()

    def of_files(self, files: Sequence[str]) -> Rows:
        """The rows of whole files."""
        import pyarrow as pa  # noqa: PLC0415

        tables = []
        for file in files:
            with steady(file), pa.OSFile(file) as opened:
                _require(opened.size() and _last_byte(file) == b"\n")
                tables.append(self._converted(opened, 1))
        lengths = [len(table) + 1 for table in tables]  # lines, the header included
        starts = np.cumsum([0, *lengths[:-1]]).tolist()
        lines = [
            np.arange(start + 2, start + length + 1, dtype=np.int32)
            for start, length in zip(starts, lengths, strict=True)
        ]
        places = Places(self._head.path, tuple(zip(starts, map(described, files), strict=True)))
        return self._rows(pa.concat_tables(tables), places, _end_to_end(lines))

    def of_block(self, block: bytes, line: int) -> Rows:
        """The rows of a block that begins on a line."""
        import pyarrow as pa  # noqa: PLC0415

        _require(block.endswith(b"\n"))
        table = self._converted(pa.BufferReader(block), 0)
        return self._rows(table, self._head.places, np.arange(line, line + len(table), dtype=np.int32))

    def of_columns(self, columns: "pa.Table", places: Places) -> Rows:
        """The rows of columns of other types."""
        import pyarrow as pa  # noqa: PLC0415

        zones = {name: getattr(columns[name].type, "tz", None) for name in self._types if name == self._found.time}
        types = self._types | {name: pa.timestamp("us", zone) for name, zone in zones.items() if zone}
        converted = pa.table({name: converted_column(columns[name], kind) for name, kind in types.items()})
        return self._rows(converted, places, np.arange(1, len(columns) + 1, dtype=np.int32))

    def _rows(self, table: "pa.Table", places: Places, lines: np.ndarray) -> Rows:
        reading, found = self._reading, self._found
        with ThreadPoolExecutor() as pool:  # each lets go of the interpreter while it copies
            ids = pool.submit(self._series, table)
            times = pool.submit(self._times, table)
            numbers = pool.submit(lambda: [self._numbers(table, name) for name in found.targets])
        names, codes = ids.result()
        read = times.result()
        rules = reading.rules if read is None else rules_of(read, reading)
        timestamps, moves = self._timestamps(read, codes, rules)
        columns, notices = self._columns(table)
        stack = stacked(found.targets, names, codes, timestamps, lines, reading.layout)
        values = self._values(_end_to_end(numbers.result()), stack)
        dialect = replace(self._head.dialect, decimal=self._decimal, thousands=NONE)
        whole = replace(self._head, places=places, dialect=dialect)
        categories = self._categories(table, codes)
        rows = build_rows(
            stack, values, whole, found, categories, columns, IssueLog(), (*self._head.notices, *notices, *moves)
        )
        return replace(rows, rules=rules)

    def _series(self, table: "pa.Table") -> tuple[list[str], np.ndarray]:
        """The names of the series, none where nothing but columns tells them apart, and the number of each row's."""
        if not self._found.ids:
            return [], np.zeros(len(table), np.int32)
        parts = [_texts(table[name]) for name in self._found.ids]
        _require(all((texts != "").all() for _, texts in parts))
        codes, texts = parts[0]
        names = texts.tolist()
        for others, more in parts[1:]:
            pairs, distinct = pd.factorize(codes.astype(np.int64) * len(more) + others)
            codes = pairs.astype(np.int32)
            names = [f"{names[pair // len(more)]}/{more.iloc[pair % len(more)]}" for pair in distinct.tolist()]
        _require(len(set(names)) == len(names))  # as a/b beside c is a beside b/c
        return names, codes

    def _column_types(self) -> dict[str, "pa.DataType"]:
        """How each column that is asked for is converted."""
        import pyarrow as pa  # noqa: PLC0415

        reading, cells = self._reading, self._head.columns
        texts = pa.dictionary(pa.int32(), pa.string())
        types: dict[str, pa.DataType] = {}
        for name in dict.fromkeys(reading.columns):
            given = cells[name][~is_missing(cells[name], reading.na_values)]
            numeric = name not in reading.categorical and pd.to_numeric(given, errors="coerce").notna().all()
            types[name] = pa.float64() if numeric else texts
        types |= dict.fromkeys((*reading.static, *self._found.ids), texts)
        for name in self._found.times:
            iso = reading.way in {None, ISO} and cells[name].str.fullmatch(_ISO).all()
            read = parse_timestamps(cells[name], reading.way, reading.rules.date_order)
            whole = read.way == STEPS or read.way in EPOCHS
            types[name] = pa.timestamp("us") if iso else pa.int64() if whole else texts
        types |= dict.fromkeys(self._found.targets, pa.float64())
        _require(len(types) == sum(map(len, self._found)) + len({*reading.columns, *reading.static}))
        return types

    def _converted(self, source: "pa.NativeFile", header: int) -> "pa.Table":
        """The columns that are asked for, below so many lines of header, each row a line.

        The others are read as texts, and looked at, too.
        """
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import csv  # noqa: PLC0415

        sentinels = [text for text in self._reading.na_values if isinstance(text, str)]
        forms = [form for text in sentinels for form in (text, text.lower(), text.upper(), text.title())]
        table = csv.read_csv(
            source,
            csv.ReadOptions(column_names=list(self._head.columns), skip_rows=header, block_size=_BLOCK),
            csv.ParseOptions(
                delimiter=self._head.dialect.delimiter,
                newlines_in_values='"' in "".join(self._head.texts),
                ignore_empty_lines=False,
            ),
            csv.ConvertOptions(
                column_types=dict.fromkeys(self._head.columns, pa.string()) | self._types,
                null_values=[*_MISSING, *forms],
                strings_can_be_null=False,
                timestamp_parsers=[csv.ISO8601],
                decimal_point=self._decimal,
            ),
        )
        _require(len(table) and not any(map(_has_breaks, table.columns)))
        return table.select(list(self._types))

    def _times(self, table: "pa.Table") -> ParsedTimestamps | None:
        """The timestamps as they are written; None without a time column."""
        if self._found.time is None:
            return None
        column, nothing = table[self._found.time], np.zeros(len(table), bool)
        _require(column.null_count == 0)
        kind = str(column.type)
        if kind.startswith("timestamp"):
            dates = datetimes(column)
            _require(within_years(dates).all())
            return ParsedTimestamps(dates, nothing)
        if kind == "int64":
            return _of_numbers(column.to_numpy())
        numbers, texts = _texts(column)
        levels = parse_timestamps(texts, self._reading.way, self._reading.rules.date_order)
        _require(not levels.wrong.any() and not levels.others)
        return ParsedTimestamps(levels.timestamps[numbers], nothing, levels.way)

    def _timestamps(
        self, read: ParsedTimestamps | None, codes: np.ndarray, rules: TimeRules
    ) -> tuple[pd.Index, list[Problem]]:
        """Localize the timestamps of the rows by the rules, with notices."""
        if read is None:
            return rank_within_series(codes), []
        if not changes_timestamps(rules):
            return read.timestamps, []
        timestamps, never, far, shifts = localize_each_series(read, codes, self._reading.frequency, rules)
        _require(not never.any() and not far.any())
        return timestamps, describe_shifts(self._head.path, shifts)

    def _values(self, values: np.ndarray, stack: Stack) -> np.ndarray:
        """The stacked targets, (cells,) float64, as they are where nothing is wrong with them."""
        reading = self._reading
        _require(not any(domain.outside(values).any() for domain in reading.domains))
        if np.isfinite(values).all():
            return values
        missing = np.isnan(values)
        # A row of which nothing is given does not count.
        _require((self._found.times or self._found.ids) and not np.isinf(values).any())
        if reading.gaps == "error":
            _require(not (missing & expected_rows(values, stack, bool(reading.columns))).any())
        return values

    def _numbers(self, table: "pa.Table", name: str) -> np.ndarray:
        """A column of numbers as float64, NaN where a cell is missing."""
        values = table[name].to_numpy()
        sentinels = [value for value in self._reading.na_values if not isinstance(value, str)]
        return np.where(np.isin(values, sentinels), np.nan, values) if sentinels else values

    def _columns(self, table: "pa.Table") -> tuple[dict[str, Column], list[Problem]]:
        """Convert the covariates, with a notice of each that is categorical."""
        reading = self._reading
        notices: list[Problem] = []
        columns: dict[str, Column] = {}
        for name in dict.fromkeys(reading.columns):
            if str(self._types[name]) == "double":
                values = self._numbers(table, name)
                columns[name] = Column(np.where(np.isinf(values), np.nan, values))
                continue
            codes, texts = _texts(table[name])
            columns[name] = categories_of(codes, pd.Index(texts), reading.na_values)
            if name not in reading.categorical:
                _require(self._is_text(codes, texts))
                notices.append(category_notice(self._head.path, name, columns[name]))
        return columns, notices

    def _is_text(self, codes: np.ndarray, texts: pd.Series) -> bool:
        """Whether no cell is a number; where some are, it is for others to count them."""
        dialect = replace(self._head.dialect, decimal=self._decimal, thousands=NONE)
        kinds = numbers_of(texts, dialect, self._reading.na_values)[1]
        return bool((kinds == TEXT_CELL).any() and not np.isin(kinds, (GIVEN, INFINITE)).any())

    def _categories(self, table: "pa.Table", codes: np.ndarray) -> list[tuple[str, ...]]:
        """The one value that each static covariate has for each series."""
        if not self._reading.static:
            return []
        firsts, found = first_rows(codes), []
        for name in self._reading.static:
            numbers, texts = _texts(table[name])
            _require((numbers == numbers[firsts][codes]).all())
            found.append(texts.iloc[numbers[firsts]].tolist())
        return list(zip(*found, strict=True))


def _whole_lines(file: str) -> bytes:
    """The whole lines that a file begins with, enough to find columns and dialect in."""
    head = beginning(file, HEAD)
    _require(head.endswith(b"\n") and (len(head) == Path(file).stat().st_size or head.count(b"\n") > _SAMPLE))
    return b"".join(line + b"\n" for line in head.split(b"\n", _LINES)[:_LINES]) if head.count(b"\n") > _LINES else head


def _decimal(stated: Dialect, delimiter: str) -> str:
    """The decimal mark, where plain numbers leave no doubt of it."""
    known = stated.decimal, stated.thousands
    _require(known in {(".", NONE), (",", NONE)} or (delimiter != ";" and set(known) <= {AUTO, ".", NONE}))
    return "," if stated.decimal == "," else "."


def _of_numbers(numbers: np.ndarray) -> ParsedTimestamps:
    """Whole numbers as timestamps: steps, or seconds, milliseconds or microseconds since 1970."""
    nothing, low, high = np.zeros(len(numbers), bool), int(numbers.min()), int(numbers.max())
    if low > -(10**9) and high < 10**9 and not (low > 15_999_999 and high < 22_000_000):  # which may be dates
        return ParsedTimestamps(pd.Index(numbers), nothing, STEPS)
    digits = {"seconds since 1970": 10, "milliseconds since 1970": 13, "microseconds since 1970": 16}
    way = next((way for way, count in digits.items() if low >= 10 ** (count - 1) and high < 10**count), None)
    if way is None:
        raise _NotPlain
    return ParsedTimestamps(pd.DatetimeIndex(pd.to_datetime(pd.Series(numbers), unit=EPOCHS[way])), nothing, way)


def _texts(column: "pa.ChunkedArray") -> tuple[np.ndarray, pd.Series]:
    """The numbers of the cells' texts, (rows,) int32, and the texts in the order in which they first stand there."""
    whole = column.unify_dictionaries()
    codes = np.concatenate([part.indices.to_numpy() for part in whole.chunks])
    texts = pd.Series(whole.chunk(0).dictionary.to_pylist(), dtype=TEXT)
    _require((texts == texts.str.strip()).all())
    changes = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])
    _require(np.array_equal(pd.unique(codes[changes]), np.arange(len(texts))))
    return codes, texts


def _end_to_end(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """One array of all; the only one as it is."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _has_breaks(column: "pa.ChunkedArray") -> bool:
    """Whether a cell of a column of texts holds the end of a line, or a 0."""
    parts = [getattr(part, "dictionary", part) for part in column.chunks]
    texts = [part.buffers()[2] for part in parts if str(part.type) == "string"]
    return any(b"\n" in text or b"\0" in text for text in (buffer.to_pybytes() for buffer in texts if buffer))


def _last_byte(file: str) -> bytes:
    with Path(file).open("rb") as opened:
        opened.seek(-1, io.SEEK_END)
        return opened.read()
