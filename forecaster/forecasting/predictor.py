"""Forecasts of many series with the networks of one version."""

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from forecaster.config.ensemble import list_members
from forecaster.config.schema import Config
from forecaster.data.series import Series
from forecaster.errors import DataError, Diverged
from forecaster.forecast import ForecastBlock
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.distributions import Distribution, select_distribution
from forecaster.forecasting.fallback import (
    LAST_VALUE,
    NETWORK,
    ZERO_SHOT,
    forecast_without_network,
    name_source,
    repeat_last_season,
)
from forecaster.forecasting.onnx_network import ServedNetwork
from forecaster.forecasting.predictive_distribution import (
    BlendedDistribution,
    EnsembleDistribution,
    LastValueDistribution,
    NetworkDistribution,
    PredictiveDistribution,
    WidenedDistribution,
)
from forecaster.forecasting.rollout import Rollout
from forecaster.forecasting.series_block import SeriesBlock
from forecaster.inputs import Inputs
from forecaster.preprocessing.saved_preprocessing import Preprocessing, fit_scalers, fit_series_scaler
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.transforms import undo_difference
from forecaster.preprocessing.zero_shot_feature import compute_zero_shot
from forecaster.pretrained.features import count_history_steps
from forecaster.problems import Problem, condense_problems

log = logging.getLogger("forecaster")

_FITTED_AT_ONCE = 1_000_000  # values of series without a scaler, which are in memory together


