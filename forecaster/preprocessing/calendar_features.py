"""Calendar features of timestamps, each a pure function of the index."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.config.calendar_names import (
    CYCLES,
    FOURIER,
    HOLIDAY,
    WEEKEND,
    find_clashes,
    find_orders,
    is_dated,
    split_country,
)
from forecaster.time.grid import STEP
from forecaster.time.rules import AS_WRITTEN, CALENDAR, SESSIONS, WORKING_DAYS, TimeRules

if TYPE_CHECKING:
    import pandas as pd

_DAY = datetime.timedelta(days=1)
_MICROSECONDS_A_DAY = 86_400_000_000
_EPOCH = datetime.datetime(1970, 1, 1)
_FAR = 1000  # days, more than two years: a holiday that far away has no effect
_WEEK = 7  # days before and after a holiday on which it has an effect
# A feature distinguishes steps that are shorter than its cycle.
_LONGEST = {
    "minute": datetime.timedelta(hours=1),
    "hour": _DAY,
    "weekday": 7 * _DAY,
    WEEKEND: 7 * _DAY,
    "day": 28 * _DAY,
} | dict.fromkeys(("week", "month", "quarter", "yearday"), 365 * _DAY)


def list_feature_names(names: Sequence[str], seasons: Sequence[int]) -> list[str]:
    """List the names of `build_calendar_features`' columns: `hour.sin`, `weekend`, `fourier.168.1.cos`."""
    return [column for name in names for column in _name_columns(name, seasons)]


def build_calendar_features(
    names: Sequence[str], timestamps: "pd.Index", seasons: Sequence[int], frequency: str, rules: TimeRules = AS_WRITTEN
) -> np.ndarray:
    """Build every feature at every timestamp, independent of series and window.

    Args:
        names: those of `data.calendar`, each of which `find_calendar_problems` accepts.
        timestamps: dates, whose local time counts if they have a zone, or integers.
        seasons: steps in each season, for `fourier.3`.
        frequency: of the series, the unit in which steps are counted.
        rules: of the series; their weekdays are the steps of a trading calendar.

    Returns:
        (steps, features) float32, from -1 to 1, in the order of `list_feature_names`.
    """
    import pandas as pd  # noqa: PLC0415  for calendar features alone

    features = np.empty((len(timestamps), len(list_feature_names(names, seasons))), np.float32)
    local = timestamps.tz_localize(None) if isinstance(timestamps, pd.DatetimeIndex) else pd.DatetimeIndex([])
    counted = any(not is_dated(name) for name in names)
    numbers = number_steps(timestamps, frequency, rules) if counted else np.array([], np.int64)
    for index, column in enumerate(
        column for name in names for column in _build_columns(name, local, numbers, seasons)
    ):
        features[:, index] = column
    return features


def find_calendar_problems(
    names: Sequence[str], timestamps: "pd.Index", seasons: Sequence[int], frequency: str, rules: TimeRules = AS_WRITTEN
) -> list[tuple[int, str, dict[str, Any]]]:
    """Find the names that make no sense for these timestamps, in order: their number, and code and detail."""
    problems = list(find_clashes(names, seasons))
    for index, name in enumerate(names):
        if problem := _find_problem(name, timestamps, frequency, rules):
            problems.append((index, *problem))
    return sorted(problems, key=lambda problem: problem[0])


def compute_minute(local: "pd.DatetimeIndex") -> np.ndarray:
    """Return the minute of the hour, in [0, 1), (steps,)."""
    return np.asarray(local.minute) / 60


def compute_hour(local: "pd.DatetimeIndex") -> np.ndarray:
    """Return the hour of the day, in [0, 1), (steps,)."""
    return np.asarray(local.hour) / 24


def compute_weekday(local: "pd.DatetimeIndex") -> np.ndarray:
    """Return the day of the week, in [0, 1) from Monday, (steps,)."""
    return np.asarray(local.day_of_week) / 7


def compute_day(local: "pd.DatetimeIndex") -> np.ndarray:
    """Return the day of the month as a share of that month, in [0, 1), (steps,)."""
    return (np.asarray(local.day) - 1) / np.asarray(local.days_in_month)


