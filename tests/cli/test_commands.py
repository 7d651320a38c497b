"""The real command: what it prints, what it leaves behind, and how it fails."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forecaster.cli import console
from forecaster.errors import EXIT_CODES
from forecaster.forecast import Forecast
from forecaster.problems import Problem
from forecaster.runs import FORMAT
from tests.helpers.command import FORECAST, HEAVY, TINY, run_in_turn, write_hourly_csv
from tests.helpers.fork_server import FILE_SIZE


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


VERBS = ("train", "tune", "predict", "impute", "diagnose", "validate", "init", "schema", "run")


def test_help_has_every_verb_the_exit_codes_and_examples(forecast):
    text = forecast("--help").stdout
    for verb in VERBS:
        (line,) = [line for line in text.splitlines() if line.startswith(f"  {verb} ")]
        assert not line.endswith("...")
    for code, meaning in EXIT_CODES:
        assert f"{code:<10} {meaning}" in text
    assert "forecast predict runs/power" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(forecast, verb):
    assert f"forecast {verb}" in forecast(verb, "--help").stdout.split("Options:")[0].split("\n", 1)[1]


def test_the_version_and_the_module(forecast):
    assert forecast("--version").stdout == "forecast 0.1.0\n"
    module = subprocess.run(
        [sys.executable, "-m", "forecaster", "--version"], capture_output=True, text=True, check=True
    )
    assert module.stdout == "forecast 0.1.0\n"


def test_shell_completion_is_offered(forecast):
    # Typer would find the shell out from the processes above; a test may stand below none.
    given = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert "complete" in forecast("--show-completion", "bash", env=given).stdout


# Which the interpreter has before its first import.
STARTED = {"sys", "builtins", "_frozen_importlib", "importlib._bootstrap", "importlib._bootstrap_external"}
STARTED |= {"_imp", "_thread", "_warnings", "_weakref", "os.path", "__main__"}


@pytest.mark.parametrize(
    "commands",
    [
        [
            (["--help"], 0, 240),
            (["schema"], 0, 380),
            (["validate", "tiny.yaml"], 0, 550),  # without pandas, which imports 350, as predict
            (["check", "load.csv"], 0, 595),
            (["init", "load.csv", "-o", "x.yaml"], 0, 1000),
        ],
        [
            (["predict", "runs/tiny"], 0, 590),
            (["predict", "load.csv"], 0, 600),
            (["future", "runs/tiny"], 2, 970),
            (["evaluate", "runs/tiny", "--data", "load.csv"], 0, 1130),
            (["explain", "runs/tiny"], 0, 1130),
            (["explain", "load.csv"], 0, 1130),
        ],
    ],
    ids=["checks", "forecasts"],
)
def test_serving_imports_few_modules_no_tensorflow_and_draws_only_when_asked(trained, tmp_path, commands):
    """A command imports at most what it and those before it in its process do."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    ended = run_in_turn([arguments for arguments, _, _ in commands], tmp_path)
    for (arguments, code, most), each in zip(commands, ended, strict=True):
        assert each.code == code
        assert len({*each.modules} - STARTED) <= most, arguments
        assert each.packages & {"forecaster", *HEAVY} == {"forecaster"}
        if arguments[0] in {"predict", "validate", "check"}:
            unneeded = {"scipy", "pandas", "pyarrow"}
            assert not each.packages & unneeded, "a third and a half of the time of a forecast"


@pytest.mark.slow
def test_a_training_that_cannot_be_is_refused_before_tensorflow_is_imported(project):
    codes = {
        "training.epoch=3": 2,
        "model={bidirectional: true, output: sequence}": 2,
        "window.length=4000": 4,
        "data.target=x": 4,
    }
    found = run_in_turn([["train", "tiny.yaml", "--set", problem] for problem in codes], project)
    assert [ended.code for ended in found] == [*codes.values()]
    assert [ended.packages & HEAVY for ended in found] == [set()] * len(codes)


