"""A trained run whose files are replaced by others of valid size and hash."""

import hashlib
import json
import shutil
from pathlib import Path

from tests.helpers.command import ROOT

SAVED = ROOT / "tests" / "runs" / "format-4"


def copy_run(folder: Path, name: str = "load") -> Path:
    """Copy a run, and its data next to `runs`; return its one version."""
    shutil.copytree(SAVED / name, folder / "runs" / name)
    data = folder / f"{name}.csv"
    shutil.copy(SAVED / f"{name}.csv", data)
    version = version_of(folder / "runs" / name)
    config = (version / "config.yaml").read_text()
    replace_file(version, "config.yaml", config.replace(f"path: {name}.csv", f"path: {data}", 1).encode())
    return version


def version_of(run: Path) -> Path:
    """The one version of a run."""
    (version,) = (run / "versions").iterdir()
    return version


def replace_file(version: Path, name: str, content: bytes) -> None:
    """Write a file of a version, and list it with its size and hash."""
    (version / name).write_bytes(content)
    path = version / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.write_text(json.dumps(manifest))


def edit_json(version: Path, name: str, **values: object) -> None:
    """Replace values at the top of a JSON file of a version."""
    replace_file(version, name, json.dumps(json.loads((version / name).read_text()) | values).encode())
