"""`forecast run` killed at random moments, with a reader that looks all the while; and eight of them at once.

    .venv/bin/python benchmarks/reliability/kill_runs.py --kills 200

Two jobs predict an hourly series that grows by a row before each run. The run and its worker are killed after a random
time; the next run finishes. A reader in another process reads the outputs, status.json and the store again and again:
each is the old one or the new one, whole. At the end, the store has one forecast of each origin that a finished run has
seen.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from forecaster.errors import ForecasterError
from forecaster.store.store import open_store

RUN = Path(__file__).parents[2] / "tests" / "runs" / "format-4" / "load"
HORIZON = 6  # steps that the run forecasts
NAMES = ("north", "south")
COMMAND = [str(Path(sys.executable).with_name("forecast")), "run", "jobs.yaml"]
JOBS = """\
metrics_file: power.prom
defaults: {do: predict, retries: 0}
jobs:
  - {name: north, data: north.csv, output: north-forecast.csv}
  - {name: south, data: south.csv, output: south-forecast.csv}
"""


@dataclass
class Counts:
    """What a series of kills did.

    Attributes:
        kills: that hit a run.
        finished: runs that ended before their kill.
        reads: of the reader, each of all files.
        violations: what must not be, a sentence each.
    """

    kills: int = 0
    finished: int = 0
    reads: int = 0
    violations: list[str] = field(default_factory=list)


def main() -> None:
    """Kill runs, start some at once, and print the counts; the exit code is 1 where anything was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=8, help="runs that are started at the same time")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare_folder(folder)
        counts = kill_runs(folder, options.kills, options.seed)
        codes = run_at_once(folder, options.at_once, counts)
    if options.json:
        print(json.dumps(vars(counts) | {"at_once": codes}))
    else:
        print(f"{counts.kills} runs killed, {counts.finished} had ended before; {counts.reads:,} reads meanwhile")
        print(f"{options.at_once} runs at once: exit codes {dict(sorted(codes.items()))}")
        print(f"{len(counts.violations)} violations", *counts.violations[:20], sep="\n")
    sys.exit(bool(counts.violations))


def prepare_folder(folder: Path) -> None:
    """Write a jobs file with its data and runs."""
    (folder / "jobs.yaml").write_text(JOBS)
    for name in NAMES:
        shutil.copytree(RUN, folder / "runs" / name)
    write_data(folder, 100)


def write_data(folder: Path, rows: int) -> None:
    """Write the data of both jobs: so many hours from 2026."""
    hours = np.arange(rows)
    times = np.datetime64("2026-01-01T00") + hours.astype("timedelta64[h]")
    values = 100 + 10 * np.sin(2 * np.pi * hours / 24)
    lines = [f"{str(time).replace('T', ' ')}:00:00,{value:.4f}\n" for time, value in zip(times, values, strict=True)]
    for name in NAMES:
        unfinished = folder / f"{name}.unfinished"
        unfinished.write_text("time,load\n" + "".join(lines))
        unfinished.replace(folder / f"{name}.csv")


def kill_runs(folder: Path, kills: int, seed: int) -> Counts:
    """Kill runs at random moments, and let one finish after each."""
    counts = Counts()
    generator = random.Random(seed)
    started = time.monotonic()
    finish_run(folder, 100, counts)
    seconds = time.monotonic() - started
    context = multiprocessing.get_context("spawn")
    found, ending = context.Queue(), context.Event()
    reader = context.Process(target=read_all, args=(folder, ending, found))
    reader.start()
    for number in range(1, kills + 1):
        write_data(folder, 100 + number)
        counts.kills += _kill_run(folder, generator.uniform(0, seconds))
        finish_run(folder, 100 + number, counts)
    ending.set()
    reads, broken = found.get()
    reader.join()
    counts.reads, counts.finished = reads, kills - counts.kills
    counts.violations += broken
    check_store(folder, 100 + kills, counts)
    return counts


