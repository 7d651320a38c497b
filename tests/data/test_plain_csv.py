import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.config.schema import Data
from forecaster.data.plain_csv import _USUAL, PlainSeries, read_plain_csv
from forecaster.data.value_ranges import Domain
from forecaster.preprocessing.read_data import read_data

HOURS = [f"2026-03-01 {hour:02}:00:00,{hour}.5" for hour in range(10)]
DAYS = [f"2026-02-{day:02},{day * 100}" for day in range(20, 29)]
DIALECT = {"encoding": "utf-8", "delimiter": ",", "decimal": ".", "thousands": "none", "header": True, "unit": {}}


def write(path: Path, rows: list[str], header: str = "time,load", end: str = "\n") -> Path:
    path.write_text(end.join([header, *rows, ""]), newline="")
    return path


def load(path: Path, **keys: object):
    data = {"path": str(path), "time": "time", "target": "load", "frequency": "h", **DIALECT, **keys}
    loaded = load_values({"data": data, "window": {"length": 3, "horizon": 1}}, str(path))
    assert not loaded.problems
    return loaded.config


def read(path: Path, **keys: object) -> PlainSeries | None:
    return read_plain_csv(load(path, **keys).data.model_dump(), str(path), (), 3)


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
    found = read(path, frequency=frequency)
    (expected,) = read_data(load(path, frequency=frequency))
    assert found is not None
    np.testing.assert_array_equal(found.values, expected.values)
    assert list(found.timestamps) == list(expected.timestamps)
    assert found.last_timestamp == expected.last_timestamp == expected.timestamps[-1]
    assert list(map(str, found.list_future_timestamps(30))) == list(map(str, expected.list_future_timestamps(30)))
    for name in ("name", "target", "time", "frequency", "notices", "categories", "rules", "observed", "covariates"):
        assert getattr(found, name) == getattr(expected, name)


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
    assert read(write(tmp_path / "load.csv", rows)) is None


def test_every_key_of_the_data_is_looked_at_or_changes_nothing_in_a_plain_file():
    looked_at = {"path", "time", "target", "frequency", "unit", "covariates", "minimum", "maximum"}
    of_missing_or_duplicate_rows = {"gaps", "max_gap", "late", "duplicates", "invalid_values", "date_order"}
    after_reading = {"season", "calendar", "transform", "difference"}
    assert {*_USUAL, *looked_at, *of_missing_or_duplicate_rows, *after_reading} == set(Data.model_fields)


@pytest.mark.parametrize("header", ["load,time", "time,load,price", "Time,load", '"time","load"', "time;load", ""])
def test_another_header_is_left_to_the_other_reader(tmp_path: Path, header: str) -> None:
    assert read(write(tmp_path / "load.csv", HOURS, header)) is None


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
    data = load(path).data.model_dump() | load(path).data.model_validate({"path": "load.csv", **keys}).model_dump(
        include=set(keys)
    )
    assert read_plain_csv(data, str(path), (), 3) is None
    assert read_plain_csv(load(path).data.model_dump(), str(path), (), 3) is not None


def test_numbers_outside_a_domain_a_half_written_line_and_other_paths_are_left_to_the_other_reader(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "load.csv", HOURS)
    data = load(path).data.model_dump()
    assert read_plain_csv(data, str(path), (Domain("outside-bounds", "numbers up to 5", high=5),), 3) is None
    assert read_plain_csv(data, str(path), (), 11) is None
    assert read_plain_csv(data, str(tmp_path / "*.csv"), (), 3) is None
    assert read_plain_csv(data, str(tmp_path / "none.csv"), (), 3) is None
    assert read_plain_csv(data, "-", (), 3) is None
    path.write_text(path.read_text()[:-1])
    assert read_plain_csv(data, str(path), (), 3) is None


def test_a_cut_keeps_the_timestamps_of_what_is_left(tmp_path: Path) -> None:
    series = read(write(tmp_path / "load.csv", HOURS))
    assert series is not None
    assert series.cut(0, 10) is series
    cut = series.cut(2, 6)
    assert cut.last_timestamp == datetime.datetime(2026, 3, 1, 5)
    assert list(cut.timestamps) == list(pd.date_range("2026-03-01 02:00", periods=4, freq="h"))
    assert cut.list_future_timestamps(1) == [datetime.datetime(2026, 3, 1, 6)]
