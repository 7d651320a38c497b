"""Time of one forecast of many series in 1, 2 and 4 processes of this machine, in three ways.

    .venv/bin/python benchmarks/speed/parallel_predict.py
    .venv/bin/python benchmarks/speed/parallel_predict.py --series 1000000 --counts 1,2,4,8 --config dense

It writes monthly series and trains a run as many_series.py does, then forecasts all of them with `--shard 1/N` to `N/N`
at the same time, with `--jobs N`, and with `--jobs N --engine ray` on a cluster that lives as long as the command; each
process has one thread. The CPU seconds are those of all processes together, without those of Ray's own: with shards
every process reads the whole file. The files of `--jobs` have to be equal to the byte to that of one process, and the
lines of all shards together, unless the network draws 100 paths of each series (`--config paths`; `dense` draws none).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from many_series import _CONFIG, _TRAINED, _WRITER, measure_additions

_PATHS = _CONFIG.replace("fallback: never", "fallback: never, samples: 100").replace(
    "decoder: dense", "decoder: rollout, head: normal"
)
_COMMAND = [sys.executable, "-m", "forecaster", "predict", "runs/many", "--data", "all.csv"]


def main() -> None:
    """Write series, train a run, forecast with it in several processes, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=20_000)
    parser.add_argument("--counts", default="1,2,4", help="of processes, separated by commas")
    parser.add_argument("--ways", default="shards,jobs,ray", help="separated by commas")
    parser.add_argument("--config", choices=["dense", "paths"], default="paths", help="of the network")
    parser.add_argument("--folder", type=Path, help="where files are made; that of temporary files by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for file, count in (("trained.csv", _TRAINED), ("all.csv", options.series)):
            subprocess.run([sys.executable, _WRITER, str(folder / file), str(count)], check=True)
        (folder / "many.yaml").write_text(_PATHS if options.config == "paths" else _CONFIG)
        subprocess.run([sys.executable, "-m", "forecaster", "train", "many.yaml"], cwd=folder, check=True)
        print("| way | processes | wall s | CPU s of all | additions, CPU s |\n|---|---|---|---|---|")
        print_row(folder, "one process", 1, [[]])
        whole = (folder / "1.csv").read_bytes()
        for count in map(int, options.counts.split(",")):
            for way in options.ways.split(","):
                print_row(folder, way, count, _list_options(way, count))
                if way != "shards" or options.config == "dense":  # a shard draws its paths with other random numbers
                    check_forecasts(folder, way, count, whole)


def _list_options(way: str, count: int) -> list[list[str]]:
    """List the options of each process that is started."""
    if way == "shards":
        return [["--shard", f"{each}/{count}"] for each in range(1, count + 1)]
    return [["--jobs", str(count), "--engine", "ray" if way == "ray" else "processes"]]


def print_row(folder: Path, way: str, count: int, options: list[list[str]]) -> None:
    """Measure the forecast in some processes, and print the line of the table."""
    additions, before, started = measure_additions(), os.times(), time.perf_counter()
    environment = os.environ | {"TMPDIR": str(folder)} | ({} if way == "ray" else {"OMP_NUM_THREADS": "1"})
    processes = [
        subprocess.Popen([*_COMMAND, *each, "-o", f"{number}.csv"], cwd=folder, env=environment)
        for number, each in enumerate(options, 1)
    ]
    if any(process.wait() for process in processes):
        sys.exit(f"{way}, {count}: a process failed")
    wall, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"| {way} | {count} | {wall:.1f} | {cpu:.1f} | {additions:.2f} |", flush=True)


def check_forecasts(folder: Path, way: str, count: int, whole: bytes) -> None:
    """Compare what was written with the forecasts of one process; end with an error where it differs."""
    if way != "shards":
        differs = (folder / "1.csv").read_bytes() != whole
    else:
        found = {line for each in range(1, count + 1) for line in (folder / f"{each}.csv").read_bytes().splitlines()}
        differs = found != {*whole.splitlines()}
    if differs:
        sys.exit(f"{way}, {count}: other forecasts than those of one process")


if __name__ == "__main__":
    main()
