"""The path of typed columns: plain CSV, Parquet and databases as rows, or as text where they are not plain."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecaster.data.assembly.build_rows import parse_rows
from forecaster.data.assembly.column_roles import HEAD, ColumnRoles, find_roles
from forecaster.data.assembly.rows import Rows
from forecaster.data.assembly.typed_columns import TypedLayout, find_layout
from forecaster.data.dialect import USUAL, Dialect
from forecaster.data.options import Reading
from forecaster.data.sources.arrow_columns import Stored, column_to_text
from forecaster.data.sources.arrow_csv import NotPlain, require_plain
from forecaster.data.sources.database import read_query
from forecaster.data.sources.files import check_unchanged, read_beginning
from forecaster.data.sources.issues import Places
from forecaster.data.sources.number_formats import TEXT
from forecaster.data.sources.parquet import read_parquet, read_parquet_head
from forecaster.data.sources.source import Source
from forecaster.data.sources.text_table import Table, parse_head
from forecaster.errors import Changing, DataError

if TYPE_CHECKING:
    import pyarrow as pa

WORTHWHILE = 1 << 20  # bytes from which pyarrow is worth its loading
HEAD_BYTES = 1 << 20  # that roles and dialect are found in
_LINES = 2000  # of them, at most, where whole columns are converted
_SAMPLE = 500  # rows that they must hold


def read_csv_rows(source: Source, dialect: Dialect, reading: Reading) -> Rows | None:
    """Build the rows of a CSV, as `parse_rows` does; None where it is not plain or is small, or without pyarrow."""
    if (pyarrow := import_pyarrow()) is None or source.size is None or source.size < WORTHWHILE:
        return None
    try:
        (first, *others), name = source.files, source.name
        head = parse_head(_read_whole_lines(first), first, name, dialect)
        for file in others:
            other = parse_head(_read_whole_lines(file), file, name, head.dialect)
            require_plain(other.columns.keys() == head.columns.keys())
        layout = find_layout(head, dialect, find_roles(head, reading), reading)
        tables = [_decode_file(file, layout) for file in source.files]
        return layout.build_rows(pyarrow.concat_tables(tables), *_count_lines(source, list(map(len, tables))))
    except (NotPlain, DataError, Changing, OSError, pyarrow.ArrowException):
        return None


def import_pyarrow() -> ModuleType | None:
    """Import pyarrow; None where it is not installed."""
    try:
        import pyarrow  # noqa: PLC0415
    except ImportError:
        return None
    return pyarrow


def _decode_file(file: str, layout: TypedLayout) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415

    with check_unchanged(file), pa.OSFile(file) as opened:
        require_plain(opened.size() and opened.read_at(1, opened.size() - 1) == b"\n")
        opened.seek(0)
        return layout.decode_csv(opened, 1)


def _count_lines(source: Source, rows: Sequence[int]) -> tuple[Places, np.ndarray]:
    """Count the lines of rows, each file with its header, on from file to file."""
    starts = np.cumsum([0, *(count + 1 for count in rows[:-1])]).tolist()
    lines = [np.arange(start + 2, start + count + 2, dtype=np.int32) for start, count in zip(starts, rows, strict=True)]
    return Places(source.name, tuple(zip(starts, source.shown, strict=True))), np.concatenate(lines)


def _read_whole_lines(file: str) -> bytes:
    """Read the whole lines that a file begins with, enough to find roles and dialect in."""
    head = read_beginning(file, HEAD_BYTES)
    require_plain(head.endswith(b"\n") and (len(head) == Path(file).stat().st_size or head.count(b"\n") > _SAMPLE))
    return b"".join(line + b"\n" for line in head.split(b"\n", _LINES)[:_LINES]) if head.count(b"\n") > _LINES else head


def read_typed_rows(source: Source, dialect: Dialect, reading: Reading) -> Rows:
    """Build the rows of Parquet files or a query, of the columns that are asked for; the dialect is kept as it is.

    Raises:
        DataError: as for `parse_rows` and `read_typed_table`; the others as for that.
    """
    first, read = _open(source)
    import pyarrow as pa  # noqa: PLC0415  which is there once the source is open

    head = _to_text(first)
    roles = find_roles(head, reading)
    stored = read(list(dict.fromkeys((*roles.times, *roles.ids, *roles.targets, *reading.static, *reading.columns))))
    try:
        layout = find_layout(head, USUAL, roles, reading)
        rows = layout.build_rows(layout.convert(stored.columns), stored.places, _number_rows(stored))
    except (NotPlain, pa.ArrowException):
        rows = parse_rows(_to_text(stored), reading, roles)
    return replace(rows, dialect=dialect)


def read_typed_table(source: Source) -> Table:
    """Read all columns of Parquet files or a query as text.

    Raises:
        DataError, InputOutputFailed: it cannot be read, or has no rows.
        Changing: it changed while it was read.
        MissingExtra: a package that reads it is not installed.
    """
    head, read = _open(source)
    return _to_text(read(head.columns.column_names))


def _open(source: Source) -> tuple[Stored, Callable[[Sequence[str]], Stored]]:
    """Read the first rows of all columns; and give what reads all rows of some columns."""
    if source.query is None:
        return read_parquet_head(source.name, source.files, HEAD), partial(read_parquet, source.name, source.files)
    columns, places = read_query(source.query)
    return Stored(columns.slice(0, HEAD), places), lambda names: Stored(columns.select(list(names)), places)


def _to_text(stored: Stored) -> Table:
    columns = {
        name: pd.Series(column_to_text(column).to_numpy(), dtype=TEXT)
        for name, column in zip(stored.columns.column_names, stored.columns.columns, strict=True)
    }
    return Table(stored.places, columns, _number_rows(stored), "", (), USUAL)


def _number_rows(stored: Stored) -> np.ndarray:
    return np.arange(1, len(stored.columns) + 1, dtype=np.int32)


class CsvBlocks:
    """Builds the rows of blocks of one CSV, each of whole lines, where they are plain."""

    def __init__(self, head: Table, dialect: Dialect, roles: ColumnRoles, reading: Reading) -> None:
        self._layout, self._pyarrow = None, import_pyarrow()
        with contextlib.suppress(NotPlain):
            self._layout = self._pyarrow and find_layout(head, dialect, roles, reading)

    def build_rows(self, block: bytes, line: int) -> Rows | None:
        """Build the rows of a block that begins on a line; None where it is not plain."""
        if not self._layout or not self._pyarrow or not block.endswith(b"\n"):
            return None
        try:
            table = self._layout.decode_csv(self._pyarrow.BufferReader(block), 0)
            lines = np.arange(line, line + len(table), dtype=np.int32)
            return self._layout.build_rows(table, self._layout.head.places, lines)
        except (NotPlain, self._pyarrow.ArrowException):
            return None
