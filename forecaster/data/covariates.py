"""The cells of a covariate as numbers or as categories."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecaster.data.numerals import is_missing
from forecaster.data.series import Column
from forecaster.data.table import Table
from forecaster.data.values import GIVEN, INFINITE, TEXT, numbers_of


def covariates_of(
    table: Table, names: Sequence[str], categorical: Sequence[str], na_values: Sequence[int | float | str]
) -> tuple[dict[str, Column], list[str], list[str]]:
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
    problems, notices = [], []
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
