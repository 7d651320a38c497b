"""Numbers with a currency, a unit, a multiplier or a minus in another form are read as themselves or refused."""

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from forecaster.data.assembly import blocks
from forecaster.data.assembly.typed_path import WORTHWHILE
from forecaster.data.dialect import Dialect
from forecaster.data.sources import files
from forecaster.errors import DataError
from forecaster.imputation.filled_csv import FilledSeries, format_filled_csv
from tests.helpers.reading import read_series, read_table

START = date(2026, 1, 1)


def write_csv(path: Path, cells: list[str], name: str = "value") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["day", name])
        writer.writerows([str(START + timedelta(days=day)), cell] for day, cell in enumerate(cells))
    return path


def read(tmp_path: Path, *cells: str, **options):
    (found,) = read_series(write_csv(tmp_path / "x.csv", list(cells)), "auto", "auto", "auto", **options)
    return found


def refused(tmp_path: Path, *cells: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_series(write_csv(tmp_path / "x.csv", list(cells)), "auto", "value", "auto", **options)
    return str(caught.value).replace(str(tmp_path) + "/", "")


@pytest.mark.parametrize(
    ("cells", "values", "unit"),
    [
        (["(12.3)", "4.5", "(0.5)", "7"], [-12.3, 4.5, -0.5, 7], None),
        (["12.3-", "4.5", "0.5-", "7"], [-12.3, 4.5, -0.5, 7], None),
        (["\u221212.3", "4.5", "\u22120.5", "-7"], [-12.3, 4.5, -0.5, -7], None),
        (["\u201312.3", "4.5", "1", "7"], [-12.3, 4.5, 1, 7], None),
        (["$1,000.00", "$2.50", "$0.75", "$7.00"], [1000, 2.5, 0.75, 7], "$"),
        (["-$1,000.00", "$2.50", "($0.75)", "$7.00"], None, None),
        (["-$1,000.00", "$2.50", "$-0.75", "$7.00"], [-1000, 2.5, -0.75, 7], "$"),
        (["($1,000.00)", "$2.50", "$(0.75)", "$7.00"], [-1000, 2.5, -0.75, 7], "$"),
        (["1.000,50 \u20ac", "2,50 \u20ac", "7,00 \u20ac", "8,00 \u20ac"], [1000.5, 2.5, 7, 8], "\u20ac"),
        (["EUR 1.000,50", "EUR 2,50", "EUR 7,00", "EUR 8,00"], [1000.5, 2.5, 7, 8], "EUR"),
        (["22%", "3.5%", "(4%)", "0%"], [22, 3.5, -4, 0], "%"),
        (["1.3M", "900K", "2.5B", "12"], [1.3e6, 9e5, 2.5e9, 12], None),
        (["1.3M", "4.35M", "2M", "0.1M"], [1.3e6, 4.35e6, 2e6, 1e5], None),
        (["1,3 Mio. \u20ac", "2 Mrd. \u20ac", "5 \u20ac", "7 \u20ac"], [1.3e6, 2e9, 5, 7], "\u20ac"),
        (["5 kWh", "6.5 kWh", "1 kWh", "2 kWh"], [5, 6.5, 1, 2], "kWh"),
        (["5 m3/s", "6.5 m3/s", "1 m3/s", "2 m3/s"], [5, 6.5, 1, 2], "m3/s"),
        (["5 \u00b0C", "6.5 \u00b0C", "-1 \u00b0C", "2 \u00b0C"], [5, 6.5, -1, 2], "\u00b0C"),
        (["12.3*", "4.5", "7 [1]", "8\u2020"], [12.3, 4.5, 7, 8], None),
    ],
)
def test_marks_are_read_where_all_cells_agree(tmp_path: Path, cells, values, unit) -> None:
    if values is None:
        assert "mixed" not in refused(tmp_path, *cells)
        return
    found = read(tmp_path, *cells)
    np.testing.assert_array_equal(found.values, values)
    assert found.dialect.unit == ({"value": unit} if unit else {})
    assert any(notice.code == "marks-read" for notice in found.notices)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["(12.3)", "(4.5)", "-1", "7"], "x.csv:4: value: 1 cell is negative in another form than the rest"),
        (["5 kWh", "6 kWh", "3 MWh", "7 kWh"], "x.csv:4: value: 1 cell is not in the unit of the column, which is kWh"),
        (["22%", "3%", "0.5", "7%"], "x.csv:4: value: 1 cell is not in the unit of the column, which is %: '0.5'"),
        (["22", "3", "5%", "7"], "x.csv:4: value: 1 cell is not in the unit of the column: '5%' (line 4); write all"),
        (["$5", "\u20ac6", "$7", "$8"], "1 cell is not in the unit of the column, which is $: '\u20ac6' (line 3)"),
        (["<5", "6", "7", "<5"], "x.csv:2: value: 2 cells are a bound, not a number: '<5' (line 2), '<5' (line 5)"),
        (["12.3 (1)", "6", "7", "8"], "x.csv:2: value: 1 cell is not a number: '12.3 (1)' (line 2); write the number"),
        (["12.3\u00b9", "6", "7", "8"], "1 cell is not a number: '12.3\u00b9' (line 2); write the number alone"),
        (["1.2.3", "6", "7", "8"], "1 cell is not a number: '1.2.3' (line 2); write the number alone"),
        (["300 K", "310 K", "305 K", "301 K"], "4 cells are in thousands or millions, or in a unit: '300 K' (line 2)"),
        (["\uff11\uff12", "6", "7", "8"], "1 cell is not a number: '\uff11\uff12' (line 2); write the number alone"),
    ],
)
def test_a_cell_that_differs_is_shown_and_never_counts_as_missing(tmp_path: Path, cells, message) -> None:
    text = refused(tmp_path, *cells)
    assert message in text
    assert "invalid_values" not in text


