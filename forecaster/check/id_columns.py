"""Columns that separate rows of one timestamp: ids of several series, or a part of the time."""

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.assembly.column_roles import MEASURES, NO_MEASURE
from forecaster.data.sources.text_table import Table
from forecaster.formats.number_formats import looks_numeric

_REPEATED = 0.1  # share of rows with the timestamp of an earlier row; fewer are separated by any column
_LEFT = 0.05  # share of these that ids may leave, whose series have duplicates
_MOST = 3  # columns of ids
_LEAST = 3  # rows of a series, on average
_SPARSE = 0.1  # share of times and series that have a row, at least
_DENSE = 0.5  # share of times and ids that have a row, where whole numbers are ids
_WHOLE = r"-?\d+"
_CLOCK = re.compile(r"hours?|hrs?|h|minutes?|mins?|(?:hour|time)_?of_?day|stunde|heure|hora", re.IGNORECASE)


class Apart(NamedTuple):
    """Columns that separate rows, none where none do, and whether they are a part of the time, not ids."""

    columns: tuple[str, ...]
    is_clock: bool = False


def find_separating_columns(table: Table, known: Sequence[str], target: object) -> Apart | None:
    """Find the fewest columns that separate almost all rows that agree in those known; None where few rows agree.

    Columns of words come first, then hours and minutes by their names, then other whole numbers, which are ids by
    their names, or where most ids have a row at most times. Where series would have a few rows each, rows are events.

    Args:
        known: the columns of time, and of ids as far as they are known.
        target: the column of the target, which is none of them.
    """
    codes = np.zeros(len(table), np.int64)
    for name in known:
        codes = _combine(codes, table.columns[name])
    if not known or _count_repeats(codes) < _REPEATED * len(table):
        return None
    columns = {name: cells for name, cells in table.columns.items() if name not in {*known, target}}
    few = {name: cells for name, cells in columns.items() if 1 < cells.nunique() <= len(table) / 3}
    words = {name: cells for name, cells in few.items() if looks_numeric(cells).mean() < 0.5}
    whole = {name: cells for name, cells in few.items() if name not in words and cells.str.fullmatch(_WHOLE).all()}
    clocks = {name: cells for name, cells in whole.items() if _CLOCK.fullmatch(name)}
    others = {name: cells for name, cells in whole.items() if name not in clocks}
    numbers = {name: cells for name, cells in others.items() if _is_id(name, cells, codes)}
    for tried, is_clock in ((words, False), (clocks, True), (words | numbers, False)):
        found = _choose_fewest(codes, tried)
        series = functools.reduce(_combine, (columns[name] for name in found), np.zeros(len(table), np.int64))
        if found and (is_clock or _are_series(series, codes)):
            return Apart(found, is_clock)
    return Apart(())


def are_events(table: Table, known: Sequence[str]) -> bool:
    """Whether rows are events, such as sales: many share their timestamp, and how many differs from one to the next."""
    codes = functools.reduce(_combine, (table.columns[name] for name in known), np.zeros(len(table), np.int64))
    return _count_repeats(codes) >= _REPEATED * len(table) and len(np.unique(np.bincount(codes))) > 1


def _are_series(series: np.ndarray, times: np.ndarray) -> bool:
    """Whether series, (rows,) by number, have enough rows: a few each, and at some of the times."""
    count = _count_distinct(series)
    return len(series) >= count * max(_LEAST, _SPARSE * _count_distinct(times))


def _is_id(name: str, cells: pd.Series, times: np.ndarray) -> bool:
    """Whether whole numbers are ids, by the name of their column or since most of them are there at most times."""
    if any(pattern.search(name) for pattern in MEASURES):
        return False
    return bool(NO_MEASURE.search(name)) or len(cells) >= _DENSE * _count_distinct(times) * cells.nunique()


def _choose_fewest(codes: np.ndarray, columns: dict[str, pd.Series]) -> tuple[str, ...]:
    """Up to three columns, each the one that leaves the fewest repeats, in the order of the file."""
    enough, chosen = _LEFT * _count_repeats(codes), list[str]()
    while len(chosen) < min(_MOST, len(columns)):
        tried = {name: _combine(codes, cells) for name, cells in columns.items() if name not in chosen}
        chosen.append(min(tried, key=lambda name: _count_repeats(tried[name])))
        codes = tried[chosen[-1]]
        if _count_repeats(codes) <= enough:
            return tuple(name for name in columns if name in chosen)
    return ()


def _combine(codes: np.ndarray, cells: pd.Series) -> np.ndarray:
    """Assign a number from 0 to each combination of a number and a cell that occurs, (rows,)."""
    numbers, values = pd.factorize(cells, use_na_sentinel=False)
    return np.asarray(pd.factorize(codes * len(values) + numbers)[0])


def _count_repeats(codes: np.ndarray) -> int:
    """How many rows repeat one before them."""
    return len(codes) - _count_distinct(codes)


def _count_distinct(codes: np.ndarray) -> int:
    return int(codes.max(initial=-1)) + 1
