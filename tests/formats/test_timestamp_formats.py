"""Timestamps as people and programs write them: read as themselves, or refused with the readings."""

import datetime
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config.time_formats import TIME_FORMATS
from forecaster.data import read_series
from forecaster.data.options import Reading
from forecaster.errors import DataError
from forecaster.formats.digit_dates import DIGIT_FORMATS, STEPS
from forecaster.formats.number_formats import TEXT
from forecaster.formats.timestamp_formats import ISO, parse_time_columns, parse_timestamps, parse_whole_numbers
from forecaster.formats.timestamp_parts import CLOCK, COUNTS
from forecaster.time.rules import TimeRules

PATTERNS = {"months", "weeks", "quarters", "fiscal_years"}


def cells(*texts: str) -> pd.Series:
    return pd.Series([*map(str, texts)], dtype=TEXT)


def parsed(*texts: str, name: str = "date", **options) -> pd.DatetimeIndex:
    read = parse_timestamps(cells(*texts), name=name, **options)
    assert not read.wrong.any(), (texts, read.way)
    assert not read.others, (texts, read.way, read.others)
    return read.timestamps


def read(tmp_path, header: str, rows, **options):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_series(path, Reading(**options))[0]


def refused(tmp_path, header: str, rows, **options) -> str:
    with pytest.raises(DataError) as error:
        read(tmp_path, header, rows, **options)
    (problem,) = error.value.problems
    return str(problem).removeprefix(f"{tmp_path}/")


def numbered(stamps, *more) -> list[str]:
    return [
        ",".join([f'"{stamp}"', *map(str, rest), f"{7 * row % 11}.5"])
        for row, (stamp, *rest) in enumerate(zip(stamps, *more, strict=True))
    ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("Jan 5, 2024", "Feb 10, 2024"), ("2024-01-05", "2024-02-10")),
        (("5-Jan-24", "10-Feb-24"), ("2024-01-05", "2024-02-10")),
        (("05JAN2024", "10FEB2024"), ("2024-01-05", "2024-02-10")),
        (("1/5/24", "1/31/24"), ("2024-01-05", "2024-01-31")),
        (("5/1/24", "31/1/24"), ("2024-01-05", "2024-01-31")),
        (("05.01.24", "10.02.24"), ("2024-01-05", "2024-02-10")),
        (("Jan-24", "Feb-24"), ("2024-01-01", "2024-02-01")),
        (("January 2024", "February 2024"), ("2024-01-01", "2024-02-01")),
        (("5. Januar 2024", "6. März 2024"), ("2024-01-05", "2024-03-06")),
        (("5 août 2024", "7 juillet 2024"), ("2024-08-05", "2024-07-07")),
        (("Monday, January 5, 2026", "Tuesday, January 6, 2026"), ("2026-01-05", "2026-01-06")),
        (("01/2024", "02/2024"), ("2024-01-01", "2024-02-01")),
        (("2024-9", "2024-10", "2024-11"), ("2024-09-01", "2024-10-01", "2024-11-01")),
        (("2024M01", "2024M12"), ("2024-01-01", "2024-12-01")),
        (("2024-W05", "2024-W06"), ("2024-01-29", "2024-02-05")),
        (("2024-W05-3", "2024-W06-1"), ("2024-01-31", "2024-02-05")),
        (("Q1 2024", "Q2 2024"), ("2024-01-01", "2024-04-01")),
        (("2024Q1", "2024Q4"), ("2024-01-01", "2024-10-01")),
        (("2000-01", "2001-02", "2002-03"), ("2000-01-01", "2001-01-01", "2002-01-01")),
        (("2000-01", "2000-02", "2000-03"), ("2000-01-01", "2000-02-01", "2000-03-01")),
        (("2024-01-05 00:00:00 UTC", "2024-01-05 01:00:00 UTC"), ("2024-01-05 00:00Z", "2024-01-05 01:00Z")),
        (
            ("01.01.2024 00:00 - 01.01.2024 01:00", "01.01.2024 01:00 - 01.01.2024 02:00"),
            ("2024-01-01 00:00", "2024-01-01 01:00"),
        ),
        (("1/5/2024 1:00 AM", "1/25/2024 12:00 PM"), ("2024-01-05 01:00", "2024-01-25 12:00")),
        (("13.01.2024 24:00", "14.01.2024 01:00"), ("2024-01-14 00:00", "2024-01-14 01:00")),
        (("13.01.2024 13.00", "13.01.2024 14.30"), ("2024-01-13 13:00", "2024-01-13 14:30")),
        (("01JAN2024:05:00:00", "01JAN2024:06:00:00"), ("2024-01-01 05:00", "2024-01-01 06:00")),
    ],
)
def test_dates_are_read_as_they_are_written(texts, expected):
    assert list(parsed(*texts)) == list(map(pd.Timestamp, expected))