def test_a_run_holds_all_that_it_needs(trained):
    run = trained / "runs" / "tiny"
    assert sorted(path.name for path in run.iterdir()) in (
        ["current", "promotions.jsonl", "versions"],
        [".lock", "current", "promotions.jsonl", "versions"],
    )
    version = run / "versions" / (run / "current").read_text().strip()
    names = "README.md calibration.json challenge.json config.yaml decode.onnx encode.onnx forecast.png history.csv loss.png manifest.json metrics.json network.weights.h5 preprocessing.json residuals.npy"
    assert sorted(path.name for path in version.iterdir()) == names.split()
    for picture in version.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    manifest = json.loads((version / "manifest.json").read_text())
    assert {"format", "libraries", "seed", "data", "wall_seconds", "peak_memory_mb", "files"} <= manifest.keys()
    metrics = json.loads((version / "metrics.json").read_text())
    assert list(metrics["scores"]) == ["model", "network_alone", "naive", "seasonal_naive", "zero-shot"]
    assert (version / "history.csv").read_text().startswith("epoch,loss,validation_loss,learning_rate,seconds\n1,")
    assert "season: 24 " in (version / "config.yaml").read_text()


def test_training_leaves_nothing_outside_the_run(trained):
    assert sorted(path.name for path in trained.iterdir()) == ["load.csv", "runs", "tiny.yaml"]


def test_predict_writes_the_real_future_to_stdout(forecast, trained):
    result = forecast("predict", "runs/tiny", cwd=trained)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "series,origin,timestamp,step,mean,lower_95,lower_80,median,upper_80,upper_95,source"
    assert lines[1].startswith("load,2026-01-17 15:00:00,2026-01-17 16:00:00,1,")
    assert len(lines) == 7
    assert 80 < Forecast.from_csv(result.stdout).mean.mean() < 120


def test_predict_continues_beyond_the_trained_horizon_from_other_data_as_json_with_a_picture(
    forecast, trained, tmp_path
):
    write_hourly_csv(tmp_path / "new.csv", rows=30)
    result = forecast(
        "predict",
        trained / "runs" / "tiny",
        "--data",
        "new.csv",
        "--horizon",
        48,
        "--output",
        "f.json",
        "--format",
        "json",
        "--plot",
        "f.png",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    rows = json.loads((tmp_path / "f.json").read_text())
    assert (len(rows), rows[0]["timestamp"], rows[-1]["step"]) == (48, "2026-01-02 06:00:00", 48)
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_the_ending_of_an_output_is_its_format(forecast, trained, tmp_path):
    assert forecast("predict", "runs/tiny", "--output", tmp_path / "next.json", cwd=trained).returncode == 0
    assert json.loads((tmp_path / "next.json").read_text())[0]["step"] == 1
    assert forecast("predict", "runs/tiny", "--output", tmp_path / "next.parquet", cwd=trained).returncode == 0
    assert (tmp_path / "next.parquet").read_bytes()[:4] == b"PAR1"
    assert forecast("runs", "--output", tmp_path / "runs.json", cwd=trained).returncode == 0
    assert json.loads((tmp_path / "runs.json").read_text())["runs"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "predict runs/power --output next.xlsx",
            "--output next.xlsx: it is not written as .xlsx; use --output next.csv",
        ),
        ("predict runs/power --output next.csv.gz", "use --output next.csv"),
        ("predict runs/power --samples paths.parquet", "use --samples paths.csv"),
        ("history jobs.yaml --output past.html", "use --output past.csv"),
        ("evaluate runs/power --output errors.csv", "use --output errors.txt"),
        ("future runs/power --output next.json", "use --output next.csv"),
        ("report runs/power --output power.pdf", "use --output power.html"),
    ],
)
def test_an_output_that_ends_as_another_kind_of_file_is_refused(forecast, tmp_path, command, expected):
    result = forecast(*command.split(), cwd=tmp_path)
    assert (result.returncode, list(tmp_path.iterdir())) == (2, [])
    assert result.stderr.endswith(f"{expected}\n")


def test_too_few_rows_to_forecast_from_exit_4(forecast, trained, tmp_path):
    write_hourly_csv(tmp_path / "few.csv", rows=5)
    result = forecast("predict", trained / "runs/tiny", "--data", "few.csv", cwd=tmp_path)
    assert result.returncode == 4
    assert result.stderr == "few.csv: 5 rows are too few to forecast from; expected at least 12, the window\n"


def test_levels_are_chosen_at_predict_time_and_can_be_none(forecast, trained):
    header = forecast("predict", "runs/tiny", "--levels", "50,99.9", cwd=trained).stdout.splitlines()[0]
    assert header == "series,origin,timestamp,step,mean,lower_99.9,lower_50,median,upper_50,upper_99.9,source"
    assert forecast("predict", "runs/tiny", "--levels", "", cwd=trained).stdout.splitlines()[0].endswith(",mean,source")
    wrong = forecast("predict", "runs/tiny", "--levels", "80,100", cwd=trained)
    assert wrong.returncode == 2
    assert "expected percentages from 0.001 to 99.999" in wrong.stderr


