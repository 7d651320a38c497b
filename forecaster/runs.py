"""The run folder: versions written atomically, verified on reading, one of them promoted.

run/current                  the name of the promoted version
run/checkpoint               an interrupted training, if there is one; checkpoint-1, ... of the networks of an ensemble
run/versions/<name>/         a version: its files, and manifest.json with their sizes and hashes
run/versions/<name>/members/1/, ...  of an ensemble: the files of each network
"""

import contextlib
import datetime
import errno
import hashlib
import json
import operator
import os
import platform
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import filelock

from forecaster.config import Config, load_resolved
from forecaster.errors import ConfigError, Locked, RunError, make_output_error
from forecaster.problems import Problem
from forecaster.regular_files import read_regular_file

FORMAT = 4
OLDEST_FORMAT = 3  # what this version still reads
_MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished-"
# Bytes. Files are read whole, and an ONNX graph has at most 2 GiB; a checkpoint holds the optimizer, too.
_MAX_CURRENT, _MAX_CONFIG, _MAX_MANIFEST, _MAX_JSON, _MAX_FILE = 1 << 12, 1 << 22, 1 << 26, 1 << 28, 1 << 31
_LONGEST_NAME = 180  # bytes, so that the name of an unfinished file is not longer than the 255 of most systems


@dataclass(frozen=True)
class Version:
    """One trained model with everything needed to use it; its files are verified."""

    path: Path
    manifest: Mapping[str, Any]

    def read(self, name: str, limit: int | None = None) -> bytes:
        """Read a file of at most `limit` bytes.

        Raises:
            RunError: it is not the one that the manifest lists, or larger.
        """
        if name not in self.manifest["files"]:
            raise RunError(Problem("missing-run-file", str(self.path / name)))
        if limit is not None and self.manifest["files"][name]["size"] > limit:
            raise self.refuse(name, f"more than {limit:,} bytes")
        return _read_listed(self.path / name, self.manifest["files"][name])

    def refuse(self, name: str, reason: object) -> RunError:
        """Build the error for a file whose content cannot be what training wrote."""
        return RunError(Problem("changed-run-file", str(self.path / name), detail={"reason": str(reason)}))

    @property
    def members(self) -> list[str]:
        """The prefix of each network's file names: one, or several of an ensemble."""
        return list_member_folders(self.manifest.get("members", 1))

    @cached_property
    def config(self) -> Config:
        """The resolved config."""
        try:
            config = load_resolved(self.read("config.yaml", _MAX_CONFIG).decode(), str(self.path / "config.yaml"))
        except (ConfigError, UnicodeDecodeError) as error:
            problem = Problem("unknown-run-config", str(self.path), detail={"reason": str(error)})
            raise RunError(problem) from None
        size = 1 if config.ensemble is None else config.ensemble.size
        if size != len(self.members):
            raise self.refuse(_MANIFEST, f"it lists {len(self.members)} networks, and the config has {size}")
        return config

    @cached_property
    def preprocessing(self) -> Mapping[str, Any]:
        """Scalers, categories and covariate features, as JSON values."""
        return self.read_json("preprocessing.json")

    def read_json(self, name: str) -> Mapping[str, Any]:
        """Read a file that holds a JSON object.

        Raises:
            RunError: it holds anything else.
        """
        try:
            found = json.loads(self.read(name, _MAX_JSON))
        except (ValueError, RecursionError) as error:
            raise self.refuse(name, f"not JSON: {error}") from None
        if not isinstance(found, dict):
            raise self.refuse(name, "not a JSON object")
        return found

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Scores of the training on its test part, as JSON values."""
        found = dict(self.read_json("metrics.json"))
        # runs of format 3 call the fallback `guard`
        return found | {"fallback": found["guard"]} if "guard" in found else found


def list_member_folders(count: int) -> list[str]:
    """List the prefix of each network's file names."""
    return [""] if count == 1 else [f"members/{number}/" for number in range(1, count + 1)]


