"""However a CSV is written, it becomes the same series, or a message that offers the choices."""

import gzip
import io
import lzma
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecaster.config import load_config
from forecaster.data.dialect import Dialect
from forecaster.data.sources import files
from forecaster.data.sources.files import find_files
from forecaster.default_config import get_config_path, propose
from forecaster.errors import Changing, ConfigError, DataError
from forecaster.imputation.filled_csv import FilledSeries, format_filled_csv
from forecaster.preprocessing.value_ranges import find_domains
from tests.helpers.command import write_hourly_csv
from tests.helpers.reading import read_series, read_table, series_of


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


DAYS = "day,load\n2026-01-01,1.5\n2026-01-02,2.5\n2026-01-03,3.5\n2026-01-04,4.5\n"
VALUES = [1.5, 2.5, 3.5, 4.5]


def read(tmp_path: Path, content: str | bytes, **options):
    path = tmp_path / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (found,) = read_series(path, "auto", options.pop("target", "auto"), "auto", **options)
    return found


def refused(tmp_path: Path, content: str | bytes, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, **options)
    return str(caught.value).replace(str(tmp_path) + "/", "")


def days(*values: str, delimiter: str = ",", name: str = "load") -> str:
    rows = [f"2026-01-{day:02}{delimiter}{value}" for day, value in enumerate(values, 1)]
    return "\n".join([f"day{delimiter}{name}", *rows]) + "\n"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (DAYS.encode(), "utf-8"),
        (DAYS.replace("load", "größe").encode(), "utf-8"),
        (DAYS.encode("utf-8-sig"), "utf-8"),
        (DAYS.encode("utf-16"), "utf-16-le"),
        (b"\xfe\xff" + DAYS.encode("utf-16-be"), "utf-16-be"),
        (DAYS.encode("utf-16-le"), "utf-16-le"),
        (DAYS.encode("utf-16-be"), "utf-16-be"),
        (DAYS.replace("load", "größe").encode("latin-1"), "latin-1"),
    ],
)
def test_the_encoding_is_found_and_reported(tmp_path, content, encoding):
    found = read(tmp_path, content)
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.dialect == Dialect(encoding, ",", ".", "none", header=True, unit={})
    messages = [f"{tmp_path}/x.csv: read as {encoding} (data.encoding)"]
    assert list(map(str, found.notices)) == ([] if encoding == "utf-8" else messages)
    assert read(tmp_path, content, dialect=found.dialect).notices == ()


def test_what_may_be_in_several_encodings_is_refused_with_the_choices(tmp_path):
    text = DAYS.replace("load", "€")
    assert "x.csv:1: not UTF-8 text (byte 0x80); name the encoding: data.encoding: cp1252 | latin-1" in refused(
        tmp_path, text.encode("cp1252")
    )
    assert read(tmp_path, text.encode("cp1252"), dialect=Dialect("cp1252")).target == "€"


@pytest.mark.parametrize(
    ("content", "stated", "expected"),
    [
        (
            b"day,load\n2026-01-01,\xff\n",
            "utf-8",
            "x.csv:2: not UTF-8 text; save it in this encoding, or set data.encoding",
        ),
        (DAYS.encode("utf-16"), "utf-8", "x.csv:1: not UTF-8 text"),
        (b"\xff\xfe\x00\xd8\x00\xd8", "auto", "x.csv:1: not UTF-16-LE text"),
        (b"PK\x05\x06\x15\x04\x00\x99", "auto", "x.csv:1: not text"),
        (b"day,load\n2026-01-01,\x00\n", "auto", "x.csv:2: not text: a byte is 0"),
    ],
)
def test_what_is_not_in_its_encoding_is_refused_with_its_line(tmp_path, content, stated, expected):
    assert expected in refused(tmp_path, content, dialect=Dialect(stated))


@pytest.mark.parametrize(("mark", "word"), [(";", "';'"), ("\t", "tab"), ("|", "'|'")])
def test_the_delimiter_is_found_and_reported(tmp_path, mark, word):
    found = read(tmp_path, DAYS.replace(",", mark))
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.dialect.delimiter == mark
    assert tuple(map(str, found.notices)) == (f"{tmp_path}/x.csv: cells are separated by {word} (data.delimiter)",)


