"""Table: a file, or several below each other, as text."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecaster.config.reader import nearest_name
from forecaster.data.dialect import AUTO, UNKNOWN, Dialect
from forecaster.data.sources.csv_records import Records, block_records, head_records, read_records
from forecaster.data.sources.issues import Places
from forecaster.data.sources.number_formats import looks_numeric
from forecaster.data.sources.source import Source
from forecaster.data.sources.timestamp_formats import are_dates, parse_timestamps
from forecaster.errors import DataError
from forecaster.problems import Problem

_INDEX = "index"  # what an index is called that was written without a name
_HEAD = 20  # rows that tell whether it holds dates
TEXT = pd.StringDtype("python", na_value=np.nan)  # the same whether or not pyarrow is there


@dataclass(frozen=True)
class Table:
    """Every cell a string, with the line that each row stands on.

    Attributes:
        places: what messages say of lines.
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
        """Refuse to go on without columns of these names.

        Raises:
            DataError: says which there are not, and which come near.
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
    return _table(read_records(source, dialect))


def head_table(head: bytes, file: str, name: str, dialect: Dialect) -> Table:
    """Read the rows that a CSV begins with; arguments and problems as for `head_records`."""
    return _table(head_records(head, file, name, dialect))


def block_table(header: bytes, block: bytes, line: int, name: str, dialect: Dialect) -> Table:
    """The table of a block of a file; arguments and problems as for `block_records`."""
    return _table(block_records(header, block, line, name, dialect))


def with_records(table: Table) -> Table:
    """The table with its header and rows written as a plain CSV, where it was read from something else."""
    if table.texts:
        return table
    records = zip(*table.columns.values(), strict=True)
    return replace(table, header=_record(table.columns), texts=tuple(map(_record, records)))


def _record(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _table(records: Records) -> Table:
    places = Places(records.name, records.files, records.header_line)
    if records.dialect.header == AUTO and _are_data(records.names):
        detail = {"names": list(map(repr, records.names))}
        repairs = ({"data.header": False}, {"data.header": True})
        raise DataError(Problem("header-is-data", places.where(records.header_line), detail=detail, repairs=repairs))
    columns = {
        name: pd.Series([row[index].strip() for row in records.rows], dtype=TEXT)
        for index, name in enumerate(_names(records))
        if name
    }
    return Table(
        places,
        columns,
        np.array(records.lines),
        records.header,
        tuple(records.texts),
        replace(records.dialect, header=records.dialect.header is not False),
        records.marked,
        records.notices,
    )


def _names(records: Records) -> list[str]:
    """The names of the columns; that of an index of dates, which pandas writes without one, is `index`."""
    first, *others = records.names
    head = pd.Series([row[0].strip() for row in records.rows[:_HEAD]], dtype=TEXT)
    return [_INDEX if not first and _INDEX not in others and are_dates(head) else first, *others]


def _are_data(names: Sequence[str]) -> bool:
    """Whether the cells of a header are no names: all are numbers or dates.

    Those that count up, 0, 1, 2 or 2024, 2025, are names, and so is whatever stands beside an index without one.
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
