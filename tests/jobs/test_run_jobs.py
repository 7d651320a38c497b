"""`forecast run`: order, retries, limits, interruptions, and what is written about them; jobs are fakes."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forecaster.engine_workers import open_workers
from forecaster.errors import InputOutputFailed, Locked, UsageError, make_output_error
from forecaster.jobs import run_jobs as run_jobs_module
from forecaster.jobs.job import Job, LoadedJobs
from forecaster.jobs.plan import plan_jobs
from forecaster.jobs.run_jobs import JobResult, RunOptions, describe_failure, describe_recovery, run_jobs
from forecaster.jobs.status import Outcome, read_status
from forecaster.problems import Problem
from forecaster.runs import hold_lock
from forecaster.shard import Shard, parse_shard
from forecaster.workers import Workers
from tests.helpers import job_tasks
from tests.helpers.command import ROOT


@pytest.fixture(autouse=True)
def short_grace(monkeypatch):
    monkeypatch.setattr(run_jobs_module, "open_workers", functools.partial(open_workers, grace=0.5))


@pytest.fixture(scope="module")
def worker():
    with Workers(job_tasks.execute, 1) as workers:
        yield workers


@pytest.fixture
def one_worker(worker, monkeypatch):
    """All runs have one worker, which stays, since it is not the point."""
    monkeypatch.setattr(run_jobs_module, "open_workers", lambda *arguments, **options: contextlib.nullcontext(worker))


def make_jobs(folder: Path, *names: str, **options) -> LoadedJobs:
    """Jobs of these names, with the options of `options[NAME]` or of all."""
    common = {"retries": 0, "backoff": 0.01} | {k: v for k, v in options.items() if k not in names}
    jobs = [
        Job(name, name, index, f"jobs.yaml:{index + 1}:1", (), None, folder / "runs" / name, "predict", **common)
        for index, name in enumerate(names)
    ]
    jobs = [replace(job, **options.get(job.name, {})) for job in jobs]
    (folder / "jobs.yaml").touch()
    return LoadedJobs(folder / "jobs.yaml", tuple(jobs), None, None, None, None)


def run(loaded: LoadedJobs, received=(), **options):
    return run_jobs(loaded, RunOptions(**options), received, job_tasks.execute)


def write_log(folder: Path) -> list[str]:
    return (folder / "log").read_text().split()


def test_a_failure_a_crash_a_hang_and_a_memory_death_touch_no_other_job(tmp_path):
    for name, does in {"bad": "fail", "dead": "crash", "stuck": "hang", "large": "fill"}.items():
        (tmp_path / f"{name}.do").write_text(does)
    names = ("good", "bad", "dead", "stuck", "large", "last")
    loaded = make_jobs(tmp_path, *names, stuck={"timeout": 0.3}, large={"memory": 200 * 10**6})
    summary = run(loaded, processes=2)
    outcomes = {each.job.name: (each.after.outcome, each.after.exit_code) for each in summary.jobs}
    assert outcomes == {
        "good": ("done", 0),
        "bad": ("failed", 4),
        "dead": ("failed", 1),
        "stuck": ("failed", 143),
        "large": ("failed", 1),
        "last": ("done", 0),
    }
    assert summary.exit_code == 3
    lines = dict(line.split(": ", 1) for line in map(describe_failure, summary.failures))
    assert lines["bad"] == "exit 4: bad.csv: no rows; expected at least one (and 1 more)"
    assert lines["dead"].startswith("exit 1: its process ended with exit code 3; find out why with: forecast run jobs")
    assert lines["stuck"].startswith("exit 143: the time limit of 0.3 seconds was reached")
    assert lines["large"].startswith("exit 1: it used more than its memory of 0.2 GB")
    written = json.loads((tmp_path / "status.json").read_text())
    assert {name: job["exit_code"] for name, job in written["jobs"].items()} == {k: v for k, (_, v) in outcomes.items()}


@pytest.mark.usefixtures("one_worker")
@pytest.mark.parametrize(
    ("does", "code"),
    [
        ({"a": "done", "b": "done"}, 0),
        ({"a": "fail", "b": "fail"}, 4),
        ({"a": "fail", "b": "locked"}, 3),
        ({"a": "fail", "b": "done"}, 3),
    ],
)
def test_the_exit_code_is_that_of_all_jobs_or_3(tmp_path, does, code):
    for name, what in does.items():
        (tmp_path / f"{name}.do").write_text(what)
    assert run(make_jobs(tmp_path, *does)).exit_code == code


@pytest.mark.usefixtures("one_worker")
def test_jobs_run_by_priority_then_in_the_order_of_the_file(tmp_path):
    run(make_jobs(tmp_path, "a", "b", "c", "d", c={"priority": 5}, a={"priority": -1}))
    assert write_log(tmp_path) == ["c", "b", "d", "a"]


@pytest.mark.usefixtures("one_worker")
def test_only_the_selected_jobs_run_and_the_others_keep_their_state(tmp_path):
    loaded = make_jobs(tmp_path, "north", "south", "nord", south={"tags": ("warm",)})
    run(loaded)
    assert [each.job.name for each in run(loaded, only=("nor*",)).jobs] == ["north", "nord"]
    assert [each.job.name for each in run(loaded, tags=("warm",)).jobs] == ["south"]
    status = read_status(tmp_path / "status.json", loaded.path)
    assert (status.runs, [*status.jobs]) == (3, ["north", "south", "nord"])
    with pytest.raises(UsageError, match="selects no job"):
        run(loaded, only=("west",))


@pytest.mark.usefixtures("one_worker")
def test_what_may_pass_is_tried_again_after_pauses_that_double(tmp_path):
    (tmp_path / "a.do").write_text("locked crash done")
    loaded = make_jobs(tmp_path, "a", "b", retries=2, backoff=0.2)
    started = time.monotonic()
    summary = run(loaded)
    assert time.monotonic() - started > 0.2 + 0.4
    assert summary.exit_code == 0
    assert summary.jobs[0].after.attempts == 3
    assert write_log(tmp_path) == ["a", "b", "a", "a"]  # a pause keeps no other job from running


@pytest.mark.usefixtures("one_worker")
def test_retries_end_and_what_is_wrong_with_data_is_not_tried_again(tmp_path):
    (tmp_path / "a.do").write_text("locked")
    (tmp_path / "b.do").write_text("fail")
    summary = run(make_jobs(tmp_path, "a", "b", retries=2))
    assert [(each.after.exit_code, each.after.attempts) for each in summary.jobs] == [(75, 3), (4, 1)]
    assert sorted(write_log(tmp_path)) == ["a", "a", "a", "b"]


def test_a_signal_stops_the_jobs_at_work_and_the_next_run_continues(tmp_path):
    (tmp_path / "a.do").write_text("wait done")
    received: list[int] = []
    threading.Thread(target=lambda: (wait_for(tmp_path / "a.waits"), received.append(15)), daemon=True).start()
    loaded = make_jobs(tmp_path, "a", "b")
    summary = run(loaded, received)
    assert summary.exit_code == 143
    assert [each.is_finished for each in summary.jobs] == [False, False]
    assert summary.problems[0].detail == {"left": 2}
    assert (summary.jobs[0].after.outcome, summary.jobs[1].after.outcome) == ("interrupted", None)
    assert summary.failures == []
    assert run(loaded).exit_code == 0
    assert write_log(tmp_path) == ["a", "a", "b"]


def test_the_time_limit_of_a_run_stops_it(tmp_path):
    (tmp_path / "a.do").write_text("hang")
    summary = run(make_jobs(tmp_path, "a", "b"), timeout=0.5)
    assert summary.exit_code == 143
    assert str(summary.problems[0]).startswith("--timeout 0.5 seconds: the time limit was reached with 2 jobs left")
    assert {each.job.name: each.is_finished for each in summary.jobs} == {"a": False, "b": False}


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


RUN = """
import sys
from pathlib import Path
from tests.jobs.test_run_jobs import make_jobs, run
print(run(make_jobs(Path(sys.argv[1]), "a")).exit_code)
"""


# Eight runs of the jobs of a folder at once: seven end, then the last is killed at work; their exit codes in that order.
EIGHT_RUNS = """
import os, signal, sys
from pathlib import Path
from forecaster.errors import Locked
from tests.jobs.test_run_jobs import make_jobs, run, wait_for

