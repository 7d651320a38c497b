"""Freshness: when the newest step was over, and from when on its age is a warning or an error, all by hand."""

import datetime
import zoneinfo

import numpy as np
import pandas as pd
import pytest

from forecaster.config.schema import MaxAge
from forecaster.data import Series
from forecaster.errors import ConfigError
from forecaster.forecasting.freshness import measure_freshness, report_age
from forecaster.time.rules import TimeRules

NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
UTC = datetime.UTC


def series_of(first, steps, frequency, zone=None, rules=None, observed=None):
    step = "B" if frequency == "sessions" else frequency
    timestamps = pd.date_range(first, periods=steps, freq=step, tz=zone)
    values = np.arange(float(steps))
    return Series("y", "y", "t", timestamps, values, frequency, rules=rules or TimeRules(), observed=observed)


def fresh(series, warn=None, error=None, local=UTC):
    limits = MaxAge(warn=warn, error=error) if warn or error else None
    return measure_freshness([series], limits, local)[0]


def at(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "steps", "frequency", "ended"),
    [
        ("2026-01-31", 24, "h", "2026-02-01 00:00"),  # the newest hour is 23:00
        ("2026-01-31", 4, "15min", "2026-01-31 01:00"),
        ("2026-01-01", 31, "D", "2026-02-01 00:00"),
        ("2025-12-01", 2, "MS", "2026-02-01 00:00"),  # January, dated by its first day
        ("2025-12-01", 2, "ME", "2026-02-01 00:00"),  # and by its last
        ("2026-01-26", 5, "B", "2026-01-31 00:00"),  # Friday
        ("2026-01-26", 5, "sessions", "2026-01-31 00:00"),
        ("2026-01-05", 2, "W-MON", "2026-01-19 00:00"),
    ],
)
def test_a_step_lasts_until_the_next_one_begins(first, steps, frequency, ended):
    assert fresh(series_of(first, steps, frequency)).ended == at(ended)


@pytest.mark.parametrize(
    ("series", "local", "ended"),
    [
        (series_of("2026-01-31", 24, "h", "Europe/Berlin"), NEW_YORK, "2026-01-31 23:00"),
        (series_of("2026-01-31", 24, "h"), NEW_YORK, "2026-02-01 05:00"),  # times without a zone are local times
        (series_of("2026-03-01", 28, "D", rules=TimeRules(timezone="Europe/Berlin")), NEW_YORK, "2026-03-28 23:00"),
        # the day of 23 hours on which summer time begins
        (series_of("2026-03-01", 29, "D", rules=TimeRules(timezone="Europe/Berlin")), NEW_YORK, "2026-03-29 22:00"),
        (series_of("2026-03-01", 29, "D"), zoneinfo.ZoneInfo("Europe/Berlin"), "2026-03-29 22:00"),
        # 00:00 to 01:00 UTC, where the clock then shows 01:00 again
        (series_of("2026-10-25 00:00", 2, "h", "Europe/London"), NEW_YORK, "2026-10-25 01:00"),
        (series_of("2026-01-31", 24, "h", rules=TimeRules(timezone="UTC+02:00")), NEW_YORK, "2026-01-31 22:00"),
    ],
)
def test_an_age_counts_in_the_zone_of_the_data(series, local, ended):
    assert fresh(series, local=local).ended == at(ended)


def test_a_largest_age_is_a_time_after_the_end_of_the_newest_step():
    found = fresh(series_of("2026-01-31", 24, "h"), warn="3h", error="2d")
    assert (found.warns_from, found.stale_from) == (at("2026-02-01 03:00"), at("2026-02-03 00:00"))
    assert found.measure_age(at("2026-02-01 04:30")) == 4.5 * 3600
    assert found.measure_age(at("2026-01-31 10:00")) == 0  # a clock that is behind


def test_weekends_do_not_age_trading_days_in_steps():
    # Friday; with one day allowed to be missing, Monday may, and Tuesday may not once it is over
    for frequency in ("B", "sessions"):
        assert fresh(series_of("2026-01-26", 5, frequency), error=1).stale_from == at("2026-02-04 00:00")
    assert fresh(series_of("2026-01-27", 5, "D"), error=1).stale_from == at("2026-02-03 00:00")


def test_more_steps_than_anybody_waits_for_are_never_reached():
    assert fresh(series_of("2026-01-26", 5, "h"), error=1_000_000_000).stale_from is None
    assert fresh(series_of("2026-01-26", 5, "h"), error="1000y").stale_from.year == 3025


def test_values_that_were_filled_are_not_new():
    observed = np.array([True, True, True, False, False])
    found = fresh(series_of("2026-01-31", 5, "h", observed=observed), error=1)
    assert (found.newest, found.rows) == (pd.Timestamp("2026-01-31 02:00"), 3)
    assert (found.ended, found.stale_from) == (at("2026-01-31 03:00"), at("2026-01-31 05:00"))
    assert fresh(series_of("2026-01-31", 5, "h", observed=observed), error=4).stale_from == at("2026-01-31 08:00")


def test_steps_without_dates_have_no_age():
    series = Series("y", "y", None, pd.RangeIndex(5), np.arange(5.0), "step")
    assert measure_freshness([series], None)[0].measure_age(at("2026-01-31")) is None
    with pytest.raises(ConfigError, match=r"checks\.max_age: the data have no dates"):
        measure_freshness([series], MaxAge(error="6h"))


def test_an_age_is_reported_as_the_worse_of_both_levels():
    series, limits = series_of("2026-01-31", 24, "h"), MaxAge(warn=2, error="6h")
    (found,) = measure_freshness([series], limits, UTC)
    assert report_age(series, found, limits, at("2026-02-01 03:00"), "load.csv") is None  # just 2 hours are missing
    assert str(report_age(series, found, limits, at("2026-02-01 03:01"), "load.csv")) == (
        "load.csv: the newest row, 2026-01-31 23:00:00, ended 3 hours 1 minute ago, more than the 2 hours of "
        "checks.max_age.warn; deliver newer rows"
    )
    assert report_age(series, found, limits, at("2026-02-01 06:00"), "load.csv").code == "aging-data"
    assert str(report_age(series, found, limits, at("2026-02-01 06:30"), "load.csv")) == (
        "load.csv: the newest row, 2026-01-31 23:00:00, ended 6 hours 30 minutes ago, and at most 6 hours is allowed; "
        "deliver newer rows, or allow older ones with --max-age 7h, or max_age: 7h in a job"
    )
    assert report_age(series, found, limits, at("2026-02-01 06:00:00.5"), "").detail["age"] == "more than 6 hours"
