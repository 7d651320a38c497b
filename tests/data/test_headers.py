"""Lines above the header, rows of labels below it, and files that have none."""

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from forecaster.data.dialect import Dialect
from forecaster.data.sources.header import check_header, count_label_rows
from forecaster.errors import DataError
from tests.helpers.reading import read_series, read_table

ROWS = "2026-01-01,1.5\n2026-01-02,2.5\n2026-01-03,3.5\n2026-01-04,4.5\n"
VALUES = [1.5, 2.5, 3.5, 4.5]


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return packed.getvalue()


def read(tmp_path: Path, content: str, **options):
    (tmp_path / "x.csv").write_text(content)
    (found,) = read_series(tmp_path / "x.csv", "auto", "auto", "auto", **options)
    return found


def refused(tmp_path: Path, content: str, **options) -> DataError:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, **options)
    return caught.value


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("Report: sales\nMade 2024-03-01\n\n", 4),
        ('"Data Source","World Development Indicators"\n\n', 3),
        ("Report,,\nMade,,\n,,\n", 4),
        ("sep=,\n", 2),
        ('"sep=,"\n', 2),
    ],
)
def test_the_header_is_found_below_a_title(tmp_path: Path, above: str, line: int) -> None:
    (tmp_path / "x.csv").write_text(f"{above}day,load,again\n" + "".join(f"{row},9\n" for row in ROWS.splitlines()))
    found = read_table(tmp_path / "x.csv")
    assert list(found.columns)[:2] == ["day", "load"]
    assert list(found.columns["load"]) == ["1.5", "2.5", "3.5", "4.5"]
    assert (found.dialect.header, found.lines.tolist()) == (line, [line + 1, line + 2, line + 3, line + 4])
    assert any(notice.code == "header-found" for notice in found.notices)
    again = read_table(tmp_path / "x.csv", found.dialect)
    assert (again.header, again.texts, again.notices) == (found.header, found.texts, ())


def test_a_title_of_semicolons_and_a_stated_line(tmp_path: Path) -> None:
    german = ROWS.replace(",", ";").replace(".", ",")
    found = read(tmp_path, f"Bericht, 2026\n\nTag;Last\n{german}")
    np.testing.assert_array_equal(found.values, VALUES)
    assert (found.dialect.delimiter, found.dialect.header) == (";", 3)
    stated = read(tmp_path, f"station,12345\nday,load\n{ROWS}", dialect=Dialect(header=2))
    np.testing.assert_array_equal(stated.values, VALUES)


def test_a_problem_below_a_title_names_the_line_of_the_file(tmp_path: Path) -> None:
    text = str(refused(tmp_path, "Report: sales\n\nday,load\n" + ROWS.replace("3.5", "n.a.")))
    assert "x.csv:6: load: 1 cell is not a number: 'n.a.' (line 6)" in text


def test_excels_first_line_names_the_delimiter(tmp_path: Path) -> None:
    for mark in ";\t|":
        found = read(tmp_path, f"sep={mark}\nday{mark}load\n{ROWS.replace(',', mark)}")
        np.testing.assert_array_equal(found.values, VALUES)
        assert found.dialect.delimiter == mark


@pytest.mark.parametrize(
    ("header", "labels", "skip"),
    [
        ("day,load\n", "yyyy-mm-dd,kWh\n", 1),
        ("day,load\n", ",kWh\n", 1),
        ("day,load\n", "Date,m3/s\n,average\n", 2),
        ("Price,Close,High\n", "Ticker,AAPL,AAPL\nDate,,\n", 2),
    ],
)
def test_rows_of_labels_are_named_with_the_key_that_leaves_them_out(tmp_path, header, labels, skip) -> None:
    rows = ROWS if "High" not in header else "".join(f"{row},9\n" for row in ROWS.splitlines())
    error = refused(tmp_path, header + labels + rows)
    assert [problem.code for problem in error.problems] == ["labels-below-header"]
    assert error.problems[0].repairs == ({"data.skip": skip},)
    table = read_table(tmp_path / "x.csv", Dialect(skip=skip))
    assert list(table.columns.values())[1].tolist() == ["1.5", "2.5", "3.5", "4.5"]


def test_properties_above_the_header_name_its_line(tmp_path: Path) -> None:
    error = refused(tmp_path, "Station:,12345\nName:,Oslo\n\nday,load\n" + ROWS)
    assert error.problems[0].repairs == ({"data.header": 4},)
    np.testing.assert_array_equal(
        read(tmp_path, "Station:,1\nday,load\n" + ROWS, dialect=Dialect(header=2)).values, VALUES
    )


