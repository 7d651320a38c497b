"""Worker processes that are supervised: whatever a task does to its process, it ends as one outcome of that task.

A worker is a new interpreter, not a fork, and lives for many tasks. It receives tasks and sends what it logs, reports
and returns through one socket. Ctrl-C is ignored in it, SIGTERM is collected for its task, and it dies with its parent.
"""

import contextlib
import ctypes
import gc
import logging
import os
import pickle
import pkgutil
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import Any, Literal

from forecaster.errors import Interrupted, Stop, convert_to_stop

log = logging.getLogger("forecaster")

Work = Callable[[Any, Sequence[int], Callable[[Any], None]], Any]  # task, signals received, report -> result
How = Literal["done", "failed", "crashed", "timeout", "memory", "stopped"]

GRACE = 8.0  # seconds between SIGTERM and SIGKILL; Docker kills the parent 10 seconds after its SIGTERM
_POLL_SECONDS = 0.1
_START_SECONDS = 60.0  # that a worker may take to begin a task that has a time limit
_DYING_SECONDS = 1.0  # between the end of a worker's socket and that of its process
_SIGNALS = {signal.SIGINT, signal.SIGTERM}
_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_START = "import sys; sys.path[:] = sys.argv[3:]; from forecaster.workers import serve; serve(*map(int, sys.argv[1:3]))"
# The numbers of threads that OpenMP, BLAS and TensorFlow use; ONNX Runtime gets OMP_NUM_THREADS in onnx_network.py.
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)


@dataclass(frozen=True)
class Reported:
    """Something that a task reported before its end."""

    task: Any
    content: Any


@dataclass(frozen=True)
class Ended:
    """How a task ended.

    Attributes:
        how: `done` and `failed` by its function; `crashed` where the process ended; `timeout` and `memory` at its
            limits; `stopped` by `Workers.stop`.
        result: of a task that is done.
        error: what the function raised; None where the process ended first.
        trace: the traceback of the error.
        returncode: of a process that ended: an exit code, or minus the number of a signal.
        seconds: that the task took.
        memory: the most resident bytes that were seen, None where the system does not list them.
    """

    task: Any
    how: How
    result: Any = None
    error: Stop | None = None
    trace: str = ""
    returncode: int | None = None
    seconds: float = 0.0
    memory: int | None = None


