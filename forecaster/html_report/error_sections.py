"""Sections on errors, which reports share: by forecaster, step and series, and the coverage of intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecaster.evaluation.anomalies import Anomalies
from forecaster.evaluation.baselines import name_forecasters
from forecaster.forecasting.fallback import ZERO_SHOT
from forecaster.html_report.charts import format_value
from forecaster.html_report.content import Block, Cell, Chart, Color, Line, Panel, Section, Sentences, Table, Tile
from forecaster.html_report.series_panels import format_times
from forecaster.wording import count_steps, name_steps

METRICS = {"mae": "MAE", "rmse": "RMSE", "smape": "sMAPE %", "mase": "MASE", "bias": "bias"}
_COLORS: Mapping[str, Color] = {
    "model": "blue",
    "network_alone": "sky",
    "naive": "orange",
    "seasonal_naive": "green",
    ZERO_SHOT: "purple",
}
_DASHES = {"model": 0, "network_alone": 3, "naive": 1, "seasonal_naive": 2, ZERO_SHOT: 3}
_LABELS = {"mase": "scaled error (MASE)", "mae": "mean absolute error"}
_MOST_EVENTS = 20
_COVERAGE_COLORS: Sequence[Color] = ("blue", "orange", "green", "purple")


def name_rival(summary: Mapping[str, Any], season: int, frequency: str) -> tuple[str, str]:
    """Name the naive forecast that everybody knows: its key, and `the value 24 hours before`; empty without one."""
    if "seasonal_naive" in summary["scores"]:
        return "seasonal_naive", f"the value {count_steps(season, frequency) if season > 1 else 'a season'} before"
    return ("naive", "the last value") if "naive" in summary["scores"] else ("", "")


def describe_worth(summary: Mapping[str, Any], season: int, frequency: str) -> str:
    """Describe in one sentence what the forecast is worth next to last season's value, or the last one.

    Args:
        summary: scores of several forecasters, as `Comparison.summary`.
        season: in steps, 1 where there is none.
        frequency: of the steps.
    """
    key, rival = name_rival(summary, season, frequency)
    model = summary["scores"]["model"]
    if not key:
        return f"On average the forecast is off by {format_value(_round(model['mae']))}."
    other, measure = summary["scores"][key], "mae" if summary["series"] == 1 else summary.get("measure", "mae")
    if not other.get(measure) or measure not in model:
        return f"On average the forecast is off by {format_value(_round(model['mae']))}."
    share = 1 - model[measure] / other[measure]
    compared = f"{abs(share):.0%} {'smaller' if share >= 0 else 'larger'}" if round(share, 2) else "equal"
    if summary["series"] > 1:
        than = "than" if round(share, 2) else "to"
        return f"Over all {summary['series']:,} series, the forecast's errors are {compared} {than} those of {rival}."
    off, other_off = (format_value(_round(each["mae"])) for each in (model, other))
    advice = "; use that value instead" if round(share, 2) < 0 else ""
    return f"On average the forecast is off by {off}, and {rival} by {other_off}: its errors are {compared}{advice}."


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def build_tiles(summary: Mapping[str, Any], season: int, frequency: str) -> list[Tile]:
    """Build the numbers at the top: the error, next to a naive forecast, and the coverage of each interval."""
    model = summary["scores"]["model"]
    scaled = f"MASE {model['mase']:.3g}" if "mase" in model else ""
    tiles = [Tile("Mean absolute error", format_value(_round(model["mae"])), scaled)]
    key, rival = name_rival(summary, season, frequency)
    measure = "mae" if summary["series"] == 1 else summary.get("measure", "mae")
    if key and summary["scores"][key].get(measure) and measure in model:
        share = model[measure] / summary["scores"][key][measure] - 1
        hint = f"{measure.upper()} {format_value(_round(summary['scores'][key][measure]))}"
        tiles.append(Tile(f"Error next to {rival}", f"{share:+.0%}".replace("-", "\N{MINUS SIGN}"), hint))
    tiles += [
        Tile(f"Inside the {level} % interval", f"{share:.0f} %", "of the actual values")
        for level, share in summary.get("coverage", {}).items()
    ]
    return tiles


def build_score_table(summary: Mapping[str, Any], note: str = "") -> Table:
    """Build the table of errors by forecaster."""
    labels, scores = name_forecasters(summary), summary["scores"]
    names = [name for name in METRICS if any(name in row for row in scores.values())]
    rows: list[list[Cell]] = [[labels[key], *(row.get(name) for name in names)] for key, row in scores.items()]
    return Table(["forecaster", *(METRICS[name] for name in names)], rows, note)


def build_step_charts(
    by_step: pd.DataFrame, summary: Mapping[str, Any], frequency: str
) -> tuple[list[Block], list[Block]]:
    """Build the charts of errors and of coverage by step ahead.

    Args:
        by_step: a row for each forecaster and step, with a column for each metric.
        summary: of the same forecasts.
        frequency: of the steps.
    """
    labels, measure = name_forecasters(summary), summary["measure"]
    errors = by_step[measure].unstack("forecaster")
    keys = [key for key in summary["scores"] if key in errors]
    times, unit = [str(step) for step in errors.index], f"{name_steps(frequency)} ahead"
    lines = [Line(labels[key], _COLORS.get(key, "grey"), _DASHES.get(key, 1)) for key in keys]
    panel = Panel("", times, [errors[key].to_numpy(float) for key in keys])
    charts: list[Block] = [Chart("steps", f"Error by step ahead: {_LABELS[measure]}", lines, [panel], (), unit, True)]
    levels = [level for level in summary.get("coverage", {}) if f"coverage_{level}" in by_step]
    if not levels:
        return charts, []
    covered = by_step.xs("model", level="forecaster")
    pairs = list(zip(levels, _COVERAGE_COLORS, strict=False))
    lines = [Line(f"{level} % interval", color) for level, color in pairs]
    lines += [Line(f"nominal {level} %", color, 2) for level, color in pairs]
    values = [covered[f"coverage_{level}"].to_numpy(float) for level, _ in pairs]
    values += [np.full(len(times), float(level)) for level, _ in pairs]
    title = "Share of the actual values inside each interval, in percent, by step ahead"
    return charts, [Chart("coverage", title, lines, [Panel("", times, values)], (), unit)]


def build_fold_chart(by_fold: pd.DataFrame, summary: Mapping[str, Any]) -> Chart:
    """Build the chart of errors by fold."""
    labels, errors = name_forecasters(summary), by_fold[summary["measure"]].unstack("forecaster")
    keys = [key for key in summary["scores"] if key in errors]
    lines = [Line(labels[key], _COLORS.get(key, "grey"), _DASHES.get(key, 1)) for key in keys]
    panel = Panel("", [str(fold) for fold in errors.index], [errors[key].to_numpy(float) for key in keys])
    return Chart("folds", f"Error by fold: {_LABELS[summary['measure']]}", lines, [panel], (), "fold", True)


def build_anomaly_section(found: Mapping[str, Anomalies]) -> list[Section]:
    """Build the section on the events with the largest scores, by job; none where nothing could be checked."""
    checked = {name: each for name, each in found.items() if each.checked}
    if not checked:
        return []
    events = [(name, event) for name, each in checked.items() for event in each.events]
    events.sort(key=lambda pair: -pair[1].score)
    rows: list[list[Cell]] = [
        [
            " to ".join(dict.fromkeys(format_times([event.first, event.last]))),
            name if len(found) > 1 else event.series,
            event.values,
            event.actual,
            event.mean,
            event.score,
        ]
        for name, event in events[:_MOST_EVENTS]
    ]
    columns = ["when", "job" if len(found) > 1 else "series", "values", "observed", "forecast", "score"]
    note = "Observed and forecast are those of the value that is furthest out of its interval."
    several = len(found) > 1
    texts = [f"{name}: {each.describe()}." if several else f"{each.describe()}." for name, each in checked.items()]
    return [Section("Anomalies", [Sentences(texts), *([Table(columns, rows, note)] if rows else [])])]


def build_coverage_section(summary: Mapping[str, Any], charts: Sequence[Block], sentences: Sequence[str]) -> Section:
    """Build the section on how many actual values the intervals covered."""
    model = summary["scores"]["model"]
    rows: list[list[Cell]] = [
        [f"{level} %", share, model.get(f"width_{level}")] for level, share in summary.get("coverage", {}).items()
    ]
    table = Table(["interval", "covered %", "mean width"], rows)
    return Section("Coverage", [Sentences(sentences), table, *charts])


def rank_series(by_series: pd.DataFrame, measure: str) -> list[str]:
    """Rank the names of series by the error of their forecasts, the worst first."""
    errors = by_series.xs("model", level="forecaster")[measure]
    return [str(name) for name in errors.sort_values(ascending=False, na_position="last", kind="stable").index]


def build_series_table(by_series: pd.DataFrame, measure: str, rival: str, label: str) -> Table:
    """Build the table of errors by series, the worst first, next to those of a baseline."""
    model = pd.DataFrame(by_series.xs("model", level="forecaster"))
    order, levels = rank_series(by_series, measure), [name for name in map(str, model) if name.startswith("coverage_")]
    shown = model[[*(name for name in METRICS if name in model), *levels]].rename(columns=METRICS)
    if rival:
        other = by_series.xs(rival, level="forecaster")[measure]
        share = 100 * (model[measure] / other.where(other > 0) - 1)
        shown.insert(shown.shape[1] - len(levels), f"% next to {label}", share)
    values = shown.loc[order].to_numpy(float).tolist()
    rows: list[list[Cell]] = [[name, *map(_to_cell, row)] for name, row in zip(order, values, strict=True)]
    columns = [name.replace("coverage_", "in ") + " %" if name in levels else name for name in map(str, shown)]
    return Table(["series", *columns], rows, "The largest errors are first.", "forecast")


def _to_cell(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
