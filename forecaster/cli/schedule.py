"""`forecast schedule`."""

import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forecaster.cli import console
from forecaster.errors import UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from forecaster.jobs.job import LoadedJobs
    from forecaster.jobs.schedule import Schedule


class Scheduler(StrEnum):
    """What runs commands at their times."""

    CRON = "cron"
    SYSTEMD = "systemd"


def schedule(
    jobs: Annotated[Path, typer.Argument(help="A jobs file, such as jobs.yaml.", show_default=False)],
    every: Annotated[
        str, typer.Option("--every", help="hourly, daily, weekly, a time such as 03:15, or 15m, 6h, ...")
    ] = "hourly",
    format: Annotated[Scheduler, typer.Option("--format", help="The system that runs it.")] = Scheduler.CRON,
    install: Annotated[bool, typer.Option("--install", help="Write it, and print what is left to do.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what --install wrote.")] = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Print or install the crontab line, or the systemd service and timer, that runs a jobs file.

    Paths are absolute, and limits are those of the jobs. --install replaces what it wrote earlier for the same jobs
    file and touches nothing else: a block of your crontab, or two files in ~/.config/systemd/user.

    \b
    forecast schedule jobs.yaml --every 03:15 --format systemd --install
    """
    path = Path(os.path.abspath(jobs))  # noqa: PTH100  a link, such as to the current release, stays a link
    if install and remove:
        raise UsageError(Problem("invalid-option", "--remove", detail={"expected": "either --install or --remove"}))
    if remove:
        console.print_result(_remove(path, format))
        return
    planned = _plan_schedule(path, every)
    lines = _install(planned, format) if install else _format(planned, format)
    console.print_result("".join(f"{line}\n" for line in lines))


def _plan_schedule(path: Path, every: str) -> "Schedule":
    from forecaster.jobs.jobs_file import load_jobs
    from forecaster.jobs.schedule import Schedule, find_memory_limit, parse_times, sum_time_limits

    times = parse_times(every)
    loaded = load_jobs(path)
    unlimited = [job.name for job in loaded.jobs if job.timeout is None]
    if unlimited:
        console.log.warning("%s", Problem("no-time-limit", str(path), detail={"names": unlimited}))
    return Schedule(
        path,
        times,
        sum_time_limits([(job.timeout, job.retries, job.backoff) for job in loaded.jobs]),
        find_memory_limit([job.memory for job in loaded.jobs]),
        sorted(set(_find_variables(loaded))),
    )


def _find_variables(loaded: "LoadedJobs") -> Iterator[str]:
    """Find the environment variables that the jobs need: URLs to ping, the password of databases."""
    from forecaster.config.database_urls import PASSWORD, is_server

    for ping in (loaded.ping, *(job.ping for job in loaded.jobs)):
        if ping is not None and ping.startswith("$"):
            yield ping[1:]
    configs = [config for job in loaded.jobs if (config := job.load_config()) is not None]
    sources = [str(each.config.data.path) for each in configs if each.config.data.query is not None]
    if any(is_server(url) for url in (loaded.store, *sources) if url is not None):
        yield PASSWORD


def _format(schedule: "Schedule", scheduler: Scheduler) -> Iterable[str]:
    """List the lines of the crontab, or of both units."""
    from forecaster.jobs.crontab import format_block
    from forecaster.jobs.systemd_units import format_units, get_user_folder

    if scheduler is Scheduler.CRON:
        return format_block(schedule).splitlines()
    return [f"# {get_user_folder() / name}\n{text}" for name, text in format_units(schedule).items()]


def _install(schedule: "Schedule", scheduler: Scheduler) -> Iterator[str]:
    """Write the schedule; list what was written and what is left to do."""
    from forecaster.jobs.crontab import format_block, update_crontab
    from forecaster.jobs.systemd_units import get_user_folder, install_units, name_unit

    if scheduler is Scheduler.CRON:
        changed = update_crontab(schedule.jobs_file, format_block(schedule))
        yield "the crontab has the line" if changed else "the crontab has the line already"
        commands = ["crontab -l"]
    else:
        for path in install_units(get_user_folder(), schedule):
            yield f"written: {path}"
        timer = f"{name_unit(schedule.jobs_file)}.timer"
        commands = [
            "systemctl --user daemon-reload",
            f"systemctl --user enable --now {timer}",
            "loginctl enable-linger  # it runs while you are not logged in, too",
            f"systemctl --user list-timers {timer}",
        ]
    yield from _list_secrets(schedule)
    yield from ["then:", *(f"  {command}" for command in commands)]


def _list_secrets(schedule: "Schedule") -> Iterator[str]:
    """List what the file with the secrets needs, where it is not there."""
    from forecaster.jobs.schedule import ENVIRONMENT_FILE

    path = schedule.jobs_file.parent / ENVIRONMENT_FILE
    if schedule.variables and not path.exists():
        names = ", ".join(f"{name}=..." for name in schedule.variables)
        yield f"missing: {path}, with a line for each of {names}, readable by its owner alone (chmod 600)"


def _remove(path: Path, scheduler: Scheduler) -> str:
    """Remove the schedule; return what was removed and what is left to do."""
    from forecaster.jobs.crontab import update_crontab
    from forecaster.jobs.systemd_units import get_user_folder, name_unit, remove_units

    if scheduler is Scheduler.CRON:
        return "the line is removed from the crontab\n" if update_crontab(path, "") else "the crontab has no line\n"
    found = remove_units(get_user_folder(), path)
    if not found:
        return "there are no units\n"
    commands = [f"systemctl --user stop {name_unit(path)}.timer", "systemctl --user daemon-reload"]
    lines = [*(f"removed: {each}" for each in found), "then:", *(f"  {command}" for command in commands)]
    return "".join(f"{line}\n" for line in lines)
