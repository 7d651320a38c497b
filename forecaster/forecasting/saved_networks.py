"""The networks of a version, checked against its config before they forecast."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from forecaster.config.ensemble import list_members
from forecaster.config.schema import Config, Model
from forecaster.forecasting.onnx_graph import check_graph
from forecaster.forecasting.onnx_network import OnnxNetwork, Shape
from forecaster.inputs import Inputs
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.runs import Version

_ENCODE, _DECODE = "encode.onnx", "decode.onnx"
_PARAMETERS = {"point": 1, "normal": 2, "student_t": 3, "log_normal": 2, "negative_binomial": 2}


def load_networks(version: Version, preprocessing: Preprocessing, root: str = "") -> list[OnnxNetwork]:
    """Load the networks of a version.

    Args:
        version: of a run.
        preprocessing: of the version.
        root: prefix of the names of their files.

    Raises:
        RunError: a graph is damaged, or is not one of the config's network.
    """
    return [
        _load_network(version, f"{root}{folder}", NetworkShapes.from_config(config, preprocessing))
        for folder, config in zip(version.members, list_members(version.config), strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class NetworkShapes:
    """The shapes of the inputs and outputs of a config's network, by name and without the batch.

    Attributes:
        encode_inputs, decode_inputs: those that the network may read; `decode_inputs` without the states.
        parameters: of the head.
        length: steps of the window.
    """

    encode_inputs: Mapping[str, Shape]
    decode_inputs: Mapping[str, Shape]
    parameters: Shape
    length: int

    @classmethod
    def from_config(cls, config: Config, preprocessing: Preprocessing) -> "NetworkShapes":
        """Find the shapes for a config, and the features and categories of its preprocessing."""
        model, length, channels = config.model, config.window.length, config.channels
        (past, known), vocabulary = preprocessing.feature_widths, preprocessing.vocabulary
        steps = config.steps_ahead if config.rollout == "direct" else model.segment
        encode_inputs: dict[str, Shape] = {"window": (length * channels,)}
        decode_inputs: dict[str, Shape] = {"previous": (model.segment * channels,)}
        if past + known:
            encode_inputs["features"] = (length, past + known)
        if future := known + (channels if model.pretrained else 0):
            decode_inputs["future"] = (steps, future)
        if vocabulary is not None:
            encode_inputs["categories"] = (len(vocabulary.names),)
        if model.decoder == "latent":
            decode_inputs["noise"] = (model.latent,)
        return cls(encode_inputs, decode_inputs, (steps * channels, _count_parameters(model)), length)


def _count_parameters(model: Model) -> int:
    """Count the parameters of a head for one value."""
    match model.head:
        case "quantile":
            return len(model.quantiles or (0.5,))
        case "categorical":
            return model.bins + 2
        case name:
            return _PARAMETERS[name]


def _load_network(version: Version, folder: str, shapes: NetworkShapes) -> OnnxNetwork:
    graphs = {name: version.read(f"{folder}{name}") for name in (_ENCODE, _DECODE)}
    for name, content in graphs.items():
        try:
            check_graph(content, shapes.length)
        except ValueError as error:
            raise version.refuse(f"{folder}{name}", error) from None
    network = OnnxNetwork(graphs[_ENCODE], graphs[_DECODE], str(version.path / folder))
    for name, reason in ((_ENCODE, _find_encode_difference), (_DECODE, _find_decode_difference)):
        if difference := reason(network, shapes):
            raise version.refuse(f"{folder}{name}", difference)
    if difference := _try(network, shapes):
        raise version.refuse(f"{folder}{_DECODE}", difference)
    return network


def _find_encode_difference(network: OnnxNetwork, shapes: NetworkShapes) -> str:
    """Find what the graph that encodes has and the config's network has not; empty where there is nothing."""
    states = {f"state_{number:02}": None for number in range(len(network.states))}
    if not states:
        return "it has no states"
    return _compare(network.encode_inputs, shapes.encode_inputs) or _compare(network.states, states)


def _find_decode_difference(network: OnnxNetwork, shapes: NetworkShapes) -> str:
    """Find what the graph that decodes has and the config's network has not; empty where there is nothing."""
    outputs = {f"new_{name}": shape for name, shape in network.states.items()}
    outputs |= {"parameters": shapes.parameters, "attention": None}
    if "parameters" not in network.outputs:
        return "it has no parameters"
    inputs = {**network.states, **shapes.decode_inputs}
    return _compare(network.decode_inputs, inputs) or _compare(network.outputs, outputs)


def _compare(found: Mapping[str, Shape | None], expected: Mapping[str, Shape | None]) -> str:
    """Compare the shapes of those inputs or outputs that a graph has; numbers that it leaves open fit."""
    for name, shape in found.items():
        if name not in expected:
            return f"its {name} is unknown to the network of this config"
        wanted = expected[name]
        if shape is None:
            return f"its {name} has another type"
        if wanted is None:
            continue
        if len(shape) != len(wanted) or any(-1 != one != other != -1 for one, other in zip(shape, wanted, strict=True)):
            return f"its {name} has the shape {shape}, and the network of this config {wanted}"
    return ""


def _try(network: OnnxNetwork, shapes: NetworkShapes) -> str:
    """Run a network on two windows of zeros; return what is wrong with the shapes that it gives."""
    zeros = {
        name: np.zeros((2, *shape), np.float32)
        for name, shape in {**shapes.encode_inputs, **shapes.decode_inputs}.items()
    }
    categories = zeros.get("categories")
    inputs = Inputs(
        zeros["window"], zeros.get("features"), None, None if categories is None else categories.astype(np.int32)
    )
    decoded = network.decode(network.encode(inputs), zeros["previous"], zeros.get("future"))
    if decoded.parameters.shape != (2, *shapes.parameters):
        found = decoded.parameters.shape[1:]
        return f"it gives parameters of the shape {found}, and the network of this config {shapes.parameters}"
    return ""
