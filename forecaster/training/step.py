"""The step of a training: what one batch of windows does to a network, traced once for all trainings of its shape."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import keras
import numpy as np
import tensorflow as tf

from forecaster.inputs import Inputs
from forecaster.models.losses import leave_out_windows
from forecaster.models.recurrent_layers import avoid_kernels
from forecaster.training.averaging import Average
from forecaster.training.export import TracedNetwork
from forecaster.training.gradient_exchange import Exchange


class Learner(Protocol):
    """A network that can be trained, with its losses on a batch of windows.

    Attributes:
        ahead: steps after each window that its losses compare.
    """

    ahead: int
    variables: Any
    trainable_variables: Any

    def compute_training_loss(self, inputs: Inputs, targets: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
        """Compute the mean loss that training minimizes, of windows (batch, length) and targets (batch, ahead)."""

    def compute_validation_loss(self, inputs: Inputs, targets: tf.Tensor) -> tf.Tensor:
        """Compute the mean loss that epochs are compared by."""


AnyLearner = TypeVar("AnyLearner", bound=Learner)


@dataclass(frozen=True)
class Steps:
    """Scaled series, concatenated; windows are cut from them.

    Attributes:
        values: (steps,), or (steps, channels) of series that are read together.
        features: the covariates of each step, past ones first, (steps, features) float32.
        past: how many of the features are known up to a window's end only.
        ends: the end of each series, (series,), where its categories are read.
        codes: of each series' categories, (series, categories) int32.
        zero_shot: forecasts that the network begins at, of every window that is cut; None where it does not.
    """

    values: np.ndarray
    features: np.ndarray | None = None
    past: int = 0
    ends: Sequence[int] | np.ndarray = ()
    codes: np.ndarray | None = None
    zero_shot: "ZeroShotTable | None" = None

    def to_tensors(self) -> "StepTensors":
        """Copy the arrays to the device."""
        return StepTensors(
            tf.constant(self.values.reshape(len(self.values), -1), tf.float32),
            tf.constant(self.ends, tf.int32),
            None if self.features is None else tf.constant(self.features),
            None if self.codes is None else tf.constant(self.codes),
            None if self.zero_shot is None else tf.constant(self.zero_shot.starts, tf.int32),
            None if self.zero_shot is None else tf.constant(self.zero_shot.values, tf.float32),
        )

    def cut(self, starts: np.ndarray, count: int) -> "tuple[StepTensors, np.ndarray]":
        """Copy `count` steps from each start to the device, with the places where they start in the copy, int32."""
        places = (starts.astype(np.int64)[:, None] + np.arange(count)).ravel()
        firsts = count * np.arange(len(starts), dtype=np.int32)
        of_starts = Steps(
            self.values[places],
            None if self.features is None else self.features[places],
            self.past,
            firsts + count,
            None if self.codes is None else self.codes[np.searchsorted(self.ends, starts, side="right")],
            None if self.zero_shot is None else ZeroShotTable(firsts, self.zero_shot.select(starts)),
        )
        return of_starts.to_tensors(), firsts


@dataclass(frozen=True)
class ZeroShotTable:
    """The zero-shot forecast of the steps after each window.

    Attributes:
        starts: of the windows, rising, (windows,) int32.
        values: scaled, (windows, ahead, channels) float32.
    """

    starts: np.ndarray
    values: np.ndarray

    def select(self, starts: np.ndarray) -> np.ndarray:
        """Select the forecasts after some windows, (count, ahead, channels)."""
        return self.values[np.searchsorted(self.starts, starts)]


class StepTensors(NamedTuple):
    """The arrays of `Steps` on the device; None where the network does not read them.

    Attributes:
        values: (steps, channels).
        ends: (series,).
        features: (steps, features).
        codes: (series, categories).
        zero_shot_starts: (windows,).
        zero_shot: (windows, ahead, channels).
    """

    values: tf.Tensor
    ends: tf.Tensor
    features: tf.Tensor | None = None
    codes: tf.Tensor | None = None
    zero_shot_starts: tf.Tensor | None = None
    zero_shot: tf.Tensor | None = None

    @property
    def specs(self) -> dict[str, tf.TensorSpec]:
        """The types and shapes of those that there are, of any number of steps, series and windows."""
        present = {name: tensor for name, tensor in self._asdict().items() if tensor is not None}
        return {name: tf.TensorSpec([None, *each.shape[1:]], each.dtype, name) for name, each in present.items()}

    def cut(self, starts: np.ndarray, count: int) -> "tuple[StepTensors, np.ndarray]":
        """Return all steps, from which a batch is cut on the device: as `Steps.cut`."""
        return self, starts.astype(np.int32)

    def flatten(self) -> list[tf.Tensor]:
        """Return those that there are, in the order of `specs`."""
        return [tensor for tensor in self if tensor is not None]


class TrainingStep(Generic[AnyLearner]):
    """The functions that train a network on a batch and validate it, with all variables that they change.

    TensorFlow takes a second or more to trace and optimize them, and XLA longer. They do not depend on a training's
    series, seed or epochs, so that the members of an ensemble, its refit and the folds of a backtest share them
    (`keep_step`, `take_step`).

    Args:
        network: to train.
        optimizer: of its weights.
        specs: of the tensors that batches are cut from.
        length: steps in a window.
        past: as in `Steps`.
        average: of its weights, if any.
        compiled_size: windows in a whole batch, for which XLA compiles the step, the optimizer's included; None: it
            does not. The last, smaller batch of an epoch is filled up with windows that no loss counts, since another
            shape would be compiled again.
        shape: what the traced functions depend on; None where no other training can share them.
        exchange: with the other processes that train the same network on their shares of each batch; None: no others.

    Attributes:
        served: the network's functions that are exported, once they are traced.
    """

    def __init__(
        self,
        network: AnyLearner,
        optimizer: keras.optimizers.Optimizer,
        specs: dict[str, tf.TensorSpec],
        length: int,
        *,
        past: int = 0,
        average: Average | None = None,
        compiled_size: int | None = None,
        shape: Hashable = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.shape, self.exchange = shape, exchange
        self.served: TracedNetwork | None = None
        self.network, self.optimizer, self.average = network, optimizer, average
        self.length, self.past, self._names = length, past, list(specs)
        optimizer.build(network.trainable_variables)
        self._first_values = [variable.numpy() for variable in optimizer.variables]
        starts = tf.TensorSpec([None], tf.int32, "starts")
        batch = [starts, tf.TensorSpec([None, 1], tf.float32, "signs"), tf.TensorSpec([], tf.float32, "epoch")]
        self._compiled_size = compiled_size
        if exchange is not None:
            share = tf.TensorSpec([], tf.float32, "share")
            self._train = self._trace(self._run_on_share, [*specs.values(), *batch, share])
        elif compiled_size is not None:
            self.compiled = tf.function(self._update_weights_in_loops, jit_compile=True, autograph=False)
            counts = tf.TensorSpec([compiled_size], tf.float32, "counts")
            self._train = self._trace(self._run_compiled, [*specs.values(), *batch, counts])
        else:
            self._train = self._trace(self._run_on_batch, [*specs.values(), *batch])
        self._validate = self._trace(self._validate_on_batch, [*specs.values(), starts])

    @staticmethod
    def _trace(function: Any, signature: list[tf.TensorSpec]) -> Any:
        return tf.function(function, input_signature=signature, autograph=False)

    def start_over(self, network: AnyLearner) -> None:
        """Begin another training, from the state of a new network of the same shape."""
        for variable, fresh in zip(self.network.variables, network.variables, strict=True):
            variable.assign(fresh)
        for variable, value in zip(self.optimizer.variables, self._first_values, strict=True):
            variable.assign(value)
        if self.average is not None:
            self.average.start_over()

    def train(self, steps: Steps | StepTensors, starts: np.ndarray, signs: tf.Tensor, epoch: float) -> float:
        """Train on one batch.

        Args:
            steps: that it is cut from.
            starts: of its windows, (batch,).
            signs: by which its windows are multiplied, (batch, 1).
            epoch: epochs passed, with fractions.

        Returns:
            The mean loss before the step.
        """
        if self.exchange is not None:
            starts, signs, share = self.exchange.take_share(starts, signs)
            tensors, starts = steps.cut(starts, self.length + self.network.ahead)
            others = tf.constant(starts), signs, tf.constant(epoch, tf.float32), tf.constant(share, tf.float32)
            return float(self._train(*tensors.flatten(), *others))
        filled = []  # which windows count
        if self._compiled_size is not None:
            missing = self._compiled_size - len(starts)
            filled = [tf.constant([1.0] * len(starts) + [0.0] * missing)]
            # with the last window, so that values stay where a loss is finite
            starts = np.pad(starts, (0, missing), mode="edge")
            signs = tf.pad(signs, [[0, missing], [0, 0]], constant_values=1.0)
        tensors, starts = steps.cut(starts, self.length + self.network.ahead)
        batch = tf.constant(starts), signs, tf.constant(epoch, tf.float32)
        return float(self._train(*tensors.flatten(), *batch, *filled))

    def validate(self, steps: Steps | StepTensors, starts: np.ndarray) -> float:
        """Compute the mean validation loss of some windows."""
        tensors, starts = steps.cut(starts, self.length + self.network.ahead)
        return float(self._validate(*tensors.flatten(), tf.constant(starts)))

    def cut_batch(self, tensors: StepTensors, starts: tf.Tensor) -> tuple[Inputs, tf.Tensor]:
        """Cut a batch: starts (batch,) -> the network's inputs, and the values after each window (batch, ahead)."""
        places = starts[:, None] + tf.range(self.length + self.network.ahead)  # (batch, length + ahead)
        rows = tf.gather(tensors.values, places)  # (batch, length + ahead, channels)
        values = tf.reshape(rows, (-1, rows.shape[1] * rows.shape[2]))
        last = self.length * rows.shape[2]  # values in a window, all channels
        features = future = codes = None
        if tensors.features is not None:
            rows = tf.gather(tensors.features, places)  # (batch, length + ahead, features)
            features, future = rows[:, : self.length], rows[:, self.length :, self.past :]
            future = future if future.shape[-1] else None
        if tensors.zero_shot is not None:
            # (batch, ahead, channels)
            zero_shot = tf.gather(tensors.zero_shot, tf.searchsorted(tensors.zero_shot_starts, starts))
            future = zero_shot if future is None else tf.concat([future, zero_shot], axis=-1)
        if tensors.codes is not None:
            codes = tf.gather(tensors.codes, tf.searchsorted(tensors.ends, starts, side="right"))
        return Inputs(values[:, :last], features, future, codes), values[:, last:]

    def _cut_and_flip(self, *arguments: tf.Tensor) -> tuple[Inputs, tf.Tensor, tf.Tensor]:
        """Cut a batch with its signs: its inputs, its targets, and the epochs passed."""
        *flat, starts, signs, epoch = arguments
        tensors = self._collect(flat)
        inputs, targets = self.cut_batch(tensors, starts)
        future = inputs.future
        if tensors.zero_shot is not None:
            known = future.shape[-1] - tensors.values.shape[1]  # features before the forecasts
            future = tf.concat([future[:, :, :known], signs[..., None] * future[:, :, known:]], axis=-1)
        return inputs._replace(window=signs * inputs.window, future=future), signs * targets, epoch

    def _collect(self, flat: Sequence[tf.Tensor]) -> StepTensors:
        return StepTensors(**dict(zip(self._names, flat, strict=True)))

    def _run_on_batch(self, *arguments: tf.Tensor) -> tf.Tensor:
        return self._update_weights(*self._cut_and_flip(*arguments))

    def _run_on_share(self, *arguments: tf.Tensor) -> tf.Tensor:
        *others, share = arguments
        return self._update_weights(*self._cut_and_flip(*others), share)

    def _run_compiled(self, *arguments: tf.Tensor) -> tf.Tensor:
        *others, counts = arguments
        # Cut outside what XLA compiles, which would compile series of another length again.
        inputs, targets, epoch = self._cut_and_flip(*others)
        shaped = [
            None if each is None else tf.ensure_shape(each, [self._compiled_size, *each.shape[1:]])
            for each in (*inputs, targets)
        ]
        return self.compiled(Inputs(*shaped[:-1]), shaped[-1], epoch, counts)

    def _update_weights(
        self, inputs: Inputs, targets: tf.Tensor, epoch: tf.Tensor, share: tf.Tensor | None = None
    ) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = self.network.compute_training_loss(inputs, targets, epoch)
        variables = self.network.trainable_variables
        gradients = tape.gradient(loss, variables)
        if self.exchange is not None:
            loss, gradients = self.exchange.average(loss, gradients, share)  # before they are clipped
        self.optimizer.apply(gradients, variables)
        if self.average is not None:
            self.average.observe_batch()
        return loss

    def _update_weights_in_loops(
        self, inputs: Inputs, targets: tf.Tensor, epoch: tf.Tensor, counts: tf.Tensor
    ) -> tf.Tensor:
        with avoid_kernels(), leave_out_windows(counts):
            return self._update_weights(inputs, targets, epoch)

    def _validate_on_batch(self, *arguments: tf.Tensor) -> tf.Tensor:
        *flat, starts = arguments
        return self.network.compute_validation_loss(*self.cut_batch(self._collect(flat), starts))


_KEPT: dict[Hashable, TrainingStep[Any]] = {}  # by shape, the newest last
_MOST_KEPT = 8  # the graphs of one take some 5 MB


def keep_step(step: TrainingStep[Any]) -> None:
    """Keep a step that is not used any more for the next training of its shape in this process."""
    if step.shape is not None:
        _KEPT.pop(step.shape, None)
        _KEPT[step.shape] = step
        if len(_KEPT) > _MOST_KEPT:
            del _KEPT[next(iter(_KEPT))]


def take_step(shape: Hashable) -> TrainingStep[Any] | None:
    """Take a step of this shape that was kept; nobody else has it until it is kept again."""
    return _KEPT.pop(shape, None)
