"""The report of a run: its forecast, what the training measured, its data and its network."""

import csv
import io
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forecaster.config import Config
from forecaster.errors import ForecasterError
from forecaster.evaluation.anomalies import find_anomalies_of_run
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.evaluate import evaluate
from forecaster.evaluation.origins import MODEL, UNRECONCILED
from forecaster.evaluation.tables import describe_refit, describe_unscaled
from forecaster.evaluation.verdict import describe_coverage, describe_fallback, describe_verdict
from forecaster.explain.explain_forecasts import explain_run
from forecaster.forecasting.predict import Prediction, predict
from forecaster.html_report.content import (
    Block,
    Cell,
    Chart,
    Code,
    Facts,
    Line,
    Panel,
    Report,
    Section,
    Sentences,
    Table,
    Tile,
)
from forecaster.html_report.error_sections import (
    build_anomaly_section,
    build_coverage_section,
    build_score_table,
    build_series_table,
    build_step_charts,
    build_tiles,
    describe_worth,
    name_rival,
    rank_series,
)
from forecaster.html_report.explained_section import MOST_SERIES, build_explained_section
from forecaster.html_report.series_panels import build_forecast_chart, format_times, list_bands
from forecaster.problems import condense_problems
from forecaster.runs import Version
from forecaster.wording import count_of, count_steps, list_some, name_steps

log = logging.getLogger("forecaster")

MOST_PANELS = 300  # series that can be selected, as far as there is room for them
_SAME = 1e-3  # relative difference of errors on the same part


def build_run_report(version: Version, name: str, data: Path | None = None) -> Report:
    """Build the report of a version of a run; what its data do not allow is a warning in its place.

    Args:
        version: with its files verified.
        name: of the run.
        data: newer data than those of the config.

    Raises:
        RunError: its metrics cannot be what a training wrote.
    """
    try:
        metrics = version.metrics if "metrics.json" in version.manifest["files"] else {}
        prediction, failure = _forecast(version, data)
        comparison, missing = _compare(version, data)
        return _assemble(version, data, name, metrics, prediction, comparison, [*failure, *missing])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise version.refuse("metrics.json", repr(error)) from None


def _forecast(version: Version, data: Path | None) -> tuple[Prediction | None, list[str]]:
    try:
        found = predict(version, data)
        return found, [str(problem) for problem in condense_problems([*found.problems, *found.notices])]
    except ForecasterError as error:
        return None, [_report(f"There is no forecast: {error}")]


def _compare(version: Version, data: Path | None) -> tuple[Comparison | None, list[str]]:
    try:
        return evaluate(version, data).comparison, []
    except ForecasterError as error:
        return None, [_report(f"There are no errors by step and by series: {error}")]


def _report(warning: str) -> str:
    """Log what a report lacks, since nobody may read it today."""
    log.warning("%s", warning)
    return warning


def _assemble(
    version: Version,
    data: Path | None,
    name: str,
    metrics: Mapping[str, Any],
    prediction: Prediction | None,
    comparison: Comparison | None,
    warnings: Sequence[str],
) -> Report:
    """Assemble the sections of a run."""
    config = version.config
    season, frequency = config.data.main_season, str(config.data.frequency)
    scored = bool(metrics.get("scores"))
    summary: Mapping[str, Any] = metrics if scored else comparison.summary if comparison is not None else {}
    ranked = [] if comparison is None else rank_series(comparison.tabulate_by_series(), comparison.measure)
    sections = [_build_forecast_section(prediction, ranked, frequency, warnings)]
    tiles, headline, verdict = [], "No test part was held out (split.test: 0), so the error on new data is unknown.", []
    if summary:
        headline, tiles = describe_worth(summary, season, frequency), build_tiles(summary, season, frequency)
        verdict = [*([describe_verdict(summary)] if "separate" in summary else []), *describe_fallback(metrics)]
        sections += _build_error_sections(config, metrics, comparison)
        sections += _build_anomaly_sections(version, data, comparison)
    sections += _build_explained_sections(version, data, prediction, ranked)
    if prediction is not None and prediction.forecasts:
        times = format_times(prediction.forecasts[0].timestamps)
        tiles.append(Tile("Forecast", count_steps(len(times), frequency), f"{times[0]} to {times[-1]}"))
    sections += [
        _build_data_section(version, config, prediction),
        *build_network_sections(version, _list_commands(version)),
    ]
    record = version.manifest.get("data", {})
    rows, (last,) = count_of(int(record.get("steps", 0)), "row"), format_times([record.get("last", "")])
    subtitle = f"{record.get('path', '')}, {rows} until {last}"
    target = config.data.target if isinstance(config.data.target, str) else ""
    title = f"{name}: forecast of {target}" if target not in {"", "*", "auto", name} else f"{name}: forecast"
    return Report(title, f"{subtitle}; version {version.path.name}", headline, verdict, tiles, sections)