def compute_week(local: "pd.DatetimeIndex") -> np.ndarray:
    """Return the ISO 8601 week as a share of its year of 52 or 53 weeks, in [0, 1), (steps,)."""
    # A week belongs to the year of its Thursday.
    thursday = local + (3 - np.asarray(local.day_of_week)).astype("timedelta64[D]")
    yearday = np.asarray(thursday.day_of_year)
    number, left = (yearday - 1) // 7, (_count_days_in_year(thursday) - yearday) // 7
    return number / (number + left + 1)


def compute_month(local: "pd.DatetimeIndex") -> np.ndarray:
    """Return the month of the year, in [0, 1), (steps,)."""
    return (np.asarray(local.month) - 1) / 12


def compute_quarter(local: "pd.DatetimeIndex") -> np.ndarray:
    """Return the quarter of the year, in [0, 1), (steps,)."""
    return (np.asarray(local.quarter) - 1) / 4


def compute_yearday(local: "pd.DatetimeIndex") -> np.ndarray:
    """Return the day of the year as a share of its 365 or 366 days, in [0, 1), (steps,)."""
    return (np.asarray(local.day_of_year) - 1) / _count_days_in_year(local)


def compute_weekend(local: "pd.DatetimeIndex") -> np.ndarray:
    """Return 1 on Saturdays and Sundays, 0 otherwise, (steps,)."""
    return np.asarray(local.day_of_week) >= 5


def compute_holiday(local: "pd.DatetimeIndex", country: str, subdivision: str | None) -> tuple[np.ndarray, ...]:
    """Return three features, (steps,) each: on, before and after a public holiday.

    The first is 1 on a holiday. The others are 1 on the day before (after) one and fall linearly to 0 on the eighth.
    On a holiday, these two refer to other holidays: Christmas Day is also the day before Boxing Day.
    """
    days, known = _count_days(local), _list_holidays(local, country, subdivision)
    after, before = np.searchsorted(known, days, side="right"), np.searchsorted(known, days, side="left")
    on, ahead, behind = after > before, known[after] - days, days - known[before - 1]
    return on, _compute_nearness(ahead), _compute_nearness(behind)


def compute_fourier(numbers: np.ndarray, season: int, order: int) -> tuple[np.ndarray, ...]:
    """Return the Fourier terms sin and cos of 2π order t / season at step numbers t, (steps,) each.

    At order = season / 2 the sine is 0 at every step and omitted (Hyndman & Athanasopoulos, FPP3, section 7.4).
    """
    angles = 2 * np.pi * (numbers * order % season) / season
    return (np.cos(angles),) if 2 * order == season else (np.sin(angles), np.cos(angles))


def number_steps(timestamps: "pd.Index", frequency: str, rules: TimeRules = AS_WRITTEN) -> np.ndarray:
    """Return the number of each timestamp on the grid of its frequency, from 1970, (steps,) int64.

    Integers number themselves. Hours and shorter steps are counted in UTC, where none repeats. A trading calendar
    counts all its weekdays, holidays included, so that every week has the same number of steps.
    """
    import pandas as pd  # noqa: PLC0415

    if not isinstance(timestamps, pd.DatetimeIndex):
        return np.asarray(timestamps, np.int64)
    local = timestamps.tz_localize(None)
    if frequency in {SESSIONS, CALENDAR}:
        return _count_weekdays(local, rules.sessions.weekmask)
    step = pd.tseries.frequencies.to_offset(frequency)
    if isinstance(step, pd.offsets.BusinessDay):
        return _count_weekdays(local, WORKING_DAYS) // step.n
    if isinstance(step, pd.offsets.Tick):
        clock = local if timestamps.tz is None else timestamps.tz_convert("UTC").tz_localize(None)
        return _count_microseconds(clock) // max(1, pd.Timedelta(step) // pd.Timedelta(1, "us"))
    days = {pd.offsets.Day: 1, pd.offsets.Week: 7}.get(type(step))
    if days is not None:
        return _count_microseconds(local) // (step.n * days * _MICROSECONDS_A_DAY)
    grid = pd.date_range(min(local.min(), _EPOCH), max(local.max(), _EPOCH), freq=step.base)
    places = np.asarray(grid.searchsorted(local.append(pd.DatetimeIndex([_EPOCH])), side="right"))
    return (places[:-1] - places[-1]) // step.n


