"""The bridge: the states that a decoder starts from, made from whatever was read."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops


class Bridge(keras.layers.Layer):
    """tanh(W [all that was read] + b), cut into the decoder's states (Bahdanau et al. 2015, appendix A.2.2).

    It stands wherever states do not fit as they are: after a bidirectional encoder, or from a context.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(name="bridge")
        self.widths = list(widths)
        self.dense = keras.layers.Dense(sum(widths), activation="tanh", name="dense")

    def call(self, read: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Tensors (batch, ...) -> a state (batch, width) for each width."""
        joined = self.dense(ops.concatenate(list(read), axis=-1))
        ends = [sum(self.widths[: index + 1]) for index in range(len(self.widths) - 1)]
        return ops.split(joined, ends, axis=-1) if ends else [joined]
