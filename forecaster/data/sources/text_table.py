"""Table: a file, or several below each other, as text."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecaster.config.reader import find_nearest_name
from forecaster.data.dialect import AUTO, UNKNOWN, Dialect
from forecaster.data.sources.csv_records import Records, parse_records
from forecaster.data.sources.decoding import decode
from forecaster.data.sources.files import read_bytes
from forecaster.data.sources.header import check_header, name_columns
from forecaster.data.sources.issues import Places
from forecaster.data.sources.number_formats import TEXT
from forecaster.data.sources.source import Source
from forecaster.errors import DataError
from forecaster.problems import Problem


@dataclass(frozen=True)
class Table:
    """Every cell a string, with the line of each row.

    Attributes:
        columns: the stripped cells of each, (rows,).
        lines: (rows,), counted on from file to file.
        header, texts: the records as they are written, line ends included; empty where it is no CSV.
        marked: whether it begins with a byte order mark.
    """

    places: Places
    columns: dict[str, pd.Series]
    lines: np.ndarray
    header: str
    texts: tuple[str, ...]
    dialect: Dialect
    marked: bool = False
    notices: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def path(self) -> str:
        """What it is called."""
        return self.places.path

    def require(self, names: Sequence[str]) -> None:
        """Raise `DataError` where columns of these names are absent, with the nearest names."""
        where, known = self.places.locate(self.places.header_line), list(self.columns)
        absent = [name for name in names if name not in self.columns]
        details = ({"name": name, "nearest": find_nearest_name(name, known), "columns": known} for name in absent)
        if problems := [Problem("no-such-column", where, detail=detail) for detail in details]:
            raise DataError(problems)


def read_table(source: Source, dialect: Dialect = UNKNOWN) -> Table:
    """Read a CSV, or several that share a header, without interpreting a cell; blank lines do not count.

    Raises:
        DataError: it is missing, no plain file, empty, not text, not rectangular, or names a column twice.
        Changing: it changed while it was read.
        InputOutputFailed: it cannot be read.
    """
    files = zip(source.files, source.shown, strict=True)
    decoded = [decode(read_bytes(file), dialect.encoding, shown) for file, shown in files]
    return _build_table(parse_records(decoded, source.shown, source.name, dialect))


def parse_head(head: bytes, file: str, name: str, dialect: Dialect) -> Table:
    """Read the rows that a file, one of several called `name`, begins with; raises as `read_table` does."""
    return _build_table(parse_records([decode(head, dialect.encoding, file)], [file], name, dialect))


def parse_block(header: bytes, block: bytes, line: int, name: str, dialect: Dialect) -> Table:
    """Read a block of whole records that begins on a line of a file, below the bytes of its header."""
    before = line - 1 - header.count(b"\n")
    decoded = decode(header + block, dialect.encoding, name, before)
    return _build_table(parse_records([decoded], [name], name, dialect, before))


def write_records(table: Table) -> Table:
    """Write the header and the rows of a table as CSV, where it was read from something else."""
    if table.texts:
        return table
    texts = tuple(map(_write_record, zip(*table.columns.values(), strict=True)))
    return replace(table, header=_write_record(table.columns), texts=texts)


def _write_record(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _build_table(records: Records) -> Table:
    if records.dialect.header == AUTO:
        check_header(records.names, records.places.locate(records.places.header_line))
    columns = {
        name: pd.Series([row[index].strip() for row in records.rows], dtype=TEXT)
        for index, name in enumerate(name_columns(records.names, records.rows))
        if name
    }
    dialect, texts = replace(records.dialect, header=records.dialect.header is not False), tuple(records.texts)
    lines = np.array(records.lines)
    return Table(records.places, columns, lines, records.header, texts, dialect, records.marked, records.notices)
