"""Intervals that adapt to the coverage of earlier forecasts: bias-corrected adaptive conformal inference.

Adaptive conformal inference of Gibbs & Candès (2021, arXiv 2106.00984), separately for each series, step and level.
The score of a forecast is how far the actual value is from the centre of the run's own interval, in half widths of it,
so that an interval keeps what the run knows of easy and difficult times. The published interval is that of the k-th
smallest of the last n scores, k = ceil((n + 1) (1 - α_t)); after each scored forecast

    α_{t+1} = α_t + γ (α - err_t),    err_t = 1 where the published interval did not hold the actual value, else 0,

so that the long-run share of misses comes to α whatever the data do. As in Lade, Sai Krishna & Kumar (2026, arXiv
2604.13253), the centre follows a lasting bias: an exponentially weighted mean of the signed scores of the step moves
it, where that exceeds what chance explains. A forecast of h steps is scored h steps later: an interval uses, and its
score is relative to, only what was known at its origin.

The mean of a forecast stays as it is and inside its intervals. Intervals form a nested family all of which hold the
mean, and scores are those of this family (Gupta, Kuchibhotla & Ramdas 2022), so that this costs no coverage.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.evaluation.metrics import find_levels
from forecaster.forecast import Forecast, level_to_quantiles
from forecaster.jobs.past_forecasts import PastForecasts, join_actuals, read_actuals_of
from forecaster.problems import Problem
from forecaster.store.store import States, Store

WINDOW = 100  # scores of each step that are used, the newest
REPLAYED = 2 * WINDOW  # origins that are read, so that the bias does not depend on where they begin
_FEWEST_REPLAYED, _MOST_ROWS = 40, 500_000  # fewer origins of a large panel, so that a night costs the same
MIN_SCORED = 10  # scores from which an interval adapts
_STEP_SIZE = 0.05  # γ; Gibbs & Candès use 0.005, which takes months of nights to follow a shift
_STEP_SIZE_OF_DELAY = 0.5  # γ times the delay, at most: a loop with a longer memory than its delay does not oscillate
_WEIGHT = 0.1  # of the newest score in the bias
_DEAD_ZONE = 3.0  # standard errors of the bias below which the centre stays
_HELD = -1e6  # the score of an actual value that even the smallest interval holds


class Intervals(NamedTuple):
    """Intervals of some levels, each (..., levels, horizon), and the values that each of them holds."""

    low: np.ndarray
    high: np.ndarray
    held_low: np.ndarray
    held_high: np.ndarray


class Adapted(NamedTuple):
    """Forecasts with adapted intervals, the state to keep, and what the intervals cannot promise."""

    forecasts: list[Forecast]
    states: dict[tuple[str, int, float], dict[str, float]]
    notes: list[Problem]


def count_needed(level: float) -> int:
    """Count the scores that an interval of `level` % needs: the least n with ceil((n + 1) level / 100) <= n."""
    return max(MIN_SCORED, math.ceil(round(level / (100 - level), 9)))


@dataclass
class AdaptiveIntervals:
    """The state of some intervals, each array (..., levels, horizon).

    Attributes:
        levels: in percent.
        alpha: the share of misses that the next interval allows.
        bias, variance: exponentially weighted mean and variance of the signed scores.
        scored: forecasts so far.
        scores: the newest, (WINDOW, ..., levels, horizon); NaN where there is none yet.
    """

    levels: np.ndarray
    alpha: np.ndarray
    bias: np.ndarray = field(init=False)
    variance: np.ndarray = field(init=False)
    scored: np.ndarray = field(init=False)
    scores: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        shape = self.alpha.shape
        self.bias, self.variance, self.scored = np.zeros(shape), np.zeros(shape), np.zeros(shape, int)
        self.scores = np.full((WINDOW, *shape), np.nan)

    @classmethod
    def start(cls, levels: Sequence[float], shape: tuple[int, ...]) -> "AdaptiveIntervals":
        """Start without a score; `shape` is that of the arrays."""
        nominal = 1 - np.asarray(levels)[:, None] / 100
        return cls(np.asarray(levels), np.broadcast_to(nominal, shape).copy())

    @property
    def adapts(self) -> np.ndarray:
        """Whether there are enough scores for the level."""
        needed = np.array([count_needed(level) for level in self.levels])[:, None]
        return (self.scored >= needed) & (needed <= WINDOW)

    @property
    def shift(self) -> np.ndarray:
        """What the centre moves by, in half widths; 0 where the bias may be chance."""
        error = np.sqrt(self.variance * _WEIGHT / (2 - _WEIGHT))  # of an exponentially weighted mean
        return np.where(self.adapts & (np.abs(self.bias) > _DEAD_ZONE * error), self.bias, 0.0)

    @property
    def reaches_largest(self) -> np.ndarray:
        """Whether an interval would have to be wider than the largest score, so that its coverage may be less."""
        count = np.minimum(self.scored, WINDOW)
        return self.adapts & ((count + 1) * (1 - self.alpha) > count + 1e-9)

    def publish(self, run: Intervals) -> Intervals:
        """Adapt the intervals of the run, where enough is scored."""
        count = np.minimum(self.scored, WINDOW)
        rank = np.ceil(np.round((count + 1) * (1 - self.alpha), 9)).astype(int)
        place = np.clip(rank, 1, np.maximum(count, 1)) - 1
        factor = np.take_along_axis(np.sort(self.scores, axis=0), place[None], axis=0)[0]  # NaN is last
        centre, half = (run.low + run.high) / 2, (run.high - run.low) / 2
        centre = centre + self.shift * half
        low = np.minimum(run.held_low, centre - factor * half)
        high = np.maximum(run.held_high, centre + factor * half)
        chosen = self.adapts & (half > 0)
        return run._replace(low=np.where(chosen, low, run.low), high=np.where(chosen, high, run.high))

    def learn(
        self, actual: np.ndarray, run: Intervals, published: Intervals, shift: np.ndarray, counts: np.ndarray,
        step_size: np.ndarray,
    ) -> None:  # fmt: skip
        """Score one forecast of each series.

        Args:
            actual: (..., 1, horizon); where it is NaN, nothing is scored.
            run, published: the intervals of the forecast.
            shift: that of its origin, in half widths.
            counts: whether α learns from it, too; not where it has before.
            step_size: γ of each step, (horizon,).
        """
        centre, half = (run.low + run.high) / 2, (run.high - run.low) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            signed = (actual - centre) / half
        known = np.isfinite(signed)
        moved = signed - shift
        held = (actual >= run.held_low) & (actual <= run.held_high)
        score = np.where(held, _HELD, np.where(actual > run.held_high, moved, -moved))
        place = (self.scored % WINDOW)[None]
        kept = np.take_along_axis(self.scores, place, axis=0)
        np.put_along_axis(self.scores, place, np.where(known, score, kept), axis=0)
        first, change = self.scored == 0, np.where(known, signed, 0.0) - self.bias
        weight = np.where(known, np.maximum(_WEIGHT, 1 / (self.scored + 1)), 0.0)  # a mean, at first
        self.variance = np.where(first, 0.0, (1 - weight) * (self.variance + weight * change**2))
        self.bias = self.bias + weight * change
        self.scored = self.scored + known
        missed = (actual < published.low) | (actual > published.high)
        nominal = 1 - self.levels[:, None] / 100
        learnt = self.alpha + step_size * (nominal - missed)
        # Where an interval would be infinite or empty, the guarantee is lost, and α waits at its bound.
        self.alpha = np.where(known & counts, np.clip(learnt, 0.0, 1.0), self.alpha)


def replay(
    state: AdaptiveIntervals, origins: np.ndarray, actual: np.ndarray, run: Intervals,
    published: Intervals | None = None, counts: np.ndarray | None = None,
) -> Intervals:  # fmt: skip
    """Score past forecasts in the order in which their actual values came, a step-h forecast h steps after its origin.

    Args:
        state: which learns, (series, levels, horizon).
        origins: rising steps, (origins,).
        actual: (origins, series, 1, horizon); NaN where unknown.
        run: the intervals of the run, each (origins, series, levels, horizon).
        published: those that were published; where None, those that the state gives at each origin.
        counts: whether α learns from each, of the shape of the intervals; from all where None.

    Returns:
        The published intervals.
    """
    total, horizon = len(origins), actual.shape[-1]
    ends = origins[:, None] + np.arange(1, horizon + 1)
    arrivals = np.minimum(np.searchsorted(origins, ends), total)  # (origins, horizon), the first that knows of it
    delays = np.median(arrivals - np.arange(total)[:, None], axis=0)
    step_size = np.minimum(_STEP_SIZE, _STEP_SIZE_OF_DELAY / np.maximum(delays, 1))
    simulates, given = published is None, published or Intervals(*(each.copy() for each in run))
    shifts, following = np.zeros_like(run.low), np.zeros(horizon, int)
    for now in range(total + 1):
        while (due := _find_due(following, arrivals, now)).any():
            place = np.minimum(following, total - 1)[None, None, None, :]
            values = np.where(due, _take(actual, place), np.nan)
            ours, theirs = (Intervals(*(_take(each, place) for each in some)) for some in (given, run))
            learned = np.asarray(True) if counts is None else _take(counts, place)
            state.learn(values, theirs, ours, _take(shifts, place), learned, step_size)
            following = following + due
        if now < total:
            shifts[now] = state.shift
            if simulates:
                adapted = state.publish(Intervals(*(each[now] for each in run)))
                given.low[now], given.high[now] = adapted.low, adapted.high
    return given


def _find_due(following: np.ndarray, arrivals: np.ndarray, now: int) -> np.ndarray:
    """Find the steps whose next forecast can be scored at an origin, (horizon,)."""
    row = np.minimum(following, len(arrivals) - 1)
    return (following < len(arrivals)) & (arrivals[row, np.arange(len(row))] <= now)


def _take(table: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Take one origin for each step of a table, (origins, ..., horizon) -> (..., horizon)."""
    return np.take_along_axis(table, place, axis=0)[0]


