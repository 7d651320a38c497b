"""The JSON files of a version, which hold some numbers of each series."""

import json
from collections.abc import Mapping
from typing import Any

_encode_line = json.JSONEncoder(allow_nan=False).encode  # json.dumps with an indent is ten times as slow
_LEVELS = 2  # of mappings that are written with a line for each entry


def encode_json(values: Mapping[str, Any]) -> bytes:
    """Encode the values of a JSON file, each entry of the two outer levels on a line.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return _encode_lines(values, 0).encode() + b"\n"


def _encode_lines(value: Any, level: int) -> str:
    if level == _LEVELS or not isinstance(value, dict) or not value:
        return _encode_line(value)
    margin = " " * level
    entries = (f"{margin} {_encode_line(key)}: {_encode_lines(each, level + 1)}" for key, each in value.items())
    return "{\n" + ",\n".join(entries) + f"\n{margin}}}"
