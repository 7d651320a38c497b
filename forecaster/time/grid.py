"""Grid: the timestamps of steps that last equally long or are whole months, without pandas until an index is needed."""

import datetime
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from forecaster.time.rules import CALENDAR, SESSIONS

if TYPE_CHECKING:
    import pandas as pd

STEP = "step"
_DAY = 86400  # seconds
_SECONDS = {"s": 1, "min": 60, "h": 3600, "D": _DAY}
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# Steps in one seasonal cycle of a calendar frequency: the year, but the week for weekdays.
_CALENDAR_SEASONS = {
    **{"B": 5, "C": 5, "W": 52, "SMS": 24, "SME": 24},
    **dict.fromkeys(("MS", "ME", "BMS", "BME", "WOM"), 12),
    **dict.fromkeys(("QS", "QE", "BQS", "BQE"), 4),
}


@dataclass(frozen=True)
class Grid:
    """Timestamps without a zone, each one step after the one before.

    Attributes:
        first: the first of them, datetime64[s].
        steps: how many.
        frequency: an alias that `list_aliases` gives, or another one of steps of a fixed length.
    """

    first: np.datetime64
    steps: int
    frequency: str

    def find(self, place: int) -> datetime.datetime:
        """Find the timestamp of a step, which may lie before the first or behind the last.

        Raises:
            OverflowError: its year has more than four digits.
        """
        found = self._compute(np.array(place)).item()
        if not isinstance(found, datetime.datetime):
            raise OverflowError(place)
        return found

    def list_after(self, steps: int) -> list[datetime.datetime]:
        """List the timestamps of the `steps` steps after the last; raises as `find` does."""
        if steps:
            self.find(self.steps + steps - 1)
        found: list[datetime.datetime] = self._compute(self.steps + np.arange(steps)).tolist()
        return found

    def cut(self, first: int, last: int) -> "Grid":
        """Cut the steps from `first`, below 0 for earlier ones, to before `last`."""
        return Grid(np.datetime64(self.find(first), "s"), last - first, self.frequency)

    @cached_property
    def index(self) -> "pd.DatetimeIndex":
        """All timestamps."""
        import pandas as pd  # noqa: PLC0415

        return pd.date_range(self.find(0), periods=self.steps, freq=self.frequency)

    def _compute(self, places: np.ndarray) -> np.ndarray:
        """Compute the timestamps of steps, (steps,) datetime64[s]."""
        length = find_length(self.frequency)
        assert length is not None
        unit = np.datetime_data(length)[0]
        return (self.first.astype(f"datetime64[{unit}]") + places * length).astype("datetime64[s]")


def find_length(frequency: str) -> np.timedelta64 | None:
    """Find how many seconds or months a step lasts; None where it is a part of a second, or of another calendar."""
    if found := re.fullmatch(r"([1-9]\d{0,4})?(s|min|h|D)", frequency):
        return np.timedelta64(int(found[1] or 1) * _SECONDS[found[2]], "s")
    kind, _, anchor = frequency.partition("-")
    if kind == "W" and anchor in _WEEKDAYS:
        return np.timedelta64(7 * _DAY, "s")
    months = {"MS": 1, "QS": 3, "YS": 12}.get(kind)
    return np.timedelta64(months, "M") if months and (kind == "MS") == (anchor not in MONTHS) else None


def lists_steps(stamps: np.ndarray, frequency: str) -> bool:
    """Whether each timestamp is one step after the one before, on the steps that the frequency has from midnight on.

    Args:
        stamps: (rows,) datetime64[s], one at least.
        frequency: any alias.
    """
    length = find_length(frequency)
    if length is None:
        return False
    unit = np.datetime_data(length)[0]
    places = stamps.astype(f"datetime64[{unit}]")
    if unit == "s" and _DAY % int(length.astype(int)) == 0:
        is_on_step = not int(stamps[0].astype(int)) % int(length.astype(int))
    else:
        is_on_step = frequency in _list_calendar_aliases(stamps[0])
    return bool(is_on_step and (places == stamps).all() and (np.diff(places) == length).all())


def find_alias(stamps: np.ndarray) -> str | None:
    """Find the frequency by which timestamps, (rows,) datetime64[s], three at least, are one step apart.

    None where another frequency than those of `find_length` may be theirs, too.
    """
    seconds = int((stamps[1] - stamps[0]).astype(int))
    aliases = _list_calendar_aliases(stamps[0])
    if 0 < seconds <= _DAY:
        unit = next(name for name in ("D", "h", "min", "s") if seconds % _SECONDS[name] == 0)
        aliases = [f"{seconds // _SECONDS[unit]}{unit}".removeprefix("1" if seconds == _SECONDS[unit] else "")]
    elif seconds != 7 * _DAY and (np.diff(stamps) == stamps[1] - stamps[0]).all():
        return None  # months of 31 days, which are the steps of other frequencies
    return next((alias for alias in aliases if lists_steps(stamps, alias)), None)


def _list_calendar_aliases(stamp: np.datetime64) -> list[str]:
    """List the frequencies of weeks, months, quarters and years that have a step at a timestamp."""
    day, month = stamp.astype("datetime64[D]"), stamp.astype("datetime64[M]")
    week = [f"W-{_WEEKDAYS[(int(day.astype(int)) + 3) % 7]}"] if stamp == day else []  # 1970 began on a Thursday
    if stamp != month:
        return week
    number = int(month.astype(int)) % 12
    return [*week, "MS", f"QS-{MONTHS[number % 3]}", f"YS-{MONTHS[number]}"]


def find_season_length(frequency: str) -> int:
    """Count the steps in a frequency's season: a day below a day, a week for days, a year above; 1 without one."""
    kind, day = frequency.split("-", maxsplit=1)[0], np.timedelta64(_DAY, "s")
    if kind in _CALENDAR_SEASONS:
        return _CALENDAR_SEASONS[kind]
    is_of_days = re.fullmatch(r"\d*D", frequency) is not None
    step = find_length(frequency) if is_of_days else find_clock_step(frequency)
    if step is None:
        return 1
    if step == 7 * day:
        return 52
    cycle = 7 * day if step >= day else day
    return max(1, int(cycle // step)) if cycle % step == np.timedelta64(0, "s") else 1


def find_clock_step(frequency: str) -> np.timedelta64 | None:
    """Find how long a step of hours or their parts lasts; None for days and other steps of a calendar."""
    if (length := find_length(frequency)) is not None:
        return length if re.fullmatch(r"\d*(?:s|min|h)", frequency) else None
    if frequency in {STEP, SESSIONS, CALENDAR}:
        return None
    import pandas as pd  # noqa: PLC0415

    offset = pd.tseries.frequencies.to_offset(frequency)
    return pd.Timedelta(offset).to_timedelta64() if isinstance(offset, pd.offsets.Tick) else None


def find_part(ends: np.ndarray, number: int) -> slice:
    """Find the places of one series among those of all, which end at `ends`, (series,)."""
    return slice(int(ends[number - 1]) if number else 0, int(ends[number]))