@pytest.mark.parametrize(
    "texts",
    [
        ("２０２４-01-01", "２０２４-01-02"),  # full-width digits
        ("01-01-55", "02-01-55"),  # of either century
        ("2024-W53", "2024-W54"),
        ("2024-13-01", "2024-14-01"),
        ("01.01.2024 02:00 - 01.01.2024 01:00", "01.01.2024 03:00 - 01.01.2024 02:00"),
        ("yesterday", "today"),
    ],
)
def test_what_is_no_date_is_none(texts):
    assert parse_timestamps(cells(*texts)).wrong.any()


@pytest.mark.parametrize(("offset", "other"), [("", "+02:00"), ("", "Z"), ("Z", ""), ("+02:00", "")])
def test_times_with_and_without_an_offset_are_no_column_of_times(tmp_path, offset, other):
    ends = [offset, offset, offset, other]
    rows = [f"2024-01-01T0{hour}:00:00{end},{hour}.5" for hour, end in enumerate(ends)]
    expected = f"x.csv:5: t: 1 cell is not like the others, of which some have an offset from UTC and some have none: {rows[3][:-4]!r}"
    assert refused(tmp_path, "t,y", rows, time="t").startswith(expected)


HOURS = pd.date_range("2024-01-01", periods=60, freq="h")
MONTHS = pd.date_range("2021-01-01", periods=30, freq="MS")
WEEKS = pd.date_range("2024-01-01", periods=60, freq="W-MON")
DAYS = pd.date_range("2024-01-01", periods=40)
QUARTERS = pd.date_range("2015-01-01", periods=20, freq="QS")
EXCEL = pd.Timestamp("1899-12-30")


