"""A recurrent layer as one node of ONNX, LSTM or GRU.

The operators are defined in ONNX's documentation (onnx.ai/onnx/operators); their gates have another order than ours.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np

from forecaster.models.cells import Cell, GRUCell, LSTMCell, PeepholeLSTMCell
from forecaster.models.recurrent_layers import Recurrent
from forecaster.training.export.graph_writer import GraphWriter


class _Activation(NamedTuple):
    """An activation of ONNX's recurrent operators, with the parameters that it has."""

    name: str
    alpha: Sequence[float] = ()
    beta: Sequence[float] = ()


_ACTIVATIONS: Mapping[str, _Activation] = {
    "linear": _Activation("Affine", [1.0], [0.0]),
    "tanh": _Activation("Tanh"),
    "sigmoid": _Activation("Sigmoid"),
    "relu": _Activation("Relu"),
    "elu": _Activation("Elu", [1.0]),
    "softplus": _Activation("Softplus"),
    "softsign": _Activation("Softsign"),
    "hard_sigmoid": _Activation("HardSigmoid", [1 / 6], [0.5]),
}


class _Operator(NamedTuple):
    """The operator of a cell.

    Attributes:
        gates: the places of our gates in ONNX's order.
        activations: of the cell, in ONNX's order.
    """

    name: str
    gates: list[int]
    activations: Callable[[Cell], list[Callable[..., object]]]


_LSTM = _Operator(
    "LSTM",
    [0, 3, 1, 2],  # i, f, candidate, o -> i, o, f, candidate
    lambda cell: [cell.recurrent_activation, cell.activation, cell.activation],
)
# Not SimpleRNNCell: the RNN of ONNX Runtime takes two to four times as long as a Scan from 32 windows on.
_OPERATORS: Mapping[type[Cell], _Operator] = {
    LSTMCell: _LSTM,
    PeepholeLSTMCell: _LSTM,
    GRUCell: _Operator("GRU", [0, 1, 2], lambda cell: [cell.recurrent_activation, cell.activation]),
}
_PEEPHOLES = [0, 2, 1]  # i, f, o -> i, o, f


def has_operator(layer: Recurrent) -> bool:
    """Return whether ONNX has an operator for a layer: for its cell and activations, without dilation and zoneout."""
    operator = _OPERATORS.get(type(layer.cell))
    if operator is None or layer.dilation > 1 or layer.zoneout:
        return False
    return {each.__name__ for each in operator.activations(layer.cell)} <= _ACTIVATIONS.keys()


def write_recurrent_node(writer: GraphWriter, layer: Recurrent, sequence: str) -> list[str]:
    """Write the operator of a layer that reads a sequence (batch, steps, features), from states of 0.

    Returns:
        The names of the outputs (batch, steps, units), and of the final states (batch, units).
    """
    cell, operator = layer.cell, _OPERATORS[type(layer.cell)]
    activations = [_ACTIVATIONS[each.__name__] for each in operator.activations(cell)]

    def order(weight: keras.Variable) -> np.ndarray:
        """Order the gates as ONNX does: (rows, gates * units)."""
        gates: np.ndarray = weight.numpy().reshape(-1, len(operator.gates), cell.units)[:, operator.gates]
        return gates.reshape(len(gates), -1)

    bias = order(cell.bias)
    bias = np.concatenate([bias, np.zeros_like(bias)])[:2]  # of W x, and of U h, which only the GRU has
    weights = {
        "kernel": order(cell.kernel).T,  # (gates * units, features)
        "recurrent_kernel": order(cell.recurrent_kernel).T,  # (gates * units, units)
        "bias": bias.ravel(),  # (2 * gates * units,)
    }
    if isinstance(cell, PeepholeLSTMCell):
        weights["peepholes"] = cell.peepholes.numpy()[_PEEPHOLES].ravel()  # (3 * units,)
    # with an axis for the direction first
    kernel, recurrent_kernel, biases, *peepholes = (
        writer.add_constant(values[None], f"{layer.name}/{name}") for name, values in weights.items()
    )
    absent = ["", "", ""] if peepholes else []  # lengths of the sequences, and initial states
    by_step, *states = writer.add_many(
        1 + cell.state_count,
        operator.name,
        writer.add("Transpose", sequence, perm=[1, 0, 2]),  # (steps, batch, features)
        kernel,
        recurrent_kernel,
        biases,
        *absent,
        *peepholes,
        hidden_size=cell.units,
        direction="reverse" if layer.backward else "forward",
        activations=[each.name for each in activations],
        activation_alpha=[value for each in activations for value in each.alpha] or None,
        activation_beta=[value for each in activations for value in each.beta] or None,
        linear_before_reset=1 if operator.name == "GRU" else None,
    )
    # (steps, 1, batch, units) and (1, batch, units) each
    outputs = writer.add("Transpose", writer.add("Squeeze", by_step, [1]), perm=[1, 0, 2])
    return [outputs, *(writer.add("Squeeze", state, [0]) for state in states)]
