"""Plausibility: values and forecasts far outside the range ever seen, series that are stuck, rows of a longer step."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from forecaster.data import Series
from forecaster.forecast import Forecast
from forecaster.problems import Problem
from forecaster.runs import Version
from forecaster.wording import format_timestamp

Bounds = TypeVar("Bounds", float, np.ndarray)

_SMALLEST_WIDTH = 0.1  # of a range, as a share of its largest absolute value
NEWEST_OF_UNIT = 3  # values at the end of a series, by which it may be in another unit
_OTHER_UNIT = 20.0  # times below all before, for a series that was always positive: 1,000 for kWh in MWh
FEWEST_STUCK = 12  # equal values at the end of a series, from which it may be stuck
_LONGER = 2  # times the longest run of equal values before, from which a series is stuck
_FEWEST_RUNS = 20  # runs before, without which the longest of them bounds no later one
_COMMON = 0.5  # share of all values, from which one value is common, as zero is in intermittent series
_FEWEST_COARSER = 5  # newest values, none of them next to another, that show a longer step


class ConstantRuns(NamedTuple):
    """The runs of equal values of a series.

    Attributes:
        longest: steps in the longest.
        number: how many there are, those of one step included.
        common: the value that at least half of the steps have; None where there is none.
    """

    longest: int
    number: int
    common: float | None


def select_observed(series: Series) -> np.ndarray:
    """Select the values of a series that are in its file."""
    return series.values if series.observed is None else series.values[series.observed]


def measure_runs(values: np.ndarray) -> ConstantRuns:
    """Measure the runs of equal values in (steps,), at least one and none of them NaN."""
    return measure_all_runs(values[None])[0]


def measure_all_runs(values: np.ndarray) -> list[ConstantRuns]:
    """Measure the runs of equal values of several series, (series, steps), at least one step and none of them NaN."""
    begins = np.ones(values.shape, bool)
    begins[:, 1:] = values[:, 1:] != values[:, :-1]
    lengths, numbers = np.diff(np.flatnonzero(begins), append=values.size), begins.sum(axis=1)
    longest = np.maximum.reduceat(lengths, np.cumsum(numbers) - numbers)
    # A value that at least half of the steps have is the median, or next to it.
    places = [(values.shape[1] - 1) // 2, values.shape[1] // 2]
    middle = np.partition(values, places, axis=1)[:, places]  # (series, 2)
    is_common = np.stack([np.mean(values == each[:, None], axis=1) >= _COMMON for each in middle.T], axis=1)
    common = [
        next((value for value, is_one in zip(*row, strict=True) if is_one), None)
        for row in zip(middle.tolist(), is_common.tolist(), strict=True)
    ]
    return [ConstantRuns(*row) for row in zip(longest.tolist(), numbers.tolist(), common, strict=True)]


class Statistics(NamedTuple):
    """What a training measured of each series, by its name; older runs lack some of it.

    Attributes:
        ranges: the lowest and the highest value.
        runs: the runs of equal values.
    """

    ranges: Mapping[str, tuple[float, float]]
    runs: Mapping[str, ConstantRuns]


def read_statistics(version: Version) -> Statistics:
    """Read the statistics of a version; runs of format 3 have none.

    Raises:
        RunError: they are not those that a training writes.
    """
    try:
        ranges, runs = (version.preprocessing.get(name, {}).items() for name in ("ranges", "constant_runs"))
        return Statistics(
            {name: (float(low), float(high)) for name, (low, high) in ranges},
            {name: _read_runs(*each) for name, each in runs},
        )
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise version.refuse("preprocessing.json", error) from None


def _read_runs(longest: Any, number: Any, common: Any) -> ConstantRuns:
    return ConstantRuns(int(longest), int(number), None if common is None else float(common))


def are_of_other_unit(newest: np.ndarray, low: Bounds) -> np.ndarray:
    """Whether the newest values of series are all positive and far below the lowest before, (...,).

    Args:
        newest: (..., values).
        low: the lowest value before them, (...,); NaN where it is not known.
    """
    found: np.ndarray = (newest > 0).all(axis=-1) & (newest.max(axis=-1) < low / _OTHER_UNIT)
    return found


def find_implausible_value(
    series: Series, length: int, known: Sequence[float] | None, factor: float
) -> tuple[Problem | None, tuple[float, float] | None]:
    """Find the value of a window that is farthest outside the range ever seen, if it is too far.

    Args:
        series: the series; its last `length` steps are the window, all before them its history.
        length: steps of the window.
        known: the lowest and the highest value in training; None where they are not known.
        factor: how far is too far, in widths of the range.

    Returns:
        The problem, and the range ever seen with that of the window; None where neither a training nor a history that
        is as long as the window has shown it.
    """
    window, history = series.values[-length:], series.values[:-length]
    if known is None:
        if len(history) < length:
            return None, None
        known = float(history.min()), float(history.max())
    low, high = known
    lowest, highest = float(window.min()), float(window.max())
    newest = window[-NEWEST_OF_UNIT:]
    if are_of_other_unit(newest, low):
        detail = {"series": series.name, "value": float(newest.max()), "low": low, "high": high, "count": len(newest)}
        return Problem("other-unit", detail=detail), None
    if max(low - lowest, highest - high) <= measure_reach(
        low, high, factor
    ):  # as almost all, also where the range is 0
        return None, (min(low, lowest), max(high, highest))
    farthest = _find_farthest(window, low, high)[1]
    if _measure_distance(farthest, low, high, factor) > 1:
        low, high = _extend_range(history, low, high, factor)
    seen = float(min(low, window.min())), float(max(high, window.max()))
    if _measure_distance(farthest, low, high, factor) <= 1:
        return None, seen
    detail = {"series": series.name, "value": farthest, "low": low, "high": high, "factor": factor}
    return Problem("implausible-value", detail=detail), seen


def find_implausible_forecast(forecast: Forecast, seen: Sequence[float], factor: float) -> Problem | None:
    """Find the value of a forecast that is farthest outside the range ever seen, if it is too far."""
    low, high = seen
    step, value = _find_farthest(forecast.mean, low, high)
    if _measure_distance(value, low, high, factor) <= 1:
        return None
    detail = {
        "series": forecast.series,
        "timestamp": format_timestamp(forecast.timestamps[step]),
        "value": value,
        "low": low,
        "high": high,
        "factor": factor,
    }
    return Problem("implausible-forecast", detail=detail)


def _find_farthest(values: np.ndarray, low: float, high: float) -> tuple[int, float]:
    """Find the place and the value of (steps,) that is farthest outside a range, or nearest to its edge."""
    with np.errstate(over="ignore"):
        place = int(np.argmax(np.maximum(low - values, values - high)))
    return place, float(values[place])


def _measure_distance(value: float, low: float, high: float, factor: float) -> float:
    """Measure how far a value is outside a range, as a share of the farthest that is plausible.

    A range that is narrow for its level, such as that of a pegged currency, counts as a tenth of its largest value
    wide, so that with the default factor no series is refused that less than doubles. Of a series that was always 0
    nothing is known.
    """
    reach = measure_reach(low, high, factor)
    return max(low - value, value - high, 0.0) / reach if reach else 0.0


def measure_reach(low: Bounds, high: Bounds, factor: float) -> Bounds:
    """Measure how far outside a range a value is plausible, in the series' own unit: numbers, or arrays of them."""
    with np.errstate(over="ignore", invalid="ignore"):  # infinite is far enough, and NaN is of an unknown range
        return factor * np.maximum(high - low, _SMALLEST_WIDTH * np.maximum(np.abs(low), np.abs(high)))


