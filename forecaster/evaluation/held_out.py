"""A served network on the held-out parts of its series: residuals, errors beside the baselines', coverage."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from forecaster.evaluation.baselines import BaselineForecast
from forecaster.evaluation.metrics import ScoredForecasts, compute_scores, count_unscaled, drop_undefined
from forecaster.evaluation.origins import (
    MODEL,
    Origins,
    baseline_at,
    drop_duplicates,
    outlook_at,
    scale_of,
    to_forecasts,
)
from forecaster.forecast import Forecast
from forecaster.forecasting.fallback import Fallback, fit_fallback, last_season
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan

_ORIGINS = 1000  # that a part is forecast from, or one for each series where there are more
_FEWEST = 20
_READ = 30_000_000  # steps that networks read for them, at most: a minute or so on two cores
_LEAST_CHANGE = 0.25  # of the median over the validation part


def least_change(plan: Plan, predictor: Predictor) -> float | None:
    """The least change of a window that errors are told in, in scaled units; None where they are told in none.

    Windows that hardly change would make forecasts look sure that are not.
    """
    if not plan.config.by_change:
        return None
    origins, _ = _validation(plan, predictor)
    typical = float(np.median(predictor.changes(origins.series, origins.windows(plan.config.context_steps))))
    return _LEAST_CHANGE * typical if 0 < typical < np.inf else None


def validation_residuals(plan: Plan, predictor: Predictor) -> np.ndarray:
    """Actual less forecast over the validation parts, over the network's own spread: (origins, horizon).

    Told in transformed units, so that the intervals made of them are undone with the forecast.

    NaN where a step lies behind its part or was filled. Without a validation part the training part has to do, whose
    residuals are too small.
    """
    origins, actual = _validation(plan, predictor)
    return outlook_at(predictor, origins, actual.shape[1]).residuals(actual)


def validation_fallback(plan: Plan, predictor: Predictor) -> Fallback | None:
    """Which series have to lean on the last season, by errors in their validation parts; None where none are held out.

    Args:
        predictor: of the network alone.
    """
    config, splits = plan.config, [member.split for member in plan.members]
    if config.forecast.fallback == "never" or not all(split.validation for split in splits):
        return None
    origins, actual = _validation(plan, predictor)
    horizon = actual.shape[1]
    baseline = last_season(origins.windows(config.lookback_steps), horizon, plan.season)
    outlook = outlook_at(predictor, origins, horizon)
    network, others = (_errors_of(plan, origins, np.abs(actual - mean)) for mean in (outlook.mean, baseline))
    horizons = np.array([split.validation / horizon for split in splits])
    return fit_fallback(plan.members.names, network, others, horizons, plan.season, config.forecast.fallback)


def _errors_of(plan: Plan, origins: Origins, errors: np.ndarray) -> np.ndarray:
    """The mean of each member's errors (origins, horizon), (members,); NaN where it has none."""
    told, series = ~np.isnan(errors), len(plan.members.panel)
    sums = np.bincount(origins.members, np.where(told, errors, 0.0).sum(axis=1), series)
    counts = np.bincount(origins.members, told.sum(axis=1), series)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)[plan.members.numbers]


def _validation(plan: Plan, predictor: Predictor) -> tuple[Origins, np.ndarray]:
    """Origins from which the validation parts are forecast, and the truth in them, (origins, horizon), else NaN."""
    read, splits = plan.config.context_steps, plan.members.splits
    origins = _spaced(
        plan, [((s.training_end if s.validation else read) - 1, s.validation_end - 2) for s in splits], predictor
    )
    return origins, origins.actual(plan.config.window.horizon, _of_panel(plan, [s.validation_end for s in splits]))


def _of_panel(plan: Plan, ends: Sequence[int]) -> np.ndarray:
    """A number of steps for each member -> one for each series of the panel, 0 where it is no member."""
    found = np.zeros(len(plan.members.panel), int)
    found[plan.members.numbers] = ends
    return found


