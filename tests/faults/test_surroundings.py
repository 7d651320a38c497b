"""Nothing on stderr, and the same result, whatever HOME, TMPDIR, LANG, TERM, PATH and the working folder are."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.helpers.command import ROOT

RUNS = ROOT / "tests/runs/format-4"
NOWHERE = "/proc/nowhere"  # which not even root can create
VERBS = {
    "predict": ["predict", RUNS / "load", "--data", RUNS / "load.csv"],
    "plot": ["predict", RUNS / "load", "--data", RUNS / "load.csv", "--plot", "{folder}/plot.png"],
    "evaluate": ["evaluate", RUNS / "load", "--data", RUNS / "load.csv"],
    "check": ["check", RUNS / "load.csv", "--plot", "{folder}/check.png"],
    "run": ["run", "{folder}/jobs.yaml", "--force"],
}
JOBS = (
    f"jobs: [{{name: load, do: predict, data: {RUNS}/load.csv, run: {RUNS}/load, output: load.csv, plot: load.png}}]\n"
)
NOTHING_CAN_BE_WRITTEN = {
    **dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "PATH"), NOWHERE),
    **{"LANG": "xx", "LC_ALL": "x.y", "TERM": "x"},
}
SURROUNDINGS = {
    "nothing is set": {},
    "nothing can be written": NOTHING_CAN_BE_WRITTEN,
    # The interpreter starts in a folder that is there, and the commands in one that was removed.
    "the folder was removed": {"HOME": "", "LANG": "POSIX", "LC_ALL": "C", "TERM": "dumb", "PATH": ""},
}
REMOVE = "import os, tempfile; folder = tempfile.mkdtemp(); os.chdir(folder); os.rmdir(folder)\n"
# Some commands, one after the other, in a process that has imported nothing before the first.
RUN = """\
import json, sys
from forecaster.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as leaving:
        print("\\0", leaving.code, file=sys.stdout)
        print("\\0", file=sys.stderr)
"""


def run(commands, folder, environment, *, removed=False):
    """The exit code, stderr and stdout of each command."""
    result = subprocess.run(
        [sys.executable, "-c", REMOVE * removed + RUN, json.dumps(commands)],
        cwd=folder,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0
    parts = re.split(r"\0 (\d+)\n", result.stdout)
    *errors, rest = result.stderr.split("\0\n")
    assert (parts[-1], rest) == ("", "")
    return list(zip(map(int, parts[1::2]), errors, parts[:-1:2], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_no_surroundings_are_reported_or_change_a_result(name, tmp_path, forecast):
    (tmp_path / "jobs.yaml").write_text(f"format: 1\n{JOBS}")
    commands = [[str(part).format(folder=tmp_path) for part in verb] for verb in VERBS.values()]
    expected = [forecast(*command, cwd=tmp_path) for command in commands]
    assert [result.returncode for result in expected] == [0] * len(VERBS)
    for picture in tmp_path.glob("*.png"):
        picture.unlink()
    found = run(commands, tmp_path, SURROUNDINGS[name], removed=name == "the folder was removed")
    assert found == [(0, "", result.stdout) for result in expected]
    pictures = [path.stat().st_size for path in tmp_path.glob("*.png")]
    assert len(pictures) == 3
    assert min(pictures) > 1000


@pytest.mark.slow
def test_a_training_reports_no_surroundings_either(project):
    arguments = ["train", "tiny.yaml", "--set", "training.epochs=1", "--set", "model.units=[2]"]
    assert run([arguments], project, NOTHING_CAN_BE_WRITTEN) == [(0, "", "")]
