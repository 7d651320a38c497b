"""Frequencies: the timestamps of their grids, past and future, sessions, and whether timestamps are on a grid."""

import functools
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.tseries.offsets import Tick

from forecaster.errors import DataError
from forecaster.forecast import Timestamp
from forecaster.problems import Problem
from forecaster.time.grid import STEP
from forecaster.time.jitter import measure_jitter
from forecaster.time.rules import AS_WRITTEN, SESSIONS, WEEKDAYS, WORKING_DAYS, TimeRules
from forecaster.wording import format_timestamp

GridStep = str | pd.offsets.BaseOffset

_RECENT = 2000  # rows from which the times of day of a session are taken, at least
_RECENT_WEEKS = pd.Timedelta(weeks=8)  # in which opening hours of a weekday are seen often enough
_DAY = pd.Timedelta(days=1)
_TWO_YEARS = pd.Timedelta(days=730)
_KEPT = 10_000  # steps of a grid that is kept, at most
_BLOCK = 1 << 15  # rows that the processor's cache holds


class Irregular(DataError):
    """Timestamps that are not all on the steps of one grid; `stray` is the one to blame, None for several."""

    def __init__(self, problem: Problem, stray: Timestamp | None = None) -> None:
        super().__init__(problem)
        self.stray = stray

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it possible to send the error to another process."""
        return type(self), (*self.problems, self.stray)


def check_frequency(alias: str, timestamps: pd.Index) -> None:
    """Raise `DataError` for a frequency that pandas does not know, or that is none of such timestamps."""
    if (alias == STEP) != (not isinstance(timestamps, pd.DatetimeIndex)):
        detail = {"frequency": alias, "example": format_timestamp(timestamps[0])}
        raise DataError(Problem("frequency-mismatch", column="data.frequency", detail=detail))
    try:
        offset = None if alias in {STEP, SESSIONS} else pd.tseries.frequencies.to_offset(alias)
        # A step lasts, and not longer than pandas counts nanoseconds, which it raises `OverflowError` for.
        known = offset is None or (offset.n > 0 and (not isinstance(offset, Tick) or pd.Timedelta(offset).value > 0))
    except (ValueError, OverflowError):
        known = False
    if not known:
        raise DataError(Problem("unknown-frequency", column="data.frequency", detail={"frequency": alias}))


def check_grid(alias: str, timestamps: pd.Index, rules: TimeRules = AS_WRITTEN) -> None:
    """Raise `Irregular` for a frequency that leaves timestamps off its grid, with the first that is."""
    place, step = rules.make_grid_step(alias), pd.tseries.frequencies.to_offset(rules.make_grid_step(alias))
    if count_places(timestamps, place):
        return
    first, *others = timestamps
    apart = (stamp for stamp in others if count_places(pd.DatetimeIndex([first, stamp]), place) == 0)
    off = next(apart) if step.is_on_offset(first) else first
    problem = Problem("off-grid", column="data.frequency", detail={"frequency": alias, "stray": format_timestamp(off)})
    if jitter := measure_jitter(pd.DatetimeIndex(timestamps), alias):
        detail = {**problem.detail, "step": jitter.step, "distance": jitter.distance}
        repairs = ({"data.tolerance": jitter.tolerance},)
        problem = Problem("jittered-grid", column="data.frequency", detail=detail, repairs=repairs)
    raise Irregular(problem, off)


def make_grid(first: Timestamp, steps: int, step: GridStep) -> pd.Index:
    """Make the timestamps of `steps` steps from the first on."""
    if step == STEP:
        return pd.RangeIndex(first, first + steps)
    if steps > _KEPT:
        return pd.date_range(first, periods=steps, freq=step)
    return _make_short_grid(first, str(first.tz), first.unit, steps, step)


@functools.lru_cache(256)  # many series share their timestamps
def _make_short_grid(
    first: pd.Timestamp, zone: str, unit: str, steps: int, step: GridStep, begin: int = 0
) -> pd.DatetimeIndex:
    """Make a grid of dates from its step `begin` on; the same moment in another zone or unit has another grid."""
    return pd.date_range(first, periods=steps, freq=step)[begin:]


def measure_step(step: GridStep) -> pd.Timedelta | None:
    """Measure a step of fixed length; None where steps differ in length."""
    offset = pd.tseries.frequencies.to_offset(step)
    if isinstance(offset, pd.offsets.Day):
        return offset.n * _DAY
    return pd.Timedelta(offset) if isinstance(offset, Tick) else None


def list_future_timestamps(timestamps: pd.Index, steps: int, frequency: str, rules: TimeRules) -> pd.Index:
    """List the timestamps of the `steps` steps after those of a series."""
    if frequency == SESSIONS:
        return make_future_sessions(pd.DatetimeIndex(timestamps), steps, rules)
    return make_future_timestamps(timestamps[-1], steps, rules.make_grid_step(frequency))


def make_future_timestamps(origin: Timestamp, steps: int, step: GridStep) -> pd.Index:
    """Make the timestamps of the `steps` steps after the origin."""
    if step == STEP or steps >= _KEPT:
        return make_grid(origin, steps + 1, step)[1:]
    return _make_short_grid(origin, str(origin.tz), origin.unit, steps + 1, step, 1)


def step_back(first: Timestamp, steps: int, step: GridStep) -> Timestamp:
    """Return the timestamp `steps` steps before one on the grid."""
    if step == STEP:
        return first - steps
    return pd.date_range(end=first, periods=steps + 1, freq=step)[0]


def make_future_sessions(timestamps: pd.DatetimeIndex, steps: int, rules: TimeRules) -> pd.DatetimeIndex:
    """Make the `steps` steps after trading sessions: the calendar's days, at the times of day of their weekday."""
    local = timestamps.tz_localize(None)
    times = _find_weekly_times(local, rules)
    # Months without sessions are closed where two years were seen.
    months = set(local.month) if local[-1] - local[0] >= _TWO_YEARS else range(1, 13)
    future, count = local[:0], steps + 3
    while len(future) < steps:
        days = pd.date_range(local[-1].normalize(), periods=count, freq=rules.sessions)
        stamps = [day + time for day in days[days.month.isin(list(months))] for time in times[day.day_of_week]]
        future = pd.DatetimeIndex(stamps, dtype=local.dtype)
        future, count = future[future > local[-1]], 2 * count
    return future[:steps].tz_localize(timestamps.tz, ambiguous=True, nonexistent="shift_forward")


