"""The bytes of the files that a path names, decompressed."""

import functools
import gzip
import io
import lzma
import os
import stat
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from forecaster.config.reader import report_missing_file
from forecaster.data.sources.file_kinds import check_kind, describe_zip
from forecaster.errors import Changing, DataError, InputOutputFailed
from forecaster.problems import Problem
from forecaster.regular_files import exists, find_matches, is_pattern, open_regular_file
from forecaster.wording import KEPT


@dataclass(frozen=True)
class Query:
    """A SELECT and the URL of the database that it is asked of, without a password."""

    url: str
    text: str


Paths = str | Path | Sequence[str] | Query

STDIN = "-"
FRAME_FOLDER = "forecaster-frame-"  # how the name of a folder begins that holds the rows of a pandas frame
MAX_BYTES = 1 << 30  # that are read at once, decompressed
_ATTEMPTS = 3
_PAUSE = 0.2  # seconds before the second attempt; twice as long before the third

_GZIP, _XZ, _ZIP = b"\x1f\x8b", b"\xfd7zXZ\x00", b"PK\x03\x04"
# What the libraries raise for damaged bytes, which are in memory: no other OSError can come of them.
_DAMAGED = (
    *(EOFError, OSError, ValueError, ArithmeticError, LookupError, RuntimeError, MemoryError),
    *(struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)


def name_source(paths: Paths) -> str:
    """Name a path, a pattern, a list of them or a database for a message."""
    if isinstance(paths, Query):
        return paths.url
    if isinstance(paths, str | Path):
        name = str(paths)
        if f"/{FRAME_FOLDER}" in name:
            return "frame"
        return "stdin" if name == STDIN else name
    return ", ".join(map(name_source, paths))


def find_files(paths: Paths) -> list[str]:
    """Find the files of a path, `-`, a pattern such as `load-*.csv`, or a list of them, or raise `DataError`.

    Those of a pattern come in the order of their names; none comes twice.
    """
    assert not isinstance(paths, Query)
    named = [str(paths)] if isinstance(paths, str | Path) else list(paths)
    found: list[str] = []
    problems: list[Problem] = []
    for name in named:
        pattern = name != STDIN and is_pattern(name)
        matches = find_matches(name) if pattern else [name]
        if not matches:
            problems.append(Problem("no-match", name))
        elif name != STDIN and not pattern and not exists(name):
            problems.append(report_missing_file(Path(name)))
        found += matches
    if problems:
        raise DataError(problems)
    return list(dict.fromkeys(found))


def read_bytes(name: str) -> bytes:
    """Read one file, or standard input for `-`; gzip, xz and zip are recognized by their first bytes.

    Raises:
        DataError: it is no plain file, too large, damaged, or known to hold no table.
        Changing: it changed each time while it was read.
        InputOutputFailed: it cannot be read.
    """
    data = _read_standard_input() if name == STDIN else _read_unchanged(Path(name))
    try:
        unpacked = _decompress(data, name_source(name))
    except _DAMAGED as error:
        reason = str(error) or type(error).__name__
        raise DataError(Problem("damaged-file", name_source(name), detail={"reason": reason})) from None
    check_kind(unpacked, name_source(name))
    return unpacked


@functools.lru_cache(maxsize=1)
def _read_standard_input() -> bytes:
    """Read all of standard input, once: a proposal and a training both look at it."""
    if sys.stdin is None:
        raise InputOutputFailed(Problem("stdin-closed"))
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    _check_size(len(data), "stdin")
    return data


def _read_unchanged(path: Path) -> bytes:
    """Read a file as it is at one moment."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(Problem("not-a-file", str(path)))
        for attempt in range(_ATTEMPTS):
            time.sleep(_PAUSE * attempt)
            with open_regular_file(path) as file:
                before = _read_state(file.fileno())
                _check_size(before[0], str(path))
                data = _read_all(file)
                after = _read_state(file.fileno())
            if before == after == (len(data), before[1]):
                return data
    except (OSError, ValueError) as error:
        raise InputOutputFailed(report_unreadable(path, error)) from None
    raise Changing(Problem("file-changed", str(path)))


def report_unreadable(name: object, error: Exception) -> Problem:
    """Report a file that the operating system does not let us read."""
    reason = getattr(error, "strerror", None) or str(error)
    return Problem("cannot-read", str(name), detail={"reason": reason})


def _read_all(file: IO[bytes]) -> bytes:
    return file.read(MAX_BYTES + 1)


def _check_size(size: int, name: str, packed: bool = False) -> None:
    if size > MAX_BYTES:
        raise DataError(Problem("too-large", name, detail={"limit_gib": MAX_BYTES >> 30, "packed": packed}))


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is compressed."""
    return head.startswith((_GZIP, _XZ, _ZIP))


def measure_size(name: str) -> int | None:
    """Measure a plain file, bytes; None for standard input, and where it cannot be read, which fails later."""
    try:
        state = None if name == STDIN else Path(name).stat()
    except (OSError, ValueError):
        return None
    return state.st_size if state and stat.S_ISREG(state.st_mode) else None


def read_first_bytes(name: str, size: int) -> bytes:
    """Read the first bytes of a file or standard input; none where it cannot be read, which fails later."""
    if name == STDIN:
        return _read_standard_input()[:size]
    try:
        with open_regular_file(name) as file:
            return file.read(size)
    except OSError:
        return b""


def read_beginning(name: str, size: int) -> bytes:
    """Read the whole lines that a plain file begins with, all of it below `size` bytes; raises as `read_blocks`."""
    try:
        with open_regular_file(name) as file:
            head = file.read(size)
    except OSError as error:
        raise InputOutputFailed(report_unreadable(name, error)) from None
    check_kind(head, name_source(name))
    return head if len(head) < size else head[: head.rfind(b"\n") + 1]


@contextmanager
def check_unchanged(names: Sequence[str]) -> Iterator[None]:
    """Raise `Changing` where a file does not stay as it is while the block runs."""
    before = {name: _read_state(name) for name in names}
    try:
        yield
    except DataError:
        if all(_read_state(name) == state for name, state in before.items()):
            raise
    for name, state in before.items():
        if _read_state(name) != state:
            raise Changing(Problem("file-changed", name))


def _read_state(file: str | int) -> tuple[int, int]:
    state = os.stat(file)  # noqa: PTH116  a path or a descriptor
    return state.st_size, state.st_mtime_ns


def read_blocks(name: str, start: int, size: int) -> Iterator[bytes]:
    """Read a plain file from a byte on, in blocks of whole records of about `size` bytes; or raise `InputOutputFailed`.

    A last line without an end comes with lines before it, which show whether it is half-written.
    """
    held = rest = b""
    try:
        with open_regular_file(name) as file:
            file.seek(start)
            while data := file.read(size):
                data = rest + data
                end = _find_records_end(data) if len(data) < 4 * size else data.rfind(b"\n") + 1
                if end and held:
                    yield held
                held, rest = (data[:end], data[end:]) if end else (held, data)
    except OSError as error:
        raise InputOutputFailed(report_unreadable(name, error)) from None
    if held or rest:
        yield held + rest


def _find_records_end(data: bytes) -> int:
    """Find where the last whole record ends: after a line end that lies in no quotes; 0 where there is none."""
    end = data.rfind(b"\n") + 1
    while b'"' in data and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, data.rfind(b'"', 0, end)) + 1
    return end


