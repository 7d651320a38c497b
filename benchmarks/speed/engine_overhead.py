"""What a Ray cluster costs next to processes of this machine: tasks of a length, two at a time.

    python benchmarks/speed/engine_overhead.py --seconds 10 --tasks 6

Tasks sleep, so that what is measured is the engine. The cluster is started on this machine for the run.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from forecaster.engine import Engine
from forecaster.engine_workers import open_workers
from forecaster.workers import Ended


def work(task: float, received: Sequence[int], report: Callable[[Any], None]) -> float:
    """Sleep for some seconds."""
    time.sleep(task)
    return task


def measure(engine: Engine, seconds: float, count: int) -> tuple[float, float]:
    """Measure the seconds until a first task has ended, and those of `count` tasks after it, two at a time."""
    started = time.monotonic()
    with open_workers(engine, f"{Path(__file__).stem}:work", 2, shared=Path(__file__)) as workers:
        for _ in range(2):
            workers.start(0.0)
        _finish(workers, 2)
        begun = time.monotonic()
        waiting = [seconds] * count
        while waiting or workers.tasks:
            while waiting and not workers.is_full:
                workers.start(waiting.pop())
            _finish(workers, 1)
        return begun - started, time.monotonic() - begun


def _finish(workers: Any, count: int) -> None:
    while count:
        event = workers.wait(60)
        if isinstance(event, Ended):
            if event.how != "done":
                raise SystemExit(f"a task ended as {event.how}: {event.error}")
            count -= 1


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a task")
    parser.add_argument("--tasks", type=int, default=6)
    options = parser.parse_args()
    ideal = options.seconds * -(-options.tasks // 2)
    print(f"{options.tasks} tasks of {options.seconds:g} s, two at a time: {ideal:g} s without any overhead")
    for engine in (Engine(), Engine("ray")):
        start, total = measure(engine, options.seconds, options.tasks)
        print(
            f"{engine.kind:9}  start {start:5.1f} s   tasks {total:6.1f} s   overhead {total / ideal - 1:6.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
