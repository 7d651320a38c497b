"""The distribution of each head's parameters: mean, spread, quantiles and samples, in numpy.

The other half of a head, its domain map and its loss, is in `forecaster/models/heads.py`. Everything is in scaled
units; the last axis of `parameters` is the head's.
"""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecaster.config.schema import Model

# The mean after a transform is an integral over a standard normal variable: its evenly spaced nodes, and their range.
_NODES, _REACH = 41, 6.0


@dataclass(frozen=True)
class Distribution(abc.ABC):
    """One distribution for each place of `parameters`, (..., number of parameters)."""

    parameters: np.ndarray

    @property
    @abc.abstractmethod
    def mean(self) -> np.ndarray:
        """(...,)."""

    @property
    @abc.abstractmethod
    def deviation(self) -> np.ndarray:
        """The spread, (...,): the standard deviation, except of `Point` and `Quantile`."""

    @abc.abstractmethod
    def compute_quantile(self, probability: float) -> np.ndarray:
        """Compute the quantile of a probability, (...,)."""

    @abc.abstractmethod
    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Draw one value for each place, (...,)."""


class Point(Distribution):
    """A value without a distribution."""

    @property
    def mean(self) -> np.ndarray:
        """The value."""
        return self.parameters[..., 0]

    @property
    def deviation(self) -> np.ndarray:
        """1: every error counts the same."""
        return np.ones_like(self.mean)

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Return the value."""
        return self.mean

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Return the value."""
        return self.mean


@dataclass(frozen=True)
class Quantile(Distribution):
    """Quantiles of some probabilities, linear between them; beyond them the last line continues."""

    probabilities: Sequence[float]

    @property
    def mean(self) -> np.ndarray:
        """The median, interpolated between its neighbours where it was not trained."""
        return self.compute_quantile(0.5)

    @property
    def deviation(self) -> np.ndarray:
        """From the lowest quantile to the highest."""
        return np.maximum(self.parameters[..., -1] - self.parameters[..., 0], 1e-9)

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Interpolate at a probability."""
        return self._interpolate(np.full(self.parameters.shape[:-1], probability))

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Interpolate at a uniform draw."""
        return self._interpolate(generator.uniform(size=self.parameters.shape[:-1]))

    def _interpolate(self, drawn: np.ndarray) -> np.ndarray:
        if len(self.probabilities) == 1:
            return self.parameters[..., 0]
        known = np.asarray(self.probabilities)  # rising
        # the segment of each draw; the first and the last also serve the tails
        low = np.clip(np.searchsorted(known, drawn, side="right") - 1, 0, len(known) - 2)
        share = (drawn - known[low]) / (known[low + 1] - known[low])  # outside 0 to 1 in the tails
        values = self.parameters.astype(float)  # so that a known probability gives its quantile exactly
        below, above = (np.take_along_axis(values, (low + i)[..., None], -1)[..., 0] for i in (0, 1))
        return below + share * (above - below)


class Normal(Distribution):
    """Mean and standard deviation."""

    @property
    def mean(self) -> np.ndarray:
        """The first."""
        return self.parameters[..., 0]

    @property
    def deviation(self) -> np.ndarray:
        """The second."""
        return self.parameters[..., 1]

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Compute mean + deviation · Φ⁻¹(p)."""
        return self.mean + self.deviation * NormalDist().inv_cdf(probability)

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Draw mean + deviation · ε."""
        return self.mean + self.deviation * generator.standard_normal(self.mean.shape)


class StudentT(Distribution):
    """Location, scale and degrees of freedom above 2."""

    @property
    def mean(self) -> np.ndarray:
        """The location."""
        return self.parameters[..., 0]

    @property
    def deviation(self) -> np.ndarray:
        """Scale · √(ν / (ν - 2))."""
        degrees = self.parameters[..., 2]  # ν, above 2 by the head's domain map
        return self.parameters[..., 1] * np.sqrt(degrees / (degrees - 2))

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Compute location + scale · the quantile of Student's t."""
        from scipy.special import stdtrit  # noqa: PLC0415 - 0.2 s, which forecasts of other heads save

        return self.mean + self.parameters[..., 1] * stdtrit(self.parameters[..., 2], probability)

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Draw location + scale · Student's t."""
        return self.mean + self.parameters[..., 1] * generator.standard_t(self.parameters[..., 2])


class LogNormal(Distribution):
    """Median m and deviation σ of the logarithm."""

    @property
    def mean(self) -> np.ndarray:
        """M · exp(σ² / 2)."""
        return self._median * np.exp(self._sigma**2 / 2)

    @property
    def deviation(self) -> np.ndarray:
        """Mean · √(exp(σ²) - 1)."""
        return self.mean * np.sqrt(np.expm1(self._sigma**2))

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Compute m · exp(σ Φ⁻¹(p))."""
        return self._median * np.exp(self._sigma * NormalDist().inv_cdf(probability))

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Draw m · exp(σ ε)."""
        return self._median * np.exp(self._sigma * generator.standard_normal(self._sigma.shape))

    @property
    def _median(self) -> np.ndarray:
        return self.parameters[..., 0].astype(float)

    @property
    def _sigma(self) -> np.ndarray:
        return self.parameters[..., 1].astype(float)


