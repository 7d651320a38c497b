"""The series that a network's embedding places close together."""

import numpy as np
import pandas as pd

from forecaster.config.ensemble import get_member
from forecaster.errors import UsageError
from forecaster.extras import import_extra
from forecaster.problems import Problem
from forecaster.runs import Version

_NEIGHBOURS = 5
_EMBEDDINGS = "embedding/category_{}"  # path in the weights file


def find_similar_series(version: Version, member: int = 1) -> pd.DataFrame:
    """Find the nearest values of each value of each category by cosine similarity of their vectors.

    Args:
        version: a verified version of a run.
        member: network of an ensemble, from 1.

    Returns:
        One row per pair: category, value, rank, neighbour, similarity; the first category is the series itself.

    Raises:
        UsageError: the network has no embedding, or there is no such network.
        MissingExtra: h5py, which reads the weights, is not installed.
    """
    if not get_member(version.config, member).model.embedding:
        raise UsageError(Problem("no-embedding"))
    folder = version.members[member - 1]
    with import_extra("train", "explain: listing similar series"):
        from forecaster.weights_file import open_weights  # noqa: PLC0415  an optional dependency
    name, width = f"{folder}network.weights.h5", version.config.model.embedding
    try:
        with open_weights(version.read(name)) as file:
            tables = [
                _find_nearest(category, np.array(values), file.read(_EMBEDDINGS.format(number), (len(values), width)))
                for number, (category, values) in enumerate(version.preprocessing["categories"].items())
            ]
    except ValueError as error:
        raise version.refuse(name, error) from None
    return pd.concat(tables, ignore_index=True)


def _find_nearest(category: str, values: np.ndarray, vectors: np.ndarray) -> pd.DataFrame:
    """Find the nearest values of one category, whose vectors are (values, width)."""
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarity = units @ units.T  # cosines, (values, values)
    np.fill_diagonal(similarity, -np.inf)
    shown = min(_NEIGHBOURS, len(values) - 1)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :shown]  # (values, shown)
    return pd.DataFrame(
        {
            "category": category,
            "value": np.repeat(values, shown),
            "rank": np.tile(np.arange(1, shown + 1), len(values)),
            "neighbour": values[nearest].ravel(),
            "similarity": np.take_along_axis(similarity, nearest, axis=1).ravel(),
        }
    )