folder, children = Path(sys.argv[1]), set()
for _ in range(8):
    if not (child := os.fork()):
        code = 1
        try:
            code = run(make_jobs(folder, "a")).exit_code
        except Locked as error:
            code = error.exit_code
            assert "another forecast run is at work" in str(error)
        finally:
            os._exit(code)
    children.add(child)
while children:
    if len(children) == 1:
        wait_for(folder / "a.waits")
        os.kill(*children, signal.SIGKILL)
    child, status = os.wait()
    children.remove(child)
    print(os.waitstatus_to_exitcode(status))
"""


def start(folder: Path, script: str = RUN) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_after_kill_9_between_two_steps_the_next_run_does_the_second_step_alone(tmp_path):
    (tmp_path / "a.do").write_text("steps")
    process = start(tmp_path)
    wait_for(tmp_path / "a.waits")
    wait_for(tmp_path / "status.json")
    deadline = time.monotonic() + 60
    while "score" not in (tmp_path / "status.json").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()
    summary = run(make_jobs(tmp_path, "a"))
    assert summary.exit_code == 0
    assert (tmp_path / "steps").read_text().split() == ["score", "predict"]
    assert summary.jobs[0].after.done == {"score": "key", "predict": "key"}


def test_of_eight_runs_at_once_one_works_and_seven_are_locked_out(tmp_path):
    (tmp_path / "a.do").write_text("wait done")
    codes, errors = start(tmp_path, EIGHT_RUNS).communicate(timeout=60)
    assert (codes.split(), errors) == (["75"] * 7 + ["-9"], "")
    assert write_log(tmp_path) == ["a"]
    assert run(make_jobs(tmp_path, "a")).exit_code == 0


def test_a_locked_folder_is_exit_75(tmp_path):
    loaded = make_jobs(tmp_path, "a")
    with (
        hold_lock(loaded.lock_file, Problem("locked-jobs")),
        pytest.raises(Locked, match="another forecast run") as locked,
    ):
        run(loaded)
    assert locked.value.exit_code == 75
    assert not (tmp_path / "status.json").exists()


@pytest.mark.usefixtures("one_worker")
def test_a_failure_that_is_repeated_and_a_recovery_are_known_as_such(tmp_path):
    (tmp_path / "a.do").write_text("fail fail locked done done")
    loaded = make_jobs(tmp_path, "a")
    found = []
    for _ in range(5):
        (result,) = run(loaded).jobs
        found.append((result.after.exit_code, result.is_repeated, result.is_recovered))
    assert found == [(4, False, False), (4, True, False), (75, False, False), (0, False, True), (0, False, False)]


@pytest.mark.usefixtures("one_worker")
def test_a_recovery_names_how_long_the_failure_lasted(tmp_path):
    (job,) = make_jobs(tmp_path, "a").jobs
    failed = Outcome(outcome="failed", exit_code=4, since=datetime(2026, 1, 1, 3, tzinfo=UTC))
    done = Outcome(outcome="done", since=datetime(2026, 1, 2, 5, tzinfo=UTC))
    assert describe_recovery(JobResult(job, failed, done)) == "a: recovered after 1 day 2 hours from exit 4"


@pytest.mark.usefixtures("one_worker")
def test_times_of_an_outcome_are_those_of_its_changes(tmp_path):
    (tmp_path / "a.do").write_text("done fail fail")
    loaded = make_jobs(tmp_path, "a")
    first, second, third = (run(loaded).jobs[0].after for _ in range(3))
    assert first.last_success == first.last_attempt == first.since
    assert second.last_success == third.last_success == first.last_attempt
    assert second.since == third.since == second.last_attempt < third.last_attempt


@pytest.mark.usefixtures("one_worker")
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": 2, "jobs_file": "jobs.yaml", "runs": 1, "jobs": {}}',
        '{"format": 1, "jobs_file": "jobs.yaml", "runs": 1, "jobs": {"a": 3}}',
        '{"format": 1, "jobs_file": "jobs.yaml", "runs": 1, "jobs": {"a": {"since": "yesterday"}}}',
        '{"format": 1, "jobs_file": "jobs.yaml", "runs": 1, "jobs": {"a": {"done": {"predict": 3}}}}',
        '{"format": 1, "jobs_file": "jobs.yaml", "runs": 1, "jobs": {"a": {"done": [1], "last_training": 7}}}',
        '{"format": 1, "jobs_file": "jobs.yaml", "runs": "x", "jobs": {}}',
        '{"format": 1, "jobs_file": "jobs.yaml", "runs": 1, "jobs": []}',
        "[" * 100_000,
    ],
)
def test_a_damaged_status_is_kept_aside_and_nobody_has_to_act(tmp_path, content):
    loaded = make_jobs(tmp_path, "a")
    planned = [plan.to_json() for plan in plan_jobs(loaded, datetime.now(UTC))]
    (tmp_path / "status.json").write_text(content)
    assert [plan.to_json() for plan in plan_jobs(loaded, datetime.now(UTC))] == planned
    assert (tmp_path / "status.json").read_text() == content
    summary = run(loaded)
    assert (summary.exit_code, summary.status.runs) == (0, 1)
    assert (tmp_path / "status.json.damaged").read_text() == content
    assert json.loads((tmp_path / "status.json").read_text())["jobs"]["a"]["outcome"] == "done"


@pytest.mark.usefixtures("one_worker")
def test_a_second_jobs_file_in_a_folder_is_refused_and_a_renamed_one_is_not(tmp_path):
    loaded = make_jobs(tmp_path, "a")
    run(loaded)
    other = replace(loaded, path=tmp_path / "other.yaml")
    with pytest.raises(UsageError, match=r"the status of jobs\.yaml, which is in the same folder"):
        run(other)
    (tmp_path / "jobs.yaml").unlink()
    assert run(other).status.runs == 2


@pytest.mark.usefixtures("one_worker")
def test_a_status_that_cannot_be_written_for_a_while_stops_no_job(tmp_path, monkeypatch):
    loaded = make_jobs(tmp_path, "a", "b")
    write, calls = run_jobs_module.Status.write, []

    def fail_at_first(status):
        calls.append(1)
        if len(calls) > 1:
            raise make_output_error(OSError(28, "No space left on device"), status.path)
        write(status)

    monkeypatch.setattr(run_jobs_module.Status, "write", fail_at_first)
    summary = run(loaded)
    assert write_log(tmp_path) == ["a", "b"]
    assert (summary.exit_code, len(summary.errors)) == (74, 1)


@pytest.mark.usefixtures("one_worker")
def test_the_metrics_file_is_written_after_a_run_and_its_failure_is_an_exit_code(tmp_path):
    loaded = make_jobs(tmp_path, "a")
    assert run(loaded, metrics_file=tmp_path / "jobs.prom").exit_code == 0
    assert 'forecast_job_exit_code{name="a"' in (tmp_path / "jobs.prom").read_text()
    assert run(loaded, metrics_file=tmp_path / "missing/jobs.prom").exit_code == 73


def test_the_status_has_no_number_that_json_does_not(tmp_path):
    assert Outcome().update(error_now=float("nan"), skill=float("inf")).error_now is None
    assert Outcome.model_validate_json(Outcome(coverage=0.5).model_dump_json()).coverage == 0.5


def test_the_parent_imports_no_library_of_arrays():
    script = "import sys, forecaster.jobs.run_jobs; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "onnxruntime", "matplotlib", "scipy", "tensorflow"} & set(modules)


def list_workers() -> list[str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    found = children.read_text().split() if children.exists() else []
    return [each for each in found if b"forecaster.workers" in Path(f"/proc/{each}/cmdline").read_bytes()]


def test_workers_are_gone_after_a_signal(tmp_path):
    before = list_workers()
    (tmp_path / "a.do").write_text("wait")
    received: list[int] = []
    threading.Thread(target=lambda: (wait_for(tmp_path / "a.waits"), received.append(signal.SIGINT))).start()
    assert run(make_jobs(tmp_path, "a"), received).exit_code == 130
    assert list_workers() == before


def test_a_status_too_large_to_read_stops_a_run_and_its_plan(tmp_path):
    loaded = make_jobs(tmp_path, "a")
    (tmp_path / "status.json").touch()
    os.truncate(tmp_path / "status.json", 1 << 30)
    with pytest.raises(InputOutputFailed, match="larger"):
        plan_jobs(loaded, datetime.now(UTC))
    with pytest.raises(InputOutputFailed, match="larger"):
        run(loaded)


def test_shards_run_at_the_same_time_and_share_the_status(tmp_path):
    names = [f"j{number}" for number in range(5)]
    (tmp_path / "j0.do").write_text("wait done")
    loaded, received = make_jobs(tmp_path, *names), []
    first = threading.Thread(target=lambda: run(loaded, received, shard=Shard(1, 2)))
    first.start()
    wait_for(tmp_path / "j0.waits")
    second = run(loaded, shard=Shard(2, 2))
    assert [each.job.name for each in second.jobs] == ["j1", "j3"]
    for refused in ({"shard": Shard(1, 2)}, {"shard": Shard(3, 3)}, {}):  # the same jobs would run twice
        with pytest.raises(Locked):
            run(loaded, **refused)
    received.append(15)
    first.join()
    states = json.loads((tmp_path / "status.json").read_text())["jobs"]
    assert {name: job["outcome"] for name, job in states.items()} == {
        "j0": "interrupted",
        "j1": "done",
        "j2": None,
        "j3": "done",
        "j4": None,
    }
    run(loaded, shard=Shard(1, 2))
    run(loaded, only=("j1",))
    states = json.loads((tmp_path / "status.json").read_text())["jobs"]
    assert {job["outcome"] for job in states.values()} == {"done"}


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", ""])
def test_a_shard_is_a_number_and_a_count(text):
    assert parse_shard("2/4") == Shard(2, 4)
    assert [Shard(number, 3).select(range(7)) for number in (1, 2, 3)] == [[0, 3, 6], [1, 4], [2, 5]]
    with pytest.raises(UsageError, match="--shard"):
        parse_shard(text)
