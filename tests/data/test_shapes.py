"""Whatever shape a file has - long, wide, one series per row, times in parts - it becomes the same panel."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from forecaster.config import load_values
from forecaster.data import Panel
from forecaster.data.dialect import Dialect
from forecaster.errors import DataError
from tests.helpers.command import DATA
from tests.helpers.reading import read_series


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


NAN = np.nan


def read(tmp_path: Path, text: str, time="auto", target="auto", **options) -> Panel:
    (tmp_path / "x.csv").write_text(text)
    return read_series(tmp_path / "x.csv", time, target, options.pop("frequency", "auto"), **options)


def refused(tmp_path: Path, text: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, **options)
    return str(caught.value).replace(f"{tmp_path}/", "")


def described(panel: Panel) -> dict[str, tuple[str, list[float], object]]:
    return {series.name: (series.target, series.values.tolist(), series.timestamps[0]) for series in panel}


WIDE = """\
day,a,note,b,c
2026-01-01,1,x,,7
2026-01-02,2,y,5,8
2026-01-03,3,x,6,
2026-01-04,4,y,7,
"""
FIRST, SECOND = pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (["a"], {"a": ("a", [1, 2, 3, 4], FIRST)}),
        (["c", "a"], {"c": ("c", [7, 8], FIRST), "a": ("a", [1, 2, 3, 4], FIRST)}),
        ("*", {"a": ("a", [1, 2, 3, 4], FIRST), "b": ("b", [5, 6, 7], SECOND), "c": ("c", [7, 8], FIRST)}),
    ],
)
def test_each_column_of_a_wide_file_is_a_series_from_its_first_number_to_its_last(tmp_path, target, expected):
    assert described(read(tmp_path, WIDE, target=target)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("3,x,6", "3,x,", "x.csv:4: b: 1 cell is empty: '' (line 4); choose how to fill them: data.gaps"),
        ("3,x,6", "3,x,oops", "x.csv:4: b: 1 cell is not a number: 'oops' (line 4)"),
        ("-04,", "-05,", "x.csv:5: 1 day is missing"),
        ("2026-01-02,2", "2026-01-02,oops", "x.csv:3: a: 1 cell is not a number: 'oops' (line 3)"),
    ],
)
def test_what_is_wrong_in_a_wide_file_is_reported_with_its_column(tmp_path, old, new, expected):
    message = refused(tmp_path, WIDE.replace(old, new), target=["a", "b", "c"])
    assert expected in message
    assert "[series " in message


def test_ids_and_columns_together(tmp_path):
    text = "day,shop,sold,back\n" + "".join(
        f"2026-01-0{day},{shop},{day * 10 + number},{'' if shop == 'q' else day}\n"
        for day in range(1, 5)
        for number, shop in enumerate("pq")
    )
    panel = read(tmp_path, text, target=["sold", "back"], series="shop")
    assert described(panel) == {
        "p/sold": ("sold", [10, 20, 30, 40], FIRST),
        "p/back": ("back", [1, 2, 3, 4], FIRST),
        "q/sold": ("sold", [11, 21, 31, 41], FIRST),
    }
    assert [str(notice).split("x.csv: ")[1] for notice in panel.all_notices] == [
        "1 series has no number and are left out: q/back"
    ]


def test_covariates_go_with_every_column(tmp_path):
    text = WIDE + "2026-01-05,,x,,\n"
    a, b = read(tmp_path, text, target=["a", "b"], columns=["note"])
    np.testing.assert_array_equal(a.values, [1, 2, 3, 4])
    np.testing.assert_array_equal(a.covariates["note"].values, [0, 1, 0, 1, 0])
    np.testing.assert_array_equal(b.covariates["note"].values, [1, 0, 1, 0])


def test_several_columns_of_ids_separate_series_together(tmp_path):
    rows = [f"2026-01-0{day},{state},{store},{day}" for day in range(1, 5) for state in "AB" for store in "xy"]
    text = "\n".join(["day,state,store,sold", *rows]) + "\n"
    assert [series.name for series in read(tmp_path, text, series=["state", "store"])] == ["A/x", "A/y", "B/x", "B/y"]
    assert "x.csv:2: store: 4 cells are empty; every row needs the name of its series" in refused(
        tmp_path, text.replace("A,x", "A,"), series=["state", "store"]
    )


ROWS = "id,kind,1,2,3,4\nm,food,1,2,3,\nn,toys,5,,7,8\no,toys,,,,\n"


def test_a_row_is_a_series(tmp_path):
    m, n = read(tmp_path, ROWS, target="1", layout="rows", gaps="zero", static=["kind"])
    assert (m.name, m.frequency, m.values.tolist(), m.categories) == ("m", "step", [1, 2, 3], {"kind": "food"})
    assert (n.name, n.values.tolist(), list(n.timestamps)) == ("n", [5, 0, 7, 8], [0, 1, 2, 3])
    assert "left out: o" in str(m.notices[0])


@pytest.mark.parametrize(
    ("target", "series", "steps"),
    [("auto", "kind", 4), ("2", "id", 3), (["4", "1"], "id", 2), ("auto", ["id", "kind"], 4)],
)
def test_which_columns_hold_the_steps(tmp_path, target, series, steps):
    panel = read(tmp_path, ROWS.replace(",,,,", ",1,1,1,1"), target=target, series=series, layout="rows", gaps="zero", duplicates="first")  # fmt: skip
    assert max(map(len, panel)) == steps


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (ROWS.replace("2,3", "2,x"), {"target": "1"}, "x.csv:2: 1 to 4: 1 cell is not a number: 'x' (line 2)"),
        (ROWS, {"target": "1"}, "x.csv:3: 1 to 4: 1 cell is empty: '' (line 3); choose how to fill"),
        (ROWS, {"target": "9"}, "no column '9'"),
        ("1,2\n3,4\n", {}, "no column of text holds the names of the series; name one with data.series"),
        ("1,id\n3,a\n", {}, "no columns follow 'id'; name the first column of values with data.target"),
    ],
)
def test_what_is_no_row_of_a_series_is_refused(tmp_path, text, options, expected):
    assert expected in refused(tmp_path, text, layout="rows", **options)


@pytest.mark.parametrize(
    ("header", "cells", "frequency", "last"),
    [
        (["year", "month"], ["2026,1", "2026,02", "2026,3"], "MS", "2026-03-01"),
        (["y", "m", "d"], ["2026,1,30", "2026,1,31", "2026,2,1"], "D", "2026-02-01"),
        (["y", "m", "d", "h"], ["2026,1,1,22", "2026,1,1,23", "2026,1,2,0"], "h", "2026-01-02"),
        (["y", "m", "d", "h", "min"], ["2026,1,1,0,45", "2026,1,1,1,0", "2026,1,1,1,15"], "15min", "2026-01-01 01:15"),
        (["date", "time"], ["30/01/2026,12:00", "30/01/2026,13:00", "30/01/2026,14:00"], "h", "2026-01-30 14:00"),
        (["date", "time"], ["2026-01-30,12:00", "2026-01-30,13:00", "2026-01-30,14:00"], "h", "2026-01-30 14:00"),
    ],
)
def test_times_in_parts(tmp_path, header, cells, frequency, last):
    rows = [f"{cell},{number}" for number, cell in enumerate(cells)]
    (found,) = read(tmp_path, "\n".join([",".join([*header, "load"]), *rows]) + "\n", header, "load")
    assert (found.frequency, found.timestamps[-1]) == (frequency, pd.Timestamp(last))


def test_parts_that_make_no_time_are_refused_with_their_line(tmp_path):
    text = "y,m,d,load\n2026,1,1,1\n2026,13,2,2\n2026,1,3,3\n"
    found = refused(tmp_path, text, time=["y", "m", "d"], target="load")
    assert "x.csv:3: y m d: 1 cell is not a timestamp: '2026-13-02' (line 3)" in found


def test_rows_below_the_header_that_do_not_count(tmp_path):
    text = "m1,m2\n3,2\n1979,1980\n1,1\n10,20\n11,21\n12,\n"
    panel = read(tmp_path, text, None, "*", dialect=Dialect(skip=3))
    assert described(panel) == {"m1": ("m1", [10, 11, 12], 0), "m2": ("m2", [20, 21], 0)}
    assert "x.csv:6: m1: 1 cell is not a number: 'x' (line 6)" in refused(
        tmp_path, text.replace("11", "x"), time=None, target="*", dialect=Dialect(skip=3)
    )


@pytest.mark.parametrize(
    ("name", "time", "target", "options", "count", "first"),
    [
        ("M3/M3Month.csv", "auto", "1", {"layout": "rows"}, 1428, 2640),
        ("tourism/monthly_in.csv", None, "*", {"dialect": Dialect(skip=3)}, 366, 1149.87),
        ("beijing_pm25/beijing_pm25.csv", ["year", "month", "day", "hour"], "pm2.5", {"gaps": "previous"}, 1, 129),
        ("ETT-small/ETTh1.csv", "auto", "*", {}, 7, 5.827000141143799),
    ],
)
def test_published_files_are_read(name, time, target, options, count, first):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not here")
    panel = read_series(DATA / name, time, target, "auto", **options)
    assert (len(panel), panel[0].values[0]) == (count, first)


@pytest.mark.parametrize(
    ("data", "model", "expected"),
    [
        ({"layout": "rows", "time": "t"}, {}, "data.time: cannot go with layout: rows"),
        ({"layout": "rows", "frequency": "h"}, {}, "data.frequency: h cannot go with layout: rows"),
        ({"layout": "rows", "covariates": {"past": ["a"]}}, {}, "data.covariates.past: cannot go with layout: rows"),
        ({"target": []}, {}, "data.target: received [], expected the name of a column, or a list of names"),
        ({"series": ["a", "a"]}, {}, "expected the name of a column, or a list of names"),
        ({"target": "a"}, {"embedding": 3}, "distinguishes series, and there is one"),
        ({"target": ["a", "b"]}, {"embedding": 3}, None),
    ],
)
def test_shapes_that_do_not_go_together_are_refused(data, model, expected):
    values = {"data": {"path": "x.csv"} | data, "window": {"length": 2, "horizon": 1}, "model": model}
    problems = load_values(values, "x.yaml").problems
    assert (not problems) if expected is None else any(expected in str(problem) for problem in problems)


def test_a_wide_file_trains_and_forecasts_each_column(tmp_path, forecast):
    hours = pd.date_range("2026-01-01", periods=200, freq="h")
    rows = [f"{hour},{hour.hour},{100 - hour.hour},n" for hour in hours]
    (tmp_path / "wide.csv").write_text("\n".join(["t,up,down,note", *rows]) + "\n")
    (tmp_path / "wide.yaml").write_text(
        'data: {path: wide.csv, target: "*"}\nwindow: {length: 24, horizon: 2}\n'
        "model: {units: 4, embedding: 2, decoder: dense}\ntraining: {epochs: 1}\n"
    )
    result = forecast("train", "wide.yaml", cwd=tmp_path, fitted=False)
    assert result.returncode == 0, result.stderr
    kept = yaml.safe_load((next((tmp_path / "runs/wide/versions").iterdir()) / "config.yaml").read_text())
    assert (kept["data"]["target"], kept["data"]["time"]) == ("*", "t")
    predicted = forecast("predict", "runs/wide", cwd=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    assert [line.split(",")[0] for line in predicted.stdout.splitlines()[1:]] == ["up", "up", "down", "down"]
    refused = forecast("impute", "wide.csv", "wide.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "impute fills one series; name one column of numbers in data.target" in refused.stderr
