"""From a served network to forecasts in the series' own unit: mean, quantiles, intervals and paths."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.config.sections import Config
from forecaster.conformal import conformal_quantiles
from forecaster.data import Series
from forecaster.data.frequency import future_timestamps
from forecaster.data.scaling import Scaler
from forecaster.distributions import Distribution, Point, Samples, family
from forecaster.errors import DataError, Diverged, RunError, UsageError
from forecaster.forecast import Forecast, Timestamp, level_quantiles
from forecaster.inference import OnnxNetwork, Rollout, ServedNetwork
from forecaster.preparation import read_data
from forecaster.runs import Version


@dataclass(frozen=True)
class Outlook:
    """What a network says of some horizons, in the series' own unit.

    Attributes:
        distribution: of the scaled values, (batch, horizon).
        counts: whether values are whole numbers.
    """

    distribution: Distribution
    scaler: Scaler
    counts: bool

    @property
    def mean(self) -> np.ndarray:
        """(batch, horizon)."""
        return self.scaler.inverse(self.distribution.mean.astype(float))

    @property
    def spread(self) -> np.ndarray:
        """What its errors are told in, (batch, horizon): its deviation, or 1 scaled unit where it gives none."""
        return self.distribution.deviation * (self.scaler.scale or 1.0)

    def quantiles(self, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """Those of each level, by probability in rising order, each (batch, horizon)."""
        probabilities = sorted({probability for level in levels for probability in level_quantiles(level)})
        return {probability: self._values(self.distribution.quantile(probability)) for probability in probabilities}

    def paths(self, count: int, residuals: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Draws of the first horizon, (count, horizon).

        Those of a network that answers at once would know nothing of each other from step to step; they are
        put in the order of errors in validation (the Schaake shuffle, Clark et al. 2004). A network that gives
        a value alone gets those errors themselves.
        """
        if isinstance(self.distribution, Samples):
            return self._values(self.distribution.parameters[0].T)
        errors = _paths_of_errors(residuals, self.mean.shape[1], count, generator)  # (count, horizon)
        if isinstance(self.distribution, Point):
            return self.mean[0] + errors * self.spread[0]
        draws = np.sort([self.distribution.sample(generator)[0] for _ in range(count)], axis=0)
        return self._values(np.take_along_axis(draws, errors.argsort(axis=0).argsort(axis=0), axis=0))

    def _values(self, scaled: np.ndarray) -> np.ndarray:
        values = self.scaler.inverse(scaled.astype(float))
        return np.rint(values) if self.counts else values


@dataclass(frozen=True)
class Predictor:
    """A trained network with what turns a series into its windows and its answers back."""

    rollout: Rollout
    config: Config
    scaler: Scaler

    @classmethod
    def of(cls, network: ServedNetwork, config: Config, scaler: Scaler) -> "Predictor":
        """The network as its config says that it forecasts."""
        distribution = family(config.model, scaler.scale or 1.0)
        rollout = Rollout(network, config.rollout, distribution, config.forecast.samples, config.training.seed)
        return cls(rollout, config, scaler)

    def outlook(self, windows: np.ndarray, horizon: int) -> Outlook:
        """What follows windows (batch, length) in the series' own unit.

        Raises:
            Diverged: a forecast left the finite numbers.
        """
        distribution = self.rollout(self.scaler.transform(windows), horizon)
        finite = np.isfinite(distribution.mean).all(axis=0)  # (horizon,)
        if not finite.all():
            step = int(np.flatnonzero(~finite)[0]) + 1
            raise Diverged(
                f"the network's forecasts become infinite at step {step}; ask for fewer steps, or train again: longer, "
                "with a smaller training.optimizer.learning_rate, or with model.decoder: dense"
            )
        return Outlook(distribution, self.scaler, self.config.model.head == "negative_binomial")

    def quantiles(self, outlook: Outlook, residuals: np.ndarray, levels: Sequence[float]) -> dict[float, np.ndarray]:
        """The quantiles of each level as the config wants them told, by probability, each (batch, horizon)."""
        if self.config.conformal:
            return conformal_quantiles(outlook.mean, outlook.spread, residuals, levels)
        return outlook.quantiles(levels)

    def forecast(
        self,
        name: str,
        window: np.ndarray,
        origin: Timestamp,
        timestamps: pd.Index,
        residuals: np.ndarray,
        levels: Sequence[float],
        with_samples: bool = False,
    ) -> Forecast:
        """The forecast of one series from its last steps, (length,), at some timestamps."""
        outlook = self.outlook(window[None], len(timestamps))
        quantiles = {p: values[0] for p, values in self.quantiles(outlook, residuals, levels).items()}
        samples = None
        if with_samples:
            generator = np.random.default_rng(self.config.training.seed)
            samples = outlook.paths(self.config.forecast.samples, residuals, generator)
        return Forecast(name, origin, timestamps, outlook.mean[0], quantiles, samples)


