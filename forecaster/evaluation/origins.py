"""Forecasts of a network and of baselines from origins in the past, each from the steps known at its origin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from forecaster.data import Panel, Series
from forecaster.data.panel import carry_forward
from forecaster.evaluation.baselines import BaselineForecast, forecast_baseline_at
from forecaster.evaluation.metrics import Scale, compute_seasonal_scales
from forecaster.forecasting.predictive_distribution import PredictiveDistribution
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.prepared_series import SERIES_PER_BLOCK
from forecaster.preprocessing.windows import take_last_steps

MODEL, NETWORK_ALONE = "model", "network_alone"  # the forecasts of a run, and the same without the fallback
UNRECONCILED = "unreconciled"  # those of a hierarchy before reconciliation
OWN = frozenset((MODEL, NETWORK_ALONE, UNRECONCILED))  # forecasters that are no baselines
_BATCH = 1000  # origins that a network forecasts from at once, so that paths fit into memory


@dataclass(frozen=True)
class Origins:
    """Places to forecast from; those of series that are read together follow each other.

    Attributes:
        panel: the series, with steps after their origins.
        members: the number of each origin's series in the panel, (origins,).
        steps: the last known step at each, (origins,).
    """

    panel: Panel
    members: np.ndarray
    steps: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)

    def select(self, chosen: slice) -> "Origins":
        """Select some of them."""
        return Origins(self.panel, self.members[chosen], self.steps[chosen])

    def pad(self, steps: int, season: int) -> "Origins":
        """Place the same origins in a panel with padding steps before the first of each series."""
        return Origins(self.panel.prepend_steps(steps, season), self.members, self.steps + steps) if steps else self

    @cached_property
    def known_series(self) -> tuple[list[Series], np.ndarray]:
        """The series as known at the origins, each once, and the number of each origin's among them, (origins,).

        Where an origin lies in a gap that was filled from values after it, the gap is filled from before it instead.
        """
        whole = {member: self.panel[member] for member in np.unique(self.members).tolist()}
        places: dict[tuple[int, int | None], int] = {}
        distinct: list[Series] = []
        numbers = np.empty(len(self), int)
        for row, (member, step) in enumerate(zip(self.members.tolist(), self.steps.tolist(), strict=True)):
            series = whole[member]
            observed = series.observed is None or bool(series.observed[step])
            key = member, None if observed else step
            if key not in places:
                places[key] = len(distinct)
                distinct.append(series if observed else _refill_gap(series, step))
            numbers[row] = places[key]
        return distinct, numbers

    @cached_property
    def series(self) -> list[Series]:
        """The series of each origin, as known there."""
        distinct, numbers = self.known_series
        return [distinct[number] for number in numbers.tolist()]

    def cut_windows(self, length: int, padding: int = 0) -> np.ndarray:
        """Cut the last known steps at each, (origins, length); NaN before the series begins, after steps of padding."""
        panel, observed = self.panel, self.panel.observed
        begins = (panel.ends - panel.lengths)[self.members]
        steps = self.steps[:, None] + np.arange(1 - length, 1)  # of the series, (origins, length)
        are_before = steps < padding
        windows = panel.values[np.maximum(steps, padding, out=steps) + begins[:, None]].astype(float)
        windows[are_before] = np.nan
        if observed is not None:
            for row in np.flatnonzero(~observed[begins + self.steps]).tolist():  # its gap is filled as it was known
                values, end = self.series[row].values[padding:], int(self.steps[row]) + 1 - padding
                windows[row] = take_last_steps(values, end, length)
        return windows

    def read_actuals(self, horizon: int, ends: np.ndarray | None = None) -> np.ndarray:
        """Read the values after each, (origins, horizon); NaN where one was filled or the series has ended.

        Args:
            horizon: steps.
            ends: steps of each series of the panel after which values are not read, (series,); all are where None.
        """
        panel, lengths = self.panel, self.panel.lengths
        steps = self.steps[:, None] + np.arange(1, horizon + 1)  # of the series, (origins, horizon)
        last = (lengths if ends is None else np.minimum(lengths, ends))[self.members]
        rows, columns = np.nonzero(steps < last[:, None])
        places = (panel.ends - lengths)[self.members[rows]] + steps[rows, columns]
        actual = np.full(steps.shape, np.nan)
        observed = True if panel.observed is None else panel.observed[places]
        actual[rows, columns] = np.where(observed, panel.values[places], np.nan)
        return actual

    def build_features(self, predictor: Predictor, horizon: int) -> np.ndarray:
        """Build the features of each window and of the steps after it, (origins, length + horizon, features).

        After the end of a series the last ones repeat. Past covariates are present after a window, but are not read.
        """
        length, width = predictor.config.window.length, sum(predictor.preprocessing.feature_widths)
        features = np.empty((len(self), length + horizon, width), np.float32)
        if width:
            self._fill_features(features, predictor)
        return predictor.add_zero_shot(features, self.series, (self.steps + 1).tolist(), horizon)

    def _fill_features(self, features: np.ndarray, predictor: Predictor) -> None:
        """Fill in those that come from the data, (origins, length + horizon, features)."""
        length = predictor.config.window.length
        horizon = features.shape[1] - length
        order = np.argsort(self.members, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(self.members[order])) + 1):
            series = self.panel[int(self.members[rows[0]])]
            places = self.steps[rows][:, None] + np.arange(1 - length, horizon + 1)
            features[rows] = predictor.build_features(series, 0, len(series))[np.minimum(places, len(series) - 1)]


def _refill_gap(series: Series, step: int) -> Series:
    """Fill the gap that a step lies in with the last observed value before it, up to that step."""
    assert series.observed is not None
    known = carry_forward(series.values[: step + 1], series.observed[: step + 1])
    return replace(series, values=np.concatenate([known, series.values[step + 1 :]]))


def predict_from(
    predictor: Predictor, origins: Origins, horizon: int, zero_shot: np.ndarray | None = None
) -> PredictiveDistribution:
    """Predict the steps after each origin; the network was trained on the series, and they begin with its padding.

    `zero_shot` is as in `Predictor.predict`.
    """
    config = predictor.config
    windows = origins.cut_windows(config.lookback_steps)
    history = origins.cut_windows(predictor.count_history_steps(horizon), config.padding_steps)
    features = origins.build_features(predictor, horizon)
    return predictor.predict(origins.series, windows, horizon, features, history, zero_shot)


def forecast_with_network(
    predictor: Predictor, origins: Origins, horizon: int, zero_shot: np.ndarray | None = None
) -> dict[str, BaselineForecast]:
    """Forecast from each origin with a network: with its intervals and fallback, and the network alone.

    The network was trained on all series. `zero_shot` is as in `Predictor.predict`.
    """
    config = predictor.config
    origins = origins.pad(config.padding_steps, config.data.main_season)
    batch = _BATCH * config.channels
    batches = [slice(first, first + batch) for first in range(0, len(origins), batch)]
    known = [None if zero_shot is None else zero_shot[rows] for rows in batches]
    parts = [
        convert_to_forecasts(predictor, predict_from(predictor, origins.select(rows), horizon, some))
        for rows, some in zip(batches, known, strict=True)
    ]
    return {name: concatenate([part[name] for part in parts]) for name in parts[0]}


def convert_to_forecasts(predictor: Predictor, prediction: PredictiveDistribution) -> dict[str, BaselineForecast]:
    """Convert a prediction to forecasts: with its intervals, and of the network alone, without the fallback."""
    quantiles = predictor.compute_quantiles(prediction, predictor.config.forecast.levels)
    return {
        MODEL: BaselineForecast(prediction.mean, quantiles),
        NETWORK_ALONE: BaselineForecast(prediction.network_mean, {}),
    }


def drop_duplicates(forecasts: Mapping[str, BaselineForecast]) -> dict[str, BaselineForecast]:
    """Drop the network alone where no forecast has a fallback."""
    same = np.array_equal(forecasts[MODEL].mean, forecasts[NETWORK_ALONE].mean)
    return {name: each for name, each in forecasts.items() if not (same and name == NETWORK_ALONE)}


def forecast_with_baseline(
    name: str, origins: Origins, horizon: int, seasons: Sequence[int], levels: Sequence[float], padding: int = 0
) -> BaselineForecast:
    """Forecast from each origin with a baseline; arguments as for `forecast_baseline_at`.

    `padding` steps before each series are not its history.
    """
    series, numbers = origins.known_series
    observed = [each.cut(padding, len(each)) for each in series] if padding else series
    return forecast_baseline_at(name, observed, numbers, origins.steps - padding, horizon, seasons, levels)


def concatenate(parts: Sequence[BaselineForecast]) -> BaselineForecast:
    """Concatenate the forecasts of several groups of origins."""
    quantiles = {p: np.concatenate([part.quantiles[p] for part in parts]) for p in parts[0].quantiles}
    return BaselineForecast(np.concatenate([part.mean for part in parts]), quantiles)


def compute_scale(origins: Origins, known: Sequence[int] | np.ndarray, season: int) -> Scale:
    """Compute what scaled errors of each origin are divided by: the seasonal naive's errors within the known steps.

    Args:
        origins: to score.
        known: steps of each series of the panel that count as its training part, (series,).
        season: in steps.
    """
    panel, (members, places) = origins.panel, np.unique(origins.members, return_inverse=True)
    steps = np.minimum(np.asarray(known)[members], panel.lengths[members])
    scales = np.empty((len(members), 2))
    for count in np.unique(steps).tolist():
        alike = np.flatnonzero(steps == count)
        for rows in np.array_split(alike, range(SERIES_PER_BLOCK, len(alike), SERIES_PER_BLOCK)):
            read = (panel.ends - panel.lengths)[members[rows], None] + np.arange(count)  # (series, steps)
            observed = True if panel.observed is None else panel.observed[read]
            scales[rows] = compute_seasonal_scales(np.where(observed, panel.values[read], np.nan), season)
    return Scale(scales[places, 0], scales[places, 1])
