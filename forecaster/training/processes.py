"""Several trainings at the same time, each in its process; all are stopped together."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from forecaster.engine import Engine
from forecaster.engine_workers import open_workers
from forecaster.errors import ForecasterError, Interrupted, Stop
from forecaster.problems import Problem
from forecaster.workers import Ended

_POLL_SECONDS = 0.1

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_in_processes(
    work: Callable[[Job, Sequence[int]], Result],
    jobs: Sequence[Job],
    processes: int | None,
    received: Sequence[int],
    engine: Engine | None = None,
    shared: Path = Path(),
) -> list[Result]:
    """Run `work(job, signals)` for every job, `processes` at a time; their logs are logged here.

    The first failure stops the others, as a signal does: `work` finds a signal, saves its checkpoint and raises
    Interrupted. A process whose parent was killed exits.

    Args:
        work: a function of a module, or a partial of one, whose arguments each process receives once.
        jobs: each is sent to the process that does it.
        processes: at a time; None: one, or all processors of a cluster.
        received: signals received so far (`signals.collect_signals`).
        engine: processes of this machine, or a cluster.
        shared: a folder that jobs work in, which the nodes of a cluster must see.

    Raises:
        Interrupted: a signal was received.
        ForecasterError: what a job raised; or one of the processes was ended from outside.
    """
    waiting, results, errors = list(enumerate(jobs)), dict[int, Result](), list[Stop]()
    task = functools.partial(_run, work)
    with open_workers(engine or Engine(), task, processes, shared=shared, grace=None) as workers:
        while workers.tasks or (waiting and not errors and not received):
            if errors or received:
                workers.stop()
            while waiting and not errors and not received and not workers.is_full:
                workers.start(waiting.pop(0))
            event = workers.wait(_POLL_SECONDS)
            if isinstance(event, Ended) and event.how == "done":
                results[event.task[0]] = event.result
            elif isinstance(event, Ended):
                errors.append(event.error or ForecasterError(Problem("killed-process")))
    failures = [error for error in errors if not isinstance(error, Interrupted)]
    if failures:
        raise failures[0]
    if received or errors:
        stopped = [*received, *(error.exit_code - 128 for error in errors)]
        raise Interrupted(Problem("interrupted-trainings", detail={"members": True}), stopped[0])
    return [results[number] for number in range(len(jobs))]


def _run(
    work: Callable[[Job, Sequence[int]], Result],
    task: tuple[int, Job],
    received: Sequence[int],
    report: Callable[[Any], None],
) -> Result:
    if received:
        raise Interrupted(Problem("interrupted-before-start"), received[0])
    return work(task[1], received)
