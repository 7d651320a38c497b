"""The bridge from encoder to decoder: it maps what the encoder has read to the decoder's initial states."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops


class Bridge(keras.layers.Layer):
    """s_0 = tanh(W [encoder states] + b), split into the decoder's states (Bahdanau et al. 2015, appendix A.2.2).

    It is used where the encoder's states do not have the decoder's shape: after a bidirectional encoder or a context.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(name="bridge")
        self.widths = list(widths)
        self.dense = keras.layers.Dense(sum(widths), activation="tanh", name="dense")

    def build(self, states_shape: Sequence[Sequence[int | None]]) -> None:
        """Leave the weights to the first call; without this method, Keras would first trace it."""
        super().build(states_shape)

    def call(self, states: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Map tensors (batch, ...) to one state (batch, width) for each width."""
        joined = self.dense(ops.concatenate(list(states), axis=-1))  # (batch, sum of widths)
        ends = [sum(self.widths[: index + 1]) for index in range(len(self.widths) - 1)]
        return ops.split(joined, ends, axis=-1) if ends else [joined]
