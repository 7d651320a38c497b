"""Run the jobs of a jobs file in worker processes, by priority, with retries; the status is written after each step."""

import logging
import math
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from forecaster.engine import Engine
from forecaster.engine_workers import RayWorkers, open_workers
from forecaster.errors import ForecasterError, Partial
from forecaster.jobs.job import Job, LoadedJobs
from forecaster.jobs.metrics_file import write_metrics
from forecaster.jobs.ping import Pings
from forecaster.jobs.shard_locks import lock_jobs
from forecaster.jobs.status import Outcome, Status, read_status
from forecaster.jobs.task import JobTask
from forecaster.problems import Problem
from forecaster.shard import Shard
from forecaster.wording import name_duration
from forecaster.workers import GRACE, Ended, Reported, Work, Workers

log = logging.getLogger("forecaster")

_POLL_SECONDS = 0.2
_MOST_BACKOFF = 3600.0  # seconds
_CRASHED, _TIMED_OUT = 1, 128 + signal.SIGTERM
_MAY_PASS = {73, 74, 75}  # exit codes of failures that another attempt may not meet; nor a crash or a time limit
_EXECUTE = "forecaster.jobs.execute:execute_job"  # by name: it imports pandas and ONNX Runtime, in workers only


@dataclass(frozen=True)
class RunOptions:
    """Options of `forecast run`.

    Attributes:
        only, tags: which jobs to select, all where both are empty.
        processes: that run jobs at the same time; None: one, or all processors of a cluster.
        engine: instead of that of the jobs file.
        shard: of the selected jobs; None: all of them.
        timeout: seconds that the whole run may take.
        force: whether work is done that is done already.
        metrics_file, ping: instead of those of the jobs file.
    """

    only: Sequence[str] = ()
    tags: Sequence[str] = ()
    processes: int | None = None
    engine: Engine | None = None
    shard: Shard | None = None
    timeout: float | None = None
    force: bool = False
    metrics_file: Path | None = None
    ping: str | None = None


@dataclass(frozen=True)
class JobResult:
    """One job of a run.

    Attributes:
        before, after: its outcome before the run and after it.
        is_finished: False where the run was interrupted before it started the job or its next attempt.
    """

    job: Job
    before: Outcome
    after: Outcome
    is_finished: bool = True

    @property
    def is_repeated(self) -> bool:
        """Whether it failed as in the run before."""
        same = self.before.exit_code == self.after.exit_code and _list_codes(self.before) == _list_codes(self.after)
        return self.after.is_failure and self.before.is_failure and same

    @property
    def is_recovered(self) -> bool:
        """Whether it succeeded after a failure; an interruption is none."""
        return self.is_finished and self.before.outcome == "failed" and not self.after.is_failure

    @property
    def new_warnings(self) -> list[str]:
        """The messages of warnings that the run before did not have."""
        known = {each.get("code") for each in self.before.warnings}
        return [str(each.get("message")) for each in self.after.warnings if each.get("code") not in known]


