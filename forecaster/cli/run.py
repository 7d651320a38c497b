"""`forecast run`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Address, EngineOption, Processes, Report, ReportFormat, choose_engine, parse_seconds

if TYPE_CHECKING:
    from forecaster.jobs.job import LoadedJobs
    from forecaster.jobs.run_jobs import Summary
    from forecaster.shard import Shard


def run(
    file: Annotated[Path, typer.Argument(metavar="JOBS", help="A YAML of jobs: jobs.yaml.", show_default=False)],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="A job, or the jobs of a pattern: north, 'shop-*'; repeatable.", show_default=False
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Jobs with this tag; repeatable.", show_default=False)
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option("--shard", help="A share of the jobs, for several machines: 2/4.", show_default=False),
    ] = None,
    processes: Processes = None,
    engine: EngineOption = None,
    address: Address = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Longest duration of the whole run: 2h.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would happen, and why; do and write nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Do the work although nothing is new.")] = False,
    metrics_file: Annotated[
        Path | None,
        typer.Option("--metrics-file", help="File of metrics for Prometheus, NAME.prom.", show_default=False),
    ] = None,
    ping: Annotated[
        str | None, typer.Option("--ping", help="URL requested at start, success and failure.", show_default=False)
    ] = None,
    format: Report = ReportFormat.TEXT,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Run scheduled jobs: score, train where due, and predict.

    A job without new data does nothing; one that fails affects no other, and is a line on stderr. Without a terminal a
    failure is printed once, until it changes or ends. status.json, next to the jobs file, keeps the state of each job.

    \b
    forecast run jobs.yaml --dry-run
    forecast run jobs.yaml --only north
    """
    from forecaster.cli.signals import collect_signals
    from forecaster.jobs.jobs_file import load_jobs
    from forecaster.shard import parse_shard

    seconds, share = parse_seconds(timeout, "--timeout"), parse_shard(shard)
    loaded = load_jobs(file, are_configs_required=False)
    for note in loaded.notes:
        console.log.info("%s", note)
    if dry_run:
        _print_plans(loaded, only or [], tag or [], share, force, format)
        return
    from forecaster.jobs.run_jobs import RunOptions, run_jobs

    options = RunOptions(
        only or [],
        tag or [],
        processes,
        choose_engine(engine, address, loaded.engine),
        share,
        seconds,
        force,
        metrics_file,
        ping,
    )
    with collect_signals() as received:
        summary = run_jobs(loaded, options, received)
    _print_summary(summary, loaded, format)


def _print_plans(
    loaded: "LoadedJobs", only: list[str], tags: list[str], shard: "Shard | None", force: bool, format: ReportFormat
) -> None:
    """Print what the jobs would do; exit with the code of those that cannot run, as a run would."""
    from datetime import UTC, datetime

    from forecaster.jobs.plan import plan_jobs
    from forecaster.jobs.run_jobs import combine_exit_codes
    from forecaster.jobs.tables import format_plans

    plans = plan_jobs(loaded, datetime.now(UTC), only, tags, shard, force=force)
    if format is ReportFormat.JSON:
        errors = [problem for plan in plans if plan.error for problem in plan.error.problems]
        facts = {"path": str(loaded.path), "jobs": [plan.to_json() for plan in plans]}
        console.print_result(console.format_json(facts, loaded.notes, errors))
    else:
        console.print_result(format_plans(plans))
    code = combine_exit_codes([plan.error.exit_code if plan.error else 0 for plan in plans])
    if code:
        raise typer.Exit(code)


def _print_summary(summary: "Summary", loaded: "LoadedJobs", format: ReportFormat) -> None:
    """Print a table or JSON, and each failure and recovery on stderr; exit with the code of the run.

    Where stderr is no terminal, cron mails each line: a failure is left out that the run before has printed.
    """
    from forecaster.errors import Interrupted
    from forecaster.jobs.run_jobs import describe_failure, describe_recovery
    from forecaster.jobs.tables import format_results

    if format is ReportFormat.JSON:
        states = summary.status.to_json()["jobs"]
        jobs = [{"name": each.job.name, "group": each.job.group, **states[each.job.name]} for each in summary.jobs]
        facts = {"path": str(loaded.path), "exit_code": summary.exit_code, "seconds": summary.seconds, "jobs": jobs}
        errors = [problem for error in summary.errors for problem in error.problems]
        console.print_result(console.format_json(facts, loaded.notes, [*summary.problems, *errors]))
    elif sys.stdout.isatty() or console.is_verbose():
        console.print_result(format_results(summary.jobs))
    for each in summary.jobs:
        facts = {"job": each.job.name, "exit_code": each.after.exit_code}
        if each in summary.failures and (sys.stderr.isatty() or not each.is_repeated):
            console.log.error("%s", describe_failure(each), extra={"facts": facts})
        elif each.is_recovered:
            console.log.warning("%s", describe_recovery(each), extra={"facts": facts})
        for warning in each.new_warnings:
            console.log.warning("%s: warning: %s", each.job.name, warning, extra={"facts": facts})
    for error in summary.errors:
        console.print_error(error)
    if summary.interruption:
        raise Interrupted(summary.problems, summary.interruption - 128)
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)
