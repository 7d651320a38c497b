"""What an exported graph may hold, checked before ONNX Runtime opens it, which would read files and run for ever.

The fields of ONNX's messages are read from their wire format (protobuf's documentation, "Encoding"), since the package
`onnx` is not part of the base install. Numbers of fields are those of onnx.proto.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

_BYTES = 2  # the wire type of messages, texts and packed numbers
_LARGEST = (1 << 64) - 1
_FLOAT, _INT64 = 1, 7  # of TensorProto.data_type
_TYPES: Mapping[int, np.dtype[Any]] = {_FLOAT: np.dtype("<f4"), _INT64: np.dtype("<i8")}


def check_graph(content: bytes, longest_loop: int) -> None:
    """Check that a graph is complete in itself, ends, and has finite weights.

    Args:
        content: of the file.
        longest_loop: the most steps that its loops may have. An exported graph has a Scan over the window where no
            operator of ONNX is its recurrent layer, and had a Loop in earlier versions; they are not nested.

    Raises:
        ValueError: it is damaged, or has what no exported graph has.
    """
    model = _Message(memoryview(content))
    if model.get(25) or model.get(20):
        raise ValueError("functions or training steps in the graph")
    graphs = model.get(7)
    if not graphs:
        raise ValueError("no graph")
    for graph in graphs:
        _check_nodes(_Message(graph), {}, longest_loop, nested=False)


class _Tensor(NamedTuple):
    """A constant of a graph: the bytes of its values where they are numbers that are looked at."""

    shape: tuple[int, ...]
    values: np.ndarray | None


def _check_nodes(graph: "_Message", outer: Mapping[str, _Tensor], longest_loop: int, nested: bool) -> None:
    """Check the nodes and constants of a graph; `outer` are the constants of the graph around it."""
    if graph.get(15):
        raise ValueError("sparse weights")
    constants = dict(outer)
    for each in graph.get(11):  # inputs hide constants of the same name
        constants.pop(_Message(each).get_text(1), None)
    constants |= dict(map(_read_tensor, graph.get(5)))
    shapes: dict[str, _Tensor | None] = {}  # of what a Reshape gives
    for each in graph.get(1):
        node = _Message(each)
        operator, attributes = node.get_text(4), [_Message(attribute) for attribute in node.get(5)]
        if node.get_text(7):
            raise ValueError(f"the operator {operator} of {node.get_text(7)}")
        for attribute in attributes:
            if attribute.get(11) or attribute.get(22) or attribute.get(23):
                raise ValueError(f"the operator {operator} with several graphs or sparse weights")
            for tensor in (*attribute.get(5), *attribute.get(10)):
                _read_tensor(tensor)
        if operator == "Reshape":
            shapes |= dict.fromkeys(node.list_texts(2), constants.get((*node.list_texts(1), "", "")[1]))
        bodies = [_Message(body) for attribute in attributes for body in attribute.get(6)]
        if operator == "Loop" and bodies and not nested:
            _check_loop(node, constants, longest_loop)
        elif operator == "Scan" and bodies and not nested:
            _check_scan(node, attributes, shapes, longest_loop)
        elif bodies or operator in {"Loop", "If", "Scan"}:
            raise ValueError(f"the operator {operator} {'in a loop' if nested else 'with a graph'}")
        for body in bodies:
            _check_nodes(body, constants, longest_loop, nested=True)


def _check_loop(node: "_Message", constants: Mapping[str, _Tensor], longest_loop: int) -> None:
    """Check that a loop ends: its first input is a constant number of steps."""
    count = _get_whole_numbers(constants.get(node.list_texts(1)[0] if node.get(1) else ""))
    if len(count) != 1:
        raise ValueError("a loop without a number of steps")
    if not 0 <= count[0] <= longest_loop:
        raise ValueError(f"a loop of {count[0]:,} steps; the window has {longest_loop:,}")


def _check_scan(
    node: "_Message", attributes: Sequence["_Message"], shapes: Mapping[str, _Tensor | None], longest_loop: int
) -> None:
    """Check that a scan ends: it reads one tensor along its axis 1, which a Reshape before it gives a constant size."""
    options = {each.get_text(1): each.list_numbers(3) + each.list_numbers(8) for each in attributes}
    shape = _get_whole_numbers(shapes.get(node.list_texts(1)[-1] if node.get(1) else ""))
    if options.get("num_scan_inputs") != [1] or options.get("scan_input_axes") != [1] or len(shape) < 2:
        raise ValueError("a scan without a number of steps")
    if not 1 <= shape[1] <= longest_loop:  # 0 and -1 are sizes of the tensor before
        raise ValueError(f"a scan of {shape[1]:,} steps; the window has {longest_loop:,}")


def _get_whole_numbers(constant: _Tensor | None) -> list[int]:
    """Get the values of a constant of whole numbers; none where it is no such constant."""
    if constant is None or constant.values is None or constant.values.dtype != _TYPES[_INT64]:
        return []
    return constant.values.ravel().tolist()


def _read_tensor(content: memoryview) -> tuple[str, _Tensor]:
    """Read the name, the shape and the numbers of a constant."""
    tensor = _Message(content)
    name, kind = tensor.get_text(8), (tensor.list_numbers(2) or [0])[-1]
    if tensor.get(13) or any(tensor.list_numbers(14)):
        raise ValueError(f"the weights {name} in another file")
    shape, dtype = tuple(tensor.list_numbers(1)), _TYPES.get(kind)
    if dtype is None:
        return name, _Tensor(shape, None)
    values = np.frombuffer(b"".join(tensor.get(9)), dtype)
    if not values.size and kind == _FLOAT:
        values = np.frombuffer(b"".join(tensor.get(4)), dtype)
    elif not values.size:
        values = np.array(tensor.list_numbers(7), dtype)
    if values.size != math.prod(shape):
        raise ValueError(f"the weights {name} are {values.size:,} numbers for the shape {shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"the weights {name} are not finite")
    return name, _Tensor(shape, values)


class _Message:
    """The fields of a protobuf message, by number and in their order."""

    def __init__(self, content: memoryview) -> None:
        self._contents: dict[int, list[memoryview]] = {}
        self._numbers: dict[int, list[int]] = {}
        for number, value in _read_fields(content):
            if isinstance(value, int):
                self._numbers.setdefault(number, []).append(value)
            else:
                self._contents.setdefault(number, []).append(value)

    def get(self, number: int) -> list[memoryview]:
        """Get the values of a field of messages, texts or bytes."""
        return self._contents.get(number, [])

    def get_text(self, number: int) -> str:
        """Get the text of a field, of which the last counts; empty where there is none."""
        return bytes(self.get(number)[-1]).decode() if self.get(number) else ""

    def list_texts(self, number: int) -> list[str]:
        """Get the texts of a field."""
        return [bytes(each).decode() for each in self.get(number)]

    def list_numbers(self, number: int) -> list[int]:
        """Get the whole numbers of a field, packed or not."""
        found = list(self._numbers.get(number, ()))
        for packed in self.get(number):
            at = 0
            while at < len(packed):
                value, at = _read_varint(packed, at)
                found.append(value)
        return [value - (1 << 64) if value >> 63 else value for value in found]


def _read_fields(content: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Read the number and the value of each field."""
    at = 0
    while at < len(content):
        key, at = _read_varint(content, at)
        match key & 7:
            case 0:
                value, at = _read_varint(content, at)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = _read_varint(content, at)
            case 5:
                size = 4
            case kind:
                raise ValueError(f"not ONNX: the wire type {kind}")
        if size > len(content) - at:
            raise ValueError("not ONNX, or cut short")
        if key & 7 == _BYTES:
            yield key >> 3, content[at : at + size]
        at += size


def _read_varint(content: memoryview, at: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise ValueError("not ONNX, or cut short")
        byte, at = content[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _LARGEST, at
    raise ValueError("not ONNX: a number of more than 64 bits")
