"""What each head's parameters say: mean, spread, quantiles and samples, in numpy.

The other half of a head, its domain map and its loss, stands in `forecaster/models/heads.py`. Everything is in
scaled units; the last axis of `parameters` is the head's.
"""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from forecaster.config.schema import Model


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
        """How wide it is, (...,): the standard deviation, unless a class says otherwise."""

    @abc.abstractmethod
    def compute_quantile(self, probability: float) -> np.ndarray:
        """(...,)."""

    @abc.abstractmethod
    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """One draw for each place, (...,)."""


class Point(Distribution):
    """A value alone."""

    @property
    def mean(self) -> np.ndarray:
        """The value."""
        return self.parameters[..., 0]

    @property
    def deviation(self) -> np.ndarray:
        """1: every error counts the same."""
        return np.ones_like(self.mean)

    def compute_quantile(self, probability: float) -> np.ndarray:
        """The value."""
        return self.mean

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """The value."""
        return self.mean


@dataclass(frozen=True)
class Quantile(Distribution):
    """Quantiles of some probabilities; straight between them, and on beyond them as between the last two."""

    probabilities: Sequence[float]

    @property
    def mean(self) -> np.ndarray:
        """The median, or where it was not learnt the line between its neighbours."""
        return self.compute_quantile(0.5)

    @property
    def deviation(self) -> np.ndarray:
        """From the lowest quantile to the highest."""
        return np.maximum(self.parameters[..., -1] - self.parameters[..., 0], 1e-9)

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Where the line reaches a probability."""
        return self._at(np.full(self.parameters.shape[:-1], probability))

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Where the line reaches an even draw."""
        return self._at(generator.uniform(size=self.parameters.shape[:-1]))

    def _at(self, drawn: np.ndarray) -> np.ndarray:
        if len(self.probabilities) == 1:
            return self.parameters[..., 0]
        known = np.asarray(self.probabilities)
        low = np.clip(np.searchsorted(known, drawn, side="right") - 1, 0, len(known) - 2)
        share = (drawn - known[low]) / (known[low + 1] - known[low])
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
        """Mean + deviation · Φ⁻¹(p)."""
        return self.mean + self.deviation * NormalDist().inv_cdf(probability)

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Mean + deviation · ε."""
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
        degrees = self.parameters[..., 2]
        return self.parameters[..., 1] * np.sqrt(degrees / (degrees - 2))

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Location + scale · the quantile of Student's t."""
        from scipy.special import stdtrit  # noqa: PLC0415 - 0.2 s that a forecast of another head need not wait

        return self.mean + self.parameters[..., 1] * stdtrit(self.parameters[..., 2], probability)

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Location + scale · a draw of Student's t."""
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
        """M · exp(σ Φ⁻¹(p))."""
        return self._median * np.exp(self._sigma * NormalDist().inv_cdf(probability))

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """M · exp(σ ε)."""
        return self._median * np.exp(self._sigma * generator.standard_normal(self._sigma.shape))

    @property
    def _median(self) -> np.ndarray:
        return self.parameters[..., 0].astype(float)

    @property
    def _sigma(self) -> np.ndarray:
        return self.parameters[..., 1].astype(float)


@dataclass(frozen=True)
class NegativeBinomial(Distribution):
    """Mean and dispersion of counts; a scaled value of 1 stands for `unit` of them."""

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
        """The least count whose cumulative probability reaches p."""
        from scipy.special import betainc, nbdtrik  # noqa: PLC0415 - as above

        r, success = 1 / self._alpha, 1 / (1 + self._alpha * self._counts)
        below = np.floor(nbdtrik(probability, r, success))  # the count, or the one below: the inverse is continuous
        return (below + (betainc(r, below + 1, success) < probability)) / self.unit

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """A count, as a Poisson draw of a gamma draw of the mean."""
        rate = generator.gamma(1 / self._alpha, self._alpha * self._counts)
        counts = generator.poisson(np.minimum(np.nan_to_num(rate), 1e18))
        return np.where(np.isnan(rate), np.nan, counts) / self.unit

    @property
    def _counts(self) -> np.ndarray:
        return self.parameters[..., 0].astype(float) * self.unit

    @property
    def _alpha(self) -> np.ndarray:
        return self.parameters[..., 1].astype(float)


class Categorical(Distribution):
    """Log-probabilities of bins, the lowest edge and the width of a bin; even inside each."""

    @property
    def mean(self) -> np.ndarray:
        """The middles, weighted."""
        return self._lowest + self._width * np.sum(self._shares * self._middles, axis=-1)

    @property
    def deviation(self) -> np.ndarray:
        """Of the middles, and a twelfth of the square of a bin's width for what is inside."""
        middle = np.sum(self._shares * self._middles, axis=-1, keepdims=True)
        variance = np.sum(self._shares * (self._middles - middle) ** 2, axis=-1) + 1 / 12
        return np.abs(self._width) * np.sqrt(variance)

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Where the cumulative probability, straight inside a bin, reaches p."""
        return self._at(np.full(self._lowest.shape, probability))

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """A bin by its probability, then evenly inside it."""
        return self._at(generator.uniform(size=self._lowest.shape))

    def _at(self, drawn: np.ndarray) -> np.ndarray:
        drawn = np.where(self._width < 0, 1 - drawn, drawn)  # a learnt gain below 0 turns the bins round
        reached = np.cumsum(self._shares, axis=-1)
        bins = np.minimum(np.sum(reached < drawn[..., None], axis=-1), reached.shape[-1] - 1)[..., None]
        share = np.take_along_axis(self._shares, bins, -1)
        inside = 1 - (np.take_along_axis(reached, bins, -1) - drawn[..., None]) / np.maximum(share, 1e-30)
        return self._lowest + self._width * (bins + np.clip(inside, 0, 1))[..., 0]

    @property
    def _shares(self) -> np.ndarray:
        shares = np.exp(self.parameters[..., :-2].astype(float))
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
        """Of the draws; not 0, so that errors can be told in it."""
        return np.maximum(self.parameters.std(axis=-1), 1e-9)

    def compute_quantile(self, probability: float) -> np.ndarray:
        """Of the draws, straight between them."""
        return np.quantile(self.parameters, probability, axis=-1)

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """One of the draws, the same at every place: a whole path."""
        return self.parameters[..., generator.integers(self.parameters.shape[-1])]


def select_distribution(model: Model, unit: float) -> Callable[[np.ndarray], Distribution]:
    """Parameters -> distribution, for the head of a model section; `unit` is what a scaled value of 1 stands for."""
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
