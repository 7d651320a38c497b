"""A network's weights as an HDF5 file: one array for each, under its path in the network."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from forecaster.models.networks import Network


class MatchingRows(NamedTuple):
    """Which rows of a table are which of another's, for the values that both have."""

    ours: list[int]
    theirs: list[int]


def dump_weights(network: Network) -> bytes:
    """The content of the file.

    It is made in memory: the HDF5 library crashes the process where a disk fills up under it.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for path, variable in _by_path(network).items():
            file[path] = variable.numpy()
    return content.getvalue()


def load_weights(network: Network, content: bytes) -> None:
    """Put the weights of a file into a network that was built alike.

    Raises:
        KeyError, ValueError: the file has not the network's arrays and shapes.
    """
    with h5py.File(io.BytesIO(content), "r") as file:
        for path, variable in _by_path(network).items():
            variable.assign(np.asarray(file[path]))


def warm_start(network: Network, content: bytes, rows: Sequence[MatchingRows] = ()) -> tuple[int, list[str]]:
    """Put those weights of a file into a network whose path and shape agree.

    What is no weight, such as the bins of a head, stays. A table of vectors takes those of the values that both know.

    Args:
        rows: of each category that tells series apart, which of the network's rows are which of the file's.

    Returns:
        How many matrices agreed, and a sentence on each of the network's weights that did not.
    """
    agreed, different = 0, []
    tables = {} if network.embedding is None else dict(zip(map(_path, network.embedding.tables), rows, strict=False))
    with h5py.File(io.BytesIO(content), "r") as file:
        for path, variable in ((_path(variable), variable) for variable in network.trainable_variables):
            shape, theirs = tuple(variable.shape), file[path].shape if path in file else None
            if path in tables and theirs is not None and shape[1] == theirs[1]:
                table = variable.numpy()
                table[tables[path].ours] = np.asarray(file[path])[tables[path].theirs]
                variable.assign(table)
                different.append(f"{path}: {len(tables[path].ours)} of {len(table)} vectors are known there")
            elif shape == theirs and path not in tables:
                variable.assign(np.asarray(file[path]))
                agreed += len(shape) > 1
            else:
                there = "it has none" if theirs is None else f"its shape is {theirs}"
                different.append(f"{path}: {shape} starts afresh, {there}")
    return agreed, different


def _by_path(network: Network) -> dict[str, Any]:
    """The weights without the network's own name, which Keras numbers."""
    return {_path(variable): variable for variable in network.weights}


def _path(variable: Any) -> str:
    return variable.path.split("/", 1)[1]
