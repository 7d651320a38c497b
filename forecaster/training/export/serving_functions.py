"""The two functions of a network that are exported, traced for any number of windows at once."""

from typing import Any, NamedTuple

import tensorflow as tf

from forecaster.inputs import Inputs
from forecaster.models import Network


class ServingFunction(NamedTuple):
    """One of the two exported functions of a network, traced: it returns tensors by name; its inputs, in order."""

    function: tf.types.experimental.ConcreteFunction
    inputs: list[str]


def build_serving_functions(network: Network, length: int) -> tuple[ServingFunction, ServingFunction]:
    """Trace the two functions that are exported; they use the network's weights at the time of the call.

    `encode`: `window` (batch, length), and where they are read `features` (batch, length, features) and `categories`
    (batch, categories) -> state_00, state_01, ..., each (batch, ...).
    `decode`: the states, and where they are read `previous` (batch, width), `future` (batch, steps, future features)
    and `noise` (batch, width) -> `parameters` (batch, steps, the head's parameters), new_state_00, ... where it can be
    called again, and `attention` (batch, recurrent steps read), where there is any.
    """
    read = [tf.TensorSpec((None, length * network.channels), tf.float32, "window")]
    if width := network.past_width + network.known_width:
        read.append(tf.TensorSpec((None, length, width), tf.float32, "features"))
    if network.embedding is not None:
        read.append(tf.TensorSpec((None, len(network.embedding.sizes)), tf.int32, "categories"))

    def encode(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        states = network.encode(Inputs(**{spec.name: tensor for spec, tensor in zip(read, tensors, strict=True)}))
        return {f"state_{i:02}": tf.identity(state) for i, state in enumerate(states)}

    encoder = _trace(encode, read)
    encoded = encoder.function.structured_outputs
    states = [tf.TensorSpec((None, *encoded[name].shape[1:]), tf.float32, name) for name in sorted(encoded)]
    others = [tf.TensorSpec((None, network.width), tf.float32, "previous")]
    if network.future_width:
        others.append(tf.TensorSpec((None, network.steps_decoded, network.future_width), tf.float32, "future"))
    if network.noise:
        others.append(tf.TensorSpec((None, network.noise), tf.float32, "noise"))

    def decode(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        known = {spec.name: tensor for spec, tensor in zip(others, tensors[len(states) :], strict=True)}
        parameters, new_states, attention = network.decode(tensors[: len(states)], **known)
        named = {"parameters": parameters} | ({} if attention is None else {"attention": attention})
        return named | {f"new_state_{i:02}": tf.identity(state) for i, state in enumerate(new_states)}

    return encoder, _trace(decode, [*states, *others])


def _trace(function: Any, inputs: list[tf.TensorSpec]) -> ServingFunction:
    traced = tf.function(function, autograph=False).get_concrete_function(*inputs)
    return ServingFunction(traced, [spec.name for spec in inputs])
