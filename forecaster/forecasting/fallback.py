"""The fallback: where a network does not beat the last season in validation, its forecasts blend in that season."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

NETWORK, LAST_VALUE = "network", "naive"
_POOLED_HORIZONS = 3  # the validation horizons that the ratio of all series counts as, next to those of one series


@dataclass(frozen=True)
class Fallback:
    """The weight of the network in the forecast of each series; the rest is the baseline's.

    Attributes:
        season: steps in the season that the baseline repeats; 1 for the last value.
        weights: of the network by the name of the series, where it is not 1.
        unknown_weight: of the network for series that it was not trained on.
    """

    season: int
    weights: Mapping[str, float]
    unknown_weight: float = 1.0

    @property
    def baseline(self) -> str:
        """The name of the baseline, as in `evaluation.baselines`."""
        return "seasonal_naive" if self.season > 1 else "naive"

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
        return cls(season, weights, unknown_weight)


def fit_fallback(
    names: Sequence[str], network: np.ndarray, baseline: np.ndarray, horizons: np.ndarray, season: int, fallback: str
) -> Fallback:
    """Fit the weights from the errors in validation.

    A validation part is often short, so the logarithm of a series' ratio of errors is shrunk towards that of all
    series: its own counts as many times as its validation part has horizons, the pooled one `_POOLED_HORIZONS` times.
    Where the shrunk ratio r is above 1, the network's weight is 1 / (1 + r²) (Bates & Granger 1969, equation 2, without
    the covariance).

    Args:
        names: of the series.
        network, baseline: the mean absolute error of each, (series,); NaN where it is unknown.
        horizons: in each series' validation part, (series,).
        season: as in `Fallback`.
        fallback: `combine`, or `replace` for a weight of 0 where the ratio is above 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.log(network / baseline)  # NaN where both errors are 0
    known = np.isfinite(own)
    pooled = np.average(own[known], weights=horizons[known]) if known.any() else 0.0
    shrunk = (horizons * own + _POOLED_HORIZONS * pooled) / (horizons + _POOLED_HORIZONS)
    shrunk = np.append(np.where(np.isnan(own), pooled, shrunk), pooled)  # (series + 1,), the last for unknown series
    with np.errstate(over="ignore"):
        losing = np.zeros_like(shrunk) if fallback == "replace" else 1 / (1 + np.exp(2 * shrunk))
    *weights, unknown_weight = np.where(shrunk > 0, losing, 1.0).tolist()
    below_one = {name: weight for name, weight in zip(names, weights, strict=True) if weight < 1}
    return Fallback(season, below_one, unknown_weight)


def repeat_last_season(windows: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Repeat the last season of each window, or its last value where it holds none: (batch, steps) -> (batch, horizon).

    Args:
        windows: in the series' own unit; NaN before a series begins.
        horizon: steps.
        season: steps.
    """
    last = np.repeat(windows[:, -1:], horizon, axis=1)
    if not 1 < season <= windows.shape[1]:
        return last
    repeated = windows[:, windows.shape[1] - season + np.arange(horizon) % season]
    return np.where(np.isnan(windows[:, -season])[:, None], last, repeated)
