"""ETS, Theta, ARIMA and MSTL of statsforecast, fitted at each origin on the steps up to it."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from forecaster.extras import import_extra
from forecaster.forecast import level_to_quantiles, levels_to_probabilities

# The last steps, which a model is fitted on, so that its search takes seconds at each origin.
RECENT = 1000


def fit_and_forecast(
    name: str, values: np.ndarray, origins: np.ndarray, horizon: int, seasons: Sequence[int], levels: Sequence[float]
) -> tuple[np.ndarray, dict[float, np.ndarray], dict[int, str]]:
    """Fit a model at each origin on at most `RECENT` steps up to it, and forecast.

    Args:
        name: of `MODELS`.
        values: (steps,).
        origins: the last step that is read, (origins,).
        horizon: steps.
        seasons: steps in each season, the main one first; only mstl reads the others. Seasons longer than
            half the history are not read.
        levels: in percent.

    Returns:
        The means, (origins, horizon), the quantiles by probability in rising order, and why a row is NaN, by row.

    Raises:
        MissingExtra: statsforecast is not installed.
    """
    models = _import_models()
    means = np.full((len(origins), horizon), np.nan)
    probabilities = levels_to_probabilities(levels)
    quantiles = {probability: np.full_like(means, np.nan) for probability in probabilities}
    failures = {}
    for row, origin in enumerate(origins.tolist()):
        history = values[max(0, origin + 1 - RECENT) : origin + 1].astype(float)
        within = [season for season in seasons if 1 < season <= len(history) // 2]
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of the search for a model; its result is checked below
                answer = MODELS[name](models, within, len(history)).forecast(y=history, h=horizon, level=[*levels])
            means[row], found = _read_answer(answer, levels)
        except Exception as error:  # statsforecast raises errors of many types, Exception itself among them
            failures[row] = str(error) or type(error).__name__
            continue
        for probability, bounds in found.items():
            quantiles[probability][row] = bounds
    return means, quantiles, failures


def _read_answer(answer: dict[str, Any], levels: Sequence[float]) -> tuple[np.ndarray, dict[float, np.ndarray]]:
    """Read the mean, and the quantiles by probability, each (horizon,).

    Raises:
        ValueError: some are not finite.
    """
    quantiles: dict[float, np.ndarray] = {}
    for level in levels:
        low, high = level_to_quantiles(level)
        quantiles |= {low: np.asarray(answer[f"lo-{level}"]), high: np.asarray(answer[f"hi-{level}"])}
    if not all(np.isfinite(values).all() for values in [answer["mean"], *quantiles.values()]):
        raise ValueError("its forecasts are not finite")
    return answer["mean"], quantiles


def check_installed() -> None:
    """Load statsforecast, 2 s.

    Raises:
        MissingExtra: it is not installed.
    """
    _import_models()


def _import_models() -> Any:
    with import_extra("baselines", f"fitting the baselines {', '.join(MODELS)}"):
        from statsforecast import models  # noqa: PLC0415  an optional dependency, and 2 s
    return models


def _get_main_season(seasons: Sequence[int]) -> int:
    return next(iter(seasons), 1)


def _build_ets(models: Any, seasons: Sequence[int], _steps: int) -> Any:
    """Build the ETS model of the least AICc (FPP3, 8.6); seasons above 24 are not read."""
    season = _get_main_season(seasons)
    return models.AutoETS(season_length=season if season <= 24 else 1)


def _build_theta(models: Any, seasons: Sequence[int], _steps: int) -> Any:
    """Build the Theta model, of four, of the least error (Fiorucci et al. 2016)."""
    return models.AutoTheta(season_length=_get_main_season(seasons))


def _build_arima(models: Any, seasons: Sequence[int], steps: int) -> Any:
    """Build the ARIMA model of the least AICc (Hyndman & Khandakar 2008).

    Models of long series and seasons are compared by an approximation, as in R's `auto.arima`.
    """
    season = _get_main_season(seasons)
    return models.AutoARIMA(season_length=season, approximation=steps > 150 or season > 12)


def _build_mstl(models: Any, seasons: Sequence[int], _steps: int) -> Any:
    """STL of every season (Bandara, Hyndman & Bergmeir 2021), the last of each repeated; ETS of what they leave."""
    return models.MSTL(season_length=[*seasons]) if seasons else models.AutoETS(season_length=1)


MODELS: dict[str, Callable[[Any, Sequence[int], int], Any]] = {
    "ets": _build_ets,
    "theta": _build_theta,
    "arima": _build_arima,
    "mstl": _build_mstl,
}
