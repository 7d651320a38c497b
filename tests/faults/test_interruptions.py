"""SIGTERM at any call of a function ends a command with the code of an interruption, whatever catches exceptions there."""

import importlib
import os
import shutil
import signal
import time

import pytest

from tests.helpers.command import ROOT
from tests.helpers.fork_server import SIGNAL_AT

INTERRUPTED = 128 + signal.SIGTERM
FIRST_CALL = 3000  # after the handlers are set
# Each command with the numbers of calls at which it gets the signal.
SCORING = ["evaluate", "runs/load", "--data", "load.csv", "--stride", "100"]
COMMANDS = {
    "predict": (["predict", "runs/load"], range(FIRST_CALL, 26_000, 3_200)),
    "evaluate": (SCORING, range(FIRST_CALL, 32_000, 4_000)),
    "train": (["train", "tiny.yaml"], [FIRST_CALL, 40_000]),
    "tune": (["tune", "tiny.yaml", "--trials", "1"], [FIRST_CALL, 40_000]),
}
TINY = """\
data: {path: load.csv}
window: {length: 12, horizon: 6}
model: {cell: lstm, units: 4, decoder: dense}
training: {epochs: 1, batch_size: 64}
tune: {model.units: [2, 4, 8]}
"""


@pytest.fixture
def folder(tmp_path):
    runs = ROOT / "tests" / "runs" / "format-4"
    shutil.copytree(runs / "load", tmp_path / "runs" / "load")
    shutil.copy(runs / "load.csv", tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_signal_at_any_call_is_an_interruption(verb, folder, forecast):
    arguments, points = COMMANDS[verb]
    outcomes = {}
    for point in points:
        result = forecast(*arguments, cwd=folder, env=os.environ | {SIGNAL_AT: str(point)})
        outcomes[point] = (result.returncode, "interrupted" in result.stderr, "Traceback" in result.stderr)
    assert outcomes == dict.fromkeys(points, (INTERRUPTED, True, False))


def test_a_library_that_drops_every_exception_cannot_keep_a_command_alive(monkeypatch):
    main = importlib.import_module("forecaster.cli.main")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}

    def app(**options):
        try:
            signal.raise_signal(signal.SIGTERM)
        except:  # noqa: E722  what is tested
            time.sleep(60)

    monkeypatch.setattr(main, "_choose_verb", lambda named: app)
    monkeypatch.setattr(main, "_UNWINDING_SECONDS", 0.05)
    monkeypatch.setattr(main.sys, "unraisablehook", main.sys.unraisablehook)
    try:
        with pytest.raises(SystemExit) as leaving:
            main.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert leaving.value.code == INTERRUPTED
