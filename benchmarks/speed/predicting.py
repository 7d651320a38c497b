"""Time and memory of forecasts, whole processes: of one series and of many, and of the verbs that a shell waits for.

    .venv/bin/python benchmarks/speed/predicting.py
    .venv/bin/python benchmarks/speed/predicting.py --series 1000 --repeats 3 --against ../released/.venv/bin/python

It trains the runs that it needs for a few batches, then starts each command in turn with the others of its row, each
with one thread. Printed are the least CPU seconds, median and largest in brackets, wall seconds and peak memory; ratios
are those of the least CPU seconds, which other work on the machine changes little. `--against` is the Python of another
installation, such as the last release, whose `forecast` takes turns with this one on the same files. The results go to
`predicting.json`; rows that were measured replace those of the same name.
"""

import argparse
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Nothing large is imported: the peak memory of a process begins with that of the process that starts it.

_ROOT = Path(__file__).resolve().parents[2]
_RESULTS = Path(__file__).with_name("predicting.json")
_MONTHS = 120
_PEER = Path(__file__).with_name("neuralforecast_predict.py")
_PATHS_OF = 200  # series whose paths are drawn
_PANEL = "data: {{path: {path}, series: shop, time: month, target: sales, frequency: MS, season: 12}}"
_TRAINING = "training: {epochs: 1, batches_per_epoch: 10, refit: none}"
_SPLIT = "split: {validation: 24, test: 24}"
_DENSE = f"window: {{length: 24, horizon: 24}}\n{_SPLIT}\nforecast: {{fallback: never}}"
_PATHS = "model: {{head: normal, units: 64}}\nforecast: {{samples: 100, fallback: never, rollout: {}}}"