def adapt(forecasts: Sequence[Forecast], past: PastForecasts | None, states: States) -> Adapted:
    """Adapt the intervals of new forecasts to the coverage of those before.

    Args:
        forecasts: of one job, with the intervals of its run.
        past: the last `REPLAYED` origins of the job with their actuals, before the new ones; None where there are none.
        states: as returned after the forecasts before.
    """
    levels = find_levels(forecasts[0].quantiles) if forecasts else []
    if past is None or not levels:
        none = AdaptiveIntervals.start(levels, (1, len(levels), 1))
        return Adapted(list(forecasts), {}, describe_limits(none, levels))
    past = past.select(past.is_latest)
    state, kept = _learn_from(past, levels, states)
    return Adapted(_publish_forecasts(forecasts, state, past), kept, describe_limits(state, levels))


def _learn_from(
    past: PastForecasts, levels: Sequence[float], states: States
) -> tuple[AdaptiveIntervals, dict[tuple[str, int, float], dict[str, float]]]:
    """Replay the past forecasts; α continues from the states, and learns from what they do not know.

    Returns:
        The state of all series, and as it is kept: α, and the origin until which it has learnt.
    """
    origins, first, rows = np.unique(past.origins, return_index=True, return_inverse=True)
    moments = _number_times(past.origin_times[first])  # (origins,)
    actual = _spread(past, past.actual, rows, len(origins))
    tables = (past.run_quantiles, past.quantiles)
    run, published = (_stack_intervals(past, table, levels, rows, len(origins)) for table in tables)
    state, until = AdaptiveIntervals.start(levels, run.low.shape[1:]), np.full(run.low.shape[1:], -np.inf)
    keys = [
        ((name, step + 1, level), (number, place, step))
        for number, name in enumerate(past.names)
        for place, level in enumerate(levels)
        for step in range(past.horizon)
    ]
    for key, place in keys:
        if key in states:
            state.alpha[place], until[place] = np.clip(states[key]["alpha"], 0, 1), states[key]["until"]
    counts = np.asarray(moments[:, None, None, None] > until)
    replay(state, origins, actual, run, published, counts)
    scored = np.where(np.isfinite(actual) & (run.high > run.low), moments[:, None, None, None], -np.inf)
    newest = np.asarray(np.maximum(until, scored.max(axis=0)))
    kept = {key: {"alpha": float(state.alpha[place]), "until": float(newest[place])} for key, place in keys}
    return state, {key: value for key, value in kept.items() if np.isfinite(value["until"])}


