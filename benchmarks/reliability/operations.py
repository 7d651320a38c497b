"""The changes of files that a fault must leave done or not done: outputs, runs and their versions, the store."""

import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from faults import Operation

from forecaster.atomic_files import write_atomically
from forecaster.errors import RunError
from forecaster.forecast import Forecast
from forecaster.jobs.metrics_file import write_metrics
from forecaster.jobs.status import Outcome, Status, read_status
from forecaster.runs import (
    Version,
    load_version,
    load_version_at,
    lock_run,
    pin,
    promote,
    read_checkpoint,
    read_pin,
    roll_back,
    write_checkpoint,
    write_version,
)
from forecaster.runs.retention import Retention, forget
from forecaster.store.store import Store, open_store

RUN = Path(__file__).parents[2] / "tests" / "runs" / "format-4" / "load"
_OLD_ROWS, _NEW_ROWS = (
    b"timestamp,mean\n" + b"2026-01-01,1.0\n" * 2000,
    b"timestamp,mean\n" + b"2026-01-02,2.0\n" * 2000,
)


def list_operations() -> dict[str, Operation]:
    """List the operations by their names."""
    operations = (
        _replace_file("output", "forecast.csv", _OLD_ROWS, _NEW_ROWS),
        _WRITE_METRICS,
        _WRITE_STATUS,
        _WRITE_CHECKPOINT,
        _PUBLISH,
        _PROMOTE,
        _ROLL_BACK,
        _PIN,
        _FORGET,
        _STORE,
        _CREATE_STORE,
    )
    return {operation.name: operation for operation in operations}


def _replace_file(name: str, file: str, old: bytes, new: bytes) -> Operation:
    return Operation(
        name,
        prepare=lambda folder: _write(folder / file, old),
        act=lambda folder: write_atomically(folder / file, new),
        read=lambda folder: _choose((folder / file).read_bytes(), old, new),
    )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _choose(found: object, old: object, new: object) -> str:
    """Name what was found.

    Raises:
        ValueError: it is neither.
    """
    if found not in [old, new]:
        raise ValueError(f"neither old nor new: {str(found)[:200]}")
    return "old" if found == old else "new"


# The metrics file.

_STATUS = {"updated": "2026-11-30T03:15:00Z", "runs": 1, "jobs": {"north": {"exit_code": 0}}}


def _read_metrics(folder: Path) -> str:
    values = [line.split()[-1] for line in (folder / "forecast.prom").read_text().splitlines() if line[0] != "#"]
    return _choose(values, ["1", "1796008500", "0"], ["2", "1796008500", "0"])


_WRITE_METRICS = Operation(
    "metrics file",
    prepare=lambda folder: write_metrics(folder / "forecast.prom", _STATUS, Path("jobs.yaml")),
    act=lambda folder: write_metrics(folder / "forecast.prom", _STATUS | {"runs": 2}, Path("jobs.yaml")),
    read=_read_metrics,
)


# The status.


def _make_status(folder: Path, code: int) -> Status:
    jobs = {f"job-{number}": Outcome(outcome="failed", exit_code=code) for number in range(100)}
    return Status(folder / "status.json", "jobs.yaml", code, jobs)


def _read_status(folder: Path) -> str:
    status = read_status(folder / "status.json", Path("jobs.yaml"))  # one that is damaged is begun anew
    codes = {outcome.exit_code for outcome in status.jobs.values()}
    return _choose((len(status.jobs), status.runs, codes), (100, 4, {4}), (100, 5, {5}))


_WRITE_STATUS = Operation(
    "status.json",
    prepare=lambda folder: _make_status(folder, 4).write(),
    act=lambda folder: _make_status(folder, 5).write(),
    read=_read_status,
)


# Runs.

_OLD_STATE, _NEW_STATE = b"old" * 5000, b"new" * 5000


def _read_checkpoint(folder: Path) -> str:
    return _choose(read_checkpoint(folder), ({"epoch": 1}, _OLD_STATE), ({"epoch": 2}, _NEW_STATE))


_WRITE_CHECKPOINT = Operation(
    "checkpoint",
    prepare=lambda folder: write_checkpoint(folder, {"epoch": 1}, _OLD_STATE),
    act=lambda folder: write_checkpoint(folder, {"epoch": 2}, _NEW_STATE),
    read=_read_checkpoint,
)


def _copy_run(folder: Path) -> None:
    shutil.copytree(RUN, folder / "run")
    (folder / "first").write_text((folder / "run" / "current").read_text().strip())


def _read_first(folder: Path) -> str:
    """Read the name of the version that was promoted before."""
    return (folder / "first").read_text()


def _add_version(run: Path) -> Version:
    """Publish a version with the files of the one in use."""
    version = load_version(run)
    files = {name: version.read(name) for name in version.manifest["files"]}
    record = {key: value for key, value in version.manifest.items() if key not in {"format", "files"}}
    with lock_run(run):
        return write_version(run, files, record | {"attempt": uuid.uuid4().hex})


def _load_all(run: Path) -> list[str]:
    """Load every version; return their names."""
    names = [path.name for path in sorted((run / "versions").iterdir()) if not path.name.startswith(".")]
    for name in names:
        load_version_at(run / "versions" / name)
    return names


def _read_published(folder: Path) -> str:
    names = _load_all(folder / "run")
    current = load_version(folder / "run").path.name
    if _read_first(folder) not in names or current not in names:
        raise ValueError(f"a version is lost: {names}")
    return "old" if current == _read_first(folder) else "new"


