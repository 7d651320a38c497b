"""The sentence of a code: a template, and what fills it."""

import itertools
import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forecaster.wording import count_steps, list_some, name_distance

_PLAIN = re.compile(r"[A-Za-z_][\w./+@-]*(?: [\w./+@-]+)*|\d+(?![eE]\d*$)[A-Za-z]\w*")  # text that YAML reads as itself
_SEPARATORS = {"all": ", ", "and": " and ", "or": " or ", "either": " | "}
_WORDS = {"null", "true", "false", "yes", "no", "on", "off"}


@dataclass(frozen=True)
class Message:
    """How a code is written and explained.

    Attributes:
        template: the sentence behind `where: column: `. A field in braces is a value of `detail`, or one of `cells`
            (`3 cells are`), `places` (the first of them) and `repairs`. Behind a colon stand `list` (the first few),
            `all`, `and`, `or`, `either` (everything, joined), `row|rows` (the word for a count, `#` the count),
            `?text` (the text where the value is true), `suggest` (a question where the value is not empty),
            `steps={frequency}` (a count of steps by their unit), `apart` (the length of a
            step, `15 minutes`), or a format of Python's.
        description: one line on what it means, for docs/problems.md.
    """

    template: str
    description: str


class _Template(string.Formatter):
    """Python's format language with the words that counts and lists need."""

    def format_field(self, value: Any, spec: str) -> str:
        if spec.startswith("?"):
            return spec[1:] if value else ""
        if spec == "suggest":
            return f", did you mean {value!r}?" if value else ""
        if spec == "list":
            return list_some(value)
        if spec in _SEPARATORS:
            return _SEPARATORS[spec].join(map(str, value))
        if spec == "yaml":
            return format_yaml(value)
        if spec == "apart":
            return name_distance(value)
        if spec.startswith("steps="):
            return count_steps(value, spec.removeprefix("steps="))
        if "|" in spec:
            one, many = spec.split("|")
            count = value if isinstance(value, int) else len(value)
            return (one if count == 1 else many).replace("#", f"{count:,}")
        return str(super().format_field(value, spec))


def fill_template(template: str, values: Mapping[str, Any]) -> str:
    """Write a template with its values.

    Raises:
        KeyError: a value is missing.
    """
    return _Template().vformat(template, (), values)


def names_field(template: str, name: str) -> bool:
    """Whether a template has a field of this name."""
    return any(found == name for _, found, _, _ in string.Formatter().parse(template))


def format_repairs(repairs: Sequence[Mapping[str, Any]]) -> str:
    """Write alternatives: `data.gaps: interpolate | seasonal or model.decoder: dense`, those of one key together."""
    groups = [list(group) for _, group in itertools.groupby(repairs, tuple)]
    return " or ".join(map(_format_alternatives, groups))


def _format_alternatives(repairs: Sequence[Mapping[str, Any]]) -> str:
    """Write repairs that have the same keys."""
    if len(repairs[0]) == 1:
        (key,) = repairs[0]
        return f"{key}: {' | '.join(format_yaml(repair[key]) for repair in repairs)}"
    return " or ".join(", ".join(f"{key}: {format_yaml(value)}" for key, value in each.items()) for each in repairs)


def format_yaml(value: Any) -> str:
    """Write a plain value as YAML, on one line."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{format_yaml(key)}: {format_yaml(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_yaml, value))}]"
    # JSON allows characters as they are that YAML refuses, or reads as the end of a line.
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\x7f-\x9f\ufffe\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text)
