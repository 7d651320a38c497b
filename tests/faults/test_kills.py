"""A process that is killed, or whose disk fails, at any of its file operations leaves the old state or the new one."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.helpers.command import ROOT

FOLDER = ROOT / "benchmarks" / "reliability"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the shim reads /proc"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]
# One that replaces a file in place, as none of ours does.
IN_PLACE = """
import json, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from faults import KINDS, Operation, inject_all

def read(folder):
    text = (folder / "file").read_text()
    if text not in {"old" * 100, "new" * 100}:
        raise ValueError("broken")
    return text[:3]

operation = Operation(
    "in place",
    lambda folder: (folder / "file").write_text("old" * 100),
    lambda folder: (folder / "file").write_text("new" * 100),
    read,
)
found = {}
for kind in KINDS:
    with tempfile.TemporaryDirectory() as folder:
        found[kind] = inject_all(operation, kind, 1, Path(folder)).violations
print(json.dumps(found))
"""


@pytest.fixture
def faulty_disk(shim):
    """An environment with the library loaded that injects faults."""
    return os.environ | {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"}


def count(environment, *arguments):
    command = [sys.executable, FOLDER / "kills.py", "--json", *arguments]
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=300
    )
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_every_eleventh_file_operation_leaves_old_or_new(faulty_disk):
    found = count(faulty_disk, "--every", "11")
    assert [each["violations"] for each in found] == [[]] * len(found)
    assert all(each["points"] == each["old"] + each["new"] for each in found)
    assert {each["kind"] for each in found} == {"kill", "torn", "ENOSPC", "EIO"}
    assert {"output", "publish a version", "promote", "store forecasts"} <= {each["operation"] for each in found}
    assert sum(each["points"] for each in found) > 60


@pytest.mark.parametrize("operation", ["output"])
def test_every_file_operation_leaves_old_or_new(faulty_disk, operation):
    found = count(faulty_disk, "--only", operation)
    assert [each["violations"] for each in found] == [[]] * 4
    for each in found:
        assert each["old"] > 0
        assert each["new"] > 0


def test_a_file_that_is_replaced_in_place_is_found_to_be_broken(faulty_disk):
    command = [sys.executable, "-c", IN_PLACE, str(FOLDER)]
    found = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=faulty_disk).stdout
    )
    # After EIO, the interpreter writes once more when it closes the file.
    assert all(found[kind] and "broken" in found[kind][0] for kind in ("kill", "torn", "ENOSPC"))