def test_verbose_talks_without_a_terminal_and_json_lines_are_json(forecast, project):
    result = forecast("validate", "tiny.yaml", "--verbose", cwd=project)
    assert (result.stdout, result.stderr) == ("", "tiny.yaml: valid\n")
    line = forecast("validate", "tiny.yaml", "--log-format", "json", cwd=project).stderr
    assert json.loads(line)["message"] == "tiny.yaml: valid"
    error = json.loads(forecast("validate", "no.yaml", "--log-format", "json", cwd=project).stderr)
    assert (error["level"], error["exit_code"]) == ("error", 2)


def test_validate_lists_problems_and_notices_as_json(forecast, project):
    rows = (project / "load.csv").read_text().splitlines()
    (project / "load.csv").write_text("\n".join([rows[0], *rows[:0:-1]]) + "\n")
    valid = forecast("validate", "tiny.yaml", "--format", "json", cwd=project)
    assert (valid.returncode, valid.stderr) == (0, "")
    found = json.loads(valid.stdout)
    assert (found["path"], found["valid"]) == ("tiny.yaml", True)
    assert [(each["level"], each["code"]) for each in found["problems"]] == [("note", "rows-sorted")]
    line = forecast("validate", "tiny.yaml", "--log-format", "json", cwd=project).stderr.splitlines()[0]
    assert [{"level": "note"} | each for each in json.loads(line)["problems"]] == found["problems"]

    (project / "load.csv").write_text("\n".join([*rows[:3], rows[3].split(",")[0] + ",n.a.", *rows[4:]]) + "\n")
    invalid = forecast("validate", "tiny.yaml", "--set", "window.length=0", "--format", "json", cwd=project)
    assert (invalid.returncode, invalid.stderr) == (2, "")
    found = json.loads(invalid.stdout)
    assert not found["valid"]
    assert [(each["code"], each["column"]) for each in found["problems"]] == [("invalid-value", "window.length")]
    invalid = forecast("validate", "tiny.yaml", "--format", "json", cwd=project)
    (problem,) = json.loads(invalid.stdout)["problems"]
    assert (invalid.returncode, problem["level"], problem["code"]) == (4, "error", "not-a-number")
    assert problem["cells"] == {"count": 1, "first": [["n.a.", "line 4"]]}
    assert "load.csv:4: load: 1 cell is not a number: 'n.a.' (line 4)" in problem["message"]


def test_errors_come_before_notices_and_no_password_is_printed():
    notice, error = Problem("rows-sorted", "x.csv", detail={"place": "line 3"}), Problem("unseen-series", "a://u:p@b")
    error = replace(error, detail={"series": "north"})
    found = json.loads(console.format_json({"horizon": 6}, [notice, notice], [error]))
    assert (found["horizon"], [each["level"] for each in found["problems"]]) == (6, ["error", "note"])
    assert found["problems"][0]["where"] == "a://u:***@b"
    assert found["problems"][1] == {"level": "note"} | notice.to_json()


def edited(project: Path, rows) -> None:
    lines = (project / "load.csv").read_text().splitlines()
    (project / "load.csv").write_text("\n".join(rows(lines)) + "\n")


BAD_DATA = {
    "missing file": (
        lambda p: (p / "load.csv").rename(p / "laod.csv"),
        "load.csv: no such file, did you mean 'laod.csv'?",
    ),
    "missing column": (
        lambda p: (p / "tiny.yaml").write_text(TINY.replace("load.csv", "load.csv, target: laod")),
        "no column 'laod', did you mean 'load'?",
    ),
    "empty": (lambda p: (p / "load.csv").write_text(""), "the file is empty"),
    "header only": (lambda p: (p / "load.csv").write_text("time,load\n"), "only a header"),
    "too short": (
        lambda p: edited(p, lambda rows: rows[:30]),
        "29 rows are too few for a window of 12 steps, a horizon of 6",
    ),
    "text": (
        lambda p: edited(p, lambda rows: [*rows[:9], rows[9] + "x", *rows[10:]]),
        "load.csv:10: load: 1 cell is not a number",
    ),
    "duplicate": (
        lambda p: edited(p, lambda rows: [*rows[:9], rows[8], *rows[9:]]),
        "load.csv:9: 1 timestamp has duplicate rows",
    ),
    "gap": (lambda p: edited(p, lambda rows: [*rows[:9], *rows[10:]]), "1 hour is missing: 2026-01-01 08:00:00"),
    "nan": (
        lambda p: edited(p, lambda rows: [*rows[:9], rows[9].split(",")[0] + ",nan", *rows[10:]]),
        "load.csv:10: load: 1 cell is empty",
    ),
    "infinity": (
        lambda p: edited(p, lambda rows: [*rows[:9], rows[9].split(",")[0] + ",inf", *rows[10:]]),
        "load.csv:10: load: 1 cell is infinite",
    ),
}


