"""A network -> the ONNX graphs `encode` and `decode`, for any number of windows at once."""

import logging

import tensorflow as tf
import tf2onnx

from forecaster.models import Network

OPSET = 18


def export_onnx(network: Network, length: int) -> tuple[bytes, bytes]:
    """The two graphs that serve a network.

    `encode`: window (batch, length) -> state_00, state_01, ..., each (batch, width).
    `decode`: the states and `previous` (batch, segment), where it is read -> `values` (batch, ahead), and
    new_state_00, ... where it can be called again.
    """
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    window = tf.TensorSpec((None, length), tf.float32, "window")
    states = tf.function(network.encode, autograph=False).get_concrete_function(window).structured_outputs
    inputs = [tf.TensorSpec((None, state.shape[1]), tf.float32, f"state_{i:02}") for i, state in enumerate(states)]

    def encode(window: tf.Tensor) -> dict[str, tf.Tensor]:
        return {f"state_{i:02}": tf.identity(state) for i, state in enumerate(network.encode(window))}

    def decode(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        values, new_states = network.decode(tensors[:-1], tensors[-1])
        return {"values": values} | {f"new_state_{i:02}": tf.identity(s) for i, s in enumerate(new_states)}

    inputs.append(tf.TensorSpec((None, network.segment), tf.float32, "previous"))
    return _converted(encode, [window]), _converted(decode, inputs)


def _converted(function: object, inputs: list[tf.TensorSpec]) -> bytes:
    traced = tf.function(function, autograph=False)
    model, _ = tf2onnx.convert.from_function(traced, input_signature=inputs, opset=OPSET)
    return model.SerializeToString()
