"""A network as the ONNX graphs `encode` and `decode`, for any number of windows at once."""

from collections.abc import Sequence
from typing import NamedTuple

import onnx
from onnx import TensorProto, helper

from forecaster.models import Network
from forecaster.training.export.graph_writer import GraphWriter, describe_floats
from forecaster.training.export.serving_functions import ServingFunction, build_serving_functions
from forecaster.training.export.traced_functions import LayerCall, record_layer_calls, write_function

OPSET, IR_VERSION = 18, 8  # of ONNX 1.13


class TracedNetwork(NamedTuple):
    """The functions of a network that are exported, traced; they read its weights when they are written."""

    encode: ServingFunction
    decode: ServingFunction
    calls: Sequence[LayerCall]

    def export(self) -> tuple[bytes, bytes]:
        """Export the two graphs with the network's present weights."""
        return _write_model("encode", self.encode, self.calls), _write_model("decode", self.decode, self.calls)


def export_onnx(network: Network, length: int) -> tuple[bytes, bytes]:
    """Export the two graphs; `build_serving_functions` names their inputs and outputs."""
    return trace_network(network, length).export()


def trace_network(network: Network, length: int) -> TracedNetwork:
    """Trace the functions that are exported, for one export or several."""
    with record_layer_calls() as calls:
        return TracedNetwork(*build_serving_functions(network, length), calls)


def _write_model(name: str, served: ServingFunction, calls: Sequence[LayerCall]) -> bytes:
    """Write a function as a model with the names of its inputs and outputs; the first size of each is the batch."""
    writer, inputs, names = GraphWriter(), [], []
    for tensor, given in zip(served.function.inputs, served.inputs, strict=False):  # captured weights follow
        shape = ["batch", *tensor.shape[1:]]
        if tensor.dtype.is_integer:  # codes of categories
            inputs.append(helper.make_tensor_value_info(given, TensorProto.INT32, shape))
            names.append(writer.add("Cast", given, to=TensorProto.INT64))
        else:
            inputs.append(describe_floats(given, shape))
            names.append(given)
    written = write_function(writer, served.function, names, calls)
    outputs = [
        (describe_floats(output, ["batch", *tensor.shape[1:]]), written[tensor.name])
        for output, tensor in served.function.structured_outputs.items()
    ]
    graph = writer.build_graph(name, inputs, outputs)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="forecaster")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
