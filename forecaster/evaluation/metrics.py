"""Error measures: an elementwise error, a weight, and an aggregation; one table of them all.

How cells become one number. A metric has an error and a weight for each cell, and the score of some cells is
the sum of their errors over the sum of their weights (then its root, for RMSE and RMSSE). Which cells, says its
aggregation:

- pooled (MAE, MSE, RMSE, WAPE, bias and everything about quantiles and intervals): all cells of all series together.
  It is in the series' own unit, so that large series count for more.
- by series (MAPE, sMAPE, MASE, RMSSE): each series gets a score from all its cells, over its origins and steps, and
  those scores are averaged, as M4 does (Makridakis, Spiliotis & Assimakopoulos 2020): a series with many origins
  counts no more than one with few.

A cell without a known actual value is never counted. A score that nothing defines (an actual value of 0 in MAPE, a
constant training part in MASE and RMSSE) is NaN; such cells and series are left out of the means, and `unscaled`
counts the series. A forecast that is NaN where the truth is known is no such gap: its scores are NaN.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.forecast import level_to_quantiles, name_quantile

Cells = np.ndarray  # (origins, horizon)


class Scale(NamedTuple):
    """How far the seasonal naive is off within training parts, which scaled errors are told in.

    Attributes:
        absolute, squared: its mean absolute and mean squared error of the series behind each origin, (origins,); NaN
            where there is none.
    """

    absolute: np.ndarray
    squared: np.ndarray


@dataclass(frozen=True)
class ScoredForecasts:
    """Forecasts from some origins beside what came.

    Attributes:
        actual: (origins, horizon), in the series' own unit; NaN where unknown or filled, which is never counted.
        mean: the forecast values, (origins, horizon).
        quantiles: by probability in rising order, each (origins, horizon).
        samples: paths, (paths, origins, horizon), where they were drawn.
        series: the number of the series behind each origin, (origins,); None where there is one series.
        scale: for scaled errors, which are left out without it.
    """

    actual: Cells
    mean: Cells
    quantiles: Mapping[float, Cells] = field(default_factory=dict)
    samples: np.ndarray | None = None
    series: np.ndarray | None = None
    scale: Scale | None = None

    @property
    def known(self) -> np.ndarray:
        """Whether each cell counts, (origins, horizon)."""
        return ~np.isnan(self.actual)


@dataclass(frozen=True)
class Metric:
    """How errors of cells become a score.

    Attributes:
        error: of each cell, (origins, horizon).
        weight: of each cell, (origins, horizon); NaN where the error is not defined. None: 1 for each, so that the
            score is a mean.
        root: whether the score is the root of that.
        by_series: whether the overall score is the mean of the series' scores; if not, cells are pooled.
    """

    error: Callable[[ScoredForecasts], Cells]
    weight: Callable[[ScoredForecasts], Cells] | None = None
    root: bool = False
    by_series: bool = False

    def totals(self, judged: ScoredForecasts) -> tuple[np.ndarray, np.ndarray]:
        """The sums of errors and of weights of each series and step, each (series, horizon)."""
        with np.errstate(divide="ignore", invalid="ignore"):  # where it is not defined, which the weight says
            errors = self.error(judged)
        weights = np.ones_like(errors) if self.weight is None else self.weight(judged)
        counts = judged.known & ~np.isnan(weights)
        names, places = np.unique(_get_series(judged), return_inverse=True)
        totals = np.zeros((2, len(names), errors.shape[1]))
        np.add.at(totals[0], places, np.where(counts, errors, 0.0))
        np.add.at(totals[1], places, np.where(counts, weights, 0.0))
        return totals[0], totals[1]

    def score(self, errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Of sums of errors and weights of any one shape; NaN where the weights are 0."""
        ratio = np.divide(errors, weights, out=np.full(np.shape(errors), np.nan), where=weights != 0)
        return np.sqrt(ratio) if self.root else ratio

    def overall(self, errors: np.ndarray, weights: np.ndarray) -> float:
        """Of the sums of each series, (series,): the mean of the scores that are defined, or that of all cells."""
        if not self.by_series:
            return float(self.score(errors.sum(), weights.sum()))
        drop_undefined = weights != 0
        return float(self.score(errors, weights)[drop_undefined].mean()) if drop_undefined.any() else float("nan")


