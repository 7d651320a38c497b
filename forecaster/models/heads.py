"""Output heads: they map a decoder's output to a value or a distribution for each step, and have the training loss.

A head has parameters, their domain map, a loss (a negative log-likelihood, or a point loss) and a sampler. What a
forecast needs without TensorFlow is in `forecasting/distributions.py`. Parameters are in scaled units: the domain map
also inverts the window's normalization, with an `offset` on locations and a `scale` on locations and widths.
"""

import abc
import math
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import KerasTensor, ops

from forecaster.models.losses import LARGEST, Loss, average

_FLOOR = 1e-6  # scaled units; a smaller width would give constant segments an unbounded likelihood
_MAX_LOG_DEVIATION = 10.0  # of a logarithm; the mean of a log-normal grows with exp(σ² / 2)
_MAX_DEGREES = 200.0  # of freedom; above, a Student's t equals a normal in float32


class Head(keras.layers.Layer, abc.ABC):
    """One dense layer and a domain map: (batch, width) -> parameters (batch, steps, parameter_count).

    Attributes:
        parameter_count: parameters of one step.
        predicts_values: whether each parameter is a value, so that the loss depends on the unit of the values.
    """

    parameter_count = 1
    predicts_values = False

    def __init__(self, steps: int) -> None:
        super().__init__(name="head")
        self.dense = keras.layers.Dense(steps * self.raw_count, name="dense")

    @property
    def raw_count(self) -> int:
        """Outputs of the dense layer for one step."""
        return self.parameter_count

    def build(self, output_shape: Sequence[int | None]) -> None:
        """Create the dense layer's weights; without this method, Keras would first trace the call."""
        self.dense.build(output_shape)
        super().build(output_shape)

    def call(
        self, output: KerasTensor, offset: KerasTensor, scale: KerasTensor, added: KerasTensor | None = None
    ) -> KerasTensor:
        """Compute the parameters of the next steps.

        Args:
            output: (batch, width), or (batch, recurrent steps, width), whose steps are concatenated.
            offset, scale: of the window's normalization, (batch or 1, steps or 1).
            added: (batch, steps, raw_count), added to the dense layer's output.
        """
        raw = self.dense(output)  # (batch[, recurrent steps], steps * raw_count)
        steps = math.prod(raw.shape[1:]) // self.raw_count
        raw = ops.reshape(raw, (-1, steps, self.raw_count))  # (batch, steps, raw_count)
        raw = raw if added is None else raw + added
        return self.map_to_domain(raw, offset[..., None], scale[..., None])

    @abc.abstractmethod
    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """Map real numbers (batch, steps, raw_count) to valid parameters, with the normalization inverted."""

    @abc.abstractmethod
    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Compute the mean loss of targets (batch, steps) for parameters (batch, steps, parameter_count)."""

    def to_point(self, parameters: KerasTensor) -> KerasTensor:
        """Reduce each distribution to one value, (batch, steps)."""
        return parameters[..., 0]

    @abc.abstractmethod
    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Sample one value from each distribution, (batch, steps), for scheduled sampling; `seed` is two integers."""

    def adapt(self, low: float, high: float) -> None:
        """Adapt to the range of the normalized training values; most heads need nothing."""


class PointHead(Head):
    """A value, trained with the loss of the config."""

    predicts_values = True

    def __init__(self, steps: int, loss: Loss) -> None:
        super().__init__(steps)
        self.point_loss = loss

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """Invert the normalization: y = raw · scale + offset."""
        return raw * scale + offset

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Apply the loss of the config."""
        return self.point_loss(targets, parameters[..., 0])

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Return the value, which is certain."""
        return parameters[..., 0]


