"""A Parquet file is read as the CSV of the same cells would be, with rows in messages where that has lines."""

import dataclasses
import datetime
import decimal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Panel
from forecaster.data.assembly.blocks import open_table
from forecaster.data.assembly.build_rows import parse_rows
from forecaster.data.assembly.column_roles import find_roles
from forecaster.data.assembly.typed_path import build_held_rows
from forecaster.data.dialect import Dialect
from forecaster.data.options import Reading
from forecaster.data.read_tables import read_cells
from forecaster.data.sources import arrow_columns, files
from forecaster.data.sources import parquet as parquet_source
from forecaster.data.sources.source import resolve_source
from forecaster.errors import Changing, DataError, UsageError
from forecaster.time.rules import TimeRules
from tests.helpers.command import TINY, write_hourly_csv
from tests.helpers.reading import read_series

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

DAYS = [datetime.datetime(2026, 1, 1) + datetime.timedelta(day) for day in range(6)]
HOURS = [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(hours=hour) for hour in range(6)]
NUMBERS = [0.1, 2.0, -3e20, 1e-300, 5.0, 6.5]


def write(path: Path, columns: dict, **options) -> Path:
    parquet.write_table(pa.table(columns), path, **options)
    return path


def read(path: object, **options) -> Panel:
    asked = {"time": "auto", "target": "y", "frequency": "auto"}
    return read_series(path, **asked | options)


def both_ways(path: Path, reading: Reading) -> None:
    """The quick way and the one through text agree."""
    with open_table(resolve_source(path)) as blocks:
        held = list(blocks.read(list(blocks.head.columns)))
        quick = build_held_rows(blocks.head, held, find_roles(blocks.head, reading), reading)
    careful = parse_rows(read_cells(path), reading)
    assert not careful.issues.problems
    assert list(quick.names) == list(careful.names)
    np.testing.assert_array_equal(quick.values, careful.values)
    np.testing.assert_array_equal(quick.codes, careful.codes)
    pd.testing.assert_index_equal(quick.timestamps, careful.timestamps, check_names=False, exact="equiv")
    for name, column in careful.columns.items():
        np.testing.assert_array_equal(quick.columns[name].values, column.values)
        assert quick.columns[name].levels == column.levels


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pa.array(DAYS, pa.timestamp("us")), DAYS),
        (pa.array(DAYS, pa.timestamp("ns")), DAYS),
        (pa.array(DAYS, pa.timestamp("s")), DAYS),
        (pa.array(DAYS, pa.date32()), DAYS),
        (pa.array(DAYS, pa.date64()), DAYS),
        (pa.array([str(day) for day in DAYS]), DAYS),
        (pa.array([day.strftime("%d.%m.%Y") for day in DAYS]), DAYS),
        (pa.array([str(day) for day in DAYS]).dictionary_encode(), DAYS),
        (pa.array([int(day.strftime("%Y%m%d")) for day in DAYS]), DAYS),
        (pa.array([round(hour.timestamp()) for hour in HOURS]), [hour.replace(tzinfo=None) for hour in HOURS]),
        (pa.array(range(3, 9), pa.int16()), range(3, 9)),
        (pa.array(HOURS, pa.timestamp("us", "UTC")), HOURS),
        (pa.array(HOURS, pa.timestamp("ms", "America/New_York")), HOURS),
    ],
    ids=lambda times: str(getattr(times, "type", "")),
)
def test_times_of_every_type(tmp_path, times, expected):
    path = write(tmp_path / "x.parquet", {"t": times, "y": NUMBERS})
    (series,) = read(path, time="t")
    assert list(series.timestamps) == list(expected)
    np.testing.assert_array_equal(series.values, NUMBERS)
    both_ways(path, Reading("t", "y"))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (pa.array(NUMBERS), NUMBERS),
        (pa.array([0.1] * 6, pa.float32()), [float(np.float32(0.1))] * 6),
        (pa.array([1, 2, 3, 4, 5, -6], pa.int8()), [1, 2, 3, 4, 5, -6]),
        (pa.array([2**53 + 1, 2**63, 3, 4, 5, 6], pa.uint64()), [2.0**53, 2.0**63, 3, 4, 5, 6]),
        (pa.array([decimal.Decimal(n) / 1000 for n in range(1001, 1007)]), [n / 1000 for n in range(1001, 1007)]),
        (pa.array([decimal.Decimal("0.3")] * 6, pa.decimal256(60, 30)), [0.3] * 6),
        (pa.array([True, False, True, True, False, False]), [1, 0, 1, 1, 0, 0]),
        (pa.array([" 0.1", "2", "+3", "4e0", "5.", "6"]), [0.1, 2, 3, 4, 5, 6]),
        (pa.array(["7"] * 6).dictionary_encode(), [7] * 6),
        (pa.array([7, 8, 7, 8, 7, 7]).dictionary_encode(), [7, 8, 7, 8, 7, 7]),
        (pa.array([b"7", b"8", b"9", b"7", b"8", b"9"]), [7, 8, 9, 7, 8, 9]),
    ],
    ids=lambda cells: str(getattr(arrow_columns, "type", "")),
)
def test_numbers_of_every_type(tmp_path, numbers, expected):
    path = write(tmp_path / "x.parquet", {"t": DAYS, "y": numbers})
    np.testing.assert_array_equal(read(path)[0].values, expected)
    both_ways(path, Reading(target="y"))


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_durations_are_no_numbers_of_an_unknown_unit(tmp_path, unit):
    path = write(tmp_path / "x.parquet", {"t": DAYS, "y": pa.array(range(1, 7), pa.duration(unit))})
    for target in ("y", "auto"):
        with pytest.raises(DataError, match="not a number|no column holds numbers"):
            read(path, target=target)


