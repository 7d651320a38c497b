"""M4 Hourly, 414 series, 48 hours after the end of each: sMAPE, MASE and OWA.

    .venv/bin/python benchmarks/accuracy/m4.py --seeds 0 1 2 --data ../shared/data

The official train and test files (Makridakis, Spiliotis & Assimakopoulos 2020), each series forecast once.
"""

from collections.abc import Sequence
from pathlib import Path

import harness
import numpy as np
import pandas as pd
import scores

from forecaster.evaluation.metrics import compute_owa

SEASON = 24


def cases(data: Path) -> dict[str, harness.Case]:
    """Read the training file, and the test part in the order of its rows."""
    train, test = (pd.read_csv(data / f"M4/Hourly-{part}.csv", index_col="V1") for part in ("train", "test"))
    return {"Hourly": harness.Case(data / "M4/Hourly-train.csv", test.loc[train.index].to_numpy(float))}


def scored(past: Sequence[np.ndarray], actual: np.ndarray, forecast: np.ndarray) -> dict[str, float]:
    """OWA is the mean of sMAPE and MASE, each over that of Naive2 (M4, equation 5)."""
    found = scores.scored(actual, forecast, past, SEASON, ["smape", "mase"])
    return {"owa": compute_owa(found, scores.NAIVE2), **found}


if __name__ == "__main__":
    harness.run(harness.Benchmark(Path(__file__).with_suffix(".yaml"), cases, scored, SEASON), __doc__)
