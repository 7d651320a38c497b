"""Recurrent layers: a cell run through time, forward, backward or both, in a loop or unrolled."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

import keras
import tensorflow as tf
from keras import KerasTensor, ops

from forecaster.models.cells import Cell, CellInput

_Step = Callable[[tf.Tensor | int, KerasTensor, Sequence[KerasTensor]], list[KerasTensor]]

_Replacement = Callable[["Recurrent", KerasTensor], tuple[KerasTensor, list[KerasTensor]]]

_replacement: ContextVar[_Replacement | None] = ContextVar("_replacement", default=None)


@contextlib.contextmanager
def replace_steps(replacement: _Replacement) -> Iterator[None]:
    """Let recurrent layers take no steps: `replacement(layer, sequence)` gives their outputs and final states."""
    token = _replacement.set(replacement)
    try:
        yield
    finally:
        _replacement.reset(token)


def skip_steps() -> contextlib.AbstractContextManager[None]:
    """Let recurrent layers take no steps: the call that creates the weights of a network needs only their shapes.

    Run eagerly, the steps of a long window take longer than all the rest of building a network.
    """
    return replace_steps(take_no_steps)


def are_steps_skipped() -> bool:
    """Return whether this is a call that creates weights, in `skip_steps`."""
    return _replacement.get() is take_no_steps


def take_no_steps(layer: "Recurrent", sequence: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
    """Return outputs of 0 for a sequence (batch, steps, features), and the states before the first step."""
    batch, steps, _ = ops.shape(sequence)
    zeros = ops.zeros((batch, layer.dilation * layer.cell.units))
    return ops.zeros((batch, steps, layer.cell.units)), [zeros + value for value in layer.cell.initial_values]


_uses_kernels = ContextVar("_uses_kernels", default=True)


@contextlib.contextmanager
def avoid_kernels() -> Iterator[None]:
    """Let recurrent layers run in loops, which XLA compiles; it cannot compile TensorFlow's kernels."""
    token = _uses_kernels.set(False)
    try:
        yield
    finally:
        _uses_kernels.reset(token)


