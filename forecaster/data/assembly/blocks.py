"""The rows of a source in blocks, as typed columns or as text: CSV by bytes, Parquet and queries by rows."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.assembly.rows import Rows
from forecaster.data.assembly.typed_columns import TypedLayout
from forecaster.data.dialect import AUTO, USUAL, Dialect
from forecaster.data.sources.arrow_columns import Stored, column_to_text, convert_column
from forecaster.data.sources.arrow_csv import NotPlain, decode_csv, require_plain
from forecaster.data.sources.database import read_query
from forecaster.data.sources.files import read_beginning, read_blocks
from forecaster.data.sources.issues import Places, report_columns
from forecaster.data.sources.parquet import read_parquet, read_parquet_head
from forecaster.data.sources.source import Source
from forecaster.data.sources.text_table import Table, parse_part
from forecaster.errors import DataError
from forecaster.formats.number_formats import TEXT

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 1 << 23  # bytes of a CSV that are read at once; larger ones cost more in allocation than in decoding
HEAD_BYTES = 1 << 20  # of a CSV, that roles and dialect are found in
HEAD_ROWS = 2000  # of Parquet or a query, that roles are found in


class Blocks(NamedTuple):
    """The blocks of a source.

    Attributes:
        head: the first rows of all columns.
        read: reads the blocks of some columns, or of all where it is a CSV; once.
        files: that must not change meanwhile.
    """

    head: Table
    read: Callable[[Sequence[str]], Iterator[Any]]
    files: Sequence[str] = ()


@dataclass(frozen=True)
class CsvBlock:
    """Whole records below the header of a file.

    Attributes:
        line: of the first, counted on from file to file.
    """

    places: Places
    line: int
    header: bytes
    text: bytes
    dialect: Dialect

    def decode(self, layout: TypedLayout) -> "pa.Table":
        """Convert the columns of a layout; raise `NotPlain` or `ArrowException` for what only the text path reads."""
        require_plain(self.text.endswith(b"\n"))
        head = layout.head
        return decode_csv(self.text, list(head.columns), layout.types, head.dialect, layout.reading.na_values)

    def to_text(self) -> Table:
        """Read the cells."""
        before, name = self.places.files[-1]
        skipped = self.line - before - 1 - self.header.count(b"\n")
        table = parse_part(self.header + self.text, name, name, self.dialect, skipped)
        return replace(table, places=self.places, lines=table.lines + before)


@dataclass(frozen=True)
class StoredBlock:
    """Rows of columns that have types.

    Attributes:
        line: of the first.
        unit: of numbers in text, as `Dialect` has it.
    """

    places: Places
    line: int
    columns: "pa.Table"
    unit: Mapping[str, str] | str

    def decode(self, layout: TypedLayout) -> "pa.Table":
        """Convert the columns of a layout, exactly, as if their cells were text; raises as for a CSV."""
        import pyarrow as pa  # noqa: PLC0415

        zones = {name: getattr(self.columns[name].type, "tz", None) for name in layout.roles.times}
        types = layout.types | {name: pa.timestamp("us", zone) for name, zone in zones.items() if zone}
        return pa.table({name: convert_column(self.columns[name], kind) for name, kind in types.items()})

    def to_text(self) -> Table:
        """Write every cell as text; numbers in text may have marks of thousands."""
        columns = {
            name: pd.Series(column_to_text(column).to_numpy(), dtype=TEXT)
            for name, column in zip(self.columns.column_names, self.columns.columns, strict=True)
        }
        lines = np.arange(self.line, self.line + len(self.columns))
        return Table(self.places, columns, lines, "", (), replace(USUAL, thousands=AUTO, unit=self.unit))


def open_csv(source: Source, dialect: Dialect, lines: int | None = None) -> Blocks:
    """Open plain CSVs that share a header, with a head of some `lines`; raises as `parse_part` and `read_blocks`."""
    file = source.files[0]
    beginning = itertools.islice(read_beginning(file, HEAD_BYTES).splitlines(keepends=True), lines)
    head = parse_part(b"".join(beginning), file, source.name, dialect)
    return Blocks(head, lambda _: _read_csv(source, head, head.places.header_line + dialect.skip), source.files)


def _read_csv(source: Source, head: Table, header_lines: int) -> Iterator[CsvBlock]:
    """Read files of one header; raise `DataError` for one with another header."""
    before, starts = 0, list[tuple[int, str]]()
    for file in source.files:
        beginning = read_beginning(file, HEAD_BYTES)
        if starts and (names := list(parse_part(beginning, file, file, head.dialect).columns)) != list(head.columns):
            raise DataError(report_columns(file, source.files[0], names, list(head.columns)))
        header = b"".join(itertools.islice(beginning.splitlines(keepends=True), header_lines))
        starts.append((before, file))
        places = Places(source.name, tuple(starts))
        line = before + header.count(b"\n") + 1
        for text in read_blocks(file, len(header), BLOCK):
            if not text.isspace():
                yield CsvBlock(places, line, header, text, head.dialect)
            line += text.count(b"\n")
        before = line - 1


@contextmanager
def open_table(source: Source, unit: Mapping[str, str] | str = AUTO) -> Iterator[Blocks]:
    """Open Parquet files or a query, which is closed after use; numbers in text may have a unit.

    Raises:
        DataError, InputOutputFailed: it cannot be read, or has no rows.
        Changing: a file changed while it was read.
        MissingExtra: a package that reads it is not installed.
    """
    name, files = source.name, source.files

    def make_blocks(first: Stored, read: Callable[[Sequence[str]], Iterable[Stored]]) -> Blocks:
        head = StoredBlock(first.places, 1, first.columns.slice(0, HEAD_ROWS), unit).to_text()
        return Blocks(head, lambda names: _number_blocks(read(names), names, unit))

    if source.query is None:
        yield make_blocks(read_parquet_head(name, files, HEAD_ROWS), lambda names: read_parquet(name, files, names))
        return
    with closing(read_query(source.query)) as parts:
        first = next(parts)
        yield make_blocks(first, lambda _: itertools.chain([first], parts))


def _number_blocks(
    parts: Iterable[Stored], names: Sequence[str], unit: Mapping[str, str] | str
) -> Iterator[StoredBlock]:
    """Select the columns of these names, and count the rows."""
    line = 1
    for columns, places in parts:
        yield StoredBlock(places, line, columns.select(list(names)), unit)
        line += len(columns)


def decode_rows(blocks: Iterable[CsvBlock | StoredBlock], layout: TypedLayout) -> Rows | None:
    """Build the rows of typed columns, None where none is kept; raise `NotPlain` for what only the text path reads."""
    import pyarrow as pa  # noqa: PLC0415  which is there where a layout is

    tables, lines = [], []
    try:
        for block in blocks:
            table, kept = layout.keep_rows(block.decode(layout))
            tables.append(table)
            lines.append(block.line + kept)
            places = block.places  # in the last block those of all files
        whole = pa.concat_tables(tables)
        return layout.build_rows(whole, places, np.concatenate(lines)) if len(whole) else None
    except pa.ArrowException:
        raise NotPlain from None
