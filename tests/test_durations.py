"""Durations such as 90s and 7d in options and YAML."""

import pytest

from forecaster.cli.options import parse_seconds
from forecaster.durations import parse_duration
from forecaster.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("30min", 1800),
        ("2h", 7200),
        ("1.5h", 5400),
        (" 7d ", 604_800),
        ("2w", 1_209_600),
        ("1y", 31_536_000),
    ],
)
def test_a_duration_is_converted_to_seconds(text, seconds):
    assert parse_duration(text) == seconds
    assert parse_seconds(text, "--timeout") == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "0s", "-1h", "2 h", "2H", "1e3s", "٣h", "7days", "2mo", "1001y", "nan", "1h30m"]
)
def test_anything_else_is_no_duration(text):
    assert parse_duration(text) is None
    with pytest.raises(UsageError, match="expected a duration such as 90s, 30m"):
        parse_seconds(text, "--timeout")


def test_only_an_option_takes_seconds_without_a_unit():
    assert parse_duration("90") is None
    assert parse_seconds("90", "--timeout") == 90
    assert parse_seconds(None, "--timeout") is None