class Recurrent(keras.layers.Layer):
    """One cell run over a sequence in one direction, from the cell's initial states.

    With dilation d, h_t = cell(x_t, h_(t-d)) (DilatedRNN, Chang et al. 2017, equation 2); a state tensor then holds
    the last d states, (batch, d * units), the oldest first. Zoneout keeps each unit's old state with probability p in
    training and uses the expectation p h_(t-1) + (1 - p) h_t otherwise (Krueger et al. 2017, section 3).

    Attributes:
        observer: called with the cell's new states at each step, to measure gradients; None in normal use.
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
        self.zoneout = keras.layers.Dropout(zoneout) if zoneout else None
        self.recurrent_dropout = keras.layers.Dropout(recurrent_dropout) if recurrent_dropout else None
        self.observer: Callable[[list[KerasTensor]], object] | None = None

    @property
    def state_count(self) -> int:
        """Number of state tensors."""
        return self.cell.state_count

    @property
    def has_kernel(self) -> bool:
        """Whether one operation of TensorFlow runs all steps in training."""
        is_plain = not (self.recurrent_dropout or self.zoneout or self.unroll or self.observer)
        return self.cell.has_kernel and self.dilation == 1 and is_plain

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the cell's weights for sequences (batch, steps, features)."""
        self.cell.build((None, input_shape[-1]))
        super().build(input_shape)

    def call(
        self, sequence: KerasTensor, training: bool = False, has_outputs: bool = True
    ) -> tuple[KerasTensor | None, KerasTensor, list[KerasTensor]]:
        """Run the cell over a sequence (batch, steps, features).

        Args:
            sequence: to read.
            training: whether dropout and zoneout are random.
            has_outputs: whether the outputs of all steps are read; writing them doubles the time of compiled training.

        Returns:
            The outputs in chronological order (batch, steps, units), None where they are not read; the output of the
            step read last (batch, units), which is the first in time for a backward layer; and the final states
            (batch, dilation * units).
        """
        if (replacement := _replacement.get()) is not None:
            outputs, states = replacement(self, sequence)
            return outputs if has_outputs else None, self.read_output(states), states
        zeros = ops.zeros((ops.shape(sequence)[0], self.dilation * self.cell.units))
        states = [zeros + value for value in self.cell.initial_values]  # each the last `dilation`, the oldest first
        inputs = ops.swapaxes(sequence, 0, 1)  # (steps, batch, features)
        if self.backward:
            inputs = ops.flip(inputs, axis=0)
        # Outside training, the kernel would keep what only a gradient reads. It has no float64.
        if training and self.has_kernel and _uses_kernels.get() and inputs.dtype == "float32":
            outputs, states = self.cell.run_kernel(inputs, states)
            outputs = outputs if has_outputs else None
        else:
            loop = self._run_unrolled if self.unroll else self._run_loop
            outputs, states = loop(inputs, states, self._bind_masks(inputs, training), has_outputs)
        if outputs is not None:
            outputs = ops.swapaxes(ops.flip(outputs, axis=0) if self.backward else outputs, 0, 1)
        return outputs, self.read_output(states), states

    def read_output(self, states: Sequence[KerasTensor]) -> KerasTensor:
        """Return the output of the newest step, (batch, units)."""
        return states[0] if self.dilation == 1 else states[0][..., -self.cell.units :]

    def step(
        self,
        inputs: CellInput,
        states: Sequence[KerasTensor],
        recurrent_mask: KerasTensor | None = None,
        kept_shares: Sequence[KerasTensor] | None = None,
    ) -> list[KerasTensor]:
        """Advance by one step: inputs (batch, features) and states -> new states.

        Inputs and states may have further axes and broadcast, as in `Cell.call`.

        Args:
            recurrent_mask: (batch, units), of recurrent dropout.
            kept_shares: the share of each old state that zoneout keeps, (batch, units) each; its probability if None.
        """
        # of `dilation` steps ago, (batch, units) each
        old = states if self.dilation == 1 else [state[..., : self.cell.units] for state in states]
        new = self.cell.call(inputs, old, recurrent_mask)  # directly: Keras would check its arguments at every step
        if self.observer is not None:
            self.observer(new)
        if self.zoneout:
            shares = [self.zoneout.rate] * len(old) if kept_shares is None else kept_shares
            new = [share * before + (1 - share) * after for share, before, after in zip(shares, old, new, strict=True)]
        if self.dilation == 1:
            return new
        return [_append_state(state, after) for state, after in zip(states, new, strict=True)]

    def _bind_masks(self, inputs: KerasTensor, training: bool) -> _Step:
        """Return `step` by position in the sequence, with dropout masks sampled once for the whole sequence."""
        steps, batch = ops.shape(inputs)[:2]
        mask = is_kept = None  # (batch, units); (states, steps, batch, units)
        if training and self.recurrent_dropout:
            mask = self.recurrent_dropout(ops.ones((batch, self.cell.units)), training=True)
        if training and self.zoneout:
            ones = ops.ones((self.state_count, steps, batch, self.cell.units))  # a mask per step
            # Dropout zeroes a unit with probability p: exactly where zoneout keeps its old state.
            is_kept = ops.cast(self.zoneout(ones, training=True) == 0, "float32")

        def step(number: tf.Tensor | int, features: KerasTensor, states: Sequence[KerasTensor]) -> list[KerasTensor]:
            shares = None if is_kept is None else [is_kept[index, number] for index in range(self.state_count)]
            return self.step(features, states, mask, shares)

        return step

    def _run_unrolled(
        self, inputs: KerasTensor, states: list[KerasTensor], step: _Step, has_outputs: bool
    ) -> tuple[KerasTensor | None, list[KerasTensor]]:
        outputs = []
        for number in range(inputs.shape[0]):
            states = step(number, inputs[number], states)
            outputs.append(self.read_output(states))
        return ops.stack(outputs) if has_outputs else None, states  # (steps, batch, units)

    def _run_loop(
        self, inputs: KerasTensor, states: list[KerasTensor], step: _Step, has_outputs: bool
    ) -> tuple[KerasTensor | None, list[KerasTensor]]:
        steps = inputs.shape[0]
        read = tf.TensorArray(inputs.dtype, size=steps).unstack(inputs)
        written = []  # the outputs, (steps, batch, units)
        if has_outputs:
            written.append(tf.TensorArray(inputs.dtype, size=steps, element_shape=(None, self.cell.units)))

        def take_step(
            number: tf.Tensor, written: list[tf.TensorArray], states: list[tf.Tensor]
        ) -> tuple[tf.Tensor, list[tf.TensorArray], list[tf.Tensor]]:
            new = step(number, read.read(number), states)
            return number + 1, [array.write(number, self.read_output(new)) for array in written], new

        _, written, states = tf.while_loop(
            lambda number, *_: number < steps, take_step, (0, written, states), maximum_iterations=steps
        )
        return written[0].stack() if has_outputs else None, states


def _append_state(state: KerasTensor, after: KerasTensor) -> KerasTensor:
    """Append a new state (..., units) to the last states of a dilated layer and drop the oldest."""
    younger = state[..., after.shape[-1] :]
    younger = ops.broadcast_to(younger, (*ops.shape(after)[:-1], younger.shape[-1]))
    return ops.concatenate([younger, after], axis=-1)  # (..., dilation * units)


class Bidirectional(keras.layers.Layer):
    """Two layers over one sequence: y_t = merge(forward_t, backward_t) (Schuster & Paliwal 1997)."""

    def __init__(self, forward: Recurrent, backward: Recurrent, merge: str = "concat", name: str | None = None) -> None:
        super().__init__(name=name)
        self.forward = forward
        self.backward = backward
        self.merge = MERGES[merge]

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Leave the weights to the first call; without this method, Keras would first trace the call twice."""
        super().build(input_shape)

    def call(
        self, sequence: KerasTensor, training: bool = False, has_outputs: bool = True
    ) -> tuple[KerasTensor | None, KerasTensor, list[KerasTensor]]:
        """Run both layers; merge outputs (batch, steps, width) and last outputs (batch, width); return all states."""
        ahead, ahead_last, ahead_states = self.forward(sequence, training=training, has_outputs=has_outputs)
        back, back_last, back_states = self.backward(sequence, training=training, has_outputs=has_outputs)
        outputs = self.merge(ahead, back) if has_outputs else None
        return outputs, self.merge(ahead_last, back_last), [*ahead_states, *back_states]


MERGES: dict[str, Callable[[KerasTensor, KerasTensor], KerasTensor]] = {
    "concat": lambda ahead, back: ops.concatenate([ahead, back], axis=-1),
    "sum": lambda ahead, back: ahead + back,
    "mean": lambda ahead, back: (ahead + back) / 2,
}
