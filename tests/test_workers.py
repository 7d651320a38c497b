"""Whatever a task does to its worker process, it ends as one outcome of that task, and the next task is done."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from forecaster.problems import Problem
from forecaster.workers import Ended, Reported, Workers, read_memory
from tests.helpers import tasks
from tests.helpers.command import ROOT
from tests.helpers.logs import keep_log

GRACE = 0.5


def finish(workers, count=1):
    """The ends of the next tasks."""
    events = []
    until = time.monotonic() + 60
    while len(events) < count:
        assert time.monotonic() < until
        event = workers.wait(1)
        events += [event] if isinstance(event, Ended) else []
    return events


def do(task, **limits):
    """The end of a task, after which the same workers must do another."""
    with Workers(tasks.work, 1, GRACE) as workers:
        workers.start(task, **limits)
        (ended,) = finish(workers)
        workers.start(("double", 4))
        assert finish(workers)[0].result == 8
    return ended


@pytest.mark.parametrize(
    ("task", "limits", "how", "detail"),
    [
        (("fail",), {}, "failed", 4),
        (("fault",), {}, "failed", 1),
        (("unpicklable",), {}, "failed", 1),
        (("leave", 3), {}, "crashed", 3),
        (("die", signal.SIGSEGV), {}, "crashed", -signal.SIGSEGV),
        (("die", signal.SIGKILL), {}, "crashed", -signal.SIGKILL),
        (("wait",), {"seconds": 0.3}, "timeout", 128 + signal.SIGTERM),
        (("hang",), {"seconds": 0.3}, "timeout", -signal.SIGKILL),
        (("freeze",), {"seconds": 0.3}, "timeout", -signal.SIGKILL),
        (("fill", 400 << 20), {"memory": 200 << 20}, "memory", -signal.SIGKILL),
        (("run_out",), {}, "memory", 1),
    ],
)
def test_a_task_that_goes_wrong_is_one_outcome_and_the_next_is_done(task, limits, how, detail):
    ended = do(task, **limits)
    code = ended.returncode if ended.error is None else ended.error.exit_code
    assert (ended.task, ended.how, code) == (task, how, detail)


def test_a_failure_comes_with_its_problems_and_its_traceback():
    ended = do(("fail",))
    assert ended.error.problems == (Problem("no-rows", "x.csv"),)
    assert "in fail" in ended.trace


def test_a_stop_while_a_process_starts_reaches_its_first_task():
    with Workers(tasks.work, 1, grace=None) as workers:  # which never kills
        workers.start(("wait",))
        workers.stop()
        (ended,) = finish(workers)
    assert (ended.how, ended.error.exit_code) == ("stopped", 128 + signal.SIGTERM)


def test_a_failure_touches_no_task_next_to_it():
    with Workers(tasks.work, 2, GRACE) as workers:
        workers.start(("wait",))
        workers.start(("leave", 3))
        assert workers.is_full
        assert finish(workers)[0].how == "crashed"
        assert (workers.tasks, workers.is_full) == ([("wait",)], False)
        workers.start(("large", 3 << 20))
        assert len(finish(workers)[0].result) == 3 << 20
        workers.stop()
        assert finish(workers)[0].how == "stopped"


def test_one_process_does_many_tasks_and_what_they_log_is_logged_with_its_problems():
    with keep_log() as records, Workers(tasks.work, 1) as workers:
        processes = set()
        for number in range(3):
            workers.start(("double", number))
            assert workers.wait(60) == Reported(("double", number), ("half way", number))
            finish(workers)
            workers.start(("identify",))
            processes.add(finish(workers)[0].result)
    assert len(processes) == 1
    assert [record.args for record in records] == [(Problem("no-rows", f"{number}.csv"),) for number in range(3)]


def test_a_worker_that_is_full_of_an_earlier_task_is_replaced_before_a_limit_is_charged_to_the_next():
    with Workers(tasks.work, 1) as workers:
        found = []
        # The last lasts until it is ended: one that is done at once may be done before its memory is looked at.
        for task, memory in (("identify", None), ("identify", 1 << 40), ("wait", 1 << 20)):
            workers.start((task,), memory=memory)
            found.append(finish(workers)[0])
    first, second, third = (each.result or each.returncode for each in found)
    assert first == second
    assert (found[2].how, third) == ("memory", -signal.SIGKILL)


def test_the_processor_is_divided(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    with Workers(tasks.work, 3) as workers:
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            workers.start(("environment", name))
            assert finish(workers)[0].result == "2"


def test_a_task_may_have_processes_itself():
    assert do(("nested", [1, 2, 3])).result == [2, 4, 6]


def test_a_stop_waits_for_a_task_to_save_its_state_and_kills_one_that_does_not():
    with Workers(tasks.work, 2, GRACE) as workers:
        workers.start(("wait",))
        workers.start(("hang",))
        workers.wait(60), workers.wait(60)
        workers.stop()
        ends = {ended.task[0]: ended for ended in finish(workers, 2)}
    assert {name: ended.how for name, ended in ends.items()} == {"wait": "stopped", "hang": "stopped"}
    assert ends["wait"].error.exit_code == 143
    assert ends["hang"].returncode == -signal.SIGKILL


def test_a_worker_outlives_neither_its_workers_nor_their_parent_kill_9_included():
    script = (
        "from tests.helpers import tasks; from forecaster.workers import Workers\n"
        "with Workers(tasks.work, 2) as workers:\n"
        "    for task in ('hang', 'supervise'):\n"
        "        workers.start((task,))\n"
        "        print(workers.wait(60).content, flush=True)\n"
        "    workers.wait(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    numbers = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.communicate()
    for number in numbers:
        assert has_ended(number)


def has_ended(process):
    for _ in range(100):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, 0)
            time.sleep(0.05)
            continue
        return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_read_with_that_of_children():
    held = "import time; held = b'x' * (100 << 20); print('held', flush=True); time.sleep(60)"
    alone = read_memory(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE, text=True)
    try:
        child.stdout.readline()
        assert 100 << 20 < read_memory(os.getpid()) - alone < 300 << 20
    finally:
        child.kill()
        child.communicate()
    assert read_memory(child.pid) is None
