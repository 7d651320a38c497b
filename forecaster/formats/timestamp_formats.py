"""Cells of text and whole numbers as timestamps, in whatever way they are written."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.formats.digit_dates import DIGIT_FORMATS, EPOCHS, STEPS, Numbers, parse_digits
from forecaster.formats.plausible_dates import find_plausible_formats
from forecaster.formats.timestamp_parts import CLOCK, COUNTS, join_columns
from forecaster.formats.written_dates import (
    FORMS,
    ISO,
    are_within_years,
    choose_written,
    find_date_order,
    read_written,
)

__all__ = ["CLOCK", "COUNTS", "EPOCHS", "ISO", "STEPS", "are_within_years", "find_date_order", "join_columns"]

# The forms of `strftime` that timestamps can be written in again.
DATE_FORMATS = (
    *("%Y-%m-%d", "%Y-%m", "%Y", "%Y%m%d", "%Y%m", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%j", "%G%V"),
    *("%G-W%V", "%YM%m", "%b %d, %Y", "%B %d, %Y", "%d. %B %Y", "%d %B %Y", "%B %Y", *FORMS),
)
HEAD = 2000  # rows in which readings are looked for; those that are found are then proven on all
_DIGITS = r"[+-]?[0-9]{1,19}(?:\.[0-9]*)?"
_MONTH_AND_YEAR = r"[0-9]{1,2}\.[0-9]{4}|[0-9]{4}\.[0-9]{1,2}"  # which is no number that is a date
_LARGEST_FLOAT = 2**53  # up to which floats are whole numbers exactly
_JOIN = " + "  # between the ways of a clock and of a date


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

    def select(self, rows: np.ndarray) -> "ParsedTimestamps":
        """Select the timestamps of some rows."""
        return self._replace(timestamps=self.timestamps[rows], wrong=self.wrong[rows])


def parse_timestamps(
    cells: pd.Series, way: str | None = None, date_order: str = "auto", name: str = ""
) -> ParsedTimestamps:
    """Parse (rows,) cells in a given way, or in the one that reads all of them, or most, in a `date_order`.

    Args:
        name: of their column, which may decide how digits are read.
    """
    codes, texts = pd.factorize(cells, use_na_sentinel=False)
    return parse_labels(codes, pd.Series(texts, dtype=cells.dtype), way, date_order, name)


def parse_labels(
    codes: np.ndarray, texts: pd.Series, way: str | None = None, date_order: str = "auto", name: str = ""
) -> ParsedTimestamps:
    """Parse texts by the number of each row's text, (rows,); they are distinct, in the order of their first rows."""
    head = int(codes[:HEAD].max()) + 1 if len(codes) else 0
    return _parse_distinct(texts, head, way, date_order, name).select(codes)


def parse_whole_numbers(numbers: np.ndarray, way: str | None = None, name: str = "") -> ParsedTimestamps:
    """Parse (rows,) int64 as their texts would be parsed."""
    return _parse_numbers(numbers, pd.unique(numbers[:HEAD]), way, name)


def parse_time_columns(
    columns: Sequence[pd.Series], names: Sequence[str], way: str | None = None, date_order: str = "auto"
) -> ParsedTimestamps:
    """Parse the columns of time, (rows,) cells each, which are read together; arguments as for `parse_timestamps`."""
    if len(columns) == 1:
        return parse_timestamps(columns[0], way, date_order, names[0])
    before, join, after = (way or "").partition(_JOIN)
    count = before if before in {CLOCK, *COUNTS} else None
    joined = join_columns(columns, names, count)
    date_way = after if join else None if count else way
    parsed = parse_timestamps(joined.texts, date_way, date_order, "date")
    ways = (f"{joined.counting}{_JOIN}{each}" for each in (parsed.way, *parsed.others))
    way, *others = ways
    return parsed._replace(way=way, others=tuple(others))


def split_way(way: str) -> tuple[str, str]:
    """Split a way to read timestamps into that of the clock and that of the date."""
    count, join, date = way.partition(_JOIN)
    return (count, date) if join else (CLOCK, way)


def find_time_format(way: str) -> str | None:
    """Return what `data.time_format` has to be for a later file to be read alike; None where its cells decide."""
    count, date = split_way(way)
    if count != CLOCK:
        return count
    return date if _JOIN not in way and (date == STEPS or date in DIGIT_FORMATS) else None


