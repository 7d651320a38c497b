"""Measures the gradient of a network's loss with respect to its recurrent states, by steps back in time."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from forecaster.explain.gradient_norms import LARGEST_NORM, GradientNorms
from forecaster.inputs import Inputs
from forecaster.models.networks import ContextNetwork, Network
from forecaster.models.recurrent_layers import Bidirectional, Recurrent

_BATCH = 32  # windows whose states are kept at once
_STATES = ("h", "c")


def measure_gradients(network: Network, inputs: Inputs, targets: np.ndarray) -> list[GradientNorms]:
    """Measure the norms of dL/dh and dL/dc at every step that the network reads, the bottom layer first.

    The total derivative goes through all later steps, all layers and the head (Pascanu et al. 2013, equation 5). Norms
    are over a state's units for the loss of one window, averaged over windows, and over seasons for an encoder that
    reads each season separately. A norm beyond float32 counts as `LARGEST_NORM`.

    Args:
        inputs: arrays of some windows.
        targets: (windows, ahead), the steps after each.
    """
    observed = _list_layers(network, inputs.window.shape[1])
    norms = [
        _compute_norms(
            network, [entry.layer for entry in observed], inputs.select(some), tf.constant(targets[some], tf.float32)
        )
        for some in (slice(first, first + _BATCH) for first in range(0, len(targets), _BATCH))
    ]
    results = []
    for entry, *parts in zip(observed, *norms, strict=True):
        means = np.concatenate(parts, axis=-1).mean(axis=-1)  # (recurrent steps, states)
        for state, column in zip(_STATES, means.T, strict=False):
            results.append(GradientNorms(entry.layer.name, state, entry.level, entry.stride, column[::-1]))
    return results


class _ObservedLayer(NamedTuple):
    """A layer whose states are observed, its level in the stack, and the steps of the series in one of its steps."""

    layer: Recurrent
    level: int
    stride: int


def _list_layers(network: Network, length: int) -> list[_ObservedLayer]:
    """List the layers that read the window, both halves of a bidirectional one; a context's step is a season."""
    observed = [
        _ObservedLayer(half, level, network.segment)
        for level, layer in enumerate(network.encoder.layers)
        for half in ((layer.forward, layer.backward) if isinstance(layer, Bidirectional) else (layer,))
    ]
    if isinstance(network, ContextNetwork):
        observed.append(
            _ObservedLayer(network.context, 0, (length - network.normalization.skipped_steps) // network.seasons)
        )
    return observed


def _compute_norms(
    network: Network, layers: Sequence[Recurrent], inputs: Inputs, targets: tf.Tensor
) -> list[np.ndarray]:
    """Compute the norms of each layer, (recurrent steps, states, rows), in the order of reading."""
    with _record_states(layers) as seen, tf.GradientTape() as tape:
        # The loss is a mean over windows; multiplied by their number, each window's gradient is that of its loss alone.
        total = network.compute_validation_loss(inputs, targets) * len(targets)
    gradients = tape.gradient(total, seen, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [np.array([[_measure_lengths(state) for state in step] for step in layer]) for layer in gradients]


@contextlib.contextmanager
def _record_states(layers: Sequence[Recurrent]) -> Iterator[list[list[list[tf.Tensor]]]]:
    """Record the states of each layer at each step within the block: layers of steps of states (rows, units)."""
    seen: list[list[list[tf.Tensor]]] = [[] for _ in layers]
    for layer, kept in zip(layers, seen, strict=True):
        layer.observer = kept.append
    try:
        yield seen
    finally:
        for layer in layers:
            layer.observer = None


def _measure_lengths(gradient: tf.Tensor) -> np.ndarray:
    """Compute norms, finite: (rows, units) -> (rows,)."""
    lengths = np.linalg.norm(gradient.numpy().astype(float), axis=-1)
    return np.minimum(np.nan_to_num(lengths, nan=LARGEST_NORM, posinf=LARGEST_NORM), LARGEST_NORM)
