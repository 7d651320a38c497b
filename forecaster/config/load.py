"""YAML -> a frozen, validated `Config`; every problem with its position and a repair."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from forecaster.config.calendar_names import HOLIDAY
from forecaster.config.conflicts import find_conflicts
from forecaster.config.database_urls import is_url, make_url_absolute
from forecaster.config.error_messages import validate_values
from forecaster.config.migration import restore_run_defaults, upgrade
from forecaster.config.reader import Document, KeyProblem, Path, override_value, parse_document, read_document
from forecaster.config.schema import Config
from forecaster.config.search_space import SECTION, Space, build_space_schema, read_space
from forecaster.errors import ConfigError
from forecaster.extras import require_extra
from forecaster.problems import Problem


@dataclass(frozen=True)
class LoadedConfig:
    """A config as far as it is valid, its problems, and where each value was written.

    While `problems` is not empty, the values they name are defaults and the rest is as given:
    enough to look for more problems, never to train.

    Attributes:
        space: what `forecast tune` may choose from.
    """

    config: Config
    document: Document
    problems: tuple[Problem, ...]
    broken_sections: frozenset[str | int]
    space: Space = field(default_factory=dict)

    def locate_problem(
        self,
        code: str,
        path: Path,
        detail: Mapping[str, Any] | None = None,
        repairs: tuple[Mapping[str, Any], ...] = (),
    ) -> Problem:
        """Report a value that does not go with the data, at its position or that of the section around it."""
        return self.document.place(KeyProblem(path, code, detail or {}, repairs))

    def find_position(self, *path: str | int) -> str:
        """Find the position of a value, `file:line:column`, or of the section that should hold it."""
        return self.document.find_position(path)


def is_config(source: FilePath) -> bool:
    """Whether a file is a config by its name; anything else is taken for data."""
    return source.suffix.lower() in {".yaml", ".yml"}


def load_config(source: FilePath, overrides: Sequence[str] = (), data: FilePath | None = None) -> LoadedConfig:
    """Read a YAML file, lay `--set` and `--data` over it and validate the whole.

    `data.path` becomes absolute: relative to the YAML where the YAML names it, to the working
    folder where `--data` does; `-` stays.

    Raises:
        ConfigError: nothing can be made of it: not YAML, or a required key is missing.
    """
    if not is_config(source):
        raise ConfigError(
            Problem(
                "config-name", str(source), detail={"command": "" if source.is_dir() else f"forecast init {source}"}
            )
        )
    document = read_document(source)
    if "jobs" in document.values:
        raise ConfigError(Problem("jobs-as-config", str(source), detail={"jobs": str(source)}))
    document = override_document(document, overrides)
    base = source.parent
    if data is not None:
        document = override_value(document, f"data.path={json.dumps(str(data), ensure_ascii=False)}")
        document = override_value(document, "data.query=null")
        base = FilePath.cwd()
    loaded = _validate(document)
    given = loaded.config.data.path
    path = (
        make_path_absolute(given, base)
        if isinstance(given, str)
        else tuple(make_path_absolute(each, base) for each in given)
    )
    config = loaded.config.model_copy(update={"data": loaded.config.data.model_copy(update={"path": path})})
    return replace(loaded, config=config)


def make_path_absolute(path: str, base: FilePath) -> str:
    """Make a path or URL of a config absolute, except `-`, which is standard input."""
    if is_url(path):
        return make_url_absolute(path, base)
    return path if path == "-" else str((base / FilePath(path).expanduser()).resolve())


def load_values(values: dict[str, Any], name: str, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Validate values that come from no file, with those of `--set`; paths stay as they are.

    `name` is the place of problems.
    """
    return _validate(override_document(Document(values, {}, name), overrides))


def build_smallest_config(path: str) -> dict[str, Any]:
    """Build the values of a config that names only its data, with the decoder that a proposal has."""
    return {"data": {"path": path}, "window": {"length": 2, "horizon": 1}, "model": {"decoder": "dense"}}


def load_resolved(text: str, name: str) -> Config:
    """Load the config that a run keeps, of any format; its paths are absolute already.

    Raises:
        ConfigError: it is not one.
        MissingExtra: it has features of public holidays, whose package is not installed.
    """
    document = parse_document(text, name)
    values = restore_run_defaults(upgrade(document.values))
    match values:
        case {"data": {"calendar": [*features]}} if any(str(each).startswith(HOLIDAY) for each in features):
            require_extra("holidays", f"{name}: a holiday feature of data.calendar")
    loaded = _validate(replace(document, values=values))
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return loaded.config


def override_document(document: Document, overrides: Sequence[str]) -> Document:
    """Apply every `--set` to a document.

    Raises:
        ConfigError: one assigns nothing, or a key of a value.
    """
    for assignment in overrides:
        document = override_value(document, assignment)
    return document


def apply_overrides(loaded: LoadedConfig, overrides: Sequence[str]) -> LoadedConfig:
    """Apply further `--set` to a config; `data.path` stays as it was resolved."""
    again = _validate(override_document(loaded.document, overrides))
    data = again.config.data.model_copy(update={"path": loaded.config.data.path})
    return replace(again, config=again.config.model_copy(update={"data": data}))


def build_json_schema() -> dict[str, Any]:
    """Build the config's JSON Schema, for editors."""
    schema = Config.model_json_schema()
    schema["properties"][SECTION] = build_space_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _validate(document: Document) -> LoadedConfig:
    """Validate a document as far as possible, collecting all problems."""
    given = {name: section for name, section in document.values.items() if name != SECTION}
    config, _, problems = validate_values(Config, given, document)
    problems += find_conflicts(config, {problem.path for problem in problems})
    space, untunable = read_space(document.values[SECTION], given) if SECTION in document.values else ({}, [])
    problems += untunable
    placed = tuple(map(document.place, problems))
    return LoadedConfig(config, document, placed, frozenset(problem.path[0] for problem in problems), space)
