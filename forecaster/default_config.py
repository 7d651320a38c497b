"""A config for a CSV without a YAML: the keys found in its data, and the settings chosen for them."""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from forecaster.atomic_files import write_atomically
from forecaster.config import (
    Config,
    LoadedConfig,
    build_smallest_config,
    is_config,
    load_config,
    load_values,
    make_path_absolute,
)
from forecaster.config.reader import assign, find_unreadable, read_document
from forecaster.config.schema import Model, Section
from forecaster.config.template import render_commented_yaml
from forecaster.data import Panel
from forecaster.data.sources.files import STDIN, name_source
from forecaster.default_settings import Wishes, choose_settings
from forecaster.errors import ConfigError, DataError, UsageError
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.read_data import build_data_request, infer_data_keys, read_data
from forecaster.problems import Problem
from forecaster.wording import count_steps

log = logging.getLogger("forecaster")

_MIN_WINDOWS = 10  # to learn from, below which a network forecasts by chance
_ROUNDS = 5  # of changes to chosen values that conflict with set ones


def get_config_path(csv: Path) -> Path:
    """Where the config of a CSV is written: in the working folder, under the CSV's name.

    Of a pattern that is what stays the same of the name, or the folder's; of standard input `stdin`.
    """
    if str(csv) == STDIN:
        return Path("stdin.yaml")
    name = re.sub(r"\[.*?\]|[*?]", "", csv.name.split(".")[0]).strip("-_ ")
    return Path(f"{name or csv.resolve().parent.name or 'data'}.yaml")


class ConfiguredData(NamedTuple):
    """A config, its path, and the series of its data where choosing the config has read them already."""

    loaded: LoadedConfig
    path: Path
    panel: Panel | None = None


def load_or_propose(source: Path, overrides: Sequence[str] = (), data: Path | None = None) -> ConfiguredData:
    """Load the config that `source` is or needs; for a CSV it is written first, unless it exists.

    Raises:
        ConfigError: it cannot be used.
        UsageError: another CSV's config has that name.
        DataError: the CSV cannot be read.
    """
    if is_config(source):
        return ConfiguredData(load_config(source, overrides, data), source)
    if data is not None:
        raise UsageError(Problem("data-of-data", detail={"source": str(source)}))
    path = get_config_path(source)
    if not os.path.exists(path):  # noqa: PTH110  no error for any name
        return write_proposal(source, path, overrides)
    loaded = load_config(path, overrides)
    if loaded.config.data.path != make_path_absolute(str(source), Path.cwd()):
        detail = {"data": name_source(loaded.config.data.path)}
        raise UsageError(Problem("config-of-other-data", str(path), detail=detail))
    return ConfiguredData(loaded, path)


def check_windows(plan: Plan) -> None:
    """Check that the training parts hold enough windows for settings that nobody chose.

    Raises:
        DataError: fewer than `_MIN_WINDOWS`.
    """
    config, splits = plan.config, plan.members.splits
    windows = sum(
        max(0, split.training_end - config.context_steps - config.steps_ahead + 1)
        for split in splits[:: config.channels]
    )
    if windows < _MIN_WINDOWS:
        detail = {"rows": sum(split.steps - config.padding_steps for split in splits), "windows": windows}
        steps = {"needed": _MIN_WINDOWS, "window": config.window.length, "ahead": config.steps_ahead}
        raise DataError(Problem("too-few-windows-to-train", name_source(config.data.path), detail=detail | steps))


def write_proposal(csv: Path, path: Path, overrides: Sequence[str] = ()) -> ConfiguredData:
    """Write the commented YAML for a CSV.

    Raises:
        UsageError: the YAML exists; it is never overwritten.
    """
    if os.path.exists(path):  # noqa: PTH110  no error for any name
        raise UsageError(Problem("output-exists", str(path)))
    relative = STDIN if str(csv) == STDIN else os.path.relpath(os.path.realpath(csv), os.path.realpath(path.parent))
    if find_unreadable(f"{relative} {path}"):
        raise UsageError(Problem("name-not-utf-8", ascii(str(csv))))
    loaded, panel = propose(csv, overrides)
    config = loaded.config
    written = config.model_copy(update={"data": config.data.model_copy(update={"path": relative})})
    write_atomically(path, render_commented_yaml(written, f"forecast train {path}").encode())
    given = f"from --set: {', '.join(overrides)}\n" if overrides else ""
    written_to = f"{path}: written; edit it, and train with: forecast train {path}"
    log.info("%s\n%s%s", _describe_findings(config), given, written_to)
    return ConfiguredData(replace(loaded, document=read_document(path), space={}), path, panel)


