"""Time and memory of one forecast of very many series: whole processes, by the number of series and the format.

    .venv/bin/python benchmarks/speed/many_series.py
    .venv/bin/python benchmarks/speed/many_series.py --series 10000,1000000 --formats csv --folder /data/tmp

It writes monthly series of 120 steps, trains a dense network for a few batches on the first 2,000 of them, and
forecasts all of them with it, 24 steps ahead with intervals of 80 and 95 %. Each process has one thread. A loop of
additions before each measurement shows how fast the machine is at the time. A million series take 12 GB of disk.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Nothing large is imported: the peak memory of a process begins with that of the process that starts it.

_WRITER = str(Path(__file__).with_name("write_series.py"))
_TRAINED = 2000  # series
_CONFIG = """\
data: {path: trained.csv, series: shop, time: month, target: sales, frequency: MS, season: 12}
window: {length: 24, horizon: 24}
split: {validation: 24, test: 24}
forecast: {fallback: never}
model: {decoder: dense, units: 64}
training: {epochs: 1, batches_per_epoch: 10, refit: none}
"""


def main() -> None:
    """Write series, train a run, forecast with it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default="10000,100000,1000000", help="numbers, separated by commas")
    parser.add_argument("--formats", default="csv,parquet", help="of the data, and of the forecasts")
    parser.add_argument("--folder", type=Path, help="where files are made; that of temporary files by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        subprocess.run([sys.executable, _WRITER, str(folder / "trained.csv"), str(_TRAINED)], check=True)
        (folder / "many.yaml").write_text(_CONFIG)
        subprocess.run([sys.executable, "-m", "forecaster", "train", "many.yaml"], cwd=folder, check=True)
        print("| series | format | CPU s | wall s | MB | additions, CPU s |\n|---|---|---|---|---|---|")
        for count in map(int, options.series.split(",")):
            for suffix in options.formats.split(","):
                print_row(folder, count, suffix)


def print_row(folder: Path, count: int, suffix: str) -> None:
    """Measure the forecast of some series in a format, and print the line of the table."""
    data, output = folder / f"{count}.{suffix}", folder / f"forecast.{suffix}"
    subprocess.run([sys.executable, _WRITER, str(data), str(count)], check=True)
    additions = measure_additions()
    command = [sys.executable, "-m", "forecaster", "predict", "runs/many", "--data", data.name, "-o", output.name]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--format", suffix], cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    cpu, megabytes = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    print(f"| {count:,} | {suffix} | {cpu:.1f} | {wall:.1f} | {megabytes:.0f} | {additions:.2f} |", flush=True)
    data.unlink()
    output.unlink()


def measure_additions() -> float:
    """Measure the CPU seconds of six million additions."""
    begin, total = time.process_time(), 0
    for number in range(6_000_000):
        total += number * number % 7
    return time.process_time() - begin


if __name__ == "__main__":
    main()
