"""The lock of a run folder, which a process holds that changes it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from forecaster.errors import Locked, make_output_error
from forecaster.problems import Problem
from forecaster.runs.versions import list_versions, load_version


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


@contextlib.contextmanager
def lock_existing_run(run: Path) -> Iterator[None]:
    """Lock a run that has a version.

    Raises:
        RunError: the folder is no run.
        Locked: another process holds it.
    """
    if not list_versions(run):
        load_version(run)  # which raises the error that names the reason
    with lock_run(run):
        yield
