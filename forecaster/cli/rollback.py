"""`forecast rollback`."""

from forecaster.cli import console
from forecaster.cli.options import Run


def rollback(
    run: Run,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Use the version again that was in use before; a second rollback goes one further back.

    \b
    forecast rollback runs/power
    """
    from forecaster.runs import lock_existing_run, roll_back

    with lock_existing_run(run):
        name = roll_back(run)
    console.log.info("%s: %s is in use again", run, name)
