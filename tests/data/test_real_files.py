"""Real files as they come: unsorted, with holes, wide, ragged, one series per row; skipped where they are not there."""

import csv

import numpy as np
import pytest

from forecaster.config import load_values
from forecaster.data import Panel
from forecaster.preprocessing.read_data import read_data
from tests.helpers.command import DATA

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the real files are not part of the project")


def read(path: str, **data) -> Panel:
    values = {"data": {"path": str(DATA / path), **data}, "window": {"length": 12, "horizon": 6}}
    loaded = load_values(values, "x.yaml")
    assert not loaded.problems
    return read_data(loaded.config)


def cells(path: str) -> list[list[str]]:
    with (DATA / path).open(newline="") as file:
        return [row for row in csv.reader(file) if row]


def test_m4_holds_one_series_per_row():
    panel, rows = read("M4/Hourly-train.csv", layout="rows", time="auto"), cells("M4/Hourly-train.csv")[1:]
    assert (len(panel), panel[0].values[0]) == (414, 605)
    assert list(panel.names) == [row[0] for row in rows]
    for series, row in zip(panel, rows, strict=True):
        np.testing.assert_array_equal(series.values, [float(cell) for cell in row[1:] if cell])


@pytest.mark.parametrize("name", ["M3Month", "M3Quart"])
def test_m3_holds_one_series_per_row_behind_its_description(name):
    panel, (header, *rows) = read(f"M3/{name}.csv", layout="rows", time=None, target="1"), cells(f"M3/{name}.csv")
    assert len(panel) == len(rows)
    first, length = header.index("1"), header.index("N")
    for series, row in zip(panel, rows, strict=True):
        assert series.name == row[0].strip()
        np.testing.assert_array_equal(series.values, [float(cell) for cell in row[first : first + int(row[length])]])


def test_tourism_holds_ragged_columns_below_three_other_rows():
    panel = read("tourism/monthly_in.csv", skip=3, time=None, target="*")
    names, lengths, *_ = cells("tourism/monthly_in.csv")
    assert list(panel.names) == names
    assert [len(series) for series in panel] == [int(float(length)) for length in lengths]


def test_air_quality_has_holes_and_its_time_in_parts():
    covariates = {"past": ["TEMP", "cbwd"], "missing": {}}
    options = {"covariates": covariates, "gaps": "mask"}
    with pytest.raises(AssertionError):  # a rollout cannot read past covariates: the network is checked, too
        read("beijing_pm25/beijing_pm25.csv", time=["year", "month", "day", "hour"], target="pm2.5", **options)
    options["covariates"] = {"future": ["TEMP", "cbwd"]}
    (series,) = read("beijing_pm25/beijing_pm25.csv", time=["year", "month", "day", "hour"], target="pm2.5", **options)
    header, *rows = cells("beijing_pm25/beijing_pm25.csv")
    given = [float(row[5]) for row in rows if row[5] != "NA"]
    np.testing.assert_array_equal(series.values[series.observed], given)
    assert str(series.timestamps[0]) == "2010-01-02 00:00:00"
    assert series.covariates["cbwd"].levels == ("NW", "cv", "NE", "SE")
    assert header[5] == "pm2.5"


def test_bikes_have_a_date_and_an_hour():
    (series,) = read("bike_sharing/hour.csv", time=["dteday", "hr"], target="cnt", gaps="zero")
    rows = cells("bike_sharing/hour.csv")[1:]
    assert (str(series.timestamps[0]), str(series.timestamps[-1])) == ("2011-01-01 00:00:00", "2012-12-31 23:00:00")
    assert series.values.sum() == sum(int(row[-1]) for row in rows)
    assert series.values[24 * 31 + 9] == 116


# 2011-02-01, nine o'clock


def test_load_is_unsorted_with_hours_that_come_twice():
    (series,) = read("pjm_hourly/PJME_hourly.csv", duplicates="mean", gaps="interpolate")
    rows = cells("pjm_hourly/PJME_hourly.csv")[1:]
    assert len(rows) - len({row[0] for row in rows}) == 4
    assert series.observed.sum() == len({row[0] for row in rows})
    by_time = dict(rows)
    assert series.values[100] == float(by_time[str(series.timestamps[100])])


def test_rates_have_milliseconds_and_no_holidays():
    (series,) = read("nixtla_long/usdeur.csv")
    assert (series.frequency, str(series.timestamps[0])) == ("sessions", "2007-01-01 00:00:00")
    assert series.values[0] == 0.7537


def test_transformers_have_seven_targets():
    panel = read("ETT-small/ETTm1.csv", target="*")
    assert list(panel.names) == ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
    assert (panel.frequency, set(panel.lengths.tolist())) == ("15min", {69_680})