def test_delimiters_in_quotes_and_in_cells_do_not_count(tmp_path):
    quoted = 'day,"a;b",load\n2026-01-01,"x;y",1.5\n2026-01-02,";",2.5\n2026-01-03,,3.5\n'
    assert read(tmp_path, quoted).dialect.delimiter == ","
    assert read(tmp_path, "day;load\n2026-01-01;1,5\n2026-01-02;2,5\n2026-01-03;3,5\n").dialect.delimiter == ";"


def test_two_delimiters_that_fit_are_refused_with_the_choices(tmp_path):
    text = "day;load,MW\n2026-01-01;1,5\n2026-01-02;2,5\n2026-01-03;3,5\n"
    assert "x.csv: cells may be separated by ',' or ';'; choose one: data.delimiter: \",\" | \";\"" in refused(
        tmp_path, text
    )
    np.testing.assert_array_equal(read(tmp_path, text, dialect=Dialect(delimiter=";")).values, [1.5, 2.5, 3.5])


@pytest.mark.parametrize(
    ("cells", "delimiter", "expected", "marks"),
    [
        (["1,5", "2", "12,25"], ";", [1.5, 2, 12.25], (",", "none")),
        (["1.234,5", "2,5", "1.234.567"], ";", [1234.5, 2.5, 1234567], (",", ".")),
        (["0,125", "1,234", "2,345"], ";", [0.125, 1.234, 2.345], (",", "none")),
        (["1234,567", "1,234", "5"], "\t", [1234.567, 1.234, 5], (",", "none")),
        (['"1,234.5"', '"2,345.6"', "7"], ",", [1234.5, 2345.6, 7], (".", ",")),
        (['"1,234,567"', '"2,345"', "7"], ",", [1234567, 2345, 7], (".", ",")),
        (["1 234,5", "2\u202f345,5", "7"], ";", [1234.5, 2345.5, 7], (",", " ")),
        (["1'234.5", "2'345.5", "7"], ";", [1234.5, 2345.5, 7], (".", "'")),
        (["1 234", "2 345", "7"], ",", [1234, 2345, 7], (".", " ")),
        (["-1,5", "+2,5e3", "inf"], ";", [-1.5, 2500], (",", "none")),
        (["0.123", "1.234", "5.678"], ";", [0.123, 1.234, 5.678], (".", "none")),
        (["1.234", "2.345", "5.678"], ",", [1.234, 2.345, 5.678], (".", "none")),
        (["1", "2", "3"], ";", [1, 2, 3], (".", "none")),
        (["1", "2", "1.125"], ",", [1, 2, 1.125], (".", "none")),
        (["986", "1.300", "0.125"], ",", [986, 1.3, 0.125], (".", "none")),
        (["986", "1300", "1.125"], ",", [986, 1300, 1.125], (".", "none")),
        (["1\u2009234,5", "7", "8"], ";", [1234.5, 7, 8], (",", " ")),
    ],
)
def test_decimals_and_thousands_are_proven_by_the_numbers(tmp_path, cells, delimiter, expected, marks):
    found = read(tmp_path, days(*cells, delimiter=delimiter), gaps="previous")
    np.testing.assert_allclose(found.values, expected)
    assert (found.dialect.decimal, found.dialect.thousands) == marks
    again = read(tmp_path, days(*cells, delimiter=delimiter), gaps="previous", dialect=found.dialect)
    np.testing.assert_array_equal(again.values, found.values)
    assert not [notice for notice in again.notices if "data." in str(notice)]


@pytest.mark.parametrize(
    ("cells", "delimiter", "expected"),
    [
        (
            ['"1,234"', '"5,678"'],
            ",",
            "x.csv:2: load: '1,234' can be read in several ways; choose one: "
            'data: {decimal: ",", thousands: none} (1.234) | data: {decimal: ".", thousands: ","} (1234)',
        ),
        (
            ["1.234", "5.678"],
            ";",
            'data: {decimal: ".", thousands: none} (1.234) | data: {decimal: ",", thousands: "."} (1234)',
        ),
        (["5.5", "12,5"], ";", '(5.5) | data: {decimal: ",", thousands: none} (no number)'),
        (["986", "1.300", "1.012"], ",", "x.csv:3: load: '1.300' can be read in several ways"),
        (["986", "-1.300", "0"], "\t", "x.csv:3: load: '-1.300' can be read in several ways"),
    ],
)
def test_numbers_that_can_be_read_in_several_ways_are_refused_with_the_choices(tmp_path, cells, delimiter, expected):
    assert expected in refused(tmp_path, days(*cells, delimiter=delimiter))


