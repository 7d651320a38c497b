"""Standard streams that are full, or not UTF-8: the exit code and the result stay what they are."""

import importlib
import io
import os
import subprocess
from pathlib import Path

import pytest

from tests.faults.hostile import copy_run
from tests.helpers.command import FORECAST

FULL = Path("/dev/full")
main = importlib.import_module("forecaster.cli.main")


def run(folder, *arguments, **streams):
    return subprocess.run(
        [str(FORECAST), *arguments], cwd=folder, stdin=subprocess.DEVNULL, check=False, timeout=120, **streams
    ).returncode


@pytest.mark.slow
def test_a_full_stderr_changes_no_exit_code(tmp_path):
    copy_run(tmp_path)
    with FULL.open("w") as full, Path(os.devnull).open("w") as nowhere:
        assert run(tmp_path, "predict", "runs/load", "-v", "-o", "forecast.csv", stdout=nowhere, stderr=full) == 0
        assert run(tmp_path, "predict", "runs/none", "--debug", stdout=nowhere, stderr=full) == 6
        assert run(tmp_path, "predict", "--levels", stdout=nowhere, stderr=full) == 2
    assert len((tmp_path / "forecast.csv").read_text().splitlines()) == 1 + 6


@pytest.mark.slow
def test_a_full_stdout_and_one_without_a_reader_are_failed_outputs(tmp_path):
    copy_run(tmp_path)
    with FULL.open("w") as full:
        assert run(tmp_path, "predict", "runs/load", stdout=full, stderr=subprocess.DEVNULL) == 74
    reader, writer = os.pipe()
    os.close(reader)
    assert run(tmp_path, "predict", "runs/load", stdout=writer, stderr=subprocess.DEVNULL) == 74
    os.close(writer)


class Terminal(io.TextIOWrapper):
    """A stream to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("kind", "expected"), [(io.TextIOWrapper, "Größe\n"), (Terminal, "Gr\\xf6\\xdfe\n")])
def test_files_get_utf_8_and_terminals_what_they_can_show(monkeypatch, kind, expected):
    written = io.BytesIO()
    monkeypatch.setattr(main.sys, "stdout", kind(written, encoding="ascii"))
    main._open_standard_streams()
    main.console.print_result("Größe\n")
    assert written.getvalue().decode() == expected