def _list_codes(outcome: Outcome) -> list[Any]:
    return [each.get("code") for each in outcome.problems]


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        jobs: the selected jobs, in the order of the jobs file.
        status: of all jobs.
        seconds: that the run took.
        errors: that concern no job: a status or metrics file that could not be written.
        interruption: the exit code of an interrupted run.
    """

    jobs: tuple[JobResult, ...]
    status: Status
    seconds: float
    errors: tuple[ForecasterError, ...] = ()
    interruption: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def failures(self) -> list[JobResult]:
        """The jobs that failed."""
        return [each for each in self.jobs if each.is_finished and each.after.is_failure]

    @property
    def exit_code(self) -> int:
        """That of the interruption, or of the jobs together, or of what concerns no job."""
        if self.interruption:
            return self.interruption
        failed = {each.job.name: each.after.exit_code for each in self.failures}
        codes = [failed.get(each.job.name, 0) for each in self.jobs]
        return combine_exit_codes(codes) or (self.errors[0].exit_code if self.errors else 0)


def combine_exit_codes(codes: Sequence[int]) -> int:
    """Combine the exit codes of several jobs: that of all where all failed with one code, 3 where some failed."""
    failed = {code for code in codes if code}
    return codes[0] if len(failed) == 1 and all(codes) else Partial.exit_code if failed else 0


def run_jobs(loaded: LoadedJobs, options: RunOptions, received: Sequence[int], work: Work | str = _EXECUTE) -> Summary:
    """Run the selected jobs; a failure of one touches no other.

    Args:
        received: signals received so far (`signals.collect_signals`).
        work: executes a `JobTask` in a worker, and returns its `Outcome`.

    Raises:
        UsageError: no job is selected, or another jobs file is in the folder.
        Locked: another `forecast run` is at work.
        CannotCreate, InputOutputFailed: the folder of the jobs file cannot be read or written.
    """
    jobs = loaded.select(options.only, options.tags, options.shard)
    with lock_jobs(loaded.lock_file, options.shard):
        status = read_status(loaded.status_file, loaded.path)
        status.keep(loaded.jobs)
        if options.shard is not None:
            status.own = frozenset(job.name for job in jobs)
        status.runs += 1
        status.write()
        ping, metrics = options.ping or loaded.ping, options.metrics_file or loaded.metrics_file
        with Pings() as pings:
            if ping:
                pings.send(ping, "start")
            run = _Run(loaded, options, jobs, status, pings, received)
            # Warnings are kept in the status; what is printed of them is printed once.
            level = log.level if log.isEnabledFor(logging.INFO) else logging.ERROR
            engine = options.engine or loaded.engine
            count = None if options.processes is None else max(1, min(options.processes, len(jobs)))
            with open_workers(engine, work, count, shared=loaded.path, level=level) as workers:
                run.work_through(workers)
            summary = run.summarize(metrics)
            if ping:
                pings.send(ping, summary.exit_code, "\n".join(map(describe_failure, summary.failures)))
    return summary


def describe_failure(result: JobResult) -> str:
    """Describe a failure on one line: `north: exit 4: in/north.csv: no rows`."""
    first, *others = result.after.reason.split("\n")
    more = f" (and {len(others)} more)" if others else ""
    return f"{result.job.name}: exit {result.after.exit_code}: {first}{more}"


def describe_recovery(result: JobResult) -> str:
    """Describe a recovery on one line."""
    before, after = result.before, result.after
    seconds = math.ceil((after.since - before.since).total_seconds()) if after.since and before.since else 0
    lasted = f" after {name_duration(timedelta(seconds=seconds))}" if seconds > 0 else ""
    return f"{result.job.name}: recovered{lasted} from exit {before.exit_code}"


@dataclass
class _Attempt:
    """A job that waits for a process.

    Attributes:
        number: of the attempt, from 1.
        begin: earliest time, on the monotonic clock.
        started: when the first attempt began, None before it.
    """

    job: Job
    number: int = 1
    begin: float = 0.0
    started: float | None = None


@dataclass
class _Run:
    """The jobs of a run that wait, are at work, and are finished."""

    loaded: LoadedJobs
    options: RunOptions
    jobs: Sequence[Job]
    status: Status
    pings: Pings
    received: Sequence[int]
    started: float = field(default_factory=time.monotonic)
    at_work: dict[str, _Attempt] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    write_error: ForecasterError | None = None
    interruption: int = 0
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        self.before = dict(self.status.jobs)
        self.waiting = [_Attempt(job) for job in sorted(self.jobs, key=lambda job: -job.priority)]

    def work_through(self, workers: Workers | RayWorkers) -> None:
        """Start jobs as processes are free, until all are finished or the run is interrupted."""
        while self.waiting or workers.tasks:
            if not self.interruption:
                self._check_interruption(workers)
            while not self.interruption and not workers.is_full and (attempt := self._take_next()):
                self._start(workers, attempt)
            if self.interruption and not workers.tasks:
                return
            event = workers.wait(_POLL_SECONDS)
            if isinstance(event, Reported):
                before = self.before[event.task.job.name]  # its outcome stays until the attempt has ended
                self._write(event.task.job, event.content.update(outcome=before.outcome, reason=before.reason))
            elif isinstance(event, Ended):
                self._end(event)

    def _check_interruption(self, workers: Workers | RayWorkers) -> None:
        """Stop the workers at a signal, or at the time limit of the run."""
        limit = self.options.timeout
        left = len(self.waiting) + len(workers.tasks)
        if self.received:
            self.interruption = 128 + self.received[0]
            self.problems = (Problem("interrupted-run", detail={"left": left}),)
        elif limit is not None and time.monotonic() > self.started + limit:
            self.interruption = _TIMED_OUT
            where = f"--timeout {name_duration(timedelta(seconds=limit))}"
            self.problems = (Problem("run-time-limit", where, detail={"left": left}),)
        else:
            return
        workers.stop()

    def _take_next(self) -> _Attempt | None:
        """Take the first attempt that need not wait any longer."""
        now = time.monotonic()
        for attempt in self.waiting:
            if attempt.begin <= now:
                self.waiting.remove(attempt)
                return attempt
        return None

    def _start(self, workers: Workers | RayWorkers, attempt: _Attempt) -> None:
        job = attempt.job
        if attempt.started is None:
            attempt.started = time.monotonic()
            if job.ping:
                self.pings.send(job.ping, "start")
        self.at_work[job.name] = attempt
        loaded = self.loaded
        task = JobTask(job, self.status.jobs[job.name], loaded.store, loaded.keep, loaded.folder, self.options.force)
        workers.start(task, job.timeout, job.memory)

    def _write(self, job: Job, outcome: Outcome) -> None:
        """Write the status; a disk that is full for a moment stops no job."""
        self.status.jobs[job.name] = outcome
        try:
            self.status.write()
            self.write_error = None
        except ForecasterError as error:
            self.write_error = error

    def _end(self, ended: Ended) -> None:
        """Record the end of an attempt, or have it followed by another."""
        job: Job = ended.task.job
        attempt = self.at_work.pop(job.name)
        values = _describe_end(ended, self.loaded.path.name)
        may_pass = values["exit_code"] in _MAY_PASS if ended.how == "failed" else ended.how in {"crashed", "timeout"}
        if may_pass and attempt.number <= job.retries and not self.interruption:
            pause = min(job.backoff * 2 ** (attempt.number - 1), _MOST_BACKOFF)
            message = "%s: attempt %d failed, the next is in %s: %s"
            log.info(message, job.name, attempt.number, name_duration(timedelta(seconds=pause)), values["reason"])
            later = _Attempt(job, attempt.number + 1, time.monotonic() + pause, attempt.started)
            self.waiting.append(later)
            return
        seconds = round(time.monotonic() - (attempt.started or 0), 3)
        reached = ended.result if ended.how == "done" else self.status.jobs[job.name]
        outcome = reached.finish(
            self.before[job.name], datetime.now(UTC), **values, seconds=seconds, attempts=attempt.number
        )
        self._write(job, outcome)
        if outcome.outcome != "interrupted":
            self.finished.add(job.name)
        if job.ping:
            self.pings.send(job.ping, outcome.exit_code, outcome.reason)
        facts = {"job": job.name, "run": str(job.run), "seconds": seconds}
        facts |= {"outcome": outcome.outcome, "exit_code": outcome.exit_code}
        ending = f": {outcome.reason}" if outcome.reason else ""
        log.info("%s: %s in %.1f seconds%s", job.name, outcome.outcome, seconds, ending, extra={"facts": facts})
        if ended.trace and outcome.exit_code == _CRASHED:
            log.info("%s", ended.trace, extra={"facts": facts})

    def summarize(self, metrics: Path | None) -> Summary:
        """Write what the run leaves for others, and summarize it."""
        errors = [] if self.write_error is None else [self.write_error]
        if metrics is not None:
            try:
                write_metrics(metrics, self.status.to_json(), self.loaded.path)
            except ForecasterError as error:
                errors.append(error)
        results = [
            JobResult(job, self.before[job.name], self.status.jobs[job.name], job.name in self.finished)
            for job in self.jobs
        ]
        seconds = round(time.monotonic() - self.started, 3)
        return Summary(tuple(results), self.status, seconds, tuple(errors), self.interruption, self.problems)


def _describe_end(ended: Ended, jobs_file: str) -> Mapping[str, Any]:
    """Describe the end of an attempt: what its outcome is, with which exit code, and why."""
    if ended.how == "done":
        outcome: Outcome = ended.result
        return {"outcome": outcome.outcome or "done", "exit_code": 0, "problems": ()}
    problems = _list_problems(ended, jobs_file)
    if ended.how == "stopped":
        code = ended.error.exit_code if ended.error else _TIMED_OUT
    elif ended.how == "timeout":
        code = _TIMED_OUT
    else:
        code = ended.error.exit_code if ended.error and ended.how == "failed" else _CRASHED
    return {
        "outcome": "interrupted" if ended.how == "stopped" else "failed",
        "exit_code": code,
        "reason": "\n".join(map(str, problems)),
        "problems": tuple(problem.to_json() for problem in problems),
    }


def _list_problems(ended: Ended, jobs_file: str) -> list[Problem]:
    job: Job = ended.task.job
    own = list(ended.error.problems) if ended.error else []
    hard = [] if ended.error else [Problem("ended-job", detail={"seconds": GRACE})]
    match ended.how:
        case "timeout":
            limit = name_duration(timedelta(seconds=job.timeout or 0))
            return [Problem("job-timeout", detail={"limit": limit}), *own, *hard]
        case "stopped":
            return own or hard
        case "memory" if job.memory and not ended.error:
            return [Problem("job-memory", detail={"limit": f"{job.memory / 1e9:.3g} GB"})]
        case "memory":
            return [Problem("out-of-memory")]
        case "crashed":
            code = ended.returncode or 0
            end = f"exit code {code}" if code >= 0 else _name_signal(-code)
            detail = {"end": end, "killed": code == -signal.SIGKILL, "file": jobs_file, "job": job.name}
            return [Problem("crashed-job", detail=detail)]
    return own


def _name_signal(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
