"""A job in a worker: score, train and predict as far as they are due, one step after the other."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from forecaster.errors import ChallengerLost, DataError, ForecasterError, Interrupted
from forecaster.jobs.job import Job
from forecaster.jobs.plan import Step, plan_job
from forecaster.jobs.stale_mark import mark_stale
from forecaster.jobs.status import Outcome
from forecaster.jobs.task import JobTask
from forecaster.problems import Problem
from forecaster.runs import read_current

log = logging.getLogger("forecaster")


def execute_job(task: JobTask, received: Sequence[int], report: Callable[[Outcome], None]) -> Outcome:
    """Do what is due of a job.

    Args:
        task: the job and its state.
        received: signals received so far.
        report: receives the state after each finished step.

    Returns:
        The state, with the outcome `done` or `nothing-new`.

    Raises:
        Partial: some series could not be forecast; the output holds the others.
        ForecasterError: what a step raised. A forecast that could be made is written all the same.
        Interrupted: a signal was received.
    """
    with _name_in_log(task.job):
        execution = _Execution(task, received, report)
        execution.do_steps()
        return execution.state


@contextlib.contextmanager
def _name_in_log(job: Job) -> Iterator[None]:
    """Put the name of the job before each line of the log, and facts for JSON lines into it."""
    started = time.monotonic()

    def add_facts(record: logging.LogRecord) -> bool:
        facts = {"job": job.name, "run": str(job.run), "seconds": round(time.monotonic() - started, 3)}
        problems = [each for each in record.args or () if isinstance(each, Problem)]
        series = [each.detail["series"] for each in problems if "series" in each.detail]
        record.facts = facts | ({"series": series[0]} if series else {}) | getattr(record, "facts", {})
        record.msg = f"{job.name}: {record.msg}"
        return True

    log.addFilter(add_facts)
    try:
        yield
    finally:
        log.removeFilter(add_facts)


class _Execution:
    """One attempt of a job.

    Attributes:
        state: of the job so far.
    """

    def __init__(self, task: JobTask, received: Sequence[int], report: Callable[[Outcome], None]) -> None:
        self.state = task.state
        self._task, self._job, self._received, self._report = task, task.job, received, report
        self._now = datetime.now(UTC)
        self._errors: list[ForecasterError] = []  # of steps after which the job continues
        self._warnings: list[Problem] = []  # of the training
        self._notes: list[Problem] = []

    def do_steps(self) -> None:
        """Do each step that is due; where an error comes before the forecast, the old output stays, with a mark."""
        try:
            self._do_due_steps()
        except ForecasterError as error:
            if self._job.predicts:
                with contextlib.suppress(ForecasterError):  # a folder that takes no output takes no mark
                    mark_stale(self._job, error, self._now)
            raise
        if self._errors:
            raise _join_errors(self._errors)

    def _do_due_steps(self) -> None:
        """Do each step that is due; plan again after each, since a score or a training changes what is due."""
        finished: set[str] = set()
        while step := self._plan(finished):
            if self._received:
                raise Interrupted(Problem("interrupted-before-start"), self._received[0])
            log.info("%s: %s", step.name, step.reason, extra={"facts": {"step": step.name}})
            is_done = {"score": self._score, "train": self._train, "predict": self._predict}[step.name]()
            finished.add(step.name)
            if is_done:
                self.state = self.state.update(done={**self.state.done, step.name: step.key})
            self._report(self.state)
        if "predict" not in finished and self._is_forecast_older_than_allowed():
            self._predict()
            self._report(self.state)

    def _plan(self, finished: set[str]) -> Step | None:
        task = self._task
        state = self.state.model_dump(mode="json")
        has_store = task.store is not None
        plan = plan_job(self._job, state, self._now, has_store=has_store, force=task.force, finished=finished)
        if plan.error is not None:
            raise plan.error
        outcome = "done" if finished else "nothing-new"
        reason = "" if finished else plan.reason
        self.state = self.state.update(outcome=outcome, reason=reason, next_training=plan.next_training)
        return plan.steps[0] if plan.steps else None

    def _score(self) -> bool:
        """Score; data that cannot be read are an error of the forecast after it, which marks the output."""
        from forecaster.jobs.score_stored import score_stored_forecasts  # noqa: PLC0415  with pandas and SciPy

        try:
            self.state, error = score_stored_forecasts(self._task, self.state, self._now)
        except DataError:
            if not self._job.predicts:
                raise
            return False
        if error is not None:
            self._errors.append(error)
        return error is None

    def _train(self) -> bool:
        """Train; where that fails, the version in use forecasts all the same.

        A new version that lost is an error at the end where the job asks for it.
        """
        from forecaster.jobs.forecast_job import describe_version  # noqa: PLC0415  with pandas
        from forecaster.jobs.train_job import train_job  # noqa: PLC0415

        try:
            trained = train_job(self._job, self._received, self._task.keep)
        except ForecasterError as error:
            if not self._job.predicts or read_current(self._job.run) is None:
                raise
            self._errors.append(error)
            return False
        self.state = self.state.update(last_training=datetime.now(UTC))
        if trained.promoted:
            self.state = self.state.update(**describe_version(trained.version))
        elif trained.notice is not None:
            # That a new version lost is the rule at work; one that could not be compared needs somebody to look.
            (self._notes if trained.challenge.is_worse else self._warnings).append(trained.notice)
        if not self._job.predicts:
            notices = {"warnings": self._warnings, "notes": self._notes}
            self.state = self.state.update(**{k: tuple(p.to_json() for p in v) for k, v in notices.items()})
        if self._job.retrain is not None and self._job.retrain.fail_if_worse:
            try:
                trained.check_not_worse()
            except ChallengerLost as error:
                self._errors.append(error)
        return True

    def _predict(self) -> bool:
        """Forecast; nothing follows it, so that what is wrong can wait until its state is reported."""
        # pandas and ONNX Runtime take a second to import, and a job without new data needs neither.
        from forecaster.jobs.forecast_job import forecast_job  # noqa: PLC0415

        self.state, error = forecast_job(self._task, self.state, self._now, self._warnings, self._notes)
        if error is not None:
            self._errors.append(error)
        return error is None

    def _is_forecast_older_than_allowed(self) -> bool:
        """Whether data that have not changed may have become too old since they were forecast."""
        state = self.state
        if not self._job.predicts:
            return False
        has_warned = any(each.get("code") == "aging-data" for each in state.warnings)
        checked = state.stale_from is not None and self._now > state.stale_from
        warned = state.warns_from is not None and self._now > state.warns_from and not has_warned
        return checked or warned or state.max_age != repr(self._job.max_age)


def _join_errors(errors: Sequence[ForecasterError]) -> ForecasterError:
    """Join the errors of several steps: the kind of the last, since a forecast is the last, and the problems of all."""
    problems = dict.fromkeys(problem for error in errors for problem in error.problems)
    return errors[0] if len(errors) == 1 else type(errors[-1])(list(problems))
