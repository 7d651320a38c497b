"""The trials of a search, sampled and stored in SQLite by Optuna, and resumed after a crash."""

import contextlib
import datetime
import hashlib
import itertools
import json
import logging
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from optuna.trial import Trial as OptunaTrial
from sqlalchemy.exc import SQLAlchemyError

from forecaster.atomic_files import convert_write_errors
from forecaster.config import Choices, Range, Space
from forecaster.errors import InputOutputFailed, RunError
from forecaster.problems import Problem
from forecaster.runs import find_differences
from forecaster.tuning.trials import DONE, RUNNING, STOPPED, Trial, TrialOutcome

log = logging.getLogger("forecaster")

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


class Search:
    """A search in the folder `tune` of a run, which several processes may share.

    A trial's values, and the errors above which it is stopped, depend on the seed, its place in the order of trials and
    the trials before it: with several at a time those that had to end before it could start, whichever ended first.
    A search that was killed resumes as it would have continued.
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
        self._asked: dict[int, OptunaTrial] = {}  # the trials at work here, by number
        with self._hold_lock():
            self._study = self._open_study(identity)
            self._worker, self._alive = self._claim_worker_number()
            self._requeue_abandoned()

    def _open_study(self, identity: Mapping[str, Any]) -> optuna.Study:
        self._storage = storage = RDBStorage(
            f"sqlite:///{(self.folder / 'study.db').resolve()}",
            engine_kwargs={"connect_args": {"timeout": _LOCK_TIMEOUT}},
        )
        known = {study.study_name: study for study in optuna.get_all_study_summaries(storage)}
        self._first_limit = max(2, int(identity["config"]["training"]["epochs"]) // 5)  # epoch
        study = optuna.create_study(storage=storage, study_name=self.name, load_if_exists=True)
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

    def start_trial(self, total: int, concurrent: int = 1) -> Trial | None:
        """Start the next trial; return None if `total` are done or running, or nothing is untried.

        Args:
            total: of trials.
            concurrent: trials that one process runs at a time, all of which may still be at work.
        """
        while True:
            with self._hold_lock():
                if self._count_trials(self._study) >= total or not self._has_untried(total):
                    return None
                trial = self._take_or_draw(concurrent)
                if not self._is_repeated(trial):
                    return trial
                self._study.tell(self._asked.pop(trial.number), state=TrialState.FAIL)
                if untried := self._list_untried():
                    self._study.enqueue_trial(untried[0])

    def must_wait(self, concurrent: int, running: Iterable[Trial]) -> bool:
        """Whether one of these trials, which are at work, has to end before the next one starts."""
        with self._hold_lock():
            place = self._find_next_place()
        return any(trial.place <= place - concurrent for trial in running)

    def _take_or_draw(self, concurrent: int) -> Trial:
        """Take the next trial that waits, or draw one from what was seen before its place."""
        place, places = self._find_next_place(), self._list_places()
        seen = [trial for trial in self._list_trials() if places.get(trial.number, place) <= place - concurrent]
        if not any(trial.state is TrialState.WAITING for trial in self._list_trials()):
            self._study.enqueue_trial(self._draw_values(seen, self._seed + 1000 * place))
        asked = self._study.ask()
        asked.set_user_attr("worker", self._worker)
        asked.set_user_attr("place", place)
        values = {key: _suggest(asked, key, space) for key, space in self.space.items()}
        self._asked[asked.number] = asked
        return Trial(asked.number, values, place, self._compute_limits(seen))

    def _find_next_place(self) -> int:
        """Find the place of the trial that starts next: that of the first one that waits, or a new one."""
        places = self._list_places()
        waiting = [trial.number for trial in self._list_trials() if trial.state is TrialState.WAITING]
        return places[waiting[0]] if waiting else max(places.values(), default=-1) + 1

    def _list_places(self) -> dict[int, int]:
        """List the place of each trial by its number; one that failed has none, since it is run again as another."""
        places: dict[int, int] = {}
        for trial in self._list_trials():
            if trial.state is not TrialState.FAIL:
                following = max(places.values(), default=-1) + 1  # of trials that were stored without a place
                places[trial.number] = trial.user_attrs.get("place", following)
        return places

    def _draw_values(self, seen: Sequence[FrozenTrial], seed: int) -> dict[str, Any]:
        """Draw values by TPE (Bergstra et al. 2011) from the trials that were seen, as they are stored."""
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        study.add_trials([trial for trial in seen if trial.state in {TrialState.COMPLETE, TrialState.PRUNED}])
        drawn = study.ask()
        for key, space in self.space.items():
            _suggest(drawn, key, space)
        return drawn.params

    def _compute_limits(self, seen: Sequence[FrozenTrial]) -> dict[int, float]:
        """Compute the median error after each epoch, where enough trials completed."""
        complete = [trial.intermediate_values for trial in seen if trial.state is TrialState.COMPLETE]
        by_epoch: dict[int, list[float]] = {}
        for errors in complete:
            for epoch, error in errors.items():
                by_epoch.setdefault(epoch, []).append(error)
        return {
            epoch: float(np.nanpercentile(errors, 50))
            for epoch, errors in by_epoch.items()
            if epoch >= self._first_limit and len(errors) >= _MIN_TRIALS
        }

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

    def _is_repeated(self, trial: Trial) -> bool:
        """Return whether a trial of a small space repeats another."""
        if _list_combinations(self.space) is None:
            return False
        others = (other for other in self._list_trials() if other.state in _COUNTED and other.number != trial.number)
        own = self._serialize_values(self._asked[trial.number].params)
        return any(self._serialize_values(other.params) == own for other in others)

    def _serialize_values(self, stored: Mapping[str, Any]) -> str:
        """Serialize the values of a trial, to compare them."""
        return json.dumps(
            {key: _to_config_value(each, stored[key]) for key, each in self.space.items() if key in stored}
        )

    def finish(self, trial: Trial, error: float, epochs: int, errors: Mapping[int, float] | None = None) -> None:
        """Store the error of a complete trial, and those after its epochs."""
        with _convert_errors():
            asked = self._report(trial, errors)
            asked.set_user_attr("epochs", epochs)
            self._study.tell(asked, error)

    def drop(
        self, trial: Trial, kind: str, reason: str = "", epochs: int = 0, errors: Mapping[int, float] | None = None
    ) -> None:
        """Store that a trial was stopped early, is impossible, or diverged."""
        with _convert_errors():
            asked = self._report(trial, errors)
            for name, value in (("kind", kind), ("reason", reason), ("epochs", epochs)):
                asked.set_user_attr(name, value)
            self._study.tell(asked, state=TrialState.PRUNED)

    def _report(self, trial: Trial, errors: Mapping[int, float] | None) -> OptunaTrial:
        asked = self._asked.pop(trial.number)
        for epoch, error in (errors or {}).items():
            asked.report(error, epoch)
        return asked

    def record(self, trial: Trial, outcome: TrialOutcome) -> None:
        """Store the outcome of a trial; one that was interrupted is queued again."""
        if outcome.state is None:
            self.requeue(trial)
        elif outcome.error is not None:
            self.finish(trial, outcome.error, outcome.epochs, outcome.errors)
        else:
            self.drop(trial, outcome.state, outcome.reason, outcome.epochs, outcome.errors)

    def requeue(self, trial: Trial, *, died: bool = False) -> bool:
        """Requeue a trial that was interrupted, unless it has ended; return whether it is run again.

        Args:
            trial: that was at work here.
            died: whether its process ended; a trial with which two processes ended is not run again.
        """
        self._asked.pop(trial.number, None)
        with self._hold_lock():
            stored = self._list_trials()[trial.number]
            deaths = stored.user_attrs.get("died", 0) + 1 if died else 0
            return stored.state is TrialState.RUNNING and self._enqueue_again(stored, deaths)

    def _enqueue_again(self, trial: FrozenTrial, died: int) -> bool:
        """Enqueue a trial again at its place, unless its process has died twice with it."""
        self._study.tell(trial.number, state=TrialState.FAIL)
        if died < 2:
            place = {"place": trial.user_attrs["place"]} if "place" in trial.user_attrs else {}
            self._study.enqueue_trial(trial.params, {"died": died, **place})
        return died < 2

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
