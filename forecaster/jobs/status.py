"""status.json: the state of each job after its last attempt, and which work is done."""

import contextlib
import json
import logging
import math
import operator
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, field_validator

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.errors import InputOutputFailed, UsageError
from forecaster.jobs.job import Job
from forecaster.jobs.shard_locks import wait_for_lock
from forecaster.problems import Problem
from forecaster.regular_files import exists, read_regular_file
from forecaster.wording import count_of

log = logging.getLogger("forecaster")

FORMAT = 1
SUCCESSES = ("done", "nothing-new")
_MOST = 1 << 28  # bytes

Step = Literal["score", "train", "predict"]


class Outcome(BaseModel):
    """The state of one job.

    Attributes:
        outcome: of the last attempt; None before the first.
        exit_code: that a command for this job alone would have had.
        reason: the message of a failure, or why there was nothing to do.
        problems: of a failure, each as JSON values.
        since: when the outcome became what it is; a failure with another exit code is another outcome.
        seconds: that the last attempt took, its retries included.
        attempts: in the last run.
        newest: the timestamp of the newest row, as the data write it; a number of a series without times.
        rows: of the data.
        version: the name of the version in use.
        error_now, error_then: MASE of recent forecasts, and on the test part of the training.
        fallback_share: of the series that the fallback forecast.
        stale: whether the output is older than the freshness limit.
        warns_from, stale_from: when the newest data become too old.
        max_age: the limit that these times follow from.
        warnings: of the last forecast, each as JSON values.
        notes: that a new version lost, and what adaptive intervals cannot promise, in the same form; not printed.
        done: by step, the key of the work that is finished: a hash of data, settings and version.
        last_training: also of a version that was not promoted.
        cell: as that of the job.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    outcome: Literal["done", "nothing-new", "failed", "interrupted"] | None = None
    exit_code: int = 0
    reason: str = ""
    problems: tuple[Mapping[str, Any], ...] = ()
    since: AwareDatetime | None = None
    last_success: AwareDatetime | None = None
    last_attempt: AwareDatetime | None = None
    seconds: float | None = None
    attempts: int = 0
    newest: str | None = None
    data_age_seconds: float | None = None
    rows: int | None = None
    version: str | None = None
    trained_at: AwareDatetime | None = None
    error_now: float | None = None
    error_then: float | None = None
    skill: float | None = None
    coverage: float | None = None
    fallback_share: float | None = None
    drift: bool | None = None
    stale: bool = False
    warns_from: AwareDatetime | None = None
    stale_from: AwareDatetime | None = None
    max_age: str = "None"
    warnings: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[Mapping[str, Any], ...] = ()
    done: Mapping[Step, str] = {}
    last_training: AwareDatetime | None = None
    next_training: AwareDatetime | None = None
    cell: tuple[str, str, str] | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _replace_infinite(cls, value: Any) -> Any:
        """Replace NaN and infinity, which JSON does not have."""
        return None if isinstance(value, float) and not math.isfinite(value) else value

    @property
    def is_failure(self) -> bool:
        """Whether the last attempt failed or was interrupted."""
        return self.outcome not in {None, *SUCCESSES}

    def update(self, **values: Any) -> "Outcome":
        """Copy it with other values, which are validated."""
        return Outcome.model_validate({**dict(self), **values})

    def finish(self, before: "Outcome", now: datetime, **values: Any) -> "Outcome":
        """Copy it at the end of an attempt, with the times that follow from the outcome before it."""
        ended = self.update(last_attempt=now, **values)
        is_same = (ended.is_failure, ended.exit_code) == (before.is_failure, before.exit_code) and before.outcome
        success = before.last_success if ended.is_failure else now
        return ended.update(since=(before.since if is_same else None) or now, last_success=success)


@dataclass
class Status:
    """What status.json holds; `write` replaces it.

    Attributes:
        path: of status.json.
        jobs_file: the name of the jobs file next to it.
        runs: of the jobs file, which is counted up at the start of each.
        jobs: by name.
        own: the jobs of this run, where others write the states of theirs; None: all.
    """

    path: Path
    jobs_file: str
    runs: int = 0
    jobs: dict[str, Outcome] = field(default_factory=dict)
    own: frozenset[str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert it to JSON values."""
        jobs = {name: outcome.model_dump(mode="json") for name, outcome in self.jobs.items()}
        updated = datetime.now(UTC).isoformat(timespec="seconds")
        return {"format": FORMAT, "jobs_file": self.jobs_file, "updated": updated, "runs": self.runs, "jobs": jobs}

    def keep(self, jobs: Iterable[Job]) -> None:
        """Drop the jobs that the jobs file no longer has."""
        self.jobs = {job.name: self.jobs.get(job.name, Outcome()).update(cell=job.cell) for job in jobs}

    def write(self) -> None:
        """Replace status.json.

        Raises:
            CannotCreate, InputOutputFailed: it cannot be written; the old file stays.
        """
        if self.own is None:
            self._write()
            return
        lock_file = self.path.with_name(f".{self.path.name}.lock")
        with wait_for_lock(lock_file, Problem("locked-jobs", str(lock_file))):
            with contextlib.suppress(ValueError):  # one that is damaged is replaced
                latest = load_status(self.path, self.path.with_name(self.jobs_file))
                self.jobs |= {
                    name: outcome for name, outcome in latest.jobs.items() if name in self.jobs.keys() - self.own
                }
                self.runs = max(self.runs, latest.runs)
            self._write()

    def _write(self) -> None:
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(self.path, text.encode() + b"\n", follow=False)


