"""A traced function as ONNX nodes: its operations one by one, and its recurrent layers as an operator or a Scan."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import tensorflow as tf
from keras import KerasTensor
from onnx import GraphProto

from forecaster.models.recurrent_layers import Recurrent, replace_steps, take_no_steps
from forecaster.training.export.graph_writer import GraphWriter, describe_floats
from forecaster.training.export.operators import OPERATORS
from forecaster.training.export.recurrent_nodes import has_operator, write_recurrent_node


class LayerCall(NamedTuple):
    """A call of a recurrent layer in a traced function.

    Attributes:
        layer: that is called.
        sequence: that it reads, (batch, steps, features).
        results: placeholders for its outputs (batch, steps, units) and its final states (batch, dilation * units).
    """

    layer: Recurrent
    sequence: tf.Tensor
    results: list[tf.Tensor]


@contextmanager
def record_layer_calls() -> Iterator[list[LayerCall]]:
    """Collect the calls of recurrent layers instead of tracing their loops."""
    calls: list[LayerCall] = []

    def record(layer: Recurrent, sequence: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
        if not sequence.shape[1]:  # ONNX Runtime's operators fail without steps
            return take_no_steps(layer, sequence)
        cell = layer.cell
        shapes = [(None, sequence.shape[1], cell.units), *[(None, layer.dilation * cell.units)] * cell.state_count]
        results = [tf.raw_ops.Placeholder(dtype=tf.float32, shape=tf.TensorShape(shape)) for shape in shapes]
        calls.append(LayerCall(layer, sequence, results))
        return results[0], results[1:]

    with replace_steps(record):
        yield calls


def write_function(
    writer: GraphWriter,
    traced: tf.types.experimental.ConcreteFunction,
    inputs: Sequence[str],
    calls: Sequence[LayerCall] = (),
) -> dict[str, str]:
    """Write the operations of a traced function.

    Args:
        writer: of the graph.
        traced: the function.
        inputs: the names of its inputs in the graph.
        calls: of recurrent layers; those of other functions are ignored.

    Returns:
        The name of each tensor in the graph, by its name in TensorFlow.

    Raises:
        NotImplementedError: an operation has no row in `OPERATORS`.
    """
    names = {tensor.name: name for tensor, name in zip(traced.inputs, inputs, strict=False)}  # captured tensors follow
    names |= _add_captured(writer, traced.graph)
    by_placeholder = {call.results[0].op: call for call in calls}
    for operation in traced.graph.get_operations():
        written: str | list[str]
        if call := by_placeholder.get(operation):
            results, sequence = call.results, names[call.sequence.name]
            if has_operator(call.layer):
                written = write_recurrent_node(writer, call.layer, sequence)
            else:
                written = _write_scan(writer, call.layer, sequence, call.sequence.shape[1])
        elif operation.type in {"Placeholder", "NoOp"}:
            continue
        elif operation.type in OPERATORS:
            given = [names[tensor.name] for tensor in operation.inputs]
            results, written = operation.outputs, OPERATORS[operation.type](writer, operation, given)
        else:
            raise NotImplementedError(f"the operation {operation.type} has no row in training/export/operators.py")
        named = [written] if isinstance(written, str) else written
        names |= {tensor.name: name for tensor, name in zip(results, named, strict=True)}
    return names


def _add_captured(writer: GraphWriter, graph: tf.Graph) -> dict[str, str]:
    """Add the weights and other tensors that a function captured, as constants; return their names."""
    variables = {id(variable.handle): variable for variable in graph.variables}
    names = {}
    for outside, inside in graph.captures:
        variable = variables.get(id(outside))
        path = "" if variable is None else variable.name.partition("/")[2].partition(":")[0]  # without the network
        names[inside.name] = writer.add_constant((outside if variable is None else variable).numpy(), path)
    return names


def _write_scan(writer: GraphWriter, layer: Recurrent, sequence: str, steps: int) -> list[str]:
    """Write a layer as a Scan over `Recurrent.step`, for cells and options for which ONNX has no operator.

    A Reshape before it has the number of steps as a constant, by which `check_graph` knows that it ends.

    Returns:
        The names of the outputs (batch, steps, units), and of the final states (batch, dilation * units).
    """
    direction = int(layer.backward)
    width = layer.dilation * layer.cell.units
    shape = writer.add("Concat", writer.add("Shape", sequence, start=0, end=1), [width], axis=0)
    *states, outputs = writer.add_many(
        layer.state_count + 1,
        "Scan",
        *(writer.add("Expand", value, shape) for value in layer.cell.initial_values),
        writer.add("Reshape", sequence, [-1, steps, layer.cell.kernel.shape[0]]),
        body=_build_step(layer, width),
        num_scan_inputs=1,
        scan_input_axes=[1],
        scan_output_axes=[1],
        scan_input_directions=[direction],
        scan_output_directions=[direction],
    )
    return [outputs, *states]


def _build_step(layer: Recurrent, width: int) -> GraphProto:
    """Build the graph of one step: states (batch, width) and inputs (batch, features) -> new states and the output."""

    def step(inputs: tf.Tensor, *states: tf.Tensor) -> list[tf.Tensor]:
        new = layer.step(inputs, states)
        return [*new, layer.read_output(new)]

    features, count = layer.cell.kernel.shape[0], layer.state_count
    specs = [tf.TensorSpec((None, features)), *[tf.TensorSpec((None, width))] * count]
    traced = tf.function(step, autograph=False).get_concrete_function(*specs)
    read, states, new, output = (
        [f"{layer.name}/{name}_{index}" for index in range(size)]
        for name, size in (("input", 1), ("state", count), ("new_state", count), ("output", 1))
    )
    writer = GraphWriter(prefix=f"{layer.name}/")
    names = write_function(writer, traced, [*read, *states])
    results = [names[tensor.name] for tensor in traced.structured_outputs]
    described = [describe_floats(name) for name in (*new, *output)]
    inputs = [describe_floats(name) for name in (*states, *read)]
    return writer.build_graph(layer.name, inputs, list(zip(described, results, strict=True)))
