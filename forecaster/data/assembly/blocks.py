"""The rows of a source in blocks, as typed columns or as text: CSV by bytes, Parquet and queries by rows."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.assembly.rows import Rows
from forecaster.data.assembly.typed_columns import TypedLayout
from forecaster.data.dialect import AUTO, USUAL, Dialect
from forecaster.data.sources.arrow_columns import Stored, column_to_text
from forecaster.data.sources.arrow_csv import NotPlain, require_plain
from forecaster.data.sources.database import read_query
from forecaster.data.sources.files import read_beginning, read_blocks
from forecaster.data.sources.issues import Places, report_columns
from forecaster.data.sources.parquet import read_parquet, read_parquet_head
from forecaster.data.sources.source import Source
from forecaster.data.sources.text_table import Table, parse_block, parse_head
from forecaster.errors import DataError
from forecaster.formats.number_formats import TEXT

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 1 << 23  # bytes of a CSV that are read at once; larger ones cost more in allocation than in decoding
HEAD_BYTES = 1 << 20  # of a CSV, that roles and dialect are found in
HEAD_ROWS = 2000  # of Parquet or a query, that roles are found in


@dataclass(frozen=True)
class Block(ABC):
    """Rows that follow each other.

    Attributes:
        line: of the first, counted on from file to file.
    """

    places: Places
    line: int

    @abstractmethod
    def decode(self, layout: TypedLayout) -> "pa.Table":
        """Convert the columns of a layout; raise `NotPlain` or `ArrowException` for what only the text path reads."""

    @abstractmethod
    def to_text(self) -> Table:
        """Write every cell as text."""


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
class CsvBlock(Block):
    """Whole records below the header of a file."""

    header: bytes
    text: bytes
    dialect: Dialect

    def decode(self, layout: TypedLayout) -> "pa.Table":
        """Convert the columns of a layout."""
        require_plain(self.text.endswith(b"\n"))
        return layout.decode_csv(self.text)

    def to_text(self) -> Table:
        """Read the cells."""
        before, name = self.places.files[-1]
        table = parse_block(self.header, self.text, self.line - before, name, self.dialect)
        return replace(table, places=self.places, lines=table.lines + before)


@dataclass(frozen=True)
class StoredBlock(Block):
    """Columns that have types."""

    columns: "pa.Table"

    def decode(self, layout: TypedLayout) -> "pa.Table":
        """Convert the columns of a layout."""
        return layout.convert(self.columns)

    def to_text(self) -> Table:
        """Write every cell as text; numbers in text may have a unit and marks of thousands."""
        columns = {
            name: pd.Series(column_to_text(column).to_numpy(), dtype=TEXT)
            for name, column in zip(self.columns.column_names, self.columns.columns, strict=True)
        }
        lines = np.arange(self.line, self.line + len(self.columns))
        return Table(self.places, columns, lines, "", (), replace(USUAL, thousands=AUTO, unit=AUTO))


def open_csv(source: Source, dialect: Dialect, lines: int | None = None) -> Blocks:
    """Open plain CSVs that share a header, with a head of some `lines`; raises as `parse_head` and `read_blocks`."""
    file = source.files[0]
    beginning = itertools.islice(read_beginning(file, HEAD_BYTES).splitlines(keepends=True), lines)
    head = parse_head(b"".join(beginning), file, source.name, dialect)
    return Blocks(head, lambda _: _read_csv(source, head, head.places.header_line + dialect.skip), source.files)


def _read_csv(source: Source, head: Table, header_lines: int) -> Iterator[CsvBlock]:
    """Read files of one header; raise `DataError` for one with another header."""
    before, starts = 0, list[tuple[int, str]]()
    for file in source.files:
        beginning = read_beginning(file, HEAD_BYTES)
        if starts and (names := list(parse_head(beginning, file, file, head.dialect).columns)) != list(head.columns):
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
def open_table(source: Source) -> Iterator[Blocks]:
    """Open Parquet files or a query, which is closed after use.

    Raises:
        DataError, InputOutputFailed: it cannot be read, or has no rows.
        Changing: a file changed while it was read.
        MissingExtra: a package that reads it is not installed.
    """
    name, files = source.name, source.files
    if source.query is None:
        first = read_parquet_head(name, files, HEAD_ROWS)
        yield Blocks(_make_head(first), lambda names: _number_blocks(read_parquet(name, files, names), names))
        return
    with closing(read_query(source.query)) as parts:
        first = next(parts)
        yield Blocks(_make_head(first), lambda names: _number_blocks(itertools.chain([first], parts), names))


def _make_head(first: Stored) -> Table:
    return StoredBlock(first.places, 1, first.columns.slice(0, HEAD_ROWS)).to_text()


def _number_blocks(parts: Iterable[Stored], names: Sequence[str]) -> Iterator[StoredBlock]:
    """Select the columns of these names, and count the rows."""
    line = 1
    for columns, places in parts:
        yield StoredBlock(places, line, columns.select(list(names)))
        line += len(columns)


def decode_rows(blocks: Iterable[Block], layout: TypedLayout) -> Rows:
    """Build the rows of typed columns; raise `NotPlain` for what only the text path reads."""
    import pyarrow as pa  # noqa: PLC0415  which is there where a layout is

    tables, lines = [], []
    try:
        for block in blocks:
            tables.append(block.decode(layout))
            lines.append(np.arange(block.line, block.line + len(tables[-1])))
            places = block.places  # in the last block those of all files
        return layout.build_rows(pa.concat_tables(tables), places, np.concatenate(lines))
    except pa.ArrowException:
        raise NotPlain from None
