"""The scores of several jobs: read from the store of a jobs file, and written as tables or as JSON."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from forecaster.config.schema import Config
from forecaster.errors import ForecasterError
from forecaster.evaluation.anomalies import Anomalies
from forecaster.evaluation.metrics import find_levels
from forecaster.evaluation.verdict import describe_coverage, describe_verdict
from forecaster.forecasting.reconciliation import find_levels_by_name
from forecaster.jobs.drift import REFERENCE_ORIGINS
from forecaster.jobs.job import Job, LoadedJobs
from forecaster.jobs.score import Part, Score, describe_drift, score_job
from forecaster.problems import Problem
from forecaster.reporting.tables import format_table
from forecaster.runs import load_version
from forecaster.store.store import open_store
from forecaster.wording import count_of

_METRICS = {"mae": "MAE", "mase": "MASE", "wape": "WAPE %", "bias": "bias"}
_SKILLS = {"naive": "skill, last value", "seasonal_naive": "skill, seasonal naive"}


def score_jobs(loaded: LoadedJobs, jobs: Sequence[Job]) -> tuple[list[Score], list[Problem]]:
    """Score the stored forecasts of jobs; the store is only read.

    Returns:
        The scores, and a problem for each job without a forecast that has an actual.

    Raises:
        RunError: there is no store yet, or it is damaged.
    """
    scores, missing = [], []
    with open_store(str(loaded.store), loaded.folder, read_only=True) as store:
        for job in jobs:
            config, error_then = _read_run(job)
            season = 1 if config is None else config.data.main_season
            frequency = "" if config is None else str(config.data.frequency)
            found = score_job(store, job.name, season, frequency, error_then)
            if found is None:
                missing.append(Problem("no-scored-forecasts", job.name))
            else:
                levels = {} if config is None else find_levels_by_name(config, found.past.names)
                scores.append(dataclasses.replace(found, level_by_name=levels))
    return scores, missing


def _read_run(job: Job) -> tuple[Config | None, float | None]:
    """Read the config of the version in use and its MASE on the test part; None where there is none."""
    try:
        version = load_version(job.run)
        found = version.metrics.get("scores", {}).get("model", {}).get("mase")
        return version.config, found if isinstance(found, float) else None
    except (ForecasterError, AttributeError):
        return None, None


def scores_to_json(scores: Sequence[Score], part: Part | None, anomalies: Mapping[str, Anomalies] | None = None) -> str:
    """Write the scores as JSON, with a row for each part where one is requested, and the anomalies of jobs."""
    jobs = []
    for score in scores:
        facts: dict[str, Any] = dict(score.summary)
        facts["problems"] = [problem.to_json() for problem in describe_drift(score)]
        if part is not None:
            table = score.tabulate(part)
            facts[f"by_{part}"] = [
                {part: label, **{name: value for name, value in row.items() if pd.notna(value)}}
                for label, row in table.to_dict("index").items()
            ]
        if anomalies:
            facts["anomalies"] = anomalies[score.job].to_json()
        jobs.append(facts)
    return json.dumps({"jobs": jobs}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def format_scores(scores: Sequence[Score], part: Part | None) -> str:
    """Format a table of all jobs, or one of the parts of each job, and what follows from it."""
    if part is None:
        lines = [format_table(_tabulate("job", {score.job: _list_values(score) for score in scores}))]
    else:
        lines = []
        for score in scores:
            table = score.tabulate(part)
            rows: dict[str, Mapping[str, Any]] = {
                str(label): dict(row) for label, row in table.astype(object).iterrows()
            }
            lines.append(format_table(_tabulate(part if len(scores) == 1 else f"{score.job}, {part}", rows)))
    return "\n".join([*lines, *(sentence for score in scores for sentence in _describe(score, len(scores) > 1))]) + "\n"


def _list_values(score: Score) -> dict[str, Any]:
    metrics = score.scores["model"]
    skills = {f"skill_{name}": each.get(score.measure) for name, each in score.summary["skill"].items()}
    return {"forecasts": score.summary["forecasts"], **metrics, **skills}


def _tabulate(first: str, rows: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Tabulate counts, errors, skill in percent and coverage, as far as any row has them."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    columns: dict[str, tuple[str, str]] = {name: (name, ",") for name in ("forecasts", "cells")}
    columns |= {name: (label, ".4g") for name, label in _METRICS.items()}
    columns |= {f"skill_{name}": (label, ".0%") for name, label in _SKILLS.items()}
    covered = [name for name in names if name.startswith("coverage_")]
    columns |= {name: (f"in {name.removeprefix('coverage_')} %", ".1f") for name in covered}
    shown = {name: each for name, each in columns.items() if name in names}
    body = [
        [label, *(_format(row.get(name), spec) for name, (_, spec) in shown.items())] for label, row in rows.items()
    ]
    return [[first, *(header for header, _ in shown.values())], *body]


def _format(value: Any, spec: str) -> str:
    return "-" if value is None or pd.isna(value) else format(value, spec)


def _describe(score: Score, several: bool) -> list[str]:
    """Describe the verdict, the coverage and the drift of one job."""
    sentences = [describe_verdict(score.summary)]
    if find_levels(score.latest.quantiles) and not several:
        sentences += describe_coverage(score.summary)
    drift = score.drift
    if not drift.is_found:
        watched = [f"errors of {count_of(drift.watched, 'origin')}"] if drift.watched else []
        watched += ["inputs"] if drift.inputs_are_tested else []
        missing = f"too few forecasts for a test of drift (it needs more than {REFERENCE_ORIGINS} origins)"
        sentences.append(
            f"No drift found ({' and '.join(watched)})." if watched else f"No verdict on drift: {missing}."
        )
    named = [f"{score.job}: {sentence}" for sentence in sentences] if several else sentences
    return [*named, *(f"{problem}." for problem in describe_drift(score))]
