"""When and with which limits the system runs a jobs file: what a crontab and systemd both need."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forecaster.durations import parse_duration
from forecaster.errors import UsageError
from forecaster.problems import Problem

EXPECTED_TIMES = (
    'hourly, daily, weekly, a time such as "03:15", or a duration that divides an hour or a day, such as 15m or 6h'
)
ENVIRONMENT_FILE = "forecast.env"  # next to the jobs file: the secrets, readable by their owner alone
_HOUR, _DAY, _WEEK = 3600, 86_400, 604_800
_MINUTE_PAST = 15  # minutes past the hour, when the rows of the hour have usually arrived
_NIGHT = 3  # hour of daily runs: after midnight, and not within the hour that a change of clocks skips or repeats
_OWN_MEMORY = 1 << 30  # bytes for the process that supervises, and for what a worker may exceed before it is noticed
_CLOSING_SECONDS = 60  # of a run after the last job: the store, the pings


@dataclass(frozen=True)
class Times:
    """When to run, in both languages.

    Attributes:
        cron: the five fields of a crontab.
        systemd: an expression of `OnCalendar=`.
    """

    cron: str
    systemd: str


@dataclass(frozen=True)
class Schedule:
    """One jobs file to run.

    Attributes:
        jobs_file: its absolute path.
        times: when.
        seconds: that a run may take; None where a job has no time limit.
        memory: bytes that a run may take; None where a job has no memory limit.
        variables: names of environment variables that the jobs need.
    """

    jobs_file: Path
    times: Times
    seconds: float | None = None
    memory: int | None = None
    variables: Sequence[str] = ()

    @property
    def command(self) -> list[str]:
        """The command, to run in the folder of the jobs file; -P keeps modules of that folder from being imported."""
        return [sys.executable, "-P", "-m", "forecaster", "run", self.jobs_file.name]


def parse_times(text: str) -> Times:
    """Parse `hourly`, `daily`, `weekly`, `03:15`, `15m` or `6h`; times are those of the system's time zone.

    Raises:
        UsageError: it is nothing of this.
    """
    if clock := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip(), re.ASCII):
        return _run_daily(int(clock[1]), int(clock[2]))
    named = {"hourly": _HOUR, "daily": _DAY, "weekly": _WEEK}
    seconds = named.get(text.strip().lower()) or parse_duration(text) or 0
    if seconds == _WEEK:
        return Times(f"{_MINUTE_PAST} {_NIGHT} * * 1", f"Mon *-*-* {_NIGHT:02}:{_MINUTE_PAST:02}:00")
    if seconds == _DAY:
        return _run_daily(_NIGHT, _MINUTE_PAST)
    if seconds == _HOUR:
        return Times(f"{_MINUTE_PAST} * * * *", f"*-*-* *:{_MINUTE_PAST:02}:00")
    if 60 <= seconds < _HOUR and not _HOUR % seconds and not seconds % 60:
        return Times(f"*/{seconds // 60:.0f} * * * *", f"*-*-* *:00/{seconds // 60:.0f}:00")
    if _HOUR < seconds < _DAY and not _DAY % seconds and not seconds % _HOUR:
        hours = f"{seconds // _HOUR:.0f}"
        return Times(f"{_MINUTE_PAST} */{hours} * * *", f"*-*-* 00/{hours}:{_MINUTE_PAST:02}:00")
    raise UsageError(Problem("invalid-option", f"--every {text}", detail={"expected": EXPECTED_TIMES}))


def _run_daily(hour: int, minute: int) -> Times:
    return Times(f"{minute} {hour} * * *", f"*-*-* {hour:02}:{minute:02}:00")


def sum_time_limits(limits: Sequence[tuple[float | None, int, float]]) -> float | None:
    """Sum what the jobs of a run may take, one after another, each with its retries.

    Args:
        limits: of each job the time limit in seconds, the number of retries, and the pause before the first, which
            doubles.

    Returns:
        Seconds; None where a job has no time limit.
    """
    total = float(_CLOSING_SECONDS)
    for seconds, retries, pause in limits:
        if seconds is None:
            return None
        total += seconds * (1 + retries) + pause * (2**retries - 1)
    return total


def find_memory_limit(limits: Sequence[int | None]) -> int | None:
    """Find what a run with one worker may take, in bytes; None where a job has no memory limit."""
    known = [limit for limit in limits if limit is not None]
    return max(known) + _OWN_MEMORY if known and len(known) == len(limits) else None


def check_path(path: Path, refused: str, name: str) -> None:
    """Refuse a path with control characters, or with others of `refused`, that `name` cannot hold.

    Raises:
        UsageError: it has one.
    """
    found = next((letter for letter in str(path) if not letter.isprintable() or letter in refused), None)
    if found is not None:
        raise UsageError(Problem("unschedulable-path", repr(str(path)), detail={"letter": found, "name": name}))