def compute_scores(judged: ScoredForecasts) -> dict[str, float]:
    """Every metric over all series, origins and steps."""
    found = {}
    for name, metric in select_metrics(judged).items():
        errors, weights = metric.totals(judged)
        found[name] = metric.overall(errors.sum(axis=1), weights.sum(axis=1))
    return found


def compute_scores_by_series(judged: ScoredForecasts) -> pd.DataFrame:
    """Every metric for each series over its origins and steps: a row each, by the series' number."""
    columns = {}
    for name, metric in select_metrics(judged).items():
        errors, weights = metric.totals(judged)
        columns[name] = metric.score(errors.sum(axis=1), weights.sum(axis=1))
    return pd.DataFrame(columns, index=pd.Index(np.unique(_get_series(judged)), name="series"))


def compute_scores_by_step(judged: ScoredForecasts) -> pd.DataFrame:
    """Every metric for each step ahead over all origins, aggregated over series as the overall score: a row each."""
    columns = {}
    for name, metric in select_metrics(judged).items():
        errors, weights = metric.totals(judged)
        columns[name] = [metric.overall(*step) for step in zip(errors.T, weights.T, strict=True)]
    return pd.DataFrame(columns, index=pd.RangeIndex(1, judged.actual.shape[1] + 1, name="step"))


def select_metrics(judged: ScoredForecasts) -> dict[str, Metric]:
    """Those that can be told of it, by name: what needs quantiles, samples or a scale is there where they are."""
    found = dict(METRICS)
    if judged.scale is not None:
        found |= {name: scaled(judged.scale) for name, scaled in SCALED.items()}
    found |= OF_QUANTILES if judged.quantiles else {}
    if judged.samples is not None:
        found |= {name: of_samples(judged.samples) for name, of_samples in OF_SAMPLES.items()}
    for probability in judged.quantiles:
        found |= {f"{name}_{name_quantile(probability)}": made(probability) for name, made in OF_QUANTILE.items()}
    for level in find_levels(judged.quantiles):
        found |= {f"{name}_{level:g}": of_level(level) for name, of_level in OF_LEVEL.items()}
    return found


def drop_undefined(found: Mapping[str, float]) -> dict[str, float]:
    """The scores that are finite numbers; JSON has no others."""
    return {name: value for name, value in found.items() if np.isfinite(value)}


def find_levels(probabilities: Sequence[float] | Mapping[float, Cells]) -> list[float]:
    """The levels, in percent and rising, both of whose quantiles are there."""
    levels = [round(100 * (1 - 2 * probability), 8) for probability in probabilities if probability < 0.5]
    return sorted(level for level in levels if set(level_to_quantiles(level)) <= set(probabilities))


def owa(found: Mapping[str, float], naive2: Mapping[str, float]) -> float:
    """Overall weighted average: the mean of sMAPE and of MASE, each over that of Naive2 (M4, Makridakis et al. 2020).

    1 is as good as Naive2, less is better. Both arguments are overall `scores` on the same cells; the ratios are of
    means over series, not means of ratios. NaN where Naive2 makes no error.
    """
    ratios = [found[name] / naive2[name] if naive2[name] else np.nan for name in ("smape", "mase")]
    return float(np.mean(ratios))


def compute_seasonal_scale(training: np.ndarray, season: int) -> tuple[float, float]:
    """The mean absolute and the mean squared error of the seasonal naive within a training part, (steps,).

    Hyndman & Koehler (2006), with a season as M4 has it; squared as M5 has it. Season 1 is the last value.
    NaN in `training` is left out. Both are NaN where the part is no longer than a season, or where it repeats itself
    exactly, as a constant does: nothing could be told in units of 0.
    """
    changes = training[season:] - training[:-season]
    changes = changes[~np.isnan(changes)]
    if not changes.any():
        return np.nan, np.nan
    return float(np.mean(np.abs(changes))), float(np.mean(changes**2))


