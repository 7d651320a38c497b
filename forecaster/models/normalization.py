"""Normalisation of each window by itself, inside the network, and its inverse on what the network answers.

A normalisation keeps anchors, tensors (batch, k) that go into the network's state, and turns a value of
the next steps back by `value * scale + offset`. Values are (batch, steps * channels): those of one step stand side by
side, and each channel is normalised by itself.
"""

import abc
from collections.abc import Sequence

import keras
import numpy as np
from keras import KerasTensor, ops

_SMALLEST = 0.01  # of a scaled unit: the size of a window that is flat
_EPSILON = 1e-5  # of a scaled unit squared: a window that is flat is not blown up
_TINY = 1e-12  # of a scaled unit squared: nothing
_RECENT = 96  # steps that a level is smoothed over, the first of which hardly count


class Normalization(keras.layers.Layer, abc.ABC):
    """How a window is made comparable with other windows.

    Attributes:
        channels: values of one step.
        skipped: steps at the beginning of a window that serve as anchors alone.
    """

    skipped_steps = 0

    def __init__(self, channels: int = 1) -> None:
        super().__init__(name="normalization")
        self.channels = channels

    def call(self, window: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """(batch, length) -> the window as the encoder reads it, without the steps skipped, and its anchors."""
        anchors = self.compute_anchors(window)
        return self.normalize(window, anchors), anchors

    @abc.abstractmethod
    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """What must be remembered of a window (batch, length) before `step` is given its last segment."""

    @abc.abstractmethod
    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """(batch, length) -> the same without the steps skipped."""

    @abc.abstractmethod
    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """The offset and the scale of the `values` values after the last that is known, (batch or 1, values or 1)."""

    def compute_unit(self, window: KerasTensor) -> KerasTensor | None:
        """What the errors of values count in, (batch, channels); None: in scaled units."""
        return None

    def compute_next_offsets(self, window: KerasTensor) -> KerasTensor:
        """The offset of what follows each segment that is read, (batch, length - skipped), or (1, 1).

        Only where no anchor is a thing of the whole window, which would tell earlier steps of later ones.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot learn from every step")

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """One more known segment (batch, values) -> itself normalised, and the anchors after it."""
        offset, scale = self.compute_affine(anchors, previous.shape[1])
        return (previous - offset) / scale, list(anchors)

    def _by_channel(self, window: KerasTensor) -> KerasTensor:
        """(batch, steps * channels) -> (batch, steps, channels)."""
        return ops.reshape(window, (-1, window.shape[1] // self.channels, self.channels))

    def _over(self, anchor: KerasTensor, values: int) -> KerasTensor:
        """One number for each channel, (batch, channels), for each of some values."""
        return anchor if self.channels == 1 else ops.tile(anchor, (1, values // self.channels))


class NoNormalization(Normalization):
    """The values as they are."""

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """None."""
        return []

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """The window."""
        return window

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """0 and 1."""
        return ops.zeros((1, 1)), ops.ones((1, 1))

    def compute_next_offsets(self, window: KerasTensor) -> KerasTensor:
        """0."""
        return ops.zeros((1, 1))


class Shift(Normalization):
    """Less one value of the window: what the network learns is the way from there."""

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """The distance from the anchor."""
        return window - self._over(anchors[0], window.shape[1])

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """The anchor and 1."""
        return self._over(anchors[0], values), ops.ones((1, 1))


class LastShift(Shift):
    """Less the last value (NLinear, Zeng et al. 2023; SegRNN, Lin et al. 2023)."""

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """The last value, (batch, channels)."""
        return [window[:, -self.channels :]]


class MeanShift(Shift):
    """Less the window's mean."""

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """The mean, (batch, channels)."""
        return [ops.mean(self._by_channel(window), axis=1)]


class Revin(Normalization):
    """Less the mean, over the deviation, times and plus a learned weight each (RevIN, Kim et al. 2022, eq. 1-3)."""

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the two weights of each channel, at 1 and 0."""
        self.gain = self.add_weight(shape=(self.channels,), initializer="ones", name="gain")
        self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")
        super().build(input_shape)

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Mean and deviation, each (batch, channels)."""
        values = self._by_channel(window)
        mean = ops.mean(values, axis=1)
        variance = ops.mean(ops.square(values - mean[:, None]), axis=1)
        return [mean, ops.sqrt(variance + _EPSILON)]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """(x - mean) / deviation * gain + bias."""
        offset, scale = self.compute_affine(anchors, window.shape[1])
        return (window - offset) / scale

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """X = (y - bias) / gain * deviation + mean, as an offset and a scale."""
        mean, deviation = anchors
        scale = deviation / self.gain
        return self._over(mean - self.bias * scale, values), self._over(scale, values)


class SeasonalShift(Normalization):
    """Less the value one season before: the network learns what the last season gets wrong."""

    def __init__(self, season: int, segment: int = 1, channels: int = 1) -> None:
        super().__init__(channels)
        self.skipped_steps = season
        self.season, self.segment = season * channels, segment * channels  # values

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """The season before the last segment, (batch, season)."""
        return [window[:, -self.season - self.segment : -self.segment]]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """Each step after the first season, less the step a season before it."""
        return window[:, self.season :] - window[:, : -self.season]

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """The last season, repeated, and 1."""
        return _repeated(anchors[0], values), ops.ones((1, 1))

    def compute_next_offsets(self, window: KerasTensor) -> KerasTensor:
        """The segment a season before the next, of each that is read."""
        return window[:, self.segment : window.shape[1] - self.season + self.segment]

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """The season moves on by the segment."""
        (season,) = anchors
        moved = ops.concatenate([season[:, self.segment :], previous], axis=1)
        return previous - season[:, : self.segment], [moved]


class Profile(Normalization):
    """Less the season that all seasons of the window make together, and less the level that it ends at.

    The profile is, of each phase of the season, the mean distance from the mean of its season, freed from the line on
    which these means move on, over the whole seasons that the window ends in (classical decomposition). It is drawn
    towards 0 by the share of it that chance explains (James-Stein, after Miller & Williams 2003):

        profile = p (1 - (season - 3) / (season - 1) min(1, V / A))

    where A = Σ p² / (season - 1), and V is the squared error of p that follows from how much the seasons differ. The
    level is that of `smooth_level` on what the profile leaves, smoothed for the next quarter of a season.
    """

    def __init__(self, season: int, segment: int = 1, channels: int = 1) -> None:
        super().__init__(channels)
        self.season, self.segment = season, segment * channels  # steps, values

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """The profile from the last segment on, (batch, season values), and the level, (batch, channels)."""
        profile = self._profile(window)
        left = self._by_channel(window - _ending(profile, window.shape[1]))
        return [ops.roll(profile, self.segment, axis=1), smooth_level(left, self.season // 4)]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """The distance from the profile and the level."""
        profile, level = anchors
        values = window.shape[1]
        return window - _ending(ops.roll(profile, -self.segment, axis=1), values) - self._over(level, values)

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """The level and the profile, repeated, and 1."""
        profile, level = anchors
        return _repeated(profile, values) + self._over(level, values), ops.ones((1, 1))

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """The profile moves on by the segment; the level stays."""
        profile, level = anchors
        return previous - self.compute_affine(anchors, self.segment)[0], [
            ops.roll(profile, -self.segment, axis=1),
            level,
        ]

    def _profile(self, window: KerasTensor) -> KerasTensor:
        """From the first step after the window on, (batch, season values)."""
        count = window.shape[1] // (self.season * self.channels)
        values = self._by_channel(window)[:, -count * self.season :]
        seasons = ops.reshape(values, (-1, count, self.season, self.channels))
        means = ops.mean(seasons, axis=2, keepdims=True)
        growth = (means[:, -1:] - means[:, :1]) / (count - 1)  # from season to season
        line = (ops.arange(self.season, dtype="float32") - (self.season - 1) / 2) / self.season
        swings = seasons - means - growth * line[:, None]
        return ops.reshape(self._shrunken(swings), (-1, self.season * self.channels))

    def _shrunken(self, swings: KerasTensor) -> KerasTensor:
        """The mean of (batch, seasons, season, channels) over seasons, less what chance explains of it."""
        profile, free, count = ops.mean(swings, axis=1), self.season - 1, swings.shape[1]
        size = ops.sum(ops.square(profile), axis=1, keepdims=True) / free  # (batch, 1, channels)
        spread = ops.sum(ops.square(swings - profile[:, None]), axis=2) / free  # (batch, seasons, channels)
        error = ops.sum(spread, axis=1, keepdims=True) / (count * (count - 1))
        chance = ops.minimum(1.0, error / ops.maximum(size, _TINY))
        return profile * (1 - max(0.0, (self.season - 3) / free) * chance)


def smooth_level(values: KerasTensor, ahead: int) -> KerasTensor:
    """The level at the end of (batch, steps, channels) by exponential smoothing, (batch, channels).

    It is the mean of the levels by the factors 0, 0.04, 0.16, 0.36, 0.64 and 1, each weighted by its likelihood, which
    is (Σ e²)^(-n / 2) of its n errors (Akaike weights, Kolassa 2011): of a walk nearly the last value, of noise nearly
    the mean. An error is how far a level is from the mean of the next `ahead` values, at most a third of all. Longer
    windows give their last 96 steps.
    """
    last = values[:, -1:]
    recent = ops.swapaxes(values[:, -_RECENT:] - last, 1, 2)  # (batch, channels, steps)
    steps = recent.shape[2]
    ahead = max(1, min(ahead, steps // 3))
    smoothing = _smoothing(steps)
    missed = _following(steps, ahead)[..., None] - smoothing[:, :-ahead]  # (values, errors, factors)
    errors = ops.reshape(ops.matmul(recent, missed.reshape(steps, -1)), (-1, recent.shape[1], *missed.shape[1:]))
    squares = ops.maximum(ops.mean(ops.square(errors), axis=2), _TINY)  # (batch, channels, factors)
    likely = ops.softmax(-missed.shape[1] / 2 * ops.log(squares))
    return last[:, 0] + ops.sum(likely * ops.matmul(recent, smoothing[:, -1]), axis=-1)


def _smoothing(steps: int) -> np.ndarray:
    """What each value counts in the mean after each step, by (1 - factor)^age: (values, steps, factors)."""
    value, step, factor = np.arange(steps)[:, None, None], np.arange(steps)[:, None], (np.arange(6) / 5) ** 2
    weights = np.where(step < value, 0, (1 - factor) ** np.maximum(step - value, 0))
    return (weights / weights.sum(axis=0)).astype("float32")


def _following(steps: int, ahead: int) -> np.ndarray:
    """What each value counts in the mean of the `ahead` values after each step that so many follow: (values, steps)."""
    value, step = np.arange(steps)[:, None], np.arange(steps - ahead)
    return ((step < value) & (value <= step + ahead)).astype("float32") / ahead


def _repeated(season: KerasTensor, values: int) -> KerasTensor:
    """(batch, season values) again and again, (batch, values)."""
    return ops.tile(season, (1, -(-values // season.shape[1])))[:, :values]


def _ending(season: KerasTensor, values: int) -> KerasTensor:
    """The same, so that it ends with the season's end."""
    return ops.tile(season, (1, -(-values // season.shape[1])))[:, -values:]


class ScaledNormalization(Normalization):
    """What another normalisation leaves, over the size of the window, in which errors count, too.

    Args:
        inner: the other, which has no scale of its own.
        kind: `deviation`, of the last season; `level`, its mean absolute value; `change`, the mean absolute change from
            season to season in the whole window, which is what MASE counts in (Hyndman & Koehler 2006).
        season: steps, 1 where there is none; a deviation or a level is then that of the whole window.
    """

    def __init__(self, inner: Normalization, kind: str, season: int) -> None:
        super().__init__(inner.channels)
        self.inner, self.kind, self.season = inner, kind, season
        self.skipped_steps = inner.skipped_steps

    def build(self, input_shape: Sequence[int | None]) -> None:
        """There are no weights."""
        super().build(input_shape)

    def compute_unit(self, window: KerasTensor) -> KerasTensor:
        """The size, (batch, channels)."""
        return ops.maximum(self._size(self._by_channel(window)), _SMALLEST)

    def _size(self, values: KerasTensor) -> KerasTensor:
        """(batch, steps, channels) -> (batch, channels)."""
        recent = values[:, -self.season :] if self.season > 1 else values
        match self.kind:
            case "deviation":
                return ops.std(recent, axis=1)
            case "level":
                return ops.mean(ops.abs(recent), axis=1)
            case _:
                return ops.mean(ops.abs(values[:, self.season :] - values[:, : -self.season]), axis=1)

    def compute_anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """The other's, and the size."""
        return [*self.inner.compute_anchors(window), self.compute_unit(window)]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """The other's, over the size."""
        read = self.inner.normalize(window, anchors[:-1])
        return read / self._over(anchors[-1], read.shape[1])

    def compute_affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """The other's offset, and the size."""
        return self.inner.compute_affine(anchors[:-1], values)[0], self._over(anchors[-1], values)

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """The other's, over the size, which stays."""
        read, moved = self.inner.step(previous, anchors[:-1])
        return read / self._over(anchors[-1], previous.shape[1]), [*moved, anchors[-1]]


def build_normalization(
    name: str, season: int, segment: int = 1, channels: int = 1, size: str = "none"
) -> Normalization:
    """The normalisation of a name, `none | last | mean | revin | seasonal | profile`, over a size."""
    if name in {"seasonal", "profile"}:
        by_season: type[SeasonalShift | Profile] = SeasonalShift if name == "seasonal" else Profile
        inner: Normalization = by_season(season, segment, channels)
    else:
        inner = {"none": NoNormalization, "last": LastShift, "mean": MeanShift, "revin": Revin}[name](channels)
    return inner if size == "none" else ScaledNormalization(inner, size, season)
