"""What a network consists of: its layers and their weights, counted."""

from typing import NamedTuple

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
            sizes = [_size(weight) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)]
            rows.append(LayerCount(half.name, cell.units, *sizes))
    head = network.head
    return [*rows, LayerCount(head.name, head.units, _size(head.kernel), 0, _size(head.bias))]


def _size(weight: object) -> int:
    size = 1
    for dimension in weight.shape:  # type: ignore[attr-defined]
        size *= dimension
    return size
