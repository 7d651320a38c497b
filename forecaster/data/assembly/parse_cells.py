"""The cells of a target as numbers: by which marks, and what the others are."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecaster.data.dialect import USUAL, Dialect
from forecaster.data.series import Column
from forecaster.data.sources.issues import WrongCells
from forecaster.data.sources.number_formats import NONE, Unsure, find_marks, is_missing, to_numbers
from forecaster.data.sources.text_table import Table
from forecaster.errors import DataError


def covariates_of(
    table: Table, names: Sequence[str], categorical: Sequence[str], na_values: Sequence[int | float | str]
) -> tuple[dict[str, Column], list[WrongCells], list[str]]:
    """The covariates of a table's rows, with problems, and sentences on those that are categories.

    A column of which every given cell is a number is numeric, one of which at most half are is categorical; its
    levels are in the order in which they first stand there. Text among numbers is a problem. Numbers are written as
    those of the target are.

    Args:
        table: with the marks of its numbers.
        names: of the columns.
        categorical: those that are categories whatever they look like.
        na_values: what stands for a missing cell.
    """
    columns: dict[str, Column] = {}
    problems: list[WrongCells] = []
    notices: list[str] = []
    for name in dict.fromkeys(names):
        cells = table.columns[name]
        numbers, kinds = numbers_of(cells, table.dialect, na_values)
        wrong = np.flatnonzero(kinds == TEXT)
        numeric = int(np.sum((kinds == GIVEN) | (kinds == INFINITE)))
        if name in categorical or len(wrong) >= max(numeric, 1):
            columns[name] = categories_of(*pd.factorize(cells), na_values)
            if name not in categorical:
                notices.append(said(table.path, name, columns[name]))
        elif len(wrong):
            mend = f"correct the cells, or empty them; or data.covariates.categorical: [{name}]"
            problems.append(table.places.cells(name, table.lines, cells.iloc.__getitem__, wrong, "not a number", mend))
        else:
            columns[name] = Column(np.where(kinds == GIVEN, numbers, np.nan))
    return columns, problems, notices


def categories_of(codes: np.ndarray, texts: pd.Index, na_values: Sequence[int | float | str]) -> Column:
    """A categorical column, of the numbers of its cells' texts, (rows,), and the texts in their order."""
    given = ~is_missing(pd.Series(texts), na_values)
    numbers = np.where(given, np.cumsum(given) - 1, -1).astype(np.int32)
    return Column(numbers[codes], tuple(map(str, texts[given])))


def said(path: str, name: str, column: Column) -> str:
    """That a column is taken for categories."""
    levels = column.levels or ()
    shown = ", ".join(levels[:5]) + (", ..." if len(levels) > 5 else "")
    count = "1 category" if len(levels) == 1 else f"{len(levels)} categories"
    return f"{path}: {name}: text, taken for {count}: {shown}"


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
