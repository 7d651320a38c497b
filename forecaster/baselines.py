"""Forecasts without a network, which every network has to beat."""

import numpy as np


def naive(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """The last value, repeated: (steps,), indices of the origins (batch,) -> (batch, horizon)."""
    return np.repeat(values[origins][:, None], horizon, axis=1)


def seasonal_naive(values: np.ndarray, origins: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The last season, repeated (Hyndman & Athanasopoulos, FPP3, 5.2): -> (batch, horizon).

    Every origin needs a whole season before it: origins >= season - 1.
    """
    steps = np.arange(horizon) % season  # (horizon,)
    return values[origins[:, None] - season + 1 + steps]


def baseline_forecasts(values: np.ndarray, origins: np.ndarray, horizon: int, season: int) -> dict[str, np.ndarray]:
    """The baselines that the origins have enough history for, by name, each (batch, horizon)."""
    forecasts = {"naive": naive(values, origins, horizon)}
    if season > 1 and origins.min() >= season - 1:
        forecasts["seasonal_naive"] = seasonal_naive(values, origins, horizon, season)
    return forecasts
