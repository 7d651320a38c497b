"""`forecast init`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Set, check_file
from forecaster.cli.refusals import explain_refusal


def init(
    data: Annotated[Path, typer.Argument(help="A CSV or Parquet file.", show_default=False, callback=check_file)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="YAML to write; NAME.yaml by default.")] = None,
    overrides: Set = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Write a commented YAML with settings for a CSV.

    \b
    forecast init power.csv
    """
    from forecaster.default_config import get_config_path, write_proposal

    with explain_refusal("init", data, overrides or []):
        write_proposal(data, output or get_config_path(data), overrides or [])
