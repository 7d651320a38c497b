"""The fallback: the network's forecast averaged with others that need no training, by their errors in validation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from forecaster.preprocessing.zero_shot_feature import forecast_medians

NETWORK, ZERO_SHOT, LAST_VALUE = "network", "zero-shot", "naive"
_POOLED_HORIZONS = 3  # the validation horizons that the errors of all series count as, next to those of one series
_MAX_LOG = 10.0  # logarithm of a ratio of errors that counts when forecasters are compared

# Weights fall with this power of the error, by the horizons of validation: an error is as likely under a forecaster of
# mean absolute error m as 1 / m (a Laplace distribution), and each horizon counts as two errors that are independent.
_POWER, _POWER_OF_HORIZON = 4.0, 2.0
_MOST_HORIZONS = 5  # that count: series change, so that a small difference over many proves nothing of the next
_MOST_PAST_HORIZONS = 20  # of the training part that count, next to those of validation
# Horizons at which the trained network counts as good as the zero-shot one, next to those of validation: its epochs
# were chosen by the same errors, and one horizon is soon won by chance.
_EQUAL_HORIZONS = 1.0
# Horizons that flatter weights count as, next to those of validation, of which one or two are often lucky ones; the
# power of their errors, the prior of baselines, and the largest logarithm of an error over the lowest. They are mostly
# of both networks, whose errors partly cancel.
_FLAT_HORIZONS, _FLAT_POWER, _FLAT_PRIOR, _FLAT_LIMIT = 1.0, 2.0, 0.1, 0.5
# Of the last three baselines, one of which is often best by chance, against the networks, last value and last season.
_PRIOR_OF_OTHERS = 0.25
_SMALLEST_WEIGHT = 0.01  # below which a forecaster is left out


@dataclass(frozen=True)
class Fallback:
    """The weights of a network and other forecasters in the forecast of each series.

    Attributes:
        forecasters: their names: `NETWORK`, and of `ZERO_SHOT` and `WINDOW_BASELINES` those with a weight.
        weights: of each forecaster, by the name of the series, where it is not the network alone.
        unknown_weights: of each forecaster, for series that the network was not trained on.
        horizons: of validation that the weights were measured on, averaged over series; 0 where it is unknown.
        intervals_by_errors: whether `forecast.intervals: auto` takes errors in validation where others are averaged
            with a head that has intervals; runs of earlier versions moved those of the head.
    """

    forecasters: tuple[str, ...]
    weights: Mapping[str, tuple[float, ...]]
    unknown_weights: tuple[float, ...]
    horizons: float = 0.0
    intervals_by_errors: bool = True

    def get_weights(self, name: str, known: bool = True) -> tuple[float, ...]:
        """Get the weight of each forecaster for a series, which the network was trained on or not."""
        alone = tuple(float(forecaster == NETWORK) for forecaster in self.forecasters)
        return self.weights.get(name, alone) if known else self.unknown_weights

    def to_json(self) -> dict[str, Any]:
        """Convert to values for JSON; every number is exact."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Fallback":
        """Build the fallback that `to_json` converted.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: these are not such values.
        """
        if "forecasters" not in values:
            values = _read_one_baseline(values)
        forecasters, unknown = tuple(values["forecasters"]), tuple(values["unknown_weights"])
        weights = {str(name): tuple(each) for name, each in values["weights"].items()}
        if forecasters[:1] != (NETWORK,) or any(
            name != ZERO_SHOT and name not in WINDOW_BASELINES for name in forecasters[1:]
        ):
            raise ValueError(f"the forecasters {forecasters}")
        for each in (*weights.values(), unknown):
            if len(each) != len(forecasters) or not all(0 <= weight <= 1 for weight in each):
                raise ValueError(f"the weights {each}")
            if not np.isclose(sum(each), 1):
                raise ValueError(f"weights that add up to {sum(each)}")
        by_errors = bool(values.get("intervals_by_errors", False))
        return cls(forecasters, weights, unknown, float(values.get("horizons", 0.0)), by_errors)


def _read_one_baseline(values: Mapping[str, Any]) -> dict[str, Any]:
    """Read the values of earlier runs, which have the weight of the network for each series, next to one baseline.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: these are not such values.
    """
    season = values["season"]
    if type(season) is not int or season < 1:
        raise ValueError(f"a season of {season} steps")
    # The first of them name no baseline: it was the last season, or the last value without one.
    baseline = values.get("baseline", "seasonal_naive" if season > 1 else "naive")
    return {
        "forecasters": (NETWORK, baseline),
        "weights": {name: (weight, 1 - weight) for name, weight in values["weights"].items()},
        "unknown_weights": (values["unknown_weight"], 1 - values["unknown_weight"]),
    }


def name_source(forecasters: Sequence[str], weights: Sequence[float]) -> str:
    """Name what a forecast with these weights is made of, for the column `source`."""
    return "+".join(name for name, weight in zip(forecasters, weights, strict=True) if weight)


class PastErrors(NamedTuple):
    """Errors before validation, in the training part, of forecasters that were not trained on it.

    Attributes:
        errors: the mean absolute error of each forecaster by name, (series,); NaN where it is unknown.
        horizons: that they were measured on, without overlap, (series,).
    """

    errors: Mapping[str, np.ndarray]
    horizons: np.ndarray


