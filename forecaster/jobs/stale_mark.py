"""The mark of an output that could not be replaced: a file next to it, which the next good forecast removes."""

import json
from datetime import datetime
from pathlib import Path

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.errors import Stop
from forecaster.jobs.job import Job

_MARK = ".stale"  # behind the name of the output


def mark_stale(job: Job, error: Stop, since: datetime, newest: str | None = None, age: float | None = None) -> None:
    """Mark the output of a job as one that could not be replaced, by a file next to it.

    Args:
        job: whose output stays as it is.
        error: why there is no new one.
        since: when that began, where it has not been marked yet.
        newest: the newest timestamp of the data; None where it is not known.
        age: of it, in seconds.

    Raises:
        CannotCreate, InputOutputFailed: the mark cannot be written.
    """
    if job.output is None or not job.output.exists():
        return
    mark = get_mark(job.output)
    values: dict[str, str | int | None] = {
        "since": _read_since(mark) or since.isoformat(timespec="seconds"),
        "newest": newest,
    }
    values |= {"age_seconds": None if age is None else round(age), "reason": str(error)}
    write_atomically(mark, json.dumps(values, indent=1, ensure_ascii=False).encode() + b"\n", follow=False)


def _read_since(mark: Path) -> str | None:
    """Read since when an output is marked; None where it is not."""
    try:
        return datetime.fromisoformat(json.loads(mark.read_bytes())["since"]).isoformat(timespec="seconds")
    except (OSError, ValueError, LookupError, TypeError):
        return None


def get_mark(output: Path) -> Path:
    """Get the path of the mark of an output, whether it exists or not."""
    return output.with_name(output.name + _MARK)


def remove_mark(output: Path) -> None:
    """Remove the mark of an output, if it has one.

    Raises:
        CannotCreate, InputOutputFailed: it cannot be removed.
    """
    mark = get_mark(output)
    with convert_write_errors(mark):
        mark.unlink(missing_ok=True)
