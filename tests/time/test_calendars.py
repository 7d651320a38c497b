"""The timestamps of series that share a calendar, which are made once."""

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Panel


def make_panel(frequency: str, firsts: list[str], lengths: list[int], zone: str | None = None) -> Panel:
    names = [f"s{number}" for number in range(len(firsts))]
    index, ends = pd.DatetimeIndex(firsts, tz=zone), np.cumsum(lengths)
    return Panel(names, names, "t", frequency, index, ends, np.arange(float(ends[-1])))


@pytest.mark.parametrize(("frequency", "zone"), [("h", None), ("MS", None), ("D", "Europe/Berlin")])
def test_series_of_one_calendar_have_one_index_and_others_their_own(frequency, zone):
    firsts = ["2026-03-01", "2026-03-01", "2026-04-01", "2026-03-01"]
    panel = make_panel(frequency, firsts, [40, 40, 40, 39], zone)
    for series, first, length in zip(panel, firsts, [40, 40, 40, 39], strict=True):
        assert list(series.timestamps) == list(pd.date_range(first, periods=length, freq=frequency, tz=zone))
    assert panel[0].timestamps is panel[1].timestamps
    known = {}
    times = [series.find_times_ahead(3, known) for series in (panel[0], panel[1], panel[2])]
    assert times[0] is times[1]
    for series, (last, ahead) in zip((panel[0], panel[1], panel[2]), times, strict=True):
        assert last == series.timestamps[-1]
        assert list(ahead) == list(series.list_future_timestamps(3))


def test_many_calendars_are_not_all_kept(monkeypatch):
    monkeypatch.setattr("forecaster.time.calendars._MOST", 2)
    days = [f"2026-03-{day:02}" for day in range(1, 10)]
    panel = make_panel("D", days, [5] * 9)
    assert [str(series.timestamps[0])[:10] for series in (*panel, *panel)] == 2 * days
