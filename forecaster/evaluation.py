"""A served network on the held-out parts of its series: residuals, errors beside the baselines', coverage."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster.baselines import Told, baselines_at
from forecaster.config import Config
from forecaster.data.windows import gather_windows
from forecaster.errors import DataError
from forecaster.forecast import Forecast
from forecaster.guard import Guard, GuardedOutlook, fit_guard, last_season
from forecaster.members import Member
from forecaster.metrics import Judged, Scale, defined, scores, seasonal_scale, unscaled
from forecaster.outlook import Outlook
from forecaster.prediction import Predictor
from forecaster.preparation import Plan

_ORIGINS = 1000  # that a part is forecast from, or one for each series where there are more
_FEWEST = 20
_READ = 30_000_000  # steps that networks read for them, at most: a minute or so on two cores
_READ_TO_COMPARE = 1_000_000  # the same for a yardstick, which is laid on after each epoch
PATHS_TO_COMPARE = 20  # that a mean is taken over, where a network has to draw them


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
    origins, actual = _validation(plan, predictor)
    outlook = _outlook(plan, predictor, origins, actual.shape[1])
    return outlook.residuals(actual)


def validation_guard(plan: Plan, predictor: Predictor) -> Guard | None:
    """Which series have to lean on the last season, by errors in their validation parts; None where none are held out.

    Args:
        predictor: of the network alone.
    """
    config, splits = plan.config, [member.split for member in plan.members]
    if config.forecast.fallback == "never" or not all(split.validation for split in splits):
        return None
    origins, actual = _validation(plan, predictor)
    horizon = actual.shape[1]
    windows = _windows(plan, origins, 1 - config.recalled, config.recalled)
    baseline = last_season(windows, horizon, plan.season)
    outlook = _outlook(plan, predictor, origins, horizon)
    network, others = (_errors_of(plan, origins, np.abs(actual - mean)) for mean in (outlook.mean, baseline))
    horizons = np.array([split.validation / horizon for split in splits])
    return fit_guard(plan.members.names, network, others, horizons, plan.season, config.forecast.fallback)


def _errors_of(plan: Plan, origins: _Origins, errors: np.ndarray) -> np.ndarray:
    """The mean of each member's errors (origins, horizon), (members,); NaN where it has none."""
    parts = (errors[origins.of(member)] for member in range(len(plan.members)))
    return np.array([np.nan if np.isnan(part).all() else np.nanmean(part) for part in parts])


def _validation(plan: Plan, predictor: Predictor) -> tuple[_Origins, np.ndarray]:
    """Origins from which the validation parts are forecast, and the truth in them, (origins, horizon), else NaN."""
    horizon, read = plan.config.window.horizon, plan.config.read
    splits = [member.split for member in plan.members]
    origins = _spaced(
        [((s.training_end if s.validation else read) - 1, s.validation_end - 2) for s in splits], predictor
    )
    ends = np.array([split.validation_end for split in splits])[origins.members]
    inside = origins.steps[:, None] + 1 + np.arange(horizon) < ends[:, None]
    return origins, np.where(inside, _observed(plan, origins, horizon), np.nan)


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
    if np.isnan(actual).all():
        return {**facts, "origins": 0, "scores": {}}
    outlook, levels = _outlook(plan, predictor, origins, horizon), config.forecast.levels
    told = {"model": Told(outlook.mean, predictor.quantiles(outlook, residuals, levels))}
    if isinstance(outlook, GuardedOutlook):
        told["network_alone"] = Told(outlook.network.mean, {})
    scale = _scale(plan, origins)
    judged = {
        name: Judged(actual, each.mean, each.quantiles, series=origins.members, scale=scale)
        for name, each in {**told, **_baselines(plan, origins, horizon)}.items()
    }
    found = {name: defined(scores(each)) for name, each in judged.items()}
    times = [plan.panel[member].timestamps[step] for member, step in zip(origins.members, origins.steps, strict=True)]
    return {
        **facts,
        "origins": len(times),
        "first_origin": str(min(times)),
        "last_origin": str(max(times)),
        "rollout": config.rollout,
        "scores": found,
        "unscaled": unscaled(judged["model"]),
        "intervals": "conformal" if config.conformal else "head",
        "coverage": {f"{level:g}": found["model"][f"coverage_{level:g}"] for level in levels},
    }


