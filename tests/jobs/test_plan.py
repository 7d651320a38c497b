"""What a job would do and why: keys of finished work, retrain rules, missing data and runs."""

import datetime
import json
import shutil
import sqlite3
import subprocess
import sys

import pytest

from forecaster.errors import ConfigError, DataError, RunError
from forecaster.jobs.fingerprint import hash_data, hash_files, hash_settings
from forecaster.jobs.jobs_file import load_jobs
from forecaster.jobs.plan import plan_job
from tests.helpers.command import ROOT

NOW = datetime.datetime(2026, 11, 30, 3, 0, tzinfo=datetime.UTC)
VERSION = "20261121T030000Z-1a2b3c"  # 9 days before
ROWS = "time,load\n2026-11-28,1\n2026-11-29,2\n"


@pytest.fixture
def folder(tmp_path):
    """A folder with data and a run, of which plans read the name of the version in use alone."""
    (tmp_path / "north.csv").write_text(ROWS)
    (tmp_path / "runs/north/versions" / VERSION).mkdir(parents=True)
    (tmp_path / "runs/north/current").write_text(f"{VERSION}\n")
    return tmp_path


def load_job(folder, keys=""):
    (folder / "jobs.yaml").write_text(f"jobs:\n  - {{name: north, data: north.csv, {keys}}}\n")
    (job,) = load_jobs(folder / "jobs.yaml").jobs
    return job


def list_steps(plan):
    return {step.name: step.reason for step in plan.steps}


def finish(job, state=None, now=NOW, **values):
    """The state after a job has finished all steps of its plan, as a worker keeps it."""
    state = state or {}
    while steps := plan_job(job, state, now).steps:
        state = {**state, "done": {**state.get("done", {}), steps[0].name: steps[0].key}}
        if steps[0].name == "train":
            state["last_training"] = now.isoformat()
    return {**state, **values}


def test_a_job_without_a_run_is_trained_first(folder):
    shutil.rmtree(folder / "runs")
    plan = plan_job(load_job(folder), {}, NOW)
    assert list_steps(plan) == {"train": "no version yet", "predict": "after the training"}


def test_a_run_that_has_forecast_nothing_is_not_scored(folder):
    trained = {"done": {"train": plan_job(load_job(folder, "do: train"), {}, NOW).steps[0].key}}
    assert list_steps(plan_job(load_job(folder), trained, NOW)) == {"predict": "not done before"}
    assert list(list_steps(plan_job(load_job(folder, "do: score"), trained, NOW))) == ["score"]


def test_a_job_with_a_run_scores_and_predicts(folder):
    plan = plan_job(load_job(folder), {}, NOW)
    assert list_steps(plan) == {"score": "not done before", "predict": "not done before"}
    assert list_steps(plan_job(load_job(folder), {}, NOW, has_store=False)) == {"predict": "not done before"}


def test_nothing_new_is_nothing_to_do(folder):
    job = load_job(folder)
    state = finish(job, newest="2026-11-29")
    plan = plan_job(job, state, NOW)
    assert (plan.steps, plan.reason, plan.error) == ((), "no new data since 2026-11-29", None)
    assert set(state["done"]) == {"score", "predict"}


def test_a_state_is_what_json_gives_back(folder):
    job = load_job(folder, "retrain: {every: 1d}")
    state = json.loads(json.dumps(finish(job)))
    assert plan_job(job, state, NOW).steps == ()


def test_new_rows_are_new_work(folder):
    job = load_job(folder)
    state = finish(job)
    (folder / "north.csv").write_text(ROWS + "2026-11-30,3\n")
    assert list_steps(plan_job(job, state, NOW)) == {"score": "new data", "predict": "new data"}


def test_a_file_that_was_only_touched_is_no_new_work(folder):
    job = load_job(folder)
    state = finish(job)
    (folder / "north.csv").unlink()
    (folder / "north.csv").write_text(ROWS)
    assert plan_job(job, state, NOW).steps == ()


