"""What networks say of some horizons, in the series' own units: the mean, quantiles, intervals and paths."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from forecaster.forecast import levels_to_probabilities
from forecaster.forecasting.conformal import compute_conformal_quantiles
from forecaster.forecasting.distributions import Distribution, Point, Quantile, Samples
from forecaster.preprocessing.scaling import Scaler

# Where the mean of a bent distribution is taken: at the quantiles of a standard normal's evenly spaced values.
_NODES, _REACH = 41, 6.0


class PredictiveDistribution(abc.ABC):
    """What is said of some horizons; all arrays are (batch, horizon)."""

    @property
    @abc.abstractmethod
    def mean(self) -> np.ndarray:
        """The forecast values."""

    @property
    @abc.abstractmethod
    def centre(self) -> np.ndarray:
        """What its errors are told from, transformed: the mean, where there is no transform."""

    @property
    @abc.abstractmethod
    def spread(self) -> np.ndarray:
        """What they are told in, transformed."""

    @abc.abstractmethod
    def quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Those of each level, by probability in rising order."""

    @abc.abstractmethod
    def paths(self, count: int, residuals: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Draws of each horizon, (count, batch, horizon)."""

    @abc.abstractmethod
    def transformed(self, values: np.ndarray) -> np.ndarray:
        """Values in the series' own units -> transformed values."""

    @abc.abstractmethod
    def undone(self, transformed: np.ndarray) -> np.ndarray:
        """Transformed values -> values in the series' own units, within the bounds."""

    def residuals(self, actual: np.ndarray) -> np.ndarray:
        """The errors of the centre over the spread, for values in the series' own units."""
        return (self.transformed(actual) - self.centre) / self.spread

    def conformal_quantiles(self, residuals: np.ndarray, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Those of each level by errors in validation, by probability in rising order."""
        found = compute_conformal_quantiles(self.centre, self.spread, residuals, levels)
        return {probability: self.undone(values) for probability, values in found.items()}

    def _paths_around(self, count: int, residuals: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Errors in validation, laid around the centre, (count, batch, horizon)."""
        errors = _paths_of_errors(residuals, self.centre.shape, count, generator)
        return self.undone(self.centre + errors * self.spread)


@dataclass(frozen=True)
class NetworkDistribution(PredictiveDistribution):
    """What one network says.

    Attributes:
        distribution: of the scaled values, (batch, horizon).
        scaler: of each row.
        counts: whether values are whole numbers.
        minimum, maximum: what values are kept between.
        size: of each window, which errors are told in, (batch, 1), in scaled units.
    """

    distribution: Distribution
    scaler: Scaler
    counts: bool
    minimum: float = -math.inf
    maximum: float = math.inf
    size: np.ndarray | float = 1.0

    @cached_property
    def mean(self) -> np.ndarray:
        """The forecast values, (batch, horizon).

        A transform bends a distribution, so that its mean is not the transformed mean undone: it is taken over the
        values themselves. A value alone and learnt quantiles have no mean to begin with: theirs is the value or the
        median undone.
        """
        told = self.distribution
        if self.scaler.curve.kind == "none" or isinstance(told, Point | Quantile):
            return self._bounded(self.scaler.inverse(told.mean.astype(float)))
        if isinstance(told, Samples):
            return self._paths(told).mean(axis=0)
        nodes = np.linspace(-_REACH, _REACH, _NODES)
        weights = np.exp(-(nodes**2) / 2)
        values = (self._values(told.quantile(NormalDist().cdf(node))) for node in nodes)
        return sum(weight * value for weight, value in zip(weights / weights.sum(), values, strict=True))

    @property
    def centre(self) -> np.ndarray:
        """What its errors are told from, (batch, horizon), transformed: the mean, where there is no transform."""
        return self.scaler.unscale(self.distribution.mean.astype(float))

    @property
    def spread(self) -> np.ndarray:
        """What they are told in, (batch, horizon), transformed: its deviation, or the size if it gives none."""
        return self.distribution.deviation * self.size * self.scaler.unit

    def quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Those of each level, by probability in rising order, each (batch, horizon)."""
        probabilities = levels_to_probabilities(levels)
        return {probability: self._values(self.distribution.quantile(probability)) for probability in probabilities}

    def paths(self, count: int, residuals: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Draws of each horizon, (count, batch, horizon).

        Those of a network that answers at once would know nothing of each other from step to step; they are
        put in the order of errors in validation (the Schaake shuffle, Clark et al. 2004). A network that gives
        a value alone gets those errors themselves.
        """
        if isinstance(self.distribution, Samples):
            return self._paths(self.distribution)
        if isinstance(self.distribution, Point):
            return self._paths_around(count, residuals, generator)
        errors = _paths_of_errors(residuals, self.centre.shape, count, generator)  # (count, batch, horizon)
        draws = np.sort([self._values(self.distribution.sample(generator)) for _ in range(count)], axis=0)
        return np.take_along_axis(draws, errors.argsort(axis=0).argsort(axis=0), axis=0)

    def _paths(self, samples: Samples) -> np.ndarray:
        """(draws, batch, horizon)."""
        return self._values(np.moveaxis(samples.parameters, -1, 0))

    def _values(self, scaled: np.ndarray) -> np.ndarray:
        values = self.scaler.inverse(scaled.astype(float))
        return self._bounded(np.rint(values) if self.counts else values)

    def transformed(self, values: np.ndarray) -> np.ndarray:
        """As the scaler transforms."""
        return self.scaler.curve.forward(values)

    def undone(self, transformed: np.ndarray) -> np.ndarray:
        """As the scaler undoes it."""
        return self._bounded(self.scaler.curve.inverse(transformed))

    def _bounded(self, values: np.ndarray) -> np.ndarray:
        return np.clip(values, self.minimum, self.maximum)


@dataclass(frozen=True)
class EnsembleDistribution(PredictiveDistribution):
    """What the networks of an ensemble say together: of each value the median, or the mean, over the networks.

    Quantiles are combined at each probability (Vincentization: Ratcliff 1979; Lichtendahl, Grushka-Cockayne & Winkler
    2013 on why that is sharper than mixing the distributions).

    Attributes:
        members: the outlook of each network, of the same horizons.
        combine: `median` or `mean`.
    """

    members: Sequence[NetworkDistribution]
    combine: str

    @cached_property
    def mean(self) -> np.ndarray:
        """Over the networks' means."""
        return self._combined([member.mean for member in self.members])

    @cached_property
    def centre(self) -> np.ndarray:
        """Over the networks' centres."""
        return self._combined([member.centre for member in self.members])

    @cached_property
    def spread(self) -> np.ndarray:
        """Over the networks' spreads."""
        return self._combined([member.spread for member in self.members])

    def quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Over the networks' quantiles."""
        each = [member.quantiles(levels) for member in self.members]
        found = {probability: self._combined([told[probability] for told in each]) for probability in each[0]}
        return {p: np.rint(values) for p, values in found.items()} if self.members[0].counts else found

    def paths(self, count: int, residuals: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """As many of each network, as evenly as that goes; of values alone, errors around their combination."""
        if isinstance(self.members[0].distribution, Point):
            return self._paths_around(count, residuals, generator)
        ends = np.linspace(0, count, len(self.members) + 1).round().astype(int)
        parts = [
            member.paths(share, residuals, generator)[:share]
            for member, share in zip(self.members, np.diff(ends).tolist(), strict=True)
            if share
        ]
        return np.concatenate(parts)

    def transformed(self, values: np.ndarray) -> np.ndarray:
        """As of every network."""
        return self.members[0].transformed(values)

    def undone(self, transformed: np.ndarray) -> np.ndarray:
        """As of every network."""
        return self.members[0].undone(transformed)

    def _combined(self, values: Sequence[np.ndarray]) -> np.ndarray:
        return np.median(values, axis=0) if self.combine == "median" else np.mean(values, axis=0)


def _paths_of_errors(
    residuals: np.ndarray, shape: tuple[int, ...], count: int, generator: np.random.Generator
) -> np.ndarray:
    """Errors of whole horizons in validation, drawn with replacement: (count, *shape), whose last axis is the horizon.

    Where there is no truth, or the trained horizon ends, an error stays as it was last.
    """
    begun = ~np.isnan(residuals[:, 0])
    residuals = residuals[begun] if begun.any() else np.nan_to_num(residuals)
    known = np.maximum.accumulate(np.where(np.isnan(residuals), 0, np.arange(residuals.shape[1])), axis=1)
    filled = np.take_along_axis(residuals, known, axis=1)
    drawn = filled[generator.integers(len(filled), size=(count, *shape[:-1]))]
    return drawn[..., np.minimum(np.arange(shape[-1]), residuals.shape[1] - 1)]