@pytest.mark.parametrize("mark", ["\t", "|"])
def test_dotted_dates_come_with_decimal_commas(tmp_path, mark):
    rows = [f"{day}.01.2026{mark}1.{day}0" for day in range(11, 20)]
    assert "'1.110' can be read in several ways" in refused(tmp_path, "\n".join([f"day{mark}load", *rows]) + "\n")
    found = read_series(tmp_path / "x.csv", "auto", "auto", "auto", dialect=Dialect(decimal=","))[0]
    assert found.values[0] == 1110


def test_columns_of_numbers_are_weighed_one_by_one(tmp_path):
    rows = [f"2026-01-{day},{day}0,1.{day}5" for day in range(11, 20)]
    (tmp_path / "x.csv").write_text("\n".join(["day,a,b", *rows]) + "\n")
    found = read_series(tmp_path / "x.csv", "auto", "*", "auto")
    assert (found[0].values[0], found[1].values[0]) == (110, 1.115)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (Dialect(decimal=","), [1.234, 5.678, 9.012]),
        (Dialect(decimal="."), [1234, 5678, 9012]),
        (Dialect(thousands="none"), [1.234, 5.678, 9.012]),
        (Dialect(thousands=","), [1234, 5678, 9012]),
        (Dialect(decimal=",", thousands="."), [1.234, 5.678, 9.012]),
    ],
)
def test_what_is_stated_settles_it(tmp_path, stated, expected):
    text = days('"1,234"', '"5,678"', '"9,012"')
    np.testing.assert_array_equal(read(tmp_path, text, dialect=stated).values, expected)


def test_one_comma_among_points_is_no_number(tmp_path):
    text = days("1.5", "2.5", '"3,5"', "4.5")
    assert "x.csv:4: load: 1 cell is not a number: '3,5' (line 4)" in refused(tmp_path, text)


def test_a_frozen_dialect_does_not_drift(tmp_path):
    usual = Dialect("utf-8", ",", ".", "none")
    assert "2 cells in a row of 1 column" in refused(tmp_path, days("1,5", "2,5", delimiter=";"), dialect=usual)
    assert "not a number: '1,5'" in refused(tmp_path, days('"1,5"', '"2,5"'), dialect=usual, target="load")


def test_comments_do_not_count_and_lines_do(tmp_path):
    text = '# made by a logger, 2026\n#\nday,load,note\n2026-01-01,1,"a\n# b"\n  # pause\n2026-01-02,x,\n'
    expected = "x.csv:7: load: 1 cell is not a number: 'x' (line 7)"
    assert expected in refused(tmp_path, text, dialect=Dialect(comment="#"), target="load")
    assert 'data.comment: "#"' in refused(tmp_path, text)
    found = read(
        tmp_path,
        text.replace("x", "2").replace(",\n", ",\n2026-01-03,3,\n"),
        dialect=Dialect(comment="#"),
        target="load",
    )
    np.testing.assert_array_equal(found.values, [1, 2, 3])


def zipped(*members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, DAYS)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [gzip.compress(DAYS.encode()), lzma.compress(DAYS.encode("utf-16")), zipped("in/x.csv", "in/", "__MACOSX/._x.csv")],
    ids=["gz", "xz", "zip"],
)
def test_compressed_files_are_known_by_their_first_bytes(tmp_path, content):
    np.testing.assert_array_equal(read(tmp_path, content).values, VALUES)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (gzip.compress(DAYS.encode())[:-9], "x.csv: damaged or cut short"),
        (lzma.compress(DAYS.encode())[:-9], "x.csv: damaged or cut short"),
        (zipped("x.csv")[:-9], "x.csv: damaged or cut short"),
        (b"\x1f\x8b" + b"x" * 50, "x.csv: damaged or cut short"),
        (zipped("a.csv", "b.csv"), "x.csv: a zip of 2 files (a.csv, b.csv); expected one"),
        (
            zipped("[Content_Types].xml", "xl/a.xml"),
            "x.csv: an Excel workbook (.xlsx), not a CSV; export the sheet as CSV",
        ),
    ],
    ids=["gz", "xz", "zip", "no gz", "two files", "spreadsheet"],
)
def test_archives_that_hold_no_one_csv_are_refused(tmp_path, content, expected):
    assert expected in refused(tmp_path, content)


