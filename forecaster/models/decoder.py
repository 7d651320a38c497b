"""The networks by decoder: what turns the encoder's states into steps of the horizon.

A network trains through `call` and serves through two functions that are exported:
`encode(window) -> states` and `decode(states[, previous]) -> values, states`.
"""

import abc
from collections.abc import Sequence

import keras
from keras import KerasTensor

from forecaster.models.encoder import Encoder


class Network(keras.Model, abc.ABC):
    """Windows of scaled values (batch, length) -> predictions.

    Attributes:
        ahead: steps after the window that one prediction covers.
        every_step: whether training predicts the step after each step of the window, too.
        reads_previous: whether `decode` takes the last known value and can be called again on
            its own states.
    """

    ahead: int
    every_step = False
    reads_previous = False

    def __init__(self, encoder: Encoder, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = keras.layers.Dense(outputs, name="head")

    @abc.abstractmethod
    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Predictions for training: (batch, ahead), or (batch, length) where `every_step`."""

    @abc.abstractmethod
    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The states that `decode` starts from, each (batch, width)."""

    @abc.abstractmethod
    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """The next `ahead` values (batch, ahead), and the states after them.

        `previous`, (batch, 1), is the value of the last step; direct networks have read it already.
        """


class RolloutNetwork(Network):
    """One step ahead from forward layers; `decode` feeds on its own output and carries the state."""

    ahead = 1
    reads_previous = True

    def __init__(self, encoder: Encoder, every_step: bool = False) -> None:
        super().__init__(encoder, outputs=1)
        self.every_step = every_step

    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Predictions one step after the window's last step, or after every step."""
        if not self.every_step:
            return self.head(self.encoder.summary(window[..., None], training=training))
        outputs, _ = self.encoder(window[..., None], training=training)  # (batch, length, units)
        return self.head(outputs)[..., 0]

    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The states before the window's last step, which `decode` reads as `previous`."""
        _, states = self.encoder(window[:, :-1, None])
        return states

    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """One step of every layer."""
        output, states = self.encoder.step(previous, states)
        return self.head(output), states


class DenseNetwork(Network):
    """`ahead` steps at once from what the encoder knows after the whole window."""

    def __init__(self, encoder: Encoder, ahead: int) -> None:
        super().__init__(encoder, outputs=ahead)
        self.ahead = ahead

    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Predictions of the `ahead` steps after the window."""
        return self.head(self.encoder.summary(window[..., None], training=training))

    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The encoder's summary, (batch, width), as the only state."""
        return [self.encoder.summary(window[..., None])]

    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        """The head alone."""
        return self.head(states[0]), list(states)
