"""Nothing on stderr, and the same result, whatever HOME, TMPDIR, LANG, TERM, PATH and the working folder are."""

import os
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
SURROUNDINGS = {
    "nothing is set": {},
    "nothing can be written": {
        **dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "PATH"), NOWHERE),
        **{"LANG": "xx", "LC_ALL": "x.y", "TERM": "x"},
    },
}
POSIX = {"HOME": "", "LANG": "POSIX", "LC_ALL": "C", "TERM": "dumb", "PATH": ""}
# The interpreter starts in a folder that is there, and the command in one that was removed.
REMOVED = "import os, runpy, tempfile; f = tempfile.mkdtemp(); os.chdir(f); os.rmdir(f); runpy.run_module('forecaster', run_name='__main__')"


def run(arguments, folder, environment, *, removed=False):
    command = [sys.executable, *(["-c", REMOVED] if removed else ["-m", "forecaster"])]
    return subprocess.run(
        [*command, *(str(part).format(folder=folder) for part in arguments)],
        cwd=folder,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_no_surroundings_are_reported_or_change_a_result(verb, tmp_path, forecast):
    (tmp_path / "jobs.yaml").write_text(f"format: 1\n{JOBS}")
    expected = forecast(*(str(part).format(folder=tmp_path) for part in VERBS[verb]), cwd=tmp_path)
    assert expected.returncode == 0
    for name, environment in SURROUNDINGS.items():
        found = run(VERBS[verb], tmp_path, environment)
        assert (found.returncode, found.stderr, found.stdout) == (0, "", expected.stdout), name
    found = run(VERBS[verb], tmp_path, POSIX, removed=True)
    assert (found.returncode, found.stderr, found.stdout) == (0, "", expected.stdout)
    assert all(picture.stat().st_size > 1000 for picture in tmp_path.glob("*.png"))


@pytest.mark.slow
def test_a_training_reports_no_surroundings_either(project):
    arguments = ["train", "tiny.yaml", "--set", "training.epochs=1", "--set", "model.units=[2]"]
    found = run(arguments, project, SURROUNDINGS["nothing can be written"])
    assert (found.returncode, found.stderr, found.stdout) == (0, "", "")
