"""A network's weights as an HDF5 file: one array for each, under its path in the network."""

import io
from typing import Any

import h5py
import numpy as np

from forecaster.models.networks import Network


def weights_to_h5(network: Network) -> bytes:
    """The content of the file.

    It is made in memory: the HDF5 library crashes the process where a disk fills up under it.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for path, variable in _by_path(network).items():
            file[path] = variable.numpy()
    return content.getvalue()


def weights_from_h5(network: Network, content: bytes) -> None:
    """Put the weights of a file into a network that was built alike.

    Raises:
        KeyError, ValueError: the file has not the network's arrays and shapes.
    """
    with h5py.File(io.BytesIO(content), "r") as file:
        for path, variable in _by_path(network).items():
            variable.assign(np.asarray(file[path]))


def warm_start(network: Network, content: bytes) -> tuple[int, list[str]]:
    """Put those weights of a file into a network whose path and shape agree.

    Returns:
        How many agreed, and a sentence on each of the network's weights that did not.
    """
    agreed, different = 0, []
    with h5py.File(io.BytesIO(content), "r") as file:
        for path, variable in _by_path(network).items():
            shape, theirs = tuple(variable.shape), file[path].shape if path in file else None
            if shape == theirs:
                variable.assign(np.asarray(file[path]))
                agreed += 1
            else:
                there = "it has none" if theirs is None else f"its shape is {theirs}"
                different.append(f"{path}: {shape} starts afresh, {there}")
    return agreed, different


def _by_path(network: Network) -> dict[str, Any]:
    """The weights without the network's own name, which Keras numbers."""
    return {variable.path.split("/", 1)[1]: variable for variable in network.weights}
