"""The step of a file: the one stated, or the one that its rows keep, with the calendar that goes with it."""

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.errors import DataError
from forecaster.problems import Problem
from forecaster.time.frequency import count_places, find_places, list_weekdays
from forecaster.time.grid import STEP, find_part
from forecaster.time.infer_frequency import infer_frequency
from forecaster.time.rules import CALENDAR, SESSIONS, WORKING_DAYS, TimeRules
from forecaster.wording import KEPT

_ENOUGH = 20  # rows from which days without any row show a calendar
_HOLIDAYS = 0.1  # share of a calendar's days without a row, at most
_LONGEST_HOLIDAY = 10  # days of a calendar in a row
_BLOCK = 1 << 15  # rows that the processor's cache holds
_RECENT = 100  # rows that show how long a session's step lasts
_READ = 100  # series with separate timestamps whose step is inferred, evenly spaced among all series
# Dated by their last day, or by the only one.
_ENDS = {"B", CALENDAR, "ME", "BME", "SME", "QE", "BQE", "YE", "BYE"}


@dataclass(frozen=True)
class Step:
    """A frequency with its rules, the calendar resolved, and notices of how it was found."""

    frequency: str
    rules: TimeRules
    notices: tuple[Problem, ...] = ()

    @property
    def grid(self) -> str | pd.offsets.BaseOffset:
        """What pandas makes a grid of it with."""
        return self.rules.make_grid_step(self.frequency)


def find_frequency(timestamps: pd.Index, frequency: str, gaps: str, rules: TimeRules) -> Step:
    """Find the step of one series, whose timestamps are sorted and distinct; raise `DataError` where there is none.

    Days without a row may be taken for holidays only where the policy of `gaps` is `error`.
    """
    if not isinstance(timestamps, pd.DatetimeIndex):
        return Step(STEP if frequency == "auto" else frequency, rules)
    if frequency != "auto":
        return Step(frequency, _add_weekmask(frequency, timestamps, rules))
    stated = rules.weekmask is not None or bool(rules.holidays)
    try:
        found = infer_frequency(timestamps)
    except DataError:
        if not stated or len(timestamps) < 3:
            raise
        found = SESSIONS
    if stated:
        return _use_stated_calendar(timestamps, found, gaps, rules)
    if found in {"D", "B"} and gaps == "error" and len(timestamps) >= _ENOUGH:
        return _find_calendar(timestamps, found, rules)
    return Step(found, rules)


def find_common_frequency(
    names: Sequence[str], timestamps: pd.Index, ends: np.ndarray, frequency: str, gaps: str, rules: TimeRules
) -> Step:
    """Find the most common step of several series; raise `DataError` where none keeps a step, or some keep another.

    The timestamps, (rows,), are of all series end to end, sorted and distinct in each, which end at `ends`, (series,).
    """
    if frequency != "auto" or not isinstance(timestamps, pd.DatetimeIndex):
        read = frequency in {SESSIONS, CALENDAR}
        return find_frequency(timestamps.unique().sort_values() if read else timestamps, frequency, gaps, rules)
    found = _Steps(timestamps, ends, gaps, rules)
    steps = {kind: step for kind in found.sample if isinstance(step := found.find_step(kind), Step)}
    if not steps:
        raise found.error
    counts, rows = np.bincount(found.kinds), np.bincount(found.kinds, np.diff(ends, prepend=0))
    sizes: dict[str, tuple[int, int]] = {}  # of each frequency: series, rows
    for kind, step in steps.items():
        series, length = sizes.get(step.frequency, (0, 0))
        sizes[step.frequency] = series + int(counts[kind]), length + int(rows[kind])
    common = max(sizes, key=sizes.__getitem__)
    if common == "B" and SESSIONS in sizes:
        common = SESSIONS
    first = next(step for step in steps.values() if step.frequency == common)
    if different := found.find_different(names, first):
        detail = {"common": common, "others": different[:KEPT]}
        raise DataError(Problem("different-frequencies", column="data.frequency", detail=detail))
    if common not in {SESSIONS, CALENDAR} or rules.weekmask is not None:
        return first
    calendar = dataclasses.replace(first.rules, weekmask=list_weekdays(timestamps.unique()))
    return dataclasses.replace(first, rules=calendar)


