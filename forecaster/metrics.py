"""Error measures: an elementwise error and an aggregation."""

from collections.abc import Callable

import numpy as np


def mae(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Mean absolute error, in the series' own unit."""
    return float(np.mean(np.abs(actual - forecast)))


def rmse(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Root of the mean squared error, in the series' own unit."""
    return float(np.sqrt(np.mean((actual - forecast) ** 2)))


def smape(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Symmetric mean absolute percentage error, 0 to 200 % (Makridakis et al. 2020, M4, eq. 2).

    A step where both are 0 counts as no error.
    """
    size = np.abs(actual) + np.abs(forecast)
    ratio = np.divide(np.abs(actual - forecast), size, out=np.zeros_like(size), where=size != 0)
    return float(200 * np.mean(ratio))


def seasonal_error(values: np.ndarray, season: int) -> float:
    """The mean absolute error of the seasonal naive inside (steps,), by which MASE divides others; NaN where unknown.

    Hyndman & Koehler 2006, "Another look at measures of forecast accuracy", section 3. Cells that are NaN do not count.
    """
    changes = np.abs(values[season:] - values[:-season])
    return float(np.nanmean(changes)) if np.isfinite(changes).any() else np.nan


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"mae": mae, "rmse": rmse, "smape": smape}


def scores(actual: np.ndarray, forecast: np.ndarray) -> dict[str, float]:
    """Every metric over arrays of one shape, such as (origins, horizon)."""
    return {name: metric(actual, forecast) for name, metric in METRICS.items()}
