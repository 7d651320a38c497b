"""The trials of a search, trained on the training part and compared on the validation part."""

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

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.config import is_config
from forecaster.config.reader import MAX_BYTES
from forecaster.errors import ConfigError, DataError, Diverged, ForecasterError, Interrupted, UsageError
from forecaster.evaluation.validation_score import PATHS_TO_COMPARE, ValidationScore, build_validation_score
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.problems import Problem
from forecaster.regular_files import read_regular_file
from forecaster.reporting.figures import render_figure
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
    """A trial is worse than the others."""


def search_config(
    plan: TunePlan, folder: Path, output: Path, total: int, seconds: float | None, received: Sequence[int]
) -> None:
    """Search until there are `total` trials or the time is over; write the best config and all trials.

    Args:
        folder: of the search; other than that, only `output` is written.
        received: signals received so far.

    Raises:
        UsageError: `output` exists and is not of this search; or no trial completed.
        Diverged: no trial completed, and some diverged.
        Interrupted: a signal was received; the results so far are written.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    with contextlib.closing(Search(folder, plan.identity, plan.space, plan.own_values)) as search:
        _check_output(output, search)
        scoring = tune(plan, search, total, lambda: bool(received) or time.monotonic() > deadline)
        _write_results(plan, search, scoring, folder, output)
        rows = search.list_results()
    if received:
        raise Interrupted(Problem("interrupted-search", detail={"outcomes": format_outcomes(rows)}), received[0])
    if all(row.error is None for row in rows):
        kind = Diverged if any(row.state == DIVERGED for row in rows) else UsageError
        raise kind(Problem("no-finished-trial", detail={"outcomes": format_outcomes(rows)}))


def _check_output(output: Path, search: Search) -> None:
    """Check before hours of training that the config can be written after them."""
    if not is_config(output):
        raise UsageError(Problem("not-a-yaml-name", f"--output {output}"))
    with convert_write_errors(output):
        output.parent.stat()
    if output.exists() and not search.has_written(_hash_config(output)):
        raise UsageError(Problem("output-of-other-search", str(output)))


def _write_results(plan: TunePlan, search: Search, scoring: ValidationScore, folder: Path, output: Path) -> None:
    """Write the best config, and the trials as CSV and plot."""
    rows = search.list_results()
    write_atomically(folder / "trials.csv", _format_trials_csv(rows, plan.space))
    ended = [row for row in rows if row.error is not None]
    if not ended:
        return
    best = min(ended, key=lambda row: row.error or 0.0)
    with _silence_log():
        config = plan.plan_trial(best.values).config
    text = format_tuned_yaml(config, output.parent, f"forecast train {output}").encode()
    search.register_output(_hash(text))
    write_atomically(output, text)
    own = next((row.number for row in ended if row.values == plan.own_values), None)
    name, error = min(scoring.baselines.items(), key=lambda item: item[1])
    title = f"{folder.resolve().parent.name}: {len(rows)} trials, best {best.error:.4g} in trial {best.number}"
    picture = render_figure(
        plot_trials({row.number: row.error for row in rows}, (name.replace("_", " "), error), own, title)
    )
    write_atomically(folder / "trials.png", picture)
    log.info("%s", format_trial_table(rows, plan.own_values, scoring.baselines))
    if importances := search.compute_importances():
        log.info("%s", format_importances(importances))
    log.info("%s: written; train it with: forecast train %s", output, output)


def _hash_config(path: Path) -> str:
    """Hash a config; empty where it is none by its size or kind."""
    try:
        return _hash(read_regular_file(path, MAX_BYTES))
    except OSError:
        return ""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _format_trials_csv(rows: Sequence[TrialResult], keys: Iterable[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "error", "seconds", "epochs", *keys, "reason"])
    for row in rows:
        error = "" if row.error is None else row.error
        values = [json.dumps(row.values.get(key)) for key in keys]
        writer.writerow([row.number, row.state, error, round(row.seconds, 1), row.epochs, *values, row.reason])
    return text.getvalue().encode()


def tune(plan: TunePlan, search: Search, total: int, stop: Callable[[], bool]) -> ValidationScore:
    """Run trials until there are `total`, nothing is untried, or `stop()`; requeue a trial that is interrupted.

    Returns:
        The scoring by which trials are compared.
    """
    tf.get_logger().setLevel(logging.ERROR)  # it warns of a new network for each trial
    scoring = build_validation_score(plan.base)
    while not stop() and (trial := search.start_trial(total)) is not None:
        try:
            _run_trial(plan, search, trial, scoring, stop)
        except BaseException:
            search.requeue(trial)
            raise
        finally:
            keras.backend.clear_session()
            gc.collect()
        rows = search.list_results()
        if not stop():
            row = next(row for row in rows if row.number == trial.number)
            log.info("%s", format_trial_line(row, rows, total))
    return scoring


def _run_trial(
    plan: TunePlan, search: Search, trial: Trial, scoring: ValidationScore, stop: Callable[[], bool]
) -> None:
    """Run one trial; store its error, or why it has none."""
    try:
        with _silence_log():
            trial_plan = plan.plan_trial(trial.values)
    except (ConfigError, DataError) as problem:
        search.drop(trial, IMPOSSIBLE, _describe_reason(problem))
        return
    run = _TrialRun(trial, trial_plan, scoring)
    try:
        error = run.train_and_score(stop)
    except _StoppedEarly:
        search.drop(trial, STOPPED, epochs=run.epochs)
    except Diverged:
        search.drop(trial, DIVERGED, epochs=run.epochs)
    except DataError as problem:
        search.drop(trial, IMPOSSIBLE, _describe_reason(problem))
    except tf.errors.ResourceExhaustedError:
        search.drop(trial, IMPOSSIBLE, "out of memory")
    else:
        if error is None:
            search.requeue(trial)
        else:
            search.finish(trial, error, run.epochs)


def _describe_reason(error: ForecasterError) -> str:
    """Render the first problem, without the value that a trial set, which the table of trials has."""
    problem = error.problems[0]
    return str(dataclasses.replace(problem, where="") if problem.where.startswith("--set ") else problem)


class _TrialRun:
    """Trains one trial, and stops it when it is worse than the others."""

    def __init__(self, trial: Trial, plan: Plan, scoring: ValidationScore) -> None:
        self._trial, self._plan, self._scoring = trial, plan, scoring
        self._bar = TrainingProgress(plan.config.training.epochs)
        self.epochs = 0

    def train_and_score(self, stop: Callable[[], bool]) -> float | None:
        """Train, and score the best epoch's weights; None if `stop()` interrupted it.

        Raises:
            _StoppedEarly: it is worse than the others.
            Diverged: a loss or a forecast became NaN or infinite.
            DataError: a part has no usable window.
        """
        with _silence_log():
            trainer = prepare_trainer(self._plan)
        live = TensorFlowNetwork(trainer.network, self._plan.config.window.length)
        options = self._plan.config.forecast
        few = options.model_copy(update={"samples": min(options.samples, PATHS_TO_COMPARE)})
        config = self._plan.config.model_copy(update={"forecast": few})
        self._predictor = Predictor.from_network(live, config, self._plan.preprocessing)
        with self._bar:
            if not trainer.fit(self, stop):
                return None
        return self._compute_error()

    def _compute_error(self) -> float:
        return self._scoring.score(self._plan, self._predictor)

    def report_batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Advance the progress bar."""
        self._bar.report_batch(epoch, batch, batches, loss)

    def report_epoch(self, epoch: Epoch) -> None:
        """Score the weights, and stop the trial if it is worse than the others.

        The score is the error that all trials share; the unit of the validation loss depends on the trial. Forecasts
        that need sample paths take too long to score after every epoch.
        """
        self.epochs = epoch.epoch
        self._bar.report_epoch(epoch.validation_loss)
        if self._predictor.rollout.paths == 1 and self._trial.should_stop(epoch.epoch, self._compute_error()):
            raise _StoppedEarly


@contextlib.contextmanager
def _silence_log() -> Iterator[None]:
    """Silence notices on the data, which the first plan has logged."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