def test_a_packed_file_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    expected = "x.csv: more than 0 GiB once decompressed; unpack it into a file, which may be of any size"
    assert expected in refused(tmp_path, gzip.compress(b"x" * 101))


def parts(tmp_path: Path) -> list[str]:
    (tmp_path / "p-1.csv").write_text("day,load\n2026-01-01,1\n2026-01-02,2\n")
    (tmp_path / "p-2.csv").write_bytes(gzip.compress(b"\nday,load\n2026-01-03,3\n2026-01-04,4"))
    (tmp_path / "p-3.csv").write_text("day,load\n2026-01-05,5\n")
    return [str(tmp_path / f"p-{part}.csv") for part in (1, 2, 3)]


def test_a_pattern_or_a_list_reads_files_as_one(tmp_path):
    names = parts(tmp_path)
    for paths in (names, str(tmp_path / "p-*.csv"), [str(tmp_path / "p-[12].csv"), *names]):
        (found,) = read_series(paths, "auto", "auto", "auto")
        np.testing.assert_array_equal(found.values, [1, 2, 3, 4, 5])
        assert found.notices == ()


def test_problems_of_several_files_name_each_with_its_own_line(tmp_path):
    names = parts(tmp_path)
    (tmp_path / "p-3.csv").write_text("day,load\n2026-01-05,x\n")
    with pytest.raises(DataError, match=r"p-3.csv:2: load: 1 cell is not a number: 'x' \(.*p-3.csv:2\)"):
        read_series(names, "auto", "auto", "auto")
    (tmp_path / "p-2.csv").write_text("day,load\n2026-01-03,3\n2026-01-04,u,4\n")
    with pytest.raises(DataError, match="p-2.csv:3: 3 cells in a row of 2 columns"):
        read_series(names, "auto", "auto", "auto")
    (tmp_path / "p-2.csv").write_text("day,wind\n2026-01-03,3\n")
    with pytest.raises(DataError, match="p-2.csv:1: other columns than .*p-1.csv: day, wind; expected day, load"):
        read_series(names, "auto", "auto", "auto")


def test_files_of_one_encoding_or_none(tmp_path):
    for name, content in (("a", b"t,y\n0,1\n"), ("b", "t,y\n1,é\n".encode()), ("c", "t,y\n2,é\n".encode("latin-1"))):
        (tmp_path / f"{name}.csv").write_bytes(content)
    assert read_table([str(tmp_path / "a.csv"), str(tmp_path / "c.csv")]).dialect.encoding == "latin-1"
    with pytest.raises(
        DataError, match=r"different encodings: .*b.csv in utf-8, .*c.csv in latin-1; save them in the same encoding"
    ):
        read_table(str(tmp_path / "*.csv"))


def test_files_that_do_not_exist_are_named_at_once(tmp_path):
    parts(tmp_path)
    with pytest.raises(DataError) as caught:
        find_files([str(tmp_path / "q*.csv"), str(tmp_path / "p-4.csv"), str(tmp_path / "p-1.csv")])
    assert len(caught.value.problems) == 2
    assert "q*.csv: no file matches this pattern" in str(caught.value)
    assert "p-4.csv: no such file, did you mean 'p-" in str(caught.value)


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path):
    (tmp_path / "a[1].csv").write_text(DAYS)
    assert find_files(str(tmp_path / "a[1].csv")) == [str(tmp_path / "a[1].csv")]


HOURS = [f"2026-01-01 {hour:02}:00" for hour in range(24)]


@pytest.mark.parametrize(
    ("last", "dropped"),
    [
        ("2026-01-01 23:00,12.25", False),
        ("2026-01-01 23:00,9.25", False),
        ("2026-01-01 23:00,12.2", True),
        ("2026-01-01 23:00,12", True),
        ("2026-01-01 23:00,", True),
        ("2026-01-01 23:00", True),
        ("2026-01", True),
        ('2026-01-01 23:00,"12.25', True),
        ("2026-01-01 23:00,12.25\n", False),
        ("2026-01-01 23:00,12.2\n", False),
    ],
)
def test_a_half_written_last_line_is_left_out_and_reported(tmp_path, last, dropped):
    text = "time,load\n" + "".join(f"{hour},{value}.25\n" for value, hour in enumerate(HOURS[:-1], 5)) + last
    found = read(tmp_path, text)
    assert len(found) == (23 if dropped else 24)
    assert (
        any("x.csv:25: the last line has no end and seems half-written" in str(each) for each in found.notices)
        == dropped
    )