def _build_columns(
    name: str, local: "pd.DatetimeIndex", numbers: np.ndarray, seasons: Sequence[int]
) -> Iterator[np.ndarray]:
    """Build the columns of one name in the order of `_name_columns`, (steps,) each."""
    if not is_dated(name):
        for season, highest in find_orders(name, seasons).items():
            for order in range(1, highest + 1):
                yield from compute_fourier(numbers, season, order)
    elif name == WEEKEND:
        yield compute_weekend(local)
    elif name.startswith(HOLIDAY):
        yield from compute_holiday(local, *split_country(name))
    else:
        angle = 2 * np.pi * _PHASES[name](local)
        yield np.sin(angle)
        yield np.cos(angle)


def _name_columns(name: str, seasons: Sequence[int]) -> list[str]:
    """Name the columns of one feature."""
    if name in CYCLES:
        return [f"{name}.sin", f"{name}.cos"]
    if name.startswith(HOLIDAY):
        return [name, f"{name}.ahead", f"{name}.behind"]
    if name == WEEKEND:
        return [name]
    return [
        f"{FOURIER}{season}.{order}.{wave}"
        for season, highest in find_orders(name, seasons).items()
        for order in range(1, highest + 1)
        for wave in (("cos",) if 2 * order == season else ("sin", "cos"))
    ]


def _find_problem(
    name: str, timestamps: "pd.Index", frequency: str, rules: TimeRules
) -> tuple[str, dict[str, Any]] | None:
    """Find why a feature makes no sense for these timestamps, None where it does."""
    if frequency == STEP:
        return ("calendar-without-dates", {"name": name, "key": "data.time"}) if is_dated(name) else None
    if len(timestamps) < 2:
        return None
    shortest = (timestamps[1:] - timestamps[:-1]).min()
    if not is_dated(name):
        return ("feature-without-steps", {"name": name}) if frequency == SESSIONS and shortest < _DAY else None
    if name.startswith(HOLIDAY):
        if shortest > _DAY:
            return "feature-too-fine", {"name": name, "frequency": frequency}
        years = {"first": timestamps.min().year, "last": timestamps.max().year}
        if _load_public_holidays(*split_country(name), years["first"], years["last"]):
            return None
        return "unknown-holidays", {"name": name, **years}
    if shortest < _LONGEST[name]:
        return None
    return "feature-too-fine", {"name": name, "frequency": frequency}


def _list_holidays(local: "pd.DatetimeIndex", country: str, subdivision: str | None) -> np.ndarray:
    """List the holidays around all timestamps as days since 1970, between sentinels far before and after."""
    holidays = _load_public_holidays(country, subdivision, local.min().year - 1, local.max().year + 1)
    days = _count_days(local)
    before, after = days.min(), days.max()
    return np.array([before - _FAR, *np.array(holidays, "datetime64[D]").astype(np.int64), after + _FAR])


def _load_public_holidays(country: str, subdivision: str | None, first: int, last: int) -> list[datetime.date]:
    """Load the public holidays of some years, in order."""
    import holidays  # noqa: PLC0415  an optional dependency

    return sorted(holidays.country_holidays(country, subdiv=subdivision, years=range(first, last + 1)))


def _compute_nearness(distance: np.ndarray) -> np.ndarray:
    """Map a distance in days to 1 at one day, falling linearly to 0 at eight."""
    return np.clip((_WEEK + 1 - distance) / _WEEK, 0, 1)


def _count_days(local: "pd.DatetimeIndex") -> np.ndarray:
    """Count the days since 1970, (steps,) int64."""
    return local.to_numpy().astype("datetime64[D]").astype(np.int64)


def _count_days_in_year(dates: "pd.DatetimeIndex") -> np.ndarray:
    return 365 + np.asarray(dates.is_leap_year)


def _count_weekdays(local: "pd.DatetimeIndex", weekmask: str) -> np.ndarray:
    """Count the weekdays of the mask since 1970, (steps,) int64."""
    return np.busday_count(_EPOCH.date(), local.to_numpy().astype("datetime64[D]"), weekmask=weekmask)


def _count_microseconds(naive: "pd.DatetimeIndex") -> np.ndarray:
    """Count the microseconds since 1970, (steps,) int64."""
    return naive.as_unit("us").asi8


_PHASES: dict[str, "Callable[[pd.DatetimeIndex], np.ndarray]"] = {
    "minute": compute_minute,
    "hour": compute_hour,
    "weekday": compute_weekday,
    "day": compute_day,
    "week": compute_week,
    "month": compute_month,
    "quarter": compute_quarter,
    "yearday": compute_yearday,
}
