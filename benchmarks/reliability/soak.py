"""Hundreds of nights of `forecast run` on files that grow, with faults sown in; each outcome is compared with the docs.

    .venv/bin/python benchmarks/reliability/soak.py --nights 500

Three jobs forecast with the runs of tests/runs/format-4, and one trains its own every 90 nights. Each night the files
grow by a day, or have a fault of soak_faults.py; the clock is that of the night. Some runs are killed before, on some
the disk becomes full, and after some the clock is an hour back. What is compared: the exit code, stderr, status.json,
outputs, their marks, the store, and files that are left over. At the end it is shown whether memory, descriptors and
files stay flat. A night is a fork of a process that has the imports; every 25th is the installed command.
"""

import argparse
import contextlib
import csv
import ctypes
import gc
import importlib
import itertools
import json
import math
import os
import pkgutil
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np
from faults import KINDS, restart_with_shim
from forked_workers import ForkedProcess, build_models, start_forked_worker
from soak_faults import DAY, FAULTS, FIRST, Fault, make_sources, to_bytes

from forecaster import data, jobs, workers
from forecaster.cli import main as forecast_main

RUNS = Path(__file__).parents[2] / "tests" / "runs" / "format-4"
COMMAND = [str(Path(sys.executable).with_name("forecast")), "run", "jobs.yaml"]
JOBS = """\
keep: {last: 2, forecasts: 60d}
metrics_file: soak.prom
defaults: {retries: 0, output: "{name}-forecast.csv"}
jobs:
  - {name: load, data: load.csv, max_age: {warn: 2h, error: 6h}}
  - {name: shops, data: shops.csv, max_age: {warn: 36h, error: 72h}}
  - {name: close, data: close.csv, max_age: 1}
"""
OWN = "  - {name: own, data: own.csv, config: own.yaml, max_age: 6h, retrain: {every: 90d, promote: always}}\n"
OWN_CONFIG = """\
data: {path: own.csv, time: time, target: load, frequency: h, season: 24}
window: {length: 12, horizon: 6}
model: {cell: gru, units: 2, decoder: rollout}
training: {epochs: 1}
"""
TRAINING_NIGHTS = 90
FLAT_FROM = 100  # the first night after the retention of versions and forecasts has begun
EVENTS = KILL, FULL, CLOCK = "killed run before", "full disk before", "clock one hour back after"
METRICS = {
    "worker": "resident MB of a run with its worker",
    "descriptors": "open files of a process",
    "status": "bytes of status.json",
    "runs": "bytes of runs/",
    "forecasts": "stored forecasts",
    "store": "bytes of the store a row",
    "files": "files",
}


@dataclass
class Result:
    """How a run ended.

    Attributes:
        memory: the most resident bytes of the run and its worker.
        descriptors: the most open files of one of them.
        seconds: that it took.
    """

    code: int
    stderr: str
    memory: int = 0
    descriptors: int = 0
    seconds: float = 0.0


@dataclass
class Night:
    """The file of a job in a night.

    Attributes:
        fault: that it has; None without.
        newest: the newest timestamp with a value; None where the file is refused.
        content: of the file; None where there is none.
    """

    fault: Fault | None = None
    newest: datetime | None = None
    content: bytes | None = None


@dataclass
class Found:
    """What the folder holds after a run.

    Attributes:
        jobs: of status.json.
        outputs: by job.
        marks: the jobs whose output is marked as stale.
        made: the newest `made_at` of the stored forecasts, by job.
        steps: stored steps of the newest origin, by job and series.
    """

    jobs: Mapping[str, Any]
    outputs: Mapping[str, bytes]
    marks: set[str]
    made: Mapping[str, str]
    steps: Mapping[tuple[str, str], tuple[str, int]]


@dataclass
class Counts:
    """What became of the nights.

    Attributes:
        nights: of each fault, and its outcomes.
        deviations: from what is documented, with the fault.
        metrics: numbers of each night, as (night, value).
    """

    nights: dict[str, Counter[str]] = field(default_factory=dict)
    deviations: list[tuple[str, str]] = field(default_factory=list)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, fault: str, outcome: str) -> None:
        """Count an outcome."""
        self.nights.setdefault(fault, Counter())[outcome] += 1

    def measure(self, name: str, night: int, value: float) -> None:
        """Add a number."""
        self.metrics.setdefault(name, []).append((night, value))


