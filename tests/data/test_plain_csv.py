import dataclasses
import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.config.schema import Data
from forecaster.data import Panel
from forecaster.data.dialect import Dialect
from forecaster.data.options import Reading
from forecaster.data.plain_csv import read_plain_csv
from forecaster.data.read_tables import read_source
from forecaster.data.sources.source import resolve_source
from forecaster.forecasting.freshness import measure_freshness
from forecaster.preprocessing.read_data import DataRequest, build_data_request
from forecaster.preprocessing.seasons import find_series_seasons
from forecaster.time.grid import Grid, find_alias, find_length

HOURS = [f"2026-03-01 {hour:02}:00:00,{hour}.5" for hour in range(10)]
DAYS = [f"2026-02-{day:02},{day * 100}" for day in range(20, 29)]
DIALECT = {"encoding": "utf-8", "delimiter": ",", "decimal": ".", "thousands": "none", "header": True, "unit": {}}
STATED = {"time": "time", "target": "load", **DIALECT}


def write(path: Path, rows: list[str], header: str = "time,load", end: str = "\n") -> Path:
    path.write_text(end.join([header, *rows, ""]), newline="")
    return path


def ask(path: Path, **keys: object) -> DataRequest:
    loaded = load_values({"data": {"path": str(path), **keys}, "window": {"length": 3, "horizon": 1}}, str(path))
    return build_data_request(loaded.config)


def read(path: Path, **keys: object) -> Panel | None:
    paths, reading, dialect = ask(path, **keys)
    return read_plain_csv(resolve_source(paths), reading, dialect)


def assert_equal_to_the_other_reader(path: Path, **keys: object) -> None:
    paths, reading, dialect = ask(path, **keys)
    source = resolve_source(paths)
    plain, expected = read_plain_csv(source, reading, dialect), read_source(source, reading, dialect)
    assert plain is not None
    assert [*plain.names, *plain.targets] == [*expected.names, *expected.targets]
    for name in ("time", "frequency", "rules", "dialect", "notices", "observed"):
        assert getattr(plain, name) == getattr(expected, name), name
    assert list(map(str, plain.find_span())) == list(map(str, expected.find_span()))
    (found,), (other,) = plain, expected
    np.testing.assert_array_equal(found.values, other.values)
    count = len(other)
    for place in (0, count - 1, count + 1):
        assert found.find_timestamp(place) == other.find_timestamp(place)
        assert found.find_end(place) == other.find_end(place)
    (last, ahead), (other_last, other_ahead) = found.find_times_ahead(30, {}), other.find_times_ahead(30, {})
    assert [last, *ahead] == [other_last, *other_ahead]
    assert list(map(str, [last, *ahead])) == list(map(str, [other_last, *other_ahead]))
    assert measure_freshness([found], None) == measure_freshness([other], None)
    assert find_series_seasons(found) == find_series_seasons(other)
    assert list(found.timestamps) == list(other.timestamps)