def _build_forecast_section(
    prediction: Prediction | None, ranked: Sequence[str], frequency: str, warnings: Sequence[str]
) -> Section:
    """Build the section of the forecast: a chart, and a table of the series that it begins with."""
    blocks: list[Block] = [Sentences(warnings, are_warnings=True)] if warnings else []
    if prediction is None or not prediction.forecasts:
        return Section("Forecast", blocks)
    places = {each: place for place, each in enumerate(ranked)}
    pairs = sorted(
        zip(prediction.panel, prediction.forecasts, strict=True), key=lambda pair: places.get(pair[0].name, len(places))
    )
    chart = build_forecast_chart(pairs[:MOST_PANELS], len(pairs), name_steps(frequency))
    forecast = pairs[0][1]
    columns = ["time", "forecast", *(f"{side} {label}" for label in chart.bands for side in ("lower", "upper"))]
    bounds = [bound for _, *both in list_bands(forecast.quantiles) for bound in both]
    rows: list[list[Cell]] = [
        [time, *(float(values[step]) for values in (forecast.mean, *bounds))]
        for step, time in enumerate(format_times(forecast.timestamps))
    ]
    note = f"Source of the forecast of {forecast.series}: {forecast.source}."
    return Section("Forecast", [*blocks, chart, Table(columns, rows, note, follows=chart.name)])


def _build_error_sections(config: Config, metrics: Mapping[str, Any], comparison: Comparison | None) -> list[Section]:
    """Build the sections on errors and on coverage: what the training measured, then by step and by series."""
    season, frequency = config.data.main_season, str(config.data.frequency)
    blocks: list[Block] = []
    summary: Mapping[str, Any] = metrics
    if metrics.get("scores"):
        notes = [*(describe_unscaled(metrics) if "unscaled" in metrics else []), *describe_refit(metrics)]
        blocks += [
            Sentences(["Errors on the test part, which the training has not seen."]),
            build_score_table(metrics),
            Sentences(notes),
        ]
    charts: list[Block] = []
    if comparison is not None:
        found = comparison.summary
        if not (metrics.get("scores") and _are_equal(found, metrics)):
            summary = summary if metrics.get("scores") else found
            blocks += [Sentences([_describe_rows(found, metrics)]), build_score_table(found)]
            blocks.append(Sentences([describe_verdict(found)]))
        errors, charts = build_step_charts(comparison.tabulate_by_step(), found, frequency)
        blocks += errors
        if found["series"] > 1:
            rival, label = name_rival(found, season, frequency)
            blocks.append(build_series_table(comparison.tabulate_by_series(), comparison.measure, rival, label))
    coverage = build_coverage_section(summary, charts, describe_coverage(summary))
    return [Section("Errors", blocks), *([coverage] if summary.get("coverage") else [])]


