"""The guardrail: where a network does not beat the last season on its validation part, forecasts lean on that."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from forecaster.forecasting.predictive_distribution import PredictiveDistribution

NETWORK = "network"
_ALL_SERIES = 3  # horizons of validation that all series together count as, beside those of one


@dataclass(frozen=True)
class Fallback:
    """How much each series' forecast is the network's, and how much the baseline's.

    Attributes:
        season: steps in the season that the baseline repeats; 1 for the last value.
        weights: the network's, by the name of the series, of those where it is not 1.
        others: that of series that were not there.
    """

    season: int
    weights: Mapping[str, float]
    others: float = 1.0

    @property
    def baseline(self) -> str:
        """Its name."""
        return "seasonal_naive" if self.season > 1 else "naive"

    def weight(self, name: str, known: bool = True) -> float:
        """The network's share of a series' forecast, which was trained on or not."""
        return self.weights.get(name, 1.0) if known else self.others

    def source(self, weight: float) -> str:
        """Where a forecast comes from, as the column of that name says."""
        return NETWORK if weight == 1 else self.baseline if weight == 0 else f"{NETWORK}+{self.baseline}"

    def to_json(self) -> dict[str, Any]:
        """Every number, exact."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Fallback":
        """Read back what `to_json` gave."""
        return cls(int(values["season"]), dict(values["weights"]), float(values["others"]))


def fit_fallback(
    names: Sequence[str], network: np.ndarray, baseline: np.ndarray, horizons: np.ndarray, season: int, fallback: str
) -> Fallback:
    """The fallback that errors in validation call for.

    A series' validation part is often short, so that its ratio of errors is drawn to that of all series: in logarithms,
    its own counts as often as it has horizons, theirs `_ALL_SERIES` times. Where the ratio r is above 1, the network's
    weight is 1 / (1 + r²) (Bates & Granger 1969, equation 2, without the covariance).

    Args:
        names: of the series.
        network, baseline: the mean absolute error of each, (series,); NaN where nothing is known.
        horizons: that the validation part of each holds, (series,).
        season: as in `Guard`.
        fallback: `combine`, or `replace`, where the weight is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.log(network / baseline)  # NaN where both are always right
    known = np.isfinite(own)
    together = np.average(own[known], weights=horizons[known]) if known.any() else 0.0
    shrunk = np.where(np.isnan(own), together, (horizons * own + _ALL_SERIES * together) / (horizons + _ALL_SERIES))
    weights = _weights(np.append(shrunk, together), fallback)
    leaning = {name: weight for name, weight in zip(names, weights.tolist(), strict=False) if weight < 1}
    return Fallback(season, leaning, float(weights[-1]))


def _weights(logarithms: np.ndarray, fallback: str) -> np.ndarray:
    """The network's, by the logarithm of its error over the baseline's."""
    with np.errstate(over="ignore"):
        combined = np.zeros_like(logarithms) if fallback == "replace" else 1 / (1 + np.exp(2 * logarithms))
    return np.where(logarithms > 0, combined, 1.0)


def last_season(windows: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The last season of each window, repeated; its last value where it holds none: (batch, steps) -> (batch, horizon).

    Args:
        windows: in the series' own unit; NaN where a series had not begun.
    """
    last = np.repeat(windows[:, -1:], horizon, axis=1)
    if not 1 < season <= windows.shape[1]:
        return last
    repeated = windows[:, windows.shape[1] - season + np.arange(horizon) % season]
    return np.where(np.isnan(windows[:, -season])[:, None], last, repeated)


@dataclass(frozen=True)
class BlendedDistribution(PredictiveDistribution):
    """What a network and a baseline say together.

    Attributes:
        network: what it says alone.
        baseline: what the other says, in the series' own units, (batch, horizon).
        weights: the network's, (batch, 1).
    """

    network: PredictiveDistribution
    baseline: np.ndarray
    weights: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """The weighted mean of both."""
        return self._weighed(self.network.mean, self.baseline)

    @cached_property
    def centre(self) -> np.ndarray:
        """The weighted mean of both, transformed."""
        return self._weighed(self.network.centre, self.transformed(self.baseline))

    @property
    def spread(self) -> np.ndarray:
        """The network's."""
        return self.network.spread

    def quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """The network's, moved by as much as the baseline moves its mean, transformed, so that they keep to bounds."""
        moved = self.transformed(self.mean) - self.transformed(self.network.mean)
        return {
            probability: np.where(self.weights == 1, values, self.undone(self.transformed(values) + moved))
            for probability, values in self.network.quantiles(levels).items()
        }

    def paths(self, count: int, residuals: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Draws of the network alone; where there is a baseline, errors in validation around both."""
        drawn = self.network.paths(count, residuals, generator)
        return np.where(self.weights == 1, drawn, self._paths_around(count, residuals, generator))

    def transformed(self, values: np.ndarray) -> np.ndarray:
        """As of the network."""
        return self.network.transformed(values)

    def undone(self, transformed: np.ndarray) -> np.ndarray:
        """As of the network."""
        return self.network.undone(transformed)

    def _weighed(self, network: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        return np.where(self.weights == 1, network, self.weights * network + (1 - self.weights) * baseline)
