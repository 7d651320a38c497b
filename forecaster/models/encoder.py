"""The encoder: stacked recurrent layers that read the window into states."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.models.cells import CellInput
from forecaster.models.recurrent_layers import Bidirectional, Recurrent


class Encoder(keras.layers.Layer):
    """A stack of recurrent layers: y_l = dropout(norm(layer_l(y_(l-1)) + y_(l-1))), each part optional.

    Residual sums (He et al. 2016) begin with the second layer, since the first reads values of another width; the norm
    is layer normalization (Ba et al. 2016).

    Args:
        has_summary: whether the top layer's outputs or its summary are read; if only states are, it has no norm.
    """

    def __init__(
        self,
        layers: Sequence[Recurrent | Bidirectional],
        dropout: float = 0.0,
        residual: bool = False,
        layer_normalization: bool = False,
        has_summary: bool = True,
        name: str = "encoder",
    ) -> None:
        super().__init__(name=name)
        self.layers = list(layers)
        self.residual = residual
        normalized = len(self.layers) - (not has_summary) if layer_normalization else 0
        self.norms = [keras.layers.LayerNormalization() for _ in range(normalized)]
        # One mask for all steps: a new mask at each step would add noise to the memory (Gal & Ghahramani 2016).
        masked = self.layers if dropout else []
        self.dropouts = [keras.layers.Dropout(dropout, noise_shape=(None, 1, None)) for _ in masked]

    @property
    def state_count(self) -> int:
        """Number of state tensors of all layers; bidirectional layers cannot be stepped."""
        return sum(layer.state_count for layer in self.layers)

    @property
    def state_widths(self) -> list[int]:
        """The width of each state tensor of forward layers."""
        return [layer.dilation * layer.cell.units for layer in self.layers for _ in range(layer.state_count)]

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Leave the weights to the first call; without this method, Keras would first trace the call twice."""
        super().build(input_shape)

    def call(
        self, sequence: KerasTensor, training: bool = False, has_outputs: bool = True
    ) -> tuple[KerasTensor, KerasTensor, list[KerasTensor]]:
        """Read a sequence (batch, steps, features).

        Args:
            sequence: to read.
            training: whether dropout and zoneout are random.
            has_outputs: whether the top layer's outputs are read.

        Returns:
            The top layer's outputs (batch, steps, width), of no steps where they are not read; the summary (batch,
            width); and the states of all layers.
            The summary is the top layer's output after reading everything; a backward layer's is that of the first
            step. It passes through the same residual sums, norms and masks, as one more step at the end.
        """
        states: list[KerasTensor] = []
        below = None
        for index, layer in enumerate(self.layers):
            is_read = has_outputs or index < len(self.layers) - 1  # by attention, or by the layer above
            outputs, last, layer_states = layer(sequence, training=training, has_outputs=is_read)
            combined = ops.concatenate([outputs, last[:, None]], axis=1) if is_read else last[:, None]
            below = below if below is None or is_read else below[:, -1:]
            combined = self._combine(combined, below, index)
            if self.dropouts:
                combined = self.dropouts[index](combined, training=training)  # (batch, steps + 1 or 1, width)
            sequence, below = combined[:, :-1], combined
            states += layer_states
        return sequence, combined[:, -1], states

    def step(self, inputs: CellInput, states: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """Advance forward layers by one step: inputs (batch, features) -> top output (batch, width), new states.

        Inputs and states may have further axes and broadcast, as in `Cell.call`.
        """
        remaining = list(states)
        new_states: list[KerasTensor] = []
        below = None
        for index, layer in enumerate(self.layers):
            count = layer.state_count
            layer_states, remaining = layer.step(inputs, remaining[:count]), remaining[count:]
            new_states += layer_states
            inputs = below = self._combine(layer.read_output(layer_states), below, index)
        return inputs, new_states

    def _combine(self, outputs: KerasTensor, below: KerasTensor | None, index: int) -> KerasTensor:
        """Add the residual, which the first layer has not (`below` is None), and normalize."""
        if self.residual and below is not None:
            outputs = outputs + below
        return self.norms[index](outputs) if index < len(self.norms) else outputs
