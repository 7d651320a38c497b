"""The cells of a target as numbers: by which marks, and what the others are."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecaster.data.dialect import USUAL, Dialect
from forecaster.data.numerals import NONE, Unsure, find_marks, is_missing, to_numbers
from forecaster.data.table import Table
from forecaster.errors import DataError

# What a cell is.
GIVEN, EMPTY, NAMED, INFINITE, TEXT = range(5)


def with_marks(table: Table, targets: Sequence[str], na_values: Sequence[int | float | str]) -> Table:
    """The table with the decimal and thousands marks of some columns, which are said where they are not usual.

    Where no column is to be numbers the marks are the usual ones.

    Raises:
        DataError: their numbers can be read in several ways.
    """
    if not targets:
        usual = dataclasses.replace(table.dialect, decimal=USUAL.decimal, thousands=USUAL.thousands)
        return dataclasses.replace(table, dialect=usual)
    cells, dialect = cells_of(table, targets), table.dialect
    target = targets[0]
    try:
        decimal, thousands = find_marks(cells, dialect.decimal, dialect.thousands, dialect.delimiter, na_values)
    except Unsure as unsure:
        ways = " | ".join(_way(*reading) for reading in unsure.readings)
        cell, line = cells.iloc[unsure.row], table.lines[unsure.row % len(table)]
        target = targets[unsure.row // len(table)]
        found = f"{table.places.where(line)}: {target}: {cell!r} can be read in several ways"
        raise DataError([f"{found}; say which: {ways}"]) from None
    said = []
    if decimal not in {dialect.decimal, "."}:
        said.append(f"{table.path}: {target}: decimals have a comma (data.decimal)")
    if thousands not in {dialect.thousands, NONE}:
        said.append(f"{table.path}: {target}: thousands have a mark, {thousands!r} (data.thousands)")
    known = dataclasses.replace(dialect, decimal=decimal, thousands=thousands)
    return dataclasses.replace(table, dialect=known, notices=(*table.notices, *said))


def cells_of(table: Table, targets: Sequence[str]) -> pd.Series:
    """The cells of some columns, one column after the other."""
    if len(targets) == 1:
        return table.columns[targets[0]]
    return pd.concat([table.columns[target] for target in targets], ignore_index=True)


def _way(decimal: str, thousands: str, value: float) -> str:
    """What to write to read an example so, and what it would be."""
    mark = thousands if thousands == NONE else f'"{thousands}"'
    read = "no number" if np.isnan(value) else f"{value:.12g}"
    return f'data: {{decimal: "{decimal}", thousands: {mark}}} ({read})'


def numbers_of(
    cells: pd.Series, dialect: Dialect, na_values: Sequence[int | float | str]
) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) cells as float64, NaN where one is no number or stands for none, infinite ones kept; and what each is."""
    numbers = to_numbers(cells, dialect.decimal, dialect.thousands)
    kinds = np.where(np.isnan(numbers), TEXT, GIVEN).astype(np.int8)
    kinds[np.isinf(numbers)] = INFINITE
    if na_values:
        sentinels = [value for value in na_values if not isinstance(value, str)]
        kinds[is_missing(cells, na_values) | np.isin(numbers, sentinels)] = NAMED
    kinds[is_missing(cells)] = EMPTY
    return np.where(kinds == NAMED, np.nan, numbers), kinds
