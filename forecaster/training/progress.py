"""The progress of a training, on a terminal and in logs."""

import logging
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from forecaster.reporting.tables import format_table
from forecaster.training.trainer import Epoch

log = logging.getLogger("forecaster")


def format_parameter_table(rows: Sequence[Any]) -> str:
    """Format a table of the layers with their parameters by kind (`models.summary.LayerCount`)."""
    head = ("layer", "units", "input weights", "recurrent weights", "biases", "total")
    body = [(row.layer, row.units, row.input_weights, row.recurrent_weights, row.biases, row.total) for row in rows]
    total = ("total", "", *(sum(int(row[column]) for row in body) for column in range(2, 6)))
    return format_table([head, *body, total])


class TrainingProgress:
    """A progress bar over all batches, with a label; shown on a terminal only."""

    def __init__(self, epochs: int, label: str = "") -> None:
        self._epochs = epochs
        self.visible = sys.stderr.isatty()
        self._bar = Progress(
            TextColumn(f"{label}epoch {{task.fields[epoch]}}/{{task.fields[epochs]}}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]:.4g}{task.fields[validation]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not self.visible,
        )
        self._task = self._bar.add_task("", total=None, epoch=0, epochs=epochs, loss=float("nan"), validation="")

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
        self._bar.update(self._task, completed=done, total=self._epochs * batches, epoch=epoch, loss=loss)

    def report_epoch(self, validation_loss: float | None) -> None:
        """Show the validation loss of the epoch that ended."""
        if validation_loss is not None:
            self._bar.update(self._task, validation=f"  validation {validation_loss:.4g}")


class ProgressLogger:
    """Advances the bar, or logs each epoch where there is no terminal."""

    def __init__(self, bar: TrainingProgress, label: str = "") -> None:
        self._bar, self._label = bar, label

    def report_batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Advance the bar."""
        self._bar.report_batch(epoch, batch, batches, loss)

    def report_epoch(self, epoch: Epoch) -> None:
        """Show the epoch's validation loss on the bar, or log the epoch."""
        self._bar.report_epoch(epoch.validation_loss)
        if not self._bar.visible:
            validation = "" if epoch.validation_loss is None else f", validation loss {epoch.validation_loss:.5g}"
            log.info("%sepoch %d: loss %.5g%s", self._label, epoch.epoch, epoch.loss, validation)
