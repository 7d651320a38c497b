"""The trials of a search, kept in SQLite by Optuna: drawn, reported, gone on with after a crash."""

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

from forecaster.config import Choices, Range, Space
from forecaster.errors import InputOutputFailed, RunError
from forecaster.runs import convert_write_errors, find_differences

log = logging.getLogger("forecaster")

DONE, STOPPED, IMPOSSIBLE, DIVERGED, RUNNING = "done", "stopped early", "impossible", "diverged", "running"
_ENUMERATED = 10_000  # combinations up to which a space is known to be exhausted
_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
_WAIT = 60.0  # seconds, for another process that writes
_LEAST = 5  # trials before one is stopped early
_FEWEST_TO_WEIGH = 20  # different errors before the keys are weighed


@dataclass(frozen=True)
class TrialResult:
    """What became of a trial.

    Attributes:
        number: as Optuna counts, from 0.
        state: done | stopped early | impossible | diverged | running.
        error: of the whole trial, None where it has none.
        values: of each key of the space.
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
    """A trial to be made."""

    trial: OptunaTrial
    values: Mapping[str, Any]

    @property
    def number(self) -> int:
        """As Optuna counts, from 0."""
        return self.trial.number

    def should_stop(self, epoch: int, error: float) -> bool:
        """Whether, with this error after an epoch, it is behind the median of the others (Golovin et al. 2017)."""
        self.trial.report(error, epoch)
        return self.trial.should_prune()


class Search:
    """One search in the folder `tune` of a run; several processes may hold the same.

    What is drawn for a trial goes by the seed, its number and the trials before it, so that a search that was killed
    goes on as it would have.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], space: Space, own: Mapping[str, Any]) -> None:
        """Open the search of an identity, or begin it.

        Args:
            identity: what all its trials share; another one is another search.
            space: what is drawn.
            own: the config's own values, the first trial, where they lie in the space.

        Raises:
            CannotCreate, InputOutputFailed: the folder or the file cannot be written.
            RunError: the file is damaged.
        """
        self.folder, self.space, self._own = folder, space, own
        self._seed = int(identity["config"]["training"]["seed"])
        self.name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
        with convert_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / ".lock", timeout=_WAIT)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        with self._holding():
            self._study = self._opened(identity)
            self._worker, self._alive = self._first_free()
            self._mend()

    def _opened(self, identity: Mapping[str, Any]) -> optuna.Study:
        self._storage = storage = optuna.storages.RDBStorage(
            f"sqlite:///{(self.folder / 'study.db').resolve()}", engine_kwargs={"connect_args": {"timeout": _WAIT}}
        )
        known = {study.study_name: study for study in optuna.get_all_study_summaries(storage)}
        epochs = int(identity["config"]["training"]["epochs"])
        pruner = optuna.pruners.MedianPruner(_LEAST, n_warmup_steps=max(2, epochs // 5), n_min_trials=_LEAST)
        study = optuna.create_study(storage=storage, study_name=self.name, pruner=pruner, load_if_exists=True)
        if self.name in known:
            log.info("going on with the search %s after %d trials", self.name, self._count(study))
        else:
            study.set_user_attr("identity", dict(identity))
            if known:
                last = max(known.values(), key=lambda summary: summary.datetime_start or datetime.datetime.min)
                changed = ", ".join(find_differences(last.user_attrs.get("identity"), identity)) or "nothing"
                log.info(
                    "a new search, %s, since the last in this folder was of other settings or data: %s",
                    self.name,
                    changed,
                )
            if all(self._own[key] in space for key, space in self.space.items()):
                study.enqueue_trial({key: _stored(space, self._own[key]) for key, space in self.space.items()})
        return study

    def _first_free(self) -> tuple[int, filelock.BaseFileLock]:
        """A number that no living process has, and what holds it while this one lives."""
        for number in itertools.count():
            lock = filelock.FileLock(self.folder / f".worker-{number}", timeout=0)
            with contextlib.suppress(filelock.Timeout):
                lock.acquire()
                return number, lock
        raise AssertionError

    def _mend(self) -> None:
        """Put what died with its process back into the queue."""
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get("worker")
            if worker in {None, self._worker} or self._is_dead(worker):
                self._again(trial, trial.user_attrs.get("died", 0) + 1)

    def _is_dead(self, worker: int) -> bool:
        lock = filelock.FileLock(self.folder / f".worker-{worker}", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            return False
        lock.release()
        return True

    def close(self) -> None:
        """Let go of the folder and the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()
        with self._holding(), contextlib.suppress(OSError):  # nobody takes the number between the two
            (self.folder / f".worker-{self._worker}").unlink(missing_ok=True)
            self._alive.release()

    def draw(self, total: int) -> Trial | None:
        """The next trial, or None where `total` have been made or are being made, or none is left untried."""
        while True:
            with self._holding():
                if self._count(self._study) >= total or not self._is_left(total):
                    return None
                drawn = self._asked()
                if not self._is_repeated(drawn.trial):
                    return drawn
                self._study.tell(drawn.trial, state=TrialState.FAIL)
                if untried := self._untried():
                    self._study.enqueue_trial(untried[0])

    def _asked(self) -> Trial:
        lasting = [trial for trial in self._trials() if trial.state is not TrialState.FAIL]
        seed = self._seed + 1000 * len(lasting)
        self._study.sampler = optuna.samplers.TPESampler(seed=seed)
        trial = self._study.ask()
        trial.set_user_attr("worker", self._worker)
        return Trial(trial, {key: _suggested(trial, key, space) for key, space in self.space.items()})

    def _is_left(self, total: int) -> bool:
        """Whether anything is left to try; a space that `total` exhausts is gone through at random."""
        if _combinations(self.space) is None or any(trial.state is TrialState.WAITING for trial in self._trials()):
            return True
        untried = self._untried()
        if not untried:
            log.info("all %d combinations have been tried", len(_combinations(self.space) or ()))
        elif len(_combinations(self.space) or ()) <= total:
            self._study.enqueue_trial(untried[0])
        return bool(untried)

    def _untried(self) -> list[dict[str, Any]]:
        """The combinations of a small space that no trial has had, in the order of the seed."""
        combinations = _combinations(self.space) or []
        tried = {self._told(trial.params) for trial in self._trials() if trial.state in _COUNTED}
        order = np.random.default_rng(self._seed).permutation(len(combinations))
        return [combinations[place] for place in order if self._told(combinations[place]) not in tried]

    def _is_repeated(self, trial: OptunaTrial) -> bool:
        """Whether a trial of a small space is one that there has been."""
        if _combinations(self.space) is None:
            return False
        others = (other for other in self._trials() if other.state in _COUNTED and other.number != trial.number)
        return any(self._told(other.params) == self._told(trial.params) for other in others)

    def _told(self, stored: Mapping[str, Any]) -> str:
        """The values of a trial, so that they can be compared."""
        return json.dumps({key: _told(each, stored[key]) for key, each in self.space.items() if key in stored})

    def finish(self, drawn: Trial, error: float, epochs: int) -> None:
        """Keep the error of a whole trial."""
        with _kept():
            drawn.trial.set_user_attr("epochs", epochs)
            self._study.tell(drawn.trial, error)

    def drop(self, drawn: Trial, kind: str, reason: str = "", epochs: int = 0) -> None:
        """Keep that a trial was stopped early, is impossible or diverged."""
        with _kept():
            for name, value in (("kind", kind), ("reason", reason), ("epochs", epochs)):
                drawn.trial.set_user_attr(name, value)
            self._study.tell(drawn.trial, state=TrialState.PRUNED)

    def requeue(self, drawn: Trial) -> None:
        """Have a trial that was broken off made again; one that has ended stays as it is."""
        with self._holding():
            trial = self._trials()[drawn.trial.number]
            if trial.state is TrialState.RUNNING:
                self._again(trial)

    def _again(self, trial: FrozenTrial, died: int = 0) -> None:
        """Queue a trial anew, but not one that has taken its process with it twice."""
        self._study.tell(trial.number, state=TrialState.FAIL)
        if died < 2:
            self._study.enqueue_trial(trial.params, {"died": died})

    @staticmethod
    def _count(study: optuna.Study) -> int:
        return len(study.get_trials(deepcopy=False, states=_COUNTED))

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def rows(self) -> list[TrialResult]:
        """What became of each trial, in their order; what was broken off is left out."""
        with _kept():
            return [_row(trial, self.space) for trial in self._trials() if trial.state in _COUNTED]

    def weights(self) -> dict[str, float]:
        """How much each key tells good trials from the others, the largest first (PED-ANOVA, Watanabe et al. 2023)."""
        with _kept():
            errors = {trial.value for trial in self._trials() if trial.state is TrialState.COMPLETE}
            if len(errors) < _FEWEST_TO_WEIGH or len(self.space) < 2:
                return {}
            return optuna.importance.get_param_importances(self._study)

    def has_written(self, digest: str) -> bool:
        """Whether this search wrote a config of that SHA-256, or was about to."""
        with _kept():
            return digest in self._study.user_attrs.get("written", ())

    def register_output(self, digest: str) -> None:
        """Remember a config, so that it may be replaced by a better one."""
        with _kept():
            self._study.set_user_attr("written", [*self._study.user_attrs.get("written", ()), digest])

    @contextlib.contextmanager
    def _holding(self) -> Iterator[None]:
        """Keep other processes from drawing meanwhile."""
        with convert_write_errors(self.folder), self._lock, _kept():
            yield


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Turn what SQLite refuses into errors that a user can mend."""
    try:
        yield
    except SQLAlchemyError as error:
        raise RunError(
            f"study.db: cannot be read, or is of another version ({_first_line(error)}); move it away"
        ) from None
    except optuna.exceptions.StorageInternalError as error:
        raise InputOutputFailed(f"study.db: cannot be written: {_first_line(error.__cause__ or error)}") from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _stored(space: Choices | Range, value: Any) -> Any:
    """A value as Optuna keeps it: choices as JSON, which need not be numbers or text."""
    return json.dumps(value) if isinstance(space, Choices) else value


def _suggested(trial: OptunaTrial, key: str, space: Choices | Range) -> Any:
    if isinstance(space, Choices):
        return _told(space, trial.suggest_categorical(key, space.values))
    if space.whole:
        return trial.suggest_int(key, int(space.low), int(space.high), step=int(space.step or 1), log=space.log)
    return _told(space, trial.suggest_float(key, space.low, space.high, step=space.step, log=space.log))


def _told(space: Choices | Range, stored: Any) -> Any:
    """A value as the config takes it; a fraction to four digits, which a reader can keep in mind."""
    if isinstance(space, Choices):
        return json.loads(stored)
    return stored if space.whole else min(max(float(f"{stored:.4g}"), float(space.low)), float(space.high))


def _combinations(space: Space) -> list[dict[str, Any]] | None:
    """All of them, as Optuna keeps them; None where there are many or infinitely many."""
    if math.prod(map(_size, space.values())) > _ENUMERATED:
        return None
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*map(_values, space.values()))]


def _size(space: Choices | Range) -> float:
    """How many values there are."""
    if isinstance(space, Choices):
        return len(space.values)
    step = space.step or (1 if space.whole else 0)
    return round((space.high - space.low) / step) + 1 if step else math.inf


def _values(space: Choices | Range) -> list[Any]:
    """All values of a finite space."""
    if isinstance(space, Choices):
        return list(space.values)
    return [space.low + number * (space.step or 1) for number in range(int(_size(space)))]


def _row(trial: FrozenTrial, space: Space) -> TrialResult:
    state = {TrialState.COMPLETE: DONE, TrialState.RUNNING: RUNNING}.get(trial.state, STOPPED)
    told, seconds = trial.user_attrs, trial.duration.total_seconds() if trial.duration else 0.0
    values = {key: _told(each, trial.params[key]) for key, each in space.items() if key in trial.params}
    error = trial.value if state == DONE else None  # Optuna gives one that was stopped the last that it reported
    return TrialResult(
        trial.number, told.get("kind", state), error, seconds, told.get("epochs", 0), values, told.get("reason", "")
    )