@dataclass(eq=False)
class _Worker:
    """A process, and what is known of its task."""

    process: subprocess.Popen[bytes]
    connection: "Connection[Any, Any]"
    start: bytes | None = None  # what is sent before its first task
    task: Any = None
    is_busy: bool = False
    started: float = 0.0
    limit: float | None = None  # seconds
    deadline: float | None = None
    most_memory: int | None = None
    memory: int | None = None  # the most seen, bytes
    cause: How | None = None  # why it was asked to stop
    kill_at: float | None = None

    def end(self) -> None:
        """End the process now."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            self.connection.close()


class Workers:
    """Up to `count` processes, started when they are needed and replaced when they end.

    Args:
        work: a function of a module, a partial of one, or its name, `module:function`, so that only workers import
            it: `work(task, received, report)`. It looks at `received` for signals, as `signals.collect_signals` gives
            them, and may `report` what the parent receives as `Reported`.
        count: of processes, which share the processor's threads.
        grace: seconds from the request to stop to SIGKILL; None waits as long as the task takes.
        level: from which on workers log; that of the parent where None.
        threads: of each process; its share of the processor where None.
    """

    def __init__(
        self,
        work: Work | str,
        count: int,
        grace: float | None = GRACE,
        level: int | None = None,
        threads: int | None = None,
    ) -> None:
        self._work, self._count, self._grace = work, count, grace
        self._level = log.level if level is None else level
        self._threads = threads or (max(1, count_processors() // count) if count > 1 else None)
        self._workers: list[_Worker] = []
        self._messages: queue.SimpleQueue[tuple[_Worker, tuple[Any, ...]]] = queue.SimpleQueue()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *raised: object) -> None:
        for worker in self._workers:
            worker.end()

    @property
    def tasks(self) -> list[Any]:
        """The tasks at work."""
        return [worker.task for worker in self._workers if worker.is_busy]

    @property
    def count(self) -> int:
        """The most tasks at a time."""
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether no further task can be started."""
        return len(self.tasks) >= self._count

    def start(self, task: Any, seconds: float | None = None, memory: int | None = None) -> None:
        """Start a task; call it while `is_full` is False.

        Args:
            task: sent to the worker by pickle.
            seconds: after which the task is asked to stop, and killed after the grace; imports do not count.
            memory: resident bytes of the worker and its children, above which it is killed.
        """
        worker = self._take_worker(memory)
        worker.task, worker.is_busy, worker.started, worker.memory = task, True, time.monotonic(), None
        worker.limit, worker.deadline = seconds, None if seconds is None else worker.started + seconds + _START_SECONDS
        worker.most_memory = memory
        threading.Thread(target=self._exchange, args=(worker, pickle.dumps(task)), daemon=True).start()

    def _take_worker(self, memory: int | None) -> _Worker:
        """Take an idle worker, or a new one where earlier tasks left too little of the allowed memory."""
        for worker in [each for each in self._workers if not each.is_busy]:
            resident = read_memory(worker.process.pid)
            crowded = memory is not None and resident is not None and resident > memory // 2
            if worker.process.poll() is None and not crowded:
                return worker
            self._drop(worker)
        worker = _start_worker(self._work, self._threads, self._level)
        self._workers.append(worker)
        return worker

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.end()

    def _exchange(self, worker: _Worker, payload: bytes) -> None:
        """Send a task and receive the answers, in a thread: a worker that hangs blocks nothing else."""
        try:
            if worker.start is not None:
                worker.connection.send_bytes(worker.start)
                worker.start = None
            worker.connection.send_bytes(payload)
            while True:
                message = worker.connection.recv()
                self._messages.put((worker, message))
                if message[0] in {"done", "failed"}:
                    return
        except Exception:  # the end of the socket, or an answer that was cut off
            try:
                code = worker.process.wait(_DYING_SECONDS)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                code = worker.process.wait()
            self._messages.put((worker, ("crashed", code)))

    def wait(self, seconds: float) -> Reported | Ended | None:
        """Wait for the next event, at most some seconds; log what the workers log."""
        until = time.monotonic() + seconds
        while True:
            self._enforce_limits()
            pause = max(0.0, min(_POLL_SECONDS, until - time.monotonic()))
            try:
                worker, message = self._messages.get(timeout=pause)
            except queue.Empty:
                if time.monotonic() >= until:
                    return None
                continue
            if event := self._receive(worker, message):
                return event

    def stop(self) -> None:
        """Ask every task to stop; those that have not after the grace are killed."""
        for worker in self._workers:
            if worker.is_busy:
                self._ask_to_stop(worker, "stopped")

    def _ask_to_stop(self, worker: _Worker, cause: How) -> None:
        if worker.cause is None:
            worker.cause = cause
            worker.kill_at = None if self._grace is None else time.monotonic() + self._grace
            worker.process.send_signal(signal.SIGTERM)

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if not worker.is_busy:
                continue
            if worker.most_memory is not None and (resident := read_memory(worker.process.pid)) is not None:
                worker.memory = max(resident, worker.memory or 0)
                if resident > worker.most_memory and worker.cause is None:
                    worker.cause = "memory"
                    worker.process.kill()
            if worker.deadline is not None and now > worker.deadline:
                self._ask_to_stop(worker, "timeout")
            if worker.kill_at is not None and now > worker.kill_at:
                worker.process.kill()

    def _receive(self, worker: _Worker, message: tuple[Any, ...]) -> Reported | Ended | None:
        match message:
            case ("log", record):
                if log.isEnabledFor(record["levelno"]):
                    log.handle(logging.makeLogRecord(record))
                return None
            case ("began",):
                worker.deadline = None if worker.limit is None else time.monotonic() + worker.limit
                return None
            case ("report", content):
                return Reported(worker.task, content)
        ended = _describe_end(worker, message)
        worker.is_busy = False
        # A signal that was sent as its task ended would reach the next one.
        if message[0] == "crashed" or worker.cause is not None:
            self._drop(worker)
        return ended


