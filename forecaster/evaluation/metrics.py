"""Error measures: an elementwise error, a weight, and an aggregation; one table of them all.

How cells become one number. A metric has an error and a weight for each cell, and the score of some cells is
the sum of their errors over the sum of their weights (then its root, for RMSE and RMSSE). The aggregation
chooses the cells:

- pooled (MAE, MSE, RMSE, WAPE, bias and everything about quantiles and intervals): all cells of all series together.
  It is in the series' own unit, so that large series count for more.
- by series (MAPE, sMAPE, MASE, RMSSE): each series gets a score from all its cells, over its origins and steps, and
  those scores are averaged, as M4 does (Makridakis, Spiliotis & Assimakopoulos 2020): a series with many origins
  counts no more than one with few.

A cell without a known actual value is never counted. A score that nothing defines (an actual value of 0 in MAPE, a
constant training part in MASE and RMSSE) is NaN; such cells and series are left out of the means, and `unscaled`
counts the series. A forecast that is NaN where the actual value is known is not left out: its scores are NaN.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from forecaster.forecast import level_to_quantiles, name_quantile

if TYPE_CHECKING:
    import pandas as pd

Cells = np.ndarray  # (origins, horizon)


class Scale(NamedTuple):
    """The errors of the seasonal naive within training parts, which scaled errors are divided by.

    Attributes:
        absolute, squared: its mean absolute and mean squared error of the series of each origin, (origins,); NaN
            where there is none.
    """

    absolute: np.ndarray
    squared: np.ndarray


@dataclass(frozen=True)
class ScoredForecasts:
    """Forecasts from some origins with the actual values.

    Attributes:
        actual: (origins, horizon), in the series' own unit; NaN where unknown or filled, which is never counted.
        mean: the forecast values, (origins, horizon).
        quantiles: by probability in rising order, each (origins, horizon).
        samples: paths, (paths, origins, horizon), where they were drawn.
        series: the number of the series of each origin, (origins,); None where there is one series.
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

    def sum_errors(self, scored: ScoredForecasts) -> tuple[np.ndarray, np.ndarray]:
        """Sum the errors and the weights of each series and step, each (series, horizon)."""
        with np.errstate(divide="ignore", invalid="ignore"):  # undefined errors have a NaN weight
            errors = self.error(scored)
        weights = np.ones_like(errors) if self.weight is None else self.weight(scored)
        counts = scored.known & ~np.isnan(weights)
        names, places = np.unique(_get_series(scored), return_inverse=True)
        totals = np.zeros((2, len(names), errors.shape[1]))  # errors and weights, (2, series, horizon)
        for total, cells in zip(totals, (errors, weights), strict=True):
            rows = np.where(counts, cells, 0.0)
            if len(names) == len(places):  # an origin for each series: nothing to add up, which takes ten times as long
                total[places] = rows
            else:
                np.add.at(total, places, rows)
        return totals[0], totals[1]

    def score(self, errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Of sums of errors and weights of any one shape; NaN where the weights are 0."""
        ratio = np.divide(errors, weights, out=np.full(np.shape(errors), np.nan), where=weights != 0)
        return np.sqrt(ratio) if self.root else ratio

    def compute_overall(self, errors: np.ndarray, weights: np.ndarray) -> float:
        """Of the sums of each series, (series,): the mean of the scores that are defined, or that of all cells."""
        if not self.by_series:
            return float(self.score(errors.sum(), weights.sum()))
        defined = weights != 0
        return float(self.score(errors, weights)[defined].mean()) if defined.any() else float("nan")


def compute_scores(scored: ScoredForecasts) -> dict[str, float]:
    """Every metric over all series, origins and steps."""
    found = {}
    for name, metric in select_metrics(scored).items():
        errors, weights = metric.sum_errors(scored)
        found[name] = metric.compute_overall(errors.sum(axis=1), weights.sum(axis=1))
    return found


def compute_scores_by_series(scored: ScoredForecasts) -> "pd.DataFrame":
    """Every metric for each series over its origins and steps: a row each, by the series' number."""
    import pandas as pd  # noqa: PLC0415  for tables alone: `forecast check` does without

    columns = {}
    for name, metric in select_metrics(scored).items():
        errors, weights = metric.sum_errors(scored)
        columns[name] = metric.score(errors.sum(axis=1), weights.sum(axis=1))
    return pd.DataFrame(columns, index=pd.Index(np.unique(_get_series(scored)), name="series"))


def compute_scores_by_step(scored: ScoredForecasts) -> "pd.DataFrame":
    """Every metric for each step ahead over all origins, aggregated over series as the overall score: a row each."""
    import pandas as pd  # noqa: PLC0415  for tables alone: `forecast check` does without

    columns = {}
    for name, metric in select_metrics(scored).items():
        errors, weights = metric.sum_errors(scored)
        columns[name] = [metric.compute_overall(*step) for step in zip(errors.T, weights.T, strict=True)]
    return pd.DataFrame(columns, index=pd.RangeIndex(1, scored.actual.shape[1] + 1, name="step"))


def compute_scores_by_group(scored: ScoredForecasts, groups: np.ndarray) -> "pd.DataFrame":
    """Every metric for each group of cells, aggregated over series as the overall score: a row each, by its number.

    Args:
        scored: with the cells.
        groups: the number of the group of each cell, (origins, horizon); below 0 where it has none.
    """
    import pandas as pd  # noqa: PLC0415  for tables alone: `forecast check` does without

    names, places = np.unique(_get_series(scored), return_inverse=True)
    numbers, codes = np.unique(groups, return_inverse=True)
    cells = codes.reshape(groups.shape) * len(names) + places[:, None]
    columns = {}
    for name, metric in select_metrics(scored).items():
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = metric.error(scored)
        weights = np.ones_like(errors) if metric.weight is None else metric.weight(scored)
        counts = scored.known & ~np.isnan(weights)
        sums = [
            np.bincount(cells[counts], each[counts], len(numbers) * len(names)).reshape(len(numbers), -1)
            for each in (errors, weights)
        ]  # (groups, series) each
        columns[name] = [metric.compute_overall(*group) for group in zip(*sums, strict=True)]
    return pd.DataFrame(columns, index=pd.Index(numbers, name="group")).loc[numbers >= 0]


def select_metrics(scored: ScoredForecasts) -> dict[str, Metric]:
    """Select the metrics that the forecasts have what they need for (quantiles, samples, a scale), by name."""
    found = dict(METRICS)
    if scored.scale is not None:
        found |= {name: build(scored.scale) for name, build in SCALED.items()}
    found |= OF_QUANTILES if scored.quantiles else {}
    if scored.samples is not None:
        found |= {name: build(scored.samples) for name, build in OF_SAMPLES.items()}
    for probability in scored.quantiles:
        found |= {f"{name}_{name_quantile(probability)}": build(probability) for name, build in OF_QUANTILE.items()}
    for level in find_levels(scored.quantiles):
        found |= {f"{name}_{level:g}": build(level) for name, build in OF_LEVEL.items()}
    return found


def drop_undefined(found: Mapping[str, float]) -> dict[str, float]:
    """Drop the scores that are NaN or infinite; JSON has no such numbers."""
    return {name: value for name, value in found.items() if np.isfinite(value)}


def find_levels(probabilities: Sequence[float] | Mapping[float, Cells]) -> list[float]:
    """Find the levels, in percent and rising, whose two quantiles are among the probabilities."""
    levels = [round(100 * (1 - 2 * probability), 8) for probability in probabilities if probability < 0.5]
    return sorted(level for level in levels if set(level_to_quantiles(level)) <= set(probabilities))


def compute_owa(found: Mapping[str, float], naive2: Mapping[str, float]) -> float:
    """Overall weighted average: the mean of sMAPE and of MASE, each over that of Naive2 (M4, Makridakis et al. 2020).

    1 is as good as Naive2, less is better. Both arguments are overall `scores` on the same cells; the ratios are of
    means over series, not means of ratios. NaN where Naive2 makes no error.
    """
    ratios = [found[name] / naive2[name] if naive2[name] else np.nan for name in ("smape", "mase")]
    return float(np.mean(ratios))


def compute_seasonal_scale(training: np.ndarray, season: int) -> tuple[float, float]:
    """Compute the mean absolute and mean squared error of the seasonal naive within a training part, (steps,).

    Hyndman & Koehler (2006), with a season as M4 has it; squared as M5 has it. Season 1 is the last value.
    NaN in `training` is left out. Both are NaN where the part is no longer than a season, or where it repeats itself
    exactly, as a constant does: errors cannot be divided by 0.
    """
    changes = training[season:] - training[:-season]  # the seasonal naive's errors, (steps - season,)
    changes = changes[~np.isnan(changes)]
    if not changes.any():
        return np.nan, np.nan
    return float(np.mean(np.abs(changes))), float(np.mean(changes**2))


def compute_seasonal_scales(training: np.ndarray, season: int) -> np.ndarray:
    """Compute the scales of `compute_seasonal_scale` for several series, (series, steps): (series, 2)."""
    changes = training[:, season:] - training[:, :-season]
    if not changes.size or np.isnan(changes).any():
        return np.array([compute_seasonal_scale(row, season) for row in training])
    scales = np.stack([np.mean(np.abs(changes), axis=1), np.mean(changes**2, axis=1)], axis=1)
    return np.where(changes.any(axis=1, keepdims=True), scales, np.nan)


def count_unscaled(scored: ScoredForecasts) -> int:
    """Count the series without a scale, which scaled errors leave out."""
    if scored.scale is None:
        return len(np.unique(_get_series(scored)))
    names = _get_series(scored)
    return len(np.unique(names)) - len(np.unique(names[~np.isnan(scored.scale.absolute)]))


def compute_mae(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Mean absolute error of two arrays of one shape, in the series' own unit."""
    return float(np.mean(np.abs(actual - forecast)))


def compute_coverage(actual: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Compute the share of actual values between two bounds, all of one shape, in percent."""
    return float(100 * np.mean((low <= actual) & (actual <= high)))


def _get_series(scored: ScoredForecasts) -> np.ndarray:
    return np.zeros(len(scored.actual), int) if scored.series is None else scored.series


def _compute_bias(scored: ScoredForecasts) -> Cells:
    """Forecast less actual: above 0 where forecasts are too high."""
    return scored.mean - scored.actual


def _compute_absolute_error(scored: ScoredForecasts) -> Cells:
    """|actual - forecast| (FPP3, 5.8)."""
    return np.abs(scored.actual - scored.mean)


def _compute_squared_error(scored: ScoredForecasts) -> Cells:
    """(actual - forecast)² (FPP3, 5.8)."""
    return (scored.actual - scored.mean) ** 2


def _compute_percentage_error(scored: ScoredForecasts) -> Cells:
    """100 |actual - forecast| / |actual| (FPP3, 5.8)."""
    return 100 * _compute_absolute_error(scored) / np.abs(scored.actual)


def _weigh_nonzero(scored: ScoredForecasts) -> Cells:
    """Weigh cells 1, NaN where an actual value is 0: its percentage error is undefined (Hyndman & Koehler 2006)."""
    return np.where(scored.actual == 0, np.nan, 1.0)


def _compute_symmetric_percentage_error(scored: ScoredForecasts) -> Cells:
    """200 |actual - forecast| / (|actual| + |forecast|), 0 to 200 % (M4, Makridakis et al. 2020).

    0 where both are 0, which M4 leaves open: there is no error.
    """
    size = np.abs(scored.actual) + np.abs(scored.mean)  # (origins, horizon)
    return np.where(size == 0, 0.0, 200 * _compute_absolute_error(scored) / size)


def _build_mase(scale: Scale) -> Metric:
    """Mean of |actual - forecast| over the scale (Hyndman & Koehler 2006, section 3)."""
    units = scale.absolute[:, None]
    return Metric(
        lambda scored: _compute_absolute_error(scored) / units, _weigh_scaled(~np.isnan(units)), by_series=True
    )


def _build_rmsse(scale: Scale) -> Metric:
    """Root of the mean of (actual - forecast)² over the squared scale (M5, Makridakis et al. 2022)."""
    units = scale.squared[:, None]
    return Metric(
        lambda scored: _compute_squared_error(scored) / units,
        _weigh_scaled(~np.isnan(units)),
        root=True,
        by_series=True,
    )


def _weigh_scaled(has_scale: np.ndarray) -> Callable[[ScoredForecasts], Cells]:
    """Weigh cells 1 where the origin has a scale, (origins, 1), else NaN."""
    return lambda scored: np.where(has_scale, np.ones_like(scored.actual), np.nan)


def _compute_actual_size(scored: ScoredForecasts) -> Cells:
    return np.abs(scored.actual)


def _compute_pinball_loss(scored: ScoredForecasts, probability: float) -> Cells:
    """Of the quantile q of probability p: p (y - q) above it, (1 - p) (q - y) below it (Koenker & Bassett 1978)."""
    above = scored.actual - scored.quantiles[probability]  # y - q
    return np.maximum(probability * above, (probability - 1) * above)


def _compute_quantile_loss(scored: ScoredForecasts) -> Cells:
    """Twice the pinball loss, the mean over quantiles; over the sum of |actual| it is gluonts' weighted quantile loss.

    `mean_weighted_sum_quantile_loss` of gluonts; Salinas et al. (2020), DeepAR.
    """
    return np.mean([2 * _compute_pinball_loss(scored, probability) for probability in scored.quantiles], axis=0)


def _compute_crps_of_quantiles(scored: ScoredForecasts) -> Cells:
    """CRPS = 2 ∫ pinball loss dp (Laio & Tamea 2007), each quantile for the probabilities nearest to it.

    As fine as the quantiles are: a forecast of a few levels is only compared with one of the same levels.
    """
    probabilities = np.array(sorted(scored.quantiles))
    # each quantile represents the probabilities halfway to its neighbours
    edges = np.concatenate([[0.0], (probabilities[1:] + probabilities[:-1]) / 2, [1.0]])
    losses = [_compute_pinball_loss(scored, probability) for probability in probabilities.tolist()]
    return 2 * np.tensordot(np.diff(edges), losses, axes=1)


def _compute_crps_of_samples(scored: ScoredForecasts, samples: np.ndarray) -> Cells:
    """E|X - y| - E|X - X'| / 2 over pairs of different paths: the fair form, which does not favour many paths.

    Gneiting & Raftery (2007), equation 21; Ferro (2014) for fairness. Of one path the absolute error.
    """
    paths = np.sort(samples, axis=0)  # (paths, origins, horizon)
    count = len(paths)
    distance = np.abs(paths - scored.actual).mean(axis=0)
    # The sum of |x_i - x_j| over pairs i < j, from sorted values.
    spread = np.tensordot(2 * np.arange(1, count + 1) - count - 1, paths, axes=1)
    return distance - spread / max(count * (count - 1), 1)


def _get_bounds(scored: ScoredForecasts, level: float) -> tuple[Cells, Cells]:
    low, high = level_to_quantiles(level)
    return scored.quantiles[low], scored.quantiles[high]


def _compute_interval_score(scored: ScoredForecasts, level: float) -> Cells:
    """Add to the width 2 / α times the distance of values outside, α = 1 - level / 100.

    Winkler (1972); Gneiting & Raftery (2007), equation 43.
    """
    (low, high), y = _get_bounds(scored, level), scored.actual
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return high - low + 2 / (1 - level / 100) * outside


def _compute_interval_coverage(scored: ScoredForecasts, level: float) -> Cells:
    """100 where the actual value lies between the bounds, which count as inside, else 0."""
    low, high = _get_bounds(scored, level)
    inside = (low <= scored.actual) & (scored.actual <= high)
    return np.where(np.isnan(low + high), np.nan, 100.0 * inside)


def _compute_interval_width(scored: ScoredForecasts, level: float) -> Cells:
    """Subtract the lower bound from the upper."""
    low, high = _get_bounds(scored, level)
    return high - low


METRICS: dict[str, Metric] = {
    "mae": Metric(_compute_absolute_error),
    "rmse": Metric(_compute_squared_error, root=True),
    "mse": Metric(_compute_squared_error),
    "bias": Metric(_compute_bias),
    "wape": Metric(lambda scored: 100 * _compute_absolute_error(scored), _compute_actual_size),
    "smape": Metric(_compute_symmetric_percentage_error, by_series=True),
    "mape": Metric(_compute_percentage_error, _weigh_nonzero, by_series=True),
}
SCALED: dict[str, Callable[[Scale], Metric]] = {"mase": _build_mase, "rmsse": _build_rmsse}
OF_QUANTILES: dict[str, Metric] = {
    "wql": Metric(_compute_quantile_loss, _compute_actual_size),
    "crps": Metric(_compute_crps_of_quantiles),
}
OF_SAMPLES: dict[str, Callable[[np.ndarray], Metric]] = {
    "crps_samples": lambda samples: Metric(lambda scored: _compute_crps_of_samples(scored, samples)),
}
OF_QUANTILE: dict[str, Callable[[float], Metric]] = {
    "pinball": lambda probability: Metric(lambda scored: _compute_pinball_loss(scored, probability)),
}
OF_LEVEL: dict[str, Callable[[float], Metric]] = {
    "interval_score": lambda level: Metric(lambda scored: _compute_interval_score(scored, level)),
    "coverage": lambda level: Metric(lambda scored: _compute_interval_coverage(scored, level)),
    "width": lambda level: Metric(lambda scored: _compute_interval_width(scored, level)),
}
