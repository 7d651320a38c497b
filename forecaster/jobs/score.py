"""Scores of past forecasts: errors, skill, coverage and drift, from what the store holds of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from forecaster.errors import UsageError
from forecaster.evaluation.metrics import compute_scores, compute_scores_by_group, drop_undefined, find_levels
from forecaster.evaluation.significance import compare_losses, count_overlapping, count_separate
from forecaster.evaluation.verdict import MIN_FORECASTS
from forecaster.jobs.drift import (
    REFERENCE_ORIGINS,
    SIGNIFICANT,
    InputDrift,
    count_window_steps,
    detect_error_drift,
    detect_input_drift,
    scale_errors,
)
from forecaster.jobs.past_forecasts import PastForecasts, join_actuals, read_actuals_of
from forecaster.problems import Problem
from forecaster.store.store import OriginError, Store
from forecaster.store.timestamps import classify_timestamp
from forecaster.wording import format_timestamp

Part = Literal["step", "week", "version", "series", "level", "origins"]
ROWS = 2_000_000  # forecast steps that are read, about
RECENT = 28  # origins, the newest with actuals, whose scores are those of now
_MODEL = "model"
_MAX_TESTED = 100  # series whose inputs are tested for drift, evenly chosen
_LEAST_KNOWN = 0.5  # of the cells, for a baseline to be compared with


@dataclass(frozen=True)
class Drift:
    """The state of the tests of drift.

    Attributes:
        errors_since: the first origin with larger errors; None where there is no drift of errors.
        inputs: of the series whose newest window is unlike their training part, by name.
        watched: origins that the test of errors has after its reference; 0 where there are too few.
        inputs_are_tested: whether any series has enough history for the test of inputs.
    """

    errors_since: Any = None
    inputs: Mapping[str, InputDrift] = field(default_factory=dict)
    watched: int = 0
    inputs_are_tested: bool = False

    @property
    def is_found(self) -> bool:
        """Whether errors or inputs have drifted."""
        return self.errors_since is not None or bool(self.inputs)


@dataclass(frozen=True, eq=False)
class Score:
    """Scores of the past forecasts of a job.

    Attributes:
        job: its name.
        past: the forecasts with actuals.
        frequency: of the steps, as in `count_steps`; empty where it is not known.
        error_then: MASE on the test part of the training; None where it is not known.
        earlier: the errors of earlier origins, whose forecasts are not in `past`, rising.
        level_by_name: of a hierarchy, the level of each series.
    """

    job: str
    past: PastForecasts
    frequency: str = ""
    error_then: float | None = None
    earlier: Sequence[OriginError] = ()
    level_by_name: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def latest(self) -> PastForecasts:
        """The forecast of each series and origin that was made last."""
        return self.past.select(self.past.is_latest)

    @cached_property
    def baselines(self) -> list[str]:
        """The baselines with enough history."""
        return _list_baselines(self.latest)

    @cached_property
    def scored_origins(self) -> np.ndarray:
        """The origins with an actual, rising."""
        return np.unique(self.latest.origins[~np.isnan(self.latest.actual).all(axis=1)])

    @cached_property
    def recent(self) -> PastForecasts:
        """The newest `RECENT` origins with an actual."""
        first = self.scored_origins[-RECENT:].min(initial=np.iinfo(int).max)
        return self.latest.select(self.latest.origins >= first)

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """Every metric of the forecasts and of the baselines, on the cells that all of them have."""
        return _score_all(self.latest, self.baselines)

    @cached_property
    def recent_scores(self) -> dict[str, dict[str, float]]:
        """The scores of the newest origins."""
        return _score_all(self.recent, self.baselines)

    @property
    def measure(self) -> str:
        """The metric that decides: MASE, or MAE where no series has a scale."""
        return "mase" if "mase" in self.scores[_MODEL] else "mae"

    @property
    def error_now(self) -> float | None:
        """MASE of the newest origins; None where it is undefined."""
        return self.recent_scores[_MODEL].get("mase")

    @property
    def skill(self) -> float | None:
        """1 less the error of the newest origins over that of the seasonal naive, or of the last value without one."""
        return _compute_skill(self.recent_scores, self.baselines[-1], self.measure) if self.baselines else None

    @property
    def coverage(self) -> dict[str, float]:
        """The share of actuals that the intervals of each level covered at the newest origins, in percent."""
        found = self.recent_scores[_MODEL]
        levels = [f"{level:g}" for level in find_levels(self.latest.quantiles)]
        return {level: found[f"coverage_{level}"] for level in levels if f"coverage_{level}" in found}

    @cached_property
    def origin_errors(self) -> list[OriginError]:
        """The mean errors of the origins, and those of earlier ones."""
        measured = _measure_origins(self.latest, self.baselines)
        return [*(each for each in self.earlier if measured and each.time < measured[0].time), *measured]

    @cached_property
    def drift(self) -> Drift:
        """Whether errors have become larger, or inputs unlike those of the training part."""
        watched, since = _find_error_drift(self.origin_errors)
        tested, inputs = _find_input_drift(self.latest)
        return Drift(since, inputs, watched, tested)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Scores, skill, significance and drift, in the form that `evaluation.verdict` describes."""
        past, origins, measure = self.latest, self.scored_origins, self.measure
        levels = [f"{level:g}" for level in find_levels(past.quantiles)]
        separate = count_separate(origins, past.horizon)
        skills = {
            name: {metric: skill for metric in ("mae", measure)
                   if (skill := _compute_skill(self.scores, name, metric)) is not None}
            for name in self.baselines
        }  # fmt: skip
        tested = separate >= MIN_FORECASTS
        return {
            "job": self.job,
            "horizon": past.horizon,
            "frequency": self.frequency,
            "series": len(past.names),
            "forecasts": len(origins),
            "separate": separate,
            "measure": measure,
            "called": "forecast",
            "scores": self.scores,
            "skill": skills,
            "diebold_mariano": {name: _test_difference(past, name, measure) for name in self.baselines if tested},
            "coverage": {level: self.scores[_MODEL][f"coverage_{level}"] for level in levels
                         if f"coverage_{level}" in self.scores[_MODEL]},
            "recent": {"forecasts": min(RECENT, len(origins)), **self.recent_scores[_MODEL]},
            "error_now": self.error_now,
            "error_then": self.error_then,
            "drift": self._describe_drift(),
        }  # fmt: skip

    def _describe_drift(self) -> dict[str, Any]:
        drift = self.drift
        return {
            "found": drift.is_found,
            "errors_since": None if drift.errors_since is None else format_timestamp(drift.errors_since),
            "inputs": {name: {"view": each.view, "p_value": each.p_value} for name, each in drift.inputs.items()},
            "origins_watched": drift.watched,
            "inputs_tested": drift.inputs_are_tested,
        }

    def to_status(self) -> dict[str, Any]:
        """Convert to the fields of status.json: the coverage is that of the first level, as a share."""
        covered = next(iter(self.coverage.values()), None)
        return {
            "error_now": self.error_now,
            "error_then": self.error_then,
            "skill": self.skill,
            "coverage": None if covered is None else covered / 100,
            "drift": self.drift.is_found,
        }

    def tabulate(self, part: Part) -> pd.DataFrame:
        """Tabulate the metrics by step ahead, week of the timestamps, version, series, or the origins of each horizon.

        Returns:
            A row for each part: cells, every metric, and the skill against each baseline on the cells that both have.

        Raises:
            UsageError: timestamps are steps, which have no weeks; or the series are no hierarchy.
        """
        past = self.past if part == "version" else self.latest
        groups, labels = _group_cells(past, part, self.level_by_name)
        groups = np.where(np.isnan(past.actual), -1, groups)
        table = compute_scores_by_group(past.to_scored(), groups)
        counts = np.bincount(groups[groups >= 0], minlength=len(labels))
        table.insert(0, "cells", counts[table.index])
        for name in _list_baselines(past):
            actual = np.where(np.isnan(past.baselines[name]), np.nan, past.actual)
            pair = [
                compute_scores_by_group(past.to_scored(forecaster, actual), groups)[self.measure]
                for forecaster in ("", name)
            ]
            table[f"skill_{name}"] = 1 - pair[0] / pair[1].where(pair[1] > 0)
        table.index = pd.Index([labels[number] for number in table.index], name=part)
        return table