def _describe_end(worker: _Worker, message: tuple[Any, ...]) -> Ended:
    seconds = time.monotonic() - worker.started
    match message:
        case ("done", result):
            return Ended(worker.task, "done", result, seconds=seconds, memory=worker.memory)
        case ("failed", error, trace, is_memory):
            stopped = worker.cause if isinstance(error, Interrupted) else None
            how: How = "memory" if is_memory else stopped or "failed"
            return Ended(worker.task, how, None, error, trace, seconds=seconds, memory=worker.memory)
        case (_, code):
            how = worker.cause or "crashed"
            return Ended(worker.task, how, returncode=code, seconds=seconds, memory=worker.memory)
    raise ValueError(message)


def count_processors() -> int:
    """Count the processors that this process may use: those it is confined to, or OMP_NUM_THREADS of them."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdecimal() and int(limit):
        return int(limit)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_memory(process: int) -> int | None:
    """Read the resident bytes of a process and its descendants; None where /proc does not list it."""
    try:
        with open(f"/proc/{process}/statm", "rb") as file:  # noqa: PTH123  polled
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        children: list[bytes] = []
        for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208
            with contextlib.suppress(OSError), open(f"/proc/{process}/task/{thread}/children", "rb") as file:  # noqa: PTH123
                children += file.read().split()
    except (OSError, IndexError, ValueError):
        return None
    return resident + sum(read_memory(int(child)) or 0 for child in children)


def _start_worker(work: Work | str, threads: int | None, level: int) -> _Worker:
    """Start a process with some threads; as many as it likes where None."""
    ours, theirs = Pipe()
    environment = dict(os.environ)
    if threads is not None:
        environment |= dict.fromkeys(_THREADS, str(threads))
    with theirs, _block_signals():
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs.fileno()), str(os.getpid()), *sys.path],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # what libraries print
            env=environment,
        )
    return _Worker(process, ours, pickle.dumps((work, level)))


@contextlib.contextmanager
def _block_signals() -> Iterator[None]:
    """Block signals while a process starts; it inherits that, and unblocks them when it can handle them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def keep_signal_handlers() -> Iterator[None]:
    """Put our own handlers back, which save a checkpoint; libraries that connect to others set theirs."""
    own = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # not in the main thread, where Ray sets none either
            for number, handler in own.items():
                signal.signal(number, handler)


# What follows runs in a worker.

_received: list[int] = []  # signals since the last task ended


class _Sender(logging.Handler):
    """Sends what is logged to the parent, with its arguments: problems among them become facts of a JSON line."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        values = dict(vars(record), exc_info=None)
        try:
            message = pickle.dumps(("log", values))
        except Exception:  # an argument of a type that pickle does not take
            message = pickle.dumps(("log", values | {"msg": record.getMessage(), "args": None}))
        self._send(message)


def serve(handle: int, parent: int) -> None:
    """Work on the tasks that arrive at a socket until it is closed."""
    _die_with(parent)
    gc.set_threshold(20_000)  # as in `main`
    connection: Connection[Any, Any] = Connection(handle)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: _received.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    sending = threading.RLock()

    def send(message: bytes) -> None:
        with sending:
            connection.send_bytes(message)

    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive_tasks, args=(connection, tasks), daemon=True).start()
    start = tasks.get()
    while True:
        answer = _run(start, tasks.get(), send)
        # Not before a task: a signal that arrives while the process starts is for its first one.
        _received.clear()
        send(answer)


def _die_with(parent: int) -> None:
    """Die when the parent does, even inside a library that keeps Python from running."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _receive_tasks(connection: "Connection[Any, Any]", tasks: "queue.SimpleQueue[bytes]") -> None:
    """Receive tasks, in a thread, and end the process where the parent is gone or closed the socket."""
    try:
        while True:
            tasks.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(1)


def _run(start: bytes, task: bytes, send: Callable[[bytes], None]) -> bytes:
    """Run one task; the answer is ("done", result) or ("failed", error, traceback, whether memory ran out)."""
    try:
        work, level = pickle.loads(start)
        log.handlers, log.propagate = [_Sender(send)], False
        log.setLevel(level)
        function = pkgutil.resolve_name(work) if isinstance(work, str) else work
        values = pickle.loads(task)
        send(pickle.dumps(("began",)))
        result = function(values, _received, lambda content: send(pickle.dumps(("report", content))))
        return pickle.dumps(("done", result))
    except BaseException as cause:
        is_memory = isinstance(cause, MemoryError)
        return pickle.dumps(("failed", convert_to_stop(cause), traceback.format_exc(), is_memory))
