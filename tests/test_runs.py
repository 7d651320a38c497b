"""The run folder: written whole or not at all, verified when read."""

import errno
import json
import os
import re
import stat
from pathlib import Path

import pytest

from forecaster import runs
from forecaster.atomic_files import write_atomically
from forecaster.errors import CannotCreate, InputOutputFailed, Locked, RunError, make_output_error
from forecaster.runs import versions

FILES = {
    "config.yaml": b"a",
    "preprocessing.json": b"{}",
    "encode.onnx": b"e",
    "decode.onnx": b"d",
    "residuals.npy": b"r",
    "calibration.json": b"{}",
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    with runs.lock_run(folder):
        runs.promote(folder, runs.write_version(folder, FILES, {"seed": 0}).path.name)
    return folder


def version_of(run: Path) -> Path:
    return run / "versions" / (run / "current").read_text().strip()


def test_a_version_reads_back(run):
    version = runs.load_version(run)
    assert {name: version.read(name) for name in FILES} == FILES
    assert version.manifest["seed"] == 0
    assert version.manifest["files"]["encode.onnx"]["size"] == 1


def test_a_new_version_is_promoted_and_the_old_one_stays(run):
    old = version_of(run)
    with runs.lock_run(run):
        version = runs.write_version(run, {**FILES, "encode.onnx": b"new"}, {})
        assert runs.load_version(run).path == old
        runs.promote(run, version.path.name)
    assert runs.load_version(run).read("encode.onnx") == b"new"
    assert old.is_dir()


def test_a_missing_run_is_reported_with_how_to_make_one(tmp_path):
    with pytest.raises(RunError, match="the run does not exist; create it with: forecast train"):
        runs.load_version(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["run", "run.csv", "data/run.yaml"])
def test_the_name_of_a_run_is_answered_with_its_path(tmp_path, monkeypatch, run, name):
    (tmp_path / "runs").mkdir()
    run.rename(tmp_path / "runs/run")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=f"^{name}: no run has this path; use runs/run$"):
        runs.load_version(Path(name))


def test_a_folder_without_a_finished_training_is_refused(tmp_path):
    with pytest.raises(RunError, match="the run has no finished training"):
        runs.load_version(tmp_path)


def test_a_folder_of_runs_or_of_files_is_answered_with_what_is_in_it(tmp_path, run):
    with pytest.raises(RunError, match=f"no run; the runs in it are {run}$"):
        runs.load_version(run.parent)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/north.csv").touch()
    with pytest.raises(RunError, match=re.escape(f"name the files in it by a pattern: '{tmp_path}/in/*.csv'")):
        runs.load_version(tmp_path / "in")


def edit_manifest(run: Path, **changes) -> None:
    path = version_of(run) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGES = {
    "a missing file": (lambda run: (version_of(run) / "decode.onnx").unlink(), "missing"),
    "a truncated file": (lambda run: (version_of(run) / "encode.onnx").write_bytes(b""), "truncated or edited"),
    "an edited file": (lambda run: (version_of(run) / "encode.onnx").write_bytes(b"x"), "SHA-256 differs"),
    "no manifest": (lambda run: (version_of(run) / "manifest.json").unlink(), "half-written"),
    "a damaged manifest": (lambda run: (version_of(run) / "manifest.json").write_text("{"), "damaged"),
    "a manifest of another kind": (lambda run: (version_of(run) / "manifest.json").write_text("[]"), "damaged"),
    "a manifest without files": (lambda run: edit_manifest(run, files={}), "damaged"),
    "a deeply nested manifest": (lambda run: (version_of(run) / "manifest.json").write_text("[" * 100_000), "damaged"),
    "a format that never was": (lambda run: edit_manifest(run, format=-5), "format -5"),
    "a newer format": (
        lambda run: edit_manifest(run, format=99),
        "reads formats 3 to 4; upgrade forecast, or train again",
    ),
    "an older format": (
        lambda run: edit_manifest(run, format=1),
        "format 1, this forecast reads formats 3 to 4; train again",
    ),
    "a current that names nothing": (lambda run: (run / "current").write_text("x\n"), "names the version 'x'"),
    "a current that leads out": (lambda run: (run / "current").write_text("../..\n"), "does not exist"),
    "an empty current": (lambda run: (run / "current").write_text(""), "names the version ''"),
    "a binary current": (lambda run: (run / "current").write_bytes(b"\xff\xfe"), "cannot be read"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_refused(run, damage):
    harm, message = DAMAGES[damage]
    harm(run)
    with pytest.raises(RunError, match=message):
        runs.load_version(run)


def test_a_second_process_is_locked_out(run):
    with runs.lock_run(run), pytest.raises(Locked, match="another process"), runs.lock_run(run):
        pass


def test_a_new_folder_that_nothing_is_written_to_is_removed(tmp_path, run):
    for folder in (tmp_path / "new", run):
        with pytest.raises(KeyError), runs.lock_run(folder):
            raise KeyError
    (tmp_path / "kept").mkdir()
    with pytest.raises(KeyError), runs.lock_run(tmp_path / "kept"):
        raise KeyError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "run"]


def test_what_a_killed_training_left_is_swept_by_the_next(run):
    left = run / "versions" / ".unfinished-x"
    left.mkdir()
    (left / "encode.onnx").write_bytes(b"half")
    with runs.lock_run(run):
        runs.write_version(run, FILES, {})
    assert not left.exists()


def test_a_failed_write_leaves_the_old_version_and_no_litter(run, monkeypatch):
    before, promoted = sorted((run / "versions").iterdir()), runs.load_version(run).path

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(versions, "write_synced", full)
    with runs.lock_run(run), pytest.raises(InputOutputFailed, match="No space left"):
        runs.write_version(run, FILES, {})
    assert sorted((run / "versions").iterdir()) == before
    assert runs.load_version(run).path == promoted


def test_an_atomic_write_keeps_permissions_and_replaces_what_a_link_names(tmp_path):
    target, link = tmp_path / "a.csv", tmp_path / "b.csv"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, b"hello")
    assert os.read(reader, 10) == b"hello"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    os.close(reader)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, CannotCreate),
        (errno.ENOTDIR, CannotCreate),
        (errno.ENOSPC, InputOutputFailed),
        (errno.EROFS, InputOutputFailed),
    ],
)
def test_what_the_system_refuses_is_distinguished(number, kind):
    assert type(make_output_error(OSError(number, "x"), "f")) is kind


@pytest.mark.parametrize(
    "harm",
    [lambda b: b[:50], lambda b: b[:-5], lambda b: b.replace(b"state", b"stare"), lambda b: b"", lambda b: b"[1]\n"],
)
def test_a_damaged_checkpoint_is_refused(run, harm):
    runs.write_checkpoint(run, {"config": 1}, b"state")
    path = run / "checkpoint"
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(RunError, match="damaged; train without --resume"):
        runs.read_checkpoint(run)


def test_a_checkpoint_reads_back_with_what_it_belongs_to(run):
    assert runs.read_checkpoint(run) is None
    runs.write_checkpoint(run, {"config": 1}, b"state\nwith lines")
    assert runs.read_checkpoint(run) == ({"config": 1}, b"state\nwith lines")
    runs.remove_checkpoint(run)
    assert runs.read_checkpoint(run) is None
