"""What the tests of `forecaster.workers` have done in worker processes, which import this file."""

import logging
import os
import signal
import time

from forecaster.errors import DataError, Interrupted
from forecaster.parallel import run_in_processes
from forecaster.problems import Problem
from forecaster.workers import Workers
from tests.helpers import jobs


def work(task, received, report):
    """Do what the task names: `("double", 3)`."""
    kind, *values = task
    return TASKS[kind](received, report, *values)


def double(received, report, number):
    logging.getLogger("forecaster").warning("doubling %s", Problem("no-rows", f"{number}.csv"))
    report(("half way", number))
    return 2 * number


def fail(received, report):
    raise DataError(Problem("no-rows", "x.csv"))


def fault(received, report):
    return 1 / 0


def leave(received, report, code):
    os._exit(code)


def die(received, report, number):
    os.kill(os.getpid(), number)
    time.sleep(60)


def wait(received, report):
    """Wait for a signal, as a training does."""
    report(os.getpid())
    while not received:
        time.sleep(0.01)
    raise Interrupted(Problem("interrupted"), received[0])


def hang(received, report):
    """Ignore SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    report(os.getpid())
    time.sleep(60)


def freeze(received, report):
    report(os.getpid())
    os.kill(os.getpid(), signal.SIGSTOP)


def fill(received, report, size):
    kept = [bytearray(b"x" * (1 << 20)) for _ in range(size >> 20)]
    time.sleep(60)
    return len(kept)


def run_out(received, report):
    raise MemoryError


def unpicklable(received, report):
    return lambda: None


def large(received, report, size):
    return b"x" * size


def environment(received, report, name):
    return os.environ.get(name)


def identify(received, report):
    return os.getpid()


def nested(received, report, numbers):
    return run_in_processes(jobs.work, numbers, 2, received)


def supervise(received, report):
    """Have a worker of a worker hang."""
    with Workers(work, 1) as workers:
        workers.start(("hang",))
        while True:
            if event := workers.wait(1):
                report(event.content)


TASKS = {name: each for name, each in vars().items() if callable(each) and getattr(each, "__module__", "") == __name__}