def score_job(
    store: Store,
    job: str,
    season: int = 1,
    frequency: str = "",
    error_then: float | None = None,
    rows: int = ROWS,
) -> Score | None:
    """Score the newest stored forecasts of a job; drift is judged with the errors that were stored of earlier ones.

    Args:
        store: with its forecasts and actuals.
        job: its name.
        season: in steps, 1 where there is none.
        frequency: of the steps, as in `count_steps`.
        error_then: MASE on the test part of the training.
        rows: about how many forecast steps are read: of `RECENT` origins at least.

    Returns:
        None where no forecast has an actual.
    """
    forecasts = store.read_newest_forecasts(job, rows, RECENT)
    if forecasts.empty or (actuals := read_actuals_of(store, job, forecasts)).empty:
        return None
    past = join_actuals(forecasts, actuals, season)
    if np.isnan(past.actual).all():
        return None
    kind = classify_timestamp(forecasts["origin"].iloc[-1])
    return Score(job, past, frequency, error_then, store.read_errors(job, kind))


def find_exceeded_limits(score: Score, fail_above: Mapping[str, float], fail_on_drift: bool) -> list[Problem]:
    """Find the limits that the newest forecasts exceed; no error of fewer than `MIN_FORECASTS` forecasts does.

    Args:
        score: of a job.
        fail_above: the largest error by metric: mae, mase, rmse, wape, ...
        fail_on_drift: whether drift is a problem.
    """
    found, count = score.recent_scores[_MODEL], min(RECENT, len(score.scored_origins))
    problems = [
        Problem(
            "error-above-limit", score.job,
            detail={"metric": metric.upper(), "error": found[metric], "limit": limit, "forecasts": count},
        )
        for metric, limit in fail_above.items()
        if count >= MIN_FORECASTS and found.get(metric, 0.0) > limit
    ]  # fmt: skip
    return [*problems, *describe_drift(score)] if fail_on_drift else problems


