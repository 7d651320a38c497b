"""The trials of a search, sampled and stored in SQLite by Optuna, and resumed after a crash."""

import contextlib
import datetime
import hashlib
import itertools
import json
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from optuna.trial import Trial as OptunaTrial
from sqlalchemy.exc import SQLAlchemyError

from forecaster.atomic_files import convert_write_errors
from forecaster.config import Choices, Range, Space
from forecaster.errors import InputOutputFailed, RunError
from forecaster.problems import Problem
from forecaster.runs import find_differences

log = logging.getLogger("forecaster")

DONE, STOPPED, IMPOSSIBLE, DIVERGED, RUNNING = "done", "stopped early", "impossible", "diverged", "running"
_MAX_ENUMERATED = 10_000  # combinations: a larger space is never exhausted
_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
_LOCK_TIMEOUT = 60.0  # seconds to wait for another process that writes
_MIN_TRIALS = 5  # complete trials before one is stopped early
_MIN_FOR_IMPORTANCES = 20  # different errors before importances are computed


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        number: counted from 0.
        state: done | stopped early | impossible | diverged | running.
        error: after the whole training, None if it did not complete.
        values: by key of the space.
        reason: why it is impossible or diverged.
    """

    number: int
    state: str
    error: float | None
    seconds: float
    epochs: int
    values: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class Trial:
    """A trial to train."""

    optuna_trial: OptunaTrial
    values: Mapping[str, Any]

    @property
    def number(self) -> int:
        """Number of the trial, from 0."""
        return self.optuna_trial.number

    def should_stop(self, epoch: int, error: float) -> bool:
        """Report the error after an epoch; return whether it is above the others' median (Golovin et al. 2017)."""
        self.optuna_trial.report(error, epoch)
        return self.optuna_trial.should_prune()


