"""The recurrent cells: one time step each, with the equations as code.

In the equations x is the input (batch, inputs), h the hidden state (batch, units), W and U the
input and recurrent weights, b a bias, σ the gate activation, ⊙ the elementwise product. A gate's
weights are column blocks of one matrix, in the order in which the equations name the gates.
"""

import abc
from collections.abc import Sequence
from typing import TypeAlias

import keras
import numpy as np
from keras import KerasTensor, ops

CellInput: TypeAlias = KerasTensor | Sequence[KerasTensor]  # one tensor, or several to concatenate


class Cell(keras.layers.Layer, abc.ABC):
    """One recurrent step: inputs and states -> new states, of which the first is the output."""

    gates: int  # blocks of `units` columns in the weight matrices
    state_count = 1

    def __init__(self, units: int, activation: str = "tanh", recurrent_activation: str = "sigmoid") -> None:
        super().__init__(name="cell")
        self.units = units
        self.activation = keras.activations.get(activation)
        self.recurrent_activation = keras.activations.get(recurrent_activation)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of `input_shape[-1]` features."""
        width = self.gates * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )  # W: (inputs, gates * units)
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )  # U: (units, gates * units)
        self.bias = self.add_weight(shape=self.bias_shape, initializer=self.initialize_bias, name="bias")
        super().build(input_shape)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """One bias for each unit of each gate."""
        return (self.gates * self.units,)

    def initialize_bias(self, shape: Sequence[int], dtype: str | None = None) -> KerasTensor:
        """Return zeros; a cell may override it."""
        return ops.zeros(shape, dtype)

    def call(
        self, inputs: CellInput, states: Sequence[KerasTensor], recurrent_mask: KerasTensor | None = None
    ) -> list[KerasTensor]:
        """Compute one time step: the new states, the output first.

        Args:
            inputs: (batch, features), or several such tensors whose features are concatenated.
            states: `state_count` tensors (batch, units), the output first. Inputs and states may have further axes
                between batch and features; they broadcast.
            recurrent_mask: (batch, units), recurrent dropout's mask on the previous output as the gates read it; the
                same at every step (Gal & Ghahramani 2016, equation 7).
        """
        h = states[0] if recurrent_mask is None else states[0] * recurrent_mask
        return self.update(inputs, h, states)

    def project(self, x: CellInput) -> KerasTensor:
        """Multiply inputs by the kernel, W x: (batch, features) -> (batch, gates * units).

        Of several inputs it is the sum over W's row blocks, so that an input that broadcasts is multiplied once.
        """
        parts: Sequence[KerasTensor] = x if isinstance(x, list | tuple) else [x]
        ends = np.cumsum([part.shape[-1] for part in parts])  # the columns of x at which each part ends
        rows = ops.split(self.kernel, ends[:-1].tolist(), axis=0) if len(parts) > 1 else [self.kernel]
        return sum(ops.matmul(part, block) for part, block in zip(parts, rows, strict=True))

    @abc.abstractmethod
    def update(self, x: CellInput, h: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Compute the new states; `h` is the previous output after recurrent dropout."""


class SimpleRNNCell(Cell):
    """Elman's recurrent unit: h' = activation(W x + U h + b) (Elman 1990)."""

    gates = 1

    def update(self, x: CellInput, h: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Apply the equations in the class docstring."""
        return [self.activation(self.project(x) + ops.matmul(h, self.recurrent_kernel) + self.bias)]


class LSTMCell(Cell):
    """Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    i, f, o = σ(W x + U h + b); c' = f ⊙ c + i ⊙ activation(W x + U h + b); h' = o ⊙ activation(c').
    The forget bias starts at 1, so that an untrained cell keeps its memory (Jozefowicz et al. 2015, section 2.2).
    """

    gates = 4
    state_count = 2

    def initialize_bias(self, shape: Sequence[int], dtype: str | None = None) -> KerasTensor:
        """Return 1 for the forget gate and 0 elsewhere."""
        zeros = ops.zeros((self.units,), dtype)  # in the order of the gates: i, f, candidate, o
        return ops.concatenate([zeros, ops.ones((self.units,), dtype), zeros, zeros])

    def update(self, x: CellInput, h: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Apply the equations in the class docstring."""
        _, c = states
        # each (batch, units)
        i, f, candidate, o = ops.split(self.project(x) + ops.matmul(h, self.recurrent_kernel) + self.bias, 4, axis=-1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(candidate)
        return [self.recurrent_activation(o) * self.activation(c), c]


class PeepholeLSTMCell(LSTMCell):
    """An LSTM whose gates read the cell state (Gers & Schmidhuber 2000).

    i, f = σ(W x + U h + p ⊙ c + b); o = σ(W x + U h + p ⊙ c' + b), with a vector p for each gate.
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the LSTM's weights and the peepholes."""
        self.peepholes = self.add_weight(shape=(3, self.units), initializer="glorot_uniform", name="peepholes")
        super().build(input_shape)

    def update(self, x: CellInput, h: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Apply the equations in the class docstring."""
        _, c = states
        p_i, p_f, p_o = self.peepholes[0], self.peepholes[1], self.peepholes[2]
        i, f, candidate, o = ops.split(self.project(x) + ops.matmul(h, self.recurrent_kernel) + self.bias, 4, axis=-1)
        i, f = self.recurrent_activation(i + p_i * c), self.recurrent_activation(f + p_f * c)
        c = f * c + i * self.activation(candidate)  # the output gate reads this new c, the others the old one
        return [self.recurrent_activation(o + p_o * c) * self.activation(c), c]


class GRUCell(Cell):
    """Gated recurrent unit (Cho et al. 2014), its reset gate applied after the recurrent product.

    z, r = σ(W x + b + U h + d); n = activation(W x + b + r ⊙ (U h + d)); h' = z ⊙ h + (1 - z) ⊙ n,
    the variant of cuDNN, and of Keras with `reset_after=True`.
    """

    gates = 3

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The biases b of the input weights and d of the recurrent weights."""
        return (2, self.gates * self.units)

    def update(self, x: CellInput, h: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Apply the equations in the class docstring."""
        b, d = self.bias[0], self.bias[1]
        x_z, x_r, x_n = ops.split(self.project(x) + b, 3, axis=-1)  # each (batch, units)
        h_z, h_r, h_n = ops.split(ops.matmul(h, self.recurrent_kernel) + d, 3, axis=-1)
        z = self.recurrent_activation(x_z + h_z)
        r = self.recurrent_activation(x_r + h_r)
        n = self.activation(x_n + r * h_n)  # h_n includes d: the reset gate acts on the biased product, as in cuDNN
        return [z * states[0] + (1 - z) * n]


CELLS: dict[str, type[Cell]] = {
    "simple_rnn": SimpleRNNCell,
    "lstm": LSTMCell,
    "peephole_lstm": PeepholeLSTMCell,
    "gru": GRUCell,
}
