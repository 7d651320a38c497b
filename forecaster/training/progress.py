"""The progress of a training, on a terminal and in logs."""

import logging
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from forecaster.reporting.tables import format_table
from forecaster.training.trainer import Epoch
from forecaster.wording import count_of, name_duration

log = logging.getLogger("forecaster")


_TIMED_BATCHES = 10
_LONG = 120.0  # seconds from which the time of a training is reported before it is spent


def describe_cost(seconds: float, epochs: int) -> str:
    """Describe how long a training may take, and which keys shorten it; empty where it is short.

    Args:
        seconds: of one epoch.
        epochs: at most.
    """
    if seconds * epochs < _LONG:
        return ""
    one, every = (name_duration(timedelta(seconds=max(1, round(each)))) for each in (seconds, seconds * epochs))
    return (
        f"an epoch takes about {one}, {count_of(epochs, 'epoch')} {every}; training.batches_per_epoch and "
        "training.epochs shorten it"
    )


def format_parameter_table(rows: Sequence[Any]) -> str:
    """Format a table of the layers with their parameters by kind (`models.summary.LayerCount`)."""
    head = ("layer", "units", "input weights", "recurrent weights", "biases", "total")
    body = [(row.layer, row.units, row.input_weights, row.recurrent_weights, row.biases, row.total) for row in rows]
    total = ("total", "", *(sum(int(row[column]) for row in body) for column in range(2, 6)))
    return format_table([head, *body, total])


class TrainingProgress:
    """A progress bar over all batches, with a label; shown on a terminal only."""

    def __init__(self, epochs: int, label: str = "") -> None:
        self.epochs = epochs
        self.visible = sys.stderr.isatty()
        self._bar = Progress(
            TextColumn(f"{label}epoch {{task.fields[epoch]}}/{{task.fields[epochs]}}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[loss]}{task.fields[validation]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not self.visible,
        )
        self._task = self._bar.add_task("", total=None, epoch=0, epochs=epochs, loss="", validation="")

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def report_batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Advance by a batch."""
        done = (epoch - 1) * batches + batch
        self._bar.update(self._task, completed=done, total=self.epochs * batches, epoch=epoch, loss=f"loss {loss:.4g}")

    def report_epoch(self, validation_loss: float | None) -> None:
        """Show the validation loss of the epoch that ended."""
        if validation_loss is not None:
            self._bar.update(self._task, validation=f"  validation {validation_loss:.4g}")


class ProgressLogger:
    """Advances the bar, or logs each epoch where there is no terminal."""

    def __init__(self, bar: TrainingProgress, label: str = "") -> None:
        self._bar, self._label = bar, label
        self._started: float | None = None  # after the first batch, which also builds the graph

    def report_batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Advance the bar, or log once how long the training may take, where that is long."""
        self._bar.report_batch(epoch, batch, batches, loss)
        if epoch == batch == 1:
            self._started = time.monotonic()
        if self._started is not None and (epoch - 1) * batches + batch == _TIMED_BATCHES and not self._bar.visible:
            of_an_epoch = batches * (time.monotonic() - self._started) / (_TIMED_BATCHES - 1)
            if message := describe_cost(of_an_epoch, self._bar.epochs):
                log.info("%s%s", self._label, message)

    def report_epoch(self, epoch: Epoch) -> None:
        """Show the epoch's validation loss on the bar, or log the epoch."""
        self._bar.report_epoch(epoch.validation_loss)
        if not self._bar.visible:
            validation = "" if epoch.validation_loss is None else f", validation loss {epoch.validation_loss:.5g}"
            log.info("%sepoch %d: loss %.5g%s", self._label, epoch.epoch, epoch.loss, validation)
