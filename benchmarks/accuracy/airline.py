"""The airline passengers of Box and Jenkins, the last 12, 24 and 36 months forecast at once: RMSE against Holt-Winters.

    .venv/bin/python benchmarks/accuracy/airline.py --seeds 0 1 2 --data ../shared/data

Three trainings, each only on the months before its test part, forecast from one origin.
"""

from collections.abc import Sequence
from pathlib import Path

import harness
import numpy as np
import scores

SEASON = 12
MONTHS = (12, 24, 36)


def cases(data: Path) -> dict[str, harness.Case]:
    """For each number of months, the file without its end, and that."""
    header, *rows = (data / "classic/AirPassengers.csv").read_text().split()
    found = {}
    for months in MONTHS:
        path = harness.written(f"AirPassengers-{months}.csv", [header, *rows[:-months]])
        truth = np.array([[float(row.split(",")[1]) for row in rows[-months:]]])
        found[f"last {months}"] = harness.Case(path, truth, (f"window.horizon={months}",))
    return found


def scored(past: Sequence[np.ndarray], actual: np.ndarray, forecast: np.ndarray) -> dict[str, float]:
    """Compute RMSE in thousands of passengers, and MAPE."""
    return scores.scored(actual, forecast, past, SEASON, ["rmse", "mape"])


if __name__ == "__main__":
    harness.run(harness.Benchmark(Path(__file__).with_suffix(".yaml"), cases, scored, SEASON), __doc__)
