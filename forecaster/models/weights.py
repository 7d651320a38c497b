"""A network's weights as an HDF5 file, one array per weight, and the warm start from another network's file."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py

from forecaster.models.networks import Network
from forecaster.weights_file import open_weights


class MatchingRows(NamedTuple):
    """The rows of an embedding table for the values that it shares with the table of another run.

    Attributes:
        target: rows in this network's table.
        source: the same values' rows in the other network's table.
    """

    target: list[int]
    source: list[int]


def dump_weights(network: Network) -> bytes:
    """Write the weights to the bytes of an HDF5 file.

    The file is built in memory, because the HDF5 library crashes the process if the disk fills up while it writes.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for path, variable in _index_by_path(network).items():
            file[path] = variable.numpy()
    return content.getvalue()


def load_weights(network: Network, content: bytes) -> None:
    """Assign the weights of a file to a network of the same architecture.

    Raises:
        ValueError: the file does not have the network's arrays and shapes.
    """
    with open_weights(content) as file:
        for path, variable in _index_by_path(network).items():
            variable.assign(file.read(path, tuple(variable.shape)))


def warm_start(network: Network, content: bytes, rows: Sequence[MatchingRows] = ()) -> tuple[int, list[str]]:
    """Assign those weights of a file whose path and shape match the network's.

    Only trainable weights are assigned; the bins of a categorical head stay. An embedding table takes the vectors of
    the values that both networks know.

    Args:
        rows: for each embedded category, the rows of the shared values.

    Returns:
        How many matrices were assigned, and a sentence on each of the network's weights that was not.

    Raises:
        ValueError: the file is damaged.
    """
    assigned, different = 0, []
    tables = (
        {} if network.embedding is None else dict(zip(map(_shorten_path, network.embedding.tables), rows, strict=False))
    )
    with open_weights(content) as file:
        for path, variable in ((_shorten_path(variable), variable) for variable in network.trainable_variables):
            shape, source_shape = tuple(variable.shape), file.find_shape(path)
            if path in tables and source_shape is not None and shape[1] == source_shape[1]:
                table, copied = variable.numpy(), len(tables[path].target)
                table[tables[path].target] = file.read(path, source_shape)[tables[path].source]
                variable.assign(table)
                text = f"{copied} of {len(table)} vectors copied"
                different.append(f"{path}: {text}, the others are newly initialized")
            elif shape == source_shape and path not in tables:
                variable.assign(file.read(path, shape))
                assigned += len(shape) > 1
            else:
                there = "does not have it" if source_shape is None else f"has {source_shape}"
                different.append(f"{path}: {shape}, newly initialized; the other run {there}")
    return assigned, different


def _index_by_path(network: Network) -> dict[str, Any]:
    """Index the weights by their path, without the network's name, which Keras numbers."""
    return {_shorten_path(variable): variable for variable in network.weights}


def _shorten_path(variable: Any) -> str:
    return variable.path.split("/", 1)[1]
