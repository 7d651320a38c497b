"""Sources whose columns have types, as rows or as a table of text; what they are asked for tells which are read."""

from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.data.arrow import plain_columns
from forecaster.data.cells import Stored, text_column
from forecaster.data.dialect import USUAL, Dialect
from forecaster.data.finding import HEAD
from forecaster.data.parquet import is_parquet, parquet_head, read_parquet
from forecaster.data.reading import Reading
from forecaster.data.rows import Rows, found_columns, rows_of
from forecaster.data.source import Paths
from forecaster.data.table import TEXT, Table


def is_typed(source: Paths) -> bool:
    """Whether the columns of a source have types.

    Raises:
        DataError: those of some of its files have, or one does not exist.
    """
    return is_parquet(source)


def typed_table(source: Paths) -> Table:
    """All columns of a source as text.

    Raises:
        DataError: it cannot be read, or has no rows.
        Changing: it changed while it was read.
        InputOutputFailed: it cannot be read.
        UsageError: a package that reads it is not installed.
    """
    return _as_text(read_parquet(source, parquet_head(source, 1).columns.column_names))


def typed_rows(source: Paths, dialect: Dialect, reading: Reading) -> Rows:
    """The rows of a source, by the columns that are asked for.

    Args:
        source: what `is_typed`.
        dialect: what is stated of CSVs, which means nothing here, and is left as it is.
        reading: what is asked.

    Raises:
        DataError: as for `rows_of` and `typed_table`; the others as for that.
    """
    head = _as_text(parquet_head(source, HEAD))
    time, target = found_columns(head, reading)
    asked = time, target, reading.series, *reading.static, *reading.columns
    stored = read_parquet(source, [name for name in dict.fromkeys(asked) if name is not None])
    found = replace(reading, time=time, target=target)
    rows = plain_columns(stored.columns, stored.places, head, found)
    return replace(rows_of(_as_text(stored), found) if rows is None else rows, dialect=dialect)


def _as_text(stored: Stored) -> Table:
    columns = {
        name: pd.Series(text_column(column).to_numpy(), dtype=TEXT)
        for name, column in zip(stored.columns.column_names, stored.columns.columns, strict=True)
    }
    return Table(stored.places, columns, np.arange(1, len(stored.columns) + 1, dtype=np.int32), "", (), USUAL)