def _publish(folder: Path) -> None:
    version = _add_version(folder / "run")
    with lock_run(folder / "run"):
        promote(folder / "run", version.path.name)


_PUBLISH = Operation("publish a version", prepare=_copy_run, act=_publish, read=_read_published)


def _copy_run_of_two(folder: Path) -> None:
    """Make a run of two versions; the second is promoted."""
    _copy_run(folder)
    version = _add_version(folder / "run")
    promote(folder / "run", version.path.name)
    (folder / "second").write_text(version.path.name)


def _read_two(folder: Path) -> str:
    """Read which version is promoted: the second, `old`, or the first, `new`; both are there."""
    first, second = _read_first(folder), (folder / "second").read_text()
    if _load_all(folder / "run") != sorted([first, second]):
        raise ValueError("a version is lost")
    return _choose(load_version(folder / "run").path.name, second, first)


def _lock_and(act: Callable[[Path, str], object]) -> Callable[[Path], None]:
    """Make an act that changes the run under its lock, with the name of the first version."""

    def do(folder: Path) -> None:
        with lock_run(folder / "run"):
            act(folder / "run", _read_first(folder))

    return do


def _roll_back_once(run: Path, first: str) -> None:
    """Roll back, unless that is done."""
    if load_version(run).path.name != first:
        roll_back(run)


def _read_pinned(folder: Path) -> str:
    """Read whether the first version is in use and pinned; it may be in use alone."""
    state, pinned = _read_two(folder), read_pin(folder / "run")
    if pinned is None:
        return "old"
    return _choose((state, pinned), None, ("new", _read_first(folder)))


_PROMOTE = Operation("promote", prepare=_copy_run_of_two, act=_lock_and(promote), read=_read_two)
_ROLL_BACK = Operation("roll back", prepare=_copy_run_of_two, act=_lock_and(_roll_back_once), read=_read_two)
_PIN = Operation("pin", prepare=_copy_run_of_two, act=_lock_and(pin), read=_read_pinned)


def _copy_run_of_three(folder: Path) -> None:
    """Make a run of three versions, of which the last is promoted."""
    _copy_run_of_two(folder)
    version = _add_version(folder / "run")
    promote(folder / "run", version.path.name)
    (folder / "third").write_text(version.path.name)


def _read_forgotten(folder: Path) -> str:
    """Read which versions there are: all three, or all but the first, which nothing keeps."""
    names = [(folder / name).read_text() for name in ("first", "second", "third")]
    if load_version(folder / "run").path.name != names[2]:
        raise ValueError("another version is promoted")
    return _choose(_load_all(folder / "run"), sorted(names), sorted(names[1:]))


_FORGET = Operation(
    "forget", _copy_run_of_three, _lock_and(lambda run, _: forget(run, Retention(last=1))), _read_forgotten
)


# The store of forecasts.

_URL = "sqlite:///forecasts.db"
_MADE_AT = datetime(2026, 11, 30, 3, 15, tzinfo=UTC)
_HOURS = pd.date_range("2026-11-29", periods=96, freq="h")


def _make_forecast(origin: int, value: float) -> Forecast:
    times = _HOURS[origin + 1 : origin + 25]
    mean = np.arange(24) + value
    return Forecast("load", _HOURS[origin], times, mean, {0.1: mean - 1, 0.9: mean + 1})


def _make_actuals(count: int) -> pd.DataFrame:
    return pd.DataFrame({"series": "load", "timestamp": _HOURS[:count], "value": np.arange(count, dtype=float)})


def _store_first(store: Store) -> None:
    store.add_forecasts("north", "first", [_make_forecast(24, 1.0)], _MADE_AT)
    store.add_actuals("north", _make_actuals(25), _MADE_AT)


def _store_second(store: Store) -> None:
    """Store a day more, and what a correction of the data changed, as a job does: together."""
    with store.transaction():
        store.add_forecasts("north", "first", [_make_forecast(24, 2.0), _make_forecast(48, 3.0)], _MADE_AT)
        store.add_actuals("north", _make_actuals(49), _MADE_AT)


def _open_and(act: Callable[[Store], None]) -> Callable[[Path], None]:
    """Make an act on the store in a folder."""

    def do(folder: Path) -> None:
        with open_store(_URL, folder) as store:
            act(store)

    return do


def _read_store(folder: Path) -> str:
    with open_store(_URL, folder, read_only=True) as store:
        forecasts, actuals = store.read_forecasts(), store.read_actuals()
    found = (*(len(rows) for _, rows in forecasts.groupby("origin")), len(actuals), forecasts["mean"].sum())
    base = float(np.arange(24).sum())
    return _choose(found, (24, 25, base + 24), (24, 24, 49, 2 * base + 24 * 5))


_STORE = Operation("store forecasts", _open_and(_store_first), _open_and(_store_second), _read_store)


def _read_new_store(folder: Path) -> str:
    """Read a store that was not there before."""
    try:
        with open_store(_URL, folder, read_only=True) as store:
            forecasts, actuals = len(store.read_forecasts()), len(store.read_actuals())
    except RunError as error:
        return _choose([problem.code for problem in error.problems], ["no-such-store"], [])
    # The first forecast and the first actuals are two transactions.
    return "new" if (forecasts, actuals) == (24, 25) else _choose((forecasts, actuals), (0, 0), (24, 0)) and "old"


_CREATE_STORE = Operation("create a store", lambda _: None, _open_and(_store_first), _read_new_store)
