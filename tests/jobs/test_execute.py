"""A job in a worker: what is due is done once, kept in the store and written; what cannot be done leaves the old forecast."""

import json
import logging
import shutil
import sys
import types
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forecaster.errors import (
    ChallengerLost,
    DataError,
    Diverged,
    InputOutputFailed,
    Interrupted,
    Locked,
    Partial,
    QualityLimit,
    RunError,
    Stale,
    UsageError,
)
from forecaster.evaluation.challenge import Challenge
from forecaster.forecast import forecasts_to_csv
from forecaster.forecasting.predict import predict
from forecaster.jobs import execute, forecast_job
from forecaster.jobs.execute import execute_job
from forecaster.jobs.jobs_file import load_jobs
from forecaster.jobs.run_jobs import RunOptions, run_jobs
from forecaster.jobs.status import Outcome
from forecaster.jobs.task import JobTask
from forecaster.problems import Problem
from forecaster.runs import Version, load_version
from forecaster.store.store import open_store
from tests.helpers.command import ROOT
from tests.helpers.logs import keep_log

RUNS = ROOT / "tests/runs/format-4"
NOW = datetime(2026, 1, 18, 0, 30, tzinfo=UTC)


class _Clock(datetime):
    """A clock that stands still."""

    moment = NOW

    @classmethod
    def now(cls, tz=None):
        return cls.moment


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the run `load`, its data and a clock that stands at their end."""
    shutil.copytree(RUNS / "load", tmp_path / "runs/load")
    shutil.copy(RUNS / "load.csv", tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(_Clock, "moment", read_end(tmp_path / "load.csv") + timedelta(hours=1, minutes=30))
    for module in (execute, forecast_job):
        monkeypatch.setattr(module, "datetime", _Clock)
    return tmp_path


def read_end(csv: Path) -> datetime:
    """The newest timestamp of a CSV."""
    return datetime.fromisoformat(
        csv.read_text().split()[-2] + " " + csv.read_text().split()[-1].split(",")[0]
    ).replace(tzinfo=UTC)


class Runner:
    """Executes the job of a jobs file as often as asked, with the state of the last time."""

    def __init__(self, folder: Path, keys: str) -> None:
        (folder / "jobs.yaml").write_text(
            f"jobs:\n  - {{name: load, data: load.csv, output: 'out/{{name}}.csv', {keys}}}\n"
        )
        self.loaded = load_jobs(folder / "jobs.yaml")
        self.state = Outcome()

    def execute(self, received=(), force=False) -> Outcome:
        loaded = self.loaded
        task = JobTask(loaded.jobs[0], self.state, loaded.store, loaded.keep, loaded.folder, force)

        def report(state):
            self.state = state

        self.state = execute_job(task, received, report)
        return self.state

    def count_stored(self) -> int:
        with open_store(self.loaded.store, self.loaded.folder) as store:
            return len(store.read_forecasts("load"))


PREDICT = "do: predict"


def forecast_directly(folder: Path) -> str:
    """The forecast of the run, without a job."""
    version = load_version(folder / "runs/load")
    found = predict(version, folder / "load.csv")
    return forecasts_to_csv(found.forecasts, version.config.forecast.columns)


def add_row(folder: Path, value: float = 100.0) -> None:
    end = read_end(folder / "load.csv") + timedelta(hours=1)
    with (folder / "load.csv").open("a") as file:
        file.write(f"{end:%Y-%m-%d %H:%M:%S},{value}\n")


def test_a_forecast_is_written_and_stored_once_and_again_only_for_new_data(folder):
    runner = Runner(folder, PREDICT)
    state = runner.execute()
    written = (folder / "out/load.csv").read_text()
    assert written == forecast_directly(folder)
    assert (state.outcome, state.rows, state.newest) == ("done", 300, "2026-01-13 11:00:00")
    assert state.data_age_seconds == 1800
    assert state.version == (folder / "runs/load/current").read_text().strip()
    assert state.error_then == pytest.approx(1.0650231064176459)
    stored = runner.count_stored()
    assert stored == 6

    before = (folder / "out/load.csv").stat().st_ino
    state = runner.execute()
    assert (state.outcome, state.reason) == ("nothing-new", "no new data since 2026-01-13 11:00:00")
    assert (folder / "out/load.csv").stat().st_ino == before

    (folder / "out/load.csv").unlink()
    assert runner.execute().outcome == "done"
    assert (folder / "out/load.csv").read_text() == written
    assert runner.count_stored() == stored

    add_row(folder)
    assert runner.execute().newest == "2026-01-13 12:00:00"
    assert runner.count_stored() == 2 * stored


def test_actuals_are_stored_next_to_forecasts(folder):
    runner = Runner(folder, PREDICT)
    runner.execute()
    add_row(folder, 123.0)
    runner.execute()
    with open_store(runner.loaded.store, folder) as store:
        actuals = store.read_actuals("load")
    assert len(actuals) == 301
    assert actuals["value"].iloc[-1] == 123.0


def test_without_a_store_nothing_is_stored(folder):
    runner = Runner(folder, PREDICT)
    runner.loaded = load_jobs_without_store(folder)
    runner.execute()
    assert not (folder / "forecasts.db").exists()


def load_jobs_without_store(folder):
    with (folder / "jobs.yaml").open("a") as file:
        file.write("store: null\n")
    return load_jobs(folder / "jobs.yaml")


def test_stale_data_leave_the_old_forecast_with_a_mark_until_the_next_good_one(folder):
    runner = Runner(folder, f"{PREDICT}, max_age: 3h")
    runner.execute()
    written = (folder / "out/load.csv").read_text()
    mark = folder / "out/load.csv.stale"
    began = _Clock.moment = _Clock.moment + timedelta(hours=5)
    for _ in range(2):
        with pytest.raises(Stale):
            runner.execute()
        _Clock.moment += timedelta(hours=1)
    assert runner.state.stale
    marked = json.loads(mark.read_text())
    assert (marked["since"], marked["newest"]) == (began.isoformat(timespec="seconds"), "2026-01-13 11:00:00")
    assert "no new" not in marked["reason"]
    assert (folder / "out/load.csv").read_text() == written
    for _ in range(6):
        add_row(folder)
    state = runner.execute()
    assert (state.outcome, state.stale, mark.exists()) == ("done", False, False)


def test_a_larger_limit_of_age_ends_staleness_without_new_data(folder):
    runner = Runner(folder, f"{PREDICT}, max_age: 3h")
    runner.execute()
    _Clock.moment += timedelta(hours=5)
    with pytest.raises(Stale):
        runner.execute()
    state, runner = runner.state, Runner(folder, f"{PREDICT}, max_age: 2d")
    runner.state = state
    assert not runner.execute().stale
    assert not (folder / "out/load.csv.stale").exists()


def test_data_that_are_refused_leave_the_old_forecast_with_a_mark(folder):
    runner = Runner(folder, PREDICT)
    runner.execute()
    written = (folder / "out/load.csv").read_text()
    add_row(folder, 9_999_999.0)
    with pytest.raises(DataError):
        runner.execute()
    assert (folder / "out/load.csv").read_text() == written
    assert "10 times the range ever seen" in json.loads((folder / "out/load.csv.stale").read_text())["reason"]
    assert not runner.state.stale


def break_run(folder):
    graph = next((folder / "runs/load/versions").iterdir()) / "decode.onnx"
    content = graph.read_bytes()
    graph.write_bytes(b"")
    return lambda: graph.write_bytes(content)


def remove_data(folder):
    (folder / "load.csv").rename(folder / "away.csv")
    return lambda: (folder / "away.csv").rename(folder / "load.csv")


def damage_store(folder):
    (folder / "forecasts.db").rename(folder / "away.db")
    (folder / "forecasts.db").write_text("no database" * 100)
    return lambda: (folder / "away.db").rename(folder / "forecasts.db")


@pytest.mark.parametrize(("harm", "error"), [(break_run, RunError), (remove_data, DataError), (damage_store, RunError)])
def test_whatever_keeps_a_job_from_forecasting_marks_its_output_until_it_can(folder, harm, error):
    runner = Runner(folder, PREDICT)
    runner.execute()
    add_row(folder)
    repair = harm(folder)
    mark = folder / "out/load.csv.stale"
    with pytest.raises(error):
        runner.execute()
    assert mark.exists()
    repair()
    assert runner.execute().outcome == "done"
    assert not mark.exists()


def test_a_mark_is_removed_where_missing_data_return_unchanged(folder):
    runner = Runner(folder, PREDICT)
    runner.execute()
    repair = remove_data(folder)
    with pytest.raises(DataError):
        runner.execute()
    repair()
    assert runner.execute().outcome == "done"
    assert not (folder / "out/load.csv.stale").exists()
    assert runner.execute().outcome == "nothing-new"


def test_series_that_cannot_be_forecast_make_a_partial_failure_that_is_tried_again(folder):
    shutil.copytree(RUNS / "shops", folder / "runs/shops")
    rows = (RUNS / "shops.csv").read_text().splitlines()
    short = [row for row in rows if ",b," not in row] + [row for row in rows if ",b," in row][:2]
    (folder / "load.csv").write_text("\n".join(short) + "\n")
    runner = Runner(folder, f"{PREDICT}, run: runs/shops")
    for _ in range(2):
        with pytest.raises(Partial):
            runner.execute()
    text = (folder / "out/load.csv").read_text()
    assert {line.split(",")[0] for line in text.splitlines()} == {"series", "a"}


def test_a_signal_before_a_step_is_an_interruption(folder):
    with pytest.raises(Interrupted):
        Runner(folder, PREDICT).execute([15])
    assert not (folder / "out").exists()


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_the_suffix_of_the_output_is_its_format(folder, suffix):
    runner = Runner(folder, PREDICT)
    (folder / "jobs.yaml").write_text((folder / "jobs.yaml").read_text().replace(".csv'", f".{suffix}'"))
    runner.loaded = load_jobs(folder / "jobs.yaml")
    runner.execute()
    content = (folder / f"out/load.{suffix}").read_bytes()
    assert content.startswith(b"PAR1") if suffix == "parquet" else len(json.loads(content)) == 6


def test_lines_of_the_log_name_the_job_and_carry_its_facts(folder):
    with keep_log(logging.INFO) as records:
        Runner(folder, PREDICT).execute()
    assert records
    for record in records:
        assert record.getMessage().startswith("load: ")
        assert {"job", "run", "seconds"} <= record.facts.keys()


def test_relative_paths_are_those_of_the_jobs_file_whatever_the_working_folder_is(tmp_path, monkeypatch):
    elsewhere, there = tmp_path / "elsewhere", tmp_path / "there"
    elsewhere.mkdir()
    there.mkdir()
    shutil.copytree(RUNS / "load", there / "runs/load")
    shutil.copy(RUNS / "load.csv", there)
    (there / "jobs.yaml").write_text("jobs:\n  - {name: load, data: load.csv, output: out/load.csv, do: predict}\n")
    monkeypatch.chdir(elsewhere)
    summary = run_jobs(load_jobs(Path("../there/jobs.yaml")), RunOptions(), [])
    assert summary.exit_code == 0, summary.jobs[0].after.reason
    assert (there / "out/load.csv").read_text() == forecast_directly(there)
    names = {".jobs.lock", "forecasts.db", "jobs.yaml", "load.csv", "out", "runs", "status.json"}
    assert {path.name for path in there.iterdir()} - {"forecasts.db-wal", "forecasts.db-shm"} == names
    assert list(elsewhere.iterdir()) == []


@dataclass
class FakeTraining:
    """What a training is replaced by: how often, with which arguments, and what it makes."""

    promoted: bool = True
    outcome: str = "worse"  # of the challenge
    calls: list[dict] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def train(self, plan, run, received, resume=False, warm=None, promote="better", margin=0.0):
        self.calls.append({"resume": resume, "promote": promote, "margin": margin, "set": plan.config.training.epochs})
        if self.errors:
            raise self.errors.pop(0)
        if not (run / "current").exists():
            shutil.copytree(RUNS / "load", run, dirs_exist_ok=True)
        return FakeTrained(load_version(run), self.promoted, Challenge("old", self.outcome))


@dataclass
class FakeTrained:
    version: Version
    promoted: bool
    challenge: Challenge
    notice: Problem = field(default_factory=lambda: Problem("infinite-fill"))

    def check_not_worse(self):
        if not self.promoted:
            raise ChallengerLost(self.notice)


@pytest.fixture
def training(monkeypatch):
    """Trainings are fakes; nothing imports TensorFlow."""
    fake = FakeTraining()
    module = types.ModuleType("forecaster.training.train")
    module.train = fake.train
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return fake


def test_a_job_without_a_run_is_trained_with_chosen_settings_and_then_forecast(folder, training):
    shutil.rmtree(folder / "runs/load")
    runner = Runner(folder, "set: {training.epochs: 3}")
    state = runner.execute()
    assert training.calls == [{"resume": True, "promote": "better", "margin": 0.0, "set": 3}]
    assert (state.outcome, state.last_training) == ("done", _Clock.moment)
    assert {"train", "predict"} <= state.done.keys()
    assert (folder / "out/load.csv").exists()
    assert runner.execute().outcome == "nothing-new"
    assert len(training.calls) == 1


def test_later_trainings_have_the_settings_of_the_version_in_use(folder, training):
    runner = Runner(folder, "retrain: {rows: 1, promote: always, margin: 0.1}")
    runner.execute()
    assert training.calls == []
    add_row(folder)
    runner.execute()
    epochs = load_version(folder / "runs/load").config.training.epochs
    assert training.calls == [{"resume": True, "promote": "always", "margin": 0.1, "set": epochs}]


@pytest.mark.parametrize("do", ["refresh", "train"])
def test_a_new_version_that_lost_is_a_note_and_one_without_rows_to_compare_on_a_warning(folder, training, do):
    training.promoted = False
    for outcome, kept in (("worse", "notes"), ("no-common-rows", "warnings")):
        training.outcome = outcome
        add_row(folder)
        state = Runner(folder, f"retrain: {{rows: 1}}, do: {do}").execute()
        found = {name: [each["code"] for each in getattr(state, name)] for name in ("notes", "warnings")}
        assert "infinite-fill" in found.pop(kept)
        assert all("infinite-fill" not in codes for codes in found.values())


def test_a_new_version_that_lost_leaves_the_old_one_in_use_or_fails_where_the_job_asks_for_it(folder, training):
    training.promoted = False
    add_row(folder)
    runner = Runner(folder, "retrain: {rows: 1}")
    state = runner.execute()
    assert (state.outcome, state.version) == ("done", (folder / "runs/load/current").read_text().strip())
    runner = Runner(folder, "retrain: {rows: 1, fail_if_worse: true}")
    with pytest.raises(ChallengerLost) as lost:
        runner.execute()
    assert lost.value.exit_code == 7
    assert (folder / "out/load.csv").exists()
    assert runner.state.done.keys() >= {"train", "predict"}
    runner.execute()
    assert len(training.calls) == 2  # what lost is not trained again on the same data


@pytest.mark.parametrize("code", ["checkpoint-of-other-config", "damaged-checkpoint", "unusable-checkpoint"])
def test_a_checkpoint_that_cannot_be_resumed_is_dropped(folder, training, code):
    (folder / "runs/load/checkpoint").write_bytes(b"old")
    detail = {"run": "load", "different": ["model.cell"], "reason": "shapes differ"}
    training.errors = [UsageError(Problem(code, detail=detail))]
    add_row(folder)
    Runner(folder, "retrain: {rows: 1}").execute()
    assert [call["resume"] for call in training.calls] == [True, False]
    assert not (folder / "runs/load/checkpoint").exists()


def test_an_interrupted_training_keeps_its_checkpoint_and_is_not_done(folder, training):
    (folder / "runs/load/checkpoint").write_bytes(b"new")
    training.errors = [Interrupted(Problem("interrupted"), 15)]
    add_row(folder)
    runner = Runner(folder, "retrain: {rows: 1}")
    with pytest.raises(Interrupted):
        runner.execute()
    assert "train" not in runner.state.done
    assert (folder / "runs/load/checkpoint").exists()


def test_a_training_is_followed_by_retention_and_the_version_in_use_stays(folder, training):
    versions = folder / "runs/load/versions"
    in_use = (folder / "runs/load/current").read_text().strip()
    for day in (1, 2, 3):
        shutil.copytree(versions / in_use, versions / f"2026010{day}T000000Z-abcdef")
    add_row(folder)
    runner = Runner(folder, "retrain: {rows: 1}")
    with (folder / "jobs.yaml").open("a") as file:
        file.write("keep: {last: 2}\n")
    runner.loaded = load_jobs(folder / "jobs.yaml")
    runner.execute()
    assert sorted(path.name for path in versions.iterdir()) == ["20260103T000000Z-abcdef", in_use]


def test_forecasts_are_scored_when_their_actuals_arrive(folder):
    runner = Runner(folder, "fail_above: {mase: 0.01}")
    assert runner.execute().error_now is None
    codes = []
    for number in range(14):
        add_row(folder, 100.0 + number % 5)
        try:
            runner.execute()
        except QualityLimit as error:
            codes += [(error.exit_code, problem.code) for problem in error.problems]
    assert runner.state.error_now > 0.01
    assert runner.state.error_then == pytest.approx(1.0650231064176459)
    assert 0 <= runner.state.coverage <= 1
    assert set(codes) == {(7, "error-above-limit")}
    assert runner.state.newest == "2026-01-14 01:00:00"  # what is scored too badly is forecast all the same


def test_intervals_adapt_once_enough_is_scored_and_until_then_the_limit_is_kept_and_printed(folder):
    runner, counts = Runner(folder, "levels: [80]"), []
    for number in range(15):
        if number:
            add_row(folder, 100.0 + (number - 1) % 5)
        with keep_log(logging.INFO) as records:
            state = runner.execute()
        limits = state.notes
        printed = [
            record.getMessage()
            for record in records
            if "adapts to its coverage once 10 forecasts" in record.getMessage()
        ]
        assert len(printed) == len(limits)
        assert {each["code"] for each in limits} <= {"too-few-scored-to-adapt"}
        counts += [each["detail"]["scored"] for each in limits]
        assert state.warnings == ()
    assert counts == [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]  # the sixth step is scored six hours later
    adaptive = (folder / "out/load.csv").read_text().splitlines()
    Runner(folder, "levels: [80], intervals: static").execute()  # with the same store
    static = (folder / "out/load.csv").read_text().splitlines()
    assert [line.split(",")[:5] for line in static] == [line.split(",")[:5] for line in adaptive]
    assert static != adaptive


def test_static_intervals_have_no_limits_of_adaptive_ones(folder):
    assert Runner(folder, "intervals: static").execute().notes == ()


def test_data_that_age_are_a_warning_next_to_others(folder):
    runner = Runner(folder, f"{PREDICT}, max_age: {{warn: 3h}}")
    runner.execute()
    runner.state = runner.state.update(warnings=({"code": "other-warning"},))
    _Clock.moment += timedelta(hours=5)
    assert "aging-data" in {each["code"] for each in runner.execute().warnings}
    stored = runner.state.warnings
    _Clock.moment += timedelta(hours=1)
    assert runner.execute().warnings == stored  # once is enough


def test_filled_late_steps_do_not_make_a_forecast_one_of_the_fallback(folder):
    runner = Runner(folder, f"{PREDICT}, set: {{data.late: {{steps: 3, policy: fill}}}}")
    share = runner.execute().fallback_share
    lines = (folder / "load.csv").read_text().splitlines()
    (folder / "load.csv").write_text("\n".join([*lines[:-1], lines[-1].partition(",")[0] + ","]) + "\n")
    assert runner.execute().fallback_share == share
    assert "(late: fill)" in (folder / "out/load.csv").read_text()


@pytest.mark.parametrize("error", [DataError, Diverged, Locked, InputOutputFailed])
def test_a_training_that_fails_leaves_the_version_in_use_to_forecast(folder, training, error):
    runner = Runner(folder, "retrain: {rows: 1}")
    runner.execute()
    before = (folder / "out/load.csv").read_text()
    training.errors = [error([Problem("infinite-fill")])]
    add_row(folder)
    with pytest.raises(error):
        runner.execute()
    assert (folder / "out/load.csv").read_text() != before
    assert (folder / "out/load.csv").read_text() == forecast_directly(folder)
    assert not (folder / "out/load.csv.stale").exists()
    assert "train" not in runner.state.done
    runner.execute()
    assert len(training.calls) == 2


def test_a_first_training_that_fails_is_the_only_error(folder, training):
    shutil.rmtree(folder / "runs/load")
    training.errors = [Diverged(Problem("infinite-fill"))]
    with pytest.raises(Diverged) as failed:
        Runner(folder, "").execute()
    assert [problem.code for problem in failed.value.problems] == ["infinite-fill"]


def test_errors_of_several_steps_are_reported_together(folder, training):
    runner = Runner(folder, "retrain: {rows: 1, fail_if_worse: true}")
    runner.execute()
    training.errors = [Diverged(Problem("infinite-fill"))]
    add_row(folder, 9_999_999.0)
    with pytest.raises(DataError) as failed:
        runner.execute()
    codes = [problem.code for problem in failed.value.problems]
    assert codes[0] == "infinite-fill"
    assert len(codes) > 1


def test_drift_that_a_score_finds_leads_to_a_training_in_the_same_run(folder, training, monkeypatch):
    runner = Runner(folder, "retrain: {on_drift: true}")
    runner.execute()
    add_row(folder)
    runner.execute()
    assert training.calls == []

    def find_drift(task, state, now):
        return state.update(drift=True), None

    monkeypatch.setattr("forecaster.jobs.score_stored.score_stored_forecasts", find_drift)
    add_row(folder)
    state = runner.execute()
    assert len(training.calls) == 1
    assert state.done.keys() == {"score", "train", "predict"}
