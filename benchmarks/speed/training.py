"""Time of a training step: ours against Keras, torch and neuralforecast, with one thread and with all.

    make .venv-bench/installed
    .venv/bin/python benchmarks/speed/training.py
    .venv/bin/python benchmarks/speed/training.py --threads 1 --rows lstm-64-32-96 --bursts 5

All rows take about eight minutes on a quiet machine. In each row the contenders take turns, a burst of some steps each;
printed are the minimum of the bursts in ms a step, their median, their spread (90th over 10th percentile), and the CPU
time. A ratio is the minimum over that of the fastest contender next to ours. The results go to `training.json`; rows
that were measured replace those of the same name.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROWS = {
    "lstm-64-32-96": ("lstm", 64, 32, 96),  # cell, units, batch, window
    "gru-64-32-96": ("gru", 64, 32, 96),
    "simple_rnn-64-32-96": ("simple_rnn", 64, 32, 96),
    "lstm-64-256-96": ("lstm", 64, 256, 96),
    "gru-64-256-96": ("gru", 64, 256, 96),
    "simple_rnn-64-256-96": ("simple_rnn", 64, 256, 96),
    "lstm-128-256-96": ("lstm", 128, 256, 96),
    "lstm-64-32-336": ("lstm", 64, 32, 336),
}
_LIBRARIES = {
    "tensorflow": ("ours", "Keras fit", "Keras jit"),
    "torch": ("torch", "neuralforecast"),
}
_CONTENDERS = [name for names in _LIBRARIES.values() for name in names]
_ROOT = Path(__file__).resolve().parents[2]
_RESULTS = Path(__file__).with_name("training.json")


class Worker:
    """The process of a library, which builds contenders and runs bursts of steps."""

    def __init__(self, library: str, python: Path, threads: int) -> None:
        script = Path(__file__).with_name("training_contenders.py")
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(_ROOT)}
        self.process = subprocess.Popen(
            [str(python), str(script), library, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        self.versions = self._read()

    def request(self, **request: object) -> dict[str, Any]:
        """Send a request and return its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args!r} ended; run it alone to see why")
        return dict(json.loads(line))


def measure_row(
    workers: dict[str, Worker], row: tuple[object, ...], bursts: int, seconds: float
) -> dict[str, dict[str, list[float]]]:
    """Measure a row: ms a step of each contender in each burst, of wall and CPU time."""
    owners = {name: workers[library] for library, names in _LIBRARIES.items() if library in workers for name in names}
    steps = {}
    for name, worker in owners.items():
        first = worker.request(build=name, row=row)
        steps[name] = min(200, max(5, round(1e3 * seconds / first["wall"])))
    found: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in owners}
    for _ in range(bursts):
        for name, worker in owners.items():
            for clock, milliseconds in worker.request(run=name, steps=steps[name]).items():
                found[name][clock].append(round(milliseconds, 3))
    return found


def print_table(results: dict[str, Any], threads: int) -> None:
    """Print the rows measured with a number of threads, and how we compare with the fastest other contender."""
    print(f"\nms a step, {threads} thread{'s' if threads > 1 else ''}: minimum (median, spread) [CPU minimum]\n")
    print(f"| cell, units, batch, window | {' | '.join(_CONTENDERS)} | ratio |")
    print("|---" * (len(_CONTENDERS) + 2) + "|")
    ratios = []
    for name, row in _ROWS.items():
        measured = results["rows"].get(f"{name}, {threads} threads")
        if measured is None:
            continue
        cells = [_format_times(measured[each]) if each in measured else "-" for each in _CONTENDERS]
        others = [min(each["wall"]) for label, each in measured.items() if label != "ours"]
        ratios.append(min(measured["ours"]["wall"]) / min(others))
        print(f"| {', '.join(map(str, row))} | {' | '.join(cells)} | {ratios[-1]:.2f} |")
    if ratios:
        print(
            f"\ngeometric mean of the ratios: {statistics.geometric_mean(ratios):.2f}; the largest: {max(ratios):.2f}"
        )


def _format_times(measured: dict[str, list[float]]) -> str:
    wall = measured["wall"]
    spread = statistics.quantiles(wall, n=10)[-1] / statistics.quantiles(wall, n=10)[0] if len(wall) > 1 else 1.0
    return f"{min(wall):.1f} ({statistics.median(wall):.1f}, {spread:.1f}) [{min(measured['cpu']):.1f}]"


def main() -> None:
    """Measure all rows, or those that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", choices=_ROWS, default=[*_ROWS])
    parser.add_argument("--threads", nargs="*", type=int, default=[1, os.cpu_count() or 1])
    parser.add_argument("--bursts", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.25, help="of a burst")
    parser.add_argument("--peers", type=Path, default=_ROOT / ".venv-bench/bin/python", help="Python with torch")
    options = parser.parse_args()
    results = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {"rows": {}}
    for threads in options.threads:
        pythons = {"tensorflow": Path(sys.executable)} | ({"torch": options.peers} if options.peers.exists() else {})
        workers = {library: Worker(library, python, threads) for library, python in pythons.items()}
        for worker in workers.values():
            results.setdefault("versions", {}).update(worker.versions)
        for row in options.rows:
            measured = measure_row(workers, _ROWS[row], options.bursts, options.seconds)
            results["rows"][f"{row}, {threads} threads"] = measured
            results["date"], results["cores"] = str(datetime.date.today()), os.cpu_count()
            _RESULTS.write_text(json.dumps(results, indent=1) + "\n")
            print(f"{row}, {threads} threads: measured", file=sys.stderr)
        for worker in workers.values():
            worker.process.kill()
        print_table(results, threads)


if __name__ == "__main__":
    main()
