"""Half-hourly demand of England and Wales, the last week forecast at once from one origin: MAPE.

    .venv/bin/python benchmarks/accuracy/taylor.py --seeds 0 1 2 --data ../shared/data

4,032 steps of twelve weeks (Taylor 2003); the last 336 are the test part, which the week before forecasts to 1.22 %.
"""

from collections.abc import Sequence
from pathlib import Path

import harness
import numpy as np
import scores

WEEK = 336  # steps


def cases(data: Path) -> dict[str, harness.Case]:
    """Split the file into the last week and the steps before it."""
    header, *rows = (data / "classic/taylor.csv").read_text().split()
    path = harness.written("taylor-train.csv", [header, *rows[:-WEEK]])
    return {"last week": harness.Case(path, np.array([rows[-WEEK:]], float))}


def scored(past: Sequence[np.ndarray], actual: np.ndarray, forecast: np.ndarray) -> dict[str, float]:
    """In percent, and in megawatts."""
    return scores.scored(actual, forecast, past, WEEK, ["mape", "rmse"])


if __name__ == "__main__":
    harness.run(harness.Benchmark(Path(__file__).with_suffix(".yaml"), cases, scored, WEEK), __doc__)
