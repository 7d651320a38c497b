"""Forecasts without a network, which every network has to beat."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from forecaster.config.reader import find_nearest_name
from forecaster.data import Series
from forecaster.errors import DataError, UsageError
from forecaster.evaluation import fitted_models
from forecaster.forecast import Forecast, levels_to_probabilities
from forecaster.forecasting.fallback import NETWORK, ZERO_SHOT
from forecaster.preprocessing.windows import take_last_steps
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import MIN_STEPS, forecast_zero_shot
from forecaster.problems import Problem

log = logging.getLogger("forecaster")

_VALUES_AT_ONCE = 100_000  # of series that a simple baseline forecasts together
_WINDOWS_AT_ONCE = 2048  # that the pretrained network forecasts from: memory for them stays small

# Their labels in tables and pictures.
LABELS = {
    NETWORK: "network",
    "unreconciled": "not reconciled",
    ZERO_SHOT: "zero-shot network",
    "naive": "naive (last value)",
    "seasonal_naive": "seasonal naive",
    "drift": "drift",
    "mean": "mean of all earlier values",
    "naive2": "naive, seasonally adjusted",
    "ets": "ETS",
    "theta": "Theta",
    "arima": "ARIMA",
    "mstl": "MSTL",
    "flair": "FLAIR",
    "window_drift": "drift of the window",
    "window_mean": "mean of the window",
    "window_seasons": "mean of the window's seasons",
    "linear": "linear interpolation",
    "seasonal_mean": "seasonal naive (mean of both sides)",
    "seasonal_interpolation": "linear interpolation of the seasonally adjusted series",
}


def name_forecasters(summary: Mapping[str, Any]) -> dict[str, str]:
    """Name forecasters in tables and pictures, by their key in the scores.

    The forecasts of a run are called the network's, unless some are blended with a baseline, or the summary names them.
    """
    if "called" in summary:
        return LABELS | {"model": str(summary["called"])}
    if "unreconciled" in summary["scores"]:
        return LABELS | {"model": "reconciled forecast", "network_alone": "network alone"}
    network = "network" if summary.get("networks", 1) == 1 else "ensemble"
    if "network_alone" in summary["scores"]:
        return LABELS | {"model": "forecast", "network_alone": f"{network} alone"}
    return LABELS | {"model": network}


def select_default_baselines(season: int) -> list[str]:
    """Select what a network is compared with by default: the last value, the last season if any, and zero-shot."""
    return ["naive", *(["seasonal_naive"] if season > 1 else []), ZERO_SHOT]


class BaselineForecast(NamedTuple):
    """The forecasts of a baseline, or of a network, from some origins in the series' own unit.

    Attributes:
        mean: (origins, horizon).
        quantiles: by probability in rising order, each (origins, horizon).
        failures: why a model could not be fitted and the last value replaces it, by the row of the origin.
    """

    mean: np.ndarray
    quantiles: Mapping[float, np.ndarray]
    failures: Mapping[int, str] = {}


class Band(NamedTuple):
    """A normal distribution for each step: its mean and its standard deviation, each (..., batch, horizon)."""

    mean: np.ndarray
    deviation: np.ndarray


def forecast_baseline(
    name: str, series: Series, steps: int, seasons: Sequence[int], levels: Sequence[float]
) -> Forecast:
    """Forecast the steps after the end of a series with a baseline, with intervals.

    Args:
        name: of `BASELINES`.
        series: without gaps.
        steps: to forecast.
        seasons: steps in each season, the main one first; none or 1 where there is none.
        levels: in percent.

    Raises:
        UsageError: the baseline is unknown, or its extra is not installed.
        DataError: the series is too short for it.
    """
    forecast = forecast_baseline_at(name, [series], np.array([0]), np.array([len(series) - 1]), steps, seasons, levels)
    quantiles = {probability: values[0] for probability, values in forecast.quantiles.items()}
    return Forecast(
        series.name, series.timestamps[-1], series.list_future_timestamps(steps), forecast.mean[0], quantiles
    )


def forecast_baseline_at(
    name: str,
    panel: Sequence[Series],
    members: np.ndarray,
    origins: np.ndarray,
    horizon: int,
    seasons: Sequence[int],
    levels: Sequence[float],
) -> BaselineForecast:
    """Forecast from many pairs of a series and an origin; each reads the steps up to its origin.

    Args:
        name, seasons, levels: as in `baseline`.
        panel: the series.
        members, origins: the number in the panel, and the last step that is read, of each forecast, (origins,).
        horizon: steps.

    Raises:
        UsageError, DataError: as `baseline`.
    """
    check_baselines([name])
    probabilities = levels_to_probabilities(levels)
    means = np.empty((len(origins), horizon))  # (origins, horizon)
    quantiles = {probability: np.empty_like(means) for probability in probabilities}
    failures: dict[int, str] = {}
    for values, rows in _group_origins(name, panel, members, origins, seasons):
        forecast = BASELINES[name](values, origins[rows[0]], horizon, seasons, levels)
        means[rows] = forecast.mean
        for probability in probabilities:
            quantiles[probability][rows] = forecast.quantiles[probability]
        failures |= {int(rows[0, row]): reason for row, reason in forecast.failures.items()}
    if name == ZERO_SHOT:
        _fill_zero_shot(BaselineForecast(means, quantiles), [each.values for each in panel], members, origins, seasons)
    if failures:
        detail = {"baseline": name, "count": len(failures), "of": len(origins), "reason": next(iter(failures.values()))}
        log.info("%s", Problem("baseline-not-fitted", detail=detail))
    return BaselineForecast(means, quantiles, failures)


def _group_origins(
    name: str, panel: Sequence[Series], members: np.ndarray, origins: np.ndarray, seasons: Sequence[int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Group origins that a baseline forecasts from at once: those of a series, or of several of one length.

    Args:
        name, panel, members, origins, seasons: as in `forecast_baseline_at`.

    Yields:
        The values of the series, (steps,), or (series, steps) for a baseline that takes several; and the numbers of
        their origins, (series, batch), which lie at the same steps of all of them.
    """
    alike: dict[tuple[Any, ...], list[np.ndarray]] = {}
    order = np.argsort(members, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(members[order])) + 1):
        member = int(members[rows[0]])
        _check_length(name, panel[member], int(origins[rows].min()) + 1, seasons)
        if name == ZERO_SHOT:
            rows = rows[origins[rows] + 1 < MIN_STEPS]  # noqa: PLW2901  the others are forecast together
        if len(rows):
            key = (len(panel[member]), origins[rows].tobytes()) if name in _BANDS else (member,)
            alike.setdefault(key, []).append(rows)
    for groups in alike.values():
        steps = len(panel[int(members[groups[0][0]])])
        most = max(1, _VALUES_AT_ONCE // steps) if name in _BANDS else 1
        for first in range(0, len(groups), most):
            some = np.stack(groups[first : first + most])
            values = np.stack([panel[member].values for member in members[some[:, 0]].tolist()])
            yield values if name in _BANDS else values[0], some


def check_baselines(names: Sequence[str]) -> None:
    """Check that baselines exist and their extra is installed.

    Raises:
        UsageError: the baseline is unknown, or its extra is not installed.
    """
    for name in names:
        if name not in BASELINES:
            detail = {"name": name, "nearest": find_nearest_name(name, BASELINES), "known": list(BASELINES)}
            raise UsageError(Problem("unknown-baseline", detail=detail))
        if name in fitted_models.MODELS:
            fitted_models.check_installed(name)


def _check_length(name: str, series: Series, steps: int, seasons: Sequence[int]) -> None:
    """Refuse a history too short to estimate a spread: two errors, and the drift's slope needs one more step."""
    needed = {"seasonal_naive": _get_main_season(seasons) + 1, "drift": 3}.get(name, 2)
    if steps < needed:
        detail = {"series": series.name, "rows": steps, "baseline": name, "needed": needed}
        raise DataError(Problem("too-short-for-baseline", detail=detail))


def forecast_naive(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """Repeat the last value: (..., steps), indices of the origins (batch,) -> (..., batch, horizon)."""
    return np.repeat(values[..., origins, None], horizon, axis=-1)


def forecast_seasonal_naive(values: np.ndarray, origins: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Repeat the last season (Hyndman & Athanasopoulos, FPP3, 5.2): -> (..., batch, horizon).

    Every origin needs a whole season before it: origins >= season - 1.
    """
    steps = np.arange(horizon) % season  # (horizon,), places in the season
    return values[..., origins[:, None] - season + 1 + steps]


def forecast_drift(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """Extend the line from the first value through the last (FPP3, 5.2): -> (..., batch, horizon); origins >= 1."""
    slopes = (values[..., origins] - values[..., :1]) / origins  # per step, (..., batch)
    return values[..., origins, None] + slopes[..., None] * np.arange(1, horizon + 1)


def forecast_mean(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """Repeat the mean of all values up to the origin (FPP3, 5.2): -> (..., batch, horizon)."""
    means = np.cumsum(values, axis=-1)[..., origins] / (origins + 1)  # (..., batch)
    return np.repeat(means[..., None], horizon, axis=-1)


def forecast_naive2(values: np.ndarray, origins: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Repeat the last value, seasonally adjusted if the history is seasonal: M4's Naive2, -> (batch, horizon)."""
    return _compute_naive2_band(values, origins, horizon, season).mean


def forecast_naive_baselines(
    values: np.ndarray, origins: np.ndarray, horizon: int, season: int
) -> dict[str, np.ndarray]:
    """Forecast with the default baselines that the origins have history for, by name, each (batch, horizon)."""
    forecasts = {"naive": forecast_naive(values, origins, horizon)}
    if season > 1 and origins.min() >= season - 1:
        forecasts["seasonal_naive"] = forecast_seasonal_naive(values, origins, horizon, season)
    return forecasts


def compute_seasonal_indices(history: np.ndarray, season: int) -> np.ndarray:
    """Compute the seasonal index of each step of the season, (season,), from the first step; 1 without a season.

    As in the benchmarks of M4 (Makridakis, Spiliotis & Assimakopoulos 2020): a history is seasonal where the
    autocorrelation at its lag lies outside its limits of 90 % (Bartlett's formula); its indices are those of the
    classical multiplicative decomposition (FPP3, 3.4): means of the ratios to a centred moving average, brought to a
    mean of 1. Less than three seasons, or values that are not above 0, are not adjusted.
    """
    steps = len(history)
    if season < 2 or steps < 3 * season or history.min() <= 0 or not _is_seasonal(history, season):
        return np.ones(season)
    weights = np.ones(season) if season % 2 else np.array([0.5, *np.ones(season - 1), 0.5])
    half = season // 2
    ratios = history[half : steps - half] / np.convolve(history, weights / season, mode="valid")
    places = np.arange(half, steps - half) % season
    figure = np.bincount(places, ratios, season) / np.bincount(places, minlength=season)
    return figure / figure.mean()


def _is_seasonal(history: np.ndarray, season: int) -> bool:
    centred = history - history.mean()
    power = centred @ centred  # steps times the variance
    if not power:
        return False
    correlations = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / power
    # 1.645 is the 95 % quantile of the standard normal: limits of 90 % on both sides (Bartlett)
    limit = 1.645 * np.sqrt((1 + 2 * np.sum(correlations[:-1] ** 2)) / len(history))
    return bool(abs(correlations[-1]) > limit)


def _compute_naive_band(values: np.ndarray, origins: np.ndarray, horizon: int, _season: int) -> Band:
    """FPP3, table 5.2: σ √h, σ² the mean square of the changes from step to step."""
    changes = np.diff(values, prepend=values[..., :1])  # (..., steps)
    spread = np.sqrt(_sum_squares(changes)[..., origins] / origins)  # (..., batch)
    return Band(forecast_naive(values, origins, horizon), spread[..., None] * np.sqrt(_count_ahead(horizon)))


def _compute_seasonal_naive_band(values: np.ndarray, origins: np.ndarray, horizon: int, season: int) -> Band:
    """FPP3, table 5.2: σ √(k + 1), k the whole seasons before the step, σ² the mean square of the seasons' changes."""
    none = np.zeros((*values.shape[:-1], season))
    changes = np.concatenate([none, values[..., season:] - values[..., :-season]], axis=-1)  # (..., steps)
    spread = np.sqrt(_sum_squares(changes)[..., origins] / (origins + 1 - season))
    seasons = (_count_ahead(horizon) - 1) // season + 1  # k + 1, (horizon,)
    return Band(forecast_seasonal_naive(values, origins, horizon, season), spread[..., None] * np.sqrt(seasons))


def _compute_drift_band(values: np.ndarray, origins: np.ndarray, horizon: int, _season: int) -> Band:
    """FPP3, table 5.2: σ √(h (1 + h / (T - 1))), σ² the variance of the changes, of which one is spent on the slope."""
    slopes = (values[..., origins] - values[..., :1]) / origins
    squares = _sum_squares(np.diff(values, prepend=values[..., :1]))[..., origins] - origins * slopes**2
    spread = np.sqrt(np.maximum(squares, 0) / (origins - 1))
    ahead = _count_ahead(horizon)
    return Band(
        forecast_drift(values, origins, horizon), spread[..., None] * np.sqrt(ahead * (1 + ahead / origins[:, None]))
    )


def _compute_mean_band(values: np.ndarray, origins: np.ndarray, horizon: int, _season: int) -> Band:
    """FPP3, table 5.2: σ √(1 + 1 / T), σ² the variance of the values, of which one is spent on the mean."""
    centre, count = forecast_mean(values, origins, horizon), origins + 1
    # so that squares of large values do not cancel, (..., 1)
    middle = values[..., : origins.min() + 1].mean(axis=-1, keepdims=True)
    squares = _sum_squares(values - middle)[..., origins] - count * (centre[..., 0] - middle) ** 2
    spread = np.sqrt(np.maximum(squares, 0) / origins * (1 + 1 / count))
    return Band(centre, np.repeat(spread[..., None], horizon, axis=-1))


def _compute_naive2_band(values: np.ndarray, origins: np.ndarray, horizon: int, season: int) -> Band:
    """Compute the naive's on adjusted values, times the indices of the steps ahead; FPP3 has no intervals for it."""
    band = Band(np.empty((len(origins), horizon)), np.empty((len(origins), horizon)))
    for row, origin in enumerate(origins.tolist()):
        history = values[: origin + 1]
        indices = np.resize(compute_seasonal_indices(history, season), origin + 1 + horizon)
        adjusted = _compute_naive_band(history / indices[: origin + 1], np.array([origin]), horizon, season)
        band.mean[row], band.deviation[row] = (values[0] * indices[origin + 1 :] for values in adjusted)
    return band


def _sum_squares(errors: np.ndarray) -> np.ndarray:
    """Sum the squares up to each step, (..., steps)."""
    return np.cumsum(errors**2, axis=-1)


def _count_ahead(horizon: int) -> np.ndarray:
    return np.arange(1, horizon + 1)


def _get_main_season(seasons: Sequence[int]) -> int:
    """Get the main season, 1 where there is none."""
    return next(iter(seasons), 1)


_Baseline = Callable[[np.ndarray, np.ndarray, int, Sequence[int], Sequence[float]], BaselineForecast]


def _build_simple(band_of: Callable[[np.ndarray, np.ndarray, int, int], Band]) -> _Baseline:
    """Build a baseline whose quantiles are those of its normal distributions."""

    def forecast(
        values: np.ndarray, origins: np.ndarray, horizon: int, seasons: Sequence[int], levels: Sequence[float]
    ) -> BaselineForecast:
        band = band_of(values, origins, horizon, _get_main_season(seasons))
        probabilities = levels_to_probabilities(levels)
        return BaselineForecast(
            band.mean, {p: band.mean + NormalDist().inv_cdf(p) * band.deviation for p in probabilities}
        )

    return forecast


def _build_fitted(model: str) -> _Baseline:
    """Build a baseline that fits a model at each origin; the last value replaces one that fails."""

    def forecast(
        values: np.ndarray, origins: np.ndarray, horizon: int, seasons: Sequence[int], levels: Sequence[float]
    ) -> BaselineForecast:
        means, quantiles, failures = fitted_models.fit_and_forecast(model, values, origins, horizon, seasons, levels)
        if failures:
            rows = np.array(list(failures))
            replacement = BASELINES["naive"](values, origins[rows], horizon, seasons, levels)
            means[rows] = replacement.mean
            for probability, bounds in quantiles.items():
                bounds[rows] = replacement.quantiles[probability]
        return BaselineForecast(means, quantiles, failures)

    return forecast


def _forecast_zero_shot(
    values: np.ndarray, origins: np.ndarray, horizon: int, seasons: Sequence[int], levels: Sequence[float]
) -> BaselineForecast:
    """Forecast with the pretrained network; the last value replaces it where there are too few."""
    forecast = BASELINES["naive"](values, origins, horizon, seasons, levels)
    _fill_zero_shot(forecast, [values], np.zeros(len(origins), int), origins, seasons)
    return forecast


def _fill_zero_shot(
    forecast: BaselineForecast,
    values: Sequence[np.ndarray],
    members: np.ndarray,
    origins: np.ndarray,
    seasons: Sequence[int],
) -> None:
    """Fill in the forecasts of the pretrained network from every origin that has enough steps before it.

    Windows of many series are one batch: the network takes about as long for one window as for thirty.

    Args:
        forecast: to fill.
        values: of each series.
        members, origins, seasons: as in `forecast_baseline_at`.
    """
    horizon, steps = forecast.mean.shape[1], count_history_steps(seasons)
    asked = sorted({0.5, *forecast.quantiles})
    enough = np.flatnonzero(origins + 1 >= MIN_STEPS)
    for rows in np.split(enough, range(_WINDOWS_AT_ONCE, len(enough), _WINDOWS_AT_ONCE)):
        pairs = zip(members[rows].tolist(), origins[rows].tolist(), strict=True)
        windows = [take_last_steps(values[member], end + 1, steps) for member, end in pairs]
        if not windows:
            continue
        found = forecast_zero_shot(np.stack(windows), seasons, horizon, asked)  # (rows, horizon, probabilities)
        forecast.mean[rows] = found[..., asked.index(0.5)]
        for probability, bounds in forecast.quantiles.items():
            bounds[rows] = found[..., asked.index(probability)]


# Those that take several series of one length, (series, steps).
_BANDS = {
    "naive": _compute_naive_band,
    "seasonal_naive": _compute_seasonal_naive_band,
    "drift": _compute_drift_band,
    "mean": _compute_mean_band,
}
BASELINES: dict[str, _Baseline] = {
    **{name: _build_simple(band_of) for name, band_of in _BANDS.items()},
    "naive2": _build_simple(_compute_naive2_band),
    ZERO_SHOT: _forecast_zero_shot,
    **{model: _build_fitted(model) for model in fitted_models.MODELS},
}