def main() -> None:
    """Make data and runs, measure every row, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000, help="of the large panels")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--against", type=Path, help="the Python of another installation")
    parser.add_argument("--peers", type=Path, default=_ROOT / ".venv-bench/bin/python", help="with neuralforecast")
    parser.add_argument("--rows", help="names of rows, separated by commas; all by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = list_rows(Path(folder), options.series, options.peers if options.peers.exists() else None)
        chosen = options.rows.split(",") if options.rows else list(rows)
        prepare(Path(folder), options.series, chosen, str((options.against or Path(sys.executable)).absolute()))
        if "neuralforecast" in {contender for name in chosen for contender in rows[name]}:
            train = [str(options.peers), str(_PEER), "train", "neuralforecast", f"{options.series}.csv"]
            subprocess.run(train, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print(
            f"{platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores, {options.repeats} turns"
        )
        print("| row | contender | CPU s | wall s | MB | ratio |\n|---|---|---|---|---|---|")
        found = {name: measure_row(name, rows[name], options, Path(folder)) for name in chosen}
    earlier = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    _RESULTS.write_text(json.dumps(earlier | found, indent=1) + "\n")


def list_rows(folder: Path, series: int, peers: Path | None) -> dict[str, dict[str, list[str]]]:
    """List the commands of each row by contender; those that begin with `forecast` are ours."""
    power, panel = _ROOT / "configs/data/power.csv", f"{series}.csv"
    keras = [sys.executable, str(Path(__file__).with_name("keras_predict.py")), "runs/power"]
    return {
        "one": {"forecast predict": ["forecast", "predict", "runs/power"], "the network in Keras": keras},
        "zero-shot": {"forecast predict": ["forecast", "predict", str(_ROOT / "configs/data/airline.csv")]},
        "help": {"forecast --help": ["forecast", "--help"]},
        "validate": {"forecast validate": ["forecast", "validate", "power.yaml"]},
        "check": {"forecast check": ["forecast", "check", str(power)]},
        "dense": {"forecast predict": ["forecast", "predict", "runs/dense", "-o", "x.csv"]}
        | ({"neuralforecast": [str(peers), str(_PEER), "predict", "neuralforecast", panel, "y.csv"]} if peers else {}),
        "panel-zero-shot": {
            "forecast predict": ["forecast", "predict", panel, "--set", "data.series=shop", "-o", "x.csv"]
        },
        "paths": {kind: ["forecast", "predict", f"runs/{kind}", "-o", "x.csv"] for kind in ("carry", "slide")},
    }


def prepare(folder: Path, series: int, rows: list[str], python: str) -> None:
    """Write the data, and train the runs that some rows need, with the older of two installations: both read them."""
    write_panel(folder / f"{series}.csv", series)
    write_panel(folder / f"{_PATHS_OF}.csv", _PATHS_OF)
    config = (_ROOT / "configs/power.yaml").read_text().replace("data/power.csv", str(_ROOT / "configs/data/power.csv"))
    configs = {
        "power": config.replace("epochs: 16", "epochs: 1").replace("batches_per_epoch: 120", "batches_per_epoch: 10")
    }
    configs["dense"] = (
        f"{_PANEL.format(path=f'{series}.csv')}\n{_DENSE}\nmodel: {{decoder: dense, units: 64}}\n{_TRAINING}"
    )
    for kind in ("carry", "slide"):
        data = _PANEL.format(path=f"{_PATHS_OF}.csv")
        configs[kind] = f"{data}\nwindow: {{length: 24, horizon: 24}}\n{_SPLIT}\n{_PATHS.format(kind)}\n{_TRAINING}"
    needed = {"one": ["power"], "dense": ["dense"], "paths": ["carry", "slide"]}
    for name, text in configs.items():
        (folder / f"{name}.yaml").write_text(text + "\n")
    for name in [name for row in rows for name in needed.get(row, [])]:
        command = [python, "-m", "forecaster", "train", f"{name}.yaml"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def write_panel(path: Path, count: int) -> None:
    """Write a CSV of some monthly series with a trend, a season and noise, one row for each month of each."""
    generator = random.Random(0)
    months = [f"{2016 + month // 12}-{month % 12 + 1:02}-01" for month in range(_MONTHS)]
    with path.open("w") as file:
        file.write("shop,month,sales\n")
        for number in range(count):
            slope, phase = generator.gauss(0, 0.3), generator.random()
            for step, month in enumerate(months):
                season = 10 * math.sin(2 * math.pi * (step / 12 + phase))
                file.write(f"shop {number},{month},{100 + slope * step + season + generator.gauss(0, 3):.2f}\n")


def measure_row(
    name: str, contenders: dict[str, list[str]], options: argparse.Namespace, folder: Path
) -> dict[str, dict[str, Any]]:
    """Measure the contenders of a row in turns, and print their lines."""
    commands = {label: _start_with(sys.executable, command) for label, command in contenders.items()}
    if options.against:
        other = str(options.against.absolute())
        ours = {label: command for label, command in contenders.items() if command[0] == "forecast"}
        commands |= {f"{label}, the other": _start_with(other, command) for label, command in ours.items()}
    measured: dict[str, list[tuple[float, float, float]]] = {label: [] for label in commands}
    for _ in range(options.repeats):
        for label, command in commands.items():
            measured[label].append(measure_command(command, folder))
    found = {label: _summarize(rows) for label, rows in measured.items()}
    first = next(iter(found.values()))["cpu_seconds"]
    for label, each in found.items():
        each["ratio"] = round(each["cpu_seconds"] / first, 2)
        cpu = f"{each['cpu_seconds']:.2f} ({each['cpu_median']:.2f}, {each['cpu_largest']:.2f})"
        print(
            f"| {name} | {label} | {cpu} | {each['wall_seconds']:.2f} | {each['megabytes']:.0f} | {each['ratio']:.2f} |"
        )
    return found


def _start_with(python: str, command: list[str]) -> list[str]:
    return [python, "-m", "forecaster", *command[1:]] if command[0] == "forecast" else command


def _summarize(rows: list[tuple[float, float, float]]) -> dict[str, Any]:
    wall, cpu, megabytes = zip(*rows, strict=True)
    return {
        "cpu_seconds": min(cpu),
        "cpu_median": statistics.median(cpu),
        "cpu_largest": max(cpu),
        "wall_seconds": min(wall),
        "megabytes": statistics.median(megabytes),
    }


def measure_command(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Measure wall seconds, CPU seconds and peak resident megabytes of a command."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    started = time.perf_counter()
    with (folder / "messages").open("w+") as messages:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=messages)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            messages.seek(0)
            sys.exit(f"{' '.join(command)}: exit code {process.returncode}\n{messages.read()}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