def _describe_rows(found: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Describe the rows of a comparison: the test part where the errors before reconciliation are those of it."""
    scores, measured = found["scores"], metrics.get("scores")
    if measured and UNRECONCILED in scores and _are_equal({"scores": {MODEL: scores[UNRECONCILED]}}, metrics):
        return "Errors on the test part, with the forecast after reconciliation."
    return "Errors on the rows after the training data."


def _are_equal(found: Mapping[str, Any], metrics: Mapping[str, Any]) -> bool:
    """Whether two summaries have the same errors, as those of the test part."""
    return math.isclose(found["scores"]["model"]["mae"], metrics["scores"]["model"]["mae"], rel_tol=_SAME)


def _build_anomaly_sections(version: Version, data: Path | None, comparison: Comparison | None) -> list[Section]:
    """Build the section on anomalies, where the run can be scored and has intervals."""
    if comparison is None or not version.config.forecast.levels:
        return []
    return build_anomaly_section({"": find_anomalies_of_run(version, data)})


def _build_explained_sections(
    version: Version, data: Path | None, prediction: Prediction | None, ranked: Sequence[str]
) -> list[Section]:
    """Build the section on what forecasts are made of, of the series with the largest errors."""
    if prediction is None or not prediction.forecasts:
        return []
    forecast = dict.fromkeys(forecast.series for forecast in prediction.forecasts)
    order = [*(name for name in ranked if name in forecast), *(name for name in forecast if name not in {*ranked})]
    try:
        found, _ = explain_run(version, data, names=order[:MOST_SERIES])
    except ForecasterError as error:
        return [Section("Explained", [Sentences([f"The forecast is not explained: {error}"], are_warnings=True)])]
    places = {name: place for place, name in enumerate(order)}
    if not found:
        return []
    is_reconciled = bool(version.config.data.hierarchy) and version.config.forecast.reconcile != "none"
    return [build_explained_section(sorted(found, key=lambda each: places[each.series.name]), is_reconciled)]


def _build_data_section(version: Version, config: Config, prediction: Prediction | None) -> Section:
    """Build the section on the data: what they are, what was repaired, and each series."""
    record, keys = version.manifest.get("data", {}), config.data
    seasons = " and ".join(count_steps(season, str(keys.frequency)) for season in keys.seasons) or "none"
    pairs = [
        ("source", str(record.get("path", ""))),
        (
            "trained on",
            f"{count_of(int(record.get('series', 0)), 'series', 'series')}, {record.get('steps', 0):,} steps",
        ),
        ("span", " to ".join(format_times([record.get("first", ""), record.get("last", "")]))),
        ("step", name_steps(str(keys.frequency))),
        ("seasons", seasons),
        (
            "covariates",
            list_some([*keys.covariates.past, *keys.covariates.future, *keys.covariates.static], 20) or "none",
        ),
        ("policies", f"gaps {keys.gaps}, duplicates {keys.duplicates}, invalid values {keys.invalid_values}"),
    ]
    blocks: list[Block] = [Facts(pairs)]
    if prediction is not None:
        panel = prediction.panel[:1000]
        notices = condense_problems(
            [notice.add_series(s.name) if keys.several else notice for s in panel for notice in s.notices]
        )
        filled = sum(0 if s.observed is None else int((~s.observed).sum()) for s in prediction.panel)
        repaired = (
            [f"{count_of(filled, 'step')} had no value and {'was' if filled == 1 else 'were'} filled ({keys.gaps})."]
            if filled
            else []
        )
        blocks.append(Sentences([*repaired, *map(str, notices)] or ["Nothing had to be repaired."]))
        rows: list[list[Cell]] = []
        for series in panel:
            known = series.values if series.observed is None else series.values[series.observed]
            first, last = format_times([series.timestamps[0], series.timestamps[-1]])
            numbers = [float(f(known)) for f in (np.nanmin, np.nanmean, np.nanmax)] if len(known) else [None] * 3
            rows.append([series.name, len(series), len(series) - len(known), *numbers, first, last])
        columns = ["series", "steps", "filled", "lowest", "mean", "highest", "first", "last"]
        blocks.append(Table(columns, rows, "As they were when this report was made.", "forecast"))
    return Section("Data", blocks)


def _describe_head(config: Config) -> str:
    """Describe the intervals of a network whose head has a distribution."""
    own = f"of the head ({config.model.head})"
    if config.forecast.intervals != "auto" or config.forecast.fallback == "never":
        return own
    return f"{own}; where other forecasts are averaged in, by errors on the validation part"


def build_network_sections(version: Version, commands: str) -> list[Section]:
    """Build the sections on the network, its config, and how to make it again."""
    config, manifest = version.config, version.manifest
    model, training = config.model, config.training
    pairs = [
        (
            "network",
            f"{model.cell}, units {', '.join(map(str, model.units))}, decoder {model.decoder}, head {model.head}",
        ),
        ("reads", count_steps(config.window.length, str(config.data.frequency))),
        ("forecasts", count_steps(config.window.horizon, str(config.data.frequency))),
        ("loss", str(config.loss)),
        ("optimizer", f"{training.optimizer.name}, learning rate {training.optimizer.learning_rate:g}"),
        (
            "networks",
            f"{len(version.members)}, trained once more on all rows"
            if version.has_refit
            else str(len(version.members)),
        ),
        ("starts from", "the zero-shot forecast" if model.pretrained else "random weights"),
        (
            "intervals",
            "conformal, by errors on the validation part" if config.conformal else _describe_head(config),
        ),
    ]
    panels = [
        panel
        for number, folder in enumerate(version.members, 1)
        if f"{folder}history.csv" in manifest["files"]
        for panel in [_read_losses(version, f"{folder}history.csv", f"network {number}" if folder else "")]
    ]
    blocks: list[Block] = [Facts(pairs)]
    if panels:
        lines = [Line("training", "blue"), Line("validation", "orange", 1)]
        blocks.append(Chart("losses", "Loss by epoch, in scaled units", lines, panels, (), "epoch"))
    libraries = ", ".join(f"{name} {number}" for name, number in manifest.get("libraries", {}).items())
    made = [
        ("version", version.path.name),
        ("forecaster", str(manifest.get("forecaster", ""))),
        ("Python", str(manifest.get("python", ""))),
        ("libraries", libraries),
        ("seed", str(manifest.get("seed", ""))),
        ("data (SHA-256)", str(manifest.get("data", {}).get("sha256", ""))),
        ("training", f"{manifest.get('wall_seconds', '')} seconds, {manifest.get('peak_memory_mb', '')} MB"),
    ]
    return [
        Section("Network", blocks),
        Section(
            "Reproduce",
            [Facts(made), Code(commands), Code(version.read("config.yaml").decode(), "config.yaml: every setting")],
        ),
    ]


def _list_commands(version: Version) -> str:
    return f"forecast train {version.path}/config.yaml\nforecast predict {version.path}\n"


def _read_losses(version: Version, file: str, name: str) -> Panel:
    """Read the losses of one network by epoch."""
    rows = list(csv.DictReader(io.StringIO(version.read(file).decode())))
    losses = [[float(row[key]) if row[key] else math.nan for row in rows] for key in ("loss", "validation_loss")]
    return Panel(name, [row["epoch"] for row in rows], [np.array(values) for values in losses])
