"""Measures of a series for `forecast check`: outliers, level shifts, constant stretches, seasons, errors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forecaster.data.series import Series
from forecaster.preprocessing.missing_codes import find_missing_codes
from forecaster.time.gaps import Gap, fill_gaps, find_gaps, interpolate_linearly
from forecaster.time.grid import find_clock_step
from forecaster.time.rules import SESSIONS
from forecaster.time.seasons import detrend

_DAY = np.timedelta64(1, "D")
_FAR = 8.0  # robust deviations from its neighbours that make a value an outlier
_SHIFT = 6.0  # robust deviations of the difference of means that make a level shift
_LASTING = (0.75, 1.33)  # a shift over half the width, as a share of that over the whole
_LASTS = 50  # a level lasts at least this fraction of the series
_MAD = 1.4826  # a normal's deviation over its median absolute deviation
_FEWEST = 12  # steps of a constant stretch
_CHANCE = 0.01  # of a stretch that is constant by chance, in the whole series
_COMMON = 0.2  # share of the steps from which one value is how a series is, not a fault
_LAGS = 64  # that a straight line is fitted through, at most
_PENALTIES = (1e-3, 1e-1, 1e1, 1e3)  # of the ridge, in the lags' variance
_NEWEST = 20_000  # steps that the straight line is fitted on
_DOUBT = 1.645  # standard errors
WORTH_IT = 0.02  # less error that is worth a network


class Stretch(NamedTuple):
    """`length` steps from the step `first` on."""

    first: int
    length: int


class Shift(NamedTuple):
    """The level changes by `change`, in the series' own unit, at the step `at`."""

    at: int
    change: float


class Errors(NamedTuple):
    """Mean absolute errors `ahead` steps ahead, half a season or one step, on the last fifth of a series.

    Attributes:
        ahead: steps.
        naive: of the last value.
        seasonal: of the value one season before, by the steps of the season.
        line: of a straight line through the past.
        doubt: by how much the line may err less than the best of the others by chance, once in twenty times.
    """

    ahead: int
    naive: float
    seasonal: dict[int, float]
    line: float
    doubt: float

    @property
    def best(self) -> float:
        """The error of the best that needs no training."""
        return min(self.naive, *self.seasonal.values()) if self.seasonal else self.naive

    @property
    def gain(self) -> float:
        """How much less the straight line errs than the best of the others, a share; below 0 where it errs more."""
        return 1 - self.line / self.best if self.best else 0.0

    @property
    def learnable(self) -> bool:
        """Whether the line errs less by more than chance, and by enough to be worth it."""
        return self.gain > WORTH_IT and self.best - self.line > self.doubt


@dataclass(frozen=True)
class SeriesStatistics:
    """The anomalies of one series, and whether it can be learnt.

    Attributes:
        series: NaN where a step is missing.
        seasons: steps in each, the main one first; empty where there is none.
        strengths: of each season, from 0 to 1.
        gaps: in order of time.
        stretches: of one value, the longest first.
        outliers: steps, the farthest first.
        shifts: the largest first.
        codes: values that look like a code for a missing one.
        zeros: share of the steps that are 0.
        errors: of naive forecasts and a straight line; None where the series is too short.
    """

    series: Series
    seasons: tuple[int, ...]
    strengths: dict[int, float]
    gaps: list[Gap]
    stretches: list[Stretch]
    outliers: np.ndarray
    shifts: list[Shift]
    codes: list[float]
    zeros: float
    errors: Errors | None

    @property
    def missing(self) -> int:
        """Steps without a value."""
        return sum(gap.length for gap in self.gaps)

    @property
    def episodes(self) -> np.ndarray:
        """The farthest outlier of each run of them that is less than a season apart, the farthest first: steps."""
        apart = max(self.seasons[:1], default=1)
        steps = np.sort(self.outliers)
        run = np.cumsum(np.diff(steps, prepend=steps[:1]) > apart)
        runs = dict(zip(steps.tolist(), run.tolist(), strict=True))
        first: dict[int, int] = {}
        for step in self.outliers.tolist():
            first.setdefault(runs[step], step)
        return np.array(list(first.values()), int)

    @property
    def has_extreme_outliers(self) -> bool:
        """Whether outliers widen the standard deviation, by which values are scaled, by half or more."""
        rest = np.delete(self.series.values, self.outliers)
        return bool(len(self.outliers)) and bool(np.nanstd(self.series.values) > 1.5 * np.nanstd(rest))


