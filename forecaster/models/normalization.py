"""Per-window normalization inside the network, and its inverse on the network's output.

A normalization computes anchors, tensors (batch, k) such as the window's mean that become part of the network's
state, and maps outputs back by `value * scale + offset`. Values are (batch, steps * channels), the channels of one step
next to each other; each channel is normalized separately.
"""

import abc
from collections.abc import Sequence

import keras
import numpy as np
from keras import KerasTensor, ops

_MIN_SIZE = 0.01  # scaled units; the size of a constant window
_EPSILON = 1e-5  # scaled units squared, added to a variance, so that noise in a constant window is not amplified
_TINY = 1e-12  # scaled units squared; avoids a division by 0
_MAX_SMOOTHED = 96  # steps over which a level is smoothed; earlier ones have next to no weight


class Normalization(keras.layers.Layer, abc.ABC):
    """Makes windows of different level, scale or season comparable.

    Attributes:
        channels: values per step.
        skipped_steps: steps at the start of a window that serve as anchors only; the encoder does not read them.
    """

    skipped_steps = 0

    def __init__(self, channels: int = 1) -> None:
        super().__init__(name="normalization")
        self.channels = channels

    def call(self, window: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """Normalize a window (batch, length); return it without the skipped steps, and its anchors."""
        anchors = self.compute_anchors(window)
        return self.normalize(window, anchors), anchors

    @abc.abstractmethod
    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Compute the anchors of a window (batch, length), as they are before `step` receives its last segment."""

    @abc.abstractmethod
    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """Normalize a window: (batch, length) -> (batch, length - skipped steps)."""

    @abc.abstractmethod
    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """Compute offset and scale of the next `values` values after the last known one, (batch or 1, values or 1)."""

    def compute_unit(self, window: KerasTensor) -> KerasTensor | None:
        """Compute the unit in which errors count, (batch, channels); None for scaled units."""
        return None

    def compute_next_offsets(self, window: KerasTensor) -> KerasTensor:
        """Compute the offset of the values after each segment read, (batch, length - skipped steps), or (1, 1).

        Only normalizations without anchors of the whole window have it, since those leak later steps into earlier ones.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot learn from every step")

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """Advance by one known segment (batch, values): return it normalized, and the anchors after it."""
        offset, scale = self.compute_affine(anchors, previous.shape[1])
        return (previous - offset) / scale, list(anchors)

    def _split_channels(self, window: KerasTensor) -> KerasTensor:
        """Reshape (batch, steps * channels) -> (batch, steps, channels)."""
        return ops.reshape(window, (-1, window.shape[1] // self.channels, self.channels))

    def _repeat_channels(self, anchor: KerasTensor, values: int) -> KerasTensor:
        """Repeat one number per channel, (batch, channels), for each step: (batch, values)."""
        return anchor if self.channels == 1 else ops.tile(anchor, (1, values // self.channels))


class NoNormalization(Normalization):
    """No normalization: x' = x."""

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Return no anchors."""
        return []

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """Return the window unchanged."""
        return window

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """Return offset 0 and scale 1."""
        return ops.zeros((1, 1)), ops.ones((1, 1))

    def compute_next_offsets(self, window: KerasTensor) -> KerasTensor:
        """Return offset 0."""
        return ops.zeros((1, 1))


class Shift(Normalization):
    """x' = x - anchor: subtracts one level, so that the network learns the difference from it."""

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """Subtract the anchor."""
        return window - self._repeat_channels(anchors[0], window.shape[1])

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """Return the anchor as offset, and scale 1."""
        return self._repeat_channels(anchors[0], values), ops.ones((1, 1))


class LastShift(Shift):
    """x' = x - x_T: subtracts the last value (NLinear, Zeng et al. 2023, section 4.1; SegRNN, Lin et al. 2023)."""

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Return the last value, (batch, channels)."""
        return [window[:, -self.channels :]]


class MeanShift(Shift):
    """x' = x - mean(x): subtracts the window's mean."""

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Compute the mean, (batch, channels)."""
        return [ops.mean(self._split_channels(window), axis=1)]


class Revin(Normalization):
    """x' = gain (x - mean) / deviation + bias, gain and bias learned per channel (RevIN, Kim et al. 2022, eq. 1-3)."""

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create gain and bias of each channel, at 1 and 0."""
        self.gain = self.add_weight(shape=(self.channels,), initializer="ones", name="gain")
        self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")
        super().build(input_shape)

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Compute mean and standard deviation, each (batch, channels)."""
        values = self._split_channels(window)
        mean = ops.mean(values, axis=1)
        variance = ops.mean(ops.square(values - mean[:, None]), axis=1)
        return [mean, ops.sqrt(variance + _EPSILON)]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """Apply gain (x - mean) / deviation + bias."""
        offset, scale = self.compute_affine(anchors, window.shape[1])
        return (window - offset) / scale

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """Return the inverse, (y - bias) / gain * deviation + mean, as offset and scale."""
        mean, deviation = anchors
        scale = deviation / self.gain
        return self._repeat_channels(mean - self.bias * scale, values), self._repeat_channels(scale, values)


class SeasonalShift(Normalization):
    """x'_t = x_t - x_(t-season): the network learns the error of the seasonal naive forecast."""

    def __init__(self, season: int, segment: int = 1, channels: int = 1) -> None:
        super().__init__(channels)
        self.skipped_steps = season
        self.season, self.segment = season * channels, segment * channels  # values

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Return the season before the last segment, (batch, season)."""
        return [window[:, -self.season - self.segment : -self.segment]]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """Subtract from each step after the first season the step one season earlier."""
        return window[:, self.season :] - window[:, : -self.season]

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """Return the last season, repeated, as offset, and scale 1."""
        return _repeat_season(anchors[0], values), ops.ones((1, 1))

    def compute_next_offsets(self, window: KerasTensor) -> KerasTensor:
        """Return the segments one season before the segment after each that is read."""
        return window[:, self.segment : window.shape[1] - self.season + self.segment]

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """Append the segment to the season and drop its oldest."""
        (season,) = anchors
        moved = ops.concatenate([season[:, self.segment :], previous], axis=1)
        return previous - season[:, : self.segment], [moved]


class Profile(Normalization):
    """x' = x - profile - level: subtracts the window's mean seasonal profile and the level at its end.

    The profile p is, for each phase of the season, the mean deviation from its season's mean, detrended linearly, over
    the last whole seasons of the window (classical decomposition). It is shrunk towards 0 by the share of it that is
    explained by chance (James-Stein shrinkage of seasonal factors, Miller & Williams 2003):

        profile = p (1 - (season - 3) / (season - 1) min(1, V / A))

    with A = Σ p² / (season - 1), and V the sampling variance of p estimated from the differences between seasons. The
    level is `smooth_level` of the window less the profile, optimized for the next quarter of a season.
    """

    def __init__(self, season: int, segment: int = 1, channels: int = 1) -> None:
        super().__init__(channels)
        self.season, self.segment = season, segment * channels  # steps, values

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Compute the profile from the last segment on, (batch, season values), and the level, (batch, channels)."""
        profile = self._compute_profile(window)
        left = self._split_channels(window - _repeat_to_end(profile, window.shape[1]))  # (batch, steps, channels)
        return [ops.roll(profile, self.segment, axis=1), smooth_level(left, self.season // 4)]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """Subtract the profile and the level."""
        profile, level = anchors
        values = window.shape[1]
        return (
            window
            - _repeat_to_end(ops.roll(profile, -self.segment, axis=1), values)
            - self._repeat_channels(level, values)
        )

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """Return the level plus the repeated profile as offset, and scale 1."""
        profile, level = anchors
        return _repeat_season(profile, values) + self._repeat_channels(level, values), ops.ones((1, 1))

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """Rotate the profile by the segment; the level stays."""
        profile, level = anchors
        return previous - self.compute_affine(anchors, self.segment)[0], [
            ops.roll(profile, -self.segment, axis=1),
            level,
        ]

    def _compute_profile(self, window: KerasTensor) -> KerasTensor:
        """Compute the profile, its first phase that of the first step after the window: (batch, season values)."""
        count = window.shape[1] // (self.season * self.channels)
        values = self._split_channels(window)[:, -count * self.season :]
        seasons = ops.reshape(values, (-1, count, self.season, self.channels))  # (batch, seasons, season, channels)
        means = ops.mean(seasons, axis=2, keepdims=True)
        growth = (means[:, -1:] - means[:, :1]) / (count - 1)  # per season, (batch, 1, 1, channels)
        line = (ops.arange(self.season, dtype="float32") - (self.season - 1) / 2) / self.season
        swings = seasons - means - growth * line[:, None]  # detrended, (batch, seasons, season, channels)
        return ops.reshape(self._shrink(swings), (-1, self.season * self.channels))

    def _shrink(self, swings: KerasTensor) -> KerasTensor:
        """Average (batch, seasons, season, channels) over seasons and shrink it by the share that chance explains."""
        profile, free, count = ops.mean(swings, axis=1), self.season - 1, swings.shape[1]
        size = ops.sum(ops.square(profile), axis=1, keepdims=True) / free  # A: (batch, 1, channels)
        spread = ops.sum(ops.square(swings - profile[:, None]), axis=2) / free  # (batch, seasons, channels)
        error = ops.sum(spread, axis=1, keepdims=True) / (count * (count - 1))  # V: (batch, 1, channels)
        chance = ops.minimum(1.0, error / ops.maximum(size, _TINY))
        return profile * (1 - max(0.0, (self.season - 3) / free) * chance)


def smooth_level(values: KerasTensor, ahead: int) -> KerasTensor:
    """Estimate the level at the end of (batch, steps, channels) by exponential smoothing, (batch, channels).

    It averages the levels for the smoothing factors 0, 0.04, 0.16, 0.36, 0.64 and 1, weighted by their likelihood
    (Σ e²)^(-n / 2) of n errors e (Akaike weights, Kolassa 2011): a random walk gets nearly its last value, noise nearly
    its mean. An error is the difference between a level and the mean of the next `ahead` values, at most a third of the
    window. Only the last 96 steps are read.
    """
    last = values[:, -1:]
    recent = ops.swapaxes(values[:, -_MAX_SMOOTHED:] - last, 1, 2)  # (batch, channels, steps)
    steps = recent.shape[2]
    ahead = max(1, min(ahead, steps // 3))
    smoothing = _make_smoothing_weights(steps)  # (values, steps, factors)
    missed = _make_target_weights(steps, ahead)[..., None] - smoothing[:, :-ahead]  # (values, errors, factors)
    errors = ops.reshape(ops.matmul(recent, missed.reshape(steps, -1)), (-1, recent.shape[1], *missed.shape[1:]))
    squares = ops.maximum(ops.mean(ops.square(errors), axis=2), _TINY)  # (batch, channels, factors)
    likely = ops.softmax(-missed.shape[1] / 2 * ops.log(squares))
    return last[:, 0] + ops.sum(likely * ops.matmul(recent, smoothing[:, -1]), axis=-1)


def _make_smoothing_weights(steps: int) -> np.ndarray:
    """Return the weight of each value in the level after each step, (1 - factor)^age: (values, steps, factors)."""
    value, step, factor = np.arange(steps)[:, None, None], np.arange(steps)[:, None], (np.arange(6) / 5) ** 2
    weights = np.where(step < value, 0, (1 - factor) ** np.maximum(step - value, 0))
    return (weights / weights.sum(axis=0)).astype("float32")


def _make_target_weights(steps: int, ahead: int) -> np.ndarray:
    """Return the weight of each value in the mean of the `ahead` values after each step: (values, steps - ahead)."""
    value, step = np.arange(steps)[:, None], np.arange(steps - ahead)
    return ((step < value) & (value <= step + ahead)).astype("float32") / ahead


def _repeat_season(season: KerasTensor, values: int) -> KerasTensor:
    """Repeat a season (batch, season values) to (batch, values)."""
    return ops.tile(season, (1, -(-values // season.shape[1])))[:, :values]


def _repeat_to_end(season: KerasTensor, values: int) -> KerasTensor:
    """Repeat a season to (batch, values), the last of which is the season's last."""
    return ops.tile(season, (1, -(-values // season.shape[1])))[:, -values:]


class ScaledNormalization(Normalization):
    """x' = inner(x) / size: divides another normalization's result by a size of the window, which errors count in too.

    Args:
        inner: the other normalization, which does not scale.
        kind: `deviation`, the last season's standard deviation; `level`, its mean absolute value; `change`, the mean
            absolute seasonal difference in the window, the denominator of MASE (Hyndman & Koehler 2006).
        season: steps, 1 without a season, when `deviation` and `level` are those of the whole window.
    """

    def __init__(self, inner: Normalization, kind: str, season: int) -> None:
        super().__init__(inner.channels)
        self.inner, self.kind, self.season = inner, kind, season
        self.skipped_steps = inner.skipped_steps

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Mark the layer as built; it has no weights."""
        super().build(input_shape)

    def compute_unit(self, window: KerasTensor) -> KerasTensor:
        """Compute the size of the window, (batch, channels)."""
        return ops.maximum(self._measure_size(self._split_channels(window)), _MIN_SIZE)

    def _measure_size(self, values: KerasTensor) -> KerasTensor:
        """Measure the size of (batch, steps, channels): (batch, channels)."""
        recent = values[:, -self.season :] if self.season > 1 else values
        match self.kind:
            case "deviation":
                return ops.std(recent, axis=1)
            case "level":
                return ops.mean(ops.abs(recent), axis=1)
            case _:
                return ops.mean(ops.abs(values[:, self.season :] - values[:, : -self.season]), axis=1)

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Return the inner normalization's anchors, and the size."""
        return [*self.inner.compute_anchors(window), self.compute_unit(window)]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """Divide the inner normalization's result by the size."""
        read = self.inner.normalize(window, anchors[:-1])
        return read / self._repeat_channels(anchors[-1], read.shape[1])

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """Return the inner normalization's offset, and the size as scale."""
        return self.inner.compute_affine(anchors[:-1], values)[0], self._repeat_channels(anchors[-1], values)

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """Advance the inner normalization; the size stays."""
        read, moved = self.inner.step(previous, anchors[:-1])
        return read / self._repeat_channels(anchors[-1], previous.shape[1]), [*moved, anchors[-1]]


def build_normalization(
    name: str, season: int, segment: int = 1, channels: int = 1, size: str = "none"
) -> Normalization:
    """Build the normalization `none | last | mean | revin | seasonal | profile`, divided by a size if one is named."""
    if name in {"seasonal", "profile"}:
        by_season: type[SeasonalShift | Profile] = SeasonalShift if name == "seasonal" else Profile
        inner: Normalization = by_season(season, segment, channels)
    else:
        inner = {"none": NoNormalization, "last": LastShift, "mean": MeanShift, "revin": Revin}[name](channels)
    return inner if size == "none" else ScaledNormalization(inner, size, season)