@pytest.mark.parametrize("verb", ["train", "validate"])
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_exit_4_with_a_message_and_leave_no_run(forecast, project, case, verb):
    harm, message = BAD_DATA[case]
    harm(project)
    result = forecast(verb, "tiny.yaml", cwd=project)
    assert result.returncode == 4
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (project / "runs").exists()


def test_a_window_longer_than_the_series_is_placed_in_the_yaml(forecast, project):
    result = forecast("validate", "tiny.yaml", "--set", "window.length=4000", cwd=project)
    assert result.returncode == 4
    assert result.stderr.startswith("--set window.length=4000: window.length: ")
    assert "expected at least 5" in result.stderr


def test_config_and_data_problems_come_together(forecast, project):
    edited(project, lambda rows: rows[:30])
    (project / "tiny.yaml").write_text(TINY + "forecast: {rollot: slide}\n")
    result = forecast("train", "tiny.yaml", cwd=project)
    assert result.returncode == 2
    assert "tiny.yaml:5:12: forecast.rollot: unknown key, did you mean 'rollout'?" in result.stderr
    assert "tiny.yaml:2:10: window.length: " in result.stderr


BAD_CALLS = {
    "a CSV for a config": (
        ["validate", "load.csv"],
        "load.csv: its name does not end in .yaml; for a CSV, this writes one: forecast init load.csv",
    ),
    "seasonal without a season": (
        ["validate", "tiny.yaml", "--set", "model.normalization=seasonal", "--set", "data.season=1"],
        "needs a season",
    ),
    "seasonal with a short window": (
        ["validate", "tiny.yaml", "--set", "model.normalization=seasonal"],
        "needs a window of at least 26 steps",
    ),
    "profile with a short window": (
        ["validate", "tiny.yaml", "--set", "model.normalization=profile"],
        "profile needs a window of two seasons, 48 steps; it has 12",
    ),
    "changes of a season with a short window": (
        ["validate", "tiny.yaml", "--set", "model.normalization_scale=change"],
        "change needs a window longer than a season, 24 steps",
    ),
    "missing config": (["train", "no.yaml"], "no.yaml: no such file"),
    "nearly named config": (["train", "tyni.yaml"], "did you mean 'tiny.yaml'?"),
    "wrong value": (["train", "tiny.yaml", "--set", "model.cell=lsmt"], "did you mean 'lstm'?"),
    "unknown verb": (["trian"], "No such command"),
    "unknown option": (["train", "tiny.yaml", "--epochs", "3"], "No such option"),
    "no argument": (["train"], "Missing argument"),
    "zero horizon": (["predict", "runs/tiny", "--horizon", "0"], "horizon"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_wrong_call_or_config_exits_2(forecast, project, case):
    arguments, message = BAD_CALLS[case]
    result = forecast(*arguments, cwd=project)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_dense_network_refuses_more_than_its_horizon(forecast, project):
    trained = forecast("train", "tiny.yaml", "--set", "model.decoder=dense", cwd=project, fitted=False)
    assert trained.returncode == 0, trained.stderr
    result = forecast("predict", "runs/tiny", "--horizon", 7, cwd=project)
    assert result.returncode == 2
    assert "trained for 6 steps, and decoder dense forecasts no more; train with window.horizon: 7" in result.stderr
    assert len(forecast("predict", "runs/tiny", "--horizon", 3, cwd=project).stdout.splitlines()) == 4


BAD_RUNS = {
    "missing": shutil.rmtree,
    "half-written": lambda run: next(run.glob("versions/*/manifest.json")).unlink(),
    "edited": lambda run: (path := next(run.glob("versions/*/config.yaml"))).write_text(path.read_text() + "#"),
    "truncated": lambda run: os.truncate(next(run.glob("versions/*/encode.onnx")), 100),
    "newer": lambda run: (path := next(run.glob("versions/*/manifest.json"))).write_text(
        path.read_text().replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}')
    ),
}


@pytest.mark.parametrize("case", BAD_RUNS)
def test_a_run_that_cannot_be_trusted_exits_6_and_leaves_the_last_forecast(forecast, trained, tmp_path, case):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "f.csv").write_text("the last good forecast\n")
    BAD_RUNS[case](tmp_path / "runs" / "tiny")
    result = forecast("predict", "runs/tiny", "--output", "f.csv", cwd=tmp_path)
    assert result.returncode == 6
    assert "Traceback" not in result.stderr
    assert (tmp_path / "f.csv").read_text() == "the last good forecast\n"


