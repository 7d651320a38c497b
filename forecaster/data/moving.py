"""Timestamps of several series moved into their zone and to their steps."""

import numpy as np
import pandas as pd

from forecaster.data.jitter import duration_text
from forecaster.data.reading import Reading
from forecaster.data.rules import TimeRules
from forecaster.data.timestamps import Placed, Written, placed, settled
from forecaster.data.told import by_series


def counted(codes: np.ndarray) -> pd.Index:
    """The place of each row among those of its series, from 0."""
    if not codes.any():
        return pd.RangeIndex(len(codes))
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])[:-1]
    places = np.empty(len(codes), np.int64)
    places[order] = np.arange(len(codes)) - starts[codes[order]]
    return pd.Index(places)


def rules_of(read: Written, reading: Reading) -> TimeRules:
    """The rules of a file by its cells; those that are stated in a block of one, which cannot tell of the others."""
    return reading.rules if reading.way is not None else settled(read, reading.rules)


def are_moved(rules: TimeRules) -> bool:
    """Whether timestamps become others than they are written as."""
    return rules.timezone is not None or rules.tolerance > pd.Timedelta(0)


def moved(read: Written, codes: np.ndarray, frequency: str, rules: TimeRules) -> Placed:
    """As `placed` has it, series by series: which hour comes twice, and how far off all are, each tells for itself."""
    if not codes.any():
        return placed(read, frequency, rules)
    parts = [
        (rows, placed(Written(read.timestamps[rows], read.wrong[rows], read.way), frequency, rules))
        for _, rows in by_series(np.arange(len(codes)), codes)
    ]
    indices = [part.timestamps for _, part in parts]
    if any(getattr(index, "tz", None) is not None for index in indices):
        indices = [_zoned(index, rules.timezone) for index in indices]
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    never, far, shifts = (np.concatenate(found)[order] for found in zip(*(part[1:] for _, part in parts), strict=True))
    return Placed(indices[0].append(indices[1:])[order], never, far, shifts)


def shifted(path: str, shifts: np.ndarray) -> list[str]:
    """A sentence on the timestamps that were moved to their steps, (rows,) microseconds, where there are any."""
    count = np.count_nonzero(shifts)
    if not count:
        return []
    furthest = duration_text(int(np.abs(shifts).max()))
    timestamps = "1 timestamp is" if count == 1 else f"{count:,} timestamps are"
    return [f"{path}: {timestamps} moved to the nearest step, by {furthest} at most (data.tolerance)"]


def _zoned(index: pd.Index, zone: str | None) -> pd.Index:
    """Dates in the zone of the other series' times."""
    if not isinstance(index, pd.DatetimeIndex) or index.tz is not None:
        return index
    return index.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
