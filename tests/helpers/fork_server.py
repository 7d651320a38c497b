"""A process that imports the program and its libraries once and forks itself for each command of the tests.

A child begins where a fresh process is after its imports, so that no command sees what another left behind: no state of
TensorFlow, of the log or of the environment. The workers of a command are forks of it, too. There are two servers: one
without TensorFlow, which is ready in two seconds, and one with it, for the commands that train. All workers of pytest
share them, and so do shell scripts through `write_command`: the imports are paid once.
"""

import atexit
import contextlib
import gc
import importlib
import itertools
import json
import os
import pkgutil
import random
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

# In the environment of a command:
SIGNAL_AT = "TEST_SIGNAL_AT"  # the number of the call at which it gets SIGTERM
SIGNAL_AT_BATCH = "TEST_SIGNAL_AT_BATCH"  # SIGNAL:BATCHES: a signal that it gets after that number of batches
CHECKPOINT_SECONDS = "TEST_CHECKPOINT_SECONDS"  # between the checkpoints of a training
FILE_SIZE = "TEST_FILE_SIZE"  # the most bytes of a file that it writes
UNFITTED = "TEST_UNFITTED"  # set: a training goes through its epochs without changing a weight
ROOT = Path(__file__).parents[2]
TENSORFLOW = {"tensorflow", "keras", "onnx"}
LIBRARIES = [
    "forked_workers",
    "matplotlib.backends.backend_agg",
    "pyarrow.csv",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "sqlalchemy",
    "optuna",
    "holidays",
]


class ForkServer:
    """A connection to the server, which starts with the first and ends with the last of them.

    Args:
        address: of the server's socket.
        tensorflow: whether it imports TensorFlow, too.
    """

    def __init__(self, address: Path, tensorflow: bool) -> None:
        self.address = address
        self.log = address.with_suffix(".log")
        self._socket = socket.socket(socket.AF_UNIX)
        with FileLock(address.with_suffix(".lock")):
            try:
                self._socket.connect(str(address))
            except OSError:
                address.unlink(missing_ok=True)
                _start(address, self.log, tensorflow)
                self._socket.connect(str(address))

    def run(
        self,
        arguments: list[str],
        cwd: Path,
        environment: Mapping[str, str],
        timeout: float,
        signal_when: tuple[Callable[[str], object], signal.Signals] | None = None,
        stdin: bytes = b"",
    ) -> subprocess.CompletedProcess[str]:
        """Run `forecast arguments` without a terminal, or as `python arguments` where they begin with -c.

        Args:
            stdin: its input.
            signal_when: a condition on the stderr so far, and the signal that the command gets once it holds.

        Raises:
            subprocess.TimeoutExpired: the command took longer than `timeout` seconds; it was killed.
        """
        file = tempfile.TemporaryFile
        with file() as given, file() as stdout, file() as stderr:
            given.write(stdin)
            given.seek(0)
            request = json.dumps([arguments, str(cwd), dict(environment)]).encode()
            self._socket.settimeout(timeout)
            streams = [given.fileno(), stdout.fileno(), stderr.fileno()]
            socket.send_fds(self._socket, [len(request).to_bytes(8, "big")], streams)
            self._socket.sendall(request)
            try:
                child = _receive_number(self._socket)
            except EOFError:
                raise RuntimeError(f"the server ended:\n{self.log.read_text()}") from None
            if signal_when is not None:
                holds, number = signal_when
                while not holds(_written(stderr)):
                    ended = bool(select.select([self._socket], [], [], 0.01)[0])
                    assert not ended, f"ended before its signal:\n{_written(stderr)}"
                os.kill(child, number)
            try:
                status = _receive_number(self._socket)
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._socket.settimeout(None)
                _receive_number(self._socket)
                raise subprocess.TimeoutExpired(["forecast", *arguments], timeout) from None
            texts = [_text(file) for file in (stdout, stderr)]
        code = os.waitstatus_to_exitcode(status)
        return subprocess.CompletedProcess(["forecast", *arguments], code, *texts)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def _start(address: Path, log: Path, tensorflow: bool) -> None:
    with socket.socket(socket.AF_UNIX) as listener, log.open("wb") as stderr:
        listener.bind(str(address))
        listener.listen()
        subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.fork_server", str(listener.fileno()), str(int(tensorflow))],
            cwd=ROOT,
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        ).returncode = 0  # it ends with its last connection, and nobody waits for it