def test_a_missing_output_is_written_again(folder):
    job = load_job(folder, "output: out.csv")
    state = finish_with_output(job)
    assert plan_job(job, state, NOW).steps == ()
    (folder / "out.csv").unlink()
    assert list_steps(plan_job(job, state, NOW)) == {"predict": "out.csv is missing"}


def finish_with_output(job):
    job.output.write_text("")
    return finish(job)


@pytest.mark.parametrize("keys", ["horizon: 3", "levels: [50]", "intervals: static", "set: {data.gaps: previous}"])
def test_other_options_are_another_forecast(folder, keys):
    state = finish(load_job(folder, "do: predict"))
    plan = plan_job(load_job(folder, f"do: predict, {keys}"), state, NOW)
    assert list_steps(plan) == {"predict": "a new version or other options"}


def test_another_version_is_another_forecast(folder):
    job = load_job(folder)
    state = finish(job)
    (folder / "runs/north/current").write_text("20261101T000000Z-000000\n")
    assert list_steps(plan_job(job, state, NOW)) == {"predict": "a new version or other options"}


def test_known_future_values_are_a_part_of_the_work(folder):
    (folder / "next.csv").write_text("time,price\n")
    job = load_job(folder, "future: next.csv, do: predict")
    state = finish(job)
    assert plan_job(job, state, NOW).steps == ()
    (folder / "next.csv").write_text("time,price\n2026-11-30,1\n")
    assert list(list_steps(plan_job(job, state, NOW))) == ["predict"]


def test_force_makes_each_step_due_once(folder):
    job = load_job(folder, "retrain: {every: 100d}")
    state = finish(job)
    plan = plan_job(job, state, NOW, force=True)
    assert list_steps(plan) == {"score": "--force", "train": "--force", "predict": "--force"}
    left = plan_job(job, state, NOW, force=True, finished=["score", "train"])
    assert list_steps(left) == {"predict": "--force"}


def test_a_run_without_a_rule_is_not_trained_again(folder):
    job = load_job(folder)
    state = finish(job)
    (folder / "north.csv").write_text(ROWS + "2026-11-30,3\n")
    assert "train" not in list_steps(plan_job(job, state, NOW + datetime.timedelta(days=1000)))


@pytest.mark.parametrize(
    ("rule", "state", "reason"),
    [
        ("every: 9d", {}, "the last training was 9 days ago"),
        ("every: 10d", {}, ""),
        ("every: 1d", {"last_training": "2026-11-29T02:59:59+00:00"}, "the last training was 1 day ago"),
        ("every: 1d", {"last_training": "2026-11-29T03:00:01+00:00"}, ""),
        ("age: 1w", {}, "the version in use was trained 9 days ago"),
        ("age: 1w", {"last_training": "2026-11-29T02:00:00+00:00"}, "the version in use was trained 9 days ago"),
        # A training since then has lost, and would be repeated at each new row.
        ("age: 1w", {"last_training": "2026-11-29T04:00:00+00:00"}, ""),
        ("on_drift: true", {"drift": True, "last_training": "2026-11-29T04:00:00+00:00"}, ""),
        ("every: 2h", {"last_training": "2026-11-30T00:00:00+00:00"}, "the last training was 3 hours ago"),
        ("age: 2w", {}, ""),
        ("on_drift: true", {"drift": True}, "drift in the stored forecasts"),
        ("on_drift: true", {"drift": False}, ""),
        ("on_drift: false", {"drift": True}, ""),
        ("every: 30d, age: 1w", {}, "the version in use was trained 9 days ago"),
    ],
)
def test_a_rule_decides_whether_new_data_are_trained_on(folder, rule, state, reason):
    plan = plan_job(load_job(folder, f"retrain: {{{rule}}}"), state, NOW)
    assert list_steps(plan).get("train", "") == reason


