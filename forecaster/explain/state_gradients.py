"""The gradient of a network's loss with respect to its recurrent states, step by step back in time."""

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
    """The norms of dL/dh and dL/dc at every step that the network reads, the bottom layer first.

    The derivative is the total one: through every later step, every layer and the head. Its norm is taken over the
    units of a state for the loss of one window, and the mean over windows is given; over windows and seasons for
    an encoder that reads each season by itself. One that float32 does not hold counts as `LARGEST_NORM`.

    Args:
        inputs: arrays of what the network reads of some windows.
        targets: (windows, ahead), the steps after each.
    """
    places = _places(network, inputs.window.shape[1])
    norms = [
        _norms(network, [place.layer for place in places], inputs.select(some), tf.constant(targets[some], tf.float32))
        for some in (slice(first, first + _BATCH) for first in range(0, len(targets), _BATCH))
    ]
    flows = []
    for place, *parts in zip(places, *norms, strict=True):
        means = np.concatenate(parts, axis=-1).mean(axis=-1)  # (recurrent steps, states)
        for state, column in zip(_STATES, means.T, strict=False):
            flows.append(GradientNorms(place.layer.name, state, place.level, place.stride, column[::-1]))
    return flows


class _Place(NamedTuple):
    """A layer that reads the window, its level in its stack, and the steps that it reads at once."""

    layer: Recurrent
    level: int
    stride: int


def _places(network: Network, length: int) -> list[_Place]:
    """Every such layer, both halves of a bidirectional one; a context's one step is a season."""
    places = [
        _Place(half, level, network.segment)
        for level, layer in enumerate(network.encoder.layers)
        for half in ((layer.forward, layer.backward) if isinstance(layer, Bidirectional) else (layer,))
    ]
    if isinstance(network, ContextNetwork):
        places.append(_Place(network.context, 0, (length - network.normalization.skipped_steps) // network.seasons))
    return places


def _norms(network: Network, layers: Sequence[Recurrent], inputs: Inputs, targets: tf.Tensor) -> list[np.ndarray]:
    """Of each layer (recurrent steps, states, rows), in the order of reading."""
    with _observed(layers) as seen, tf.GradientTape() as tape:
        # The loss is a mean over windows; each window's norm is to be its own.
        total = network.compute_validation_loss(inputs, targets) * len(targets)
    gradients = tape.gradient(total, seen, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [np.array([[_lengths(state) for state in step] for step in layer]) for layer in gradients]


@contextlib.contextmanager
def _observed(layers: Sequence[Recurrent]) -> Iterator[list[list[list[tf.Tensor]]]]:
    """What each layer's cell makes at each step while the block runs: layers of steps of states (rows, units)."""
    seen: list[list[list[tf.Tensor]]] = [[] for _ in layers]
    for layer, kept in zip(layers, seen, strict=True):
        layer.observer = kept.append
    try:
        yield seen
    finally:
        for layer in layers:
            layer.observer = None


def _lengths(gradient: tf.Tensor) -> np.ndarray:
    """(rows, units) -> (rows,), finite."""
    lengths = np.linalg.norm(gradient.numpy().astype(float), axis=-1)
    return np.minimum(np.nan_to_num(lengths, nan=LARGEST_NORM, posinf=LARGEST_NORM), LARGEST_NORM)
