"""Fingerprints of data and settings, by which work that is done already is recognized."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forecaster.config import Config
from forecaster.config.reader import report_missing_file
from forecaster.errors import DataError, InputOutputFailed
from forecaster.jobs.job import Job
from forecaster.problems import Problem
from forecaster.regular_files import find_matches, is_pattern, open_regular_file

_LENGTH = 32  # hexadecimal digits of a fingerprint: 128 bits
_BLOCK = 1 << 20  # bytes


def hash_values(*values: Any) -> str:
    """Hash plain values, as JSON."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:_LENGTH]


def hash_files(paths: Sequence[str]) -> str:
    """Hash the bytes of files, and of the files that patterns match, in their order.

    Raises:
        DataError: one is missing, or nothing matches a pattern.
        InputOutputFailed: one cannot be read.
    """
    total = hashlib.sha256()
    for name in _list_files(paths):
        each = hashlib.sha256()
        try:
            with open_regular_file(name) as file:
                while block := file.read(_BLOCK):
                    each.update(block)
        except FileNotFoundError:
            raise DataError(report_missing_file(Path(name))) from None
        except OSError as error:
            detail = {"reason": error.strerror or str(error)}
            raise InputOutputFailed(Problem("cannot-read", name, detail=detail)) from None
        total.update(each.digest())
    return total.hexdigest()[:_LENGTH]


def _list_files(paths: Sequence[str]) -> Iterator[str]:
    for name in paths:
        matches = find_matches(name) if is_pattern(name) else [name]
        if not matches:
            raise DataError(Problem("no-match", name))
        yield from matches


def hash_data(config: Config) -> str:
    """Hash the data that a config names: the bytes of its files, or the rows of its query.

    Raises:
        DataError: they are missing, or the database refuses the query.
        InputOutputFailed: they cannot be read.
    """
    path, query = config.data.path, config.data.query
    if query is None:
        return hash_files([path] if isinstance(path, str) else path)
    # pandas takes half a second to import, and files do not need it.
    from forecaster.jobs.rows import hash_rows  # noqa: PLC0415

    return hash_rows(str(path), query)


def hash_settings(config: Config) -> str:
    """Hash every setting of a training but the place of its data."""
    values = config.model_dump(mode="json")
    del values["data"]["path"]
    return hash_values(values)


def hash_job_settings(job: Job, config: Config | None) -> str:
    """Hash what a training of a job is done with; without a config, what its chosen settings are overridden by."""
    return hash_values(job.overrides) if config is None else hash_settings(config)