@contextlib.contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Make a run folder and lock it against other processes.

    Raises:
        CannotCreate, InputOutputFailed: the folder cannot be made or written.
        Locked: another process holds it.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(run / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise Locked(Problem("locked-run", str(run))) from None
    except OSError as error:
        raise make_output_error(error, run) from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def convert_write_errors(path: Path) -> Iterator[None]:
    """Convert any `OSError` to an error that names `path` and a fix."""
    try:
        yield
    except OSError as error:
        raise make_output_error(error, path) from None


def write_atomically(path: Path, content: bytes, follow: bool = True) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Anything but a plain file, such as /dev/stdout, is written in place. What a killed process left of earlier writes
    of the same file is removed.

    Args:
        path: of the file.
        content: of the file.
        follow: whether a link or a device of this name is written to, as the user asks for an output; else it is
            replaced.

    Raises:
        CannotCreate, InputOutputFailed: it cannot be written; the old content stays.
    """
    with convert_write_errors(path):
        mode = _get_mode(path, follow)
        if follow and mode is not None and not stat.S_ISREG(mode):
            path.write_bytes(content)
            return
        target = Path(os.path.realpath(path)) if follow else path  # replaces the file that a link points to
        prefix = _remove_left(target)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=prefix)
        unfinished = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.chmod(0o666 & ~_get_umask() if mode is None or stat.S_ISLNK(mode) else stat.S_IMODE(mode))
            unfinished.replace(target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


def _get_mode(path: Path, follow: bool) -> int | None:
    """Get the mode of what a path names; None where there is nothing, or a link to nothing."""
    try:
        return path.stat(follow_symlinks=follow).st_mode
    except FileNotFoundError:
        return None
    except ValueError as error:  # a zero byte, or a text that is no file name
        raise OSError(errno.EINVAL, str(error)) from None


def _remove_left(target: Path) -> str:
    """Remove what processes of this machine that are gone left of a file; return the prefix of this process's own.

    The names are `.NAME.MACHINE.PROCESS-...`; a long name, which would not fit, is replaced by its checksum.
    """
    encoded, machine = os.fsencode(target.name), zlib.crc32(platform.node().encode())
    name = target.name if len(encoded) <= _LONGEST_NAME else f"{zlib.crc32(encoded):08x}"
    prefix = f".{name}.{machine:08x}."
    with os.scandir(target.parent) as entries:
        left = [entry for entry in entries if entry.name.startswith(prefix)]
    for entry in left:
        process = entry.name.removeprefix(prefix).partition("-")[0]
        if process.isascii() and process.isdecimal() and not _is_other_process(int(process)):
            with contextlib.suppress(OSError):
                os.unlink(entry.path)  # noqa: PTH108
    return f"{prefix}{os.getpid()}-"


def _is_other_process(number: int) -> bool:
    """Whether a process of this number runs that is not this one."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return number != os.getpid()


def write_version(run: Path, files: Mapping[str, bytes], record: Mapping[str, Any]) -> Version:
    """Write a new version of a run, then promote it. Call it under `lock_run`.

    Args:
        files: the content of each file.
        record: for the manifest: versions of libraries, seed, data, time, memory.
    """
    versions = run / "versions"
    with convert_write_errors(versions):
        versions.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(versions)
    manifest = {
        "format": FORMAT,
        **record,
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    encoded = json.dumps(manifest, indent=1).encode() + b"\n"
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    path = versions / f"{now}-{hashlib.sha256(encoded).hexdigest()[:6]}"
    with convert_write_errors(path):
        unfinished = Path(tempfile.mkdtemp(dir=versions, prefix=_UNFINISHED))
        try:
            for name, content in {**files, _MANIFEST: encoded}.items():
                (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
                _write_synced(unfinished / name, content)
            for folder in {parent for name in files for parent in (unfinished / name).relative_to(versions).parents}:
                _sync_folder(versions / folder)
            unfinished.chmod(0o777 & ~_get_umask())
            unfinished.rename(path)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _sync_folder(versions)
    promote(run, path.name)
    return Version(path, manifest)


def promote(run: Path, name: str) -> None:
    """Promote a version: `predict` uses it from now on."""
    write_atomically(run / "current", f"{name}\n".encode(), follow=False)


def load_version(run: Path) -> Version:
    """Load the promoted version of a run and verify its files.

    Raises:
        RunError: it is missing, half-written, edited, truncated, or of a newer format.
    """
    try:
        name = read_regular_file(run / "current", _MAX_CURRENT).decode().strip()
    except (FileNotFoundError, NotADirectoryError):
        if nearest := _find_run_of(run):
            raise RunError(Problem("run-elsewhere", str(run), detail={"nearest": nearest})) from None
        raise RunError(Problem("no-such-run", str(run), detail={"unfinished": os.path.isdir(run)})) from None  # noqa: PTH112
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(Problem("unreadable-run", f"{run}/current", detail={"reason": reason})) from None
    path = run / "versions" / name
    if not name or path.parent != run / "versions" or not os.path.isdir(path):  # noqa: PTH112  no error for any name
        raise RunError(Problem("no-such-version", f"{run}/current", detail={"name": name}))
    return load_version_at(path)


def _find_run_of(name: Path) -> str:
    """Find the run that a name means, such as runs/power of `power` or `power.csv`; empty where there is none."""
    folders = (Path("runs") / name.name, Path("runs") / name.stem)
    return next((str(each) for each in folders if os.path.isfile(each / "current")), "")  # noqa: PTH113  no error for any name


def load_version_at(path: Path) -> Version:
    """Load the version in a folder and verify its files.

    Raises:
        RunError: it is missing, half-written, edited, truncated, or of another format.
    """
    manifest = _read_manifest(path)
    for file, expected in manifest["files"].items():
        _read_listed(path / file, expected)
    return Version(path, manifest)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(read_regular_file(path / _MANIFEST, _MAX_MANIFEST))
        version, files = manifest["format"], manifest["files"]
        if not all(_is_inside(name) and _is_entry(entry) for name, entry in files.items()):
            raise ValueError
        folders = list_member_folders(min(operator.index(manifest.get("members", 1)), len(files)))
    except FileNotFoundError:
        raise RunError(Problem("half-written-version", str(path), detail={"file": _MANIFEST})) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError(Problem("damaged-manifest", str(path / _MANIFEST))) from None
    if version not in range(OLDEST_FORMAT, FORMAT + 1):
        detail = {"format": version, "oldest": OLDEST_FORMAT, "newest": FORMAT}
        detail |= {"newer": version in range(FORMAT, 1000)}
        raise RunError(Problem("other-run-format", str(path), detail=detail))
    graphs = {f"{folder}{name}" for folder in folders for name in ("encode.onnx", "decode.onnx")}
    needed = graphs | {"config.yaml", "preprocessing.json", "residuals.npy"}
    if version >= 4:
        needed.add("calibration.json")
    if not graphs or not needed <= files.keys():
        raise RunError(Problem("incomplete-manifest", str(path / _MANIFEST)))
    return manifest


def _is_inside(name: str) -> bool:
    """Whether the name of a file leads nowhere out of its version."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _is_entry(entry: Any) -> bool:
    """Whether an entry of a manifest has a size that a file can have and a hash."""
    return type(entry["size"]) is int and 0 <= entry["size"] <= _MAX_FILE and isinstance(entry["sha256"], str)


def _read_listed(path: Path, expected: Mapping[str, Any]) -> bytes:
    """Read a file of the size and the hash that a manifest lists."""
    try:
        size = path.stat().st_size
        content = read_regular_file(path, size) if size == expected["size"] else b""
    except FileNotFoundError:
        raise RunError(Problem("missing-run-file", str(path))) from None
    except OSError as error:
        raise RunError(Problem("unreadable-run", str(path), detail={"reason": str(error.strerror)})) from None
    if size != expected["size"]:
        detail = {"size": size, "expected": expected["size"]}
        raise RunError(Problem("truncated-run-file", str(path), detail=detail))
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise RunError(Problem("edited-run-file", str(path)))
    return content


def write_checkpoint(run: Path, identity: Mapping[str, Any], state: bytes, name: str = "checkpoint") -> None:
    """Save an interrupted training with the identity of its config and data."""
    header = {"sha256": hashlib.sha256(state).hexdigest(), "identity": identity}
    write_atomically(run / name, json.dumps(header).encode() + b"\n" + state, follow=False)


def read_checkpoint(run: Path, name: str = "checkpoint") -> tuple[dict[str, Any], bytes] | None:
    """Read the identity and the state of a checkpoint; None where there is none.

    Raises:
        RunError: it cannot be read.
    """
    try:
        header, _, state = read_regular_file(run / name, 4 * _MAX_FILE).partition(b"\n")
        saved = json.loads(header)
        intact = saved["sha256"] == hashlib.sha256(state).hexdigest()
        identity = dict(saved["identity"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        intact, identity = False, {}
    if not intact:
        raise RunError(Problem("damaged-checkpoint", f"{run}/{name}"))
    return identity, state


def remove_checkpoint(run: Path) -> None:
    """Remove the checkpoints of an interrupted training."""
    with convert_write_errors(run / "checkpoint"):
        (run / "checkpoint").unlink(missing_ok=True)
    remove_member_checkpoints(run)


def remove_member_checkpoints(run: Path) -> None:
    """Remove the checkpoints of an ensemble's networks."""
    for path in run.glob("checkpoint-*"):
        with convert_write_errors(path):
            path.unlink(missing_ok=True)


def find_differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Find the keys, joined by dots, where two records of a training or a search differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from find_differences(
                one.get(key), other.get(key), f"{path}.{key}".removeprefix(".").removeprefix("config.")
            )
    elif one != other:
        yield path


def _remove_unfinished(versions: Path) -> None:
    """Remove what a killed process left unfinished; the lock is held, so no process is writing it."""
    for left in versions.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _get_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
