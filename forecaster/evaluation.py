"""A served network on the held-out parts of its series: residuals, errors beside the baselines', coverage."""

from typing import Any

import numpy as np

from forecaster.baselines import baseline_forecasts
from forecaster.conformal import coverage
from forecaster.data.windows import gather_windows
from forecaster.forecast import Forecast, level_quantiles
from forecaster.metrics import scores
from forecaster.prediction import Outlook, Predictor
from forecaster.preparation import Plan

_ORIGINS = 1000  # that a part is forecast from, at most
_PATHS = 20_000  # of sampled networks, over all origins of a part


def validation_residuals(plan: Plan, predictor: Predictor) -> np.ndarray:
    """Actual less mean over the validation part, over the network's own spread: (origins, horizon).

    NaN where a step lies behind the part. Without a validation part the training part has to do, whose
    residuals are too small.
    """
    split, horizon, length = plan.split, plan.config.window.horizon, plan.config.window.length
    first = split.training_end if split.validation else length
    origins = _spaced(first - 1, split.validation_end - 2, predictor)
    outlook = _outlook(plan, predictor, origins, horizon)
    steps = origins[:, None] + 1 + np.arange(horizon)  # (origins, horizon)
    inside = steps < split.validation_end
    actual = plan.series.values[np.where(inside, steps, 0)]
    return np.where(inside, (actual - outlook.mean) / outlook.spread, np.nan)


def test_scores(plan: Plan, predictor: Predictor, residuals: np.ndarray) -> dict[str, Any]:
    """The test part's errors of the network and of the baselines, and the coverage of its intervals."""
    config, horizon = plan.config, plan.config.window.horizon
    facts = {"part": "test", "horizon": horizon, "season": plan.season}
    if not plan.split.test:
        return {**facts, "origins": 0, "scores": {}}
    origins = _spaced(plan.split.validation_end - 1, plan.split.steps - 1 - horizon, predictor)
    actual = gather_windows(plan.series.values, origins + 1, horizon)  # (origins, horizon)
    outlook = _outlook(plan, predictor, origins, horizon)
    forecasts = {"model": outlook.mean}
    forecasts |= baseline_forecasts(plan.series.values, origins, horizon, plan.season)
    return {
        **facts,
        "origins": len(origins),
        "first_origin": str(plan.series.timestamps[origins[0]]),
        "last_origin": str(plan.series.timestamps[origins[-1]]),
        "rollout": config.rollout,
        "scores": {name: scores(actual, forecast) for name, forecast in forecasts.items()},
        "intervals": "conformal" if config.conformal else "head",
        "coverage": _coverages(predictor, outlook, actual, residuals),
    }


def last_forecast(plan: Plan, predictor: Predictor, residuals: np.ndarray) -> Forecast:
    """The last `horizon` steps of the series with their intervals, forecast from before them."""
    series, window = plan.series, plan.config.window
    end = max(len(series) - window.horizon, window.length)
    return predictor.forecast(
        series.name,
        series.values[end - window.length : end],
        series.timestamps[end - 1],
        series.timestamps[end:],
        residuals,
        plan.config.forecast.levels,
    )


def _coverages(predictor: Predictor, outlook: Outlook, actual: np.ndarray, residuals: np.ndarray) -> dict[str, float]:
    levels = predictor.config.forecast.levels
    quantiles = predictor.quantiles(outlook, residuals, levels)
    bounds = {level: level_quantiles(level) for level in levels}
    return {f"{level:g}": coverage(actual, quantiles[low], quantiles[high]) for level, (low, high) in bounds.items()}


def _spaced(first: int, last: int, predictor: Predictor) -> np.ndarray:
    """At most `_ORIGINS` origins from the first to the last, evenly spaced; fewer where paths are drawn from each."""
    most = min(_ORIGINS, max(50, _PATHS // predictor.rollout.paths))
    return np.unique(np.linspace(first, last, min(most, last - first + 1)).round().astype(int))


def _outlook(plan: Plan, predictor: Predictor, origins: np.ndarray, horizon: int) -> Outlook:
    """(origins,) -> what the network says of the `horizon` steps after each."""
    length = plan.config.window.length
    return predictor.outlook(gather_windows(plan.series.values, origins - length + 1, length), horizon)
