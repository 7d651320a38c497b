"""Table: a file, or several below each other, as text."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecaster.config.reader import nearest_name
from forecaster.data.dialect import AUTO, UNKNOWN, Dialect
from forecaster.data.sources.csv_records import Records, parse_records
from forecaster.data.sources.decoding import decode
from forecaster.data.sources.files import read_bytes
from forecaster.data.sources.issues import Places
from forecaster.data.sources.number_formats import looks_numeric
from forecaster.data.sources.source import Source
from forecaster.data.sources.timestamp_formats import are_dates, parse_timestamps
from forecaster.errors import DataError
from forecaster.problems import Problem

_INDEX = "index"  # what an index is called that was written without a name
_HEAD = 20  # rows by which it is found to hold dates
TEXT = pd.StringDtype("python", na_value=np.nan)  # the same whether or not pyarrow is there


@dataclass(frozen=True)
class Table:
    """Every cell a string, with the line of each row.

    Attributes:
        places: of the rows, for messages.
        columns: the stripped cells of each, (rows,).
        lines: (rows,), counted on from file to file.
        header, texts: the records as they are written, line ends included; empty where it is no CSV.
        dialect: how it is written.
        marked: whether it begins with a byte order mark.
        notices: what was found while reading.
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
        """Require columns of these names.

        Raises:
            DataError: some are absent; with the nearest names.
        """
        place = self.places.where(self.places.header_line)
        problems = [
            Problem(
                "no-such-column",
                place,
                detail={"name": name, "nearest": nearest_name(name, self.columns), "columns": list(self.columns)},
            )
            for name in names
            if name not in self.columns
        ]
        if problems:
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
    return _build_table(
        parse_records([decode(header + block, dialect.encoding, name, before)], [name], name, dialect, before)
    )


def write_records(table: Table) -> Table:
    """Write the header and the rows of a table as CSV, where it was read from something else."""
    if table.texts:
        return table
    records = zip(*table.columns.values(), strict=True)
    return replace(table, header=_write_record(table.columns), texts=tuple(map(_write_record, records)))


def _write_record(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _build_table(records: Records) -> Table:
    if records.dialect.header == AUTO and _are_data(records.names):
        detail = {"names": list(map(repr, records.names))}
        repairs = ({"data.header": False}, {"data.header": True})
        where = records.places.where(records.places.header_line)
        raise DataError(Problem("header-is-data", where, detail=detail, repairs=repairs))
    columns = {
        name: pd.Series([row[index].strip() for row in records.rows], dtype=TEXT)
        for index, name in enumerate(_name_columns(records))
        if name
    }
    return Table(
        records.places,
        columns,
        np.array(records.lines),
        records.header,
        tuple(records.texts),
        replace(records.dialect, header=records.dialect.header is not False),
        records.marked,
        records.notices,
    )


def _name_columns(records: Records) -> list[str]:
    """Name the columns; an index of dates, which pandas writes without a name, is `index`."""
    first, *others = records.names
    head = pd.Series([row[0].strip() for row in records.rows[:_HEAD]], dtype=TEXT)
    return [_INDEX if not first and _INDEX not in others and are_dates(head) else first, *others]


def _are_data(names: Sequence[str]) -> bool:
    """Whether the cells of a header are no names: all are numbers or dates.

    Those that count up, 0, 1, 2 or 2024, 2025, are names, and so are those next to an index without a name.
    """
    given = [name for name in names if name]
    if not names[0] or not all(map(_is_datum, given)):
        return False
    if not all(map(str.isdecimal, given)):
        return True
    numbers = list(map(int, given))
    return numbers != list(range(numbers[0], numbers[0] + len(numbers))) or (len(numbers) == 1 and numbers[0] > 1)


def _is_datum(name: str) -> bool:
    cell = pd.Series([name], dtype=TEXT)
    return any(map(str.isdigit, name)) and bool(looks_numeric(cell).all() or not parse_timestamps(cell).wrong.any())
