"""M3 Monthly, 1,428 series, the last 18 months of each: sMAPE.

    .venv/bin/python benchmarks/accuracy/m3.py --seeds 0 1 2 --data ../shared/data

The last NF values of each row are the test part (Makridakis & Hibon 2000); training reads a file that ends before them.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import harness
import numpy as np
import scores

SEASON = 12


def cases(data: Path) -> dict[str, harness.Case]:
    """Split the file into its training and test parts."""
    header, rows, first, ends = _read_rows(data / "M3/M3Month.csv")
    cut = [
        [row[0].strip(), *row[first:end], *[""] * (len(row) - end)] for row, (end, _) in zip(rows, ends, strict=True)
    ]
    past = harness.written("M3Month-train.csv", [",".join(row) for row in (["Series", *header[first:]], *cut)])
    return {"Monthly": harness.Case(past, _select_truth(rows, ends))}


def read_series(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Read the training part of each series of a file, (steps,), and the test parts, (series, horizon)."""
    _, rows, first, ends = _read_rows(path)
    past = [np.array(row[first:end], float) for row, (end, _) in zip(rows, ends, strict=True)]
    return past, _select_truth(rows, ends)


def _read_rows(path: Path) -> tuple[list[str], list[list[str]], int, list[tuple[int, int]]]:
    """Read the header, the rows, the first column with values, and where the parts of each row end."""
    with path.open(newline="") as file:
        header, *rows = (row for row in csv.reader(file) if row)
    first, length, held_out = (header.index(name) for name in ("1", "N", "NF"))
    return (
        header,
        rows,
        first,
        [(first + int(row[length]) - int(row[held_out]), first + int(row[length])) for row in rows],
    )


def _select_truth(rows: Sequence[Sequence[str]], ends: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.array([row[end:last] for row, (end, last) in zip(rows, ends, strict=True)], float)


def scored(past: Sequence[np.ndarray], actual: np.ndarray, forecast: np.ndarray) -> dict[str, float]:
    """Compute the competition's metric, and MASE."""
    return scores.scored(actual, forecast, past, SEASON, ["smape", "mase"])


if __name__ == "__main__":
    harness.run(harness.Benchmark(Path(__file__).with_suffix(".yaml"), cases, scored, SEASON), __doc__)
