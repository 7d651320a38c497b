"""Seconds until windows of a large CSV are ready to train on, against reading the CSV only.

    .venv/bin/python benchmarks/reading.py

The CSV has an id, an ISO timestamp and a value in each row: 10,000 series of 1,000 hours, 345 MB; it is written once,
into the folder for temporary files. `pandas.read_csv(engine="pyarrow")` parses it; `forecast` parses and checks it,
lays its series on their grid, splits them, fits their scalers on the training parts, scales them to float32 and lists
where windows start. Both take turns in one process, and the ratio of each pair of turns is printed. Only ratios within
one run mean anything.
"""

import argparse
import gc
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.config import LoadedConfig, load_values
from forecaster.preprocessing.plan import place_windows, plan_training

_WINDOW = {"length": 168, "horizon": 24}


def main() -> None:
    """Time both in turn and print medians, spread and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    path = _csv(options.series, options.steps)
    loaded = load_values({"data": {"path": str(path), "series": "series"}, "window": _WINDOW}, "reading.yaml")
    ways: dict[str, Callable[[], int]] = {"pandas": lambda: _bare(path), "forecast": lambda: _ready(loaded)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(options.repeats + 1):
        for name, way in ways.items():
            gc.collect()
            started = time.perf_counter()
            rows = way()
            if repeat:  # the first turn of each loads libraries, and the file into memory
                seconds[name].append(time.perf_counter() - started)
            assert rows == options.series * options.steps
    _print(seconds, options.series * options.steps)


def _csv(series: int, steps: int) -> Path:
    """Write the CSV unless it exists."""
    path = Path(tempfile.gettempdir()) / f"forecast-reading-{series}-{steps}.csv"
    if path.exists():
        return path
    generator = np.random.default_rng(0)
    stamps = [str(hour).replace("T", " ") + ":00:00" for hour in np.datetime64("2024-01-01T00") + np.arange(steps)]
    season = 100 + 10 * np.sin(2 * np.pi * np.arange(steps) / 24)
    unfinished = path.with_suffix(".part")
    with unfinished.open("w") as file:
        file.write("series,time,value\n")
        for number in range(series):
            values = (season + generator.normal(0, 3, steps)).tolist()
            file.writelines(f"s{number:05},{stamp},{value:.3f}\n" for stamp, value in zip(stamps, values, strict=True))
    return unfinished.rename(path)


def _bare(path: Path) -> int:
    return len(pd.read_csv(path, engine="pyarrow"))


def _ready(loaded: LoadedConfig) -> int:
    plan = plan_training(loaded)
    place_windows(plan)
    return len(plan.members.scale(plan.config.channels))


def _print(seconds: dict[str, list[float]], rows: int) -> None:
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    for name, taken in seconds.items():
        middle = statistics.median(taken)
        print(
            f"{name:<9} {middle:5.2f} s ({min(taken):.2f} to {max(taken):.2f}), {rows / middle / 1e6:.1f} million rows "
            f"a second, over {len(taken)} turns"
        )
    ratios = sorted(bare / ready for bare, ready in zip(*seconds.values(), strict=True))
    print(f"forecast at {statistics.median(ratios):.0%} of the speed of pandas ({ratios[0]:.0%} to {ratios[-1]:.0%})")


if __name__ == "__main__":
    main()
