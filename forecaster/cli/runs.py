"""`forecast runs`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Output, ReportFormat, ReportInFile, choose_format


def list_runs(
    folder: Annotated[Path, typer.Argument(help="A folder of runs, or one run.")] = Path("runs"),
    output: Output = "-",
    format: ReportInFile = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """List runs with the version in use, its age, errors, size and data; or the versions of one run.

    Damaged runs and versions are listed with what is wrong.

    \b
    forecast runs
    forecast runs runs/power
    """
    import datetime

    from forecaster.runs.listing import find_runs, is_run, summarize_run, summarize_versions
    from forecaster.runs.tables import format_runs, format_versions

    format = choose_format(format, output, ReportFormat.TEXT)
    now = datetime.datetime.now(datetime.UTC)
    if is_run(folder):
        versions = summarize_versions(folder)
        facts = {"run": str(folder), "versions": [each.to_json() for each in versions]}
        text = format_versions(folder, versions, now)
    else:
        found = [summarize_run(each) for each in find_runs(folder)]
        facts = {"runs": [each.to_json() for each in found]}
        text = format_runs(found, now)
    console.write_result(console.format_json(facts, []) if format is ReportFormat.JSON else text, output)
