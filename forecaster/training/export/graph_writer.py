"""An ONNX graph under construction: its nodes, its constants, and what of them its outputs need."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from onnx import GraphProto, TensorProto, ValueInfoProto, helper, numpy_helper

Shape: TypeAlias = Sequence[int | str | None]  # a name for a size that is open
Operand: TypeAlias = str | float | Sequence[int] | np.ndarray  # the name of a tensor, or the values of a constant

_OPTIONAL_OUTPUTS = {"LSTM", "GRU"}  # an output without a name is not computed


class _Node(NamedTuple):
    operator: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, Any]


class GraphWriter:
    """Collects the nodes of a graph in an order in which they can run.

    Whole numbers are int64 throughout, as most ONNX operators want them.

    Args:
        prefix: of the names of all tensors; those of a graph inside another must differ from the outer ones.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._nodes: list[_Node] = []
        self._producers: dict[str, _Node] = {}  # by output
        self._constants: dict[str, np.ndarray] = {}
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}  # of constants by what they hold

    def add(self, operator: str, *inputs: Operand, **attributes: Any) -> str:
        """Add a node of one output; return its name."""
        return self.add_many(1, operator, *inputs, **attributes)[0]

    def add_many(self, count: int, operator: str, *inputs: Operand, **attributes: Any) -> list[str]:
        """Add a node of `count` outputs; return their names."""
        number = len(self._nodes)
        outputs = [f"{self._prefix}{operator}_{number}" + (f".{i}" if i else "") for i in range(count)]
        names = [each if isinstance(each, str) else self.add_constant(each) for each in inputs]
        node = _Node(operator, names, outputs, attributes)
        self._nodes.append(node)
        self._producers |= dict.fromkeys(outputs, node)
        return outputs

    def add_constant(self, values: Any, name: str = "") -> str:
        """Add a constant, once for the same values; return its name."""
        array = np.asarray(values, np.int64 if isinstance(values, Sequence) else None)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.bool_ if array.dtype.kind == "b" else "<f4")
        content = (array.dtype.str, array.shape, array.tobytes())
        if content not in self._names:
            label = f"{self._prefix}{name or 'constant'}"
            if not name or label in self._constants:
                label += f"_{len(self._constants)}"
            self._names[content] = label
            self._constants[label] = array
        return self._names[content]

    def get_inputs(self, output: str) -> Sequence[str]:
        """Get the names of the inputs of the node that has this output."""
        return self._producers[output].inputs

    def build_graph(
        self, name: str, inputs: Sequence[ValueInfoProto], outputs: Sequence[tuple[ValueInfoProto, str]]
    ) -> GraphProto:
        """Build the graph, without the nodes and constants that its outputs do not need.

        Args:
            name: of the graph.
            inputs: all inputs.
            outputs: each with the name of the tensor that it is.
        """
        nodes = [*self._nodes, *(_Node("Identity", [source], [info.name], {}) for info, source in outputs)]
        needed = {info.name for info, _ in outputs}
        kept = []
        for node in reversed(nodes):
            if needed.isdisjoint(node.outputs):
                continue
            needed.update(node.inputs)
            named = [each if each in needed or node.operator not in _OPTIONAL_OUTPUTS else "" for each in node.outputs]
            kept.append(helper.make_node(node.operator, node.inputs, named, **node.attributes))
        constants = [numpy_helper.from_array(v, key) for key, v in self._constants.items() if key in needed]
        return helper.make_graph(kept[::-1], name, inputs, [info for info, _ in outputs], constants)


def describe_floats(name: str, shape: Shape | None = None) -> ValueInfoProto:
    """Describe an input or output of 32-bit floats; its shape may be open."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
