"""Scores of the M competitions and of Tourism, as published, by the project's own metrics and baselines."""

from collections.abc import Sequence

import numpy as np

from forecaster.evaluation import baselines
from forecaster.evaluation.metrics import Scale, ScoredForecasts, compute_scores, compute_seasonal_scale

NAIVE2 = {"smape": 18.383, "mase": 2.395}  # M4 Hourly (Makridakis, Spiliotis & Assimakopoulos 2020, table 4)


def scored(
    actual: np.ndarray, forecast: np.ndarray, past: Sequence[np.ndarray], season: int, names: Sequence[str]
) -> dict[str, float]:
    """Compute metrics of forecasts from one origin per series, by name.

    Args:
        actual, forecast: (series, horizon).
        past: the values of each series up to the origin.
        season: steps.
        names: of `forecaster.metrics`.
    """
    scale = Scale(*np.array([compute_seasonal_scale(values, season) for values in past]).T)
    found = compute_scores(ScoredForecasts(actual, forecast, series=np.arange(len(actual)), scale=scale))
    return {name: found[name] for name in names}


def seasonal_naive(past: Sequence[np.ndarray], season: int, horizon: int) -> np.ndarray:
    """Repeat the last season of each series: (series, horizon)."""
    origins = [np.array([len(values) - 1]) for values in past]
    pairs = zip(past, origins, strict=True)
    return np.concatenate(
        [baselines.forecast_seasonal_naive(values, origin, horizon, season) for values, origin in pairs]
    )
