"""Scores of the M competitions and of Tourism, as published: each of one series first, then the mean over series."""

from collections.abc import Sequence

import numpy as np

NAIVE2 = {"smape": 18.383, "mase": 2.395}  # M4 Hourly (Makridakis, Spiliotis & Assimakopoulos 2020, table 4)


def smape(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Symmetric mean absolute percentage error of (series, horizon), in percent (M4, equation 2)."""
    return float(np.mean(200 * np.abs(actual - forecast) / (np.abs(actual) + np.abs(forecast))))


def mape(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Mean absolute percentage error of (series, horizon), in percent (Athanasopoulos et al. 2011)."""
    return float(np.mean(100 * np.abs(actual - forecast) / np.abs(actual)))


def rmse(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Root of the mean squared error, in the series' own unit."""
    return float(np.sqrt(np.mean((actual - forecast) ** 2)))


def mase(actual: np.ndarray, forecast: np.ndarray, past: Sequence[np.ndarray], season: int) -> float:
    """Mean absolute error over that of the seasonal naive within the training part (Hyndman & Koehler 2006).

    Args:
        actual, forecast: (series, horizon).
        past: the values of each series up to the origin.
        season: steps.
    """
    scales = np.array([np.mean(np.abs(values[season:] - values[:-season])) for values in past])
    return float(np.mean(np.abs(actual - forecast).mean(axis=1) / scales))


def seasonal_naive(past: Sequence[np.ndarray], season: int, horizon: int) -> np.ndarray:
    """The last season of each series, repeated: (series, horizon)."""
    return np.stack([values[len(values) - season + np.arange(horizon) % season] for values in past])
