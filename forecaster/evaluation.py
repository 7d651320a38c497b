"""A served network on the held-out parts of its series: residuals, errors beside the baselines', coverage."""

from typing import Any

import numpy as np

from forecaster.baselines import baseline_forecasts
from forecaster.conformal import coverage, with_intervals
from forecaster.data.windows import gather_windows
from forecaster.errors import Diverged
from forecaster.forecast import Forecast
from forecaster.inference import ServedNetwork, roll_out, rollout_of
from forecaster.metrics import scores
from forecaster.preparation import Plan

_ORIGINS = 1000  # that a part is forecast from, at most


def validation_residuals(plan: Plan, network: ServedNetwork) -> np.ndarray:
    """Actual less forecast over the validation part, (origins, horizon); NaN where a step lies behind it.

    Without a validation part the training part has to do, whose residuals are too small.
    """
    split, horizon, length = plan.split, plan.config.window.horizon, plan.config.window.length
    first = split.training_end if split.validation else length
    origins = _spaced(first - 1, split.validation_end - 2)
    forecast = _forecasts(plan, network, origins, horizon)
    steps = origins[:, None] + 1 + np.arange(horizon)  # (origins, horizon)
    inside = steps < split.validation_end
    actual = plan.series.values[np.where(inside, steps, 0)]
    return np.where(inside, actual - forecast, np.nan)


def test_scores(plan: Plan, network: ServedNetwork, residuals: np.ndarray) -> dict[str, Any]:
    """The test part's errors of the network and of the baselines, and the coverage of its intervals."""
    config, horizon = plan.config, plan.config.window.horizon
    facts = {"part": "test", "horizon": horizon, "season": plan.season}
    last = plan.split.steps - 1 - horizon
    first = plan.split.validation_end - 1
    if not plan.split.test:
        return {**facts, "origins": 0, "scores": {}}
    origins = _spaced(first, last)
    actual = gather_windows(plan.series.values, origins + 1, horizon)  # (origins, horizon)
    forecasts = {"model": _forecasts(plan, network, origins, horizon)}
    forecasts |= baseline_forecasts(plan.series.values, origins, horizon, plan.season)
    return {
        **facts,
        "origins": len(origins),
        "first_origin": str(plan.series.timestamps[origins[0]]),
        "last_origin": str(plan.series.timestamps[origins[-1]]),
        "rollout": rollout_of(config),
        "scores": {name: scores(actual, forecast) for name, forecast in forecasts.items()},
        "coverage": {
            f"{level:g}": coverage(actual, forecasts["model"], residuals, level) for level in config.forecast.levels
        },
    }


def last_forecast(plan: Plan, network: ServedNetwork, residuals: np.ndarray) -> Forecast:
    """The last `horizon` steps of the series with their intervals, forecast from before them."""
    series, horizon = plan.series, plan.config.window.horizon
    origin = max(len(series) - horizon, plan.config.window.length) - 1
    mean = _forecasts(plan, network, np.array([origin]), len(series) - 1 - origin)[0]
    forecast = Forecast(series.name, series.timestamps[origin], series.timestamps[origin + 1 :], mean)
    return with_intervals(forecast, residuals, plan.config.forecast.levels)


def _spaced(first: int, last: int) -> np.ndarray:
    """At most `_ORIGINS` origins from the first to the last, evenly spaced."""
    count = min(_ORIGINS, last - first + 1)
    return np.unique(np.linspace(first, last, count).round().astype(int))


def _forecasts(plan: Plan, network: ServedNetwork, origins: np.ndarray, horizon: int) -> np.ndarray:
    """(origins,) -> (origins, horizon), in the series' own unit."""
    length = plan.config.window.length
    windows = gather_windows(plan.scaler.transform(plan.series.values), origins - length + 1, length)
    scaled = roll_out(network, windows, horizon, rollout_of(plan.config)).astype(float)
    if not np.all(np.isfinite(scaled)):
        raise Diverged(
            f"the trained network's forecasts of {horizon} steps become infinite; the old version stays. Train longer, "
            "with a smaller training.optimizer.learning_rate, or with model.decoder: dense"
        )
    return plan.scaler.inverse(scaled)
