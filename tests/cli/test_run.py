"""forecast run: what it prints of plans, failures and recoveries, and with which code it exits."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from forecaster.cli import console
from forecaster.cli.options import ReportFormat
from forecaster.cli.run import run
from forecaster.errors import Interrupted, UsageError
from forecaster.jobs import run_jobs
from forecaster.jobs.jobs_file import load_jobs
from forecaster.jobs.run_jobs import JobResult, Summary
from forecaster.jobs.status import Outcome, Status
from forecaster.problems import Problem
from tests.helpers.command import ROOT


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


JOBS = """\
jobs:
  - {name: north, data: load.csv, run: runs/load, tags: [night]}
  - {name: east, data: load.csv}
  - {name: south, data: south.csv, do: predict, run: runs/load}
"""
LOAD = ROOT / "tests/runs/format-4"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a run, its data, and jobs: one to predict, one to train, and one whose data do not exist."""
    shutil.copytree(LOAD / "load", tmp_path / "runs/load")
    shutil.copy(LOAD / "load.csv", tmp_path)
    (tmp_path / "jobs.yaml").write_text(JOBS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(**options) -> int:
    """Run the verb, and return its exit code."""
    try:
        run(Path("jobs.yaml"), **options)
    except typer.Exit as leaving:
        return leaving.exit_code
    return 0


def test_a_dry_run_prints_what_each_job_would_do_and_why(folder, capsys):
    before = sorted(folder.rglob("*"))
    assert call(dry_run=True) == 3
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == [
        "job    would    because",
        "north  score    not done before",
        "       predict  not done before",
        "east   train    no version yet",
        "       predict  after the training",
    ]
    assert last.startswith(f"south  fail     exit 4: {folder}/south.csv: ")
    assert sorted(folder.rglob("*")) == before


def test_a_dry_run_of_jobs_that_can_run_succeeds(folder, capsys):
    assert call(dry_run=True, only=["north"]) == 0
    assert call(dry_run=True, tag=["night"]) == 0
    assert call(dry_run=True, only=["south"]) == 4
    with pytest.raises(UsageError, match="did you mean 'north'"):
        call(dry_run=True, only=["nroth"])


def test_a_dry_run_of_a_shard_lists_its_jobs_alone(folder, capsys):
    for number, job in enumerate(("north", "east", "south"), 1):
        call(dry_run=True, shard=f"{number}/3")
        assert capsys.readouterr().out.splitlines()[1].split()[0] == job
    with pytest.raises(UsageError, match="--shard"):
        call(dry_run=True, shard="4/3")


def test_a_dry_run_reads_what_is_done(folder, capsys):
    (north,) = load_jobs(folder / "jobs.yaml").select(["north"])
    from forecaster.jobs.plan import plan_job

    steps = plan_job(north, {}, datetime.now(UTC)).steps
    done = {step.name: step.key for step in steps}
    (folder / "status.json").write_text(
        json.dumps(
            {"format": 1, "jobs_file": "jobs.yaml", "runs": 1, "jobs": {"north": {"done": done, "newest": "today"}}}
        )
    )
    assert call(dry_run=True, only=["north"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["north  do nothing  no new data since today"]
    assert call(dry_run=True, only=["north"], force=True) == 0
    assert "north  score    --force\n" in capsys.readouterr().out
    (folder / "status.json").write_text("{")
    assert call(dry_run=True, only=["north"]) == 0
    assert "not done before" in capsys.readouterr().out


def test_a_dry_run_as_json(folder, capsys):
    assert call(dry_run=True, format=ReportFormat.JSON) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["path"] == str(folder / "jobs.yaml")
    north, east, south = found["jobs"]
    assert north["steps"] == [
        {"name": "score", "reason": "not done before"},
        {"name": "predict", "reason": "not done before"},
    ]
    assert ([step["name"] for step in east["steps"]], east["exit_code"]) == (["train", "predict"], 0)
    assert (south["steps"], south["exit_code"]) == ([], 4)
    assert [(each["level"], each["code"]) for each in found["problems"]] == [
        ("error", "no-such-file"),
        ("note", "no-data-yet"),
    ]


FAILED = Outcome(outcome="failed", exit_code=5, reason="stale\nmore", problems=({"code": "stale"},))
DONE = Outcome(outcome="done", seconds=1.25, newest="2026-11-30", error_now=0.5, error_then=0.75)


def summarize(monkeypatch, *outcomes, **values):
    """Have a run end with (before, after) of each job; whether it was finished where it is three."""

    def fake(loaded, options, received):
        jobs = [JobResult(job, *states) for job, states in zip(loaded.jobs, outcomes, strict=False)]
        status = Status(loaded.status_file, "jobs.yaml", 1, {each.job.name: each.after for each in jobs})
        return Summary(tuple(jobs), status, 2.5, **values)

    monkeypatch.setattr(run_jobs, "run_jobs", fake)
    console.configure_logging()


def test_a_run_that_succeeds_prints_nothing_without_a_terminal(folder, monkeypatch, capsys):
    summarize(monkeypatch, (Outcome(), DONE), (DONE, DONE))
    assert call() == 0
    assert capsys.readouterr() == ("", "")


def test_a_failure_is_a_line_that_is_printed_once(folder, monkeypatch, capsys):
    summarize(monkeypatch, (DONE, FAILED), (DONE, DONE), (FAILED, FAILED))
    assert call() == 3
    assert capsys.readouterr() == ("", "north: exit 5: stale (and 1 more)\n")


def test_a_config_that_is_missing_or_invalid_fails_its_job_alone(folder, forecast):
    (folder / "bad.yaml").write_text("window: {lenght: 12}\n")
    (folder / "jobs.yaml").write_text("""\
jobs:
  - {name: east, data: load.csv, config: bad.yaml}
  - {name: north, do: predict, data: load.csv, run: runs/load, output: north.csv}
  - {name: west, data: load.csv, config: missing.yaml}
""")
    assert call(dry_run=True) == 3
    assert forecast("run", "jobs.yaml").returncode == 3
    assert (folder / "north.csv").exists()
    jobs = json.loads((folder / "status.json").read_text())["jobs"]
    assert {name: job["exit_code"] for name, job in jobs.items()} == {"east": 2, "north": 0, "west": 2}
    assert "bad.yaml:1:10: window.lenght: unknown key, did you mean 'length'?" in jobs["east"]["reason"]
    assert "missing.yaml" in jobs["west"]["reason"]
    again = forecast("run", "jobs.yaml", "--only", "north", "--force")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_warning_is_a_line_that_is_printed_once(folder, monkeypatch, capsys):
    warned = DONE.update(warnings=({"code": "aging-data", "message": "the newest step is 4 hours old"},))
    summarize(monkeypatch, (DONE, warned), (warned, warned))
    assert call() == 0
    assert capsys.readouterr() == ("", "north: warning: the newest step is 4 hours old\n")


def test_the_end_of_an_interruption_is_no_recovery(folder, monkeypatch, capsys):
    summarize(monkeypatch, (Outcome(outcome="interrupted", exit_code=143), DONE))
    assert call() == 0
    assert capsys.readouterr() == ("", "")


def test_another_failure_of_the_same_job_is_printed(folder, monkeypatch, capsys):
    summarize(monkeypatch, (FAILED, FAILED.update(exit_code=4)))
    assert call() == 4
    assert capsys.readouterr().err == "north: exit 4: stale (and 1 more)\n"


def test_a_recovery_is_a_line(folder, monkeypatch, capsys):
    summarize(monkeypatch, (FAILED, DONE), (DONE, DONE))
    assert call() == 0
    assert capsys.readouterr().err == "north: recovered from exit 5\n"


def test_all_jobs_that_fail_alike_give_their_code(folder, monkeypatch, capsys):
    summarize(monkeypatch, (DONE, FAILED), (DONE, FAILED), (DONE, FAILED))
    assert call() == 5


def test_a_run_as_json_holds_the_state_of_each_job(folder, monkeypatch, capsys):
    summarize(monkeypatch, (DONE, FAILED), (DONE, DONE), (DONE, DONE))
    assert call(format=ReportFormat.JSON) == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["exit_code"], found["seconds"]) == (3, 2.5)
    assert [(job["name"], job["outcome"], job["exit_code"]) for job in found["jobs"]] == [
        ("north", "failed", 5),
        ("east", "done", 0),
        ("south", "done", 0),
    ]
    assert found["jobs"][1]["error_now"] == 0.5


def test_an_interrupted_run_exits_with_the_code_of_the_signal(folder, monkeypatch, capsys):
    problem = Problem("interrupted-run", detail={"left": 1})
    summarize(monkeypatch, (DONE, DONE), (DONE, DONE, False), interruption=143, problems=(problem,))
    with pytest.raises(Interrupted, match="interrupted with 1 job left") as caught:
        call()
    assert caught.value.exit_code == 143


def test_a_terminal_gets_a_table(folder, monkeypatch, capsys):
    summarize(monkeypatch, (DONE, FAILED), (DONE, DONE), (DONE, DONE, False))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert call() == 3
    assert capsys.readouterr().out.splitlines() == [
        "job    outcome       seconds  newest data  error  in test  because",
        "north  exit 5                                              stale",
        "east   done              1.2   2026-11-30    0.5     0.75",
        "south  not finished",
    ]


def test_a_jobs_file_is_validated_with_its_configs(folder, forecast):
    valid = forecast("validate", "jobs.yaml", "-v", cwd=folder)
    assert (valid.returncode, valid.stdout) == (0, "")
    assert valid.stderr.endswith("the job south fails until it does\njobs.yaml: valid\n")
    (folder / "jobs.yaml").write_text(JOBS.replace("tags", "tag").replace("do: predict", "config: none.yaml"))
    refused = forecast("validate", "jobs.yaml", cwd=folder)
    assert refused.returncode == 2
    assert "jobs.yaml:2:51: jobs.0.tag: unknown key, did you mean 'tags'?" in refused.stderr
    assert "jobs.2.config: " in refused.stderr
    found = json.loads(forecast("validate", "jobs.yaml", "--format", "json", cwd=folder).stdout)
    assert found["valid"] is False
    assert {each["code"] for each in found["problems"]} == {"unknown-key", "no-job-config", "shared-run"}
    option = forecast("validate", "jobs.yaml", "--set", "training.epochs=3", cwd=folder)
    assert (option.returncode, option.stderr) == (2, "--set: cannot go with a jobs file; write the key into it\n")


def test_init_and_schema_know_jobs(folder, forecast):
    (folder / "jobs.yaml").unlink()
    shutil.copy("load.csv", "north.csv")
    assert forecast("init", "--jobs", "load.csv", "north.csv", cwd=folder).returncode == 0
    assert [job.name for job in load_jobs(folder / "jobs.yaml").jobs] == ["load", "north"]
    again = forecast("init", "--jobs", "load.csv", cwd=folder)
    assert (again.returncode, "is not overwritten" in again.stderr) == (2, True)
    several = forecast("init", "load.csv", "north.csv", cwd=folder)
    assert (several.returncode, "add --jobs" in several.stderr) == (2, True)
    assert "JobEntry" in json.loads(forecast("schema", "--jobs").stdout)["$defs"]
