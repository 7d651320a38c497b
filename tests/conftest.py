"""What the tests share: the real command as a process, small CSVs and configs, and one tiny trained run."""

import gc
import importlib
import itertools
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.helpers.command import FORECAST, TINY, run_in_process, write_hourly_csv
from tests.helpers.fork_server import UNFITTED, ForkServer
from tests.helpers.postgresql import run_postgresql

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Threads of TensorFlow wait for each other longer than the small operations of the tests take.
os.environ |= {"TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
os.environ["KERAS_BACKEND"] = "tensorflow"

gc.set_threshold(20_000)  # as `main` does; modules and tests are imported in a fifth less time

TRAINING_VERBS = {"train", "tune", "impute", "diagnose", "backtest"}
_numbers = itertools.count()
Result = subprocess.CompletedProcess[str]


def pytest_collection_finish() -> None:
    """Speed up trainings in this process, and never look for garbage among modules and tests again."""
    if "tensorflow" in sys.modules:
        importlib.import_module("tests.helpers.fast_trainings").speed_up_trainings()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever runs a command is slow."""
    for item in items:
        if isinstance(item, pytest.Function) and {"forecast", "forecast_process"} & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _restore_log() -> Iterator[None]:
    """Leave the log as it was, since commands that run in-process set its handlers."""
    log = logging.getLogger("forecaster")
    before = (list(log.handlers), log.propagate, log.level)
    yield
    log.handlers, log.propagate = before[:2]
    log.setLevel(before[2])


@pytest.fixture(scope="session")
def forecast_process() -> Callable[..., Result]:
    """Run the installed command in a new process, imports and all; takes the options of `subprocess.run`."""

    def run(*arguments: object, cwd: Path | None = None, timeout: float = 240, **options) -> Result:
        return subprocess.run(
            [str(FORECAST), *map(str, arguments)],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of pytest-xdist share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def fork_server(shared_folder: Path) -> Iterator[Callable[[bool], ForkServer]]:
    """Connect to the server that forks for each command: with TensorFlow, or without it."""
    servers: dict[bool, ForkServer] = {}

    def connect(tensorflow: bool) -> ForkServer:
        if tensorflow not in servers:
            servers[tensorflow] = ForkServer(shared_folder / f"server-{int(tensorflow)}", tensorflow)
        return servers[tensorflow]

    yield connect
    for server in servers.values():
        server.close()


@pytest.fixture(scope="session")
def forecast_fork(fork_server: Callable[[bool], ForkServer]) -> Callable[..., Result]:
    """Run the command in a fork of a process that has its imports: forecast("train", path, cwd=folder) -> Result.

    What happens before `main` is that of `forecast_process`: imports, and options of the interpreter. Where a test
    needs a run whose forecasts may be bad, `fitted=False` leaves out the steps of its training.
    """

    def run(
        *arguments: object,
        cwd: Path | None = None,
        timeout: float = 240,
        env: dict[str, str] | None = None,
        fitted: bool = True,
        signal_when: tuple[Callable[[str], object], signal.Signals] | None = None,
        stdin: bytes = b"",
    ):
        trains = arguments[0] in TRAINING_VERBS
        environment = dict(os.environ if env is None else env)
        if trains and not fitted:
            environment[UNFITTED] = "1"
        server, folder = fork_server(trains), cwd or Path.cwd()
        return server.run([*map(str, arguments)], folder, environment, timeout, signal_when, stdin)

    return run


@pytest.fixture(scope="session")
def forecast(forecast_fork: Callable[..., Result]) -> Callable[..., Result]:
    """`forecast_fork`, which a module replaces by `forecast_here` where its tests need no process."""
    return forecast_fork


@pytest.fixture(scope="session")
def forecast_here(forecast_fork: Callable[..., Result]) -> Callable[..., Result]:
    """Run the command as `forecast_fork` does, but in this process where it needs no other: it takes a third."""

    def run(*arguments: object, cwd: Path | None = None, **options) -> Result:
        if arguments[0] in {*TRAINING_VERBS, "run"} or options:
            return forecast_fork(*arguments, cwd=cwd, **options)
        return run_in_process([*map(str, arguments)], cwd or Path.cwd())

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with load.csv and tiny.yaml, whose training takes a second."""
    write_hourly_csv(tmp_path / "load.csv")
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


@pytest.fixture(scope="session")
def new_user(shared_folder: Path) -> dict[str, str]:
    """The environment of a user whose home was empty before `trained`."""
    home = shared_folder / "home"
    home.mkdir(exist_ok=True)
    return {"HOME": str(home), **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}}


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, shared_folder: Path, forecast_process, new_user: dict[str, str]
) -> Path:
    """A project folder with the run runs/tiny, trained by the command; tests that change it copy it first.

    The first worker of pytest-xdist that needs it trains it, and every worker has its copy.
    """
    folder = tmp_path_factory.mktemp("workers") / "trained"
    shared = shared_folder / "trained_once"
    with FileLock(shared.with_suffix(".lock")):
        if not (shared / "runs/tiny/current").exists():
            shutil.rmtree(shared, ignore_errors=True)
            shared.mkdir()
            write_hourly_csv(shared / "load.csv")
            (shared / "tiny.yaml").write_text(TINY)
            result = forecast_process("train", "tiny.yaml", cwd=shared, env=new_user)
            assert result.returncode == 0, result.stderr
            assert (result.stdout, result.stderr) == ("", "")
        shutil.copytree(shared, folder)
    return folder


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a private PostgreSQL server; skips the test where it is not installed."""
    pytest.importorskip("psycopg")
    # The path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder, run_postgresql(Path(folder)) as url:
        yield url


@pytest.fixture
def postgresql(postgresql_server: str) -> str:
    """The URL of an empty schema of that server."""
    import psycopg

    name = f"s{next(_numbers)}"
    with psycopg.connect(postgresql_server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{postgresql_server}&options=-csearch_path%3D{name}"
