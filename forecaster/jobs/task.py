"""What a worker needs to know to execute a job."""

from dataclasses import dataclass
from pathlib import Path

from forecaster.jobs.job import Job
from forecaster.jobs.schema import Keep
from forecaster.jobs.status import Outcome


@dataclass(frozen=True)
class JobTask:
    """A job, and what it has in common with the others of its jobs file.

    Attributes:
        job: what is done.
        state: of the job, with the keys of the work that is done.
        store: a URL, or None.
        keep: which versions and forecasts are kept; None: all.
        folder: of the jobs file.
        force: whether work is done that is done already.
    """

    job: Job
    state: Outcome
    store: str | None
    keep: Keep | None
    folder: Path
    force: bool
