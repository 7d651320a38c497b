"""`forecast run` on a device that is read-only or full, with a clock that jumps, killed, and several at once."""

import importlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.helpers.command import FORECAST, ROOT
from tests.helpers.fork_server import write_command

FOLDER = ROOT / "benchmarks" / "reliability"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the shim reads /proc"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]


@pytest.fixture(scope="module")
def modules(tmp_path_factory, fork_server):
    """The modules of the benchmark; its runs are forks, except those with a fault of the disk or the clock."""
    sys.path.insert(0, str(FOLDER))
    command = tmp_path_factory.mktemp("programs") / "forecast"
    write_command(command, fork_server(False).address)
    try:
        found = importlib.import_module("faults"), importlib.import_module("kill_runs")
        found[1].COMMAND[0] = str(command)
        yield found
    finally:
        sys.path.remove(str(FOLDER))
        for name in ("faults", "kill_runs"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def first(modules, tmp_path_factory):
    """The jobs of the benchmark, run once."""
    folder = tmp_path_factory.mktemp("first")
    modules[1].prepare_folder(folder)
    finish(modules, folder, 100)
    return folder


@pytest.fixture
def folder(first, tmp_path):
    return shutil.copytree(first, tmp_path / "jobs")


def finish(modules, folder, rows):
    """Run the jobs without a fault, and check what they wrote."""
    counts = modules[1].Counts()
    modules[1].finish_run(folder, rows, counts)
    assert counts.violations == []


def run(modules, folder, shim, **environment):
    """Run the jobs with a fault."""
    more = {"LD_PRELOAD": str(shim), **environment}
    command = [FORECAST, *modules[1].COMMAND[1:]]
    return subprocess.run(command, cwd=folder, env=os.environ | more, capture_output=True, text=True, check=False)


def arm(modules, folder, tmp_path_factory, kind, number):
    """The environment that lets the n-th file operation of a run fail."""
    counter = tmp_path_factory.mktemp("counter") / "counter"
    counter.write_bytes(bytes(8))
    numbered = {"FAULT_KIND": str(kind), "FAULT_AT": str(number)}
    return {"FAULT_FOLDER": str(folder), "FAULT_COUNTER": str(counter), **numbered}


def read_outputs(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*-forecast.csv")}


def test_a_read_only_folder_is_one_line_and_changes_nothing(modules, folder, shim, tmp_path_factory):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    modules[1].write_data(folder, 101)
    result = run(modules, folder, shim, **arm(modules, folder, tmp_path_factory, 5, 1))
    assert result.returncode == 74
    assert result.stderr.count("\n") == 1
    assert "Read-only file system" in result.stderr
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} == {folder / "north.csv", folder / "south.csv"}
    finish(modules, folder, 101)


@pytest.mark.parametrize("number", [9, 40])
def test_a_disk_that_becomes_full_is_a_failure_that_the_next_run_repairs(
    modules, folder, shim, tmp_path_factory, number
):
    outputs = read_outputs(folder)
    modules[1].write_data(folder, 101)
    environment = arm(modules, folder, tmp_path_factory, modules[0].KINDS["ENOSPC"], number)
    result = run(modules, folder, shim, **environment)
    assert result.returncode in {3, 74}, result.stderr
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr
    assert {len(content.splitlines()) for content in read_outputs(folder).values()} == {
        len(content.splitlines()) for content in outputs.values()
    }
    finish(modules, folder, 101)


def test_a_clock_that_jumps_back_by_ten_days_stops_nothing(modules, folder, shim):
    for rows, offset in ((101, 864_000), (102, -864_000)):
        modules[1].write_data(folder, rows)
        result = run(modules, folder, shim, FAULT_CLOCK=str(offset))
        assert (result.returncode, result.stderr) == (0, "")
        state = json.loads((folder / "status.json").read_text())["jobs"]["north"]
        assert 0 <= state["seconds"] < 100
    modules[1].write_data(folder, 103)
    finish(modules, folder, 103)
    counts = modules[1].Counts()
    modules[1].check_store(folder, 103, counts)
    assert counts.violations == []


def test_killed_runs_and_runs_at_once_leave_old_or_new(modules, tmp_path):
    kill_runs = modules[1]
    kill_runs.prepare_folder(tmp_path)
    counts = kill_runs.kill_runs(tmp_path, 3, 0)
    codes = kill_runs.run_at_once(tmp_path, 3, counts)
    assert counts.violations == []
    assert counts.kills + counts.finished == 3
    assert counts.reads > 5
    assert sum(codes.values()) == 3