@pytest.mark.parametrize(
    "numbers", [pa.array([1.0, None, 3, 4, 5, 6]), pa.array([1, np.nan, 3, 4, 5, 6]), pa.array([1, None, 3, 4, 5, 6])]
)
def test_nulls_and_nan_are_missing(tmp_path, numbers):
    path = write(tmp_path / "x.parquet", {"t": DAYS, "y": numbers})
    np.testing.assert_array_equal(read(path, gaps="interpolate")[0].values, [1, 2, 3, 4, 5, 6])
    with pytest.raises(
        DataError, match=r"x\.parquet: row 2: y: 1 cell is empty: '(nan)?' \(row 2\); choose how to fill"
    ):
        read(path)


def long(count: int = 60) -> dict:
    rows = range(count)
    return {
        "id": pa.array([f"s {row % 3}" for row in rows]).dictionary_encode(),
        "t": [DAYS[0] + datetime.timedelta(row // 3) for row in rows],
        "y": [row + 0.25 for row in rows],
        "kind": [f"k{row % 3}" for row in rows],
        "price": pa.array([None if row == 4 else row / 8 for row in rows]),
        "event": [("fair", "", None, "sale", "NA")[row % 5] for row in rows],
        "tags": [[row] for row in rows],
    }


def test_several_series_with_covariates_are_as_in_a_csv(tmp_path):
    path = write(tmp_path / "x", long(), row_group_size=7)
    pd.read_parquet(path).to_csv(tmp_path / "x.csv", index=False)
    options = {"series": "id", "static": ["kind"], "columns": ["price", "event"]}
    ours, theirs = read(path, **options), read(tmp_path / "x.csv", **options)
    assert [series.name for series in ours] == ["s 0", "s 1", "s 2"]
    assert [str(notice).replace("x.csv", "x") for notice in theirs.all_notices] == list(map(str, ours.all_notices))
    for one, other in zip(ours, theirs, strict=True):
        assert one.categories == other.categories
        np.testing.assert_array_equal(one.values, other.values)
        pd.testing.assert_index_equal(one.timestamps, other.timestamps, check_names=False)
        for name, column in other.covariates.items():
            assert one.covariates[name].levels == column.levels
            np.testing.assert_array_equal(one.covariates[name].values, column.values)
    both_ways(path, Reading(target="y", **options))


def test_ids_may_be_numbers(tmp_path):
    path = write(tmp_path / "x.parquet", long() | {"id": [row % 3 for row in range(60)]})
    assert [series.name for series in read(path, series="id")] == ["0", "1", "2"]


def test_only_the_columns_asked_for_are_read(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", long())
    asked = []
    monkeypatch.setattr(
        "forecaster.data.assembly.blocks.read_parquet", lambda *given: asked.append(given[2]) or pytest.skip()
    )
    try:
        read(path, series="id")
    except pytest.skip.Exception:
        assert asked == [["t", "id", "y"]]


def test_a_zone_is_kept_or_stated(tmp_path):
    berlin = pa.array(HOURS, pa.timestamp("us", "Europe/Berlin"))
    path = write(tmp_path / "x.parquet", {"t": berlin, "y": NUMBERS})
    assert list(read(path)[0].timestamps) == HOURS
    zoned = read(path, rules=TimeRules(timezone="Europe/Berlin"))[0].timestamps
    assert (str(zoned.tz), list(zoned)) == ("Europe/Berlin", HOURS)


def test_settings_of_csvs_mean_nothing(tmp_path):
    path = write(tmp_path / "x.parquet", {"t": DAYS, "y": NUMBERS})
    stated = Dialect("cp1252", ";", ",", ".", "#")
    panel = read(path, dialect=stated)
    np.testing.assert_array_equal(panel[0].values, NUMBERS)
    assert panel.dialect == dataclasses.replace(stated, unit={})


def test_several_files_stand_below_each_other_whatever_their_types(tmp_path):
    first = pa.table({"t": [str(day.date()) for day in DAYS], "y": [1, 2, 3, 4, 5, 6]})
    parquet.write_table(first, tmp_path / "a.parquet")
    later = [day + datetime.timedelta(6) for day in DAYS]
    write(tmp_path / "b.parquet", {"y": [7.5, 8, 9, 10, 11, None], "t": pa.array(later, pa.date32())})
    pattern = str(tmp_path / "*.parquet")
    assert read(pattern, gaps="previous")[0].values.tolist() == [1, 2, 3, 4, 5, 6, 7.5, 8, 9, 10, 11]
    with pytest.raises(DataError, match=r"b\.parquet: row 6: y: 1 cell is empty: '' \(.*b\.parquet: row 6\)"):
        read(pattern)


def texts(tmp_path: Path, columns: dict, **options) -> str:
    path = write(tmp_path / "x.parquet", columns)
    with pytest.raises(DataError) as found:
        read(path, **options)
    return str(found.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("columns", "options", "expected"),
    [
        ({"y": pa.array([1.0, -2, np.inf, 4, 5, 6])}, {}, "x.parquet: row 3: y: 1 cell is infinite: 'inf' (row 3); choose how"),
        ({"y": ["1", "x", "3", "4", "", "y"]}, {}, "x.parquet: row 2: y: 2 cells are not a number: 'x' (row 2), 'y' (row 6);"),
        ({"y": [[1], [2], [3], [4], [5], [6]]}, {}, "x.parquet: row 1: y: 6 cells are not a number: '[1]' (row 1), '[2]' (row 2), "),
        ({"t": [*DAYS[:5], DAYS[2]]}, {}, "x.parquet: row 3: 1 timestamp has duplicate rows: 2026-01-03; choose the value"),
        ({"t": [*DAYS[:5], None]}, {}, "x.parquet: row 6: t: 1 cell is not a timestamp: '' (row 6); expected"),
        ({"t": [*DAYS[:5], DAYS[5] + datetime.timedelta(1)]}, {}, "x.parquet: row 6: 1 day is missing: 2026-01-06"),
        ({}, {"target": "z"}, "x.parquet: no column 'z'; columns: t, y"),
        ({"z": NUMBERS}, {"target": "auto"}, "x.parquet: data.target: several columns hold numbers: y, z; choose one"),
        ({"y": pa.nulls(6)}, {"gaps": "zero"}, "x.parquet: no cell of the target holds a number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_with_its_row(tmp_path, columns, options, expected):
    assert expected in texts(tmp_path, {"t": DAYS, "y": NUMBERS} | columns, **options)


def test_rows_out_of_order_are_sorted_and_reported(tmp_path):
    path = write(tmp_path / "x.parquet", {"t": [DAYS[1], DAYS[0], *DAYS[2:]], "y": NUMBERS})
    panel = read(path)
    assert list(map(str, panel.all_notices)) == [f"{path}: rows are not in order of time (the first at row 2): sorted"]
    assert panel[0].values[:2].tolist() == [2.0, 0.1]


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", long())
    (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:-20])
    (tmp_path / "y.csv").write_text("t,y\n2026-01-01,1\n")
    write(tmp_path / "z.parquet", {"t": DAYS, "z": NUMBERS})
    write(tmp_path / "none.parquet", {"t": pa.array([], pa.date32()), "y": pa.array([], pa.float64())})
    parquet.write_table(pa.Table.from_arrays([pa.array([1])] * 2, ["y", "y"]), tmp_path / "twice.parquet")
    for name, expected in [
        ("cut.parquet", "cut.parquet: damaged or cut short: "),
        ("none.parquet", "none.parquet: no rows"),
        ("twice.parquet", "twice.parquet: the column 'y' is named twice; rename one"),
        (["x.parquet", "y.csv"], "x.parquet is Parquet and y.csv is not; name files of one kind"),
        (["x.parquet", "z.parquet"], "z.parquet: other columns than x.parquet: t, z; expected id, t, y, "),
    ]:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError, match=expected):
            read(name)


def test_damage_within_a_file_is_reported(tmp_path):
    path = write(tmp_path / "x.parquet", long(), compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged or cut short"):
        read(path, series="id")


def test_a_file_that_changes_while_it_is_read_is_reported(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", {"t": DAYS, "y": NUMBERS})
    stored = parquet_source.Stored

    def changing(*given):
        path.touch()
        return stored(*given)

    monkeypatch.setattr(parquet_source, "Stored", changing)
    with pytest.raises(Changing, match=r"x\.parquet: changed while it was read"):
        read(path)


def test_text_of_too_many_cells_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", {"t": DAYS, "y": NUMBERS, "z": NUMBERS})
    monkeypatch.setattr(files, "MAX_BYTES", 8 * 18)
    assert len(read_cells(path)) == 6
    monkeypatch.setattr(files, "MAX_BYTES", 8 * 17)
    with pytest.raises(DataError, match="6 rows of 3 columns are more than 17 cells"):
        read_cells(path)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", {"t": DAYS, "y": NUMBERS})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        UsageError, match=r"x\.parquet: reading Parquet needs pyarrow, .*: pip install 'recurrent-forecast\[parquet\]'"
    ):
        read(path)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with load.parquet, and tiny.yaml that names it."""
    written = pd.read_csv(write_hourly_csv(tmp_path / "load.csv"), parse_dates=["time"])
    written.to_parquet(tmp_path / "load.parquet")
    (tmp_path / "tiny.yaml").write_text(TINY.replace("load.csv", "load.parquet"))
    return tmp_path


def test_every_verb_reads_it(forecast, folder):
    def run(*arguments):
        result = forecast(*arguments, cwd=folder, fitted=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    run("init", "load.parquet", "--output", "found.yaml")
    assert "path: load.parquet" in (folder / "found.yaml").read_text()
    run("validate", "found.yaml")
    assert "load.parquet" in run("check", "load.parquet")
    run("train", "tiny.yaml")
    version = folder / "runs" / "tiny" / "versions" / (folder / "runs" / "tiny" / "current").read_text().strip()
    assert "encoding: auto" in (version / "config.yaml").read_text()
    forecasts = run("predict", "runs/tiny")
    assert forecasts == run("predict", "runs/tiny", "--data", "load.csv")
    assert forecasts == run("predict", "runs/tiny", "--data", "load.parquet")


@pytest.mark.slow
def test_it_comes_from_standard_input_too(folder, forecast):
    stdin = (folder / "load.parquet").read_bytes()
    result = forecast("validate", "tiny.yaml", "--data", "-", "--verbose", cwd=folder, stdin=stdin)
    assert (result.returncode, result.stderr) == (0, "tiny.yaml: valid\n")


def test_gaps_are_filled_into_a_csv(forecast, folder):
    frame = pd.read_parquet(folder / "load.parquet")
    frame.loc[[50, 51, 200], "load"] = np.nan
    frame.drop(index=120).to_parquet(folder / "gaps.parquet")
    options = ("--set", "model={bidirectional: true, units: 4, decoder: dense}", "--set", "window={length: 24, horizon: 1}", "--set", "training.epochs=1")  # fmt: skip
    result = forecast("impute", "gaps.parquet", "tiny.yaml", *options, cwd=folder, fitted=False)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "time,load,filled,lower_95,lower_80,upper_80,upper_95"
    assert [line.split(",")[0] for line in lines if line.split(",")[2] == "1"] == [
        str(frame["time"][row]) for row in (50, 51, 120, 200)
    ]
    assert lines[1].startswith(f"2026-01-01 00:00:00,{frame['load'][0]},0,")
