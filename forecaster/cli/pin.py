"""`forecast pin`."""

from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Run
from forecaster.errors import UsageError
from forecaster.problems import Problem


def pin(
    run: Run,
    version: Annotated[
        str | None,
        typer.Argument(help="Name of a version, or its beginning; that in use by default.", show_default=False),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the pin.")] = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Keep a version in use: no training replaces it until the pin is removed.

    \b
    forecast pin runs/power
    forecast pin runs/power --remove
    """
    from forecaster.runs import load_version, lock_existing_run, remove_pin
    from forecaster.runs import pin as pin_version

    if remove and version is not None:
        raise UsageError(Problem("invalid-option", "--remove", detail={"expected": "no name of a version with it"}))
    with lock_existing_run(run):
        if remove:
            remove_pin(run)
        else:
            pin_version(run, load_version(run, version).path.name)
    console.log.info("%s: %s", run, "not pinned any more" if remove else "pinned")
