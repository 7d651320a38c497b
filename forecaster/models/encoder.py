"""The encoder: recurrent layers stacked, which read the window into states."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.models.cells import CellInput
from forecaster.models.recurrent_layers import Bidirectional, Recurrent


class Encoder(keras.layers.Layer):
    """A stack of recurrent layers; what goes from each to the next is a residual sum, normalised, and dropped out.

    The residual sum begins with the second layer: the first reads values, not what a layer made.

    Args:
        answers: whether anything reads the top layer's outputs; where its states alone are read, they have no norm.
    """

    def __init__(
        self,
        layers: Sequence[Recurrent | Bidirectional],
        dropout: float = 0.0,
        residual: bool = False,
        layer_normalization: bool = False,
        answers: bool = True,
        name: str = "encoder",
    ) -> None:
        super().__init__(name=name)
        self.layers = list(layers)
        self.residual = residual
        normalised = len(self.layers) - (not answers) if layer_normalization else 0
        self.norms = [keras.layers.LayerNormalization() for _ in range(normalised)]
        # One mask for all steps: a new one at each would be noise in the memory (Gal & Ghahramani 2016).
        self.dropouts = [keras.layers.Dropout(dropout, noise_shape=(None, 1, None)) for _ in self.layers]

    @property
    def state_count(self) -> int:
        """State tensors of all layers; bidirectional ones cannot be stepped."""
        return sum(layer.state_count for layer in self.layers)

    @property
    def state_widths(self) -> list[int]:
        """The width of each state tensor of forward layers."""
        return [layer.dilation * layer.cell.units for layer in self.layers for _ in range(layer.state_count)]

    def call(self, sequence: KerasTensor, training: bool = False) -> tuple[KerasTensor, KerasTensor, list[KerasTensor]]:
        """(batch, steps, features) -> the top outputs (batch, steps, width), the summary (batch, width), all states.

        The summary is what the top layer knows once it has read everything: of a backward half its output at
        the first step. It goes through the same sums, norms and masks as one more step at the end.
        """
        states: list[KerasTensor] = []
        below = None
        for index, layer in enumerate(self.layers):
            outputs, last, layer_states = layer(sequence, training=training)
            made = self._joined(ops.concatenate([outputs, last[:, None]], axis=1), below, index)
            made = self.dropouts[index](made, training=training)  # (batch, steps + 1, width)
            sequence, below = made[:, :-1], made
            states += layer_states
        return sequence, made[:, -1], states

    def step(self, inputs: CellInput, states: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """One more step of forward layers: (batch, features) -> the top output (batch, width), new states.

        Inputs and states may have further axes and broadcast, as the cell says.
        """
        remaining = list(states)
        new_states: list[KerasTensor] = []
        below = None
        for index, layer in enumerate(self.layers):
            count = layer.state_count
            layer_states, remaining = layer.step(inputs, remaining[:count]), remaining[count:]
            new_states += layer_states
            inputs = below = self._joined(layer.read_output(layer_states), below, index)
        return inputs, new_states

    def _joined(self, made: KerasTensor, below: KerasTensor | None, index: int) -> KerasTensor:
        """A layer's outputs with what it read added, where that is a layer's, and normalised."""
        if self.residual and below is not None:
            made = made + below
        return self.norms[index](made) if index < len(self.norms) else made
