"""data.late: newest steps without a value are filled, or the series ends before them."""

import numpy as np
import pandas as pd
import pytest

from forecaster.data.options import Late
from forecaster.errors import DataError
from tests.helpers.reading import read_series


def write(path, rows, header="time,load"):
    path.write_text(header + "\n" + "\n".join(rows) + "\n")
    return path


def hourly(*values):
    """A row for each value from 00:00 on; no row for None, an empty cell for an empty text."""
    return [f"2026-01-01 {hour:02d}:00,{value}" for hour, value in enumerate(values) if value is not None]


def read(path, gaps="error", late=None, frequency="h", **further):
    return read_series(path, "time", "load", frequency, gaps, late=late and Late(*late), **further)


FILL, BACK = (2, "fill"), (2, "move_back")


@pytest.mark.parametrize(
    ("values", "gaps", "late", "expected", "code"),
    [
        ((1, 2, 3, None, 5), "error", FILL, [1, 2, 3, 3, 5], "late-steps-filled"),
        ((1, 2, 3, "", 5), "error", FILL, [1, 2, 3, 3, 5], "late-steps-filled"),
        ((1, 2, 3, None, 5), "interpolate", FILL, [1, 2, 3, 4, 5], "late-steps-filled"),
        ((1, 2, 3, None, 5), "zero", FILL, [1, 2, 3, 0, 5], "late-steps-filled"),
        ((1, 2, 3, 4, ""), "error", FILL, [1, 2, 3, 4, 4], "late-steps-filled"),  # a row that is there, and is empty
        ((1, 2, 3, "", ""), "interpolate", FILL, [1, 2, 3, 3, 3], "late-steps-filled"),
        ((1, 2, "", "", ""), "interpolate", FILL, [1, 2], None),  # more than may be late: as without the policy
        ((1, 2, 3, None, 5), "error", BACK, [1, 2, 3], "origin-moved-back"),
        ((1, 2, 3, None, 5), "zero", BACK, [1, 2, 3], "origin-moved-back"),
        ((1, 2, 3, 4, ""), "error", BACK, [1, 2, 3, 4], "origin-moved-back"),
        ((1, 2, 3, 4, 5), "error", FILL, [1, 2, 3, 4, 5], None),
        ((1, 2, 3, 4, 5), "error", BACK, [1, 2, 3, 4, 5], None),
        ((1, None, 3, 4, 5), "interpolate", BACK, [1, 2, 3, 4, 5], None),  # an old gap is none of its business
    ],
)
def test_the_last_steps_may_be_missing(tmp_path, values, gaps, late, expected, code):
    (series,) = read(write(tmp_path / "load.csv", hourly(*values)), gaps, late)
    np.testing.assert_array_equal(series.values, expected)
    late_codes = {"late-steps-filled", "origin-moved-back"}
    assert [notice.code for notice in series.notices if notice.code in late_codes] == ([code] if code else [])
    assert len(series.timestamps) == len(expected)


def test_an_earlier_gap_stays_an_error(tmp_path):
    path = write(tmp_path / "load.csv", hourly(1, None, 3, 4, None, 6))
    for late in (FILL, BACK):
        with pytest.raises(DataError, match="1 hour is missing: 2026-01-01 01:00:00"):
            read(path, late=late)
    with pytest.raises(DataError, match="2 hours are missing"):
        read(path)
    path = write(tmp_path / "load.csv", hourly(1, "", 3, 4, "", 6))
    for late in (FILL, BACK):
        with pytest.raises(DataError, match=r"1 cell is empty: '' \(line 3\)"):
            read(path, late=late)
    path = write(tmp_path / "load.csv", hourly(1, "", None, None, 5, 6))  # the newest rows, and not the newest steps
    with pytest.raises(DataError, match="1 hour is missing: 2026-01-01 01:00:00"):
        read(path, late=(4, "fill"))


def test_filled_steps_are_not_observed(tmp_path):
    path = write(tmp_path / "load.csv", hourly(1, 2, 3, None, 5, ""))
    for gaps in ("error", "interpolate", "zero", "mask"):
        (series,) = read(path, gaps, (3, "fill"))
        np.testing.assert_array_equal(series.observed, [True, True, True, False, True, False])


