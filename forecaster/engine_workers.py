"""Where tasks run: in processes of this machine, or on the nodes of a Ray cluster.

`open_workers` gives `Workers` or `RayWorkers`; both start tasks, enforce their limits, stop them, and report how each
ended in the same words. On a node a task runs in a process of `Workers`, too: limits, signals, logs and results are
the same.
"""

import contextlib
import logging
import math
import os
import pickle
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from forecaster import __version__
from forecaster.engine import Engine
from forecaster.errors import InputOutputFailed
from forecaster.extras import import_extra
from forecaster.problems import Problem
from forecaster.workers import GRACE, Ended, Reported, Work, Workers, keep_signal_handlers

log = logging.getLogger("forecaster")

_POLL_SECONDS = 0.5  # that a node waits for an event of its task, before it looks for a request to stop
_MOST_LOSSES = 3  # of the workers of one task, after which the task itself is suspected
_STORE_BYTES = 200 << 20  # of a local cluster's object store, which holds messages only
_COUNT_SECONDS = 5.0  # between two counts of the processors of a cluster
_PROBE_SECONDS = 10.0  # that a cluster may take to accept a connection
_START_SECONDS = 300.0  # that the first worker of a cluster may take


@contextlib.contextmanager
def open_workers(
    engine: Engine,
    work: Work | str,
    count: int | None,
    *,
    shared: Path | None,
    grace: float | None = GRACE,
    level: int | None = None,
) -> Iterator["Workers | RayWorkers"]:
    """Open the workers of an engine, and end them with the context.

    Args:
        work: as of `Workers`.
        count: of tasks at a time; None: one process, or all processors of a cluster.
        shared: a file or folder that tasks work in, which each node of a cluster must see under the same path;
            None where they work in none.
        grace: as of `Workers`.
        level: as of `Workers`.

    Raises:
        UsageError: the extra `ray` is not installed.
        InputOutputFailed: the cluster cannot be reached, or its nodes cannot run tasks of this command.
    """
    if engine.kind == "processes":
        with Workers(work, count or 1, grace, level) as workers:
            yield workers
        return
    with _connect(engine.address) as ray, RayWorkers(ray, work, count, shared, grace, level) as workers:
        yield workers


@contextlib.contextmanager
def _connect(address: str | None) -> Iterator[Any]:
    """Connect to a cluster, or start one, and disconnect at the end."""
    address = address or os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not address and "RAY_AUTH_MODE" not in os.environ:
        # Read when Ray is imported; it would write a token into the user's home, which later clusters would ask for.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex()}
    with import_extra("ray", "--engine ray"):
        import ray  # noqa: PLC0415  an optional extra
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    # A cluster of this machine alone lives as long as the command; its object store holds messages only.
    local = {"address": "local", "include_dashboard": False, "object_store_memory": _STORE_BYTES}
    options: dict[str, Any] = {"address": address} if address else local
    try:
        with keep_signal_handlers():
            _probe(address)
            if not (address or "").startswith("ray://"):  # whose server takes no options of logging
                options |= {"log_to_driver": False, "configure_logging": False, "logging_level": logging.CRITICAL}
            ray.init(**options)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        detail = {"reason": _first_line(error)}
        raise InputOutputFailed(Problem("unreachable-cluster", address or "", detail=detail)) from None
    try:
        yield ray
    finally:
        with keep_signal_handlers():
            ray.shutdown()


def _probe(address: str | None) -> None:
    """Open and close a connection to a cluster, since Ray waits for minutes where nothing answers."""
    host, separator, port = (address or "").removeprefix("ray://").rpartition(":")
    if separator and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS).close()


