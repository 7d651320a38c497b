"""The versions of a run: written atomically, verified on reading, one of them promoted.

run/current                  the name of the version in use
run/promotions.jsonl         which version was put into use when, and by what (promotion.py)
run/pinned                   the name of a version that stays in use, if there is one
run/checkpoint               an interrupted training, if there is one; checkpoint-1, ... of the networks of an ensemble
run/versions/<name>/         a version: its files, and manifest.json with their sizes and hashes
run/versions/<name>/members/1/, ...  of an ensemble: the files of each network
run/versions/<name>/before_refit/    of a refit: the graphs of the networks before it, in the same folders
"""

import datetime
import hashlib
import json
import operator
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from forecaster.atomic_files import convert_write_errors, get_umask, sync_folder, write_synced
from forecaster.config import Config, load_resolved
from forecaster.config.reader import find_nearest_name
from forecaster.errors import ConfigError, RunError, UsageError
from forecaster.problems import Problem
from forecaster.regular_files import check_no_link, read_regular_file

FORMAT = 4
OLDEST_FORMAT = 3  # what this version still reads
MANIFEST = "manifest.json"
BEFORE_REFIT = "before_refit"  # the folder of networks, and the key of where their training data ends
UNFINISHED = ".unfinished-"
CURRENT = "current"
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
# Bytes. Files are read whole, and an ONNX graph has at most 2 GiB.
_MAX_NAME, _MAX_CONFIG, _MAX_MANIFEST, _MAX_JSON, _MAX_FILE = 1 << 12, 1 << 22, 1 << 26, 1 << 28, 1 << 31


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

    @property
    def has_refit(self) -> bool:
        """Whether its networks were trained once more, and those before are kept next to them."""
        return f"{BEFORE_REFIT}/{self.members[0]}encode.onnx" in self.manifest["files"]

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
            raise self.refuse(MANIFEST, f"it lists {len(self.members)} networks, and the config has {size}")
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


