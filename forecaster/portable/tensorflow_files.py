"""A run for Keras, TensorFlow and LiteRT: the functions `encode` and `decode` of each network."""

import contextlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import tensorflow as tf
from keras import KerasTensor, ops

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.config.ensemble import list_members
from forecaster.errors import UsageError
from forecaster.forecasting.saved_networks import load_networks
from forecaster.models import Network
from forecaster.models.weights import load_weights
from forecaster.portable.folders import prepare_folder
from forecaster.portable.keras_model import NotStandard, build_keras_models
from forecaster.portable.onnx_files import describe_model
from forecaster.portable.readme import render_readme
from forecaster.preprocessing.saved_preprocessing import load_preprocessing
from forecaster.problems import Problem
from forecaster.runs import Version
from forecaster.training.build import initialize_network
from forecaster.training.export import ServingFunction, build_serving_functions

_CONVERTER_ERRORS = (ValueError, RuntimeError, TypeError, tf.errors.OpError)


def export_keras(version: Version, folder: Path) -> None:
    """Write `encode.keras` and `decode.keras` of each network, of standard layers.

    Raises:
        UsageError: a network has a part that is no standard layer of Keras, or the folder is not empty.
        RunError: a file of the version is damaged.
        CannotCreate, InputOutputFailed: a file cannot be written.
    """
    served = load_networks(version, load_preprocessing(version))
    models = []
    for network, graphs in zip(_restore_networks(version), served, strict=True):
        shapes = (
            {name: shape or () for name, shape in each.items()} for each in (graphs.encode_inputs, graphs.decode_inputs)
        )
        try:
            models.append(build_keras_models(network, *shapes))
        except NotStandard as error:
            raise _refuse(version, "keras", str(error), "Keras has no standard layer for it") from None
    _write_page(version, folder, "keras")
    for prefix, (encode, decode) in zip(version.members, models, strict=True):
        for model in (encode, decode):
            path = folder / prefix / f"{model.name}.keras"
            with convert_write_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # Keras converts weights as NumPy 1 did
                    model.save(path)


def export_saved_model(version: Version, folder: Path) -> None:
    """Write each network as a SavedModel with the signatures `encode` and `decode`.

    Raises:
        UsageError: the folder is not empty.
        RunError: a file of the version is damaged.
        CannotCreate, InputOutputFailed: a file cannot be written.
    """
    traced = [(network, _trace(version, network, number)) for number, network in enumerate(_restore_networks(version))]
    _write_page(version, folder, "saved_model")
    for prefix, (network, functions) in zip(version.members, traced, strict=True):
        path = folder / prefix / "saved_model"
        with convert_write_errors(path):
            signatures = {name: each.function for name, each in functions.items()}
            tf.saved_model.save(_keep_weights(network), str(path), signatures=signatures)


def export_litert(version: Version, folder: Path) -> None:
    """Write `encode.tflite` and `decode.tflite` of each network, of operations that every LiteRT runtime has.

    Raises:
        UsageError: LiteRT has no such operation, or the folder is not empty.
        RunError: a file of the version is damaged.
        CannotCreate, InputOutputFailed: a file cannot be written.
    """
    files: dict[str, bytes] = {}
    for number, (prefix, network) in enumerate(zip(version.members, _restore_networks(version), strict=True)):
        with _roll_by_slices():
            functions = _trace(version, network, number)
        for name, each in functions.items():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([each.function], _keep_weights(network))
            try:
                files[f"{prefix}{name}.tflite"] = converter.convert()
            except _CONVERTER_ERRORS as error:
                reason = str(error).strip().splitlines()[0]
                raise _refuse(version, "litert", f"the graph {name}", reason) from None
    _write_page(version, folder, "litert")
    for name, content in files.items():
        with convert_write_errors(folder / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, content)


EXPORTS: Mapping[str, Callable[[Version, Path], None]] = {
    "keras": export_keras,
    "saved_model": export_saved_model,
    "litert": export_litert,
}


def _restore_networks(version: Version) -> Iterator[Network]:
    """Restore the networks of a version from their weights."""
    preprocessing = load_preprocessing(version)
    for prefix, config in zip(version.members, list_members(version.config), strict=True):
        network, name = initialize_network(config, preprocessing), f"{prefix}network.weights.h5"
        try:
            load_weights(network, version.read(name))
        except ValueError as error:
            raise version.refuse(name, error) from None
        yield network


def _trace(version: Version, network: Network, number: int) -> dict[str, ServingFunction]:
    """Trace the functions of one network of a version."""
    length = list_members(version.config)[number].window.length
    return dict(zip(("encode", "decode"), build_serving_functions(network, length), strict=True))


def _keep_weights(network: Network) -> tf.Module:
    """Keep the weights that traced functions read, without the functions of Keras's own."""
    module = tf.Module()
    module.weights = [variable.value for variable in network.variables]
    return module


@contextlib.contextmanager
def _roll_by_slices() -> Iterator[None]:
    """Let `ops.roll` be slices that are joined, since LiteRT cannot roll."""
    roll = keras.ops.roll

    def join(values: KerasTensor, shift: int, axis: int) -> KerasTensor:
        first, last = ops.split(values, [values.shape[axis] - shift % values.shape[axis]], axis=axis)
        return ops.concatenate([last, first], axis=axis)

    keras.ops.roll = join
    try:
        yield
    finally:
        keras.ops.roll = roll


def _write_page(version: Version, folder: Path, format: str) -> None:
    """Write the page on inputs and outputs, and the preprocessing, into a new folder."""
    prepare_folder(folder)
    write_atomically(folder / "README.md", render_readme(version, format))
    model = describe_model(version, load_preprocessing(version))
    write_atomically(folder / "model.json", json.dumps(model, indent=1).encode() + b"\n")


def _refuse(version: Version, format: str, part: str, reason: str) -> UsageError:
    run = version.path.parent.parent
    detail = {"part": part, "format": format, "reason": reason, "run": run.name}
    return UsageError(Problem("not-exportable", str(run), detail=detail))
