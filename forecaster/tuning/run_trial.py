"""One trial of a search: its network, trained on the training part and scored on the validation part."""

import dataclasses
import gc
import logging
from collections.abc import Callable

import keras
import tensorflow as tf

from forecaster.errors import ConfigError, DataError, Diverged, ForecasterError
from forecaster.evaluation.validation_score import PATHS_TO_COMPARE, ValidationScore
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.training.build import prepare_trainer
from forecaster.training.progress import TrainingProgress
from forecaster.training.trainer import Epoch
from forecaster.tuning.plan import TunePlan, silence_log
from forecaster.tuning.tensorflow_network import TensorFlowNetwork
from forecaster.tuning.trials import DIVERGED, DONE, IMPOSSIBLE, STOPPED, Trial, TrialOutcome


class _StoppedEarly(Exception):
    """A trial is worse than the others."""


def run_trial(plan: TunePlan, scoring: ValidationScore, trial: Trial, stop: Callable[[], bool]) -> TrialOutcome:
    """Train a trial, and score it.

    Args:
        plan: of the search.
        scoring: by which trials are compared.
        trial: to train.
        stop: asks to stop between two batches.
    """
    tf.get_logger().setLevel(logging.ERROR)  # it warns of a new network for each trial
    try:
        with silence_log():
            trial_plan = plan.plan_trial(trial.values)
    except (ConfigError, DataError) as problem:
        return TrialOutcome(IMPOSSIBLE, reason=_describe_reason(problem))
    run = _TrialRun(trial, trial_plan, scoring)
    try:
        error = run.train_and_score(stop)
    except _StoppedEarly:
        return run.end(STOPPED)
    except Diverged:
        return run.end(DIVERGED)
    except DataError as problem:
        return TrialOutcome(IMPOSSIBLE, reason=_describe_reason(problem))
    except tf.errors.ResourceExhaustedError:
        return TrialOutcome(IMPOSSIBLE, reason="out of memory")
    finally:
        keras.backend.clear_session()
        gc.collect()
    return TrialOutcome(None) if error is None else run.end(DONE, error)


def _describe_reason(error: ForecasterError) -> str:
    """Render the first problem, without the value that a trial set, which the table of trials has."""
    problem = error.problems[0]
    return str(dataclasses.replace(problem, where="") if problem.where.startswith("--set ") else problem)


class _TrialRun:
    """Trains one trial, and stops it when it is worse than the others."""

    def __init__(self, trial: Trial, plan: Plan, scoring: ValidationScore) -> None:
        self._trial, self._plan, self._scoring = trial, plan, scoring
        self._bar = TrainingProgress(plan.config.training.epochs)
        self._epochs, self._errors = 0, dict[int, float]()

    def end(self, state: str, error: float | None = None) -> TrialOutcome:
        """Return how the trial ended, with what its epochs reached."""
        return TrialOutcome(state, error, self._epochs, self._errors)

    def train_and_score(self, stop: Callable[[], bool]) -> float | None:
        """Train, and score the best epoch's weights; None if `stop()` interrupted it.

        Raises:
            _StoppedEarly: it is worse than the others.
            Diverged: a loss or a forecast became NaN or infinite.
            DataError: a part has no usable window.
        """
        with silence_log():
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
        self._epochs = epoch.epoch
        self._bar.report_epoch(epoch.validation_loss)
        if self._predictor.rollout.paths == 1:
            self._errors[epoch.epoch] = self._compute_error()
            if self._trial.should_stop(self._errors):
                raise _StoppedEarly
