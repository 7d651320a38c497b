"""The width of zero-shot intervals, by the errors of the pretrained network at past origins of the same series.

Nothing was trained on the series, so that every past origin is a fair one. Scores are normalized residuals (Lei et al.
2018, section 5.2): the distance from the median over that of the interval's bound on the same side.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from forecaster.data import Series
from forecaster.forecast import level_to_quantiles, levels_to_probabilities
from forecaster.preprocessing.windows import take_last_steps
from forecaster.preprocessing.zero_shot_feature import cut_history
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import LARGEST, MIN_STEPS, forecast_zero_shot

_ORIGINS, _ORIGINS_OF_MANY = 64, 512  # at most; of more than 64 series one each, up to the second number
_HALF_LIFE = 0.1  # of the steps of a series, by which origins become half as dense: errors of long ago count less
_SHRINKAGE = 5.0  # horizons that the network's own widths count as
_FEWEST, _LEAST_READ = 8, 2 / 3  # steps known at an origin, and of those that the network reads at the end
_AT_ONCE = 16  # windows: more of them take more memory than the forecast of a series, for 5 % of the time
_LONGEST = 96  # steps ahead whose errors are measured
_HIGHEST = 95.0  # level in percent, whose factor those above share: their misses are too rare to be counted
_LIMITS = (0.5, 2.0)  # of a factor: a few errors, or values that are mostly equal, prove no more
_GOLDEN = (np.sqrt(5) - 1) / 2  # its multiples modulo 1 are spread evenly, however many they are


class WidthFactors(NamedTuple):
    """By how much the intervals of zero-shot forecasts are widened.

    Attributes:
        by_level: the factor of each level in percent; none where there are no past origins.
        origins: the number of past forecasts that they come from.
    """

    by_level: Mapping[float, float] = MappingProxyType({})
    origins: int = 0

    def list_by_probability(self, probabilities: Sequence[float]) -> np.ndarray:
        """List the factor of each quantile's distance from the median, (probabilities,)."""
        found = {each: factor for level, factor in self.by_level.items() for each in level_to_quantiles(level)}
        return np.array([found.get(probability, 1.0) for probability in probabilities])


class PastOrigins(NamedTuple):
    """Origins at which what followed is known.

    Attributes:
        members: the number of the series of each, (origins,).
        ends: the steps that are known at each, (origins,); denser near the end of a series, and some more than once.
        horizons: that they cover without overlap, in steps of which the newer count more.
    """

    members: np.ndarray
    ends: np.ndarray
    horizons: float


def measure_width_factors(
    panel: Sequence[Series], seasons: Sequence[int], horizon: int, levels: Sequence[float], gaps: str
) -> WidthFactors:
    """Measure by how much wider the intervals of each level should have been at past origins.

    The logarithm of a factor is shrunk towards 0 where the origins cover few horizons.

    Args:
        panel: the series; all of them share the factors.
        seasons: steps in each season, the main one first; empty or 1 where there are none.
        horizon: steps.
        levels: of the intervals, in percent.
        gaps: the policy `data.gaps` that the series were read by.
    """
    steps = min(horizon, _LONGEST)
    origins = select_past_origins(panel, seasons, steps)
    if not (len(levels) and len(origins.ends)):
        return WidthFactors()
    measured = {level: min(level, _HIGHEST) for level in levels}
    probabilities = sorted({0.5, *levels_to_probabilities(measured.values())})
    with np.errstate(all="ignore"):  # what is not finite is left out
        actual, quantiles, counts = _forecast_past(panel, origins, seasons, steps, probabilities, gaps)
        scores = {
            level: _compute_scores(actual, quantiles[0.5], *(quantiles[p] for p in level_to_quantiles(each)))
            for level, each in measured.items()
        }
    if not len(actual):
        return WidthFactors()
    weight = origins.horizons / (origins.horizons + _SHRINKAGE)
    factors = {
        level: _find_factor(np.repeat(each, counts, axis=0), measured[level]) ** weight
        for level, each in scores.items()
    }
    return WidthFactors(factors, len(actual))


