"""Time and memory of a zero-shot forecast, the whole command: one monthly series, and many of one file.

    .venv/bin/python benchmarks/zero_shot_speed.py --series 10000

`forecast predict FILE.csv` is a process each time, in turns: on a CSV of one series of 120 months, and on one of many.
"CPU" is its time on all cores, which other work on the machine changes little.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

MONTHS = 120


def main() -> None:
    """Write the files, run the commands in turns, and print medians and spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = {count: write_panel(Path(folder), count) for count in (1, options.series)}
        measured: dict[int, list[tuple[float, float, float]]] = {count: [] for count in files}
        for _ in range(options.repeats):
            for count, file in files.items():
                measured[count].append(measure_command(file, count > 1))
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print("| series | seconds | CPU seconds | MB |\n|---|---|---|---|")
    for count, rows in measured.items():
        seconds, cpu, megabytes = zip(*rows, strict=True)
        spread = f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
        print(f"| {count:,} | {spread} | {statistics.median(cpu):.2f} | {statistics.median(megabytes):.0f} |")


def write_panel(folder: Path, count: int) -> Path:
    """Write a CSV of some monthly series with a trend, a season and noise, one row for each month of each.

    Series by series, since the peak memory of a process begins with that of the process that starts it.
    """
    generator, step = np.random.default_rng(0), np.arange(MONTHS)
    months = [f"{2016 + month // 12}-{month % 12 + 1:02}-01" for month in range(MONTHS)]
    path = folder / f"{count}.csv"
    with path.open("w") as file:
        file.write("shop,month,sales\n" if count > 1 else "month,sales\n")
        for number in range(count):
            season = 10 * np.sin(2 * np.pi * (step / 12 + generator.uniform()))
            values = 100 + generator.normal(0, 0.3) * step + season + generator.normal(0, 3, MONTHS)
            shop = f"shop {number}," if count > 1 else ""
            file.writelines(f"{shop}{month},{value:.2f}\n" for month, value in zip(months, values, strict=True))
    return path


def measure_command(file: Path, several: bool) -> tuple[float, float, float]:
    """Measure wall seconds, CPU seconds and peak resident megabytes of a forecast of a file."""
    forecast = str(Path(sys.executable).with_name("forecast"))
    command = [forecast, "predict", file.name, "--output", f"{file.stem}-out.csv"]
    command += ["--set", "data.series=shop"] if several else []
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=file.parent, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        messages = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}\n{messages}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