def _spread(past: PastForecasts, table: np.ndarray, rows: np.ndarray, origins: int) -> np.ndarray:
    """Spread (rows, horizon) over (origins, series, 1, horizon), NaN where a series has no forecast."""
    spread = np.full((origins, len(past.names), 1, past.horizon), np.nan)
    spread[rows, past.series, 0] = table
    return spread


def _stack_intervals(
    past: PastForecasts, quantiles: Mapping[float, np.ndarray], levels: Sequence[float], rows: np.ndarray, origins: int
) -> Intervals:
    """Stack the intervals of all levels, (origins, series, levels, horizon); NaN where a forecast has none."""
    unknown = np.full_like(past.mean, np.nan)
    pairs = [[quantiles.get(probability, unknown) for probability in level_to_quantiles(level)] for level in levels]
    low, high = (
        np.concatenate([_spread(past, pair[side], rows, origins) for pair in pairs], axis=2) for side in (0, 1)
    )
    median = past.run_quantiles.get(0.5, past.mean)
    return _hold(low, high, *(_spread(past, table, rows, origins) for table in (past.mean, median)))


def _hold(low: np.ndarray, high: np.ndarray, mean: np.ndarray, median: np.ndarray) -> Intervals:
    """Make intervals that hold the mean and the median as far as those of the run do."""
    held_low, held_high = (np.clip(each, low, high) for each in (np.minimum(mean, median), np.maximum(mean, median)))
    return Intervals(low, high, held_low, held_high)


