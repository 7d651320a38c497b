"""The lock of a run folder, which a process holds that changes it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from forecaster.atomic_files import convert_write_errors
from forecaster.errors import Locked, make_output_error
from forecaster.problems import Problem
from forecaster.runs.versions import list_versions, load_version


@contextlib.contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Make a run folder and lock it against other processes; a new one that nothing is written to is removed again.

    Raises:
        CannotCreate, InputOutputFailed: the folder cannot be made or written.
        Locked: another process holds it.
    """
    is_new, lock = not run.exists(), run / ".lock"
    with convert_write_errors(run):
        run.mkdir(parents=True, exist_ok=True)
    with hold_lock(lock, Problem("locked-run", str(run))):
        try:
            yield
        finally:
            if is_new and list(run.iterdir()) == [lock]:
                with contextlib.suppress(OSError):  # another process locks it now
                    lock.unlink()
                    run.rmdir()


@contextlib.contextmanager
def hold_lock(path: Path, held: Problem) -> Iterator[None]:
    """Hold a lock file, without waiting for it.

    Args:
        path: of the file.
        held: what is reported where another process holds it.

    Raises:
        CannotCreate, InputOutputFailed: the file cannot be written.
        Locked: another process holds it.
    """
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise Locked(held) from None
    except OSError as error:
        raise make_output_error(error, path.parent) from None
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
