"""The networks by decoder: what turns the encoder's states into steps of the horizon.

A network trains through `call` and serves through two functions that are exported:
`encode(window) -> states` and `decode(states[, previous]) -> values, states`.
"""

import abc
from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.models.encoder import Encoder
from forecaster.models.normalization import Normalization


class Network(keras.Model, abc.ABC):
    """Windows of scaled values (batch, length) -> predictions.

    Attributes:
        segment: steps that one recurrent step reads, and `previous` holds (SegRNN, Lin et al. 2023).
        ahead: steps after the window that one prediction covers.
        every_step: whether training predicts what comes after each recurrent step, too.
    """

    every_step = False

    def __init__(self, normalization: Normalization, encoder: Encoder, segment: int, ahead: int) -> None:
        super().__init__()
        self.normalization = normalization
        self.encoder = encoder
        self.segment = segment
        self.ahead = ahead
        self.head = keras.layers.Dense(ahead, name="head")

    @abc.abstractmethod
    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Predictions for training: (batch, ahead), or (batch, steps read) where `every_step`."""

    @abc.abstractmethod
    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The states that `decode` starts from, each (batch, width)."""

    @abc.abstractmethod
    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """The next `ahead` values (batch, ahead), and the states after them, if it can be called on them.

        `previous`, (batch, segment), is what is known last: the window's end, then one's own answer.
        """

    def _read(self, window: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """The window as the encoder reads it, (batch, steps / segment, segment), and its anchors."""
        read, anchors = self.normalization(window)
        return ops.reshape(read, (-1, read.shape[1] // self.segment, self.segment)), anchors

    def _after(self, window: KerasTensor, anchors: Sequence[KerasTensor]) -> list[KerasTensor]:
        """The anchors once the window's last segment is read, too."""
        return self.normalization.step(window[:, -self.segment :], anchors)[1]

    def _answer(self, output: KerasTensor, anchors: Sequence[KerasTensor]) -> KerasTensor:
        """The head on the top output (batch, width), undone by the anchors: (batch, ahead)."""
        offset, scale = self.normalization.affine(anchors, self.ahead)
        return self.head(output) * scale + offset


class RolloutNetwork(Network):
    """A segment ahead from forward layers; `decode` feeds on its own output and carries the state."""

    def __init__(
        self, normalization: Normalization, encoder: Encoder, segment: int = 1, every_step: bool = False
    ) -> None:
        super().__init__(normalization, encoder, segment, ahead=segment)
        self.every_step = every_step

    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Predictions of what follows the window, or each segment of it."""
        sequence, anchors = self._read(window)
        outputs, summary, _ = self.encoder(sequence, training=training)
        if not self.every_step:
            return self._answer(summary, self._after(window, anchors))
        predictions = self.head(outputs)  # (batch, steps / segment, segment)
        predictions = ops.reshape(predictions, (-1, sequence.shape[1] * self.segment))
        return predictions + self.normalization.offsets_of_next(window)

    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The anchors, and the states before the window's last segment, which `decode` reads as `previous`."""
        sequence, anchors = self._read(window)
        _, _, states = self.encoder(sequence[:, :-1])
        return [*anchors, *states]

    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """One step of every layer."""
        count = len(states) - self.encoder.state_count
        read, anchors = self.normalization.step(previous, states[:count])
        output, states = self.encoder.step(read, states[count:])
        return self._answer(output, anchors), [*anchors, *states]


class DenseNetwork(Network):
    """`ahead` steps at once from what the encoder knows after the whole window."""

    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Predictions of the `ahead` steps after the window."""
        sequence, anchors = self._read(window)
        _, summary, _ = self.encoder(sequence, training=training)
        return self._answer(summary, self._after(window, anchors))

    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The anchors, and the encoder's summary, (batch, width)."""
        sequence, anchors = self._read(window)
        _, summary, _ = self.encoder(sequence)
        return [*anchors, summary]

    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """The head alone; there is nothing to call it on again."""
        *anchors, summary = states
        _, anchors = self.normalization.step(previous, anchors)
        return self._answer(summary, anchors), []
