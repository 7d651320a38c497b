"""The step of a file: the one stated, or the one that its rows keep, with the calendar that goes with it."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.data.frequency import STEP, date_grid, grid_size, infer_frequency, weekdays_of
from forecaster.data.rules import OBSERVED, SESSIONS, WORKING_DAYS, TimeRules
from forecaster.errors import DataError

_ENOUGH = 20  # rows from which days without any row tell a calendar
_HOLIDAYS = 0.1  # share of a calendar's days without a row, at most
_LONGEST_HOLIDAY = 10  # days of a calendar in a row
_SHOWN = 5
# Dated by their last day, or by the only one.
_ENDS = {"B", SESSIONS, "ME", "BME", "SME", "QE", "BQE", "YE", "BYE"}


@dataclass(frozen=True)
class Step:
    """A frequency with its rules, the calendar resolved, and what is to be said of how it was found."""

    frequency: str
    rules: TimeRules
    notices: tuple[str, ...] = ()


def find_frequency(timestamps: pd.Index, frequency: str, gaps: str, rules: TimeRules) -> Step:
    """The step of one series.

    Args:
        timestamps: sorted, distinct.
        frequency: a pandas alias, `step`, `observed`, or `auto`.
        gaps: the policy; only where it is `error` may days without a row be taken for holidays.

    Raises:
        DataError: none was stated, and the rows keep none.
    """
    if not isinstance(timestamps, pd.DatetimeIndex):
        return Step(STEP if frequency == "auto" else frequency, rules)
    if frequency != "auto":
        return Step(frequency, _with_weekmask(frequency, timestamps, rules))
    stated = rules.weekmask is not None or bool(rules.holidays)
    try:
        found = infer_frequency(timestamps)
    except DataError:
        if not stated or len(timestamps) < 3:
            raise
        found = OBSERVED
    if stated:
        return _stated_calendar(timestamps, found, gaps, rules)
    if found in {"D", "B"} and gaps == "error" and len(timestamps) >= _ENOUGH:
        return _seen_calendar(timestamps, found, rules)
    return Step(found, rules)


def common_frequency(stamps: Mapping[str, pd.Index], frequency: str, gaps: str, rules: TimeRules) -> Step:
    """The step of several series: the commonest among them.

    Raises:
        DataError: none keeps a step, or some keep another.
    """
    everything = _union(list(stamps.values()))
    if frequency != "auto" or not isinstance(everything, pd.DatetimeIndex):
        return find_frequency(everything, frequency, gaps, rules)
    steps, errors = _steps(stamps, gaps, rules)
    if not steps:
        raise next(iter(errors.values()))
    rows: Counter[str] = Counter()
    for name, step in steps.items():
        rows[step.frequency] += len(stamps[name])
    counts = Counter(step.frequency for step in steps.values())
    common = max(counts, key=lambda alias: (counts[alias], rows[alias]))
    if common == "B" and OBSERVED in counts:
        common = OBSERVED
    first = next(step for step in steps.values() if step.frequency == common)
    if different := list(_different(stamps, steps, first)):
        others = ", ".join(different[:_SHOWN]) + (", ..." if len(different) > _SHOWN else "")
        mend = "give them a file of their own, or state data.frequency"
        raise DataError([f"data.frequency: most series are of {common}, but {others}; {mend}"])
    if common not in {OBSERVED, SESSIONS} or rules.weekmask is not None:
        return first
    return dataclasses.replace(first, rules=dataclasses.replace(first.rules, weekmask=weekdays_of(everything)))


def unfinished(timestamps: pd.Index, step: Step) -> int:
    """How many of the last bars are not over by now.

    A bar lasts from its timestamp for one step; one that is dated by its last day lasts to the end of that day.
    """
    if not isinstance(timestamps, pd.DatetimeIndex):
        return 0
    zone = timestamps.tz or step.rules.timezone
    now = pd.Timestamp.now(zone)
    now = now.tz_localize(None) if timestamps.tz is None else now
    last = timestamps[-100:]
    length = _bar(last, step)
    return int(sum(timestamp + length > now for timestamp in last))


def _bar(timestamps: pd.DatetimeIndex, step: Step) -> pd.Timedelta | pd.offsets.BaseOffset:
    day = pd.Timedelta(days=1)
    if step.frequency == OBSERVED:
        return min(day, *(timestamps[1:] - timestamps[:-1])) if len(timestamps) > 1 else day
    if step.frequency.split("-")[0].lstrip("0123456789") in _ENDS:
        return day
    offset = pd.tseries.frequencies.to_offset(step.frequency)
    return pd.Timedelta(offset) if isinstance(offset, pd.offsets.Tick) else offset


def _with_weekmask(frequency: str, timestamps: pd.DatetimeIndex, rules: TimeRules) -> TimeRules:
    if rules.weekmask is not None or frequency not in {OBSERVED, SESSIONS}:
        return rules
    weekmask = weekdays_of(timestamps) if frequency == OBSERVED else WORKING_DAYS
    return dataclasses.replace(rules, weekmask=weekmask)


def _stated_calendar(timestamps: pd.DatetimeIndex, found: str, gaps: str, rules: TimeRules) -> Step:
    """The days of a calendar that is stated, or the rows themselves where the calendar does not explain them."""
    rules = _with_weekmask(OBSERVED, timestamps, rules)
    daily = found in {"D", "B", OBSERVED} and timestamps.normalize().is_unique
    if not daily:
        return Step(OBSERVED, rules)
    size = grid_size(timestamps, rules.sessions)
    if size == len(timestamps) or gaps != "error":
        return Step(SESSIONS, rules)
    unexplained = "rows lie outside it" if not size else f"{size - len(timestamps)} of its {size} days have no row"
    said = (
        f"the calendar stated does not explain the rows: {unexplained}; each row is a step (data.frequency: observed)"
    )
    return Step(OBSERVED, rules, (said,))


def _seen_calendar(timestamps: pd.DatetimeIndex, found: str, rules: TimeRules) -> Step:
    """The days of the week that have rows, as of a market or an office, where some weekdays never have one."""
    if grid_size(timestamps, found) == len(timestamps):
        return Step(found, rules)
    seen = dataclasses.replace(rules, weekmask=weekdays_of(timestamps))
    size = grid_size(timestamps, seen.sessions)
    if size == len(timestamps):
        return Step(SESSIONS, seen, (f"rows stand on {seen.weekmask} alone: data.frequency: {SESSIONS}",))
    if seen.days_a_week == 7 or size == 0:
        return Step(found, rules)
    grid = date_grid(timestamps[0], timestamps[-1], seen.sessions)
    present = np.flatnonzero(grid.isin(timestamps))
    if size - len(timestamps) > _HOLIDAYS * size or np.diff(present).max() - 1 > _LONGEST_HOLIDAY:
        return Step(found, rules)
    closed = grid[~grid.isin(timestamps)]
    days = ", ".join(f"{day:%Y-%m-%d}" for day in closed[:_SHOWN]) + (", ..." if len(closed) > _SHOWN else "")
    said = (
        f"{len(closed)} of {size} days that are {seen.weekmask} have no row, as on holidays: {days}; each row is a "
        "step (data.frequency: observed), and future sessions are those weekdays less data.holidays; to fill the days "
        "instead, set data.gaps"
    )
    return Step(OBSERVED, seen, (said,))


def _steps(stamps: Mapping[str, pd.Index], gaps: str, rules: TimeRules) -> tuple[dict[str, Step], dict[str, DataError]]:
    """The step of each series that keeps one, and the problem of each that keeps none."""
    known: dict[bytes, Step | DataError] = {}
    steps, errors = {}, {}
    for name, timestamps in stamps.items():
        key = np.asarray(pd.DatetimeIndex(timestamps).tz_localize(None)).tobytes()
        if key not in known:
            try:
                known[key] = find_frequency(timestamps, "auto", gaps, rules)
            except DataError as error:
                known[key] = error
        found = known[key]
        if isinstance(found, Step):
            steps[name] = found
        else:
            errors[name] = found
    return steps, errors


def _different(stamps: Mapping[str, pd.Index], steps: Mapping[str, Step], common: Step) -> Iterator[str]:
    """The series whose own step is another, and whose rows do not fill half of the common grid either."""
    place = common.rules.step(common.frequency)
    for name, step in steps.items():
        if step.frequency in {common.frequency, OBSERVED, SESSIONS}:
            continue
        size = grid_size(stamps[name], place)
        if not 0 < size <= 2 * len(stamps[name]):
            yield f"{name} is of {step.frequency}"


def _union(indices: list[pd.Index]) -> pd.Index:
    """All timestamps, in order; those of the first series alone where some are no dates."""
    dates = [index.as_unit("us") for index in indices if isinstance(index, pd.DatetimeIndex)]
    if len(dates) < len(indices):
        return indices[0]
    distinct = pd.DatetimeIndex(np.unique(np.concatenate([index.asi8 for index in dates])).view("datetime64[us]"))
    return distinct if dates[0].tz is None else distinct.tz_localize("UTC").tz_convert(dates[0].tz)
