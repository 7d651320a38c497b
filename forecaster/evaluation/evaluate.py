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
from forecaster.evaluation.held_out import number_by_step, select_origins, select_shared_origins, share_ranges
from forecaster.evaluation.origins import (
    MODEL,
    Origins,
    compute_scale,
    drop_duplicates,
    forecast_with_baseline,
    forecast_with_network,
)
from forecaster.evaluation.reconciled import reconcile_forecasts
from forecaster.forecasting.predict import load_predictor
from forecaster.forecasting.predictor import Predictor
from forecaster.forecasting.reconciliation import find_levels_by_name
from forecaster.preprocessing.read_data import read_data
from forecaster.problems import Problem
from forecaster.runs import BEFORE_REFIT, Version
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

    Where no rows follow the data of a refit, the networks before it are scored on the rows after theirs.

    Args:
        version: of a run.
        data: a CSV with actual values, and before them at least a window; the run's own CSV where None.
        stride: steps from origin to origin; those of the test part's scores in a training where None.
        baselines: to compare with; the default ones where None.

    Raises:
        DataError: the CSV cannot be read, or has no rows after the training data.
        RunError: the version is damaged, or too old to record where its training data ends.
        UsageError: a baseline is unknown, or its extra is not installed.
    """
    config, horizon = version.config, version.config.window.horizon
    seasons, levels = config.data.seasons or (1,), config.forecast.levels
    names = select_default_baselines(seasons[0]) if baselines is None else list(baselines)
    check_baselines(names)
    panel = read_data(config, data)
    ranges, before_refit = _find_ranges(version, panel), False
    if not ranges.members and version.has_refit:
        ranges, before_refit = _find_ranges(version, panel, before_refit=True), True
        log.info("%s", Problem("evaluated-before-refit", str(version.path)))
    if not ranges.members:
        raise DataError([problem.add_place(name_source(data or config.data.path)) for problem in ranges.problems])
    predictor = load_predictor(version, before_refit)
    origins, folds = _place_origins(panel, ranges, predictor, stride)
    base = forecast_with_network(predictor, origins, horizon)
    forecasts = drop_duplicates(base | reconcile_forecasts(version, predictor, origins, folds, base[MODEL]))
    forecasts |= {name: forecast_with_baseline(name, origins, horizon, seasons, levels) for name in names}
    scale = compute_scale(origins, ranges.known, seasons[0])
    actual = origins.read_actuals(horizon)  # (origins, horizon)
    networks, intervals = max(1, len(predictor.members)), "conformal" if config.conformal else "head"
    by_name = find_levels_by_name(config, panel.names)
    comparison = Comparison(
        forecasts, origins, folds, actual, scale, stride or 1, levels, networks, intervals, level_by_name=by_name
    )
    return Evaluation(comparison, ranges.problems)


class _Ranges(NamedTuple):
    """Where series can be scored.

    Attributes:
        members: the numbers of these series in the panel.
        steps: of each, the last step of the training data, and the last step but one.
        known: steps of each series of the panel in the training data, (series,).
        problems: why other series cannot.
    """

    members: list[int]
    steps: list[tuple[int, int]]
    known: np.ndarray
    problems: list[Problem]


def _find_ranges(version: Version, panel: Panel, before_refit: bool = False) -> _Ranges:
    """Find the steps of each series after its training data that have a window before them and a value after them.

    With `before_refit` the training data are those of the networks before a refit.
    """
    read, channels = version.config.context_steps - version.config.padding_steps, version.config.channels
    trained_until = read_training_ends(version, before_refit)
    ranges = _Ranges([], [], np.zeros(len(panel), int), [])
    for first in range(0, len(panel), channels):
        series, group = panel[first], range(first, first + channels)
        ranges.known[group] = known = count_known_steps(version, series, trained_until)
        begin, end = max(known, read) - 1, len(series) - 2
        if not known:
            ranges.problems.append(Problem("unseen-series", detail={"series": series.name}))
        elif begin <= end:
            ranges.members.extend(group)
            ranges.steps.extend(channels * [(begin, end)])
        elif len(series) > read:
            detail = {"series": series.name, "last": format_timestamp(trained_until[series.name])}
            ranges.problems.append(Problem("no-new-rows", detail=detail))
        else:
            rows = {"series": series.name, "rows": len(series), "window": read}
            ranges.problems.append(Problem("too-few-rows-to-score", detail=rows))
    return ranges


def _place_origins(
    panel: Panel, ranges: _Ranges, predictor: Predictor, stride: int | None
) -> tuple[Origins, np.ndarray]:
    """Place origins, and number those of each series from 1, (origins,).

    Without a stride they are those that a training scores its test part from: evenly spaced, up to the last with a
    whole horizon after it, or the first alone where it has none.
    """
    channels, horizon, limits = predictor.config.channels, predictor.config.window.horizon, ranges.steps
    is_shared = bool(predictor.config.data.hierarchy)  # sums are reconciled with their parts at the same time
    if is_shared:
        limits = share_ranges(panel.lengths[ranges.members], limits)
    if stride is None:
        whole = [(first, max(first, last + 1 - horizon)) for first, last in limits]
        origins = (select_shared_origins if is_shared else select_origins)(panel, ranges.members, whole, predictor)
        return origins, number_by_step(origins)
    steps = [np.arange(first, last + 1, stride) for first, last in limits[::channels]]
    groups = np.asarray(ranges.members).reshape(-1, channels)
    members = [np.tile(group, len(some)) for group, some in zip(groups, steps, strict=True)]
    folds = [np.repeat(1 + np.arange(len(some)), channels) for some in steps]
    repeated = np.concatenate([np.repeat(some, channels) for some in steps])
    return Origins(panel, np.concatenate(members), repeated), np.concatenate(folds)


def read_training_ends(version: Version, before_refit: bool = False) -> dict[str, str]:
    """Read the last timestamp of each series in the training data of a version, or of its networks before a refit.

    Raises:
        RunError: the version is damaged, or too old to record them.
    """
    # runs of format 3 call it `seen`
    name = BEFORE_REFIT if before_refit else "trained_until"
    trained_until = version.preprocessing.get(name, version.preprocessing.get("seen"))
    if not isinstance(trained_until, dict):
        raise RunError(Problem("no-training-end", str(version.path)))
    return trained_until


def count_known_steps(version: Version, series: Series, trained_until: dict[str, str]) -> int:
    """Count the steps of a series in the training data; 0 where the version was not trained on it.

    Raises:
        RunError: the version's record is damaged.
    """
    if series.name not in trained_until:
        return 0
    last, dates = trained_until[series.name], isinstance(series.timestamps, pd.DatetimeIndex)
    try:
        if not last:
            raise ValueError(f"{series.name}: {last!r}")
        return int(series.timestamps.searchsorted(pd.Timestamp(last) if dates else int(last), side="right"))
    except (ValueError, TypeError, OverflowError) as error:
        raise version.refuse("preprocessing.json", f"trained_until: {error}") from None