def describe_drift(score: Score) -> list[Problem]:
    """Describe the drift of errors and of inputs."""
    drift, problems = score.drift, []
    if drift.errors_since is not None:
        detail = {"since": format_timestamp(drift.errors_since), "reference": REFERENCE_ORIGINS}
        problems.append(Problem("errors-drifted", score.job, detail=detail))
    if drift.inputs:
        steps = count_window_steps(score.past.season)
        detail = {"names": list(drift.inputs), "window": steps, "frequency": score.frequency or "step"}
        problems.append(Problem("inputs-drifted", score.job, detail=detail))
    return problems


def _list_baselines(past: PastForecasts) -> list[str]:
    known = ~np.isnan(past.actual)
    return [
        name for name, each in past.baselines.items() if (known & ~np.isnan(each)).sum() >= _LEAST_KNOWN * known.sum()
    ]


def _score_all(past: PastForecasts, baselines: Sequence[str]) -> dict[str, dict[str, float]]:
    actual = past.actual
    for name in baselines:
        actual = np.where(np.isnan(past.baselines[name]), np.nan, actual)
    forecasters = {_MODEL: "", **{name: name for name in baselines}}
    return {name: drop_undefined(compute_scores(past.to_scored(key, actual))) for name, key in forecasters.items()}


def _compute_skill(scores: Mapping[str, Mapping[str, float]], baseline: str, metric: str) -> float | None:
    error, other = scores[_MODEL].get(metric), scores[baseline].get(metric)
    return 1 - error / other if error is not None and other else None


def _measure_errors(past: PastForecasts, forecast: np.ndarray, measure: str) -> np.ndarray:
    """Measure absolute errors, over the scale of each series, (rows, horizon)."""
    units = past.scale.absolute[:, None] if measure == "mase" else 1.0
    return np.asarray(np.abs(past.actual - forecast) / units)


def _average_by_origin(past: PastForecasts, errors: np.ndarray) -> np.ndarray:
    """Average errors over the series and steps of each origin, (origins,); NaN where less than half is known."""
    _, places = np.unique(past.origins, return_inverse=True)
    known = ~np.isnan(errors)
    totals = np.bincount(places, np.where(known, errors, 0.0).sum(axis=1))
    counts = np.bincount(places, known.sum(axis=1))
    of = np.bincount(places, (past.places >= 0).sum(axis=1))
    return np.where(2 * counts >= of, totals / np.maximum(counts, 1), np.nan)


def _test_difference(past: PastForecasts, baseline: str, measure: str) -> dict[str, float]:
    """Test the forecasts against a baseline (Diebold-Mariano) by the mean error of each origin."""
    other = _measure_errors(past, past.baselines[baseline], measure)
    mine = np.where(np.isnan(other), np.nan, _measure_errors(past, past.mean, measure))
    overlapping = count_overlapping(np.unique(past.origins), past.horizon)
    found = compare_losses(_average_by_origin(past, mine), _average_by_origin(past, other), overlapping)
    return drop_undefined(found._asdict())


