"""Calendar features: against values worked out by hand, pandas' own calendar and the package of holidays."""

import holidays
import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.config.load import load_resolved
from forecaster.extras import MissingExtra
from forecaster.preprocessing.calendar_features import (
    build_calendar_features,
    find_calendar_problems,
    list_feature_names,
    number_steps,
)
from forecaster.problems import Problem
from forecaster.time.rules import TimeRules

DAYS = pd.date_range("1899-12-25", "2100-01-10", freq="D")
EVERYTHING = ["minute", "hour", "weekday", "day", "week", "month", "quarter", "yearday", "weekend", "fourier.168.3"]


def phase(name: str, timestamps: pd.DatetimeIndex) -> np.ndarray:
    """Where in its cycle a feature stands, from 0 to below 1, read back from its sine and cosine."""
    sine, cosine = build_calendar_features([name], timestamps, [], "h").T.astype(float)
    return np.arctan2(sine, cosine) / (2 * np.pi) % 1


@pytest.mark.parametrize(
    ("name", "timestamp", "expected"),
    [
        ("minute", "2026-01-05 10:15", 15 / 60),
        ("hour", "2026-01-05 06:59", 6 / 24),
        ("weekday", "2026-01-05", 0),  # a Monday
        ("weekday", "2026-01-04 23:00", 6 / 7),
        ("day", "2026-02-15", 14 / 28),
        ("day", "2024-02-29", 28 / 29),
        ("week", "2026-01-01", 0),  # a Thursday
        ("week", "2025-12-29", 0),  # the Monday before it
        ("week", "2027-01-01", 52 / 53),  # a Friday
        ("week", "2024-12-23", 51 / 52),
        ("month", "2026-07-31", 6 / 12),
        ("quarter", "2026-10-01", 3 / 4),
        ("yearday", "2026-12-31", 364 / 365),
        ("yearday", "2024-12-31", 365 / 366),
    ],
)
def test_a_cycle_by_hand(name, timestamp, expected):
    assert phase(name, pd.DatetimeIndex([timestamp])) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "number", "cycle"),
    [
        ("weekday", DAYS.day_of_week, 7),
        ("day", DAYS.day - 1, DAYS.days_in_month),
        ("month", DAYS.month - 1, 12),
        ("quarter", DAYS.quarter - 1, 4),
        ("yearday", DAYS.day_of_year - 1, 365 + DAYS.is_leap_year),
    ],
)
def test_two_centuries_of_days_against_pandas(name, number, cycle):
    np.testing.assert_allclose(phase(name, DAYS), np.asarray(number) / np.asarray(cycle), atol=1e-6)


def test_weeks_against_the_iso_calendar():
    weeks = DAYS.isocalendar()
    last = weeks.groupby("year")["week"].transform("max").to_numpy(float)
    whole = (weeks["year"] > 1899) & (weeks["year"] < 2099)
    expected = (weeks["week"].to_numpy(float) - 1) / last
    np.testing.assert_allclose(phase("week", DAYS)[whole], expected[whole], atol=1e-6)


def test_sunday_is_as_near_to_monday_as_monday_to_tuesday():
    features = build_calendar_features(["weekday"], pd.date_range("2026-01-04", periods=3), [], "D")
    assert np.linalg.norm(features[0] - features[1]) == pytest.approx(np.linalg.norm(features[1] - features[2]))


def test_columns_are_called_by_their_feature_in_the_order_of_the_names():
    names = ["weekend", "hour", "holiday.DE", "fourier.168.2", "fourier.1", "fourier.4.2"]
    assert list_feature_names(names, [24, 48]) == [
        "weekend", "hour.sin", "hour.cos", "holiday.DE", "holiday.DE.ahead", "holiday.DE.behind", "fourier.168.1.sin",
        "fourier.168.1.cos", "fourier.168.2.sin", "fourier.168.2.cos", "fourier.24.1.sin", "fourier.24.1.cos",
        "fourier.48.1.sin", "fourier.48.1.cos", "fourier.4.1.sin", "fourier.4.1.cos", "fourier.4.2.cos",
    ]  # fmt: skip
    features = build_calendar_features(names, pd.date_range("2026-01-03 05:00", periods=2, freq="h"), [24, 48], "h")
    assert features.shape == (2, 17)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features[:, 0], [1, 1])
    assert list_feature_names([], [24]) == []


