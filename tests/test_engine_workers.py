"""Tasks on a Ray cluster end as those in processes of this machine do; one real cluster serves all tests."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from forecaster import engine_workers
from forecaster.api import fold_trainings
from forecaster.cli.options import EngineKind, choose_engine
from forecaster.engine import Engine
from forecaster.engine_workers import open_workers
from forecaster.errors import Diverged, InputOutputFailed, UsageError
from forecaster.extras import is_installed
from forecaster.jobs.run_jobs import RunOptions, run_jobs
from forecaster.parallel import run_in_processes
from forecaster.problems import Problem
from forecaster.workers import Reported, Workers
from tests.helpers import job_tasks, jobs, tasks
from tests.helpers.command import ROOT
from tests.helpers.logs import keep_log
from tests.jobs.test_run_jobs import make_jobs
from tests.test_workers import finish

needs_ray = pytest.mark.skipif(not is_installed("ray"), reason="the extra ray is not installed")
SHARED = ROOT / "pyproject.toml"


def find_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


CLIENT_PORT = find_free_port()


# Starts a head without processors, and two nodes with one each.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster(shutdown_at_exit=False)
small = {"object_store_memory": 80_000_000}
head = {"temp_dir": sys.argv[1], "ray_client_server_port": int(sys.argv[2]), "include_dashboard": False}
cluster.add_node(num_cpus=0, **head, **small)
for _ in range(2):
    cluster.add_node(num_cpus=1, **small)
print(cluster.address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster():
    """The address of the cluster."""
    temporary = f"/tmp/ray-{os.getpid()}"  # its sockets need a short path
    os.environ["RAY_AUTH_MODE"] = "disabled"  # whatever token the home of the user has
    # A node that was killed is noticed after five checks, which would come every three seconds.
    options = {"RAY_health_check_period_ms": "400", "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-c", CLUSTER, temporary, str(CLIENT_PORT)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    try:
        with subprocess.Popen(command, env=environment, **pipes) as process:
            yield process.stdout.readline().strip()
            process.kill()
    finally:
        for node in find_processes(temporary):
            with contextlib.suppress(ProcessLookupError):
                os.kill(node, signal.SIGKILL)
        subprocess.run(["rm", "-rf", temporary], check=True)
        del os.environ["RAY_AUTH_MODE"]


def find_processes(text: str) -> list[int]:
    """Find the processes whose command line has a text, except this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text in (folder / "cmdline").read_text() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def find_parent(process: int) -> int:
    return int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1])


def end(workers, task, **limits):
    workers.start(task, **limits)
    return finish(workers)[0]


TASKS = (
    (("double", 4), {}),
    (("fail",), {}),
    (("fault",), {}),
    (("leave", 3), {}),
    (("hang",), {"seconds": 0.3}),
    (("fill", 400 << 20), {"memory": 200 << 20}),
    (("double", 5), {}),
)


@needs_ray
@pytest.mark.slow
def test_tasks_end_and_log_on_a_cluster_as_in_processes(cluster):
    ends = {}
    for engine in (Engine(), Engine("ray", cluster)):
        with keep_log() as records, open_workers(engine, tasks.work, 1, shared=SHARED, grace=0.5) as workers:
            found = [end(workers, task, **limits) for task, limits in TASKS]
        described = [(each.task, each.how, each.result, str(each.error), each.returncode) for each in found]
        ends[engine.kind] = described, [record.args for record in records]
    assert ends["ray"] == ends["processes"]
    assert [how for _, how, *_ in ends["ray"][0]] == [
        "done",
        "failed",
        "failed",
        "crashed",
        "timeout",
        "memory",
        "done",
    ]


@needs_ray
@pytest.mark.slow
def test_jobs_run_on_a_cluster_with_the_outcomes_of_processes(cluster, tmp_path):
    outcomes = {}
    for engine in (Engine(), Engine("ray", cluster)):
        folder = tmp_path / engine.kind
        folder.mkdir()
        for name, does in {"bad": "fail", "dead": "crash done", "busy": "locked done"}.items():
            (folder / f"{name}.do").write_text(does)
        loaded = make_jobs(folder, "good", "bad", "dead", "busy", retries=1)
        summary = run_jobs(loaded, RunOptions(processes=2, engine=engine), [], job_tasks.execute)
        values = [
            (each.job.name, each.after.outcome, each.after.exit_code, each.after.attempts) for each in summary.jobs
        ]
        outcomes[engine.kind] = values, summary.exit_code
    assert outcomes["ray"] == outcomes["processes"]
    assert outcomes["ray"][0] == [
        ("good", "done", 0, 1),
        ("bad", "failed", 4, 1),
        ("dead", "done", 0, 2),
        ("busy", "done", 0, 2),
    ]


@needs_ray
@pytest.mark.slow
def test_nodes_with_other_files_or_another_version_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(engine_workers, "_identify", lambda path: (0, "other"))
    with pytest.raises(InputOutputFailed) as found, open_workers(Engine("ray", cluster), tasks.work, 1, shared=SHARED):
        pass
    assert found.value.problems[0].code == "path-not-shared"
    monkeypatch.setattr(engine_workers, "__version__", "0.0.1")
    with pytest.raises(InputOutputFailed) as found, open_workers(Engine("ray", cluster), tasks.work, 1, shared=SHARED):
        pass
    assert (found.value.problems[0].code, found.value.exit_code) == ("other-version-on-node", 74)


@needs_ray
@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_an_error_with_its_address():
    with (
        pytest.raises(InputOutputFailed) as found,
        open_workers(Engine("ray", "127.0.0.1:9"), tasks.work, 1, shared=SHARED),
    ):
        pass
    assert str(found.value).startswith("127.0.0.1:9: no Ray cluster answers (")


