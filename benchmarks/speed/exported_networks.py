"""Time of an export, and of windows through an exported network next to the same network in TensorFlow.

    .venv/bin/python benchmarks/speed/exported_networks.py --json build/exported_networks.json

Each network has one layer of 64 units and reads windows of 96 steps. Times are CPU time with one thread, the least of
some repeats, the two networks in turns: other work on the machine changes them little.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

import numpy as np
import tensorflow as tf

from forecaster.config.schema import Model
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.models.cells import CELLS
from forecaster.training.export import build_serving_functions, export_onnx

LENGTH, HORIZON, UNITS = 96, 24, 64
BATCHES = {1: 60, 32: 12, 256: 5, 2048: 2}  # windows: repeats


class Measured(NamedTuple):
    """Seconds of an export, bytes of both graphs, and milliseconds by windows: of the graph, in TensorFlow."""

    export: float
    bytes: int
    windows: dict[int, list[float]]


def main() -> None:
    """Measure each cell, print the table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, one thread")
    print("| cell | export s | kB | " + " | ".join(f"{count:,} windows ms (ratio)" for count in BATCHES) + " |")
    print("|---|---|---|" + "---|" * len(BATCHES))
    measured = {}
    for cell in CELLS:
        row = measured[cell] = measure_cell(cell)
        times = (f"{graph:.2f} ({graph / tensorflow:.2f})" for graph, tensorflow in row.windows.values())
        print(f"| {cell} | {row.export:.3f} | {row.bytes / 1000:.0f} | {' | '.join(times)} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps({cell: row._asdict() for cell, row in measured.items()}, indent=1))


def measure_cell(cell: str) -> Measured:
    """Measure a network of one layer of a cell."""
    network = build_network(Model(cell=cell, units=(UNITS,), decoder="dense"), LENGTH, HORIZON)
    graphs = export_onnx(network, LENGTH)
    exported, (encode, _) = OnnxNetwork(*graphs), build_serving_functions(network, LENGTH)
    generator, windows = np.random.default_rng(0), {}
    for count, repeats in BATCHES.items():
        values = generator.normal(size=(count, LENGTH)).astype(np.float32)
        contenders = partial(exported.encode, Inputs(values)), partial(encode.function, tf.constant(values))
        windows[count] = measure_in_turns(repeats, *contenders)
    (seconds,) = measure_in_turns(3, lambda: export_onnx(network, LENGTH))
    return Measured(seconds / 1000, sum(map(len, graphs)), windows)


def measure_in_turns(repeats: int, *functions: Callable[[], object]) -> list[float]:
    """Measure the least CPU milliseconds of each function."""
    least = [float("inf")] * len(functions)
    for _ in range(repeats):
        for place, function in enumerate(functions):
            began = time.process_time()
            function()
            least[place] = min(least[place], 1000 * (time.process_time() - began))
    return least


if __name__ == "__main__":
    main()
