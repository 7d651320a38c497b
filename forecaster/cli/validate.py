"""`forecast validate`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Data, Report, ReportFormat, Set


def validate(
    config: Annotated[Path, typer.Argument(help="A YAML config.", show_default=False)],
    data: Data = None,
    overrides: Set = None,
    format: Report = ReportFormat.TEXT,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Check a config and its data, and list every problem.

    \b
    forecast validate configs/power.yaml
    """
    from forecaster.config import load_config
    from forecaster.errors import ConfigError, DataError
    from forecaster.preprocessing.plan import plan_training

    notices, facts = console.keep_notices(format), {"path": str(config), "valid": True}
    try:
        plan_training(load_config(config, overrides or [], data))
    except (ConfigError, DataError) as error:
        if format is ReportFormat.TEXT:
            raise
        console.print_result(console.format_json(facts | {"valid": False}, notices, error.problems))
        raise typer.Exit(error.exit_code) from None
    if format is ReportFormat.JSON:
        console.print_result(console.format_json(facts, notices))
    else:
        console.log.info("%s: valid", config)
