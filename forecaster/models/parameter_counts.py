"""What a network consists of: its layers and their weights, counted."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from forecaster.models.networks import Network

_RECURRENT = {"recurrent_kernel", "peepholes"}
_UNSPOKEN = {"encoder", "cell", "dense"}  # parts of a path that say nothing new


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


def count_parameters(network: Network) -> list[LayerCount]:
    """Every layer that has weights: encoder, decoder, head, and what stands between them."""
    layers: dict[str, list[Any]] = {}
    for variable in network.trainable_variables:
        _, *path, _ = variable.path.split("/")
        layers.setdefault("/".join(path), []).append(variable)
    ordered = sorted(layers.items(), key=lambda layer: not layer[0].startswith("encoder/"))
    return [_count(path, variables) for path, variables in ordered]


def _count(path: str, variables: Sequence[Any]) -> LayerCount:
    sizes = {variable.name: math.prod(variable.shape) for variable in variables}
    recurrent = sum(size for name, size in sizes.items() if name in _RECURRENT)
    biases = sizes.get("bias", 0)
    name = " ".join(part for part in path.split("/") if part not in _UNSPOKEN) or "network"
    return LayerCount(name, _units(variables), sum(sizes.values()) - recurrent - biases, recurrent, biases)


def _units(variables: Sequence[Any]) -> int:
    """The width of what a layer makes; a cell's matrices hold several gates side by side."""
    shapes = {variable.name: variable.shape for variable in variables}
    return shapes["recurrent_kernel"][0] if "recurrent_kernel" in shapes else variables[0].shape[-1]
