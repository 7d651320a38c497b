"""The columns of a source as numbers, labels and timestamps, whether they were decoded from text or from types."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.dialect import AUTO, USUAL, Dialect
from forecaster.data.sources.arrow_csv import require_plain
from forecaster.data.sources.issues import Places
from forecaster.data.sources.text_table import Table
from forecaster.errors import DataError
from forecaster.formats.grouped_digits import may_group_thousands
from forecaster.formats.number_formats import NONE, NaValues, Unsure, find_marks, is_missing, to_numbers
from forecaster.formats.timestamp_formats import (
    ISO,
    ParsedTimestamps,
    are_within_years,
    parse_labels,
    parse_time_columns,
    parse_whole_numbers,
)
from forecaster.formats.units import (
    BOUND,
    OTHER_MINUS,
    OTHER_UNIT,
    UNCLEAR_SCALE,
    Unmarked,
    has_plain_numbers,
    is_currency,
    remove_marks,
)
from forecaster.problems import Problem

# What a cell is.
GIVEN, EMPTY, NAMED, INFINITE, TEXT, DIGITS = range(6)
_SPREADSHEET_ERROR = r"#[A-Z/0]+[!?]?"  # #DIV/0!
_DOTTED_DATE = r"[0-9]{1,2}\.[0-9]{1,2}\.(?:[0-9]{4}|[0-9]{2})(?![0-9])"
_FAULTS = {fault: DIGITS + fault for fault in (OTHER_UNIT, OTHER_MINUS, BOUND, UNCLEAR_SCALE)}
# The problem with a cell of the target that is no number, by what it is.
INVALID = {
    TEXT: "not-a-number",
    DIGITS: "unknown-number-format",
    _FAULTS[OTHER_UNIT]: "mixed-units",
    _FAULTS[OTHER_MINUS]: "mixed-minus",
    _FAULTS[BOUND]: "bound",
    _FAULTS[UNCLEAR_SCALE]: "unclear-scale",
}


class Labels(NamedTuple):
    """A column of text: the number of each row's text, (rows,), and the texts in the order of their first rows."""

    codes: np.ndarray
    texts: pd.Series


class Numbers(NamedTuple):
    """Cells as float64, NaN where one is missing or text, infinite ones kept, (cells,); and what each is, (cells,).

    Kinds from `TEXT` on are cells that are no number.
    """

    values: np.ndarray
    kinds: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """The finite numbers, NaN in all other cells: (cells,)."""
        return np.where(self.kinds == GIVEN, self.values, np.nan)


