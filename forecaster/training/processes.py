"""Several trainings at the same time, each in its process; all are stopped together."""

import concurrent.futures
import contextlib
import logging
import logging.handlers
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from forecaster.errors import ForecasterError, Interrupted
from forecaster.problems import Problem

log = logging.getLogger("forecaster")

_SIGNALS = {signal.SIGINT, signal.SIGTERM}
_POLL_SECONDS = 0.1

Job = TypeVar("Job")
Result = TypeVar("Result")

_received: list[int] = []  # signals of this worker, or passed on by its parent


def run_in_processes(
    work: Callable[[Job, Sequence[int]], Result], jobs: Sequence[Job], processes: int, received: Sequence[int]
) -> list[Result]:
    """Run `work(job, signals)` for every job, `processes` at a time; their logs are logged here.

    The first failure stops the others, as a signal does: `work` finds a signal, saves its checkpoint and raises
    Interrupted. A process whose parent was killed exits.

    Args:
        work: a function of a module; it is imported in each process.
        received: signals received so far (`signals.collect_signals`).

    Raises:
        Interrupted: a signal was received.
        ForecasterError: what a job raised; or one of the processes was ended from outside.
    """
    context = multiprocessing.get_context("spawn")
    stop, lines = context.Event(), context.Queue()
    listener = logging.handlers.QueueListener(lines, *log.handlers, respect_handler_level=True)
    listener.start()
    with _block_signals(), contextlib.ExitStack() as undo:
        undo.callback(listener.stop)
        pool = concurrent.futures.ProcessPoolExecutor(processes, context, _initialize_worker, (stop, lines, log.level))
        undo.callback(pool.shutdown, cancel_futures=True)
        undo.callback(stop.set)
        futures = [pool.submit(_run, work, job) for job in jobs]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        _wait(futures, received)
    return _collect_results(futures, received)


@contextlib.contextmanager
def _block_signals() -> Iterator[None]:
    """Block signals while processes start; they inherit that, and unblock them when they can handle them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(futures: Sequence[concurrent.futures.Future[Any]], received: Sequence[int]) -> None:
    """Wait until all are done, one failed, or a signal was received."""
    pending = set(futures)
    while pending and not received:
        done, pending = concurrent.futures.wait(pending, _POLL_SECONDS, concurrent.futures.FIRST_EXCEPTION)
        if any(future.exception() for future in done):
            return


def _collect_results(futures: Sequence[concurrent.futures.Future[Result]], received: Sequence[int]) -> list[Result]:
    errors = [future.exception() for future in futures if not future.cancelled()]
    failures = [error for error in errors if error is not None and not isinstance(error, Interrupted)]
    if failures and isinstance(failures[0], BrokenProcessPool):
        raise ForecasterError(Problem("killed-process"))
    if failures:
        raise failures[0]
    stopped = [error.exit_code - 128 for error in errors if isinstance(error, Interrupted)]
    if received or stopped:
        problem = Problem("interrupted-trainings", detail={"members": True})
        raise Interrupted(problem, [*received, *stopped][0])
    return [future.result() for future in futures]


def _initialize_worker(stop: Any, lines: Any, level: int) -> None:
    """Initialize a worker: discard what libraries print, log to the parent, and collect signals.

    Ctrl-C reaches every process of a terminal, so workers ignore it and wait for the parent.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: _received.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    log.handlers, log.propagate = [logging.handlers.QueueHandler(lines)], False
    log.setLevel(level)
    threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()


def _watch_parent(stop: Any) -> None:
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        if stop.is_set() and not _received:
            _received.append(signal.SIGTERM)
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def _run(work: Callable[[Job, Sequence[int]], Result], job: Job) -> Result:
    if _received:
        raise Interrupted(Problem("interrupted-before-start"), _received[0])
    return work(job, _received)