def _measure_origins(past: PastForecasts, baselines: Sequence[str]) -> list[OriginError]:
    """Measure the mean error of each origin, and that of the last baseline on the same cells."""
    measure = "mase" if not np.isnan(past.scale.absolute).all() else "mae"
    errors, found = _measure_errors(past, past.mean, measure), {}
    if baselines:
        other = _measure_errors(past, past.baselines[baselines[-1]], measure)
        errors = np.where(np.isnan(other), np.nan, errors)
        found[baselines[-1]] = _average_by_origin(past, np.where(np.isnan(errors), np.nan, other))
    found = {measure: _average_by_origin(past, errors), **found}
    rows = np.unique(past.origins, return_index=True)[1]  # the first row of each origin
    return [
        OriginError(
            past.origin_times[row], str(past.versions[row]), {name: float(each[place]) for name, each in found.items()}
        )
        for place, row in enumerate(rows)
        if not np.isnan(found[measure][place])
    ]


def _find_error_drift(origins: Sequence[OriginError]) -> tuple[int, Any]:
    """Find drift of errors; after one was found, a new version begins a new reference.

    Args:
        origins: rising; those whose metric or baseline is not that of the newest one do not count.

    Returns:
        The origins after the reference, and the first origin with larger errors, or None.
    """
    if not origins:  # no origin has errors of both
        return 0, None
    names = tuple(origins[-1].errors)
    origins = [each for each in origins if tuple(each.errors) == names]
    table = np.array([[each.errors[name] for name in names] for each in origins])  # (origins, metric and baseline)
    errors, other = table[:, 0], table[:, 1] if len(names) > 1 else None
    versions, start = np.array([each.version for each in origins]), 0
    while True:
        part = slice(start, None)
        found = detect_error_drift(scale_errors(errors[part], None if other is None else other[part]))
        if found is None:
            return 0, None
        alarms = start + np.flatnonzero(found.found)
        newer = alarms[0] + np.flatnonzero(versions[alarms[0] :] != versions[alarms[0]]) if len(alarms) else alarms
        if not len(newer):
            since = None if found.since is None else origins[start + found.since].time
            return len(errors) - start - REFERENCE_ORIGINS, since
        start = int(newer[0])


def _find_input_drift(past: PastForecasts) -> tuple[bool, dict[str, InputDrift]]:
    """Find the series whose newest window is unlike the steps before the first forecast of the version in use."""
    trained = int(past.origins[past.versions == past.versions[-1]].min()) - past.start + 1
    chosen = np.unique(np.linspace(0, len(past.names) - 1, min(len(past.names), _MAX_TESTED)).astype(int))
    results = {}
    for number in chosen.tolist():
        known = np.flatnonzero(~np.isnan(past.values[number]))
        if len(known):
            first, last = int(known[0]), int(known[-1]) + 1
            values = pd.Series(past.values[number, first:last]).ffill().to_numpy()
            results[past.names[number]] = detect_input_drift(values, trained - first, past.season)
    tested = {name: each for name, each in results.items() if each is not None}
    drifted = {
        name: each for name, each in tested.items() if each.unlike_training and each.p_value * len(tested) < SIGNIFICANT
    }
    return bool(tested), drifted


def _group_cells(past: PastForecasts, part: Part, level_by_name: Mapping[str, str]) -> tuple[np.ndarray, list[Any]]:
    """Assign each cell to a group, (rows, horizon), and name the groups."""
    shape = past.mean.shape
    if part == "level":
        names = list(dict.fromkeys(level_by_name.values()))
        if not names:
            raise UsageError(Problem("no-hierarchy-levels", "--by level"))
        places = np.array([names.index(level_by_name[name]) if name in level_by_name else -1 for name in past.names])
        return np.broadcast_to(places[past.series][:, None], shape), names
    if part == "step":
        return np.broadcast_to(np.arange(shape[1]), shape), list(range(1, shape[1] + 1))
    if part == "series":
        return np.broadcast_to(past.series[:, None], shape), past.names
    if part == "version":
        labels, codes = np.unique(past.versions, return_inverse=True)
        return np.broadcast_to(codes[:, None], shape), labels.tolist()
    if part == "origins":
        first = past.origins - (past.origins - past.origins[0]) % past.horizon
        labels, codes = np.unique(first, return_inverse=True)
        return np.broadcast_to(codes[:, None], shape), labels.tolist()
    if isinstance(past.times, pd.DatetimeIndex):
        days = past.times.normalize()
        weeks, codes = np.unique(days - pd.to_timedelta(days.day_of_week, "D"), return_inverse=True)
        return codes[past.places], [str(week)[:10] for week in weeks]
    raise UsageError(Problem("no-weeks", "--by week"))
