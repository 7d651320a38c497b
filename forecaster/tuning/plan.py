"""The plan of a search: which keys vary, and the plan of each trial, without TensorFlow and Optuna."""

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forecaster import __version__
from forecaster.config import Choices, Config, LoadedConfig, Range, Space, apply_overrides, get_value
from forecaster.config.database_urls import is_url
from forecaster.config.template import render_commented_yaml
from forecaster.data import Panel, Series
from forecaster.errors import ConfigError, DataError
from forecaster.preprocessing.plan import Plan, drop_test_parts, plan_training
from forecaster.preprocessing.read_data import build_data_request, find_data_seasons, hash_data, read_data
from forecaster.problems import Problem

log = logging.getLogger("forecaster")

_SEASONS = (1, 2, 3, 4, 7, 14, 28)  # in the windows of the default space
_SEGMENTS = (1, 2, 3, 4, 6, 8, 12)


@dataclass(frozen=True)
class TunePlan:
    """A search to run.

    Attributes:
        loaded: the config that trials vary.
        panel: the whole series, which the best config must accept; no trial sees their test parts.
        base: the plan of the config itself, without test parts.
        space: the values to try.
    """

    loaded: LoadedConfig
    panel: Panel
    base: Plan
    space: Space

    def plan_trial(self, values: Mapping[str, Any]) -> Plan:
        """Plan a trial on the same series as all others, without their test parts.

        Args:
            values: by key of the space.

        Raises:
            ConfigError, DataError: the values are incompatible with each other or with the data.
        """
        loaded = apply_overrides(self.loaded, [f"{key}={json.dumps(value)}" for key, value in values.items()])
        _check_domains(loaded.config, self.panel)
        plan = plan_training(loaded, self.panel)
        if short := len(self.base.members) - len(plan.members):
            detail = {"short": short, "count": len(self.base.members)}
            raise DataError(Problem("too-short-for-trial", detail=detail))
        return drop_test_parts(plan)

    @property
    def own_values(self) -> dict[str, Any]:
        """The config's value of each key, in the form of the space."""
        return {key: _to_space_value(each, get_value(self.loaded.config, key)) for key, each in self.space.items()}

    @property
    def identity(self) -> dict[str, Any]:
        """What trials must share for their errors to be comparable."""
        return {
            "config": self.base.config.model_dump(mode="json"),
            "tune": {key: str(space) for key, space in self.space.items()},
            "data": hash_data(self.base.panel),
            "version": __version__,
        }


def plan_tuning(loaded: LoadedConfig, panel: Panel | None = None) -> TunePlan:
    """Check a config, its space and its CSV.

    Args:
        loaded: the config.
        panel: its series, where they have been read.

    Raises:
        ConfigError: the config or the space has problems, or there is no validation part.
        DataError: the data has problems.
    """
    if loaded.problems:
        raise ConfigError(loaded.problems)
    data_panel = read_data(loaded.config) if panel is None else panel
    whole = plan_training(loaded, data_panel)
    if not whole.config.split.validation:
        repairs = ({"split.validation": 0.1},)
        raise ConfigError(loaded.locate_problem("no-validation-part", ("split", "validation"), repairs=repairs))
    panel, base = _empty_short_series(data_panel, whole), drop_test_parts(whole)
    if loaded.config.data.season == "auto":
        # The season was inferred from all data; infer it again without the test part.
        steps = base.members.panel.lengths - base.config.padding_steps
        seasons, _ = find_data_seasons(panel.truncate(np.maximum(steps, 0)))
        loaded = apply_overrides(loaded, [f"data.season={json.dumps(list(seasons) or 1)}"])
        base = drop_test_parts(plan_training(loaded, panel))
    space = loaded.space or _build_default_space(loaded, base)
    if not loaded.space:
        lines = [f"  {key}: {each}" for key, each in space.items()]
        log.info("%s", "\n".join(["the config has no tune section; the default space is:", "tune:", *lines]))
    return TunePlan(loaded, panel, base, space)


def _empty_short_series(panel: Panel, plan: Plan) -> Panel:
    """Empty the series that are too short for the config's own plan, so that no trial uses them."""
    numbers = plan.members.numbers
    lengths = np.zeros(len(panel), int)
    lengths[numbers] = panel.lengths[numbers]
    return panel.truncate(lengths)


def _to_space_value(space: Choices | Range, value: Any) -> Any:
    """Convert a value to the form of a range: one layer's units as a number, fractions to four digits."""
    if isinstance(space, Range) and isinstance(value, list) and len(value) == 1:
        value = value[0]
    return float(f"{value:.4g}") if isinstance(space, Range) and isinstance(value, float) else value


def _check_domains(config: Config, panel: Iterable[Series]) -> None:
    for domain in build_data_request(config).reading.domains:
        if any(domain.find_outside(series.values).any() for series in panel):
            raise DataError(Problem("outside-domain-in-trial", detail={"expected": domain.what}))


def _build_default_space(loaded: LoadedConfig, base: Plan) -> Space:
    """Build the default space: keys worth varying in most configs, around this config's values."""
    config, season = base.config, base.season
    rate, units = config.training.optimizer.learning_rate, config.model.units
    longest = min(member.split.training_end for member in base.members) // 3
    length = config.window.length
    windows = [season * count for count in _SEASONS] if season > 1 else [length // 2, 2 * length, 4 * length]
    halves, doubles = ([max(1, round(width * factor)) for width in units] for factor in (0.5, 2))
    listed: dict[str, list[Any]] = {
        "window.length": sorted({length, *(n for n in windows if 2 <= n <= longest)}),
        "model.units": [halves, list(units), doubles, [*units, units[-1]]],
        "model.segment": sorted(
            {config.model.segment, *(n for n in _SEGMENTS if (season if season > 1 else 12) % n == 0)}
        ),
        "model.linear": [False, True],
        "model.normalization": ["none", "last", "mean", "revin", *(["seasonal", "profile"] if season > 1 else [])],
        "model.dropout": sorted({0.0, 0.1, 0.2, 0.3, config.model.dropout}),
    }
    space: dict[str, Choices | Range] = {
        "training.optimizer.learning_rate": Range(float(f"{rate / 10:.3g}"), float(f"{rate * 10:.3g}"), log=True)
    }
    for key, values in listed.items():
        possible = [
            json.dumps(value)
            for value in values
            if not apply_overrides(loaded, [f"{key}={json.dumps(value)}"]).problems
        ]
        if len(possible) > 1:
            space[key] = Choices(tuple(possible))
    return space


def format_tuned_yaml(config: Config, folder: Path, command: str) -> str:
    """Format a trial's config as a YAML with paths relative to the folder that it is written to."""
    data_panel = config.data.path
    path = (
        _relate_path(data_panel, folder)
        if isinstance(data_panel, str)
        else tuple(_relate_path(each, folder) for each in data_panel)
    )
    data = config.data.model_copy(update={"path": path})
    return render_commented_yaml(config.model_copy(update={"data": data}), command)


def _relate_path(path: str, folder: Path) -> str:
    return path if path == "-" or is_url(path) else os.path.relpath(path, folder.resolve())


@contextlib.contextmanager
def silence_log() -> Iterator[None]:
    """Silence notices on the data, which the first plan has logged."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
