"""Sources whose columns have types, Parquet and databases, as rows or as a table of text."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from forecaster.data.assembly.column_roles import HEAD
from forecaster.data.assembly.fast_csv import plain_columns
from forecaster.data.assembly.rows import Rows, found_columns, rows_of
from forecaster.data.dialect import USUAL, Dialect
from forecaster.data.options import Reading
from forecaster.data.sources.arrow_columns import Stored, text_column
from forecaster.data.sources.database import read_query
from forecaster.data.sources.parquet import parquet_head, read_parquet
from forecaster.data.sources.source import Source
from forecaster.data.sources.text_table import TEXT, Table


def typed_table(source: Source) -> Table:
    """All columns of a source as text.

    Raises:
        DataError: it cannot be read, or has no rows.
        Changing: it changed while it was read.
        InputOutputFailed: it cannot be read.
        UsageError: a package that reads it is not installed.
    """
    head, read = _begun(source)
    return _as_text(read(head.columns.column_names))


def typed_rows(source: Source, dialect: Dialect, reading: Reading) -> Rows:
    """The rows of a source, by the columns that are asked for.

    Args:
        source: whose columns have types.
        dialect: what is stated of CSVs, which means nothing here, and is left as it is.
        reading: what is asked.

    Raises:
        DataError: as for `rows_of` and `typed_table`; the others as for that.
    """
    first, read = _begun(source)
    head = _as_text(first)
    found = found_columns(head, reading)
    asked = dict.fromkeys((*found.times, *found.ids, *found.targets, *reading.static, *reading.columns))
    stored = read(list(asked))
    stated = replace(reading, time=found.times or None, series=found.ids or None, target=found.targets)
    rows = plain_columns(stored.columns, stored.places, head, stated)
    return replace(rows_of(_as_text(stored), stated) if rows is None else rows, dialect=dialect)


def _begun(source: Source) -> tuple[Stored, Callable[[Sequence[str]], Stored]]:
    """The first rows with all columns, and how to read all rows of some columns."""
    if source.query is None:
        return parquet_head(source.name, source.files, HEAD), partial(read_parquet, source.name, source.files)
    columns, places = read_query(source.query)
    return Stored(columns.slice(0, HEAD), places), lambda names: Stored(columns.select(list(names)), places)


def _as_text(stored: Stored) -> Table:
    columns = {
        name: pd.Series(text_column(column).to_numpy(), dtype=TEXT)
        for name, column in zip(stored.columns.column_names, stored.columns.columns, strict=True)
    }
    return Table(stored.places, columns, np.arange(1, len(stored.columns) + 1, dtype=np.int32), "", (), USUAL)
