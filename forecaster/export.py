"""A network -> the ONNX graphs `encode` and `decode`, for any number of windows at once."""

import logging

import tensorflow as tf
import tf2onnx

from forecaster.models import Network

OPSET = 18


def export_onnx(network: Network, length: int) -> tuple[bytes, bytes]:
    """The two graphs that serve a network.

    `encode`: window (batch, length) -> state_00, state_01, ..., each (batch, width).
    `decode`: the states, and `previous` (batch, 1) where the network reads it -> `values`
    (batch, ahead), and new_state_00, ... where it can be called again.
    """
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    window = tf.TensorSpec((None, length), tf.float32, "window")
    states = tf.function(network.encode, autograph=False).get_concrete_function(window).structured_outputs
    inputs = [tf.TensorSpec((None, state.shape[1]), tf.float32, f"state_{i:02}") for i, state in enumerate(states)]
    if network.reads_previous:
        inputs.append(tf.TensorSpec((None, 1), tf.float32, "previous"))

    def encode(window: tf.Tensor) -> dict[str, tf.Tensor]:
        return {f"state_{i:02}": tf.identity(state) for i, state in enumerate(network.encode(window))}

    def decode(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        values, new_states = network.decode(tensors[: len(states)], tensors[-1])
        if not network.reads_previous:
            return {"values": values}
        return {"values": values} | {f"new_state_{i:02}": state for i, state in enumerate(new_states)}

    return _converted(encode, [window]), _converted(decode, inputs)


def _converted(function: object, inputs: list[tf.TensorSpec]) -> bytes:
    model, _ = tf2onnx.convert.from_function(
        tf.function(function, autograph=False), input_signature=inputs, opset=OPSET
    )
    return model.SerializeToString()
