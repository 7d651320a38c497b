"""The training loop; its whole state can be saved between any two batches and resumed from exactly."""

import contextlib
import io
import json
import math
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from forecaster.errors import Diverged
from forecaster.models.losses import LARGEST
from forecaster.preprocessing.windows import Starts
from forecaster.problems import Problem
from forecaster.training.averaging import Average
from forecaster.training.early_stopping import Patience
from forecaster.training.schedules import Schedule
from forecaster.training.step import AnyLearner, Steps, StepTensors, TrainingStep

_VALIDATION_BATCH = 512
_DIVERGED = LARGEST**2 / 10  # a loss above it, or NaN, has diverged; losses are clipped at LARGEST²


@dataclass(frozen=True)
class Epoch:
    """One row of `history.csv`; losses in scaled units."""

    epoch: int
    loss: float
    validation_loss: float | None
    learning_rate: float
    seconds: float


class Watch(Protocol):
    """Receives the progress of a training."""

    def report_batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Receive a finished batch; `loss` is the mean of the epoch so far."""

    def report_epoch(self, epoch: Epoch) -> None:
        """Receive a finished epoch."""


@dataclass
class Progress:
    """The progress of a training: finished epochs in `history`, the current epoch in the rest."""

    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    batch: int = 0
    windows: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0


class Course(NamedTuple):
    """The course of a finished training, for another one of as many steps on more windows.

    Attributes:
        epochs: up to the one whose weights were kept.
        batches: of each epoch.
        losses: validation losses by epoch, which a schedule may depend on; None without a validation part.
    """

    epochs: int
    batches: int
    losses: Sequence[float | None]


class Trainer(Generic[AnyLearner]):
    """Fits a network to the windows of scaled, concatenated series, which are given by their starts.

    The order of the windows depends on the seed and the epoch only, so no generator
    has to be saved. A batch's windows are gathered on the device from the one array of values, or read from a file.

    Args:
        step: of the network. Its average, if it has one, is validated and kept instead of the weights.
        tensors: the series that windows are cut from; `Steps` where memory does not hold them.
        sign_flip: whether half of the windows are sign-flipped.
        first_choice: the first epoch whose weights may be kept, and that early stopping observes.
        losses: by epoch, which the schedule observes where there are no validation windows.
    """

    def __init__(
        self,
        step: TrainingStep[AnyLearner],
        schedule: Schedule,
        tensors: Steps | StepTensors,
        training_starts: Starts | np.ndarray,
        validation_starts: np.ndarray,
        *,
        batch_size: int,
        epochs: int,
        seed: int,
        batches_per_epoch: int | None = None,
        balanced: bool = False,
        early_stopping: Patience | None = None,
        sign_flip: bool = False,
        first_choice: int = 1,
        losses: Sequence[float | None] = (),
    ) -> None:
        self.step, self.schedule, self.tensors = step, schedule, tensors
        self.seed, self.epochs, self.batch_size = seed, epochs, batch_size
        self.training_starts, self.validation_starts = training_starts, validation_starts
        self.early_stopping, self.draw_balanced, self.sign_flip = early_stopping, balanced, sign_flip
        self.losses = losses
        self.first_choice = max(first_choice, step.average.first_epoch if step.average else 1)
        self.batches = math.ceil(len(training_starts) / batch_size)
        if batches_per_epoch is not None:
            self.batches = min(self.batches, batches_per_epoch)
        self.learning_rate = float(step.optimizer.learning_rate)
        self.progress = Progress()
        self.best_weights = self._copy_weights()

    @property
    def network(self) -> AnyLearner:
        """The network that is trained."""
        return self.step.network

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer of its weights."""
        return self.step.optimizer

    @property
    def average(self) -> Average | None:
        """The average of its weights, if any."""
        return self.step.average

    @property
    def done(self) -> bool:
        """Whether no epoch is left, or patience has run out."""
        stopped = self.early_stopping is not None and self.early_stopping.is_exhausted
        return stopped or len(self.progress.history) >= self.epochs

    @property
    def course(self) -> Course:
        """The course of the training so far."""
        losses = [epoch.validation_loss for epoch in self.progress.history]
        return Course(self.progress.best_epoch, self.batches, losses)

    def fit(self, watch: Watch, stop: Callable[[], bool] = lambda: False) -> bool:
        """Train until done, then put the best weights into the network.

        Returns:
            False where `stop()` asked to pause between two batches; `save_state()` is then exact.

        Raises:
            Diverged: a loss that is NaN or infinite.
        """
        while not self.done:
            if not self._run_epoch(watch, stop):
                return False
            watch.report_epoch(self.progress.history[-1])
        for variable, value in zip(self.network.trainable_variables, self.best_weights, strict=True):
            variable.assign(value)
        return True

    def _run_epoch(self, watch: Watch, stop: Callable[[], bool]) -> bool:
        progress, epoch = self.progress, len(self.progress.history) + 1
        # seeded by the epoch, so that a resumed training draws the same order
        order = self._order(np.random.default_rng([self.seed, epoch]))
        started = time.monotonic() - progress.seconds
        while progress.batch < self.batches:
            is_stopping = stop()
            # All processes of a training stop before the same batch.
            if is_stopping if self.step.exchange is None else self.step.exchange.is_any(is_stopping):
                return False
            starts = order[progress.batch * self.batch_size :][: self.batch_size]
            passed = epoch - 1 + (progress.batch + 1) / self.batches  # epochs, for schedules
            rate = self.learning_rate * self.schedule.compute_share(passed)
            self.optimizer.learning_rate.assign(rate)
            number = (epoch - 1) * self.batches + progress.batch + 1
            signs = self._draw_signs(len(starts), number) if self.sign_flip else tf.ones((len(starts), 1))
            loss = self.step.train(self.tensors, starts, signs, passed)
            progress.batch += 1
            progress.windows += len(starts)
            progress.loss_sum += loss * len(starts)
            self._check_finite(loss, "loss", f"epoch {epoch}, batch {progress.batch} of {self.batches}")
            progress.seconds = time.monotonic() - started
            watch.report_batch(epoch, progress.batch, self.batches, progress.loss_sum / progress.windows)
        self._end_epoch(epoch, rate, started)
        return True

    def _order(self, generator: np.random.Generator) -> np.ndarray:
        """Order the windows of an epoch: all, as many as its batches hold, or an equal share of each series."""
        total = len(self.training_starts)
        count = min(self.batches * self.batch_size, total)
        if self.draw_balanced and isinstance(self.training_starts, Starts):
            numbers = self.training_starts.draw_balanced(generator, count)
        elif count < total:
            numbers = generator.choice(total, count, replace=False)
        else:
            numbers = generator.permutation(total)
        return self.training_starts[numbers]

    def _end_epoch(self, epoch: int, rate: float, started: float) -> None:
        progress = self.progress
        loss = progress.loss_sum / progress.windows
        if self.average is not None:
            self.average.observe_epoch(epoch)
        with self._use_average(epoch):
            validation = self._average_validation_loss(epoch) if len(self.validation_starts) else None
            self._choose(epoch, validation)
        progress.history.append(Epoch(epoch, loss, validation, rate, time.monotonic() - started))
        progress.batch, progress.windows, progress.loss_sum, progress.seconds = 0, 0, 0.0, 0.0
        observed = self.losses[epoch - 1] if self.losses else validation
        if observed is not None:
            self.schedule.observe(observed)

    def _use_average(self, epoch: int) -> contextlib.AbstractContextManager[None]:
        """Put the average into the network, if there is one by the end of this epoch."""
        if self.average is None or epoch < self.average.first_epoch:
            return contextlib.nullcontext()
        return self.average.replace_weights()

    def _choose(self, epoch: int, validation: float | None) -> None:
        """Keep the network's weights if they are the best so far, or the newest where there is no validation."""
        progress = self.progress
        if epoch < self.first_choice:
            return
        if validation is None:
            progress.best_epoch, self.best_weights = epoch, self._copy_weights()
            return
        if validation < progress.best_loss:
            progress.best_epoch, progress.best_loss, self.best_weights = epoch, validation, self._copy_weights()
        if self.early_stopping is not None:
            self.early_stopping.observe(validation)

    def _draw_signs(self, count: int, batch: int) -> tf.Tensor:
        """Draw -1 or 1 for each window of a batch, (count, 1), from the seed and the number of the batch only."""
        # stateless: the draws of a resumed training are the same
        drawn = tf.random.stateless_uniform((count, 1), [self.seed, batch])
        return tf.where(drawn < 0.5, -1.0, 1.0)

    def _average_validation_loss(self, epoch: int) -> float:
        total, exchange, own = 0.0, self.step.exchange, self.validation_starts
        if exchange is not None:
            own = own[exchange.place :: exchange.count]
        for first in range(0, len(own), _VALIDATION_BATCH):
            starts = own[first : first + _VALIDATION_BATCH]
            total += self.step.validate(self.tensors, starts) * len(starts)
        total = total if exchange is None else exchange.sum(total)
        loss = total / len(self.validation_starts)
        self._check_finite(loss, "validation loss", f"epoch {epoch}")
        return loss

    def _check_finite(self, loss: float, what: str, where: str) -> None:
        if not abs(loss) < _DIVERGED:
            clipped = self.optimizer.global_clipnorm or self.optimizer.clipvalue
            detail: dict[str, Any] = {"member": "", "what": what, "value": str(loss), "place": where}
            detail |= {"rate": float(self.learning_rate), "unclipped": not clipped}
            raise Diverged(Problem("diverged", detail=detail))

    def _copy_weights(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.network.trainable_variables]

    @property
    def _variables(self) -> list[tuple[str, Sequence[tf.Variable]]]:
        """The variables that training changes, by what they belong to."""
        average = self.average.variables if self.average is not None else []
        return [("network", self.network.variables), ("optimizer", self.optimizer.variables), ("average", average)]

    def save_state(self) -> bytes:
        """Save everything that the rest of training depends on, as an .npz without pickles."""
        record = {
            "progress": asdict(self.progress),
            "schedule": self.schedule.get_state(),
            "early_stopping": self.early_stopping.get_state() if self.early_stopping else None,
        }
        arrays = {f"{name}_{i}": v.numpy() for name, variables in self._variables for i, v in enumerate(variables)}
        arrays |= {f"best_{i}": weights for i, weights in enumerate(self.best_weights)}
        file = io.BytesIO()
        np.savez(file, record=np.frombuffer(json.dumps(record).encode(), np.uint8), **arrays)
        return file.getvalue()

    def restore(self, state: bytes) -> None:
        """Restore the `save_state()` of a trainer with the same arguments.

        Raises:
            ValueError, KeyError: the state is of another trainer, or compressed, which `state` never is.
        """
        with zipfile.ZipFile(io.BytesIO(state)) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("compressed")
        arrays = np.load(io.BytesIO(state), allow_pickle=False)
        record = json.loads(arrays["record"].tobytes())
        self._assign(arrays)
        self.best_weights = [arrays[f"best_{index}"] for index in range(len(self.best_weights))]
        progress = record["progress"]
        self.progress = Progress(**progress | {"history": [Epoch(**row) for row in progress["history"]]})
        self.schedule.restore(record["schedule"])
        if self.early_stopping is not None:
            self.early_stopping.restore(record["early_stopping"])

    def begin_from(self, state: bytes) -> None:
        """Start from the network and the optimizer in the `save_state()` of another trainer with the same arguments."""
        self._assign(np.load(io.BytesIO(state), allow_pickle=False))
        self.best_weights = self._copy_weights()

    def _assign(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, variables in self._variables:
            for index, variable in enumerate(variables):
                variable.assign(arrays[f"{name}_{index}"])
