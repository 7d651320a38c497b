"""The trials of `forecast tune`: each trained on the training part, all compared on the validation part."""

import contextlib
import csv
import dataclasses
import gc
import hashlib
import io
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from forecaster.config import Config, is_config
from forecaster.errors import ConfigError, DataError, Diverged, ForecasterError, Interrupted, UsageError
from forecaster.evaluation.validation_score import PATHS_TO_COMPARE, ValidationScore, build_validation_score
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.runs import convert_write_errors, write_atomically
from forecaster.training.build import prepare_trainer
from forecaster.training.progress import TrainingProgress
from forecaster.training.trainer import Epoch
from forecaster.tuning.plan import TunePlan, format_tuned_yaml
from forecaster.tuning.plots import plot_trials
from forecaster.tuning.search import DIVERGED, IMPOSSIBLE, STOPPED, Search, Trial, TrialResult
from forecaster.tuning.tables import format_importances, format_outcomes, format_trial_line, format_trial_table
from forecaster.tuning.tensorflow_network import TensorFlowNetwork

log = logging.getLogger("forecaster")


class _StoppedEarly(Exception):
    """A trial is behind the others."""


def search_config(
    plan: TunePlan, folder: Path, output: Path, total: int, seconds: float | None, received: Sequence[int]
) -> None:
    """Search until there are `total` trials or the time is over, and write the best config and what was tried.

    Args:
        folder: of the search; nothing else is written but `output`.
        received: the signals that have come so far (`signals.collect_signals`).

    Raises:
        UsageError: `output` is there, and this search has not written it; or no trial ended.
        Diverged: no trial ended, and some diverged.
        Interrupted: a signal came; what was found so far is written.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    with contextlib.closing(Search(folder, plan.identity, plan.space, plan.own)) as search:
        _check_output(output, search)
        measure = tune(plan, search, total, lambda: bool(received) or time.monotonic() > deadline)
        _write(plan, search, measure, folder, output)
        rows = search.rows()
    if received:
        raise Interrupted(f"interrupted, {format_outcomes(rows)}; go on with the same command", received[0])
    if all(row.error is None for row in rows):
        kind = Diverged if any(row.state == DIVERGED for row in rows) else UsageError
        raise kind(f"no trial came to an error, so that there is no best config; {format_outcomes(rows)}")


def _check_output(output: Path, search: Search) -> None:
    """Refuse before hours of training what could not be written after them."""
    if not is_config(output):
        raise UsageError(f"--output {output}: a config's name ends in .yaml")
    with convert_write_errors(output):
        output.parent.stat()
    if output.exists() and not search.has_written(_sha256(output.read_bytes())):
        raise UsageError(f"{output} exists: it is left as it is; move it, or name another with --output")


def _write(plan: TunePlan, search: Search, measure: ValidationScore, folder: Path, output: Path) -> None:
    """The best config, and the trials as table and picture."""
    rows = search.rows()
    write_atomically(folder / "trials.csv", _trials_csv(rows, plan.space))
    ended = [row for row in rows if row.error is not None]
    if not ended:
        return
    best = min(ended, key=lambda row: row.error or 0.0)
    text = format_tuned_yaml(_config(plan, best), output.parent, f"forecast train {output}").encode()
    search.register_output(_sha256(text))
    write_atomically(output, text)
    own = next((row.number for row in ended if row.values == plan.own), None)
    name, error = min(measure.baselines.items(), key=lambda item: item[1])
    title = f"{folder.resolve().parent.name}: {len(rows)} trials, best {best.error:.4g} in trial {best.number}"
    picture = plot_trials({row.number: row.error for row in rows}, (name.replace("_", " "), error), own, title)
    write_atomically(folder / "trials.png", picture)
    log.info("%s", format_trial_table(rows, plan.own, measure.baselines))
    if weights := search.weights():
        log.info("%s", format_importances(weights))
    log.info("%s: written; train it with: forecast train %s", output, output)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _config(plan: TunePlan, best: TrialResult) -> Config:
    with _hushed():
        return plan.trial(best.values).config


def _trials_csv(rows: Sequence[TrialResult], keys: Iterable[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "error", "seconds", "epochs", *keys, "reason"])
    for row in rows:
        error = "" if row.error is None else row.error
        values = [json.dumps(row.values.get(key)) for key in keys]
        writer.writerow([row.number, row.state, error, round(row.seconds, 1), row.epochs, *values, row.reason])
    return text.getvalue().encode()


def tune(plan: TunePlan, search: Search, total: int, stop: Callable[[], bool]) -> ValidationScore:
    """Make trials until there are `total`, none is left untried, or `stop()`; a trial that it breaks off is put back.

    Returns:
        What the trials were compared by.
    """
    tf.get_logger().setLevel(logging.ERROR)  # it takes a network for each trial for a mistake
    measure = build_validation_score(plan.base)
    while not stop() and (drawn := search.draw(total)) is not None:
        try:
            _make(plan, search, drawn, measure, stop)
        except BaseException:
            search.requeue(drawn)
            raise
        finally:
            keras.backend.clear_session()
            gc.collect()
        rows = search.rows()
        if not stop():
            row = next(row for row in rows if row.number == drawn.number)
            log.info("%s", format_trial_line(row, rows, total))
    return measure


def _make(plan: TunePlan, search: Search, drawn: Trial, measure: ValidationScore, stop: Callable[[], bool]) -> None:
    """One trial, from its values to its error or the reason why it has none."""
    try:
        with _hushed():
            trial = plan.trial(drawn.values)
    except (ConfigError, DataError) as problem:
        search.drop(drawn, IMPOSSIBLE, _reason(problem))
        return
    watch = _Watch(drawn, trial, measure)
    try:
        error = watch.error_after_training(stop)
    except _StoppedEarly:
        search.drop(drawn, STOPPED, epochs=watch.epochs)
    except Diverged:
        search.drop(drawn, DIVERGED, epochs=watch.epochs)
    except DataError as problem:
        search.drop(drawn, IMPOSSIBLE, _reason(problem))
    except tf.errors.ResourceExhaustedError:
        search.drop(drawn, IMPOSSIBLE, "it does not fit into memory")
    else:
        if error is None:
            search.requeue(drawn)
        else:
            search.finish(drawn, error, watch.epochs)


def _reason(error: ForecasterError) -> str:
    """Render the first problem, without the value that a trial set, which the table of trials has."""
    problem = error.problems[0]
    return str(dataclasses.replace(problem, where="") if problem.where.startswith("--set ") else problem)


class _Watch:
    """Trains one trial, and stops it where it falls behind the others."""

    def __init__(self, drawn: Trial, plan: Plan, measure: ValidationScore) -> None:
        self._drawn, self._plan, self._measure = drawn, plan, measure
        self._bar = TrainingProgress(plan.config.training.epochs)
        self.epochs = 0

    def error_after_training(self, stop: Callable[[], bool]) -> float | None:
        """The error of the best epoch's weights; None where `stop()` broke it off.

        Raises:
            _StoppedEarly: it is behind.
            Diverged: a loss or a forecast became NaN or infinite.
            DataError: no window is left of a part.
        """
        with _hushed():
            trainer = prepare_trainer(self._plan)
        live = TensorFlowNetwork(trainer.network, self._plan.config.window.length)
        options = self._plan.config.forecast
        few = options.model_copy(update={"samples": min(options.samples, PATHS_TO_COMPARE)})
        config = self._plan.config.model_copy(update={"forecast": few})
        self._predictor = Predictor.from_network(live, config, self._plan.preprocessing)
        with self._bar:
            if not trainer.fit(self, stop):
                return None
        return self._error()

    def _error(self) -> float:
        return self._measure.score(self._plan, self._predictor)

    def batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Move the bar."""
        self._bar.batch(epoch, batch, batches, loss)

    def epoch(self, epoch: Epoch) -> None:
        """Lay the yardstick on, which all trials share; the validation loss is in units of its own for each of them.

        Where paths have to be drawn that takes too long.
        """
        self.epochs = epoch.epoch
        self._bar.epoch(epoch.validation_loss)
        if self._predictor.rollout.paths == 1 and self._drawn.should_stop(epoch.epoch, self._error()):
            raise _StoppedEarly


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep what a training says of its data to the first that says it."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