class _Node:
    """An actor: one process of `Workers` on a node of the cluster, and what it logs."""

    def __init__(self, work: bytes, grace: float | None, level: int) -> None:
        self._records: list[dict[str, Any]] = []
        handler = logging.Handler()
        handler.emit = lambda record: self._records.append(vars(record))  # type: ignore[method-assign]
        log.handlers, log.propagate = [handler], False
        log.setLevel(level)
        self._workers = Workers(pickle.loads(work), 1, grace, level, threads=1)

    def describe(self, shared: str) -> dict[str, Any]:
        """Describe the node: its host, the version of the package, and what it sees of a path."""
        return {"host": socket.gethostname(), "version": __version__, "seen": _identify(Path(shared))}

    def start(self, payload: bytes, seconds: float | None, memory: int | None) -> None:
        """Start a task."""
        self._workers.start(pickle.loads(payload), seconds, memory)

    def poll(self, seconds: float) -> bytes:
        """Wait for the next event, and send it with what was logged until then."""
        event = self._workers.wait(seconds)
        records, self._records[:] = [*self._records], []
        return pickle.dumps((records, event))

    def stop(self) -> None:
        """Ask the task to stop."""
        self._workers.stop()

    def end(self) -> None:
        """End the process."""
        self._workers.__exit__()


def _identify(path: Path) -> tuple[int, str] | None:
    """Identify a file or folder in a way that is the same on each host that shares it; None where it is missing."""
    try:
        status = path.stat()
        names = sorted(each.name for each in path.iterdir())[:100] if path.is_dir() else []
    except OSError:
        return None
    return int(status.st_mtime), "/".join(names) if names else str(status.st_size)


@dataclass(eq=False)
class _Slot:
    """A worker of the cluster, and what is known of its task."""

    actor: Any
    poll: Any = None  # the reference of its next event
    task: Any = None
    limits: tuple[float | None, int | None] = (None, None)
    losses: int = 0
    started: float = field(default_factory=time.monotonic)
    is_busy: bool = False