# `forecast` of shell scripts; an isolated interpreter without site-packages starts in 20 ms.
_COMMAND = """\
#!{python} -IS
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
request = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(connection, [len(request).to_bytes(8, "big")], [0, 1, 2])
connection.sendall(request)
answer = connection.makefile("rb").read(16)
os._exit(os.waitstatus_to_exitcode(int.from_bytes(answer[8:], "big")))
"""


def write_command(path: Path, address: Path) -> None:
    """Write a script that has the server at an address be `forecast`; to kill it kills the command."""
    path.write_text(_COMMAND.format(python=sys.executable, address=str(address)))
    path.chmod(0o755)


def _text(file) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _written(file) -> str:
    """The text so far; the command writes to the file on where its own position is."""
    return os.pread(file.fileno(), 1 << 24, 0).decode(errors="replace")


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            raise EOFError
        received += chunk
    return received


def _receive_number(connection: socket.socket) -> int:
    return int.from_bytes(_receive(connection, 8), "big")


# What follows runs in the server.


# The others import Darts, MLflow and sktime, which are not installed with the tests.
NOT_IMPORTED = {
    *("forecaster.__main__", "forecaster.api.darts", "forecaster.api.sktime"),
    *("forecaster.tracking.mlflow", "forecaster.tracking.pyfunc_model"),
}


def import_modules(tensorflow: bool) -> None:
    """Import every module of the program, and the libraries that it imports when they are needed."""
    import forecaster

    sys.path.append(str(ROOT / "benchmarks" / "reliability"))
    for name in LIBRARIES:
        importlib.import_module(name)
    if not tensorflow:
        sys.modules.update(dict.fromkeys(TENSORFLOW))  # an import of None is an ImportError
    for module in pkgutil.walk_packages(forecaster.__path__, "forecaster.", onerror=lambda name: None):
        if module.name not in NOT_IMPORTED:
            with contextlib.nullcontext() if tensorflow else contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    sys.modules["forked_workers"].build_models()
    build_parsers()
    if tensorflow:
        importlib.import_module("tests.helpers.fast_trainings").speed_up_trainings()
        return
    for name in TENSORFLOW:
        del sys.modules[name]


def build_parsers() -> None:
    """Build the parser of each verb, which each command would build anew."""
    import typer.main

    module = sys.modules["forecaster.cli.main"]
    choose_verb, parsers = module._choose_verb, {}
    for verb in typer.main.get_command(module.app).commands:
        parsers[verb] = typer.main.get_command(choose_verb([verb]))
        for parameter in [*parsers[verb].params, *parsers[verb].commands[verb].params]:
            parameter.get_runtime_param()
    module._choose_verb = lambda named: parsers.get("".join(named)) or choose_verb(named)


def serve(listener: socket.socket, tensorflow: bool) -> None:
    """Fork for one command after another until the tests close the last connection."""
    gc.disable()  # what is imported stays; to look for garbage in it takes a fifth of the time
    import_modules(tensorflow)
    gc.freeze()
    gc.enable()
    ended, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.fileno())
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    idle = {listener.accept()[0]}
    commands: dict[int, socket.socket] = {}  # by process
    while idle or commands:
        watched = {connection: child for child, connection in commands.items()}
        for ready in select.select([listener, ended, *idle, *watched], [], [])[0]:
            if ready is listener:
                idle.add(listener.accept()[0])
            elif ready is ended:
                ended.recv(1 << 16)
                idle |= report_ends(commands)
            elif commands.get(child := watched.get(ready)) is ready:  # its end, since it sends nothing meanwhile
                kill_command(child)
                commands.pop(child).close()
            else:
                idle.remove(ready)
                if request := receive_request(ready):
                    if not (child := os.fork()):
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        for each in (listener, ended, wakeup, ready, *idle, *commands.values()):
                            each.close()
                        _run(*request)
                    for stream in request[0]:
                        os.close(stream)
                    commands[child] = ready
                    with contextlib.suppress(OSError):
                        ready.sendall(child.to_bytes(8, "big"))