def are_dates(cells: pd.Series, name: str = "") -> bool:
    """Whether most of some cells are dates, and not merely numbers of steps."""
    read = parse_timestamps(cells, name=name)
    return bool(read.wrong.mean() < 0.5 and read.way != STEPS)


def _parse_distinct(texts: pd.Series, head: int, way: str | None, date_order: str, name: str) -> ParsedTimestamps:
    """Parse distinct texts, of which those of the first rows, `head`, show how they are written."""
    digits = way in DIGIT_FORMATS or way == STEPS
    if digits or (way is None and texts.iloc[:head].str.fullmatch(_DIGITS).mean() > 0.5):
        known = texts.str.fullmatch(_DIGITS).to_numpy(bool)
        numbers = _to_numbers(texts[known])
        read = _parse_numbers(numbers, numbers[: int(known[:head].sum())], way, name)
        if known.any() and (digits or not read.wrong.all() or not texts.str.fullmatch(_MONTH_AND_YEAR).any()):
            return _spread(_add_written_reading(read, texts[known], way), known)
    if digits and way != STEPS:
        way = ISO  # which is not ambiguous
    if way == STEPS:
        return ParsedTimestamps(pd.Index(np.zeros(len(texts), np.int64)), np.ones(len(texts), bool), STEPS)
    if way is not None:
        parsed = read_written(texts, way)
        return ParsedTimestamps(pd.DatetimeIndex(parsed), parsed.isna().to_numpy(), way)
    written = choose_written(texts, head, date_order)
    wrong = written.parsed.isna().to_numpy()
    return ParsedTimestamps(pd.DatetimeIndex(written.parsed), wrong, written.way, written.others)


def _to_numbers(texts: pd.Series) -> Numbers:
    """Convert digits to int64, or to float64 where some have a fraction or are too large."""
    numbers = pd.to_numeric(texts).to_numpy()
    if numbers.dtype.kind == "i":
        return numbers
    numbers = numbers.astype(np.float64)
    whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < _LARGEST_FLOAT)
    return numbers.astype(np.int64) if whole.all() else numbers


def _parse_numbers(numbers: Numbers, head: Numbers, way: str | None, name: str) -> ParsedTimestamps:
    """Parse numbers in the plausible ways to read the first ones, and keep those that read all."""
    ways = [way] if way is not None else find_plausible_formats(head, name) if len(head) else [STEPS]
    readings = {each: parse_digits(numbers, each) for each in ways}
    wrong = {each: np.isnan(parsed) if each == STEPS else np.isnat(parsed) for each, parsed in readings.items()}
    fewest = min(int(each.sum()) for each in wrong.values())
    best, *others = (each for each in ways if int(wrong[each].sum()) == fewest)
    others = [each for each in others if not _are_equal(readings[each], readings[best])]
    parsed = readings[best]
    steps = best == STEPS
    timestamps = pd.Index(np.nan_to_num(parsed).astype(np.int64)) if steps else pd.DatetimeIndex(parsed)
    return ParsedTimestamps(timestamps, wrong[best], best, tuple(others) if fewest == 0 else ())


def _are_equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and bool(np.array_equal(one, other))


def _add_written_reading(read: ParsedTimestamps, texts: pd.Series, way: str | None) -> ParsedTimestamps:
    """Add the reading of 2024.08 as a month of a year to that as a part of one."""
    if way is not None or read.way != "decimal_years" or read_written(texts, "%Y.%m").isna().any():
        return read
    return read._replace(others=(*read.others, "%Y.%m"))


def _spread(read: ParsedTimestamps, known: np.ndarray) -> ParsedTimestamps:
    """Put the timestamps of some cells among all, of which the others are wrong."""
    if known.all():
        return read
    wrong = np.ones(len(known), bool)
    wrong[known] = read.wrong
    if not isinstance(read.timestamps, pd.DatetimeIndex):
        steps = np.zeros(len(known), np.int64)
        steps[known] = read.timestamps
        return ParsedTimestamps(pd.Index(steps), wrong, read.way)
    timestamps = np.full(len(known), np.datetime64("NaT", "us"))
    timestamps[known] = read.timestamps
    return ParsedTimestamps(pd.DatetimeIndex(timestamps), wrong, read.way)
