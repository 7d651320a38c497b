"""The path of typed columns: plain CSV, Parquet and queries as rows, or as text where they are not plain."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
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
    with open_table(source) as opened:
        blocks = opened._replace(head=_add_unit(opened.head, dialect))
        roles = find_roles(blocks.head, reading)
        names = dict.fromkeys((*roles.times, *roles.ids, *roles.targets, *reading.static, *reading.columns))
        rest = blocks.read(list(names))
        held, are_all = _hold_blocks(rest, files.MAX_BYTES)
        if not are_all:
            whole = blocks._replace(read=lambda _: itertools.chain(held, rest))
            panel = read_large(whole, reading)
            return replace(panel, dialect=replace(dialect, unit=panel.dialect.unit))
    rows = build_held_rows(blocks.head, held, roles, reading)
    return build_panel(replace(rows, dialect=replace(dialect, unit=rows.dialect.unit)), reading)


def read_plain_groups(source: Source, dialect: Dialect, reading: Reading) -> Iterator[Panel] | None:
    """Read some series of a file at a time, whose rows are in a temporary file; None where it is small or not plain.

    Raises `DataError` after the last panel, for gaps and steps; where there is more than a GiB as `read_large`.
    """
    if source.is_large:
        return read_groups(open_csv(source, dialect), reading)
    try:
        if source.parquet:
            return _read_parquet_groups(source, dialect, reading)
        if source.size is None or source.size < LEAST_GROUPED:
            return None
        return read_groups(_open_plain_csv(source, dialect), reading, is_plain=True)
    except (NotPlain, DataError, Changing, OSError):
        return None


def _read_parquet_groups(source: Source, dialect: Dialect, reading: Reading) -> Iterator[Panel] | None:
    with open_table(source) as opened:
        blocks = opened._replace(head=_add_unit(opened.head, dialect))
        roles = find_roles(blocks.head, reading)
        rest = blocks.read(list(dict.fromkeys((*roles.times, *roles.ids, *roles.targets))))
        held, are_all = _hold_blocks(rest, LEAST_GROUPED)
        if are_all:
            return None
        return read_groups(blocks._replace(read=lambda _: itertools.chain(held, rest)), reading, is_plain=True)


def _open_plain_csv(source: Source, dialect: Dialect) -> Blocks:
    """Open a CSV, or raise `NotPlain` where its head may be too short for roles and dialect."""
    blocks = open_csv(source, dialect, _LINES)
    require_plain(len(blocks.head) > _SAMPLE or Path(source.files[0]).stat().st_size <= HEAD_BYTES)
    return blocks


def _add_unit(table: Table, dialect: Dialect) -> Table:
    return replace(table, dialect=replace(table.dialect, unit=dialect.unit))


def build_held_rows(head: Table, held: Sequence[StoredBlock], roles: ColumnRoles, reading: Reading) -> Rows:
    """Build the rows of all blocks of a source with such a head."""
    try:
        stated = replace(USUAL, unit=head.dialect.unit)
        return decode_rows(held, find_layout(head, stated, roles, reading))
    except NotPlain:
        return parse_rows(replace(_join(held).to_text(), dialect=head.dialect), reading, roles)


def read_typed_table(source: Source, dialect: Dialect) -> Table:
    """Read all columns of Parquet files or a query as text; raise `DataError` for too many; else as `open_table`."""
    with open_table(source) as blocks:
        names = list(blocks.head.columns)
        held, are_all = _hold_blocks(blocks.read(names), files.MAX_BYTES)
    if not are_all:
        rows = sum(len(block.columns) for block in held)
        detail = {"rows": rows, "columns": len(names), "limit": files.MAX_BYTES // _CELL}
        raise DataError(Problem("too-many-cells", source.name, detail=detail))
    return _add_unit(_join(held).to_text(), dialect)


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