def last_forecast(plan: Plan, predictor: Predictor, residuals: np.ndarray) -> Forecast:
    """The last `horizon` steps of the first series with their intervals, forecast from before them."""
    series = plan.panel[0]
    end = max(len(series) - plan.config.window.horizon, plan.config.read)
    past = [each.series.part(0, end) for each in plan.groups[0]]
    forecast, *_ = predictor.forecasts(past, len(series) - end, residuals, plan.config.forecast.levels)
    # The rows themselves: a calendar does not know every holiday that was.
    return dataclasses.replace(forecast, timestamps=series.timestamps[end:])


@dataclass(frozen=True)
class Yardstick:
    """Places in the validation parts by whose forecasts networks of any window, loss, scaling and head are compared.

    Attributes:
        origins: the same for every network.
        actual: the truth after each, (origins, horizon); NaN where a step lies behind its part or was filled.
        scales: the mean absolute error of the seasonal naive in the training part of each one's series, (origins, 1);
            NaN where it is always right, so that nothing can be told in it.
        baselines: the errors of forecasts without a network.
    """

    origins: _Origins
    actual: np.ndarray
    scales: np.ndarray
    baselines: Mapping[str, float]

    def error(self, plan: Plan, predictor: Predictor) -> float:
        """The mean absolute scaled error (MASE) of a network's forecasts; `plan` has the series of the yardstick.

        Raises:
            Diverged: a forecast left the finite numbers.
        """
        return _scaled_error(self, _outlook(plan, predictor, self.origins, self.actual.shape[1]).mean)


