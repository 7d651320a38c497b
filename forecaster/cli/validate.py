"""`forecast validate`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import talk
from forecaster.cli.options import Data, Set


def validate(
    config: Annotated[Path, typer.Argument(help="A YAML config.", show_default=False)],
    data: Data = None,
    overrides: Set = None,
    verbose: talk.Verbose = False,
    debug: talk.Debug = False,
    log_format: talk.Format = talk.LogFormat.TEXT,
) -> None:
    """Check a config and its CSV, and list every problem.

    \b
    forecast validate configs/power.yaml
    """
    from forecaster.config import load_config
    from forecaster.preparation import prepare

    prepare(load_config(config, overrides or [], data))
    talk.log.info("%s: valid", config)