def test_holidays_are_felt_a_week_before_and_after():
    days = pd.date_range("2026-12-16", "2027-01-03")
    on, ahead, behind = build_calendar_features(["holiday.DE"], days, [], "D").T
    by_day = {f"{day:%m-%d}": index for index, day in enumerate(days)}
    assert [day for day, index in by_day.items() if on[index]] == ["12-25", "12-26", "01-01"]
    expected = {"12-16": 0, "12-18": 1 / 7, "12-24": 1, "12-25": 1, "12-26": 2 / 7, "12-31": 1, "01-01": 0}
    np.testing.assert_allclose([ahead[by_day[day]] for day in expected], list(expected.values()), atol=1e-6)
    expected = {"12-24": 0, "12-25": 0, "12-26": 1, "12-27": 1, "12-31": 3 / 7, "01-01": 2 / 7, "01-02": 1}
    np.testing.assert_allclose([behind[by_day[day]] for day in expected], list(expected.values()), atol=1e-6)


@pytest.mark.parametrize(("name", "country", "part"), [("holiday.US-CA", "US", "CA"), ("holiday.FR", "FR", None)])
def test_holidays_against_their_package(name, country, part):
    known = holidays.country_holidays(country, subdiv=part, years=range(1999, 2032))
    days = pd.date_range("2000-01-01", "2030-12-31")
    on = build_calendar_features([name], days, [], "D")[:, 0]
    np.testing.assert_array_equal(on == 1, [day in known for day in days.date])


def test_a_fourier_term_depends_on_the_number_of_the_step():
    steps = pd.RangeIndex(5, 9)
    features = build_calendar_features(["fourier.8.2"], steps, [], "step")
    angle = 2 * np.pi * np.arange(5, 9) / 8
    expected = np.stack([np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)], axis=1)
    np.testing.assert_allclose(features, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("timestamp", "frequency", "number"),
    [
        ("1970-01-01", "D", 0),
        ("1969-12-31", "D", -1),
        ("1970-01-09", "2D", 4),
        ("1970-01-02 03:00", "h", 27),
        ("1970-01-01 01:00", "15min", 4),
        ("1970-01-09", "B", 6),
        ("1969-12-31", "B", -1),
        ("1970-03-01", "MS", 2),
        ("1971-01-31", "ME", 13),
        ("1970-07-01", "QS", 2),
        ("1972-01-01", "YS", 2),
        ("1970-01-15", "SMS", 1),
    ],
)
def test_steps_are_counted_from_1970(timestamp, frequency, number):
    assert number_steps(pd.DatetimeIndex([timestamp]), frequency) == [number]


@pytest.mark.parametrize(
    "frequency",
    [
        "30s",
        "15min",
        "h",
        "D",
        "2D",
        "B",
        "2B",
        "W-SUN",
        "2W-WED",
        "MS",
        "ME",
        "2MS",
        "BME",
        "QS-FEB",
        "BQE-JAN",
        "YS",
        "2YS",
        "YE-JUN",
        "SMS",
        "SME",
        "WOM-3FRI",
    ],
)
def test_steps_are_counted_one_by_one_and_the_same_in_every_window(frequency):
    timestamps = pd.date_range("1955-03-03", periods=60, freq=frequency)
    numbers = number_steps(timestamps, frequency)
    np.testing.assert_array_equal(np.diff(numbers), 1)
    np.testing.assert_array_equal(
        np.concatenate([number_steps(timestamps[[step]], frequency) for step in range(60)]), numbers
    )