def test_columns_of_one_name_are_named_by_the_row_of_tickers_below(tmp_path: Path) -> None:
    tickers = "Price,Close,Close,High,High\nTicker,AAPL,MSFT,AAPL,MSFT\nDate,,,,\n"
    content = tickers + "".join(f"{row},7,8,9\n" for row in ROWS.splitlines())
    error = refused(tmp_path, content)
    assert error.problems[0].repairs == ({"data.skip": 2},)
    found = read_series(tmp_path / "x.csv", "auto", "*", "auto", dialect=Dialect(skip=2))
    assert [series.name for series in found] == ["Close/AAPL", "Close/MSFT", "High/AAPL", "High/MSFT"]
    np.testing.assert_array_equal(found[0].values, VALUES)
    assert read_table(tmp_path / "x.csv", Dialect(skip=2)).header == "Price,Close/AAPL,Close/MSFT,High/AAPL,High/MSFT\n"


@pytest.mark.parametrize(
    "rows", [ROWS, "2026-01-01,n.a.\n" + ROWS, "x,1.5\n" + ROWS, ",\n" + ROWS, "2026-01-01,off\n" + ROWS]
)
def test_rows_of_data_are_no_labels(tmp_path: Path, rows: str) -> None:
    (tmp_path / "x.csv").write_text("day,load\n" + rows)
    assert count_label_rows(read_table(tmp_path / "x.csv").columns) == 0


@pytest.mark.parametrize(
    "names",
    [
        ["1704067200000", "99.4", "0", "0"],
        ["2026-01-01", "5", "5"],
        ["2026-01-01", "shop", "5"],
        ["a", "0", "0"],
        ["0.5", "1"],
    ],
)
def test_rows_of_data_are_no_header(names: list[str]) -> None:
    with pytest.raises(DataError, match="data.header=false"):
        check_header(names, "x.csv:1")


@pytest.mark.parametrize(
    "names", [["day", "0", "1"], ["Country", "2010", "2011"], ["0", "1", "2"], ["", "5", "5.5"], ["day", "2026-01-01"]]
)
def test_numbers_and_years_may_be_names(names: list[str]) -> None:
    check_header(names, "x.csv:1")


PAGE = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body><p>Sign in</p></body></html>\n"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PAGE.encode(), "an HTML page"),
        (PAGE.encode("utf-16"), "an HTML page"),
        (gzip.compress(PAGE.encode()), "an HTML page"),
        (b"\n<html lang='en'>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<a/>', "an XML document"),
        (b'{"day": "2026-01-01", "load": 1.5}\n{"day": "2026-01-02", "load": 2}\n', "JSON"),
        (b'\xef\xbb\xbf[\n  {"day": "2026-01-01"}\n]\n', "JSON"),
        (b"[[1, 2], [3, 4]]", "JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a Git LFS pointer"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Excel workbook (.xls)"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook (.xlsx)"),
        (zipped("Index/Document.iwa", "Metadata/Properties.plist", "preview.jpg"), "an Apple Numbers document"),
        (zipped("mimetype", "content.xml", "styles.xml"), "an OpenDocument spreadsheet (.ods)"),
        (gzip.compress(gzip.compress(ROWS.encode())), "compressed twice"),
        (bytes(257) + b"ustar\x0000", "a tar archive"),
        (b"SQLite format 3\0" + bytes(600), "an SQLite database"),
        (b"BZh91AY&SY", "compressed by bzip2"),
        (pickle.dumps({"a": 1}), "a Python pickle"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_of_another_format_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "x.csv")
    (problem,) = caught.value.problems
    assert problem.code == "other-format"
    assert str(problem).startswith(f"{tmp_path}/x.csv: {kind}")
    assert ", not a CSV; " in str(problem)


@pytest.mark.parametrize(
    "header", ["<DATE>,<CLOSE>", "ORCHARD,load", "[day],[load]", "{day},load", "FEA1,load", "%,load"]
)
def test_a_header_with_unusual_names_is_a_csv(tmp_path: Path, header: str) -> None:
    (tmp_path / "x.csv").write_text(f"{header}\n{ROWS}")
    assert list(read_table(tmp_path / "x.csv").columns) == header.split(",")


def test_a_file_without_header_whose_cells_are_equal(tmp_path: Path) -> None:
    rows = "".join(f"{row},0,0\n" for row in ROWS.splitlines())
    error = refused(tmp_path, rows)
    assert [problem.code for problem in error.problems] == ["header-is-data"]


@pytest.mark.parametrize("end", ["", ","])
def test_numbers_that_a_decimal_comma_cuts_are_refused(tmp_path: Path, end: str) -> None:
    rows = [f"2026-01-0{day},1{day},{day}{end}\n" for day in range(1, 8)]
    assert "x.csv:2: load: '11,1' may be one number" in str(refused(tmp_path, "day,load,\n" + "".join(rows)))
    notes = [f"2026-01-0{day},1{day}.5,{day}{end}\n" for day in range(1, 8)]
    assert read(tmp_path, "day,load,\n" + "".join(notes)).values[0] == 11.5
    flags = [f"2026-01-0{day},1{day},{day % 2}{end}\n" for day in range(1, 8)]
    assert read(tmp_path, "day,load,\n" + "".join(flags)).values[0] == 11