class Search:
    """A search in the folder `tune` of a run, which several processes may share.

    A trial's values depend on the seed, its number and the earlier trials, so that a search that was killed resumes as
    it would have continued.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], space: Space, own_values: Mapping[str, Any]) -> None:
        """Open the search of an identity, or create it.

        Args:
            identity: what all trials share; another identity is another search.
            space: the values to try.
            own_values: the config's values, the first trial if they are in the space.

        Raises:
            CannotCreate, InputOutputFailed: the folder or the file cannot be written.
            RunError: the file is damaged.
        """
        self.folder, self.space, self._own_values = folder, space, own_values
        self._seed = int(identity["config"]["training"]["seed"])
        self.name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
        with convert_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / ".lock", timeout=_LOCK_TIMEOUT)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        with self._hold_lock():
            self._study = self._open_study(identity)
            self._worker, self._alive = self._claim_worker_number()
            self._requeue_abandoned()

    def _open_study(self, identity: Mapping[str, Any]) -> optuna.Study:
        self._storage = storage = optuna.storages.RDBStorage(
            f"sqlite:///{(self.folder / 'study.db').resolve()}",
            engine_kwargs={"connect_args": {"timeout": _LOCK_TIMEOUT}},
        )
        known = {study.study_name: study for study in optuna.get_all_study_summaries(storage)}
        epochs = int(identity["config"]["training"]["epochs"])
        pruner = optuna.pruners.MedianPruner(_MIN_TRIALS, n_warmup_steps=max(2, epochs // 5), n_min_trials=_MIN_TRIALS)
        study = optuna.create_study(storage=storage, study_name=self.name, pruner=pruner, load_if_exists=True)
        if self.name in known:
            log.info("resuming search %s after %d trials", self.name, self._count_trials(study))
        else:
            study.set_user_attr("identity", dict(identity))
            if known:
                last = max(known.values(), key=lambda summary: summary.datetime_start or datetime.datetime.min)
                changed = ", ".join(find_differences(last.user_attrs.get("identity"), identity)) or "nothing"
                log.info(
                    "new search %s: settings or data differ from the last search in this folder: %s",
                    self.name,
                    changed,
                )
            if all(self._own_values[key] in space for key, space in self.space.items()):
                study.enqueue_trial(  # choices are stored as JSON, since they may be lists
                    {
                        key: json.dumps(value) if isinstance(self.space[key], Choices) else value
                        for key, value in self._own_values.items()
                    }
                )
        return study

    def _claim_worker_number(self) -> tuple[int, filelock.BaseFileLock]:
        """Claim a number that no running process has, with a lock held while this one runs."""
        for number in itertools.count():
            lock = filelock.FileLock(self.folder / f".worker-{number}", timeout=0)
            with contextlib.suppress(filelock.Timeout):
                lock.acquire()
                return number, lock
        raise AssertionError

    def _requeue_abandoned(self) -> None:
        """Requeue the trials of processes that are gone."""
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get("worker")
            if worker in {None, self._worker} or self._is_dead(worker):
                self._enqueue_again(trial, trial.user_attrs.get("died", 0) + 1)

    def _is_dead(self, worker: int) -> bool:
        lock = filelock.FileLock(self.folder / f".worker-{worker}", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            return False
        lock.release()
        return True

    def close(self) -> None:
        """Release the folder and the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()
        with self._hold_lock(), contextlib.suppress(OSError):  # under the lock nobody claims the number in between
            (self.folder / f".worker-{self._worker}").unlink(missing_ok=True)
            self._alive.release()

    def start_trial(self, total: int) -> Trial | None:
        """Start the next trial; return None if `total` are done or running, or nothing is untried."""
        while True:
            with self._hold_lock():
                if self._count_trials(self._study) >= total or not self._has_untried(total):
                    return None
                trial = self._sample_trial()
                if not self._is_repeated(trial.optuna_trial):
                    return trial
                self._study.tell(trial.optuna_trial, state=TrialState.FAIL)
                if untried := self._list_untried():
                    self._study.enqueue_trial(untried[0])

    def _sample_trial(self) -> Trial:
        """Ask Optuna for a trial, with a seed given by the number of earlier ones."""
        lasting = [trial for trial in self._list_trials() if trial.state is not TrialState.FAIL]
        seed = self._seed + 1000 * len(lasting)
        self._study.sampler = optuna.samplers.TPESampler(seed=seed)
        optuna_trial = self._study.ask()
        optuna_trial.set_user_attr("worker", self._worker)
        return Trial(optuna_trial, {key: _suggest(optuna_trial, key, space) for key, space in self.space.items()})

    def _has_untried(self, total: int) -> bool:
        """Return whether anything is untried; a space of at most `total` combinations is tried in random order."""
        if _list_combinations(self.space) is None or any(
            trial.state is TrialState.WAITING for trial in self._list_trials()
        ):
            return True
        untried = self._list_untried()
        if not untried:
            log.info("all %d combinations have been tried", len(_list_combinations(self.space) or ()))
        elif len(_list_combinations(self.space) or ()) <= total:
            self._study.enqueue_trial(untried[0])
        return bool(untried)

    def _list_untried(self) -> list[dict[str, Any]]:
        """List the untried combinations of a small space, in an order given by the seed."""
        combinations = _list_combinations(self.space) or []
        tried = {self._serialize_values(trial.params) for trial in self._list_trials() if trial.state in _COUNTED}
        order = np.random.default_rng(self._seed).permutation(len(combinations))
        return [combinations[place] for place in order if self._serialize_values(combinations[place]) not in tried]

    def _is_repeated(self, trial: OptunaTrial) -> bool:
        """Return whether a trial of a small space repeats another."""
        if _list_combinations(self.space) is None:
            return False
        others = (other for other in self._list_trials() if other.state in _COUNTED and other.number != trial.number)
        return any(self._serialize_values(other.params) == self._serialize_values(trial.params) for other in others)

    def _serialize_values(self, stored: Mapping[str, Any]) -> str:
        """Serialize the values of a trial, to compare them."""
        return json.dumps(
            {key: _to_config_value(each, stored[key]) for key, each in self.space.items() if key in stored}
        )

    def finish(self, trial: Trial, error: float, epochs: int) -> None:
        """Store the error of a complete trial."""
        with _convert_errors():
            trial.optuna_trial.set_user_attr("epochs", epochs)
            self._study.tell(trial.optuna_trial, error)

    def drop(self, trial: Trial, kind: str, reason: str = "", epochs: int = 0) -> None:
        """Store that a trial was stopped early, is impossible, or diverged."""
        with _convert_errors():
            for name, value in (("kind", kind), ("reason", reason), ("epochs", epochs)):
                trial.optuna_trial.set_user_attr(name, value)
            self._study.tell(trial.optuna_trial, state=TrialState.PRUNED)

    def requeue(self, trial: Trial) -> None:
        """Requeue a trial that was interrupted, unless it has ended."""
        with self._hold_lock():
            stored = self._list_trials()[trial.number]
            if stored.state is TrialState.RUNNING:
                self._enqueue_again(stored)

    def _enqueue_again(self, trial: FrozenTrial, died: int = 0) -> None:
        """Enqueue a trial again, unless its process has died twice with it."""
        self._study.tell(trial.number, state=TrialState.FAIL)
        if died < 2:
            self._study.enqueue_trial(trial.params, {"died": died})

    @staticmethod
    def _count_trials(study: optuna.Study) -> int:
        return len(study.get_trials(deepcopy=False, states=_COUNTED))

    def _list_trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def list_results(self) -> list[TrialResult]:
        """List the results of all trials in order, without interrupted ones."""
        with _convert_errors():
            return [_to_result(trial, self.space) for trial in self._list_trials() if trial.state in _COUNTED]

    def compute_importances(self) -> dict[str, float]:
        """Compute the importance of each key, largest first (PED-ANOVA, Watanabe et al. 2023)."""
        with _convert_errors():
            errors = {trial.value for trial in self._list_trials() if trial.state is TrialState.COMPLETE}
            if len(errors) < _MIN_FOR_IMPORTANCES or len(self.space) < 2:
                return {}
            return optuna.importance.get_param_importances(self._study)

    def has_written(self, digest: str) -> bool:
        """Return whether this search wrote a config with that SHA-256, or was about to."""
        with _convert_errors():
            return digest in self._study.user_attrs.get("written", ())

    def register_output(self, digest: str) -> None:
        """Register a config before it is written, so that a better one may replace it."""
        with _convert_errors():
            self._study.set_user_attr("written", [*self._study.user_attrs.get("written", ()), digest])

    @contextlib.contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Hold the lock under which processes start trials."""
        with convert_write_errors(self.folder), self._lock, _convert_errors():
            yield


@contextlib.contextmanager
def _convert_errors() -> Iterator[None]:
    """Convert errors of SQLite into errors with a fix."""
    try:
        yield
    except SQLAlchemyError as error:
        raise RunError(Problem("damaged-study", "study.db", detail={"reason": _take_first_line(error)})) from None
    except optuna.exceptions.StorageInternalError as error:
        detail = {"reason": _take_first_line(error.__cause__ or error)}
        raise InputOutputFailed(Problem("cannot-write", "study.db", detail=detail)) from None


def _take_first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _suggest(trial: OptunaTrial, key: str, space: Choices | Range) -> Any:
    """Let Optuna suggest a value of a key, converted to the config's."""
    if isinstance(space, Choices):
        return _to_config_value(space, trial.suggest_categorical(key, space.values))
    if space.whole:
        return trial.suggest_int(key, int(space.low), int(space.high), step=int(space.step or 1), log=space.log)
    return _to_config_value(space, trial.suggest_float(key, space.low, space.high, step=space.step, log=space.log))


