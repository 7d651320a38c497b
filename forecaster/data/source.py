"""The bytes of the files that a path names, decompressed."""

import codecs
import functools
import glob
import gzip
import io
import lzma
import os
import sys
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from forecaster.config.reader import nearest_file
from forecaster.errors import Changing, DataError, InputOutputFailed

Paths = str | Path | Sequence[str]

STDIN = "-"
MAX_BYTES = 1 << 30  # of one file, decompressed
_ATTEMPTS = 3
_PAUSE = 0.2  # seconds before the second attempt; twice as long before the third

_GZIP, _XZ, _ZIP = b"\x1f\x8b", b"\xfd7zXZ\x00", b"PK\x03\x04"
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)


def described(paths: Paths) -> str:
    """What a path, a pattern or a list of them is called in a message."""
    if isinstance(paths, str | Path):
        return "stdin" if str(paths) == STDIN else str(paths)
    return ", ".join(map(described, paths))


def find_files(paths: Paths) -> list[str]:
    """The files behind a path, `-`, a pattern such as `load-*.csv`, or a list of them.

    Those of a pattern come in the order of their names; none comes twice.

    Raises:
        DataError: one does not exist; all of them at once.
    """
    named = [str(paths)] if isinstance(paths, str | Path) else list(paths)
    found: list[str] = []
    problems: list[str] = []
    for name in named:
        pattern = glob.has_magic(name) and not _exists(name)
        matches = _matches(name) if pattern else [name]
        if not matches:
            problems.append(f"{name}: no file has such a name")
        elif not pattern and not _exists(name):
            problems.append(f"{name}: no such file{nearest_file(Path(name))}")
        found += matches
    if problems:
        raise DataError(problems)
    return list(dict.fromkeys(found))


def _exists(name: str) -> bool:
    """Whether there is such a file; one that cannot be looked at is taken to be there: reading it tells why."""
    try:
        return name == STDIN or Path(name).exists()
    except (OSError, ValueError):
        return True


def _matches(pattern: str) -> list[str]:
    root = Path(pattern).anchor
    return sorted(str(each) for each in Path(root).glob(pattern.removeprefix(root)) if each.is_file())


def read_bytes(name: str) -> bytes:
    """The content of one file, or of standard input for `-`; gzip, xz and zip are known by their first bytes.

    Raises:
        DataError: it is no plain file, too large, or damaged.
        Changing: it changed each time while it was read.
        InputOutputFailed: it cannot be read.
    """
    data = _standard_input() if name == STDIN else _stable(Path(name))
    try:
        return _decompressed(data, described(name))
    except _DAMAGED as error:
        raise DataError([f"{described(name)}: damaged or cut short: {error}"]) from None


@functools.lru_cache(maxsize=1)
def _standard_input() -> bytes:
    """All of standard input, kept: it can be read once, and a proposal and a training both look at it."""
    if sys.stdin is None:
        raise InputOutputFailed("stdin is closed; name a file")
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    _check_size(len(data), "stdin")
    return data


def _stable(path: Path) -> bytes:
    """A file as it stood at one moment."""
    try:
        if not path.is_file():
            raise DataError([f"{path}: not a file; expected a CSV"])
        for attempt in range(_ATTEMPTS):
            time.sleep(_PAUSE * attempt)
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                _check_size(before.st_size, str(path))
                data = _content(file)
                after = os.fstat(file.fileno())
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and len(
                data
            ) == after.st_size:
                return data
    except (OSError, ValueError) as error:
        raise InputOutputFailed(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    mend = "try again, or have its writer write another file and rename it"
    raise Changing(f"{path}: changed while it was read, {_ATTEMPTS} times; {mend}")


def _content(file: IO[bytes]) -> bytes:
    return file.read()


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise DataError([f"{name}: more than {MAX_BYTES >> 30} GiB; split it, or leave out what is not forecast"])


def is_plain(name: str) -> bool:
    """Whether a name is that of a file that can be read from its beginning to its end, and is not packed."""
    path = Path(name)
    if name == STDIN or not path.is_file():
        return False
    with path.open("rb") as file:
        return not file.read(len(_XZ)).startswith((_GZIP, _XZ, _ZIP))


class Scan:
    """A file that is read from its beginning to its end, and what its bytes are found to hold on the way.

    Attributes:
        quoted: whether there are quotes.
        text: whether all of it is UTF-8 without a 0.
        ended: whether the last line has its end.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._before = os.fstat(file.fileno())
        self.quoted, self.text, self.ended, self.closed = False, True, False, False

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._file.read(size)
        self.quoted = self.quoted or b'"' in data
        self.text = self.text and b"\0" not in data and self._is_utf_8(data)
        self.ended = data.endswith(b"\n") if data else self.ended
        return data

    @property
    def stable(self) -> bool:
        """Whether the file is as it was when reading began."""
        after = os.fstat(self._file.fileno())
        return (self._before.st_size, self._before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)

    def _is_utf_8(self, data: bytes) -> bool:
        if data.isascii() and not self._decoder.getstate()[0]:
            return True
        try:
            self._decoder.decode(data, final=not data)
        except UnicodeDecodeError:
            return False
        return True


def _decompressed(data: bytes, name: str) -> bytes:
    if data.startswith(_ZIP):
        return _member(data, name)
    if data.startswith(_GZIP):
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as unzipped:
            return _limited(unzipped, name)
    if data.startswith(_XZ):
        with lzma.LZMAFile(io.BytesIO(data)) as unpacked:
            return _limited(unpacked, name)
    return data


def _limited(file: IO[bytes] | gzip.GzipFile | lzma.LZMAFile, name: str) -> bytes:
    data = file.read(MAX_BYTES + 1)
    _check_size(len(data), f"{name}: decompressed")
    return data


def _member(data: bytes, name: str) -> bytes:
    """The one file in a zip; folders and what a Mac adds do not count."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [each for each in archive.infolist() if not each.is_dir() and "__MACOSX" not in each.filename]
        if any(each.filename == "[Content_Types].xml" for each in members):
            raise DataError([f"{name}: a spreadsheet; export its sheet as CSV"])
        if len(members) != 1:
            listed = ", ".join(each.filename for each in members[:5]) + (", ..." if len(members) > 5 else "")
            raise DataError([f"{name}: a zip of {len(members)} files ({listed}); expected one: unpack it"])
        if members[0].flag_bits & 1:
            raise DataError([f"{name}: needs a password; unpack it"])
        with archive.open(members[0]) as member:
            return _limited(member, name)