def test_an_output_that_cannot_be_created_exits_73(forecast, trained, project):
    assert forecast("predict", "runs/tiny", "--output", "load.csv/f.csv", cwd=trained).returncode == 73
    assert forecast("predict", "runs/tiny", "--output", "no/such/f.csv", cwd=trained).returncode == 73
    result = forecast("train", "tiny.yaml", "--run", "load.csv/run", cwd=project)
    assert result.returncode == 73
    assert "load.csv/run: cannot be created: Not a directory" in result.stderr


def test_a_full_disk_exits_74(forecast, trained):
    result = forecast("predict", "runs/tiny", "--output", "/dev/full", cwd=trained)
    assert result.returncode == 74
    assert "No space left on device" in result.stderr
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [str(FORECAST), "predict", "runs/tiny"],
            cwd=trained,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 74
    assert "Traceback" not in result.stderr


def test_a_closed_stdout_exits_74(trained):
    shown = subprocess.run(
        f"{FORECAST} predict runs/tiny >&-", shell=True, cwd=trained, stderr=subprocess.PIPE, text=True, check=False
    )
    assert (shown.returncode, shown.stderr) == (74, "stdout is closed; name a file with --output\n")


def test_a_closed_stderr_does_no_harm(trained):
    shown = subprocess.run(
        f"{FORECAST} predict runs/tiny 2>&-", shell=True, cwd=trained, stdout=subprocess.PIPE, text=True, check=True
    )
    assert len(shown.stdout.splitlines()) == 7


def test_nothing_is_left_in_the_users_home(forecast_process, trained, new_user):
    assert forecast_process("predict", "runs/tiny", cwd=trained, env=new_user).returncode == 0
    left = {path.name for path in Path(new_user["HOME"]).rglob("*") if path.is_file()}
    assert all(name.startswith("fontlist") for name in left)  # matplotlib's cache of fonts, in ~/.cache