@dataclass(frozen=True)
class NegativeBinomial(Distribution):
    """Mean and dispersion of counts; a scaled value of 1 is `unit` of them."""

    unit: float

    @property
    def mean(self) -> np.ndarray:
        """The first, already scaled."""
        return self.parameters[..., 0]

    @property
    def deviation(self) -> np.ndarray:
        """√(μ + α μ²) of the counts, scaled."""
        counts = self._counts
        return np.sqrt(counts + self._alpha * counts**2) / self.unit

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Find the least count whose cumulative probability reaches p."""
        from scipy.special import betainc, nbdtrik  # noqa: PLC0415 - as above

        # SciPy's parameters: r successes with probability r / (r + mean), where the variance is mean + α mean²
        r, success = 1 / self._alpha, 1 / (1 + self._alpha * self._counts)
        below = np.floor(nbdtrik(probability, r, success))  # the count, or the one below: the inverse is continuous
        return (below + (betainc(r, below + 1, success) < probability)) / self.unit

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Draw a count from a Poisson distribution whose mean is drawn from a gamma distribution."""
        rate = generator.gamma(1 / self._alpha, self._alpha * self._counts)
        # NumPy refuses NaN and rates near 2^63; an exploding rollout is reported by its caller
        counts = generator.poisson(np.minimum(np.nan_to_num(rate), 1e18))
        return np.where(np.isnan(rate), np.nan, counts) / self.unit

    @property
    def _counts(self) -> np.ndarray:
        return self.parameters[..., 0].astype(float) * self.unit

    @property
    def _alpha(self) -> np.ndarray:
        return self.parameters[..., 1].astype(float)


class Categorical(Distribution):
    """Log-probabilities of bins, the lowest edge and the width of a bin; uniform inside each."""

    @property
    def mean(self) -> np.ndarray:
        """The average of the bins' middles by their probability."""
        return self._lowest + self._width * np.sum(self._shares * self._middles, axis=-1)

    @property
    def deviation(self) -> np.ndarray:
        """Of the middles, plus the variance inside a bin, width² / 12."""
        middle = np.sum(self._shares * self._middles, axis=-1, keepdims=True)
        variance = np.sum(self._shares * (self._middles - middle) ** 2, axis=-1) + 1 / 12
        return np.abs(self._width) * np.sqrt(variance)

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Find where the cumulative probability, linear inside a bin, reaches p."""
        return self._interpolate(np.full(self._lowest.shape, probability))

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Draw a bin by its probability, then uniformly inside it."""
        return self._interpolate(generator.uniform(size=self._lowest.shape))

    def _interpolate(self, drawn: np.ndarray) -> np.ndarray:
        drawn = np.where(self._width < 0, 1 - drawn, drawn)  # a trained gain below 0 reverses the bins
        reached = np.cumsum(self._shares, axis=-1)  # (..., bins)
        bins = np.minimum(np.sum(reached < drawn[..., None], axis=-1), reached.shape[-1] - 1)[..., None]
        share = np.take_along_axis(self._shares, bins, -1)
        inside = 1 - (np.take_along_axis(reached, bins, -1) - drawn[..., None]) / np.maximum(share, 1e-30)
        return self._lowest + self._width * (bins + np.clip(inside, 0, 1))[..., 0]

    @property
    def _shares(self) -> np.ndarray:
        shares = np.exp(self.parameters[..., :-2].astype(float))  # normalized again, since float32 rounds
        return shares / shares.sum(axis=-1, keepdims=True)

    @property
    def _middles(self) -> np.ndarray:
        return np.arange(self.parameters.shape[-1] - 2) + 0.5

    @property
    def _lowest(self) -> np.ndarray:
        return self.parameters[..., -2].astype(float)

    @property
    def _width(self) -> np.ndarray:
        return self.parameters[..., -1].astype(float)


class Samples(Distribution):
    """Draws for each place, (..., draws), such as the steps of paths."""

    @property
    def mean(self) -> np.ndarray:
        """Of the draws."""
        return self.parameters.mean(axis=-1)

    @property
    def deviation(self) -> np.ndarray:
        """Of the draws; not 0, so that errors can be divided by it."""
        return np.maximum(self.parameters.std(axis=-1), 1e-9)

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Compute the quantile of the draws, interpolated."""
        return np.quantile(self.parameters, probability, axis=-1)

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Draw one of the paths, the same at every place."""
        return self.parameters[..., generator.integers(self.parameters.shape[-1])]


def average_values(distribution: Distribution, convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Average what a function makes of the values of a distribution, (...,): the mean after a transform.

    Draws are averaged; of others the values are integrated, of normal nodes through the quantile function.
    """
    if isinstance(distribution, Samples):
        return convert(np.moveaxis(distribution.parameters, -1, 0)).mean(axis=0)  # of (draws, ...)
    nodes = np.linspace(-_REACH, _REACH, _NODES)  # in standard deviations of a normal, (nodes,)
    weights = np.exp(-(nodes**2) / 2)  # the normal density, up to its factor
    values = (convert(distribution.compute_quantile(NormalDist().cdf(node))) for node in nodes)
    return np.asarray(sum(weight * value for weight, value in zip(weights / weights.sum(), values, strict=True)))


def select_distribution(model: "Model", unit: float) -> Callable[[np.ndarray], Distribution]:
    """Select the function from parameters to distribution for a head; a scaled value of 1 is `unit` in the data."""
    match model.head:
        case "quantile":
            return lambda parameters: Quantile(parameters, model.quantiles or (0.5,))
        case "negative_binomial":
            return lambda parameters: NegativeBinomial(parameters, unit)
        case name:
            return _PLAIN[name]


_PLAIN: dict[str, type[Distribution]] = {
    "point": Point,
    "normal": Normal,
    "student_t": StudentT,
    "log_normal": LogNormal,
    "categorical": Categorical,
}
