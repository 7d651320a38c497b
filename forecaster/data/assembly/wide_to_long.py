"""Wide tables: columns of values one after the other, each a series, or a step of each series."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.data.assembly.rows import Rows
from forecaster.data.options import ROWS


def stack_columns(rows: Rows, columns: Sequence[str], layout: str) -> Rows:
    """Repeat the rows of a table for each of its columns of values: (columns x rows,).

    Args:
        rows: of the table, without values; without names where only columns separate series.
        columns: of values; each is a series in the layout `columns`, a step in the layout `rows`.
        layout: `columns | rows`.
    """
    count, names = len(columns), rows.names
    targets = list(columns) * max(len(names), 1)
    if count == 1 and layout != ROWS:
        return replace(rows, names=names or columns, targets=targets)
    places = np.repeat(np.arange(count), len(rows))
    stacked = replace(rows.select_rows(np.tile(np.arange(len(rows)), count)), stacked=count > 1)
    if layout == ROWS:
        target = f"{columns[0]} to {columns[-1]}" if count > 1 else columns[0]
        return replace(stacked, targets=[target] * len(names), timestamps=pd.Index(places))
    return replace(
        stacked,
        names=[f"{name}/{column}" for name in names for column in columns] if names else columns,
        targets=targets,
        codes=stacked.codes * np.int32(count) + places.astype(np.int32),
        categories=[category for category in rows.categories for _ in columns],
    )
