"""`forecast init`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Set, check_file
from forecaster.cli.refusals import explain_refusal
from forecaster.errors import UsageError
from forecaster.problems import Problem


def _check_files(files: list[Path]) -> list[Path]:
    for file in files:
        check_file(file)
    return files


def init(
    data: Annotated[
        list[Path],
        typer.Argument(help="A CSV or Parquet file; several with --jobs.", show_default=False, callback=_check_files),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="YAML to write; NAME.yaml by default, or jobs.yaml.", show_default=False),
    ] = None,
    jobs: Annotated[bool, typer.Option("--jobs", help="Write a jobs file with a job for each file.")] = False,
    overrides: Set = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Write a commented YAML for a CSV, or for scheduled jobs.

    \b
    forecast init power.csv
    forecast init --jobs *.csv
    """
    if jobs:
        from forecaster.jobs.template import write_jobs

        if overrides:
            raise UsageError(Problem("set-with-jobs", "--set"))
        write_jobs(data, output or Path("jobs.yaml"))
        return
    from forecaster.default_config import get_config_path, write_proposal

    if len(data) > 1:
        raise UsageError(Problem("several-files", detail={"names": [str(file) for file in data]}))
    with explain_refusal("init", data[0], overrides or []):
        write_proposal(data[0], output or get_config_path(data[0]), overrides or [])
