"""The rules by which timestamps become steps, as the `data` section states them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SESSIONS = "sessions"
CALENDAR = "C"  # pandas' name for the days of a calendar of one's own
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WORKING_DAYS = " ".join(WEEKDAYS[:5])


@dataclass(frozen=True)
class TimeRules:
    """How timestamps are read and laid out; the defaults change nothing.

    Attributes:
        weekmask: the weekdays that have rows, `Mon Tue Wed Thu Fri`; None where it is not stated.
        holidays: ISO dates without rows.
        tolerance: how far a timestamp may be from the step that it is moved to, as a text that `pd.Timedelta` reads.
        timezone: the zone of local times, an IANA name or `UTC+02:00`; None where it is not stated.
        drop_incomplete: whether a bar that is not over yet is left out.
        max_gap: steps missing in a row, at most; None for any number.
        season: steps in a season, for gaps filled from one; None where it is not stated.
        date_order: which number comes first in 01/02/2026: `day_first | month_first`; `auto` where the cells decide.
        time_format: how timestamps are written, as `timestamp_formats` names it; `auto` where the cells decide.
    """

    weekmask: str | None = None
    holidays: tuple[str, ...] = ()
    tolerance: str = "0s"
    timezone: str | None = None
    drop_incomplete: bool = False
    max_gap: int | None = None
    season: int | None = None
    date_order: str = "auto"
    time_format: str = "auto"

    @classmethod
    def from_data(cls, values: Mapping[str, Any]) -> "TimeRules":
        """Take those that the values of a `data` section state."""
        return cls(
            values["weekmask"],
            tuple(values["holidays"]),
            values["tolerance"],
            values["timezone"],
            values["last_bar"] == "drop",
            values["max_gap"],
            _find_main_season(values["season"]),
            values["date_order"],
            values["time_format"],
        )

    @property
    def sessions(self) -> "pd.offsets.CustomBusinessDay":
        """The days with rows: those of the calendar stated, Monday to Friday where none is."""
        import pandas as pd  # noqa: PLC0415  for calendars alone

        return pd.offsets.CustomBusinessDay(weekmask=self.weekmask or WORKING_DAYS, holidays=list(self.holidays))

    @property
    def days_a_week(self) -> int:
        """Weekdays with rows."""
        return len((self.weekmask or WORKING_DAYS).split())

    def make_grid_step(self, frequency: str) -> "str | pd.offsets.BaseOffset":
        """Make what pandas lays out the grid of a frequency with: its alias, or a calendar of days."""
        return self.sessions if frequency == CALENDAR else frequency


def _find_main_season(season: Any) -> int | None:
    """Take the first of several seasons, None where none is stated."""
    first = season[0] if isinstance(season, tuple | list) else season
    return None if first == "auto" else int(first)


AS_WRITTEN = TimeRules()