def test_a_week_of_sessions_has_its_steps_whether_a_market_is_closed_or_not():
    rules = TimeRules(weekmask="Mon Tue Wed Thu Fri", holidays=("2026-01-01",))
    sessions = pd.DatetimeIndex(["2025-12-29", "2025-12-31", "2026-01-02", "2026-01-05"])  # closed on the 1st
    for frequency in ("C", "sessions"):
        np.testing.assert_array_equal(np.diff(number_steps(sessions, frequency, rules)), [2, 2, 1])


def test_local_time_counts_but_steps_do_not_stumble_over_the_clock():
    hours = pd.date_range("2026-10-25 00:00", periods=6, freq="h", tz="Europe/Berlin")  # 2 o'clock comes twice
    np.testing.assert_allclose(phase("hour", hours), np.array([0, 1, 2, 2, 3, 4]) / 24, atol=1e-6)
    np.testing.assert_array_equal(np.diff(number_steps(hours, "h")), 1)
    np.testing.assert_array_equal(number_steps(hours, "h"), number_steps(hours.tz_convert("UTC"), "h"))


@pytest.mark.parametrize("frequency", ["h", "D", "B", "MS"])
def test_a_timestamp_has_the_same_features_in_every_window(frequency):
    timestamps = pd.date_range("1995-05-05", periods=100, freq=frequency)
    names = [*EVERYTHING, "holiday.US", "fourier.2"]
    whole = build_calendar_features(names, timestamps, [7], frequency)
    for first in (0, 31, 99):
        window = build_calendar_features(names, timestamps[first : first + 3], [7], frequency)
        np.testing.assert_array_equal(window, whole[first : first + 3])


@pytest.mark.parametrize(
    ("name", "frequency", "seasons", "expected"),
    [
        ("minute", "15min", [], None),
        ("minute", "h", [], "minute is the same for every step of h; remove it"),
        ("hour", "h", [], None),
        ("hour", "D", [], "hour is the same for every step of D"),
        ("weekday", "D", [], None),
        ("weekday", "B", [], None),
        ("weekday", "W-SUN", [], "weekday is the same for every step of W-SUN"),
        ("weekend", "MS", [], "weekend is the same for every step of MS"),
        ("day", "W-SUN", [], None),
        ("day", "MS", [], "day is the same for every step of MS"),
        ("month", "QS", [], None),
        ("month", "YS", [], "month is the same for every step of YS"),
        ("holiday.DE", "D", [], None),
        ("holiday.DE", "W-SUN", [], "holiday.DE is the same for every step of W-SUN; remove it"),
        ("hour", "step", [], "hour is computed from dates; set data.time, or remove it"),
        ("fourier.3", "step", [8], None),
        ("fourier.3", "h", [], "fourier.3 describes every season, and there is none; set data.season"),
        ("fourier.3", "B", [5], "a season of 5 steps has orders up to 2; use fourier.5.2"),
        ("fourier.5.3", "h", [], "a season of 5 steps has orders up to 2; use fourier.5.2"),
    ],
)
def test_what_makes_no_sense_of_a_frequency_is_refused(name, frequency, seasons, expected):
    dates = pd.date_range("2020-01-01", periods=50, freq="D" if frequency == "step" else frequency)
    found = list(
        find_calendar_problems([name], pd.RangeIndex(50) if frequency == "step" else dates, seasons, frequency)
    )
    assert [index for index, *_ in found] == ([] if expected is None else [0])
    assert expected is None or expected in str(Problem(found[0][1], detail=found[0][2]))


