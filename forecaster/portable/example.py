"""Forecasts with an exported run; needs NumPy and ONNX Runtime, and nothing of the package that trained it.

    python example.py values.csv [SERIES]

`values.csv` holds the newest values of a series, the oldest first, in its last column, none of them missing. It
prints the forecast of each step ahead, as `forecast predict` makes it before it rounds.
"""

import csv
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from forecaster.preprocessing.transforms import Transform
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import forecast_zero_shot

HERE = Path(__file__).parent
ZERO_SHOT = "zero-shot"

_Baseline = Callable[[np.ndarray, int, int], np.ndarray]


def forecast(values: np.ndarray, series: str | None = None, folder: Path = HERE) -> np.ndarray:
    """Forecast the steps after the newest value.

    Args:
        values: of the series, without gaps, the oldest first, in its own unit, (steps,).
        series: its name; not needed where there is one.
        folder: of the exported run.

    Returns:
        The forecast values, (horizon,).
    """
    model = json.loads((folder / "model.json").read_text())
    scaler, horizon = model["series"][series or next(iter(model["series"]))], model["horizon"]
    values = np.asarray(values, float)
    if len(values) < model["lookback"]:
        raise ValueError(f"{len(values)} values; a forecast needs {model['lookback']}")
    zero_shot = _forecast_zero_shot(values, model) if model["zero_shot"] else np.empty(horizon)
    outputs = [run_network(values, zero_shot, scaler, model, each, folder) for each in model["networks"]]
    found = np.median(outputs, axis=0) if model["combine"] == "median" else np.mean(outputs, axis=0)
    others = [_forecast_without_network(name, values, zero_shot, model) for name in model["forecasters"][1:]]
    return np.average([found, *others], axis=0, weights=scaler["weights"])


def run_network(
    values: np.ndarray,
    zero_shot: np.ndarray,
    scaler: Mapping[str, Any],
    model: Mapping[str, Any],
    network: Mapping[str, Any],
    folder: Path,
) -> np.ndarray:
    """Run one network: scale the window, encode it, decode the horizon, and undo the scaling; (horizon,)."""
    curve, unit = Transform(**scaler["curve"]), scaler["scale"] or 1.0
    scaled = (curve.apply(values) - scaler["offset"]) / unit
    window = scaled[None, -network["length"] :].astype(np.float32)  # (1, length)
    future = (curve.apply(_keep_in_domain(zero_shot, values, curve)) - scaler["offset"]) / unit
    encode, decode = (
        onnxruntime.InferenceSession(folder / network["folder"] / name, providers=["CPUExecutionProvider"])
        for name in ("encode.onnx", "decode.onnx")
    )
    known = future.astype(np.float32)[None, :, None] if model["pretrained"] else None  # (1, horizon, 1)
    steps = _ROLLOUTS[network["rollout"]](encode, decode, window, known, model)
    return np.clip(curve.invert(steps.astype(float) * scaler["scale"] + scaler["offset"]), *_get_bounds(model))


def _decode_once(
    encode: Any, decode: Any, window: np.ndarray, known: np.ndarray | None, model: Mapping[str, Any]
) -> np.ndarray:
    """Take the first steps of one output, (horizon,)."""
    parameters, _ = _call(decode, _encode(encode, window), window, known, 0)
    return parameters[0, : model["horizon"], model["parameter"]]


def _carry_states(
    encode: Any, decode: Any, window: np.ndarray, known: np.ndarray | None, model: Mapping[str, Any]
) -> np.ndarray:
    """Read the window once, and carry the states from step to step, (horizon,)."""
    states, previous, answers = _encode(encode, window), window, list[np.ndarray]()
    while sum(map(len, answers)) < model["horizon"]:
        parameters, states = _call(decode, states, previous, known, sum(map(len, answers)))
        previous = parameters[:, :, model["parameter"]]  # (1, width)
        answers.append(previous[0])
    return np.concatenate(answers)[: model["horizon"]]


def _slide_window(
    encode: Any, decode: Any, window: np.ndarray, known: np.ndarray | None, model: Mapping[str, Any]
) -> np.ndarray:
    """Read the last steps again at each step, with the network's outputs among them, (horizon,)."""
    steps, length = window, window.shape[1]
    while steps.shape[1] < length + model["horizon"]:
        last, place = steps[:, -length:], steps.shape[1] - length
        parameters, _ = _call(decode, _encode(encode, last), last, known, place)
        steps = np.concatenate([steps, parameters[:, :, model["parameter"]]], axis=1)
    return steps[0, length : length + model["horizon"]]


_ROLLOUTS = {"direct": _decode_once, "carry": _carry_states, "slide": _slide_window}


def _encode(session: Any, window: np.ndarray) -> dict[str, np.ndarray]:
    """Encode a window (1, length) into states by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"window": window}), strict=True))


def _call(
    session: Any, states: Mapping[str, np.ndarray], values: np.ndarray, known: np.ndarray | None, first: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Decode the steps from `first` on: the head's parameters (1, steps, parameters), and the states after them."""
    shapes = {each.name: each.shape for each in session.get_inputs()}
    given = {name: state for name, state in states.items() if name in shapes}
    if "previous" in shapes:
        given["previous"] = values[:, -shapes["previous"][1] :]
    if "future" in shapes:
        assert known is not None
        count = shapes["future"][1]
        read = known[:, first : first + count]  # after the end of what is known, its last step repeats
        given["future"] = np.pad(read, ((0, 0), (0, count - read.shape[1]), (0, 0)), mode="edge")
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, given), strict=True))
    after = {name.removeprefix("new_"): state for name, state in found.items() if name.startswith("new_")}
    return found["parameters"], after


def _forecast_zero_shot(values: np.ndarray, model: Mapping[str, Any]) -> np.ndarray:
    """Forecast with the network that was trained on generated series alone, (horizon,)."""
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


def read_values(path: str) -> np.ndarray:
    """Read the last column of a CSV with commas; its first line may be a header.

    Raises:
        ValueError: another cell is no finite number, such as a missing value, or a line has more or fewer cells.
    """
    found: list[float] = []
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        lines = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(row)]
    for number, row in lines:
        try:
            value = float(row[-1])
        except ValueError:
            value = math.nan
        if len(row) != len(lines[0][1]) or (number > lines[0][0] and not math.isfinite(value)):
            raise ValueError(f"{path}:{number}: not a row that ends with a number: {','.join(row)}")
        found.append(value)
    return np.array(found if not found or math.isfinite(found[0]) else found[1:])


if __name__ == "__main__":
    for step, value in enumerate(forecast(read_values(sys.argv[1]), next(iter(sys.argv[2:]), None)).tolist(), 1):
        print(f"{step},{value!r}")