class Soak:
    """The folder of the jobs, and the nights in it.

    Args:
        folder: an empty one.
        seed: of faults.
        trains: whether a job trains, with TensorFlow.
        real: every so many nights run the installed command; 0: only those that train do.
        sown: share of the files of a night that get a fault, where they have none.
    """

    def __init__(self, folder: Path, seed: int, trains: bool, real: int, sown: float) -> None:
        self.folder, self.trains, self.real, self.sown = folder, trains, real, sown
        self.chance, self.counts = random.Random(seed), Counts()
        self.shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
        self.sources = {name: source for name, source in make_sources().items() if trains or name != "own"}
        self.nights = {name: Night() for name in self.sources}  # the newest of each job
        self.left = dict.fromkeys(self.sources, 0)  # further nights of its fault
        self.done: dict[str, bytes | None] = dict.fromkeys(self.sources)  # what was forecast last
        self.seconds = 1.0
        (folder / "jobs.yaml").write_text(JOBS + (OWN if trains else ""))
        (folder / "own.yaml").write_text(OWN_CONFIG)
        for name in ("load", "shops", "close"):
            shutil.copytree(RUNS / name, folder / "runs" / name)

    def run_night(self, number: int) -> None:
        """Write the files, run the jobs, and compare what they did with what is documented."""
        now = FIRST + number * DAY
        for name in self.sources:
            self.nights[name] = self._sow(name, now)
        event = self.chance.choices(("", *EVENTS), (85, 5, 5, 5))[0] if number else ""
        before = self.look()
        if event in {KILL, FULL}:
            self._disturb(event, now, before)
            before = replace(before, jobs=self.look().jobs)
        trains = self.trains and number % TRAINING_NIGHTS == 0
        is_real = trains or bool(self.real and number % self.real == 0)
        result = self.run_command(now) if is_real else self.run_forked(now)
        after = self.look()
        for name in self.sources:
            self._compare_job(name, now, before, after, trains, event)
        self._compare_run(number, result, before, after)
        if event == CLOCK:
            self._run_an_hour_back(now, result, after)
        self._measure(number, result, is_real and not trains)

    # Files.

    def _sow(self, name: str, now: datetime) -> Night:
        """Write the file of a job, with a fault or without."""
        source, last = self.sources[name], self.nights[name]
        if self.left[name]:
            self.left[name] -= 1
            fault = last.fault
        else:
            is_sown = last.content is not None and self.chance.random() < self.sown
            fault = self.chance.choice([each for each in FAULTS if name in each.jobs]) if is_sown else None
            self.left[name] = fault.days - 1 if fault else 0
        rows = source.list_rows(now)
        if fault is not None and fault.change is None:
            if last.fault is fault or (last.fault is None and last.newest is not None):
                return replace(last, fault=fault)
            rows = source.list_rows(now - DAY)  # the last whole file
        content = to_bytes(source, rows) if fault is None or fault.change is None else None
        newest: datetime | None = source.parse(rows[-1 - (fault.behind if fault else 0)])
        if fault is not None and fault.change is not None:
            content = fault.change(source, rows, self.chance)
            newest = None if fault.codes and not fault.refused else newest
        path = self.folder / f"{name}.csv"
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.with_suffix(".unfinished").write_bytes(content)
            path.with_suffix(".unfinished").replace(path)
        return Night(fault, newest, content)

    # Runs.

    def _find_offset(self, now: datetime) -> int:
        return round((now.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())

    def run_command(self, now: datetime, **environment: str) -> Result:
        """Run the installed command at a time."""
        more = {"FAULT_CLOCK": str(self._find_offset(now)), "TZ": "UTC", **environment}
        with tempfile.TemporaryFile() as streams:
            process = subprocess.Popen(COMMAND, cwd=self.folder, env=os.environ | more, stderr=streams, stdout=streams)
            return watch(process.pid, process.poll, streams)

    def run_forked(self, now: datetime, kill_after: float | None = None) -> Result:
        """Run the command in a fork of this process, whose imports it has; perhaps it is killed."""
        with tempfile.TemporaryFile() as streams:
            offset = self._find_offset(now)
            if not (pid := os.fork()):
                self._be_command(offset, streams.fileno())
            process = ForkedProcess(pid)
            return watch(pid, process.poll, streams, kill_after)

    def _be_command(self, offset: int, streams: int) -> None:
        """Be the command in a forked process, and never return."""
        code: Any = 1
        try:
            os.setpgid(0, 0)
            os.dup2(streams, 1)
            os.dup2(streams, 2)
            os.chdir(self.folder)
            os.environ["TZ"] = "UTC"
            self.shim.set_clock(offset)
            workers._start_worker = start_forked_worker
            sys.argv = ["forecast", "run", "jobs.yaml"]
            forecast_main()
        except SystemExit as leaving:
            code = leaving.code or 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _disturb(self, event: str, now: datetime, before: Found) -> None:
        """Run the jobs, and kill the run or let the disk become full; every file is the old one or the new one."""
        if event == KILL:
            result = self.run_forked(now, self.chance.uniform(0, self.seconds))
            allowed: set[int] = {-signal.SIGKILL, 0, *range(3, 6)}
        else:
            with tempfile.NamedTemporaryFile() as counter:
                counter.write(bytes(8))
                counter.flush()
                armed = {"FAULT_FOLDER": str(self.folder), "FAULT_COUNTER": counter.name}
                armed |= {"FAULT_KIND": str(KINDS["ENOSPC"]), "FAULT_AT": str(self.chance.randrange(1, 120))}
                result = self.run_command(now, **armed)
            allowed = {0, 3, 4, 5, 74}
        self.counts.add(event, f"exit {result.code}")
        if result.code not in allowed or "Traceback" in result.stderr:
            self._deviate(event, f"the run ends with {result.code}: {result.stderr}")
        for name, content in self.look().outputs.items():
            newest = self.nights[name].newest
            if content != before.outputs.get(name) and (newest is None or read_origin(content) != f"{newest}"):
                self._deviate(event, f"{name}: the output is neither the old one nor the new one: {content!r}")

    def _run_an_hour_back(self, now: datetime, last: Result, before: Found) -> None:
        again = self.run_forked(now - timedelta(hours=1))
        after = self.look()
        self.counts.add(CLOCK, f"exit {again.code}")
        if any(state["exit_code"] == 5 for state in before.jobs.values()):
            return  # an age is below its limit again
        if (again.code, again.stderr) != (last.code, ""):
            self._deviate(CLOCK, f"exit {again.code} after {last.code}: {again.stderr}")
        for name, state in after.jobs.items():
            if not state["exit_code"] and state["outcome"] != "nothing-new":
                self._deviate(CLOCK, f"{name}: {state['outcome']}: {state['reason']}")
        if after.outputs != before.outputs or after.steps != before.steps:
            self._deviate(CLOCK, "outputs or the store have changed")

    # Comparisons.

    def look(self) -> Found:
        """Look at everything that a run leaves."""
        outputs = {path.name[: -len("-forecast.csv")]: path for path in self.folder.glob("*-forecast.csv")}
        made: dict[str, str] = {}
        steps: dict[tuple[str, str], tuple[str, int]] = {}
        if (self.folder / "forecasts.db").exists():
            with contextlib.closing(sqlite3.connect(self.folder / "forecasts.db")) as store:
                made = dict(store.execute("SELECT job, max(made_at) FROM forecasts GROUP BY job"))
                query = (
                    "SELECT job, series, origin, count(*) FROM forecasts GROUP BY job, series, origin ORDER BY origin"
                )
                steps = {(job, series): (origin, count) for job, series, origin, count in store.execute(query)}
        try:
            jobs = json.loads((self.folder / "status.json").read_text())["jobs"]
        except FileNotFoundError:
            jobs = {}
        marks = {name for name, path in outputs.items() if path.with_name(path.name + ".stale").exists()}
        return Found(jobs, {name: path.read_bytes() for name, path in outputs.items()}, marks, made, steps)

    def _deviate(self, fault: str, sentence: str) -> None:
        self.counts.deviations.append((fault, sentence))

    def _compare_job(self, name: str, now: datetime, before: Found, after: Found, trains: bool, event: str) -> None:
        """Compare the outcome of a job with what is documented for its file."""
        source, night, state = self.sources[name], self.nights[name], after.jobs[name]
        fault = night.fault
        label = fault.name if fault else "none"
        code, codes = 0, []
        if night.newest is None:
            code, codes = 4, list(fault.codes if fault else ())
        elif source.is_stale(night.newest, now):
            code, codes = 5, ["stale-data"]
        elif fault and fault.refused:
            code, codes = 3, list(fault.codes)
        last = before.jobs.get(name) or {"outcome": None, "exit_code": 0}
        outcomes = {"failed"} if code else {"done"}
        if not code and event in {KILL, FULL}:
            outcomes = {"done", "nothing-new"}
        elif not code and night.content == self.done[name] and not (trains and name == "own"):
            outcomes = (
                {"nothing-new"} if not last["exit_code"] else {"done", "nothing-new"}
            )  # data were scored meanwhile
        changed = (state["outcome"] == "failed", code) != (last["outcome"] == "failed", last["exit_code"])
        changed = changed or last["outcome"] is None
        is_now = {
            key: bool(state[key]) and is_near(state[key], now) for key in ("last_attempt", "last_success", "since")
        }
        expected: dict[str, Any] = {
            "exit code": code,
            "outcome": True,
            "problems": codes,
            "last_attempt is now": True,
            "last_success is now": not code,
            "since is now": is_now["since"] if event in {KILL, FULL} else changed,
            "stale": code == 5,
            "mark": code in {4, 5} and name in before.outputs,
            "aging": not code and night.newest is not None and source.is_aging(night.newest, now),
        }
        found = {
            "exit code": state["exit_code"],
            "outcome": state["outcome"] in outcomes,
            "problems": sorted({each["code"] for each in state["problems"]}),
            **{f"{key} is now": value for key, value in is_now.items()},
            "stale": state["stale"],
            "mark": name in after.marks,
            "aging": any(each["code"] == "aging-data" for each in state["warnings"]) and not code,
        }
        if code in {4, 5}:
            expected |= {"output": before.outputs.get(name), "made": before.made.get(name)}
            found |= {"output": after.outputs.get(name), "made": after.made.get(name)}
        else:
            series = set(source.series) - set(fault.refused if fault else ())
            output = after.outputs.get(name, b"")
            expected |= {"origin": f"{night.newest}", "series": series, "newest": f"{night.newest}"}
            found |= {
                "origin": read_origin(output),
                "series": read_series(output),
                "newest": read_time(state["newest"]),
            }
            expected["stored steps"] = {source.horizon}
            found["stored steps"] = {after.steps.get((name, each), ("", 0))[1] for each in series}
        for key, value in expected.items():
            if found[key] != value:
                self._deviate(
                    label,
                    f"{now:%F} {name}: {key}: {found[key]!r}, not {value!r} ({state['outcome']}: {state['reason']})",
                )
        self.counts.add(label, f"{state['outcome']} {state['exit_code'] or ''}".strip())
        if not code:
            self.done[name] = night.content

    def _compare_run(self, number: int, result: Result, before: Found, after: Found) -> None:
        """Compare the exit code, stderr and the files of a run with what follows from its jobs."""
        codes = [state["exit_code"] for state in after.jobs.values()]
        failed = {code for code in codes if code}
        code = codes[0] if len(failed) == 1 and all(codes) else 3 if failed else 0
        if result.code != code:
            self._deviate("run", f"night {number}: exit {result.code}, not {code}: {result.stderr}")
        lines = []
        for name, state in after.jobs.items():
            last = before.jobs.get(name) or {"exit_code": 0, "problems": []}
            if state["exit_code"] and list_failure(state) != list_failure(last):
                lines.append(f"{name}: exit {state['exit_code']}: ")
            elif last["exit_code"] and not state["exit_code"]:
                lines.append(f"{name}: recovered")
            known = {each["code"] for each in last.get("warnings", ())}
            lines += [f"{name}: warning: " for each in state["warnings"] if each["code"] not in known]
        printed = result.stderr.splitlines()
        if len(lines) != len(printed) or not all(map(str.startswith, printed, lines)):
            self._deviate("run", f"night {number}: stderr has {printed}, not {lines}")
        allowed = re.compile(
            r"(load|shops|close|own)(\.csv|-forecast\.csv(\.stale)?)|own\.yaml|jobs\.yaml|status\.json|soak\.prom"
            r"|\.jobs\.lock|forecasts\.db(-wal|-shm)?|runs/[a-z]+/(\.lock|current|promotions\.jsonl|versions/[^/.]+/(members/\d/)?[^/.]+\.[^/]+)"
        )
        names = [str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()]
        if left := [name for name in names if not allowed.fullmatch(name)]:
            self._deviate("run", f"night {number}: files are left over: {left}")

    def _measure(self, number: int, result: Result, is_real: bool) -> None:
        self.seconds = result.seconds
        files = [
            path for path in self.folder.rglob("*") if path.is_file() and not path.name.endswith((".stale", "-wal"))
        ]
        measure = self.counts.measure
        if is_real:
            measure("worker", number, result.memory / 1e6)
            measure("descriptors", number, result.descriptors)
        if not result.code:
            measure("status", number, (self.folder / "status.json").stat().st_size)
            measure("files", number, len(files))
        measure(
            "runs", number, sum(path.stat().st_size for path in (self.folder / "runs").rglob("*") if path.is_file())
        )
        with contextlib.closing(sqlite3.connect(self.folder / "forecasts.db")) as store:
            ((forecasts,),) = store.execute("SELECT count(*) FROM forecasts")
            ((actuals,),) = store.execute("SELECT count(*) FROM actuals")
        measure("forecasts", number, forecasts)
        measure("store", number, (self.folder / "forecasts.db").stat().st_size / (forecasts + actuals))


def read_time(text: str) -> str:
    """Read a timestamp or a date, as a timestamp."""
    return f"{datetime.fromisoformat(text)}"


def read_origin(output: bytes) -> str:
    """Read the newest origin of an output."""
    origins = [row["origin"] for row in csv.DictReader(output.decode().splitlines())]
    return read_time(max(origins)) if origins else ""


def read_series(output: bytes) -> set[str]:
    """Read the series of an output."""
    return {row["series"] for row in csv.DictReader(output.decode().splitlines())}


def is_near(text: str, now: datetime) -> bool:
    """Whether a time of the status is that of a night."""
    return abs(datetime.fromisoformat(text) - now.replace(tzinfo=UTC)) < timedelta(minutes=5)


def list_failure(state: Mapping[str, Any]) -> list[Any]:
    """List what makes two failures the same."""
    return [state["exit_code"], *(each["code"] for each in state["problems"])]


def watch(pid: int, poll: Callable[[], int | None], streams: IO[bytes], kill_after: float | None = None) -> Result:
    """Wait for a run, and measure its processes; kill it with them after some seconds."""
    started, memory, descriptors = time.monotonic(), 0, 0
    while (code := poll()) is None:
        memory = max(memory, workers.read_memory(pid) or 0)
        descriptors = max(descriptors, *map(count_descriptors, [pid, *list_children(pid)]))
        if kill_after is not None and time.monotonic() > started + kill_after:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        time.sleep(0.05)
    streams.seek(0)
    return Result(code, streams.read().decode(), memory, descriptors, time.monotonic() - started)


def list_children(pid: int) -> list[int]:
    """List the children of a process."""
    with contextlib.suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def count_descriptors(pid: int) -> int:
    """Count the open files of a process."""
    with contextlib.suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0


def import_modules() -> None:
    """Import what a run imports, for its forks."""
    for room in (jobs, data):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)
    for name in ("forecaster.cli.run", "forecaster.forecasting.predict", "onnxruntime", "scipy.stats"):
        importlib.import_module(name)
    build_models()


