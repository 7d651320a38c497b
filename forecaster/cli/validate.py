"""`forecast validate`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Data, Set


def validate(
    config: Annotated[Path, typer.Argument(help="A YAML config.", show_default=False)],
    data: Data = None,
    overrides: Set = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Check a config and its data, and list every problem.

    \b
    forecast validate configs/power.yaml
    """
    from forecaster.config import load_config
    from forecaster.preprocessing.plan import plan_training

    plan_training(load_config(config, overrides or [], data))
    console.log.info("%s: valid", config)
