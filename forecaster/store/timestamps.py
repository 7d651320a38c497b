"""Timestamps of a store, as text: ISO 8601 dates in the local time of the data, or the digits of integer steps."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pandas as pd

_TIMESTAMP = re.compile(r"-?\d{1,18}|\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[+-]\d\d:\d\d(?::\d\d)?)?)?")
_STEP = re.compile(r"-?\d+")

Moment = str | int | pd.Timestamp  # a timestamp, or the first part of one: 2026-01 is a month


def is_step(text: str) -> bool:
    """Whether a timestamp is an integer step."""
    return _STEP.fullmatch(text) is not None


def is_timestamp(cell: Any) -> bool:
    """Whether a cell is a timestamp of a store."""
    if type(cell) is not str or _TIMESTAMP.fullmatch(cell) is None:
        return False
    try:
        rank_timestamp(cell)
    except ValueError:
        return False
    return True


def classify_timestamp(text: str) -> Literal["step", "local", "zoned"]:
    """Find what a timestamp is: an integer step, a date in local time, or one with an offset."""
    if is_step(text):
        return "step"
    return "zoned" if re.search(r"[+-]\d\d:\d\d", text[10:]) else "local"


def parse_timestamps(texts: Iterable[str]) -> pd.Index:
    """Parse timestamps of a store, of one kind: integer steps, or dates, which are in UTC where they have an offset.

    Raises:
        ValueError: one is neither.
    """
    several = list(texts)
    kinds = set(map(classify_timestamp, several))
    if kinds == {"step"}:
        return pd.Index([int(text) for text in several], dtype="int64")
    return pd.DatetimeIndex(pd.to_datetime(list(map(datetime.fromisoformat, several)), utc="zoned" in kinds))


def rank_timestamp(text: str) -> float:
    """Return a number by which the timestamps of one job are in order."""
    if is_step(text):
        return int(text)
    date = datetime.fromisoformat(text)
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()


def sort_rows(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Sort rows; origins and timestamps, which are text, as the dates or the steps that they are."""
    order = rows[list(columns)].copy()
    for name in {"origin", "timestamp"} & {*columns}:
        codes, texts = pd.factorize(rows[name])
        order[name] = np.array([rank_timestamp(text) for text in texts], float)[codes]
    return rows.loc[order.sort_values(list(columns), kind="stable").index].reset_index(drop=True)


def is_between(timestamp: str, start: str | None, end: str | None) -> bool:
    """Whether a timestamp is in a span: integers by value, dates by as much as each end states: 2026-01 is a month."""
    bounds = [bound for bound in (start, end) if bound is not None]
    if is_step(timestamp):
        if not all(map(is_step, bounds)):
            return False
        return (start is None or int(start) <= int(timestamp)) and (end is None or int(timestamp) <= int(end))
    if any(is_step(bound) and len(bound) != 4 for bound in bounds):  # four digits are a year
        return False
    return (start is None or timestamp >= start) and (end is None or timestamp[: len(end)] <= end)
