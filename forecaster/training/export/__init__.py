"""Networks exported to ONNX, without TensorFlow's loops.

- `serving_functions`: the two functions `encode` and `decode`, traced
- `export_onnx`: their graphs
- `traced_functions`: a traced function as nodes
- `operators`: the nodes for each TensorFlow operation
- `recurrent_nodes`: a recurrent layer as one node
- `graph_writer`: the nodes and constants of a graph
"""

from forecaster.training.export.export_onnx import IR_VERSION, OPSET, TracedNetwork, export_onnx, trace_network
from forecaster.training.export.serving_functions import ServingFunction, build_serving_functions

__all__ = [
    "IR_VERSION",
    "OPSET",
    "ServingFunction",
    "TracedNetwork",
    "build_serving_functions",
    "export_onnx",
    "trace_network",
]
