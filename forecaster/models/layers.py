"""Cells run through time: forward, backward or both, in a loop or unrolled."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import KerasTensor, ops

from forecaster.models.cells import Cell


class Recurrent(keras.layers.Layer):
    """One cell run over a sequence in one direction, from states of zero."""

    def __init__(
        self,
        cell: Cell,
        recurrent_dropout: float = 0.0,
        backward: bool = False,
        unroll: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.cell = cell
        self.backward = backward
        self.unroll = unroll
        self.recurrent_dropout = keras.layers.Dropout(recurrent_dropout)

    @property
    def state_count(self) -> int:
        """Tensors in the state."""
        return self.cell.state_count

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the cell's weights for sequences (batch, steps, features)."""
        self.cell.build((None, input_shape[-1]))
        super().build(input_shape)

    def call(self, sequence: KerasTensor, training: bool = False) -> tuple[KerasTensor, list[KerasTensor]]:
        """(batch, steps, features) -> outputs (batch, steps, units), and the states after the last step read.

        A backward layer reads the last step first; its outputs still stand in order of time.
        """
        inputs = ops.swapaxes(sequence, 0, 1)  # (steps, batch, features)
        if self.backward:
            inputs = ops.flip(inputs, axis=0)
        zeros = ops.zeros((ops.shape(sequence)[0], self.cell.units))
        mask = self.recurrent_dropout(ops.ones_like(zeros), training=True) if self._drops(training) else None
        loop = self._unrolled if self.unroll else self._looped
        outputs, states = loop(inputs, [zeros] * self.cell.state_count, mask)
        if self.backward:
            outputs = ops.flip(outputs, axis=0)
        return ops.swapaxes(outputs, 0, 1), states

    def step(self, inputs: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
        """One more step of a forward layer: (batch, features) and its states -> its new states."""
        return self.cell(inputs, states)

    def _drops(self, training: bool) -> bool:
        return training and self.recurrent_dropout.rate > 0

    def _unrolled(
        self, inputs: KerasTensor, states: list[KerasTensor], mask: KerasTensor | None
    ) -> tuple[KerasTensor, list[KerasTensor]]:
        outputs = []
        for step in range(inputs.shape[0]):
            states = self.cell(inputs[step], states, mask)
            outputs.append(states[0])
        return ops.stack(outputs), states

    def _looped(
        self, inputs: KerasTensor, states: list[KerasTensor], mask: KerasTensor | None
    ) -> tuple[KerasTensor, list[KerasTensor]]:
        steps = inputs.shape[0]
        read = tf.TensorArray(tf.float32, size=steps).unstack(inputs)
        written = tf.TensorArray(tf.float32, size=steps, element_shape=(None, self.cell.units))

        def body(step: tf.Tensor, written: tf.TensorArray, *states: tf.Tensor) -> tuple[object, ...]:
            states = self.cell(read.read(step), list(states), mask)
            return step + 1, written.write(step, states[0]), *states

        _, written, *states = tf.while_loop(
            lambda step, *_: step < steps, body, (0, written, *states), maximum_iterations=steps
        )
        return written.stack(), states


class Bidirectional(keras.layers.Layer):
    """A forward and a backward layer over one sequence, their outputs side by side (Schuster & Paliwal 1997)."""

    def __init__(self, forward: Recurrent, backward: Recurrent, name: str | None = None) -> None:
        super().__init__(name=name)
        self.forward = forward
        self.backward = backward

    def call(self, sequence: KerasTensor, training: bool = False) -> tuple[KerasTensor, list[KerasTensor]]:
        """(batch, steps, features) -> outputs (batch, steps, 2 units), and both layers' states."""
        ahead, ahead_states = self.forward(sequence, training=training)
        back, back_states = self.backward(sequence, training=training)
        return ops.concatenate([ahead, back], axis=-1), [*ahead_states, *back_states]