def write_version(run: Path, files: Mapping[str, bytes], record: Mapping[str, Any]) -> Version:
    """Write a new version of a run; `promotion.promote` puts it into use. Call it under `lock_run`.

    Args:
        files: the content of each file.
        record: for the manifest: versions of libraries, seed, data, time, memory.
    """
    versions = run / "versions"
    with convert_write_errors(versions):
        check_no_link(versions)
        versions.mkdir(parents=True, exist_ok=True)
    remove_unfinished(versions)
    manifest = {
        "format": FORMAT,
        **record,
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    encoded = json.dumps(manifest, indent=1).encode() + b"\n"
    path = versions / f"{_choose_time(run):{_TIME_FORMAT}}-{hashlib.sha256(encoded).hexdigest()[:6]}"
    with convert_write_errors(path):
        unfinished = Path(tempfile.mkdtemp(dir=versions, prefix=UNFINISHED))
        try:
            for name, content in {**files, MANIFEST: encoded}.items():
                (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
                write_synced(unfinished / name, content)
            for folder in {parent for name in files for parent in (unfinished / name).relative_to(versions).parents}:
                sync_folder(versions / folder)
            unfinished.chmod(0o777 & ~get_umask())
            unfinished.rename(path)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        sync_folder(versions)
    return Version(path, manifest)


def _choose_time(run: Path) -> datetime.datetime:
    """Choose the time in the name of a new version: now, or a second after the newest version.

    Two trainings may end in one second, and a clock may be set back; names still sort by age. A version from more
    than a day ahead is the mistake of another clock.
    """
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    near = now + datetime.timedelta(days=1)
    times = [time for name in list_versions(run) if (time := read_version_time(name)) is not None and time < near]
    return max([now, *(time + datetime.timedelta(seconds=1) for time in times)])


def list_versions(run: Path) -> list[str]:
    """List the names of a run's versions, damaged ones too, from the oldest to the newest; links are none."""
    try:
        check_no_link(run / "versions")
        with os.scandir(run / "versions") as entries:
            found = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
    except (OSError, ValueError):
        return []
    return sorted(name for name in found if not name.startswith("."))


def read_version_time(name: str) -> datetime.datetime | None:
    """Read when a version was written from its name, in UTC; None where another program chose the name."""
    try:
        return datetime.datetime.strptime(name.partition("-")[0], _TIME_FORMAT).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None


def find_version(run: Path, text: str) -> str:
    """Find the one version whose name is, or begins with, a text.

    Raises:
        UsageError: there is none, or several.
    """
    names = list_versions(run)
    found = [name for name in names if name == text] or [name for name in names if text and name.startswith(text)]
    if len(found) == 1:
        return found[0]
    detail = {"name": text, "run": str(run), "names": found or names[::-1]}
    if found:
        raise UsageError(Problem("ambiguous-version", "", detail=detail))
    raise UsageError(Problem("unknown-version", "", detail={**detail, "nearest": find_nearest_name(text, names) or ""}))


def read_current(run: Path) -> str | None:
    """Read the name of the version in use; None where there is none.

    Raises:
        RunError: it cannot be read.
    """
    return read_name(run / CURRENT)


def read_name(path: Path) -> str | None:
    """Read a file of a run that holds the name of a version; None where there is no file.

    Raises:
        RunError: it cannot be read.
    """
    try:
        return read_regular_file(path, _MAX_NAME, follow=False).decode().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(Problem("unreadable-run", str(path), detail={"reason": reason})) from None


def load_version(run: Path, name: str | None = None) -> Version:
    """Load a version of a run, the one in use unless named, and verify its files.

    Args:
        run: the folder, or that of one of its versions.
        name: of a version, or the beginning of its name.

    Raises:
        RunError: it is missing, half-written, edited, truncated, or of a newer format.
        UsageError: no version, or more than one, has the name.
    """
    if name is None and (run / MANIFEST).is_file():
        return load_version_at(run)
    current = read_current(run)
    if name is not None and list_versions(run):
        return load_version_at(run / "versions" / find_version(run, name))
    if current is None:
        if nearest := find_run_of(run):
            raise RunError(Problem("run-elsewhere", str(run), detail={"nearest": nearest}))
        if is_folder := os.path.isdir(run):  # noqa: PTH112
            runs = sorted(str(each.parent) for each in run.glob(f"*/{CURRENT}"))
            files = sorted(
                {f"'{run / f'*{each.suffix}'}'" for each in run.iterdir() if each.suffix in {".csv", ".parquet"}}
            )
            if runs or files:
                raise RunError(Problem("folder-without-run", str(run), detail={"runs": runs, "files": files}))
        raise RunError(Problem("no-such-run", str(run), detail={"unfinished": is_folder}))
    try:
        return load_version_at(find_current(run, current))
    except RunError:
        if read_current(run) == current:
            raise
    return load_version(run)  # another version was promoted, and this one removed, while it was read


def find_current(run: Path, name: str) -> Path:
    """Find the folder of the version that `current` names.

    Raises:
        RunError: there is none.
    """
    path = run / "versions" / name
    if not name or path.parent != run / "versions" or not os.path.isdir(path):  # noqa: PTH112  no error for any name
        raise RunError(Problem("no-such-version", f"{run}/{CURRENT}", detail={"name": name}))
    for folder in (path.parent, path):
        _refuse_link(folder)
    return path


def _refuse_link(folder: Path) -> None:
    """Refuse a folder of a run that is a link: a run may come from elsewhere, and names no other place."""
    try:
        check_no_link(folder)
    except OSError as error:
        raise RunError(Problem("unreadable-run", str(folder), detail={"reason": str(error.strerror)})) from None


def find_run_of(name: Path) -> str:
    """Find the run that a name means, such as runs/power of `power` or `power.csv`; empty where there is none."""
    folders = (Path("runs") / name.name, Path("runs") / name.stem)
    return next((str(each) for each in folders if os.path.isfile(each / "current")), "")  # noqa: PTH113  no error for any name


def load_version_at(path: Path) -> Version:
    """Load the version in a folder and verify its files.

    Raises:
        RunError: it is missing, half-written, edited, truncated, or of another format.
    """
    manifest = _read_manifest(path)
    for folder in {parent for file in manifest["files"] for parent in (path / file).relative_to(path).parents} - {
        Path()
    }:
        _refuse_link(path / folder)
    for file, expected in manifest["files"].items():
        _read_listed(path / file, expected)
    return Version(path, manifest)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(read_regular_file(path / MANIFEST, _MAX_MANIFEST, follow=False))
        version, files = manifest["format"], manifest["files"]
        if not all(_is_inside(name) and _is_entry(entry) for name, entry in files.items()):
            raise ValueError
        folders = list_member_folders(min(operator.index(manifest.get("members", 1)), len(files)))
    except FileNotFoundError:
        raise RunError(Problem("half-written-version", str(path), detail={"file": MANIFEST})) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError(Problem("damaged-manifest", str(path / MANIFEST))) from None
    if version not in range(OLDEST_FORMAT, FORMAT + 1):
        detail = {"format": version, "oldest": OLDEST_FORMAT, "newest": FORMAT}
        detail |= {"newer": version in range(FORMAT, 1000)}
        raise RunError(Problem("other-run-format", str(path), detail=detail))
    graphs = {f"{folder}{name}" for folder in folders for name in ("encode.onnx", "decode.onnx")}
    needed = graphs | {"config.yaml", "preprocessing.json", "residuals.npy"}
    if version >= 4:
        needed.add("calibration.json")
    if not graphs or not needed <= files.keys():
        raise RunError(Problem("incomplete-manifest", str(path / MANIFEST)))
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
        size = path.stat(follow_symlinks=False).st_size
        content = read_regular_file(path, size, follow=False) if size == expected["size"] else b""
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


def remove_unfinished(versions: Path) -> None:
    """Remove what a killed process left unfinished; the lock is held, so no process is writing it."""
    for left in versions.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)
