"""Freshness: how long ago the newest step of a series was over, and from when its age is too large."""

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster.config.schema import MaxAge
from forecaster.data import Series
from forecaster.durations import parse_duration
from forecaster.errors import ConfigError
from forecaster.forecast import Timestamp
from forecaster.problems import Problem
from forecaster.wording import count_steps, format_timestamp, name_duration

_MOST_STEPS = 100_000  # that are laid out to find an age in steps; more are never reached


@dataclass(frozen=True)
class Freshness:
    """The age of the newest value of one series; every time is in UTC.

    Attributes:
        series: its name.
        rows: values that the file has of it.
        newest: the timestamp of the newest of them.
        ended: when the step of that timestamp was over; None where steps have no dates.
        warns_from, stale_from: from when on its age is a warning or an error; None for never.
    """

    series: str
    rows: int
    newest: Timestamp
    ended: datetime.datetime | None = None
    warns_from: datetime.datetime | None = None
    stale_from: datetime.datetime | None = None

    def measure_age(self, now: datetime.datetime) -> float | None:
        """Measure how many seconds ago its newest step was over, 0 where it is not over yet."""
        return None if self.ended is None else max(0.0, (now - self.ended).total_seconds())


def measure_freshness(
    panel: Sequence[Series], max_age: MaxAge | None, local: datetime.tzinfo | None = None
) -> list[Freshness]:
    """Measure the freshness of each series.

    Args:
        panel: the series; values that were filled do not count.
        max_age: ages of a warning and of an error, as durations or in steps.
        local: the zone of timestamps without one, where `data.timezone` names none; the machine's where it is None.

    Raises:
        ConfigError: there is a largest age, and the steps have no dates.
    """
    if max_age is not None and any(not series.has_dates for series in panel[:1]):
        raise ConfigError(Problem("age-without-dates", column="checks.max_age"))
    known: dict[Any, tuple[datetime.datetime | None, ...]] = {}  # many series end at the same step
    return [_measure_series(series, max_age, local, known) for series in panel]


def _measure_series(
    series: Series, max_age: MaxAge | None, local: datetime.tzinfo | None, known: dict[Any, Any]
) -> Freshness:
    last = len(series) - 1 if series.observed is None else int(np.flatnonzero(series.observed)[-1])
    rows = len(series) if series.observed is None else int(np.count_nonzero(series.observed))
    newest = series.find_timestamp(last)
    if not series.has_dates:
        return Freshness(series.name, rows, newest)
    # The times of day of trading days, and so their next steps, are those of each series.
    key = (newest, len(series) - last, series.name if series.frequency == "sessions" else "")
    if key not in known:
        limits = (None, None) if max_age is None else (max_age.warn, max_age.error)
        known[key] = tuple(_find_end(series, last, limit, local) for limit in (0, *limits))
    return Freshness(series.name, rows, newest, *known[key])


def _find_end(
    series: Series, last: int, limit: int | str | None, local: datetime.tzinfo | None
) -> datetime.datetime | None:
    """Find when the step that is `limit` steps or a duration after the newest, at `last`, is over."""
    if limit is None:
        return None
    # With n steps allowed, the step that is one too many is over n + 1 steps after the newest.
    further = limit + 1 if isinstance(limit, int) and limit else 0
    if further > _MOST_STEPS:
        return None
    try:
        end = _to_utc(series, series.find_end(last + further), local)
        return end + datetime.timedelta(seconds=(parse_duration(limit) or 0) if isinstance(limit, str) else 0)
    except (OverflowError, ValueError):  # beyond the dates that pandas or Python know
        return None


def _to_utc(series: Series, end: Timestamp, local: datetime.tzinfo | None) -> datetime.datetime:
    """Convert a time of a series to UTC; of an hour that the clock repeats the first is meant."""
    if end.tzinfo is None and series.rules.timezone is not None:
        end = end.tz_localize(series.rules.timezone, ambiguous=True, nonexistent="shift_forward")
    moment = end if type(end) is datetime.datetime else end.to_pydatetime(warn=False)
    if moment.tzinfo is None and local is not None:
        moment = moment.replace(tzinfo=local)
    return moment.astimezone(datetime.UTC)  # which takes a time without a zone for the machine's


def report_age(
    series: Series, freshness: Freshness, max_age: MaxAge, now: datetime.datetime, where: str
) -> Problem | None:
    """Report a series that is too old: as `stale-data` where that is an error, else as `aging-data`."""
    for code, begin, limit in (
        ("stale-data", freshness.stale_from, max_age.error),
        ("aging-data", freshness.warns_from, max_age.warn),
    ):
        if begin is not None and now > begin:
            seconds = freshness.measure_age(now) or 0.0
            age, named = (
                name_duration(datetime.timedelta(seconds=math.floor(seconds))),
                _name_limit(limit, series.frequency),
            )
            detail = {
                "newest": format_timestamp(freshness.newest),
                "age": f"more than {age}" if age == named else age,
                "age_seconds": seconds,
                "limit": named,
                "enough": f"{math.ceil(seconds / 3600 + 0.5)}h",  # half an hour at least to run the command again
            }
            return Problem(code, where, detail=detail)
    return None


def _name_limit(limit: int | str | None, frequency: str) -> str:
    """Name a largest age: `6 hours`, `3 trading days`."""
    if isinstance(limit, int):
        return count_steps(limit, frequency)
    return name_duration(datetime.timedelta(seconds=parse_duration(limit or "") or 0))