class LostActor:
    """A worker of a cluster that is lost before its task ends; its methods are called as those of an actor."""

    def __getattr__(self, name):
        return types.SimpleNamespace(remote=lambda *arguments: object())


class LosingRay:
    """A cluster of one processor that loses every worker."""

    class exceptions:  # noqa: N801  as in Ray
        RayError = RuntimeError

    def __init__(self) -> None:
        self.started = 0

    def put(self, content):
        return content

    def remote(self, kind):
        return types.SimpleNamespace(options=lambda **options: types.SimpleNamespace(remote=self._start))

    def _start(self, *arguments):
        self.started += 1
        return LostActor()

    def cluster_resources(self):
        return {"CPU": 1.0}

    def wait(self, polls, num_returns, timeout):
        return polls[:1], polls[1:]

    def get(self, reference, timeout=None):
        raise RuntimeError("The actor died.\nMore of it.")

    def kill(self, actor) -> None:
        pass


def test_a_task_whose_workers_are_lost_three_times_fails_with_its_reason():
    ray = LosingRay()
    workers = engine_workers.RayWorkers(ray, tasks.work, 1, SHARED, 0.5, None)
    with keep_log() as records:
        workers.start(("double", 4))
        ended = workers.wait(5)
    assert (ended.how, ended.task, ended.error.exit_code) == ("failed", ("double", 4), 74)
    assert ended.error.problems == (Problem("lost-worker", detail={"times": 3, "reason": "The actor died."}),)
    assert (ray.started, workers.tasks, workers.is_full) == (3, [], False)
    assert [record.args[0].code for record in records] == ["restarted-task"] * 2
    workers.start(("double", 5))  # the count begins again with each task
    assert workers.wait(5).error.problems[0].detail["times"] == 3
    assert ray.started == 6


def test_processes_are_the_default_and_an_option_replaces_what_the_jobs_file_has():
    with open_workers(Engine(), tasks.work, None, shared=SHARED) as workers:
        assert isinstance(workers, Workers)
    cluster = Engine("ray", "10.0.0.5:6379")
    assert choose_engine(None, None) == Engine("processes", None)
    assert choose_engine(None, None, cluster) == cluster
    assert choose_engine(EngineKind.RAY, None, cluster) == cluster
    assert choose_engine(EngineKind.PROCESSES, None, cluster) == Engine()
    assert choose_engine(None, "10.0.0.6:6379", cluster) == Engine("ray", "10.0.0.6:6379")
    with pytest.raises(UsageError) as found:
        choose_engine(EngineKind.PROCESSES, "10.0.0.6:6379")
    assert found.value.problems == (Problem("address-of-processes", "--address 10.0.0.6:6379"),)


def test_the_extra_is_named_where_ray_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UsageError, match=r"pip install 'recurrent-forecast\[ray\]'"),
        open_workers(Engine("ray"), tasks.work, 1, shared=SHARED),
    ):
        pass


@needs_ray
@pytest.mark.slow
def test_trainings_of_an_ensemble_run_on_a_cluster_and_the_first_failure_stops_the_others(cluster):
    assert run_in_processes(jobs.work, [1, 2, 3], None, [], Engine("ray", cluster), SHARED) == [2, 4, 6]
    with pytest.raises(Diverged):
        run_in_processes(jobs.work, ["wait", "fail"], 2, [], Engine("ray", cluster), SHARED)


@needs_ray
@pytest.mark.slow
def test_a_cluster_is_used_from_a_machine_outside_of_it(cluster):
    engine = Engine("ray", f"ray://127.0.0.1:{CLIENT_PORT}")
    with open_workers(engine, tasks.work, 1, shared=SHARED) as workers:
        assert end(workers, ("double", 4)).result == 8


def test_the_networks_of_a_backtest_that_are_not_trained_yet_are_trained_in_their_folders(tmp_path, monkeypatch):
    folds = types.SimpleNamespace(trainings=[range(2), range(2, 4), range(4, 5)], count=5, plan_training=str)
    trained = []
    monkeypatch.setattr(fold_trainings, "make_work_folder", lambda folds, folder: folder)
    monkeypatch.setattr(fold_trainings, "list_versions", lambda run: ["v"] if run.name == "training-003" else [])
    monkeypatch.setattr(
        fold_trainings, "run_in_processes", lambda work, jobs, *others: [work(each, []) for each in jobs]
    )
    train = lambda *arguments: types.SimpleNamespace(version=trained.append(arguments))  # noqa: E731
    monkeypatch.setattr(fold_trainings, "load_training", lambda feature: train)
    fold_trainings.train_folds(folds, tmp_path, [], Engine(), 2)
    assert trained == [("0", tmp_path / "training-001", [], False), ("4", tmp_path / "training-005", [], False)]


@needs_ray
@pytest.mark.slow
def test_the_task_of_a_node_that_is_killed_starts_again_on_another_and_a_stop_reaches_it(cluster):
    """The last test, since it leaves one node alone."""
    with keep_log() as records, open_workers(Engine("ray", cluster), tasks.work, 1, shared=SHARED) as workers:
        workers.start(("wait",))
        first = wait_for_report(workers)
        os.kill(find_parent(find_parent(first)), signal.SIGKILL)  # the raylet of the worker that supervises the task
        second = wait_for_report(workers)
        assert second != first
        assert find_parent(second)
        workers.stop()
        (ended,) = finish(workers)
    assert ended.how == "stopped"
    assert [record.args[0].code for record in records] == ["restarted-task"]


def wait_for_report(workers):
    until = time.monotonic() + 120
    while time.monotonic() < until:
        event = workers.wait(1)
        if isinstance(event, Reported):
            return event.content
        assert event is None
    raise AssertionError("no report")