@pytest.mark.parametrize(
    ("name", "written", "times"),
    [
        *((name, MONTHS.strftime("%Y%m"), MONTHS) for name in ("period", "x")),
        *((name, WEEKS.strftime("%G%V"), WEEKS) for name in ("week", "x")),
        *((name, [f"{t.year}{t.quarter}" for t in QUARTERS], QUARTERS) for name in ("quarter", "x")),
        ("date", DAYS.strftime("%Y%j"), DAYS),
        ("date", DAYS.strftime("%d%m%Y"), DAYS),
        *((name, DAYS.strftime("%Y%m%d"), DAYS) for name in ("date", "x")),
        *((name, HOURS.strftime("%Y%m%d%H"), HOURS) for name in ("date", "x")),
        ("x", HOURS.strftime("%Y%m%d%H%M"), HOURS),
        ("x", HOURS.strftime("%Y%m%d%H%M%S"), HOURS),
        *(("x", HOURS.as_unit(unit).asi8, HOURS) for unit in ("s", "ms", "us", "ns")),
        ("date", (DAYS - EXCEL).days, DAYS),
        ("x", [f"{value:.9f}" for value in (HOURS - EXCEL) / pd.Timedelta(days=1)], HOURS),
        ("time", [f"{t.year + (t.month - 1) / 12:.3f}" for t in MONTHS], MONTHS),
        ("year", range(1986, 2024), pd.date_range("1986-01-01", periods=38, freq="YS")),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_digits_are_found_as_the_only_dates_that_they_can_be(tmp_path, name, written, times, backwards):
    rows = numbered(written)
    series = read(tmp_path, f"{name},y", rows[::-1] if backwards else rows)
    assert series.time == name
    assert list(series.timestamps) == list(times)
    assert read(tmp_path, f"{name},y", rows[:3], time=name, rules=series.rules).timestamps[2] == times[2]


@pytest.mark.parametrize(
    ("name", "written", "ways"),
    [
        ("date", MONTHS[:9].strftime("%Y%m"), ("YYYYMM (2021-01-01)", "YYYYWW (2021-01-04)")),
        ("x", range(1949, 1980), ("YYYY (1949-01-01)", "steps (1949)")),
        ("x", (DAYS - EXCEL).days, ("excel_days (2024-01-01)", "steps (45292)")),
        (
            "x",
            [621_355_968 * 10**9 + 864 * 10**9 * day for day in range(19723, 19763)],
            ("epoch_nanoseconds (1990-03-25 20:24:00)", "dotnet_ticks (2024-01-01)"),
        ),
        (
            "x",
            [116_444_736 * 10**9 + 864 * 10**9 * day for day in range(19723, 19763)],
            ("epoch_nanoseconds (1974-03-25 23:16:48)", "windows_filetime (2024-01-01)"),
        ),
        ("x", range(1_000_000_001, 1_000_000_040), ("epoch_seconds (2001-09-09 01:46:41)", "steps (1000000001)")),
    ],
)
def test_digits_with_several_readings_are_refused_with_the_lines_to_paste(tmp_path, name, written, ways):
    found = refused(tmp_path, f"{name},y", numbered(written), time=name)
    assert found.startswith(f"x.csv:2: {name}: '{written[0]}' can be read as {' and '.join(ways)}; choose one: ")
    for way in ways:
        chosen = way.split(" ")[0]
        assert f"--set data.time_format={chosen}" in found
        rules = TimeRules(time_format=chosen)
        assert str(read(tmp_path, f"{name},y", numbered(written), time=name, rules=rules).timestamps[0]) in (
            way + " 00:00:00)"
        ).replace(") 00", " 00")


def test_a_most_common_step_longer_than_the_mean_does_not_decide_between_readings(tmp_path):
    # 30 days apart with the day first; 2 April, 1, 4 and 5 May, and 3 June with the month first: 29 days twice
    written = ["05012001", "04022001", "06032001", "05042001", "05052001"]
    found = refused(tmp_path, "date,y", numbered(written), time="date")
    assert "can be read as DDMMYYYY (2001-01-05) and MMDDYYYY (2001-05-01)" in found


@pytest.mark.parametrize("header", ["receipt,date,y", "order_id,day,y"])
def test_a_written_date_is_the_time_wherever_it_stands(tmp_path, header):
    rows = [f"{1_000_000_001 + row},{day:%Y-%m-%d},{row}" for row, day in enumerate(DAYS)]
    series = read(tmp_path, header, rows, target="y")
    assert (series.time, series.frequency) == (header.split(",")[1], "D")


def test_receipts_that_count_up_are_no_seconds(tmp_path):
    rows = [f"{1_000_000_001 + row},{row % 7}.5" for row in range(40)]
    assert read(tmp_path, "receipt,y", rows, target="y").time is None


def test_rows_that_count_down_are_put_in_order(tmp_path):
    series = read(tmp_path, "n,y", [f"{40 - row},{row % 7}.5" for row in range(40)])
    assert (series.time, list(series.timestamps)) == ("n", list(range(1, 41)))
    assert series.values[0] == 39 % 7 + 0.5


def test_a_wrong_month_among_months_is_named(tmp_path):
    months = list(MONTHS.strftime("%Y%m"))
    found = refused(tmp_path, "period,y", numbered([*months[:10], "202113", *months[11:]]))
    assert found.startswith("x.csv:12: period: 1 cell is not a timestamp: '202113' (line 12)")


@pytest.mark.parametrize(
    ("clock", "first", "frequency"),
    [
        ([f"{t:%H:%M}" for t in HOURS[:48]], "2024-01-01 00:00", "h"),
        ([f"{t:%H.%M.%S}" for t in HOURS[:48]], "2024-01-01 00:00", "h"),
        ([f"{t:%I:%M %p}" for t in HOURS[:48]], "2024-01-01 00:00", "h"),
        ([f"{t:%H:%M} - {t + pd.Timedelta(hours=1):%H:%M}" for t in HOURS[:48]], "2024-01-01 00:00", "h"),
        ([f"{hour}:00" for hour in range(1, 25)] * 2, "2024-01-01 01:00", "h"),
        ([*range(24)] * 2, "2024-01-01 00:00", "h"),
        ([*range(1, 25)] * 2, "2024-01-01 00:00", "h"),
        ([100 * hour for hour in range(24)] * 2, "2024-01-01 00:00", "h"),
        ([*range(1, 49)], "2024-01-01 00:00", "30min"),
    ],
)
def test_a_date_and_a_clock_are_one_time(tmp_path, clock, first, frequency):
    days = [f"{13 + row * 2 // 48 if len(set(clock)) < 48 else 13:02}.01.2024" for row in range(48)]
    name = "Period" if len(set(clock)) == 48 else "Hour"
    series = read(tmp_path, f"Date,{name},load", numbered(days, clock), target="load")
    expected = pd.Timestamp(first) + pd.Timedelta(days=12)
    assert (series.time, series.timestamps[0], series.frequency) == (("Date", name), expected, frequency)
    assert len(series) == 48
    again = days[:3], clock[:3]
    few = read(tmp_path, f"Date,{name},load", numbered(*again), time=series.time, target="load", rules=series.rules)
    assert few.timestamps[0] == expected  # as the run keeps it, though three rows prove nothing


def test_year_month_day_and_hour_are_found_by_their_names(tmp_path):
    rows = [f"{row},{t.year},{t.month},{t.day},{t.hour},{row % 7}.5" for row, t in enumerate(HOURS)]
    series = read(tmp_path, "No,year,month,day,hour,y", rows, target="y")
    assert series.time == ("year", "month", "day", "hour")
    assert list(series.timestamps) == list(HOURS)


@pytest.mark.parametrize("cell", ["", "2024-02-30", "n/a", "２０２４-01-05"])
@pytest.mark.parametrize("gaps", ["error", "mask"])
def test_one_wrong_date_of_a_wide_file_is_named_once(tmp_path, cell, gaps):
    rows = [f"{day:%Y-%m-%d},{row},{row},{row}" for row, day in enumerate(DAYS[:9])]
    rows[3] = f"{cell},3,3,3"
    found = refused(tmp_path, "day,a,b,c", rows, target="*", gaps=gaps)
    assert found.startswith(f"x.csv:5: day: 1 cell is not a timestamp: '{cell}' (line 5)")


@pytest.mark.parametrize("frequency", ["3000000h", "9999999999999999999h", "1000000000min", "0h"])
def test_a_step_that_nothing_can_count_is_refused(tmp_path, frequency):
    assert "is not a frequency" in refused(tmp_path, "day,y", numbered(DAYS), frequency=frequency)


def test_the_config_names_every_format():
    assert set(TIME_FORMATS) == {*DIGIT_FORMATS, STEPS, ISO, *PATTERNS, CLOCK, *COUNTS}


def write_quarter(day: datetime.date) -> str:
    return f"{day.year}Q{(day.month + 2) // 3}"


# How each is written, and the day that it means.
WRITTEN = {
    "ISO": (datetime.date.isoformat, lambda day: day),
    **{
        form: (lambda day, form=form: day.strftime(form), lambda day: day)
        for form in (
            *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d", "%Y%j"),
            *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%y-%m-%d", "%d%m%Y", "%m%d%Y"),
            *("%b %d, %Y", "%d-%b-%y", "%d%b%Y", "%d %B %Y", "%A, %B %d, %Y", "%Y-%m-%d 00:00:00 UTC", "%G-W%V-%u"),
        )
    },
    **{
        form: (lambda day, form=form: day.strftime(form), lambda day: day.replace(day=1))
        for form in ("%b-%y", "%B %Y", "%m/%Y", "%YM%m", "%Y-%m", "%Y%m", "%b %Y")
    },
    "year": (lambda day: str(day.year), lambda day: day.replace(month=1, day=1)),
    "week": (lambda day: day.strftime("%G%V"), lambda day: day - datetime.timedelta(day.weekday())),
    "quarter": (write_quarter, lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)),
    "fiscal": (
        lambda day: f"{day.year}-{(day.year + 1) % 100:02}", lambda day: day.replace(month=1, day=1)
    ),
    "excel": (
        lambda day: str((day - EXCEL.date()).days), lambda day: day
    ),
    "hours": (lambda day: f"{day:%Y%m%d}06", lambda day: datetime.datetime(day.year, day.month, day.day, 6)),
    "seconds": (
        lambda day: str(int(datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC).timestamp())),
        lambda day: day,
    ),
}  # fmt: skip


