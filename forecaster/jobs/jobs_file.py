"""A jobs file -> the jobs that it describes, one for each file of a pattern; every problem with its position."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forecaster.config import is_config, make_path_absolute
from forecaster.config.database_urls import make_url_absolute
from forecaster.config.error_messages import validate_values
from forecaster.config.reader import read_document, report_missing_file
from forecaster.durations import parse_duration
from forecaster.engine import Engine
from forecaster.errors import ConfigError, Stop
from forecaster.jobs.conflicts import find_config_problems, find_conflicts
from forecaster.jobs.groups import list_groups, list_vanished
from forecaster.jobs.job import STATUS_FILE, Job, LoadedJobs
from forecaster.jobs.schema import LONGEST_NAME, JobEntry, JobsFile, merge_options, parse_size
from forecaster.problems import Problem, format_yaml
from forecaster.regular_files import exists, find_matches, is_pattern
from forecaster.wording import KEPT

_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".gz", ".xz", ".zip")
_OF_CONFIGS = {"data", "window", "model", "training"}  # sections that no jobs file has


def is_jobs_file(source: Path) -> bool:
    """Whether a YAML is a jobs file: it has the key `jobs` at its top level."""
    try:
        return is_config(source) and "jobs" in read_document(source).values
    except ConfigError:
        return False


def build_json_schema() -> dict[str, Any]:
    """Build the JSON Schema of a jobs file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **JobsFile.model_json_schema()}


def load_jobs(source: Path, *, are_configs_required: bool = True) -> LoadedJobs:
    """Read a jobs file and validate it with the configs that it names.

    Args:
        source: the jobs file.
        are_configs_required: False keeps a job whose config is missing or invalid, with its problems, by which it
            fails when it runs.

    Raises:
        ConfigError: with all problems, those of the configs included.
    """
    if not is_config(source):
        raise ConfigError(
            Problem(
                "config-name",
                str(source),
                detail={"command": "" if source.is_dir() else f"forecast init --jobs {source}"},
            )
        )
    document = read_document(source)
    if "jobs" not in document.values and document.values.keys() & _OF_CONFIGS:
        raise ConfigError(Problem("config-as-jobs", str(source), detail={"config": str(source)}))
    file, values, invalid = validate_values(JobsFile, document.values, document)
    path = source.resolve()
    defaults = values.get("defaults", {})
    entries = [JobEntry.model_validate(merge_options(defaults, entry)) for entry in values["jobs"]]
    jobs = [
        job
        for index, entry in enumerate(entries)
        for job in _resolve_entry(entry, index, document.find_position(("jobs", index)), path)
    ]
    jobs.sort(key=lambda job: job.failure is not None)  # a group that is gone moves no other job to another shard
    in_configs = find_config_problems(jobs, document)
    if not are_configs_required:
        jobs = [replace(job, problems=_list_own(job, found)) for job, found in zip(jobs, in_configs, strict=True)]
    required = [each for job, found in zip(jobs, in_configs, strict=True) for each in found if each not in job.problems]
    loaded = LoadedJobs(
        path=path,
        jobs=tuple(jobs),
        store=None if file.store is None else make_url_absolute(file.store, path.parent),
        keep=file.keep,
        ping=file.ping,
        metrics_file=None if file.metrics_file is None else Path(make_path_absolute(file.metrics_file, path.parent)),
        engine=Engine(file.engine, file.address),
        notes=tuple(_find_notes(jobs)),
    )
    touched = {problem.path[:2] for problem in invalid}  # jobs that may lack a key because it is invalid
    conflicts = [conflict for conflict in find_conflicts(loaded, file, entries) if conflict.path not in touched]
    problems = [*map(document.place, [*invalid, *conflicts]), *required]
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return loaded


