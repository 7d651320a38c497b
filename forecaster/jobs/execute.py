"""A job in a worker: score, train and predict as far as they are due, one step after the other."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster.config.database_urls import is_server
from forecaster.config.policies import is_policy
from forecaster.data import Series
from forecaster.errors import (
    ChallengerLost,
    DataError,
    Diverged,
    ForecasterError,
    Interrupted,
    Partial,
    Stale,
    UsageError,
)
from forecaster.forecasting.freshness import Freshness
from forecaster.forecasting.predict import Prediction, predict
from forecaster.jobs.job import Job
from forecaster.jobs.outputs import mark_stale, write_outputs
from forecaster.jobs.plan import Step, plan_job
from forecaster.jobs.status import Outcome
from forecaster.jobs.store import open_store
from forecaster.jobs.task import JobTask
from forecaster.jobs.train_job import train_job
from forecaster.problems import Problem
from forecaster.runs import Version, load_version
from forecaster.wording import format_timestamp

log = logging.getLogger("forecaster")

_ACTUALS = 20_000  # newest values of each series that are kept as actuals


def execute_job(task: JobTask, received: Sequence[int], report: Callable[[Outcome], None]) -> Outcome:
    """Do what is due of a job.

    Args:
        task: the job and its state.
        received: signals received so far.
        report: receives the state after each finished step.

    Returns:
        The state, with the outcome `done` or `nothing-new`.

    Raises:
        Partial: some series could not be forecast; the output holds the others.
        ForecasterError: what a step raised. A forecast that could be made is written all the same.
        Interrupted: a signal was received.
    """
    with _name_in_log(task.job):
        execution = _Execution(task, received, report)
        execution.do_steps()
        return execution.state


@contextlib.contextmanager
def _name_in_log(job: Job) -> Iterator[None]:
    """Put the name of the job before each line of the log, and facts for JSON lines into it."""
    started = time.monotonic()

    def add_facts(record: logging.LogRecord) -> bool:
        facts = {"job": job.name, "run": str(job.run), "seconds": round(time.monotonic() - started, 3)}
        problems = [each for each in record.args or () if isinstance(each, Problem)]
        series = [each.detail["series"] for each in problems if "series" in each.detail]
        record.facts = facts | ({"series": series[0]} if series else {}) | getattr(record, "facts", {})
        record.msg = f"{job.name}: {record.msg}"
        return True

    log.addFilter(add_facts)
    try:
        yield
    finally:
        log.removeFilter(add_facts)


class _Execution:
    """One attempt of a job.

    Attributes:
        state: of the job so far.
    """

    def __init__(self, task: JobTask, received: Sequence[int], report: Callable[[Outcome], None]) -> None:
        self.state = task.state
        self._task, self._job, self._received, self._report = task, task.job, received, report
        self._now = datetime.now(UTC)
        self._errors: list[ForecasterError] = []  # of steps after which the job continues
        self._warnings: list[Problem] = []

    def do_steps(self) -> None:
        """Do each step that is due; plan again after each, since a score or a training changes what is due."""
        finished: set[str] = set()
        while step := self._plan(finished):
            if self._received:
                raise Interrupted(Problem("interrupted-before-start"), self._received[0])
            log.info("%s: %s", step.name, step.reason, extra={"facts": {"step": step.name}})
            is_done = {"score": self._score, "train": self._train, "predict": self._predict}[step.name]()
            finished.add(step.name)
            if is_done:
                self.state = self.state.update(done={**self.state.done, step.name: step.key})
            self._report(self.state)
        if "predict" not in finished and self._is_forecast_older_than_allowed():
            self._predict()
        if self._errors:
            raise self._errors[0]

    def _plan(self, finished: set[str]) -> Step | None:
        task = self._task
        state = self.state.model_dump(mode="json")
        has_store = task.store is not None
        plan = plan_job(self._job, state, self._now, has_store=has_store, force=task.force, finished=finished)
        if plan.error is not None:
            raise plan.error
        outcome = "done" if finished else "nothing-new"
        reason = "" if finished else plan.reason
        self.state = self.state.update(outcome=outcome, reason=reason, next_training=plan.next_training)
        return plan.steps[0] if plan.steps else None

    def _score(self) -> bool:
        return True

    def _train(self) -> bool:
        """Train; a new version that lost is an error at the end where the job asks for it."""
        trained = train_job(self._job, self._received)
        self.state = self.state.update(last_training=datetime.now(UTC))
        if trained.promoted:
            self.state = self.state.update(**_describe_version(trained.version))
        elif trained.notice is not None:
            self._warnings.append(trained.notice)
        if self._job.retrain is not None and self._job.retrain.fail_if_worse:
            try:
                trained.check_not_worse()
            except ChallengerLost as error:
                self._errors.append(error)
        return True

    def _predict(self) -> bool:
        """Forecast, keep the forecast in the store, and write it."""
        job, version = self._job, load_version(self._job.run)
        try:
            found = self._forecast(version)
        except (DataError, Diverged, Stale) as error:
            self._keep_old_forecast(error)
            raise
        if self._task.store is not None:
            with open_store(self._task.store, self._task.folder) as store, store.transaction():
                store.add_actuals(job.name, list_actuals(found.panel), self._now)
                store.add_forecasts(job.name, version.path.name, found.forecasts, self._now)
        write_outputs(job, found.forecasts, found.panel, version.config.forecast.columns)
        self.state = self.state.update(
            **_describe_version(version),
            **_describe_freshness(found.freshness, self._now),
            rows=sum(each.rows for each in found.freshness),
            fallback_share=sum(each.source != "network" for each in found.forecasts) / len(found.forecasts),
            warnings=tuple(problem.to_json() for problem in [*self._warnings, *found.notices]),
            max_age=repr(job.max_age),
            stale=False,
        )
        if found.problems:
            self._errors.append(Partial(found.problems))
        return not found.problems

    def _forecast(self, version: Version) -> Prediction:
        job = self._job
        source = version.config.data
        loaded = None if job.data else job.load_config()
        if not job.data and loaded is None and source.query is not None and is_server(str(source.path)):
            raise UsageError(Problem("untrusted-job-database", job.where, detail={"url": str(source.path)}))
        data = job.data
        if loaded is not None and loaded.config.data.query is None:
            path = loaded.config.data.path
            data = (path,) if isinstance(path, str) else path
        return predict(
            version,
            (Path(data[0]) if len(data) == 1 else data) or None,
            job.horizon,
            job.levels,
            future=job.future,
            overrides=[each for each in job.overrides if is_policy(each.partition("=")[0])],
            max_age=job.max_age,
            strict=True,
            now=self._now,
        )

    def _keep_old_forecast(self, error: ForecasterError) -> None:
        """Mark the output as old, and record what is known of the data."""
        detail = error.problems[0].detail if isinstance(error, Stale) else {}
        newest, age = detail.get("newest"), detail.get("age_seconds")
        if newest is not None:
            self.state = self.state.update(newest=newest, data_age_seconds=age)
        self.state = self.state.update(stale=isinstance(error, Stale))
        self._report(self.state)
        mark_stale(self._job, error, self._now, newest, age)

    def _is_forecast_older_than_allowed(self) -> bool:
        """Whether data that have not changed may have become too old since they were forecast."""
        state = self.state
        if not self._job.predicts:
            return False
        checked = state.stale_from is not None and self._now > state.stale_from
        warned = state.warns_from is not None and self._now > state.warns_from and not state.warnings
        return checked or warned or state.max_age != repr(self._job.max_age)


def list_actuals(panel: Sequence[Series]) -> pd.DataFrame:
    """List the newest observed values of series, with the columns that `Store.add_actuals` takes."""
    frames = []
    for series in panel:
        observed = np.isfinite(series.values) if series.observed is None else series.observed
        places = np.flatnonzero(observed)[-_ACTUALS:]
        values = {"timestamp": series.timestamps[places], "value": series.values[places]}
        frames.append(pd.DataFrame({"series": series.name, **values}))
    return pd.concat(frames, ignore_index=True)


def _describe_version(version: Version) -> dict[str, Any]:
    name = version.path.name
    with contextlib.suppress(ValueError):
        trained_at = datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return {"version": name, "trained_at": trained_at, "error_then": _read_test_error(version)}
    return {"version": name}


def _read_test_error(version: Version) -> float | None:
    """Read the MASE of a version on its test part; None where it has none."""
    try:
        found = version.metrics["scores"]["model"]["mase"]
    except (LookupError, TypeError):
        return None
    return float(found) if isinstance(found, int | float) else None


def _describe_freshness(freshness: Sequence[Freshness], now: datetime) -> dict[str, Any]:
    """Describe the newest series, and the first time at which one will be too old."""
    ages = [age for each in freshness if (age := each.measure_age(now)) is not None]
    newest = max((each.newest for each in freshness), default=None)
    return {
        "newest": None if newest is None else format_timestamp(newest),
        "data_age_seconds": min(ages, default=None),
        "stale_from": min((each.stale_from for each in freshness if each.stale_from), default=None),
        "warns_from": min((each.warns_from for each in freshness if each.warns_from), default=None),
    }