class DecodedColumns:
    """What rows are built from: columns as text of cells, or as what a decoder made of them.

    Those that were decoded raise `NotPlain` where a cell has to be parsed, or quoted, as text.

    Args:
        columns: of each name its cells as text; or labels, float64 numbers, int64 or dates of time columns.
        table: the first rows, or all of them, whose dialect has the marks of numbers.
        lines: of each row, (rows,).
        may_be_blank: whether a row without numbers may be a blank line, which is none.
    """

    def __init__(
        self,
        columns: Mapping[str, Any],
        table: Table,
        places: Places,
        lines: np.ndarray,
        na_values: NaValues,
        may_be_blank: bool = False,
    ) -> None:
        self._columns, self.places, self.lines, self._na_values = columns, places, lines, na_values
        self.dialect, self.notices, self._may_be_blank = table.dialect, table.notices, may_be_blank

    def get_labels(self, name: str) -> Labels:
        """Encode a column as the numbers of its distinct texts."""
        column = self._columns[name]
        if isinstance(column, pd.Series):
            codes, texts = pd.factorize(column)
            return Labels(codes, pd.Series(texts))
        require_plain(isinstance(column, Labels))
        return Labels(*column)

    def get_numbers(self, names: Sequence[str]) -> Numbers:
        """Convert the cells of some columns, one column after the other."""
        columns = [self._columns[name] for name in names]
        are_texts = all(isinstance(column, pd.Series) for column in columns)
        if len(names) > 1 and are_texts and not any(self.dialect.get_unit(name) for name in names):
            together = parse_numbers(concat_columns(columns), self.dialect, self._na_values, names[0])
            if (together.kinds < TEXT).all():  # else marks that columns do not share may be at fault
                return together
        parts = [self._read_numbers(name) for name in names]
        return parts[0] if len(parts) == 1 else Numbers(*map(np.concatenate, zip(*parts, strict=True)))

    def _read_numbers(self, name: str) -> Numbers:
        column = self._columns[name]
        if isinstance(column, pd.Series):
            return parse_numbers(column, self.dialect, self._na_values, name)
        if isinstance(column, Labels):
            values, kinds = parse_numbers(column.texts, self.dialect, self._na_values, name)
            return Numbers(values[column.codes], kinds[column.codes])
        kinds = np.full(len(column), GIVEN, np.int8)
        if sentinels := select_numeric_na_values(self._na_values):
            kinds[np.isin(column, sentinels)] = NAMED
        if not np.isfinite(column).all():
            require_plain(not self._may_be_blank)
            kinds[np.isnan(column)] = EMPTY
            kinds[np.isinf(column)] = INFINITE
        return Numbers(np.where(kinds == NAMED, np.nan, column) if sentinels else column, kinds)

    def get_timestamps(self, names: Sequence[str], way: str | None, date_order: str) -> ParsedTimestamps:
        """Parse the columns of time, which are read together."""
        found = self._columns[names[0]]
        if isinstance(found, pd.Series):
            return parse_time_columns(self.get_texts(names), names, way, date_order)
        if isinstance(found, pd.DatetimeIndex):
            require_plain(way in {None, ISO} and are_within_years(found).all())
            return ParsedTimestamps(found, np.zeros(len(found), bool))
        if isinstance(found, Labels):
            parsed = parse_labels(found.codes, found.texts, way, date_order, names[0])
        else:
            parsed = parse_whole_numbers(found, way, names[0])
        require_plain(not parsed.wrong.any() and not parsed.others)
        return parsed

    def get_texts(self, names: Sequence[str]) -> list[pd.Series]:
        """Give the cells of some columns as text, as messages quote them."""
        columns = [self._columns[name] for name in names]
        require_plain(all(isinstance(column, pd.Series) for column in columns))
        return columns


def parse_numbers(cells: pd.Series, dialect: Dialect, na_values: NaValues, column: str = "") -> Numbers:
    """Parse the cells of a column, in its unit, whose decimal and thousands marks are known."""
    numbers, unit = to_numbers(cells, dialect.decimal, dialect.thousands), dialect.get_unit(column)
    kinds = np.where(np.isnan(numbers), TEXT, GIVEN).astype(np.int8)
    if unit not in {AUTO, ""} or not is_missing(cells[kinds == TEXT]).all():
        bare, faults, *_ = remove_marks(cells, na_values, unit)
        numbers = np.where(faults, np.nan, to_numbers(bare, dialect.decimal, dialect.thousands))
        kinds = np.where(np.isnan(numbers), TEXT, GIVEN).astype(np.int8)
        holds_digits = cells.str.contains(r"\d") & ~cells.str.fullmatch(_SPREADSHEET_ERROR)
        kinds[(kinds == TEXT) & holds_digits.to_numpy(bool)] = DIGITS
        kinds = np.where(faults, DIGITS + faults, kinds).astype(np.int8)
    kinds[np.isinf(numbers)] = INFINITE
    if na_values:
        kinds[is_missing(cells, na_values) | np.isin(numbers, select_numeric_na_values(na_values))] = NAMED
    kinds[is_missing(cells)] = EMPTY
    return Numbers(np.where(kinds == NAMED, np.nan, numbers), kinds)


def select_numeric_na_values(na_values: NaValues) -> list[int | float]:
    """Select the numbers among the values that a missing cell may be written as."""
    return [value for value in na_values if not isinstance(value, str)]


