"""Plain files read as a whole: never a pipe or a device, which may not end, and never more than a limit."""

import errno
import glob
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_LINK = "it is a link, and no link in a run is followed"


def check_no_link(folder: Path) -> None:
    """Check that a folder is no link to another one.

    Raises:
        OSError: it is.
    """
    if folder.is_symlink():
        raise OSError(errno.ELOOP, _LINK)


@contextmanager
def open_regular_file(path: Path | str, *, follow: bool = True) -> Iterator[BinaryIO]:
    """Open a plain file, or a link to one, without waiting.

    Args:
        path: of the file.
        follow: whether a link is followed; a file of a run, which may come from elsewhere, is never one.

    Raises:
        OSError: it cannot be opened, or is a pipe, a device, a folder, or a link that is not followed.
    """
    try:
        # O_NONBLOCK: opening a pipe without a writer would wait for one.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        if error.errno == errno.ELOOP and not follow:
            raise OSError(errno.ELOOP, _LINK) from None
        raise
    except ValueError as error:  # a zero byte, or a text that is no file name
        raise OSError(errno.EINVAL, str(error)) from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        yield file


def read_regular_file(path: Path | str, limit: int, *, follow: bool = True) -> bytes:
    """Read a plain file of at most `limit` bytes; `follow` as in `open_regular_file`.

    Raises:
        OSError: it cannot be read, is no plain file, or is larger.
    """
    with open_regular_file(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > limit else file.read(limit + 1)
    if max(size, len(content)) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes")
    return content


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern such as `load-*.csv`, and not that of a file."""
    return glob.has_magic(name) and not exists(name)


def find_matches(pattern: str) -> list[str]:
    """Find the plain files that a pattern matches, in the order of their names."""
    root = Path(pattern).anchor
    return sorted(str(each) for each in Path(root).glob(pattern.removeprefix(root)) if each.is_file())


def exists(name: str) -> bool:
    """Whether there is such a file; one that cannot be looked up is taken to exist: reading it fails with a reason."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return True