def test_holidays_that_nobody_knows_and_sessions_without_a_grid_are_refused():
    ancient = pd.date_range("1800-01-01", periods=50)
    assert find_calendar_problems(["holiday.DE"], ancient, [], "D") == [
        (0, "unknown-holidays", {"name": "holiday.DE", "first": 1800, "last": 1800})
    ]
    half_hours = pd.date_range("2026-01-05 09:30", periods=13, freq="30min")
    ((_, code, detail),) = find_calendar_problems(["fourier.13.2"], half_hours, [13], "sessions")
    assert (code, detail) == ("feature-without-steps", {"name": "fourier.13.2"})


def problems(calendar: list, **data) -> list[str]:
    values = {"data": {"path": "x.csv", "calendar": calendar, **data}, "window": {"length": 10, "horizon": 2}}
    return [str(problem).removeprefix("c.yaml: data.calendar.") for problem in load_values(values, "c.yaml").problems]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("huor", "received 'huor', expected minute, hour, weekday"),
        ("huor", "did you mean 'hour'?"),
        (7, "received 7, expected minute"),
        ("fourier", "fourier.3 or fourier.168.3, did you mean 'fourier.3'?"),
        ("fourier.0", "expected minute"),
        ("holiday.XX", "expected the two letters of a country, such as holiday.DE or holiday.US-CA"),
        ("holiday.de", "did you mean 'DE'?"),
        ("holiday.US-ca", "did you mean 'CA'?"),
        ("holiday.DE-XX", "expected a part of DE: Augsburg, BB, BE"),
    ],
)
def test_a_name_that_is_none_is_reported_with_the_nearest(name, expected):
    (found,) = problems(["hour", name])
    assert found.startswith("1: received")
    assert expected in found


@pytest.mark.parametrize(
    ("calendar", "data", "expected"),
    [
        (["hour", "hour"], {}, ["1: hour: is a feature already; remove it"]),
        (
            ["fourier.24.2", "fourier.24.3"],
            {},
            ["1: fourier.24.3: a season of 24 steps is a feature already; remove it"],
        ),
        (
            ["fourier.24.2", "fourier.3"],
            {"season": [24, 168]},
            ["1: fourier.3: a season of 24 steps is a feature already"],
        ),
        (["fourier.2"], {"season": 1}, ["0: fourier.2 describes every season, and there is none; set data.season"]),
        (["fourier.2"], {}, []),
        (
            ["hour", "month"],
            {"time": None},
            ["0: hour is computed from dates; set data.time, or remove it", "1: month"],
        ),
        (["hour"], {"frequency": "step"}, ["0: hour is computed from dates; set data.frequency, or remove it"]),
        (["fourier.9.2"], {"time": None}, []),
    ],
)
def test_names_that_exclude_each_other_are_all_reported(calendar, data, expected):
    found = problems(calendar, **data)
    assert len(found) == len(expected)
    assert all(sentence.startswith(start) for sentence, start in zip(found, expected, strict=True))


def test_a_missing_package_is_reported_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "holidays", None)
    (found,) = problems(["holiday.DE"])
    assert "needs a package that is not installed: pip install 'recurrent-forecast[holidays]'" in found


def test_a_run_with_holidays_names_the_extra_and_is_not_called_damaged(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "holidays", None)
    config = "data: {path: x.csv, calendar: [hour, holiday.DE]}\nwindow: {length: 2, horizon: 1}\n"
    with pytest.raises(MissingExtra, match=r"needs holidays, .* pip install 'recurrent-forecast\[holidays\]'"):
        load_resolved(config, "config.yaml")


def test_the_command_refuses_features_with_their_place(project, forecast):
    yaml = (project / "tiny.yaml").read_text().replace("path: load.csv", "path: load.csv, calendar: [hour, minute]")
    (project / "tiny.yaml").write_text(yaml)
    refused = forecast("validate", "tiny.yaml", cwd=project)
    assert refused.returncode == 2
    assert "tiny.yaml:1:41: data.calendar.1: minute is the same for every step of h" in refused.stderr
    assert forecast("validate", "tiny.yaml", "--set", "data.calendar=[hour, fourier.2]", cwd=project).returncode == 0
