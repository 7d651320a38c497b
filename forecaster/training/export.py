"""Export a network as the ONNX graphs `encode` and `decode`, for any number of windows at once."""

import contextlib
import copy
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf
import tf2onnx

from forecaster.inputs import Inputs
from forecaster.models import Network

OPSET = 18
# Of tf2onnx's passes those that ONNX Runtime needs, or that make its session load sooner: run once each, in this order.
_PASSES = ("fold_constants", "loop_optimizer", "merge_duplication", "remove_identity")


class ServingFunction(NamedTuple):
    """One of the two exported functions of a network, traced: it returns tensors by name; its inputs, in order."""

    function: tf.types.experimental.ConcreteFunction
    inputs: list[str]


def export_onnx(network: Network, length: int) -> tuple[bytes, bytes]:
    """Export the two graphs; `build_serving_functions` names their inputs and outputs."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    encode, decode = build_serving_functions(network, length)
    return _convert(encode), _convert(decode)


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


def _convert(served: ServingFunction) -> bytes:
    try:
        return _convert_with_few_passes(served)
    except Exception:  # a pass may fail on a graph: tf2onnx then skips it, in twice the time
        tensors = served.function.inputs[: len(served.inputs)]  # captured weights follow
        specs = [tf.TensorSpec(t.shape, t.dtype, name) for t, name in zip(tensors, served.inputs, strict=True)]
        called = tf.function(served.function, autograph=False)
        model, _ = tf2onnx.convert.from_function(called, input_signature=specs, opset=OPSET)
        return bytes(model.SerializeToString())


def _convert_with_few_passes(served: ServingFunction) -> bytes:
    """Convert as `tf2onnx.convert.from_function` does, with fewer copies of its graph and fewer passes over it."""
    traced = served.function
    tensors = traced.inputs[: len(served.inputs)]  # captured weights follow
    names = {tensor.name: name for tensor, name in zip(tensors, served.inputs, strict=True)}
    outputs = {tensor.name: name for name, tensor in traced.structured_outputs.items()}
    with tf.device("/cpu:0"):
        frozen = tf2onnx.tf_loader.convert_variables_to_constants_large_model(traced)
        frozen = tf2onnx.tf_loader.fix_freezing_errors_part2(frozen)
        with tf.Graph().as_default():
            tf.import_graph_def(frozen, name="")
            frozen = tf2onnx.tf_loader.tf_optimize([*names], [*outputs], frozen)
        with tf.Graph().as_default() as imported, _copy_graphs_without_parents():
            tf.import_graph_def(frozen, name="")
            graph = tf2onnx.tfonnx.process_tf_graph(
                imported,
                opset=OPSET,
                input_names=[*names],
                output_names=[*outputs],
                tensors_to_rename=names | outputs,
            )
            for name in _PASSES:
                graph = tf2onnx.optimizer._get_optimizers()[name]().optimize(graph, 0)
            graph.topological_sort(graph.get_nodes())
            return bytes(graph.make_model("forecaster").SerializeToString())


@contextlib.contextmanager
def _copy_graphs_without_parents() -> Iterator[None]:
    """Let a copy of a loop's condition share the parent graph: tf2onnx copies the whole parent with it otherwise."""

    def copy_graph(graph: Any, memo: dict[int, Any]) -> Any:
        memo[id(graph.parent_graph)] = graph.parent_graph
        copied = memo[id(graph)] = object.__new__(type(graph))
        copied.__dict__.update(copy.deepcopy(vars(graph), memo))
        return copied

    tf2onnx.graph.Graph.__deepcopy__ = copy_graph
    try:
        yield
    finally:
        del tf2onnx.graph.Graph.__deepcopy__
