"""What a network consists of: its layers and their weights, counted."""

import math
from typing import Any, NamedTuple

from forecaster.models.decoder import Network
from forecaster.models.layers import Bidirectional


class LayerCount(NamedTuple):
    """Parameters of one layer, by the part they play."""

    layer: str
    units: int
    input_weights: int
    recurrent_weights: int
    biases: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.input_weights + self.recurrent_weights + self.biases


def layer_counts(network: Network) -> list[LayerCount]:
    """Every layer from the window to the head."""
    rows = []
    for layer in network.encoder.layers:
        halves = [layer.forward, layer.backward] if isinstance(layer, Bidirectional) else [layer]
        for half in halves:
            cell = half.cell
            recurrent = _size(cell.recurrent_kernel) + _size(getattr(cell, "peepholes", None))
            rows.append(LayerCount(half.name, cell.units, _size(cell.kernel), recurrent, _size(cell.bias)))
    head = network.head
    rows.append(LayerCount(head.name, head.units, _size(head.kernel), 0, _size(head.bias)))
    for layer in [*network.encoder.norms, network.normalization]:
        if layer.weights:
            gain, bias = layer.weights
            rows.append(LayerCount(layer.name, 0, _size(gain), 0, _size(bias)))
    return rows


def _size(weight: Any) -> int:
    return 0 if weight is None else math.prod(weight.shape)
