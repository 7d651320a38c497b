"""The report of a backtest, from the files in its folder."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster.errors import ForecasterError, RunError
from forecaster.evaluation.baselines import name_forecasters
from forecaster.evaluation.tables import describe_training_end
from forecaster.evaluation.verdict import describe_coverage, describe_verdict
from forecaster.forecast import COLUMNS, parse_quantile
from forecaster.html_report.content import Block, Chart, Line, Panel, Report, Section, Tile
from forecaster.html_report.error_sections import (
    build_coverage_section,
    build_fold_chart,
    build_score_table,
    build_series_table,
    build_step_charts,
    build_tiles,
    describe_worth,
    name_rival,
    rank_series,
)
from forecaster.html_report.run_report import MOST_PANELS, build_network_sections
from forecaster.html_report.series_panels import NEWEST, format_times, insert_gaps, list_bands, make_past_panel
from forecaster.problems import Problem
from forecaster.regular_files import read_regular_file
from forecaster.runs import Version, load_version
from forecaster.store.timestamps import parse_timestamps
from forecaster.wording import count_steps, format_timestamp, name_steps

_SUMMARY, _FORECASTS = "scores.json", "forecasts.csv"
_MOST_READ = 1 << 31  # bytes
_TEXT = ("series", "origin", "timestamp")
_OWN = {*COLUMNS, "fold", "actual"}


def is_backtest(folder: Path) -> bool:
    """Whether a folder holds the results of a backtest."""
    return (folder / _SUMMARY).is_file() and (folder / _FORECASTS).is_file()


def build_backtest_report(folder: Path) -> Report:
    """Build the report of a finished backtest.

    Raises:
        RunError: a file cannot be what a backtest wrote.
    """
    try:
        summary = json.loads(_read(folder, _SUMMARY))
        tables = {
            part: pd.read_csv(io.BytesIO(_read(folder, f"scores_by_{part}.csv")), index_col=[0, 1], dtype={part: dtype})
            for part, dtype in (("step", int), ("series", str), ("fold", int))
        }
        forecasts = pd.read_csv(io.BytesIO(_read(folder, _FORECASTS)), dtype=dict.fromkeys(_TEXT, str))
        return _assemble(folder, summary, tables, forecasts, _find_network(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(Problem("damaged-backtest", str(folder), detail={"reason": str(error)})) from None


def _read(folder: Path, name: str) -> bytes:
    return read_regular_file(folder / name, _MOST_READ)


def _find_network(folder: Path) -> Version | None:
    """Find the network of the last fold; None where the folder of the backtest keeps none."""
    for run in sorted(folder.glob("work/*/training-*"), key=lambda each: (each.stat().st_mtime, each.name))[::-1]:
        try:
            return load_version(run)
        except ForecasterError:
            continue
    return None


def _assemble(
    folder: Path,
    summary: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    forecasts: pd.DataFrame,
    version: Version | None,
) -> Report:
    """Assemble the sections of a backtest."""
    season, frequency = 1 if version is None else version.config.data.main_season, str(summary["frequency"])
    rival, label = name_rival(summary, season, frequency)
    errors, coverage = build_step_charts(tables["step"], summary, frequency)
    blocks: list[Block] = [build_score_table(summary), *errors]
    blocks.append(build_fold_chart(tables["fold"], summary))
    if summary["series"] > 1:
        blocks.append(build_series_table(tables["series"], summary["measure"], rival, label))
    sections = [
        _build_forecast_section(forecasts, rank_series(tables["series"], summary["measure"]), summary, rival),
        Section("Errors", blocks),
    ]
    if summary["coverage"]:
        sections.append(build_coverage_section(summary, coverage, describe_coverage(summary)))
    if version is not None:
        sections += build_network_sections(version, f"forecast backtest config.yaml --folds {summary['folds']}")
    first, last = forecasts["origin"].iloc[[0, -1]]
    ahead = count_steps(summary["horizon"], frequency)
    subtitle = f"{summary['folds']} origins from {format_timestamp(first)} to {format_timestamp(last)}, {ahead} ahead"
    tiles = [*build_tiles(summary, season, frequency), Tile("Origins", str(summary["folds"]), f"{ahead} ahead")]
    verdict = [describe_verdict(summary), *describe_training_end(summary)]
    headline = describe_worth(summary, season, frequency)
    return Report(f"{folder.resolve().name}: backtest", subtitle, headline, verdict, tiles, sections)


def _build_forecast_section(
    forecasts: pd.DataFrame, ranked: Sequence[str], summary: Mapping[str, Any], rival: str
) -> Section:
    """Build the section of the forecasts from past origins, next to what followed."""
    bounds = [name for name in forecasts.columns if name not in _OWN and name not in summary["scores"]]
    names = {parse_quantile(name): name for name in bounds}
    # Where folds overlap, the newest forecast of each timestamp.
    newest = forecasts.sort_values("fold", kind="stable").drop_duplicates(["series", "timestamp"], keep="last")
    newest = newest.iloc[np.argsort(parse_timestamps(newest["timestamp"]), kind="stable")]
    parts, shown = dict(list(newest.groupby("series", sort=False))), ranked[:MOST_PANELS]
    panels = [_make_panel(name, parts[name], names, rival, len(shown)) for name in shown if name in parts]
    lines = [Line("actual", "ink"), Line("forecast", "blue")]
    lines += [Line(name_forecasters(summary)[rival], "green", 2)] if rival else []
    bands = [label for label, *_ in list_bands(names)]
    note = ""
    if summary["stride"] < summary["horizon"]:
        note = "Where horizons overlap, the newest forecast of each time is shown."
    elif summary["stride"] > summary["horizon"]:
        note = "The steps between the forecasts of two origins are left out."
    title, unit = "Forecasts from past origins, with what was observed afterwards", name_steps(summary["frequency"])
    chart = Chart("forecast", title, lines, panels, bands, unit, note=note, shown=NEWEST, total=len(ranked))
    return Section("Forecasts", [chart])


def _make_panel(name: str, rows: pd.DataFrame, names: Mapping[float, str], rival: str, panels: int) -> Panel:
    times, origins = (parse_timestamps(rows[each]).to_numpy() for each in ("timestamp", "origin"))
    rows = insert_gaps(rows, origins, times)
    columns = [rows[each].to_numpy(float) for each in ("actual", "mean", *([rival] if rival else []))]
    quantiles = {p: rows[column].to_numpy(float) for p, column in names.items()}
    return make_past_panel(name, format_times(rows["timestamp"]), columns, quantiles, panels)
