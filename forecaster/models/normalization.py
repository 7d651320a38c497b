"""Normalisation of each window by itself, inside the network, and its inverse on what the network answers.

A normalisation keeps anchors, tensors (batch, k) that go into the network's state, and turns a value of
the next steps back by `value * scale + offset`. Values are (batch, steps * channels): those of one step stand side by
side, and each channel is normalised by itself.
"""

import abc
from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

_SMALLEST = 0.01  # of a scaled unit: the size of a window that is flat
_EPSILON = 1e-5  # of a scaled unit squared: a window that is flat is not blown up


class Normalization(keras.layers.Layer, abc.ABC):
    """How a window is made comparable with other windows.

    Attributes:
        channels: values of one step.
        skipped: steps at the beginning of a window that serve as anchors alone.
    """

    skipped = 0

    def __init__(self, channels: int = 1) -> None:
        super().__init__(name="normalization")
        self.channels = channels

    def call(self, window: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """(batch, length) -> the window as the encoder reads it, without the steps skipped, and its anchors."""
        anchors = self.anchors(window)
        return self.normalize(window, anchors), anchors

    @abc.abstractmethod
    def anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """What must be remembered of a window (batch, length) before `step` is given its last segment."""

    @abc.abstractmethod
    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """(batch, length) -> the same without the steps skipped."""

    @abc.abstractmethod
    def affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """The offset and the scale of the `values` values after the last that is known, (batch or 1, values or 1)."""

    def unit(self, window: KerasTensor) -> KerasTensor | None:
        """What the errors of values count in, (batch, channels); None: in scaled units."""
        return None

    def offsets_of_next(self, window: KerasTensor) -> KerasTensor:
        """The offset of what follows each segment that is read, (batch, length - skipped), or (1, 1).

        Only where no anchor is a thing of the whole window, which would tell earlier steps of later ones.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot learn from every step")

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """One more known segment (batch, values) -> itself normalised, and the anchors after it."""
        offset, scale = self.affine(anchors, previous.shape[1])
        return (previous - offset) / scale, list(anchors)

    def _by_channel(self, window: KerasTensor) -> KerasTensor:
        """(batch, steps * channels) -> (batch, steps, channels)."""
        return ops.reshape(window, (-1, window.shape[1] // self.channels, self.channels))

    def _over(self, anchor: KerasTensor, values: int) -> KerasTensor:
        """One number for each channel, (batch, channels), for each of some values."""
        return anchor if self.channels == 1 else ops.tile(anchor, (1, values // self.channels))


class NoNormalization(Normalization):
    """The values as they are."""

    def anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """None."""
        return []

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """The window."""
        return window

    def affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """0 and 1."""
        return ops.zeros((1, 1)), ops.ones((1, 1))

    def offsets_of_next(self, window: KerasTensor) -> KerasTensor:
        """0."""
        return ops.zeros((1, 1))


class Shift(Normalization):
    """Less one value of the window: what the network learns is the way from there."""

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """The distance from the anchor."""
        return window - self._over(anchors[0], window.shape[1])

    def affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """The anchor and 1."""
        return self._over(anchors[0], values), ops.ones((1, 1))


class LastShift(Shift):
    """Less the last value (NLinear, Zeng et al. 2023; SegRNN, Lin et al. 2023)."""

    def anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """The last value, (batch, channels)."""
        return [window[:, -self.channels :]]


class MeanShift(Shift):
    """Less the window's mean."""

    def anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """The mean, (batch, channels)."""
        return [ops.mean(self._by_channel(window), axis=1)]


class Revin(Normalization):
    """Less the mean, over the deviation, times and plus a learned weight each (RevIN, Kim et al. 2022, eq. 1-3)."""

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the two weights of each channel, at 1 and 0."""
        self.gain = self.add_weight(shape=(self.channels,), initializer="ones", name="gain")
        self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")
        super().build(input_shape)

    def anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """Mean and deviation, each (batch, channels)."""
        values = self._by_channel(window)
        mean = ops.mean(values, axis=1)
        variance = ops.mean(ops.square(values - mean[:, None]), axis=1)
        return [mean, ops.sqrt(variance + _EPSILON)]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """(x - mean) / deviation * gain + bias."""
        offset, scale = self.affine(anchors, window.shape[1])
        return (window - offset) / scale

    def affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """X = (y - bias) / gain * deviation + mean, as an offset and a scale."""
        mean, deviation = anchors
        scale = deviation / self.gain
        return self._over(mean - self.bias * scale, values), self._over(scale, values)


class SeasonalShift(Normalization):
    """Less the value one season before: the network learns what the last season gets wrong."""

    def __init__(self, season: int, segment: int = 1, channels: int = 1) -> None:
        super().__init__(channels)
        self.skipped = season
        self.season, self.segment = season * channels, segment * channels  # values

    def anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """The season before the last segment, (batch, season)."""
        return [window[:, -self.season - self.segment : -self.segment]]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """Each step after the first season, less the step a season before it."""
        return window[:, self.season :] - window[:, : -self.season]

    def affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """The last season, repeated, and 1."""
        repeats = -(-values // self.season)
        return ops.tile(anchors[0], (1, repeats))[:, :values], ops.ones((1, 1))

    def offsets_of_next(self, window: KerasTensor) -> KerasTensor:
        """The segment a season before the next, of each that is read."""
        return window[:, self.segment : window.shape[1] - self.season + self.segment]

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """The season moves on by the segment."""
        (season,) = anchors
        moved = ops.concatenate([season[:, self.segment :], previous], axis=1)
        return previous - season[:, : self.segment], [moved]


class Sized(Normalization):
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
        self.skipped = inner.skipped

    def build(self, input_shape: Sequence[int | None]) -> None:
        """There are no weights."""
        super().build(input_shape)

    def unit(self, window: KerasTensor) -> KerasTensor:
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

    def anchors(self, window: KerasTensor) -> list[KerasTensor]:
        """The other's, and the size."""
        return [*self.inner.anchors(window), self.unit(window)]

    def normalize(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """The other's, over the size."""
        read = self.inner.normalize(window, anchors[:-1])
        return read / self._over(anchors[-1], read.shape[1])

    def affine(self, anchors: Sequence[KerasTensor], values: int) -> tuple[KerasTensor, KerasTensor]:
        """The other's offset, and the size."""
        return self.inner.affine(anchors[:-1], values)[0], self._over(anchors[-1], values)

    def step(self, previous: KerasTensor, anchors: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """The other's, over the size, which stays."""
        read, moved = self.inner.step(previous, anchors[:-1])
        return read / self._over(anchors[-1], previous.shape[1]), [*moved, anchors[-1]]


def build_normalization(
    name: str, season: int, segment: int = 1, channels: int = 1, size: str = "none"
) -> Normalization:
    """The normalisation of a name, `none | last | mean | revin | seasonal`, over a size, as `Sized` takes it."""
    if name == "seasonal":
        inner: Normalization = SeasonalShift(season, segment, channels)
    else:
        inner = {"none": NoNormalization, "last": LastShift, "mean": MeanShift, "revin": Revin}[name](channels)
    return inner if size == "none" else Sized(inner, size, season)