@np.errstate(over="ignore", invalid="ignore")  # of numbers near the largest, which a training refuses
def examine(series: Series, seasons: Sequence[int]) -> SeriesStatistics:
    """Measure one series.

    Args:
        series: NaN where a step is missing.
        seasons: steps in each season, the main one first; empty where there is none.
    """
    values = series.values
    main = next(iter(seasons), 1)
    codes = find_missing_codes(values)
    known = np.where(np.isin(values, codes), np.nan, values)
    far = find_outliers(known, seasons)
    return SeriesStatistics(
        series,
        tuple(seasons),
        measure_season_strengths(values, seasons),
        find_gaps(values),
        find_constant_stretches(values, 1 if _has_daily_steps(series) else main),
        far,
        find_level_shifts(_blank(known, far), main),
        codes,
        float(np.mean(values == 0)),
        measure_errors(values[-_NEWEST:], seasons),
    )


def _has_daily_steps(series: Series) -> bool:
    """Whether a step is a day or longer."""
    if series.frequency != SESSIONS:
        clock_step = find_clock_step(series.frequency)
        return series.has_dates and bool(clock_step is None or clock_step >= _DAY)
    return bool(np.diff(series.timestamps.to_numpy()).min() >= _DAY)


def find_constant_stretches(values: np.ndarray, shortest: int) -> list[Stretch]:
    """Find runs of one value of `shortest` steps, of 12, and longer than chance makes them, the longest first.

    A run of k steps has the chance p^k, where p is the share of steps that repeat the one before. A value that a fifth
    of all other steps have too, as 0 of rain or sales, is how the series is; a whole series that is constant is a run.
    """
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    lengths = np.diff(np.append(starts, len(values)))
    known = np.isfinite(values[starts])
    if known.sum() < 2:
        whole = np.flatnonzero(known & (lengths >= _FEWEST))
        return [Stretch(int(starts[run]), int(lengths[run])) for run in whole]
    kept = known & (lengths >= _compute_shortest(values, shortest))
    found = [Stretch(int(first), int(length)) for first, length in zip(starts[kept], lengths[kept], strict=True)]
    unusual = [run for run in found if np.sum(values == values[run.first]) - run.length < _COMMON * len(values)]
    return sorted(unusual, key=lambda stretch: -stretch.length)


def _compute_shortest(values: np.ndarray, shortest: int) -> float:
    repeats = float(np.mean(values[1:] == values[:-1]))
    by_chance = math.log(_CHANCE / len(values)) / math.log(repeats) if 0 < repeats < 1 else 0.0
    return max(_FEWEST, shortest, min(by_chance, len(values) / 2))


def find_outliers(values: np.ndarray, seasons: Sequence[int] = ()) -> np.ndarray:
    """Find steps far from their neighbours whole seasons away (steps, where there is none), the farthest first.

    Far is 8 robust deviations of all such distances (the Hampel identifier, Davies & Gather 1993), of the season whose
    are smallest. The neighbours are the median of the three before and that of the three after, so that no neighbour
    hides another; a step must be far from both on the same side, so that a step of the level is none.
    """
    found = [_find_far_steps(values, season) for season in seasons or (1,) if len(values) >= 3 * season + 2]
    return min(found, key=lambda each: each[0])[1] if found else np.array([], int)


def _find_far_steps(values: np.ndarray, season: int) -> tuple[float, np.ndarray]:
    """Compute the robust deviation of the distances to both neighbours, and find the steps that are far from them."""
    before, after = (
        values - _compute_neighbours(values, season),
        values - _compute_neighbours(values[::-1], season)[::-1],
    )
    distances = np.abs(np.concatenate([before, after]))
    if np.isnan(distances).all():
        return math.inf, np.array([], int)
    scale = _MAD * float(np.nanmedian(distances))
    distance = np.where(np.sign(before) == np.sign(after), np.minimum(np.abs(before), np.abs(after)), 0.0)
    far = np.flatnonzero(distance > _FAR * scale) if scale > 0 else np.array([], int)
    return scale, far[np.argsort(-distance[far], kind="stable")]