def test_no_rule_trains_on_the_same_data_again(folder):
    job = load_job(folder, "retrain: {every: 1d, on_drift: true, age: 1d, rows: 1}")
    shutil.rmtree(folder / "runs")
    state = {"done": {"train": plan_job(job, {}, NOW).steps[0].key}, "drift": True}
    (folder / "runs/north").mkdir(parents=True)
    (folder / "runs/north/current").write_text(f"{VERSION}\n")
    assert "train" not in list_steps(plan_job(job, state, NOW))


def test_other_settings_are_trained_without_a_rule(folder):
    shutil.rmtree(folder / "runs")
    key = plan_job(load_job(folder), {}, NOW).steps[0].key
    (folder / "runs/north").mkdir(parents=True)
    (folder / "runs/north/current").write_text(f"{VERSION}\n")
    state = {"done": {"train": key}}
    assert "train" not in list_steps(plan_job(load_job(folder), state, NOW))
    changed = plan_job(load_job(folder, "set: {training.epochs: 3}"), state, NOW)
    assert list_steps(changed)["train"] == "other settings than in the last training"


def test_a_job_that_only_trains_does_so_on_all_new_data(folder):
    job = load_job(folder, "do: train")
    assert list_steps(plan_job(job, {}, NOW)) == {"train": "not done before"}
    state = finish(job)
    assert plan_job(job, state, NOW).reason == "no new data"
    (folder / "north.csv").write_text(ROWS + "2026-11-30,3\n")
    assert list_steps(plan_job(job, state, NOW)) == {"train": "new data"}
    weekly = load_job(folder, "do: train, retrain: {every: 7d}")
    assert plan_job(weekly, state, NOW).steps == ()


def test_new_rows_are_counted_from_the_training(folder):
    shutil.copytree(ROOT / "tests/runs/format-4/load", folder / "runs/load")
    data = (ROOT / "tests/runs/format-4/load.csv").read_text()
    (folder / "north.csv").write_text(data)
    steps = json.loads(next((folder / "runs/load/versions").glob("*/manifest.json")).read_text())["data"]["steps"]
    new = data.count("\n") - 1 - steps
    plan = plan_job(load_job(folder, f"run: runs/load, retrain: {{rows: {new + 1}}}"), {}, NOW)
    assert "train" not in list_steps(plan)
    last = data.splitlines()[-1].split(",")
    grown = data + "".join(
        f"{datetime.datetime.fromisoformat(last[0]) + datetime.timedelta(hours=hour)},{','.join(last[1:])}\n"
        for hour in (1, 2, 3)
    )
    (folder / "north.csv").write_text(grown)
    found = list_steps(plan_job(load_job(folder, "run: runs/load, retrain: {rows: 3}"), {}, NOW))
    assert found["train"] == f"{new + 3} new rows since the training"


def test_the_next_training_is_the_earliest_of_the_rules_of_age(folder):
    job = load_job(folder, "retrain: {every: 10d, age: 30d}")
    assert plan_job(job, {}, NOW).next_training == datetime.datetime(2026, 12, 1, 3, tzinfo=datetime.UTC)
    state = {"last_training": "2026-11-29T03:00:00+00:00"}
    assert plan_job(job, state, NOW).next_training == datetime.datetime(2026, 12, 9, 3, tzinfo=datetime.UTC)
    assert plan_job(load_job(folder), {}, NOW).next_training is None


