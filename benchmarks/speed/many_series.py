"""Time and memory of very many series: whole processes that forecast them or train on them, by their number.

    .venv/bin/python benchmarks/speed/many_series.py
    .venv/bin/python benchmarks/speed/many_series.py --series 10000,1000000 --formats csv --threads 2 --folder /data/tmp
    .venv/bin/python benchmarks/speed/many_series.py --trainings 300,10000

It writes monthly series of 120 steps, trains a dense network for a few batches on the first 2,000 of them, and
forecasts all of them with it, 24 steps ahead with intervals of 80 and 95 %. With `--trainings` it trains a small
network for ten batches instead, on some numbers of series: what grows is all but the batches. A loop of additions
before each measurement shows how fast the machine is at the time. A million series take 12 GB of disk.
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
_SMALL = _CONFIG.replace("units: 64", "units: 8").replace("forecast: {fallback: never}\n", "")


def main() -> None:
    """Write series, train a run, forecast with it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default="10000,100000,1000000", help="numbers, separated by commas")
    parser.add_argument("--formats", default="csv,parquet", help="of the data, and of the forecasts")
    parser.add_argument("--trainings", help="numbers of series to train on, instead of forecasts")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--folder", type=Path, help="where files are made; that of temporary files by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        if options.trainings:
            print(
                "| series of a training | threads | CPU s | wall s | MB | additions, CPU s |\n|---|---|---|---|---|---|"
            )
            for count in map(int, options.trainings.split(",")):
                print_training(folder, count, options.threads)
            return
        train(folder, "many", _TRAINED, _CONFIG)
        print("| series | format | threads | CPU s | wall s | MB | additions, CPU s |\n|---|---|---|---|---|---|---|")
        for count in map(int, options.series.split(",")):
            for suffix in options.formats.split(","):
                print_forecast(folder, count, suffix, options.threads)


def train(folder: Path, name: str, count: int, config: str, threads: int = 1) -> str:
    """Train a run on some series, and return what it took as cells of a table."""
    subprocess.run([sys.executable, _WRITER, str(folder / "trained.csv"), str(count)], check=True)
    (folder / f"{name}.yaml").write_text(config)
    return measure_command(["train", f"{name}.yaml"], folder, threads)


def print_training(folder: Path, count: int, threads: int) -> None:
    """Measure a training on some series, and print the line of the table."""
    print(f"| {count:,} | {threads} | {train(folder, f'small-{count}', count, _SMALL, threads)} |", flush=True)


def print_forecast(folder: Path, count: int, suffix: str, threads: int) -> None:
    """Measure the forecast of some series in a format, and print the line of the table."""
    data, output = folder / f"{count}.{suffix}", folder / f"forecast.{suffix}"
    subprocess.run([sys.executable, _WRITER, str(data), str(count)], check=True)
    command = ["predict", "runs/many", "--data", data.name, "-o", output.name, "--format", suffix]
    print(f"| {count:,} | {suffix} | {threads} | {measure_command(command, folder, threads)} |", flush=True)
    data.unlink()
    output.unlink()


def measure_command(arguments: list[str], folder: Path, threads: int) -> str:
    """Measure a command of forecast: CPU seconds, wall seconds and peak memory, as cells of a table."""
    additions, started = measure_additions(), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TMPDIR": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        [sys.executable, "-m", "forecaster", *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(arguments)}: exit code {process.returncode}")
    cpu, megabytes = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return f"{cpu:.1f} | {wall:.1f} | {megabytes:.0f} | {additions:.2f}"


def measure_additions() -> float:
    """Measure the CPU seconds of six million additions."""
    begin, total = time.process_time(), 0
    for number in range(6_000_000):
        total += number * number % 7
    return time.process_time() - begin


if __name__ == "__main__":
    main()