class RayWorkers:
    """Workers on the nodes of a Ray cluster, one task each, with the methods of `Workers`.

    A task whose node is lost is started again on another: a job or a training continues from its checkpoint.
    """

    def __init__(
        self, ray: Any, work: Work | str, count: int | None, shared: Path | None, grace: float | None, level: int | None
    ) -> None:
        self._ray, self._shared = ray, shared
        # The work, with all that its tasks share, is stored in the cluster once, and sent to each worker once.
        self._arguments = (ray.put(pickle.dumps(work)), grace, log.getEffectiveLevel() if level is None else level)
        # One processor each; a worker waits for its node to have one free.
        self._actor_class = ray.remote(_Node).options(num_cpus=1, scheduling_strategy="SPREAD")
        self._most = count
        self._count, self._counted = 1, -math.inf
        self._slots: list[_Slot] = []
        self._lost: list[_Slot] = []  # whose tasks wait for another worker
        self._is_stopping = False

    def __enter__(self) -> "RayWorkers":
        try:
            self._slots.append(self._open_slot())
        except self._ray.exceptions.RayError as error:
            raise InputOutputFailed(Problem("unreachable-cluster", detail={"reason": _first_line(error)})) from None
        return self

    def __exit__(self, *raised: object) -> None:
        for slot in self._slots:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.get(slot.actor.end.remote(), timeout=5)
            self._ray.kill(slot.actor)

    @property
    def tasks(self) -> list[Any]:
        """The tasks at work, and those that wait for another worker after theirs was lost."""
        return [slot.task for slot in (*self._slots, *self._lost) if slot.is_busy]

    @property
    def count(self) -> int:
        """The most tasks at a time: one for each processor of the cluster, which may grow."""
        if time.monotonic() > self._counted + _COUNT_SECONDS:
            processors = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
            self._count, self._counted = min(self._most or processors, processors), time.monotonic()
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether no further task can be started."""
        return len(self.tasks) >= self.count

    def start(self, task: Any, seconds: float | None = None, memory: int | None = None) -> None:
        """Start a task, as `Workers.start`."""
        slot = next((each for each in self._slots if not each.is_busy), None)
        if slot is None:
            slot = _Slot(self._actor_class.remote(*self._arguments))
            self._slots.append(slot)
        slot.losses = 0
        self._begin(slot, task, (seconds, memory))

    def _open_slot(self) -> _Slot:
        """Open a worker, and check that it can run tasks of this command."""
        slot = _Slot(self._actor_class.remote(*self._arguments))
        found = self._ray.get(slot.actor.describe.remote(str(self._shared or "")), timeout=_START_SECONDS)
        if found["version"] != __version__:
            detail = {"host": found["host"], "version": found["version"], "own": __version__}
            raise InputOutputFailed(Problem("other-version-on-node", detail=detail))
        if self._shared is not None and found["seen"] != _identify(self._shared):
            raise InputOutputFailed(Problem("path-not-shared", str(self._shared), detail={"host": found["host"]}))
        return slot

    def _begin(self, slot: _Slot, task: Any, limits: tuple[float | None, int | None]) -> None:
        slot.task, slot.limits, slot.is_busy, slot.started = task, limits, True, time.monotonic()
        slot.actor.start.remote(pickle.dumps(task), *limits)  # calls of an actor are executed in their order
        slot.poll = slot.actor.poll.remote(_POLL_SECONDS)

    def wait(self, seconds: float) -> Reported | Ended | None:
        """Wait for the next event, as `Workers.wait`."""
        until = time.monotonic() + seconds
        while True:
            self._restart_lost()
            polls = {slot.poll: slot for slot in self._slots if slot.is_busy}
            left = max(0.0, until - time.monotonic())
            if not polls:
                time.sleep(min(left, _POLL_SECONDS))
            ready = self._ray.wait([*polls], num_returns=1, timeout=min(left, _POLL_SECONDS))[0] if polls else []
            for each in ready:
                if (event := self._receive(polls[each])) is not None:
                    return event
            if time.monotonic() >= until:
                return None

    def _receive(self, slot: _Slot) -> Reported | Ended | None:
        try:
            records, event = pickle.loads(self._ray.get(slot.poll))
        except self._ray.exceptions.RayError as error:
            return self._lose(slot, error)
        for record in records:
            if log.isEnabledFor(record["levelno"]):
                log.handle(logging.makeLogRecord(record))
        if isinstance(event, Ended):
            slot.is_busy = False
            return replace(event, task=slot.task)
        slot.poll = slot.actor.poll.remote(_POLL_SECONDS)
        return None if event is None else replace(event, task=slot.task)

    def _lose(self, slot: _Slot, error: Exception) -> Ended | None:
        """Have the task of a lost worker wait for another; it has ended where several were lost with it."""
        self._slots.remove(slot)
        slot.losses += 1
        if self._is_stopping or slot.losses >= _MOST_LOSSES:
            lost = Problem("lost-worker", detail={"times": slot.losses, "reason": _first_line(error)})
            seconds = time.monotonic() - slot.started
            return Ended(
                slot.task, "stopped" if self._is_stopping else "failed", error=InputOutputFailed(lost), seconds=seconds
            )
        log.warning("%s", Problem("restarted-task", detail={"reason": _first_line(error)}))
        self._lost.append(slot)
        return None

    def _restart_lost(self) -> None:
        """Start tasks again whose workers were lost: in an idle worker, or a new one."""
        while self._lost:
            slot = self._lost.pop(0)
            idle = next((each for each in self._slots if not each.is_busy), None)
            if idle is None:
                idle = _Slot(self._actor_class.remote(*self._arguments))
                self._slots.append(idle)
            idle.losses = slot.losses
            self._begin(idle, slot.task, slot.limits)

    def stop(self) -> None:
        """Ask every task to stop, as `Workers.stop`."""
        if not self._is_stopping:
            self._is_stopping = True
            for slot in self._slots:
                if slot.is_busy:
                    slot.actor.stop.remote()


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
