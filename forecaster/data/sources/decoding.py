"""Bytes as text: the encoding and the delimiter."""

import csv
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from forecaster.data.dialect import AUTO, DELIMITERS
from forecaster.errors import DataError
from forecaster.problems import Problem

_SAMPLE = 500  # records that the delimiter is found in
_BYTE_ORDERS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


@dataclass(frozen=True)
class Decoded:
    """The text of a file.

    Attributes:
        encoding: the one that it was read in; `ascii` where any would do.
        marked: whether it begins with a byte order mark, which `text` does not have.
        cut: whether it ends within a character.
    """

    text: str
    encoding: str
    marked: bool = False
    cut: bool = False


def decode(data: bytes, encoding: str, name: str, before: int = 0) -> Decoded:
    """Decode bytes in an encoding, or, for `auto`, in the one that they are written in.

    A byte order mark decides; else it is UTF-16 where every other byte is 0, UTF-8 where it is valid, Latin-1
    where it holds no control characters. The data may be a part of a file, with some lines `before` it.

    Raises:
        DataError: it is not text, not in that encoding, or may be in several.
    """
    marks = [found for found, mark in _BYTE_ORDERS.items() if data.startswith(mark)]
    wanted = encoding
    if encoding in {AUTO, "utf-16"}:
        wanted = next(iter(marks), "") or _find_utf_16(data) or ("utf-8" if encoding == AUTO else "utf-16-le")
    marked = wanted in marks
    body = data[len(_BYTE_ORDERS[wanted]) :] if marked else data
    try:
        if wanted.startswith("utf-16") and body and b"\0" not in body:  # no digit and no line end
            raise UnicodeDecodeError(wanted, body, 0, 1, "not UTF-16")
        text, cut = _decode_strictly(body, wanted)
    except UnicodeDecodeError as error:
        if encoding != AUTO or wanted != "utf-8" or marked:
            line = body[: error.start].count(b"\n") + 1 + before
            repairs = tuple({"data.encoding": each} for each in ("auto", "utf-8", "utf-16", "latin-1", "cp1252"))
            detail = {"encoding": wanted.upper()}
            raise DataError(Problem("not-in-encoding", f"{name}:{line}", detail=detail, repairs=repairs)) from None
        wanted, text, cut = "latin-1", _decode_latin_1(body, name, before), False
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1 + before
        raise DataError(Problem("null-byte", f"{name}:{line}"))
    return Decoded(text, "ascii" if wanted == "utf-8" and body.isascii() else wanted, marked, cut)


def _decode_strictly(data: bytes, encoding: str) -> tuple[str, bool]:
    """Decode data; and report whether it ends within a character, which is left out."""
    try:
        return data.decode(encoding), False
    except UnicodeDecodeError as error:
        ends_within = error.reason in {"unexpected end of data", "truncated data"} and error.end == len(data)
        if not ends_within or not error.start:
            raise
        return data[: error.start].decode(encoding), True


def _find_utf_16(data: bytes) -> str | None:
    """Find the byte order of UTF-16 without a mark: every other byte of its first characters is 0."""
    even, odd = data[:64:2], data[1:64:2]
    if len(odd) > 1 and not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if len(odd) > 1 and all(odd) and not any(even) else None


def _decode_latin_1(data: bytes, name: str, before: int) -> str:
    text = data.decode("latin-1")
    lines = before + 1
    control = next((at for at, byte in enumerate(data) if byte < 32 and byte not in b"\t\n\r\f"), None)
    if control is not None:
        where = f"{name}:{data[:control].count(10) + lines}"
        raise DataError(Problem("control-character", where, detail={"byte": data[control]}))
    unsure = next((at for at, byte in enumerate(data) if 0x7F <= byte < 0xA0), None)
    if unsure is not None:
        where = f"{name}:{data[:unsure].count(10) + lines}"
        repairs = tuple({"data.encoding": each} for each in ("cp1252", "latin-1", "utf-16"))
        raise DataError(Problem("unknown-encoding", where, detail={"byte": f"0x{data[unsure]:x}"}, repairs=repairs))
    return text


def find_delimiter(lines: Iterable[str], name: str) -> str:
    """Find the delimiter that splits whole lines into the same number of cells; raise `DataError` where several do."""
    head = list(itertools.islice(lines, _SAMPLE))
    counted = {mark: _count_cells(head, mark) for mark in DELIMITERS}
    cuts = [mark for mark, counts in counted.items() if counts and counts[0] > 1]
    choices = [mark for mark in cuts if len(set(counted[mark])) == 1] or cuts
    if len(choices) > 1:
        detail = {"marks": [DELIMITERS[mark] for mark in choices]}
        repairs = tuple({"data.delimiter": "tab" if mark == "\t" else mark} for mark in choices)
        raise DataError(Problem("ambiguous-delimiter", name, detail=detail, repairs=repairs))
    return choices[0] if choices else ","


def _count_cells(lines: list[str], mark: str) -> list[int]:
    """Count the cells of each record, without empty ones beyond the header's; 0 where quotes do not match."""
    counts: list[int] = []
    try:
        for row in csv.reader(lines, delimiter=mark, strict=True):
            while counts and len(row) > counts[0] and not row[-1]:
                row.pop()
            if any(map(str.strip, row)):
                counts.append(len(row))
    except csv.Error as error:
        ends_within = len(lines) == _SAMPLE and "unexpected end of data" in str(error)
        return counts if ends_within else [*counts, 0]
    return counts
