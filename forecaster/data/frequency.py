"""The step of a series: inferred from timestamps, laid out as a grid, counted into seasons."""

import math
from collections.abc import Iterator
from typing import Literal

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
        raise DataError(
            [f"{len(timestamps)} rows are too few to see a frequency; expected at least 3, and more to train on"]
        )
    best, fewest = None, math.inf
    for alias in _candidates(timestamps):
        size = grid_size(timestamps, alias)
        if 0 < size < fewest:
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
        step = pd.tseries.frequencies.to_offset(alias)
        known = step is not None and step.n > 0
    except ValueError:
        known = False
    if not known:
        examples = "h, 15min, D, B, W-MON, MS, QS, YS, step"
        raise DataError([f"data.frequency: {alias!r} is no frequency; expected auto, or one such as {examples}"])
    if grid_size(timestamps, alias) == 0:
        off = next(stamp for stamp in timestamps[1:] if grid_size(pd.DatetimeIndex([timestamps[0], stamp]), alias) == 0)
        raise DataError(
            [f"data.frequency: the timestamps are not all on steps of {alias}, the first that is not: {off}"]
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


def grid_size(timestamps: pd.Index, frequency: str) -> int:
    """Places in the frequency's grid from the first timestamp to the last; 0 where one of them is off it."""
    if frequency == STEP:
        return int(timestamps[-1]) - int(timestamps[0]) + 1
    offset = pd.tseries.frequencies.to_offset(frequency)
    if not isinstance(offset, pd.offsets.Tick | pd.offsets.Day):
        grid = pd.date_range(timestamps[0], timestamps[-1], freq=frequency)
        return 0 if len(timestamps.difference(grid)) else len(grid)
    # No grid is built: a stray microsecond would make one of millions of places.
    dates = pd.DatetimeIndex(timestamps)
    unit: Literal["us", "ns"] = "ns" if dates.unit == "ns" else "us"
    width = offset.n * _DAY if isinstance(offset, pd.offsets.Day) else pd.Timedelta(offset)
    places = max(1, width // pd.Timedelta(1, unit))
    distances = dates.as_unit(unit).asi8 - dates[:1].as_unit(unit).asi8
    return 0 if np.any(distances % places) else int(distances[-1] // places) + 1


def _irregularity(timestamps: pd.DatetimeIndex) -> str:
    steps = pd.Series(timestamps[1:] - timestamps[:-1])
    common = steps.mode().iloc[0]
    odd = int(np.flatnonzero((steps != common).to_numpy())[0])
    return f"most are {common} apart, but {timestamps[odd + 1]} follows {timestamps[odd]}"
