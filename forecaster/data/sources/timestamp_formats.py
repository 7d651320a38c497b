"""Cells of text as timestamps, in whatever way they are written."""

import contextlib
import functools
import itertools
import operator
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.sources.number_formats import looks_numeric

_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%b-%Y", "%b %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FORMS = tuple(date + time for date in _DATES for time in _TIMES)
_ORDERS = {"day_first": ("%d/", "%d-"), "month_first": ("%m/", "%m-")}  # the forms that look alike
DATE_FORMATS = ("%Y-%m-%d", "%Y-%m", "%Y", "%Y%m%d", *_FORMS)

# Ways to read timestamps in addition to `_FORMS`.
ISO, COMPACT, STEPS = "ISO 8601", "%Y%m%d", "steps"
EPOCHS: dict[str, Literal["s", "ms", "us"]] = {
    "seconds since 1970": "s",
    "milliseconds since 1970": "ms",
    "microseconds since 1970": "us",
}
CODES = {COMPACT, *EPOCHS}  # numbers that are dates for all that
# Those of numbers, each of which all cells have to match; dates come before steps.
_NUMBERS = {
    "seconds since 1970": r"\d{10}(?:\.\d*)?",
    "milliseconds since 1970": r"\d{13}(?:\.\d*)?",
    "microseconds since 1970": r"\d{16}(?:\.0*)?",
    COMPACT: r"(?:1[6-9]|20|21)\d{6}",
    STEPS: r"[+-]?\d{1,9}",
}
# Zones and forecasts reach a little further than the cells, and Python's dates have the years 1 to 9999.
_FIRST, _LAST = (int(np.datetime64(date, "us").astype(np.int64)) for date in ("0100-01-01", "9000-01-01"))
_WHOLE_DATE = 8  # characters, at least: 20260131


class ParsedTimestamps(NamedTuple):
    """A column of cells as timestamps.

    Attributes:
        timestamps: (rows,) as they are written; integers where they are steps.
        wrong: whether each cell is none, (rows,).
        way, others: how they are read, and how else all of them can be read.
    """

    timestamps: pd.Index
    wrong: np.ndarray
    way: str = ISO
    others: tuple[str, ...] = ()


def join_columns(columns: Sequence[pd.Series]) -> pd.Series:
    """Join the cells of several columns to one timestamp each, ISO 8601 where they are its parts as whole numbers.

    The parts come in the order year, month, day, hour, minute, second, or hour, minute, second behind a date; other
    cells are joined by a blank.
    """
    first, *others = columns
    if not others:
        return first
    if not _all_are(r"\d{4}", first):
        if not all(_all_are(r"\d{1,2}", part) for part in others):
            return functools.reduce(lambda text, more: text + " " + more, columns)
        clock = functools.reduce(lambda text, more: text + ":" + more, [part.str.zfill(2) for part in others])
        return first + " " + (clock if len(others) > 1 else clock + ":00")
    parts = [*columns, *itertools.repeat(pd.Series("1", first.index, first.dtype), 3 - len(columns))]
    marks = ["", "-", "-", " ", ":", ":"]
    padded = [mark + part.str.zfill(2) for mark, part in zip(marks, parts, strict=False)]
    text = functools.reduce(operator.add, padded)
    return text + ":00" if len(parts) == 4 else text


def parse_timestamps(cells: pd.Series, way: str | None = None, date_order: str = "auto") -> ParsedTimestamps:
    """Parse (rows,) cells in a given way, or else in the one that reads all of them, or most, in a `date_order`."""
    readings = _find_readings(cells, date_order) if way is None else {way: _read(cells, way)}
    whole = [name for name, parsed in readings.items() if parsed.notna().all()]
    chosen = whole[0] if whole else max(readings, key=lambda name: readings[name].notna().sum())
    parsed = readings[chosen]
    timestamps = pd.Index(parsed.fillna(0).astype("int64")) if chosen == STEPS else pd.DatetimeIndex(parsed)
    others = tuple(name for name in whole[1:] if not readings[name].equals(parsed))
    return ParsedTimestamps(timestamps, parsed.isna().to_numpy(), chosen, others)


def are_dates(cells: pd.Series) -> bool:
    """Whether most of some cells are dates, and not merely numbers of steps."""
    read = parse_timestamps(cells)
    dated = read.way in CODES if looks_numeric(cells).mean() > 0.5 else read.way != STEPS
    return bool(read.wrong.mean() < 0.5 and dated)


def find_date_order(way: str) -> str | None:
    """Return `day_first` or `month_first` where a way to write dates is one of those that look alike."""
    return next((order for order, begins in _ORDERS.items() if way.startswith(begins)), None)


def _find_readings(cells: pd.Series, date_order: str) -> dict[str, pd.Series]:
    """Parse the cells in every way that fits `date_order`; in one alone where their digits identify it."""
    for way, pattern in _NUMBERS.items():
        if _all_are(pattern, cells) and (parsed := _read(cells, way)).notna().mean() > 0.5:
            return {way: parsed}
    iso = _read(cells, ISO)
    if iso.notna().all():
        return {ISO: iso}
    forms = (way for way in _FORMS if date_order == "auto" or find_date_order(way) in {None, date_order})
    return {ISO: iso} | {way: _read(cells, way) for way in forms}


def are_within_years(timestamps: pd.Series | pd.DatetimeIndex) -> np.ndarray:
    """Find those of a year that calendars can compute with, (rows,) bool."""
    ticks = pd.DatetimeIndex(timestamps).as_unit("us").asi8
    return (ticks >= _FIRST) & (ticks < _LAST)


def _read(cells: pd.Series, way: str) -> pd.Series:
    """Parse cells in one way, NaT or NaN where one has another format or its year is out of range."""
    parsed = _parse(cells, way)
    return parsed if way == STEPS else parsed.where(are_within_years(parsed))


def _parse(cells: pd.Series, way: str) -> pd.Series:
    if way == ISO:
        lengths = cells.str.len()
        # A year or a month alone is a timestamp among others of its kind.
        return _read_iso(cells).where((lengths >= _WHOLE_DATE) | (lengths == lengths.median()))
    if way not in _NUMBERS:
        return pd.to_datetime(cells, format=way, errors="coerce")
    fitting = cells.where(cells.str.fullmatch(_NUMBERS[way]))
    if way == COMPACT:
        return pd.to_datetime(fitting, format=way, errors="coerce")
    numbers = pd.to_numeric(fitting)
    return numbers if way == STEPS else pd.to_datetime(numbers, unit=EPOCHS[way]).dt.round("us")


def _read_iso(cells: pd.Series) -> pd.Series:
    """Read ISO 8601, in the offset from UTC that the cells carry, or in UTC where they carry several."""
    with contextlib.suppress(ValueError):  # offsets that differ, as over a change to summer time
        parsed = pd.to_datetime(cells, format="ISO8601", errors="coerce")
        if parsed.dtype.kind == "M":
            return parsed
    return pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)


def _all_are(pattern: str, cells: pd.Series) -> bool:
    """Whether all cells match; where the first does not, the others are not looked at."""
    return bool(cells.iloc[:1].str.fullmatch(pattern).all() and cells.str.fullmatch(pattern).all())
