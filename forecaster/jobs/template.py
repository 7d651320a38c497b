"""A commented jobs file for some data files, which can be edited and run."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from forecaster.atomic_files import write_atomically
from forecaster.config import is_config
from forecaster.config.reader import escape_line_ends, find_unreadable, quote_yaml, report_missing_file
from forecaster.config.template import render_head, render_lines
from forecaster.errors import DataError, UsageError
from forecaster.jobs.jobs_file import name_job
from forecaster.jobs.schema import JobEntry, JobOptions, JobsFile, Retrain
from forecaster.problems import Problem
from forecaster.regular_files import exists, find_matches, is_pattern
from forecaster.wording import count_of

log = logging.getLogger("forecaster")

SCHEMA_FILE = Path(__file__).with_name("schema.json")
_DEFAULTS = JobOptions(output="out/{name}.csv", retrain=Retrain(every="7d"), timeout="1h")
_OF_EACH_JOB = ("data", "config", "future")  # keys that no default makes sense for


def write_jobs(files: Sequence[Path], path: Path) -> None:
    """Write a commented jobs file with a job for each of some data files or configs.

    Raises:
        UsageError: the jobs file exists, which is never overwritten, or a name is no text.
        DataError: a file is missing.
        CannotCreate, InputOutputFailed: it cannot be written.
    """
    if os.path.exists(path):  # noqa: PTH110  no error for any name
        raise UsageError(Problem("output-exists", str(path)))
    named = _list_files(files)
    write_atomically(path, render_jobs(named, path).encode())
    log.info(
        "%s: written with %s; edit it, and try it with: forecast run %s --dry-run",
        path,
        count_of(len(named), "job"),
        path,
    )


def _list_files(files: Sequence[Path]) -> list[str]:
    """List the files, and those that patterns match, where no shell has done so."""
    found: list[str] = []
    for name in map(str, files):
        if find_unreadable(name):
            raise UsageError(Problem("name-not-utf-8", ascii(name)))
        matches = find_matches(name) if is_pattern(name) else [name]
        if not matches:
            raise DataError(Problem("no-match", name))
        found += matches
    if missing := [report_missing_file(Path(name)) for name in found if not exists(name)]:
        raise DataError(missing)
    return list(dict.fromkeys(found))


def render_jobs(files: Sequence[str], path: Path) -> str:
    """Write a jobs file as YAML.

    Args:
        files: of data, or configs; a job each.
        path: of the jobs file, from which their paths are relative.
    """
    example = JobsFile(defaults=_DEFAULTS, jobs=(JobEntry(name="example"),))
    head = render_head(SCHEMA_FILE, f"forecast run {path} --dry-run")
    keys = render_lines(example, left_out=("defaults", "jobs"))
    defaults = render_lines(_DEFAULTS, "  ", _OF_EACH_JOB)
    about = {key: escape_line_ends(JobsFile.model_fields[key].description or "") for key in ("defaults", "jobs")}
    lines = [*head, *keys, "", f"# {about['defaults']}", "defaults:", *defaults, "", f"# {about['jobs']}", "jobs:"]
    return "\n".join([*lines, *_render_entries(files, path.parent)]) + "\n"


def _render_entries(files: Sequence[str], folder: Path) -> Iterator[str]:
    names: set[str] = set()
    for file in files:
        own = name_job(Path(file.removesuffix(Path(file).suffix)) if is_config(Path(file)) else Path(file))
        name, number = own, 1
        while name in names:
            number += 1
            name = f"{own}-{number}"
        names.add(name)
        relative = os.path.relpath(os.path.realpath(file), os.path.realpath(folder))
        key = "config" if is_config(Path(file)) else "data"
        yield f"  - {{name: {quote_yaml(name)}, {key}: {quote_yaml(relative)}}}"