def _list_own(job: Job, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """List the problems of a job that are in its config, not in the jobs file."""
    return tuple(each for each in problems if each.code == "no-job-config" or each.where.startswith(f"{job.config}"))


def _resolve_entry(entry: JobEntry, index: int, where: str, file: Path) -> Iterator[Job]:
    """List the jobs of an entry: one for each file that its pattern matches, for each group of its data, or itself."""
    base = file.parent
    named = (entry.data,) if isinstance(entry.data, str) else entry.data or ()
    data = tuple(make_path_absolute(each.replace("{name}", entry.name), base) for each in named)
    matches = find_matches(data[0]) if isinstance(entry.data, str) and is_pattern(data[0]) else []
    whole = _build_job(entry, entry.name, data, index, where, base)
    if entry.for_each is not None and not matches:
        yield from _list_group_jobs(entry, entry.for_each, whole, file)
    elif matches:
        yield from (_build_job(entry, name_job(Path(each)), (each,), index, where, base) for each in matches)
    else:
        yield whole


def _list_group_jobs(entry: JobEntry, column: str, whole: Job, file: Path) -> Iterator[Job]:
    """List a job for each group of the data; those fail whose names are one, and that have no rows any more."""
    groups = list_groups(whole, column)
    vanished = list_vanished(groups, whole, column, file.with_name(STATUS_FILE), file)
    if isinstance(groups, Stop) and not vanished:
        yield replace(whole, failure=groups)
    names: dict[str, list[str]] = {}
    for cell in groups if not isinstance(groups, Stop) else ():
        names.setdefault(_clean(f"{entry.name}-{cell}"), []).append(cell)
    for cell in vanished:
        names.setdefault(_clean(f"{entry.name}-{cell}"), [cell])
    for name, cells in names.items():
        job = _build_job(entry, name, whole.data, whole.index, whole.where, file.parent)
        job = replace(job, cell=(entry.name, column, cells[0]), failure=vanished.get(cells[0]))
        if len(cells) > 1:
            detail = {"name": name, "cells": list(map(repr, cells[:KEPT])), "within": column}
            yield replace(job, failure=ConfigError(Problem("groups-of-one-name", job.where, "for_each", detail=detail)))
        elif isinstance(groups, Stop) or job.failure:
            yield job
        else:
            yield replace(job, overrides=(*job.overrides, f"data.where={format_yaml(groups[cells[0]])}"))


def _build_job(entry: JobEntry, name: str, data: tuple[str, ...], index: int, where: str, base: Path) -> Job:
    def resolve(path: str) -> Path:
        return Path(make_path_absolute(path.replace("{name}", name), base))

    return Job(
        name=name,
        group=entry.name,
        index=index,
        where=where,
        data=data,
        config=None if entry.config is None else resolve(entry.config),
        run=resolve(entry.run),
        do=entry.do,
        retrain=entry.retrain,
        output=None if entry.output is None else resolve(entry.output),
        plot=None if entry.plot is None else resolve(entry.plot),
        horizon=entry.horizon,
        levels=entry.levels,
        future=None if entry.future is None else resolve(entry.future),
        max_age=entry.max_age,
        overrides=tuple(f"{key}={format_yaml(value)}" for key, value in entry.set.items()),
        intervals=entry.intervals,
        timeout=None if entry.timeout is None else parse_duration(entry.timeout),
        memory=None if entry.memory is None else parse_size(entry.memory),
        retries=entry.retries,
        backoff=parse_duration(entry.backoff) or 0.0,
        priority=entry.priority,
        tags=entry.tags,
        ping=entry.ping,
        fail_above={str(metric): limit for metric, limit in entry.fail_above.items()},
        fail_on_drift=entry.fail_on_drift,
    )


def name_job(file: Path) -> str:
    """Name the job of a file: the name of the file without its suffixes, in the letters that a name has."""
    name = file.name
    while (suffix := Path(name).suffix.lower()) in _SUFFIXES:
        name = name[: -len(suffix)]
    return _clean(name)


def _clean(text: str) -> str:
    """Write a text in the letters that a name has."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-._")[:LONGEST_NAME] or "data"


def _find_notes(jobs: Sequence[Job]) -> Iterator[Problem]:
    """Find data that is not there yet, and without which a job fails when it runs."""
    for job in jobs:
        for name in job.data:
            if is_pattern(name) and not find_matches(name):
                yield Problem("no-match-yet", job.where, "data", detail={"pattern": name, "job": job.name})
            elif not is_pattern(name) and not exists(name):
                nearest = report_missing_file(Path(name)).detail["nearest"]
                yield Problem("no-data-yet", job.where, detail={"path": name, "job": job.name, "nearest": nearest})