def read_status(path: Path, jobs_file: Path) -> Status:
    """Read status.json; where there is none, or one that cannot be used, begin a new one.

    What is lost with it is done again, which changes nothing: runs know when they were trained, and the store keeps one
    forecast for each origin. One that cannot be used is kept as `status.json.damaged`, and nobody has to act.

    Raises:
        UsageError: another jobs file in the folder has written it.
        InputOutputFailed: it cannot be read.
    """
    try:
        return load_status(path, jobs_file)
    except ValueError as error:
        return _replace_damaged(path, jobs_file, str(error))


def load_status(path: Path, jobs_file: Path) -> Status:
    """Load status.json and change nothing; a new status where there is none.

    Raises:
        ValueError: it cannot be used, with the reason.
        UsageError: another jobs file in the folder has written it.
        InputOutputFailed: it cannot be read.
    """
    status = Status(path, jobs_file.name)
    try:
        content = read_regular_file(path, _MOST)
    except FileNotFoundError:
        return status
    except OSError as error:
        detail = {"reason": error.strerror or str(error)}
        raise InputOutputFailed(Problem("system-refusal", str(path), detail=detail)) from None
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    try:
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']}, and this version of forecast reads {FORMAT}")
        other, status.runs = str(values["jobs_file"]), operator.index(values["runs"])
        status.jobs = {name: Outcome.model_validate(each) for name, each in values["jobs"].items()}
    except ValidationError as error:
        raise ValueError(f"{count_of(error.error_count(), 'value')} cannot be those of a job") from None
    except (LookupError, TypeError, AttributeError):
        raise ValueError("its keys are not those of a status") from None
    if other != jobs_file.name and exists(str(path.parent / other)):
        raise UsageError(Problem("status-of-other-jobs", str(path), detail={"other": other, "file": jobs_file.name}))
    return status


def _replace_damaged(path: Path, jobs_file: Path, reason: str) -> Status:
    """Move a status aside that cannot be used."""
    aside = path.with_name(f"{path.name}.damaged")
    with convert_write_errors(path), contextlib.suppress(FileNotFoundError):
        os.replace(path, aside)  # noqa: PTH105  a folder of this name is an error, not a place to move it into
    log.warning("%s", Problem("damaged-status", str(path), detail={"reason": reason, "aside": aside.name}))
    return Status(path, jobs_file.name)
