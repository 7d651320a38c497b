"""A CSV beyond what memory holds is the same panel, in memory that does not grow with it, and leaves nothing behind."""

import contextlib
import sqlite3
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.config.schema import Data
from forecaster.data import Panel
from forecaster.data import read as read_module
from forecaster.data.assembly import blocks, out_of_core, typed_path
from forecaster.data.dialect import UNKNOWN, Dialect
from forecaster.data.options import Reading
from forecaster.data.sources import database, files, parquet
from forecaster.data.sources.files import Query
from forecaster.errors import Changing, DataError
from forecaster.preprocessing.read_data import read_data, read_data_in_groups
from forecaster.time.rules import TimeRules
from tests.helpers.reading import read_series


@pytest.fixture(params=["pyarrow", "cell by cell"])
def small_blocks(request, monkeypatch, tmp_path) -> None:
    """Everything beyond 2 kB is large, and is read in blocks of 600 bytes."""
    if request.param == "cell by cell":
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    else:
        pytest.importorskip("pyarrow")
        monkeypatch.setattr(typed_path, "_SAMPLE", 5)
    monkeypatch.setattr(files, "MAX_BYTES", 2000)
    monkeypatch.setattr(blocks, "BLOCK", 600)
    monkeypatch.setattr(blocks, "HEAD_BYTES", 1500)
    monkeypatch.setattr(blocks, "HEAD_ROWS", 40)
    monkeypatch.setattr(out_of_core, "ROWS", 50)
    monkeypatch.setattr(out_of_core, "GROUP", 50)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def rows(series=7, steps=40, order="time", gap=None) -> list[str]:
    days = [str(np.datetime64("2026-01-01") + step) for step in range(steps)]
    found = [
        f"{day},s{number},{100 * number + step + 0.25},{number / 4},{('fair', 'sale', '')[(step + number) % 3]},k{number}"
        for step, day in enumerate(days)
        for number in range(series)
        if (number, step) != gap
    ]
    return sorted(found, key=lambda row: row.split(",")[1]) if order == "series" else found


HEADER = "day,id,y,price,event,kind"


def both(path: Path | str | Query, monkeypatch, **options) -> tuple[Panel, Panel]:
    """The panel in small blocks, and the one of the whole."""
    asked = {"time": "auto", "target": "y", "frequency": "auto", "series": "id"} | options
    limited = read_series(path, **asked)
    with monkeypatch.context() as unlimited:
        unlimited.setattr(files, "MAX_BYTES", 1 << 30)
        return limited, read_series(path, **asked)


def assert_same(limited: Panel, whole: Panel) -> None:
    assert isinstance(limited.values, np.memmap)
    assert limited.values.dtype == np.float32
    assert list(limited.all_notices) == list(whole.all_notices)
    for one, other in zip(limited, whole, strict=True):
        assert (one.name, one.frequency, one.categories, one.notices) == (
            other.name,
            other.frequency,
            other.categories,
            other.notices,
        )
        np.testing.assert_array_equal(one.values, other.values)
        pd.testing.assert_index_equal(one.timestamps, other.timestamps, check_names=False)
        assert (one.observed is None) == (other.observed is None)
        np.testing.assert_array_equal(one.observed, other.observed)
        for name, column in other.covariates.items():
            assert one.covariates[name].levels == column.levels
            np.testing.assert_array_equal(one.covariates[name].values, column.values.astype(np.float32))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (rows(), {}),
        (rows(order="series"), {}),
        (rows(), {"columns": ["price", "event"], "static": ["kind"]}),
        (rows(gap=(3, 20)), {"gaps": "interpolate"}),
        (rows()[::-1], {}),
        ([*rows(), rows()[-1]], {"duplicates": "mean"}),
        (rows(), {"rules": TimeRules(timezone="Europe/Berlin")}),
        ([row.replace("s1", '"s,1\n"') for row in rows()], {}),
        ([row.replace("2026-01-", "31.12.20") for row in rows(steps=20)], {"frequency": "YE-DEC"}),
        (["", *rows()], {}),
        (rows(), {"target": "*"}),
        (rows(), {"target": ["y", "price"], "series": ["id", "kind"], "columns": ["event"]}),
    ],
)
def test_a_large_file_is_the_same_panel(tmp_path, monkeypatch, small_blocks, text, options):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([HEADER, *text]) + "\n")
    assert_same(*both(path, monkeypatch, **options))