def find_session_times(timestamps: pd.Index) -> list[pd.Timedelta]:
    """Find the times of day at which half of the newest sessions have a row; the last row's where there is none."""
    days, times = _split_days(pd.DatetimeIndex(timestamps[-_RECENT:]).tz_localize(None))
    return _find_common_times(days, times) or [times[-1]]


def _find_weekly_times(local: pd.DatetimeIndex, rules: TimeRules) -> list[list[pd.Timedelta]]:
    """Find the times of day of each weekday, Monday first, by its sessions of the newest weeks.

    Opening hours may differ by weekday. One with a single session there gets the times of all sessions; one without any
    is closed where weeks enough were seen, as of one of several shops.
    """
    every = find_session_times(local)
    recent = local[min(int(local.searchsorted(local[-1] - _RECENT_WEEKS)), max(0, len(local) - _RECENT)) :]
    days, times = _split_days(recent)
    weekly = []
    for weekday in range(7):
        mine = days.day_of_week == weekday
        seen = days[mine].nunique()
        closed = not seen and days[-1] - days[0] >= _RECENT_WEEKS / 2
        weekly.append([] if closed else (_find_common_times(days[mine], times[mine]) if seen > 1 else []) or every)
    calendar = [weekly[WEEKDAYS.index(name)] for name in (rules.weekmask or WORKING_DAYS).split()]
    return weekly if any(calendar) else [every] * 7


def _split_days(local: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, pd.TimedeltaIndex]:
    days = local.normalize()
    return days, local - days


def _find_common_times(days: pd.DatetimeIndex, times: pd.TimedeltaIndex) -> list[pd.Timedelta]:
    """List the times of day at which half of the days have a row, in order."""
    counts = pd.Series(times).value_counts()
    return [pd.Timedelta(time) for time in sorted(counts.index[counts >= 0.5 * days.nunique()])]


def list_weekdays(timestamps: pd.DatetimeIndex) -> str:
    """List the weekdays that occur, `Mon Tue Wed Thu Fri`."""
    return " ".join(WEEKDAYS[day] for day in sorted(set(timestamps.day_of_week)))


