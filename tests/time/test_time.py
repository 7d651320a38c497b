"""Timestamps become steps: calendars, jitter, zones, gaps, bars that are not over, seasons found in the data."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.check.check import check
from forecaster.config import load_values
from forecaster.errors import DataError
from forecaster.forecast import Forecast
from forecaster.imputation.filled_csv import FilledSeries, format_filled_csv
from forecaster.preprocessing.read_data import infer_data_keys
from forecaster.preprocessing.seasons import find_series_seasons
from forecaster.preprocessing.windows import select_observed_windows
from forecaster.time.grid import find_season_length
from forecaster.time.infer_frequency import infer_frequency
from forecaster.time.rules import TimeRules
from forecaster.time.seasons import find_longer_seasons, find_seasons
from tests.helpers.reading import read_series, read_table

HOLIDAYS = ("2025-12-25", "2026-01-01", "2026-04-03", "2026-12-25")


def csv(tmp_path: Path, timestamps, values=None, name="x.csv") -> Path:
    values = np.arange(len(timestamps)) % 7 + 1.0 if values is None else values
    path = tmp_path / name
    rows = [f"{timestamp},{value}" for timestamp, value in zip(timestamps, values, strict=True)]
    path.write_text("\n".join(["t,y", *rows]) + "\n")
    return path


def read(path: Path, frequency="auto", gaps="error", **rules):
    rules = {key: pd.Timedelta(value) if key == "tolerance" else value for key, value in rules.items()}
    return read_series(path, "auto", "y", frequency, gaps, rules=TimeRules(**rules))[0]


def problems(path: Path, **options) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(path, **options)
    return [str(problem).replace(f"{path.parent}/", "") for problem in caught.value.problems]


def sessions(
    first="2025-11-03", last="2026-05-29", weekmask="Mon Tue Wed Thu Fri", holidays=HOLIDAYS
) -> pd.DatetimeIndex:
    return pd.date_range(first, last, freq=pd.offsets.CustomBusinessDay(weekmask=weekmask, holidays=list(holidays)))


def dates(index: pd.Index) -> list[str]:
    return [str(timestamp)[:16].removesuffix(" 00:00") for timestamp in index]


# Calendars


def test_weekdays_with_holidays_missing_are_sessions_and_it_is_reported(tmp_path):
    found = read(csv(tmp_path, sessions()))
    assert (found.frequency, len(found), found.rules.weekmask) == ("sessions", len(sessions()), "Mon Tue Wed Thu Fri")
    assert "3 of 150 days that are Mon Tue Wed Thu Fri have no row, as on holidays: 2025-12-25," in str(
        found.notices[0]
    )
    assert "data.frequency: sessions" in str(found.notices[0])
    assert "data.holidays" in str(found.notices[0])
    assert dates(found.list_future_timestamps(2)) == ["2026-06-01", "2026-06-02"]
    assert find_series_seasons(found)[0] == (5,)


@pytest.mark.parametrize(
    ("rows", "options", "frequency", "future"),
    [
        (sessions(holidays=()), {}, "B", ["2026-06-01", "2026-06-02"]),
        (sessions(), {"gaps": "previous"}, "B", ["2026-06-01", "2026-06-02"]),
        (sessions(), {"holidays": HOLIDAYS}, "C", ["2026-06-01", "2026-06-02"]),
        (sessions(last="2026-12-24"), {"holidays": HOLIDAYS}, "C", ["2026-12-28", "2026-12-29"]),
        (sessions(last="2026-12-24"), {"frequency": "sessions", "holidays": HOLIDAYS}, "sessions", ["2026-12-28", "2026-12-29"]),
        (sessions(last="2026-12-24"), {"holidays": ("2026-12-25", "2026-12-28")}, "sessions", ["2026-12-29", "2026-12-30"]),
        (sessions(weekmask="Mon Tue Wed Thu Fri Sat", holidays=()), {}, "C", ["2026-05-30", "2026-06-01"]),
        (sessions(weekmask="Sun Mon Tue Wed Thu"), {}, "sessions", ["2026-05-31", "2026-06-01"]),
        (sessions(), {"weekmask": "Mon Fri", "frequency": "sessions"}, "sessions", ["2026-06-01", "2026-06-05"]),
        (sessions(weekmask="Mon Wed Fri", holidays=()), {"weekmask": "Mon Wed Fri"}, "C", ["2026-06-01", "2026-06-03"]),
        (pd.date_range("2026-01-01", periods=60), {}, "D", ["2026-03-02", "2026-03-03"]),
    ],
)  # fmt: skip
def test_the_calendar_of_the_future(tmp_path, rows, options, frequency, future):
    found = read(csv(tmp_path, rows), **options)
    assert (found.frequency, dates(found.list_future_timestamps(2))) == (frequency, future)
    assert frequency == "B" or len(found) == len(rows)


def test_opening_hours_that_differ_by_weekday_continue_by_weekday(tmp_path):
    days = pd.date_range("2024-01-01", "2024-02-03")  # the last is a Saturday
    hours = {5: (9, 12), 6: ()}  # two on Saturdays, none on Sundays
    rows = [day + pd.Timedelta(hours=hour) for day in days for hour in hours.get(day.day_of_week, (9, 12, 15, 18))]
    closed = pd.DatetimeIndex(rows[:-4] + rows[-3:])  # a row that is missing once changes no hours
    for given in (pd.DatetimeIndex(rows), closed):
        future = dates(read(csv(tmp_path, given), frequency="sessions").list_future_timestamps(200))
        assert future[:5] == [
            *(f"2024-02-05 {hour}" for hour in ("09:00", "12:00", "15:00", "18:00")),
            "2024-02-06 09:00",
        ]
        assert future[20:23] == ["2024-02-10 09:00", "2024-02-10 12:00", "2024-02-12 09:00"]
        assert (len(future), future[-1]) == (200, "2024-04-08 12:00"), "198 rows in nine weeks, and two"
    single = read(csv(tmp_path, pd.DatetimeIndex(rows[:22])), frequency="sessions").list_future_timestamps(3)
    assert dates(single) == ["2024-01-06 15:00", "2024-01-06 18:00", "2024-01-08 09:00"], "one Saturday shows no rule"


def test_a_shop_that_closes_on_a_weekday_or_in_summer_stays_closed_next_to_one_that_opens(tmp_path):
    days = pd.date_range("2022-01-01", "2024-03-30")  # to a Saturday
    open_days = {
        "sundays off": days[days.day_of_week != 6],
        "always": days,
        "summer off": days[~days.month.isin([4, 8])],
    }
    rows = [f"{name},{day},1" for name, each in open_days.items() for day in each]
    (tmp_path / "x.csv").write_text("\n".join(["shop,day,y", *rows]) + "\n")
    panel = {
        series.name: dates(series.list_future_timestamps(3))
        for series in read_series(tmp_path / "x.csv", series="shop", frequency="sessions")
    }
    assert panel["sundays off"] == ["2024-04-01", "2024-04-02", "2024-04-03"]
    assert panel["always"] == ["2024-03-31", "2024-04-01", "2024-04-02"]
    assert panel["summer off"] == ["2024-03-31", "2024-05-01", "2024-05-02"]


@pytest.mark.parametrize(
    ("stated", "rows", "apart"),
    [
        ("15min", pd.date_range("2024-01-01", periods=10, freq="h"), "1 hour apart, but the step is 15 minutes"),
        ("30min", pd.date_range("2024-01-01", periods=10, freq="h"), "1 hour apart, but the step is 30 minutes"),
        ("D", pd.date_range("2024-01-01", periods=10, freq="W-MON"), "1 week apart, but the step is 1 day"),
        ("MS", pd.date_range("2024-01-01", periods=10, freq="QS"), "1 quarter apart, but the step is 1 month"),
    ],
)
@pytest.mark.parametrize("gaps", ["error", "interpolate", "mask"])
def test_rows_of_a_longer_step_than_stated_are_refused(tmp_path, stated, rows, apart, gaps):
    (found,) = problems(csv(tmp_path, rows), frequency=stated, gaps=gaps)
    assert apart in found
    assert "train on these rows: data.frequency: " in found


def test_a_shorter_step_may_be_stated_where_rows_are_uneven_or_are_sales(tmp_path):
    uneven = pd.date_range("2024-01-01", periods=12, freq="h").delete([3, 4, 8])
    assert len(read(csv(tmp_path, uneven), frequency="30min", gaps="interpolate")) == 23
    weekly = csv(tmp_path, pd.date_range("2024-01-01", periods=10, freq="W-MON"))
    assert len(read(weekly, frequency="D", gaps="zero")) == 64


def test_weekdays_that_are_missing_for_weeks_are_no_holidays(tmp_path):
    rows = sessions(holidays=()).delete(range(60, 75))
    (found,) = problems(csv(tmp_path, rows))
    assert "15 weekdays are missing" in found
    assert "or where they are holidays: data.frequency: sessions" in found


def test_a_day_missing_from_a_daily_series_is_no_holiday(tmp_path):
    rows = pd.date_range("2026-01-01", periods=60).delete(30)
    assert "1 day is missing: 2026-01-31" in problems(csv(tmp_path, rows))[0]


def test_a_calendar_that_is_stated_leaves_a_gap_where_a_session_is_missing(tmp_path):
    rows = sessions().delete(10)
    assert "1 working day is missing: 2025-11-17" in problems(csv(tmp_path, rows), frequency="C", holidays=HOLIDAYS)[0]
    found = read(csv(tmp_path, rows, np.arange(len(rows), dtype=float)), gaps="previous", holidays=HOLIDAYS)
    assert (found.frequency, len(found), found.values[10]) == ("C", len(rows) + 1, 9)


def test_a_row_outside_of_the_calendar_stated_is_refused(tmp_path):
    rows = pd.DatetimeIndex([*sessions(), pd.Timestamp("2026-05-30")])
    assert "not all on steps of C, the first that is not: 2026-05-30" in problems(csv(tmp_path, rows), frequency="C")[0]
    rows = pd.DatetimeIndex([pd.Timestamp("2025-11-02"), *sessions()])
    assert "not all on steps of C, the first that is not: 2025-11-02" in problems(csv(tmp_path, rows), frequency="C")[0]


@pytest.mark.parametrize(
    ("frequency", "row", "stamp"),
    [
        *(("h", row, stamp) for row, stamp in [(0, "1924-01-01"), (50, "2042-01-03 02:00"), (50, "2026-01-03 02:30")]),
        *(("D", row, stamp) for row, stamp in [(50, "2062-02-20"), (119, "2999-12-31")]),
        *(("MS", row, stamp) for row, stamp in [(50, "2030-03-02"), (119, "2530-03-01")]),
    ],
)
def test_a_row_that_alone_keeps_the_others_from_a_step_is_named_with_its_line(tmp_path, frequency, row, stamp):
    stamps = [*map(str, pd.date_range("2026-01-01", periods=120, freq=frequency))]
    stamps[row] = stamp
    (tmp_path / "d.csv").write_text("t,y\n" + "".join(f"{each},1.5\n" for each in stamps))
    (found,) = problems(tmp_path / "d.csv")
    assert f"d.csv:{row + 2}: the timestamps follow no regular step: all but {stamp}" in found
    assert f"are on steps of {frequency}; correct this row" in found
    assert "sessions" not in found


@pytest.mark.parametrize("day", [10, 15, 28])
def test_months_dated_within_are_no_half_months_and_no_sessions(tmp_path, day):
    rows = pd.date_range("2020-01-01", periods=60, freq="MS") + pd.Timedelta(days=day - 1)
    assert "there is one row for each month: date it by the first of the month" in problems(csv(tmp_path, rows))[0]


def test_times_at_random_are_no_sessions(tmp_path):
    minutes = np.sort(np.random.default_rng(0).choice(100_000, 300, replace=False))
    rows = pd.Timestamp("2026-01-01") + pd.to_timedelta(minutes, unit="min")
    (found,) = problems(csv(tmp_path, rows))
    assert "apart; correct the rows that are off" in found
    assert "sessions" not in found


def test_the_holiday_that_has_a_row_is_named_with_its_line(tmp_path):
    rows = pd.bdate_range("2020-01-01", periods=60)
    (found,) = problems(csv(tmp_path, rows), frequency="C", holidays=["2020-01-01"])
    assert "x.csv:2: data.frequency: the timestamps are not all on steps of C" in found
    assert "the first that is not: 2020-01-01" in found


def test_trading_hours_continue_at_the_next_session(tmp_path):
    days = sessions("2026-03-02", "2026-04-02")
    rows = [day + pd.Timedelta(minutes=minutes) for day in days for minutes in range(570, 960, 30)][:-2]
    assert "set data.frequency: sessions: each row is a step" in problems(csv(tmp_path, rows))[0]
    found = read(csv(tmp_path, rows), frequency="sessions", holidays=HOLIDAYS)
    assert dates(found.list_future_timestamps(4)) == [
        "2026-04-02 15:00",
        "2026-04-02 15:30",
        "2026-04-06 09:30",
        "2026-04-06 10:00",
    ]
    assert find_series_seasons(found)[0] == (13,)


@pytest.mark.parametrize(
    ("alias", "first", "future"),
    [
        ("ME", "2023-01-31", ["2028-01-31", "2028-02-29"]),
        ("BME", "2023-01-31", ["2028-01-31", "2028-02-29"]),
        ("QE-DEC", "2013-03-31", ["2028-03-31", "2028-06-30"]),
        ("BQE-DEC", "2013-03-29", ["2028-03-31", "2028-06-30"]),
        ("YE-FEB", "1968-02-29", ["2028-02-29", "2029-02-28"]),
        ("SMS", "2025-06-15", ["2027-12-15", "2028-01-01"]),
        ("WOM-3FRI", "2023-01-20", ["2028-01-21", "2028-02-18"]),
        ("D", "2027-12-31", ["2028-02-29", "2028-03-01"]),
    ],
)
def test_month_ends_quarter_ends_and_leap_years(tmp_path, alias, first, future):
    rows = pd.date_range(first, periods=60, freq=alias)
    found = read(csv(tmp_path, rows))
    assert (found.frequency, dates(found.list_future_timestamps(2))) == (alias, future)
    if alias != "D":
        assert infer_frequency(rows.delete([20, 41])) == alias


@pytest.mark.parametrize(("alias", "season"), [("BQE-DEC", 4), ("WOM-3FRI", 12), ("SMS", 24), ("BYE-DEC", 1)])
def test_the_seasons_of_business_calendars(alias, season):
    assert find_season_length(alias) == season


# Jitter

QUARTERS = pd.date_range("2026-01-01", periods=40, freq="15min")


def jittered(rows=QUARTERS, seconds=4):
    return rows + pd.to_timedelta(np.random.default_rng(0).integers(-seconds, seconds + 1, len(rows)), unit="s")


def test_jitter_is_named_with_the_line_that_repairs_it(tmp_path):
    (found,) = problems(csv(tmp_path, jittered()))
    assert found.endswith("all are within 4 seconds of steps of 15 minutes; to move them there: data.tolerance: 4s")
    (found,) = problems(csv(tmp_path, jittered()), frequency="15min")
    assert found.endswith("all are within 4 seconds of steps of 15 minutes; to move them there: data.tolerance: 4s")


@pytest.mark.parametrize(
    ("rows", "options", "frequency", "expected"),
    [
        (jittered(), {"tolerance": "4s"}, "15min", QUARTERS),
        (jittered(), {"tolerance": "10s", "frequency": "15min"}, "15min", QUARTERS),
        (QUARTERS + pd.Timedelta("3s"), {"tolerance": "4s"}, "15min", QUARTERS),
        (jittered(QUARTERS + pd.Timedelta("5min")), {"tolerance": "4s"}, "15min", QUARTERS + pd.Timedelta("5min")),
        (jittered(pd.date_range("2026-01-01", periods=30)), {"tolerance": "5s"}, "D", pd.date_range("2026-01-01", periods=30)),
        (jittered(pd.date_range("2026-01-01", periods=30, freq="MS")), {"tolerance": "5s"}, "MS", pd.date_range("2026-01-01", periods=30, freq="MS")),
        (QUARTERS, {"tolerance": "4s"}, "15min", QUARTERS),
    ],
)  # fmt: skip
def test_jitter_is_moved_to_the_steps(tmp_path, rows, options, frequency, expected):
    found = read(csv(tmp_path, rows), **options)
    assert found.frequency == frequency
    assert list(found.timestamps) == list(expected)
    assert any("moved to the nearest step" in str(notice) for notice in found.notices) == (list(rows) != list(expected))


def test_a_timestamp_further_off_than_the_tolerance_is_refused_with_its_line(tmp_path):
    rows = list(QUARTERS)
    rows[7] += pd.Timedelta("20s")
    (found,) = problems(csv(tmp_path, rows), tolerance="10s")
    assert found.startswith("x.csv:9: t: 1 cell is further than 10s from a step: '2026-01-01 01:45:20' (line 9)")


# Frequency over all series


def panel(tmp_path, **series) -> Path:
    path = tmp_path / "x.csv"
    rows = [f"{name},{timestamp},1" for name, timestamps in series.items() for timestamp in timestamps]
    path.write_text("id,t,y\n" + "\n".join(rows) + "\n")
    return path


def read_panel(path, **options):
    return read_series(path, "t", "y", "auto", series="id", **options)


def test_the_frequency_is_the_commonest_of_all_series(tmp_path):
    days, weeks = pd.date_range("2026-01-01", periods=10), pd.date_range("2026-01-05", periods=9, freq="14D")
    path = panel(tmp_path, a=weeks, b=days, c=days, d=days[:2])
    with pytest.raises(DataError) as caught:
        read_panel(path)
    assert str(caught.value).endswith(
        "data.frequency: most series have the frequency D, but a has 14D; move them to a file that holds them alone, or set data.frequency"
    )
    found = read_panel(panel(tmp_path, b=days, c=days[3:], d=days[:2]))
    assert [series.frequency for series in found] == ["D"] * 3


def test_a_series_with_holes_is_of_the_step_of_the_others(tmp_path):
    days = pd.date_range("2026-01-01", periods=10)
    found = read_panel(panel(tmp_path, a=days[::2], b=days, c=days), gaps="zero")
    assert [series.frequency for series in found] == ["D"] * 3
    np.testing.assert_array_equal(found[0].values, [1, 0, 1, 0, 1, 0, 1, 0, 1])


def test_stocks_with_different_holidays_are_sessions(tmp_path):
    found = read_panel(panel(tmp_path, a=sessions(holidays=()), b=sessions(), c=sessions(holidays=HOLIDAYS[:1])))
    assert [series.frequency for series in found] == ["sessions"] * 3
    assert [len(series.notices) for series in found] == [1, 0, 0]


# Gaps


@pytest.mark.parametrize(
    ("season", "expected"),
    [(3, [1, 2, 3, 4, 2, 3, 4, 8, 9]), (4, [1, 2, 3, 4, 1, 2, 3, 8, 9])],
)
def test_seasonal_takes_the_value_of_the_season_before(tmp_path, season, expected):
    rows = pd.date_range("2026-01-01", periods=9)
    path = csv(tmp_path, rows, ["1", "2", "3", "4", "", "", "", "8", "9"])
    found = read(path, gaps="seasonal", season=season)
    np.testing.assert_array_equal(found.values, expected)
    np.testing.assert_array_equal(found.observed, [1, 1, 1, 1, 0, 0, 0, 1, 1])


def test_seasonal_takes_the_season_after_where_there_is_none_before(tmp_path):
    rows = pd.date_range("2026-01-01", periods=6)
    found = read(csv(tmp_path, rows, ["1", "", "3", "4", "5", "6"]), gaps="seasonal", season=3)
    np.testing.assert_array_equal(found.values, [1, 5, 3, 4, 5, 6])


def test_seasonal_without_a_season_is_refused(tmp_path):
    rows = pd.date_range("1990-01-01", periods=6, freq="YS")
    (found,) = problems(csv(tmp_path, rows, ["1", "", "3", "4", "5", "6"]), gaps="seasonal")
    assert found == "x.csv: data.gaps: seasonal needs a season, and none was found; set data.season"


def test_the_longest_gap_is_a_limit_with_a_place(tmp_path):
    rows = pd.date_range("2026-01-01", periods=12).delete([3, 6, 7, 8])
    path = csv(tmp_path, rows)
    assert len(read(path, gaps="previous", max_gap=3)) == 12
    (found,) = problems(path, gaps="previous", max_gap=2)
    assert found.startswith("x.csv:7: 3 days are missing in a row, 2026-01-07 to 2026-01-09")
    assert "more than data.max_gap, 2" in found


def test_zeros_are_what_the_file_holds_not_filler(tmp_path):
    rows = pd.date_range("2026-01-01", periods=12).delete([3])
    assert read(csv(tmp_path, rows), gaps="zero").observed is None
    assert read(csv(tmp_path, rows), gaps="previous").observed.sum() == 11


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ("1111111111", [0, 1, 2, 3, 4]),
        ("1111110111", [0, 3, 4]),  # a target filled
        ("1000111111", [2, 3, 4]),  # less than half of the first two windows
        ("0101010101", [0, 1, 2, 3, 4]),  # no window has two targets observed: half is enough
    ],
)
def test_windows_of_filler_are_left_out(observed, expected):
    known = np.array([int(step) for step in observed], bool)
    np.testing.assert_array_equal(select_observed_windows(np.arange(5), known, length=4, ahead=2), expected)


def test_without_gaps_no_window_is_left_out():
    np.testing.assert_array_equal(select_observed_windows(np.arange(5), None, 4, 2), np.arange(5))


# Bars that are not over


@pytest.mark.parametrize(
    ("alias", "dropped"),
    [("h", 1), ("15min", 1), ("D", 1), ("MS", 1), ("B", None), ("step", 0)],
)
def test_the_bar_that_is_not_over_is_dropped(tmp_path, alias, dropped):
    if alias == "step":
        rows = list(range(30))
    else:
        rows = pd.date_range(end=pd.Timestamp.now().normalize() if alias in {"D", "MS", "B"} else pd.Timestamp.now().floor(alias), periods=30, freq=alias)  # fmt: skip
    if alias == "B":
        dropped = int(rows[-1] == pd.Timestamp.now().normalize())
    path = csv(tmp_path, rows)
    found = read_series(path, "t", "y", alias, rules=TimeRules(drop_incomplete=True))[0]
    assert len(found) == 30 - dropped
    assert len(read_series(path, "t", "y", alias)[0]) == 30
    assert bool(found.notices) == bool(dropped)


@pytest.mark.parametrize(("days", "kept"), [(0, 29), (1, 30), (400, 30)])
def test_a_month_that_is_dated_by_its_end_is_over_the_day_after(tmp_path, days, kept, monkeypatch):
    rows = pd.date_range("2024-01-31", periods=30, freq="ME")
    now = rows[-1] + pd.Timedelta(days=days, hours=3)
    monkeypatch.setattr(pd.Timestamp, "now", classmethod(lambda cls, tz=None: now))
    assert len(read(csv(tmp_path, rows), drop_incomplete=True)) == kept


# Zones

AUTUMN = ["2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00", "2026-10-25 02:00", "2026-10-25 03:00"]
SPRING = ["2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 03:00", "2026-03-29 04:00"]


def hours(utc: str, count: int) -> list[pd.Timestamp]:
    return list(pd.date_range(utc, periods=count, freq="h", tz="UTC"))


@pytest.mark.parametrize(
    ("rows", "utc"),
    [
        (AUTUMN, "2026-10-24 22:00"),
        (AUTUMN[::-1], "2026-10-24 22:00"),
        (SPRING, "2026-03-28 23:00"),
    ],
    ids=["the repeated hour", "backwards", "the missing hour"],
)
def test_summer_time_is_resolved_by_the_zone(tmp_path, rows, utc):
    found = read(csv(tmp_path, rows), timezone="Europe/Berlin")
    assert found.frequency == "h"
    assert list(found.timestamps) == hours(utc, len(rows))


def test_quarters_of_the_repeated_hour_are_distinguished_by_order(tmp_path):
    whole = pd.date_range("2026-10-24 23:00", "2026-10-25 02:00", freq="15min", tz="UTC")
    rows = whole.tz_convert("Europe/Berlin").strftime("%Y-%m-%d %H:%M")
    found = read(csv(tmp_path, rows), timezone="Europe/Berlin")
    assert list(found.timestamps) == list(whole)


def test_without_a_zone_a_change_of_the_clock_is_named(tmp_path):
    (found,) = problems(csv(tmp_path, AUTUMN))
    assert "where the clock was set back, name the time zone, such as data.timezone: Europe/Berlin" in found
    (found,) = problems(csv(tmp_path, SPRING))
    assert "where the clock was set forward, name the time zone, such as data.timezone: Europe/Berlin" in found


def test_a_time_that_never_came_is_refused(tmp_path):
    rows = ["2026-03-29 01:30", "2026-03-29 02:00", "2026-03-29 03:00"]
    (found,) = problems(csv(tmp_path, rows), timezone="Europe/Berlin")
    assert found.startswith(
        "x.csv:3: t: 1 cell is a time that does not exist in Europe/Berlin, where the clock is set forward over it: '2026-03-29 02:00' (line 3)"
    )


def test_days_are_dates_in_every_zone(tmp_path):
    rows = pd.date_range("2026-03-20", periods=20)
    assert list(read(csv(tmp_path, rows), timezone="Europe/Berlin").timestamps) == list(rows)
    offsets = [f"{day:%Y-%m-%d}T00:00{'+01:00' if day < pd.Timestamp('2026-03-30') else '+02:00'}" for day in rows]
    assert list(read(csv(tmp_path, offsets), timezone="Europe/Berlin").timestamps) == list(rows)


def test_the_future_is_written_in_local_time_with_its_offset(tmp_path):
    found = read(csv(tmp_path, SPRING[:2] + SPRING[2:3]), timezone="Europe/Berlin")
    assert [str(timestamp) for timestamp in found.list_future_timestamps(2)] == [
        "2026-03-29 04:00:00+02:00",
        "2026-03-29 05:00:00+02:00",
    ]
    autumn = read(csv(tmp_path, AUTUMN[:3]), timezone="Europe/Berlin")
    assert [str(timestamp) for timestamp in autumn.list_future_timestamps(2)] == [
        "2026-10-25 02:00:00+01:00",
        "2026-10-25 03:00:00+01:00",
    ]


def test_a_gap_is_filled_in_the_way_that_local_times_are_written(tmp_path):
    whole = pd.date_range("2026-10-24 21:00", periods=9, freq="h", tz="UTC")
    rows = list(whole.tz_convert("Europe/Berlin").strftime("%Y-%m-%d %H:%M"))
    path = csv(tmp_path, [*rows[:4], *rows[5:]], range(8))
    rules = TimeRules(timezone="Europe/Berlin")
    (found,) = read_series(path, "t", "y", "auto", "mask", rules=rules)
    filling = FilledSeries(found, pd.Series(found.values).interpolate().to_numpy(), {})
    lines = format_filled_csv(read_table(path), filling).splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == rows
    assert lines[5] == "2026-10-25 02:00,3.5,1"


def test_a_forecast_over_the_repeated_hour_reads_back(tmp_path):
    origin, *future = pd.date_range("2026-10-25 00:00", periods=4, freq="h", tz="Europe/Berlin")
    forecast = Forecast("y", origin, pd.DatetimeIndex(future), np.arange(3.0))
    again = Forecast.from_csv(forecast.to_csv())
    assert "2026-10-25 02:00:00+01:00" in forecast.to_csv()
    assert (again.origin, list(again.timestamps)) == (origin, future)


def test_series_in_a_zone_share_their_step(tmp_path):
    rows = pd.date_range("2026-10-24 00:00", periods=50, freq="h", tz="Europe/Berlin").strftime("%Y-%m-%d %H:%M")
    found = read_panel(panel(tmp_path, a=rows, b=rows[5:]), rules=TimeRules(timezone="Europe/Berlin"))
    assert [(series.frequency, len(series)) for series in found] == [("h", 50), ("h", 45)]


def test_jitter_across_the_repeated_hour(tmp_path):
    whole = pd.date_range("2026-10-24 22:00", periods=6, freq="h", tz="UTC")
    seconds = pd.to_timedelta([2, -3, 1, -2, -4, 3], unit="s")
    rows = (whole + seconds).tz_convert("Europe/Berlin").strftime("%Y-%m-%d %H:%M:%S")
    found = read(csv(tmp_path, rows), timezone="Europe/Berlin", tolerance="5s")
    assert list(found.timestamps) == list(whole)


# Seasons


def seasonal(period, steps, noise=0.3):
    return np.sin(2 * np.pi * np.arange(steps) / period) + np.random.default_rng(0).normal(0, noise, steps)


@pytest.mark.parametrize(
    ("values", "seasons"),
    [
        (seasonal(11, 200), [11]),
        (seasonal(50, 1000) + np.arange(1000) / 50, [50]),
        (seasonal(24, 3000) + 2 * seasonal(168, 3000), [168]),
        (np.tile([1.0, 5, 2, 8], 20), [2, 4]),
        (np.tile([1.0, 5, 2, 1, 1], 20), [5]),
        (np.random.default_rng(1).normal(size=500), []),
        (np.cumsum(np.random.default_rng(1).normal(size=3000)), []),
        (np.full(100, 3.0), []),
        (np.arange(100.0), []),
    ],
)
def test_seasons_are_found_where_they_are_clear(values, seasons):
    found = find_seasons(values)
    assert found == seasons or (168 in seasons and found[-1] == 168)


def test_no_random_walk_has_a_season():
    walks = [np.cumsum(np.random.default_rng(seed).normal(size=1500)) for seed in range(30)]
    assert sum(bool(find_seasons(walk)) for walk in walks) <= 1


def test_a_season_of_the_data_is_reported_and_one_of_the_frequency_stays(tmp_path):
    def found(series):
        seasons, notice = find_series_seasons(series)
        return seasons, str(notice)

    steps = read(csv(tmp_path, range(300), seasonal(9, 300)), "step")
    assert found(dataclasses.replace(steps, frequency="step")) == (
        (9,),
        "y: a season of 9 steps, found by autocorrelation",
    )
    hourly = read(csv(tmp_path, pd.date_range("2026-01-01", periods=2000, freq="h"), seasonal(168, 2000)))
    assert found(hourly) == (
        (24, 168),
        "y: a season of 24 hours, by the frequency, and of 168, by autocorrelation; to use another: data.season: 168",
    )
    other = dataclasses.replace(hourly, values=seasonal(37, 2000))
    assert found(other) == (
        (24,),
        "y: a season of 24 hours, by the frequency; by autocorrelation 37 too; to use another: data.season: 37",
    )
    assert find_series_seasons(dataclasses.replace(hourly, values=seasonal(24, 2000))) == ((24,), None)
    walk = np.cumsum(np.random.default_rng(0).normal(size=2000))
    assert find_series_seasons(dataclasses.replace(steps, values=walk)) == ((), None)


GROWING = 1 + 0.9 * np.sin(2 * np.pi * np.arange(3000) / 3000)  # a day whose swing grows and shrinks over months


@pytest.mark.parametrize(
    ("frequency", "main", "values", "longer"),
    [
        ("h", 24, seasonal(24, 3000) + seasonal(168, 3000), [168]),
        ("30min", 48, seasonal(48, 6000) + seasonal(336, 6000), [336]),
        ("D", 7, seasonal(7, 3000) + seasonal(365, 3000), [365]),
        ("h", 24, seasonal(24, 3000) * GROWING, []),
        ("h", 24, seasonal(24, 1200) + seasonal(168, 1200), []),  # seven weeks are too few
        ("h", 24, seasonal(24, 3000) + seasonal(100, 3000), []),  # no calendar knows 100 hours
        ("MS", 12, seasonal(12, 400) + seasonal(40, 400), []),
        ("step", 48, seasonal(48, 4000) + seasonal(336, 4000), [336]),
        ("step", 2, np.tile([1.0, 5, 2, 8], 20), [4]),
    ],
)
def test_longer_seasons_are_the_week_and_the_year_and_of_plain_steps_any(frequency, main, values, longer):
    assert find_longer_seasons(values, frequency, main) == longer


def test_no_random_walk_has_a_week():
    walks = [np.cumsum(np.random.default_rng(seed).normal(size=1500)) for seed in range(30)]
    assert sum(bool(find_longer_seasons(walk, "h", 24)) for walk in walks) <= 1


def test_several_seasons_are_written_into_the_config_and_the_first_counts(tmp_path, forecast):
    index = pd.date_range("2026-01-01", periods=2000, freq="h")
    csv(tmp_path, index, seasonal(24, 2000) + seasonal(168, 2000), "load.csv")
    result = forecast("init", "load.csv", "--verbose", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "season: [24, 168]" in (tmp_path / "load.yaml").read_text()
    assert "season of 24 hours and 168 hours" in " ".join(result.stderr.split())
    assert forecast("validate", "load.yaml", cwd=tmp_path).returncode == 0
    refused = forecast("validate", "load.yaml", "--set", "data.season=[24, 24]", cwd=tmp_path)
    assert "received [24, 24], expected auto, whole steps from 1 to 1,000,000, or several such as [24, 168]" in (
        refused.stderr
    )
    data = load_values(
        {"data": {"path": "x", "season": [24, 168]}, "window": {"length": 9, "horizon": 1}}, ""
    ).config.data
    assert data.model_dump(mode="json")["season"] == [24, 168]  # a checkpoint compares it with this config
    assert (data.main_season, data.seasons, TimeRules.from_data(data.model_dump()).season) == (24, (24, 168), 24)


# The config


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("weekmask", "Monday", "expected weekdays such as Mon Tue Wed Thu Fri"),
        ("holidays", ["25.12.2026"], "expected a date such as 2026-12-25"),
        ("tolerance", "10 seconds", "expected a time such as 10s, 500ms or 2min"),
        ("timezone", "Europe/Belrin", "expected a time zone such as Europe/Berlin, UTC or UTC+02:00"),
        ("last_bar", "remove", "expected keep | drop"),
        ("max_gap", 0, "expected at least 1"),
    ],
)
def test_wrong_values_are_refused(key, value, expected):
    loaded = load_values({"data": {"path": "x.csv", key: value}, "window": {"length": 2, "horizon": 1}}, "x.yaml")
    assert expected in str(loaded.problems[0])
    assert f"data.{key}" in str(loaded.problems[0])


def test_a_calendar_that_nothing_reads_is_refused():
    data = {"path": "x.csv", "frequency": "B", "holidays": ["2026-12-25"]}
    (found,) = load_values({"data": data, "window": {"length": 2, "horizon": 1}}, "x.yaml").problems
    assert "frequency B has no trading calendar" in str(found)


# The real command


def test_a_check_reads_a_stock_as_a_training_does(tmp_path):
    path = csv(tmp_path, sessions())
    loaded = load_values({"data": {"path": str(path)}, "window": {"length": 2, "horizon": 1}}, "x.yaml")
    checked = check(loaded)
    assert checked.facts["frequency"] == "sessions"
    assert not [finding for finding in checked.findings if finding.level == "error"]


def test_local_times_with_jitter_and_a_gap_validate(tmp_path, forecast):
    whole = pd.date_range("2026-10-20", periods=400, freq="15min", tz="UTC").tz_convert("Europe/Berlin")
    rows = jittered(whole).strftime("%d.%m.%Y %H:%M:%S")
    csv(tmp_path, rows.delete(range(50, 60)), np.arange(390) % 96.0)
    (tmp_path / "x.yaml").write_text(
        "data: {path: x.csv, timezone: Europe/Berlin, tolerance: 5s, gaps: seasonal, max_gap: 10}\n"
        "window: {length: 24, horizon: 4}\n"
    )
    result = forecast("validate", "x.yaml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    refused = forecast("validate", "x.yaml", "--set", "data.max_gap=9", cwd=tmp_path)
    assert refused.returncode == 4
    assert "x.csv:52: 10 steps of 15 minutes are missing in a row" in refused.stderr


def test_stock_prices_train_and_predict_the_next_sessions(tmp_path, forecast):
    rows = sessions("2025-09-01", "2026-12-22")
    values = 100 + np.cumsum(np.random.default_rng(0).normal(size=len(rows)))
    csv(tmp_path, [f"{row:%Y-%m-%d}" for row in rows], values, "stock.csv")
    options = ["training.epochs=1", "model.units=4", "window.horizon=5", "window.length=10", "split.test=0"]
    sets = [part for option in options for part in ("--set", option)]
    result = forecast("train", "stock.csv", *sets, "--verbose", cwd=tmp_path, fitted=False)
    assert result.returncode == 0, result.stderr
    assert "each row is a step (data.frequency: sessions)" in " ".join(result.stderr.split())
    kept = (next((tmp_path / "runs/stock/versions").iterdir()) / "config.yaml").read_text()
    assert "frequency: sessions" in kept
    assert "weekmask: Mon Tue Wed Thu Fri" in kept
    predicted = forecast("predict", "runs/stock", cwd=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    stamps = [line.split(",")[2] for line in predicted.stdout.splitlines()[1:]]
    assert stamps == ["2026-12-23", "2026-12-24", "2026-12-25", "2026-12-28", "2026-12-29"]


# Ways to write them


@pytest.mark.parametrize("cell", ["-1", "2024", "2024-01", "9999-12-31", "0000-01-01"])
def test_a_cell_that_is_no_date_among_dates_is_named(tmp_path, cell):
    hours = list(pd.date_range("2024-01-01", periods=60, freq="h").astype(str))
    (problem,) = problems(csv(tmp_path, [*hours[:49], cell, *hours[50:]]), timezone="Europe/Berlin")
    assert f"x.csv:51: t: 1 cell is not a timestamp: '{cell}' (line 51)" in problem


def test_dates_that_nothing_proves_are_refused_with_both_choices_until_one_is_stated(tmp_path):
    days = pd.date_range("2010-01-01", periods=24, freq="MS")
    path = csv(tmp_path, days.strftime("%d/%m/%Y"))
    (problem,) = problems(path)
    assert problem.startswith("x.csv:3: t: '01/02/2010' can be read as %d/%m/%Y and %m/%d/%Y; choose ")
    assert "--set data.date_order=day_first or --set data.date_order=month_first" in problem
    pd.testing.assert_index_equal(read(path, date_order="day_first").timestamps, days, exact="equiv", check_names=False)
    assert read(path, frequency="sessions", date_order="month_first").timestamps[1] == pd.Timestamp("2010-01-02")
    years = csv(tmp_path, [f"01/01/{year}" for year in range(1990, 2010)])
    assert read(years).frequency == "YS-JAN"  # in whichever way


def test_the_order_that_a_file_proves_is_kept_for_the_next(tmp_path):
    days = pd.date_range("2024-01-01", periods=60)
    path = csv(tmp_path, days.strftime("%d-%m-%Y"))
    series = read(path)
    data = load_values({"data": {"path": str(path)}, "window": {"length": 2, "horizon": 1}}, "x").config.data
    assert infer_data_keys(data, series)["date_order"] == series.rules.date_order == "day_first"
    (problem,) = problems(path, date_order="month_first")
    assert "x.csv:14: t: 36 cells are not a timestamp: '13-01-2024' (line 14)" in problem


@pytest.mark.parametrize(("freq", "alias"), [("MS", "MS"), ("D", "D"), ("h", "h")])
def test_times_of_one_offset_are_local_times_of_it(tmp_path, freq, alias):
    local = pd.date_range("2010-01-01", periods=48, freq=freq)
    path = csv(tmp_path, [f"{time.isoformat()}+02:00" for time in local])
    series = read(path)
    assert (series.frequency, series.rules.timezone) == (alias, "UTC+02:00")
    again = read(path, timezone=series.rules.timezone)
    for found in (series, again):
        assert [str(time)[:19] for time in found.timestamps] == [str(time)[:19] for time in local]
        assert (found.timestamps.tz is None) == (freq != "h")
    later = csv(tmp_path, [f"{time.isoformat()}+01:00" for time in local], name="y.csv")
    moved = read(later, timezone=series.rules.timezone).timestamps
    assert freq != "h" or str(moved[0]) == "2010-01-01 01:00:00+02:00"


@pytest.mark.parametrize(("scale", "end"), [(1, ""), (1, ".0"), (1, ".25"), (10**3, ".0"), (10**6, ""), (10**6, ".0")])
def test_seconds_since_1970_may_be_floats_and_microseconds(tmp_path, scale, end):
    hours = 1704067200 + 3600 * np.arange(40)
    series = read_series(csv(tmp_path, [f"{hour * scale}{end}" for hour in hours]), "auto", "y")[0]
    begin = pd.Timestamp("2024-01-01") + pd.Timedelta(seconds=0.25 if end == ".25" else 0)
    assert (series.time, series.frequency, series.timestamps[0]) == ("t", "h", begin)


def test_a_missing_day_of_one_offset_is_written_with_it(tmp_path):
    days = pd.date_range("2026-01-01", periods=30)
    path = csv(tmp_path, [f"{day.isoformat()}+02:00" for day in days.delete(9)])
    series = read(path, gaps="mask")
    filled = format_filled_csv(read_table(path), FilledSeries(series, np.ones(30), {}))
    assert filled.splitlines()[10] == "2026-01-10T00:00:00+02:00,1,1"
