"""The heads: what turns a decoder's output into a value or a distribution for each step, and their losses.

A head is its parameters, their domain map, its negative log-likelihood and its sampler; what a forecast needs of it
without TensorFlow stands in `forecaster/distributions.py` under the same name. Parameters are in scaled units:
the window's normalisation is undone by the domain map, an `offset` on what tells a place and a `scale` on what
tells a width.
"""

import abc
import math
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import KerasTensor, ops

from forecaster.models.losses import LARGEST, Loss

_FLOOR = 1e-6  # of a scaled unit: no likelihood is won by calling a constant stretch certain
_WIDEST = 10.0  # deviation of a logarithm; the mean goes with the exponential of half its square
_DEGREES = 200.0  # of freedom at most; a Student's t of more is a normal in float32


class Head(keras.layers.Layer, abc.ABC):
    """One dense layer, then the domain map: (batch, width) -> parameters (batch, steps, `parameter_count`)."""

    parameter_count = 1
    predicts_values = False  # whether each parameter is a value, whose loss depends on the unit that it is told in

    def __init__(self, steps: int) -> None:
        super().__init__(name="head")
        self.dense = keras.layers.Dense(steps * self.raw_count, name="dense")

    @property
    def raw_count(self) -> int:
        """Numbers that the domain map makes a step's parameters from."""
        return self.parameter_count

    def call(
        self, output: KerasTensor, offset: KerasTensor, scale: KerasTensor, added: KerasTensor | None = None
    ) -> KerasTensor:
        """Parameters of the steps that follow.

        Args:
            output: (batch, width), or (batch, recurrent steps, width), whose steps are laid end to end.
            offset: (batch or 1, steps or 1), of the window's normalisation.
            scale: (batch or 1, steps or 1).
            added: (batch, steps, `raw_count`), to what the dense layer makes.
        """
        raw = self.dense(output)
        steps = math.prod(raw.shape[1:]) // self.raw_count
        raw = ops.reshape(raw, (-1, steps, self.raw_count))
        raw = raw if added is None else raw + added
        return self.map_to_domain(raw, offset[..., None], scale[..., None])

    @abc.abstractmethod
    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """Any numbers (batch, steps, `raw_count`) -> parameters that are allowed, normalisation undone."""

    @abc.abstractmethod
    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """The mean loss of targets (batch, steps) under parameters (batch, steps, `parameter_count`)."""

    def to_point(self, parameters: KerasTensor) -> KerasTensor:
        """The one value, (batch, steps), that stands for a distribution."""
        return parameters[..., 0]

    @abc.abstractmethod
    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """One value of each distribution, (batch, steps), which is fed back in training; `seed` is two integers."""

    def adapt(self, low: float, high: float) -> None:
        """Look at the range of the normalised training values, where a head needs it."""


class PointHead(Head):
    """A value, learnt by whichever loss is asked for."""

    predicts_values = True

    def __init__(self, steps: int, loss: Loss) -> None:
        super().__init__(steps)
        self.point_loss = loss

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """The value."""
        return raw * scale + offset

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """The loss that was asked for."""
        return self.point_loss(targets, parameters[..., 0])

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """The value."""
        return parameters[..., 0]


