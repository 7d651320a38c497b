"""Errors of forecasts that need no training on the last steps of series, each made from the steps before them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from forecaster.data import Series
from forecaster.evaluation.metrics import compute_mae
from forecaster.forecasting.zero_shot import choose_horizon
from forecaster.preprocessing.windows import take_last_steps
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import MIN_STEPS, forecast_zero_shot
from forecaster.time.gaps import fill_gaps

_MOST = 1000  # series that are forecast, about a millisecond each


class LastErrors(NamedTuple):
    """Errors on the last steps of some series.

    Attributes:
        steps: how many are forecast, at once.
        forecast: series that are long enough.
        zero_shot, naive, seasonal: of the pretrained network, the last value and the season before, NaN without one:
            the mean absolute error of one series in its own unit, of several the mean of their MASE.
    """

    steps: int
    forecast: int
    zero_shot: float
    naive: float
    seasonal: float


@np.errstate(over="ignore", invalid="ignore")  # of numbers near the largest, which nothing can forecast
def measure_last_errors(panel: Sequence[Series], seasons: Sequence[int]) -> LastErrors | None:
    """Measure the errors on the last horizon of series, NaN where a step is missing; None where all are too short.

    The horizon is that of `forecast predict` without a run. Of many series some are forecast, spread over all.
    """
    season = next(iter(seasons), 1)
    steps = choose_horizon(season)
    chosen = [series.values for series in panel[:: math.ceil(len(panel) / _MOST)]]
    long = [values for values in chosen if _is_long(values[:-steps], season) and not np.isnan(values[-steps:]).all()]
    scales = [1.0 if len(panel) == 1 else _compute_scale(values[:-steps], season) for values in long]
    scored = [(values, scale) for values, scale in zip(long, scales, strict=True) if scale > 0]
    if not scored:
        return None
    length = min(count_history_steps(seasons), max(len(values) for values, _ in scored) - steps)
    windows = np.stack([take_last_steps(values, len(values) - steps, length) for values, _ in scored])
    medians = forecast_zero_shot(windows, seasons, steps, [0.5])[:, :, 0]  # (series, steps)
    errors = [
        _measure(values, forecast, season, scale) for (values, scale), forecast in zip(scored, medians, strict=True)
    ]
    zero_shot, naive, seasonal = np.mean(errors, axis=0).tolist()
    return LastErrors(steps, len(scored), zero_shot, naive, seasonal) if math.isfinite(zero_shot + naive) else None


def _is_long(history: np.ndarray, season: int) -> bool:
    """Whether a history holds a season, and in its last season enough values to forecast from."""
    newest = history[-max(MIN_STEPS, season) :]
    return len(history) >= season and int(np.count_nonzero(~np.isnan(newest))) >= MIN_STEPS


def _compute_scale(history: np.ndarray, season: int) -> float:
    """Compute the mean absolute change from season to season, by which MASE divides; 0 where it is not known."""
    changes = np.abs(history[season:] - history[:-season])
    known = changes[~np.isnan(changes)]
    return float(known.mean()) if len(known) else 0.0


def _measure(values: np.ndarray, forecast: np.ndarray, season: int, scale: float) -> list[float]:
    """Measure the errors of the zero-shot forecast, the last value and the season before on the last steps."""
    history, actual = values[: -len(forecast)], values[-len(forecast) :]
    known, carried = ~np.isnan(actual), fill_gaps(history, "previous", 1)
    last = np.full(len(actual), carried[-1])
    seasonal = carried[-season:][np.arange(len(actual)) % season] if season > 1 else np.full(len(actual), np.nan)
    return [compute_mae(actual[known], each[known]) / scale for each in (forecast, last, seasonal)]
