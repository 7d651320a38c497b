"""The path of typed columns: plain CSV, Parquet and queries as rows, or as text where they are not plain."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from forecaster.data.assembly.blocks import HEAD_BYTES, Blocks, StoredBlock, decode_rows, open_csv, open_table
from forecaster.data.assembly.build_rows import parse_rows
from forecaster.data.assembly.column_roles import ColumnRoles, find_roles
from forecaster.data.assembly.out_of_core import read_groups, read_large
from forecaster.data.assembly.regular_grid import build_panel
from forecaster.data.assembly.rows import Rows
from forecaster.data.assembly.typed_columns import find_layout
from forecaster.data.dialect import USUAL, Dialect
from forecaster.data.options import Reading
from forecaster.data.panel import Panel
from forecaster.data.sources import files
from forecaster.data.sources.arrow_columns import concat_tables
from forecaster.data.sources.arrow_csv import NotPlain, require_plain
from forecaster.data.sources.files import check_unchanged
from forecaster.data.sources.source import Source
from forecaster.data.sources.text_table import Table
from forecaster.errors import Changing, DataError
from forecaster.problems import Problem

WORTHWHILE = 1 << 20  # bytes from which pyarrow is worth its loading
LEAST_GROUPED = 1 << 24  # bytes from which series are read some at a time, where they can be
_LINES = 2000  # of a CSV that roles and dialect are found in
_SAMPLE = 500  # rows that they must hold
_CELL = 8  # bytes of a number or a timestamp


def read_csv_rows(source: Source, dialect: Dialect, reading: Reading) -> Rows | None:
    """Build the rows of a CSV, as `parse_rows` does; None where it is not plain or is small, or without pyarrow."""
    if source.size is None or source.size < WORTHWHILE:
        return None
    try:
        with check_unchanged(source.files):
            blocks = _open_plain_csv(source, dialect)
            layout = find_layout(blocks.head, dialect, find_roles(blocks.head, reading), reading)
            return decode_rows(blocks.read(()), layout)
    except (NotPlain, DataError, Changing, OSError):
        return None


def read_typed_series(source: Source, dialect: Dialect, reading: Reading) -> Panel:
    """Read the series of Parquet files or a query of any size; the dialect is kept as it is; raises as `open_table`."""
    with open_table(source, dialect.unit) as blocks:
        roles = find_roles(blocks.head, reading)
        held, whole = _hold_columns(blocks, roles, reading, files.MAX_BYTES)
        panel = read_large(whole, reading) if whole else None
    if panel is None:
        panel = build_panel(build_held_rows(blocks.head, held, roles, reading), reading)
    return replace(panel, dialect=replace(dialect, unit=panel.dialect.unit))


def read_plain_groups(source: Source, dialect: Dialect, reading: Reading) -> Iterator[Panel] | None:
    """Read some series of a file at a time, whose rows are in a temporary file; None where it is small or not plain.

    Raises `DataError` after the last panel, for gaps and steps; where there is more than a GiB as `read_large`.
    """
    if source.is_large:
        return read_groups(open_csv(source, dialect), reading)
    try:
        if source.parquet:
            with open_table(source, dialect.unit) as blocks:
                _, whole = _hold_columns(blocks, find_roles(blocks.head, reading), reading, LEAST_GROUPED)
                return read_groups(whole, reading, is_plain=True) if whole else None
        if source.size is None or source.size < LEAST_GROUPED:
            return None
        return read_groups(_open_plain_csv(source, dialect), reading, is_plain=True)
    except (NotPlain, DataError, Changing, OSError):
        return None


def _hold_columns(
    blocks: Blocks, roles: ColumnRoles, reading: Reading, most: int
) -> tuple[list[StoredBlock], Blocks | None]:
    """Take the blocks of the columns that are read up to `most` bytes; and all blocks, where there are more."""
    rest = blocks.read(list(dict.fromkeys((*chain(*roles[:3]), *reading.static, *reading.columns, *reading.where))))
    held, are_all = _hold_blocks(rest, most)
    return held, None if are_all else blocks._replace(read=lambda _: chain(held, rest))


def _open_plain_csv(source: Source, dialect: Dialect) -> Blocks:
    """Open a CSV, or raise `NotPlain` where its head may be too short for roles and dialect."""
    blocks = open_csv(source, dialect, _LINES)
    require_plain(len(blocks.head) > _SAMPLE or Path(source.files[0]).stat().st_size <= HEAD_BYTES)
    return blocks


def build_held_rows(head: Table, held: Sequence[StoredBlock], roles: ColumnRoles, reading: Reading) -> Rows:
    """Build the rows of all blocks of a source with such a head."""
    try:
        stated = replace(USUAL, unit=head.dialect.unit)
        rows = decode_rows(held, find_layout(head, stated, roles, reading))
    except NotPlain:
        rows = None
    return rows or parse_rows(replace(_join(held).to_text(), dialect=head.dialect), reading, roles)


def read_typed_table(source: Source, dialect: Dialect) -> Table:
    """Read all columns of Parquet files or a query as text; raise `DataError` for too many; else as `open_table`."""
    with open_table(source, dialect.unit) as blocks:
        names = list(blocks.head.columns)
        held, are_all = _hold_blocks(blocks.read(names), files.MAX_BYTES)
    if not are_all:
        rows = sum(len(block.columns) for block in held)
        detail = {"rows": rows, "columns": len(names), "limit": files.MAX_BYTES // _CELL}
        raise DataError(Problem("too-many-cells", source.name, detail=detail))
    return _join(held).to_text()


def _hold_blocks(blocks: Iterable[StoredBlock], most: int) -> tuple[list[StoredBlock], bool]:
    """Take blocks as long as their cells are at most some bytes; and report whether those are all."""
    held, cells = [], 0
    for block in blocks:
        held.append(block)
        cells += block.columns.num_rows * block.columns.num_columns
        if cells * _CELL > most:
            return held, False
    return held, True


def _join(held: Sequence[StoredBlock]) -> StoredBlock:
    return replace(held[0], columns=concat_tables([block.columns for block in held]))
