"""The fallback: where a network does not beat a naive forecast in validation, its forecasts blend in that forecast."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

NETWORK, LAST_VALUE = "network", "naive"
_POOLED_HORIZONS = 3  # the validation horizons that the ratio of all series counts as, next to those of one series

# One horizon of validation is one forecast: a baseline that is better in it by chance would harm later ones.
_MIN_HORIZONS = 1.5
_MAX_LOG = 10.0  # logarithm of a ratio of errors that counts when baselines are compared


@dataclass(frozen=True)
class Fallback:
    """The weight of the network in the forecast of each series; the rest is the baseline's.

    Attributes:
        season: steps in a season, 1 without one.
        weights: of the network by the name of the series, where it is not 1.
        unknown_weight: of the network for series that it was not trained on.
        baseline: the name of the baseline, one of `WINDOW_BASELINES`.
    """

    season: int
    weights: Mapping[str, float]
    unknown_weight: float = 1.0
    baseline: str = "seasonal_naive"

    def get_weight(self, name: str, known: bool = True) -> float:
        """Get the weight of the network for a series, which it was trained on or not."""
        return self.weights.get(name, 1.0) if known else self.unknown_weight

    def name_source(self, weight: float) -> str:
        """Name what a forecast with this weight is made of, for the column `source`."""
        return NETWORK if weight == 1 else self.baseline if weight == 0 else f"{NETWORK}+{self.baseline}"

    def to_json(self) -> dict[str, Any]:
        """Convert to values for JSON; every number is exact."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Fallback":
        """Build the fallback that `to_json` converted.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: these are not such values.
        """
        season, weights, unknown_weight = values["season"], dict(values["weights"]), values["unknown_weight"]
        if type(season) is not int or season < 1:
            raise ValueError(f"a season of {season} steps")
        if wrong := [weight for weight in (*weights.values(), unknown_weight) if not 0 <= weight <= 1]:
            raise ValueError(f"the weight {wrong[0]}")
        # Earlier runs name no baseline: it was the last season, or the last value without one.
        baseline = values.get("baseline", "seasonal_naive" if season > 1 else "naive")
        if baseline not in WINDOW_BASELINES:
            raise ValueError(f"the baseline {baseline!r}")
        return cls(season, weights, unknown_weight, baseline)


def fit_fallback(
    names: Sequence[str],
    network: np.ndarray,
    baselines: Mapping[str, np.ndarray],
    horizons: np.ndarray,
    season: int,
    fallback: str,
) -> Fallback:
    """Choose the baseline and fit the weights from the errors in validation.

    The baseline is the best of all series: that with the highest mean logarithm of the ratio of errors. A validation
    part is often short, so the logarithm of a series' ratio is shrunk towards that of all series: its own counts as
    many times as its validation part has horizons, the pooled one `_POOLED_HORIZONS` times. Where the shrunk ratio r is
    above 1, the network's weight is 1 / (1 + r²) (Bates & Granger 1969, equation 2, without the covariance). With less
    than `_MIN_HORIZONS` horizons the network is left alone.

    Args:
        names: of the series.
        network: the mean absolute error, (series,); NaN where it is unknown.
        baselines: that of each baseline, by name.
        horizons: in each series' validation part, (series,).
        season: as in `Fallback`.
        fallback: `combine`, or `replace` for a weight of 0 where the ratio is above 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {name: np.log(network / errors) for name, errors in baselines.items()}  # NaN where both errors are 0
    best = max(ratios, key=lambda name: _average(np.clip(ratios[name], -_MAX_LOG, _MAX_LOG), horizons))
    if horizons.max() < _MIN_HORIZONS:
        return Fallback(season, {}, 1.0, best)
    own = ratios[best]
    pooled = _average(np.where(np.isfinite(own), own, np.nan), horizons)
    shrunk = (horizons * own + _POOLED_HORIZONS * pooled) / (horizons + _POOLED_HORIZONS)
    shrunk = np.append(np.where(np.isnan(own), pooled, shrunk), pooled)  # (series + 1,), the last for unknown series
    with np.errstate(over="ignore"):
        losing = np.zeros_like(shrunk) if fallback == "replace" else 1 / (1 + np.exp(2 * shrunk))
    *weights, unknown_weight = np.where(shrunk > 0, losing, 1.0).tolist()
    below_one = {name: weight for name, weight in zip(names, weights, strict=True) if weight < 1}
    return Fallback(season, below_one, unknown_weight, best)


def _average(values: np.ndarray, weights: np.ndarray) -> float:
    """Average what is not NaN; 0 where nothing is."""
    known = ~np.isnan(values)
    return float(np.average(values[known], weights=weights[known])) if known.any() else 0.0


def forecast_from_windows(baseline: str, windows: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Forecast with a baseline that reads windows alone: (batch, steps) -> (batch, horizon).

    Args:
        baseline: one of `WINDOW_BASELINES`.
        windows: in the series' own unit; NaN before a series begins.
        horizon, season: steps.
    """
    return WINDOW_BASELINES[baseline](windows, horizon, season)


