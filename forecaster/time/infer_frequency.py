"""The step that timestamps keep, or why they keep none: the row that is off, dates within months, trading hours."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from forecaster.errors import DataError
from forecaster.problems import Problem
from forecaster.time.frequency import Irregular, count_places
from forecaster.time.grid import MONTHS, STEP
from forecaster.time.jitter import measure_jitter
from forecaster.time.timezones import find_zone_of_dates
from forecaster.wording import format_timestamp, format_timestamps, name_duration

# Tried where no fixed step fits better than weekdays: months, quarters and years by their start or end.
_CALENDAR = (
    *("MS", "ME", "BMS", "BME"),
    *(f"{kind}-{month}" for kind in ("QS", "BQS") for month in ("JAN", "FEB", "MAR")),
    *(f"{kind}-{month}" for kind in ("QE", "BQE") for month in ("DEC", "JAN", "FEB")),
    *(f"{kind}-{month}" for kind in ("YS", "YE", "BYS", "BYE") for month in MONTHS),
    *(f"WOM-{week}{day}" for week in range(1, 5) for day in ("MON", "TUE", "WED", "THU", "FRI")),
)
_MONTHLY = ("M", "BM", "WOM")  # how those begin that have a place a month
_HALF_MONTHS = ("SMS", "SME")
_DAY = pd.Timedelta(days=1)
_EMPTIEST = 2.0  # places of a grid for each row, at most: any timestamps lie on the grid of seconds
_SUSPECT = 1.5  # places for each row from which a stray row may have halved the step
_FULL = 1.1  # places for each row, at most, of those that a stray row is left out of
_FEWEST = 6  # rows of which one may be called stray
_EVEN = 0.7  # share of distances that are one and the same, of weekdays with holidays
_MOST = 0.9  # share of rows that keep a rule
_LONGEST_CLOSURE = 31 * _DAY


def infer_frequency(timestamps: pd.Index) -> str:
    """Infer the frequency whose grid holds all timestamps, sorted and distinct, with the fewest empty places.

    Raises:
        DataError: fewer than 3 timestamps.
        Irregular: no frequency holds them all, or a single row alone keeps them from one that is twice as long.
    """
    if not isinstance(timestamps, pd.DatetimeIndex):
        return STEP
    if len(timestamps) < 3:
        raise DataError(Problem("too-few-rows", detail={"rows": len(timestamps)}))
    fullest, places = _find_fullest(timestamps)
    if fullest and places <= _SUSPECT * len(timestamps):
        return fullest
    moved = None if fullest else _find_common_shift(timestamps)
    if not moved and (stray := _find_stray(timestamps)):
        detail = {"stray": format_timestamp(timestamps[stray[0]]), "frequency": stray[1]}
        raise Irregular(Problem("stray-row", detail=detail), timestamps[stray[0]])
    if fullest:
        return fullest
    raise Irregular(moved or _report_irregular(timestamps))


def _find_fullest(timestamps: pd.DatetimeIndex) -> tuple[str, float]:
    """Find the frequency whose grid has the fewest empty places, and its places; "" where none is half full."""
    best, places = "", _EMPTIEST * len(timestamps) + 1
    for alias in _list_candidates(timestamps):
        size = count_places(timestamps, alias)
        if 0 < size < places:
            best, places = alias, size
        if size == len(timestamps):
            break
    return best, places


def _list_candidates(timestamps: pd.DatetimeIndex) -> Iterator[str]:
    steps = pd.Series(timestamps[1:] - timestamps[:-1])
    for step in dict.fromkeys([steps.mode().iloc[0], steps.min()]):
        if step == 7 * _DAY:
            yield f"W-{timestamps[0]:%a}".upper()
        else:
            # pandas calls a day 24h
            days = step // _DAY
            yield pd.tseries.frequencies.to_offset(step).freqstr if step % _DAY else f"{days if days > 1 else ''}D"
    # A grid is built day by day: those that would be emptier than allowed are left out.
    most = _EMPTIEST * len(timestamps) + 1
    if steps.min() >= _DAY and 5 / 7 * ((timestamps[-1] - timestamps[0]) / _DAY - 6) < most:
        yield "B"
    if steps.min() >= 13 * _DAY:  # from the middle of a February to its end
        months = 12 * (timestamps[-1].year - timestamps[0].year) + timestamps[-1].month - timestamps[0].month
        yield from (alias for alias in _CALENDAR if months + 1 < most or not alias.startswith(_MONTHLY))
    if 13 * _DAY <= steps.min() < 27 * _DAY:  # rows a month apart are no half of the rows of a month
        yield from _HALF_MONTHS


def _find_stray(timestamps: pd.DatetimeIndex) -> tuple[int, str] | None:
    """Find the row without which all others are on one grid that is almost full, and its frequency; None without one.

    It is first, last, next to one of the three shortest or longest distances, or is of a rare day of its month.
    """
    if len(timestamps) < _FEWEST or not _are_nearly_regular(timestamps):
        return None
    order = np.argsort(np.diff(timestamps.asi8), kind="stable")
    ends = np.concatenate([order[:3], order[-3:]])
    rare = np.flatnonzero(timestamps.day != np.bincount(timestamps.day).argmax())[:3]
    for row in dict.fromkeys([len(timestamps) - 1, 0, *ends.tolist(), *(ends + 1).tolist(), *rare.tolist()]):
        rest = timestamps.delete(row)
        alias, places = _find_fullest(rest)
        if alias and places <= _FULL * len(rest):
            return row, alias
    return None


def _are_nearly_regular(timestamps: pd.DatetimeIndex) -> bool:
    """Whether most rows are one distance apart, as weekdays are, or almost all some months."""
    even = pd.Series(np.diff(timestamps.asi8)).value_counts(normalize=True).iloc[0]
    months = np.diff(np.asarray(12 * timestamps.year + timestamps.month))
    return bool(even >= _EVEN or np.mean(months == max(1, np.bincount(months).argmax())) >= _MOST)


def _describe_irregularity(timestamps: pd.DatetimeIndex) -> str:
    steps = pd.Series(timestamps[1:] - timestamps[:-1])
    common = steps.mode().iloc[0]
    if (steps == common).mean() < 0.5:
        return f"they are from {name_duration(steps.min())} to {name_duration(steps.max())} apart"
    stray = int(np.flatnonzero((steps != common).to_numpy())[0])
    before, after = format_timestamps(timestamps[stray : stray + 2])
    return f"most are {name_duration(common)} apart, but {after} follows {before}"


def _find_common_shift(timestamps: pd.DatetimeIndex) -> Problem | None:
    """Report rows that a time zone or a tolerance moves onto steps, all of them."""
    detail = {"reason": _describe_irregularity(timestamps)}
    if zone := find_zone_of_dates(timestamps):
        return Problem("dates-in-zone", detail=detail | {"zone": zone}, repairs=({"data.timezone": zone},))
    if jitter := measure_jitter(timestamps):
        detail |= {"step": jitter.step, "distance": jitter.distance}
        return Problem("jittered-timestamps", detail=detail, repairs=({"data.tolerance": jitter.tolerance},))
    return None


def _report_irregular(timestamps: pd.DatetimeIndex) -> Problem:
    """Report rows that keep no step, of which no single one is to blame."""
    detail = {"reason": _describe_irregularity(timestamps)}
    if months := _count_months(timestamps):
        detail |= {"period": {1: "month", 3: "quarter", 12: "year"}.get(months, f"{months} months")}
        if months > 1 and (timestamps == timestamps.normalize()).all() and (timestamps.day == 1).all():
            return Problem("irregular-months", detail=detail, repairs=({"data.frequency": f"{months}MS"},))
        return Problem("days-within-months", detail=detail | {"example": f"{timestamps[0]:%Y-%m}-01"})
    if _are_sessions(timestamps):
        return Problem("irregular-sessions", detail=detail, repairs=({"data.frequency": "sessions"},))
    return Problem("irregular-timestamps", detail=detail)


def _count_months(timestamps: pd.DatetimeIndex) -> int:
    """Find by how many months almost all rows are apart; 0 where some are of one month, or there is no such number."""
    months = np.diff(np.asarray(12 * timestamps.year + timestamps.month))
    common = int(np.bincount(months).argmax())
    return common if months.min() > 0 and np.mean(months == common) >= _MOST else 0


def _are_sessions(timestamps: pd.DatetimeIndex) -> bool:
    """Whether rows are days with weekends and holidays between them, or even steps of days with nights between them."""
    steps, days = timestamps[1:] - timestamps[:-1], timestamps.normalize()
    if steps.max() > _LONGEST_CLOSURE:
        return False
    if days.is_unique:
        return _is_mostly(steps <= 4 * _DAY)
    overnight = np.asarray(days[1:] != days[:-1])
    within = pd.Series(steps[~overnight])
    even = within.mode().iloc[0]
    return bool(overnight.any()) and _is_mostly(within == even) and _is_mostly(steps[overnight] >= 2 * even)


def _is_mostly(keeps: Sequence[bool] | np.ndarray | pd.Series) -> bool:
    return bool(np.mean(keeps) >= _MOST)
