"""The ONNX nodes for each TensorFlow operation that a traced network has.

Each function writes the nodes for one operation and returns the names of its outputs. Sizes and axes that TensorFlow
knows when it traces are constants in the graph; whole numbers are int64.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from onnx import TensorProto

from forecaster.training.export.graph_writer import GraphWriter

WriteOperation: TypeAlias = Callable[[GraphWriter, tf.Operation, Sequence[str]], str | list[str]]

_TYPES = {
    tf.float32: TensorProto.FLOAT,
    tf.int32: TensorProto.INT64,
    tf.int64: TensorProto.INT64,
    tf.bool: TensorProto.BOOL,
}
_END, _BEGIN = np.iinfo(np.int64).max, np.iinfo(np.int64).min  # of a slice: beyond any place


def _rename(operator: str) -> WriteOperation:
    """Write an operation that ONNX has under another name."""
    return lambda writer, operation, inputs: writer.add(operator, *inputs)


def _pass_on(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    """Write nothing: the output is the input."""
    return inputs[0]


def _write_constant(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    return writer.add_constant(tf.make_ndarray(operation.get_attr("value")))


def _write_product(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    for name in ("transpose_a", "transpose_b") if operation.type == "MatMul" else ("adj_x", "adj_y"):
        if operation.get_attr(name):
            raise NotImplementedError(f"{operation.type} with {name}")
    return writer.add("MatMul", *inputs)


def _write_squared_difference(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    difference = writer.add("Sub", *inputs)
    return writer.add("Mul", difference, difference)


def _reduce(operator: str) -> WriteOperation:
    """Write a reduction over constant axes."""

    def write(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
        axes = np.ravel(_get_value(operation.inputs[1]))
        return writer.add(operator, inputs[0], axes, keepdims=int(operation.get_attr("keep_dims")))

    return write


def _write_cast(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    return writer.add("Cast", inputs[0], to=_TYPES[operation.outputs[0].dtype])


def _write_shape(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    shape = operation.inputs[0].shape
    return writer.add_constant(shape.as_list()) if shape.is_fully_defined() else writer.add("Shape", inputs[0])


def _write_reshape(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    sizes = operation.outputs[0].shape.as_list()
    if _is_product_of_many_axes(operation.inputs[0].op, sizes):
        flattened, kernel = writer.get_inputs(inputs[0])
        return writer.add("MatMul", writer.get_inputs(flattened)[0], kernel)
    is_open = sizes.count(None) > 1
    return writer.add("Reshape", inputs[0], inputs[1] if is_open else [-1 if size is None else size for size in sizes])


def _is_product_of_many_axes(product: tf.Operation, sizes: Sequence[int | None]) -> bool:
    """Return whether a Reshape to `sizes` after this operation is the last part of (..., n) x (n, m) -> (..., m).

    TensorFlow flattens the left factor to a matrix and restores its axes; one MatMul of ONNX does the same.
    """
    if product.type != "MatMul" or product.inputs[0].op.type != "Reshape":
        return False
    factor = product.inputs[0].op.inputs[0]
    if factor.op.type == "MatMul":  # its Reshape may be the last part of another product
        return False
    left, right = factor.shape.as_list(), product.inputs[1].shape.as_list()
    return [*left[:-1], right[-1]] == sizes and left[-1] == right[0] and None not in (*sizes[1:], right[0])


def _write_transpose(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    order = _get_value(operation.inputs[1]).tolist()
    return inputs[0] if order == sorted(order) else writer.add("Transpose", inputs[0], perm=order)


def _write_concatenation(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    return writer.add("Concat", *inputs[:-1], axis=int(_get_value(operation.inputs[-1])))


def _write_stack(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    axis = operation.get_attr("axis")
    return writer.add("Concat", *(writer.add("Unsqueeze", each, [axis]) for each in inputs), axis=axis)


def _write_new_axis(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    return writer.add("Unsqueeze", inputs[0], np.ravel(_get_value(operation.inputs[1])))


def _write_gathering(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    if operation.get_attr("batch_dims"):
        raise NotImplementedError("GatherV2 with batch_dims")
    return writer.add("Gather", *inputs[:2], axis=int(_get_value(operation.inputs[2])))


def _write_split(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> list[str]:
    at = {"Split": (1, 0), "SplitV": (0, 2)}[operation.type]  # of the tensor and of the axis among the inputs
    axis = int(_get_value(operation.inputs[at[1]]))
    sizes = [part.shape[axis] for part in operation.outputs]
    return writer.add_many(len(sizes), "Split", inputs[at[0]], sizes, axis=axis)


def _write_slice(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    """Write `tensor[...]`: a Slice, a Gather for each place that removes its axis, an Unsqueeze for added axes."""
    indices = _read_indices(operation)
    cuts, removed = [], []  # (begin, end, axis, step); (axis, place)
    for axis, index in enumerate(each for each in indices if each is not None):
        if isinstance(index, int):
            removed.append((axis, index))
        elif index != slice(None, None, 1):
            first, last = (0, _END) if index.step > 0 else (_END, _BEGIN)
            begin, end = first if index.start is None else index.start, last if index.stop is None else index.stop
            cuts.append((begin, end, axis, index.step))
    name = writer.add("Slice", inputs[0], *map(list, zip(*cuts, strict=True))) if cuts else inputs[0]
    for axis, place in reversed(removed):
        name = writer.add("Gather", name, np.array(place), axis=axis)
    added = [axis for axis, index in enumerate(each for each in indices if not isinstance(each, int)) if index is None]
    return writer.add("Unsqueeze", name, added) if added else name


def _read_indices(operation: tf.Operation) -> list[int | slice | None]:
    """Read the index of a StridedSlice, as Python writes it, with an ellipsis as slices; None adds an axis."""
    begins, ends, steps = (_get_value(operation.inputs[place]).tolist() for place in (1, 2, 3))

    def has(mask: str, place: int) -> bool:
        return bool(operation.get_attr(f"{mask}_mask") >> place & 1)

    read = sum(not has("new_axis", place) and not has("ellipsis", place) for place in range(len(begins)))
    indices: list[int | slice | None] = []
    for place, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        if has("ellipsis", place):
            indices += [slice(None, None, 1)] * (operation.inputs[0].shape.rank - read)
        elif has("new_axis", place):
            indices.append(None)
        elif has("shrink_axis", place):
            indices.append(begin)
        else:
            indices.append(slice(None if has("begin", place) else begin, None if has("end", place) else end, step))
    return indices


def _write_roll(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    (shift,), (axis,) = (np.ravel(_get_value(operation.inputs[place])).tolist() for place in (1, 2))
    first = -shift % operation.inputs[0].shape[axis]  # the place that becomes the first
    parts = (writer.add("Slice", inputs[0], [begin], [end], [axis]) for begin, end in ((first, _END), (0, first)))
    return writer.add("Concat", *parts, axis=axis)


def _write_reversal(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    (axis,) = _get_value(operation.inputs[1]).tolist()
    return writer.add("Slice", inputs[0], [_END], [_BEGIN], [axis], [-1])


def _write_cumulative_sum(writer: GraphWriter, operation: tf.Operation, inputs: Sequence[str]) -> str:
    flags = {name: int(operation.get_attr(name)) for name in ("exclusive", "reverse")}
    return writer.add("CumSum", *inputs, **flags)


def _get_value(tensor: tf.Tensor) -> np.ndarray:
    """Get the value of a tensor that is known in tracing, as axes and places are."""
    value = tf.get_static_value(tensor)
    if value is None:
        raise NotImplementedError(f"{tensor.name} is computed, not a constant")
    return np.asarray(value, np.int64)


# By the type of TensorFlow's operation. A part of a network with an operation that none had before adds its row.
OPERATORS: Mapping[str, WriteOperation] = {
    "Abs": _rename("Abs"),
    "AddV2": _rename("Add"),
    "BatchMatMulV2": _write_product,
    "BiasAdd": _rename("Add"),
    "BroadcastTo": _rename("Expand"),
    "Cast": _write_cast,
    "ConcatV2": _write_concatenation,
    "Const": _write_constant,
    "Cumsum": _write_cumulative_sum,
    "Elu": _rename("Elu"),
    "Exp": _rename("Exp"),
    "ExpandDims": _write_new_axis,
    "Fill": lambda writer, operation, inputs: writer.add("Expand", inputs[1], inputs[0]),
    "GatherV2": _write_gathering,
    "Identity": _pass_on,
    "IdentityN": lambda writer, operation, inputs: list(inputs),
    "Less": _rename("Less"),
    "Log": _rename("Log"),
    "LogSoftmax": _rename("LogSoftmax"),
    "MatMul": _write_product,
    "Maximum": _rename("Max"),
    "Mean": _reduce("ReduceMean"),
    "Minimum": _rename("Min"),
    "Mul": _rename("Mul"),
    "Neg": _rename("Neg"),
    "OnesLike": lambda writer, operation, inputs: writer.add("Expand", 1.0, writer.add("Shape", inputs[0])),
    "Pack": _write_stack,
    "Prod": _reduce("ReduceProd"),
    "Range": lambda writer, operation, inputs: writer.add_constant(tf.get_static_value(operation.outputs[0])),
    "ReadVariableOp": _pass_on,
    "RealDiv": _rename("Div"),
    "Relu": _rename("Relu"),
    "Relu6": lambda writer, operation, inputs: writer.add("Clip", inputs[0], 0.0, 6.0),
    "Reshape": _write_reshape,
    "ReverseV2": _write_reversal,
    "Roll": _write_roll,
    "Rsqrt": lambda writer, operation, inputs: writer.add("Reciprocal", writer.add("Sqrt", inputs[0])),
    "SelectV2": _rename("Where"),
    "Selu": _rename("Selu"),
    "Shape": _write_shape,
    "Sigmoid": _rename("Sigmoid"),
    "Softmax": _rename("Softmax"),
    "Softplus": _rename("Softplus"),
    "Softsign": _rename("Softsign"),
    "Split": _write_split,
    "SplitV": _write_split,
    "Sqrt": _rename("Sqrt"),
    "Square": lambda writer, operation, inputs: writer.add("Mul", inputs[0], inputs[0]),
    "SquaredDifference": _write_squared_difference,
    "StopGradient": _pass_on,
    "StridedSlice": _write_slice,
    "Sub": _rename("Sub"),
    "Sum": _reduce("ReduceSum"),
    "Tanh": _rename("Tanh"),
    "Tile": _rename("Tile"),
    "Transpose": _write_transpose,
}
