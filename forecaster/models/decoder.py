"""The networks by decoder: what turns the encoder's states into steps of the horizon.

A network trains through `call` and serves through two functions that are exported:
`encode(window) -> states` and `decode(states[, previous]) -> values, states`.
"""

import abc
from collections.abc import Sequence

import keras
from keras import KerasTensor

from forecaster.models.encoder import Encoder
from forecaster.models.normalization import Normalization


class Network(keras.Model, abc.ABC):
    """Windows of scaled values (batch, length) -> predictions.

    Attributes:
        ahead: steps after the window that one prediction covers.
        every_step: whether training predicts the step after each step of the window, too.
    """

    ahead: int
    every_step = False

    def __init__(self, normalization: Normalization, encoder: Encoder, outputs: int) -> None:
        super().__init__()
        self.normalization = normalization
        self.encoder = encoder
        self.head = keras.layers.Dense(outputs, name="head")

    @abc.abstractmethod
    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Predictions for training: (batch, ahead), or (batch, steps read) where `every_step`."""

    @abc.abstractmethod
    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The states that `decode` starts from, each (batch, width)."""

    @abc.abstractmethod
    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """The next `ahead` values (batch, ahead), and the states after them, if it can be called on them.

        `previous`, (batch, 1), is the last known value: the window's last, then one's own.
        """

    def _read(self, window: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """The window as the encoder reads it, (batch, steps, 1), and its anchors."""
        read, anchors = self.normalization(window)
        return read[..., None], anchors

    def _answer(self, output: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """The head on the top output (batch, width), undone by the anchors: (batch, ahead)."""
        offset, scale = self.normalization.affine(anchors, self.ahead)
        return self.head(output) * scale + offset


class RolloutNetwork(Network):
    """One step ahead from forward layers; `decode` feeds on its own output and carries the state."""

    ahead = 1

    def __init__(self, normalization: Normalization, encoder: Encoder, every_step: bool = False) -> None:
        super().__init__(normalization, encoder, outputs=1)
        self.every_step = every_step

    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Predictions one step after the window's last step, or after every step."""
        sequence, anchors = self._read(window)
        if not self.every_step:
            _, anchors = self.normalization.step(window[:, -1:], anchors)
            return self._answer(self.encoder.summary(sequence, training=training), anchors)
        outputs, _ = self.encoder(sequence, training=training)  # (batch, steps, units)
        return self.head(outputs)[..., 0] + self.normalization.offsets_of_next(window)

    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The anchors, and the states before the window's last step, which `decode` reads as `previous`."""
        sequence, anchors = self._read(window)
        _, states = self.encoder(sequence[:, :-1])
        return [*anchors, *states]

    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """One step of every layer."""
        count = len(states) - self.encoder.state_count
        read, anchors = self.normalization.step(previous, states[:count])
        output, states = self.encoder.step(read, states[count:])
        return self._answer(output, anchors), [*anchors, *states]


class DenseNetwork(Network):
    """`ahead` steps at once from what the encoder knows after the whole window."""

    def __init__(self, normalization: Normalization, encoder: Encoder, ahead: int) -> None:
        super().__init__(normalization, encoder, outputs=ahead)
        self.ahead = ahead

    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Predictions of the `ahead` steps after the window."""
        sequence, anchors = self._read(window)
        _, anchors = self.normalization.step(window[:, -1:], anchors)
        return self._answer(self.encoder.summary(sequence, training=training), anchors)

    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The encoder's summary, (batch, width), and the anchors."""
        sequence, anchors = self._read(window)
        return [*anchors, self.encoder.summary(sequence)]

    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """The head alone; there is nothing to call it on again."""
        *anchors, summary = states
        _, anchors = self.normalization.step(previous, anchors)
        return self._answer(summary, anchors), []
