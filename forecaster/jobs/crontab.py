"""A block of the user's crontab for each jobs file; all other lines stay as they are."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from forecaster.errors import InputOutputFailed, UsageError
from forecaster.jobs.schedule import ENVIRONMENT_FILE, Schedule, check_path
from forecaster.problems import Problem

_SECONDS = 30  # that the command crontab may take


def format_block(schedule: Schedule) -> str:
    """Format the lines for a crontab, between marks that name the jobs file.

    Raises:
        UsageError: cron cannot read a path.
    """
    for path in (schedule.jobs_file, Path(schedule.command[0])):
        check_path(path, "\\", "a crontab")  # versions of cron differ in what a backslash means
    begin, end = _format_marks(schedule.jobs_file)
    parts = [shlex.join(["cd", str(schedule.jobs_file.parent)])]
    if schedule.variables:
        parts += ["set -a", f". ./{ENVIRONMENT_FILE}", "set +a"]
    command = " && ".join([*parts, shlex.join(schedule.command)]).replace("%", r"\%")
    return f"{begin}\n{schedule.times.cron} {command}\n{end}\n"


def _format_marks(jobs_file: Path) -> tuple[str, str]:
    return f"# begin of forecast schedule {jobs_file}", f"# end of forecast schedule {jobs_file}"


def replace_block(crontab: str, jobs_file: Path, block: str) -> str:
    """Replace the block of a jobs file, or add it at the end; an empty block removes it.

    A block without its end is left alone, since nobody knows which of the lines behind it belong to it.
    """
    begin, end = _format_marks(jobs_file)
    lines = crontab.split("\n")
    if begin in lines and end in lines[lines.index(begin) :]:
        first = lines.index(begin)
        last = lines.index(end, first)
        return "\n".join([*lines[:first], *block.split("\n")[:-1], *lines[last + 1 :]])
    return (crontab if not crontab or crontab.endswith("\n") else f"{crontab}\n") + block


def update_crontab(jobs_file: Path, block: str) -> bool:
    """Replace the block of a jobs file in the user's crontab; return whether that changed anything.

    Raises:
        UsageError: there is no command crontab.
        InputOutputFailed: it refuses.
    """
    before = _read_crontab()
    after = replace_block(before, jobs_file, block)
    if after == before:
        return False
    _run(["-"], after)
    return True


def _read_crontab() -> str:
    result = _call(["-l"])
    if result.returncode and "no crontab" in result.stderr:  # of a user who has none
        return ""
    return _check(result)


def _run(arguments: list[str], text: str) -> str:
    return _check(_call(arguments, text))


def _call(arguments: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    command = shutil.which("crontab")
    if command is None:
        raise UsageError(Problem("no-crontab"))
    try:
        return subprocess.run(
            [command, *arguments],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",  # another line may be in another encoding
            timeout=_SECONDS,
            check=False,
            env=os.environ | {"LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise InputOutputFailed(Problem("crontab-failed", detail={"reason": "no answer"})) from None


def _check(result: subprocess.CompletedProcess[str]) -> str:
    if result.returncode:
        reason = " ".join(result.stderr.split()) or f"exit code {result.returncode}"
        raise InputOutputFailed(Problem("crontab-failed", detail={"reason": reason}))
    return result.stdout
