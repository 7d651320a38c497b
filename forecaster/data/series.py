"""Series: what a CSV becomes, and everything after `data/` begins with."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.data.dialect import USUAL, Dialect


@dataclass(frozen=True)
class Series:
    """One regular series: a value at every step from the first to the last.

    Attributes:
        name: what it is called: its id, or the target column of a file that holds it alone.
        target: the target column.
        time: the time column, None where the row number is the step.
        timestamps: (steps,), increasing by one step of `frequency`.
        values: (steps,) float64, in the series' own unit; never infinite; NaN only
            where it was read with gaps left open (`mask`).
        frequency: a pandas alias, or `step` for integer timestamps.
        notices: what was found or mended while reading, as sentences.
        categories: its value of each static covariate.
        dialect: how its CSV is written, where it was read from one.
    """

    name: str
    target: str
    time: str | None
    timestamps: pd.Index
    values: np.ndarray
    frequency: str
    notices: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    dialect: Dialect = USUAL

    def __len__(self) -> int:
        return len(self.values)
