"""What a job would do now, and why: which of score, train and predict are due, by their keys and the retrain rules."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from forecaster.config import Config
from forecaster.durations import parse_duration
from forecaster.errors import ConfigError, Stop
from forecaster.jobs.fingerprint import hash_data, hash_files, hash_job_settings, hash_values
from forecaster.jobs.job import Job, LoadedJobs
from forecaster.jobs.stale_mark import get_mark
from forecaster.jobs.status import load_status
from forecaster.runs import load_version, read_current
from forecaster.shard import Shard
from forecaster.wording import count_of, name_duration

StepName = Literal["score", "train", "predict"]

_PAUSE = timedelta(days=1)
_TOLERANCE = timedelta(minutes=10)  # between the time in the name of a version and the end of its training


@dataclass(frozen=True)
class Step:
    """A part of a job that is due.

    Attributes:
        name: what is done.
        reason: why, as a sentence without a subject: `new data`.
        key: of the work, which is kept as `done` once it is finished; the same key means the same work.
    """

    name: StepName
    reason: str
    key: str


@dataclass(frozen=True)
class JobPlan:
    """What a job would do now.

    Attributes:
        job: which.
        steps: that are due, in their order.
        reason: why nothing is due; empty where something is, or where the job cannot run.
        error: why the job cannot run, such as data that are missing; None where it can.
        next_training: the earliest time at which a rule of age is met; None where there is no such rule.
    """

    job: Job
    steps: tuple[Step, ...] = ()
    reason: str = ""
    error: Stop | None = None
    next_training: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert it to JSON values."""
        return {
            "name": self.job.name,
            "group": self.job.group,
            "steps": [{"name": step.name, "reason": step.reason} for step in self.steps],
            "reason": str(self.error) if self.error else self.reason,
            "exit_code": self.error.exit_code if self.error else 0,
            "next_training": self.next_training and self.next_training.isoformat(timespec="seconds"),
        }


def plan_jobs(
    loaded: LoadedJobs,
    now: datetime,
    only: Sequence[str] = (),
    tags: Sequence[str] = (),
    shard: Shard | None = None,
    *,
    force: bool = False,
) -> list[JobPlan]:
    """Find out what the selected jobs would do now, by what status.json keeps of them; nothing is written.

    Raises:
        UsageError: a pattern or a tag selects no job, or status.json is that of another jobs file.
        InputOutputFailed: status.json cannot be read.
    """
    states, has_store = _read_states(loaded), loaded.store is not None
    return [
        plan_job(job, states.get(job.name, {}), now, has_store=has_store, force=force)
        for job in loaded.select(only, tags, shard)
    ]


def _read_states(loaded: LoadedJobs) -> Mapping[str, Any]:
    """Read the states of jobs; none where status.json is missing or damaged, which a run replaces."""
    try:
        jobs = load_status(loaded.status_file, loaded.path).jobs
    except ValueError:
        return {}
    return {name: state.model_dump(mode="json") for name, state in jobs.items()}


def plan_job(
    job: Job,
    state: Mapping[str, Any],
    now: datetime,
    *,
    has_store: bool = True,
    force: bool = False,
    finished: Collection[str] = (),
) -> JobPlan:
    """Find out what a job would do now.

    It is cheap: files are hashed, not parsed, but where a rule counts rows. A worker asks again after each step, since
    a score may find drift, and a training may put a new version into use.

    Args:
        job: which.
        state: of the job in status.json, as JSON values; empty where it never ran.
        now: the time, with its zone.
        has_store: whether forecasts are stored, so that there is something to score.
        force: whether every step is due, whatever is done already.
        finished: the names of steps that this attempt has finished, which are not due again.
    """
    if job.failure is not None:
        return JobPlan(job, error=job.failure)
    if job.problems:
        return JobPlan(job, error=ConfigError(list(job.problems)))
    planner = _Planner(job, state, now)
    try:
        steps = tuple(step for step in planner.list_steps(has_store, force) if step.name not in finished)
        return JobPlan(job, steps, "" if steps else planner.explain_nothing(), next_training=planner.next_training)
    except Stop as error:
        return JobPlan(job, error=error)


