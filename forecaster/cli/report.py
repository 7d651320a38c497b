"""`forecast report`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Data, TrustConfig, UseVersion, choose_format, load_run
from forecaster.errors import UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from forecaster.html_report.content import Report


class _PageFormat(StrEnum):
    HTML = "html"


def report(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN|BACKTEST|JOBS|STORE",
            help="A run folder, the folder of a backtest, a jobs file, or a store: its file or URL.",
            show_default=False,
        ),
    ],
    data: Data = None,
    output: Annotated[str, typer.Option("--output", "-o", help="HTML file, - for stdout.")] = "report.html",
    version: UseVersion = None,
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Write one HTML file on a run, a backtest, jobs or a store, for whoever decides by it.

    What the forecast is worth next to the last season, the forecast with its history and intervals, errors by step and
    by series, coverage, data and repairs, the network, and how to make it again. The file needs no network.

    \b
    forecast report runs/power --output report.html
    forecast report backtests/power --output backtest.html
    forecast report jobs.yaml --output nights.html
    """
    from forecaster.html_report import render_report

    choose_format(None, output, _PageFormat.HTML)
    console.write_result(render_report(_build(source, data, version, trust_config)), output)


def _build(source: str, data: Path | None, version: str | None, trusts_config: bool) -> "Report":
    """Build the report of a source by what it is."""
    from forecaster.html_report import build_backtest_report, build_jobs_report, build_run_report, is_backtest
    from forecaster.jobs.history import find_store

    path = Path(source)
    is_missing_run = not (path.exists() or path.suffix or "://" in source)  # whose message names runs that are there
    if is_missing_run or (path.is_dir() and not is_backtest(path)):
        return build_run_report(load_run(path, data, trusts_config, version), path.resolve().name, data)
    given = {"--data": data is not None, "--version": version is not None, "--trust-config": trusts_config}
    if problems := [Problem("option-of-a-run-report", option) for option, is_given in given.items() if is_given]:
        raise UsageError(problems)
    return build_backtest_report(path) if path.is_dir() else build_jobs_report(source, *find_store(source))
