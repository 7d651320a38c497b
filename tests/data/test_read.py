"""A CSV becomes a regular series, or a message that names the cell that is wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.data.assembly.column_roles import choose_example
from forecaster.errors import DataError
from forecaster.preprocessing import scaling
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.split import split_chronologically
from forecaster.preprocessing.transforms import IDENTITY, Transform
from forecaster.preprocessing.windows import gather_windows, list_window_starts
from forecaster.time.frequency import make_future_timestamps
from forecaster.time.grid import find_season_length
from forecaster.time.infer_frequency import infer_frequency
from tests.helpers.reading import read_series
from tests.helpers.scaling import fit_scaler


def csv(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(tmp_path: Path, text: str | bytes, **options) -> list[str]:
    with pytest.raises(DataError) as caught:
        series(tmp_path, text, **options)
    return [str(problem).replace(str(tmp_path) + "/", "") for problem in caught.value.problems]


def series(tmp_path: Path, text: str | bytes, **options):
    arguments = {"time": "auto", "target": "auto", "frequency": "auto"} | options
    return read_series(csv(tmp_path, text), **arguments)[0]


DAYS = "day,load\n2026-01-01,1\n2026-01-02,2\n2026-01-03,3\n2026-01-04,4\n"


def test_a_plain_csv(tmp_path):
    found = series(tmp_path, DAYS)
    assert (found.name, found.time, found.frequency, found.notices) == ("load", "day", "D", ())
    np.testing.assert_array_equal(found.values, [1, 2, 3, 4])
    assert list(found.timestamps) == list(pd.date_range("2026-01-01", periods=4))


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbf" + DAYS.encode(), DAYS.replace("\n", "\r\n").encode(), (DAYS + "\n\n").encode()]
)
def test_a_byte_order_mark_windows_line_ends_and_blank_lines_do_not_matter(tmp_path, text):
    np.testing.assert_array_equal(series(tmp_path, text).values, [1, 2, 3, 4])


def test_unsorted_rows_are_sorted_and_reported(tmp_path):
    found = series(tmp_path, "t,y\n2026-01-03,3\n2026-01-01,1\n2026-01-02,2\n")
    np.testing.assert_array_equal(found.values, [1, 2, 3])
    assert "rows are not in order of time (the first at line 3): sorted" in str(found.notices[0])


def test_duplicates_are_refused_with_their_line(tmp_path):
    text = "t,y\n2026-01-01,1\n2026-01-02,2\n2026-01-02,4\n2026-01-03,3\n"
    (found,) = problems(tmp_path, text)
    assert found.startswith("x.csv:3: 1 timestamp has duplicate rows: 2026-01-02")
    assert "data.duplicates: first | last | mean | sum" in found


@pytest.mark.parametrize(("policy", "value"), [("first", 2), ("last", 4), ("mean", 3), ("sum", 6)])
def test_duplicates_by_policy(tmp_path, policy, value):
    found = series(tmp_path, "t,y\n2026-01-01,1\n2026-01-02,2\n2026-01-02,4\n2026-01-03,3\n", duplicates=policy)
    np.testing.assert_array_equal(found.values, [1, value, 3])
    assert f"took the {policy}" in str(found.notices[0])


GAP = "t,y\n2026-01-01,1\n2026-01-02,\n2026-01-04,7\n2026-01-05,inf\n2026-01-06,9\n2026-01-07,10\n"


def test_empty_infinite_and_missing_steps_are_refused(tmp_path):
    found = problems(tmp_path, GAP)
    assert found[0].startswith("x.csv:3: y: 1 cell is empty: '' (line 3); choose how to fill")
    assert found[1].startswith("x.csv:5: y: 1 cell is infinite: 'inf' (line 5)")
    (gap,) = problems(tmp_path, "t,y\n2026-01-01,1\n2026-01-02,2\n2026-01-03,3\n2026-01-05,5\n")
    assert gap.startswith("x.csv:5: 1 day is missing: 2026-01-04")


@pytest.mark.parametrize(
    ("policy", "filled"),
    [("interpolate", [1, 3, 5, 7, 8, 9, 10]), ("previous", [1, 1, 1, 7, 7, 9, 10]), ("zero", [1, 0, 0, 7, 0, 9, 10])],
)
def test_gaps_by_policy(tmp_path, policy, filled):
    found = series(tmp_path, GAP, gaps=policy)
    np.testing.assert_array_equal(found.values, filled)
    assert f"3 days are missing: 2026-01-02, 2026-01-03, 2026-01-05: filled ({policy})" in str(found.notices[0])


def test_missing_steps_at_the_ends_are_left_out_not_invented(tmp_path):
    found = series(tmp_path, "t,y\n2026-01-01,\n2026-01-02,2\n2026-01-03,3\n2026-01-04,NA\n", gaps="interpolate")
    np.testing.assert_array_equal(found.values, [2, 3])
    assert found.timestamps[-1] == pd.Timestamp("2026-01-03")


def test_text_among_the_numbers_is_refused_with_the_first_five_places(tmp_path):
    rows = "".join(f"2026-01-{day:02},{'oops' if day > 2 else day}\n" for day in range(1, 11))
    (found,) = problems(tmp_path, "t,y\n" + rows, target="y")
    assert found.startswith("x.csv:4: y: 8 cells are not a number: 'oops' (line 4), 'oops' (line 5)")
    assert "(line 8), ...;" in found
    assert "(line 9)" not in found


def test_text_is_an_error_under_every_gap_policy(tmp_path):
    assert "not a number" in problems(tmp_path, "t,y\n2026-01-01,1\n2026-01-02,x\n", target="y", gaps="zero")[0]


def test_a_cell_that_is_no_date_is_refused(tmp_path):
    (found,) = problems(tmp_path, "t,y\n2026-01-01,1\nyesterday,2\n2026-01-03,3\n", time="t")
    assert found.startswith("x.csv:3: t: 1 cell is not a timestamp: 'yesterday' (line 3)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("t,y\n", "only a header"),
        ("t,y\n\n\n", "only a header"),
        ("t,y\n2026-01-01,1\n2026-01-02,2,3,4\n", "x.csv:3: 4 cells in a row of 2 columns"),
        (b"t,y\n\x81\xfe,1\n", "not UTF-8"),
        ("a,b\nx,y\nu,v\n", "no column holds timestamps such as 2026-01-31 ('a' begins with 'x')"),
        ("t,a,b\n2026-01-01,1,2\n", "several columns hold numbers: a, b; choose one, such as --set data.target=b"),
        ("t,1,2\n2026-01-01,1,2\n", """choose one, such as --set 'data.target="2"', or"""),
        ("t,1,b c\n2026-01-01,1,2\n", "choose one, such as --set 'data.target=b c', or"),
        ("t,y\n2026-01-01,\n2026-01-02,\n", "no column holds numbers"),
    ],
)
def test_what_is_no_series_is_refused(tmp_path, text, expected):
    assert expected in problems(tmp_path, text)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t,y\n2026-01-01,1,000\n2026-01-02,2,000\n", "x.csv:2: 3 cells in a row of 2 columns, and 1 more such row"),
        ("t,y\n2026-01-01,1\n2026-01\n", "x.csv:3: 1 cell in a row of 2 columns"),
        ("t,y, y\n2026-01-01,1,2\n", "x.csv:1: the column 'y' is named twice"),
        (
            "t,y\n2026-01-01,1\n2026-13-02,2\n2026-01-03,3\n",
            "x.csv:3: t: 1 cell is not a timestamp: '2026-13-02' (line 3)",
        ),
        ("n,y\n0,1\n1,2\n900000000,3\n", "almost all are missing; check data.time and data.frequency"),
        ("t,y\n2026-01-01,1\x00\n", "x.csv"),
    ],
)
def test_rows_that_would_be_misread_are_refused(tmp_path, text, expected):
    options = {"time": "n", "target": "y"} if text.startswith("n,") else {}
    assert expected in problems(tmp_path, text, **options)[0]


def test_a_comma_at_the_end_of_each_line_does_not_matter(tmp_path):
    np.testing.assert_array_equal(series(tmp_path, DAYS.replace("\n", ",\n")).values, [1, 2, 3, 4])


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    text = '\n\nt,y,note\n2026-01-01,1,"two\nlines"\n2026-01-02,x,-\n'
    assert problems(tmp_path, text, target="y")[0].startswith("x.csv:6: y: 1 cell is not a number: 'x' (line 6)")


def test_dates_of_eight_digits_are_dates(tmp_path):
    found = series(tmp_path, "t,y\n20260130,1\n20260131,2\n20260201,3\n", target="y")
    assert (found.frequency, found.timestamps[2]) == ("D", pd.Timestamp("2026-02-01"))


def test_centuries_are_years(tmp_path):
    rows = "".join(f"{year}-01-01,{year}\n" for year in range(1500, 2020))
    assert series(tmp_path, "t,y\n" + rows, target="y").frequency == "YS-JAN"


@pytest.mark.parametrize("alias", ["0h", "-1h", "nonsense", "1ns"])
def test_a_frequency_that_makes_no_sense_is_refused(tmp_path, alias):
    assert problems(tmp_path, DAYS, frequency=alias)


def test_values_too_large_to_scale_are_refused():
    with pytest.raises(DataError, match="too large"):
        fit_scaler(np.array([1.0, 1e200]), "standard")


def test_an_all_empty_target_is_refused(tmp_path):
    assert problems(
        tmp_path,
        DAYS.replace(",1", ",").replace(",2\n", ",\n").replace(",3", ",").replace(",4", ","),
        target="load",
        gaps="zero",
    )


def test_a_missing_column_is_named_with_the_nearest(tmp_path):
    assert problems(tmp_path, DAYS, target="laod") == [
        "x.csv:1: no column 'laod', did you mean 'load'?; columns: day, load"
    ]


def test_a_missing_file_is_named_with_the_nearest(tmp_path):
    csv(tmp_path, DAYS)
    with pytest.raises(DataError, match="y.csv: no such file, did you mean 'x.csv'"):
        read_series(tmp_path / "y.csv", "auto", "auto", "auto")


def test_rows_without_a_time_column_are_steps(tmp_path):
    found = series(tmp_path, "y\n5\n6\n7\n")
    assert (found.time, found.frequency, list(found.timestamps)) == (None, "step", [0, 1, 2])


def test_an_integer_time_column_is_steps(tmp_path):
    found = series(tmp_path, "n,y\n7,1\n8,2\n9,3\n", time="n")
    assert (found.frequency, list(found.timestamps)) == ("step", [7, 8, 9])


def test_numbers_that_could_be_years_are_no_timestamps(tmp_path):
    found = series(tmp_path, "y\n1234\n12.5\n1999\n2026\n")
    assert (found.time, found.frequency, len(found)) == (None, "step", 4)


def test_epoch_milliseconds_are_dates(tmp_path):
    found = series(tmp_path, "t,y\n1609459200000,1\n1609545600000,2\n1609632000000,3\n")
    assert (found.frequency, found.timestamps[0]) == ("D", pd.Timestamp("2021-01-01"))


def test_offsets_that_change_with_summer_time_become_utc(tmp_path):
    text = (
        "t,y\n2026-03-29T00:00+01:00,1\n2026-03-29T01:00+01:00,2\n2026-03-29T03:00+02:00,3\n2026-03-29T04:00+02:00,4\n"
    )
    found = series(tmp_path, text)
    assert found.frequency == "h"
    assert found.timestamps[0] == pd.Timestamp("2026-03-28T23:00Z")


def test_day_and_month_are_distinguished_by_the_data_or_not_at_all(tmp_path):
    assert series(tmp_path, "t,y\n30/01/2026,1\n31/01/2026,2\n01/02/2026,3\n").timestamps[2] == pd.Timestamp(
        "2026-02-01"
    )
    (found,) = problems(tmp_path, "t,y\n01/02/2026,1\n02/02/2026,2\n03/02/2026,3\n")
    assert "can be read as %d/%m/%Y and %m/%d/%Y" in found


@pytest.mark.parametrize(
    "alias",
    [
        "h",
        "15min",
        "30min",
        "s",
        "D",
        "B",
        "W-MON",
        "W-SUN",
        "MS",
        "ME",
        "QS-JAN",
        "QE-DEC",
        "YS-JAN",
        "YE-DEC",
        "3h",
        "10D",
        "QS-FEB",
        "YS-JUL",
    ],
)
@pytest.mark.parametrize("drop", [[], [7, 20, 21]])
def test_the_frequency_is_inferred_with_and_without_gaps(alias, drop):
    timestamps = pd.date_range("2019-01-31 05:00", periods=60, freq=alias)
    assert infer_frequency(timestamps.delete(drop)) == alias


def test_timestamps_without_a_step_are_refused():
    rng = np.random.default_rng(0)
    timestamps = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 10**9, 50)), unit="us")
    with pytest.raises(DataError, match="follow no regular step"):
        infer_frequency(pd.DatetimeIndex(timestamps))


@pytest.mark.parametrize(
    ("alias", "season"),
    [
        ("h", 24),
        ("30min", 48),
        ("15min", 96),
        ("3h", 8),
        ("7h", 1),
        ("D", 7),
        ("B", 5),
        ("W-TUE", 52),
        ("MS", 12),
        ("QE-DEC", 4),
        ("YS-JAN", 1),
        ("step", 1),
        ("min", 1440),
    ],
)
def test_the_season_of_a_frequency(alias, season):
    assert find_season_length(alias) == season


@pytest.mark.parametrize(
    ("origin", "alias", "expected"),
    [
        ("2026-01-31", "ME", ["2026-02-28", "2026-03-31"]),
        ("2026-12-01", "MS", ["2027-01-01", "2027-02-01"]),
        ("2028-02-28", "D", ["2028-02-29", "2028-03-01"]),
        ("2026-11-20", "B", ["2026-11-23", "2026-11-24"]),
        ("2026-11-21 23:00", "h", ["2026-11-22 00:00", "2026-11-22 01:00"]),
    ],
)
def test_the_future_follows_the_calendar(origin, alias, expected):
    assert list(make_future_timestamps(pd.Timestamp(origin), 2, alias)) == [pd.Timestamp(text) for text in expected]


def test_a_stated_frequency_must_hold_every_timestamp(tmp_path):
    assert (
        "the timestamps are not all on steps of W-THU, the first that is not: 2026-01-02"
        in problems(tmp_path, DAYS, frequency="W-THU")[0]
    )
    assert "does not fit timestamps such as" in problems(tmp_path, DAYS, frequency="step")[0]
    assert "is not a frequency" in problems(tmp_path, DAYS, frequency="hourly")[0]


@pytest.mark.parametrize(
    ("kind", "offset", "scale"),
    [("none", 0, 1), ("standard", 3, np.sqrt(2)), ("minmax", 1, 4), ("robust", 3, 2), ("change", 3, 1)],
)
def test_scalers_worked_by_hand(kind, offset, scale):
    scaler = fit_scaler(np.array([1.0, 2, 3, 4, 5]), kind)
    assert (scaler.offset, scaler.scale) == (offset, pytest.approx(scale))
    np.testing.assert_allclose(scaler.invert(scaler.transform(np.array([7.0, -2]))), [7, -2])
    assert Scaler.from_json(scaler.to_json()) == scaler


@pytest.mark.parametrize("kind", ["none", "standard", "minmax", "robust"])
def test_a_constant_scales_back_to_itself_whatever_a_network_forecasts(kind):
    scaler = fit_scaler(np.full(5, 1e30), kind)
    np.testing.assert_array_equal(scaler.transform(np.full(3, 1e30)), 0)
    np.testing.assert_array_equal(scaler.invert(np.array([0.3, -2.0])), 1e30)


def test_the_unit_of_scaling_by_change_is_the_denominator_of_mase():
    values = np.array([[1.0, 10, 2, 12, 5, 9, 5, 7]])
    scaler = scaling.fit_scaler(values, "change", Transform.stack([IDENTITY]), season=2)
    assert float(scaler.scale[0, 0]) == pytest.approx((1 + 2 + 3 + 3 + 0 + 2) / 6)
    short = scaling.fit_scaler(values[:, :3], "change", Transform.stack([IDENTITY]), season=2)
    assert float(short.scale[0, 0]) == pytest.approx((9 + 8) / 2)
    repeated = scaling.fit_scaler(np.tile(values, 3), "change", Transform.stack([IDENTITY]), season=8)
    assert float(repeated.scale[0, 0]) == pytest.approx(0.01 * values.std())


def test_robust_scaling_of_mostly_one_value_still_distinguishes_the_others():
    assert fit_scaler(np.array([0.0] * 9 + [10]), "robust").scale == pytest.approx(3)


def test_the_split_is_chronological():
    split = split_chronologically(100, 0.1, 20, length=5, ahead=1, horizon=10)
    assert (split.training_end, split.validation_end, split.steps) == (70, 80, 100)


def test_windows_of_the_parts_share_no_target():
    length, ahead = 5, 3
    split = split_chronologically(40, 8, 8, length, ahead, horizon=3)
    training = list_window_starts(length, split.training_end, length, ahead)
    validation = list_window_starts(split.training_end, split.validation_end, length, ahead)
    targets = [{s + length + h for s in starts for h in range(ahead)} for starts in (training, validation)]
    assert targets == [set(range(5, 24)), set(range(24, 32))]


def test_a_window_holds_the_steps_from_its_start():
    np.testing.assert_array_equal(gather_windows(np.arange(10.0), np.array([0, 4]), 3), [[0, 1, 2], [4, 5, 6]])


@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (5, 0.2), (0, 0), (0.5, 3)])
def test_a_series_that_is_too_short_is_reported_with_how_many_rows_it_needs(validation, test):
    with pytest.raises(DataError, match="expected at least") as caught:
        split_chronologically(6, validation, test, length=6, ahead=1, horizon=3)
    needed = int(str(caught.value).split("at least ")[1].split()[0].replace(",", ""))
    split_chronologically(needed, validation, test, length=6, ahead=1, horizon=3)
    with pytest.raises(DataError):
        split_chronologically(needed - 1, validation, test, length=6, ahead=1, horizon=3)


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"close": "1.5 2.5 4", "splits": "0 0 0"}, "close"),
        ({"sold": "5 2 4", "promo": "0 1 0"}, "sold"),
        ({"Open": "1 3 2", "Close": "2 5 3", "Volume": "9 7 8"}, "Close"),
        ({"amount": "1 3 2", "storeId": "9 7 8"}, "amount"),
        ({"a": "1 3 2", "id": "9 7 8", "year": "2 4 1"}, "a"),
        ({"a": "7 3 2", "row": "1 2 3"}, "a"),
        ({"a": "1 3 2", "b": "2 9 4"}, "b"),
        ({"flag": "0 1 0", "one": "1 1 1"}, "one"),
    ],
)
def test_the_example_of_a_target_is_worth_forecasting(columns, chosen):
    assert choose_example({name: pd.Series(cells.split()) for name, cells in columns.items()}) == chosen
