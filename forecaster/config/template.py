"""A `Config` -> a commented YAML that can be edited and run again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from forecaster.config.reader import escape_line_ends, quote_yaml
from forecaster.config.schema import Config

SCHEMA_FILE = Path(__file__).with_name("schema.json")
_COMMENT_COLUMN = 38


def render_commented_yaml(config: Config, command: str) -> str:
    """Write the config as YAML: first the line for editors, then `command`, then each key with its meaning."""
    head = [f"# {escape_line_ends(text)}" for text in (f"yaml-language-server: $schema={SCHEMA_FILE}", command)]
    return "\n".join([*head, "", *_render_lines(config, "")]) + "\n"


def _render_lines(section: BaseModel, indent: str) -> Iterator[str]:
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        comment = field.description or ""
        if isinstance(value, BaseModel):
            yield _add_comment(f"{indent}{key}:", comment)
            yield from _render_lines(value, indent + "  ")
        else:
            yield _add_comment(f"{indent}{key}: {_render_scalar(value)}", comment)


def _add_comment(text: str, comment: str) -> str:
    return f"{text:<{_COMMENT_COLUMN}}  # {comment}" if comment else text


def _render_scalar(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_render_scalar, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{quote_yaml(key)}: {_render_scalar(each)}' for key, each in value.items())}}}"
    if isinstance(value, str):
        return quote_yaml(value)
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)
