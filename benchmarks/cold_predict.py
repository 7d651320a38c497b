"""Time and memory of one cold forecast: `forecast predict` against the same forecast in Keras.

    .venv/bin/python benchmarks/cold_predict.py runs/power

Both are whole processes that read the run and the newest data and print the same numbers; they
take turns, and the ratio of their medians is printed. Only ratios within one run mean anything.
"""

import argparse
import io
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd


def main() -> None:
    """Run both in turn and print medians, spread and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    served = [str(Path(sys.executable).with_name("forecast")), "predict", str(options.run)]
    through_keras = [sys.executable, str(Path(__file__).with_name("keras_predict.py")), str(options.run)]
    measured: dict[str, list[tuple[float, float]]] = {"forecast predict": [], "through Keras": []}
    outputs = {}
    for _ in range(options.repeats):
        for name, command in zip(measured, (served, through_keras), strict=True):
            seconds, megabytes, outputs[name] = _measured(command)
            measured[name].append((seconds, megabytes))
    _check_agreement(*outputs.values())
    _print(measured)


def _measured(command: list[str]) -> tuple[float, float, str]:
    """Wall seconds, peak resident megabytes and the standard output of a process."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024, output


def _check_agreement(one: str, other: str) -> None:
    first, second = (pd.read_csv(io.StringIO(text))["mean"].to_numpy() for text in (one, other))
    apart = np.max(np.abs(first - second) / (np.abs(first) + 1e-9))
    print(f"the two forecasts of {len(first)} steps agree to {apart:.1e} of their values")


def _print(measured: dict[str, list[tuple[float, float]]]) -> None:
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    medians = {}
    for name, rows in measured.items():
        seconds, megabytes = zip(*rows, strict=True)
        medians[name] = statistics.median(seconds), statistics.median(megabytes)
        print(
            f"{name:<17} {medians[name][0]:6.2f} s ({min(seconds):.2f} to {max(seconds):.2f}) "
            f"{medians[name][1]:6.0f} MB  over {len(rows)} processes"
        )
    served, through_keras = medians.values()
    print(f"{through_keras[0] / served[0]:.1f} times faster, {through_keras[1] / served[1]:.1f} times less memory")


if __name__ == "__main__":
    main()
