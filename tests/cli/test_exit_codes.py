"""Exit codes: --help lists those that something raises, and the command exits with them."""

import importlib
import logging
import re
import signal
import subprocess
import sys

import pytest

from forecaster import errors
from forecaster.errors import EXIT_CODES
from forecaster.extras import MissingExtra
from forecaster.problems import Problem
from tests.helpers.command import ROOT

main = importlib.import_module("forecaster.cli.main")

WRONG = Problem("interrupted")
RAISED = [
    (errors.UsageError(WRONG), 2),
    (errors.ConfigError(WRONG), 2),
    (errors.DataError(WRONG), 4),
    (errors.Partial(WRONG), 3),
    (errors.Stale(WRONG), 5),
    (errors.RunError(WRONG), 6),
    (errors.Diverged(WRONG), 7),
    (errors.ChallengerLost(WRONG), 7),
    (errors.CannotCreate(WRONG), 73),
    (errors.InputOutputFailed(WRONG), 74),
    (OSError(28, "No space left on device"), 74),
    (BrokenPipeError(), 74),
    (errors.Locked(WRONG), 75),
    (errors.Changing(WRONG), 75),
    (errors.Interrupted(WRONG, signal.SIGINT), 130),
    (errors.Interrupted(WRONG, signal.SIGTERM), 143),
    (ZeroDivisionError("bug"), 1),
    (SystemExit(0), 0),
]


@pytest.fixture
def restored():
    """The signal handlers and the log as they were."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    log = logging.getLogger("forecaster")
    before = (log.handlers, log.propagate, log.level)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    log.handlers, log.propagate, log.level = before


@pytest.mark.parametrize(("error", "code"), RAISED, ids=lambda value: type(value).__name__)
def test_each_error_has_its_exit_code(error: BaseException, code: int, monkeypatch, restored):
    def stop(**options: object) -> None:
        raise error

    monkeypatch.setattr(main, "_choose_verb", lambda named: stop)
    monkeypatch.setattr(main, "_open_standard_streams", lambda: None)
    monkeypatch.setattr(main.console, "drop_stdout", lambda: None)
    with pytest.raises(SystemExit) as leaving:
        main.main()
    assert leaving.value.code == code


def test_a_refusal_of_the_system_names_what_was_refused_and_not_an_output(monkeypatch, restored, capsys):
    def stop(**options: object) -> None:
        raise PermissionError(13, "Permission denied", "data/load.csv")

    monkeypatch.setattr(main, "_choose_verb", lambda named: stop)
    monkeypatch.setattr(main, "_open_standard_streams", lambda: None)
    with pytest.raises(SystemExit) as leaving:
        main.main()
    assert leaving.value.code == 74
    assert capsys.readouterr().err == "data/load.csv: cannot be read or written: Permission denied\n"


def test_help_lists_the_codes_that_are_raised():
    listed = {int(code) for codes, _ in EXIT_CODES for code in codes.split(" / ")}
    assert listed == {code for _, code in RAISED}


def test_the_package_raises_each_error():
    source = "\n".join(path.read_text() for path in (ROOT / "forecaster").rglob("*.py"))
    classes = {type(error) for error, _ in RAISED if isinstance(error, errors.ForecasterError)} | {MissingExtra}
    assert [each.__name__ for each in classes if not re.search(rf"(raise|return) {each.__name__}\(", source)] == []


STALL = """
import time
from forecaster.cli import signals
signals.STALL_SECONDS = 0.2
with signals.collect_signals() as received, signals.limit_time(0.1, "--timeout 0.1s", received):
    time.sleep(60)
"""


def test_what_does_not_stop_at_its_time_limit_is_ended_with_the_command_that_resumes():
    ended = subprocess.run([sys.executable, "-c", STALL], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 143
    assert ended.stderr.startswith("--timeout 0.1s: the time limit was reached\nthe training did not stop within")
    assert "resume with the same command and --resume" in ended.stderr