def _describe_findings(config: Config) -> str:
    """Describe what was found in the data and chosen for it."""
    data, window, model = config.data, config.window, config.model
    if isinstance(data.time, tuple):
        time = f"time columns {', '.join(map(repr, data.time))}"
    else:
        time = "no time column, rows are steps" if data.time is None else f"time column {data.time!r}"
    seasons = [count_steps(season, data.frequency) for season in data.seasons]
    season = f"season of {' and '.join(seasons)}" if seasons else "no season"
    ensemble = config.ensemble
    start = "start from the zero-shot forecast, " if model.pretrained else ""
    if start and ensemble and ensemble.vary == "start":
        start = f"half of which {start}"
    several = f"the {ensemble.combine} of {ensemble.size} networks, " if ensemble and ensemble.size > 1 else ""
    return (
        f"found: {time}, target {data.target!r}, frequency {data.frequency}, {season}\n"
        f"chosen: {several}{start}normalization by {model.normalization}, "
        f"{model.cell} of {', '.join(map(str, model.units))} units, window of "
        f"{count_steps(window.length, data.frequency)}, horizon of {count_steps(window.horizon, data.frequency)}"
    )


class Proposal(NamedTuple):
    """A config for a CSV, and its series where the config reads the same ones as were read to choose it."""

    loaded: LoadedConfig
    panel: Panel | None


def propose(csv: Path, overrides: Sequence[str] = ()) -> Proposal:
    """Choose a config for a CSV by its series; values in `overrides` are kept.

    Raises:
        ConfigError: an override is invalid.
        DataError: the CSV cannot be read.
    """
    smallest = build_smallest_config(make_path_absolute(str(csv), Path.cwd()))
    given = load_values(smallest, str(csv), overrides)
    if "data" in given.broken_sections:  # or what is not chosen yet conflicts with it
        about_data = [override for override in overrides if re.match(r"\s*data\b", override)]
        given = _check_problems(load_values(smallest, str(csv), about_data))
    asked = given.config.model_copy(update={"model": Model()})
    panel = read_data(asked)
    found = infer_data_keys(asked.data, panel.longest, panel)
    season = asked.data.model_copy(update=found).main_season
    wishes = Wishes(given.config, frozenset(override.partition("=")[0].strip() for override in overrides))
    # A record takes no further keys, as those of `--set`.
    data = {key: value.model_dump() if isinstance(value, Section) else value for key, value in found.items()}
    chosen = choose_settings(panel, season, wishes)
    loaded = _check_problems(_load_chosen(str(csv), smallest["data"] | data, chosen, overrides, wishes))
    return Proposal(loaded, panel if _reads_the_same(asked, loaded.config) else None)


def _load_chosen(
    name: str, data: dict[str, Any], chosen: dict[str, Any], overrides: Sequence[str], wishes: Wishes
) -> LoadedConfig:
    """Validate chosen values with those of `--set`; a chosen one that conflicts with these is changed."""
    loaded = load_values(chosen | {"data": data | chosen.get("data", {})}, name, overrides)
    changeable = {key for key in _list_keys(chosen) if not wishes.includes(key)}
    for _ in range(_ROUNDS):
        changed = chosen
        for problem in loaded.problems:
            changed = _change_conflicting(changed, problem, changeable)
        if changed == chosen:
            break
        chosen = changed
        loaded = load_values(chosen | {"data": data | chosen.get("data", {})}, name, overrides)
    return loaded


def _change_conflicting(chosen: dict[str, Any], problem: Problem, changeable: set[str]) -> dict[str, Any]:
    """Leave a chosen key with a problem at its default, or else repair the problem by chosen keys, if any do."""
    if problem.column in changeable & set(_list_keys(chosen)):
        return _drop_key(chosen, problem.column.split("."))
    for repair in problem.repairs:
        if repair.keys() <= changeable:
            for key, value in repair.items():
                chosen = assign(chosen, key.split("."), value, key)
            break
    return chosen


def _list_keys(values: dict[str, Any]) -> list[str]:
    """List the dotted keys of nested values, those of sections, too."""
    inner = {key: _list_keys(value) for key, value in values.items() if isinstance(value, dict)}
    return [*values, *(f"{key}.{each}" for key, keys in inner.items() for each in keys)]


def _drop_key(values: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    head, *rest = keys
    if not rest:
        return {key: value for key, value in values.items() if key != head}
    return values | {head: _drop_key(values[head], rest)}


def _reads_the_same(asked: Config, chosen: Config) -> bool:
    """Whether a chosen config reads the series that were read to choose it; a transform is chosen to suit them."""
    transform = asked.data.transform if asked.data.transform == "none" else chosen.data.transform
    untransformed = chosen.model_copy(update={"data": chosen.data.model_copy(update={"transform": transform})})
    first, then = build_data_request(asked).reading, build_data_request(untransformed).reading
    filled_alike = first.gaps != "seasonal" or first.rules.season == then.rules.season
    return first.domains == then.domains and chosen.model.channels == "independent" and filled_alike


def _check_problems(loaded: LoadedConfig) -> LoadedConfig:
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return loaded
