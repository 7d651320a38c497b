"""Outputs: what killed writes leave is removed, links and devices of a run are replaced, impossible names are refused."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from forecaster import atomic_files, runs
from forecaster.errors import CannotCreate
from tests.helpers.command import ROOT

NAMES = ["current", "checkpoint", "forecast.csv", "a" * 255, "ü" * 127]
# Each child is killed when the new content is complete and has not replaced the old one.
KILLED_WRITES = """
import os, pathlib, signal, sys
from forecaster.atomic_files import write_atomically
for path in sys.argv[1:]:
    if not os.fork():
        os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
        write_atomically(pathlib.Path(path), b"half")
    os.wait()
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_next_write_removes_what_killed_ones_left(tmp_path):
    paths = [str(tmp_path / name) for name in [*NAMES, *NAMES, "other.csv"]]
    subprocess.run([sys.executable, "-c", KILLED_WRITES, *paths], check=True, cwd=ROOT)
    assert len(names(tmp_path)) == len(NAMES) + 1
    for name in NAMES:
        atomic_files.write_atomically(tmp_path / name, b"whole")
        assert (tmp_path / name).read_bytes() == b"whole"
    assert [name[:11] for name in names(tmp_path) if name not in NAMES] == [".other.csv."]


def test_what_a_running_process_writes_is_not_removed(tmp_path):
    path = tmp_path / "forecast.csv"
    atomic_files.write_atomically(path, b"")
    prefix = atomic_files._remove_left(path).rpartition(".")[0]
    running, dead, foreign = (
        tmp_path / f"{prefix}.{os.getppid()}-abc",
        tmp_path / f"{prefix}.{os.getpid()}-abc",  # of an earlier process that had this number
        tmp_path / f".forecast.csv.00000000.{2**22 + 1}-abc",  # of another machine
    )
    for left in (running, dead, foreign):
        left.touch()
    atomic_files.write_atomically(path, b"whole")
    assert set(names(tmp_path)) == {"forecast.csv", running.name, foreign.name}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems number threads and processes apart")
def test_a_thread_with_the_number_of_a_process_that_is_gone_keeps_nothing(tmp_path):
    path, end = tmp_path / "forecast.csv", threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    prefix = atomic_files._remove_left(path).rpartition(".")[0]
    (tmp_path / f"{prefix}.{thread.native_id}-abc").touch()
    atomic_files.write_atomically(path, b"whole")
    end.set()
    thread.join()
    assert names(tmp_path) == ["forecast.csv"]


@pytest.mark.parametrize("name", ["current", "checkpoint"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "loop", "pipe"])
def test_a_file_of_a_run_is_replaced_and_not_written_through(tmp_path, name, kind):
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    if kind == "pipe":
        os.mkfifo(run / name)
    else:
        if kind == "link":
            outside.write_text("mine")
        (run / name).symlink_to(run / name if kind == "loop" else outside)
    if name == "current":
        runs.promote(run, "version")
        assert (run / name).read_text() == "version\n"
    else:
        runs.write_checkpoint(run, {"config": 1}, b"state")
        assert runs.read_checkpoint(run) == ({"config": 1}, b"state")
    assert stat.S_ISREG((run / name).lstat().st_mode)
    assert not outside.exists() if kind != "link" else outside.read_text() == "mine"


@pytest.mark.parametrize("name", ["loop", "file/below", "a" * 256, "null\0byte", "lone\ud800surrogate"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(CannotCreate, match="cannot be created"):
        atomic_files.write_atomically(tmp_path / name, b"")
    assert names(tmp_path) == ["file", "loop"]