@pytest.mark.parametrize(
    ("values", "last", "dropped"),
    [
        (range(100, 123), "9", True),  # three digits, always, and now one
        (range(90, 113), "9", True),  # two or three, and now one
        (range(9, 32), "8", False),
        ([x / 8 for x in range(23)], "3", True),  # no other is without decimals
        ([f"{x / 8:g}" for x in range(23)], "3", False),  # which come and go
        (range(100, 103), "9", False),  # too few rows to decide
    ],
)
def test_a_last_line_without_an_end_is_kept_where_nothing_shows_that_it_is_half(tmp_path, values, last, dropped):
    rows = [f"{hour},{value}\n" for value, hour in zip(values, HOURS, strict=False)]
    found = read(tmp_path, "time,load\n" + "".join(rows) + f"{HOURS[len(rows)]},{last}")
    assert len(found) == len(rows) + (not dropped)


def test_a_line_that_ends_within_a_character_is_left_out(tmp_path):
    text = "day,note,load\n" + "".join(f"2026-01-{day:02},é,{day}\n" for day in range(1, 9)) + "2026-01-09,"
    found = read(tmp_path, text.encode() + "é".encode()[:1])
    assert (len(found), found.dialect.encoding) == (8, "utf-8")


def test_a_quote_that_is_never_closed_loses_no_row(tmp_path):
    text = 'day,load,note\n2026-01-01,1,a\n2026-01-02,2,"b\n2026-01-03,3,c\n2026-01-04,4,d\n'
    assert "x.csv:3: a quote is opened here and never closed" in refused(tmp_path, text)


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text(DAYS)
    monkeypatch.setattr(files, "_PAUSE", 0)
    content, left = files._read_all, [1]

    def growing(file):
        data = content(file)
        if left:
            left.pop()
            with path.open("a") as more:
                more.write("2026-01-05,5.5\n")
        return data

    monkeypatch.setattr(files, "_read_all", growing)
    assert len(read_series(path, "auto", "auto", "auto")[0]) == 5
    left += [1] * 10
    with pytest.raises(Changing, match="x.csv: changed while it was read; try again") as caught:
        read_series(path, "auto", "auto", "auto")
    assert caught.value.exit_code == 75


TEXTS = days("1", "?", "-999", "oops", "5", "6")


def test_text_is_an_error_or_missing(tmp_path):
    assert "x.csv:3: load: 2 cells are not a number: '?' (line 3), 'oops' (line 5)" in refused(
        tmp_path, TEXTS, gaps="zero", target="load"
    )
    found = read(tmp_path, TEXTS, invalid_values="missing", gaps="zero", target="load")
    np.testing.assert_array_equal(found.values, [1, 0, -999, 0, 5, 6])
    assert "2 cells are not a number: '?' (line 3), 'oops' (line 5); taken for missing" in str(found.notices[-1])
    assert "choose how to fill them: data.gaps" in refused(tmp_path, TEXTS, invalid_values="missing", target="load")


@pytest.mark.parametrize("na_values", [(-999, "?", "oops"), (-999.0, "?", "OOPS"), ("-999", "?", "oops")])
def test_sentinels_are_missing(tmp_path, na_values):
    found = read(tmp_path, TEXTS, na_values=na_values, gaps="previous", target="load")
    np.testing.assert_array_equal(found.values, [1, 1, 1, 1, 5, 6])
    assert "x.csv:3: load: 3 cells are missing (data.na_values): '?' (line 3), '-999' (line 4)" in refused(
        tmp_path, TEXTS, na_values=na_values, target="load"
    )


def test_a_sentinel_is_known_by_its_number_and_lies_outside_no_domain(tmp_path):
    text = days("1", "-999.0", "3", "4")
    found = read(
        tmp_path,
        text,
        na_values=(-999,),
        gaps="interpolate",
        domains=find_domains("negative_binomial", "none", None, None),
    )
    np.testing.assert_array_equal(found.values, [1, 2, 3, 4])