@dataclass(frozen=True)
class Predictor:
    """A trained network, or an ensemble, with what turns series into its inputs and its outputs into forecasts.

    Attributes:
        rollout: of the network; of an ensemble, that of the first.
        members: one predictor for each network of an ensemble.
        combine: how an ensemble's predictions are combined: `median` or `mean`.
        calibration: measured on the validation part; empty until then.
    """

    rollout: Rollout
    config: Config
    preprocessing: Preprocessing
    members: tuple["Predictor", ...] = ()
    combine: str = "median"
    calibration: Calibration = dataclasses.field(default_factory=Calibration)

    @classmethod
    def from_network(cls, network: ServedNetwork, config: Config, preprocessing: Preprocessing) -> "Predictor":
        """Build the predictor of one network."""
        unit = next(iter(preprocessing.scalers.values())).unit
        distribution = select_distribution(config.model, float(unit))
        paths, seed = config.forecast.samples, config.training.seed
        return cls(Rollout(network, config.rollout, distribution, paths, seed, config.channels), config, preprocessing)

    @classmethod
    def from_networks(
        cls, networks: Sequence[ServedNetwork], config: Config, preprocessing: Preprocessing
    ) -> "Predictor":
        """Build the predictor of a config's networks: one, or those of its ensemble in their order."""
        if config.ensemble is None or config.ensemble.size == 1:
            return cls.from_network(networks[0], config, preprocessing)
        each = zip(networks, list_members(config), strict=True)
        members = tuple(cls.from_network(network, member, preprocessing) for network, member in each)
        return cls(members[0].rollout, config, preprocessing, members, config.ensemble.combine)

    def predict(
        self,
        panel: Sequence[Series],
        windows: np.ndarray,
        horizon: int,
        features: np.ndarray | None = None,
        history: np.ndarray | None = None,
        zero_shot: np.ndarray | None = None,
    ) -> PredictiveDistribution:
        """Predict what follows some windows, all in one batch.

        Args:
            panel: the series of each window; those that are read together follow each other.
            windows: (batch, steps), in the series' own unit: the window, before it the steps that its differences
                need, and before those as much of a season as is known.
            horizon: steps.
            features: of the steps of each window and its horizon, (batch, length + horizon, features); None where
                the network reads none.
            history: (batch, steps), what the zero-shot network reads (`count_history_steps`); NaN where a series has
                no values. The windows where None.
            zero_shot: the forecasts of the zero-shot network, (batch, horizon), where they are known already.

        Raises:
            DataError: a series was not trained on, and the network has an embedding of the series.
            Diverged: a forecast became infinite or NaN.
        """
        networks = self.predict_with_networks(panel, windows, horizon, features)
        history = windows if history is None else history
        weights = self.get_weights(panel)  # (batch, forecasters)
        others = {
            name: self.forecast_without_network(name, windows, history, horizon, weights[:, place] > 0)
            for place, name in enumerate(self.forecasters)
            if name != NETWORK and (name != ZERO_SHOT or (zero_shot is None and not self.calibration.by_distance))
        }
        if zero_shot is not None:
            others[ZERO_SHOT] = np.clip(zero_shot, *self._bounds)
        elif self.calibration.by_distance:
            others[ZERO_SHOT] = self.forecast_without_network(ZERO_SHOT, windows, history, horizon)
        return self.blend(networks, panel, windows, others)

    @property
    def forecasters(self) -> tuple[str, ...]:
        """The forecasters with a weight: the network, and those of the fallback."""
        fallback = self.calibration.fallback
        return (NETWORK,) if fallback is None else fallback.forecasters

    def count_history_steps(self, horizon: int) -> int:
        """Count the steps that the zero-shot network reads for a horizon; 1 where its forecast is not used."""
        is_used = ZERO_SHOT in self.forecasters or self.calibration.by_distance
        return count_history_steps(self.config.data.seasons) if is_used else 1

    def forecast_without_network(
        self, name: str, windows: np.ndarray, history: np.ndarray, horizon: int, needed: np.ndarray | None = None
    ) -> np.ndarray:
        """Forecast with the zero-shot network or a baseline, within the bounds of the data.

        Args:
            name, horizon: as for the function of this name.
            windows, history: as in `predict`.
            needed: the rows to forecast, (batch,); the others are 0. All where None.

        Returns:
            (batch, horizon), in the series' own unit.
        """
        data, found = self.config.data, np.zeros((len(windows), horizon))
        rows = np.ones(len(windows), bool) if needed is None else needed
        if rows.any():
            forecast = forecast_without_network(name, windows[rows], history[rows], horizon, data.seasons)
            found[rows] = np.clip(forecast, *self._bounds)
        return found

    def blend(
        self,
        networks: PredictiveDistribution,
        panel: Sequence[Series],
        windows: np.ndarray,
        others: Mapping[str, np.ndarray],
    ) -> PredictiveDistribution:
        """Average the networks' prediction with the other forecasters', by the weights of the series.

        The last value replaces all of them in series whose training part was constant, and whose window is not.

        Args:
            networks: their prediction.
            panel, windows: as in `predict`.
            others: the forecasts of the other forecasters by name, (batch, horizon) each, in the series' own unit.
        """
        weights, prediction = self.get_weights(panel), networks
        if (weights[:, 0] < 1).any():
            used = [others[name] for name in self.forecasters[1:]]
            prediction = BlendedDistribution(networks, np.stack(used), weights.T[..., None])
        if self.calibration.by_distance:
            distance = self.measure_distance(prediction.transform, windows, others[ZERO_SHOT])
            prediction = WidenedDistribution(prediction, np.hypot(prediction.spread, distance))
        changed = self.find_changed_steps(panel, windows)
        if not changed.any():
            return prediction
        deviations = [measure_deviation(*row) for row in zip(windows, changed, strict=True)]
        replaced = np.asarray(changed.any(axis=1))[:, None]  # (batch, 1)
        return LastValueDistribution(prediction, replaced, windows[:, -1:], np.array(deviations)[:, None])

    def measure_distance(
        self, transform: Callable[[np.ndarray], np.ndarray], windows: np.ndarray, zero_shot: np.ndarray
    ) -> np.ndarray:
        """Measure how far zero-shot forecasts are from the last season, in transformed units, (batch, horizon).

        Args:
            transform: of values in the series' own unit.
            windows: as in `predict`.
            zero_shot: the forecasts, (batch, horizon); the distance is NaN where they are, and 0 where one of both has
                no transform.
        """
        last = repeat_last_season(windows, zero_shot.shape[1], self.config.data.main_season)
        with np.errstate(all="ignore"):  # a logarithm of 0
            distance = np.abs(transform(zero_shot) - transform(last))
        return np.where(np.isnan(zero_shot), np.nan, np.where(np.isfinite(distance), distance, 0.0))

    def find_changed_steps(self, panel: Sequence[Series], windows: np.ndarray) -> np.ndarray:
        """Find the steps of windows (batch, steps) that differ from a constant training part, (batch, steps)."""
        scaler = self.stack_scalers(panel)
        with np.errstate(all="ignore"):
            values = scaler.curve.apply(windows)
        return np.asarray(scaler.is_constant & ~np.isnan(windows) & (values != scaler.offset))

    def get_weights(self, panel: Sequence[Series]) -> np.ndarray:
        """Get the weight of each forecaster for each series, (series, forecasters); the network is the first."""
        fallback = self.calibration.fallback
        if fallback is None:
            return np.ones((len(panel), 1))
        scalers = self.preprocessing.scalers
        return np.array([fallback.get_weights(name, name in scalers) for name in SeriesBlock(panel).list_names()])

    def predict_with_networks(
        self, panel: Sequence[Series], windows: np.ndarray, horizon: int, features: np.ndarray | None = None
    ) -> PredictiveDistribution:
        """Predict as `predict`, without the fallback."""
        windows = windows[:, -self.config.context_steps :]
        change = self.measure_spread(panel, windows)
        if not self.members:
            return self._predict_with_network(panel, windows, horizon, features, change)
        predictions = []
        for member in self.members:  # windows differ in length; each network reads the end of the longest
            skipped = self.config.context_steps - member.config.context_steps
            read = None if features is None else features[:, skipped:]
            predictions.append(member._predict_with_network(panel, windows[:, skipped:], horizon, read, change))
        return EnsembleDistribution(predictions, self.combine)

    def measure_spread(self, panel: Sequence[Series], windows: np.ndarray) -> np.ndarray | float:
        """Measure what errors of a forecast without a spread are divided by, in scaled units, (batch, 1); 1 for all.

        It is the change of each window, but at least the smallest change of the calibration.
        """
        smallest = self.calibration.smallest_change
        return 1.0 if smallest is None else np.maximum(self.measure_changes(panel, windows), smallest)

    def measure_changes(self, panel: Sequence[Series], windows: np.ndarray) -> np.ndarray:
        """Measure the mean absolute change from season to season in each window, in scaled units.

        It is the seasonal naive's mean absolute error within the window; from step to step where there is no season,
        or the window is shorter than one.

        Args:
            panel: the series of each window.
            windows: (batch, length), in the series' own unit.

        Returns:
            (batch, 1).
        """
        scaler, season = self.stack_scalers(panel), self.config.data.main_season
        values, lag = scaler.curve.apply(windows) / scaler.unit, season if season < windows.shape[1] else 1
        return np.abs(values[:, lag:] - values[:, :-lag]).mean(axis=1, keepdims=True)

    def _predict_with_network(
        self,
        panel: Sequence[Series],
        windows: np.ndarray,
        horizon: int,
        features: np.ndarray | None,
        change: np.ndarray | float,
    ) -> NetworkDistribution:
        scaler = self.stack_scalers(panel)
        with np.errstate(all="ignore"):  # infinite values are reported below
            scaled = scaler.transform(windows)[:, sum(scaler.lags) :]  # (batch, length)
            distribution = self.rollout(self.build_inputs(panel, scaled, features), horizon)
            prediction = self._undo_preprocessing(*_undo_differences(distribution, scaler, windows), change)
            # A bound or a transform can hide that the network's own output is infinite, or make it infinite.
            finite = (np.isfinite(distribution.mean) & np.isfinite(prediction.mean)).all(axis=0)  # (horizon,)
        if not finite.all():
            step = int(np.flatnonzero(~finite)[0]) + 1
            raise Diverged(Problem("infinite-forecast", detail={"step": step}))
        return prediction

    def build_inputs(self, panel: Sequence[Series], scaled: np.ndarray, features: np.ndarray | None = None) -> Inputs:
        """Build what the network reads of scaled windows (batch, length); the rest as in `predict`."""
        window, codes = scaled.astype(np.float32), self.preprocessing.encode_categories(panel)
        past, known = self.preprocessing.feature_widths
        if features is None or not self.feature_width:
            return Inputs(window, categories=codes)
        length = scaled.shape[1]
        read = features[:, :length, : past + known] if past + known else None
        future = features[:, length:, past : self.feature_width] if self.feature_width > past else None
        return Inputs(window, read, future, codes)

    @property
    def feature_width(self) -> int:
        """Features that the network reads of each step of a window and its horizon, the zero-shot forecast included."""
        return sum(self.preprocessing.feature_widths) + (self.config.channels if self.config.model.pretrained else 0)

    def add_zero_shot(
        self, features: np.ndarray, panel: Sequence[Series], ends: Sequence[int], horizon: int
    ) -> np.ndarray:
        """Add the zero-shot forecasts to features (batch, length + horizon, features), if the network begins at them.

        They are those of all series that are read together, in each of their rows; 0 within the window.

        Args:
            features: of the steps of each window and its horizon.
            panel: the series of each window.
            ends: the steps of each that are known, (batch,).
            horizon: steps.
        """
        if not self.config.model.pretrained:
            return features
        scaler = self.stack_scalers(panel)
        # the forecast of the first steps may depend on the horizon: training asks for the whole one
        steps = max(horizon, self.config.window.horizon)
        return self.append_zero_shot(
            features, compute_zero_shot(panel, ends, scaler, self.config.data.seasons, steps)[:, :horizon]
        )

    def append_zero_shot(self, features: np.ndarray, forecasts: np.ndarray) -> np.ndarray:
        """Append zero-shot forecasts (batch, horizon), in scaled units, to features, as `add_zero_shot` does."""
        channels, horizon = self.config.channels, forecasts.shape[1]
        groups = np.swapaxes(forecasts.reshape(-1, channels, horizon), 1, 2)  # (groups, horizon, channels)
        added = np.zeros((*features.shape[:2], channels), np.float32)
        added[:, -horizon:] = np.repeat(groups, channels, axis=0)
        return np.concatenate([features, added], axis=-1)

    def build_features(self, series: Series, first: int, last: int) -> np.ndarray:
        """Build the features of steps of a series, which may lie after its end: (steps, features), or (steps, 0).

        Raises:
            DataError: cells are missing, and nothing may replace them.
        """
        if self.preprocessing.features is None:
            return np.empty((last - first, 0), np.float32)
        return self.preprocessing.features.build(series, self.get_scaler(series), first, last)

    def _undo_preprocessing(
        self, distribution: Distribution, scaler: Scaler, change: np.ndarray | float
    ) -> NetworkDistribution:
        counts = self.config.model.head == "negative_binomial"
        return NetworkDistribution(distribution, scaler, counts, *self._bounds, change)

    @property
    def _bounds(self) -> tuple[float, float]:
        low, high = self.config.data.minimum, self.config.data.maximum
        return -math.inf if low is None else low, math.inf if high is None else high

    def stack_scalers(self, panel: Sequence[Series]) -> Scaler:
        """Stack the scalers of the training parts of series; those of unknown series are fitted on all of them."""
        if isinstance(panel, SeriesBlock):
            if panel not in self._stacked:
                self._stacked.clear()
                self._stacked[panel] = self._stack_scalers(panel)
            return self._stacked[panel]
        return self._stack_scalers(SeriesBlock(panel))

    @cached_property
    def _stacked(self) -> dict[SeriesBlock, Scaler]:
        """The scalers of the block that was asked for last."""
        return {}

    def _stack_scalers(self, block: SeriesBlock) -> Scaler:
        stack, are_known = self.preprocessing.stack_scalers(block.list_names())
        if are_known.all():
            return stack
        parts, order, padding = [stack.select_rows(are_known)], [np.flatnonzero(are_known)], self.config.padding_steps
        lengths = np.where(are_known, -1, block.measure_lengths() - padding)
        for length in np.unique(lengths[~are_known]).tolist():
            order.append(np.flatnonzero(lengths == length))
            for some in block.select(order[-1]).split(max(1, _FITTED_AT_ONCE // length)):
                parts.append(fit_scalers(self.config, some.take_last_steps(length)))
        return Scaler.concatenate(parts).select_rows(np.argsort(np.concatenate(order)))

    def get_scaler(self, series: Series) -> Scaler:
        """Get the scaler of a series' training part; of an unknown series, fit one on all of it."""
        known = self.preprocessing.scalers.get(series.name)
        return fit_series_scaler(self.config, series.values[self.config.padding_steps :]) if known is None else known

    def compute_quantiles(self, prediction: PredictiveDistribution, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Compute the quantiles of each level as `forecast.intervals` asks, by probability, each (batch, horizon).

        The head's distribution is that of the network, which knows nothing of the errors of other forecasts: `auto`
        takes errors in validation where these are averaged in.
        """
        if self.config.conformal:
            quantiles = prediction.compute_conformal_quantiles(self.calibration, levels)
        else:
            quantiles = prediction.compute_quantiles(levels)
        of_network, fallback = prediction.is_of_network, self.calibration.fallback
        by_errors = fallback is not None and fallback.intervals_by_errors and self.calibration.count
        if self.config.forecast.intervals == "auto" and by_errors and not of_network.all():
            others = prediction.compute_conformal_quantiles(self.calibration, levels)
            quantiles = {p: np.where(of_network, values, others[p]) for p, values in quantiles.items()}
        return {probability: self._clip_to_domain(values) for probability, values in quantiles.items()}

    def _clip_to_domain(self, values: np.ndarray) -> np.ndarray:
        """Clip bounds that errors in validation or the fallback moved out of the domain of the head or the data."""
        values = np.clip(values, *self._bounds)
        match self.config.model.head:
            case "negative_binomial":
                return np.rint(np.maximum(values, 0.0))
            case "log_normal":
                return np.maximum(values, 0.0)
            case _:
                return values

    def forecast(
        self, panel: Sequence[Series], steps: int, levels: Sequence[float], with_samples: bool = False
    ) -> ForecastBlock:
        """Forecast the steps after the end of each series, each of which is at least as long as a window.

        Raises:
            DataError: cells of covariates are missing; lists all series.
        """
        inputs = self.prepare(panel, steps)
        if inputs.problems:
            raise DataError(inputs.problems)
        return self.forecast_prepared(inputs, steps, levels, with_samples)

    def forecast_prepared(
        self, inputs: "PredictionInputs", steps: int, levels: Sequence[float], with_samples: bool = False
    ) -> ForecastBlock:
        """Forecast the steps after the end of series whose features are prepared."""
        panel = inputs.panel
        windows = panel.take_last_steps(self.config.lookback_steps)
        history = panel.take_last_steps(self.count_history_steps(steps), self.config.padding_steps)
        prediction = self.predict(panel, windows, steps, inputs.features, history)
        quantiles = self.compute_quantiles(prediction, levels)
        paths = None
        if with_samples:
            generator = np.random.default_rng(self.config.training.seed)
            paths = prediction.draw_paths(self.config.forecast.samples, self.calibration, generator)
        if not all(np.isfinite(values).all() for values in [*quantiles.values(), *([] if paths is None else [paths])]):
            raise Diverged(Problem("infinite-intervals"))
        replaced = np.any(self.find_changed_steps(panel, windows), axis=1)
        sources = np.where(replaced, LAST_VALUE, self._name_sources(panel)).tolist()
        times = panel.list_times_ahead(steps)
        return ForecastBlock(panel.list_names(), times, prediction.mean, quantiles, sources, paths)

    def _name_sources(self, panel: Sequence[Series]) -> list[str]:
        """Name what the forecast of each series is made of."""
        each = product((False, True), repeat=len(self.forecasters))
        names = {used: name_source(self.forecasters, used) for used in each}
        return [names[tuple(used)] for used in (self.get_weights(panel) > 0).tolist()]

    def prepare(self, panel: Sequence[Series], steps: int) -> "PredictionInputs":
        """Build the features of the last window of each series and of the steps after it.

        Series that lack cells, or that the network has no embedding of, are reported as problems.
        """
        block, rows, channels = SeriesBlock(panel), self.config.window.length + steps, self.config.channels
        places, problems = list(range(len(block))), list[Problem]()
        if self.preprocessing.features is None and self.preprocessing.vocabulary is None:
            features: np.ndarray = np.empty((len(block), rows, 0), np.float32)
        else:
            built, places = [], []
            for first in range(0, len(block), channels):
                group = block[first : first + channels]
                try:
                    self.preprocessing.encode_categories(group)  # raises for a series without an embedding
                    end = len(group[0])
                    built += channels * [self.build_features(group[0], end - self.config.window.length, end + steps)]
                    places += range(first, first + channels)
                except DataError as error:
                    problems += error.problems
            self._report_unseen(block)
            features = np.stack(built) if built else np.empty(0)
        kept = block.select(places)
        if places:
            features = self.add_zero_shot(features, kept, kept.measure_lengths().tolist(), steps)
        return PredictionInputs(kept, places, features, problems)

    def _report_unseen(self, block: SeriesBlock) -> None:
        """Log the categories of covariates that the network has not been trained on, of each group of channels."""
        if (features := self.preprocessing.features) is None:
            return
        firsts = (block[first] for first in range(0, len(block), self.config.channels))
        for notice in condense_problems([notice for series in firsts for notice in features.find_unseen(series)]):
            log.info("%s", notice)


class PredictionInputs(NamedTuple):
    """Series with the features that a prediction reads.

    Attributes:
        panel: the series that can be forecast.
        places: of these among all.
        features: of their last windows and of the steps after them, (series, length + steps, features).
        problems: why the others cannot.
    """

    panel: SeriesBlock
    places: Sequence[int]
    features: np.ndarray
    problems: list[Problem]


def measure_deviation(window: np.ndarray, changed: np.ndarray) -> float:
    """Measure the root mean square of the changes from step to step since a series left its constant.

    Args:
        window: (steps,), NaN before the series begins.
        changed: whether a step differs from the constant, (steps,). The first such step counts as a change only where
            fewer than two others do.
    """
    begin = int(changed.argmax())
    known = window[begin:] if len(window) - begin > 2 else window[~np.isnan(window)]
    return float(np.sqrt(np.mean(np.diff(known) ** 2))) if len(known) > 1 else 0.0


def _undo_differences(distribution: Distribution, scaler: Scaler, windows: np.ndarray) -> tuple[Distribution, Scaler]:
    """Turn a value or paths (batch, horizon) of scaled differences into scaled values, with the scaler of those.

    Each path is summed separately, from the last values of its window.
    """
    if not scaler.lags:
        return distribution, scaler
    differences = scaler.unscale(np.moveaxis(distribution.parameters.astype(float), -1, 0))  # (paths, batch, horizon)
    values = undo_difference(differences, scaler.curve.apply(windows), scaler.lags)
    scaled = np.moveaxis(values / scaler.unit, 0, -1)  # (batch, horizon, paths)
    return dataclasses.replace(distribution, parameters=scaled), Scaler(0.0, scaler.unit, scaler.curve)
