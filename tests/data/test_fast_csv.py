"""What pyarrow reads quickly is what reading cell by cell gives, and nothing else."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecaster.data.assembly import typed_path
from forecaster.data.assembly.build_rows import parse_rows
from forecaster.data.assembly.rows import Rows
from forecaster.data.dialect import UNKNOWN, Dialect
from forecaster.data.options import Reading
from forecaster.data.sources import arrow_csv
from forecaster.data.sources.source import resolve_source
from forecaster.errors import DataError
from forecaster.preprocessing.value_ranges import find_domains
from forecaster.time.rules import TimeRules
from tests.helpers.reading import read_series, read_table

pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def for_small_files_too(monkeypatch):
    monkeypatch.setattr(typed_path, "WORTHWHILE", 0)
    monkeypatch.setattr(arrow_csv, "BLOCK", 300)


def assert_same(quick: Rows, careful: Rows) -> None:
    for name in ("dialect", "time", "targets", "long", "notices"):
        assert getattr(quick, name) == getattr(careful, name)
    assert (quick.places.path, quick.places.files) == (careful.places.path, careful.places.files)
    assert list(quick.names) == list(careful.names)
    assert list(quick.categories) == list(careful.categories)
    assert not careful.issues.problems
    assert not careful.issues.notices
    for name in ("codes", "lines", "values"):
        np.testing.assert_array_equal(getattr(quick, name), getattr(careful, name))
    pd.testing.assert_index_equal(quick.timestamps, careful.timestamps, check_names=False, exact="equiv")
    assert quick.columns.keys() == careful.columns.keys()
    for name, column in quick.columns.items():
        np.testing.assert_array_equal(column.values, careful.columns[name].values)
        assert (column.levels, column.values.dtype) == (
            careful.columns[name].levels,
            careful.columns[name].values.dtype,
        )


LONG = "id,t,y,kind,price,event\n" + "".join(
    f"s{number % 3},2026-01-{1 + number // 3:02} {number % 5:02}:00:00,{number}.25,k{number % 3},{number / 8},{event}\n"
    for number, event in zip(range(60), itertools.cycle(["fair", "", "sale", "NA"]), strict=False)
)
QUOTED = LONG.replace("s0", '"s,0"').replace("fair", '"the ""fair"""')


@pytest.mark.parametrize(
    ("text", "reading", "dialect"),
    [
        (LONG, Reading(target="y", series="id"), UNKNOWN),
        (LONG, Reading(target="y", series="id", static=["kind"], columns=["price", "event"]), UNKNOWN),
        (LONG, Reading(target="y", series="id", columns=["price"], categorical=["price"]), UNKNOWN),
        (QUOTED, Reading(target="y", series="id", static=["kind"], columns=["event"]), UNKNOWN),
        (LONG.replace(",", ";"), Reading(target="y", series="id"), Dialect("utf-8", ";", ".", "none")),
        (LONG.replace(",", ";").replace(".", ","), Reading(target="y", series="id"), Dialect(decimal=",", thousands="none")),
        (LONG.replace("id,", "größe,"), Reading(target="y", series="größe"), UNKNOWN),
        (LONG, Reading(target="y", series=["id", "kind"]), UNKNOWN),
        (LONG, Reading(target=["y", "price"], series="id", columns=["event"], static=["kind"]), UNKNOWN),
        (LONG, Reading(target="*", series="id"), UNKNOWN),
        (LONG, Reading("t", "*"), UNKNOWN),
        ("id,a,b,c\n" + "x,1,2,\ny,,5,6\nz,7,8,9\n" * 9, Reading(layout="rows"), UNKNOWN),
        (LONG.replace("\n", "\r\n"), Reading(target="y", series="id"), UNKNOWN),
        ("\ufeff" + LONG, Reading(target="y", series="id"), UNKNOWN),
        (LONG.replace(" 00:00:00,", ","), Reading(target="y", series="id"), UNKNOWN),
        (LONG.replace(" 01:00:00", " 01:00"), Reading(target="y", series="id"), UNKNOWN),
        (LONG.replace("2026-01-", "31/01/20"), Reading(target="y", series="id"), UNKNOWN),
        (LONG, Reading(target="y", series="id", na_values=[5.25, "fair"], gaps="zero", columns=["event"]), UNKNOWN),
        (LONG.replace(":00:00,", ":00:00+01:00,"), Reading(target="y", series="id"), UNKNOWN),
        (LONG.replace(",30.25", ",+30.25"), Reading(target="y", series="id"), UNKNOWN),
        (LONG.replace(",7.25,", ",N/A,"), Reading(target="y", series="id", gaps="previous"), UNKNOWN),
        (LONG, Reading(target="y", series="id", domains=find_domains("point", "log", None, None)), UNKNOWN),
        (LONG, Reading(target="y", series="id", rules=TimeRules(timezone="Europe/Berlin")), UNKNOWN),
        (LONG, Reading(None, "y"), UNKNOWN),
        ("t,y\n" + "".join(f"{20260101 + n},{n}\n" for n in range(28)), Reading("t", "y"), UNKNOWN),
        ("t,y\n" + "".join(f"{n},{n}\n" for n in range(-3, 28)), Reading("t", "y"), UNKNOWN),
        ("t,y\n" + "".join(f"{1767225600 + 3600 * n},{n}\n" for n in range(28)), Reading("t", "y"), UNKNOWN),
        ("t,y\n" + "".join(f"{1767225600000 + 3600 * n},{n}\n" for n in range(28)), Reading("t", "y"), UNKNOWN),
        ("y\n" + "".join(f"{n}e-3\n" for n in range(28)), Reading(), UNKNOWN),
    ],
)  # fmt: skip
def test_plain_files_are_read_quickly_and_the_same(tmp_path, text, reading, dialect):
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode())
    quick = typed_path.read_csv_rows(resolve_source(path), dialect, reading)
    assert quick is not None
    assert_same(quick, parse_rows(read_table(path, dialect), reading))