def test_files_changed_together_with_their_hashes_exit_6(forecast, trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (version,) = (tmp_path / "runs/tiny/versions").iterdir()
    for name, content in (("encode.onnx", b"garbage"), ("preprocessing.json", b"{}")):
        (version / name).write_bytes(content)
        manifest = json.loads((version / "manifest.json").read_text())
        manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (version / "manifest.json").write_text(json.dumps(manifest))
        assert forecast("predict", "runs/tiny", cwd=tmp_path).returncode == 6


def test_a_picture_that_cannot_be_drawn_does_not_cost_the_forecast(forecast, trained, tmp_path):
    result = forecast("predict", trained / "runs/tiny", "-o", "f.csv", "--plot", "no/such/f.png", cwd=tmp_path)
    assert result.returncode == 73
    assert (tmp_path / "f.csv").exists()
    assert forecast("predict", trained / "runs/tiny", "--plot", "f.jpg", cwd=tmp_path).returncode == 2


def test_a_disk_that_fills_up_at_the_end_of_training_leaves_the_old_version(forecast, trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    before = forecast("predict", "runs/tiny", cwd=tmp_path).stdout
    result = forecast("train", "tiny.yaml", cwd=tmp_path, env=os.environ | {FILE_SIZE: "3000"}, fitted=False)
    assert (result.returncode, "Traceback" in result.stderr) == (74, False), result.stderr
    assert forecast("predict", "runs/tiny", cwd=tmp_path).stdout == before
    assert len(list((tmp_path / "runs/tiny/versions").iterdir())) == 1


def test_a_closed_pipe_is_no_traceback(trained):
    shown = subprocess.run(
        f"{FORECAST} predict runs/tiny --horizon 3000 | head -1",  # several times what a pipe holds
        shell=True,
        cwd=trained,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "series,origin,timestamp,step,mean,lower_95,lower_80,median,upper_80,upper_95,source\n"
    assert shown.stderr == ""


def test_a_constant_series_is_forecast_as_the_constant(forecast, project):
    write_hourly_csv(project / "load.csv", values=np.full(200, 7.25))
    result = forecast("train", "tiny.yaml", "--verbose", cwd=project, fitted=False)
    assert result.returncode == 0, result.stderr
    assert "the training part of load is constant: every forecast will be 7.25" in result.stderr
    assert {
        cell
        for line in forecast("predict", "runs/tiny", cwd=project).stdout.splitlines()[1:]
        for cell in line.split(",")[4:-1]
    } == {"7.25"}


def test_unsorted_rows_are_sorted_and_reported(forecast, project):
    edited(project, lambda rows: [rows[0], *rows[:0:-1]])
    result = forecast("validate", "tiny.yaml", "--verbose", cwd=project)
    assert result.returncode == 0
    assert "rows are not in order of time" in result.stderr


def test_a_csv_alone_is_enough_and_its_yaml_can_be_edited_and_run_again(forecast, project):
    one = ("--set", "training.epochs=1", "--set", "ensemble=null")
    first = forecast("train", "load.csv", *one, "--verbose", cwd=project, fitted=False)
    assert first.returncode == 0, first.stderr
    assert "found: time column 'time', target 'load', frequency h, season of 24 hours" in first.stderr
    text = (project / "load.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    (project / "load.yaml").write_text(text.replace("units: [32]", "units: [3]"))
    again = ("--set", "training.epochs=1", "--promote", "always")
    assert forecast("train", "load.csv", *again, cwd=project, fitted=False).returncode == 0
    version = project / "runs/load/versions" / (project / "runs/load/current").read_text().strip()
    assert "units: [3]" in (version / "config.yaml").read_text()
    assert forecast("predict", "runs/load", cwd=project).returncode == 0


def test_a_yaml_of_the_same_name_for_other_data_is_never_touched(forecast, project):
    (project / "load.yaml").write_text(TINY.replace("load.csv", "other.csv"))
    result = forecast("train", "load.csv", cwd=project)
    assert result.returncode == 2
    assert "exists and names other data" in result.stderr
    assert forecast("init", "load.csv", cwd=project).returncode == 2
    assert (project / "load.yaml").read_text() == TINY.replace("load.csv", "other.csv")


def test_init_writes_a_yaml_that_is_valid(forecast, project):
    (project / "sub").mkdir()
    assert forecast("init", "load.csv", "--output", "sub/new.yaml", cwd=project).returncode == 0
    assert "path: ../load.csv" in (project / "sub/new.yaml").read_text()
    assert forecast("validate", "sub/new.yaml", cwd=project).returncode == 0


def test_the_schema_is_json(forecast):
    assert "properties" in json.loads(forecast("schema").stdout)


def test_debug_shows_the_traceback(forecast, project):
    assert "Traceback" in forecast("validate", "no.yaml", "--debug", cwd=project).stderr


FRAGMENTS = [b"day,load\n", b"2026-01-0", b"2026-13-45", b",", b";", b"\t", b'"', b"'", b"1", b"-9e400", b"nan", b"1.234,5", b"\n", b"\r\n",
             b"\r", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"PAR1", b"\x1f\x8b", b"PK\x03\x04", b"sep=;\n", b"#", "é".encode(), b" ", b"/"]  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_bytes_at_random_end_in_an_answer_or_a_documented_exit_code(tmp_path, forecast, seed):
    generator = np.random.default_rng(seed)
    for number in range(4):
        begin = b"day,load\n" if number % 2 else b""
        chosen = generator.integers(0, len(FRAGMENTS), size=int(generator.integers(0, 80)))
        (tmp_path / "x.csv").write_bytes(begin + b"".join(FRAGMENTS[each] for each in chosen))
        for verb in ("init", "check"):
            result = forecast(verb, "x.csv", *(("--output", "-") if verb == "init" else ()), cwd=tmp_path)
            assert result.returncode in {0, 2, 4}, (result.stderr, (tmp_path / "x.csv").read_bytes())
            assert "Traceback" not in result.stderr
