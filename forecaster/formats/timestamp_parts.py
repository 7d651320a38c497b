"""Timestamps whose parts are in several columns: a date and a clock, or year, month, day, hour."""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.formats.plausible_dates import name_units

CLOCK = "clock"
# How numbers count the parts of a day: the first one, and how many a day has.
COUNTS = {
    "hours_1_24": (1, 24),
    "periods_1_48": (1, 48),
    "periods_0_47": (0, 48),
    "periods_1_96": (1, 96),
    "periods_0_95": (0, 96),
}
_COVERED = 0.8  # share of the parts of a day that occur, at least, where numbers count them
_PROVEN = {24: 24, 48: 26, 96: 51}  # the least highest number, which a count of fewer parts does not have
_STRAY = 2  # numbers outside a count, at most, such as the 25th hour of a day when clocks change
_NUMBER = r"([0-9]{1,4})(?:\.0*)?"
_MIDNIGHT = r"[T ](?:0{1,2}:00(?::00)?(?:\.0+)?|12:00(?::00)? ?[Aa][Mm])$"


class JoinedTimes(NamedTuple):
    """The text of each timestamp, (rows,), and how the numbers of its clock are counted, one of `COUNTS` or `clock`."""

    texts: pd.Series
    counting: str = CLOCK


def join_columns(columns: Sequence[pd.Series], names: Sequence[str] = (), count: str | None = None) -> JoinedTimes:
    """Join the cells of several columns to one timestamp each.

    Whole numbers are year, month, day, hour, minute, second in this order, or hour, minute, second behind a date; or
    a number counts the hours or periods of a day, the first of which begins at midnight. Other cells are joined by a
    blank.

    Args:
        names: of the columns, by which a week or a quarter is no month.
        count: how the numbers of the clock are counted; None where the cells decide.
    """
    first, *others = columns
    if not others:
        return JoinedTimes(first)
    if not _all_are(r"[0-9]{4}", first):
        return _add_clock(_drop_midnight(first), others, count)
    units = name_units(names[1]) if len(names) > 1 else []
    if len(others) == 1 and not _all_are(r"[0-9]{1,2}", others[0]):
        return JoinedTimes(first + " " + others[0])
    if len(others) == 1 and {"YYYYWW", "YYYYQ"} & set(units):
        return JoinedTimes(first + ("-W" + others[0].str.zfill(2) if "YYYYWW" in units else "Q" + others[0]))
    if not _all_are(r"[0-9]{1,2}", others[0]):
        return JoinedTimes(functools.reduce(lambda text, more: text + " " + more, columns))
    parts = [*columns[:3], *itertools.repeat(pd.Series("1", first.index, first.dtype), 3 - len(columns))]
    date = parts[0] + "-" + parts[1].str.zfill(2) + "-" + parts[2].str.zfill(2)
    return _add_clock(date, columns[3:], count)


def _add_clock(dates: pd.Series, parts: Sequence[pd.Series], count: str | None) -> JoinedTimes:
    """Add hours, or hours, minutes and seconds, or times of day, to dates."""
    if not parts:
        return JoinedTimes(dates)
    numbers = [part.str.extract(rf"^{_NUMBER}$", expand=False) for part in parts]
    if any(2 * int(each.isna().sum()) > len(each) for each in numbers):
        return JoinedTimes(functools.reduce(lambda text, more: text + " " + more, [dates, *parts]))
    if len(parts) == 1:
        count = count or find_count(numbers[0])
        return JoinedTimes(dates + " " + _write_clock(parts[0], pd.to_numeric(numbers[0]), count), count)
    padded = [each.fillna(part).str.zfill(2) for each, part in zip(numbers, parts, strict=True)]
    return JoinedTimes(dates + " " + functools.reduce(lambda text, more: text + ":" + more, padded))


def find_count(numbers: pd.Series) -> str:
    """Find how the numbers of a clock, (rows,) texts, are counted: as a clock shows them unless others are proven."""
    values = np.unique(pd.to_numeric(numbers.dropna()).to_numpy(np.int64))
    for name, (first, parts) in COUNTS.items():
        inside = values[(values >= first) & (values < first + parts)]
        covered = len(inside) >= _COVERED * parts and inside[-1] >= _PROVEN[parts]
        if covered and values[0] >= first and len(values) - len(inside) <= _STRAY:
            return name
    return CLOCK


def _write_clock(cells: pd.Series, numbers: pd.Series, count: str) -> pd.Series:
    """Write numbers as the times of day when what they count begins; other cells stay as they are."""
    if count in COUNTS:
        first, parts = COUNTS[count]
        known = (numbers >= first) & (numbers < first + parts)
        minutes = (numbers - first) * (24 * 60 // parts)
    else:  # 9 is 9:00, and 930 is 9:30
        whole = numbers.max() > 99
        known = (numbers % 100 < 60) & (numbers <= 2400) if whole else numbers <= 24
        minutes = numbers // 100 * 60 + numbers % 100 if whole else numbers * 60
    minutes = minutes.where(known, 0).astype(int)
    texts = (minutes // 60).astype(str).str.zfill(2) + ":" + (minutes % 60).astype(str).str.zfill(2)
    return cells.where(~known, texts.astype(cells.dtype))


def _drop_midnight(dates: pd.Series) -> pd.Series:
    """Drop the midnight that exports write behind dates, where all dates have it."""
    return dates.str.replace(_MIDNIGHT, "", regex=True) if dates.str.contains(_MIDNIGHT).all() else dates


def _all_are(pattern: str, cells: pd.Series) -> bool:
    """Whether all cells match; where the first does not, the others are not looked at."""
    return bool(cells.iloc[:1].str.fullmatch(pattern).all() and cells.str.fullmatch(pattern).all())