def count_unfinished(timestamps: pd.Index, step: Step) -> int:
    """Count the last bars that are not over by now.

    A bar lasts from its timestamp for one step; one that is dated by its last day lasts to the end of that day.
    """
    if not isinstance(timestamps, pd.DatetimeIndex):
        return 0
    now, last = pd.Timestamp.now(timestamps.tz or step.rules.timezone), timestamps[-_RECENT:]
    now = now.tz_localize(None) if timestamps.tz is None else now
    length = find_bar_length(last, step.frequency)
    return int(sum(timestamp + length > now for timestamp in last))


def find_bar_length(timestamps: pd.Index, frequency: str) -> pd.Timedelta | pd.offsets.BaseOffset:
    """Find how long the step of a timestamp lasts: one that is dated by its last day, to the end of that day."""
    day = pd.Timedelta(days=1)
    if frequency == SESSIONS:
        recent = timestamps[-_RECENT:]
        return min(day, *(recent[1:] - recent[:-1])) if len(recent) > 1 else day
    if frequency.partition("-")[0].lstrip("0123456789") in _ENDS:
        return day
    offset = pd.tseries.frequencies.to_offset(frequency)
    return pd.Timedelta(offset) if isinstance(offset, pd.offsets.Tick) else offset


def _add_weekmask(frequency: str, timestamps: pd.DatetimeIndex, rules: TimeRules) -> TimeRules:
    if rules.weekmask is not None or frequency not in {SESSIONS, CALENDAR}:
        return rules
    return dataclasses.replace(rules, weekmask=list_weekdays(timestamps) if frequency == SESSIONS else WORKING_DAYS)


def _use_stated_calendar(timestamps: pd.DatetimeIndex, found: str, gaps: str, rules: TimeRules) -> Step:
    """Take the days of a stated calendar, or the rows themselves where the calendar does not explain them."""
    rules = _add_weekmask(SESSIONS, timestamps, rules)
    if found not in {"D", "B", SESSIONS} or not timestamps.normalize().is_unique:
        return Step(SESSIONS, rules)
    size = count_places(timestamps, rules.sessions)
    if size == len(timestamps) or gaps != "error":
        return Step(CALENDAR, rules)
    unexplained = "rows lie outside it" if not size else f"{size - len(timestamps)} of its {size} days have no row"
    return Step(SESSIONS, rules, (Problem("calendar-unexplained", detail={"reason": unexplained}),))


def _find_calendar(timestamps: pd.DatetimeIndex, found: str, rules: TimeRules) -> Step:
    """Take the weekdays that have rows, as of a market or an office, where some weekdays never have one."""
    if count_places(timestamps, found) == len(timestamps):
        return Step(found, rules)
    seen = dataclasses.replace(rules, weekmask=list_weekdays(timestamps))
    size = count_places(timestamps, seen.sessions)
    if size == len(timestamps):
        return Step(CALENDAR, seen, (Problem("weekdays-found", detail={"weekmask": seen.weekmask}),))
    if seen.days_a_week == 7 or size == 0:
        return Step(found, rules)
    grid = pd.date_range(timestamps[0], timestamps[-1], freq=seen.sessions)
    present = np.flatnonzero(grid.isin(timestamps))
    if size - len(timestamps) > _HOLIDAYS * size or np.diff(present).max() - 1 > _LONGEST_HOLIDAY:
        return Step(found, rules)
    closed = grid[~grid.isin(timestamps)]
    dates = [f"{day:%Y-%m-%d}" for day in closed[:KEPT]]
    detail = {"closed": len(closed), "days": size, "weekmask": seen.weekmask, "dates": dates}
    return Step(SESSIONS, seen, (Problem("holidays-found", detail=detail),))


