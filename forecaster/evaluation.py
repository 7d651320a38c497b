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

_ORIGINS = 1000  # that a part is forecast from, or one for each series where there are more
_FEWEST = 20
_READ = 30_000_000  # steps that networks read for them, at most: a minute or so on two cores


@dataclass(frozen=True)
class _Origins:
    """Places in the series of a plan to forecast from: the member and the step of each, (origins,).

    Those of members that are read together follow each other.

    Attributes:
        bounds: where those of each group of members begin, and where the last ends.
        channels: members in a group.
    """

    members: np.ndarray
    steps: np.ndarray
    bounds: np.ndarray
    channels: int

    def of(self, member: int) -> slice:
        """The places of a member's origins among all."""
        group, channel = divmod(member, self.channels)
        return slice(self.bounds[group] + channel, self.bounds[group + 1], self.channels)


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
    past = [each.series.part(0, end) for each in plan.groups[0]]
    forecast, *_ = predictor.forecasts(past, len(series) - end, residuals, plan.config.forecast.levels)
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
    """At most `_ORIGINS` origins, evenly spaced from the first to the last step of each member, but one of each.

    Fewer where each is costly, since whole windows are read again or many paths are drawn; then of members evenly
    spaced among all.
    """
    channels = predictor.rollout.channels
    total, most = len(ranges) // channels, max(1, _affordable(predictor, len(ranges)) // channels)
    chosen = set(np.linspace(0, total - 1, min(most, total)).round().astype(int).tolist())
    each = max(1, most // total)
    steps = [
        np.unique(np.linspace(first, last, min(each, last - first + 1)).round().astype(int))
        if member // channels in chosen
        else np.empty(0, int)
        for member, (first, last) in enumerate(ranges)
    ]
    groups, counts = steps[::channels], [channels * len(some) for some in steps[::channels]]
    members = [np.tile(channels * group + np.arange(channels), len(some)) for group, some in enumerate(groups)]
    repeated = np.concatenate([np.repeat(some, channels) for some in groups])
    return _Origins(np.concatenate(members), repeated, np.cumsum([0, *counts]), channels)


def _affordable(predictor: Predictor, members: int) -> int:
    """How many origins a part is forecast from: enough for each member, as far as that takes about a minute."""
    window, rollout = predictor.config.window, predictor.rollout
    read = rollout.paths * window.horizon * (window.length if rollout.kind == "slide" else 1)
    return min(max(_FEWEST, _READ // read), max(_ORIGINS, members))


def _windows(plan: Plan, origins: _Origins, offset: int, length: int) -> np.ndarray:
    """(origins, length): the steps from `offset` after each origin; what lies behind its series is as its last."""
    return _gathered([series.values for series in plan.panel], origins, offset, length)


def _gathered(arrays: Sequence[np.ndarray], origins: _Origins, offset: int, length: int) -> np.ndarray:
    """The same of an array (steps,) for each member."""
    found = np.empty((len(origins.steps), length))
    for member, values in enumerate(arrays):
        mine = origins.of(member)
        padded = np.pad(values, (0, length), mode="edge")
        found[mine] = gather_windows(padded, origins.steps[mine] + offset, length)
    return found


def _observed(plan: Plan, origins: _Origins, horizon: int) -> np.ndarray:
    """The truth after each origin, (origins, horizon), NaN where it was filled."""
    told = [np.ones(len(s)) if s.observed is None else s.observed.astype(float) for s in plan.panel]
    observed = _gathered(told, origins, 1, horizon)
    return np.where(observed > 0, _windows(plan, origins, 1, horizon), np.nan)


def _baselines(plan: Plan, origins: _Origins, horizon: int) -> dict[str, np.ndarray]:
    """Those that every member has enough history for, each (origins, horizon)."""
    places = [origins.of(member) for member in range(len(plan.panel))]
    found = [
        baseline_forecasts(series.values, origins.steps[mine], horizon, plan.season)
        for mine, series in zip(places, plan.panel, strict=True)
    ]
    forecasts = {}
    for name in (name for name in found[0] if all(name in some for some in found)):
        forecasts[name] = np.empty((len(origins.steps), horizon))
        for mine, some in zip(places, found, strict=True):
            forecasts[name][mine] = some[name]
    return forecasts


def _outlook(plan: Plan, predictor: Predictor, origins: _Origins, horizon: int) -> Outlook:
    """What the network says of the `horizon` steps after each origin."""
    read = plan.config.read
    panel = [plan.panel[member] for member in origins.members]
    windows = _windows(plan, origins, 1 - read, read)
    return predictor.outlook(panel, windows, horizon, _features(plan, predictor, origins, horizon))


def _features(plan: Plan, predictor: Predictor, origins: _Origins, horizon: int) -> np.ndarray:
    """Of each window and the horizon after it, (origins, length + horizon, features); as `_windows` behind the end."""
    length, (past, known) = plan.config.window.length, plan.preprocessing.widths
    found = np.empty((len(origins.steps), length + horizon, past + known), np.float32)
    for member, series in enumerate(plan.panel):
        mine = origins.of(member)
        told = predictor.features(series, 0, len(series))
        places = np.minimum(origins.steps[mine][:, None] + np.arange(1 - length, horizon + 1), len(series) - 1)
        found[mine] = told[places]
    return found
