"""Implausible values and forecasts, stuck series and rows of a longer step: thresholds by hand, and no real series."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Series
from forecaster.forecast import Forecast
from forecaster.forecasting.plausibility import (
    ConstantRuns,
    find_coarser_end,
    find_constant_end,
    find_implausible_forecast,
    find_implausible_value,
    measure_all_runs,
    measure_runs,
)
from tests.helpers.command import DATA


def series_of(values, observed=None, frequency="h"):
    values = np.asarray(values, float)
    return Series(
        "y", "y", "t", pd.date_range("2026-01-01", periods=len(values), freq="h"), values, frequency, observed=observed
    )


def find_value(values, known, length=4, factor=10.0):
    return find_implausible_value(series_of(values), length, known, factor)


# 80 to 120 is 40 wide: ten widths end at -320 and 520.
@pytest.mark.parametrize(("value", "implausible"), [(520.0, False), (520.1, True), (-320.0, False), (-321.0, True)])
def test_a_value_more_than_ten_widths_outside_the_range_is_implausible(value, implausible):
    problem, seen = find_value([100, 90, value, 110], (80.0, 120.0))
    assert (problem is not None) == implausible
    if problem is None:
        assert seen == (min(80, value), max(120, value))
    else:
        assert problem.detail == {"series": "y", "value": value, "low": 80.0, "high": 120.0, "factor": 10.0}


@pytest.mark.parametrize(
    ("known", "plausible", "implausible"),
    [
        ((7.75, 7.85), 15.6, 15.8),  # a tenth of 7.85 is wider than 0.1: 7.85 + 7.85 is the limit
        ((5.0, 5.0), 9.9, 10.1),
        ((-20.0, 20.0), 420.0, 421.0),  # zero is no special value
        ((-5.0, -5.0), -9.9, -10.1),
    ],
)
def test_a_narrow_range_is_a_tenth_of_its_level_wide(known, plausible, implausible):
    middle = np.mean(known)
    assert find_value([middle, middle, middle, plausible], known)[0] is None
    assert find_value([middle, middle, middle, implausible], known)[0] is not None


def test_nothing_is_known_of_a_series_that_was_always_zero():
    assert find_value([0, 0, 0, 12], (0.0, 0.0))[0] is None


def test_history_extends_the_range_of_the_training_unless_it_is_implausible():
    window = [100, 100, 100, 3000]
    grown = [100, 400, 900, *window]  # 400 widens 80..120 to 80..400, which reaches 3,600
    assert find_value(grown, (80.0, 120.0))[0] is None
    assert find_value([100, 9999, 9999, *window], (80.0, 120.0))[0].detail["high"] == 120
    # without a training it is the range, where there is enough of it
    assert find_value([80, 100, 120, 100, 100, 100, 100, 521], None)[0] is not None
    assert find_value([80, 100, 120, 100, 100, 100, 521], None) == (None, None)


def test_values_near_the_largest_that_exist_are_implausible_and_do_not_overflow():
    assert find_value([1e308, -1e308, 1.7e308, 0], (0.0, 1.0))[0].detail["value"] == 1.7e308
    assert find_value([1e308, -1e308, 1.7e308, 0], (-1e308, 1e308))[0] is None


def test_a_forecast_is_compared_with_the_same_range():
    def forecast(*mean):
        timestamps = pd.date_range("2026-01-02", periods=len(mean), freq="h")
        return Forecast("y", pd.Timestamp("2026-01-01 23:00"), timestamps, np.array(mean))

    assert find_implausible_forecast(forecast(100.0, 520), (80.0, 120.0), 10.0) is None
    found = find_implausible_forecast(forecast(100.0, 530, 600), (80.0, 120.0), 10.0)
    assert str(found) == (
        "y: the forecast of 2026-01-02 02:00:00 is 600, more than 10 times the range ever seen, 80 to 120, outside it; "
        "train again, or write it with --set checks.range=ignore, or set: {checks.range: ignore} in a job"
    )


def test_the_runs_of_equal_values_are_counted():
    assert measure_runs(np.array([1.0, 2, 2, 2, 1, 3])) == ConstantRuns(3, 4, 2.0)  # half of the steps are 2
    assert measure_runs(np.array([1.0, 2, 2, 1, 3])) == ConstantRuns(2, 4, None)
    assert measure_runs(np.array([0.0, 0, 5, 0, 0])) == ConstantRuns(2, 3, 0.0)
    assert measure_runs(np.array([7.0])) == ConstantRuns(1, 1, 7.0)
    several = np.array([[0.0, 0, 5, 0, 0], [5.0, 2, 2, 1, 3], [3.0, 3, 3, 3, 3]])
    assert measure_all_runs(several) == [(2, 3, 0.0), (2, 4, None), (5, 1, 3.0)]


CHANGING = np.arange(40.0)  # 40 runs of one step


@pytest.mark.parametrize(
    ("history", "known", "stuck", "found"),
    [
        (CHANGING, None, 11, False),  # fewer than twelve steps are never reported
        (CHANGING, None, 12, True),
        (CHANGING, ConstantRuns(8, 100, None), 16, False),  # twice as long as in training
        (CHANGING, ConstantRuns(8, 100, None), 17, True),
        (np.repeat(CHANGING, 8), None, 16, False),  # twice as long as in the file
        (np.repeat(CHANGING, 8), None, 17, True),
        (CHANGING[:19], None, 100, False),  # too few runs to know how long they are
        (CHANGING[:19], ConstantRuns(1, 500, None), 100, True),
        ([], ConstantRuns(1, 500, None), 100, True),  # a file that holds nothing else
        ([], None, 100, False),
        (CHANGING, ConstantRuns(3, 500, 91.5), 100, False),  # half of the training had that value
    ],
)
def test_a_series_is_stuck_after_twice_its_longest_run(history, known, stuck, found):
    problem = find_constant_end(series_of(np.r_[history, np.full(stuck, 91.5)]), known)
    assert (problem is not None) == found
    if problem is not None:
        assert (problem.detail["value"], problem.detail["steps"]) == (91.5, stuck)


def test_zeros_of_intermittent_sales_and_closed_hours_are_not_stuck():
    sales = np.tile([0.0, 0, 3, 0, 0, 0, 1], 30)
    assert find_constant_end(series_of(np.r_[sales, np.zeros(60)]), None) is None
    assert find_constant_end(series_of(np.r_[sales, np.full(60, 3.0)]), None) is not None
    sun = np.tile(np.r_[np.zeros(16), np.arange(1.0, 9)], 30)
    assert find_constant_end(series_of(np.r_[sun, np.zeros(16)]), None) is None


def test_values_that_were_filled_are_not_stuck():
    observed = np.r_[np.ones(41, bool), np.zeros(30, bool)]
    assert find_constant_end(series_of(np.r_[CHANGING, np.full(31, 91.5)], observed), None) is None


@pytest.mark.parametrize(
    ("observed", "apart"),
    [
        (None, None),
        (np.ones(48, bool), None),
        (np.r_[np.ones(24, bool), np.tile([True, False, False], 8)], 3),
        (np.r_[np.ones(24, bool), np.tile([True, False, False], 7), True, True, False], None),
        (np.tile([True, *[False] * 11], 4), None),  # four values are too few
        (np.r_[np.ones(41, bool), np.zeros(7, bool)], None),  # late, not of a longer step
    ],
)
def test_newest_values_more_than_a_step_apart_are_of_a_longer_step(observed, apart):
    found = find_coarser_end(series_of(np.arange(48.0), observed), 12)
    assert (found and found.detail["apart"]) == apart


def read_real_series() -> Iterator[tuple[str, np.ndarray]]:
    """Every series of the shared data that is a target there: 2,900, of every 15 minutes to quarters, hourly to quarterly."""
    for name in ("M4/Hourly-train.csv", "M3/M3Month.csv", "M3/M3Quart.csv"):
        table = pd.read_csv(DATA / name).iloc[:, 1:].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        yield from ((f"{name} {number}", row[~np.isnan(row)]) for number, row in enumerate(table))
    for path in sorted(DATA.rglob("*.csv")):
        folder = path.parent.name
        if folder in {"M4", "M3", "tourism"}:
            continue
        table = pd.read_csv(path, low_memory=False)
        key = next((name for name in ("unique_id", "series_id") if name in table), None)
        groups = [("", table)] if key is None else table.groupby(key)
        for label, group in groups:
            for name in group.select_dtypes("number"):
                values = group[name].dropna().to_numpy(float)
                if len(values) > len(group) / 2:
                    yield f"{folder}/{path.name} {label} {name}", values


@pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")
def test_no_real_series_is_implausible_or_stuck():
    count, refused = 0, []
    for name, values in read_real_series():
        split = int(0.8 * len(values))
        if split < 24:
            continue
        count += 1
        known, runs = (float(values[:split].min()), float(values[:split].max())), measure_runs(values[:split])
        for end in np.linspace(split, len(values), 6).astype(int)[1:]:
            series, window = series_of(values[:end]), max(4, (end - split) // 5 + 1)
            found = find_implausible_value(series, window, known, 10.0)[0], find_constant_end(series, runs)
            refused += [f"{name}: {each}" for each in found if each is not None]
    assert count > 2500
    assert refused == []