def test_text_without_digits_may_count_as_missing(tmp_path: Path) -> None:
    for text in ("n.a.", "#DIV/0!", "#N/A", "-"):
        assert "or set data.invalid_values: missing" in refused(tmp_path, "5", text, "6", "7")


def test_amounts_with_three_decimals_may_be_thousands(tmp_path: Path) -> None:
    assert "can be read in several ways" in refused(
        tmp_path, "\u20ac1.250", "\u20ac3.500", "\u20ac2.250", "\u20ac1.750"
    )
    stated = read(tmp_path, "\u20ac1.250", "\u20ac3.500", "\u20ac2.250", dialect=Dialect(decimal=","))
    np.testing.assert_array_equal(stated.values, [1250, 3500, 2250])


def test_a_stated_unit_is_that_of_all_cells(tmp_path: Path) -> None:
    kelvin = read(tmp_path, "300 K", "310 K", "305 K", dialect=Dialect(unit={"value": "K"}))
    np.testing.assert_array_equal(kelvin.values, [300, 310, 305])
    plain = refused(tmp_path, "0.22", "0.35", "0.1", dialect=Dialect(unit={"value": "%"}))
    assert "3 cells are not in the unit of the column, which is %: '0.22' (line 2)" in plain
    percent = refused(tmp_path, "22%", "35%", "10%", dialect=Dialect(unit={}))
    assert "3 cells are not in the unit of the column: '22%' (line 2)" in percent


@pytest.mark.parametrize(
    "cells", [["1A", "2A", "1A", "2A"], ["1st", "2nd", "3rd", "4th"], ["9am", "9am", "1pm", "5pm"]]
)
def test_ordinals_and_times_are_no_numbers(tmp_path: Path, cells: list[str]) -> None:
    path = tmp_path / "x.csv"
    rows = [f"{START + timedelta(days=day)},{cell},{day}.5" for day, cell in enumerate(cells)]
    path.write_text("\n".join(["day,kind,sold", *rows]) + "\n")
    (found,) = read_series(path, "auto", "auto", "auto")
    assert found.target == "sold"


def test_each_column_has_its_own_unit(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f"{START + timedelta(days=day)},{day}.5 kWh,${day}.25,{day}%" for day in range(5)]
    path.write_text("\n".join(["day,load,price,discount", *rows]) + "\n")
    load, price = read_series(path, "auto", ["load", "price"], "auto", columns=["discount"])
    np.testing.assert_array_equal(load.values, np.arange(5) + 0.5)
    np.testing.assert_array_equal(price.values, np.arange(5) + 0.25)
    np.testing.assert_array_equal(load.covariates["discount"].values, np.arange(5))
    assert load.dialect.unit == {"load": "kWh", "price": "$", "discount": "%"}


