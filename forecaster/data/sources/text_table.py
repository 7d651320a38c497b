"""Table: a file, or several below each other, as text."""

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecaster.config.reader import find_nearest_name
from forecaster.data.dialect import AUTO, DELIMITERS, UNKNOWN, Dialect
from forecaster.data.sources.csv_records import parse_file, read_whole_lines, write_record
from forecaster.data.sources.decoding import Decoded, decode, find_delimiter
from forecaster.data.sources.files import name_source, read_bytes
from forecaster.data.sources.header import (
    count_label_rows,
    count_lines_above,
    find_stated_delimiter,
    is_title,
    name_columns,
)
from forecaster.data.sources.issues import Places, report_columns
from forecaster.data.sources.source import Source
from forecaster.errors import DataError
from forecaster.formats.number_formats import TEXT
from forecaster.problems import Problem
from forecaster.wording import KEPT


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

    def keep_rows(self, where: Mapping[str, Sequence[str]]) -> "Table":
        """Keep the rows whose cells are among those of each column; raise `DataError` where a column is absent."""
        if not where:
            return self
        self.require([*where])
        kept = np.ones(len(self), bool)
        for name, cells in where.items():
            kept &= self.columns[name].isin(cells).to_numpy()
        columns = {name: cells[kept].reset_index(drop=True) for name, cells in self.columns.items()}
        return replace(self, columns=columns, lines=self.lines[kept], texts=tuple(itertools.compress(self.texts, kept)))

    def require_rows(self, where: Mapping[str, Sequence[str]]) -> "Table":
        """Keep rows as `keep_rows`; raise `DataError` where none is left, with cells that there are."""
        kept = self.keep_rows(where)
        if not len(kept):
            found = {name: self.columns[name].unique()[:KEPT].tolist() for name in where}
            asked = [f"{name} is {' or '.join(map(repr, cells))}" for name, cells in where.items()]
            detail = {
                "asked": asked,
                "found": [f"{name}: {', '.join(map(repr, each))}" for name, each in found.items()],
            }
            raise DataError(Problem("no-rows-kept", self.path, detail=detail))
        return kept


def read_table(source: Source, dialect: Dialect = UNKNOWN) -> Table:
    """Read a CSV, or several that share a header, without interpreting a cell; blank lines do not count.

    Raises:
        DataError: it is missing, no plain file, empty, not text, not rectangular, or names a column twice.
        Changing: it changed while it was read.
        InputOutputFailed: it cannot be read.
    """
    contents = map(read_bytes, source.files) if source.content is None else [source.content]
    files = zip(map(name_source, source.files), contents, strict=True)
    decoded = {shown: decode(content, dialect.encoding, shown) for shown, content in files}
    return _parse_table(decoded, source.name, dialect)


def parse_part(text: bytes, file: str, name: str, dialect: Dialect, before: int = 0) -> Table:
    """Read whole records below the header of a file, one of several called `name`; raises as `read_table` does.

    Args:
        before: lines between the header and the rows.
    """
    return _parse_table({file: decode(text, dialect.encoding, file, before)}, name, dialect, before)


def _parse_table(decoded: Mapping[str, Decoded], name: str, dialect: Dialect, before: int = 0) -> Table:
    """Parse files by the names that messages have for them, with some lines `before` the rows of a block of one."""
    found, first = replace(dialect, encoding=_find_encoding(decoded, dialect.encoding)), next(iter(decoded))
    above = {file: count_lines_above(io.StringIO(part.text, newline=""), dialect) for file, part in decoded.items()}
    if dialect.delimiter == AUTO:
        lines = itertools.islice(io.StringIO(decoded[first].text, newline=""), above[first], None)
        stated = find_stated_delimiter(decoded[first].text)
        found = replace(found, delimiter=stated or find_delimiter(read_whole_lines(lines, dialect.comment), first))
    files = [parse_file(part, file, found, above[file], before) for file, part in decoded.items()]
    if dialect.header == AUTO:
        found = replace(found, header=above[first] + 1 if above[first] else True)
    names, rows = files[0].names, [row for file in files for row in file.rows[1:]]
    headers = {f"{file.name}:{file.lines[0]}": file.names for file in files}
    if different := {place: others for place, others in headers.items() if others != names}:
        raise DataError([report_columns(place, first, others, names) for place, others in different.items()])
    starts = list(itertools.accumulate((file.length for file in files[:-1]), initial=0))
    places = Places(name, tuple(zip(starts, decoded, strict=True)), files[0].lines[0])
    columns = {
        column: pd.Series([row[index].strip() for row in rows], dtype=TEXT)
        for index, column in enumerate(name_columns(names, rows))
        if column
    }
    if dialect.header == AUTO and not dialect.skip and (labels := count_label_rows(columns)):
        detail = {"cells": [repr(cells.iloc[0]) for cells in columns.values()], "rows": labels}
        where, repair = places.locate(files[0].lines[1]), {"data.skip": labels}
        if is_title(names):
            repair = {"data.header": files[0].lines[labels]}
        raise DataError(Problem("labels-below-header", where, detail=detail, repairs=(repair,)))
    return Table(
        places,
        columns,
        np.array([start + line for start, file in zip(starts, files, strict=True) for line in file.lines[1:]]),
        files[0].texts[0],
        tuple(text for file in files for text in file.texts[1:]),
        found,
        decoded[first].marked,
        (*_report_dialect(dialect, found, name, names), *(notice for file in files for notice in file.notices)),
    )


def _find_encoding(decoded: Mapping[str, Decoded], stated: str) -> str:
    """Find the one encoding of all files; raise `DataError` for several."""
    kinds = {part.encoding: name for name, part in decoded.items() if part.encoding != "ascii"}
    if len(kinds) > 1:
        files = [f"{name} in {encoding}" for encoding, name in kinds.items()]
        raise DataError(Problem("mixed-encodings", detail={"files": files}))
    return next(iter(kinds), "utf-8" if stated == AUTO else stated)


def _report_dialect(stated: Dialect, found: Dialect, name: str, names: Sequence[str]) -> Iterator[Problem]:
    """Give notices of an encoding, a delimiter and a line of the header that are not those of most CSVs."""
    if stated.encoding == AUTO and found.encoding != "utf-8":
        yield Problem("encoding-found", name, detail={"encoding": found.encoding})
    if stated.delimiter == AUTO and found.delimiter != ",":
        yield Problem("delimiter-found", name, detail={"delimiter": DELIMITERS[found.delimiter]})
    if stated.header == AUTO and found.header is not True:
        yield Problem("header-found", name, detail={"line": found.header, "names": list(names[:KEPT])})


def write_records(table: Table) -> Table:
    """Write the header and the rows of a table as CSV, where it was read from something else."""
    if table.texts:
        return table
    texts = tuple(map(write_record, zip(*table.columns.values(), strict=True)))
    return replace(table, header=write_record(table.columns), texts=texts)
