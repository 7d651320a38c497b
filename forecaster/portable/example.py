"""Forecasts with an exported run; needs NumPy and ONNX Runtime, and nothing of the package that trained it.

    python example.py values.csv [SERIES]

`values.csv` holds the newest values of a series, the oldest first, in the column of the target's name, or else in its
last one. Where the run reads covariates or a calendar, it has the columns of the training data by name, and rows for
the steps ahead without a value. It prints the forecast of each step ahead, as `forecast predict` makes it before it
rounds.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

from forecaster.forecasting.distributions import Distribution, Point, Quantile, average_values, select_distribution
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs
from forecaster.portable.example_inputs import Table, build_features, encode_categories, read_table
from forecaster.preprocessing.transforms import Transform, difference, undo_difference
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import forecast_zero_shot

HERE = Path(__file__).parent
ZERO_SHOT = "zero-shot"

_Baseline = Callable[[np.ndarray, int, int], np.ndarray]


def forecast(table: Table, series: str | None = None, folder: Path = HERE) -> np.ndarray:
    """Forecast the steps after the newest value.

    Args:
        table: the values of the series, in its own unit, with the other columns that the run reads.
        series: its name; not needed where there is one.
        folder: of the exported run.

    Returns:
        The forecast values, (horizon,).

    Raises:
        ValueError: there are too few values, or cells are missing.
    """
    model = json.loads((folder / "model.json").read_text())
    series = series or next(iter(model["series"]))
    scaler, values = model["series"][series], _carry_forward(table.values)
    if len(values) < model["lookback"]:
        raise ValueError(f"{len(values)} values; a forecast needs {model['lookback']}")
    if has_left_constant(values[-model["lookback"] :], scaler):
        return np.repeat(values[-1], model["horizon"])
    outputs = [run_network(table, series, model, each, folder) for each in model["networks"]]
    found = np.median(outputs, axis=0) if model["combine"] == "median" else np.mean(outputs, axis=0)
    zero_shot = _forecast_zero_shot(values, model) if ZERO_SHOT in model["forecasters"] else np.empty(0)
    others = [_forecast_without_network(name, values, zero_shot, model) for name in model["forecasters"][1:]]
    return np.average([found, *others], axis=0, weights=scaler["weights"])


def _carry_forward(values: np.ndarray) -> np.ndarray:
    """Replace each missing value by the last one before it, or by the first known one."""
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return values[:0]
    return values[known[np.maximum(np.searchsorted(known, np.arange(len(values)), side="right") - 1, 0)]]


def has_left_constant(window: np.ndarray, scaler: Mapping[str, Any]) -> bool:
    """Whether a series changed after a training part of equal values, so that its last value is the forecast."""
    is_constant = scaler["scale"] == 0 and not scaler["lags"]
    return is_constant and bool((Transform(**scaler["curve"]).apply(window) != scaler["offset"]).any())


class Network:
    """The graphs of one network, as `Rollout` calls them.

    Args:
        folder: of `encode.onnx` and `decode.onnx`.
    """

    def __init__(self, folder: Path) -> None:
        self._encode, self._decode = (
            onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
            for name in ("encode.onnx", "decode.onnx")
        )
        self._reads = [each.name for each in self._encode.get_inputs()]
        self._states = sorted(each.name for each in self._encode.get_outputs())
        self._gives = sorted(each.name for each in self._decode.get_outputs() if each.name.startswith("new_"))
        self._takes = {each.name: each.shape for each in self._decode.get_inputs()}
        self.width, self.noise, self.known_steps = (
            self._takes[name][1] if name in self._takes else absent
            for name, absent in (("previous", 1), ("noise", 0), ("future", 0))
        )

    def encode(self, inputs: Inputs) -> Sequence[np.ndarray]:
        """Encode windows into states."""
        return self._encode.run(self._states, {name: getattr(inputs, name) for name in self._reads})

    def decode(
        self,
        states: Sequence[np.ndarray],
        previous: np.ndarray,
        future: np.ndarray | None = None,
        noise: np.ndarray | None = None,
    ) -> Any:
        """Decode the next steps: the head's parameters (batch, steps, parameters), and the states after them."""
        given = dict(zip(self._states, states, strict=True)) | {"previous": previous, "future": future}
        if self.noise:
            given["noise"] = np.zeros((len(previous), self.noise), np.float32) if noise is None else noise
        read = {name: given[name] for name in self._takes}
        parameters, *after = self._decode.run(["parameters", *self._gives], read)
        return SimpleNamespace(parameters=parameters, states=after)