def test_infinite_cells_are_an_error_or_missing_and_reported(tmp_path):
    text = days("1", "inf", "3", "4")
    assert "1 cell is infinite: 'inf' (line 3); choose how to fill" in refused(tmp_path, text)
    assert "1 cell is infinite: 'inf' (line 3); taken for missing" in str(read(tmp_path, text, gaps="zero").notices[-1])


GERMAN = 'Zeit;Größe;Bemerkung\n01.01.2026;1.234,50;a\n02.01.2026;;"b;"\n04.01.2026;2.345,50;c\n13.01.2026;1,5;d\n'
FILLED = [
    "Zeit;Größe;Bemerkung;filled;lower_80;upper_80",
    "01.01.2026;1.234,50;a;0;;",
    '02.01.2026;9,5;"b;";1;9;10',
    "03.01.2026;9,5;;1;9;10",
    "04.01.2026;2.345,50;c;0;;",
]


def filled(path: str | list[str], target: str) -> tuple[str, str]:
    table = read_table(path)
    (series,) = series_of(table, "auto", target, "D", "mask")
    gap = np.isnan(series.values)
    quantiles = {p: np.where(gap, value, np.nan) for p, value in ((0.1, 9.0), (0.9, 10.0))}
    return format_filled_csv(
        table, FilledSeries(series, np.where(gap, 9.5, series.values), quantiles)
    ), table.dialect.encoding


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_filled_csv_is_written_as_it_was_read(tmp_path, encoding):
    (tmp_path / "x.csv").write_bytes(GERMAN.encode(encoding))
    text, found = filled(str(tmp_path / "x.csv"), "Größe")
    assert text.encode(found).decode(encoding).splitlines()[:5] == FILLED


def test_a_filled_number_with_a_comma_is_quoted_between_commas(tmp_path):
    (tmp_path / "x.csv").write_text('day,load\n2026-01-01,"1,5"\n2026-01-02,\n2026-01-03,"2,5"\n2026-01-04,"3,5"\n')
    assert filled(str(tmp_path / "x.csv"), "load")[0].splitlines()[2] == '2026-01-02,"9,5",1,9,10'


def test_packed_and_several_files_are_filled_as_one(tmp_path):
    names = parts(tmp_path)
    (tmp_path / "p-3.csv").write_text("day,load\n2026-01-06,5\n")
    lines = filled(names, "load")[0].splitlines()
    assert lines[0] == "day,load,filled,lower_80,upper_80"
    assert [line.split(",")[:3] for line in lines[4:]] == [
        ["2026-01-04", "4", "0"],
        ["2026-01-05", "9.5", "1"],
        ["2026-01-06", "5", "0"],
    ]


def test_what_was_found_is_frozen_into_the_proposal(tmp_path):
    hours = "".join(f"2026-01-01 {h:02}:00;{h},5\n" for h in range(24)) + "".join(
        f"2026-01-02 {h:02}:00;{h},5\n" for h in range(24)
    )
    (tmp_path / "x.csv").write_bytes(("Zeit;Größe\n" + hours).encode("latin-1"))
    data = propose(tmp_path / "x.csv").loaded.config.data
    assert (data.encoding, data.delimiter, data.decimal, data.thousands) == ("latin-1", ";", ",", "none")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("load.csv.gz", "load"),
        ("load-*.csv", "load"),
        ("load-202[56].csv", "load-202"),
        ("in/*.csv", "in"),
        ("-", "stdin"),
    ],
)
def test_a_proposal_is_named_for_its_data(name, expected):
    assert get_config_path(Path(name)) == Path(f"{expected}.yaml")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("x.csv", "{}/x.csv"),
        ("'in/*.csv'", "{}/in/*.csv"),
        ("[a.csv, in/b.csv]", ("{}/a.csv", "{}/in/b.csv")),
        ("'-'", "-"),
    ],
)
def test_paths_are_relative_to_the_yaml(tmp_path, path, expected):
    (tmp_path / "c.yaml").write_text(f"data: {{path: {path}}}\nwindow: {{length: 4, horizon: 2}}\n")
    wanted = expected.format(tmp_path) if isinstance(expected, str) else tuple(e.format(tmp_path) for e in expected)
    assert load_config(tmp_path / "c.yaml").config.data.path == wanted


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("path: []", "data.path: received [], expected a path, or a list of paths"),
        ("path: [a.csv, 5]", "expected a path, or a list of paths"),
        ("path: x, delimiter: xx", "data.delimiter: received 'xx', expected auto, tab, or one character"),
        ("path: x, encoding: utf8", "data.encoding: received 'utf8', expected auto | utf-8"),
        ("path: x, na_values: -999", "data.na_values: received -999, expected a list"),
        ("path: x, na_values: [true]", "expected a number or text"),
        ("path: x, decimal: ',', thousands: ','", "data.thousands: ',' cannot go with the same data.decimal"),
        ("path: x, delimiter: '#', comment: '#'", "data.comment: '#' holds data.delimiter"),
        ("path: x, invalid_values: ignore", "data.invalid_values: received 'ignore', expected error | missing"),
    ],
)
def test_wrong_keys_are_refused(tmp_path, line, expected):
    (tmp_path / "c.yaml").write_text(f"data: {{{line}}}\nwindow: {{length: 4, horizon: 2}}\n")
    try:
        (found,) = load_config(tmp_path / "c.yaml").problems
    except ConfigError as error:
        (found,) = error.problems
    assert expected in str(found)


