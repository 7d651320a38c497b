"""The columns of time, found by their cells and names where they are not stated: one, a date and a clock, or parts."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.sources.text_table import Table
from forecaster.formats.number_formats import MISSING, looks_numeric
from forecaster.formats.plausible_dates import (
    are_ordered,
    find_plausible_formats,
    find_regular_dates,
    is_counter_name,
    is_date_name,
    split_name,
)
from forecaster.formats.timestamp_formats import STEPS, are_dates, parse_time_columns, parse_timestamps

HEAD = 100  # rows that are looked at, at most
_READ = 0.9  # share of the rows that joined columns are timestamps in, at least
_FEWEST = 5  # rows that count down, at least
_NUMBER = r"[0-9]{1,19}(?:\.[0-9]*)?"
_SMALLEST = 1000  # the first year of four digits
_WHOLE = r"[+-]?[0-9]{1,18}(?:\.0*)?"
_HALF_DAY = r"(?: ?[AaPp]\.?[Mm]\.?)?"
_CLOCK = rf"(?:[01]?[0-9]|2[0-4])[:h][0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?{_HALF_DAY}|[01]?[0-9]{_HALF_DAY[:-1]}"
_CLOCKS = rf"(?:{_CLOCK})(?:\s*[-–]\s*(?:{_CLOCK}))?"
_POINTS = r"(?:[01]?[0-9]|2[0-4])\.[0-5][0-9](?:\.[0-5][0-9])?"  # which numbers and dates may be as well
_PARTS = {
    "year": r"years?|yr|yyyy|jahr|ann[eé]e?|a[nñ]o|anno|ano|jaar",
    "month": r"months?|mon|mnth|mm|monat|mois|mes|m[eê]s|mese|maand",
    "week": r"weeks?|wk|kw|woche|semaine|semana|settimana",
    "quarter": r"quarters?|qtr|quartal|trimest\w*",
    "day": r"days?|dd|dom|tag|jour|d[ií]a|giorno|dag",
    "hour": r"hours?|hrs?|hh?|he|hourending|uhrzeit|stunde|heure|hora|ora|uur|time|clock|zeit|hhmm",
    "period": r"periods?|sp|settlementperiod|interval|slot|halfhour|quarterhour",
    "minute": r"minutes?|mins?|mi",
    "second": r"seconds?|secs?|ss",
}
_SETS = (
    ("year", "month", "day", "hour", "minute", "second"),
    ("year", "month", "day", "hour", "minute"),
    ("year", "month", "day", "hour"),
    ("year", "month", "day"),
    ("year", "month"),
    ("year", "quarter"),
    ("year", "week"),
)


class _Candidate(NamedTuple):
    """A column of dates, the first rank the best, and the cells that it begins with."""

    rank: int
    name: str
    head: pd.Series


def find_times(table: Table, others: Collection[str] = (), way: str | None = None) -> tuple[str, ...]:
    """Find the columns of time, none where no column can be one; all of them are weighed.

    Dates in words or with marks come before digits, columns that are called date or time before others, and digits
    without such a name are dates where they are one step apart. A date that repeats is joined with a clock, or with
    other parts.

    Args:
        others: columns that have another role.
        way: how timestamps are written, where it is known.
    """
    heads = {name: _take_head(cells) for name, cells in table.columns.items() if name not in others}
    ranks = ((name, head, _rank(name, head, way)) for name, head in heads.items())
    ranked = (_Candidate(rank, name, head) for name, head, rank in ranks if rank is not None)
    found = sorted(ranked, key=lambda each: each.rank)
    if found and found[0].rank < _DIGITS:
        date = next((each for each in found if each.rank == found[0].rank and each.head.nunique() > 1), found[0])
        return _add_clock(date.name, heads)
    if parts := _find_parts(heads):
        return parts
    if found:
        return _add_clock(found[0].name, heads)
    return _find_countdown(heads)


def find_rivals(table: Table, time: str, others: Collection[str]) -> list[str]:
    """Find which of some columns hold written dates as well as the one that was found, by their cells and names."""
    rank = _rank(time, _take_head(table.columns[time]), None)
    heads = {name: _take_head(table.columns[name]) for name in others}
    return [
        name
        for name, head in heads.items()
        if rank in {_WRITTEN_AND_NAMED, _WRITTEN} and head.nunique() > 1 and _rank(name, head, None) == rank
    ]


def find_clock(table: Table, times: Sequence[str], others: Collection[str] = ()) -> tuple[str, ...]:
    """Find the columns that give the timestamps of a date that is stated; itself where there are none."""
    heads = {name: _take_head(cells) for name, cells in table.columns.items() if name in times or name not in others}
    return _add_clock(times[0], heads) if len(times) == 1 and times[0] in heads else tuple(times)


_WRITTEN_AND_NAMED, _WRITTEN, _DIGITS, _UNNAMED = range(4)  # ranks


def _rank(name: str, head: pd.Series, way: str | None) -> int | None:
    """Rank a column among those of dates; None where it holds none."""
    if not len(head):
        return None
    numeric = looks_numeric(head).mean() > 0.5
    if way is not None:
        wrong = parse_timestamps(head, way).wrong.mean() if not (numeric and way == STEPS) else 1.0
        return None if wrong > 0.5 else (_WRITTEN_AND_NAMED if is_date_name(name) else _WRITTEN)
    if not numeric:
        if head.str.fullmatch(_CLOCKS).mean() > 0.5 or not are_dates(head, name):
            return None
        return _WRITTEN_AND_NAMED if is_date_name(name) else _WRITTEN
    if is_date_name(name):
        return _DIGITS if are_dates(head, name) or _counts_steps(head) else None
    return _UNNAMED if not is_counter_name(name) and _are_regular(head) else None


def _take_head(cells: pd.Series) -> pd.Series:
    head = cells.iloc[:HEAD]
    return head[~head.str.lower().isin(MISSING)]


def _to_whole(head: pd.Series) -> np.ndarray:
    """Convert whole numbers, (rows,) distinct in the order of the file; none where some are not whole."""
    if not head.str.fullmatch(_WHOLE).all():
        return np.zeros(0, np.int64)
    return pd.unique(pd.to_numeric(head).to_numpy(np.float64).astype(np.int64))


def _are_regular(head: pd.Series) -> bool:
    """Whether numbers that no name calls dates are dates one step apart, or of eight digits and more."""
    if not head.str.fullmatch(_NUMBER).all():
        return False
    numbers = pd.unique(pd.to_numeric(head).to_numpy())
    whole = bool((numbers == np.floor(numbers)).all())
    if numbers.min() < _SMALLEST or not (whole or are_ordered(numbers)):
        return False
    numbers = numbers.astype(np.int64 if whole else np.float64)
    plausible = find_plausible_formats(numbers, "")
    if plausible == [STEPS]:
        return False
    if whole and STEPS not in plausible and all(len(str(number)) in {8, 12, 14} for number in numbers.tolist()):
        return True
    counted = whole and bool((np.abs(np.diff(numbers)) == 1).all()) and numbers.min() >= 10**9
    return bool(find_regular_dates(numbers)) and not counted


def _counts_steps(head: pd.Series) -> bool:
    """Whether numbers count the rows: each is one more, or one less, than the one before."""
    numbers = _to_whole(head)
    changes = np.diff(numbers)
    return len(numbers) == len(head) > 1 and bool((changes == 1).all() or (changes == -1).all())


def _find_countdown(heads: Mapping[str, pd.Series]) -> tuple[str, ...]:
    """Find numbers that count down, so that the newest row is the first, next to another column of numbers."""
    numeric = [name for name, head in heads.items() if len(head) and looks_numeric(head).mean() > 0.5]
    for name in numeric:
        numbers = _to_whole(heads[name])
        if len(numeric) > 1 and len(numbers) >= _FEWEST and _counts_steps(heads[name]) and numbers[1] < numbers[0]:
            return (name,)
    return ()


def _add_clock(date: str, heads: Mapping[str, pd.Series]) -> tuple[str, ...]:
    """Add the column of times of day to one of dates that repeat, where they give different timestamps."""
    dates = heads[date]
    best: tuple[str, ...] = (date,)
    most = dates.nunique()
    if most == len(dates) or not _are_midnights(dates):
        return best
    for name, head in heads.items():
        if name == date or not len(head) or not _is_clock(name, head):
            continue
        if (count := _count_joined(heads, (date, name))) > most:
            best, most = (date, name), count
            if minutes := [each for each in heads if each != name and _is_part("minute", each, heads[each])]:
                three = (date, name, minutes[0])
                best = three if _count_joined(heads, three) > count else best
    return best


def _are_midnights(dates: pd.Series) -> bool:
    """Whether all dates that can be read are without a time of day."""
    read = parse_timestamps(dates, name="date")
    known = read.timestamps[~read.wrong]
    return isinstance(known, pd.DatetimeIndex) and bool((known == known.normalize()).all())


def _is_clock(name: str, head: pd.Series) -> bool:
    """Whether a column holds times of day, or is called hour or period and holds whole numbers of a day."""
    if head.str.fullmatch(_CLOCKS).mean() > _READ:
        return True
    if _is_named("hour", name) and head.str.fullmatch(_POINTS).mean() > _READ:
        return True
    numbers = _to_whole(head)
    if not len(numbers) or not (_is_named("hour", name) or _is_named("period", name)):
        return False
    most = 96 if _is_named("period", name) else 25
    minutes = bool(numbers.max() <= 2400 and (numbers % 100 < 60).all())  # 930 is 9:30
    return bool(numbers.min() >= 0 and (numbers.max() <= most or minutes))


def _is_named(part: str, name: str) -> bool:
    words = split_name(name)
    return bool(words) and any(re.fullmatch(_PARTS[part], text) for text in ("".join(words), words[-1], words[0]))


_LIMITS = {
    "year": (1000, 2199), "month": (1, 12), "week": (1, 53), "quarter": (1, 4), "day": (1, 31), "hour": (0, 24),
    "minute": (0, 59), "second": (0, 59),
}  # fmt: skip


def _is_part(part: str, name: str, head: pd.Series) -> bool:
    """Whether a column is called a part of a date, and holds its numbers, or names of months or quarters."""
    if not len(head) or not _is_named(part, name):
        return False
    numbers = _to_whole(head)
    if not len(numbers):
        return part in {"month", "quarter"} and not parse_timestamps("2024 " + head).wrong.any()
    low, high = _LIMITS[part]
    return bool(numbers.min() >= low and numbers.max() <= high)


def _find_parts(heads: Mapping[str, pd.Series]) -> tuple[str, ...]:
    """Find the columns of year, month, day and so on, as many as there are."""
    named: dict[str, str] = {}
    for part in _LIMITS:
        columns = (name for name, head in heads.items() if name not in named.values() and _is_part(part, name, head))
        if (name := next(columns, None)) is not None:
            named[part] = name
    for parts in _SETS:
        if all(part in named for part in parts):
            names = tuple(named[part] for part in parts)
            if _count_joined(heads, names) >= heads[names[0]].nunique():
                return names
    return ()


def _count_joined(heads: Mapping[str, pd.Series], names: Sequence[str]) -> int:
    """Count the distinct timestamps of joined columns; none where too few rows are timestamps."""
    rows = pd.concat([heads[name] for name in names], axis=1, keys=range(len(names))).dropna()
    if not len(rows):
        return 0
    read = parse_time_columns([rows[column] for column in rows.columns], names)
    if read.wrong.mean() > 1 - _READ:
        return 0
    return int(read.timestamps[~read.wrong].nunique())
