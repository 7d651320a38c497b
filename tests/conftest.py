"""What the tests share: the real command as a process, small CSVs and configs, and one tiny trained run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

ROOT = Path(__file__).parent.parent
FORECAST = Path(sys.executable).with_name("forecast")

Result = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def forecast() -> Callable[..., Result]:
    """Run the installed command: forecast("train", path, cwd=folder) -> exit code, stdout, stderr."""

    def run(*arguments: object, cwd: Path | None = None, timeout: float = 240, **options) -> Result:
        command = [str(FORECAST), *map(str, arguments)]
        return subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            **options,
        )

    return run


def imported(arguments: list[str], folder: Path, code: int = 0) -> set[str]:
    """The top-level packages that a command loads."""
    command = [sys.executable, "-X", "importtime", "-m", "forecaster", *arguments]
    shown = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert shown.returncode == code
    return {line.split("|")[-1].strip().split(".")[0] for line in shown.stderr.splitlines()}


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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with load.csv and tiny.yaml, whose training takes a second."""
    write_hourly_csv(tmp_path / "load.csv")
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, forecast) -> Path:
    """A project folder with the run runs/tiny, trained by the command; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("trained")
    write_hourly_csv(folder / "load.csv")
    (folder / "tiny.yaml").write_text(TINY)
    result = forecast("train", "tiny.yaml", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert (result.stdout, result.stderr) == ("", "")
    return folder
