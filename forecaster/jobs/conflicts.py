"""Combinations of valid keys of a jobs file that cannot work together, and problems of the configs that it names."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forecaster.config import make_path_absolute
from forecaster.config.database_urls import PASSWORD, has_password, is_url
from forecaster.config.error_messages import validate_values
from forecaster.config.load import override_document
from forecaster.config.reader import Document, KeyProblem, report_missing_file
from forecaster.config.schema import Config
from forecaster.errors import ConfigError
from forecaster.jobs.job import Job, LoadedJobs
from forecaster.jobs.schema import JobEntry, JobsFile
from forecaster.problems import Problem
from forecaster.regular_files import exists, is_pattern

_SMALLEST = {"data": {"path": "data.csv"}, "window": {"length": 2, "horizon": 1}}


def find_conflicts(loaded: LoadedJobs, file: JobsFile, entries: Sequence[JobEntry]) -> list[KeyProblem]:
    """Find every impossible combination of keys.

    Args:
        loaded: the jobs.
        file: the keys as they are written.
        entries: the entries of the file with the defaults.
    """
    return [
        *_check_store(file),
        *_check_names(loaded.jobs),
        *(problem for job in loaded.jobs for problem in _check_job(job, loaded, file, entries[job.index])),
        *_check_runs(loaded.jobs),
        *_check_outputs(loaded, entries),
        *_check_engine(file),
    ]


def _check_store(file: JobsFile) -> Iterator[KeyProblem]:
    if file.store is None:
        return
    if not is_url(file.store):
        yield KeyProblem(("store",), "not-a-store-url", {"path": file.store})
    elif has_password(file.store):
        yield KeyProblem(("store",), "password-in-url", {"variable": PASSWORD})


def _check_names(jobs: Sequence[Job]) -> Iterator[KeyProblem]:
    """Find names of entries, and of the files of patterns, that are given twice."""
    groups: dict[str, Job] = {}
    names: dict[str, Job] = {}
    for job in jobs:
        same_group, same_name = groups.setdefault(job.group, job), names.setdefault(job.name, job)
        if same_group.index != job.index:
            detail = {"name": job.group, "other": same_group.where}
            yield KeyProblem(("jobs", job.index, "name"), "duplicate-job", detail)
        elif same_name is not job:
            other = same_name.data[0] if same_name.index == job.index else same_name.where
            key = "name" if job.name == job.group else "for_each" if job.cell else "data"
            yield KeyProblem(("jobs", job.index, key), "duplicate-job", {"name": job.name, "other": other})


def _check_job(job: Job, loaded: LoadedJobs, file: JobsFile, entry: JobEntry) -> Iterator[KeyProblem]:
    path = ("jobs", job.index)
    if entry.for_each is not None and isinstance(entry.data, str) and is_pattern(entry.data):
        yield KeyProblem((*path, "for_each"), "groups-of-pattern", {"pattern": entry.data})
    if entry.for_each is not None:
        written = {"run": entry.run if job.trains else None, "output": entry.output, "plot": entry.plot}
        for key in (key for key, name in written.items() if name is not None and "{name}" not in str(name)):
            yield KeyProblem((*path, key), "group-without-name", {"path": str(written[key])})
    if not job.data and job.config is None and "run" not in entry.model_fields_set:
        yield KeyProblem(path, "job-without-data", {"job": job.name})
    if not job.trains and file.jobs[job.index].retrain is not None:
        yield KeyProblem((*path, "retrain"), "retrain-without-training", {"do": job.do})
    if job.do in {"predict", "train"}:
        own, retrain = file.jobs[job.index], file.jobs[job.index].retrain
        given = {
            "retrain.on_drift": job.trains and retrain is not None and retrain.on_drift,
            "fail_above": bool(own.fail_above),
            "fail_on_drift": own.fail_on_drift,
        }
        for key in (key for key, is_given in given.items() if is_given):
            yield KeyProblem((*path, *key.split(".")), "job-without-scores", {"do": job.do, "key": key})
    if loaded.store is not None:
        return
    if job.predicts and job.output is None and job.plot is None:
        yield KeyProblem(path, "job-without-output", {"job": job.name})
    needs_store = {
        "do": job.do == "score",
        "retrain.on_drift": job.trains and job.retrain is not None and job.retrain.on_drift,
        "fail_above": bool(job.fail_above),
        "fail_on_drift": job.fail_on_drift,
    }
    for key in (key for key, needed in needs_store.items() if needed):
        yield KeyProblem((*path, *key.split(".")), "job-needs-store", {"job": job.name})


def _check_runs(jobs: Sequence[Job]) -> Iterator[KeyProblem]:
    """Find runs that several jobs train; any number may predict with one."""
    trained: dict[Path, Job] = {}
    for job in (job for job in jobs if job.trains):
        other = trained.setdefault(job.run, job)
        if other.name != job.name:
            detail = {"names": [other.name, job.name], "run": str(job.run)}
            yield KeyProblem(("jobs", job.index, "run"), "shared-run", detail)


def _check_engine(file: JobsFile) -> Iterator[KeyProblem]:
    if file.address is not None and file.engine != "ray":
        yield KeyProblem(("address",), "address-of-processes", {})


def _check_outputs(loaded: LoadedJobs, entries: Sequence[JobEntry]) -> Iterator[KeyProblem]:
    """Find files that are written twice, and files written that are read as data, now or by the next run."""
    written: dict[Path, str] = {loaded.path: "the jobs file", loaded.status_file: "the status of the jobs"}
    if loaded.metrics_file is not None:
        written[loaded.metrics_file] = "the metrics file"
    read = {Path(name): job.name for job in loaded.jobs for name in job.data}
    for job in loaded.jobs:
        pattern = entries[job.index].data
        for key, path in (("output", job.output), ("plot", job.plot)):
            if path is None:
                continue
            own = f"the {key} of {job.name}"
            other = written.setdefault(path, own)
            if other != own:
                detail = {"path": str(path), "other": other}
                yield KeyProblem(("jobs", job.index, key), "shared-output", detail)
            elif path in read or (isinstance(pattern, str) and path.match(make_path_absolute(pattern, loaded.folder))):
                detail = {"path": str(path), "job": read.get(path, job.group)}
                yield KeyProblem(("jobs", job.index, key), "output-is-data", detail)


def find_config_problems(jobs: Sequence[Job], document: Document) -> list[list[Problem]]:
    """Find problems of the config of each job, and of the keys that `set` lays over it; a shared config is read once.

    Args:
        jobs: the jobs.
        document: the jobs file, with the position of each key.
    """
    checked: dict[tuple[Path | None, tuple[str, ...]], list[Problem]] = {}
    for job in jobs:
        if (key := (job.config, job.overrides)) not in checked:
            checked[key] = list(_check_config(job, document))
    return [checked[job.config, job.overrides] for job in jobs]


def _check_config(job: Job, document: Document) -> Iterator[Problem]:
    if job.config is not None and not exists(str(job.config)):
        detail = {"path": str(job.config), "nearest": report_missing_file(job.config).detail["nearest"]}
        yield document.place(KeyProblem(("jobs", job.index, "config"), "no-job-config", detail))
        return
    positions = {f"--set {each}": _find_position(job, each.partition("=")[0], document) for each in job.overrides}
    try:
        problems: Iterable[Problem] = _check_overrides(job) if job.config is None else _load_problems(job)
    except ConfigError as error:
        problems = error.problems
    for problem in problems:
        if job.config is not None or problem.where in positions:
            yield replace(problem, where=positions.get(problem.where, problem.where))


def _load_problems(job: Job) -> Sequence[Problem]:
    loaded = job.load_config()
    return () if loaded is None else loaded.problems


def _check_overrides(job: Job) -> list[Problem]:
    """Find keys and values of `set` that no config takes, where the settings are chosen for the data later."""
    document = override_document(Document(dict(_SMALLEST), {}, "set"), job.overrides)
    return list(map(document.place, validate_values(Config, document.values, document)[2]))


def _find_position(job: Job, key: str, document: Document) -> str:
    """Find where a job, or the defaults, set a key of the config."""
    paths: list[tuple[Any, ...]] = [("jobs", job.index, "set", key), ("defaults", "set", key)]
    return next((document.positions[path] for path in paths if path in document.positions), job.where)
