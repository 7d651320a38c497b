"""Cells of a store, checked as they are read, since a store may come from elsewhere."""

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from forecaster.store.timestamps import is_timestamp

_LONGEST_TEXT, _LONGEST_JSON, _LARGEST_STEP = 1_000, 50_000, 10_000_000
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_OBJECT = re.compile(r"\{[^{}\[\]]*\}")  # nothing that another text could continue

# Of pandas, by column; the others are text.
TYPES: Mapping[str, Any] = {
    "step": "int64",
    **dict.fromkeys(("mean", "value", "first_value", "level"), "float64"),
}


def shorten(cell: Any) -> str:
    """Write a cell of any kind and size in a few characters."""
    if isinstance(cell, str | bytes) and len(cell) > 40:
        return f"{cell[:40]!r}... with {len(cell):,} characters"
    return repr(cell)


def _is_text(cell: Any) -> bool:
    return type(cell) is str and len(cell) <= _LONGEST_TEXT


def _is_moment(cell: Any) -> bool:
    return type(cell) is str and _MOMENT.fullmatch(cell) is not None


def _is_step(cell: Any) -> bool:
    return type(cell) is int and 0 < cell <= _LARGEST_STEP


def _is_number(cell: Any) -> bool:
    return type(cell) is float and math.isfinite(cell)


def _is_json(cell: Any) -> bool:
    return type(cell) is str and len(cell) <= _LONGEST_JSON


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("origin", "timestamp"), is_timestamp),
    **dict.fromkeys(("made_at", "first_seen", "seen_at"), _is_moment),
    **dict.fromkeys(("mean", "value", "first_value", "level"), _is_number),
    **dict.fromkeys(("quantiles", "run_quantiles", "state"), _is_json),
    "step": _is_step,
}


def find_invalid(column: str, cells: Sequence[Any]) -> Iterator[Any]:
    """Find cells that a column of some name may not hold."""
    check = _CHECKS.get(column, _is_text)
    # Dates are parsed once each; so few names and times are distinct that the others cost little.
    distinct = set(cells) if check in {is_timestamp, _is_moment, _is_text} else cells
    return itertools.filterfalse(check, distinct)


def parse_objects(texts: Sequence[str], names: dict[tuple[str, ...], tuple[float, ...]]) -> list[dict[float, float]]:
    """Parse objects of finite numbers; the names of each layout are parsed once.

    Raises:
        ValueError, TypeError, OverflowError: one is something else.
    """
    if not all(map(_OBJECT.fullmatch, texts)):
        raise ValueError
    found = json.loads(f"[{','.join(texts)}]")
    values = [value for each in found for value in each.values()]
    if not {*map(type, values)} <= {int, float} or not np.isfinite(np.array(values, float)).all():
        raise ValueError
    for layout in set(map(tuple, found)) - names.keys():
        names[layout] = tuple(map(parse_probability, layout))
    return [dict(zip(names[tuple(each)], map(float, each.values()), strict=True)) for each in found]


def parse_probability(text: str) -> float:
    """Parse a number between 0 and 1.

    Raises:
        ValueError: it is something else.
    """
    probability = float(text)
    if not 0 < probability < 1:
        raise ValueError(text)
    return probability