class _Steps:
    """The steps of several series, found once for all series of a kind.

    Series that keep one distance from row to row are of a kind where the distance is the same, and of weeks the
    weekday; others where their timestamps are.
    """

    def __init__(self, timestamps: pd.DatetimeIndex, ends: np.ndarray, gaps: str, rules: TimeRules) -> None:
        self._timestamps, self._ends, self._gaps, self._rules = timestamps, ends, gaps, rules
        self._found: dict[int, Step | DataError] = {}
        keys = self._make_keys()
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        self.kinds = np.fromiter((numbers[key] for key in keys), np.int64, len(keys))  # (series,)
        self._members = np.unique(self.kinds, return_index=True)[1]  # one series of each kind
        own = [number for key, number in numbers.items() if isinstance(key, bytes)]
        left_out = set(own) - set(own[:: -(-len(own) // _READ) or 1])
        self.sample = [number for number in numbers.values() if number not in left_out]

    def find_step(self, kind: int) -> Step | DataError:
        """Return the step of a kind, or why it has none."""
        if kind not in self._found:
            own = self._timestamps[find_part(self._ends, int(self._members[kind]))]
            try:
                self._found[kind] = find_frequency(own, "auto", self._gaps, self._rules)
            except DataError as error:
                self._found[kind] = error
        return self._found[kind]

    @property
    def error(self) -> DataError:
        """Why the first series has no step, where none has one."""
        found = self.find_step(0)
        assert isinstance(found, DataError)
        return found

    def find_different(self, names: Sequence[str], common: Step) -> list[str]:
        """List the series with another step, whose rows do not fill half of the common grid either."""
        if not self.kinds.any():
            return []
        places = find_places(self._timestamps, self._ends, common.grid)
        starts, lasts = self._ends - np.diff(self._ends, prepend=0), self._ends - 1
        off = np.logical_or.reduceat(places < 0, starts)
        sparse = np.flatnonzero(off | (places[lasts] + 1 > 2 * (self._ends - starts)))
        looked_at = sparse[:: -(-len(sparse) // _READ) or 1]
        found = ((names[number], self.find_step(int(self.kinds[number]))) for number in looked_at.tolist())
        steps = ((name, step.frequency) for name, step in found if isinstance(step, Step))
        return [f"{name} has {step}" for name, step in steps if step not in {common.frequency, SESSIONS, CALENDAR}]

    def _make_keys(self) -> list[Hashable]:
        """Make the key that series of one kind share, for each series."""
        ticks, starts = self._timestamps.asi8, self._ends - np.diff(self._ends, prepend=0)
        bends = _find_bends(ticks)
        owners = np.searchsorted(self._ends, bends, side="right")
        uneven = np.zeros(len(self._ends), bool)
        uneven[owners[(bends > starts[owners]) & (bends < self._ends[owners] - 1)]] = True
        uneven |= (self._rules.weekmask is not None) | bool(self._rules.holidays)
        weekdays = self._timestamps[starts].day_of_week
        each = zip(starts.tolist(), self._ends.tolist(), uneven.tolist(), weekdays.tolist(), strict=True)
        return [
            ticks[start:end].tobytes() if bent or end - start < 3 else (int(ticks[start + 1] - ticks[start]), weekday)
            for start, end, bent, weekday in each
        ]


def _find_bends(ticks: np.ndarray) -> np.ndarray:
    """Find the middle rows of three that are not the same distance apart."""
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(ticks), _BLOCK):
        apart = np.diff(ticks[start : start + _BLOCK + 2])
        found.append(start + 1 + np.flatnonzero(apart[1:] != apart[:-1]))
    return np.concatenate(found)
