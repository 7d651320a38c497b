"""Faults of the file system at the n-th operation of a process, and what a reader finds afterwards."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from forecaster.errors import ForecasterError, make_system_error

SHIM = Path(__file__).with_name("shim.c")
KINDS = {"kill": 1, "torn": 2, "ENOSPC": 3, "EIO": 4}  # as shim.c numbers them
_BUG = 1  # exit code of a process that ends with an unexpected error


@dataclass(frozen=True)
class Operation:
    """One change of files that is either done or not.

    Attributes:
        name: of the operation.
        prepare: writes the state before it into a folder.
        act: does it.
        read: reads everything as another process does; returns `old` or `new`, and raises where anything is broken
            or lost.
    """

    name: str
    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    read: Callable[[Path], str]


@dataclass
class Counts:
    """What became of one operation under one kind of fault.

    Attributes:
        points: file operations at which the fault was tried.
        old, new: what the reader found afterwards.
        violations: what must not be, a sentence each.
    """

    points: int = 0
    old: int = 0
    new: int = 0
    violations: list[str] = field(default_factory=list)


def compile_shim(folder: Path) -> Path:
    """Compile the library that injects faults."""
    library = folder / "shim.so"
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SHIM), "-ldl"]
    subprocess.run(command, check=True)
    return library


def restart_with_shim() -> None:
    """Run this program again with the library loaded, unless it is."""
    if "shim.so" in os.environ.get("LD_PRELOAD", ""):
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"LD_PRELOAD": str(compile_shim(Path(folder))), "OMP_NUM_THREADS": "1"}
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode)


def inject_all(operation: Operation, kind: str, every: int, folder: Path) -> Counts:
    """Try a fault at every n-th file operation, each time from the same state, until the operation has no more.

    Args:
        operation: to disturb.
        kind: one of `KINDS`.
        every: 1 for each of its file operations, 7 for every seventh.
        folder: an empty one.
    """
    before = folder / "before"
    before.mkdir()
    operation.prepare(before)
    counts = Counts()
    if operation.read(before) != "old":
        raise ValueError(f"{operation.name}: the state before it is not the old one")
    number = 1
    while _inject(operation, kind, number, before, folder / "now", counts):
        number += every
    return counts


def _inject(operation: Operation, kind: str, number: int, before: Path, now: Path, counts: Counts) -> bool:
    """Try one fault; return whether the operation got as far as it."""
    shutil.rmtree(now, ignore_errors=True)
    shutil.copytree(before, now)
    code, reached = _fork(operation.act, now, KINDS[kind], number)
    if not reached:
        if code != 0:
            raise ValueError(f"{operation.name}: exit code {code} without a fault")
        return False
    counts.points += 1
    violations = [*_check(operation, now, code, counts), *_finish(operation, now)]
    counts.violations += [f"{operation.name}, {kind} at {number}: {each}" for each in violations]
    return True


def _check(operation: Operation, now: Path, code: int, counts: Counts) -> Iterator[str]:
    """Read what a fault left."""
    if code == _BUG:
        yield "an unexpected error"
    try:
        state = operation.read(now)
    except (Exception, ForecasterError) as error:  # whatever a reader meets is the finding
        yield f"broken: {error!r}"
        return
    counts.old += state == "old"
    counts.new += state == "new"
    if code == 0 and state != "new":
        yield "lost: it ended well, and nothing changed"


def _finish(operation: Operation, now: Path) -> Iterator[str]:
    """Do the operation once more, without a fault."""
    code, _ = _fork(operation.act, now, 0, 0)
    if code:
        yield f"the next run ends with exit code {code}"
        return
    try:
        if operation.read(now) != "new":
            yield "the next run changed nothing"
    except (Exception, ForecasterError) as error:
        yield f"broken after the next run: {error!r}"
    left = [str(path.relative_to(now)) for path in now.rglob(".*") if path.name not in {".lock", ".jobs.lock"}]
    if left:
        yield f"left behind: {', '.join(left)}"


def _fork(act: Callable[[Path], None], folder: Path, kind: int, number: int) -> tuple[int, bool]:
    """Act in a forked process with a fault armed; return its exit code, and whether it met the fault.

    A killed process has exit code -9.
    """
    child = os.fork()
    if not child:
        shim = ctypes.CDLL(None)
        shim.arm_faults.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p]
        shim.arm_faults(number, kind, os.fsencode(folder))
        code = _get_exit_code(act, folder)
        os._exit(code | (128 if shim.was_hit() else 0))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (status, True) if status < 0 else (status & 127, bool(status & 128))


def _get_exit_code(act: Callable[[Path], None], folder: Path) -> int:
    """Act; return the exit code that the command has."""
    try:
        act(folder)
    except ForecasterError as error:
        return error.exit_code
    except OSError as error:
        return make_system_error(error).exit_code
    except BaseException:
        traceback.print_exc()
        return _BUG
    return 0
