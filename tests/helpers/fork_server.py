"""A process that imports the program and its libraries once and forks itself for each command of the tests.

A child begins where a fresh process is after its imports, so that no command sees what another left behind: no state of
TensorFlow, of the log or of the environment. The imports are paid once a worker of pytest. There are two servers: one
without TensorFlow, which is ready in two seconds, and one with it, for the commands that train.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

# In the environment of a command:
SIGNAL_AT = "TEST_SIGNAL_AT"  # the number of the call at which it gets SIGTERM
CHECKPOINT_SECONDS = "TEST_CHECKPOINT_SECONDS"  # between the checkpoints of a training
ROOT = Path(__file__).parents[2]
TENSORFLOW = {"tensorflow", "keras", "tf2onnx"}
LIBRARIES = ["matplotlib.backends.backend_agg", "pyarrow.csv", "pyarrow.parquet", "sqlalchemy", "optuna", "holidays"]


class ForkServer:
    """The server, as the tests call it.

    Args:
        tensorflow: whether it imports TensorFlow, too.
    """

    def __init__(self, tensorflow: bool) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the server is
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.helpers.fork_server", str(theirs.fileno()), str(int(tensorflow))],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=self._log,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            )

    def run(
        self,
        arguments: list[str],
        cwd: Path,
        environment: Mapping[str, str],
        timeout: float,
        signal_when: tuple[Callable[[str], object], signal.Signals] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `forecast arguments` without a terminal and without input.

        Args:
            signal_when: a condition on the stderr so far, and the signal that the command gets once it holds.

        Raises:
            subprocess.TimeoutExpired: the command took longer than `timeout` seconds; it was killed.
        """
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            request = json.dumps([arguments, str(cwd), dict(environment)]).encode()
            self._socket.settimeout(timeout)
            socket.send_fds(self._socket, [len(request).to_bytes(8, "big")], [stdout.fileno(), stderr.fileno()])
            self._socket.sendall(request)
            try:
                child = _receive_number(self._socket)
            except EOFError:
                raise RuntimeError(f"the server ended:\n{_text(self._log)}") from None
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
        """End the server."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._log.close()


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


def import_modules(tensorflow: bool) -> None:
    """Import every module of the program, and the libraries that it imports when they are needed."""
    import forecaster

    for name in LIBRARIES:
        importlib.import_module(name)
    if not tensorflow:
        sys.modules.update(dict.fromkeys(TENSORFLOW))  # an import of None is an ImportError
    for module in pkgutil.walk_packages(forecaster.__path__, "forecaster.", onerror=lambda name: None):
        if module.name != "forecaster.__main__":
            with contextlib.nullcontext() if tensorflow else contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    if not tensorflow:
        for name in TENSORFLOW:
            del sys.modules[name]


def serve(connection: socket.socket, tensorflow: bool) -> None:
    """Fork for one command after another until the tests close the connection."""
    gc.disable()  # what is imported stays; to look for garbage in it takes a fifth of the time
    import_modules(tensorflow)
    gc.freeze()
    gc.enable()
    with contextlib.suppress(EOFError):
        while True:
            header, streams, _, _ = socket.recv_fds(connection, 8, 2)
            if not header:
                return
            request = json.loads(_receive(connection, int.from_bytes(header, "big")))
            child = os.fork()
            if not child:
                connection.close()
                _run(streams, *request)
            for stream in streams:
                os.close(stream)
            connection.sendall(child.to_bytes(8, "big"))
            connection.sendall(os.waitpid(child, 0)[1].to_bytes(8, "big"))


class Calls:
    """A profiler that counts calls of functions, and sends SIGTERM at one of them."""

    def __init__(self, signal_at: int) -> None:
        self.count, self.signal_at = 0, signal_at

    def __call__(self, frame, event, argument) -> None:
        if event in {"call", "c_call"}:
            self.count += 1
            if self.count == self.signal_at:
                signal.raise_signal(signal.SIGTERM)


def _run(streams: list[int], arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    """Be the command, and leave as a process does whose last thread has ended."""
    from forecaster.cli import main

    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    calls = Calls(int(os.environ.pop(SIGNAL_AT, 0)))
    if CHECKPOINT_SECONDS in os.environ:
        sys.modules["forecaster.training.train"]._CHECKPOINT_SECONDS = float(os.environ.pop(CHECKPOINT_SECONDS))
    sys.argv = ["forecast", *arguments]
    code = 1
    try:
        if calls.signal_at:
            sys.setprofile(calls)
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
