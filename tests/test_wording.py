"""How times and durations are written in messages."""

import pandas as pd
import pytest

from forecaster.wording import format_timestamp, format_timestamps, name_duration


@pytest.mark.parametrize(
    ("duration", "name"),
    [
        ("0 days 00:59:58", "59 minutes 58 seconds"),
        ("0 days 01:00:00", "1 hour"),
        ("3 days 02:00:00", "3 days 2 hours"),
        ("1 days 00:00:07", "1 day"),
        ("0 days 00:00:01", "1 second"),
        ("0 days 00:00:00.25", "0.25 seconds"),
        ("2222 days", "2,222 days"),
    ],
)
def test_a_duration_is_named_by_its_two_largest_units(duration, name):
    assert name_duration(pd.Timedelta(duration)) == name


def test_days_are_written_without_a_time_and_hours_with_it():
    assert format_timestamps(pd.to_datetime(["2026-01-02", "2026-01-03"])) == ["2026-01-02", "2026-01-03"]
    hours = ["2026-01-02 00:00:00", "2026-01-02 01:00:00"]
    assert format_timestamps(pd.to_datetime(hours)) == hours
    assert format_timestamp(pd.Timestamp("2026-01-02")) == "2026-01-02"
    assert format_timestamp(17) == "17"
