"""Stack: the columns of values of a table one after the other, and the series that their cells belong to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.data.options import ROWS


@dataclass(frozen=True)
class Stack:
    """Cells of `columns` end to end: (cells,) = columns x rows of the table.

    Attributes:
        targets: what the values of each series are called.
        codes: the number of each cell's series, (cells,) int32.
        timestamps, lines: of each cell, (cells,).
        rows: the row of the table that each cell is in, (cells,).
    """

    columns: Sequence[str]
    names: Sequence[str]
    targets: Sequence[str]
    codes: np.ndarray
    timestamps: pd.Index
    lines: np.ndarray
    rows: np.ndarray | slice


def stack_columns(
    columns: Sequence[str],
    names: Sequence[str],
    codes: np.ndarray,
    timestamps: pd.Index,
    lines: np.ndarray,
    layout: str,
) -> Stack:
    """Stack the columns of values of a table.

    Args:
        columns: of values; each is a series in the layout `columns`, a step in the layout `rows`.
        names: of the rows' series; none where only columns separate series.
        codes, timestamps, lines: of each row.
        layout: `columns | rows`.
    """
    count, targets = len(columns), list(columns) * max(len(names), 1)
    if count == 1 and layout != ROWS:
        return Stack(columns, names or columns, targets, codes, timestamps, lines, slice(None))
    rows = np.tile(np.arange(len(codes)), count)
    if layout == ROWS:
        steps = pd.Index(np.repeat(np.arange(count), len(codes)))
        target = f"{columns[0]} to {columns[-1]}" if count > 1 else columns[0]
        return Stack(columns, names, [target] * len(names), codes[rows], steps, lines[rows], rows)
    joined = [f"{name}/{column}" for name in names for column in columns] if names else columns
    numbers = codes[rows] * np.int32(count) + np.repeat(np.arange(count, dtype=np.int32), len(codes))
    return Stack(columns, joined, targets, numbers, timestamps[rows], lines[rows], rows)