def _forecast_past(
    panel: Sequence[Series],
    origins: PastOrigins,
    seasons: Sequence[int],
    steps: int,
    probabilities: Sequence[float],
    gaps: str,
) -> tuple[np.ndarray, dict[float, np.ndarray], np.ndarray]:
    """Forecast from past origins, each once, without those before or after which too little is known.

    Returns:
        The values after each, the quantiles of their forecasts by probability, both (distinct origins, steps), and how
        often each counts, (distinct origins,).
    """
    distinct, counts = np.unique(np.stack([origins.members, origins.ends]), axis=1, return_counts=True)
    pairs, length = [(panel[member], end) for member, end in distinct.T.tolist()], count_history_steps(seasons)
    windows = np.stack([cut_window(series, end, length, gaps) for series, end in pairs])  # (origins, length)
    actual = np.stack([read_actual(series, end, steps) for series, end in pairs])  # (origins, steps)
    enough = (~np.isnan(windows)).sum(axis=1) >= MIN_STEPS
    rows = np.flatnonzero(enough & ~np.isnan(actual).all(axis=1) & ~(np.abs(windows) > LARGEST).any(axis=1))
    found = np.empty((len(rows), steps, len(probabilities)))
    for first in range(0, len(rows), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        found[some] = forecast_zero_shot(windows[rows[some]], seasons, steps, probabilities)
    return actual[rows], dict(zip(probabilities, np.moveaxis(found, -1, 0), strict=True)), counts[rows]


def select_past_origins(panel: Sequence[Series], seasons: Sequence[int], horizon: int) -> PastOrigins:
    """Select past origins from which a whole horizon is known, the newer ones denser.

    Args:
        panel: the series; of many, some are selected, evenly spaced.
        seasons: steps in each.
        horizon: steps.
    """
    count = max(_ORIGINS, min(len(panel), _ORIGINS_OF_MANY)) if len(panel) else 0
    members = np.arange(count) * len(panel) // max(count, 1)
    lengths = np.array([len(panel[member]) for member in members.tolist()], int)
    # Errors are comparable where about as many steps are read as at the end.
    first = np.maximum(_FEWEST, np.ceil(_LEAST_READ * np.minimum(lengths, count_history_steps(seasons)))).astype(int)
    spans = lengths - horizon - first  # steps between the earliest and the newest origin
    members, lengths, spans, places = (each[spans >= 0] for each in (members, lengths, spans, np.arange(count)))
    half_lives = _HALF_LIFE * lengths
    # Ages of an exponential distribution that ends at the span, by its inverse.
    shares = (places + 0.5) * _GOLDEN % 1 * (1 - 0.5 ** ((spans + 1) / half_lives))
    ages = np.minimum(np.floor(-half_lives * np.log2(1 - shares)), spans).astype(int)
    # Kish's effective size of weights q^0 to q^span, averaged: series of one file share their times, and so errors.
    q = 0.5 ** (1 / half_lives)
    sizes = (1 - q ** (spans + 1)) / (1 + q ** (spans + 1)) * (1 + q) / (1 - q)  # steps
    horizons = float(np.mean((sizes + horizon - 1) / horizon)) if len(spans) else 0.0
    return PastOrigins(members, lengths - horizon - ages, min(horizons, len(members)))


def cut_window(series: Series, end: int, length: int, gaps: str) -> np.ndarray:
    """Cut what the network reads before `end`, (length,): NaN where nothing was observed, if gaps are left open."""
    return cut_history(series, end, length) if gaps == "mask" else take_last_steps(series.values, end, length)


def read_actual(series: Series, end: int, steps: int) -> np.ndarray:
    """Read the values after `end`, (steps,); NaN where one was filled."""
    values = series.values[end : end + steps]
    return values if series.observed is None else np.where(series.observed[end : end + steps], values, np.nan)


def _compute_scores(actual: np.ndarray, median: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Compute distances from the median over those of the bound on the same side; NaN where one is not known."""
    scores = np.where(actual >= median, (actual - median) / (high - median), (median - actual) / (median - low))
    return np.where(np.isfinite(scores), scores, np.nan)


def _find_factor(scores: np.ndarray, level: float) -> float:
    """Find the factor with which intervals cover `level` percent of the values with these scores."""
    known = scores[~np.isnan(scores)]
    return float(np.clip(np.quantile(known, level / 100), *_LIMITS)) if len(known) else 1.0
