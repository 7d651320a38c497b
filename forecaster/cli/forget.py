"""`forecast forget`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Report, ReportFormat
from forecaster.errors import UsageError
from forecaster.problems import Problem

_DAILY, _WEEKLY, _MONTHLY, _YEARLY = (
    typer.Option(f"--keep-{name}", min=0, help=f"Keep the newest version of this many {period} (UTC).")
    for name, period in (("daily", "days"), ("weekly", "weeks"), ("monthly", "months"), ("yearly", "years"))
)


def forget(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, such as runs/power.", show_default=False)],
    last: Annotated[int, typer.Option("--keep-last", min=0, help="Keep this many newest versions.")] = 0,
    daily: Annotated[int, _DAILY] = 0,
    weekly: Annotated[int, _WEEKLY] = 0,
    monthly: Annotated[int, _MONTHLY] = 0,
    yearly: Annotated[int, _YEARLY] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing; print what would be.")] = False,
    format: Report = ReportFormat.TEXT,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Remove old versions of runs, except those that a rule keeps.

    The version in use, a pinned one, and the one that a rollback puts into use are always kept.

    \b
    forecast forget runs/power --keep-last 5 --keep-weekly 8 --dry-run
    """
    from forecaster.runs import lock_existing_run
    from forecaster.runs.retention import Retention, plan_retention, remove_forgotten
    from forecaster.runs.tables import format_kept, kept_to_json

    retention = Retention(last, daily, weekly, monthly, yearly)
    if retention == Retention():
        raise UsageError(Problem("no-retention-rule"))
    found = []
    for run in runs:
        if dry_run:
            kept = plan_retention(run, retention)
        else:
            with lock_existing_run(run):
                kept = plan_retention(run, retention)
                remove_forgotten(run, kept)
        found.append((run, kept, not dry_run))
    if format is ReportFormat.JSON:
        text = console.format_json({"runs": [kept_to_json(*each) for each in found]}, [])
    else:
        text = "\n".join(format_kept(*each) for each in found)
    console.print_result(text)
