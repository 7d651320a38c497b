"""Forecasts of many series with the networks of one version."""

import dataclasses
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forecaster.config.ensemble import members_of
from forecaster.config.schema import Config
from forecaster.data import Series
from forecaster.errors import DataError, Diverged
from forecaster.forecast import Forecast
from forecaster.forecasting.distributions import Distribution, family
from forecaster.forecasting.fallback import NETWORK, BlendedDistribution, Fallback, last_season
from forecaster.forecasting.onnx_network import ServedNetwork
from forecaster.forecasting.predictive_distribution import (
    EnsembleDistribution,
    NetworkDistribution,
    PredictiveDistribution,
)
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs
from forecaster.preprocessing.covariate_features import Features
from forecaster.preprocessing.saved_preprocessing import Preprocessing, fit_series_scaler
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.transforms import undo_difference
from forecaster.preprocessing.windows import take_last_steps

log = logging.getLogger("forecaster")


@dataclass(frozen=True)
class Predictor:
    """A trained network with what turns series into its windows and its answers back; or an ensemble of them.

    Attributes:
        rollout: of the network; of an ensemble, that of the first.
        members: the networks of an ensemble, whose answers are combined.
        combine: how: `median` or `mean`.
        fallback: which series lean on a baseline; None: none.
    """

    rollout: Rollout
    config: Config
    preprocessing: Preprocessing
    members: tuple["Predictor", ...] = ()
    combine: str = "median"
    fallback: Fallback | None = None

    @classmethod
    def of(cls, network: ServedNetwork, config: Config, preprocessing: Preprocessing) -> "Predictor":
        """The network as its config says that it forecasts."""
        unit = next(iter(preprocessing.scalers.values())).unit
        distribution = family(config.model, float(unit))
        paths, seed = config.forecast.samples, config.training.seed
        return cls(Rollout(network, config.rollout, distribution, paths, seed, config.channels), config, preprocessing)

    @classmethod
    def of_all(cls, networks: Sequence[ServedNetwork], config: Config, preprocessing: Preprocessing) -> "Predictor":
        """The networks of a config: one, or those of its ensemble in their order."""
        if config.ensemble is None or config.ensemble.size == 1:
            return cls.of(networks[0], config, preprocessing)
        each = zip(networks, members_of(config), strict=True)
        members = tuple(cls.of(network, member, preprocessing) for network, member in each)
        return cls(members[0].rollout, config, preprocessing, members, config.ensemble.combine)

    def outlook(
        self, panel: Sequence[Series], windows: np.ndarray, horizon: int, features: np.ndarray | None = None
    ) -> PredictiveDistribution:
        """What follows some windows, all in one batch.

        Args:
            panel: the series of each window; those that are read together follow each other.
            windows: (batch, steps), in the series' own units: the window, before it what its differences need, and
                before that as much of a season as is known.
            horizon: steps.
            features: of the steps of each window and its horizon, (batch, length + horizon, features); None where
                the network reads none.

        Raises:
            DataError: a series was not trained on, and the network has learnt each by itself.
            Diverged: a forecast left the finite numbers.
        """
        outlook = self._networks_outlook(panel, windows[:, -self.config.context_steps :], horizon, features)
        if self.fallback is None or (self.weights(panel) == 1).all():
            return outlook
        baseline = last_season(windows, horizon, self.fallback.season)
        return BlendedDistribution(outlook, baseline, self.weights(panel)[:, None])

    def weights(self, panel: Sequence[Series]) -> np.ndarray:
        """The networks' share of the forecasts of each series, (series,)."""
        if self.fallback is None:
            return np.ones(len(panel))
        return np.array([self.fallback.weight(s.name, s.name in self.preprocessing.scalers) for s in panel])

    def _networks_outlook(
        self, panel: Sequence[Series], windows: np.ndarray, horizon: int, features: np.ndarray | None
    ) -> PredictiveDistribution:
        """What the networks say alone."""
        least = self.preprocessing.least_change
        size = 1.0 if least is None else np.maximum(self.changes(panel, windows), least)
        if not self.members:
            return self._network_outlook(panel, windows, horizon, features, size)
        outlooks = []
        for member in self.members:  # each reads the last of the steps that the longest window has
            shorter = self.config.context_steps - member.config.context_steps
            told = None if features is None else features[:, shorter:]
            outlooks.append(member._network_outlook(panel, windows[:, shorter:], horizon, told, size))
        return EnsembleDistribution(outlooks, self.combine)

    def changes(self, panel: Sequence[Series], windows: np.ndarray) -> np.ndarray:
        """The mean absolute change of each window (batch, length) from season to season, (batch, 1), in scaled units.

        From step to step where there is no season, or none comes again in the window.
        """
        scaler, season = Scaler.stack([self.scaler(series) for series in panel]), self.config.data.main_season
        values, lag = scaler.curve.forward(windows) / scaler.unit, season if season < windows.shape[1] else 1
        return np.abs(values[:, lag:] - values[:, :-lag]).mean(axis=1, keepdims=True)

    def _network_outlook(
        self,
        panel: Sequence[Series],
        windows: np.ndarray,
        horizon: int,
        features: np.ndarray | None,
        size: np.ndarray | float,
    ) -> NetworkDistribution:
        scaler = Scaler.stack([self.scaler(series) for series in panel])
        with np.errstate(all="ignore"):  # infinite numbers are told of below
            read = scaler.transform(windows)[:, sum(scaler.lags) :]
            distribution = self.rollout(self.inputs(panel, read, features), horizon)
            outlook = self._outlook(*_undifferenced(distribution, scaler, windows), size)
            # A bound, or a transform, may hide that the network's own answer is infinite, or make it so.
            finite = (np.isfinite(distribution.mean) & np.isfinite(outlook.mean)).all(axis=0)  # (horizon,)
        if not finite.all():
            step = int(np.flatnonzero(~finite)[0]) + 1
            raise Diverged(
                f"the network's forecasts become infinite at step {step}; ask for fewer steps, or train again: longer, "
                "with a smaller training.optimizer.learning_rate, or with model.decoder: dense"
            )
        return outlook

    def inputs(self, panel: Sequence[Series], scaled: np.ndarray, features: np.ndarray | None = None) -> Inputs:
        """What the network reads of windows (batch, length); the rest as in `outlook`."""
        window, codes = scaled.astype(np.float32), self.preprocessing.encode_categories(panel)
        past, known = self.preprocessing.feature_widths
        if features is None or not past + known:
            return Inputs(window, categories=codes)
        length = scaled.shape[1]
        return Inputs(window, features[:, :length], features[:, length:, past:] if known else None, codes)

    def features(self, series: Series, first: int, last: int) -> np.ndarray:
        """Those of some steps of a series, which may lie behind its end, (steps, features); none wide where none are.

        Raises:
            DataError: cells are missing, and nothing may stand for them.
        """
        told = self.preprocessing.features or Features()
        return told.build(series, self.scaler(series), first, last)

    def _outlook(self, distribution: Distribution, scaler: Scaler, size: np.ndarray | float) -> NetworkDistribution:
        low, high = self.config.data.minimum, self.config.data.maximum
        return NetworkDistribution(
            distribution,
            scaler,
            self.config.model.head == "negative_binomial",
            -math.inf if low is None else low,
            math.inf if high is None else high,
            size,
        )

    def scaler(self, series: Series) -> Scaler:
        """That of the training part, or of the whole series where it was not trained on."""
        known = self.preprocessing.scalers.get(series.name)
        return fit_series_scaler(self.config, series.values[self.config.padding_steps :]) if known is None else known

    def quantiles(
        self, outlook: PredictiveDistribution, residuals: np.ndarray, levels: Sequence[float]
    ) -> dict[float, np.ndarray]:
        """The quantiles of each level as the config wants them told, by probability, each (batch, horizon)."""
        conformal = self.config.conformal
        found = outlook.conformal_quantiles(residuals, levels) if conformal else outlook.quantiles(levels)
        return {probability: self._allowed(values) for probability, values in found.items()}

    def _allowed(self, values: np.ndarray) -> np.ndarray:
        """Bounds that know nothing of the head's domain, or were moved out of it, brought back."""
        low, high = self.config.data.minimum, self.config.data.maximum
        values = values if low is None and high is None else np.clip(values, low, high)
        match self.config.model.head:
            case "negative_binomial":
                return np.rint(np.maximum(values, 0.0))
            case "log_normal":
                return np.maximum(values, 0.0)
            case _:
                return values

    def forecasts(
        self,
        panel: Sequence[Series],
        steps: int,
        residuals: np.ndarray,
        levels: Sequence[float],
        with_samples: bool = False,
    ) -> list[Forecast]:
        """The `steps` steps after the end of each series, which is no shorter than what is read.

        Raises:
            DataError: cells of covariates are missing; of all series.
        """
        ready = self.ready(panel, steps)
        if ready.problems:
            raise DataError(ready.problems)
        return self.forecasts_of(ready, steps, residuals, levels, with_samples)

    def forecasts_of(
        self,
        ready: "PredictionInputs",
        steps: int,
        residuals: np.ndarray,
        levels: Sequence[float],
        with_samples: bool = False,
    ) -> list[Forecast]:
        """The same of series whose features are there."""
        panel = ready.panel
        windows = np.stack(
            [take_last_steps(series.values, len(series), self.config.lookback_steps) for series in panel]
        )
        outlook = self.outlook(panel, windows, steps, ready.features)
        quantiles = self.quantiles(outlook, residuals, levels)
        paths = None
        if with_samples:
            generator = np.random.default_rng(self.config.training.seed)
            paths = outlook.paths(self.config.forecast.samples, residuals, generator)
        if not all(np.isfinite(values).all() for values in [*quantiles.values(), *([] if paths is None else [paths])]):
            raise Diverged("the forecasts' intervals become infinite; ask for fewer steps, or use data.transform: none")
        return [
            Forecast(
                series.name,
                series.timestamps[-1],
                series.future(steps),
                outlook.mean[row],
                {probability: values[row] for probability, values in quantiles.items()},
                None if paths is None else paths[:, row],
                source,
            )
            for row, (series, source) in enumerate(zip(panel, self._sources(panel), strict=True))
        ]

    def _sources(self, panel: Sequence[Series]) -> list[str]:
        """Where the forecast of each series comes from."""
        if self.fallback is None:
            return [NETWORK] * len(panel)
        return [self.fallback.source(weight) for weight in self.weights(panel).tolist()]

    def ready(self, panel: Sequence[Series], steps: int) -> "PredictionInputs":
        """The features of the last window of each series and of the steps after it.

        Of those that have all of them, and that the network has learnt where it learns each by itself.
        """
        kept: list[Series] = []
        rows: list[np.ndarray] = []
        problems: list[str] = []
        channels = self.config.channels
        for group in (panel[first : first + channels] for first in range(0, len(panel), channels)):
            for sentence in self.preprocessing.features.find_unseen(group[0]) if self.preprocessing.features else ():
                log.info("%s", sentence)
            end = len(group[0])
            try:
                self.preprocessing.encode_categories(group)  # before those that it knows are forecast
                rows += channels * [self.features(group[0], end - self.config.window.length, end + steps)]
                kept += group
            except DataError as error:
                problems += error.problems
        return PredictionInputs(kept, np.stack(rows) if rows else np.empty(0), problems)


class PredictionInputs(NamedTuple):
    """Series, and what is read beside them.

    Attributes:
        panel: those of which nothing is missing, and that the network knows.
        features: of their last windows and of the steps after them, (series, length + steps, features).
        problems: of the others.
    """

    panel: list[Series]
    features: np.ndarray
    problems: list[str]


def _undifferenced(distribution: Distribution, scaler: Scaler, windows: np.ndarray) -> tuple[Distribution, Scaler]:
    """A value or paths (batch, horizon) of scaled differences, as those of scaled values, and their scaler.

    Each path is summed by itself, from the last values of its window.
    """
    if not scaler.lags:
        return distribution, scaler
    differences = scaler.unscale(np.moveaxis(distribution.parameters.astype(float), -1, 0))  # (paths, batch, horizon)
    values = undo_difference(differences, scaler.curve.forward(windows), scaler.lags)
    scaled = np.moveaxis(values / scaler.unit, 0, -1)
    return dataclasses.replace(distribution, parameters=scaled), Scaler(0.0, scaler.unit, scaler.curve)
