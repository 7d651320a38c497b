"""A traced function as ONNX nodes: its operations one by one, and its recurrent layers as an operator or a Scan."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import tensorflow as tf
from keras import KerasTensor

from forecaster.models.recurrent_layers import Recurrent, replace_steps
from forecaster.training.export import operators
from forecaster.training.export.graph_writer import GraphWriter, describe_floats
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
        NotImplementedError: an operation has no row in `operators.OPERATORS`.
    """
    names = {tensor.name: name for tensor, name in zip(traced.inputs, inputs, strict=False)}  # captured weights follow
    weights = _add_weights(writer, traced.graph)
    by_placeholder = {call.results[0].op: call for call in calls}
    for operation in traced.graph.get_operations():
        results = [tensor.name for tensor in operation.outputs]
        written: str | list[str]
        if call := by_placeholder.get(operation):
            results = [tensor.name for tensor in call.results]
            written = _write_layer(writer, call.layer, names[call.sequence.name])
        elif operation.type in {"Placeholder", "NoOp"}:
            continue
        elif operation.type == "ReadVariableOp":
            written = [weights[operation.inputs[0].name]]
        elif operation.type in operators.OPERATORS:
            written = operators.OPERATORS[operation.type](
                writer, operation, [names[tensor.name] for tensor in operation.inputs]
            )
        else:
            raise NotImplementedError(
                f"the operation {operation.type} ({operation.name}) has no row in {operators.__name__}"
            )
        names.update(zip(results, [written] if isinstance(written, str) else written, strict=True))
    return names


def _add_weights(writer: GraphWriter, graph: tf.Graph) -> dict[str, str]:
    """Add the weights that a function captured; return their names in the graph by those of their handles."""
    handles = {id(variable.handle): variable for variable in graph.variables}
    captured = [(inside.name, handles[id(outside)]) for outside, inside in graph.captures]
    return {
        handle: writer.add_constant(variable.numpy(), variable.name.partition("/")[2].partition(":")[0])
        for handle, variable in captured
    }


def _write_layer(writer: GraphWriter, layer: Recurrent, sequence: str) -> list[str]:
    """Write a recurrent layer; return the names of its outputs and final states."""
    return (write_recurrent_node if has_operator(layer) else _write_scan)(writer, layer, sequence)


def _write_scan(writer: GraphWriter, layer: Recurrent, sequence: str) -> list[str]:
    """Write a layer as a Scan over `Recurrent.step`, for cells and options that no operator of ONNX has."""
    width, features, count = layer.dilation * layer.cell.units, layer.cell.kernel.shape[0], layer.state_count
    specs = [tf.TensorSpec((None, features)), *[tf.TensorSpec((None, width))] * count]

    def step(inputs: tf.Tensor, *states: tf.Tensor) -> list[tf.Tensor]:
        new = layer.step(inputs, states)
        return [*new, layer.read_output(new)]

    traced = tf.function(step, autograph=False).get_concrete_function(*specs)
    body, prefix = GraphWriter(f"{layer.name}/"), f"{layer.name}/"
    states, new = ([f"{prefix}{kind}_{index}" for index in range(count)] for kind in ("state", "new_state"))
    names = write_function(body, traced, [f"{prefix}input", *states])
    graph = body.build_graph(
        layer.name,
        [describe_floats(name) for name in (*states, f"{prefix}input")],
        [
            (describe_floats(name), names[tensor.name])
            for name, tensor in zip((*new, f"{prefix}output"), traced.structured_outputs, strict=True)
        ],
    )
    shape = writer.add("Concat", writer.add("Shape", sequence, start=0, end=1), [width], axis=0)
    initial = [writer.add("Expand", value, shape) for value in layer.cell.initial_values]
    *final, outputs = writer.add_many(
        count + 1,
        "Scan",
        *initial,
        sequence,
        body=graph,
        num_scan_inputs=1,
        scan_input_axes=[1],
        scan_output_axes=[1],
        scan_input_directions=[int(layer.backward)],
        scan_output_directions=[int(layer.backward)],
    )
    return [outputs, *final]