def yardstick(plan: Plan) -> Yardstick:
    """The yardstick of a plan that has validation parts.

    Raises:
        DataError: nothing in them was observed.
    """
    config, horizon = plan.config, plan.config.window.horizon
    splits = [member.split for member in plan.members]
    first_last = [(s.training_end - 1, max(s.training_end - 1, s.validation_end - 1 - horizon)) for s in splits]
    origins = _evenly(first_last, max(1, _comparable(config) // config.channels), config.channels)
    ends = np.array([split.validation_end for split in splits])[origins.members]
    inside = origins.steps[:, None] + 1 + np.arange(horizon) < ends[:, None]
    actual = np.where(inside, _observed(plan, origins, horizon), np.nan)
    scales = np.array([_unit(plan, member) for member in range(len(splits))])
    scales = np.where(np.isnan(scales).all(), 1.0, scales)[origins.members, None]
    if np.isnan(actual / scales).all():
        raise DataError(["nothing was observed in the validation part, so that trials cannot be compared"])
    made = Yardstick(origins, actual, scales, {})
    baselines = _baselines(plan, origins, horizon)
    return dataclasses.replace(
        made, baselines={name: _scaled_error(made, told.mean) for name, told in baselines.items()}
    )


def _scaled_error(of: Yardstick, mean: np.ndarray) -> float:
    return float(np.nanmean(np.abs(of.actual - mean) / of.scales))


def _comparable(config: Config) -> int:
    """How many origins a yardstick has; fewer for a network that draws paths, on which it is laid once."""
    kind, window, model = config.rollout, config.window, config.model
    read = window.horizon * (window.length if kind == "slide" else 1)
    draws = kind != "direct" and (model.head != "point" or model.decoder == "latent")
    most = _READ_TO_COMPARE // read if not draws else 5 * _READ_TO_COMPARE // (read * PATHS_TO_COMPARE)
    return min(max(_FEWEST, most), _ORIGINS)


def _unit(plan: Plan, number: int) -> float:
    """What errors of a member are told in: of the naive where the season comes again exactly."""
    member = plan.members[number]
    end, observed = member.split.training_end, member.series.observed
    told = True if observed is None else observed[:end]
    values = np.where(told, member.series.values[:end], np.nan)
    scales = (seasonal_scale(values, season)[0] for season in (plan.season, 1))
    return next((scale for scale in scales if scale > 0), np.nan)


def _spaced(ranges: Sequence[tuple[int, int]], predictor: Predictor) -> _Origins:
    """At most `_ORIGINS` origins, evenly spaced from the first to the last step of each member, but one of each.

    Fewer where each is costly, since whole windows are read again or many paths are drawn; then of members evenly
    spaced among all.
    """
    channels = predictor.rollout.channels
    return _evenly(ranges, max(1, _affordable(predictor, len(ranges)) // channels), channels)


def _evenly(ranges: Sequence[tuple[int, int]], most: int, channels: int) -> _Origins:
    """At most `most` origins in groups of members, or one of each; of members evenly spaced where there are more."""
    total = len(ranges) // channels
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
    networks = max(1, len(predictor.members))
    read = networks * rollout.paths * window.horizon * (window.length if rollout.kind == "slide" else 1)
    return min(max(_FEWEST, _READ // read), max(_ORIGINS, members))


def _windows(plan: Plan, origins: _Origins, offset: int, length: int) -> np.ndarray:
    """(origins, length): the steps from `offset` after each origin.

    What lies behind its series is as its last; what lies before it is NaN.
    """
    return _gathered([series.values for series in plan.panel], origins, offset, length)


def _gathered(arrays: Sequence[np.ndarray], origins: _Origins, offset: int, length: int) -> np.ndarray:
    """The same of an array (steps,) for each member."""
    found = np.empty((len(origins.steps), length))
    before = max(0, -offset)
    for member, values in enumerate(arrays):
        mine = origins.of(member)
        padded = np.concatenate([np.full(before, np.nan), np.pad(values, (0, length), mode="edge")])
        found[mine] = gather_windows(padded, origins.steps[mine] + offset + before, length)
    return found


def _observed(plan: Plan, origins: _Origins, horizon: int) -> np.ndarray:
    """The truth after each origin, (origins, horizon), NaN where it was filled."""
    told = [np.ones(len(s)) if s.observed is None else s.observed.astype(float) for s in plan.panel]
    observed = _gathered(told, origins, 1, horizon)
    return np.where(observed > 0, _windows(plan, origins, 1, horizon), np.nan)


def _baselines(plan: Plan, origins: _Origins, horizon: int) -> dict[str, Told]:
    """Those that every member has enough history for, at the levels of the config."""
    seasonal = plan.season > 1 and origins.steps.min() >= plan.season
    names, levels = ["naive", "seasonal_naive"] if seasonal else ["naive"], plan.config.forecast.levels
    return {
        name: baselines_at(name, plan.panel, origins.members, origins.steps, horizon, [plan.season], levels)
        for name in names
    }


def _scale(plan: Plan, origins: _Origins) -> Scale:
    """What scaled errors are told in: of what each member observed before its test part."""
    members, places = np.unique(origins.members, return_inverse=True)
    scales = np.array([_scale_of(plan.members[member], plan.season) for member in members])  # (members, 2)
    return Scale(*scales[places].T)


def _scale_of(member: Member, season: int) -> tuple[float, float]:
    series, end = member.series, member.split.validation_end
    values = series.values if series.observed is None else np.where(series.observed, series.values, np.nan)
    return seasonal_scale(values[:end], season)


def _outlook(plan: Plan, predictor: Predictor, origins: _Origins, horizon: int) -> Outlook:
    """What the network says of the `horizon` steps after each origin."""
    recalled = plan.config.recalled
    panel = [plan.panel[member] for member in origins.members]
    windows = _windows(plan, origins, 1 - recalled, recalled)
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
