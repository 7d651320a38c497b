"""The monthly series of the tourism competition, 366 of them, 24 months after the end of each: MAPE.

    .venv/bin/python benchmarks/accuracy/tourism.py --seeds 0 1 2 --data ../shared/data

The published files of training and test parts (Athanasopoulos, Hyndman, Song & Wu 2011).
"""

from collections.abc import Sequence
from pathlib import Path

import harness
import numpy as np
import pandas as pd
import scores

SEASON = 12

_DESCRIPTION = 3  # rows below the header: length, first year, first month


def cases(data: Path) -> dict[str, harness.Case]:
    """Read the training file, and the test part in the order of its columns."""
    return {"Monthly": harness.Case(data / "tourism/monthly_in.csv", read_series(data)[1])}


def read_series(data: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Read the training part of each series, (steps,), and the test parts, (series, horizon)."""
    past, future = (pd.read_csv(data / f"tourism/monthly_{part}.csv") for part in ("in", "oos"))
    series = [column.dropna().to_numpy(float) for _, column in past.iloc[_DESCRIPTION:].items()]
    return series, future[past.columns].iloc[_DESCRIPTION:].to_numpy(float).T


def scored(past: Sequence[np.ndarray], actual: np.ndarray, forecast: np.ndarray) -> dict[str, float]:
    """Compute the competition's metric, of months above 0, and MASE."""
    return scores.scored(actual, forecast, past, SEASON, ["mape", "mase"])


if __name__ == "__main__":
    harness.run(harness.Benchmark(Path(__file__).with_suffix(".yaml"), cases, scored, SEASON), __doc__)
