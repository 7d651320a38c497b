"""Locks of runs that share the jobs of a file among several machines: `forecast run jobs.yaml --shard 2/4`.

A run of all jobs excludes every other; runs of different shards work at the same time. They share status.json, of
which each replaces the states of the jobs that it runs.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from forecaster.errors import Locked
from forecaster.problems import Problem
from forecaster.runs import hold_lock
from forecaster.shard import Shard

_PAUSE = 0.05  # seconds between attempts to hold a lock that others hold for a moment
_LONGEST_WAIT = 30.0  # seconds


@contextlib.contextmanager
def lock_jobs(lock_file: Path, shard: Shard | None) -> Iterator[None]:
    """Hold the lock of a run of all jobs, or of a shard, which excludes those of all jobs.

    Raises:
        Locked: another run has some of these jobs at work.
    """
    locked = Problem("locked-jobs", str(lock_file))
    if shard is None:
        with hold_lock(lock_file, locked):
            for other in lock_file.parent.glob(f"{lock_file.name}.*-of-*"):
                with hold_lock(other, Problem("locked-jobs", str(other))):
                    pass
            yield
        return
    own = lock_file.with_name(f"{lock_file.name}.{shard}")
    with contextlib.ExitStack() as held:
        with wait_for_lock(lock_file, locked):  # a run of all jobs holds it until its end, a shard for a moment
            for other in lock_file.parent.glob(f"{lock_file.name}.*-of-*"):
                if not other.name.endswith(f"-of-{shard.count}"):  # shards of another count share jobs with this one
                    with hold_lock(other, Problem("locked-jobs", str(other))):
                        pass
            held.enter_context(hold_lock(own, Problem("locked-jobs", str(own))))
        yield


@contextlib.contextmanager
def wait_for_lock(path: Path, held: Problem) -> Iterator[None]:
    """Hold a lock file that others hold for a moment only.

    Raises:
        Locked: it is held for longer.
    """
    until = time.monotonic() + _LONGEST_WAIT
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(hold_lock(path, held))
            except Locked:
                if time.monotonic() > until:
                    raise
                time.sleep(_PAUSE)
            else:
                break
        yield
