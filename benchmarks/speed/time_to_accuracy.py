"""Time to accuracy: whole processes from an hourly load to 1,000 forecasts of 24 hours, ours against neuralforecast.

    make .venv-bench/installed
    .venv/bin/python benchmarks/speed/time_to_accuracy.py --data ../shared/data/pjm_hourly/PJME_hourly.csv

The last tenth is held out; the origins are spaced evenly over it, and errors are those of all steps from all origins.
Ours is `forecast train FILE`, without a YAML, which scores these forecasts as part of its training; it is run with and
without its refit on all rows, which follows the scores and does not change them. The peer is neuralforecast's LSTM with
its defaults, and with a window of a week. Each contender is run `--repeats` times, in turn;
about six minutes on a quiet machine for one. The results go to `time_to_accuracy.json`.
"""

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HORIZON, SEASON, ORIGINS = 24, 24, 1000
_ROOT = Path(__file__).resolve().parents[2]
_RESULTS = Path(__file__).with_suffix(".json")

_PEER = """
import json, sys
import numpy as np, pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.models import LSTM

values = np.load(sys.argv[1])
origins = json.loads(sys.argv[2])
window = int(sys.argv[3])
known = origins[0]
def frame(name, values):
    return pd.DataFrame({"unique_id": name, "ds": np.arange(len(values)), "y": values})
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
networks = NeuralForecast([LSTM(24, window or 72, accelerator="cpu", **quiet)], freq=1)
networks.fit(frame("load", values[:known]))
reach = max(window, 72)
windows = pd.concat([frame(f"{origin:09}", values[origin - reach : origin]) for origin in origins])
forecasts = networks.predict(windows).sort_values(["unique_id", "ds"])["LSTM"].to_numpy().reshape(len(origins), 24)
actuals = np.array([values[origin : origin + 24] for origin in origins])
print(json.dumps({"mae": float(np.abs(forecasts - actuals).mean())}))
"""


def read_values(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Read the load in the order of time, on a regular grid: duplicates averaged, missing hours interpolated."""
    table = pd.read_csv(path, parse_dates=["Datetime"])
    target = table.columns[1]
    values = table.groupby("Datetime")[target].mean().asfreq("h").interpolate()
    return values.rename_axis("Datetime").reset_index(), values.to_numpy()


def run_process(command: list[str], folder: Path) -> dict[str, float]:
    """Run a command to its end: its output, and wall and CPU seconds of it and its children."""
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=False, cwd=folder, env=environment, text=True, capture_output=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    printed = done.stdout.strip().splitlines()
    answer = json.loads(printed[-1]) if printed and printed[-1].startswith("{") else {}
    return {"seconds": round(wall, 1), "cpu_seconds": round(cpu, 1), **answer}


def run_ours(table: pd.DataFrame, folder: Path, *overrides: str) -> dict[str, float]:
    """Train on the file without a YAML, the last tenth as test part, and read the error of its forecasts there."""
    folder.mkdir()
    table.to_csv(folder / "load.csv", index=False)
    held_out = len(table) // 10
    settings = ["--set", f"split.test={held_out}", "--set", f"window.horizon={HORIZON}"]
    settings += [part for override in overrides for part in ("--set", override)]
    command = [sys.executable, "-m", "forecaster", "train", "load.csv", *settings, "--run", "run"]
    measured = run_process(command, folder)
    (path,) = (folder / "run/versions").glob("*/metrics.json")
    scores = json.loads(path.read_text())
    return {**measured, "mae": scores["scores"]["model"]["mae"], "origins": scores["origins"]}


def score_last_day(values: np.ndarray, origins: list[int]) -> float:
    """Compute the mean absolute error of the same hours of the day before."""
    steps = np.array(origins)[:, None] + np.arange(HORIZON)
    return float(np.abs(values[steps] - values[steps - SEASON]).mean())


def main() -> None:
    """Run all contenders in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=_ROOT / "../shared/data/pjm_hourly/PJME_hourly.csv")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--peers", type=Path, default=_ROOT / ".venv-bench/bin/python", help="Python with torch")
    options = parser.parse_args()
    table, values = read_values(options.data)
    first, last = len(values) - len(values) // 10, len(values) - HORIZON
    origins = np.linspace(first, last, ORIGINS).round().astype(int).tolist()
    results: dict[str, Any] = {"date": str(datetime.date.today()), "cores": os.cpu_count(), "runs": {}}
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "values.npy", values)
            found = {
                "forecast train FILE": run_ours(table, folder / "whole"),
                "the same without its refit": run_ours(table, folder / "unrefitted", "training.refit=none"),
            }
            for label, window in (("neuralforecast LSTM", 0), ("neuralforecast LSTM, window of a week", 168)):
                if options.peers.exists():
                    command = [str(options.peers), "-c", _PEER, "values.npy", json.dumps(origins), str(window)]
                    found[label] = run_process(command, folder)
        for label, run in found.items():
            results["runs"].setdefault(label, []).append(run)
    results["last day"] = score_last_day(values, origins)
    _RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(f"{'':40}{'seconds':>9}{'CPU':>9}{'MAE':>9}")
    for label, runs in results["runs"].items():
        best = min(runs, key=lambda run: run["seconds"])
        print(f"{label:40}{best['seconds']:9.1f}{best['cpu_seconds']:9.1f}{best['mae']:9.0f}")
    print(f"{'the same hours of the day before':40}{'':18}{results['last day']:9.0f}")


if __name__ == "__main__":
    main()
