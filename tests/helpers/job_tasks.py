"""What the tests of `forecast run` have done as jobs in worker processes, which import this file.

The file `NAME.do` next to the jobs file lists what the attempts of a job do: `done`, `crash`, `wait`, ...; its last line
is repeated. Each attempt adds a line to `log`.
"""

import os
import signal
import time
from datetime import UTC, datetime

from forecaster.errors import DataError, Interrupted, Locked
from forecaster.jobs.execute import execute_job
from forecaster.problems import Problem


def execute(task, received, report):
    folder, name, state = task.folder, task.job.name, task.state
    lines = (folder / f"{name}.do").read_text().split() if (folder / f"{name}.do").exists() else ["done"]
    attempts = (folder / "log").read_text().split().count(name) if (folder / "log").exists() else 0
    with (folder / "log").open("a") as file:
        file.write(f"{name}\n")
    match lines[min(attempts, len(lines) - 1)]:
        case "fail":
            raise DataError([Problem("no-rows", f"{name}.csv"), Problem("no-match", f"{name}.csv")])
        case "locked":
            raise Locked(Problem("locked-run", name))
        case "crash":
            os._exit(3)
        case "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        case "fill":
            kept = [bytearray(b"x" * (1 << 20)) for _ in range(400)]
            time.sleep(60)
            return kept
        case "wait":
            (folder / f"{name}.waits").touch()
            while not received:
                time.sleep(0.01)
            raise Interrupted(Problem("interrupted"), received[0])
        case "steps":
            return _work_in_steps(folder, name, state, report)
        case "old":
            if state.done:
                return state.update(outcome="nothing-new", reason="the data have not changed")
    return state.update(outcome="done", reason="", done={"predict": "key"}, rows=3)


def _work_in_steps(folder, name, state, report):
    """Do each of two steps once; wait for the end before the second at the first time."""
    for step in ("score", "predict"):
        if step not in state.done:
            with (folder / "steps").open("a") as file:
                file.write(f"{step}\n")
            state = state.update(done={**state.done, step: "key"})
            report(state)
            if step == "score":
                (folder / f"{name}.waits").touch()
                time.sleep(60)
    return state.update(outcome="done", last_training=datetime(2026, 1, 1, tzinfo=UTC))


def execute_failure(task, received, report):
    """Execute a job that fails before it has read anything, as the program does; another one is done at once."""
    return execute_job(task, received, report) if task.job.failure else task.state.update(outcome="done")
