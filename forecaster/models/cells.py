"""The recurrent cells: one time step each, with the equations as code.

In the equations x is the input (batch, inputs), h the hidden state (batch, units), W and U the
input and recurrent weights, b a bias, σ the gate activation, ⊙ the elementwise product. A gate's
weights are column blocks of one matrix, in the order in which the equations name the gates.
"""

import abc
import functools
import operator
from collections.abc import Sequence
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor, ops

CellInput: TypeAlias = KerasTensor | Sequence[KerasTensor]  # one tensor, or several to concatenate


class Cell(keras.layers.Layer, abc.ABC):
    """One recurrent step: inputs and states -> new states, of which the first is the output."""

    gates: int  # blocks of `units` columns in the weight matrices
    initial_values: tuple[float, ...] = (0.0,)  # of each state before the first step; their number is that of states

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
    def state_count(self) -> int:
        """Number of state tensors."""
        return len(self.initial_values)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """One bias for each unit of each gate."""
        return (self.gates * self.units,)

    def initialize_bias(self, shape: Sequence[int], dtype: str | None = None) -> KerasTensor:
        """Return zeros; a cell may override it."""
        return ops.zeros(shape, dtype)

    @property
    def has_kernel(self) -> bool:
        """Whether `run_kernel` computes this cell."""
        return False

    def run_kernel(self, inputs: KerasTensor, states: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """Run a whole sequence (steps, batch, features) in one operation, where TensorFlow has it.

        Returns:
            The outputs (steps, batch, units), and the final states.
        """
        raise NotImplementedError

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
        return functools.reduce(operator.add, map(ops.matmul, parts, rows))

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
    initial_values = (0.0, 0.0)

    def initialize_bias(self, shape: Sequence[int], dtype: str | None = None) -> KerasTensor:
        """Return 1 for the forget gate and 0 elsewhere."""
        zeros = ops.zeros((self.units,), dtype)  # in the order of the gates: i, f, candidate, o
        return ops.concatenate([zeros, ops.ones((self.units,), dtype), zeros, zeros])

    @property
    def has_kernel(self) -> bool:
        """Whether its activations are those of TensorFlow's kernel."""
        return self.activation is keras.activations.tanh and self.recurrent_activation is keras.activations.sigmoid

    @property
    def kernel_peepholes(self) -> list[KerasTensor]:
        """The peepholes of the kernel's gates, none of them by default."""
        return []

    def run_kernel(self, inputs: KerasTensor, states: Sequence[KerasTensor]) -> tuple[KerasTensor, list[KerasTensor]]:
        """Run a whole sequence in TensorFlow's BlockLSTM, whose gates are ordered i, candidate, f, o."""
        weights = ops.concatenate([self.kernel, self.recurrent_kernel, self.bias[None]], axis=0)
        i, f, candidate, o = ops.split(weights, 4, axis=1)
        weights = ops.concatenate([i, candidate, f, o], axis=1)  # (inputs + units + 1, gates * units)
        h, c = states
        zeros = ops.zeros((self.units,))
        # Version 1: the gradient of version 2 is wrong (TensorFlow 2.21).
        _, cells, _, _, _, _, outputs = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.cast(inputs.shape[0], tf.int64),
            x=inputs,
            cs_prev=c,
            h_prev=h,
            w=weights[:-1],
            b=weights[-1],
            **dict(zip(("wci", "wcf", "wco"), self.kernel_peepholes or [zeros] * 3, strict=True)),
            forget_bias=0.0,  # it is part of the bias
            cell_clip=-1.0,  # none
            use_peephole=bool(self.kernel_peepholes),
        )
        return outputs, [outputs[-1], cells[-1]]

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

    @property
    def kernel_peepholes(self) -> list[KerasTensor]:
        """The peepholes of i, f and o."""
        return [self.peepholes[0], self.peepholes[1], self.peepholes[2]]

    def update(self, x: CellInput, h: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Apply the equations in the class docstring."""
        _, c = states
        p_i, p_f, p_o = ops.split(self.peepholes, 3, axis=0)  # (1, units) each
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
        b, d = ops.split(self.bias, 2, axis=0)  # (1, gates * units) each
        x_z, x_r, x_n = ops.split(self.project(x) + b, 3, axis=-1)  # each (batch, units)
        h_z, h_r, h_n = ops.split(ops.matmul(h, self.recurrent_kernel) + d, 3, axis=-1)
        z = self.recurrent_activation(x_z + h_z)
        r = self.recurrent_activation(x_r + h_r)
        n = self.activation(x_n + r * h_n)  # h_n includes d: the reset gate acts on the biased product, as in cuDNN
        return [z * states[0] + (1 - z) * n]


class SLSTMCell(Cell):
    """Scalar LSTM of the xLSTM, with an exponential input gate and a normalizer (Beck et al. 2024, section 2.2).

    i = exp(ĩ), f = σ(f̃), o = σ(õ), z = activation(z̃) with ĩ, f̃, z̃, õ = W x + U h + b;
    c' = f ⊙ c + i ⊙ z; n' = f ⊙ n + i; h' = o ⊙ c' / n' (equations 8 to 14).

    exp(ĩ) overflows, so the paper carries c and n divided by exp(m), with the stabilizer m' = max(log f + m, ĩ)
    (equations 15 to 17). Only c / n and the logarithm s of the normalizer matter, and both are always finite; the
    states here are h, k = c / n and s = log n (which is m + log n where n is stabilized):

    d = log f + s - ĩ; s' = log(f n + i) = ĩ + log(1 + exp(d)); k' = k + σ(-d) ⊙ (z - k); h' = o ⊙ k'.

    The outputs are those of the paper's cell with one state fewer, and any real s is a valid normalizer: of a bridge,
    or mixed by zoneout.
    """

    gates = 4
    initial_values = (0.0, 0.0, -1000.0)  # n = exp(-1000): the first step replaces k by z, as n = 0 does

    def initialize_bias(self, shape: Sequence[int], dtype: str | None = None) -> KerasTensor:
        """Return forget biases that fall from 5 to -7 over the units, and 0 elsewhere.

        As in the authors' implementation (github.com/NX-AI/xlstm, `powerlaw_blockdependent`): 5 - 12 r^0.3 for r from 0
        to 1, so that the first units average over a hundred steps and most over a few.
        """
        zeros = ops.zeros((self.units,), dtype)  # in the order of the gates: i, f, z, o
        ranks = np.arange(self.units) / max(1, self.units - 1)
        forget = ops.convert_to_tensor(5 - 12 * ranks**0.3, dtype or "float32")
        return ops.concatenate([zeros, forget, zeros, zeros])

    def update(self, x: CellInput, h: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Apply the equations in the class docstring."""
        _, k, s = states
        # each (batch, units)
        i, f, z, o = ops.split(self.project(x) + ops.matmul(h, self.recurrent_kernel) + self.bias, 4, axis=-1)
        d = s - ops.softplus(-f) - i  # log σ(f) = -softplus(-f)
        k = k + ops.sigmoid(-d) * (self.activation(z) - k)
        return [self.recurrent_activation(o) * k, k, i + ops.softplus(d)]


CELLS: dict[str, type[Cell]] = {
    "simple_rnn": SimpleRNNCell,
    "lstm": LSTMCell,
    "peephole_lstm": PeepholeLSTMCell,
    "gru": GRUCell,
    "slstm": SLSTMCell,
}