def test_several_files_large_together_are_one_panel(tmp_path, monkeypatch, small_blocks):
    text = rows()
    (tmp_path / "a.csv").write_text("\n".join([HEADER, *text[:100]]) + "\n")
    (tmp_path / "b.csv").write_text("\n".join([HEADER, *text[100:]]) + "\n")
    assert_same(*both(str(tmp_path / "?.csv"), monkeypatch))


@pytest.fixture(params=["parquet", "several files", "sqlite"])
def store(request, small_blocks, monkeypatch, tmp_path):
    """Write a table as Parquet or into a database, which are read 30 rows at a time."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.setattr(parquet, "ROWS", 30)
    monkeypatch.setattr(database, "ROWS", 30)

    def write(table: pd.DataFrame) -> Path | str | Query:
        if request.param == "sqlite":
            with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
                table.to_sql("x", connection, index=False)
            return Query(f"sqlite:///{tmp_path / 'x.db'}", "SELECT * FROM x")
        parts = [table] if request.param == "parquet" else [table[:100], table[100:]]
        for number, part in enumerate(parts):
            part.to_parquet(tmp_path / f"{number}.parquet", index=False)
        return str(tmp_path / "*.parquet")

    return write


def table(**options) -> pd.DataFrame:
    cells = pd.DataFrame([row.split(",") for row in rows(**options)], columns=HEADER.split(","))
    return cells.astype({"y": float, "price": float})


@pytest.mark.parametrize("small_blocks", ["pyarrow"], indirect=True)
@pytest.mark.parametrize(
    ("given", "options"),
    [
        (table(), {}),
        (table(order="series"), {"target": "*"}),
        (table().assign(day=lambda cells: pd.to_datetime(cells["day"])), {"columns": ["price", "event"]}),
        (table(), {"static": ["kind"], "target": ["y", "price"]}),
        (table(gap=(3, 20)), {"gaps": "interpolate"}),
        (table()[::-1], {"rules": TimeRules(timezone="Europe/Berlin")}),
        (table().assign(y=lambda cells: cells["y"].astype(str).replace("339.25", " 339.25 ")), {}),  # read as text
        (table().assign(day=lambda cells: pd.to_datetime(cells["day"]).dt.strftime("%d.%m.%Y")), {}),
    ],
)
def test_parquet_and_queries_of_any_size_are_the_same_panel(store, monkeypatch, given, options):
    assert_same(*both(store(given), monkeypatch, **options))


@pytest.mark.parametrize("small_blocks", ["pyarrow"], indirect=True)
def test_a_problem_far_in_a_large_table_has_its_row(store):
    given = table().astype({"y": str})
    given.loc[276, "y"] = "x"
    with pytest.raises(
        DataError, match=r"(x.db|0.parquet): row 277: y:|1.parquet: row 177: y: 1 cell is not a number: 'x'"
    ):
        read_series(store(given), "auto", "y", "auto", series="id")


def test_trading_days_keep_their_timestamps(tmp_path, monkeypatch, small_blocks):
    days = pd.date_range("2026-01-01", periods=60, freq="B").delete(30)
    text = [f"{day:%Y-%m-%d},s{number},{number},1,,k" for day in days for number in range(3)]
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *text]) + "\n")
    limited, whole = both(tmp_path / "x.csv", monkeypatch)
    assert limited.frequency == "sessions"
    assert_same(limited, whole)


def test_problems_are_counted_over_all_blocks(tmp_path, monkeypatch, small_blocks):
    text = [row.replace(",s2,2", ",s2,x") for row in rows()]
    path = tmp_path / "x.csv"
    path.write_text("\n".join([HEADER, *text]) + "\n")
    messages = []
    for limit in (2000, 1 << 30):
        monkeypatch.setattr(files, "MAX_BYTES", limit)
        with pytest.raises(DataError) as caught:
            read_series(path, "auto", "y", "auto", series="id")
        messages.append(list(map(str, caught.value.problems)))
    assert messages[0] == messages[1]
    assert "x.csv:4: y: 40 cells are not a number: 'x00.25' (line 4)" in messages[0][0]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("s3,339.25", "s3,339.25,9", r"x.csv:278: 7 cells in a row of 6 columns"),
        ("s3,339.25", 's3,"339.25', "x.csv:278: a quote is opened here and never closed"),
        ("2026-02-09,s3", "9.2.2026,s3", r"x.csv:278: day: 1 cell is not a timestamp: '9.2.2026' \(line 278\)"),
        ("s3,339.25", "s\udcff,339.25", r"x.csv:278: not UTF-8 text"),
        ("2026-02-09,s3", "2026-03-09,s3", r"x.csv:278: 28 days are missing.*\[series s3\]"),
        ("k3", "k9", "kind: 2 values in one series: k3, k9"),
    ],
)
def test_a_problem_far_in_a_large_file_has_its_line(tmp_path, small_blocks, old, new, expected):
    head, found, tail = ("\n".join([HEADER, *rows()]) + "\n").rpartition(old)
    path = tmp_path / "x.csv"
    path.write_bytes((head + new + tail).encode(errors="surrogateescape"))
    assert found
    with pytest.raises(DataError, match=expected):
        read_series(path, "auto", "y", "auto", series="id", static=["kind"])


def test_nothing_is_left_behind_and_nothing_has_a_name(tmp_path, small_blocks):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([HEADER, *rows()]) + "\n")
    panel = read_series(path, "auto", "y", "auto", series="id")
    assert panel[0].values[0] == 0.25
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_large_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, small_blocks):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([HEADER, *rows()]) + "\n")
    end = files._find_records_end

    def growing(data):
        with path.open("a") as file:
            file.write("x")
        return end(data)

    monkeypatch.setattr(files, "_find_records_end", growing)
    with pytest.raises(Changing, match="changed while it was read"):
        read_series(path, "auto", "y", "auto", series="id")


@pytest.mark.parametrize("last", ["2026-02-09,s6,639.2", "2026-02-09,s6,639.25,1.5,sale,k", "2026-02-"])
def test_a_half_written_last_line_is_left_out_of_a_large_file(tmp_path, monkeypatch, small_blocks, last):
    text = rows()[:-1]
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *text, last]))
    limited, whole = both(tmp_path / "x.csv", monkeypatch)
    assert any("seems half-written" in str(notice) for notice in limited.all_notices)
    assert_same(limited, whole)


def test_a_stated_dialect_is_kept(tmp_path, monkeypatch, small_blocks):
    text = "\n".join([HEADER, *rows()]).replace(",", ";").replace(".", ",") + "\n"
    (tmp_path / "x.csv").write_text(text)
    assert_same(*both(tmp_path / "x.csv", monkeypatch, dialect=Dialect(decimal=",", thousands="none")))


@pytest.mark.slow
@pytest.mark.parametrize("order", ["time", "series"])
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, order):
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # whose memory is not traced
    monkeypatch.setattr(files, "MAX_BYTES", 2000)
    monkeypatch.setattr(blocks, "BLOCK", 10_000)
    monkeypatch.setattr(blocks, "HEAD_BYTES", 10_000)
    monkeypatch.setattr(out_of_core, "ROWS", 500)
    monkeypatch.setattr(out_of_core, "GROUP", 500)
    peaks = []
    for series in (10, 50):
        path = tmp_path / f"{series}.csv"
        path.write_text("\n".join([HEADER, *rows(series, 200, order)]) + "\n")
        tracemalloc.start()
        panel = read_series(path, "auto", "y", "auto", series="id")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(panel) == series
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    ("header", "date", "dialect", "expected"),
    [
        ("day,y", "{}T00:00:00+02:00", UNKNOWN, ("day", "UTC+02:00", True)),
        (",y", "{}", UNKNOWN, ("index", None, True)),
        ("", "{}", Dialect(header=False), ("column_1", None, False)),
    ],
)
def test_a_large_file_has_its_offset_its_index_and_its_columns(
    tmp_path, monkeypatch, small_blocks, header, date, dialect, expected
):
    lines = [f"{date.format(np.datetime64('2026-01-01') + day)},{day}.5" for day in range(150)]
    (tmp_path / "x.csv").write_text("\n".join([header, *lines]).lstrip("\n") + "\n")
    limited, whole = both(tmp_path / "x.csv", monkeypatch, target="auto", series=None, dialect=dialect)
    assert_same(limited, whole)
    assert (whole.time, whole.rules.timezone, whole.dialect.header) == expected
    assert (limited.time, limited.rules, limited.dialect.header) == (whole.time, whole.rules, expected[2])


@pytest.fixture
def small_groups(monkeypatch) -> None:
    """Plain files beyond 1 kB are read in groups of 90 rows."""
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(typed_path, "_SAMPLE", 5)
    monkeypatch.setattr(typed_path, "LEAST_GROUPED", 1000)
    monkeypatch.setattr(typed_path, "WORTHWHILE", 0)
    monkeypatch.setattr(blocks, "BLOCK", 700)
    monkeypatch.setattr(blocks, "HEAD_ROWS", 40)
    monkeypatch.setattr(parquet, "ROWS", 30)
    monkeypatch.setattr(out_of_core, "GROUP", 90)


def read_groups(path: Path, **options) -> tuple[list[Panel], Panel]:
    """Read a file in groups, and as a whole."""
    values = {"time": "day", "target": "y", "frequency": "D", "series": "id", "season": "auto"} | options
    data = Data(path=str(path), **values).model_dump()
    asked = str(path), Reading.from_data(data, ()), Dialect.from_data(data)
    return list(read_module.read_series_in_groups(*asked)), read_module.read_series(*asked)


def write_file(path: Path, lines: list[str]) -> Path:
    """Write rows as a CSV, or as Parquet."""
    if path.suffix == ".csv":
        path.write_text("\n".join(["day,id,y", *lines]) + "\n")
        return path
    days, names, values = zip(*(line.split(",") for line in lines), strict=True)
    pd.DataFrame({"day": pd.to_datetime(days), "id": names, "y": np.array(values, float)}).to_parquet(path)
    return path


def narrow_rows(**options) -> list[str]:
    return [",".join(row.split(",")[:3]) for row in rows(**options)]


def assert_groups_are(groups: list[Panel], whole: Panel) -> None:
    """Assert that the series of groups are those of the whole, exactly and with their notices."""
    found = [series for panel in groups for series in panel]
    assert [series.name for series in found] == list(whole.names)
    for series, expected in zip(found, whole, strict=True):
        np.testing.assert_array_equal(series.values, expected.values)
        assert series.values.dtype == np.float64
        pd.testing.assert_index_equal(series.timestamps, expected.timestamps)
        np.testing.assert_array_equal(series.observed, expected.observed)
        assert (series.notices, series.frequency) == (expected.notices, expected.frequency)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("order", ["series", "time"])
def test_series_read_in_groups_are_those_of_the_whole(order, suffix, small_groups, tmp_path):
    path = write_file(tmp_path / f"x{suffix}", narrow_rows(order=order, gap=(2, 5)))
    groups, whole = read_groups(path, gaps="previous")
    assert [len(panel) for panel in groups] == [2, 2, 2, 1]
    assert_groups_are(groups, whole)


def test_a_gap_in_any_group_is_an_error_after_the_last(small_groups, tmp_path):
    path = write_file(tmp_path / "x.csv", narrow_rows(order="series", gap=(2, 5)))
    data = Data(path=str(path), time="day", target="y", frequency="D", series="id", gaps="error").model_dump()
    asked = str(path), Reading.from_data(data, ()), Dialect.from_data(data)
    groups = read_module.read_series_in_groups(*asked)
    names = []
    with pytest.raises(DataError) as grouped:
        names.extend(name for panel in groups for name in panel.names)
    assert names == ["s0", "s1", "s4", "s5", "s6"]
    with pytest.raises(DataError) as whole:
        read_module.read_series(*asked)
    assert grouped.value.problems == whole.value.problems


@pytest.mark.parametrize(
    "options",
    [{"frequency": "auto"}, {"timezone": "Europe/Berlin"}, {"covariates": {"static": ["id"]}}, {"late": {"steps": 2}}],
)
def test_series_that_depend_on_others_are_read_at_once(options, small_groups, tmp_path):
    groups, whole = read_groups(write_file(tmp_path / "x.csv", narrow_rows(order="series")), **options)
    assert len(groups) == 1
    assert_groups_are(groups, whole)


def test_a_file_with_a_cell_that_only_the_text_path_reads_is_read_at_once(small_groups, tmp_path):
    lines = narrow_rows(order="series")
    lines[-1] = lines[-1].rpartition(",")[0] + ',"1,000.5"'
    groups, whole = read_groups(write_file(tmp_path / "x.csv", lines))
    assert len(groups) == 1
    assert_groups_are(groups, whole)


@pytest.mark.parametrize("group", [1, 40, 50])
def test_series_that_are_channels_of_one_network_are_in_one_panel(monkeypatch, small_blocks, tmp_path, group):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([HEADER, *rows(order="series")]) + "\n")
    data = {"path": str(path), "time": "day", "target": ["y", "price"], "series": "id", "frequency": "D"}
    values = {"data": data, "window": {"length": 5, "horizon": 2}, "model": {"channels": "joint"}}
    config = load_values(values, str(path)).config
    monkeypatch.setattr(out_of_core, "GROUP", group)
    (found,) = read_data_in_groups(config)
    expected = read_data(config)
    assert list(found.names) == list(expected.names)
    assert found.targets[:2] == ["y", "price"]
    np.testing.assert_array_equal(found.values, expected.values)