def test_the_longest_gap_does_not_limit_late_steps(tmp_path):
    from forecaster.time.rules import TimeRules

    path = write(tmp_path / "load.csv", hourly(1, 2, 3, None, None, 6))
    rules = TimeRules(max_gap=1)
    with pytest.raises(DataError, match="2 hours are missing in a row"):
        read(path, "interpolate", rules=rules)
    (series,) = read(path, "interpolate", (3, "fill"), rules=rules)
    np.testing.assert_array_equal(series.values, [1, 2, 3, 4, 5, 6])


SHOPS = ["2026-01-01,a,1", "2026-01-02,a,2", "2026-01-03,a,3", "2026-01-01,b,7", "2026-01-02,b,8"]


def test_the_newest_row_of_any_series_shows_what_others_lack(tmp_path):
    path = write(tmp_path / "shops.csv", SHOPS, "time,shop,load")
    a, b = read(path, frequency="D", series="shop", late=FILL)
    np.testing.assert_array_equal(b.values, [7, 8, 8])
    assert (a.notices, a.timestamps[-1], b.timestamps[-1]) == ((), *2 * [pd.Timestamp("2026-01-03")])
    a, b = read(path, frequency="D", series="shop", late=BACK)
    np.testing.assert_array_equal(b.values, [7, 8])
    assert str(b.notices[0]).endswith("1 day is left out at the end, so that forecasts begin after 2026-01-02")


def test_rows_that_hold_the_future_of_covariates_are_not_late(tmp_path):
    rows = [f"2026-01-0{day},{load},{day}" for day, load in ((1, 1), (2, 2), (3, ""), (4, ""))]
    path = write(tmp_path / "load.csv", rows, "time,load,price")
    (series,) = read(path, frequency="D", columns=["price"], late=FILL)
    np.testing.assert_array_equal(series.values, [1, 2])
    np.testing.assert_array_equal(series.covariates["price"].values, [1, 2, 3, 4])


def test_covariates_of_late_rows_are_missing(tmp_path):
    rows = [*(f"{row},1" for row in SHOPS)]
    path = write(tmp_path / "shops.csv", rows, "time,shop,load,price")
    _, b = read(path, frequency="D", series="shop", columns=["price"], late=FILL)
    np.testing.assert_array_equal(b.values, [7, 8, 8])
    np.testing.assert_array_equal(b.covariates["price"].values, [1, 1, np.nan])


@pytest.mark.parametrize(("late", "expected"), [(FILL, [1, 2, 3, 4, 4]), (BACK, [1, 2, 3, 4])])
def test_a_trading_day_without_a_value_is_late(tmp_path, late, expected):
    days = ("2026-01-05", "2026-01-06", "2026-01-08", "2026-01-09", "2026-01-12")
    rows = [f"{day},{value}" for day, value in zip(days, (1, 2, 3, 4, ""), strict=True)]
    (series,) = read(write(tmp_path / "close.csv", rows), frequency="sessions", late=late)
    np.testing.assert_array_equal(series.values, expected)
    assert list(series.timestamps) == list(map(pd.Timestamp, days[: len(expected)]))
    rows = [f"{day},{value}" for day, value in zip(days, (1, 2, 3, "", 5), strict=True)]
    (series,) = read(write(tmp_path / "close.csv", rows), frequency="sessions", late=late)
    np.testing.assert_array_equal(series.values, [1, 2, 3, 3, 5] if late == FILL else [1, 2, 3])
    assert len(series.timestamps) == len(series.values)


def test_steps_without_dates_are_late_as_well(tmp_path):
    path = write(tmp_path / "load.csv", ["1,a", "2,a", ",a", "4,a"], "load,note")
    for late, expected in ((FILL, [1, 2, 2, 4]), (BACK, [1, 2])):
        (series,) = read_series(path, None, "load", "step", "error", late=Late(*late))
        np.testing.assert_array_equal(series.values, expected)
