"""A `Config` -> a commented YAML that can be edited and run again."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from forecaster.config.reader import escape_line_ends, quote_yaml
from forecaster.config.schema import Config

SCHEMA_FILE = Path(__file__).with_name("schema.json")
_COMMENT_COLUMN = 38


def render_commented_yaml(config: Config, command: str) -> str:
    """Write the config as YAML: first the line for editors, then `command`, then each key with its meaning."""
    return "\n".join([*render_head(SCHEMA_FILE, command), *render_lines(config)]) + "\n"


def render_head(schema: Path, command: str) -> list[str]:
    """Write the line by which editors find the schema, and the command that reads the file."""
    return [*(f"# {escape_line_ends(text)}" for text in (f"yaml-language-server: $schema={schema}", command)), ""]


def render_lines(section: BaseModel, indent: str = "", left_out: Collection[str] = ()) -> Iterator[str]:
    """Write the keys of a section, each with its meaning; those in sections below it are indented."""
    for key, field in type(section).model_fields.items():
        if key in left_out:
            continue
        value = getattr(section, key)
        comment = field.description or ""
        if isinstance(value, BaseModel):
            yield _add_comment(f"{indent}{key}:", comment)
            yield from render_lines(value, indent + "  ")
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
