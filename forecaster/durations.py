"""Durations as options, configs and jobs files write them: `90s`, `30m`, `2h`, `7d`, `2w`, `1y`."""

import re

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_DURATION = re.compile(rf"(\d{{1,9}}(?:\.\d{{1,9}})?)({'|'.join(_SECONDS)})", re.ASCII)
_LONGEST = 1000 * _SECONDS["y"]
EXPECTED_DURATION = "a duration such as 90s, 30m, 2h, 7d, 2w or 1y"


def parse_duration(text: str) -> float | None:
    """Convert a duration to seconds.

    A month is not a unit, since `m` are minutes; a year has 365 days.

    Returns:
        Seconds, more than 0; None where the text is no duration, or one of more than 1,000 years.
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    return seconds if 0 < seconds <= _LONGEST else None