def test_several_files_are_counted_on(tmp_path):
    lines = LONG.splitlines(keepends=True)
    (tmp_path / "a.csv").write_text("".join(lines[:20]))
    (tmp_path / "b.csv").write_text("".join([lines[0], *lines[20:]]))
    paths, reading = str(tmp_path / "*.csv"), Reading(target="y", series="id")
    quick = typed_path.read_csv_rows(resolve_source(paths), UNKNOWN, reading)
    assert quick is not None
    assert_same(quick, parse_rows(read_table(paths), reading))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("30.25", "x"),
        ("30.25", "inf"),
        ("30.25", ""),
        ("s0,2026-01-11", ",2026-01-11"),
        ("s0,2026-01-11", " s0,2026-01-11"),
        ("2026-01-11", "2026-13-11"),
        ("2026-01-11", "11.01.2026"),
        ("30.25", "30.25,"),
        ("30.25", '"30.25'),
        ("s0,2026-01-11", "\ns0,2026-01-11"),
        ("sale\n", '"sa\nle"\n'),
        (LONG[-20:], LONG[-20:-1]),
        ("fair", "\xff"),
        ("30.25", "1_0"),
        ("id,t", "t,t"),
        ("01:00:00", "01:00:00+01:00"),  # of unknown zones are the others
    ],
)
def test_what_is_not_plain_is_left_alone(tmp_path, old, new):
    assert old in LONG
    path = tmp_path / "x.csv"
    path.write_bytes(LONG.replace(old, new).encode("latin-1"))
    assert typed_path.read_csv_rows(resolve_source(path), UNKNOWN, Reading(target="y", series="id")) is None


@pytest.mark.parametrize(
    ("cells", "dialect"),
    [
        (["986", "1.300"] * 1500, UNKNOWN),
        (["986"] * 2500 + ["1.300"], UNKNOWN),  # below the rows in which roles and dialect are found
        (["1.300"] * 2500, Dialect(thousands=".")),
    ],
)
def test_points_that_may_separate_thousands_are_left_to_the_text_path(tmp_path, cells, dialect):
    path = tmp_path / "x.csv"
    rows = zip(pd.date_range("2020-01-01", periods=len(cells), freq="h"), cells, strict=True)
    path.write_text("t,y\n" + "".join(f"{time},{cell}\n" for time, cell in rows))
    assert typed_path.read_csv_rows(resolve_source(path), dialect, Reading()) is None


def test_without_pyarrow_everything_is_read_cell_by_cell(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text(LONG)
    quick = read_series(path, None, "y", "auto", series="id")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert typed_path.read_csv_rows(resolve_source(path), UNKNOWN, Reading(target="y", series="id")) is None
    careful = read_series(path, None, "y", "auto", series="id")
    for one, other in zip(quick, careful, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-(10**6), 10**6).map(str)
CELLS = NUMBERS | NUMBERS | NUMBERS | st.sampled_from(["", "NA", "nan", "x", "inf", " 5", "1e5", "1,5", "-9", "None", '"7"', "+1", "1."])  # fmt: skip
NAMES = st.sampled_from(["a", "b", "ä", "c d", "7", "NA", '"q,q"'])
DAYS = st.integers(0, 400).map(lambda day: str(np.datetime64("2026-01-01") + day))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(NAMES, DAYS, CELLS, CELLS, NAMES), min_size=1, max_size=30),
    end=st.sampled_from(["\n", "\r\n"]),
    form=st.sampled_from(["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y", "%Y%m%d"]),
    gaps=st.sampled_from(["error", "zero"]),
    na_values=st.sampled_from([(), (-9,), ("x", "c d")]),
)
def test_whatever_is_read_quickly_is_the_same(tmp_path, rows, end, form, gaps, na_values):
    days = [pd.Timestamp(day).strftime(form) for _, day, *_ in rows]
    records = [f"{name},{day},{y},{price},{event}" for day, (name, _, y, price, event) in zip(days, rows, strict=True)]
    path = tmp_path / "x.csv"
    path.write_bytes((end.join(["id,t,y,price,event", *records]) + end).encode())
    for series, columns in ((None, ()), ("id", ("price", "event"))):
        reading = Reading("t", "y", "auto", gaps, "first", series=series, na_values=na_values, columns=columns)
        quick = typed_path.read_csv_rows(resolve_source(path), UNKNOWN, reading)
        if quick is None:
            continue
        try:
            careful = parse_rows(read_table(path), reading)
        except DataError as error:
            pytest.fail(f"read quickly, and refused: {error}")
        assert_same(quick, careful)