def add_marks(table: Table, targets: Sequence[str], na_values: NaValues, others: Sequence[str] = ()) -> Table:
    """Find the marks of numbers in some columns, with notices of unusual ones; raise `DataError` for ambiguous ones.

    Decimal and thousands marks are found in the targets; units in the other columns, too.
    """
    dialect, names = table.dialect, (*targets, *others)
    every = concat_columns([table.columns[name] for name in dict.fromkeys(names)]) if names else None
    are_plain = every is None or (dialect.unit in (AUTO, {}) and has_plain_numbers(every, na_values))
    columns = {
        name: Unmarked(cells, np.zeros(len(cells), np.int8))
        if are_plain
        else remove_marks(cells, na_values, dialect.get_unit(name))
        for name, cells in ((name, table.columns[name]) for name in names)
    }
    dialect, notices = _find_decimal_marks(table, targets, columns, na_values)
    for name, column in columns.items():
        if dialect.unit == AUTO and (examples := _write_examples(column, dialect)):
            detail = {"examples": examples, "unit": column.unit}
            notices.append(Problem("marks-read", table.path, name, detail=detail))
    units = {name: column.unit for name, column in columns.items() if column.unit}
    known = dataclasses.replace(dialect, unit=units) if dialect.unit == AUTO else dialect
    return dataclasses.replace(table, dialect=known, notices=(*table.notices, *notices))


def _write_examples(column: Unmarked, dialect: Dialect) -> list[str]:
    """Write how the first cell of each kind of mark is read."""
    cells = [cell for cell, _ in column.examples]
    numbers = pd.Series([number for _, number in column.examples], dtype=column.cells.dtype)
    values = to_numbers(numbers, dialect.decimal, dialect.thousands)
    read = zip(cells, values, strict=True)
    return [f"{cell!r} is read as {value:.12g}" for cell, value in read if np.isfinite(value)]


def _find_decimal_marks(
    table: Table, targets: Sequence[str], unmarked: Mapping[str, Unmarked], na_values: NaValues
) -> tuple[Dialect, list[Problem]]:
    """Find the decimal and thousands marks in some columns, with notices of unusual ones; raises as `add_marks`."""
    dialect, notices = table.dialect, list[Problem]()
    if not targets:
        return dataclasses.replace(dialect, decimal=USUAL.decimal, thousands=USUAL.thousands), notices
    cells = concat_columns([table.columns[target] for target in targets])
    bare = concat_columns([unmarked[target].cells for target in targets])
    are_amounts = any(is_currency(unmarked[target].unit) for target in targets)
    is_usual = is_point_usual(table, (unmarked[target].cells for target in targets)) and not are_amounts
    try:
        decimal, thousands = find_marks(bare, dialect.decimal, dialect.thousands, is_usual, na_values)
    except Unsure as unsure:
        where = table.places.locate(table.lines[unsure.row % len(table)])
        detail = {"cell": cells.iloc[unsure.row], "ways": [_write_yaml(*reading) for reading in unsure.readings]}
        repairs = tuple({"data.decimal": point, "data.thousands": mark} for point, mark, _ in unsure.readings)
        column = targets[unsure.row // len(table)]
        raise DataError(Problem("ambiguous-numbers", where, column, detail=detail, repairs=repairs)) from None
    if decimal not in {dialect.decimal, "."}:
        notices.append(Problem("decimal-comma", table.path, targets[0]))
    if thousands not in {dialect.thousands, NONE}:
        notices.append(Problem("thousands-mark", table.path, targets[0], detail={"mark": thousands}))
    return dataclasses.replace(dialect, decimal=decimal, thousands=thousands), notices


def is_point_usual(table: Table, targets: Iterable[pd.Series]) -> bool:
    """Whether `1.234` in the cells of some columns has a decimal point beyond doubt.

    Decimals have commas where cells are separated by semicolons, and where dates are written as 31.01.2026, unless
    commas separate the cells.
    """
    delimiter, columns = table.dialect.delimiter, table.columns.values()
    if delimiter != ",":
        is_dotted = (re.match(_DOTTED_DATE, cells.iloc[0]) for cells in columns if len(cells))
        if delimiter == ";" or any(is_dotted):
            return False
    return not any(map(may_group_thousands, targets))


def _write_yaml(decimal: str, thousands: str, value: float) -> str:
    """Write marks as YAML, with the number that they make of an example."""
    mark = thousands if thousands == NONE else f'"{thousands}"'
    read = "no number" if np.isnan(value) else f"{value:.12g}"
    return f'data: {{decimal: "{decimal}", thousands: {mark}}} ({read})'


def concat_columns(columns: Sequence[pd.Series]) -> pd.Series:
    """Put columns one after the other: (columns x rows,)."""
    return columns[0] if len(columns) == 1 else pd.concat(columns, ignore_index=True)
