"""The networks of a version have the shapes that its config asks for, whatever the architecture."""

import dataclasses

import numpy as np
import pytest

from forecaster.config.load import load_values
from forecaster.errors import RunError
from forecaster.forecasting.saved_networks import load_networks
from forecaster.preprocessing.categories import Vocabulary
from forecaster.preprocessing.covariate_features import Encoding, Features
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.preprocessing.scaling import Scaler
from forecaster.problems import Problem
from forecaster.training.build import initialize_network
from forecaster.training.export import export_onnx

pytestmark = pytest.mark.slow

PLAIN = Preprocessing({"a": Scaler(0.0, 1.0), "b": Scaler(0.0, 1.0)})
RICH = dataclasses.replace(
    PLAIN,
    vocabulary=Vocabulary(("shop",), (("a", "b"),)),
    features=Features((Encoding("rain"),), (Encoding("price"),), calendar=("weekday",)),
)
FUTURE = dataclasses.replace(RICH, features=dataclasses.replace(RICH.features, past=()))
MODELS = {
    "rollout": ({"decoder": "rollout", "cell": "gru"}, FUTURE),
    "rollout in segments, both directions": ({"decoder": "rollout", "bidirectional": True, "segment": 2}, PLAIN),
    "dense with attention": (
        {"decoder": "dense", "attention": "additive", "head": "quantile", "quantiles": [0.1, 0.5]},
        RICH,
    ),
    "dense, copied segments": (
        {"decoder": "dense", "segment": 2, "copy_segments": True, "normalization": "profile"},
        RICH,
    ),
    "positional in uneven segments": ({"decoder": "positional", "segment": 2, "head": "normal"}, RICH),
    "sequence to sequence": (
        {"decoder": "seq2seq", "segment": 2, "attention": "multiplicative", "head": "student_t"},
        RICH,
    ),
    "context": ({"decoder": "context", "segment": 2, "head": "categorical", "bins": 5}, PLAIN),
    "latent": ({"decoder": "latent", "segment": 2, "latent": 3, "head": "log_normal", "normalization": "none"}, PLAIN),
    "joint channels": (
        {"decoder": "dense", "channels": "joint", "head": "negative_binomial", "normalization": "none"},
        PLAIN,
    ),
}


class Version:
    """A version of one network in memory."""

    def __init__(self, path, config, graphs):
        self.path, self.config, self.members = path, config, [""]
        self._files = dict(zip(("encode.onnx", "decode.onnx"), graphs, strict=True))

    def read(self, name):
        return self._files[name]

    def refuse(self, name, reason):
        return RunError(Problem("damaged-file", name, detail={"reason": str(reason)}))


@pytest.mark.parametrize("kind", MODELS)
def test_an_exported_network_is_the_one_of_its_config(kind, tmp_path):
    model, preprocessing = MODELS[kind]
    joint = model.get("channels") == "joint"
    data = {"path": "a.csv", "target": ["a", "b"] if joint else "a", "season": 4}
    values = {
        "data": data,
        "window": {"length": 16, "horizon": 5},
        "model": {"units": 3, "embedding": 3 if preprocessing.vocabulary else 0, **model},
    }
    config = load_values(values, "config").config
    graphs = export_onnx(initialize_network(config, preprocessing), 16)
    (network,) = load_networks(Version(tmp_path, config, graphs), preprocessing)
    assert network.outputs["parameters"] is not None
    longer = config.model_copy(update={"window": config.window.model_copy(update={"length": 18})})
    with pytest.raises(RunError):
        load_networks(Version(tmp_path, longer, graphs), preprocessing)


def test_widths_are_those_of_the_graphs(tmp_path):
    config = load_values(
        {"data": {"path": "a.csv"}, "window": {"length": 8, "horizon": 2}, "model": {"units": 3, "decoder": "dense"}},
        "c",
    ).config
    graphs = export_onnx(initialize_network(config, PLAIN), 8)
    (network,) = load_networks(Version(tmp_path, config, graphs), PLAIN)
    assert (network.width, network.noise, network.known_steps) == (1, 0, 0)
    assert np.prod(network.outputs["parameters"]) == 2