@dataclass
class _Planner:
    """The facts that decide what is due, each found out when it is first needed."""

    job: Job
    state: Mapping[str, Any]
    now: datetime

    def list_steps(self, has_store: bool, force: bool) -> Iterator[Step]:
        """List the steps that are due."""
        job, forced = self.job, "--force" if force else ""
        if self.version is None and not job.trains:
            load_version(job.run)  # raises what is wrong with it
        # What was trained just now has forecast nothing; a run of an unknown state may have.
        has_forecasts = has_store and self.version is not None and (self._done("predict") or not self._done("train"))
        if job.do == "score" or (job.do == "refresh" and has_forecasts):
            key = hash_values("score", self.data)
            if reason := forced or self._compare("score", key):
                yield Step("score", reason, key)
        trains = (forced or self._find_training_reason()) if job.trains else ""
        if trains:
            yield Step("train", trains, self.training_key)
        if job.predicts:
            key = self._build_prediction_key()
            reason = forced or ("after the training" if trains else self._compare("predict", key))
            if reason := reason or self._check_output():
                yield Step("predict", reason, key)

    def _compare(self, step: StepName, key: str) -> str:
        """Explain why the key of a step is not the one that is done; empty where it is."""
        done = self._done(step)
        if done is None:
            return "not done before"
        if done == key:
            return ""
        if step == "predict" and done.rpartition("-")[2] == self.data:
            return "a new version or other options"
        return "new data"

    def _done(self, step: StepName) -> str | None:
        done = self.state.get("done") or {}
        return str(done[step]) if done.get(step) else None

    @cached_property
    def config(self) -> Config | None:
        """The config of the job with its overrides; None where the settings are chosen, or are those of the run."""
        loaded = self.job.load_config()
        if loaded is None:
            return None
        if loaded.problems:
            raise ConfigError(loaded.problems)
        return loaded.config

    @cached_property
    def data(self) -> str:
        """The fingerprint of the data."""
        if self.job.data:
            return hash_files(self.job.data)
        return hash_data(self.config or load_version(self.job.run).config)

    @cached_property
    def training_key(self) -> str:
        """The fingerprints of settings and data."""
        return f"{hash_job_settings(self.job, self.config)}-{self.data}"

    def _build_prediction_key(self) -> str:
        job, version = self.job, self.version and self.version.name
        options = hash_values(version, job.horizon, job.levels, job.intervals, job.overrides)
        future = "" if job.future is None else hash_files([str(job.future)])
        return f"{hash_values(options, future)}-{self.data}"

    def _check_output(self) -> str:
        output, plot = self.job.output, self.job.plot
        missing = [path.name for path in (output, plot) if path is not None and not path.exists()]
        if missing:
            return f"{missing[0]} is missing"
        return f"{output.name} is marked as old" if output is not None and get_mark(output).exists() else ""

    @cached_property
    def version(self) -> Path | None:
        """The folder of the version in use; None where there is none."""
        name = read_current(self.job.run)
        return None if name is None else self.job.run / "versions" / name

    @cached_property
    def trained_at(self) -> datetime | None:
        """When the version in use was trained, as its name has it."""
        try:
            found = datetime.strptime("" if self.version is None else self.version.name[:16], "%Y%m%dT%H%M%SZ")
        except ValueError:
            return None
        return found.replace(tzinfo=UTC)

    @property
    def last_training(self) -> datetime | None:
        """When a training of the job ended last, promoted or not."""
        text = self.state.get("last_training")
        return datetime.fromisoformat(text) if isinstance(text, str) else self.trained_at

    def _find_training_reason(self) -> str:
        """Explain why a training is due; empty where none is."""
        if self.version is None:
            return "no version yet"
        done, rules = self._done("train"), self.job.retrain
        if done is not None:
            settings, _, data = done.partition("-")
            if settings != self.training_key.partition("-")[0]:
                return "other settings than in the last training"
            if data == self.data:
                return ""
        if rules is None:
            return ("not done before" if done is None else "new data") if self.job.do == "train" else ""
        return next((reason for reason in self._apply_rules() if reason), "")

    def _apply_rules(self) -> Iterator[str]:
        """Apply each rule, the cheap ones first."""
        rules = self.job.retrain
        assert rules is not None
        yield self._compare_age(rules.every, self.last_training, "the last training was")
        if self._is_lost_recently:
            return
        yield self._compare_age(rules.age, self.trained_at, "the version in use was trained")
        if rules.on_drift and self.state.get("drift"):
            yield "drift in the stored forecasts"
        if rules.rows is not None and (new := self._count_new_rows()) >= rules.rows:
            yield f"{count_of(new, 'new row')} since the training"

    @property
    def _is_lost_recently(self) -> bool:
        """Whether a training ended within a day without a new version in use.

        What a rule asks for is then as true as before, and would be trained for again at each new row.
        """
        last, trained = self.last_training, self.trained_at
        return bool(last and trained and last > trained + _TOLERANCE and self.now - last < _PAUSE)

    def _compare_age(self, limit: str | None, since: datetime | None, subject: str) -> str:
        """Describe an age that has reached a limit; empty where it has not, or there is no limit."""
        seconds = None if limit is None else parse_duration(limit)
        if seconds is None or (since is not None and self.now - since < timedelta(seconds=seconds)):
            return ""
        return f"{subject} {_name_age(self.now - since)} ago" if since else f"{subject} at an unknown time"

    def _count_new_rows(self) -> int:
        """Count the rows that the data have more than those of the training of the version in use."""
        from forecaster.jobs.rows import count_rows  # noqa: PLC0415  with pandas, for this rule alone

        version = load_version(self.job.run)
        config = self.config or version.config
        if self.job.data:
            path = self.job.data[0] if len(self.job.data) == 1 else self.job.data
            data = config.data.model_copy(update={"path": path, "query": None})
            config = config.model_copy(update={"data": data})
        return count_rows(config) - int(version.manifest["data"]["steps"])

    @property
    def next_training(self) -> datetime | None:
        """The earliest time at which a rule of age is met."""
        rules = self.job.retrain if self.job.trains else None
        if rules is None:
            return None
        limits = ((rules.every, self.last_training), (rules.age, self.trained_at))
        times = [
            since + timedelta(seconds=parse_duration(limit) or 0.0)
            for limit, since in limits
            if limit is not None and since is not None
        ]
        return min(times, default=None)

    def explain_nothing(self) -> str:
        """Explain why nothing is due."""
        newest = self.state.get("newest")
        return "no new data" + (f" since {newest}" if newest else "")


def _name_age(age: timedelta) -> str:
    """Name an age by its largest units, without fractions of a second."""
    return name_duration(timedelta(seconds=max(1, round(age.total_seconds()))))
