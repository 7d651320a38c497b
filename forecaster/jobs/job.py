"""A job with everything resolved, and the jobs of a file."""

import fnmatch
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from forecaster.config import LoadedConfig, load_config
from forecaster.config.reader import find_nearest_name
from forecaster.config.schema import MaxAge
from forecaster.engine import Engine
from forecaster.errors import Stop, UsageError
from forecaster.jobs.schema import Keep, Retrain
from forecaster.problems import Problem
from forecaster.shard import Shard

STATUS_FILE = "status.json"


@dataclass(frozen=True)
class Job:
    """A job with everything resolved: paths are absolute, and the defaults of the jobs file are laid under its keys.

    Attributes:
        name: unique in the jobs file.
        group: the name of its entry, which other files of the same pattern, or groups of the same data, share.
        index: the place of its entry in the jobs file, from 0.
        where: the position of its entry, `file:line:column`.
        data: the files or patterns that are read together; empty: the data that the config or the run names.
        config: None where settings are chosen for the data, or are those of the run.
        overrides: what `--set` would be given: `training.epochs=30`.
        timeout, backoff: seconds.
        memory: bytes.
        ping: a URL, or `$NAME` of an environment variable that holds one.
        fail_above: the largest error by metric.
        problems: of its config, with which it fails.
        failure: why the rows of its group are not known, with which it fails.
        cell: the entry, the column and the cell of a group of `for_each`.
    """

    name: str
    group: str
    index: int
    where: str
    data: tuple[str, ...]
    config: Path | None
    run: Path
    do: Literal["refresh", "train", "predict", "score"]
    retrain: Retrain | None = None
    output: Path | None = None
    plot: Path | None = None
    horizon: int | None = None
    levels: tuple[float, ...] | None = None
    future: Path | None = None
    max_age: MaxAge | None = None
    overrides: tuple[str, ...] = ()
    intervals: Literal["adaptive", "static"] = "adaptive"
    timeout: float | None = None
    memory: int | None = None
    retries: int = 2
    backoff: float = 30.0
    priority: int = 0
    tags: tuple[str, ...] = ()
    ping: str | None = None
    fail_above: Mapping[str, float] = field(default_factory=dict)
    fail_on_drift: bool = False
    problems: tuple[Problem, ...] = ()
    failure: Stop | None = None
    cell: tuple[str, str, str] | None = None

    @property
    def trains(self) -> bool:
        """Whether it may write a new version of its run."""
        return self.do in {"train", "refresh"}

    @property
    def predicts(self) -> bool:
        """Whether it may write a forecast."""
        return self.do in {"predict", "refresh"}

    @property
    def config_overrides(self) -> tuple[str, ...]:
        """The overrides with its data, for `load_config` and for the settings that are chosen."""
        if not self.data:
            return self.overrides
        path = self.data[0] if len(self.data) == 1 else list(self.data)
        return (f"data.path={json.dumps(path, ensure_ascii=False)}", "data.query=null", *self.overrides)

    def load_config(self) -> LoadedConfig | None:
        """Load its config with its data and its overrides; None where it names no config.

        Raises:
            ConfigError: it is missing, or is none.
        """
        return None if self.config is None else load_config(self.config, self.config_overrides)


@dataclass(frozen=True)
class LoadedJobs:
    """A jobs file that is valid.

    Attributes:
        path: of the file, absolute.
        jobs: in the order of the file.
        store: the URL of the store of forecasts, absolute; None: none.
        keep: which versions and forecasts are kept; None: all.
        ping: as that of a job.
        metrics_file: None: none.
        engine: what runs the jobs.
        notes: what is not there yet, such as a data file.
    """

    path: Path
    jobs: tuple[Job, ...]
    store: str | None
    keep: Keep | None
    ping: str | None
    metrics_file: Path | None
    engine: Engine = field(default_factory=Engine)
    notes: tuple[Problem, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder of the jobs file, where its relative paths start."""
        return self.path.parent

    @property
    def status_file(self) -> Path:
        """What became of each job."""
        return self.folder / STATUS_FILE

    @property
    def lock_file(self) -> Path:
        """What one `forecast run` at a time holds."""
        return self.folder / ".jobs.lock"

    def select(self, only: Sequence[str] = (), tags: Sequence[str] = (), shard: Shard | None = None) -> list[Job]:
        """Select jobs by name or group, which may be patterns, and by tag; all without either. Of these, a shard.

        Raises:
            UsageError: a pattern or a tag selects none.
        """
        selected = [
            *_select(self.jobs, "--only", only, lambda job: (job.name, job.group)),
            *_select(self.jobs, "--tag", tags, lambda job: job.tags),
        ]
        kept = [set(each) for each in selected]
        jobs = [job for job in self.jobs if all(job.name in names for names in kept)]
        return jobs if shard is None else shard.select(jobs)


def _select(
    jobs: Sequence[Job], option: str, patterns: Sequence[str], list_names: Callable[[Job], Iterable[str]]
) -> Iterator[list[str]]:
    """Select the names of the jobs that any of the patterns selects; nothing without patterns."""
    known = sorted({name for job in jobs for name in list_names(job)})
    for pattern in patterns:
        if not fnmatch.filter(known, pattern):
            detail = {"nearest": find_nearest_name(pattern, known)}
            raise UsageError(Problem("no-such-job", f"{option} {pattern}", detail=detail))
    if patterns:
        yield [job.name for job in jobs if any(fnmatch.filter(list(list_names(job)), each) for each in patterns)]