def _to_config_value(space: Choices | Range, stored: Any) -> Any:
    """Convert a stored value to the config's, fractions rounded to four digits."""
    if isinstance(space, Choices):
        return json.loads(stored)
    return stored if space.whole else min(max(float(f"{stored:.4g}"), float(space.low)), float(space.high))


def _list_combinations(space: Space) -> list[dict[str, Any]] | None:
    """List all combinations as Optuna stores them; None if there are too many."""
    if math.prod(map(_count_values, space.values())) > _MAX_ENUMERATED:
        return None
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*map(_list_values, space.values()))]


def _count_values(space: Choices | Range) -> float:
    """Count the values."""
    if isinstance(space, Choices):
        return len(space.values)
    step = space.step or (1 if space.whole else 0)
    return round((space.high - space.low) / step) + 1 if step else math.inf


def _list_values(space: Choices | Range) -> list[Any]:
    """List all values of a finite space."""
    if isinstance(space, Choices):
        return list(space.values)
    return [space.low + number * (space.step or 1) for number in range(int(_count_values(space)))]


def _to_result(trial: FrozenTrial, space: Space) -> TrialResult:
    state = {TrialState.COMPLETE: DONE, TrialState.RUNNING: RUNNING}.get(trial.state, STOPPED)
    attributes, seconds = trial.user_attrs, trial.duration.total_seconds() if trial.duration else 0.0
    values = {key: _to_config_value(each, trial.params[key]) for key, each in space.items() if key in trial.params}
    error = trial.value if state == DONE else None  # Optuna gives stopped trials their last reported error
    return TrialResult(
        trial.number,
        attributes.get("kind", state),
        error,
        seconds,
        attributes.get("epochs", 0),
        values,
        attributes.get("reason", ""),
    )
