"""Rows become a panel: series end to end, covariates next to them, whatever their order and their number."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Panel
from forecaster.data.assembly.regular_grid import build_panel
from forecaster.data.assembly.rows import Rows
from forecaster.data.dialect import USUAL
from forecaster.data.options import Reading
from forecaster.data.sources.issues import Places
from forecaster.errors import DataError
from tests.helpers.reading import read_columns, read_series

NAN = np.nan


def read(tmp_path: Path, text: str, **options) -> Panel:
    (tmp_path / "x.csv").write_text(text)
    return read_series(tmp_path / "x.csv", "auto", options.pop("target", "sold"), "auto", **options)


def refused(tmp_path: Path, text: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, **options)
    return str(caught.value).replace(f"{tmp_path}/", "")


SHOPS = """\
day,shop,sold,price,event
2026-01-01,a,1,2.5,
2026-01-01,b,5,3,none
2026-01-02,b,6,,fair
2026-01-02,a,2,2.5,sale
2026-01-03,a,3,2.5,fair
2026-01-03,b,7,3,
2026-01-04,b,8,3,show
2026-01-04,a,,4,fair
2026-01-06,a,,4.5,sale
2026-01-05,b,,,
"""


def test_covariates_are_on_the_grid_and_continue_behind_the_last_number(tmp_path):
    a, b = read(tmp_path, SHOPS, series="shop", columns=["price", "event"])
    np.testing.assert_array_equal(a.values, [1, 2, 3])
    np.testing.assert_array_equal(b.values, [5, 6, 7, 8])
    np.testing.assert_array_equal(a.covariates["price"].values, [2.5, 2.5, 2.5, 4, NAN, 4.5])
    np.testing.assert_array_equal(b.covariates["price"].values, [3, NAN, 3, 3, NAN])
    assert a.covariates["event"].levels == b.covariates["event"].levels == ("fair", "sale", "show")
    np.testing.assert_array_equal(a.covariates["event"].values, [-1, 1, 0, 0, -1, 1])
    np.testing.assert_array_equal(b.covariates["event"].values, [-1, 0, -1, 2, -1])
    assert str(a.notices[0]).endswith("x.csv: event: text, taken for 3 categories: fair, sale, show")


def test_without_covariates_an_empty_target_is_a_gap(tmp_path):
    assert "x.csv:9: sold: 2 cells are empty: '' (line 9), '' (line 10); choose how" in refused(
        tmp_path, SHOPS, series="shop"
    )


def test_an_empty_target_before_the_last_number_is_a_gap(tmp_path):
    text = SHOPS.replace("2026-01-02,a,2", "2026-01-02,a,")
    assert refused(tmp_path, text, series="shop", columns=["price"]).startswith("x.csv:5: sold: 1 cell is empty")


@pytest.mark.parametrize(
    ("cells", "options", "expected"),
    [
        (["1", "", "3.5", "inf"], {}, ([1, NAN, 3.5, NAN], None)),
        (["1", "-9", "3", "?"], {"na_values": [-9, "?"]}, ([1, NAN, 3, NAN], None)),
        (["1", "2", "x", "y"], {}, ([0, 1, 2, 3], ("1", "2", "x", "y"))),
        (["7", "3", "", "7"], {"categorical": ["c"]}, ([0, 1, -1, 0], ("7", "3"))),
        (["", "", "", ""], {}, ([NAN] * 4, None)),
    ],
)
def test_what_a_covariate_holds(tmp_path, cells, options, expected):
    rows = "".join(f"2026-01-0{day},{day},{cell}\n" for day, cell in enumerate(cells, 1))
    (series,) = read(tmp_path, "day,sold,c\n" + rows, columns=["c"], **options)
    np.testing.assert_array_equal(series.covariates["c"].values, expected[0])
    assert series.covariates["c"].levels == expected[1]


def test_text_among_the_numbers_of_a_covariate_is_refused_with_its_place(tmp_path):
    text = "day,sold,c,d\n2026-01-01,1,1,1\n2026-01-02,2,x,2\n2026-01-03,3,3,y\n"
    found = refused(tmp_path, text, columns=["c", "d"])
    assert (
        "x.csv:3: c: 1 cell is not a number: 'x' (line 3); correct the cells, or empty them; or set data.cov" in found
    )
    assert "x.csv:4: d: 1 cell is not a number: 'y' (line 4)" in found


def test_merged_rows_have_the_covariates_of_the_first(tmp_path):
    text = "day,sold,c\n2026-01-03,3,30\n2026-01-01,1,10\n2026-01-01,5,11\n2026-01-02,2,20\n"
    (series,) = read(tmp_path, text, duplicates="mean", columns=["c"])
    np.testing.assert_array_equal(series.values, [3, 2, 3])
    np.testing.assert_array_equal(series.covariates["c"].values, [10, 20, 30])


def test_covariates_of_weekdays_are_those_of_each_row(tmp_path):
    days = pd.date_range("2026-01-01", periods=30, freq="B").delete(12)
    rows = [f"{day:%Y-%m-%d},{number},{number * 10}" for number, day in enumerate(days)]
    (series,) = read(tmp_path, "\n".join(["day,sold,c", *rows, "2026-02-12,,7"]) + "\n", columns=["c"])
    assert series.frequency == "sessions"
    assert list(series.timestamps) == list(days)
    np.testing.assert_array_equal(series.covariates["c"].values, [*range(0, 290, 10), 7])


FUTURE = 'shop,day,price,event\nb,05.01.2026,"1,5",\na,06.01.2026,"2,5",fair\na,05.01.2026,3,sale\n'


def test_covariates_alone_are_read_by_series(tmp_path):
    (tmp_path / "x.csv").write_text(FUTURE.replace("06", "16"))
    found = read_columns(tmp_path / "x.csv", "auto", "shop", ["price", "event"])
    assert list(found) == ["b", "a"]
    assert list(found["a"].timestamps) == [pd.Timestamp("2026-01-05"), pd.Timestamp("2026-01-16")]
    np.testing.assert_array_equal(found["a"].columns["price"].values, [3, 2.5])
    np.testing.assert_array_equal(found["b"].columns["event"].values, [-1])
    assert found["b"].columns["event"].levels == ("fair", "sale")


def test_a_timestamp_that_stands_twice_among_covariates_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text(FUTURE.replace("06.01", "25.01").replace("05.01", "25.01"))
    with pytest.raises(DataError, match=r"x.csv:3: 1 timestamp has duplicate rows: 2026-01-25.*\[series a\]"):
        read_columns(tmp_path / "x.csv", "auto", "shop", ["price"])


def test_a_panel_is_a_sequence_of_views(tmp_path):
    panel = read(tmp_path, SHOPS, series="shop", columns=["price"])
    assert (len(panel), [series.name for series in panel], panel[-1].name) == (2, ["a", "b"], "b")
    assert panel.longest.name == "b"
    assert np.shares_memory(panel[0].values, panel.values)
    assert list(panel[1].timestamps) == list(pd.date_range("2026-01-01", periods=4))
    assert dataclasses.replace(panel[1], values=panel[1].values[:2]).timestamps[0] == pd.Timestamp("2026-01-01")
    with pytest.raises(IndexError):
        panel[2]


def rows_of(codes: np.ndarray, timestamps: np.ndarray, values: np.ndarray, lines: np.ndarray | None = None) -> Rows:
    names = [f"s{number}" for number in range(codes.max() + 1)]
    index = pd.DatetimeIndex(timestamps.astype("datetime64[us]"))
    lines = np.arange(len(codes)) + 2 if lines is None else lines
    places = Places("x.csv", ((0, "x.csv"),))
    return Rows(places, USUAL, ("t",), ["y"] * len(names), names, codes, lines, index, values, ids=("id",))


def long(series: int, steps: int, freq: str = "h") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stamps = np.tile(pd.date_range("2024-01-01", periods=steps, freq=freq).to_numpy(), series)
    codes = np.repeat(np.arange(series, dtype=np.int32), steps)
    return codes, stamps, np.random.default_rng(0).normal(size=series * steps)


@pytest.mark.parametrize("freq", ["h", "MS", "B", "W-WED", "2D"])
@pytest.mark.parametrize("gaps", ["zero", "mask"])
def test_series_laid_out_together_are_those_laid_out_alone(freq, gaps):
    codes, stamps, values = long(30, 60, freq)
    generator = np.random.default_rng(1)
    kept = generator.permutation(np.flatnonzero(generator.random(len(codes)) > 0.1 * (codes % 3)))
    codes, stamps, values = codes[kept], stamps[kept], values[kept]
    asked = Reading("t", "y", freq, gaps, series="id")
    together = build_panel(rows_of(codes, stamps, values), asked)
    for number, series in enumerate(together):
        mine = codes == number
        (alone,) = build_panel(rows_of(codes[mine] * 0, stamps[mine], values[mine], 2 + np.flatnonzero(mine)), asked)
        expected = pd.Series(values[mine], stamps[mine]).sort_index().asfreq(freq)
        np.testing.assert_array_equal(series.values, expected.fillna(0.0) if gaps == "zero" else expected)
        np.testing.assert_array_equal(series.values, alone.values)
        assert list(series.timestamps) == list(alone.timestamps) == list(expected.index)
        assert series.notices == alone.notices


def test_hundreds_of_thousands_of_series_work():
    panel = build_panel(rows_of(*long(200_000, 10, "MS")), Reading("t", "y", series="id"))
    assert (len(panel), panel[199_999].name, panel.frequency) == (200_000, "s199999", "MS")
