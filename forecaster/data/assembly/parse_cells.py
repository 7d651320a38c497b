"""The cells of a target as numbers: by which marks, and what the others are."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecaster.data.dialect import USUAL, Dialect
from forecaster.data.series import Column
from forecaster.data.sources.number_formats import NONE, Unsure, find_marks, is_missing, to_numbers
from forecaster.data.sources.text_table import Table
from forecaster.errors import DataError
from forecaster.problems import Problem
from forecaster.wording import KEPT


def covariates_of(
    table: Table, names: Sequence[str], categorical: Sequence[str], na_values: Sequence[int | float | str]
) -> tuple[dict[str, Column], list[Problem], list[Problem]]:
    """Read the covariates of a table's rows, with problems, and notices of those that are categories.

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
    problems: list[Problem] = []
    notices: list[Problem] = []
    for name in dict.fromkeys(names):
        cells = table.columns[name]
        numbers, kinds = numbers_of(cells, table.dialect, na_values)
        wrong = np.flatnonzero(kinds == TEXT)
        numeric = int(np.sum((kinds == GIVEN) | (kinds == INFINITE)))
        if name in categorical or len(wrong) >= max(numeric, 1):
            columns[name] = categories_of(*pd.factorize(cells), na_values)
            if name not in categorical:
                notices.append(category_notice(table.path, name, columns[name]))
        elif len(wrong):
            code, repairs = "not-a-number-in-covariate", ({"data.covariates.categorical": [name]},)
            text = cells.iloc.__getitem__
            problems.append(table.places.problem(code, name, table.lines, text, wrong, repairs=repairs))
        else:
            columns[name] = Column(np.where(kinds == GIVEN, numbers, np.nan))
    return columns, problems, notices


def categories_of(codes: np.ndarray, texts: pd.Index, na_values: Sequence[int | float | str]) -> Column:
    """A categorical column, of the numbers of its cells' texts, (rows,), and the texts in their order."""
    given = ~is_missing(pd.Series(texts), na_values)
    numbers = np.where(given, np.cumsum(given) - 1, -1).astype(np.int32)
    return Column(numbers[codes], tuple(map(str, texts[given])))


def category_notice(path: str, name: str, column: Column) -> Problem:
    """Give a notice of a column that is taken for categories."""
    levels = column.levels or ()
    detail = {"count": len(levels), "levels": list(levels[:KEPT])}
    return Problem("categories-found", path, name, detail=detail)


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
        where = table.places.where(table.lines[unsure.row % len(table)])
        target = targets[unsure.row // len(table)]
        detail = {"cell": cells.iloc[unsure.row], "ways": [_way(*reading) for reading in unsure.readings]}
        repairs = tuple({"data.decimal": point, "data.thousands": mark} for point, mark, _ in unsure.readings)
        raise DataError(Problem("ambiguous-numbers", where, target, detail=detail, repairs=repairs)) from None
    notices = []
    if decimal not in {dialect.decimal, "."}:
        notices.append(Problem("decimal-comma", table.path, target))
    if thousands not in {dialect.thousands, NONE}:
        notices.append(Problem("thousands-mark", table.path, target, detail={"mark": thousands}))
    known = dataclasses.replace(dialect, decimal=decimal, thousands=thousands)
    return dataclasses.replace(table, dialect=known, notices=(*table.notices, *notices))


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
