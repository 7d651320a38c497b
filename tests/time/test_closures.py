"""Steps that are missing at the same times: opening hours, days of rest, a season without sales."""

import numpy as np
import pandas as pd
import pytest

from forecaster.time.closures import find_closure

DAYS = pd.date_range("2024-01-01", "2025-12-31")  # a Monday to a Wednesday
HOURS = pd.date_range("2024-01-01", periods=24 * 28, freq="h")
MONTHS = pd.date_range("2020-01-01", periods=48, freq="MS")


@pytest.mark.parametrize(
    ("grid", "is_closed", "name", "repair"),
    [
        (DAYS, lambda t: t.day_of_week == 6, "on Sundays", {"data.weekmask": "Mon Tue Wed Thu Fri Sat"}),
        (DAYS, lambda t: t.day_of_week >= 5, "on Saturdays and Sundays", {"data.weekmask": "Mon Tue Wed Thu Fri"}),
        # open on the Sundays before Christmas
        (DAYS, lambda t: (t.day_of_week == 6) & ~((t.month == 12) & (t.day < 25)), "on Sundays", {"data.frequency": "sessions"}),
        (DAYS, lambda t: t.month.isin([7, 8]), "in July and August", {"data.frequency": "sessions"}),
        (MONTHS, lambda t: t.month == 8, "in August", {}),
        (HOURS, lambda t: (t.hour >= 20) | (t.hour < 8), "from 20:00 to 07:00", {"data.frequency": "sessions"}),
        (HOURS, lambda t: t.hour.isin([0, 12]), "at the same hours of a day", {"data.frequency": "sessions"}),
        (HOURS, lambda t: t.day_of_week == 6, "on Sundays", {"data.frequency": "sessions"}),
        (
            HOURS,
            lambda t: (t.hour < 8) | (t.hour >= np.where(t.day_of_week == 5, 12, 20)) | (t.day_of_week == 6),
            "at the same hours of a weekday",
            {"data.frequency": "sessions"},
        ),
    ],
)  # fmt: skip
def test_times_that_are_always_missing_are_named(grid, is_closed, name, repair):
    missing = np.array(is_closed(grid))
    missing[[0, -1]] = False  # a series begins and ends with a row
    found = find_closure(grid, missing)
    assert found is not None
    assert (found.name, found.repair) == (name, repair)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("grid", [DAYS, HOURS, MONTHS])
def test_gaps_by_chance_follow_no_calendar(grid, seed):
    generator = np.random.default_rng(seed)
    scattered = generator.random(len(grid)) < 0.3
    outage = np.zeros(len(grid), bool)
    outage[10 : 10 + len(grid) // 4] = True
    assert find_closure(grid, scattered) is None
    assert find_closure(grid, outage) is None


def test_two_sundays_are_no_rule_and_steps_have_no_weekday():
    fortnight = DAYS[:15]
    assert find_closure(fortnight, np.array(fortnight.day_of_week == 6)) is None
    assert find_closure(pd.RangeIndex(20), np.arange(20) % 7 == 6) is None
