"""The encoder: recurrent layers stacked, which read the window into states."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.models.layers import Bidirectional, Recurrent


class Encoder(keras.layers.Layer):
    """A stack of recurrent layers with dropout between and after them."""

    def __init__(self, layers: Sequence[Recurrent | Bidirectional], dropout: float = 0.0) -> None:
        super().__init__(name="encoder")
        self.layers = list(layers)
        # One mask for all steps: a new one at each would be noise in the memory (Gal & Ghahramani 2016).
        self.dropouts = [keras.layers.Dropout(dropout, noise_shape=(None, 1, None)) for _ in self.layers]

    @property
    def state_count(self) -> int:
        """State tensors of all layers."""
        return sum(layer.state_count for layer in self.layers)

    def call(self, sequence: KerasTensor, training: bool = False) -> tuple[KerasTensor, list[KerasTensor]]:
        """(batch, steps, features) -> the top layer's outputs (batch, steps, width), and all layers' states."""
        states: list[KerasTensor] = []
        for layer, dropout in zip(self.layers, self.dropouts, strict=True):
            sequence, layer_states = layer(sequence, training=training)
            sequence = dropout(sequence, training=training)
            states += layer_states
        return sequence, states

    def summary(self, sequence: KerasTensor, training: bool = False) -> KerasTensor:
        """What the top layer knows after the whole sequence, (batch, width).

        Of a backward half that is its output at the first step, the last that it reads.
        """
        outputs, _ = self(sequence, training=training)
        last = outputs[:, -1]
        if isinstance(top := self.layers[-1], Bidirectional):
            units = top.forward.cell.units
            return ops.concatenate([last[:, :units], outputs[:, 0, units:]], axis=-1)
        return last

    def step(self, inputs: KerasTensor, states: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """One more step of forward layers: (batch, features) -> the top output (batch, width), new states."""
        remaining = list(states)
        new_states: list[KerasTensor] = []
        for layer in self.layers:
            count = layer.state_count
            layer_states, remaining = layer.step(inputs, remaining[:count]), remaining[count:]
            new_states += layer_states
            inputs = layer_states[0]
        return inputs, new_states
