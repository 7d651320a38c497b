"""Rows of data: their number, and the fingerprint of those of a query. Imported where they are needed, with pandas."""

import hashlib

from forecaster.config import Config
from forecaster.data.sources.database import read_query
from forecaster.data.sources.files import Query
from forecaster.preprocessing.read_data import read_data


def count_rows(config: Config) -> int:
    """Count the steps of all series of a config, as the manifest of a version does.

    Raises:
        DataError: they cannot be read.
    """
    return sum(map(len, read_data(config)))


def hash_rows(url: str, query: str) -> str:
    """Hash the rows of a query, in the order in which the database returns them.

    Raises:
        DataError: the database refuses the query, or it returns no rows.
        InputOutputFailed: there is no connection.
    """
    total = hashlib.sha256()
    for block in read_query(Query(url, query)):
        for name, column in zip(block.columns.column_names, block.columns.columns, strict=True):
            total.update(repr((name, column.to_pylist())).encode())
    return total.hexdigest()[:32]
