"""Nights of `forecast run` on growing files with faults: every outcome is as documented."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.helpers.command import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the shim reads /proc"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]


def test_outcomes_of_nights_with_faults_are_as_documented(shim):
    # With this seed, 12 kinds of faults in eight nights, and a clock that is an hour back after one of them.
    options = ["--nights", "8", "--seed", "168", "--faults", "0.7", "--real", "0", "--no-training", "--json"]
    command = [sys.executable, ROOT / "benchmarks" / "reliability" / "soak.py", *options]
    # The program would start itself again where the library is not loaded.
    environment = os.environ | {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=300
    )
    found = json.loads(result.stdout)
    assert (found["deviations"], result.stderr, result.returncode) == ([], "", 0)
    outcomes = {outcome for counts in found["nights"].values() for outcome in counts}
    assert {"done", "nothing-new", "failed 3", "failed 4", "failed 5"} <= outcomes
    assert len(found["nights"]) >= 12
