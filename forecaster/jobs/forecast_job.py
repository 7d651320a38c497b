"""The forecast of a job: made, kept in the store, written; or why the old one stays."""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster.config.database_urls import is_server
from forecaster.config.policies import is_policy
from forecaster.data import Series
from forecaster.durations import parse_duration
from forecaster.errors import ForecasterError, Partial, Stale, UsageError
from forecaster.forecasting.fallback import has_network
from forecaster.forecasting.freshness import Freshness
from forecaster.forecasting.predict import Prediction, predict
from forecaster.jobs.adaptive_intervals import adapt_from_store
from forecaster.jobs.job import Job
from forecaster.jobs.outputs import write_outputs
from forecaster.jobs.stale_mark import mark_stale
from forecaster.jobs.status import Outcome
from forecaster.jobs.task import JobTask
from forecaster.problems import Problem
from forecaster.runs import Version, load_version
from forecaster.store.store import Store, count_kept_steps, open_store
from forecaster.wording import format_timestamp

log = logging.getLogger("forecaster")


def forecast_job(
    task: JobTask, state: Outcome, now: datetime, warnings: Sequence[Problem] = (), notes: Sequence[Problem] = ()
) -> tuple[Outcome, ForecasterError | None]:
    """Forecast, keep the forecast in the store, and write it.

    Args:
        task: with the job.
        state: of the job so far.
        now: the time to which the age of data is counted.
        warnings, notes: of earlier steps.

    Returns:
        The state after it, and what is wrong: `Partial` where the output lacks some series; another error of the data,
        the run or the options where the old output stays, with a mark.

    Raises:
        CannotCreate, InputOutputFailed: something cannot be written.
    """
    job = task.job
    try:
        version = load_version(job.run)
        found = _forecast(job, version, now)
    except ForecasterError as error:
        return _keep_old_forecast(job, state, error, now), error
    limits: Sequence[Problem] = ()
    if task.store is not None:
        with open_store(task.store, task.folder) as store, store.transaction():
            store.add_actuals(job.name, list_actuals(found.panel), now)
            if job.intervals == "adaptive":
                found, limits = _adapt_intervals(store, job, found)
            store.add_forecasts(job.name, version.path.name, found.forecasts, now)
            if task.keep is not None and (age := parse_duration(task.keep.forecasts or "")) is not None:
                store.delete_older(age, now, job.name)
    write_outputs(job, found.forecasts, found.panel, version.config.forecast.columns)
    state = state.update(
        **describe_version(version),
        **_describe_freshness(found.freshness, now),
        rows=sum(each.rows for each in found.freshness),
        fallback_share=sum(not has_network(each.source) for each in found.forecasts) / len(found.forecasts),
        warnings=tuple(problem.to_json() for problem in (*warnings, *found.notices)),
        notes=tuple(note.to_json() for note in (*notes, *limits)),
        max_age=repr(job.max_age),
        stale=False,
    )
    return state, Partial(found.problems) if found.problems else None


def _adapt_intervals(store: Store, job: Job, found: Prediction) -> tuple[Prediction, list[Problem]]:
    """Adapt the intervals of forecasts to the coverage of those before, and keep what was learnt in the store.

    Returns:
        The forecasts, and what their intervals cannot promise.
    """
    adapted = adapt_from_store(store, job.name, found.forecasts)
    for note in adapted.notes:
        log.info("%s", note)
    store.write_adaptation(job.name, adapted.states)
    return replace(found, forecasts=adapted.forecasts), adapted.notes


def _forecast(job: Job, version: Version, now: datetime) -> Prediction:
    return predict(
        version,
        find_data(job, version),
        job.horizon,
        job.levels,
        future=job.future,
        overrides=list_policies(job),
        max_age=job.max_age,
        strict=True,
        now=now,
    )


def list_policies(job: Job) -> list[str]:
    """List the overrides of a job that concern reading and checking data."""
    return [each for each in job.overrides if is_policy(each.partition("=")[0])]


def find_data(job: Job, version: Version) -> Path | tuple[str, ...] | None:
    """Find the data of a job: its own, those of its config, or None for those that the run names.

    Raises:
        UsageError: the run names a database, and no config of the job does.
    """
    source = version.config.data
    loaded = None if job.data else job.load_config()
    if not job.data and loaded is None and source.query is not None and is_server(str(source.path)):
        raise UsageError(Problem("untrusted-job-database", job.where, detail={"url": str(source.path)}))
    data = job.data
    if loaded is not None and loaded.config.data.query is None:
        path = loaded.config.data.path
        data = (path,) if isinstance(path, str) else path
    return (Path(data[0]) if len(data) == 1 else data) or None


def _keep_old_forecast(job: Job, state: Outcome, error: ForecasterError, now: datetime) -> Outcome:
    """Mark the output as old, and record what is known of the data."""
    detail = error.problems[0].detail if isinstance(error, Stale) else {}
    newest, age = detail.get("newest"), detail.get("age_seconds")
    mark_stale(job, error, now, newest, age)
    if newest is not None:
        state = state.update(newest=newest, data_age_seconds=age)
    return state.update(stale=isinstance(error, Stale))


def list_actuals(panel: Sequence[Series]) -> pd.DataFrame:
    """List the newest observed values of series, with the columns that `Store.add_actuals` takes."""
    frames, newest = [], count_kept_steps(len(panel))
    for series in panel:
        observed = np.isfinite(series.values) if series.observed is None else series.observed
        places = np.flatnonzero(observed)[-newest:]
        values = {"timestamp": series.timestamps[places], "value": series.values[places]}
        frames.append(pd.DataFrame({"series": series.name, **values}))
    return pd.concat(frames, ignore_index=True)


def describe_version(version: Version) -> dict[str, Any]:
    """Describe the version in use: its name, when it was trained, and its error on the test part then."""
    name = version.path.name
    with contextlib.suppress(ValueError):
        trained_at = datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return {"version": name, "trained_at": trained_at, "error_then": read_test_error(version)}
    return {"version": name}


def read_test_error(version: Version) -> float | None:
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