@given(
    st.sampled_from([*WRITTEN]),
    st.dates(datetime.date(1974, 1, 1), datetime.date(2030, 12, 31)),
    st.integers(1, 24),
    st.sampled_from([1, 7, 30, 92, 366]),
    st.sampled_from(["date", "x", "t", ""]),
)
@settings(max_examples=200, deadline=None)
def test_a_date_is_read_as_itself_or_refused_never_as_another(form, first, count, step, name):
    write, mean = WRITTEN[form]
    days = [first + datetime.timedelta(step * row) for row in range(count)]
    found = parse_timestamps(cells(*map(write, days)), name=name)
    if found.wrong.any() or found.others:
        return
    if found.way == STEPS:  # without a name of a date
        assert name != "date"
        assert form in {"year", "%Y%m", "week", "%Y%j", "excel", "%d%m%Y", "%m%d%Y", "seconds"}
        return
    stamps = pd.DatetimeIndex(found.timestamps)
    assert list(stamps.tz_localize(None)) == [pd.Timestamp(mean(day)) for day in days]


@given(st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2030, 1, 1)), st.sampled_from(
    ["%d.%m.%Y|%H:%M", "%Y-%m-%d|%H.%M.%S", "%m/%d/%Y|%I:%M %p", "%Y%m%d|%H%M"]
), st.integers(30, 60))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_date_and_a_clock_are_read_as_themselves(first, form, count):
    date, clock = form.split("|")
    times = pd.date_range(pd.Timestamp(first).floor("30min"), periods=count, freq="30min")
    found = parse_time_columns([cells(*times.strftime(date)), cells(*times.strftime(clock))], ["Date", "Time"])
    if not (found.wrong.any() or found.others):
        assert list(found.timestamps) == list(times)


def test_typed_and_text_paths_agree_on_digits():
    for name, written in itertools.product(("date", "x"), (MONTHS.strftime("%Y%m"), (DAYS - EXCEL).days)):
        numbers = np.array([*map(int, written)])
        text, typed = parse_timestamps(cells(*written), name=name), parse_whole_numbers(numbers, name=name)
        assert (text.way, text.others) == (typed.way, typed.others)
        assert list(text.timestamps) == list(typed.timestamps)
