"""Nothing on stderr, and the same result, whatever HOME, TMPDIR, LANG, TERM, PATH and the working folder are."""

import pytest

from tests.helpers.command import PATH, ROOT, TINY, run_in_turn, write_hourly_csv

RUNS = ROOT / "tests/runs/format-4"
NOWHERE = "/proc/nowhere"  # which not even root can create
VERBS = {
    "predict": ["predict", RUNS / "load", "--data", RUNS / "load.csv"],
    "plot": ["predict", RUNS / "load", "--data", RUNS / "load.csv", "--plot", "{folder}/plot.png"],
    "evaluate": ["evaluate", RUNS / "load", "--data", RUNS / "load.csv"],
    "check": ["check", RUNS / "load.csv", "--plot", "{folder}/check.png"],
    "run": ["run", "{folder}/jobs.yaml", "--force"],
}
JOBS = f"jobs: [{{name: load, do: predict, data: {RUNS}/load.csv, run: {RUNS}/load, output: forecast.csv, plot: load.png}}]\n"
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
# Where even a home cannot be written, since TensorFlow is imported only once.
TRAINING = ["train", "tiny.yaml", "--set", "training.epochs=1", "--set", "model.units=[2]"]
TRAINED_IN = "nothing can be written"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("surroundings")
    (folder / "jobs.yaml").write_text(f"format: 1\n{JOBS}")
    write_hourly_csv(folder / "load.csv")
    (folder / "tiny.yaml").write_text(TINY)
    return folder


@pytest.fixture(scope="module")
def commands(folder):
    return [[str(part).format(folder=folder) for part in verb] for verb in VERBS.values()]


@pytest.fixture(scope="module")
def expected(folder, commands, forecast):
    """What each command writes to stdout in the usual surroundings."""
    results = [forecast(*command, cwd=folder) for command in commands]
    assert [result.returncode for result in results] == [0] * len(VERBS)
    return [result.stdout for result in results]


@pytest.mark.slow
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_no_surroundings_are_reported_or_change_a_result(name, folder, commands, expected):
    for picture in folder.glob("*.png"):
        picture.unlink()
    first = REMOVE if name == "the folder was removed" else ""
    trainings = [TRAINING] if name == TRAINED_IN else []
    found = run_in_turn([*commands, *trainings], folder, PATH | SURROUNDINGS[name], first)
    assert [ended[:3] for ended in found] == [(0, "", stdout) for stdout in [*expected, *[""] * len(trainings)]]
    pictures = [path.stat().st_size for path in folder.glob("*.png")]
    assert len(pictures) == 3
    assert min(pictures) > 1000
