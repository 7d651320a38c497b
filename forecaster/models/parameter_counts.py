"""The number of parameters of each layer of a network."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from forecaster.models.networks import Network

_RECURRENT = {"recurrent_kernel", "peepholes"}
_OMITTED = {"encoder", "cell", "dense"}  # parts of a weight's path that a layer's name in the table leaves out


class LayerCount(NamedTuple):
    """Parameters of one layer, by kind."""

    layer: str
    units: int
    input_weights: int
    recurrent_weights: int
    biases: int

    @property
    def total(self) -> int:
        """Parameters of the layer."""
        return self.input_weights + self.recurrent_weights + self.biases


def count_parameters(network: Network) -> list[LayerCount]:
    """Count the parameters of every layer that has weights, the encoder's layers first."""
    layers: dict[str, list[Any]] = {}
    for variable in network.trainable_variables:
        _, *path, _ = variable.path.split("/")
        layers.setdefault("/".join(path), []).append(variable)
    ordered = sorted(layers.items(), key=lambda layer: not layer[0].startswith("encoder/"))
    return [_count_layer(path, variables) for path, variables in ordered]


def _count_layer(path: str, variables: Sequence[Any]) -> LayerCount:
    sizes = {variable.name: math.prod(variable.shape) for variable in variables}
    recurrent = sum(size for name, size in sizes.items() if name in _RECURRENT)
    biases = sizes.get("bias", 0)
    name = " ".join(part for part in path.split("/") if part not in _OMITTED) or "network"
    return LayerCount(name, _find_units(variables), sum(sizes.values()) - recurrent - biases, recurrent, biases)


def _find_units(variables: Sequence[Any]) -> int:
    """Find the width of a layer's output; a cell's matrices have columns for several gates."""
    shapes = {variable.name: variable.shape for variable in variables}
    return shapes["recurrent_kernel"][0] if "recurrent_kernel" in shapes else variables[0].shape[-1]
