"""Timestamps that are a few seconds off their steps: how far, and where they belong."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.time.grid import find_clock_step
from forecaster.wording import name_duration

_ROUND = [
    *(pd.Timedelta(seconds=seconds) for seconds in (1, 5, 10, 15, 30)),
    *(pd.Timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(pd.Timedelta(hours=hours) for hours in (1, 2, 3, 4, 6, 8, 12)),
]
_DAY = pd.Timedelta(days=1)
_SECOND = 1_000_000  # microseconds
_SHARE = 10  # jitter is at most a tenth of a step


def snap(timestamps: pd.DatetimeIndex, frequency: str, tolerance: pd.Timedelta) -> tuple[pd.DatetimeIndex, np.ndarray]:
    """Move each timestamp to its step; and find those that are further from it than the tolerance, (rows,)."""
    width = _find_width(timestamps, frequency)
    if width is None or len(timestamps) < 2:
        return timestamps, np.zeros(len(timestamps), bool)
    microseconds = timestamps.as_unit("us").asi8
    distances = _measure_distances(microseconds, width, tolerance.value // 1000)
    too_far = np.abs(distances) > tolerance.value // 1000
    moved = pd.DatetimeIndex((microseconds - np.where(too_far, 0, distances)).view("datetime64[us]"))
    return (moved if timestamps.tz is None else moved.tz_localize("UTC").tz_convert(timestamps.tz)), too_far


class Jitter(NamedTuple):
    """A step that all timestamps are near to, and a round limit of their distance.

    Attributes:
        step, distance: in words: `15 minutes`, `5 seconds`.
        tolerance: the distance as the config writes it: `5s`.
    """

    step: str
    distance: str
    tolerance: str


def measure_jitter(timestamps: pd.DatetimeIndex, frequency: str = "auto") -> Jitter | None:
    """Find a step that all timestamps are near to, and how near they are; None without such a step."""
    width = _find_width(timestamps, frequency)
    if width is None:
        return None
    furthest = int(np.abs(_measure_distances(timestamps.as_unit("us").asi8, width, width // _SHARE)).max())
    if not 0 < furthest <= width // _SHARE:
        return None
    unit = _SECOND if furthest >= _SECOND else 1000
    limit = math.ceil(furthest / unit) * unit
    step, distance = (name_duration(pd.Timedelta(each, "us")) for each in (width, limit))
    return Jitter(step, distance, format_duration(limit))


def _find_width(timestamps: pd.DatetimeIndex, frequency: str) -> int | None:
    """Find the microseconds of a step, a day for those of the calendar; None where no round step is near."""
    if frequency not in {"auto", "sessions"}:
        return pd.Timedelta(find_clock_step(frequency) or _DAY).value // 1000
    distinct = timestamps.unique().sort_values()
    if len(distinct) < 3:
        return None
    median = pd.Series(distinct[1:] - distinct[:-1]).median()
    if median > (1 - 1 / _SHARE) * _DAY:
        return _DAY.value // 1000
    nearest = min(_ROUND, key=lambda step: abs(step - median))
    return nearest.value // 1000 if abs(nearest - median) <= nearest / _SHARE else None


def _measure_distances(microseconds: np.ndarray, width: int, tolerance: int) -> np.ndarray:
    """Measure how far each is from its place, for the roundest places that none is further from than the tolerance."""
    relative = _center(microseconds - microseconds[0], width)
    phase = int(microseconds[0] + np.median(relative)) % width
    phases = [0, *(round(phase / unit) * unit for unit in (3600 * _SECOND, 60 * _SECOND, _SECOND)), phase]
    found = [_center(microseconds - place, width) for place in phases]
    return next((distances for distances in found if np.abs(distances).max() <= tolerance), found[-1])


def _center(distances: np.ndarray, width: int) -> np.ndarray:
    """Reduce distances modulo the width, from half of it below 0 to half of it above."""
    return (distances + width // 2) % width - width // 2


def format_duration(microseconds: int) -> str:
    """Write a duration as the config does: `15min`, `1h`, `5s`."""
    text = str(pd.tseries.frequencies.to_offset(pd.Timedelta(microseconds, "us")).freqstr)
    return text if text[0].isdigit() else f"1{text}"