def fit_fallback(
    names: Sequence[str],
    errors: Mapping[str, np.ndarray],
    horizons: np.ndarray,
    fallback: str,
    past: PastErrors | None = None,
) -> Fallback:
    """Fit the weights of forecasters from their errors in validation, and of those that were not trained before it.

    A validation part is often short, so the logarithm of a series' errors, relative to the zero-shot network's, is
    shrunk towards the mean of all series: its own counts as many times as its validation part has horizons, the pooled
    one `_POOLED_HORIZONS` times. Weights are those of Bayesian model averaging, as if each horizon held
    `_POWER_OF_HORIZON` independent errors of a Laplace distribution: w ∝ prior · e^-p with e the shrunk error and
    p = `_POWER` + `_POWER_OF_HORIZON` · horizons, of which `_MOST_HORIZONS` count. They are averaged with flatter ones,
    whose p is `_FLAT_POWER`, and which count as `_FLAT_HORIZONS` next to those of validation. One horizon moves them a
    little; ten nearly choose the best.

    Args:
        names: of the series.
        errors: the mean absolute error of each forecaster by name, the network's first, (series,); NaN where it is
            unknown.
        horizons: in each series' validation part, (series,).
        fallback: `combine`, or `replace` for a weight of 1 of the forecaster with the lowest shrunk error.
        past: errors in the training part; None where there are none.
    """
    forecasters = tuple(errors)
    relative = _compare_errors(forecasters, errors)
    if ZERO_SHOT in forecasters:
        relative[:, 0] *= horizons / (horizons + _EQUAL_HORIZONS)
    if past is not None:
        before = _compare_errors(forecasters, past.errors)
        counts_before = np.where(np.isnan(before), 0.0, np.minimum(past.horizons, _MOST_PAST_HORIZONS)[:, None])
        counts_after = np.where(np.isnan(relative), 0.0, horizons[:, None])
        with np.errstate(invalid="ignore"):  # NaN where neither is known
            relative = (counts_after * np.nan_to_num(relative) + counts_before * np.nan_to_num(before)) / (
                counts_after + counts_before
            )
    pooled = np.array([_average(column, horizons) for column in relative.T])  # (forecasters,)
    counts = horizons[:, None]  # (series, 1)
    shrunk = (counts * relative + _POOLED_HORIZONS * pooled) / (counts + _POOLED_HORIZONS)
    shrunk = np.vstack([np.where(np.isnan(relative), pooled, shrunk), pooled])  # the last for unknown series
    found = _compute_weights(forecasters, shrunk, np.append(horizons, horizons.mean()), fallback)
    used = np.flatnonzero((found > 0).any(axis=0) | (np.arange(len(forecasters)) == 0))
    *weights, unknown = (tuple(row) for row in found[:, used].tolist())
    alone = tuple(float(place == 0) for place in range(len(used)))
    others = {name: row for name, row in zip(names, weights, strict=True) if row != alone}
    return Fallback(tuple(forecasters[place] for place in used), others, unknown, float(horizons.mean()))


def _compare_errors(forecasters: Sequence[str], errors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Compare errors with the zero-shot network's, or the first forecaster's: logarithms, (series, forecasters).

    NaN where an error is unknown, or both are 0.
    """
    reference = errors[ZERO_SHOT if ZERO_SHOT in forecasters else forecasters[0]]
    columns = [errors.get(name, np.full(len(reference), np.nan)) for name in forecasters]
    with np.errstate(divide="ignore", invalid="ignore"):  # -inf where an error is 0
        logs = np.log(np.stack(columns, axis=1)) - np.log(reference)[:, None]
    return np.asarray(np.clip(logs, -_MAX_LOG, _MAX_LOG))


def _compute_weights(forecasters: Sequence[str], errors: np.ndarray, horizons: np.ndarray, fallback: str) -> np.ndarray:
    """Compute weights (rows, forecasters) from the logarithms of errors (rows, forecasters) and horizons (rows,)."""
    if fallback == "replace":
        return np.eye(len(forecasters))[errors.argmin(axis=1)]
    others = [name.startswith("window_") for name in forecasters]
    prior = np.where(others, _PRIOR_OF_OTHERS, 1.0)
    above = errors - errors.min(axis=1, keepdims=True)
    powers = _POWER + _POWER_OF_HORIZON * np.minimum(horizons, _MOST_HORIZONS)  # (rows,)
    weights = prior * np.exp(-powers[:, None] * above)
    weights /= weights.sum(axis=1, keepdims=True)
    flat_prior = np.array([1.0 if name in (NETWORK, ZERO_SHOT) else _FLAT_PRIOR for name in forecasters])
    flat = np.where(above < _FLAT_LIMIT, flat_prior * np.exp(-_FLAT_POWER * above), 0.0)
    share = (_FLAT_HORIZONS / (_FLAT_HORIZONS + horizons))[:, None]  # (rows, 1)
    weights = (1 - share) * weights + share * flat / flat.sum(axis=1, keepdims=True)
    weights[weights < _SMALLEST_WEIGHT] = 0.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _average(values: np.ndarray, weights: np.ndarray) -> float:
    """Average what is not NaN; 0 where nothing is."""
    known = ~np.isnan(values)
    return float(np.average(values[known], weights=weights[known])) if known.any() else 0.0


def forecast_without_network(
    name: str, windows: np.ndarray, history: np.ndarray, horizon: int, seasons: Sequence[int]
) -> np.ndarray:
    """Forecast without the trained network: (batch, horizon), in the series' own unit.

    Args:
        name: `ZERO_SHOT`, or of `WINDOW_BASELINES`.
        windows: that a baseline reads, (batch, steps); NaN before a series begins.
        history: that the zero-shot network reads, (batch, steps); NaN before a series begins. The last value replaces
            its forecast where there are too few.
        horizon: steps.
        seasons: steps in each season, the main one first; none or 1 where there is none.
    """
    if name != ZERO_SHOT:
        return forecast_from_windows(name, windows, horizon, next(iter(seasons), 1))
    return forecast_medians(history, seasons, horizon)


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


def has_network(source: str) -> bool:
    """Whether the network has a part in a forecast with this source, whatever happened to the end of its series."""
    return NETWORK in source.partition(" (")[0].split("+")
