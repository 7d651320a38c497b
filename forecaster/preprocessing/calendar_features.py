"""Calendar features: what a timestamp tells by itself, each one pure function of the index."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecaster.config.calendar_names import (
    CYCLES,
    FOURIER,
    HOLIDAY,
    WEEKEND,
    country_of,
    find_clashes,
    is_dated,
    orders_of,
)
from forecaster.data.time.rules import AS_WRITTEN, CALENDAR, SESSIONS, WORKING_DAYS, TimeRules

_DAY = pd.Timedelta(days=1)
_MICROSECONDS_A_DAY = 86_400_000_000
_EPOCH = pd.Timestamp(1970, 1, 1)
_FAR = 1000  # days from any timestamp, beyond a year
_WEEK = 7  # days before and after a holiday that it is felt on
# A feature tells steps apart that are shorter than its cycle.
_LONGEST = {
    "minute": pd.Timedelta(hours=1),
    "hour": _DAY,
    "weekday": 7 * _DAY,
    WEEKEND: 7 * _DAY,
    "day": 28 * _DAY,
} | dict.fromkeys(("week", "month", "quarter", "yearday"), 365 * _DAY)


def list_feature_names(names: Sequence[str], seasons: Sequence[int]) -> list[str]:
    """What each column of `build_calendar_features` is called: `hour.sin`, `weekend`, `fourier.168.1.cos`."""
    return [called for name in names for called in _called(name, seasons)]


def build_calendar_features(
    names: Sequence[str], timestamps: pd.Index, seasons: Sequence[int], frequency: str, rules: TimeRules = AS_WRITTEN
) -> np.ndarray:
    """Every feature at every timestamp, the same whatever series or window the timestamp stands in.

    Args:
        names: those of `data.calendar`, each of which `find_calendar_problems` accepts.
        timestamps: dates, of which the local time counts where they have a zone, or integers.
        seasons: steps in each season, for `fourier.3`.
        frequency: of the series, by which steps are counted.
        rules: of the series; its weekdays count the steps of a calendar.

    Returns:
        (steps, features) float32, from -1 to 1; the columns as `list_feature_names` calls them.
    """
    features = np.empty((len(timestamps), len(list_feature_names(names, seasons))), np.float32)
    local = timestamps.tz_localize(None) if isinstance(timestamps, pd.DatetimeIndex) else pd.DatetimeIndex([])
    counted = any(not is_dated(name) for name in names)
    numbers = number_steps(timestamps, frequency, rules) if counted else np.array([], np.int64)
    for index, column in enumerate(column for name in names for column in _columns(name, local, numbers, seasons)):
        features[:, index] = column
    return features


def find_calendar_problems(
    names: Sequence[str], timestamps: pd.Index, seasons: Sequence[int], frequency: str, rules: TimeRules = AS_WRITTEN
) -> list[tuple[int, str, dict[str, Any]]]:
    """Find the names that make no sense for these timestamps, in order: their number, and code and detail."""
    found = list(find_clashes(names, seasons))
    for index, name in enumerate(names):
        if problem := _problem(name, timestamps, frequency, rules):
            found.append((index, *problem))
    return sorted(found, key=lambda problem: problem[0])


def minute(local: pd.DatetimeIndex) -> np.ndarray:
    """The minute of the hour, from 0 to below 1, (steps,)."""
    return np.asarray(local.minute) / 60


def hour(local: pd.DatetimeIndex) -> np.ndarray:
    """The hour of the day, from 0 to below 1, (steps,)."""
    return np.asarray(local.hour) / 24


def weekday(local: pd.DatetimeIndex) -> np.ndarray:
    """The day of the week, Monday 0, to below 1, (steps,)."""
    return np.asarray(local.day_of_week) / 7


def day(local: pd.DatetimeIndex) -> np.ndarray:
    """The day of the month, from 0 to below 1, in a month of whatever length, (steps,)."""
    return (np.asarray(local.day) - 1) / np.asarray(local.days_in_month)


def week(local: pd.DatetimeIndex) -> np.ndarray:
    """The week of the year by ISO 8601, from 0 to below 1, in a year of 52 weeks or 53, (steps,)."""
    thursday = local + pd.to_timedelta(3 - np.asarray(local.day_of_week), unit="D")  # a week is of its Thursday's year
    yearday = np.asarray(thursday.day_of_year)
    number, left = (yearday - 1) // 7, (_days_in_year(thursday) - yearday) // 7
    return number / (number + left + 1)


def month(local: pd.DatetimeIndex) -> np.ndarray:
    """The month of the year, from 0 to below 1, (steps,)."""
    return (np.asarray(local.month) - 1) / 12


def quarter(local: pd.DatetimeIndex) -> np.ndarray:
    """The quarter of the year, from 0 to below 1, (steps,)."""
    return (np.asarray(local.quarter) - 1) / 4


def yearday(local: pd.DatetimeIndex) -> np.ndarray:
    """The day of the year, from 0 to below 1, in a year of 365 days or 366, (steps,)."""
    return (np.asarray(local.day_of_year) - 1) / _days_in_year(local)


def weekend(local: pd.DatetimeIndex) -> np.ndarray:
    """1 on Saturdays and Sundays, (steps,)."""
    return np.asarray(local.day_of_week) >= 5


def holiday(local: pd.DatetimeIndex, country: str, subdivision: str | None) -> tuple[np.ndarray, ...]:
    """1 on a public holiday; 1 the day before one, falling to 0 eight days before; the same after one: (steps,) each.

    The holidays before and after a day are others than the day itself: Christmas Day stands before Boxing Day.
    """
    days, known = _days(local), _holidays(local, country, subdivision)
    after, before = np.searchsorted(known, days, side="right"), np.searchsorted(known, days, side="left")
    on, ahead, behind = after > before, known[after] - days, days - known[before - 1]
    return on, _nearness(ahead), _nearness(behind)


def fourier(numbers: np.ndarray, season: int, order: int) -> tuple[np.ndarray, ...]:
    """Sine and cosine of an order of a season at steps of these numbers, (steps,) each.

    The sine of half a season is 0 at every step and left out (Hyndman & Athanasopoulos, FPP3, 7.4).
    """
    angles = 2 * np.pi * (numbers * order % season) / season
    return (np.cos(angles),) if 2 * order == season else (np.sin(angles), np.cos(angles))


def number_steps(timestamps: pd.Index, frequency: str, rules: TimeRules = AS_WRITTEN) -> np.ndarray:
    """The number of each timestamp on the grid of its frequency, counted from 1970, (steps,) int64.

    Integers are their own numbers. Hours and shorter steps are counted in UTC, where none comes twice. Days of a
    calendar count each of its weekdays, closed or not, so that a week has the same number of steps throughout.
    """
    if not isinstance(timestamps, pd.DatetimeIndex):
        return np.asarray(timestamps, np.int64)
    local = timestamps.tz_localize(None)
    if frequency in {SESSIONS, CALENDAR}:
        return _weekdays(local, rules.sessions.weekmask)
    step = pd.tseries.frequencies.to_offset(frequency)
    if isinstance(step, pd.offsets.BusinessDay):
        return _weekdays(local, WORKING_DAYS) // step.n
    if isinstance(step, pd.offsets.Tick):
        clock = local if timestamps.tz is None else timestamps.tz_convert("UTC").tz_localize(None)
        return _microseconds(clock) // max(1, pd.Timedelta(step) // pd.Timedelta(1, "us"))
    days = {pd.offsets.Day: 1, pd.offsets.Week: 7}.get(type(step))
    if days is not None:
        return _microseconds(local) // (step.n * days * _MICROSECONDS_A_DAY)
    grid = pd.date_range(min(local.min(), _EPOCH), max(local.max(), _EPOCH), freq=step.base)
    places = np.asarray(grid.searchsorted(local.append(pd.DatetimeIndex([_EPOCH])), side="right"))
    return (places[:-1] - places[-1]) // step.n


def _columns(name: str, local: pd.DatetimeIndex, numbers: np.ndarray, seasons: Sequence[int]) -> Iterator[np.ndarray]:
    """The columns of one name, as `_called` calls them, (steps,) each, of local times and numbers of steps."""
    if not is_dated(name):
        for season, highest in orders_of(name, seasons).items():
            for order in range(1, highest + 1):
                yield from fourier(numbers, season, order)
    elif name == WEEKEND:
        yield weekend(local)
    elif name.startswith(HOLIDAY):
        yield from holiday(local, *country_of(name))
    else:
        angle = 2 * np.pi * _PHASES[name](local)
        yield np.sin(angle)
        yield np.cos(angle)


def _called(name: str, seasons: Sequence[int]) -> list[str]:
    if name in CYCLES:
        return [f"{name}.sin", f"{name}.cos"]
    if name.startswith(HOLIDAY):
        return [name, f"{name}.ahead", f"{name}.behind"]
    if name == WEEKEND:
        return [name]
    return [
        f"{FOURIER}{season}.{order}.{wave}"
        for season, highest in orders_of(name, seasons).items()
        for order in range(1, highest + 1)
        for wave in (("cos",) if 2 * order == season else ("sin", "cos"))
    ]


def _problem(name: str, timestamps: pd.Index, frequency: str, rules: TimeRules) -> tuple[str, dict[str, Any]] | None:
    """Find why a feature makes no sense for these timestamps, None where it does."""
    if not isinstance(timestamps, pd.DatetimeIndex):
        return ("calendar-without-dates", {"name": name, "key": "data.time"}) if is_dated(name) else None
    if len(timestamps) < 2:
        return None
    shortest = (timestamps[1:] - timestamps[:-1]).min()
    if not is_dated(name):
        return ("feature-without-steps", {"name": name}) if frequency == SESSIONS and shortest < _DAY else None
    if name.startswith(HOLIDAY):
        if shortest > _DAY:
            return "feature-too-fine", {"name": name, "frequency": frequency}
        if _knows(timestamps, *country_of(name)):
            return None
        years = {"first": timestamps.min().year, "last": timestamps.max().year}
        return "unknown-holidays", {"name": name, **years}
    if shortest < _LONGEST[name]:
        return None
    return "feature-too-fine", {"name": name, "frequency": frequency}


def _knows(timestamps: pd.DatetimeIndex, country: str, subdivision: str | None) -> bool:
    first, last = timestamps.min().year, timestamps.max().year
    return len(_public_holidays(country, subdivision, first, last)) > 0


def _holidays(local: pd.DatetimeIndex, country: str, subdivision: str | None) -> np.ndarray:
    """The days of public holidays around all timestamps, in order, between one long before and one long after."""
    first, last = local.min(), local.max()
    known = _public_holidays(country, subdivision, first.year - 1, last.year + 1)
    before, after = _days(pd.DatetimeIndex([first, last]))
    return np.array([before - _FAR, *np.array(known, "datetime64[D]").astype(np.int64), after + _FAR])


def _public_holidays(country: str, subdivision: str | None, first: int, last: int) -> list[datetime.date]:
    import holidays  # noqa: PLC0415  an optional dependency

    return sorted(holidays.country_holidays(country, subdiv=subdivision, years=range(first, last + 1)))


def _nearness(distance: np.ndarray) -> np.ndarray:
    """1 at one day, 0 from eight days on."""
    return np.clip((_WEEK + 1 - distance) / _WEEK, 0, 1)


def _days(local: pd.DatetimeIndex) -> np.ndarray:
    """Since 1970, (steps,) int64."""
    return local.to_numpy().astype("datetime64[D]").astype(np.int64)


def _days_in_year(dates: pd.DatetimeIndex) -> np.ndarray:
    return 365 + np.asarray(dates.is_leap_year)


def _weekdays(local: pd.DatetimeIndex, weekmask: str) -> np.ndarray:
    """Since 1970, those of the mask, (steps,) int64."""
    return np.busday_count(_EPOCH.date(), local.to_numpy().astype("datetime64[D]"), weekmask=weekmask)


def _microseconds(naive: pd.DatetimeIndex) -> np.ndarray:
    """Since 1970, (steps,) int64."""
    return naive.as_unit("us").asi8


_PHASES: dict[str, Callable[[pd.DatetimeIndex], np.ndarray]] = {
    "minute": minute,
    "hour": hour,
    "weekday": weekday,
    "day": day,
    "week": week,
    "month": month,
    "quarter": quarter,
    "yearday": yearday,
}
