"""The header of a CSV: whether its first row names the columns, and what they are called."""

from collections.abc import Sequence

import pandas as pd

from forecaster.data.sources.number_formats import TEXT, looks_numeric
from forecaster.data.sources.timestamp_formats import are_dates, parse_timestamps
from forecaster.errors import DataError
from forecaster.problems import Problem

_INDEX = "index"  # what an index is called that was written without a name
_HEAD = 20  # rows by which it is found to hold dates


def check_header(names: Sequence[str], where: str) -> None:
    """Raise `DataError` where the cells of a header are no names: all are numbers or dates.

    Those that count up, 0, 1, 2 or 2024, 2025, are names, and so are those next to an index without a name.
    """
    given = [name for name in names if name]
    if not names[0] or not all(map(_is_datum, given)):
        return
    if all(map(str.isdecimal, given)):
        numbers = list(map(int, given))
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))) and (len(numbers) > 1 or numbers[0] <= 1):
            return
    repairs = ({"data.header": False}, {"data.header": True})
    raise DataError(Problem("header-is-data", where, detail={"names": list(map(repr, names))}, repairs=repairs))


def name_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Name the columns; an index of dates, which pandas writes without a name, is `index`."""
    first, *others = names
    head = pd.Series([row[0].strip() for row in rows[:_HEAD]], dtype=TEXT)
    return [_INDEX if not first and _INDEX not in others and are_dates(head) else first, *others]


def _is_datum(name: str) -> bool:
    cell = pd.Series([name], dtype=TEXT)
    return any(map(str.isdigit, name)) and bool(looks_numeric(cell).all() or not parse_timestamps(cell).wrong.any())