def test_a_job_that_cannot_run_has_the_error_that_it_would_raise(folder):
    (folder / "south.yaml").write_text("data: {path: north.csv}\nwindow: {length: 8, horizon: 2}\n")
    job = load_job(folder, "do: predict, run: runs/none")
    assert isinstance(plan_job(job, {}, NOW).error, RunError)
    job = load_job(folder, "config: south.yaml, run: runs/none")
    (folder / "south.yaml").write_text("data: {path: north.csv}\nwindow: {length: 1, horizon: 2}\n")
    error = plan_job(job, {}, NOW).error
    assert isinstance(error, ConfigError)
    assert "south.yaml:2:10: window.length" in str(error)
    (folder / "north.csv").unlink()
    error = plan_job(load_job(folder), {}, NOW).error
    assert isinstance(error, DataError)
    assert error.problems[0].code == "no-such-file"
    (folder / "jobs.yaml").write_text('jobs: [{name: north, data: "in/*.csv"}]')
    (job,) = load_jobs(folder / "jobs.yaml").jobs
    assert plan_job(job, {}, NOW).error.problems[0].code == "no-match"


def test_the_data_of_a_job_without_data_are_those_of_its_config_or_run(folder):
    (folder / "north.yaml").write_text("data: {path: north.csv}\nwindow: {length: 8, horizon: 2}\n")
    (folder / "jobs.yaml").write_text("jobs: [{name: north, config: north.yaml}]")
    (job,) = load_jobs(folder / "jobs.yaml").jobs
    state = finish(job)
    (folder / "north.csv").write_text(ROWS + "2026-11-30,3\n")
    assert list_steps(plan_job(job, state, NOW))["predict"] == "new data"


def test_the_hash_of_files_depends_on_their_bytes_and_their_order(tmp_path):
    one, two = tmp_path / "1.csv", tmp_path / "2.csv"
    one.write_text("a")
    two.write_text("b")
    names = [str(one), str(two)]
    assert hash_files(names) == hash_files([str(tmp_path / "*.csv")])
    assert hash_files(names) != hash_files(names[::-1])
    moved = hash_files(names)
    one.write_text("")
    two.write_text("ab")
    assert hash_files(names) != moved


def test_the_hash_of_settings_ignores_comments_and_the_place_of_the_data(folder):
    text = "data: {path: north.csv}\nwindow: {length: 8, horizon: 2}\n"
    (folder / "a.yaml").write_text(text)
    (folder / "b.yaml").write_text(f"# a comment\n{text.replace('north.csv', 'other.csv')}")
    (folder / "c.yaml").write_text(text.replace("8", "9"))
    hashes = [hash_settings(load_job(folder, f"config: {name}.yaml").load_config().config) for name in ("a", "b", "c")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_data_of_a_query_are_hashed_by_their_rows(folder):
    with sqlite3.connect(folder / "load.db") as database:
        database.execute("create table load (day text, load real)")
        database.execute("insert into load values ('2026-11-29', 1.5)")
    (folder / "load.yaml").write_text(
        "data: {path: sqlite:///load.db, query: SELECT * FROM load}\nwindow: {length: 8, horizon: 2}\n"
    )
    (folder / "jobs.yaml").write_text("jobs: [{name: north, config: load.yaml}]")
    config = load_jobs(folder / "jobs.yaml").jobs[0].load_config().config
    before = hash_data(config)
    with sqlite3.connect(folder / "load.db") as database:
        database.execute("create table other (day text)")
    assert hash_data(config) == before
    with sqlite3.connect(folder / "load.db") as database:
        database.execute("insert into load values ('2026-11-30', 2.5)")
    assert hash_data(config) != before
    database.close()


def test_a_plan_from_fingerprints_loads_no_pandas(folder):
    load_job(folder, "retrain: {every: 9d}")
    code = """
import datetime, sys
from pathlib import Path
from forecaster.jobs.jobs_file import load_jobs
from forecaster.jobs.plan import plan_job
(job,) = load_jobs(Path("jobs.yaml")).jobs
steps = plan_job(job, {}, datetime.datetime.now(datetime.UTC)).steps
print([step.name for step in steps], sorted({"numpy", "pandas", "onnxruntime", "keras"} & sys.modules.keys()))
"""
    shown = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert shown.stdout == "['score', 'train', 'predict'] []\n"
