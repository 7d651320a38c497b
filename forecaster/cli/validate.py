"""`forecast validate`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Data, Report, ReportFormat, Set
from forecaster.errors import UsageError
from forecaster.problems import Problem


def validate(
    config: Annotated[Path, typer.Argument(help="A YAML config, or a jobs file.", show_default=False)],
    data: Data = None,
    overrides: Set = None,
    format: Report = ReportFormat.TEXT,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Check a config with its data, or a jobs file: all problems.

    The data of jobs are not read: they may be written later.

    \b
    forecast validate configs/power.yaml
    """
    from forecaster.errors import ConfigError, DataError
    from forecaster.jobs.jobs_file import is_jobs_file

    notices, facts = console.keep_notices(format), {"path": str(config), "valid": True}
    try:
        if is_jobs_file(config):
            _check_jobs(config, data, overrides or [])
        else:
            _check_config(config, data, overrides or [])
    except (ConfigError, DataError) as error:
        if format is ReportFormat.TEXT:
            raise
        console.print_result(console.format_json(facts | {"valid": False}, notices, error.problems))
        raise typer.Exit(error.exit_code) from None
    if format is ReportFormat.JSON:
        console.print_result(console.format_json(facts, notices))
    else:
        console.log.info("%s: valid", config)


def _check_config(config: Path, data: Path | None, overrides: list[str]) -> None:
    from forecaster.config import load_config
    from forecaster.preprocessing.plan import plan_training

    plan_training(load_config(config, overrides, data))


def _check_jobs(file: Path, data: Path | None, overrides: list[str]) -> None:
    from forecaster.jobs.jobs_file import load_jobs

    for option in (*(["--data"] if data else []), *(["--set"] if overrides else [])):
        raise UsageError(Problem("config-option-for-jobs", option))
    for note in load_jobs(file).notes:
        console.log.info("%s", note)