def _kill_run(folder: Path, seconds: float) -> bool:
    """Start a run and kill it and its workers after some seconds; return whether it was still running."""
    with subprocess.Popen(COMMAND, cwd=folder, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        is_running = process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return is_running


def finish_run(folder: Path, rows: int, counts: Counts) -> None:
    """Let a run finish, and check what it wrote."""
    result = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, check=False)
    if (result.returncode, result.stdout) != (0, ""):
        counts.violations.append(f"after {rows} rows, the next run ends with {result.returncode}: {result.stderr}")
        return
    origin = str(np.datetime64("2026-01-01T00") + np.timedelta64(rows - 1, "h")).replace("T", " ")
    jobs = json.loads((folder / "status.json").read_text())["jobs"]
    for name in NAMES:
        if not (folder / f"{name}-forecast.csv").read_text().splitlines()[1].startswith(f"load,{origin}"):
            counts.violations.append(f"after {rows} rows, the output of {name} is an old one")
        newest = origin.removesuffix(" 00")  # midnight is written as a date
        if jobs[name]["exit_code"] or not str(jobs[name]["newest"]).startswith(newest):
            counts.violations.append(f"after {rows} rows, the status of {name} is {jobs[name]}")
    left = [path.name for path in folder.rglob(".*") if path.name not in {".lock", ".jobs.lock"}]
    if left:
        counts.violations.append(f"after {rows} rows, files are left behind: {left}")


def check_store(folder: Path, rows: int, counts: Counts) -> None:
    """Check that the store has one forecast of each origin and each job."""
    with open_store("sqlite:///forecasts.db", folder, read_only=True) as store:
        steps = store.read_forecasts().groupby(["job", "origin"]).size()
    if len(steps) != len(NAMES) * (rows - 99) or set(steps) != {HORIZON}:
        counts.violations.append(f"the store has {len(steps)} forecasts with {set(steps)} steps for {rows} rows")


def read_all(folder: Path, ending: Event, found: "multiprocessing.Queue[tuple[int, list[str]]]") -> None:
    """Read everything again and again until the end; report the number of reads and what was broken."""
    reads, broken = 0, []
    while not ending.is_set():
        reads += 1
        try:
            _read_once(folder)
        except (Exception, ForecasterError) as error:  # whatever a reader meets is the finding
            broken.append(f"read {reads}: {error!r}")
        time.sleep(0.01)
    found.put((reads, broken))


def _read_once(folder: Path) -> None:
    """Read outputs, status and store.

    Raises:
        Exception: one of them is not whole.
    """
    for name in NAMES:
        lines = (folder / f"{name}-forecast.csv").read_text().splitlines()
        if len(lines) != 1 + HORIZON or len({line.count(",") for line in lines}) != 1:
            raise ValueError(f"the output of {name} has {len(lines)} lines")
    if json.loads((folder / "status.json").read_text())["jobs"].keys() != set(NAMES):
        raise ValueError("status.json has other jobs")
    if not (folder / "power.prom").read_text().endswith("\n"):
        raise ValueError("the metrics file is cut")
    with open_store("sqlite:///forecasts.db", folder, read_only=True) as store:
        steps = set(store.read_forecasts().groupby(["job", "origin"]).size())
    if steps != {HORIZON}:
        raise ValueError(f"the store has forecasts of {steps} steps")


def run_at_once(folder: Path, number: int, counts: Counts) -> Counter[int]:
    """Start runs at the same time: one works, the others end with 0, or with 75 where they met its lock."""
    rows = len((folder / "north.csv").read_text().splitlines())  # one more than before, since the header is a line
    write_data(folder, rows)
    processes = [
        subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(number)
    ]
    outputs = [process.communicate()[1] for process in processes]
    codes = Counter(process.returncode for process in processes)
    if not codes[0] or codes.keys() - {0, 75} or any("Traceback" in each for each in outputs):
        counts.violations.append(f"runs at once end with {dict(codes)}: {set(outputs)}")
    finish_run(folder, rows, counts)
    check_store(folder, rows, counts)
    return codes


if __name__ == "__main__":
    main()
