"""What a training shows of its progress: no loss before there is one, and its cost before it is spent."""

import io
import logging
from types import SimpleNamespace

import pytest
from rich.console import Console

from forecaster.training import progress
from forecaster.training.progress import ProgressLogger, TrainingProgress, describe_cost


def render(bar: TrainingProgress) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(bar._bar.get_renderable())
    return console.file.getvalue()


def test_no_loss_is_shown_before_the_first_batch(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = TrainingProgress(3)
    assert "loss" not in render(bar)
    bar.report_batch(1, 1, 10, 0.25)
    assert "loss 0.25" in render(bar)


@pytest.mark.parametrize(
    ("seconds", "epochs", "cost"),
    [
        (1.0, 60, ""),
        (65.0, 60, "an epoch takes about 1 minute 5 seconds, 60 epochs 1 hour 5 minutes; "),
        (400.0, 1, "an epoch takes about 6 minutes 40 seconds, 1 epoch 6 minutes 40 seconds; "),
    ],
)
def test_a_long_training_is_described_by_its_time(seconds, epochs, cost):
    end = "training.batches_per_epoch and training.epochs shorten it" if cost else ""
    assert describe_cost(seconds, epochs) == cost + end


def test_the_cost_is_logged_once_from_the_first_batches(monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("forecaster"), "propagate", True)
    clock = iter(range(0, 1000, 9))  # seconds
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    logger = ProgressLogger(TrainingProgress(2), "member 1 of 4: ")
    with caplog.at_level(logging.INFO, "forecaster"):
        for batch in range(1, 31):
            logger.report_batch(1, batch, 100, 0.5)
    (message,) = caplog.messages
    # 9 seconds for 9 batches
    assert message.startswith("member 1 of 4: an epoch takes about 1 minute 40 seconds, 2 epochs 3 minutes 20 seconds;")