class QuantileHead(Head):
    """Quantiles that cannot cross: the middle one, and positive increments upwards and downwards from it.

    q_m = raw_m; q_k = q_(k-1) + softplus(raw_k) above the middle, and correspondingly below.
    """

    predicts_values = True

    def __init__(self, steps: int, probabilities: Sequence[float]) -> None:
        self.parameter_count = len(probabilities)
        self.middle = len(probabilities) // 2
        self.probabilities = tuple(probabilities)
        super().__init__(steps)

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """Add up the increments on both sides of the middle quantile."""
        m = self.middle
        middle, width = raw[..., m : m + 1] * scale + offset, ops.abs(scale)
        # distances from the middle, (batch, steps, quantiles below); falling towards it, so that none cross
        below = ops.flip(ops.cumsum(ops.flip(ops.softplus(raw[..., :m]), axis=-1), axis=-1), axis=-1)
        above = ops.cumsum(ops.softplus(raw[..., m + 1 :]), axis=-1)  # (batch, steps, quantiles above)
        return ops.concatenate([middle - below * width, middle, middle + above * width], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Compute the mean pinball loss: max(p e, (p - 1) e) with e = y - q_p (Koenker & Bassett 1978)."""
        error = targets[..., None] - parameters  # (batch, steps, quantiles)
        probabilities = ops.convert_to_tensor(self.probabilities, "float32")
        return average(ops.maximum(probabilities * error, (probabilities - 1) * error))

    def to_point(self, parameters: KerasTensor) -> KerasTensor:
        """Return the middle quantile."""
        return parameters[..., self.middle]

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Sample by inverse transform: interpolate the quantiles linearly at a uniform random probability."""
        count = len(self.probabilities)
        if count == 1:
            return parameters[..., 0]
        known = ops.convert_to_tensor(self.probabilities, "float32")
        uniform = tf.random.stateless_uniform(ops.shape(parameters)[:-1], seed)  # (batch, steps)
        low = ops.sum(ops.cast(uniform[..., None] >= known[1:-1], "int32"), axis=-1)  # index of the interval
        (first, below), (second, above) = (
            (ops.take(known, low + i), ops.sum(parameters * ops.one_hot(low + i, count), axis=-1)) for i in (0, 1)
        )
        # beyond the outermost quantiles the outermost interval continues as a line
        return below + (uniform - first) / (second - first) * (above - below)


class NormalHead(Head):
    """A normal distribution: mean μ = raw_0 and standard deviation σ = softplus(raw_1)."""

    parameter_count = 2

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """Invert the normalization of μ and σ."""
        return ops.concatenate([raw[..., :1] * scale + offset, _to_positive(raw[..., 1:], scale)], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Compute the mean of log σ + z² / 2 + log(2π) / 2 with z = (y - μ) / σ."""
        z, deviation = _standardize(targets, parameters)
        return _average(ops.log(deviation) + 0.5 * ops.square(z) + 0.5 * math.log(2 * math.pi))

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Sample μ + σ ε with ε ~ N(0, 1)."""
        return parameters[..., 0] + parameters[..., 1] * _sample_normal(parameters, seed)


class StudentTHead(Head):
    """Student's t: location μ, scale σ, and degrees of freedom ν > 2, so that the variance is finite."""

    parameter_count = 3

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """Invert the normalization of μ and σ; keep ν between 2 and 200."""
        location, width, degrees = raw[..., :1], raw[..., 1:2], raw[..., 2:]
        # 2.01 at least: the variance ν / (ν - 2) stays finite
        degrees = 2.0 + ops.clip(ops.softplus(degrees), 0.01, _MAX_DEGREES - 2.0)
        return ops.concatenate([location * scale + offset, _to_positive(width, scale), degrees], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Compute the mean of (ν+1)/2 log(1 + z²/ν) + log σ + log(πν)/2 + log Γ(ν/2) - log Γ((ν+1)/2)."""
        z, width = _standardize(targets, parameters)
        nu = ops.clip(_to_float64(parameters[..., 2]), 0.01, _MAX_DEGREES)
        normalizer = 0.5 * ops.log(math.pi * nu) + tf.math.lgamma(nu / 2) - tf.math.lgamma((nu + 1) / 2)
        return _average((nu + 1) / 2 * ops.log1p(ops.square(z) / nu) + ops.log(width) + normalizer)

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Sample μ + σ ε / √(χ²(ν) / ν)."""
        half = parameters[..., 2] / 2
        spread = tf.random.stateless_gamma(ops.shape(half), seed + 1, half) / half  # Gamma(ν/2, 1) / (ν/2) is χ²(ν) / ν
        return parameters[..., 0] + parameters[..., 1] * _sample_normal(parameters, seed) / ops.sqrt(spread)


class LogNormalHead(Head):
    """A log-normal distribution, for positive values with relative errors: median, and deviation σ of the logarithm."""

    parameter_count = 2

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """Invert the normalization of the median and keep it positive; σ is a softplus, at most 10."""
        median = _keep_above_zero(raw[..., :1] * scale + offset)
        # exp(σ² / 2), the mean over the median, is exp(50) at the largest deviation
        return ops.concatenate([median, ops.minimum(ops.softplus(raw[..., 1:]) + _FLOOR, _MAX_LOG_DEVIATION)], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Compute the mean of log y + log σ + z² / 2 + log(2π) / 2 with z = (log y - log median) / σ."""
        # from here on in logarithms; 1e-30 keeps the logarithm of a value of 0 finite
        logs = ops.log(ops.clip(_to_float64(targets), 1e-30, 1e30))
        medians = ops.log(ops.clip(_to_float64(parameters[..., 0]), _FLOOR, 1e30))
        z, deviation = _standardize(logs, ops.stack([medians, _to_float64(parameters[..., 1])], axis=-1))
        return _average(logs + ops.log(deviation) + 0.5 * ops.square(z) + 0.5 * math.log(2 * math.pi))

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Sample median · exp(σ ε)."""
        return parameters[..., 0] * ops.exp(parameters[..., 1] * _sample_normal(parameters, seed))


class NegativeBinomialHead(Head):
    """A negative binomial distribution of counts with mean μ, dispersion α and variance μ + α μ².

    It is NB2 of Cameron & Trivedi (1998), as in DeepAR (Salinas et al. 2020, section 3.1). A scaled value y is
    y · unit counts; μ is in scaled units, α has none.
    """

    parameter_count = 2

    def __init__(self, steps: int, unit: float) -> None:
        super().__init__(steps)
        self.unit = unit

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """Invert the normalization of the mean and keep it positive; the dispersion is a softplus."""
        mean = _keep_above_zero(raw[..., :1] * scale + offset)
        return ops.concatenate([mean, ops.softplus(raw[..., 1:]) + _FLOOR], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Compute the mean of log Γ(r) + log Γ(y + 1) - log Γ(y + r) + (r + y) log(1 + αμ) - y log(αμ), r = 1 / α.

        It is computed in float64, since log Γ(r) and log Γ(y + r) are large and nearly equal for a large r.
        """
        y, mu, alpha = (
            ops.clip(_to_float64(tensor) * unit, low, LARGEST)
            for tensor, unit, low in (
                (targets, self.unit, 0.0),
                (parameters[..., 0], self.unit, _FLOOR),
                (parameters[..., 1], 1.0, _FLOOR),
            )
        )
        r = 1 / alpha  # shape of the gamma whose mixture of Poissons this is
        gammas = tf.math.lgamma(r) + tf.math.lgamma(y + 1) - tf.math.lgamma(y + r)
        return _average(gammas + (r + y) * ops.log1p(alpha * mu) - y * ops.log(alpha * mu))

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Sample a gamma rate with mean μ and shape 1 / α, then a Poisson count with that rate."""
        shape = 1 / parameters[..., 1]
        share = tf.random.stateless_gamma(ops.shape(shape), seed, shape) / shape  # mean 1, variance α
        rate = share * parameters[..., 0] * self.unit
        return tf.random.stateless_poisson(ops.shape(rate), seed + 1, rate, tf.float32) / self.unit


class CategoricalHead(Head):
    """A categorical distribution over bins of equal width.

    It is a language model's next-token head on a quantized series (Chronos, Ansari et al. 2024, section 3.1). The bins
    divide the range of normalized values; values beyond it count as the outermost bin. The parameters are the bins'
    log-probabilities, the lowest edge, and the width of a bin.
    """

    def __init__(self, steps: int, bins: int) -> None:
        self.bins = bins
        self.parameter_count = bins + 2
        super().__init__(steps)
        self.edges = self.add_weight(shape=(2,), initializer="zeros", trainable=False, name="edges")
        self.adapt(-4.0, 4.0)

    @property
    def raw_count(self) -> int:
        """One logit per bin."""
        return self.bins

    def adapt(self, low: float, high: float) -> None:
        """Set the bins to the range of the training values plus a tenth of it on both sides."""
        margin = 0.1 * max(high - low, _FLOOR)  # a forecast may go a little beyond what training saw
        self.edges.assign([low - margin, (high - low + 2 * margin) / self.bins])

    def map_to_domain(self, raw: KerasTensor, offset: KerasTensor, scale: KerasTensor) -> KerasTensor:
        """Apply a log-softmax and convert the edges to scaled units."""
        log_probabilities = ops.log_softmax(raw, axis=-1)  # (batch, steps, bins)
        ones = ops.ones_like(raw[..., :1])
        lowest, width = self.edges[0] * scale + offset, self.edges[1] * scale
        return ops.concatenate([log_probabilities, lowest * ones, width * ones], axis=-1)

    def compute_loss(self, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Compute the mean cross-entropy of the targets' bins."""
        log_probabilities, lowest, width = parameters[..., :-2], parameters[..., -2], parameters[..., -1]
        # (batch, steps), in bins; targets outside count as the outermost
        place = ops.clip((targets - lowest) / width, 0.0, self.bins - 1.0)
        chosen = ops.one_hot(ops.cast(ops.floor(place), "int32"), self.bins)  # (batch, steps, bins)
        # 0 · -∞ of a bin that is impossible would be NaN
        return -average(ops.sum(chosen * ops.clip(log_probabilities, -LARGEST, 0.0), axis=-1))

    def to_point(self, parameters: KerasTensor) -> KerasTensor:
        """Return the mean: the sum of bin centers weighted by probability."""
        middles = ops.arange(self.bins, dtype="float32") + 0.5  # in bins from the lowest edge, (bins,)
        mean = ops.sum(ops.exp(parameters[..., :-2]) * middles, axis=-1)
        return parameters[..., -2] + parameters[..., -1] * mean

    def sample(self, parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
        """Sample a bin by its probability, and uniformly inside it."""
        shape = ops.shape(parameters)[:-1]
        # (batch, steps, bins); the last is 1 up to rounding, by which the threshold is scaled
        cumulative = ops.cumsum(ops.exp(parameters[..., :-2]), axis=-1)
        threshold = tf.random.stateless_uniform(shape, seed)[..., None] * cumulative[..., -1:]
        bins = ops.sum(ops.cast(cumulative < threshold, "float32"), axis=-1)
        return parameters[..., -2] + parameters[..., -1] * (bins + tf.random.stateless_uniform(shape, seed + 1))


def _sample_normal(parameters: KerasTensor, seed: KerasTensor) -> KerasTensor:
    """Sample a standard normal value for each distribution, (batch, steps)."""
    return tf.random.stateless_normal(ops.shape(parameters)[:-1], seed)


def _keep_above_zero(location: KerasTensor) -> KerasTensor:
    """Keep a location above 0 by softplus(5 x) / 5, which is nearly x for x > 1.

    A plain softplus would move a scaled value of 1 by a third, a bias that every network would have to learn.
    """
    return ops.softplus(5.0 * ops.clip(location, -LARGEST, LARGEST)) / 5.0 + _FLOOR


def _to_positive(raw: KerasTensor, scale: KerasTensor) -> KerasTensor:
    """Map a real number to a positive width in scaled units: softplus(raw) · |scale|."""
    return ops.softplus(raw) * ops.abs(scale) + _FLOOR


def _standardize(targets: KerasTensor, parameters: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return z = (y - location) / width, clipped so that its square is finite, and the width."""
    location, width = _to_float64(parameters[..., 0]), ops.maximum(_to_float64(parameters[..., 1]), _FLOOR)
    return ops.clip((_to_float64(targets) - location) / width, -LARGEST, LARGEST), width


def _to_float64(tensor: KerasTensor) -> KerasTensor:
    """Cast to float64: in float32 the gradient of a large error over a small width is 0 · ∞."""
    return ops.cast(tensor, "float64")


def _average(penalties: KerasTensor) -> KerasTensor:
    """Average over a batch, float64 -> float32."""
    return ops.cast(average(penalties), "float32")
