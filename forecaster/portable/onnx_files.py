"""A run as ONNX graphs, with their preprocessing as JSON, and an example that needs NumPy and ONNX Runtime alone."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.config.ensemble import list_members
from forecaster.config.schema import Config
from forecaster.forecasting.calibration import read_calibration
from forecaster.forecasting.fallback import NETWORK, ZERO_SHOT
from forecaster.portable.folders import prepare_folder
from forecaster.portable.readme import render_readme
from forecaster.preprocessing.saved_preprocessing import Preprocessing, load_preprocessing
from forecaster.runs import Version

_GRAPHS = ("encode.onnx", "decode.onnx")
_FIRST_PARAMETER = {"point", "normal", "student_t"}  # heads whose first parameter is the forecast value
# Modules that need nothing but NumPy and ONNX Runtime: the example comes with them, in a folder of this name.
_FOLDER = "parts"
_MODULES = {
    "forecaster.preprocessing": ("transforms.py",),
    "forecaster.pretrained": ("features.py", "log_scale.py", "zero_shot.py"),
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


def find_example_obstacle(config: Config, preprocessing: Preprocessing) -> str:
    """Find what of a run the example does not compute, for a message; empty where it computes all."""
    model, transformed = config.model, config.data.transform != "none"
    if preprocessing.features is not None:
        return "covariates, calendar features or masks"
    if preprocessing.vocabulary is not None:
        return "an embedding of series"
    if config.channels > 1:
        return "series that are forecast jointly"
    if config.data.difference:
        return "differences"
    if model.decoder == "latent":
        return "the decoder latent"
    if model.head not in _FIRST_PARAMETER or (model.head != "point" and (transformed or config.rollout != "direct")):
        return f"the head {model.head}" + (" with a transform or a rollout" if model.head in _FIRST_PARAMETER else "")
    return ""


def describe_model(version: Version, preprocessing: Preprocessing) -> dict[str, Any]:
    """Describe, as JSON values, how values become inputs of the graphs, and their outputs a forecast."""
    config, calibration = version.config, read_calibration(version)
    fallback, members = calibration.fallback, list_members(config)
    forecasters = (NETWORK,) if fallback is None else fallback.forecasters
    return {
        "horizon": config.window.horizon,
        "lookback": config.lookback_steps,
        "seasons": list(config.data.seasons),
        "minimum": config.data.minimum,
        "maximum": config.data.maximum,
        "head": config.model.head,
        "parameter": 0,
        "pretrained": config.model.pretrained,
        "zero_shot": config.model.pretrained or ZERO_SHOT in forecasters,
        "combine": "mean" if config.ensemble is None else config.ensemble.combine,
        "networks": [
            {"folder": folder, "length": member.window.length, "rollout": member.rollout}
            for folder, member in zip(version.members, members, strict=True)
        ],
        "forecasters": list(forecasters),
        "series": {
            name: {
                **scaler.to_json(),
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
