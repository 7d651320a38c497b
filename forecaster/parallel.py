"""Work on several items at the same time, each in its process, on this machine or a cluster."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from forecaster.engine import Engine
from forecaster.engine_workers import open_workers
from forecaster.errors import ForecasterError, Interrupted, Stop
from forecaster.problems import Problem
from forecaster.workers import Ended

_POLL_SECONDS = 0.1
_AHEAD = 4  # tasks for each process that are begun before the result of the oldest is taken
_ALL = 1_000_000  # tasks, more than there are

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Parallel:
    """What works on several items at the same time.

    Attributes:
        engine: processes of this machine, or a cluster.
        processes: at a time; None: one, or all processors of a cluster.
        received: signals received so far (`signals.collect_signals`).
    """

    engine: Engine
    processes: int | None
    received: Sequence[int]

    def iterate_in_order(
        self,
        work: Callable[[Job, Sequence[int]], Result],
        jobs: Iterable[Job],
        shared: Path | None,
        killed: str,
        interrupted: str = "interrupted-without-output",
        ahead: int | None = None,
    ) -> Iterator[Result]:
        """Run `work(job, signals)` for every job, and yield the results in the order of the jobs.

        What the processes log is logged here. The first failure stops the others, as a signal does: `work` finds a
        signal, saves what it has and raises Interrupted. A process whose parent was killed exits.

        Args:
            work: a function of a module, or a partial of one, whose arguments each process receives once.
            jobs: each is sent to the process that does it, and made when one is free.
            shared: a file or folder that jobs read or work in, which the nodes of a cluster must see; None for none.
            killed: the code of the problem where a process was ended from outside.
            interrupted: that of the problem after a signal.
            ahead: jobs that are begun before the result of the oldest is taken; some for each process where None.

        Raises:
            Interrupted: a signal was received.
            ForecasterError: what a job raised; or one of the processes was ended from outside.
        """
        waiting, results, errors = enumerate(jobs), dict[int, Result](), list[Stop]()
        begun, taken, is_complete = 0, 0, False
        task = functools.partial(_run, work)
        with open_workers(self.engine, task, self.processes, shared=shared, grace=None) as workers:
            while workers.tasks or results or not (is_complete or errors or self.received):
                if errors or self.received:
                    workers.stop()
                    results.clear()
                most = ahead or _AHEAD * workers.count
                while not (is_complete or errors or self.received or workers.is_full or begun - taken >= most):
                    job = next(waiting, None)
                    is_complete = job is None
                    if job is not None:
                        workers.start(job)
                        begun += 1
                event = workers.wait(0 if taken in results or not workers.tasks else _POLL_SECONDS)
                if isinstance(event, Ended) and event.how == "done":
                    results[event.task[0]] = event.result
                elif isinstance(event, Ended):
                    errors.append(event.error or ForecasterError(Problem(killed)))
                elif taken in results:
                    yield results.pop(taken)
                    taken += 1
        failures = [error for error in errors if not isinstance(error, Interrupted)]
        if failures:
            raise failures[0]
        if self.received or errors:
            stopped = [*self.received, *(error.exit_code - 128 for error in errors)]
            raise Interrupted(Problem(interrupted, detail={"members": True}), stopped[0])


def run_in_processes(
    work: Callable[[Job, Sequence[int]], Result],
    jobs: Iterable[Job],
    processes: int | None,
    received: Sequence[int],
    engine: Engine | None = None,
    shared: Path | None = None,
) -> list[Result]:
    """Run trainings at the same time, whose checkpoints a signal saves, and list their results in their order.

    Args:
        work, jobs, shared: as of `Parallel.iterate_in_order`.
        processes, received, engine: as of `Parallel`; processes of this machine where there is no engine.

    Raises:
        Interrupted: a signal was received.
        ForecasterError: what a job raised; or one of the processes was ended from outside.
    """
    parallel, codes = Parallel(engine or Engine(), processes, received), ("killed-process", "interrupted-trainings")
    return [*parallel.iterate_in_order(work, jobs, shared, *codes, ahead=_ALL)]


def _run(
    work: Callable[[Job, Sequence[int]], Result],
    task: tuple[int, Job],
    received: Sequence[int],
    report: Callable[[Any], None],
) -> Result:
    if received:
        raise Interrupted(Problem("interrupted-before-start"), received[0])
    return work(task[1], received)
