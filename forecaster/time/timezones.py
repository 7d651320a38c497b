"""Local times in their zone: resolves the hour that is repeated at the end of DST, finds the one that it skips."""

import numpy as np
import pandas as pd

_NIGHT = 4  # clocks change before this hour
_CHANGES = {3, 4, 9, 10, 11}  # months
# One or more for each way to change the clocks, and for each of their offsets from UTC; those of most people first.
ZONES = (
    *("Europe/Berlin", "America/New_York", "Europe/London", "Europe/Athens"),
    *("America/Chicago", "America/Denver", "America/Los_Angeles", "America/Halifax", "America/Anchorage"),
    *("Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland", "America/Santiago", "Asia/Jerusalem"),
)


def to_zone(timestamps: pd.DatetimeIndex, zone: str, tolerance: pd.Timedelta) -> tuple[pd.DatetimeIndex, np.ndarray]:
    """Give local times in the order of a file their zone; and find those that do not exist, (rows,), skipped by DST.

    In the repeated hour at the end of DST, rows are DST until the clock goes back.
    Rows at one time of day, give or take the tolerance, are dates, which have no zone: they stay as they are written.
    """
    local = timestamps.tz_convert(zone).tz_localize(None) if timestamps.tz is not None else timestamps
    never = np.zeros(len(local), bool)
    if _are_dates(local, tolerance):
        return local, never
    if timestamps.tz is not None:
        return timestamps.tz_convert(zone), never
    never = np.asarray(local.tz_localize(zone, ambiguous=True, nonexistent="NaT").isna())
    return local.tz_localize(zone, ambiguous=_find_dst(local, zone), nonexistent="shift_forward"), never


def is_clock_change(timestamps: pd.Index) -> bool:
    """Whether all are in the night of a Sunday in a month when clocks are changed."""
    if not isinstance(timestamps, pd.DatetimeIndex) or timestamps.tz is not None:
        return False
    if (timestamps == timestamps.normalize()).all():  # dates
        return False
    return bool(((timestamps.day_of_week == 6) & (timestamps.hour < _NIGHT) & timestamps.month.isin(_CHANGES)).all())


def find_zone_of_dates(timestamps: pd.DatetimeIndex) -> str | None:
    """Find the zone in which all instants are midnight, as dates with changing offsets are; None without one."""
    midnights = (zone for zone in ZONES if (local := timestamps.tz_convert(zone)).equals(local.normalize()))
    return next(midnights, None) if timestamps.tz is not None else None


def _are_dates(local: pd.DatetimeIndex, tolerance: pd.Timedelta) -> bool:
    day = pd.Timedelta(days=1)
    apart = (local - local[0] + day / 2) % day - day / 2
    return bool(apart.max() - apart.min() <= 2 * tolerance)


def _find_dst(local: pd.DatetimeIndex, zone: str) -> np.ndarray:
    """Resolve the repeated hour: find which of its rows are daylight saving time, (rows,)."""
    twice = local.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()
    summer = np.ones(len(local), bool)
    backwards = len(local) > 1 and np.median(np.diff(local.asi8)) < 0
    rows = np.flatnonzero(twice)[:: -1 if backwards else 1]
    day, after = None, False
    for row, before in zip(rows, [None, *rows], strict=False):
        if local[row].date() != day:
            day, after = local[row].date(), False
        elif local[row] <= local[before]:
            after = True
        summer[row] = not after
    return summer