def fit_growth(values: Sequence[tuple[int, float]], first: int) -> float:
    """Fit a line from a night on; return its rise, as a share of the mean."""
    nights, numbers = np.array([each for each in values if each[0] >= first]).T
    slope = np.polyfit(nights, numbers, 1)[0]
    return float(slope * (nights[-1] - nights[0]) / numbers.mean())


def print_counts(counts: Counts, nights: int) -> None:
    """Print the tables."""
    print(f"{nights} nights\n")
    print("fault | nights | outcomes | deviations\n---|---|---|---")
    number = Counter(fault for fault, _ in counts.deviations)
    for fault, outcomes in sorted(counts.nights.items()):
        what = ", ".join(f"{times} {outcome}" for outcome, times in outcomes.most_common())
        print(f"{fault} | {outcomes.total()} | {what} | {number[fault]}")
    first = min(FLAT_FROM, nights // 3)
    print(f"\nfrom night {first} on | first | last | growth of the fitted line\n---|---|---|---")
    for name, meaning in METRICS.items():
        values = [each for each in counts.metrics.get(name, ()) if each[0] >= first]
        if len(values) > 2:
            print(f"{meaning} | {values[0][1]:,.4g} | {values[-1][1]:,.4g} | {fit_growth(values, first):+.1%}")
    print(
        f"\n{len(counts.deviations)} deviations", *(f"{fault}: {text}" for fault, text in counts.deviations), sep="\n"
    )


def main() -> None:
    """Go through the nights and print what became of them; the exit code is 1 where anything deviates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", type=int, default=25, help="every so many nights run the installed command; 0: none")
    parser.add_argument("--faults", type=float, default=0.25, help="share of the files of a night that get a fault")
    parser.add_argument("--no-training", action="store_true", help="leave out the job that trains")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--minutes", type=float, default=math.inf, help="end after this time at the latest")
    options = parser.parse_args()
    restart_with_shim()
    import_modules()
    with tempfile.TemporaryDirectory() as name:
        soak = Soak(Path(name).resolve(), options.seed, not options.no_training, options.real, options.faults)
        gc.freeze()
        until = time.monotonic() + 60 * options.minutes
        for number in itertools.takewhile(lambda number: time.monotonic() < until, range(options.nights)):
            seen = len(soak.counts.deviations)
            soak.run_night(number)
            for fault, text in soak.counts.deviations[seen:]:
                print(f"{fault}: {text}", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(vars(soak.counts)))
    else:
        print_counts(soak.counts, number + 1)
    sys.exit(bool(soak.counts.deviations))


if __name__ == "__main__":
    main()
