"""Writes the tables of keys in docs/jobs.md, from the schema of jobs files: `python docs/generate_jobs.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from forecaster.config.reader import format_value
from forecaster.config.schema import MaxAge
from forecaster.jobs.schema import JobEntry, JobsFile, Keep, Retrain

PAGE = Path(__file__).with_name("jobs.md")
MARK = "<!-- The tables below are made by `make docs` from forecaster/jobs/schema.py. -->\n"
SECTIONS: dict[str, type[BaseModel]] = {
    "The top level": JobsFile,
    "A job, and `defaults`": JobEntry,
    "`retrain`": Retrain,
    "`max_age`": MaxAge,
    "`keep`": Keep,
}


def render_page() -> str:
    """Render the page: what is above the mark as it is, and the tables."""
    above = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    return f"{above}{MARK}{''.join(_render_section(title, model) for title, model in SECTIONS.items())}"


def _render_section(title: str, model: type[BaseModel]) -> str:
    return "\n".join([f"\n### {title}", "", "| key | meaning | default |", "|---|---|---|", *_render_rows(model), ""])


def _render_rows(model: type[BaseModel]) -> Iterator[str]:
    required = sorted(model.model_fields.items(), key=lambda item: not item[1].is_required())
    for key, field in required:
        meaning = (field.description or "").replace("|", "\\|")
        default = "required" if field.is_required() else f"`{_render_default(field.default)}`"
        yield f"| `{key}` | {meaning} | {'' if default == '`{}`' and key == 'defaults' else default} |"


def _render_default(default: Any) -> str:
    """Write a default as YAML; of a section the keys that differ from its own defaults."""
    if isinstance(default, BaseModel):
        changed = default.model_dump(exclude_defaults=True)
        return f"{{{', '.join(f'{key}: {format_value(value)}' for key, value in changed.items())}}}"
    return str(default) if isinstance(default, str) else format_value(default)


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