def test_parquet_reads_the_same_marks(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    days, cells = [str(START + timedelta(days=day)) for day in range(4)], ["$1,000.00", "($2.50)", "$0.75", "$7.00"]
    pq.write_table(pa.table({"day": days, "value": cells}), tmp_path / "x.parquet")
    (found,) = read_series(tmp_path / "x.parquet", "auto", "auto", "auto")
    np.testing.assert_array_equal(found.values, [1000, -2.5, 0.75, 7])
    assert found.dialect.unit == {"value": "$"}


@pytest.mark.parametrize(
    ("cells", "filled"),
    [
        (["$1.00", "$2.00", "$3.00", "", "$5.00"], ["$4", "-$2"]),
        (["(1.0) kWh", "2.0 kWh", "3.0 kWh", "", "5.0 kWh"], ["4 kWh", "(2 kWh)"]),
        (["1.0", "2.0", "3.0", "", "5.0-"], ["4", "2-"]),
    ],
)
def test_a_filled_number_has_the_marks_of_its_column(tmp_path: Path, cells: list[str], filled: list[str]) -> None:
    path = write_csv(tmp_path / "x.csv", cells)
    for value, text in zip((4, -2), filled, strict=True):
        (series,) = read_series(path, "auto", "auto", "auto", "mask")
        written = format_filled_csv(
            read_table(path), FilledSeries(series, np.where(np.isnan(series.values), value, series.values), {})
        )
        assert f"2026-01-04,{text},1" in written
        (tmp_path / "again.csv").write_text(written)
        (again,) = read_series(tmp_path / "again.csv", "auto", "value", "auto")
        assert again.values[3] == value


MINUS = {
    "front": lambda text: f"-{text}",
    "sign": lambda text: f"\u2212{text}",
    "behind": lambda text: f"{text}-",
    "brackets": lambda text: f"({text})",
}
FORMS = {
    "plain": lambda text: text,
    "dollar": lambda text: f"${text}",
    "euro": lambda text: f"{text} \u20ac",
    "code": lambda text: f"CHF {text}",
    "percent": lambda text: f"{text}%",
    "unit": lambda text: f"{text} kWh",
    "megawatt": lambda text: f"{text}MW",
    "note": lambda text: f"{text}*",
}
EXPONENTS = {"": 0, "K": 3, "k": 3, "M": 6, "B": 9, " Mio.": 6, "bn": 9}
SCALED = {"plain", "dollar", "euro", "code"}  # the forms that go with a multiplier


@st.composite
def written_numbers(draw: st.DrawFn) -> tuple[list[str], list[float]]:
    """Draw the cells of a column, written in one way or in several, and the numbers that they mean."""
    mixed = draw(st.booleans())
    ways = st.tuples(st.sampled_from([*MINUS]), st.sampled_from([*FORMS]), st.sampled_from([*EXPONENTS]), st.booleans())
    one = draw(ways)
    cells, values = [], []
    for hundredths in draw(st.lists(st.integers(-(10**7), 10**7), min_size=4, max_size=12)):
        minus, form, scale, grouped = draw(ways) if mixed and draw(st.booleans()) else one
        scale = scale if form in SCALED else ""
        text = FORMS[form](f"{abs(hundredths) / 100:{',' if grouped else ''}.2f}{scale}")
        cells.append(MINUS[minus](text) if hundredths < 0 else text)
        values.append(float(f"{hundredths / 100:.2f}e{EXPONENTS[scale]}"))
    return cells, values


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written_numbers())
@example((["(12.30)", "4.50", "7.00", "-8.00"], [-12.3, 4.5, 7, -8]))
@example((["22%", "0.22", "0.23", "0.24"], [22, 0.22, 0.23, 0.24]))
def test_a_number_is_read_as_itself_or_refused(tmp_path: Path, column: tuple[list[str], list[float]]) -> None:
    cells, values = column
    refusal = ""
    try:
        found = read(tmp_path, *cells)
    except DataError as error:
        refusal = str(error)
    assert "invalid_values" not in refusal
    if not refusal:
        np.testing.assert_array_equal(found.values, values)


@pytest.mark.parametrize("cells", [["$1,000.00", "($2.50)", "$0.75", "$7.00"], ["5 kWh", "-6.5 kWh", "1 kWh", "2 kWh"]])
def test_a_large_file_reads_the_same_marks(tmp_path: Path, monkeypatch, cells: list[str]) -> None:
    path = write_csv(tmp_path / "x.csv", cells * 100)
    (whole,) = read_series(path, "auto", "auto", "auto")
    monkeypatch.setattr(files, "MAX_BYTES", 500)
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    (large,) = read_series(path, "auto", "auto", "auto")
    np.testing.assert_array_equal(large.values, whole.values)
    assert (large.dialect.unit, large.notices) == (whole.dialect.unit, whole.notices)


def test_a_number_with_marks_far_below_plain_ones_is_read_on_either_path(tmp_path: Path) -> None:
    cells = [f"{day}.5" for day in range(1, 2500)]
    path = write_csv(tmp_path / "x.csv", [*cells, "(7.5)"] * 30)
    assert path.stat().st_size > WORTHWHILE
    (found,) = read_series(path, None, "value", "step")
    assert found.values[[2498, 2499, 2500]].tolist() == [2499.5, -7.5, 1.5]


def test_columns_of_several_currencies_are_shown(tmp_path: Path) -> None:
    text = refused_auto(tmp_path, "$5 or so", "\u20ac6?", "n.a.", "x")
    assert "no column holds numbers; columns: day, value; the first cells: value '$5 or so'" in text


def refused_auto(tmp_path: Path, *cells: str) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, *cells)
    return str(caught.value)
