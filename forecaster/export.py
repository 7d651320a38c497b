"""A network -> the ONNX graphs `encode` and `decode`, for any number of windows at once."""

import logging

import tensorflow as tf
import tf2onnx

from forecaster.models import Network

OPSET = 18


def export_onnx(network: Network, length: int) -> tuple[bytes, bytes]:
    """The two graphs that serve a network.

    `encode`: `window` (batch, length), and `categories` (batch, categories) where they are read -> state_00,
    state_01, ..., each (batch, ...).
    `decode`: the states, `previous` (batch, segment) and `noise` (batch, width), where they are read ->
    `parameters` (batch, steps, the head's parameters), new_state_00, ... where it can be called again, and
    `attention` (batch, recurrent steps read), where there is any.
    """
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    read = [tf.TensorSpec((None, length), tf.float32, "window")]
    if network.embedding is not None:
        read.append(tf.TensorSpec((None, len(network.embedding.sizes)), tf.int32, "categories"))
    states = tf.function(network.encode, autograph=False).get_concrete_function(*read).structured_outputs
    inputs = [tf.TensorSpec((None, *state.shape[1:]), tf.float32, f"state_{i:02}") for i, state in enumerate(states)]
    inputs.append(tf.TensorSpec((None, network.segment), tf.float32, "previous"))
    if network.noise:
        inputs.append(tf.TensorSpec((None, network.noise), tf.float32, "noise"))

    def encode(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return {f"state_{i:02}": tf.identity(state) for i, state in enumerate(network.encode(*tensors))}

    def decode(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        parameters, new_states, attention = network.decode(tensors[: len(states)], *tensors[len(states) :])
        named = {"parameters": parameters} | ({} if attention is None else {"attention": attention})
        return named | {f"new_state_{i:02}": tf.identity(state) for i, state in enumerate(new_states)}

    return _converted(encode, read), _converted(decode, inputs)


def _converted(function: object, inputs: list[tf.TensorSpec]) -> bytes:
    traced = tf.function(function, autograph=False)
    model, _ = tf2onnx.convert.from_function(traced, input_signature=inputs, opset=OPSET)
    return model.SerializeToString()