def kill_command(process: int) -> None:
    """Kill a command whose client was killed; its workers die with it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def receive_request(connection: socket.socket) -> tuple[list[int], list[str], str, dict[str, str]] | None:
    """Receive the streams, the arguments, the folder and the environment of a command; None at the end."""
    with contextlib.suppress(EOFError, OSError):
        header, streams, _, _ = socket.recv_fds(connection, 8, 3)
        if header:
            return streams, *json.loads(_receive(connection, int.from_bytes(header, "big")))
    connection.close()
    return None


def report_ends(commands: dict[int, socket.socket]) -> set[socket.socket]:
    """Send the status of each command that has ended; return their connections."""
    found = set()
    for child in [*commands]:
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            found.add(connection := commands.pop(child))
            with contextlib.suppress(OSError):
                connection.sendall(status.to_bytes(8, "big"))
    return found


class Calls:
    """A profiler that counts calls of functions, and sends SIGTERM at one of them."""

    def __init__(self, signal_at: int) -> None:
        self.count, self.signal_at = 0, signal_at

    def __call__(self, frame, event, argument) -> None:
        if event in {"call", "c_call"}:
            self.count += 1
            if self.count == self.signal_at:
                signal.raise_signal(signal.SIGTERM)


def skip_training_steps() -> None:
    """Have trainings leave the weights as they are, at a loss of 1; to trace a network's gradients takes a second."""
    step, ones = sys.modules["forecaster.training.step"].TrainingStep, sys.modules["tensorflow"].ones
    for name in ("_run_on_batch", "_run_compiled", "_validate_on_batch"):
        assert hasattr(step, name)
        setattr(step, name, lambda self, *arguments: ones(()))


def send_signal_after(number: int, batches: int) -> None:
    """Have this process get a signal once it has trained on a number of batches."""
    step, trained = sys.modules["forecaster.training.step"].TrainingStep, itertools.count(1)
    plain = step.train

    def train(self, *arguments) -> float:
        loss = plain(self, *arguments)
        if next(trained) == batches:
            signal.raise_signal(number)
        return loss

    step.train = train


def _run(streams: list[int], arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    """Be the command, and leave as a process does whose last thread has ended."""
    from forecaster import workers
    from forecaster.cli import main

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # as an interpreter opens them: those of the server are of another kind of file
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    known = {"", *sys.path}
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path not in known]
    random.seed()
    workers._start_worker = sys.modules["forked_workers"].start_forked_worker
    calls = Calls(int(os.environ.pop(SIGNAL_AT, 0)))
    if CHECKPOINT_SECONDS in os.environ:
        sys.modules["forecaster.training.train"]._CHECKPOINT_SECONDS = float(os.environ.pop(CHECKPOINT_SECONDS))
    if os.environ.pop(UNFITTED, ""):
        skip_training_steps()
    if at_batch := os.environ.pop(SIGNAL_AT_BATCH, ""):
        send_signal_after(*map(int, at_batch.split(":")))
    if size := int(os.environ.pop(FILE_SIZE, 0)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    sys.argv = ["forecast", *arguments]
    code = 1
    try:
        if calls.signal_at:
            sys.setprofile(calls)
        if arguments[0] == "-c":
            del sys.argv[0]
            exec(sys.argv.pop(1), {"__name__": "__main__"})
            code = 0
        else:
            main()
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.setprofile(None)
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), bool(int(sys.argv[2])))
    os._exit(0)  # threads of libraries can keep an interpreter that has forked from ending
