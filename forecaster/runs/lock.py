"""The lock of a run folder, which a process holds that changes it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from forecaster.errors import Locked, make_output_error
from forecaster.problems import Problem


@contextlib.contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Make a run folder and lock it against other processes.

    Raises:
        CannotCreate, InputOutputFailed: the folder cannot be made or written.
        Locked: another process holds it.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(run / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise Locked(Problem("locked-run", str(run))) from None
    except OSError as error:
        raise make_output_error(error, run) from None
    try:
        yield
    finally:
        lock.release()