def run_network(
    table: Table, series: str, model: Mapping[str, Any], network: Mapping[str, Any], folder: Path
) -> np.ndarray:
    """Run one network: scale the window, predict the horizon, and undo the scaling; (horizon,)."""
    scaler, length = model["series"][series], network["length"]
    values, curve, lags = _carry_forward(table.values), Transform(**scaler["curve"]), scaler["lags"]
    unit = scaler["scale"] or 1.0
    read = values[-length - sum(lags) :]

    def scale(some: np.ndarray) -> np.ndarray:
        return (difference(curve.apply(some), lags) - scaler["offset"]) / unit

    features, future = build_features(table, model, scaler, length)
    if model["pretrained"]:
        zero_shot = _keep_in_domain(_forecast_zero_shot(table.values, model), values, curve)
        before = values[len(values) - sum(lags) :]
        known = scale(np.concatenate([before, zero_shot]))[None, sum(lags) :, None].astype(np.float32)
        future = known if future is None else np.concatenate([future, known], axis=2)
    window = scale(read)[None, sum(lags) :].astype(np.float32)  # (1, length)
    inputs = Inputs(window, features, future, encode_categories(table, model, series))
    head: Any = SimpleNamespace(head=model["head"], quantiles=model["quantiles"])
    family = select_distribution(head, model["unit"])
    rollout = Rollout(Network(folder / network["folder"]), network["rollout"], family, model["paths"], network["seed"])
    return _compute_mean(rollout(inputs, model["horizon"]), curve.apply(read), scaler, model)


def _compute_mean(
    found: Distribution, transformed: np.ndarray, scaler: Mapping[str, Any], model: Mapping[str, Any]
) -> np.ndarray:
    """Compute the mean of a distribution of scaled values in the unit of the series, (horizon,).

    Args:
        found: of one window.
        transformed: the window before it was scaled, with the steps before it that differences need.
        scaler, model: of the series, and of the run.
    """
    curve, lags = Transform(**scaler["curve"]), scaler["lags"]

    def convert(scaled: np.ndarray) -> np.ndarray:  # (..., 1, horizon)
        values = scaled.astype(float) * scaler["scale"] + scaler["offset"]
        if lags:
            values = undo_difference(values, transformed, lags)
        values = curve.invert(values)
        return np.clip(np.rint(values) if rounds else values, *_get_bounds(model))

    is_curved = curve.kind != "none"
    has_value = isinstance(found, Point | Quantile)
    rounds = model["head"] == "negative_binomial" and is_curved and not has_value
    return (average_values(found, convert) if is_curved and not has_value else convert(found.mean))[0]


def _forecast_zero_shot(values: np.ndarray, model: Mapping[str, Any]) -> np.ndarray:
    """Forecast with the network that was trained on generated series alone, (horizon,); NaN are not known."""
    length = count_history_steps(model["seasons"])
    history = np.concatenate([np.full(max(0, length - len(values)), np.nan), values[-length:]])
    return forecast_zero_shot(history[None], model["seasons"], model["horizon"], [0.5])[0, :, 0]


def _forecast_without_network(
    name: str, values: np.ndarray, zero_shot: np.ndarray, model: Mapping[str, Any]
) -> np.ndarray:
    """Forecast with the zero-shot network or a baseline, within the bounds of the data, (horizon,)."""
    window, season = values[-model["lookback"] :], next(iter(model["seasons"]), 1)
    found = zero_shot if name == ZERO_SHOT else _BASELINES[name](window, model["horizon"], season)
    return np.clip(found, *_get_bounds(model))


def _repeat_last_value(window: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    return np.repeat(window[-1], horizon)


def _repeat_last_season(window: np.ndarray, horizon: int, season: int) -> np.ndarray:
    if not 1 < season <= len(window):
        return _repeat_last_value(window, horizon)
    return window[len(window) - season + np.arange(horizon) % season]


def _extend_drift(window: np.ndarray, horizon: int, season: int) -> np.ndarray:
    return window[-1] + (window[-1] - window[0]) / max(len(window) - 1, 1) * np.arange(1, horizon + 1)


def _repeat_mean(window: np.ndarray, horizon: int, season: int) -> np.ndarray:
    return np.repeat(window.mean(), horizon)


def _repeat_mean_season(window: np.ndarray, horizon: int, season: int) -> np.ndarray:
    count = len(window) // season
    if season == 1 or not count:
        return _repeat_last_value(window, horizon)
    return window[len(window) - count * season :].reshape(count, season).mean(axis=0)[np.arange(horizon) % season]


_BASELINES: Mapping[str, _Baseline] = {
    "naive": _repeat_last_value,
    "seasonal_naive": _repeat_last_season,
    "window_drift": _extend_drift,
    "window_mean": _repeat_mean,
    "window_seasons": _repeat_mean_season,
}


def _keep_in_domain(medians: np.ndarray, values: np.ndarray, curve: Transform) -> np.ndarray:
    """Replace values that a transform does not accept by the nearest known ones."""
    with np.errstate(all="ignore"):
        valid = np.isfinite(curve.apply(medians))
    return np.where(valid, medians, np.clip(medians, values.min(), values.max()))


def _get_bounds(model: Mapping[str, Any]) -> tuple[float, float]:
    low, high = model["minimum"], model["maximum"]
    return -np.inf if low is None else low, np.inf if high is None else high


def main() -> None:
    """Print the forecast of a CSV."""
    path, *names = sys.argv[1:]
    try:
        model = json.loads((HERE / "model.json").read_text())
        series = next(iter(names or model["series"]))
        found = forecast(read_table(path, model, series), series)
    except ValueError as error:
        sys.exit(str(error))
    for step, value in enumerate(found.tolist(), 1):
        print(f"{step},{value!r}")


if __name__ == "__main__":
    main()