def _decompress(data: bytes, name: str) -> bytes:
    if data.startswith(_ZIP):
        return _read_member(data, name)
    if data.startswith((_GZIP, _XZ)):
        packed = io.BytesIO(data)
        with gzip.GzipFile(fileobj=packed) if data.startswith(_GZIP) else lzma.LZMAFile(packed) as unpacked:
            return _read_limited(unpacked, name)
    return data


def _read_limited(file: IO[bytes] | gzip.GzipFile | lzma.LZMAFile, name: str) -> bytes:
    data = file.read(MAX_BYTES + 1)
    _check_size(len(data), name, packed=True)
    return data


def _read_member(data: bytes, name: str) -> bytes:
    """Read the one file in a zip; folders and what macOS adds do not count."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [each for each in archive.infolist() if not each.is_dir() and "__MACOSX" not in each.filename]
        if document := describe_zip([each.filename for each in members]):
            kind, remedy = document
            raise DataError(Problem("other-format", name, detail={"kind": kind, "remedy": remedy}))
        if len(members) != 1:
            detail = {"count": len(members), "files": [each.filename for each in members[:KEPT]]}
            raise DataError(Problem("zip-of-several", name, detail=detail))
        if members[0].flag_bits & 1:
            raise DataError(Problem("zip-with-password", name))
        with archive.open(members[0]) as member:
            return _read_limited(member, name)