def _compute_neighbours(values: np.ndarray, season: int) -> np.ndarray:
    """Compute the median of the values one, two and three seasons before, of those that are known: (steps,)."""
    none = np.full(len(values), np.nan)
    one, two, three = (np.concatenate([none[: k * season], values[: -k * season]])[: len(values)] for k in (1, 2, 3))
    two = np.where(np.isnan(two), one, two)
    one = np.where(np.isnan(one), two, one)
    three = np.where(np.isnan(three), two, three)
    return np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three))


def find_level_shifts(values: np.ndarray, season: int) -> list[Shift]:
    """Find steps at which the mean of the next steps leaves that of the last for good, the largest first.

    The means are over whole seasons, a fiftieth of the series or more, 30 steps at least. The change is compared with
    the usual one, which a trend makes, in robust deviations of all changes; it has to be as large over half the width,
    where a drift has half of it and a short disturbance more. Of neighbours within a width only the largest counts.
    """
    width = 2 * season * math.ceil(max(2 * season, len(values) / _LASTS, 30) / (2 * season))
    if len(values) < 4 * width or np.isnan(values).all():
        return []
    sums = np.concatenate([[0.0], np.cumsum(interpolate_linearly(_extend_edges(values)))])
    changes = _compute_mean_changes(sums, width)  # at the steps width, width + 1, ...
    halves = _compute_mean_changes(sums, width // 2)[width // 2 :][: len(changes)]
    unusual = changes - np.median(changes)
    noise = _MAD * np.median(np.abs(unusual))
    found: list[Shift] = []
    for index in np.argsort(-np.abs(unusual), kind="stable"):
        if noise == 0 or np.abs(unusual[index]) < _SHIFT * noise:
            break
        if any(abs(index + width - shift.at) < width for shift in found):
            continue
        found.append(Shift(int(index) + width, float(changes[index])))
    low, high = _LASTING
    return [shift for shift in found if low <= halves[shift.at - width] / shift.change <= high]


def _compute_mean_changes(sums: np.ndarray, width: int) -> np.ndarray:
    """Compute the mean of the next `width` steps less that of the last, from sums (steps,): (steps - 2 width + 1,)."""
    means = (sums[width:] - sums[:-width]) / width
    return means[width:] - means[:-width]


def _blank(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    kept = values.copy()
    kept[steps] = np.nan
    return kept


def _extend_edges(values: np.ndarray) -> np.ndarray:
    """Replace missing values before the first number and after the last one by that number."""
    known = np.flatnonzero(~np.isnan(values))
    edged = values.copy()
    edged[: known[0]], edged[known[-1] :] = values[known[0]], values[known[-1]]
    return edged


def measure_season_strengths(values: np.ndarray, seasons: Sequence[int]) -> dict[int, float]:
    """From 0 to 1: how much of what is left of the trend each season explains (Hyndman & Athanasopoulos, FPP3, 4.3).

    max(0, 1 - Var(R) / Var(S + R)), S the season and R the remainder. The trend is a centred moving mean over the
    longest season; a season is the mean of each of its phases in what the shorter ones leave, as in MSTL (Bandara et
    al. 2021). Var(R) is divided by the share of phases among the steps, without which noise had a season. A season
    that is not seen two times and a half has none.
    """
    fitting = sorted(season for season in seasons if 1 < season <= len(values) / 2.5)
    if not fitting or np.isnan(values).mean() > 0.5:
        return {}
    longest = fitting[-1]
    rest = detrend(interpolate_linearly(_extend_edges(values)), longest)
    rest = np.where(np.isnan(values[longest // 2 :][: len(rest)]), np.nan, rest)
    profiles = {}
    for season in fitting:
        profiles[season] = _compute_profile(rest, season)
        rest = rest - profiles[season]
    left = np.nanvar(rest) * len(rest) / max(len(rest) - sum(fitting), 1)
    return {
        season: _compute_strength(np.nanvar(profiles[season] + rest), left) for season in seasons if season in fitting
    }


def _compute_strength(whole: float, left: float) -> float:
    return float(np.clip(1 - left / whole, 0, 1)) if 0 < whole < math.inf else 0.0


def _compute_profile(values: np.ndarray, season: int) -> np.ndarray:
    """Compute the mean of its phase at each step, (steps,); 0 where no step of a phase is known."""
    phases, known = np.arange(len(values)) % season, ~np.isnan(values)
    sums = np.bincount(phases[known], values[known], season)
    return (sums / np.maximum(np.bincount(phases[known], minlength=season), 1))[phases]


def measure_errors(values: np.ndarray, seasons: Sequence[int]) -> Errors | None:
    """Compare a straight line through the last values with naive forecasts; None where there are too few values.

    The line is a ridge regression of the change since a season ago on the last lags and the values a season before,
    all less their mean. It is fitted on the first four fifths, its penalty chosen on the last fifth of these, so that
    it knows of the last fifth of all nothing but its past.
    """
    main = next(iter(seasons), 1)
    ahead = (main + 1) // 2
    usable = [season for season in seasons if ahead <= season <= len(values) // 5]
    lags = min(_LAGS, max(8, 2 * main), len(values) // 8)
    origins = np.arange(max([lags, *usable]) - 1, len(values) - ahead)
    if lags < 2 or len(origins) < 50:
        return None
    # A forecast at an origin knows the last value before a gap; most windows of a series with many gaps have one.
    carried = fill_gaps(values, "previous", 1)
    past = carried[origins[:, None] - np.arange(lags)]  # (origins, lags), the newest first
    ago = {season: carried[origins + ahead - season] for season in usable}  # (origins,) each
    future = values[origins + ahead]
    known = np.isfinite(np.column_stack([past, future, *ago.values()])).all(axis=1)
    past, future, ago = past[known], future[known], {season: before[known] for season, before in ago.items()}
    split = int(0.8 * len(future))
    if split < 2 * lags or split == len(future):
        return None
    features = np.column_stack([past, *ago.values()]) - past.mean(axis=1, keepdims=True)
    anchor = ago.get(main, past[:, 0])
    line = anchor[split:] + _forecast_by_ridge(features, future - anchor, split)
    untrained = {1: past[:, 0], **ago}
    errors = {season: _compute_mae(future[split:], forecast[split:]) for season, forecast in untrained.items()}
    best = untrained[min(errors, key=lambda season: errors[season])][split:]
    less = np.abs(future[split:] - best) - np.abs(future[split:] - line)
    found = Errors(
        ahead, errors.pop(1), errors, _compute_mae(future[split:], line), _DOUBT * _estimate_standard_error(less, ahead)
    )
    return found if np.isfinite([found.best, found.line, found.doubt]).all() else None


def _estimate_standard_error(differences: np.ndarray, ahead: int) -> float:
    """Of the mean of (origins,) differences whose neighbours within `ahead` steps go together (Diebold & Mariano 1995).

    The weights fall linearly to 0, so that the variance is never negative (Newey & West 1987).
    """
    steps = len(differences)
    centred = differences - differences.mean()
    together = [float(centred[lag:] @ centred[: steps - lag]) / steps for lag in range(min(2 * ahead, steps))]
    weights = 1 - np.arange(len(together)) / len(together)
    return math.sqrt((2 * float(weights @ together) - together[0]) / steps)


def _forecast_by_ridge(features: np.ndarray, targets: np.ndarray, split: int) -> np.ndarray:
    """Forecast from the features from `split` on by a ridge regression, whose penalty is chosen before it."""
    inner = int(0.8 * split)
    tried = {
        penalty: _compute_mae(targets[inner:split], _fit_and_forecast(features[:split], targets, inner, penalty))
        for penalty in _PENALTIES
    }
    return _fit_and_forecast(features, targets, split, min(tried, key=lambda penalty: tried[penalty]))


def _fit_and_forecast(features: np.ndarray, targets: np.ndarray, split: int, penalty: float) -> np.ndarray:
    center, mean = features[:split].mean(axis=0), targets[:split].mean()
    moved = features[:split] - center
    gram = moved.T @ moved
    weight = penalty * max(np.trace(gram) / len(gram), 1e-12) * np.eye(len(gram))
    weights = np.linalg.solve(gram + weight, moved.T @ (targets[:split] - mean))
    return mean + (features[split:] - center) @ weights


def _compute_mae(actual: np.ndarray, forecast: np.ndarray) -> float:
    return float(np.mean(np.abs(actual - forecast)))
