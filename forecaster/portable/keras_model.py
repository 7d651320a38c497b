"""The functions of a network as Keras models of standard layers, which Keras loads without this package."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models import Network
from forecaster.models.cells import GRUCell, LSTMCell, SimpleRNNCell
from forecaster.models.recurrent_layers import Recurrent, replace_steps

_PACKAGE = "forecaster."


class NotStandard(Exception):
    """A part of a network that no standard layer of Keras computes; its text names the part."""


def build_keras_models(
    network: Network, encode_inputs: Mapping[str, Sequence[int]], decode_inputs: Mapping[str, Sequence[int]]
) -> tuple[keras.Model, keras.Model]:
    """Build the models `encode` and `decode` of a network, with the names of inputs and outputs that its graphs have.

    The weights of the network's own layers become constants: the network cannot be used afterwards.

    Args:
        network: with its weights.
        encode_inputs, decode_inputs: the shapes of the inputs by name, without the batch.

    Raises:
        NotStandard: a layer is not one of Keras.
    """
    with _use_standard_layers():
        inputs = _make_inputs(encode_inputs)
        read = Inputs(inputs["window"], inputs.get("features"), None, inputs.get("categories"))
        states = {f"state_{number:02}": state for number, state in enumerate(network.encode(read))}
        _freeze_weights(network)
        given = _make_inputs(decode_inputs)
        read_states = [given.get(name, _make_input(name, state.shape[1:])) for name, state in states.items()]
        found = network.decode(read_states, given.get("previous"), given.get("future"), given.get("noise"))
    outputs = {"parameters": found.parameters}
    outputs |= {f"new_state_{number:02}": state for number, state in enumerate(found.states)}
    outputs |= {} if found.attention is None else {"attention": found.attention}
    return keras.Model(inputs, states, name="encode"), keras.Model(given, outputs, name="decode")


def _make_inputs(shapes: Mapping[str, Sequence[int]]) -> dict[str, KerasTensor]:
    return {name: _make_input(name, shape) for name, shape in shapes.items()}


def _make_input(name: str, shape: Sequence[int]) -> KerasTensor:
    return keras.Input(tuple(shape), name=name, dtype="int32" if name == "categories" else "float32")


@contextlib.contextmanager
def _use_standard_layers() -> Iterator[None]:
    """Let a call of one of the package's layers be those of the layers and operations of Keras that it consists of."""
    call = keras.layers.Layer.__call__

    def call_inside(layer: keras.layers.Layer, *inputs: Any, **options: Any) -> Any:
        if type(layer).__module__.startswith(_PACKAGE):
            return layer.call(*inputs, **options)
        return call(layer, *inputs, **options)

    keras.layers.Layer.__call__ = call_inside
    try:
        with replace_steps(_read_with_standard_layer):
            yield
    finally:
        keras.layers.Layer.__call__ = call


def _read_with_standard_layer(layer: Recurrent, sequence: KerasTensor) -> tuple[KerasTensor, list[KerasTensor]]:
    """Read a sequence (batch, steps, features) with Keras's layer of the same cell and weights."""
    cell = layer.cell
    if layer.dilation > 1 or layer.zoneout:
        raise NotStandard("dilation" if layer.dilation > 1 else "zoneout")
    options = {"activation": cell.activation, "return_sequences": True, "return_state": True, "name": layer.name}
    options["go_backwards"] = layer.backward
    if type(cell) is SimpleRNNCell:
        standard = keras.layers.SimpleRNN(cell.units, **options)
    elif type(cell) is GRUCell:
        standard = keras.layers.GRU(cell.units, recurrent_activation=cell.recurrent_activation, **options)
    elif type(cell) is LSTMCell:
        standard = keras.layers.LSTM(cell.units, recurrent_activation=cell.recurrent_activation, **options)
    else:
        raise NotStandard(f"the cell {type(cell).__name__.removesuffix('Cell')}")
    outputs, *states = standard(sequence)
    standard.set_weights([weight.numpy() for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)])
    return ops.flip(outputs, axis=1) if layer.backward else outputs, states


def _freeze_weights(network: Network) -> None:
    """Replace the weights that the package's layers hold by arrays, which a model keeps as constants."""
    for layer in network._flatten_layers():
        if type(layer).__module__.startswith(_PACKAGE):
            for name, value in list(vars(layer).items()):
                if isinstance(value, keras.Variable):
                    vars(layer)[name] = value.numpy()