def list_window_baselines(season: int, steps: int) -> list[str]:
    """List the baselines for a season, 1 without one, and windows of `steps` steps."""
    seasonal = ["seasonal_naive"] if season > 1 else []
    return [*seasonal, "naive", "window_drift", "window_mean", *(["window_seasons"] if 1 < season <= steps / 2 else [])]


def repeat_last_value(windows: np.ndarray, horizon: int, _season: int = 1) -> np.ndarray:
    """Repeat the last value of each window."""
    return np.repeat(windows[:, -1:], horizon, axis=1)


def repeat_last_season(windows: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Repeat the last season of each window, or its last value where it holds none."""
    last = repeat_last_value(windows, horizon)
    if not 1 < season <= windows.shape[1]:
        return last
    repeated = windows[:, windows.shape[1] - season + np.arange(horizon) % season]
    return np.where(np.isnan(windows[:, -season])[:, None], last, repeated)


def extend_drift(windows: np.ndarray, horizon: int, _season: int = 1) -> np.ndarray:
    """Extend the line from the first known value of each window through its last."""
    begins = (~np.isnan(windows)).argmax(axis=1)  # (batch,)
    first, spans = windows[np.arange(len(windows)), begins], windows.shape[1] - 1 - begins
    slopes = (windows[:, -1] - first) / np.maximum(spans, 1)  # per step, (batch,)
    return windows[:, -1:] + slopes[:, None] * np.arange(1, horizon + 1)


def repeat_mean(windows: np.ndarray, horizon: int, _season: int = 1) -> np.ndarray:
    """Repeat the mean of each window."""
    return np.repeat(np.nanmean(windows, axis=1, keepdims=True), horizon, axis=1)


def repeat_mean_season(windows: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Repeat the mean of the whole seasons of each window, or its last value where it holds none."""
    count = windows.shape[1] // season
    if season == 1 or not count:
        return repeat_last_value(windows, horizon)
    seasons = windows[:, windows.shape[1] - count * season :].reshape(len(windows), count, season)
    known = ~np.isnan(seasons)
    sums, counts = np.where(known, seasons, 0.0).sum(axis=1), known.sum(axis=1)  # (batch, season)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), windows[:, -1:])
    return means[:, np.arange(horizon) % season]


# (windows, horizon, season) -> (batch, horizon)
WINDOW_BASELINES: Mapping[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "seasonal_naive": repeat_last_season,
    "naive": repeat_last_value,
    "window_drift": extend_drift,
    "window_mean": repeat_mean,
    "window_seasons": repeat_mean_season,
}


def is_of_network(source: str) -> bool:
    """Whether a forecast with this source is that of the network alone, whatever happened to the end of its series."""
    return source.partition(" (")[0] == NETWORK
