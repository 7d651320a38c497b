"""Networks for Keras, TensorFlow and LiteRT give what their ONNX graphs give."""

import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecaster.config.schema import Model
from forecaster.errors import UsageError
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.portable.keras_model import NotStandard, build_keras_models
from forecaster.portable.tensorflow_files import export_keras, export_litert, export_saved_model
from forecaster.runs import load_version
from tests.helpers.command import ROOT
from tests.helpers.networks import random_network, randomised

LOAD = ROOT / "tests/runs/format-4/load"
GENERATOR = np.random.default_rng(5)


def draw(shapes) -> dict[str, np.ndarray]:
    return {
        name: np.zeros((3, *shape), np.int32)
        if name == "categories"
        else GENERATOR.normal(size=(3, *shape)).astype("f4")
        for name, shape in shapes.items()
    }


def run_graphs(network: OnnxNetwork) -> tuple[dict, dict, dict, dict]:
    """Random inputs of both graphs, and what the graphs give for them."""
    read = draw(network.encode_inputs)
    states = dict(zip(sorted(network.states), network._encode.run(sorted(network.states), read), strict=True))
    given = draw(network.decode_inputs) | {
        name: state for name, state in states.items() if name in network.decode_inputs
    }
    names = list(network.outputs)
    return read, states, given, dict(zip(names, network._decode.run(names, given), strict=True))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (
            Model(cell="lstm", units=(3, 2), decoder="dense", bidirectional=True, normalization="profile", linear=True),
            {},
        ),
        (
            Model(cell="gru", units=(3,), decoder="seq2seq", attention="additive", layer_normalization=True),
            {"known_width": 2},
        ),
        (Model(cell="simple_rnn", units=(3,), decoder="rollout", residual=True, embedding=2), {"categories": (4,)}),
    ],
)
def test_a_keras_model_of_standard_layers_is_the_network(model: Model, options: dict):
    network, graphs = randomised(model, 12, 4, season=4, **options)
    read, states, given, outputs = run_graphs(graphs)
    encode, decode = build_keras_models(network, graphs.encode_inputs, graphs.decode_inputs)
    for built, inputs, expected in ((encode, read, states), (decode, given, outputs)):
        found = built(inputs)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (Model(cell="peephole_lstm", units=(2,)), "the cell PeepholeLSTM"),
        (Model(cell="gru", units=(2, 2), dilation=True), "dilation"),
        (Model(cell="gru", units=(2,), zoneout=0.1), "zoneout"),
    ],
)
def test_parts_that_keras_has_not_are_named(model: Model, part: str):
    with pytest.raises(NotStandard, match=part):
        build_keras_models(random_network(model, 6, 2), {"window": (6,)}, {"previous": (1,)})


def forecast_first_step() -> float:
    version = load_version(LOAD)
    network = OnnxNetwork(version.read("encode.onnx"), version.read("decode.onnx"))
    window = np.linspace(-1, 1, 12, dtype="f4")[None]
    states = network._encode.run(["state_00"], {"window": window})[0]
    return network._decode.run(["parameters"], {"state_00": states, "previous": window[:, -1:]})[0].item()


class NoForecaster:
    """Imports fail as where forecaster is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "forecaster":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def plain_keras(monkeypatch: pytest.MonkeyPatch):
    """Keras as in a process that has not imported forecaster, and cannot."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "forecaster"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoForecaster(), *sys.meta_path])
    registered = keras.saving.get_custom_objects()
    before = registered.copy()
    registered.clear()
    yield
    registered.update(before)


def test_plain_keras_loads_the_files(tmp_path: Path, request: pytest.FixtureRequest):
    export_keras(load_version(LOAD), tmp_path / "out")
    expected = forecast_first_step()
    request.getfixturevalue("plain_keras")
    encode, decode = (keras.saving.load_model(tmp_path / f"out/{name}.keras") for name in ("encode", "decode"))
    window = tf.constant(np.linspace(-1, 1, 12, dtype="f4")[None])
    found = decode({**encode({"window": window}), "previous": window[:, -1:]})["parameters"]
    assert np.asarray(found).item() == pytest.approx(expected, abs=1e-6)
    assert not any(name.partition(".")[0] == "forecaster" for name in sys.modules)
    assert "| encode.keras | input | `window` | float32 | (batch, 12) |" in (tmp_path / "out/README.md").read_text()


def test_tensorflow_loads_the_saved_model(tmp_path: Path):
    export_saved_model(load_version(LOAD), tmp_path / "out")
    signatures = tf.saved_model.load(str(tmp_path / "out/saved_model")).signatures
    window = tf.constant(np.linspace(-1, 1, 12, dtype="f4")[None])
    states = signatures["encode"](window=window)
    found = signatures["decode"](**states, previous=window[:, -1:])["parameters"]
    assert found.numpy().item() == pytest.approx(forecast_first_step(), abs=1e-6)


def test_litert_runs_the_graphs_of_built_in_operations(tmp_path: Path):
    export_litert(load_version(LOAD), tmp_path / "out")
    window = np.linspace(-1, 1, 12, dtype="f4")[None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's interpreter is to be removed, in favour of another package
        encode, decode = (
            tf.lite.Interpreter(str(tmp_path / f"out/{name}.tflite")).get_signature_runner()
            for name in ("encode", "decode")
        )
    found = decode(**encode(window=window), previous=window[:, -1:])["parameters"]
    assert found.item() == pytest.approx(forecast_first_step(), abs=1e-6)


def test_a_refusal_names_part_and_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_):
        raise NotStandard("the cell SLSTM")

    monkeypatch.setattr("forecaster.portable.tensorflow_files.build_keras_models", refuse)
    with pytest.raises(UsageError, match=r"the cell SLSTM cannot be exported to keras.*--to onnx"):
        export_keras(load_version(LOAD), tmp_path / "out")
    assert not (tmp_path / "out").exists()
