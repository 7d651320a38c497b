"""The held-out parts of series: origins to forecast them from, and a trained network's scores on the test part."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from forecaster.data import Panel
from forecaster.evaluation.baselines import BaselineForecast, select_default_baselines
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.origins import (
    MODEL,
    Origins,
    compute_scale,
    convert_to_forecasts,
    drop_duplicates,
    forecast_with_baseline,
    predict_from,
)
from forecaster.evaluation.reconciled import reconcile_prediction
from forecaster.forecast import Forecast
from forecaster.forecasting.fallback import ZERO_SHOT
from forecaster.forecasting.predictor import Predictor
from forecaster.hierarchy import Reconciler
from forecaster.preprocessing.plan import Plan

MAX_ORIGINS = 1000  # from which a part is forecast, or one for each series where there are more series, up to
_MOST_SERIES = 2000  # whose zero-shot forecasts alone take two seconds
MIN_ORIGINS = 20
MOST_STEPS_READ = 30_000_000  # by all networks from all origins: about a minute on two cores


def select_origins(
    panel: Panel, members: Sequence[int], ranges: Sequence[tuple[int, int]], predictor: Predictor
) -> Origins:
    """Select origins, evenly spaced from the first to the last step of each member's range, at least one of each.

    There are `MAX_ORIGINS` at most, with more members one of each up to `_MOST_SERIES`, and fewer where each is slow: a
    rollout that reads whole windows again, or many sample paths. With more members than origins, members are skipped
    evenly.
    """
    channels = predictor.config.channels
    return space_origins(panel, members, ranges, channels, count_affordable(predictor, len(ranges)))


def count_affordable(predictor: Predictor, members: int) -> int:
    """Count the groups of origins that a predictor forecasts from within about a minute, for ranges of some members."""
    affordable = min(
        max(MIN_ORIGINS, MOST_STEPS_READ // count_steps_read(predictor)), max(MAX_ORIGINS, members), _MOST_SERIES
    )
    return max(1, affordable // predictor.config.channels)


def count_steps_read(predictor: Predictor) -> int:
    """Count the steps that all networks of a predictor read for the forecast of one series."""
    window, rollout, networks = predictor.config.window, predictor.rollout, max(1, len(predictor.members))
    return networks * rollout.paths * window.horizon * (window.length if rollout.kind == "slide" else 1)


def space_origins(
    panel: Panel, members: Sequence[int], ranges: Sequence[tuple[int, int]], channels: int, most: int
) -> Origins:
    """Space at most `most` origins evenly over the ranges of groups of members, at least one of each group.

    With more groups than that, groups are skipped evenly. Series of one group are read together, so they share origins.

    Args:
        panel: the series.
        members: the number of each member in the panel.
        ranges: the first and the last step of each member.
        channels: members in a group.
        most: origins of all groups.
    """
    total = len(ranges) // channels
    chosen = set(np.linspace(0, total - 1, min(most, total)).round().astype(int).tolist())
    each = max(1, most // total)

    @functools.cache  # most groups of a panel have the same range
    def space(first: int, last: int) -> np.ndarray:
        return np.unique(np.linspace(first, last, min(each, last - first + 1)).round().astype(int))

    groups = sorted(chosen)
    steps = [space(*ranges[channels * group]) for group in groups]
    firsts = channels * np.repeat(groups, [len(some) for some in steps])  # the first member at each origin
    numbers = np.asarray(members)[(firsts[:, None] + np.arange(channels)).reshape(-1)]
    return Origins(panel, numbers, np.repeat(np.concatenate(steps), channels))


def share_ranges(lengths: np.ndarray, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Cut the ranges of series that end at the same time to those of their steps that all of them have.

    Args:
        lengths: steps in each series, (series,).
        ranges: the first and the last step of each.
    """
    firsts, lasts = np.array(ranges).T
    most, least = int((lengths - firsts).min()), int((lengths - lasts).max())  # steps up to the end
    return [(length - most, length - least) for length in lengths.tolist()]


