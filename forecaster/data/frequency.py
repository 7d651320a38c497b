"""The step of a series: inferred from timestamps, laid out as a grid, counted into seasons."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from forecaster.errors import DataError
from forecaster.forecast import Timestamp

STEP = "step"

# Tried where no fixed step fits better: weekdays, then months, quarters and years by their start or end.
_CALENDAR = (
    "B",
    *("MS", "ME", "BMS", "BME"),
    *(f"QS-{month}" for month in ("JAN", "FEB", "MAR")),
    *(f"QE-{month}" for month in ("DEC", "JAN", "FEB")),
    *(
        f"{kind}-{month}"
        for kind in ("YS", "YE")
        for month in ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    ),
)
# Steps in one seasonal cycle of a calendar frequency: the year, but the week for weekdays.
_CALENDAR_SEASONS = {"B": 5, "C": 5, "W": 52, "MS": 12, "ME": 12, "BMS": 12, "BME": 12, "QS": 4, "QE": 4}
_DAY = pd.Timedelta(days=1)


def infer_frequency(timestamps: pd.Index) -> str:
    """The frequency whose grid holds every timestamp with the fewest empty places.

    Args:
        timestamps: sorted, distinct; dates or integers.

    Raises:
        DataError: fewer than 2 timestamps, or no frequency holds them all.
    """
    if not isinstance(timestamps, pd.DatetimeIndex):
        return STEP
    if len(timestamps) < 3:
        raise DataError([f"{len(timestamps)} timestamps are too few to infer the frequency; set data.frequency"])
    best, fewest = None, math.inf
    for alias in _candidates(timestamps):
        size = _grid_size(timestamps, alias)
        if size is not None and size < fewest:
            best, fewest = alias, size
    # A grid more than half empty is a coincidence: any timestamps lie on the grid of seconds.
    if best is None or fewest > 2 * len(timestamps):
        raise DataError([f"the timestamps follow no regular step: {_irregularity(timestamps)}; set data.frequency"])
    return best


def check_frequency(alias: str, timestamps: pd.Index) -> None:
    """Refuse a frequency that pandas does not know or that leaves timestamps off its grid.

    Raises:
        DataError: with the first timestamp that is off the grid.
    """
    if (alias == STEP) != (not isinstance(timestamps, pd.DatetimeIndex)):
        raise DataError([f"data.frequency: {alias} does not fit timestamps such as {timestamps[0]}"])
    if alias == STEP:
        return
    try:
        pd.tseries.frequencies.to_offset(alias)
    except ValueError:
        known = "h, 15min, D, B, W-MON, MS, QS, YS, step"
        raise DataError([f"data.frequency: {alias!r} is no frequency; expected auto, or one such as {known}"]) from None
    strays = timestamps.difference(date_grid(timestamps[0], timestamps[-1], alias))
    if len(strays):
        raise DataError(
            [f"data.frequency: {len(strays)} timestamps are not on steps of {alias}, the first: {strays[0]}"]
        )


def date_grid(first: Timestamp, last: Timestamp, frequency: str) -> pd.Index:
    """Every timestamp of the frequency from the first to the last."""
    if frequency == STEP:
        return pd.RangeIndex(first, last + 1)
    return pd.date_range(first, last, freq=frequency)


def future_timestamps(origin: Timestamp, steps: int, frequency: str) -> pd.Index:
    """The timestamps of the `steps` steps after the origin."""
    if frequency == STEP:
        return pd.RangeIndex(origin + 1, origin + 1 + steps)
    return pd.date_range(origin, periods=steps + 1, freq=frequency)[1:]


def season_length(frequency: str) -> int:
    """Steps in the frequency's natural season: the day below a day, the week for days, the year above.

    1 where there is none.
    """
    if frequency == STEP:
        return 1
    offset = pd.tseries.frequencies.to_offset(frequency)
    if not isinstance(offset, pd.offsets.Tick | pd.offsets.Day):
        return _CALENDAR_SEASONS.get(frequency.split("-", maxsplit=1)[0], 1)
    step = offset.n * _DAY if isinstance(offset, pd.offsets.Day) else pd.Timedelta(offset)
    if step == 7 * _DAY:
        return 52
    cycle = 7 * _DAY if step >= _DAY else _DAY
    return max(1, cycle // step) if cycle % step == pd.Timedelta(0) else 1


def _candidates(timestamps: pd.DatetimeIndex) -> Iterator[str]:
    steps = pd.Series(timestamps[1:] - timestamps[:-1])
    for step in dict.fromkeys([steps.mode().iloc[0], steps.min()]):
        if step == 7 * _DAY:
            yield f"W-{timestamps[0]:%a}".upper()
        else:
            # pandas calls a day 24h
            days = step // _DAY
            yield pd.tseries.frequencies.to_offset(step).freqstr if step % _DAY else f"{days if days > 1 else ''}D"
    if steps.min() >= _DAY:
        yield from _CALENDAR


def _grid_size(timestamps: pd.DatetimeIndex, alias: str) -> int | None:
    """Places in the grid of `alias` over the span of the timestamps; None where one of them is off it."""
    offset = pd.tseries.frequencies.to_offset(alias)
    if isinstance(offset, pd.offsets.Tick):
        return _tick_grid_size(timestamps, pd.Timedelta(offset))
    if isinstance(offset, pd.offsets.Day):
        return _tick_grid_size(timestamps, offset.n * _DAY)
    grid = pd.date_range(timestamps[0], timestamps[-1], freq=alias)
    return len(grid) if len(timestamps.difference(grid)) == 0 else None


def _tick_grid_size(timestamps: pd.DatetimeIndex, step: pd.Timedelta) -> int | None:
    # No grid is built: a stray microsecond would make one of millions of places.
    offsets = (timestamps - timestamps[0]).as_unit("ns").asi8
    width = step.as_unit("ns").value
    return None if np.any(offsets % width) else int(offsets[-1] // width) + 1


def _irregularity(timestamps: pd.DatetimeIndex) -> str:
    steps = pd.Series(timestamps[1:] - timestamps[:-1])
    common = steps.mode().iloc[0]
    odd = int(np.flatnonzero((steps != common).to_numpy())[0])
    return f"most are {common} apart, but {timestamps[odd + 1]} follows {timestamps[odd]}"
