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


def _by_path(network: Network) -> dict[str, Any]:
    """The weights without the network's own name, which Keras numbers."""
    return {variable.path.split("/", 1)[1]: variable for variable in network.weights}