@pytest.mark.slow
def test_the_command_reads_standard_input_and_patterns_and_writes_what_it_found(tmp_path, forecast):
    text = write_hourly_csv(tmp_path / "load.csv", 200).read_text()
    german = text.replace(",", ";").replace(".", ",").encode("utf-16")

    def command(*arguments: str, stdin: bytes) -> tuple[int, str]:
        result = forecast(*arguments, cwd=tmp_path, stdin=stdin)
        return result.returncode, result.stderr

    code, messages = command("init", "-", "--verbose", stdin=german)
    assert code == 0, messages
    assert "stdin: read as utf-16-le (data.encoding)\nstdin: cells are separated by ';' (data.delimiter)\n" in messages
    assert "stdin: load: decimals have a comma (data.decimal)" in messages
    data = yaml.safe_load((tmp_path / "stdin.yaml").read_text())["data"]
    assert (data["path"], data["encoding"], data["delimiter"], data["decimal"]) == ("-", "utf-16-le", ";", ",")
    assert command("validate", "stdin.yaml", stdin=german) == (0, "")
    code, messages = command("validate", "stdin.yaml", stdin=text.encode())
    assert code == 4
    assert messages.startswith("stdin:1: not UTF-16-LE text")
    (tmp_path / "german.csv").write_bytes(german)
    settings = "data: {path: x}\nwindow: {length: 24, horizon: 1}\nmodel: {bidirectional: true}\n"
    (tmp_path / "impute.yaml").write_text(settings)
    result = forecast("impute", "german.csv", "impute.yaml", "--output", "out.csv", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    written = (tmp_path / "out.csv").read_bytes().decode("utf-16").splitlines()
    assert written[1] == german.decode("utf-16").splitlines()[1] + ";0;;;;"
    lines = text.splitlines(keepends=True)
    (tmp_path / "a.csv").write_text("".join(lines[:100]))
    (tmp_path / "b.csv").write_text("".join([lines[0], *lines[100:]]))
    result = forecast("init", "[ab].csv", "--output", "ab.yaml", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert yaml.safe_load((tmp_path / "ab.yaml").read_text())["data"]["path"] == "[ab].csv"
    result = forecast("validate", "ab.yaml", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


CELL = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.floats(-1e7, 1e7).map(lambda x: round(x, 3)), min_size=4, max_size=12),
    notes=st.lists(CELL, min_size=12, max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    marks=st.sampled_from([(".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", "'")]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]),
    end=st.sampled_from(["\n", "\r\n"]),
    packed=st.sampled_from([bytes, gzip.compress, lzma.compress]),
)
def test_a_series_comes_back_from_every_dialect(tmp_path, values, notes, delimiter, marks, encoding, end, packed):
    decimal, thousands = marks

    def written(value: float) -> str:
        text = f"{value:,.3f}".replace(",", "\0").replace(".", decimal).replace("\0", thousands)
        return quoted(text)

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if delimiter in text or '"' in text else text

    rows = [["day", "note", "load"]]
    rows += [[f"2026-01-{day:02}", quoted(notes[day - 1]), written(value)] for day, value in enumerate(values, 1)]
    path = tmp_path / "x.csv"
    path.write_bytes(packed("".join(delimiter.join(row) + end for row in rows).encode(encoding)))
    stated = Dialect(encoding.removesuffix("-sig"), delimiter, decimal, {"": "none"}.get(thousands, thousands))
    (found,) = read_series(path, "day", "load", "D", dialect=stated)
    np.testing.assert_allclose(found.values, values, atol=1e-9)
    try:
        (sniffed,) = read_series(path, "day", "load", "D")
    except DataError as error:  # the values may leave open what their marks are, and the notes what the encoding is
        codes = {problem.code for problem in error.problems}
        assert codes <= {"ambiguous-numbers", "unknown-encoding"}, error  # noqa: PT017
    else:
        np.testing.assert_allclose(sniffed.values, values, atol=1e-9)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=80)
    | st.lists(st.sampled_from([*"019.,;\t|\"'\n\r -#é", "2026-01-0", "day,load\n", "\nx;y\n"]), max_size=60).map(
        lambda parts: "".join(parts).encode()
    ),
    begin=st.sampled_from(
        [b"", b"", b"day,load\n2026-01-01,", b"\x1f\x8b", b"PK\x03\x04", b"\xff\xfe", b"\xfd7zXZ\x00"]
    ),
    comment=st.sampled_from([None, "#"]),
)
def test_whatever_a_file_holds_is_a_series_or_an_error_with_a_reason(tmp_path, content, begin, comment):
    path = tmp_path / "x.csv"
    path.write_bytes(begin + content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read_series(path, "auto", "auto", "auto", "zero", "first", dialect=Dialect(comment=comment))
        except DataError as error:
            assert "x.csv" in str(error)  # noqa: PT017
        else:
            assert np.isfinite(found[0].values).all()


def test_dates_in_a_first_column_without_a_name_are_its_index(tmp_path):
    series = read(tmp_path, DAYS.replace("day,", ","))
    assert (series.time, series.frequency, list(series.values)) == ("index", "D", VALUES)
    counted = "\n".join(f"{row - 1 if row else ''},{line}" for row, line in enumerate(DAYS.splitlines())) + "\n"
    assert read(tmp_path, counted).time == "day"
    path = tmp_path / "x.csv"
    path.write_text(DAYS.replace("day,", ",").replace("2026-01-03,3.5\n", ""))
    (gappy,) = read_series(path, "auto", "auto", "auto", "mask")
    filled = format_filled_csv(read_table(path), FilledSeries(gappy, np.array(VALUES), {}))
    assert filled.splitlines()[::3] == [",load,filled", "2026-01-03,3.5,1"]


HEADLESS = "".join(DAYS.splitlines(keepends=True)[1:])


@pytest.mark.parametrize("content", [HEADLESS, "112\n118\n", "0.5,1\n0.7,2\n", HEADLESS.replace(",", ";")])
def test_a_header_that_looks_like_data_is_refused_with_both_choices(tmp_path, content):
    message = refused(tmp_path, content)
    assert "x.csv:1: the header looks like a row of data" in message
    assert "choose --set data.header=false" in message


def test_a_file_without_a_header_keeps_its_first_row(tmp_path):
    series = read(tmp_path, HEADLESS, dialect=Dialect(header=False))
    assert (series.time, series.target, list(series.values)) == ("column_1", "column_2", VALUES)
    assert series.dialect.header is False
    message = refused(tmp_path, HEADLESS + "2026-01-05,x\n", dialect=Dialect(header=False))
    assert message.startswith("x.csv:5: column_2: 1 cell is not a number: 'x' (line 5)")
    skipped = read(tmp_path, HEADLESS, dialect=Dialect(header=False, skip=1))
    assert list(skipped.values) == VALUES[1:]


@pytest.mark.parametrize("header", ["2024,2025", "0,1", "1", ",0.5", "day,0.5", "V1,V2"])
def test_names_that_hold_numbers_are_names(tmp_path, header):
    (tmp_path / "x.csv").write_text(f"{header}\n" + 3 * ("1.5,2.5\n"[: 8 if "," in header else 4].rstrip() + "\n"))
    assert len(read_table(tmp_path / "x.csv")) == 3
