"""Scores of a run on data newer than its training data."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.data import Panel, Series
from forecaster.data.sources.files import name_source
from forecaster.errors import DataError, RunError
from forecaster.evaluation.baselines import check_baselines, select_default_baselines
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.origins import (
    Origins,
    compute_scale,
    drop_duplicates,
    forecast_with_baseline,
    forecast_with_network,
)
from forecaster.forecasting.predict import load_predictor
from forecaster.preprocessing.read_data import read_data
from forecaster.problems import Problem
from forecaster.runs import Version
from forecaster.wording import format_timestamp

log = logging.getLogger("forecaster")


class Evaluation(NamedTuple):
    """The scores of a run, and why some series have none."""

    comparison: Comparison
    problems: list[Problem]


def evaluate(
    version: Version, data: Path | None = None, stride: int | None = None, baselines: Sequence[str] | None = None
) -> Evaluation:
    """Forecast from origins after the training data, and score the forecasts and baselines on the actual values.

    Args:
        version: of a run.
        data: a CSV with actual values, and before them at least a window; the run's own CSV where None.
        stride: steps from origin to origin; the horizon where None.
        baselines: to compare with; the default ones where None.

    Raises:
        DataError: the CSV cannot be read, or has no rows after the training data.
        RunError: the version is damaged, or too old to record where its training data ends.
        UsageError: a baseline is unknown, or its extra is not installed.
    """
    config, horizon = version.config, version.config.window.horizon
    stride, seasons, levels = stride or horizon, config.data.seasons or (1,), config.forecast.levels
    names = select_default_baselines(seasons[0]) if baselines is None else list(baselines)
    check_baselines(names)
    predictor = load_predictor(version)
    panel = read_data(config, data)
    places = _find_origins(version, panel, stride)
    if places.problems and not len(places.origins):
        raise DataError([problem.add_place(name_source(data or config.data.path)) for problem in places.problems])
    forecasts = drop_duplicates(forecast_with_network(predictor, places.origins, horizon))
    forecasts |= {name: forecast_with_baseline(name, places.origins, horizon, seasons, levels) for name in names}
    scale = compute_scale(places.origins, places.known, seasons[0])
    actual = places.origins.read_actuals(horizon)  # (origins, horizon)
    networks = max(1, len(predictor.members))
    intervals = "conformal" if config.conformal else "head"
    comparison = Comparison(forecasts, places.origins, places.folds, actual, scale, stride, levels, networks, intervals)
    return Evaluation(comparison, places.problems)


class _Places(NamedTuple):
    """Origins after the training data.

    Attributes:
        origins: of all series.
        folds: the number of each origin within its series, from 1, (origins,).
        known: steps of each series of the panel in the training data, (series,).
        problems: why series have no origin.
    """

    origins: Origins
    folds: np.ndarray
    known: np.ndarray
    problems: list[Problem]


def _find_origins(version: Version, panel: Panel, stride: int) -> _Places:
    """Place an origin at the last step of the training data of each series, and at every `stride` steps after it."""
    read, channels = version.config.context_steps - version.config.padding_steps, version.config.channels
    # runs of format 3 call it `seen`
    trained_until = version.preprocessing.get("trained_until", version.preprocessing.get("seen"))
    if not isinstance(trained_until, dict):
        raise RunError(Problem("no-training-end", str(version.path)))
    known, problems = np.zeros(len(panel), int), []
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # members, steps and folds of each group's origins
    for first in range(0, len(panel), channels):
        series = panel[first]
        known[first : first + channels] = _count_known_steps(series, trained_until)
        steps = np.arange(max(known[first], read) - 1, len(series) - 1, stride)
        if not known[first]:
            problems.append(Problem("unseen-series", detail={"series": series.name}))
        elif not len(steps) and len(series) > read:
            detail = {"series": series.name, "last": format_timestamp(trained_until[series.name])}
            problems.append(Problem("no-new-rows", detail=detail))
        elif not len(steps):
            problems.append(
                Problem("too-few-rows-to-score", detail={"series": series.name, "rows": len(series), "window": read})
            )
        else:
            members = np.tile(first + np.arange(channels), len(steps))
            folds = np.repeat(1 + np.arange(len(steps)), channels)
            parts.append((members, np.repeat(steps, channels), folds))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] or [np.zeros(0, int)] * 3
    return _Places(Origins(panel, columns[0], columns[1]), columns[2], known, problems)


def _count_known_steps(series: Series, trained_until: dict[str, str]) -> int:
    """Count the steps of a series in the training data; 0 where the run was not trained on it."""
    if series.name not in trained_until:
        return 0
    last = trained_until[series.name]
    dates = isinstance(series.timestamps, pd.DatetimeIndex)
    return int(series.timestamps.searchsorted(pd.Timestamp(last) if dates else int(last), side="right"))
