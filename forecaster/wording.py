"""Counts, steps, times, durations and lists as messages write them."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

SHOWN = 5  # things of a list that a message names
KEPT = 20  # things of a list that a problem keeps

_UNITS = {
    **{"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second", "min": "minute", "h": "hour"},
    **{"d": "day", "b": "weekday", "c": "working day", "w": "week"},
    **dict.fromkeys(("ms_", "me", "m", "bms", "bme", "bm", "cbms", "cbme"), "month"),
    **dict.fromkeys(("qs", "qe", "q", "bqs", "bqe", "bq"), "quarter"),
    **dict.fromkeys(("ys", "ye", "y", "bys", "bye", "by"), "year"),
    **{"sms": "half-month", "sme": "half-month", "wom": "month", "step": "step", "sessions": "trading day"},
}
_CLOCK_UNITS = {"nanosecond", "microsecond", "millisecond", "second", "minute", "hour"}


def count_steps(steps: int, frequency: str) -> str:
    """Name a number of steps by what they are: `30 hours`, `1 day`, `2,047 trading days`, `12 steps`.

    Args:
        steps: how many.
        frequency: a pandas alias, `sessions`, `step`, or empty where it is not known; `15min` gives
            `30 steps of 15 minutes`.
    """
    multiple, unit = _find_unit(frequency)
    if multiple == 1 or unit == "step":
        return count_of(steps, unit)
    return f"{count_of(steps, 'step')} of {count_of(multiple, unit)}"


def _find_unit(frequency: str) -> tuple[int, str]:
    """Find how many of which unit are a step: 15 and `minute` for `15min`; 1 and `step` where it is not known."""
    found = re.fullmatch(r"(\d*)([A-Za-z]+)(?:-\w+)?", frequency)
    if not found:
        return 1, "step"
    # Only the case distinguishes the start of a month, MS, from a millisecond.
    return int(found[1] or 1), _UNITS.get("ms_" if found[2] == "MS" else found[2].lower(), "step")


def name_steps(frequency: str) -> str:
    """Name the steps of a frequency, as the label of an axis does: `hours`, `steps of 15 minutes`."""
    return count_steps(2, frequency).removeprefix("2 ")


def format_timestamps(timestamps: Iterable[object]) -> list[str]:
    """Format timestamps as ISO 8601, without the time where all are midnight; integer steps as digits."""
    texts = [str(timestamp) for timestamp in timestamps]
    if all(text.endswith(" 00:00:00") for text in texts):
        return [text.removesuffix(" 00:00:00") for text in texts]
    return texts


def format_timestamp(timestamp: object) -> str:
    """Format one timestamp as `format_timestamps` does."""
    return format_timestamps([timestamp])[0]


def name_time(timestamp: Any, frequency: str) -> str:
    """Name a time by what its steps are: `1960`, `Q4 1960`, `December 1960`, `15 May 2026`, `15 May 2026 23:00`.

    Args:
        timestamp: a date with a time, or the number of a step.
        frequency: as in `count_steps`.
    """
    if not isinstance(timestamp, datetime):
        return f"step {timestamp:,}"
    match _find_unit(frequency)[1]:
        case "year":
            return f"{timestamp:%Y}"
        case "quarter":
            return f"Q{(timestamp.month + 2) // 3} {timestamp:%Y}"
        case "month":
            return f"{timestamp:%B %Y}"
    date = f"{timestamp.day} {timestamp:%B %Y}"
    clock = format_timestamp(timestamp.replace(tzinfo=None)).partition(" ")[2].removesuffix(":00")
    return f"{date} {clock or '00:00'}" if clock or _find_unit(frequency)[1] in _CLOCK_UNITS else date


def name_duration(duration: timedelta) -> str:
    """Name a duration by its two largest units: `3 days 2 hours`, `59 minutes 58 seconds`, `0.25 seconds`."""
    seconds = duration.total_seconds()
    if seconds < 60:
        return "1 second" if seconds == 1 else f"{seconds:.6g} seconds"
    parts = []
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, length)
        parts.append(count_of(int(count), unit) if count else "")
    largest = next(place for place, part in enumerate(parts) if part)
    return " ".join(filter(None, parts[largest : largest + 2]))


def name_distance(frequency: str) -> str:
    """Name the distance between two steps of a frequency: `1 hour`, `15 minutes`."""
    return count_steps(1, frequency).removeprefix("1 step of ")


def count_of(count: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun: `1 row`, `2,047 rows`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def list_some(things: Iterable[object], most: int = SHOWN) -> str:
    """Join the first few things by commas, with `...` for the others."""
    every = list(things)
    return ", ".join(map(str, every[:most])) + (", ..." if len(every) > most else "")
