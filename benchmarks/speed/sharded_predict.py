"""Time of one forecast of many series in 1, 2 and 4 processes of this machine, each with a shard of them.

    .venv/bin/python benchmarks/speed/sharded_predict.py
    .venv/bin/python benchmarks/speed/sharded_predict.py --series 1000000 --shards 1,2,4,8

It writes monthly series and trains a run as many_series.py does, then forecasts all of them with `--shard 1/N` to `N/N`
at the same time, each process with one thread. The CPU seconds are those of all processes together: every process
reads the whole file, and forecasts its share. Lines of all shards together are compared with those of one process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from many_series import _CONFIG, _TRAINED, _WRITER, measure_additions


def main() -> None:
    """Write series, train a run, forecast with it in shards, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--shards", default="1,2,4", help="numbers, separated by commas")
    parser.add_argument("--folder", type=Path, help="where files are made; that of temporary files by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for file, count in (("trained.csv", _TRAINED), ("all.csv", options.series)):
            subprocess.run([sys.executable, _WRITER, str(folder / file), str(count)], check=True)
        (folder / "many.yaml").write_text(_CONFIG)
        subprocess.run([sys.executable, "-m", "forecaster", "train", "many.yaml"], cwd=folder, check=True)
        print("| shards | wall s | CPU s of all | additions, CPU s |\n|---|---|---|---|")
        whole: set[str] = set()
        for count in map(int, options.shards.split(",")):
            rows = print_row(folder, count)
            whole = whole or rows
            if rows != whole:
                sys.exit(f"{count} shards: {len(rows ^ whole)} lines differ")


def print_row(folder: Path, count: int) -> set[str]:
    """Measure the forecast in some shards, print the line of the table, and return the lines that they wrote."""
    additions, before, started = measure_additions(), os.times(), time.perf_counter()
    command = [sys.executable, "-m", "forecaster", "predict", "runs/many", "--data", "all.csv"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    processes = [
        subprocess.Popen([*command, "--shard", f"{each}/{count}", "-o", f"{each}.csv"], cwd=folder, env=environment)
        for each in range(1, count + 1)
    ]
    if any(process.wait() for process in processes):
        sys.exit(f"{count} shards: a process failed")
    wall, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"| {count} | {wall:.1f} | {cpu:.1f} | {additions:.2f} |", flush=True)
    return {line for each in range(1, count + 1) for line in (folder / f"{each}.csv").read_text().splitlines()}


if __name__ == "__main__":
    main()