def select_shared_origins(
    panel: Panel, members: Sequence[int], ranges: Sequence[tuple[int, int]], predictor: Predictor
) -> Origins:
    """Select origins as `select_origins`, at times that all members share, of every member.

    Args:
        panel, members, predictor: as for `select_origins`; the members end at the same time.
        ranges: as from `share_ranges`.
    """
    span, most = ranges[0][1] - ranges[0][0], max(1, count_affordable(predictor, 1) // len(members))
    offsets = np.unique(np.linspace(0, span, min(most, span + 1)).round().astype(int))
    steps = np.array([first for first, _ in ranges])[:, None] + offsets  # (members, origins)
    return Origins(panel, np.repeat(np.asarray(members), len(offsets)), steps.ravel())


def number_by_step(origins: Origins) -> np.ndarray:
    """Give each origin a number by its steps before the end of its series, from 1 for the earliest, (origins,)."""
    after = origins.panel.lengths[origins.members] - origins.steps
    return np.asarray(after.max() - after + 1)


def spread_over_panel(plan: Plan, steps: Sequence[int]) -> np.ndarray:
    """Spread a number of steps of each member over the series of the panel, (series,); 0 for series that are none."""
    spread = np.zeros(len(plan.members.panel), int)
    spread[plan.members.numbers] = steps
    return spread


def score_test_part(plan: Plan, predictor: Predictor, reconciler: Reconciler | None = None) -> dict[str, Any]:
    """Score the networks, the default baselines and the intervals on the test parts; filled cells do not count.

    Args:
        plan: of a training.
        predictor: of its networks.
        reconciler: of the series, where their forecasts are reconciled; the origins are then those that all share.
    """
    config, horizon, splits = plan.config, plan.config.window.horizon, plan.members.splits
    summary = {"part": "test", "horizon": horizon, "season": plan.season, "series": len(plan.members)}
    if not all(split.test for split in splits):
        return {**summary, "origins": 0, "scores": {}}
    ranges = [(split.validation_end - 1, split.steps - 1 - horizon) for split in splits]
    panel, numbers = plan.members.panel, plan.members.numbers
    if reconciler is None:
        origins = select_origins(panel, numbers, ranges, predictor)
    else:
        shared = share_ranges(np.array([split.steps for split in splits]), ranges)
        origins = select_shared_origins(panel, numbers, shared, predictor)
    actual, folds = origins.read_actuals(horizon), number_by_step(origins)  # actual: (origins, horizon)
    if np.isnan(actual).all():
        return {**summary, "origins": 0, "scores": {}}
    baselines = forecast_default_baselines(plan, origins, horizon)
    prediction = predict_from(predictor, origins, horizon, baselines[ZERO_SHOT].mean)
    forecasts = convert_to_forecasts(predictor, prediction)
    if reconciler is not None:
        names = np.array(panel.names)[origins.members]
        forecasts |= reconcile_prediction(reconciler, predictor, prediction, names, folds, forecasts[MODEL])
    forecasts = drop_duplicates(forecasts)
    scale = compute_scale(origins, spread_over_panel(plan, [split.validation_end for split in splits]), plan.season)
    comparison = Comparison(
        {**forecasts, **baselines},
        origins,
        folds,
        actual,
        scale,
        1,
        config.forecast.levels,
        max(1, len(predictor.members)),
        "conformal" if config.conformal else "head",
        level_by_name={} if reconciler is None else reconciler.hierarchy.level_by_name,
    )
    read = {(id(series.timestamps), step): series for series, step in zip(origins.series, origins.steps, strict=True)}
    times = [series.timestamps[step] for (_, step), series in read.items()]
    found = {name: value for name, value in comparison.summary.items() if name not in {"folds", "stride"}}
    times_and_rollout = {"first_origin": str(min(times)), "last_origin": str(max(times)), "rollout": config.rollout}
    return {**summary, **found, **times_and_rollout, "series": summary["series"]}


def forecast_last_horizon(plan: Plan, predictor: Predictor) -> Forecast:
    """Forecast the last `horizon` steps of the first series from the step before them."""
    series = plan.panel[0]
    end = max(len(series) - plan.config.window.horizon, plan.config.context_steps)
    past = [each.series.cut(0, end) for each in plan.groups[0]]
    forecast, *_ = predictor.forecast(past, len(series) - end, plan.config.forecast.levels)
    # The rows' own timestamps: a generated calendar of trading days does not know every past holiday.
    return dataclasses.replace(forecast, timestamps=series.timestamps[end:])


def forecast_default_baselines(plan: Plan, origins: Origins, horizon: int) -> dict[str, BaselineForecast]:
    """Forecast with the default baselines that every origin has enough history for, at the levels of the config."""
    padding, levels, seasons = plan.config.padding_steps, plan.config.forecast.levels, plan.config.data.seasons or (1,)
    names = select_default_baselines(plan.season if origins.steps.min() - padding >= plan.season else 1)
    return {name: forecast_with_baseline(name, origins, horizon, seasons, levels, padding) for name in names}