def count_unscaled(judged: ScoredForecasts) -> int:
    """How many series scaled errors leave out, for want of a scale."""
    if judged.scale is None:
        return len(np.unique(_get_series(judged)))
    names = _get_series(judged)
    return len(np.unique(names)) - len(np.unique(names[~np.isnan(judged.scale.absolute)]))


def mae(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Mean absolute error of two arrays of one shape, in the series' own unit."""
    return float(np.mean(np.abs(actual - forecast)))


def coverage(actual: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The share of actual values between two bounds, all of one shape, in percent."""
    return float(100 * np.mean((low <= actual) & (actual <= high)))


def _get_series(judged: ScoredForecasts) -> np.ndarray:
    return np.zeros(len(judged.actual), int) if judged.series is None else judged.series


def _bias(judged: ScoredForecasts) -> Cells:
    """Forecast less actual: above 0 where forecasts are too high."""
    return judged.mean - judged.actual


def _absolute_error(judged: ScoredForecasts) -> Cells:
    """|actual - forecast| (FPP3, 5.8)."""
    return np.abs(judged.actual - judged.mean)


def _squared_error(judged: ScoredForecasts) -> Cells:
    """(actual - forecast)² (FPP3, 5.8)."""
    return (judged.actual - judged.mean) ** 2


def _percentage_error(judged: ScoredForecasts) -> Cells:
    """100 |actual - forecast| / |actual| (FPP3, 5.8)."""
    return 100 * _absolute_error(judged) / np.abs(judged.actual)


def _weigh_nonzero(judged: ScoredForecasts) -> Cells:
    """The percentage error of an actual value of 0 is not defined (Hyndman & Koehler 2006): it does not count."""
    return np.where(judged.actual == 0, np.nan, 1.0)


def _symmetric_percentage_error(judged: ScoredForecasts) -> Cells:
    """200 |actual - forecast| / (|actual| + |forecast|), 0 to 200 % (M4, Makridakis et al. 2020).

    0 where both are 0, which M4 leaves open: there is no error.
    """
    size = np.abs(judged.actual) + np.abs(judged.mean)
    return np.where(size == 0, 0.0, 200 * _absolute_error(judged) / size)


def _build_mase(scale: Scale) -> Metric:
    """Mean of |actual - forecast| over the scale (Hyndman & Koehler 2006, section 3)."""
    units = scale.absolute[:, None]
    return Metric(lambda judged: _absolute_error(judged) / units, _weigh_scaled(~np.isnan(units)), by_series=True)


def _build_rmsse(scale: Scale) -> Metric:
    """Root of the mean of (actual - forecast)² over the squared scale (M5, Makridakis et al. 2022)."""
    units = scale.squared[:, None]
    return Metric(
        lambda judged: _squared_error(judged) / units, _weigh_scaled(~np.isnan(units)), root=True, by_series=True
    )


def _weigh_scaled(told: np.ndarray) -> Callable[[ScoredForecasts], Cells]:
    """1 for the cells that count, (origins, 1), else NaN."""
    return lambda judged: np.where(told, np.ones_like(judged.actual), np.nan)


def _actual_size(judged: ScoredForecasts) -> Cells:
    return np.abs(judged.actual)


def _pinball_loss(judged: ScoredForecasts, probability: float) -> Cells:
    """Of the quantile q of probability p: p (y - q) above it, (1 - p) (q - y) below it (Koenker & Bassett 1978)."""
    above = judged.actual - judged.quantiles[probability]
    return np.maximum(probability * above, (probability - 1) * above)


def _quantile_loss(judged: ScoredForecasts) -> Cells:
    """Twice the pinball loss, the mean over quantiles; over the sum of |actual| it is gluonts' weighted quantile loss.

    `mean_weighted_sum_quantile_loss` of gluonts; Salinas et al. (2020), DeepAR.
    """
    return np.mean([2 * _pinball_loss(judged, probability) for probability in judged.quantiles], axis=0)


def _crps_of_quantiles(judged: ScoredForecasts) -> Cells:
    """CRPS = 2 ∫ pinball loss dp (Laio & Tamea 2007), each quantile for the probabilities nearest to it.

    As fine as the quantiles are: a forecast of a few levels is only compared with one of the same levels.
    """
    probabilities = np.array(sorted(judged.quantiles))
    edges = np.concatenate([[0.0], (probabilities[1:] + probabilities[:-1]) / 2, [1.0]])
    losses = [_pinball_loss(judged, probability) for probability in probabilities.tolist()]
    return 2 * np.tensordot(np.diff(edges), losses, axes=1)


def _crps_of_samples(judged: ScoredForecasts, samples: np.ndarray) -> Cells:
    """E|X - y| - E|X - X'| / 2 over pairs of different paths: the fair form, which does not favour many paths.

    Gneiting & Raftery (2007), equation 21; Ferro (2014) for fairness. Of one path the absolute error.
    """
    paths = np.sort(samples, axis=0)  # (paths, origins, horizon)
    count = len(paths)
    distance = np.abs(paths - judged.actual).mean(axis=0)
    # The sum of |x_i - x_j| over pairs i < j, from sorted values.
    spread = np.tensordot(2 * np.arange(1, count + 1) - count - 1, paths, axes=1)
    return distance - spread / max(count * (count - 1), 1)


def _get_bounds(judged: ScoredForecasts, level: float) -> tuple[Cells, Cells]:
    low, high = level_to_quantiles(level)
    return judged.quantiles[low], judged.quantiles[high]


def _interval_score(judged: ScoredForecasts, level: float) -> Cells:
    """The width, and 2 / α times what lies outside, α = 1 - level / 100.

    Winkler (1972); Gneiting & Raftery (2007), equation 43.
    """
    (low, high), y = _get_bounds(judged, level), judged.actual
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return high - low + 2 / (1 - level / 100) * outside


def _interval_coverage(judged: ScoredForecasts, level: float) -> Cells:
    """100 where the actual value lies between the bounds, which count as inside, else 0."""
    low, high = _get_bounds(judged, level)
    inside = (low <= judged.actual) & (judged.actual <= high)
    return np.where(np.isnan(low + high), np.nan, 100.0 * inside)


def _interval_width(judged: ScoredForecasts, level: float) -> Cells:
    """The upper bound less the lower."""
    low, high = _get_bounds(judged, level)
    return high - low


METRICS: dict[str, Metric] = {
    "mae": Metric(_absolute_error),
    "rmse": Metric(_squared_error, root=True),
    "mse": Metric(_squared_error),
    "bias": Metric(_bias),
    "wape": Metric(lambda judged: 100 * _absolute_error(judged), _actual_size),
    "smape": Metric(_symmetric_percentage_error, by_series=True),
    "mape": Metric(_percentage_error, _weigh_nonzero, by_series=True),
}
SCALED: dict[str, Callable[[Scale], Metric]] = {"mase": _build_mase, "rmsse": _build_rmsse}
OF_QUANTILES: dict[str, Metric] = {"wql": Metric(_quantile_loss, _actual_size), "crps": Metric(_crps_of_quantiles)}
OF_SAMPLES: dict[str, Callable[[np.ndarray], Metric]] = {
    "crps_samples": lambda samples: Metric(lambda judged: _crps_of_samples(judged, samples)),
}
OF_QUANTILE: dict[str, Callable[[float], Metric]] = {
    "pinball": lambda probability: Metric(lambda judged: _pinball_loss(judged, probability)),
}
OF_LEVEL: dict[str, Callable[[float], Metric]] = {
    "interval_score": lambda level: Metric(lambda judged: _interval_score(judged, level)),
    "coverage": lambda level: Metric(lambda judged: _interval_coverage(judged, level)),
    "width": lambda level: Metric(lambda judged: _interval_width(judged, level)),
}
