"""A `Config` -> a commented YAML that can be edited and run again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from forecaster.config.reader import as_yaml
from forecaster.config.schema import Config

SCHEMA_FILE = Path(__file__).with_name("schema.json")
_COMMENT_COLUMN = 38


def commented_yaml(config: Config, command: str) -> str:
    """Write the config as YAML: first the line for editors, then `command`, then each key with its meaning."""
    head = [f"# yaml-language-server: $schema={SCHEMA_FILE}", f"# {command}", ""]
    return "\n".join([*head, *_lines(config, "")]) + "\n"


def _lines(section: BaseModel, indent: str) -> Iterator[str]:
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        comment = field.description or ""
        if isinstance(value, BaseModel):
            yield _with_comment(f"{indent}{key}:", comment)
            yield from _lines(value, indent + "  ")
        else:
            yield _with_comment(f"{indent}{key}: {_scalar(value)}", comment)


def _with_comment(text: str, comment: str) -> str:
    return f"{text:<{_COMMENT_COLUMN}}  # {comment}" if comment else text


def _scalar(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{as_yaml(key)}: {_scalar(each)}' for key, each in value.items())}}}"
    if isinstance(value, str):
        return as_yaml(value)
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)
