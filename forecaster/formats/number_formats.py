"""Cells of text as numbers: decimal points and decimal commas, and the marks of thousands."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

AUTO = "auto"
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "nat", "-nan"})
NONE = "none"
TEXT = pd.StringDtype("python", na_value=np.nan)  # of cells; the same whether or not pyarrow is there
NaValues = Sequence[int | float | str]
SPACES, APOSTROPHES = " \u00a0\u2009\u202f", "'\u2019"
_CHARACTERS = {",": ",", ".": ".", " ": SPACES, "'": APOSTROPHES}
# In the order in which they are preferred where they read the same numbers.
_WAYS = [(decimal, mark) for mark in (NONE, ",", ".", " ", "'") for decimal in ".," if decimal != mark]
INFINITE = r"(?i:[+-]?inf(?:inity)?)"


class Unsure(ValueError):
    """Cells that can be read as different numbers: the ways, and how each reads an example."""

    def __init__(self, row: int, readings: Sequence[tuple[str, str, float]]) -> None:
        self.row, self.readings = row, readings
        super().__init__(row)


def is_missing(cells: pd.Series, na_values: NaValues = ()) -> np.ndarray:
    """Whether each cell is empty, or one of the texts of `na_values`, in whatever case: (rows,)."""
    texts = {value.strip().lower() for value in na_values if isinstance(value, str)}
    return cells.str.lower().isin(MISSING | texts).to_numpy(bool)


def looks_numeric(cells: pd.Series) -> pd.Series:
    """Whether each cell is a number in some way to write it."""
    plain = pd.to_numeric(cells, errors="coerce").notna()
    if plain.all():
        return plain
    ways = "|".join(_build_pattern(decimal, thousands, "[1-9]") for decimal, thousands in _WAYS)
    return plain | cells.str.fullmatch(f"(?:{ways})")


def find_marks(
    cells: pd.Series, decimal: str, thousands: str, is_point_usual: bool = True, na_values: NaValues = ()
) -> tuple[str, str]:
    """Find the decimal and thousands marks by which most cells are numbers; a point and none where no cell shows them.

    Where a point is not usual, as between semicolons, `1.234` is no proof of a decimal point. `decimal` and
    `thousands` are what is known, else `auto`.

    Raises:
        Unsure: ways that differ read as many.
    """
    ways = [way for way in _WAYS if decimal in {AUTO, way[0]} and thousands in {AUTO, way[1]}]
    if len(ways) == 1:
        return ways[0]
    plain = (".", NONE)
    usual = plain in ways and is_point_usual
    if usual and pd.to_numeric(cells, errors="coerce").notna().all():
        return plain
    texts = cells[~is_missing(cells, na_values)]
    texts = texts[texts.str.contains(rf"[.,{SPACES}{APOSTROPHES}]")]
    written = "".join(texts.tolist())
    used = {mark for mark, kinds in _CHARACTERS.items() if any(kind in written for kind in kinds)}
    # Ways whose thousands mark is in no cell read the same without it.
    ways = [way for way in ways if way[1] in {NONE, *used} or (way[0], NONE) not in ways]
    read = {way: texts.str.fullmatch(_build_pattern(*way, "[1-9]")).to_numpy(bool) for way in ways}
    most = max(int(found.sum()) for found in read.values())
    best = [way for way in ways if most and read[way].sum() == most] or ways[:1]
    if len(best) == 1 or (usual and plain in best):
        return best[0]
    _require_same_numbers(texts, {way: _parse(texts, *way).where(read[way]).to_numpy(float) for way in best})
    return best[0]


def _require_same_numbers(texts: pd.Series, numbers: dict[tuple[str, str], np.ndarray]) -> None:
    """Raise `Unsure` where the numbers of the ways, each (rows,), differ."""
    first = next(iter(numbers.values()))
    differ = [~((values == first) | (np.isnan(values) & np.isnan(first))) for values in numbers.values()]
    if not np.any(differ):
        return
    row = int(np.flatnonzero(np.any(differ, axis=0))[0])
    readings: dict[float, tuple[str, str, float]] = {}
    for way, values in numbers.items():
        value = float(values[row])
        readings.setdefault(-np.inf if np.isnan(value) else value, (*way, value))
    raise Unsure(int(texts.index[row]), list(readings.values()))


def to_numbers(cells: pd.Series, decimal: str, thousands: str) -> np.ndarray:
    """Convert cells to float64, NaN where one is no number: (rows,)."""
    if (decimal, thousands) == (".", NONE):
        return _convert_exactly(cells)
    numeric = cells.str.fullmatch(f"{_build_pattern(decimal, thousands, '[0-9]')}|{INFINITE}")
    return _parse(cells, decimal, thousands).where(numeric).to_numpy(float)


def _parse(cells: pd.Series, decimal: str, thousands: str) -> pd.Series:
    if thousands != NONE:
        cells = cells.str.replace(f"[{_CHARACTERS[thousands]}]", "", regex=True)
    return pd.Series(_convert_exactly(cells.str.replace(decimal, ".", regex=False)), cells.index)


def _convert_exactly(cells: pd.Series) -> np.ndarray:
    """Convert numbers with points to the nearest floats, which pandas misses by a last digit at times."""
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(float, copy=True)
    given = ~np.isnan(numbers)
    numbers[given] = cells.to_numpy(object)[given].astype(float)
    return numbers


def _build_pattern(decimal: str, thousands: str, first: str) -> str:
    """Build a regular expression of such numbers; `first` is the first digit of those with groups."""
    point = re.escape(decimal)
    groups = "" if thousands == NONE else rf"|{first}[0-9]{{0,2}}(?:[{_CHARACTERS[thousands]}][0-9]{{3}})+"
    return rf"[+-]?(?:(?:[0-9]+{groups})(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"