def _number_times(times: pd.Index) -> np.ndarray:
    """Convert timestamps to seconds, or to steps."""
    return times.as_unit("ns").asi8 / 1e9 if isinstance(times, pd.DatetimeIndex) else times.to_numpy(float)


def _publish_forecasts(forecasts: Sequence[Forecast], state: AdaptiveIntervals, past: PastForecasts) -> list[Forecast]:
    """Replace the quantiles of forecasts; series and steps that were never forecast before keep those of the run."""
    pairs = [level_to_quantiles(level) for level in state.levels.tolist()]
    bounds = np.full((2, *state.alpha.shape), np.nan)  # low and high, (2, series, levels, horizon)
    middles = np.full((2, len(past.names), 1, past.horizon), np.nan)  # mean and median
    numbers = {name: number for number, name in enumerate(past.names)}
    known = [
        (each, numbers[each.series], min(past.horizon, len(each.mean))) for each in forecasts if each.series in numbers
    ]
    for forecast, number, steps in known:
        for side in (0, 1):
            bounds[side, number, :, :steps] = [forecast.quantiles[pair[side]][:steps] for pair in pairs]
        middles[:, number, 0, :steps] = forecast.mean[:steps], forecast.quantiles.get(0.5, forecast.mean)[:steps]
    run = _hold(*bounds, *middles)
    found = state.publish(run)
    is_positive = ~np.any(past.values < 0, axis=1, keepdims=True)[:, None] & (run.low >= 0)
    low = np.where(is_positive, np.maximum(found.low, 0), found.low)
    # Levels are rising, and a wider one holds the narrower ones.
    low, high = np.minimum.accumulate(low, axis=1), np.maximum.accumulate(found.high, axis=1)
    adapted = {}
    for forecast, number, steps in known:
        quantiles = {probability: values.copy() for probability, values in forecast.quantiles.items()}
        decimals = _count_decimals(forecast)
        for place, pair in enumerate(pairs):
            for probability, table in zip(pair, (low, high), strict=True):
                quantiles[probability][:steps] = table[number, place, :steps].round(decimals) + 0.0  # -0 is 0
        if any((quantiles[p] != values).any() for p, values in forecast.quantiles.items()):
            adapted[forecast.series] = replace(forecast, quantiles=quantiles, run_quantiles=forecast.quantiles)
    return [adapted.get(each.series, each) for each in forecasts]


def _count_decimals(forecast: Forecast) -> int:
    """Count the decimals of the quantiles of a forecast and two more, at most 12."""
    values = np.concatenate([*forecast.quantiles.values()])
    return next((count + 2 for count in range(10) if (values.round(count) == values).all()), 12)


def describe_limits(state: AdaptiveIntervals, levels: Sequence[float]) -> list[Problem]:
    """Describe what the intervals of each level cannot promise."""
    notes = []
    for place, level in enumerate(levels):
        needed, scored = count_needed(level), int(state.scored[:, place].min())
        share = float(state.reaches_largest[:, place].mean())
        if needed > WINDOW:
            detail: dict[str, float] = {"level": level, "needed": needed, "window": WINDOW}
            notes.append(Problem("level-too-high-to-adapt", detail=detail))
        elif scored < needed:
            detail = {"level": level, "scored": scored, "needed": needed}
            notes.append(Problem("too-few-scored-to-adapt", detail=detail))
        elif share:
            notes.append(Problem("interval-of-largest-error", detail={"level": level, "share": round(100 * share)}))
    return notes


def adapt_from_store(store: Store, job: str, forecasts: Sequence[Forecast]) -> Adapted:
    """Adapt new forecasts of a job to its stored ones; the caller writes the states after the forecasts.

    Args:
        store: with the forecasts and actuals of the job.
        job: its name.
        forecasts: the new ones, with the intervals of the run.

    Raises:
        RunError: the store is damaged.
    """
    rows = sum(len(each.mean) for each in forecasts)
    stored = store.read_newest_forecasts(job, 0, min(REPLAYED, max(_FEWEST_REPLAYED, _MOST_ROWS // rows)))
    past = None
    if not stored.empty:
        # Baselines and their scale are not used here, so that a season and a history are not, either.
        past = join_actuals(stored, read_actuals_of(store, job, stored, history=0), season=1)
    return adapt(forecasts, past, store.read_adaptation(job))