def _extend_range(history: np.ndarray, low: float, high: float, factor: float) -> tuple[float, float]:
    """Extend the range of a training by the history that is plausible, so that no fault makes another one plausible."""
    while True:
        reach = measure_reach(low, high, factor)
        near = history[(history >= low - reach) & (history <= high + reach)]
        wider = float(min(low, near.min(initial=low))), float(max(high, near.max(initial=high)))
        if wider == (low, high):
            return wider
        low, high = wider


def find_constant_end(series: Series, known: ConstantRuns | None) -> Problem | None:
    """Find a series whose newest values are all equal, for more than twice as long as ever before.

    In n steps that are independent, the longest run of equal values has about log(n) steps (Erdos & Renyi 1970), and
    one of twice that length a probability of about 1 / n. A value that half of all steps have, such as the zeros of
    intermittent sales, may stay.

    Args:
        series: the series; values that were filled do not count.
        known: the runs of its training part; None where they are not known.
    """
    values = select_observed(series)
    others = np.flatnonzero(values != values[-1])
    begin = int(others[-1]) + 1 if len(others) else 0
    steps = len(values) - begin
    if steps < FEWEST_STUCK or (known is None and not begin):
        return None
    runs = [each for each in (known, measure_runs(values[:begin]) if begin else None) if each is not None]
    longest, number = max(each.longest for each in runs), max(each.number for each in runs)
    if steps <= _LONGER * longest or number < _FEWEST_RUNS or values[-1] in {each.common for each in runs}:
        return None
    detail = {"series": series.name, "value": float(values[-1]), "steps": steps, "longest": longest}
    return Problem("constant-end", detail={**detail, "frequency": series.frequency})


def find_coarser_end(series: Series, length: int) -> Problem | None:
    """Find a series whose newest values are all more than one step apart, so that the window is mostly filled.

    Args:
        series: the series.
        length: steps of the window.
    """
    if series.observed is None:
        return None
    given = np.flatnonzero(series.observed)
    inside = int(np.count_nonzero(given >= len(series) - length))
    newest = given[-max(inside, _FEWEST_COARSER) :]
    if len(newest) < _FEWEST_COARSER or (apart := np.diff(newest)).min() < 2:
        return None
    detail = {"series": series.name, "apart": int(np.median(apart)), "frequency": series.frequency}
    return Problem("coarser-end", detail=detail)
