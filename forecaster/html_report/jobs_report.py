"""The report of jobs or of a store: what became of past forecasts, the worst first."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster.errors import RunError
from forecaster.evaluation.anomalies import RATE
from forecaster.evaluation.metrics import compute_scores_by_step, find_levels
from forecaster.evaluation.verdict import describe_coverage, describe_verdict
from forecaster.html_report.content import (
    Block,
    Cell,
    Chart,
    Code,
    Line,
    Panel,
    Report,
    Section,
    Sentences,
    Table,
    Tile,
)
from forecaster.html_report.error_sections import build_anomaly_section, build_tiles, describe_worth
from forecaster.html_report.run_report import MOST_PANELS
from forecaster.html_report.series_panels import NEWEST, format_times, insert_gaps, list_bands, make_past_panel
from forecaster.jobs.anomalies import find_anomalies_of_job
from forecaster.jobs.job import LoadedJobs
from forecaster.jobs.jobs_file import is_jobs_file, load_jobs
from forecaster.jobs.score import RECENT, Score, describe_drift, score_job
from forecaster.jobs.score_report import score_jobs
from forecaster.jobs.status import Outcome, load_status
from forecaster.problems import Problem
from forecaster.store.store import open_store
from forecaster.wording import count_of, list_some

_ERRORS = {"mae": "MAE", "wape": "WAPE %", "mase": "MASE", "bias": "bias"}
_BASELINES = {"naive": Line("last value", "orange", 1), "seasonal_naive": Line("seasonal naive", "green", 2)}


def build_jobs_report(source: str, url: str, base: Path) -> Report:
    """Build the report of a jobs file, or of a store alone, whose jobs have no known season.

    Raises:
        RunError: the store is missing or damaged, or none of its forecasts has an actual.
    """
    loaded = load_jobs(Path(source), are_configs_required=False) if is_jobs_file(Path(source)) else None
    states: Mapping[str, Outcome] = {}
    if loaded is not None:
        scores, missing = score_jobs(loaded, loaded.jobs)
        with contextlib.suppress(ValueError):  # a damaged status: outcomes of the last run are not known
            states = load_status(loaded.status_file, loaded.path).jobs
    else:
        with open_store(url, base, read_only=True) as store:
            found = {name: score_job(store, name) for name in store.list_jobs()}
        scores = [score for score in found.values() if score is not None]
        missing = [Problem("no-scored-forecasts", name) for name, score in found.items() if score is None]
    if not scores:
        raise RunError(missing or [Problem("no-scored-forecasts", source)])
    return _assemble(source, loaded, sorted(scores, key=_rank), states, missing)


def _rank(score: Score) -> float:
    """Rank a job by its error next to the naive forecast, the worst first."""
    return np.inf if score.skill is None else score.skill


def _assemble(
    source: str,
    loaded: LoadedJobs | None,
    scores: Sequence[Score],
    states: Mapping[str, Outcome],
    missing: Sequence[Problem],
) -> Report:
    """Assemble the sections of jobs."""
    failed = [name for name, state in states.items() if state.is_failure]
    warnings = [*map(str, missing), *(f"{name}: {states[name].reason}" for name in failed)]
    findings = [f"{score.job}: {text}" for score in scores for text in _describe(score)]
    sections = [
        Section("Jobs", [*([Sentences(warnings, True)] if warnings else []), _tabulate_jobs(scores, states)]),
        *([Section("Findings", [Sentences(findings)])] if len(scores) > 1 else []),
        _build_forecast_section(scores),
        Section("Errors", [_chart_origins(scores), _chart_steps(scores), _tabulate_series(scores)]),
        Section("Coverage", [_tabulate_coverage(scores)]),
        *build_anomaly_section({score.job: find_anomalies_of_job(score, RATE) for score in scores}),
    ]
    name = Path(source).name if Path(source).exists() else "store"
    if loaded is not None:
        text = loaded.path.read_text("utf-8", errors="replace")
        commands = f"forecast run {loaded.path.name}\nforecast score {loaded.path.name}\n"
        sections.append(Section("Reproduce", [Code(commands), Code(text, f"{name}: every job")]))
    jobs = count_of(len(scores) + len(missing), "job")
    newest = format_times([max(score.latest.origin_times[-1] for score in scores if score.job == scores[0].job)])[0]
    headline, verdict, tiles = _summarize(scores, failed if states else None)
    title, subtitle = f"{name}: stored forecasts", f"{jobs}; the newest forecast of {scores[0].job} is from {newest}"
    return Report(title, subtitle, headline, verdict, tiles, sections)


def _summarize(scores: Sequence[Score], failed: Sequence[str] | None) -> tuple[str, list[str], list[Tile]]:
    """Summarize jobs: a sentence, what follows, and the numbers at the top."""
    drifted = [score.job for score in scores if score.drift.is_found]
    tiles = [Tile("Jobs with drift", f"{len(drifted)} of {len(scores)}", list_some(drifted, 3))]
    if failed is not None:
        tiles.append(Tile("Jobs that failed", str(len(failed)), list_some(failed, 3)))
    if len(scores) == 1:
        score = scores[0]
        facts = score.summary, score.past.season, score.frequency
        return describe_worth(*facts), _describe(score), [*build_tiles(*facts), *tiles]
    compared = [score for score in scores if score.skill is not None]
    worse = [score.job for score in compared if (score.skill or 0.0) < 0]
    better, count = len(compared) - len(worse), count_of(len(compared), "job")
    headline = f"{better} of {count} forecast better than the value a season before, or the last one."
    return headline, [], [Tile("Worse than the value before", str(len(worse)), list_some(worse, 3)), *tiles]


def _describe(score: Score) -> list[str]:
    """Describe verdict, coverage and drift of a job."""
    coverage = describe_coverage(score.summary) if find_levels(score.latest.quantiles) else []
    return [describe_verdict(score.summary), *coverage, *(f"{problem}." for problem in describe_drift(score))]


def _name(score: Score, series: str, scores: Sequence[Score]) -> str:
    return series if len(scores) == 1 else score.job if len(score.past.names) == 1 else f"{score.job}: {series}"


def _tabulate_jobs(scores: Sequence[Score], states: Mapping[str, Outcome]) -> Table:
    """Tabulate the jobs: errors of the newest origins, in the test of the training, skill, coverage and drift."""
    levels = sorted({level for score in scores for level in score.coverage}, key=float)
    rows = []
    for score in scores:
        row: list[Cell] = [score.job, score.recent_scores["model"].get("mae"), score.error_now, score.error_then]
        row.append(None if score.skill is None else 100 * score.skill)
        row += [score.coverage.get(level) for level in levels]
        row += ["yes" if score.drift.is_found else "no", len(score.scored_origins)]
        if states:
            state = states.get(score.job, Outcome())
            row += [state.outcome or "", state.newest or ""]
        rows.append(row)
    columns = ["job", "MAE", "MASE", "MASE in test", "skill %", *(f"in {level} %" for level in levels)]
    columns += ["drift", "forecasts", *(["last run", "newest data"] if states else [])]
    note = f"Errors of the newest {RECENT} forecasts; skill is next to the value a season before, or the last one."
    return Table(columns, rows, f"{note} The worst job is first.")


def _build_forecast_section(scores: Sequence[Score]) -> Section:
    """Build the section of the newest forecast of each time, with its actual."""
    levels = sorted({each for score in scores for each in score.latest.quantiles})
    tables = [(score, dict(list(score.latest.tabulate_newest().groupby("series", sort=False)))) for score in scores]
    ranked = [(score, name, parts[name]) for score, parts in tables for name in _rank_series(score) if name in parts]
    shown = ranked[:MOST_PANELS]
    panels = []
    for score, name, found in shown:
        rows = insert_gaps(found, found["origin"].to_numpy(), found["timestamp"].to_numpy())
        quantiles = {p: rows[p].to_numpy(float) if p in rows else np.full(len(rows), np.nan) for p in levels}
        lines = [rows[each].to_numpy(float) for each in ("actual", "mean")]
        times, label = format_times(rows["timestamp"]), _name(score, name, scores)
        panels.append(make_past_panel(label, times, lines, quantiles, len(shown)))
    bands = [label for label, *_ in list_bands(dict.fromkeys(levels, 0.0))]
    lines_drawn = [Line("actual", "ink"), Line("forecast", "blue")]
    title = "Newest forecast of each time, with its actual"
    return Section("Forecasts", [Chart("forecast", title, lines_drawn, panels, bands, shown=NEWEST, total=len(ranked))])


def _rank_series(score: Score) -> list[str]:
    """Rank the series of a job by their errors, the worst first; those without actuals are last."""
    errors = score.tabulate("series")[score.measure].sort_values(ascending=False, kind="stable")
    return [*errors.index, *(name for name in score.past.names if name not in errors.index)]


def _chart_origins(scores: Sequence[Score]) -> Block:
    """Draw the mean error of each origin, which shows drift."""
    panels = []
    for score in scores:
        errors = score.origin_errors
        measure = next(iter(errors[-1].errors), "mae") if errors else "mae"
        values = [np.array([each.errors.get(name, np.nan) for each in errors]) for name in (measure, *_BASELINES)]
        panels.append(Panel(score.job, format_times([each.time for each in errors]), values))
    shown = [panel for panel in panels if len(panel.times) > 1]
    lines = [Line("forecast", "blue"), *_BASELINES.values()]
    if not shown:
        return Sentences(["Errors by origin need two origins with actuals for half of their horizon."])
    return Chart("origins", "Mean error by origin, scaled where that is possible", lines, shown, (), "origin", True)


def _chart_steps(scores: Sequence[Score]) -> Chart:
    """Draw the error by step ahead, next to naive forecasts."""
    panels = []
    for score in scores:
        past = score.latest
        tables = {name: compute_scores_by_step(past.to_scored(name)) for name in ("", *score.baselines)}
        missing = pd.Series(np.nan, tables[""].index)
        each = [tables[name][score.measure] if name in tables else missing for name in ("", *_BASELINES)]
        times = [str(step) for step in tables[""].index]
        panels.append(Panel(score.job, times, [values.to_numpy(float) for values in each]))
    title, lines = "Error by step ahead: MASE, or MAE where no series has a scale", [Line("forecast", "blue")]
    return Chart("steps", title, [*lines, *_BASELINES.values()], panels, (), "steps ahead", True)


def _tabulate_series(scores: Sequence[Score]) -> Table:
    """Tabulate the errors of each series, the worst first."""
    rows: list[tuple[float, list[Cell]]] = []
    for score in scores:
        table = score.tabulate("series")
        skill = f"skill_{score.baselines[-1]}" if score.baselines else ""
        for name, row in table.iterrows():
            cells = [_to_cell(row.get(each)) for each in _ERRORS]
            share = _to_cell(row.get(skill))
            percent = None if share is None else 100 * share
            rank = row.get(score.measure, np.nan)
            rows.append((rank, [_name(score, str(name), scores), int(row["cells"]), *cells, percent]))
    rows.sort(key=lambda pair: -np.inf if np.isnan(pair[0]) else pair[0], reverse=True)
    columns = ["series", "actuals", *_ERRORS.values(), "skill %"]
    return Table(columns, [row for _, row in rows], "The largest scaled errors are first.", "forecast")


def _tabulate_coverage(scores: Sequence[Score]) -> Table:
    """Tabulate the share of actuals inside each interval, over all stored forecasts that were read."""
    levels = sorted({level for score in scores for level in score.summary["coverage"]}, key=float)
    rows: list[list[Cell]] = [[s.job, *(s.summary["coverage"].get(level) for level in levels)] for s in scores]
    return Table(["job", *(f"in {level} %" for level in levels)], rows, "In percent of the actual values.")


def _to_cell(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
