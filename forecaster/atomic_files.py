"""Files replaced atomically: a reader sees the old content or the new, never a part."""

import contextlib
import errno
import os
import platform
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from forecaster.errors import make_output_error

_LONGEST_NAME = 180  # bytes, so that the name of an unfinished file is not longer than the 255 of most systems


@contextlib.contextmanager
def convert_write_errors(path: Path) -> Iterator[None]:
    """Convert any `OSError` to an error that names `path` and a fix."""
    try:
        yield
    except OSError as error:
        raise make_output_error(error, path) from None


def write_atomically(path: Path, content: bytes | Iterable[bytes], follow: bool = True) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Anything but a plain file, such as /dev/stdout, is written in place. What a killed process left of earlier writes
    of the same file is removed.

    Args:
        path: of the file.
        content: of the file, whole or in parts.
        follow: whether a link or a device of this name is written to, as the user asks for an output; else it is
            replaced.

    Raises:
        CannotCreate, InputOutputFailed: it cannot be written; the old content stays.
    """
    parts = [content] if isinstance(content, bytes) else content
    with convert_write_errors(path):
        mode = _get_mode(path, follow)
        if follow and mode is not None and not stat.S_ISREG(mode):
            with path.open("wb") as file:
                file.writelines(parts)
            return
        target = Path(os.path.realpath(path)) if follow else path  # replaces the file that a link points to
        prefix = _remove_left(target)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=prefix)
        unfinished = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(parts)
                file.flush()
                os.fsync(file.fileno())
            unfinished.chmod(0o666 & ~get_umask() if mode is None or stat.S_ISLNK(mode) else stat.S_IMODE(mode))
            unfinished.replace(target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)


def _get_mode(path: Path, follow: bool) -> int | None:
    """Get the mode of what a path names; None where there is nothing, or a link to nothing."""
    try:
        return path.stat(follow_symlinks=follow).st_mode
    except FileNotFoundError:
        return None
    except ValueError as error:  # a zero byte, or a text that is no file name
        raise OSError(errno.EINVAL, str(error)) from None


def _remove_left(target: Path) -> str:
    """Remove what processes of this machine that are gone left of a file; return the prefix of this process's own.

    The names are `.NAME.MACHINE.PROCESS-...`; a long name, which would not fit, is replaced by its checksum.
    """
    encoded, machine = os.fsencode(target.name), zlib.crc32(platform.node().encode())
    name = target.name if len(encoded) <= _LONGEST_NAME else f"{zlib.crc32(encoded):08x}"
    prefix = f".{name}.{machine:08x}."
    with os.scandir(target.parent) as entries:
        left = [entry for entry in entries if entry.name.startswith(prefix)]
    for entry in left:
        process = entry.name.removeprefix(prefix).partition("-")[0]
        if process.isascii() and process.isdecimal() and not _is_other_process(int(process)):
            with contextlib.suppress(OSError):
                os.unlink(entry.path)  # noqa: PTH108
    return f"{prefix}{os.getpid()}-"


def _is_other_process(number: int) -> bool:
    """Whether a process of this number runs that is not this one."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    # Linux answers for threads, too, whose numbers are those of processes that are gone.
    with contextlib.suppress(OSError), open(f"/proc/{number}/status", "rb") as file:  # noqa: PTH123
        if f"Tgid:\t{number}\n".encode() not in file.read():
            return False
    return number != os.getpid()


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the device has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the device has the entries of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def get_umask() -> int:
    """Get the permissions that new files of this process lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
