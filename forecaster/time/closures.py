"""Steps that are missing at the same time of every day, week or year, as when a shop is closed."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.time.rules import WEEKDAYS

_DAY = pd.Timedelta(days=1)
_MONTH = pd.Timedelta(days=31)
# English in every locale, as all messages are.
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_SEEN = 3  # weeks or days in which a weekday or a time of day is missing before it counts as closed
_SEEN_YEARS = 2  # the same for a month
_ALWAYS = 0.9  # share of a weekday's or an hour's steps that are missing, at least: a shop opens on some Sundays
_MOST = 0.5  # share of all missing steps that closed times explain, at least


class Closure(NamedTuple):
    """Times that are missing regularly: what a person calls them, and the key that makes a calendar of them.

    Attributes:
        name: `on Sundays`, `from 20:00 to 05:00`, `in July and August`.
        missing: steps that it explains.
        repair: `{"data.frequency": "sessions"}` or another key; empty where none describes such a calendar.
    """

    name: str
    missing: int
    repair: dict[str, str]


def find_closure(timestamps: pd.Index, missing: np.ndarray) -> Closure | None:
    """Find the weekdays, times of day or months at which steps are always missing; None where gaps follow no rule.

    Args:
        timestamps: of every step of a series, (steps,).
        missing: whether a step has no row, (steps,).
    """
    if not isinstance(timestamps, pd.DatetimeIndex) or len(timestamps) < 2:
        return None
    local = timestamps.tz_localize(None)
    step = (timestamps[1:] - timestamps[:-1]).min()
    found = [closure for find in (_find_weekdays, _find_hours, _find_months) if (closure := find(local, missing, step))]
    best = max(found, key=lambda closure: closure.missing, default=None)
    return best if best and best.missing >= _MOST * missing.sum() else None


def _find_weekdays(local: pd.DatetimeIndex, missing: np.ndarray, step: pd.Timedelta) -> Closure | None:
    if step > _DAY:
        return None
    closed, explained = _find_closed(np.asarray(local.day_of_week), missing, max(1, int(_DAY / step)) * _SEEN)
    if not closed:
        return None
    open_days = [WEEKDAYS[day] for day in range(7) if day not in closed]
    always = bool(missing[np.isin(local.day_of_week, closed)].all())
    repair = {"data.weekmask": " ".join(open_days)} if step == _DAY and always else {"data.frequency": "sessions"}
    return Closure(f"on {_join([f'{_WEEKDAYS[day]}s' for day in closed])}", explained, repair)


def _find_hours(local: pd.DatetimeIndex, missing: np.ndarray, step: pd.Timedelta) -> Closure | None:
    """Find times of day, of all days or of each weekday separately, which explain more."""
    if step >= _DAY:
        return None
    times = np.asarray((local - local.normalize()) // step, int)  # the how-manieth step of its day
    steps = int(times.max()) + 1
    closed, explained = _find_closed(times, missing, _SEEN)
    _, by_weekday = _find_closed(times + steps * np.asarray(local.day_of_week), missing, _SEEN)
    repair = {"data.frequency": "sessions"}
    if by_weekday > explained / _ALWAYS:
        return Closure("at the same hours of a weekday", by_weekday, repair)
    if not closed:
        return None
    after = [time for time in closed if (time - 1) % steps not in closed]
    if len(after) != 1:
        return Closure("at the same hours of a day", explained, repair)
    first = local[np.flatnonzero(times == after[0])[0]]
    last = local[np.flatnonzero(times == (after[0] + len(closed) - 1) % steps)[0]]
    return Closure(f"from {first:%H:%M} to {last:%H:%M}", explained, repair)


def _find_months(local: pd.DatetimeIndex, missing: np.ndarray, step: pd.Timedelta) -> Closure | None:
    if step > _MONTH:
        return None
    closed, explained = _find_closed(np.asarray(local.month), missing, _SEEN_YEARS)
    years = {month: local.year[local.month == month].nunique() for month in closed}
    if not closed or min(years.values()) < _SEEN_YEARS:
        return None
    repair = {"data.frequency": "sessions"} if step <= _DAY else {}
    return Closure(f"in {_join([_MONTHS[month - 1] for month in closed])}", explained, repair)


def _find_closed(groups: np.ndarray, missing: np.ndarray, fewest: int) -> tuple[list[int], int]:
    """Find the groups whose steps are missing, `fewest` at least, and count these; none where no group is open."""
    sizes, gone = np.bincount(groups), np.bincount(groups, missing)
    closed = np.flatnonzero((gone >= _ALWAYS * sizes) & (gone >= fewest))
    some_open = (sizes[np.setdiff1d(np.arange(len(sizes)), closed)] > 0).any()
    return (closed.tolist(), int(gone[closed].sum())) if some_open else ([], 0)


def _join(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
