"""A run as ONNX graphs, with their preprocessing as JSON, and an example that needs NumPy and ONNX Runtime alone."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.config.calendar_names import HOLIDAY, is_dated
from forecaster.config.ensemble import list_members
from forecaster.config.schema import Config
from forecaster.forecasting.calibration import read_calibration
from forecaster.forecasting.fallback import NETWORK, ZERO_SHOT
from forecaster.portable.folders import prepare_folder
from forecaster.portable.readme import list_columns, render_readme
from forecaster.preprocessing.calendar_features import number_steps
from forecaster.preprocessing.saved_preprocessing import Preprocessing, load_preprocessing
from forecaster.runs import Version
from forecaster.time.grid import STEP
from forecaster.time.rules import CALENDAR, SESSIONS, WORKING_DAYS

_GRAPHS = ("encode.onnx", "decode.onnx")
_WITH_SCIPY = {"student_t", "negative_binomial"}  # heads whose quantiles are functions of SciPy
# Modules that need nothing but NumPy and ONNX Runtime: the example comes with them, in a folder of this name.
_FOLDER = "parts"
_MODULES = {
    "forecaster.preprocessing": ("transforms.py",),
    "forecaster.pretrained": ("features.py", "log_scale.py", "zero_shot.py"),
    "forecaster.forecasting": ("distributions.py", "rollout.py"),
    "forecaster.portable": ("example_inputs.py",),
    "forecaster": ("inputs.py", "threads.py"),
}


def export_onnx(version: Version, folder: Path) -> str:
    """Write a version as ONNX graphs with an example.

    Returns:
        What of the run the example does not compute, so that there is none; empty where there is one.

    Raises:
        RunError: a file of the version is damaged.
        UsageError: the folder is not empty.
        CannotCreate, InputOutputFailed: a file cannot be written.
    """
    config, preprocessing = version.config, load_preprocessing(version)
    names = [f"{folder}{graph}" for folder in version.members for graph in _GRAPHS]
    files = {name: version.read(name) for name in names}
    obstacle = find_example_obstacle(config, preprocessing)
    model = describe_model(version, preprocessing)
    if not obstacle:
        files |= _collect_example(model["zero_shot"])
    files["model.json"] = json.dumps(model, indent=1).encode() + b"\n"
    files["README.md"] = render_readme(version, "onnx", obstacle)
    prepare_folder(folder)
    for name, content in files.items():
        with convert_write_errors(folder / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, content)
    return obstacle


_MONTHS = {
    1: ("MonthBegin", "MonthEnd"),
    3: ("QuarterBegin", "QuarterEnd"),
    12: ("YearBegin", "YearEnd"),
}


def find_example_obstacle(config: Config, preprocessing: Preprocessing) -> str:
    """Find what of a run the example does not compute, for a message; empty where it computes all."""
    data, features = config.data, preprocessing.features
    if config.channels > 1:
        return "series that are forecast jointly"
    if config.model.head in _WITH_SCIPY and data.transform != "none":
        return f"the head {config.model.head} with a transform"
    if data.hierarchy and config.forecast.reconcile != "none":
        return "reconciled forecasts of a hierarchy"
    if features is None or not features.calendar:
        return ""
    if any(name.startswith(HOLIDAY) for name in features.calendar):
        return "features of holidays"
    if data.timezone is not None or not isinstance(data.time, str):
        return "calendar features of " + ("a time zone" if data.timezone else "timestamps that are not in one column")
    if describe_steps(config, preprocessing) is None:
        return f"fourier features of the frequency {data.frequency}"
    return ""


def describe_steps(config: Config, preprocessing: Preprocessing) -> dict[str, Any] | None:
    """Describe, as JSON values, how steps are numbered for Fourier features; None where the example cannot.

    Empty where there are none of these features.
    """
    features, frequency = preprocessing.features, str(config.data.frequency)
    if features is None or all(map(is_dated, features.calendar)):
        return {}
    if frequency == STEP:
        return {"integers": True}
    if frequency in {SESSIONS, CALENDAR}:
        return {"weekmask": config.data.weekmask, "every": 1}
    import pandas as pd  # noqa: PLC0415  for these features alone

    step: Any = pd.tseries.frequencies.to_offset(frequency)
    if isinstance(step, pd.offsets.BusinessDay):
        return {"weekmask": WORKING_DAYS, "every": step.n}
    days = {pd.offsets.Day: 1, pd.offsets.Week: 7}.get(type(step), 0)
    if days or isinstance(step, pd.offsets.Tick):
        length = pd.Timedelta(days * step.n, "D") if days else pd.Timedelta(step)
        return {"microseconds": length // pd.Timedelta(1, "us")}
    months = next((count for count, kinds in _MONTHS.items() if type(step).__name__ in kinds), None)
    if months is None:
        return None
    anchor = pd.date_range("1970-01-01", periods=1, freq=step.base)
    number = int(number_steps(anchor, frequency)[0])
    return {"anchor": str(anchor[0]), "number": number, "months": months * step.n}


def describe_model(version: Version, preprocessing: Preprocessing) -> dict[str, Any]:
    """Describe, as JSON values, how values become inputs of the graphs, and their outputs a forecast."""
    config, calibration = version.config, read_calibration(version)
    fallback, members, features = calibration.fallback, list_members(config), preprocessing.features
    forecasters = (NETWORK,) if fallback is None else fallback.forecasters
    return {
        "horizon": config.window.horizon,
        "lookback": config.lookback_steps,
        "seasons": list(config.data.seasons),
        "minimum": config.data.minimum,
        "maximum": config.data.maximum,
        "head": config.model.head,
        "quantiles": list(config.model.quantiles or (0.5,)),
        "unit": float(next(iter(preprocessing.scalers.values())).unit),
        "paths": config.forecast.samples,
        "pretrained": config.model.pretrained,
        "zero_shot": config.model.pretrained or ZERO_SHOT in forecasters,
        "combine": "mean" if config.ensemble is None else config.ensemble.combine,
        "networks": [
            {
                "folder": folder,
                "length": member.window.length,
                "rollout": member.rollout,
                "seed": member.training.seed,
            }
            for folder, member in zip(version.members, members, strict=True)
        ],
        "forecasters": list(forecasters),
        "time": config.data.time,
        "columns": list_columns(config, preprocessing),
        "masks": config.data.gaps == "mask",
        "features": None
        if features is None
        else {**features.to_json(), "steps": describe_steps(config, preprocessing)},
        "categories": None if preprocessing.vocabulary is None else preprocessing.vocabulary.to_json(),
        "series": {
            name: {
                **scaler.to_json(),
                "column": config.data.target if isinstance(config.data.target, str) else name.rpartition("/")[2],
                "weights": [1.0] if fallback is None else list(fallback.get_weights(name)),
            }
            for name, scaler in preprocessing.scalers.items()
        },
    }


def _collect_example(with_zero_shot: bool) -> dict[str, bytes]:
    """Collect the example and the modules that it imports, with the names that they have there."""
    files = {"example.py": resources.files("forecaster.portable").joinpath("example.py").read_bytes()}
    for package, names in _MODULES.items():
        files |= {f"{_FOLDER}/{name}": resources.files(package).joinpath(name).read_bytes() for name in names}
    for package in _MODULES:
        files = {
            name: content.replace(f"from {package}.".encode(), f"from {_FOLDER}.".encode()).replace(
                f'"{package}"'.encode(), f'"{_FOLDER}"'.encode()
            )
            for name, content in files.items()
        }
    files[f"{_FOLDER}/__init__.py"] = b'"""Modules of recurrent-forecast that the example needs."""\n'
    if with_zero_shot:
        files[f"{_FOLDER}/network.onnx"] = (
            resources.files("forecaster.pretrained").joinpath("network.onnx").read_bytes()
        )
    return files
