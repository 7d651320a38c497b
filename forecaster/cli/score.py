"""`forecast score`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import (
    AnomalyFiles,
    Output,
    Plot,
    Rate,
    ReportFormat,
    ReportInFile,
    Style,
    StyleName,
    check_anomaly_files,
    check_picture,
    choose_format,
    is_picture,
)
from forecaster.errors import DataError, QualityLimit, UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from forecaster.jobs.score import Part

_PARTS: "tuple[Part, ...]" = ("step", "week", "version", "series", "level")
_METRICS = ("mae", "mase", "wape")


def score(
    jobs: Annotated[Path, typer.Argument(help="A jobs file, such as jobs.yaml.", show_default=False)],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Name of a job, or a pattern: shop-*; repeatable.", show_default=False),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", help="A row for each step, week, version, series or level of a hierarchy.", show_default=False
        ),
    ] = None,
    fail_above: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-above", help="Exit with 7 where a recent error is larger: mase=1.2; repeatable.", show_default=False
        ),
    ] = None,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift", help="Exit with 7 where drift is found.")] = False,
    format: ReportInFile = None,
    output: Output = "-",
    plot: Plot = None,
    style: Style = StyleName.SCREEN,
    anomalies: AnomalyFiles = None,
    rate: Rate = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Score the forecasts that jobs stored on the actuals that followed.

    Errors, skill against the last value and the seasonal naive, coverage of the intervals, and drift. The store is read
    only. Limits concern the last 28 origins. A name of a picture may have {name}, for a picture of each job. Anomalies
    are actuals outside the interval of the newest forecast for them.

    \b
    forecast score jobs.yaml --only north --by week --fail-above mase=1.2 --fail-on-drift --plot north.png
    forecast score jobs.yaml --anomalies anomalies.csv --rate 0.01
    """
    from forecaster.jobs.anomalies import find_anomalies_of_job
    from forecaster.jobs.jobs_file import load_jobs
    from forecaster.jobs.score import find_exceeded_limits
    from forecaster.jobs.score_report import format_scores, score_jobs, scores_to_json

    check_picture(plot)
    format = choose_format(format, output, ReportFormat.TEXT)
    kept_rate = check_anomaly_files(anomalies, rate)
    part = _check_part(by)
    limits = dict(_parse_limit(text) for text in fail_above or [])
    loaded = load_jobs(jobs, are_configs_required=False)
    if loaded.store is None:
        raise UsageError(Problem("no-store", str(jobs)))
    selected = loaded.select(only or [])
    pictures = [("--plot", plot), *(("--anomalies", path) for path in anomalies or [] if is_picture(path))]
    for option, path in pictures:
        if path is not None and len(selected) > 1 and "{name}" not in str(path):
            detail = {"option": option, "instead": f"{{name}}{path.suffix}"}
            raise UsageError(Problem("picture-of-several", f"{option} {path}", detail=detail))
    scores, missing = score_jobs(loaded, selected)
    if not scores:
        raise DataError(missing)
    found = {each.job: find_anomalies_of_job(each, kept_rate) for each in scores} if anomalies else {}
    text = scores_to_json(scores, part, found) if format is ReportFormat.JSON else format_scores(scores, part)
    console.write_result(text, output)
    if anomalies:
        from forecaster.cli.anomaly_files import write_anomalies

        write_anomalies(found, anomalies, is_of_jobs=True)
    if plot is not None:
        from forecaster.jobs.plots import plot_score

        for each in scores:
            console.write_picture(plot_score(each), Path(str(plot).replace("{name}", each.job)))
    exceeded = [problem for each in scores for problem in find_exceeded_limits(each, limits, fail_on_drift)]
    if exceeded:
        raise QualityLimit(exceeded)


def _check_part(text: str | None) -> "Part | None":
    for part in _PARTS:
        if text == part:
            return part
    if text is None:
        return None
    raise UsageError(Problem("invalid-option", f"--by {text}", detail={"expected": " | ".join(_PARTS)}))


def _parse_limit(text: str) -> tuple[str, float]:
    """Parse `mase=1.2`."""
    metric, _, number = text.partition("=")
    try:
        limit = float(number)
    except ValueError:
        limit = math.nan
    if metric.strip().lower() not in _METRICS or not limit > 0:
        expected = f"a metric and its limit, such as mase=1.2; metrics are {', '.join(_METRICS)}"
        raise UsageError(Problem("invalid-option", f"--fail-above {text}", detail={"expected": expected}))
    return metric.strip().lower(), limit
