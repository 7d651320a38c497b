"""`forecast promote`."""

from forecaster.cli import console
from forecaster.cli.options import Run, VersionName


def promote(
    run: Run,
    version: VersionName,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Use another version of a run from now on.

    \b
    forecast promote runs/power 20261121T031500Z
    """
    from forecaster.runs import check_pin, load_version, lock_existing_run
    from forecaster.runs import promote as promote_version

    with lock_existing_run(run):
        check_pin(run)
        name = load_version(run, version).path.name  # verified, or it is not promoted
        promote_version(run, name)
    console.log.info("%s: %s is in use", run, name)
