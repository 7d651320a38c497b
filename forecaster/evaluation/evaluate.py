"""A run's forecasts beside what came: from origins behind all that its network learnt from or was chosen by."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.data import Panel, Series
from forecaster.data.sources.files import described
from forecaster.errors import DataError, RunError
from forecaster.evaluation.baselines import check_baselines
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.origins import Origins, baseline_at, drop_duplicates, network_at, scale_of
from forecaster.forecasting.predict import load_predictor
from forecaster.preprocessing.load import read_data
from forecaster.runs import Version

log = logging.getLogger("forecaster")


class Evaluation(NamedTuple):
    """The scores of a run, and the series that have none, with the reason."""

    comparison: Comparison
    problems: list[str]


def evaluate(
    version: Version, data: Path | None = None, stride: int | None = None, baselines: Sequence[str] | None = None
) -> Evaluation:
    """Forecast from origins whose future is in the data by now, and compare.

    Args:
        version: of a run.
        data: a CSV of what came, which goes back at least as far as a window before that; the run's own where None.
        stride: steps from origin to origin; the horizon where None.
        baselines: what to compare with; the last value, and the last season where there is one, where None.

    Raises:
        DataError: the CSV cannot be read, or holds nothing that the network has not seen.
        RunError: the version is damaged, or too old to say what it has seen.
        UsageError: a baseline is not known, or its extra is not installed.
    """
    config, horizon = version.config, version.config.window.horizon
    apart, seasons = stride or horizon, config.data.seasons or (1,)
    names = _usual(seasons) if baselines is None else list(baselines)
    check_baselines(names)
    predictor, residuals = load_predictor(version)
    panel = read_data(config, data)
    found = _after_training(version, panel, apart)
    if found.problems and not len(found.origins):
        raise DataError([f"{described(data or config.data.path)}: {problem}" for problem in found.problems])
    told = drop_duplicates(network_at(predictor, residuals, found.origins, horizon))
    told |= {name: baseline_at(name, found.origins, horizon, seasons, config.forecast.levels) for name in names}
    scale = scale_of(found.origins, found.known, seasons[0])
    actual = found.origins.actual(horizon)
    networks = max(1, len(predictor.members))
    return Evaluation(
        Comparison(told, found.origins, found.folds, actual, scale, apart, config.forecast.levels, networks),
        found.problems,
    )


def _usual(seasons: Sequence[int]) -> list[str]:
    return ["naive", "seasonal_naive"] if seasons[0] > 1 else ["naive"]


class _Found(NamedTuple):
    """Origins, and what is known of their series.

    Attributes:
        folds: the number of each origin within its series, from 1.
        known: how many steps of each series of the panel the network has seen, (series,).
        problems: why series have no origin.
    """

    origins: Origins
    folds: np.ndarray
    known: np.ndarray
    problems: list[str]


def _after_training(version: Version, panel: Panel, stride: int) -> _Found:
    """Every `stride` steps, from the last step that the network has seen of each series on."""
    read, channels = version.config.context_steps - version.config.padding_steps, version.config.channels
    seen = version.preprocessing.get("seen")
    if not isinstance(seen, dict):
        raise RunError(f"{version.path}: does not say what its network has seen; train again")
    known, problems = np.zeros(len(panel), int), []
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for first in range(0, len(panel), channels):
        series = panel[first]
        known[first : first + channels] = _steps_seen(series, seen)
        begin = max(known[first], read)
        steps = np.arange(begin - 1, len(series) - 1, stride)
        if not known[first]:
            problems.append(f"{series.name}: the network has not seen it")
        elif not len(steps):
            problems.append(
                f"{series.name}: no row lies behind {seen[series.name]}, up to which the network has seen it"
                if len(series) > read
                else f"{series.name}: {len(series)} rows are too few; expected more than {read}, the window"
            )
        else:
            numbers = np.tile(first + np.arange(channels), len(steps))
            folds = np.repeat(1 + np.arange(len(steps)), channels)
            parts.append((numbers, np.repeat(steps, channels), folds))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] or [np.zeros(0, int)] * 3
    return _Found(Origins(panel, columns[0], columns[1]), columns[2], known, problems)


def _steps_seen(series: Series, seen: dict[str, str]) -> int:
    """How many steps of a series lie up to the last that the network has seen of it; 0 where it is another."""
    if series.name not in seen:
        return 0
    last = seen[series.name]
    dates = isinstance(series.timestamps, pd.DatetimeIndex)
    return int(series.timestamps.searchsorted(pd.Timestamp(last) if dates else int(last), side="right"))
