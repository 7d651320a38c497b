"""Columns of a CSV as arrays of bytes, so that many rows are written without a Python object for each cell.

A column is (rows, width) uint8; bytes of `_ABSENT`, which is in no UTF-8 text, fill what a cell does not need.
"""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

_ABSENT = 0xFF
_DIGITS = 4  # digits that are looked up at once
_BASE = 10**_DIGITS
_LARGEST = 2.0**52  # number of smallest decimals below which products and their roundings are exact
_SMALLEST = 1e-4  # absolute value below which Python writes an exponent
_BYTES = 1 << 20  # that are joined at once, so that they stay in the cache of the processor


def make_text_column(texts: Iterable[str]) -> np.ndarray:
    """Make a column of texts, (texts, width)."""
    encoded = [text.encode() for text in texts]
    width = max(map(len, encoded), default=0)
    joined = b"".join(each.ljust(width, b"\xff") for each in encoded)
    return np.frombuffer(joined, np.uint8).reshape(len(encoded), width)


def make_number_column(numbers: np.ndarray, mark: str = ".") -> np.ndarray:
    """Make a column of float64, (numbers,), as `repr` writes them, blank where they are NaN: (numbers, width).

    Args:
        numbers: few decimals are looked up in a table, others are written one by one.
        mark: of the decimals.
    """
    missing = np.isnan(numbers)
    known = np.where(missing, 0.0, numbers) if missing.any() else numbers
    for groups in (1, 2):
        scale = float(_BASE**groups)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.rint(np.abs(known) * scale)
            # A number with at most 15 digits is the nearest float64 of its shortest text.
            is_exact = bool(np.all((scaled < _LARGEST) & (scaled / scale == np.abs(known))))
        if is_exact and (groups == 1 or np.all((scaled == 0) | (scaled >= _SMALLEST * scale))):
            column = _look_up_digits(known, scaled.astype(np.int64), groups, mark)
            break
    else:
        column = make_text_column(repr(number).replace(".", mark) for number in known.tolist()).copy()
    column[missing] = _ABSENT
    return column


def _look_up_digits(numbers: np.ndarray, scaled: np.ndarray, groups: int, mark: str) -> np.ndarray:
    """Look up the digits of numbers times 10^(4 groups), from which zeros at both ends are left out."""
    whole, decimals = np.divmod(scaled, _BASE**groups)
    full, leading, trailing = _make_digit_tables()
    parts = []
    count = max(1, -(-len(str(int(whole.max(initial=0)))) // _DIGITS))
    for place in reversed(range(count)):  # the newest digits last
        digits = whole // _BASE**place % _BASE
        begun = whole >= _BASE ** (place + 1)  # a higher group has a digit
        part = _split_bytes(np.where(begun, full[digits], leading[digits]))
        if place == 0:
            part[~begun & (digits == 0), -1] = ord("0")
        parts.append(part)
    behind = decimals % _BASE if groups == 2 else None
    first = decimals // _BASE ** (groups - 1)
    part = _split_bytes(trailing[first] if behind is None else np.where(behind > 0, full[first], trailing[first]))
    part[decimals == 0, 0] = ord("0")
    fraction = [part] if behind is None else [part, _split_bytes(trailing[behind])]
    sign = np.where(np.signbit(numbers), ord("-"), _ABSENT).astype(np.uint8)[:, None]
    point = np.full((len(numbers), 1), ord(mark), np.uint8)
    return np.concatenate([sign, *parts, point, *fraction], axis=1)


def _split_bytes(texts: np.ndarray) -> np.ndarray:
    """Split entries of `_make_digit_tables` into their bytes, (numbers, 4) uint8."""
    return texts.view(np.uint8).reshape(len(texts), _DIGITS)


@cache
def _make_digit_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make the digits of 0 to 9999: all four, without zeros before them, and without zeros behind them; 0 has none.

    Four digits are the four bytes of one uint32, since one number is looked up faster than four.
    """
    numbers = np.arange(_BASE)
    full = np.stack([numbers // 10**place % 10 for place in reversed(range(_DIGITS))], axis=1).astype(np.uint8)
    begun = np.maximum.accumulate(full > 0, axis=1)
    needed = np.maximum.accumulate(full[:, ::-1] > 0, axis=1)[:, ::-1]
    text = full + np.uint8(ord("0"))
    leading, trailing = (np.where(shown, text, np.uint8(_ABSENT)) for shown in (begun, needed))
    return text.view(np.uint32)[:, 0], leading.view(np.uint32)[:, 0], trailing.view(np.uint32)[:, 0]


def join_columns(columns: Sequence[tuple[np.ndarray, np.ndarray | None]], rows: int, separator: str) -> bytes:
    """Join columns to the rows of a CSV.

    Args:
        columns: each with the numbers of its cells, (rows,), or None where there is a cell for each row.
        rows: how many.
        separator: of cells.
    """
    width = sum(column.shape[1] + 1 for column, _ in columns)
    parts, together = [], max(1, _BYTES // width)
    for first in range(0, rows, together):
        some = slice(first, min(first + together, rows))
        block = np.full((some.stop - first, width), ord(separator), np.uint8)
        place = 0
        for column, numbers in columns:
            block[:, place : place + column.shape[1]] = column[some] if numbers is None else column[numbers[some]]
            place += column.shape[1] + 1
        block[:, -1] = ord("\n")
        parts.append(block.tobytes().translate(None, bytes([_ABSENT])))
    return b"".join(parts)
