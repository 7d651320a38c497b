"""What networks predict for some horizons, in the series' own unit: mean, quantiles and sample paths."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from forecaster.forecast import levels_to_probabilities
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.conformal import compute_conformal_quantiles
from forecaster.forecasting.distributions import Distribution, Point, Quantile, Samples, average_values
from forecaster.preprocessing.scaling import Scaler

_NORMAL = NormalDist()


class PredictiveDistribution(abc.ABC):
    """The prediction for some horizons; all arrays are (batch, horizon).

    Errors are measured in transformed units (those of `data.transform`), where they are close to symmetric; intervals
    and paths made of them are transformed back.
    """

    @property
    @abc.abstractmethod
    def mean(self) -> np.ndarray:
        """The forecast values."""

    @property
    @abc.abstractmethod
    def centre(self) -> np.ndarray:
        """The point that errors are measured from, in transformed units: the mean, where there is no transform."""

    @property
    @abc.abstractmethod
    def spread(self) -> np.ndarray:
        """The scale that errors are divided by, in transformed units."""

    @abc.abstractmethod
    def compute_quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Compute the quantiles of each level by the head, by probability in rising order."""

    @abc.abstractmethod
    def draw_paths(self, count: int, calibration: Calibration, generator: np.random.Generator) -> np.ndarray:
        """Draw whole horizons, (count, batch, horizon)."""

    @abc.abstractmethod
    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values in the series' own unit."""

    @abc.abstractmethod
    def invert(self, transformed: np.ndarray) -> np.ndarray:
        """Transform values back to the series' own unit, clipped to its bounds."""

    @property
    def network_mean(self) -> np.ndarray:
        """The forecast values without other forecasters, where these are averaged in."""
        return self.mean

    @property
    def is_of_network(self) -> np.ndarray:
        """Whether each row is the networks' own prediction, without other forecasts, (batch, 1) or a single value."""
        return np.array(True)

    def compute_residuals(self, actual: np.ndarray) -> np.ndarray:
        """Compute the errors for actual values in the series' own unit, divided by the spread."""
        return (self.transform(actual) - self.centre) / self.spread

    def compute_conformal_quantiles(self, calibration: Calibration, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Compute the quantiles of each level by errors in validation, by probability in rising order."""
        quantiles = compute_conformal_quantiles(self.centre, self.spread, calibration.residuals, levels)
        return {probability: self.invert(values) for probability, values in quantiles.items()}

    def _draw_paths_around_centre(
        self, count: int, calibration: Calibration, generator: np.random.Generator
    ) -> np.ndarray:
        errors = calibration.draw_errors(self.centre.shape, count, generator)  # (count, batch, horizon)
        return self.invert(self.centre + errors * self.spread)


@dataclass(frozen=True)
class NetworkDistribution(PredictiveDistribution):
    """The prediction of one network.

    Attributes:
        distribution: of the scaled values, (batch, horizon).
        scaler: of each row.
        counts: whether values are whole numbers.
        minimum, maximum: bounds that values are clipped to.
        window_change: the seasonal change of each window, which the spread is proportional to, (batch, 1), in scaled
            units; 1 where it is not.
    """

    distribution: Distribution
    scaler: Scaler
    counts: bool
    minimum: float = -math.inf
    maximum: float = math.inf
    window_change: np.ndarray | float = 1.0

    @cached_property
    def mean(self) -> np.ndarray:
        """The forecast values, (batch, horizon).

        The mean of transformed values is not the mean of the values, so it is integrated over the values themselves
        (of normal nodes, through the quantile function). A point and learnt quantiles have no mean: their value or
        median is transformed back.
        """
        distribution = self.distribution
        if self.scaler.curve.kind == "none" or isinstance(distribution, Point | Quantile):
            return self._clip(self.scaler.invert(distribution.mean.astype(float)))
        return average_values(distribution, self._to_values)

    @property
    def centre(self) -> np.ndarray:
        """The mean of the distribution in transformed units, (batch, horizon)."""
        return self.scaler.unscale(self.distribution.mean.astype(float))

    @property
    def spread(self) -> np.ndarray:
        """The distribution's deviation (1 for a point) times the window's change, in transformed units."""
        return self.distribution.deviation * self.window_change * self.scaler.unit

    def compute_quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Compute the quantiles of each level by the head, by probability in rising order, each (batch, horizon)."""
        return {p: self._to_values(self.distribution.compute_quantile(p)) for p in levels_to_probabilities(levels)}

    def draw_paths(self, count: int, calibration: Calibration, generator: np.random.Generator) -> np.ndarray:
        """Draw whole horizons, (count, batch, horizon).

        A direct decoder's draws are independent from step to step. They are reordered by rank to follow errors in
        validation (the Schaake shuffle, Clark et al. 2004). A point forecast gets those errors themselves.
        """
        if isinstance(self.distribution, Samples):
            return self._compute_sample_values(self.distribution)
        if isinstance(self.distribution, Point):
            return self._draw_paths_around_centre(count, calibration, generator)
        errors = calibration.draw_errors(self.centre.shape, count, generator)  # (count, batch, horizon)
        # (count, batch, horizon), rising
        draws = np.sort([self._to_values(self.distribution.sample(generator)) for _ in range(count)], axis=0)
        ranks = errors.argsort(axis=0).argsort(axis=0)  # (count, batch, horizon)
        return np.take_along_axis(draws, ranks, axis=0)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values by the scaler's transform, without its scaling."""
        return self.scaler.curve.apply(values)

    def invert(self, transformed: np.ndarray) -> np.ndarray:
        """Transform values back by the scaler's transform, clipped to the bounds."""
        return self._clip(self.scaler.curve.invert(transformed))

    def _compute_sample_values(self, samples: Samples) -> np.ndarray:
        return self._to_values(np.moveaxis(samples.parameters, -1, 0))  # (draws, batch, horizon)

    def _to_values(self, scaled: np.ndarray) -> np.ndarray:
        values = self.scaler.invert(scaled.astype(float))
        return self._clip(np.rint(values) if self.counts else values)

    def _clip(self, values: np.ndarray) -> np.ndarray:
        return np.clip(values, self.minimum, self.maximum)


@dataclass(frozen=True)
class EnsembleDistribution(PredictiveDistribution):
    """The combined prediction of an ensemble: the median or the mean of each value over its networks.

    Quantiles are combined at each probability (Vincentization: Ratcliff 1979; Lichtendahl, Grushka-Cockayne & Winkler
    2013 on why that is sharper than mixing the distributions).

    Attributes:
        members: the prediction of each network, of the same horizons.
        combine: `median` or `mean`.
    """

    members: Sequence[NetworkDistribution]
    combine: str

    @cached_property
    def mean(self) -> np.ndarray:
        """The networks' means, combined."""
        return self._combine([member.mean for member in self.members])

    @cached_property
    def centre(self) -> np.ndarray:
        """The networks' centres, combined."""
        return self._combine([member.centre for member in self.members])

    @cached_property
    def spread(self) -> np.ndarray:
        """The networks' spreads, combined."""
        return self._combine([member.spread for member in self.members])

    def compute_quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Combine the networks' quantiles at each probability; of counts, to the nearest whole number."""
        each = [member.compute_quantiles(levels) for member in self.members]
        combined = {p: self._combine([quantiles[p] for quantiles in each]) for p in each[0]}
        return {p: np.rint(values) for p, values in combined.items()} if self.members[0].counts else combined

    def draw_paths(self, count: int, calibration: Calibration, generator: np.random.Generator) -> np.ndarray:
        """Draw an equal share from each network; of point forecasts, errors around their combination."""
        if isinstance(self.members[0].distribution, Point):
            return self._draw_paths_around_centre(count, calibration, generator)
        # shares that differ by one path at most
        ends = np.linspace(0, count, len(self.members) + 1).round().astype(int)
        parts = [
            member.draw_paths(share, calibration, generator)[:share]
            for member, share in zip(self.members, np.diff(ends).tolist(), strict=True)
            if share
        ]
        return np.concatenate(parts)  # (count, batch, horizon)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values; all networks share the transform."""
        return self.members[0].transform(values)

    def invert(self, transformed: np.ndarray) -> np.ndarray:
        """Transform values back; all networks share the transform."""
        return self.members[0].invert(transformed)

    def _combine(self, values: Sequence[np.ndarray]) -> np.ndarray:
        return np.median(values, axis=0) if self.combine == "median" else np.mean(values, axis=0)


@dataclass(frozen=True)
class BlendedDistribution(PredictiveDistribution):
    """A weighted average of the networks' prediction and other forecasts.

    Attributes:
        network: the prediction of the networks.
        others: in the series' own unit, (others, batch, horizon).
        weights: of the network and the others, (1 + others, batch, 1).
    """

    network: PredictiveDistribution
    others: np.ndarray
    weights: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """The weighted average of the means."""
        return self._blend(self.network.mean, self.others)

    @cached_property
    def centre(self) -> np.ndarray:
        """The weighted average in transformed units, or the average transformed where one of them has no transform."""
        with np.errstate(all="ignore"):  # a logarithm of 0
            blended = self._blend(self.network.centre, np.stack([self.transform(other) for other in self.others]))
        finite = np.isfinite(blended)
        return blended if finite.all() else np.where(finite, blended, self.transform(self.mean))

    @property
    def network_mean(self) -> np.ndarray:
        """The network's."""
        return self.network.mean

    @property
    def is_of_network(self) -> np.ndarray:
        """Where the weight of the network is 1."""
        return np.asarray(self.weights[0] == 1)

    @property
    def spread(self) -> np.ndarray:
        """The network's."""
        return self.network.spread

    def compute_quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Shift the network's quantiles by as much as the others shift its mean.

        In transformed units, so that they stay within the bounds of the transform.
        """
        shift = self.transform(self.mean) - self.transform(self.network.mean)
        return {
            probability: np.where(self.is_of_network, values, self.invert(self.transform(values) + shift))
            for probability, values in self.network.compute_quantiles(levels).items()
        }

    def draw_paths(self, count: int, calibration: Calibration, generator: np.random.Generator) -> np.ndarray:
        """Draw from the network where its weight is 1, elsewhere errors in validation around the weighted average."""
        drawn = self.network.draw_paths(count, calibration, generator)
        return np.where(self.is_of_network, drawn, self._draw_paths_around_centre(count, calibration, generator))

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values as the network does."""
        return self.network.transform(values)

    def invert(self, transformed: np.ndarray) -> np.ndarray:
        """Transform values back as the network does."""
        return self.network.invert(transformed)

    def _blend(self, network: np.ndarray, others: np.ndarray) -> np.ndarray:
        every = np.stack([network, *others])  # (1 + others, batch, horizon)
        # A forecast may be NaN where its weight is 0: 0 * NaN would be NaN.
        used = self.weights > 0
        average = np.where(used, self.weights * every, 0.0).sum(axis=0)
        # Weights add up to 1 but for rounding: the average of equal forecasts is exactly these.
        low, high = np.where(used, every, np.inf).min(axis=0), np.where(used, every, -np.inf).max(axis=0)
        return np.asarray(np.clip(average, low, high))


@dataclass(frozen=True)
class WidenedDistribution(PredictiveDistribution):
    """A prediction of points whose errors are divided by a spread of each step, instead of one of each window.

    Attributes:
        other: the same prediction.
        widened: the spread, in transformed units, (batch, horizon).
    """

    other: PredictiveDistribution
    widened: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The forecast values."""
        return self.other.mean

    @property
    def centre(self) -> np.ndarray:
        """The same point."""
        return self.other.centre

    @property
    def network_mean(self) -> np.ndarray:
        """That of the other prediction."""
        return self.other.network_mean

    @property
    def is_of_network(self) -> np.ndarray:
        """That of the other prediction."""
        return self.other.is_of_network

    @property
    def spread(self) -> np.ndarray:
        """The spread of each step."""
        return self.widened

    def compute_quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Compute those of the other prediction."""
        return self.other.compute_quantiles(levels)

    def draw_paths(self, count: int, calibration: Calibration, generator: np.random.Generator) -> np.ndarray:
        """Draw errors around the points."""
        return self._draw_paths_around_centre(count, calibration, generator)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values as the other prediction does."""
        return self.other.transform(values)

    def invert(self, transformed: np.ndarray) -> np.ndarray:
        """Transform values back as the other prediction does."""
        return self.other.invert(transformed)


@dataclass(frozen=True)
class LastValueDistribution(PredictiveDistribution):
    """A prediction in which the last value replaces some rows, as a random walk: those of constant training parts.

    Attributes:
        other: the prediction of the other rows.
        replaced: whether a row is replaced, (batch, 1).
        last: values in the series' own unit, (batch, 1).
        deviation: of the change from step to step, in the series' own unit, (batch, 1).
    """

    other: PredictiveDistribution
    replaced: np.ndarray
    last: np.ndarray
    deviation: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """The last value in replaced rows."""
        return np.where(self.replaced, self.last, self.other.mean)

    @cached_property
    def centre(self) -> np.ndarray:
        """The last value in replaced rows, in transformed units."""
        return np.where(self.replaced, self.transform(self.last), self.other.centre)

    @property
    def is_of_network(self) -> np.ndarray:
        """That of the other prediction."""
        return self.other.is_of_network

    @property
    def spread(self) -> np.ndarray:
        """That of the other prediction; errors of replaced rows are not pooled."""
        return self.other.spread

    def compute_quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Compute those of the random walk in replaced rows."""
        return self._replace(self.other.compute_quantiles(levels))

    def compute_conformal_quantiles(self, calibration: Calibration, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Compute those of the random walk in replaced rows."""
        return self._replace(self.other.compute_conformal_quantiles(calibration, levels))

    def draw_paths(self, count: int, calibration: Calibration, generator: np.random.Generator) -> np.ndarray:
        """Draw random walks in replaced rows."""
        drawn = self.other.draw_paths(count, calibration, generator)
        walks = self.last + self.deviation * np.cumsum(generator.normal(size=drawn.shape), axis=-1)
        return np.where(self.replaced, walks, drawn)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values as the other prediction does."""
        return self.other.transform(values)

    def invert(self, transformed: np.ndarray) -> np.ndarray:
        """Transform values back as the other prediction does."""
        return self.other.invert(transformed)

    def _replace(self, quantiles: dict[float, np.ndarray]) -> dict[float, np.ndarray]:
        """Replace rows by the quantiles of a random walk, σ √h (FPP3, table 5.2)."""
        widths = self.deviation * np.sqrt(np.arange(1, self.mean.shape[1] + 1))  # (batch, horizon)
        return {
            p: np.where(self.replaced, self.last + _NORMAL.inv_cdf(p) * widths, values)
            for p, values in quantiles.items()
        }
