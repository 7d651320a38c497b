"""Nightly forecasts of real series without a training by the project: a year of nights in a second."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path("../shared/data")
NIGHTS = 365
_LEVELS = (80, 95)
# name: file, column of timestamps, of values, steps of a day, rule of resampling
_SOURCES = {
    "PJME": ("pjm_hourly/PJME_hourly.csv", "Datetime", "PJME_MW", 24, "h"),
    "AEP": ("pjm_hourly/AEP_hourly.csv", "Datetime", "AEP_MW", 24, "h"),
    "COMED": ("pjm_hourly/COMED_hourly.csv", "Datetime", "COMED_MW", 24, "h"),
    "ETTh1 OT": ("ETT-small/ETTh1.csv", "date", "OT", 24, "h"),
    "ETTh1 HUFL": ("ETT-small/ETTh1.csv", "date", "HUFL", 24, "h"),
    "ETTh2 OT": ("ETT-small/ETTh2.csv", "date", "OT", 24, "h"),
    "ETTm2 HULL": ("ETT-small/ETTm2.csv", "date", "HULL", 96, "15min"),
    "NYC taxi": ("nyc_taxi/nyc_taxi.csv", "timestamp", "value", 48, "30min"),
    "bike sharing": ("bike_sharing/hour.csv", "", "cnt", 24, "h"),
    "Beijing PM2.5": ("beijing_pm25/beijing_pm25.csv", "", "pm2.5", 24, "h"),
}
SERIES = tuple(_SOURCES)


@dataclass(frozen=True)
class Nights:
    """A series and the origins of its nightly forecasts.

    Attributes:
        name: of the series.
        values: at each step, (steps,).
        times: of each step, (steps,).
        season: steps in a day, which is the horizon.
        origins: the last known step of each night, (nights,).
    """

    name: str
    values: np.ndarray
    times: pd.DatetimeIndex
    season: int
    origins: np.ndarray

    @property
    def training(self) -> np.ndarray:
        """The values up to the first night, (steps,)."""
        return self.values[: self.origins[0] + 1]

    @property
    def actuals(self) -> np.ndarray:
        """The day after each origin, (nights, horizon)."""
        return self.values[self.origins[:, None] + np.arange(1, self.season + 1)]


def load_nights(name: str, nights: int = NIGHTS) -> Nights:
    """Load a series whose last days are the nights, at most half of them."""
    file, when, column, season, rule = _SOURCES[name]
    frame = pd.read_csv(DATA / file)
    if when:
        times = pd.to_datetime(frame[when])
    elif "dteday" in frame:
        times = pd.to_datetime(frame["dteday"]) + pd.to_timedelta(frame["hr"], "h")
    else:
        times = pd.to_datetime(frame[["year", "month", "day", "hour"]])
    series = pd.Series(frame[column].to_numpy(float), index=times).groupby(level=0).mean()
    series = series.resample(rule).mean().interpolate().bfill()
    series = series[series.index >= series.index[-1] - pd.Timedelta(days=5 * 365)]
    values, days = series.to_numpy(), len(series) // season
    used = min(nights, days // 2)
    origins = len(values) - 1 - season * np.arange(used, 0, -1)
    assert isinstance(series.index, pd.DatetimeIndex)
    return Nights(name, values, series.index, season, origins)


def plant(nights: Nights, kind: str, night: int, size: float = 2.0) -> Nights:
    """Change a series from a night on.

    Args:
        nights: of a series.
        kind: `level` adds `size` standard deviations of the days' means, `scale` multiplies the distance from
            the mean of each step of the day by 1 + `size`, `stuck` repeats the last value.
        night: the first whose actual values are changed.
        size: of the change.
    """
    first, season = int(nights.origins[night]) + 1, nights.season
    values = nights.values.copy()
    after = values[first:]
    if kind == "level":
        values[first:] = after + size * compute_deviation(nights)
    elif kind == "scale":
        values[first:] = values[first - season : first].mean() + (1 + size) * (
            after - values[first - season : first].mean()
        )
    else:
        values[first:] = values[first - 1]
    return replace(nights, values=values)


def compute_deviation(nights: Nights) -> float:
    """Compute the standard deviation of the training part around the mean of each step of the week."""
    training, week = nights.training, 7 * nights.season
    days = training[len(training) % week :].reshape(-1, week)
    return float((days - days.mean(axis=0)).std())


def forecast_seasonal_naive(nights: Nights) -> np.ndarray:
    """Repeat the last day, (nights, horizon)."""
    return nights.values[nights.origins[:, None] + np.arange(1 - nights.season, 1)]


def forecast_profile(nights: Nights) -> np.ndarray:
    """Repeat the mean of each step of the week in the training part, which adapts to nothing, (nights, horizon)."""
    week = 7 * nights.season
    place = np.arange(len(nights.training)) % week
    profile = np.bincount(place, nights.training) / np.bincount(place)
    return profile[(nights.origins[:, None] + np.arange(1, nights.season + 1)) % week]


def fit_ridge(nights: Nights, origins: np.ndarray, strength: float = 10.0) -> np.ndarray:
    """Fit a linear map from the last week, over its mean and deviation, to the next day, on the training part."""
    ends = np.arange(7 * nights.season, len(nights.training) - nights.season, nights.season)
    ends = ends - ends[-1] + len(nights.training) - 1 - nights.season  # the phase of the nights
    features, middle, spread = _read_features(nights, ends)
    targets = nights.values[ends[:, None] + np.arange(1, nights.season + 1)]
    targets = (targets - middle) / spread
    square = features.T @ features + strength * np.eye(features.shape[1])
    weights = np.linalg.solve(square, features.T @ targets)
    features, middle, spread = _read_features(nights, origins)
    return np.asarray(features @ weights * spread + middle)


def _read_features(nights: Nights, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    window = nights.values[ends[:, None] + np.arange(1 - 7 * nights.season, 1)]
    middle, spread = window.mean(axis=1, keepdims=True), window.std(axis=1, keepdims=True) + 1e-9
    window = (window - middle) / spread
    if nights.season > 24:  # means of hours, or there are more weights than days
        window = window.reshape(len(window), 168, -1).mean(axis=2)
    days = np.eye(7)[nights.times[ends].day_of_week]
    return np.concatenate([window, days], axis=1), middle, spread


FORECASTERS: Mapping[str, Callable[[Nights], np.ndarray]] = {
    "seasonal naive": forecast_seasonal_naive,
    "weekly profile": forecast_profile,
    "ridge": lambda nights: fit_ridge(nights, nights.origins),
}
