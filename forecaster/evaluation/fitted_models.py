"""ETS, Theta, ARIMA and MSTL of statsforecast and FLAIR of flaircast, fitted at each origin on the steps up to it."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from forecaster.extras import import_extra
from forecaster.forecast import level_to_quantiles, levels_to_probabilities

# The last steps, which a model of statsforecast is fitted on, so that its search takes seconds at each origin.
RECENT = 1000
# Paths that FLAIR draws, of which quantiles are taken; 200 in its paper, too few for those of 95 %.
_PATHS = 1000


def fit_and_forecast(
    name: str, values: np.ndarray, origins: np.ndarray, horizon: int, seasons: Sequence[int], levels: Sequence[float]
) -> tuple[np.ndarray, dict[float, np.ndarray], dict[int, str]]:
    """Fit a model at each origin on the steps up to it, and forecast.

    Args:
        name: of `MODELS`.
        values: (steps,).
        origins: the last step that is read, (origins,).
        horizon: steps.
        seasons: steps in each season, the main one first; only mstl and flair read the others. Seasons longer than
            half the history are not read.
        levels: in percent.

    Returns:
        The means, (origins, horizon), the quantiles by probability in rising order, and why a row is NaN, by row.

    Raises:
        MissingExtra: the package of the model is not installed.
    """
    check_installed(name)
    means = np.full((len(origins), horizon), np.nan)
    probabilities = levels_to_probabilities(levels)
    quantiles = {probability: np.full_like(means, np.nan) for probability in probabilities}
    failures = {}
    for row, origin in enumerate(origins.tolist()):
        history = values[: origin + 1].astype(float)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of the search for a model; its result is checked below
                mean, found = MODELS[name](history, horizon, seasons, levels)
            if not all(np.isfinite(steps).all() for steps in [mean, *found.values()]):
                raise ValueError("its forecasts are not finite")
        except Exception as error:  # statsforecast raises errors of many types, Exception itself among them
            failures[row] = str(error) or type(error).__name__
            continue
        means[row] = mean
        for probability, bounds in found.items():
            quantiles[probability][row] = bounds
    return means, quantiles, failures


def check_installed(name: str) -> None:
    """Load the package of a model, 2 s.

    Raises:
        MissingExtra: it is not installed.
    """
    if name == "flair":
        _import_flaircast()
    else:
        _import_statsforecast()


def _import_statsforecast() -> Any:
    with import_extra("baselines", "fitting the baselines ets, theta, arima, mstl", ["statsforecast"]):
        from statsforecast import models  # noqa: PLC0415  an optional dependency, and 2 s
    return models


def _import_flaircast() -> Any:
    with import_extra("baselines", "fitting the baseline flair", ["flaircast"]):
        import flaircast  # noqa: PLC0415  an optional dependency, and 2 s
    return flaircast


_Answer = tuple[np.ndarray, dict[float, np.ndarray]]
# Of the history, (steps,), the horizon, the seasons and the levels: the mean, and the quantiles by probability, each
# (horizon,).
_Model = Callable[[np.ndarray, int, Sequence[int], Sequence[float]], _Answer]


def _forecast_flair(history: np.ndarray, horizon: int, seasons: Sequence[int], levels: Sequence[float]) -> _Answer:
    """Forecast with FLAIR (Honda 2026, arXiv:2605.07222): a level by ridge regression times the shape of a season.

    It chooses its period among the seasons, or none, by BIC. The forecast is the mean of its paths, as in the paper.
    """
    flaircast = _import_flaircast()
    # It looks its candidates up by a calendar frequency, which has no entry for seasons such as 5 trading days.
    frequency = " ".join(["SEASONS", *map(str, seasons)])
    flaircast.FREQ_TO_PERIOD[frequency] = _get_main_season(seasons)
    flaircast.FREQ_TO_PERIODS[frequency] = [season for season in seasons if season > 1]
    paths = flaircast.forecast(history, horizon, frequency, n_samples=_PATHS, seed=0)  # (paths, horizon)
    return paths.mean(axis=0), {
        probability: np.quantile(paths, probability, axis=0) for probability in levels_to_probabilities(levels)
    }


def _build_with_statsforecast(build: Callable[[Any, Sequence[int], int], Any]) -> _Model:
    """Build a model that fits one of statsforecast on the last `RECENT` steps."""

    def forecast(history: np.ndarray, horizon: int, seasons: Sequence[int], levels: Sequence[float]) -> _Answer:
        recent = history[-RECENT:]
        within = [season for season in seasons if 1 < season <= len(recent) // 2]
        model = build(_import_statsforecast(), within, len(recent))
        answer = model.forecast(y=recent, h=horizon, level=[*levels])
        quantiles: dict[float, np.ndarray] = {}
        for level in levels:
            low, high = level_to_quantiles(level)
            quantiles |= {low: np.asarray(answer[f"lo-{level}"]), high: np.asarray(answer[f"hi-{level}"])}
        return answer["mean"], quantiles

    return forecast


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


MODELS: dict[str, _Model] = {
    "ets": _build_with_statsforecast(_build_ets),
    "theta": _build_with_statsforecast(_build_theta),
    "arima": _build_with_statsforecast(_build_arima),
    "mstl": _build_with_statsforecast(_build_mstl),
    "flair": _forecast_flair,
}
