"""A served network on the held-out parts of its series: residuals, errors beside the baselines', coverage."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster.baselines import baseline_forecasts
from forecaster.conformal import coverage
from forecaster.data.windows import gather_windows
from forecaster.forecast import Forecast, level_quantiles
from forecaster.metrics import scores
from forecaster.prediction import Outlook, Predictor
from forecaster.preparation import Plan

_ORIGINS = 1000  # that a part is forecast from, at most
_FEWEST = 20
_READ = 30_000_000  # steps that networks read for them, at most: a minute or so on two cores


@dataclass(frozen=True)
class _Origins:
    """Places in the series of a plan to forecast from: the member and the step of each, (origins,)."""

    members: np.ndarray
    steps: np.ndarray


def validation_residuals(plan: Plan, predictor: Predictor) -> np.ndarray:
    """Actual less forecast over the validation parts, over the network's own spread: (origins, horizon).

    Told in transformed units, so that the intervals made of them are undone with the forecast.

    NaN where a step lies behind its part or was filled. Without a validation part the training part has to do, whose
    residuals are too small.
    """
    horizon, read = plan.config.window.horizon, plan.config.read
    splits = [member.split for member in plan.members]
    origins = _spaced(
        [((s.training_end if s.validation else read) - 1, s.validation_end - 2) for s in splits], predictor
    )
    outlook = _outlook(plan, predictor, origins, horizon)
    ends = np.array([split.validation_end for split in splits])[origins.members]
    inside = origins.steps[:, None] + 1 + np.arange(horizon) < ends[:, None]
    actual = _observed(plan, origins, horizon)
    return np.where(inside, outlook.residuals(actual), np.nan)


def test_scores(plan: Plan, predictor: Predictor, residuals: np.ndarray) -> dict[str, Any]:
    """The test parts' errors of the network and of the baselines, and the coverage of its intervals.

    Filled cells do not count.
    """
    config, horizon = plan.config, plan.config.window.horizon
    facts = {"part": "test", "horizon": horizon, "season": plan.season, "series": len(plan.members)}
    splits = [member.split for member in plan.members]
    if not all(split.test for split in splits):
        return {**facts, "origins": 0, "scores": {}}
    origins = _spaced([(split.validation_end - 1, split.steps - 1 - horizon) for split in splits], predictor)
    actual = _observed(plan, origins, horizon)
    known = ~np.isnan(actual)
    if not known.any():
        return {**facts, "origins": 0, "scores": {}}
    outlook = _outlook(plan, predictor, origins, horizon)
    forecasts = {"model": outlook.mean, **_baselines(plan, origins, horizon)}
    times = [plan.panel[member].timestamps[step] for member, step in zip(origins.members, origins.steps, strict=True)]
    return {
        **facts,
        "origins": len(times),
        "first_origin": str(min(times)),
        "last_origin": str(max(times)),
        "rollout": config.rollout,
        "scores": {name: scores(actual[known], forecast[known]) for name, forecast in forecasts.items()},
        "intervals": "conformal" if config.conformal else "head",
        "coverage": _coverages(predictor, outlook, actual, residuals),
    }


def last_forecast(plan: Plan, predictor: Predictor, residuals: np.ndarray) -> Forecast:
    """The last `horizon` steps of the first series with their intervals, forecast from before them."""
    series = plan.panel[0]
    end = max(len(series) - plan.config.window.horizon, plan.config.read)
    past = dataclasses.replace(series, values=series.values[:end], timestamps=series.timestamps[:end])
    (forecast,) = predictor.forecasts([past], len(series) - end, residuals, plan.config.forecast.levels)
    # The rows themselves: a calendar does not know every holiday that was.
    return dataclasses.replace(forecast, timestamps=series.timestamps[end:])


def _coverages(predictor: Predictor, outlook: Outlook, actual: np.ndarray, residuals: np.ndarray) -> dict[str, float]:
    levels = predictor.config.forecast.levels
    quantiles = predictor.quantiles(outlook, residuals, levels)
    bounds = {level: level_quantiles(level) for level in levels}
    known = ~np.isnan(actual)
    return {
        f"{level:g}": coverage(actual[known], quantiles[low][known], quantiles[high][known])
        for level, (low, high) in bounds.items()
    }


def _spaced(ranges: Sequence[tuple[int, int]], predictor: Predictor) -> _Origins:
    """At most `_ORIGINS` origins, evenly spaced from the first to the last step of each member.

    Fewer where each is costly, since whole windows are read again or many paths are drawn, but one of each member.
    """
    window, rollout = predictor.config.window, predictor.rollout
    read = rollout.paths * window.horizon * (window.length if rollout.kind == "slide" else 1)
    most = min(_ORIGINS, max(_FEWEST, _READ // read))
    each = max(1, most // len(ranges))
    steps = [
        np.unique(np.linspace(first, last, min(each, last - first + 1)).round().astype(int)) for first, last in ranges
    ]
    members = [np.full(len(some), member) for member, some in enumerate(steps)]
    return _Origins(np.concatenate(members), np.concatenate(steps))


def _windows(plan: Plan, origins: _Origins, offset: int, length: int) -> np.ndarray:
    """(origins, length): the steps from `offset` after each origin; what lies behind its series is as its last."""
    return _gathered([series.values for series in plan.panel], origins, offset, length)


def _gathered(arrays: Sequence[np.ndarray], origins: _Origins, offset: int, length: int) -> np.ndarray:
    """The same of an array (steps,) for each member."""
    rows = []
    for member, values in enumerate(arrays):
        steps = origins.steps[origins.members == member]
        rows.append(gather_windows(np.pad(values, (0, length), mode="edge"), steps + offset, length))
    return np.concatenate(rows)


def _observed(plan: Plan, origins: _Origins, horizon: int) -> np.ndarray:
    """The truth after each origin, (origins, horizon), NaN where it was filled."""
    told = [np.ones(len(s)) if s.observed is None else s.observed.astype(float) for s in plan.panel]
    observed = _gathered(told, origins, 1, horizon)
    return np.where(observed > 0, _windows(plan, origins, 1, horizon), np.nan)


def _baselines(plan: Plan, origins: _Origins, horizon: int) -> dict[str, np.ndarray]:
    """Those that every member has enough history for, each (origins, horizon)."""
    found = [
        baseline_forecasts(series.values, origins.steps[origins.members == member], horizon, plan.season)
        for member, series in enumerate(plan.panel)
    ]
    names = [name for name in found[0] if all(name in some for some in found)]
    return {name: np.concatenate([some[name] for some in found]) for name in names}


def _outlook(plan: Plan, predictor: Predictor, origins: _Origins, horizon: int) -> Outlook:
    """What the network says of the `horizon` steps after each origin."""
    read = plan.config.read
    panel = [plan.panel[member] for member in origins.members]
    windows = _windows(plan, origins, 1 - read, read)
    return predictor.outlook(panel, windows, horizon, _features(plan, predictor, origins, horizon))


def _features(plan: Plan, predictor: Predictor, origins: _Origins, horizon: int) -> np.ndarray:
    """Of each window and the horizon after it, (origins, length + horizon, features); as `_windows` behind the end."""
    length, rows = plan.config.window.length, []
    for member, series in enumerate(plan.panel):
        steps = origins.steps[origins.members == member]
        told = predictor.features(series, 0, len(series))
        places = np.minimum(steps[:, None] + np.arange(1 - length, horizon + 1), len(series) - 1)
        rows.append(told[places])
    return np.concatenate(rows)
