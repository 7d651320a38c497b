"""Tables whose header holds dates: months next to a year, or dates next to names; turned into a row for each date."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.data.assembly.column_roles import are_numbers
from forecaster.data.options import AUTO, COLUMNS, Reading
from forecaster.data.sources.text_table import Table
from forecaster.errors import DataError
from forecaster.formats.number_formats import is_missing
from forecaster.formats.timestamp_formats import STEPS, are_dates, parse_timestamps
from forecaster.problems import Problem
from forecaster.wording import KEPT

DATE, VALUE = "date", "value"  # the columns of the table that is made
_LEAST = 3  # dates in a header
_YEAR = re.compile(r"(?:1[6-9]|2[01])\d\d")
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11,
    "dec": 12, "mai": 5, "okt": 10, "dez": 12, "j\u00e4n": 1, "m\u00e4r": 3, "mrz": 3,
}  # fmt: skip
_LONG = re.compile(
    r"(?i)(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|mai|okt|dez|j\u00e4n|m\u00e4r|mrz)"
    r"(?:uary|ruary|ch|il|e|y|ust|tember|ober|ember|uar|z|zember)?\.?"
)
_QUARTERS = {f"Q{quarter}": 3 * quarter - 2 for quarter in range(1, 5)}
_NUMBERED = [{str(month): month for month in range(1, 13)}, {f"{month:02}": month for month in range(1, 13)}]


def find_months_across(names: Sequence[str]) -> dict[str, int]:
    """Find the columns of months or quarters, by the number of the first month; none where there are few."""
    for numbered in (_QUARTERS, *_NUMBERED):
        if set(numbered) <= set(names):
            return dict(numbered)
    found = {name: _MONTHS[name[:3].lower()] for name in names if _LONG.fullmatch(name)}
    numbers = list(found.values())
    return found if len(found) >= _LEAST and numbers == sorted(set(numbers)) else {}


def find_dates_across(names: Sequence[str]) -> dict[str, str]:
    """Find the columns whose names are dates, with each as text; none where there are few, or others hold digits."""
    dated = [name for name in names if any(map(str.isdigit, name))]
    if len(dated) < _LEAST:
        return {}
    if all(map(_YEAR.fullmatch, dated)):
        return {name: f"{name}-01-01" for name in dated}
    read = parse_timestamps(pd.Series(dated, dtype=str))
    return {} if read.way == STEPS or read.wrong.any() else dict(zip(dated, dated, strict=True))


def report_dates_across(table: Table, reading: Reading) -> None:
    """Raise `DataError` where a header holds dates that a layout loses."""
    is_open = isinstance(reading.target, str) and reading.target in {AUTO, "*"}
    if reading.time != AUTO or reading.columns or not is_open:
        return
    names = list(table.columns)
    months = find_months_across(names)
    across: Mapping[str, object] = months if months and _find_years(table, names) else {}
    if not across and reading.layout == COLUMNS and (across := find_dates_across(names)):
        others = [cells.iloc[:KEPT] for name, cells in table.columns.items() if name not in across]
        if any(map(are_dates, others)) or not any(not are_numbers(cells) for cells in others):
            return
    if across:
        detail = {"names": list(across)[:KEPT]}
        raise DataError(Problem("dates-in-header", table.path, detail=detail, repairs=({"data.layout": "dates"},)))


def _find_years(table: Table, names: Sequence[str]) -> str | None:
    """Find the first column of years."""
    given = ((name, cells[~is_missing(cells)]) for name, cells in ((name, table.columns[name]) for name in names))
    return next((name for name, cells in given if len(cells) and cells.str.fullmatch(_YEAR).all()), None)


def turn_dates(table: Table, reading: Reading) -> tuple[Table, Reading]:
    """Turn a table with dates across into one with a row for each date; raise `DataError` where it has none.

    Args:
        reading: of the layout `dates`; its `time` may name the column of years, its `series` those of names.
    """
    names = list(table.columns)
    years = next(iter(reading.times), None) if reading.time != AUTO else _find_years(table, names)
    table.require([*reading.ids, *([years] if years else [])])
    months = find_months_across(names) if years else {}
    dates = {} if months else find_dates_across([name for name in names if name not in reading.ids])
    if not (months or dates):
        raise DataError(Problem("no-dates-in-header", table.path, detail={"columns": names}))
    across, ids = list(months or dates), reading.ids
    if dates and not ids:
        texts = (name for name in names if name not in dates and not are_numbers(table.columns[name]))
        ids = tuple(name for name in [next(texts, None)] if name)
    repeated = np.repeat(np.arange(len(table)), len(across))
    stamps = np.tile(list(dates.values()), len(table))
    if months:
        begun = table.columns[str(years)].iloc[repeated]
        pairs = zip(begun, itertools.cycle(months.values()), strict=False)
        stamps = np.array([f"{year}-{month:02}" for year, month in pairs])
    values = np.column_stack([table.columns[name].to_numpy(object) for name in across]).ravel()
    kind = table.columns[across[0]].dtype
    columns = {name: table.columns[name].iloc[repeated].reset_index(drop=True) for name in ids}
    columns |= {DATE: pd.Series(stamps, dtype=kind), VALUE: pd.Series(values, dtype=kind)}
    kept = _find_inside(~is_missing(columns[VALUE], reading.na_values), [columns[name] for name in ids])
    turned = {name: cells[kept].reset_index(drop=True) for name, cells in columns.items()}
    lines = table.lines[repeated][kept]
    table = replace(table, columns=turned, lines=lines, texts=(), header="")
    return table, replace(reading, layout=COLUMNS, time=DATE, target=VALUE, series=ids or None)


def _find_inside(given: np.ndarray, ids: Sequence[pd.Series]) -> np.ndarray:
    """Find the cells from the first to the last that is given of each series, (cells,) bool."""
    codes = pd.MultiIndex.from_arrays(ids).factorize()[0] if ids else np.zeros(len(given), int)
    cells = pd.Series(given.astype(int)).groupby(codes)
    return np.asarray((cells.cummax() > 0) & (cells.transform(lambda part: part[::-1].cummax()[::-1]) > 0))
