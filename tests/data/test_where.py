"""`data.where` reads the rows of some cells, whichever path reads them, as if the others were not in the file."""

import itertools
import sqlite3

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.data.assembly import blocks, typed_path
from forecaster.data.options import Reading
from forecaster.data.read import read_series, read_series_in_groups
from forecaster.data.read_tables import read_columns
from forecaster.data.sources import files
from forecaster.data.sources.files import Query
from forecaster.errors import DataError

REGIONS = ("south", "north", " north-west ", "7")
READING = Reading(time="day", target="sales", series="shop", frequency="D")


@pytest.fixture
def frame():
    """Days of three shops in each region; the other columns repeat in all of them."""
    rows = [
        (str(day), region, f"{shop}", kind, 100 * place + 10 * shop + number)
        for (place, region), shop in itertools.product(enumerate(REGIONS), range(3))
        for number, (day, kind) in enumerate(
            zip(np.arange("2024-01-01", "2024-02-20", dtype="M8[D]"), itertools.cycle("ab"))
        )
    ]
    return pd.DataFrame(rows, columns=["day", "region", "shop", "kind", "sales"])


def describe(panel):
    series = [(each.name, each.timestamps[0], each.values.tolist()) for each in panel]
    return sorted(series), panel.frequency


def write(frame, tmp_path, kind):
    path = tmp_path / f"sales.{kind}"
    if kind == "parquet":
        frame.assign(day=pd.to_datetime(frame["day"]), region=frame["region"].astype("category")).to_parquet(path)
    elif kind == "db":
        with sqlite3.connect(path) as database:
            frame.to_sql("sales", database, index=False)
        return Query(f"sqlite:///{path}", "SELECT * FROM sales")
    else:
        frame.to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        ("csv", {}),
        ("csv", {(typed_path, "WORTHWHILE"): 0}),
        ("csv", {(files, "MAX_BYTES"): 100, (blocks, "BLOCK"): 3000}),
        ("csv", {(files, "MAX_BYTES"): 100, (blocks, "BLOCK"): 3000, (blocks, "HEAD_BYTES"): 900}),
        ("csv", {(typed_path, "WORTHWHILE"): 0, (typed_path, "LEAST_GROUPED"): 0, (typed_path, "_SAMPLE"): 0}),
        ("parquet", {}),
        ("parquet", {(files, "MAX_BYTES"): 100}),
        ("parquet", {(typed_path, "LEAST_GROUPED"): 0}),
        ("db", {}),
    ],
)
@pytest.mark.parametrize("cells", [("north",), ("north-west", "7"), ("nowhere",)])
def test_every_path_reads_the_rows_that_are_asked_for(frame, tmp_path, monkeypatch, kind, limits, cells):
    kept = frame[frame["region"].str.strip().isin(cells)]
    if len(cells) > 1:
        frame, kept = (each.assign(shop=each["region"].str.strip() + each["shop"]) for each in (frame, kept))
    path = write(frame, tmp_path, kind)
    for (module, name), value in limits.items():
        monkeypatch.setattr(module, name, value)
    reading = READING.__class__(**{**vars(READING), "where": {"region": cells}})
    if kept.empty:
        with pytest.raises(DataError, match="no row in which region is 'nowhere'; there are region: 'south'"):
            read_series(path, reading)
        return
    (tmp_path / "kept").mkdir()
    expected = describe(read_series(write(kept, tmp_path / "kept", "csv"), READING))
    assert describe(read_series(path, reading)) == expected
    groups = list(read_series_in_groups(path, reading))
    assert sorted(each for panel in groups for each in describe(panel)[0]) == expected[0]


def test_problems_of_other_rows_and_columns_of_the_filter_do_not_count(frame, tmp_path):
    frame["sales"] = frame["sales"].astype(object)
    frame.loc[0, "sales"] = "broken"  # in the south
    frame["zone"] = frame["region"].map({"south": 1, "north": 2}).fillna(3).astype(int)  # could be the target
    path = write(frame.drop(columns=["kind", "region"]), tmp_path, "csv")
    reading = Reading(series="shop", where={"zone": ("2",)})
    assert {series.target for series in read_series(path, reading)} == {"sales"}
    with pytest.raises(DataError, match=r"sales\.csv:2: .*'broken'"):
        read_series(path, Reading(series="shop", target="sales", where={"zone": ("1",)}))
    with pytest.raises(DataError, match="no column 'zones', did you mean 'zone'"):
        read_series(path, Reading(series="shop", where={"zones": ("1",)}))


def test_known_values_of_covariates_may_lack_the_column(frame, tmp_path):
    kept = frame[frame["region"] == "north"]
    reading = Reading(time="day", series="shop", columns=("sales",), where={"region": ("north",)})
    with_region = read_columns(write(frame, tmp_path, "csv"), reading)
    without = read_columns(write(kept.drop(columns="region"), tmp_path, "csv"), reading)
    assert {name: rows.columns["sales"].values.tolist() for name, rows in with_region.items()} == {
        name: rows.columns["sales"].values.tolist() for name, rows in without.items()
    }


@pytest.mark.parametrize(
    ("value", "expected"), [("north", ("north",)), (7, ("7",)), (["north", " a "], ("north", "a"))]
)
def test_cells_are_texts(value, expected):
    loaded = load_values(
        {"data": {"path": "a.csv", "where": {"region": value}}, "window": {"length": 8, "horizon": 2}}, "a.yaml"
    )
    assert loaded.config.data.where == {"region": expected}


@pytest.mark.parametrize("value", [True, [], 1.5, {"a": 1}, [None]])
def test_cells_of_other_types_are_refused(value):
    values = {"data": {"path": "a.csv", "where": {"region": value}}, "window": {"length": 8, "horizon": 2}}
    (problem,) = load_values(values, "a.yaml").problems
    assert (problem.code, problem.column) == ("invalid-value", "data.where.region")
    assert problem.detail["expected"].startswith("a cell of the column as it is written")