@pytest.mark.parametrize(
    ("rows", "frequency"),
    [
        (HOURS, "h"),
        ([row.replace(" ", "T") for row in HOURS], "h"),
        ([row.replace(":00:00", ":00") for row in HOURS], "h"),
        ([row.replace(".5", "") for row in HOURS], "h"),
        ([f"2026-03-01 00:{minute:02}:00,-0.1" for minute in range(0, 60, 15)], "15min"),
        (DAYS, "D"),
        ([f"2026-02-{day},0.{'1234567' * 2}{day % 10}" for day in range(20, 29)], "D"),
        ([f"2026-02-{day},12345678901234.{day}" for day in range(20, 29)], "D"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_plain_csv_gives_the_series_that_the_other_reader_gives(
    tmp_path: Path, rows: list[str], frequency: str, end: str
) -> None:
    path = write(tmp_path / "load.csv", rows, end=end)
    assert_equal_to_the_other_reader(path, **STATED, frequency=frequency)
    assert_equal_to_the_other_reader(path, gaps="mask")


@pytest.mark.parametrize(
    ("first", "alias"),
    [
        ("2026-03-28 17:00", "h"),
        ("2026-03-28 18:00", "6h"),
        ("2026-03-28 10:30", "30min"),
        ("2026-03-28 10:30:30", "s"),
        ("2026-02-27", "D"),
        ("2023-12-26", "W-TUE"),
        ("1999-12-05", "W-SUN"),
        ("2023-01-01", "MS"),
        ("1899-07-01", "MS"),
        ("2020-08-01", "QS-FEB"),
        ("2020-01-01", "QS-JAN"),
        ("1950-03-01", "YS-MAR"),
    ],
)
@pytest.mark.parametrize("rows", [5, 70])
def test_the_frequency_is_found_as_by_the_other_reader(tmp_path: Path, first: str, alias: str, rows: int) -> None:
    stamps = pd.date_range(first, periods=rows, freq=alias)
    lines = [f"{str(stamp).removesuffix(' 00:00:00')},{place % 7}.25" for place, stamp in enumerate(stamps)]
    if len({len(line.partition(",")[0]) for line in lines}) > 1:
        lines = [f"{stamp},{place % 7}.25" for place, stamp in enumerate(stamps)]
    path = write(tmp_path / "sold.csv", lines, "Order Date,units sold")
    assert_equal_to_the_other_reader(path)
    assert_equal_to_the_other_reader(path, frequency=alias, target="units sold")


def test_steps_of_any_frequency_are_found_as_by_the_other_reader_or_left_to_it(tmp_path: Path) -> None:
    generator, left = np.random.default_rng(7), []
    aliases = [*("s", "10s", "min", "5min", "45min", "90min", "h", "5h", "12h", "D", "2D", "7D", "14D", "31D", "B")]
    aliases += ["W-WED", "SMS", "MS", "2MS", "QS-JAN", "QS-MAR", "YS-JAN", "YS-OCT", "ME", "QE-DEC", "YE", "BMS"]
    for alias in aliases:
        for rows in (3, 4, int(generator.integers(5, 40))):
            begin = np.datetime64("1990-01-01T00:00:00") + generator.integers(0, 10_000) * np.timedelta64(1, "D")
            stamps = pd.date_range(begin, periods=rows, freq=alias)
            path = write(
                tmp_path / "x.csv", [f"{stamp:%Y-%m-%d %H:%M:%S},{row % 5}" for row, stamp in enumerate(stamps)]
            )
            if read(path) is None:
                left.append(alias)
            else:
                assert_equal_to_the_other_reader(path)
    plain = {"s", "10s", "min", "5min", "45min", "90min", "h", "12h", "D", "7D", "W-WED", "MS", "QS-JAN", "QS-MAR"}
    assert not {*left} & (plain - {"MS"})
    assert {"B", "SMS", "2MS", "ME", "QE-DEC", "YE", "14D", "31D"} <= {*left}


@pytest.mark.parametrize(
    "rows",
    [
        HOURS[:4] + HOURS[5:],  # a gap
        HOURS[:4] + HOURS[3:],  # twice the same hour
        [*HOURS[:4], *HOURS[4:6][::-1], *HOURS[6:]],
        [*HOURS, "2026-03-01 10:00:00,"],
        [*HOURS, "2026-03-01 10:00:00,n/a"],
        [*HOURS, "2026-03-01 10:00:00,nan"],
        [*HOURS, "2026-03-01 10:00:00,1e3"],
        [*HOURS, "2026-03-01 10:00:00,007"],
        [*HOURS, '2026-03-01 10:00:00,"1,000"'],
        [*HOURS, "2026-03-01 10:00:00,1,000"],
        [*HOURS, "2026-03-01 10:00:00, 1"],
        [*HOURS, "2026-03-01 10:00:00,$1"],
        [*HOURS, "2026-03-01 10:00,1"],  # written in two ways
        [*HOURS, "2026-03-01 10:00:00+00:00,1"],
        [*HOURS, "2026-02-30 10:00:00,1"],
        [*HOURS, "", "2026-03-01 10:00:00,1"],
        [*HOURS, "Total,100"],
        [row.replace(":00:00", ":30:00") for row in HOURS],
        [row.replace("2026-03-01 ", "01/03/2026 ") for row in HOURS],
        [row.replace(".5", ",5") for row in HOURS],
        [row.replace(",", ";") for row in HOURS],
        HOURS[:2],
        [],
    ],
)
def test_anything_that_needs_a_decision_is_left_to_the_other_reader(tmp_path: Path, rows: list[str]) -> None:
    path = write(tmp_path / "load.csv", rows)
    assert read(path, **STATED, frequency="h") is None
    assert read(path) is None


def test_every_key_of_the_data_is_looked_at_or_changes_nothing_in_a_plain_file():
    looked_at = {
        "path",
        "query",
        "time",
        "target",
        "series",
        "where",
        "layout",
        "covariates",
        "frequency",
        "minimum",
        "maximum",
    }
    looked_at |= {"weekmask", "holidays", "tolerance", "timezone", "time_format", "last_bar", "na_values"}
    of_missing_or_duplicate_rows = {"gaps", "max_gap", "late", "duplicates", "invalid_values", "date_order"}
    after_reading = {"season", "calendar", "transform", "difference", "hierarchy"}
    of_a_dialect = {field.name for field in dataclasses.fields(Dialect)}
    assert {*looked_at, *of_missing_or_duplicate_rows, *after_reading, *of_a_dialect} == set(Data.model_fields)
    # Of what is read, these may differ from the default; another new one leaves the file to the other reader.
    assert {field.name for field in dataclasses.fields(Reading)} == {
        *("time", "target", "frequency", "gaps", "duplicates", "domains", "series", "static", "rules", "way", "late"),
        *("invalid_values", "na_values", "columns", "categorical", "layout", "allows_longer_step", "where"),
    }


@pytest.mark.parametrize("header", ["load,time", "time,load,price", "Time,load", '"time","load"', "time;load", ""])
def test_another_header_is_left_to_the_other_reader(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "load.csv", HOURS, header)
    assert read(path, **STATED, frequency="h") is None


@pytest.mark.parametrize(
    "header", ["load", "time,load,price", "time,time", '"time","load"', "time;load", "", "2026,load", "time,1", ",load"]
)
def test_a_header_that_may_be_none_is_left_to_the_other_reader(tmp_path: Path, header: str) -> None:
    assert read(write(tmp_path / "load.csv", HOURS, header)) is None


@pytest.mark.parametrize("header", ["ds,y", "DS,Y", "ds,unique_id", "y,ds", "ds,sold"])
def test_a_header_of_known_columns_is_left_to_the_other_reader_which_reports_them(tmp_path: Path, header: str) -> None:
    path, names = write(tmp_path / "load.csv", HOURS, header), header.split(",")
    assert read(path) is None
    assert read(path, target=names[1]) is None
    assert read(path, time=names[0], target=names[1]) is not None


@pytest.mark.parametrize(
    "keys",
    [
        {"timezone": "Europe/Berlin"},
        {"tolerance": "5s"},
        {"frequency": "D"},
        {"frequency": "sessions"},
        {"frequency": "7min"},
        {"series": "load"},
        {"covariates": {"past": ["load"]}},
        {"last_bar": "drop"},
        {"na_values": [-1]},
        {"decimal": ","},
        {"comment": "#"},
        {"skip": 1},
        {"header": False},
        {"time_format": "%Y-%m-%d %H:%M:%S"},
    ],
)
def test_a_config_that_asks_for_more_is_left_to_the_other_reader(tmp_path: Path, keys: dict[str, object]) -> None:
    path = write(tmp_path / "load.csv", HOURS)
    assert read(path, **{**STATED, "frequency": "h", **keys}) is None
    assert read(path, **STATED, frequency="h") is not None


def test_points_that_may_separate_thousands_are_left_to_the_other_reader(tmp_path: Path) -> None:
    rows = [HOURS[0].replace("0.5", "986"), *(row.replace(".5", ".500") for row in HOURS[1:])]
    path = write(tmp_path / "load.csv", rows)
    assert read(path) is None
    assert read(path, **STATED) is not None


def test_numbers_outside_a_domain_a_half_written_line_and_other_paths_are_left_to_the_other_reader(
    tmp_path: Path, monkeypatch
) -> None:
    path = write(tmp_path / "load.csv", HOURS)
    assert read(path, maximum=5) is None
    assert read(path, maximum=50) is not None
    _, reading, dialect = ask(path)
    assert (
        read_plain_csv(resolve_source([str(path), str(write(tmp_path / "more.csv", DAYS))]), reading, dialect) is None
    )
    monkeypatch.setattr("forecaster.data.sources.source.SMALL", 100)
    assert read(path) is None
    monkeypatch.undo()
    path.write_text(path.read_text()[:-1])
    assert read(path) is None


def test_a_cut_keeps_the_timestamps_of_what_is_left(tmp_path: Path) -> None:
    panel = read(write(tmp_path / "load.csv", HOURS))
    assert panel is not None
    (series,) = panel
    assert series.cut(0, 10) is series
    cut = series.cut(2, 6)
    assert cut.find_times_ahead(1, {}) == (datetime.datetime(2026, 3, 1, 5), [datetime.datetime(2026, 3, 1, 6)])
    assert list(cut.timestamps) == list(pd.date_range("2026-03-01 02:00", periods=4, freq="h"))
    longer = panel.prepend_steps(3, 24)
    assert list(longer[0].timestamps) == list(pd.date_range("2026-02-28 21:00", periods=13, freq="h"))
    assert list(longer.drop_steps(3)[0].timestamps) == list(series.timestamps)
    assert list(panel.truncate(np.array([4]))[0].timestamps) == list(series.timestamps[:4])


def test_no_timestamp_is_found_beyond_the_year_9999() -> None:
    grid = Grid(np.datetime64("9998-01-01T00:00:00"), 2, "YS-JAN")
    assert grid.find(1) == datetime.datetime(9999, 1, 1)
    with pytest.raises(OverflowError):
        grid.find(2)
    with pytest.raises(OverflowError):
        grid.list_after(1)


@pytest.mark.parametrize(
    "alias", ["W", "W-MO", "MS-JAN", "QS", "QS-", "YS", "0h", "1.5h", "ms", "B", "sessions", "step"]
)
def test_other_frequencies_have_no_fixed_length(alias: str) -> None:
    assert find_length(alias) is None


def test_rows_in_no_order_have_no_frequency() -> None:
    assert find_alias(np.array(["2026-01-02", "2026-01-01", "2026-01-03"], "datetime64[s]")) is None
    assert find_alias(np.array(["2026-01-01"] * 3, "datetime64[s]")) is None
