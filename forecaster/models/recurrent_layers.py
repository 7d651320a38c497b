"""Cells run through time: forward, backward or both, in a loop or unrolled."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from keras import KerasTensor, ops

from forecaster.models.cells import Cell, CellInput

_Step = Callable[[tf.Tensor | int, KerasTensor, Sequence[KerasTensor]], list[KerasTensor]]


class Recurrent(keras.layers.Layer):
    """One cell run over a sequence in one direction, from states of zero.

    With a dilation d each step goes on from the state d steps before (Chang et al. 2017); a state tensor then
    holds the last d states side by side, the oldest first. Zoneout keeps each unit's old state with a
    probability in training, and mixes old and new by it afterwards (Krueger et al. 2017).
    """

    def __init__(
        self,
        cell: Cell,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        dilation: int = 1,
        backward: bool = False,
        unroll: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.cell = cell
        self.backward = backward
        self.unroll = unroll
        self.dilation = dilation
        self.zoneout = keras.layers.Dropout(zoneout)
        self.recurrent_dropout = keras.layers.Dropout(recurrent_dropout)
        self.observer: Callable[[list[KerasTensor]], object] | None = None  # is shown what the cell makes at each step

    @property
    def state_count(self) -> int:
        """Tensors in the state."""
        return self.cell.state_count

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the cell's weights for sequences (batch, steps, features)."""
        self.cell.build((None, input_shape[-1]))
        super().build(input_shape)

    def call(self, sequence: KerasTensor, training: bool = False) -> tuple[KerasTensor, KerasTensor, list[KerasTensor]]:
        """(batch, steps, features) -> outputs (batch, steps, units), the last made (batch, units), and the states.

        A backward layer reads the last step first; its outputs still stand in order of time.
        """
        inputs = ops.swapaxes(sequence, 0, 1)  # (steps, batch, features)
        if self.backward:
            inputs = ops.flip(inputs, axis=0)
        zeros = ops.zeros((ops.shape(sequence)[0], self.dilation * self.cell.units))
        step = self._masked_step(inputs, training)
        loop = self._unrolled if self.unroll else self._looped
        outputs, states = loop(inputs, [zeros] * self.state_count, step)
        if self.backward:
            outputs = ops.flip(outputs, axis=0)
        return ops.swapaxes(outputs, 0, 1), self.read_output(states), states

    def read_output(self, states: Sequence[KerasTensor]) -> KerasTensor:
        """What the layer answers in these states, (batch, units)."""
        return states[0][..., -self.cell.units :]

    def step(
        self,
        inputs: CellInput,
        states: Sequence[KerasTensor],
        recurrent_mask: KerasTensor | None = None,
        kept: Sequence[KerasTensor] | None = None,
    ) -> list[KerasTensor]:
        """One more step in order of reading: (batch, features) and the states -> the new states.

        Inputs and states may have further axes and broadcast, as the cell says.

        Args:
            recurrent_mask: (batch, units), of recurrent dropout.
            kept: how much of each old state stays, (batch, units) each; zoneout's mean where None.
        """
        units = self.cell.units
        old = [state[..., :units] for state in states]
        new = self.cell(inputs, old, recurrent_mask)
        if self.observer is not None:
            self.observer(new)
        if self.zoneout.rate:
            shares = [self.zoneout.rate] * len(old) if kept is None else kept
            new = [share * before + (1 - share) * after for share, before, after in zip(shares, old, new, strict=True)]
        if self.dilation == 1:
            return new
        return [_shifted(state, after) for state, after in zip(states, new, strict=True)]

    def _masked_step(self, inputs: KerasTensor, training: bool) -> _Step:
        """`step` at a number of the sequence, with the masks that are drawn for all of it."""
        drops, zones = (training and layer.rate > 0 for layer in (self.recurrent_dropout, self.zoneout))
        steps, batch = ops.shape(inputs)[:2]
        mask = self.recurrent_dropout(ops.ones((batch, self.cell.units)), training=True) if drops else None
        # Dropout leaves 0 where zoneout keeps the old state.
        ones = ops.ones((self.state_count, steps, batch, self.cell.units)) if zones else None
        kept = ops.cast(self.zoneout(ones, training=True) == 0, "float32") if zones else None

        def step(number: tf.Tensor | int, features: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
            shares = None if kept is None else [kept[index, number] for index in range(self.state_count)]
            return self.step(features, states, mask, shares)

        return step

    def _unrolled(
        self, inputs: KerasTensor, states: list[KerasTensor], step: _Step
    ) -> tuple[KerasTensor, list[KerasTensor]]:
        outputs = []
        for number in range(inputs.shape[0]):
            states = step(number, inputs[number], states)
            outputs.append(self.read_output(states))
        return ops.stack(outputs), states

    def _looped(
        self, inputs: KerasTensor, states: list[KerasTensor], step: _Step
    ) -> tuple[KerasTensor, list[KerasTensor]]:
        steps = inputs.shape[0]
        read = tf.TensorArray(tf.float32, size=steps).unstack(inputs)
        written = tf.TensorArray(tf.float32, size=steps, element_shape=(None, self.cell.units))

        def body(number: tf.Tensor, written: tf.TensorArray, *states: tf.Tensor) -> tuple[object, ...]:
            new = step(number, read.read(number), states)
            return number + 1, written.write(number, self.read_output(new)), *new

        _, written, *states = tf.while_loop(
            lambda number, *_: number < steps, body, (0, written, *states), maximum_iterations=steps
        )
        return written.stack(), states


def _shifted(state: KerasTensor, after: KerasTensor) -> KerasTensor:
    """The last states of a dilated layer without the oldest, and with a new one (..., units)."""
    younger = state[..., after.shape[-1] :]
    younger = ops.broadcast_to(younger, (*ops.shape(after)[:-1], younger.shape[-1]))
    return ops.concatenate([younger, after], axis=-1)


class Bidirectional(keras.layers.Layer):
    """A forward and a backward layer over one sequence, their outputs merged (Schuster & Paliwal 1997)."""

    def __init__(self, forward: Recurrent, backward: Recurrent, merge: str = "concat", name: str | None = None) -> None:
        super().__init__(name=name)
        self.forward = forward
        self.backward = backward
        self.merge = MERGES[merge]

    def call(self, sequence: KerasTensor, training: bool = False) -> tuple[KerasTensor, KerasTensor, list[KerasTensor]]:
        """(batch, steps, features) -> merged outputs, the merged last made of each half, and both halves' states."""
        ahead, ahead_last, ahead_states = self.forward(sequence, training=training)
        back, back_last, back_states = self.backward(sequence, training=training)
        return self.merge(ahead, back), self.merge(ahead_last, back_last), [*ahead_states, *back_states]


MERGES: dict[str, Callable[[KerasTensor, KerasTensor], KerasTensor]] = {
    "concat": lambda ahead, back: ops.concatenate([ahead, back], axis=-1),
    "sum": lambda ahead, back: ahead + back,
    "mean": lambda ahead, back: (ahead + back) / 2,
}
