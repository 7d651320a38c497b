"""What to choose when nobody chose: a config for a CSV, from its length, frequency and season alone."""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from forecaster.atomic_files import write_atomically
from forecaster.config import (
    ONE_SIDED,
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
from forecaster.data import Panel, Series
from forecaster.data.sources.files import STDIN, name_source
from forecaster.errors import ConfigError, DataError, UsageError
from forecaster.evaluation.baselines import forecast_naive_baselines
from forecaster.evaluation.metrics import compute_mae
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.read_data import build_data_request, infer_data_keys, read_data
from forecaster.preprocessing.windows import gather_windows
from forecaster.problems import Problem
from forecaster.wording import count_steps

log = logging.getLogger("forecaster")

_LARGE = 2000  # steps from which a series is long
_LONGEST_SEGMENT = 96
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
    several = f"the {config.ensemble.combine} of {config.ensemble.size} networks, " if config.ensemble else ""
    return (
        f"found: {time}, target {data.target!r}, frequency {data.frequency}, {season}\n"
        f"chosen: {several}normalisation by {model.normalization}, "
        f"{model.cell} of {', '.join(map(str, model.units))} units, window of "
        f"{count_steps(window.length, data.frequency)}, horizon of {count_steps(window.horizon, data.frequency)}"
    )


class Proposal(NamedTuple):
    """A config for a CSV, and its series where the config reads the same ones as were read to choose it."""

    loaded: LoadedConfig
    panel: Panel | None


def propose(csv: Path, overrides: Sequence[str] = ()) -> Proposal:
    """Choose a config for a CSV by its longest series; values in `overrides` are kept.

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
    found = infer_data_keys(asked.data, panel.longest)
    season = asked.data.model_copy(update=found).main_season
    wishes = _Wishes(given.config, frozenset(override.partition("=")[0].strip() for override in overrides))
    # A section takes further keys of `--set` as a mapping alone.
    data = {key: value.model_dump() if isinstance(value, Section) else value for key, value in found.items()}
    chosen = _choose_settings(panel.longest, season, wishes)
    loaded = _check_problems(_load_chosen(str(csv), smallest["data"] | data, chosen, overrides, wishes))
    return Proposal(loaded, panel if _reads_the_same(asked, loaded.config) else None)


class _Wishes(NamedTuple):
    """What `--set` asks for.

    Attributes:
        config: the smallest config of the data with it.
        keys: its dotted keys.
    """

    config: Config
    keys: frozenset[str]

    def includes(self, key: str) -> bool:
        """Whether a key, or a part or the whole of it, is set."""
        return any(f"{one}.".startswith(f"{other}.") for each in self.keys for one, other in ((key, each), (each, key)))


def _load_chosen(
    name: str, data: dict[str, Any], chosen: dict[str, Any], overrides: Sequence[str], wishes: _Wishes
) -> LoadedConfig:
    """Validate chosen values with those of `--set`; a chosen one that conflicts with these is changed."""
    loaded = load_values({"data": data, **chosen}, name, overrides)
    changeable = {key for key in _list_keys(chosen) if not wishes.includes(key)}
    for _ in range(_ROUNDS):
        changed = chosen
        for problem in loaded.problems:
            changed = _change_conflicting(changed, problem, changeable)
        if changed == chosen:
            break
        chosen = changed
        loaded = load_values({"data": data, **chosen}, name, overrides)
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
    """Whether a chosen config reads the series that were read to choose it."""
    first, then = build_data_request(asked).reading, build_data_request(chosen).reading
    filled_alike = first.gaps != "seasonal" or first.rules.season == then.rules.season
    return first.domains == then.domains and chosen.model.channels == "independent" and filled_alike


def _check_problems(loaded: LoadedConfig) -> LoadedConfig:
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return loaded


def _choose_settings(series: Series, season: int, wishes: _Wishes) -> dict[str, Any]:
    """Window, split, model and training for a series of this length and season, and a head.

    A long series trains one network, whose answer begins with those of its last seasons that tomorrow is like; a short
    one the mean of several, which begin with the mean of its last seasons: there is too little to learn from which to
    copy. Every second one also learns sign-flipped windows, so that they depend less on a trend.
    """
    steps, head, window = len(series), wishes.config.model.head, wishes.config.window
    horizon = window.horizon if wishes.includes("window.horizon") else _choose_horizon(season, steps)
    if wishes.includes("window.length"):
        length, segment = window.length, _choose_segment(season, window.length, divides=True)
    else:
        length = _choose_length(season, steps)
        segment = _choose_segment(season, length)
    large = steps >= _LARGE
    held_out = max(horizon, round(0.1 * steps))
    batch_size, batches = (64, 200) if large else (16, 40)
    sign_flip = head not in ONE_SIDED and not wishes.config.training.sign_flip
    windows = steps - 2 * held_out - length - horizon + 1
    anchor = _choose_normalization(series.values[: steps - held_out], season, length, horizon)
    return {
        "window": {"length": length // segment * segment, "horizon": horizon},
        "split": {"validation": held_out, "test": held_out} if held_out > 0.1 * steps else {},
        "model": {
            "cell": "gru",
            "units": [64 if large else 32],
            "segment": segment,
            "normalization": "profile" if anchor == "seasonal" and not large else anchor,
            "copy_segments": large,
            "dropout": 0.2,
            "decoder": "dense",
        },
        "training": {
            "optimizer": {"name": "adam", "learning_rate": 0.003},
            "schedule": {"name": "cosine"},
            "loss": "mae" if head == "point" else "auto",
            "batch_size": batch_size,
            "batches_per_epoch": batches if windows > batches * batch_size else None,
            "epochs": 30 if large else 60,
            "early_stopping": {"patience": 8 if large else 15},
            "refit": "all",
        },
        "ensemble": None if large else {"size": 4, "vary": "sign_flip" if sign_flip else "seed", "combine": "mean"},
    }


def _choose_horizon(season: int, steps: int) -> int:
    """Choose a season, a quarter for weeks, two weeks for days; at most a tenth of the series."""
    wanted = {1: 12, 52: 13}.get(season, 2 * season if season < 12 else season)
    return max(1, min(wanted, 96, steps // 10))


def _choose_length(season: int, steps: int) -> int:
    """Two weeks of hours, seven days of shorter steps, four years of months, eight short seasons; a quarter at most."""
    if season > _LONGEST_SEGMENT:
        wanted = 2 * season
    elif season >= 24:
        wanted = 14 * season if season == 24 else 7 * season
    else:
        wanted = {1: 48}.get(season, 4 * season if season >= 12 else 8 * season)
    return max(2, min(wanted, 672, steps // 4))


def _choose_segment(season: int, length: int, divides: bool = False) -> int:
    """Choose a season, or its largest part of which the window holds two after its first season.

    Args:
        divides: whether the window is whole segments.
    """
    parts = [part for part in range(1, season + 1) if season % part == 0 and part <= _LONGEST_SEGMENT]
    parts = [part for part in parts if not divides or length % part == 0]
    return max(part for part in parts if part == 1 or length // part * part >= season + 2 * part)


def _choose_normalization(values: np.ndarray, season: int, length: int, horizon: int) -> str:
    """Choose the normalisation whose anchor, used as the forecast, has the lowest MAE before the test part."""
    origins = np.arange(length - 1, len(values) - horizon)
    if not len(origins):
        return "last"
    origins = origins[:: -(-len(origins) // 1000)]
    actual = gather_windows(values, origins + 1, horizon)
    baselines = forecast_naive_baselines(values, origins, horizon, season)
    means = gather_windows(values, origins - length + 1, length).mean(axis=1, keepdims=True)
    errors = {"last": compute_mae(actual, baselines["naive"]), "mean": compute_mae(actual, means)}
    if "seasonal_naive" in baselines and length >= 2 * season:
        errors["seasonal"] = compute_mae(actual, baselines["seasonal_naive"])
    return min(errors, key=lambda name: errors[name])
