"""Panels: the timestamps of many series, which one grid holds where it can."""

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Panel
from forecaster.time.frequency import make_grid

LENGTHS = [4, 30, 1]


def make_panel(firsts: list[str], frequency: str, zone: str | None = None) -> Panel:
    ends = np.cumsum(LENGTHS)
    names, values = list("abc"), np.arange(ends[-1], dtype=float)
    return Panel(names, ["y"] * 3, "time", frequency, pd.DatetimeIndex(firsts, tz=zone), ends, values)


@pytest.mark.parametrize(
    ("firsts", "frequency", "zone"),
    [
        (["2020-03-01", "2019-01-01", "2022-12-01"], "MS", None),
        (["2020-03-01", "2019-01-01", "2019-02-01"], "2MS", None),
        (["2020-03-01 06:00", "2019-01-01", "2019-02-01"], "MS", None),
        (["2020-03-15", "2019-01-09", "2019-02-03"], "MS", None),
        (["2020-03-02", "2020-03-06", "2020-03-03"], "B", "Europe/Berlin"),
        (["2020-03-29 00:00", "2020-03-28 23:30", "2020-03-28 05:00"], "h", "Europe/Berlin"),
        (["2020-03-29", "2020-03-20", "2020-03-25"], "D", "Europe/Berlin"),
    ],
)
def test_each_series_has_the_timestamps_that_pandas_lists_from_its_first(firsts, frequency, zone):
    panel = make_panel(firsts, frequency, zone)
    for series, first, steps in zip(panel, panel.firsts, LENGTHS, strict=True):
        expected = pd.date_range(first, periods=steps, freq=frequency)
        pd.testing.assert_index_equal(series.timestamps, expected, exact="equiv")
        assert series.timestamps.tz == expected.tz


def test_the_same_moment_in_another_zone_or_unit_has_another_grid():
    moment = pd.Timestamp("2020-03-28T23:00", tz="UTC")
    for first in (moment, moment.tz_convert("Europe/Berlin"), moment.as_unit("ns"), moment.as_unit("s")):
        pd.testing.assert_index_equal(make_grid(first, 3, "D"), pd.date_range(first, periods=3, freq="D"))