def predict(
    version: Version,
    data: Path | None = None,
    horizon: int | None = None,
    levels: Sequence[float] | None = None,
    with_samples: bool = False,
) -> tuple[Forecast, Series]:
    """Forecast the real future after the newest timestamp of the data.

    Args:
        version: a verified version of a run.
        data: a CSV instead of the one trained on.
        horizon: steps; the trained horizon where None.
        levels: of the intervals, in percent; the trained ones where None.
        with_samples: whether the forecast comes with paths.

    Returns:
        The forecast, and the series that it goes on from.

    Raises:
        UsageError: more steps than the network gives at once, or a level beyond its quantiles.
        DataError: the CSV cannot be read as the series trained on.
    """
    config = version.config
    steps = config.window.horizon if horizon is None else horizon
    asked = config.forecast.levels if levels is None else levels
    _check_horizon(config, steps)
    check_levels(config, asked)
    predictor, residuals = served(version)
    series = read_newest(config, data)
    origin = series.timestamps[-1]
    timestamps = future_timestamps(origin, steps, series.frequency)
    window = series.values[-config.window.length :]
    return predictor.forecast(series.name, window, origin, timestamps, residuals, asked, with_samples), series


def _check_horizon(config: Config, steps: int) -> None:
    if config.rollout == "direct" and steps > config.window.horizon:
        raise UsageError(
            f"--horizon {steps}: this network's decoder is {config.model.decoder} and gives {config.window.horizon} "
            "steps at most; ask for fewer, or train with model.decoder: rollout, which goes on for any number"
        )


def check_levels(config: Config, levels: Sequence[float]) -> None:
    """Refuse levels that a head of quantiles does not reach.

    Raises:
        UsageError: says how far it reaches.
    """
    known = config.model.quantiles
    if config.model.head != "quantile" or config.conformal or known is None:
        return
    reach = round(100 * min(1 - 2 * min(known), 2 * max(known) - 1), 6)
    beyond = [level for level in levels if level > reach]
    if beyond:
        raise UsageError(
            f"--levels {beyond[0]:g}: this network learnt the quantiles {', '.join(f'{p:g}' for p in known)}, which "
            f"reach level {max(reach, 0):g}; ask for less, or train with more in model.quantiles"
        )


def read_newest(config: Config, data: Path | None) -> Series:
    """The series of a run, or of another CSV, long enough for a window.

    Raises:
        DataError: it cannot be read, or is shorter than the window.
    """
    series = read_data(config, data)
    length = config.window.length
    if len(series) < length:
        found = f"{data or config.data.path}: {len(series)} rows are too few to forecast from"
        raise DataError([f"{found}; expected at least {length}, the window"])
    return series


def served(version: Version) -> tuple[Predictor, np.ndarray]:
    """The predictor and the residuals of a version.

    Raises:
        RunError: one of its files cannot be what was written.
    """
    try:
        network = OnnxNetwork(version.read("encode.onnx"), version.read("decode.onnx"))
        scaler = Scaler.from_json(version.preprocessing["scaler"])
        residuals = np.load(io.BytesIO(version.read("residuals.npy")), allow_pickle=False)
    except Exception as error:  # whatever ONNX Runtime and numpy say of bytes that are not theirs
        raise RunError(f"{version.path}: its files were changed after training: {error}") from None
    return Predictor.of(network, version.config, scaler), residuals


def _paths_of_errors(residuals: np.ndarray, horizon: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """Errors of whole horizons in validation, drawn with replacement: (count, horizon).

    Where the truth or the trained horizon ends, an error stays as it was last.
    """
    known = np.maximum.accumulate(np.where(np.isnan(residuals), 0, np.arange(residuals.shape[1])), axis=1)
    filled = np.take_along_axis(residuals, known, axis=1)
    drawn = filled[generator.integers(len(filled), size=count)]
    return drawn[:, np.minimum(np.arange(horizon), residuals.shape[1] - 1)]
