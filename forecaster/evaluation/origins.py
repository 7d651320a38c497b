"""Forecasts from origins in the past, each from what was known there, of a served network and of baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from forecaster.data import Panel, Series
from forecaster.data.panel import carried_on
from forecaster.evaluation.baselines import BaselineForecast, forecast_baseline_at
from forecaster.evaluation.metrics import Scale, compute_seasonal_scale
from forecaster.forecasting.fallback import BlendedDistribution
from forecaster.forecasting.predictive_distribution import PredictiveDistribution
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.windows import take_last_steps

MODEL, ALONE = "model", "network_alone"  # what a run forecasts; the same without the baseline that it leans on
_TOGETHER = 1000  # origins that a network forecasts from at once


@dataclass(frozen=True)
class Origins:
    """Places to forecast from; those of series that are read together follow each other.

    Attributes:
        panel: the series, longer than what is known at their origins.
        members: the number of each origin's series in the panel, (origins,).
        steps: the last step that is known at each, (origins,).
    """

    panel: Panel
    members: np.ndarray
    steps: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)

    def part(self, chosen: slice) -> "Origins":
        """Some of them."""
        return Origins(self.panel, self.members[chosen], self.steps[chosen])

    def led_in(self, steps: int, season: int) -> "Origins":
        """The same in a panel with so many steps before the first of each series (`Panel.led_in`)."""
        return Origins(self.panel.led_in(steps, season), self.members, self.steps + steps) if steps else self

    @cached_property
    def _read(self) -> tuple[list[Series], np.ndarray]:
        """The series as they were known at origins, each once, and which of them each origin reads, (origins,).

        One is not known as it is where an origin lies in a gap that was filled from behind it.
        """
        whole = {member: self.panel[member] for member in np.unique(self.members).tolist()}
        found: dict[tuple[int, int | None], int] = {}
        read: list[Series] = []
        numbers = np.empty(len(self), int)
        for row, (member, step) in enumerate(zip(self.members.tolist(), self.steps.tolist(), strict=True)):
            series = whole[member]
            known = series.observed is None or bool(series.observed[step])
            key = member, None if known else step
            if key not in found:
                found[key] = len(read)
                read.append(series if known else _as_known(series, step))
            numbers[row] = found[key]
        return read, numbers

    @cached_property
    def series(self) -> list[Series]:
        """That of each origin, as it was known there."""
        read, numbers = self._read
        return [read[number] for number in numbers.tolist()]

    def windows(self, length: int) -> np.ndarray:
        """The last steps that are known at each, (origins, length); NaN before the series begins."""
        pairs = zip(self.series, self.steps.tolist(), strict=True)
        return np.stack([take_last_steps(series.values, step + 1, length) for series, step in pairs])

    def actual(self, horizon: int, ends: np.ndarray | None = None) -> np.ndarray:
        """What came after each, (origins, horizon); NaN where it was filled or is behind the end of the series.

        Args:
            horizon: steps.
            ends: where what counts of each series of the panel ends, (series,); all of it counts where None.
        """
        found = np.full((len(self), horizon), np.nan)
        for row, (series, member, step) in enumerate(
            zip(self.series, self.members.tolist(), self.steps.tolist(), strict=True)
        ):
            last = step + 1 + horizon if ends is None else min(step + 1 + horizon, int(ends[member]))
            came = series.values[step + 1 : last]
            told = np.ones(len(came), bool) if series.observed is None else series.observed[step + 1 : last]
            found[row, : len(came)] = np.where(told, came, np.nan)
        return found

    def features(self, predictor: Predictor, horizon: int) -> np.ndarray:
        """Of each window of a network and of the steps after it, (origins, length + horizon, features).

        Behind a series they are as at its end. What is known of the past alone is not read behind a window's end.
        """
        length, width = predictor.config.window.length, sum(predictor.preprocessing.feature_widths)
        found = np.empty((len(self), length + horizon, width), np.float32)
        if not width:
            return found
        order = np.argsort(self.members, kind="stable")
        for mine in np.split(order, np.flatnonzero(np.diff(self.members[order])) + 1):
            series = self.panel[int(self.members[mine[0]])]
            places = self.steps[mine][:, None] + np.arange(1 - length, horizon + 1)
            found[mine] = predictor.features(series, 0, len(series))[np.minimum(places, len(series) - 1)]
        return found


def _as_known(series: Series, step: int) -> Series:
    """The series, the gap that it ends in at a step filled with the last observed value before it."""
    assert series.observed is not None
    known = carried_on(series.values[: step + 1], series.observed[: step + 1])
    return replace(series, values=np.concatenate([known, series.values[step + 1 :]]))


def outlook_at(predictor: Predictor, origins: Origins, horizon: int) -> PredictiveDistribution:
    """What a network says of the steps after each origin; its series were trained on, and begin with what it fills."""
    windows = origins.windows(predictor.config.lookback_steps)
    return predictor.outlook(origins.series, windows, horizon, origins.features(predictor, horizon))


def network_at(
    predictor: Predictor, residuals: np.ndarray, origins: Origins, horizon: int
) -> dict[str, BaselineForecast]:
    """What a network says of the steps after each origin, with its intervals, and alone; its series were trained on.

    Args:
        residuals: of its validation, for its intervals.
    """
    config = predictor.config
    origins = origins.led_in(config.padding_steps, config.data.main_season)
    together = _TOGETHER * config.channels
    parts = [
        _network_at(predictor, residuals, origins.part(slice(first, first + together)), horizon)
        for first in range(0, len(origins), together)
    ]
    return {name: joined([part[name] for part in parts]) for name in parts[0]}


def _network_at(
    predictor: Predictor, residuals: np.ndarray, origins: Origins, horizon: int
) -> dict[str, BaselineForecast]:
    return to_forecasts(predictor, outlook_at(predictor, origins, horizon), residuals)


def to_forecasts(
    predictor: Predictor, outlook: PredictiveDistribution, residuals: np.ndarray
) -> dict[str, BaselineForecast]:
    """An outlook with its intervals, and without the baseline that it may lean on."""
    alone = outlook.network.mean if isinstance(outlook, BlendedDistribution) else outlook.mean
    quantiles = predictor.quantiles(outlook, residuals, predictor.config.forecast.levels)
    return {MODEL: BaselineForecast(outlook.mean, quantiles), ALONE: BaselineForecast(alone, {})}


def drop_duplicates(told: Mapping[str, BaselineForecast]) -> dict[str, BaselineForecast]:
    """The same, but for the network alone where that is all there is."""
    same = np.array_equal(told[MODEL].mean, told[ALONE].mean)
    return {name: each for name, each in told.items() if not (same and name == ALONE)}


def baseline_at(
    name: str, origins: Origins, horizon: int, seasons: Sequence[int], levels: Sequence[float]
) -> BaselineForecast:
    """What a baseline says of them, which reads all that is known there; arguments as for `baselines_at`."""
    read, numbers = origins._read
    return forecast_baseline_at(name, read, numbers, origins.steps, horizon, seasons, levels)


def joined(parts: Sequence[BaselineForecast]) -> BaselineForecast:
    """The forecasts of several origins after each other."""
    quantiles = {p: np.concatenate([part.quantiles[p] for part in parts]) for p in parts[0].quantiles}
    return BaselineForecast(np.concatenate([part.mean for part in parts]), quantiles)


def scale_of(origins: Origins, known: Sequence[int] | np.ndarray, season: int) -> Scale:
    """What scaled errors of each origin are told in: how far the seasonal naive is off within the known steps.

    Args:
        known: how many steps of each series of the panel count as its training part, (series,).
        season: in steps.
    """
    members, places = np.unique(origins.members, return_inverse=True)
    found = np.array(
        [compute_seasonal_scale(_known_values(origins.panel[m], known[m]), season) for m in members.tolist()]
    )
    return Scale(found[places, 0], found[places, 1])


def _known_values(series: Series, steps: int) -> np.ndarray:
    """The first steps of a series, NaN where they were filled."""
    told = True if series.observed is None else series.observed[:steps]
    return np.where(told, series.values[:steps], np.nan)
