"""The real command as a process, and small CSVs and configs to give it."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
FORECAST = Path(sys.executable).with_name("forecast")


PATH = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}  # so that this tree is imported
# Some commands, one after the other, in a process that has imported nothing before the first.
_IN_TURN = """\
import json, sys
from forecaster.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as leaving:
        print("\\0", leaving.code, *sys.modules, file=sys.stdout)
        print("\\0", file=sys.stderr)
"""


class Ended(NamedTuple):
    """How a command ended, and the modules that it and those before it loaded."""

    code: int
    stderr: str
    stdout: str
    modules: list[str]

    @property
    def packages(self) -> set[str]:
        """The top-level packages of the modules."""
        return {name.partition(".")[0] for name in self.modules}


def run_in_turn(
    commands: list[list[str]],
    folder: Path,
    environment: dict[str, str] | None = None,
    first: str = "",
    python: str | Path = sys.executable,
) -> list[Ended]:
    """Run some commands in one new process.

    Args:
        commands: the arguments of each.
        folder: to start in.
        environment: of the process; that of this one with `PATH` where None.
        first: statements to execute before anything is imported.
        python: the interpreter.
    """
    result = subprocess.run(
        [str(python), "-c", first + _IN_TURN, json.dumps([[*map(str, command)] for command in commands])],
        cwd=folder,
        env=os.environ | PATH if environment is None else environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    *parts, rest = re.split(r"\0 (\d+) (.*)\n", result.stdout)
    *errors, left = result.stderr.split("\0\n")
    assert (rest, left) == ("", "")
    ended = zip(map(int, parts[1::3]), errors, parts[::3], parts[2::3], strict=True)
    return [Ended(*texts, modules.split()) for *texts, modules in ended]


def run_in_process(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, and leave everything as it was but the log, whose handlers it sets."""
    from forecaster.cli import main

    output, errors = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
    names = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    handlers = {name: signal.getsignal(name) for name in names}
    left = sys.argv, os.environ.copy(), sys.excepthook, sys.unraisablehook
    sys.argv = ["forecast", *arguments]
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            main()
    except SystemExit as leaving:
        code = leaving.code
    finally:
        sys.argv, environment, sys.excepthook, sys.unraisablehook = left
        os.environ.clear()
        os.environ.update(environment)
        for name, handler in handlers.items():
            signal.signal(name, handler)
    text = output.buffer.getvalue().decode().replace("\r\n", "\n")
    return subprocess.CompletedProcess(["forecast", *arguments], code, text, errors.getvalue())


HEAVY = {"tensorflow", "keras", "onnx", "matplotlib"}


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
