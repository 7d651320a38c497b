"""The real command as a process, and small CSVs and configs to give it."""

import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
FORECAST = Path(sys.executable).with_name("forecast")


def imported(arguments: list[str], folder: Path, code: int = 0) -> set[str]:
    """The top-level packages that a command loads."""
    return {name.split(".")[0] for name in list_modules(arguments, folder, code)}


def list_modules(arguments: list[str], folder: Path, code: int = 0) -> list[str]:
    """The modules that a command loads."""
    command = [sys.executable, "-X", "importtime", "-m", "forecaster", *arguments]
    shown = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert shown.returncode == code
    return [line.split("|")[-1].strip() for line in shown.stderr.splitlines() if line.startswith("import time:")]


HEAVY = {"tensorflow", "keras", "tf2onnx", "matplotlib"}


def write_hourly_csv(path: Path, rows: int = 400, values: np.ndarray | None = None) -> Path:
    """An hourly series with a daily season and a little noise."""
    if values is None:
        hours = np.arange(rows)
        values = 100 + 10 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(1).normal(0, 1, rows)
    times = np.datetime64("2026-01-01T00") + np.arange(len(values)).astype("timedelta64[h]")
    lines = [f"{str(time).replace('T', ' ')}:00:00,{value:.4f}" for time, value in zip(times, values, strict=True)]
    path.write_text("time,load\n" + "\n".join(lines) + "\n")
    return path


TINY = """\
data: {path: load.csv}
window: {length: 12, horizon: 6}
model: {cell: lstm, units: 4, decoder: rollout}
training: {epochs: 2, batch_size: 64}
"""