def test_scores(plan: Plan, predictor: Predictor, residuals: np.ndarray) -> dict[str, Any]:
    """The test parts' errors of the network and of the baselines, and the coverage of its intervals.

    Filled cells do not count.
    """
    config, horizon = plan.config, plan.config.window.horizon
    facts = {"part": "test", "horizon": horizon, "season": plan.season, "series": len(plan.members)}
    splits = plan.members.splits
    if not all(split.test for split in splits):
        return {**facts, "origins": 0, "scores": {}}
    origins = _spaced(plan, [(split.validation_end - 1, split.steps - 1 - horizon) for split in splits], predictor)
    actual = origins.actual(horizon)
    if np.isnan(actual).all():
        return {**facts, "origins": 0, "scores": {}}
    outlook, levels = outlook_at(predictor, origins, horizon), config.forecast.levels
    told = drop_duplicates(to_forecasts(predictor, outlook, residuals))
    scale = scale_of(origins, _of_panel(plan, [split.validation_end for split in splits]), plan.season)
    judged = {
        name: ScoredForecasts(actual, each.mean, each.quantiles, series=origins.members, scale=scale)
        for name, each in {**told, **_baselines(plan, origins, horizon)}.items()
    }
    found = {name: drop_undefined(compute_scores(each)) for name, each in judged.items()}
    times = [series.timestamps[step] for series, step in zip(origins.series, origins.steps, strict=True)]
    return {
        **facts,
        "origins": len(times),
        "networks": max(1, len(predictor.members)),
        "first_origin": str(min(times)),
        "last_origin": str(max(times)),
        "rollout": config.rollout,
        "scores": found,
        "unscaled": count_unscaled(judged[MODEL]),
        "intervals": "conformal" if config.conformal else "head",
        "coverage": {f"{level:g}": found[MODEL][f"coverage_{level:g}"] for level in levels},
    }


def last_forecast(plan: Plan, predictor: Predictor, residuals: np.ndarray) -> Forecast:
    """The last `horizon` steps of the first series with their intervals, forecast from before them."""
    series = plan.panel[0]
    end = max(len(series) - plan.config.window.horizon, plan.config.context_steps)
    past = [each.series.part(0, end) for each in plan.groups[0]]
    forecast, *_ = predictor.forecasts(past, len(series) - end, residuals, plan.config.forecast.levels)
    # The rows themselves: a calendar does not know every holiday that was.
    return dataclasses.replace(forecast, timestamps=series.timestamps[end:])


def _spaced(plan: Plan, ranges: Sequence[tuple[int, int]], predictor: Predictor) -> Origins:
    """At most `_ORIGINS` origins, evenly spaced from the first to the last step of each member, but one of each.

    Fewer where each is costly, since whole windows are read again or many paths are drawn; then of members evenly
    spaced among all.
    """
    return _evenly(plan, ranges, max(1, _affordable(predictor, len(ranges)) // plan.config.channels))


def _evenly(plan: Plan, ranges: Sequence[tuple[int, int]], most: int) -> Origins:
    """At most `most` origins in groups of members, or one of each; of members evenly spaced where there are more."""
    channels = plan.config.channels
    total = len(ranges) // channels
    chosen = set(np.linspace(0, total - 1, min(most, total)).round().astype(int).tolist())
    each = max(1, most // total)
    steps = [
        np.unique(np.linspace(first, last, min(each, last - first + 1)).round().astype(int))
        if member // channels in chosen
        else np.empty(0, int)
        for member, (first, last) in enumerate(ranges)
    ]
    groups = steps[::channels]
    members = [np.tile(channels * group + np.arange(channels), len(some)) for group, some in enumerate(groups)]
    numbers = np.asarray(plan.members.numbers)[np.concatenate(members)]
    return Origins(plan.members.panel, numbers, np.concatenate([np.repeat(some, channels) for some in groups]))


def _affordable(predictor: Predictor, members: int) -> int:
    """How many origins a part is forecast from: enough for each member, as far as that takes about a minute."""
    window, rollout = predictor.config.window, predictor.rollout
    networks = max(1, len(predictor.members))
    read = networks * rollout.paths * window.horizon * (window.length if rollout.kind == "slide" else 1)
    return min(max(_FEWEST, _READ // read), max(_ORIGINS, members))


def _baselines(plan: Plan, origins: Origins, horizon: int) -> dict[str, BaselineForecast]:
    """Those that every member has enough history for, at the levels of the config."""
    seasonal = plan.season > 1 and origins.steps.min() >= plan.season
    names, levels = ["naive", "seasonal_naive"] if seasonal else ["naive"], plan.config.forecast.levels
    return {name: baseline_at(name, origins, horizon, [plan.season], levels) for name in names}
