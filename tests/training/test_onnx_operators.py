"""The ONNX nodes of single operations, against TensorFlow."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from keras import ops
from onnx import helper

from forecaster.training.export.graph_writer import GraphWriter, describe_floats
from forecaster.training.export.traced_functions import write_function

pytestmark = pytest.mark.slow

VALUES = np.random.default_rng(0).normal(size=(3, 4, 6)).astype("float32")
SQUARE = np.random.default_rng(1).normal(size=(6, 6)).astype("float32")


def export_function(function):
    """The graph of a function of (batch, 4, 6)."""
    traced = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec((None, 4, 6)))
    writer = GraphWriter()
    names = write_function(writer, traced, ["x"])
    (result,) = traced.outputs
    described = describe_floats("y", result.shape.as_list())
    graph = writer.build_graph("graph", [describe_floats("x", ["batch", 4, 6])], [(described, names[result.name])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def run(function):
    (found,) = onnxruntime.InferenceSession(export_function(function).SerializeToString()).run(None, {"x": VALUES})
    return found


FUNCTIONS = {
    "one place": lambda x: x[:, 2],
    "the last place": lambda x: x[:, -1],
    "two places": lambda x: x[:, -1, 3],
    "the first of the batch": lambda x: x[0],
    "to an end": lambda x: x[:, :-1, 2:5],
    "every second": lambda x: x[:, 1::2],
    "backwards": lambda x: x[:, ::-1],
    "backwards from a place to a place": lambda x: x[:, 2:0:-1],
    "after an ellipsis": lambda x: x[..., -2:],
    "one after an ellipsis": lambda x: x[..., 0],
    "before an ellipsis": lambda x: x[:2, ...],
    "new axes": lambda x: x[:, None, 1, ..., None],
    "a new axis at the end": lambda x: x[..., None],
    "rolled": lambda x: ops.roll(x, 1, axis=1),
    "rolled back": lambda x: ops.roll(x, -4, axis=2),
    "rolled by nothing": lambda x: ops.roll(x, 0, axis=1),
    "reversed": lambda x: ops.flip(x, axis=-1),
    "cumulative sums": lambda x: ops.cumsum(x, axis=1),
    "cumulative sums from the end": lambda x: tf.cumsum(x, axis=-1, reverse=True, exclusive=True),
    "parts": lambda x: ops.concatenate(ops.split(x, 3, axis=-1)[::-1], axis=1),
    "parts of sizes": lambda x: ops.split(x, [1, 3], axis=-1)[1],
    "stacked": lambda x: ops.stack([x, 2 * x], axis=-1),
    "stacked in front": lambda x: ops.stack([x, 2 * x]),
    "repeated": lambda x: ops.repeat(x[:, -1:], 3, axis=1),
    "tiled": lambda x: ops.tile(x, (1, 2, 1)),
    "broadcast": lambda x: ops.broadcast_to(x[:, :1], (ops.shape(x)[0], 5, 6)),
    "transposed": lambda x: ops.transpose(x, (2, 0, 1)),
    "reshaped": lambda x: ops.reshape(x, (-1, 3)),
    "reshaped with two open sizes": lambda x: ops.reshape(x[:, :, :3], (ops.shape(x)[0], -1, ops.shape(x)[0])),
    "a product of three axes": lambda x: x @ SQUARE,
    "two such products": lambda x: (x @ SQUARE) @ SQUARE,
    "products of matrices reshaped between": lambda x: ops.reshape(
        ops.reshape(ops.reshape(x, (-1, 6)) @ SQUARE, (-1, 4, 6)) @ SQUARE, (-1, 4, 6)
    ),
    "a product reshaped otherwise": lambda x: ops.reshape(ops.reshape(x, (-1, 6)) @ SQUARE, (-1, 3, 8)),
    "a product of batches": lambda x: ops.matmul(x, ops.swapaxes(x, 1, 2)),
    "means": lambda x: ops.mean(x, axis=(0, 2), keepdims=True),
    "sums of one axis": lambda x: ops.sum(x, axis=1),
    "deviations": lambda x: ops.std(x, axis=-1),
    "rows by number": lambda x: ops.take(SQUARE, ops.cast(ops.abs(x[:, 0]) * 2, "int32"), axis=0),
    "ones": lambda x: ops.ones_like(x[:, :2]) * 2,
    "numbers from 0": lambda x: x * ops.arange(6, dtype="float32"),
    "log-softmax": lambda x: ops.log_softmax(x, axis=-1),
    "clipped": lambda x: ops.clip(x, -0.5, 0.5),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_nodes_of_an_operation_give_what_tensorflow_gives(name):
    expected = FUNCTIONS[name](tf.constant(VALUES))
    found = run(FUNCTIONS[name])
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def list_operators(function):
    return [node.op_type for node in export_function(function).graph.node]


def test_a_product_of_three_axes_is_one_node():
    assert list_operators(FUNCTIONS["a product of three axes"]) == ["MatMul", "Identity"]
    assert list_operators(FUNCTIONS["two such products"]) == ["MatMul", "MatMul", "Identity"]


def test_nothing_is_written_that_the_outputs_do_not_need():
    def function(x):
        ops.exp(x) + 7.0
        return ops.abs(x)

    graph = export_function(function).graph
    assert [node.op_type for node in graph.node] == ["Abs", "Identity"]
    assert not graph.initializer


def test_the_same_constant_is_written_once():
    graph = export_function(lambda x: (x + 2.0) * 2.0 - SQUARE[0, 0] + SQUARE[0, 0]).graph
    assert len(graph.initializer) == len({each.raw_data for each in graph.initializer})
