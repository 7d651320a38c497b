"""Workers that are forks of their parent, whose imports they have, in place of new interpreters."""

import os
import pickle
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Pipe
from typing import Any

from pydantic import BaseModel

from forecaster import workers


@dataclass
class ForkedProcess:
    """A fork, with what `subprocess.Popen` has of a process."""

    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        until = time.monotonic() + (600 if timeout is None else timeout)
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("fork", timeout or 0)
            time.sleep(0.002)
        return self.returncode or 0

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def start_forked_worker(work: Any, threads: int | None, level: int) -> Any:
    """Start a worker as a fork, in place of a new interpreter."""
    ours, theirs = Pipe()
    parent = os.getpid()
    with theirs, workers._block_signals():
        if not (pid := os.fork()):
            ours.close()
            null = os.open(os.devnull, os.O_RDWR)
            for number in range(3):
                os.dup2(null, number)
            if threads is not None:
                os.environ.update(dict.fromkeys(workers._THREADS, str(threads)))
            workers.serve(theirs.fileno(), parent)
    ours.send_bytes(pickle.dumps((work, level)))
    return workers._Worker(ForkedProcess(pid), ours)  # type: ignore[arg-type]


def build_models() -> None:
    """Build the models of configs, which each fork would build anew."""
    for model in _find_subclasses(BaseModel):
        if model.__module__.startswith("forecaster."):
            model.model_rebuild()


def _find_subclasses(parent: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in parent.__subclasses__():
        yield each
        yield from _find_subclasses(each)