def count_places(timestamps: pd.Index, step: GridStep) -> int:
    """Count the places in the step's grid from the first timestamp to the last; 0 where one of them is off it."""
    if step == STEP:
        return int(timestamps[-1]) - int(timestamps[0]) + 1
    if step == SESSIONS:
        return len(timestamps)
    places = find_places(timestamps, np.array([len(timestamps)]), step)
    return 0 if (places < 0).any() else int(places[-1]) + 1


def find_places(timestamps: pd.Index, ends: np.ndarray, step: GridStep) -> np.ndarray:
    """Find the place of each timestamp in the grid from the first of its series on, (rows,); -1 off the grid.

    The timestamps, (rows,), are of series end to end, each in order of time, which end at `ends`, (series,).
    """
    lengths = np.diff(ends, prepend=0)
    starts = ends - lengths
    if step == SESSIONS:
        return np.arange(len(timestamps)) - np.repeat(starts, lengths)
    if not isinstance(timestamps, pd.DatetimeIndex):
        steps = np.asarray(timestamps)
        return steps - np.repeat(steps[starts], lengths)
    width = _find_width(timestamps, step)
    if width is None:
        return _find_calendar_places(timestamps.tz_localize(None), ends, pd.tseries.frequencies.to_offset(step))
    # No grid is built: a stray microsecond would make one of millions of places.
    ticks = _to_ticks(timestamps)
    places, over = np.divmod(ticks - np.repeat(ticks[starts], lengths), width)
    return np.where(over, -1, places)


def is_gapless(timestamps: pd.Index, ends: np.ndarray, step: GridStep) -> bool:
    """Whether the rows of each series follow each other by one step of fixed length; arguments as of `find_places`."""
    if not isinstance(timestamps, pd.DatetimeIndex):
        ticks, width = np.asarray(timestamps), 1
    elif step == SESSIONS or (found := _find_width(timestamps, step)) is None:
        return False
    else:
        ticks, width = _to_ticks(timestamps), found
    jumps = [np.zeros(0, np.int64)]
    for start in range(0, len(ticks), _BLOCK):
        jumps.append(start + 1 + np.flatnonzero(np.diff(ticks[start : start + _BLOCK + 1]) != width))
    return bool(np.isin(np.concatenate(jumps), ends).all())


def _find_width(timestamps: pd.DatetimeIndex, step: GridStep) -> int | None:
    """Count the ticks in a step of fixed length; None where it has none."""
    length = measure_step(step)
    return None if length is None else max(1, length // pd.Timedelta(1, _choose_unit(timestamps)))


def _to_ticks(timestamps: pd.DatetimeIndex) -> np.ndarray:
    unit = _choose_unit(timestamps)
    return (timestamps if timestamps.unit == unit else timestamps.as_unit(unit)).asi8


def _choose_unit(timestamps: pd.DatetimeIndex) -> Literal["us", "ns"]:
    return "ns" if timestamps.unit == "ns" else "us"


@functools.lru_cache(128)  # to find the step, the same span is compared with a hundred calendars, a dozen times
def _list_calendar_days(first: pd.Timestamp, last: pd.Timestamp, offset: pd.offsets.BaseOffset) -> pd.DatetimeIndex:
    return pd.date_range(first, last, freq=offset)


def _find_calendar_places(local: pd.DatetimeIndex, ends: np.ndarray, offset: pd.offsets.BaseOffset) -> np.ndarray:
    """Find places for a step of no fixed length, in local time: one grid of days for all series."""
    lengths = np.diff(ends, prepend=0)
    starts = ends - lengths
    days = local.normalize()
    times = local.asi8 - days.asi8
    grid = _list_calendar_days(days.min(), days.max(), offset.base)
    found = grid.get_indexer(days)
    first = np.repeat(found[starts], lengths)
    places, over = np.divmod(found - first, offset.n)
    places[(found < 0) | (first < 0) | (over != 0)] = -1
    moved = times != np.repeat(times[starts], lengths)
    for number in np.unique(np.repeat(np.arange(len(ends)), lengths)[moved]).tolist():
        part = slice(int(starts[number]), int(ends[number]))  # hours of a calendar, or rows off its days
        places[part] = pd.date_range(local[part][0], local[part][-1], freq=offset).get_indexer(local[part])
        places[part] = np.where(places[part.start] == 0, places[part], -1)
    return places