class QuantileHead(Head):
    """The quantiles of a list of probabilities, which cannot cross: steps above 0 up and down from the middle one."""

    predicts_values = True

    def __init__(self, steps: int, probabilities: Sequence[float]) -> None:
        self.parameter_count = len(probabilities)
        self.middle = len(probabilities) // 2
        self.probabilities = tuple(probabilities)
        super().__init__(steps)

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """The middle one, less the sums of what lies below, plus the sums of what lies above."""
        m = self.middle
        middle, width = raw[..., m : m + 1] * scale + offset, ops.abs(scale)
        below = ops.flip(ops.cumsum(ops.flip(ops.softplus(raw[..., :m]), axis=-1), axis=-1), axis=-1)
        above = ops.cumsum(ops.softplus(raw[..., m + 1 :]), axis=-1)
        return ops.concatenate([middle - below * width, middle, middle + above * width], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """The pinball loss, mean over the quantiles (Koenker & Bassett 1978): max(p e, (p - 1) e)."""
        error = targets[..., None] - parameters
        probabilities = ops.convert_to_tensor(self.probabilities, "float32")
        return ops.mean(ops.maximum(probabilities * error, (probabilities - 1) * error))

    def to_point(self, parameters: KerasTensor) -> KerasTensor:
        """The middle quantile."""
        return parameters[..., self.middle]

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Where the line through the quantiles reaches an even draw."""
        count = len(self.probabilities)
        if count == 1:
            return parameters[..., 0]
        known = ops.convert_to_tensor(self.probabilities, "float32")
        drawn = tf.random.stateless_uniform(ops.shape(parameters)[:-1], seed)
        low = ops.sum(ops.cast(drawn[..., None] >= known[1:-1], "int32"), axis=-1)  # the segment that it falls into
        (first, below), (second, above) = (
            (ops.take(known, low + i), ops.sum(parameters * ops.one_hot(low + i, count), axis=-1)) for i in (0, 1)
        )
        return below + (drawn - first) / (second - first) * (above - below)


class NormalHead(Head):
    """Mean and standard deviation."""

    parameter_count = 2

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """The deviation above 0 by a softplus."""
        return ops.concatenate([raw[..., :1] * scale + offset, _positive(raw[..., 1:], scale)], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Log σ + z² / 2 + log(2π) / 2 with z = (y - μ) / σ."""
        z, deviation = _standardised(targets, parameters)
        return _mean(ops.log(deviation) + 0.5 * ops.square(z) + 0.5 * math.log(2 * math.pi))

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """μ + σ ε."""
        return parameters[..., 0] + parameters[..., 1] * _normal(parameters, seed)


class StudentTHead(Head):
    """Location, scale and degrees of freedom, of which there are more than 2: a finite variance."""

    parameter_count = 3

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """The scale above 0 by a softplus, the degrees between 2 and 200."""
        location, width, degrees = raw[..., :1], raw[..., 1:2], raw[..., 2:]
        degrees = 2.0 + ops.clip(ops.softplus(degrees), 0.01, _DEGREES - 2.0)
        return ops.concatenate([location * scale + offset, _positive(width, scale), degrees], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """(ν + 1) / 2 log(1 + z² / ν) + log σ + log(πν) / 2 + log Γ(ν / 2) - log Γ((ν + 1) / 2)."""
        z, width = _standardised(targets, parameters)
        nu = ops.clip(_double(parameters[..., 2]), 0.01, _DEGREES)
        normaliser = 0.5 * ops.log(math.pi * nu) + tf.math.lgamma(nu / 2) - tf.math.lgamma((nu + 1) / 2)
        return _mean((nu + 1) / 2 * ops.log1p(ops.square(z) / nu) + ops.log(width) + normaliser)

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """μ + σ ε / √(χ² / ν)."""
        half = parameters[..., 2] / 2
        spread = tf.random.stateless_gamma(ops.shape(half), seed + 1, half) / half
        return parameters[..., 0] + parameters[..., 1] * _normal(parameters, seed) / ops.sqrt(spread)


class LogNormalHead(Head):
    """Median and deviation of the logarithm, for values above 0 that err by a share."""

    parameter_count = 2

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """The normalisation is undone on the median, then kept above 0; the deviation is a softplus up to 10."""
        median = _above_zero(raw[..., :1] * scale + offset)
        return ops.concatenate([median, ops.minimum(ops.softplus(raw[..., 1:]) + _FLOOR, _WIDEST)], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Log y + log σ + z² / 2 + log(2π) / 2 with z = (log y - log median) / σ."""
        logs = ops.log(ops.clip(_double(targets), 1e-30, 1e30))
        medians = ops.log(ops.clip(_double(parameters[..., 0]), _FLOOR, 1e30))
        z, deviation = _standardised(logs, ops.stack([medians, _double(parameters[..., 1])], axis=-1))
        return _mean(logs + ops.log(deviation) + 0.5 * ops.square(z) + 0.5 * math.log(2 * math.pi))

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Median · exp(σ ε)."""
        return parameters[..., 0] * ops.exp(parameters[..., 1] * _normal(parameters, seed))


class NegativeBinomialHead(Head):
    """Mean μ and dispersion α of counts, whose variance is μ + α μ² (Cameron & Trivedi 1998, NB2; DeepAR, 2020).

    The series is scaled by a unit, so that a value y stands for y · unit counts. The mean is in scaled units.
    """

    parameter_count = 2

    def __init__(self, steps: int, unit: float) -> None:
        super().__init__(steps)
        self.unit = unit

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """The normalisation is undone on the mean, which is then kept above 0; the dispersion is a softplus."""
        mean = _above_zero(raw[..., :1] * scale + offset)
        return ops.concatenate([mean, ops.softplus(raw[..., 1:]) + _FLOOR], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """-log Γ(y + r) + log Γ(r) + log Γ(y + 1) + (r + y) log(1 + αμ) - y log(αμ) with r = 1 / α.

        In float64, since the first two are large and nearly equal where r is.
        """
        y, mu, alpha = (
            ops.clip(_double(tensor) * unit, low, LARGEST)
            for tensor, unit, low in (
                (targets, self.unit, 0.0),
                (parameters[..., 0], self.unit, _FLOOR),
                (parameters[..., 1], 1.0, _FLOOR),
            )
        )
        r = 1 / alpha
        gammas = tf.math.lgamma(r) + tf.math.lgamma(y + 1) - tf.math.lgamma(y + r)
        return _mean(gammas + (r + y) * ops.log1p(alpha * mu) - y * ops.log(alpha * mu))

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """A Poisson draw of a gamma draw of the mean."""
        shape = 1 / parameters[..., 1]
        share = tf.random.stateless_gamma(ops.shape(shape), seed, shape) / shape
        rate = share * parameters[..., 0] * self.unit
        return tf.random.stateless_poisson(ops.shape(rate), seed + 1, rate, tf.float32) / self.unit


class CategoricalHead(Head):
    """Log-probabilities of bins of equal width, then the lowest edge and the width of a bin.

    The recurrent language model's next-token head on a quantised series: the bins are of normalised values,
    and what lies beyond them counts as the outermost one.
    """

    def __init__(self, steps: int, bins: int) -> None:
        self.bins = bins
        self.parameter_count = bins + 2
        super().__init__(steps)
        self.edges = self.add_weight(shape=(2,), initializer="zeros", trainable=False, name="edges")
        self.adapt(-4.0, 4.0)

    @property
    def raw_count(self) -> int:
        """A logit a bin."""
        return self.bins

    def adapt(self, low: float, high: float) -> None:
        """Lay the bins over the range and a tenth of it on both sides."""
        margin = 0.1 * max(high - low, _FLOOR)
        self.edges.assign([low - margin, (high - low + 2 * margin) / self.bins])

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """A softmax; the edges are turned back into scaled units."""
        log_probabilities = ops.log_softmax(raw, axis=-1)
        ones = ops.ones_like(raw[..., :1])
        lowest, width = self.edges[0] * scale + offset, self.edges[1] * scale
        return ops.concatenate([log_probabilities, lowest * ones, width * ones], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """The cross-entropy of the bins that the targets fall into."""
        log_probabilities, lowest, width = parameters[..., :-2], parameters[..., -2], parameters[..., -1]
        place = ops.clip((targets - lowest) / width, 0.0, self.bins - 1.0)
        chosen = ops.one_hot(ops.cast(ops.floor(place), "int32"), self.bins)
        return -ops.mean(ops.sum(chosen * ops.clip(log_probabilities, -LARGEST, 0.0), axis=-1))

    def to_point(self, parameters: KerasTensor) -> KerasTensor:
        """The mean: the bins' middles, weighted."""
        middles = ops.arange(self.bins, dtype="float32") + 0.5
        mean = ops.sum(ops.exp(parameters[..., :-2]) * middles, axis=-1)
        return parameters[..., -2] + parameters[..., -1] * mean

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """A bin by its probability, and evenly inside it."""
        shape = ops.shape(parameters)[:-1]
        reached = ops.cumsum(ops.exp(parameters[..., :-2]), axis=-1)
        drawn = tf.random.stateless_uniform(shape, seed)[..., None] * reached[..., -1:]
        bins = ops.sum(ops.cast(reached < drawn, "float32"), axis=-1)
        return parameters[..., -2] + parameters[..., -1] * (bins + tf.random.stateless_uniform(shape, seed + 1))


def _normal(parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
    """A standard normal draw for each distribution."""
    return tf.random.stateless_normal(ops.shape(parameters)[:-1], seed)


def _above_zero(place: KerasTensor) -> KerasTensor:
    """A place itself, where it lies well above 0, and above 0 elsewhere: a softplus of a fifth of its width.

    A softplus as it is would move a scaled value of 1 by a third, and every network would have to learn that back.
    """
    return ops.softplus(5.0 * ops.clip(place, -LARGEST, LARGEST)) / 5.0 + _FLOOR


def _positive(raw: KerasTensor, scale: KerasTensor) -> KerasTensor:
    """A width above 0."""
    return ops.softplus(raw) * ops.abs(scale) + _FLOOR


def _standardised(targets: KerasTensor, parameters: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Z = (y - location) / width, bounded so that its square is finite, and the width."""
    location, width = _double(parameters[..., 0]), ops.maximum(_double(parameters[..., 1]), _FLOOR)
    return ops.clip((_double(targets) - location) / width, -LARGEST, LARGEST), width


def _double(tensor: KerasTensor) -> KerasTensor:
    """In float64: in float32 a gradient through a large error over a small width is 0 · ∞."""
    return ops.cast(tensor, "float64")


def _mean(penalties: KerasTensor) -> KerasTensor:
    """Over a batch, float64 -> float32."""
    return ops.cast(ops.mean(penalties), "float32")
