"""Series that are forecast together: arrays of them are those of each series alone."""

import datetime

import numpy as np
import pandas as pd
import pytest

from forecaster.config.schema import Checks
from forecaster.data import Panel
from forecaster.data.series import SelectedSeries
from forecaster.forecast import Forecast, ForecastBlock
from forecaster.forecasting.data_checks import DataChecks
from forecaster.forecasting.plausibility import ConstantRuns, Statistics
from forecaster.forecasting.series_block import SeriesBlock
from forecaster.problems import Problem

NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
LENGTHS = (30, 30, 18, 40, 1)


def make_panel(frequency: str = "MS") -> Panel:
    """Make five series, of which the second has two gaps that were filled, and the third a notice."""
    generator, ends = np.random.default_rng(0), np.cumsum(LENGTHS)
    observed = np.ones(ends[-1], bool)
    observed[[35, 59]] = False
    firsts = pd.DatetimeIndex(["2023-01-01", "2023-01-01", "2024-01-01", "2022-03-01", "2024-01-01"])
    names, notices = list("abcde"), {2: (Problem("origin-moved-back"),)}
    values = generator.normal(100, 5, ends[-1]).round(1)
    return Panel(names, ["y"] * 5, "t", frequency, firsts, ends, values, observed=observed, notices=notices)


@pytest.mark.parametrize("make", [lambda panel: panel, list, lambda panel: SelectedSeries(panel, [0, 1, 2, 3, 4])])
def test_arrays_are_those_of_each_series(make):
    panel = make_panel()
    block = SeriesBlock(make(panel)).select([3, 1, 2])
    each = [panel[3], panel[1], panel[2]]
    assert block.list_names() == ["d", "b", "c"] == [series.name for series in block]
    assert block.measure_lengths().tolist() == [40, 30, 18]
    assert block.are_observed().tolist() == [True, False, True]
    assert {place: [each.code for each in found] for place, found in block.get_notices().items()} == {
        2: ["origin-moved-back"]
    }
    newest = block.take_last_steps(20, skipped=3)
    for row, series in zip(newest, each, strict=True):
        expected = series.values[3:][-20:]
        np.testing.assert_array_equal(row, [*[np.nan] * (20 - len(expected)), *expected])
    assert np.isnan(block.take_last_steps(30, only_observed=True)[1]).nonzero()[0].tolist() == [5, 29]
    before = [series.values[:-18] for series in each]
    expected = [[values.min(), values.max()] if len(values) else [np.nan] * 2 for values in before]
    np.testing.assert_array_equal(block.measure_ranges_before(18), expected)


@pytest.mark.parametrize("make", [lambda panel: panel, list])
def test_series_of_one_calendar_share_their_timestamps(make):
    panel = make_panel()
    times = SeriesBlock(make(panel)).list_times_ahead(2)
    assert times[0][1] is times[1][1]
    for (origin, ahead), series in zip(times, panel, strict=True):
        assert origin == series.timestamps[-1]
        pd.testing.assert_index_equal(ahead, series.list_future_timestamps(2))


def test_blocks_follow_each_other():
    blocks = list(SeriesBlock(make_panel()).split(2))
    assert [block.list_names() for block in blocks] == [["a", "b"], ["c", "d"], ["e"]]
    assert SeriesBlock(make_panel()).select([]).list_names() == []


def change_panel(number: int) -> Panel:
    """Change some series of a panel so that checks find something, or almost."""
    panel, generator = make_panel(), np.random.default_rng(number)
    for begin, end in zip(panel.ends - LENGTHS, panel.ends, strict=True):
        values = panel.values[begin:end]
        match generator.integers(5):
            case 0:
                values[-generator.integers(1, 15) :] = values[-1]
            case 1:
                values[generator.integers(len(values))] += generator.choice([30.0, 60.0, 100.0, 1000.0, -1e5])
            case 2:
                values[:] = generator.choice([0.0, 7.0])
    return panel


@pytest.mark.parametrize("number", range(40))
def test_checks_of_a_block_find_what_those_of_each_series_find(number, monkeypatch):
    panel = change_panel(number)
    statistics = Statistics({"a": (90.0, 110.0), "c": (95.0, 95.0)}, {"a": ConstantRuns(2, 30, None)})
    checks = Checks(constant="warn", range="error", step="warn")

    together, alone = (DataChecks(checks, statistics, False, 12, True) for _ in range(2))
    monkeypatch.setattr(alone, "_find_plain_series", lambda block: (np.zeros((5, 2)), np.zeros(5, bool)))
    found, expected = (each.select_series(panel, [], NOW, "x.csv", 1) for each in (together, alone))
    assert found.block.list_names() == expected.block.list_names()
    np.testing.assert_array_equal(found.seen, expected.seen)
    assert (together.problems, together.notices) == (alone.problems, alone.notices)


def test_series_that_are_plain_are_not_looked_at_one_by_one(monkeypatch):
    checked, looked_at = DataChecks(Checks(), Statistics({}, {}), False, 12, True), []
    monkeypatch.setattr(checked, "_check_values", lambda series: (looked_at.append(series.name), (True, (0.0, 1.0)))[1])
    checked.select_series(make_panel(), [], NOW, "x.csv", 1)
    assert looked_at == ["b", "e"]  # one with gaps, and one that is shorter than the window


def test_forecasts_far_outside_the_range_seen_are_left_out():
    ahead = pd.date_range("2026-01-01", periods=2, freq="MS")
    pairs = zip("abcd", (2, 400, 400, 9), strict=True)
    forecasts = [Forecast(name, ahead[0], ahead, np.array([1.0, far])) for name, far in pairs]
    checked = DataChecks(Checks(range="error"), Statistics({}, {}), False, 12, True)
    seen = np.array([[0.0, 3.0], [0.0, 3.0], [np.nan, np.nan], [0.0, 0.0]])
    assert checked.check_forecasts(ForecastBlock.join(forecasts), seen) == [0, 2, 3]
    assert [problem.detail["series"] for problem in checked.problems] == ["b"]
