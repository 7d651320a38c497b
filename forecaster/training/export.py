"""Export a network as the ONNX graphs `encode` and `decode`, for any number of windows at once."""

import logging
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf
import tf2onnx

from forecaster.inputs import Inputs
from forecaster.models import Network

OPSET = 18
_NO_COPIES = "TF2ONNX_CATCH_ERRORS"  # if set to anything, tf2onnx optimises a graph in place instead of copies


class ServingFunction(NamedTuple):
    """One of the two exported functions of a network: it returns tensors by name; its inputs, in order."""

    function: Callable[..., dict[str, tf.Tensor]]
    inputs: list[tf.TensorSpec]


def export_onnx(network: Network, length: int) -> tuple[bytes, bytes]:
    """Export the two graphs; `build_serving_functions` names their inputs and outputs."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    encode, decode = build_serving_functions(network, length)
    return _convert(encode), _convert(decode)


def build_serving_functions(network: Network, length: int) -> tuple[ServingFunction, ServingFunction]:
    """Build the two functions that are exported.

    `encode`: `window` (batch, length), and where they are read `features` (batch, length, features) and `categories`
    (batch, categories) -> state_00, state_01, ..., each (batch, ...).
    `decode`: the states, and where they are read `previous` (batch, width), `future` (batch, steps, known features)
    and `noise` (batch, width) -> `parameters` (batch, steps, the head's parameters), new_state_00, ... where it can be
    called again, and `attention` (batch, recurrent steps read), where there is any.
    """
    read = {"window": tf.TensorSpec((None, length * network.channels), tf.float32, "window")}
    if width := network.past_width + network.known_width:
        read["features"] = tf.TensorSpec((None, length, width), tf.float32, "features")
    if network.embedding is not None:
        read["categories"] = tf.TensorSpec((None, len(network.embedding.sizes)), tf.int32, "categories")

    def list_states(*tensors: tf.Tensor) -> list[tf.Tensor]:
        return network.encode(Inputs(**dict(zip(read, tensors, strict=True))))

    encoded = tf.function(list_states, autograph=False).get_concrete_function(*read.values()).structured_outputs
    inputs = [tf.TensorSpec((None, *state.shape[1:]), tf.float32, f"state_{i:02}") for i, state in enumerate(encoded)]
    decoder_inputs = {"previous": tf.TensorSpec((None, network.width), tf.float32, "previous")}
    if network.known_width:
        decoder_inputs["future"] = tf.TensorSpec(
            (None, network.steps_decoded, network.known_width), tf.float32, "future"
        )
    if network.noise:
        decoder_inputs["noise"] = tf.TensorSpec((None, network.noise), tf.float32, "noise")

    def encode(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return {f"state_{i:02}": tf.identity(state) for i, state in enumerate(list_states(*tensors))}

    def decode(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        known = dict(zip(decoder_inputs, tensors[len(encoded) :], strict=True))
        parameters, new_states, attention = network.decode(tensors[: len(encoded)], **known)
        named = {"parameters": parameters} | ({} if attention is None else {"attention": attention})
        return named | {f"new_state_{i:02}": tf.identity(state) for i, state in enumerate(new_states)}

    return ServingFunction(encode, [*read.values()]), ServingFunction(decode, [*inputs, *decoder_inputs.values()])


def _convert(served: ServingFunction) -> bytes:
    traced = tf.function(served.function, autograph=False)
    try:
        os.environ[_NO_COPIES] = "1"
        return _trace_to_onnx(traced, served.inputs)
    except Exception:  # an optimisation in place may fail; on copies tf2onnx skips it, in twice the time
        del os.environ[_NO_COPIES]
        return _trace_to_onnx(traced, served.inputs)


def _trace_to_onnx(traced: tf.types.experimental.PolymorphicFunction, inputs: Sequence[tf.TensorSpec]) -> bytes:
    model, _ = tf2onnx.convert.from_function(traced, input_signature=inputs, opset=OPSET)
    return bytes(model.SerializeToString())
