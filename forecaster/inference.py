"""Forecasts from an exported network: ONNX Runtime and numpy alone, rollouts included."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime

from forecaster.config.sections import Config
from forecaster.conformal import with_intervals
from forecaster.data import Series, read_series
from forecaster.data.frequency import future_timestamps
from forecaster.data.scaling import Scaler
from forecaster.errors import DataError, Diverged, RunError, UsageError
from forecaster.forecast import Forecast
from forecaster.runs import Version

log = logging.getLogger("forecaster")

_BATCH = 1024  # windows in memory at once


class ServedNetwork(Protocol):
    """The two functions that every network serves through; all arrays are float32 and scaled.

    Attributes:
        segment: steps in `previous`.
    """

    segment: int

    def encode(self, windows: np.ndarray) -> list[np.ndarray]:
        """(batch, length) -> states, each (batch, width)."""

    def decode(self, states: Sequence[np.ndarray], previous: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """States and the last known values (batch, segment) -> values (batch, ahead), new states."""


class OnnxNetwork:
    """A served network in ONNX Runtime."""

    def __init__(self, encode: bytes, decode: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._encode = onnxruntime.InferenceSession(encode, options, providers=["CPUExecutionProvider"])
        self._decode = onnxruntime.InferenceSession(decode, options, providers=["CPUExecutionProvider"])
        self._states = sorted(output.name for output in self._encode.get_outputs())
        widths = {node.name: node.shape[1] for node in self._decode.get_inputs()}
        self._reads_previous = "previous" in widths
        self.segment = widths.get("previous", 1)
        self._new_states = sorted({node.name for node in self._decode.get_outputs()} - {"values"})

    def encode(self, windows: np.ndarray) -> list[np.ndarray]:
        """(batch, length) -> states, each (batch, width)."""
        return self._encode.run(self._states, {"window": windows})

    def decode(self, states: Sequence[np.ndarray], previous: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """States and the last known values (batch, segment) -> values (batch, ahead), new states."""
        inputs = dict(zip(self._states, states, strict=True))
        if self._reads_previous:
            inputs["previous"] = previous
        values, *new_states = self._decode.run(["values", *self._new_states], inputs)
        return values, new_states


def roll_out(network: ServedNetwork, windows: np.ndarray, horizon: int, rollout: str) -> np.ndarray:
    """Forecast many windows at once.

    Args:
        windows: (batch, length), scaled.
        horizon: steps to forecast.
        rollout: `slide` re-reads the last `length` steps at each step, its own outputs among them;
            `carry` reads the window once and carries the recurrent states on; `direct` takes the
            first `horizon` steps of one answer.

    Returns:
        (batch, horizon), scaled.
    """
    forecasts = []
    for first in range(0, len(windows), _BATCH):
        forecasts.append(_ROLLOUTS[rollout](network, windows[first : first + _BATCH].astype(np.float32), horizon))
    return np.concatenate(forecasts)


def _slide(network: ServedNetwork, windows: np.ndarray, horizon: int) -> np.ndarray:
    length = windows.shape[1]
    known = np.empty((len(windows), length + horizon), np.float32)
    known[:, :length] = windows
    step = 0
    while step < horizon:
        values = _direct(network, known[:, step : step + length], horizon - step)
        known[:, step + length : step + length + values.shape[1]] = values
        step += values.shape[1]
    return known[:, length:]


def _carry(network: ServedNetwork, windows: np.ndarray, horizon: int) -> np.ndarray:
    states, previous = network.encode(windows), windows[:, -network.segment :]
    answers = []
    for _ in range(-(-horizon // network.segment)):
        previous, states = network.decode(states, previous)
        answers.append(previous)
    return np.concatenate(answers, axis=1)[:, :horizon]


def _direct(network: ServedNetwork, windows: np.ndarray, horizon: int) -> np.ndarray:
    values, _ = network.decode(network.encode(windows), windows[:, -network.segment :])
    return values[:, :horizon]


_ROLLOUTS = {"slide": _slide, "carry": _carry, "direct": _direct}


def rollout_of(config: Config) -> str:
    """How a config's network is rolled out."""
    return "direct" if config.model.decoder == "dense" else config.forecast.rollout


def forecast_series(
    network: ServedNetwork, scaler: Scaler, series: Series, length: int, horizon: int, rollout: str
) -> Forecast:
    """Forecast the `horizon` steps after a series' last timestamp, in the series' own unit.

    Raises:
        DataError: the series is shorter than the window.
        Diverged: the rollout left the finite numbers.
    """
    if len(series) < length:
        raise DataError([f"{len(series)} rows are too few to forecast from; expected at least {length}, the window"])
    window = scaler.transform(series.values[-length:])[None]  # (1, length)
    mean = scaler.inverse(roll_out(network, window, horizon, rollout)[0].astype(float))
    if not np.all(np.isfinite(mean)):
        step = int(np.flatnonzero(~np.isfinite(mean))[0]) + 1
        raise Diverged(f"the rollout became infinite at step {step}; ask for fewer steps, or train again with clipping")
    origin = series.timestamps[-1]
    return Forecast(series.name, origin, future_timestamps(origin, horizon, series.frequency), mean)


def predict(
    version: Version, data: Path | None = None, horizon: int | None = None, levels: Sequence[float] | None = None
) -> tuple[Forecast, Series]:
    """Forecast the real future after the newest timestamp of the data.

    Args:
        version: a verified version of a run.
        data: a CSV instead of the one trained on.
        horizon: steps; the trained horizon where None.
        levels: of the intervals, in percent; the trained ones where None.

    Returns:
        The forecast, and the series that it goes on from.

    Raises:
        UsageError: more steps than a dense network gives.
        DataError: the CSV cannot be read as the series trained on.
    """
    config = version.config
    steps = config.window.horizon if horizon is None else horizon
    if config.model.decoder == "dense" and steps > config.window.horizon:
        raise UsageError(
            f"--horizon {steps}: this network's decoder is dense and gives {config.window.horizon} steps at most; "
            "ask for fewer, or train with model.decoder: rollout, which goes on for any number"
        )
    section = config.data
    path = data or Path(section.path)
    series = read_series(path, section.time, section.target, section.frequency, section.gaps, section.duplicates)
    for notice in series.notices:
        log.info("%s", notice)
    network, scaler, residuals = _served(version)
    try:
        forecast = forecast_series(network, scaler, series, config.window.length, steps, rollout_of(config))
    except DataError as error:
        raise DataError([f"{path}: {error}"]) from None
    return with_intervals(forecast, residuals, config.forecast.levels if levels is None else levels), series


def _served(version: Version) -> tuple[OnnxNetwork, Scaler, np.ndarray]:
    """The network, scaler and residuals of a version."""
    try:
        network = OnnxNetwork(version.read("encode.onnx"), version.read("decode.onnx"))
        scaler = Scaler.from_json(version.preprocessing["scaler"])
        return network, scaler, np.load(io.BytesIO(version.read("residuals.npy")), allow_pickle=False)
    except Exception as error:  # whatever ONNX Runtime and numpy say of bytes that are not theirs
        raise RunError(f"{version.path}: its files were changed after training: {error}") from None
