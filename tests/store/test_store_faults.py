"""The store where something fails: disks, permissions, other writers, killed processes, and files from elsewhere."""

import os
import resource
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from forecaster.config.database_urls import PASSWORD
from forecaster.errors import CannotCreate, InputOutputFailed, Locked, RunError, UsageError
from forecaster.store import connection
from forecaster.store.store import open_store
from tests.helpers.command import ROOT
from tests.store.test_store import NOW, make_actuals, make_forecast

FILE = "sqlite:///forecasts.db"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a forecast of two steps, and an actual."""
    with open_store(FILE, tmp_path) as store:
        store.add_forecasts("north", "v1", [make_forecast(quantiles={0.1: (0, 1), 0.9: (2, 3)})], NOW)
        store.add_actuals("north", make_actuals([1.0]), NOW)
    return tmp_path / "forecasts.db"


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA trusted_schema = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def read(path: Path):
    with open_store(FILE, path.parent, read_only=True) as store:
        return store.read_forecasts(), store.read_actuals(), store.read_adaptation("north")


@contextmanager
def without_privileges():
    """Root may write everywhere: be another user meanwhile."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    "url", ["mysql://me@host/db", "sqlite://", "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "x.db"]
)
def test_other_databases_are_refused_with_those_that_work(tmp_path, url):
    with pytest.raises(UsageError, match="in SQLite or PostgreSQL; use sqlite:///forecasts.db or postgresql://"):
        open_store(url, tmp_path).__enter__()


def test_a_password_belongs_into_the_environment(tmp_path):
    with pytest.raises(UsageError) as found:
        open_store("postgresql://me:hush-hush@host/db", tmp_path).__enter__()
    assert str(found.value) == (
        f"postgresql://me:***@host/db: holds a password; remove it from the URL and set it in the environment as {PASSWORD}"
    )


def test_a_folder_is_not_created_and_named(tmp_path):
    with pytest.raises(CannotCreate, match=r"no/forecasts.db: cannot be created: the folder .*/no does not exist"):
        open_store("sqlite:///no/forecasts.db", tmp_path).__enter__()
    os.mkfifo(tmp_path / "pipe.db")
    for name in ("../" + tmp_path.name, "pipe.db"):
        with pytest.raises(CannotCreate, match="not a regular file"):
            open_store(f"sqlite:///{name}", tmp_path).__enter__()


def test_reading_creates_nothing(tmp_path):
    with pytest.raises(RunError, match=r"forecasts.db: holds no forecasts yet; store the first with: forecast run"):
        read(tmp_path / "forecasts.db")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "forecasts.db").touch()
    with pytest.raises(RunError, match="holds no forecasts yet"):
        read(tmp_path / "forecasts.db")


def test_a_folder_that_may_only_be_read_is_read_and_not_written(path):
    path.parent.chmod(0o555)
    path.chmod(0o444)
    for parent in list(path.parents)[1:4]:
        parent.chmod(parent.stat().st_mode | 0o011)
    with without_privileges():
        assert len(read(path)[0]) == 2
        with pytest.raises(CannotCreate, match="cannot be created: Permission denied"):
            open_store(FILE, path.parent).__enter__()
        with pytest.raises(CannotCreate, match="cannot be created: Permission denied"):
            open_store("sqlite:///other.db", path.parent).__enter__()
    path.chmod(0o000)
    with without_privileges(), pytest.raises(InputOutputFailed, match="cannot be read or written: Permission denied"):
        read(path)
    path.parent.chmod(0o755)


def test_a_log_that_cannot_be_replayed_is_an_error_and_no_older_state(path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    with open_store(FILE, path.parent) as store:
        store.add_forecasts("north", "v2", [make_forecast()], NOW)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", folder)
    for parent in list(folder.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    folder.chmod(0o555)
    with without_privileges(), pytest.raises(InputOutputFailed, match="a process that wrote to it was stopped"):
        read(folder / "forecasts.db")
    folder.chmod(0o755)
    assert set(read(folder / "forecasts.db")[0]["version"]) == {"v1", "v2"}


def garble(path: Path, kind: str) -> None:
    content = bytearray(path.read_bytes())
    match kind:
        case "text":
            content = bytearray(b"time,load\n" * 200)
        case "cut":
            del content[len(content) // 2 :]
        case "pages":
            content[4096:] = bytes([7]) * (len(content) - 4096)
        case "header":
            content[20:60] = bytes(40)
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["text", "cut", "pages", "header"])
def test_a_damaged_file_is_named_with_a_command_that_moves_it_away(path, kind):
    garble(path, kind)
    with pytest.raises(RunError, match="damaged: .*restore it from a backup, or move it away") as found:
        read(path)
    command = str(found.value).partition("begins a new one: ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    assert shlex.split(command)[:2] == ["mkdir", f"{path.parent}/damaged"]
    with open_store(FILE, path.parent) as store:
        assert store.add_forecasts("north", "v1", [make_forecast()], NOW) == 2
    assert (path.parent / "damaged" / "forecasts.db").exists()


@pytest.mark.parametrize("kind", ["text", "pages"])
def test_a_damaged_file_is_not_written_over(path, kind):
    garble(path, kind)
    before = path.read_bytes()
    with pytest.raises(RunError, match="damaged"), open_store(FILE, path.parent) as store:
        store.add_forecasts("north", "v1", [make_forecast()], NOW)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("value", "expected"), [("2", "format 2, .* reads format 1; upgrade"), ("x", "name another store")]
)
def test_a_store_of_another_format_is_refused(path, value, expected):
    change(path, f"UPDATE meta SET value = '{value}'")
    for read_only in (True, False):
        with pytest.raises(RunError, match=expected):
            open_store(FILE, path.parent, read_only).__enter__()


ENDLESS = "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x)"
LIKE_OURS = "'a' AS job, 'b' AS version, 'c' AS series, 'd' AS origin, 'e' AS timestamp, n AS step, 1.0 AS mean"


@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TABLE forecasts", f"CREATE VIEW forecasts AS {ENDLESS} SELECT {LIKE_OURS} FROM x"],
        ["CREATE TRIGGER t AFTER INSERT ON forecasts BEGIN DELETE FROM actuals; END"],
        ["CREATE TRIGGER t BEFORE DELETE ON Actuals BEGIN SELECT 1; END"],
        ["ALTER TABLE forecasts ADD COLUMN x AS (hex(zeroblob(1000000)))"],
        ["DROP TABLE actuals", "CREATE VIRTUAL TABLE actuals USING fts5(job)"],
        ["DROP TABLE actuals"],
        ["DROP TABLE adaptation", "CREATE TABLE adaptation (job TEXT)"],
    ],
)
def test_tables_that_are_not_ours_are_refused_for_reading_and_writing(path, statements):
    change(path, *statements)
    for read_only in (True, False):
        with pytest.raises(RunError, match="has a table that forecast did not make"):
            open_store(FILE, path.parent, read_only).__enter__()


def test_a_database_of_something_else_is_left_alone(tmp_path):
    change(tmp_path / "forecasts.db", "CREATE TABLE forecasts (day TEXT, sold REAL)")
    with pytest.raises(RunError, match=r"has a table that forecast did not make \(forecasts\); name another database"):
        open_store(FILE, tmp_path).__enter__()
    change(tmp_path / "other.db", "CREATE TABLE sales (day TEXT, sold REAL)")
    with open_store("sqlite:///other.db", tmp_path) as store:
        assert store.add_forecasts("north", "v1", [make_forecast()], NOW) == 2


@pytest.mark.parametrize(
    "change_of_cells",
    [
        "forecasts SET mean = 'high'",
        "forecasts SET mean = 9e999",
        "forecasts SET mean = x'00'",
        "forecasts SET step = 0 WHERE step = 1",
        "forecasts SET step = 'first' WHERE step = 1",
        "forecasts SET step = 9e15 WHERE step = 1",
        "forecasts SET step = 1.5 WHERE step = 1",
        "forecasts SET timestamp = 'tomorrow'",
        "forecasts SET timestamp = '2026-13-01 00:00:00'",
        "forecasts SET origin = '2026-02-30 00:00:00'",
        "forecasts SET origin = x'2026'",
        "forecasts SET series = printf('%.*c', 2000, 'x')",
        "forecasts SET series = x'80'",
        "forecasts SET series = CAST(x'80' AS TEXT)",
        "forecasts SET made_at = '2026-01-01'",
        "forecasts SET quantiles = '[1, 2]'",
        "forecasts SET quantiles = 'null'",
        "forecasts SET quantiles = '{\"high\": 1}'",
        "forecasts SET quantiles = '{\"1.5\": 1}'",
        'forecasts SET quantiles = \'{"0.1": "1"}\'',
        "forecasts SET quantiles = '{\"0.1\": NaN}'",
        "forecasts SET quantiles = '{\"0.1\": true}'",
        "forecasts SET quantiles = printf('%.*c', 40000, '[')",
        "forecasts SET quantiles = printf('%.*c', 3000000, '1')",
        "forecasts SET quantiles = '{\"0.1\": ' || printf('%.*c', 5000, '1') || '}'",
        "actuals SET value = 'x'",
        "actuals SET first_value = -9e999",
        "actuals SET seen_at = 'x'",
    ],
)
def test_a_cell_that_no_forecast_has_is_an_error(path, change_of_cells):
    change(path, f"UPDATE {change_of_cells}")
    with pytest.raises(RunError, match="damaged: ") as found:
        read(path)
    assert len(str(found.value)) < 600


@pytest.mark.parametrize("state", ["'x'", "x'00'", "'{\"alpha\": 1e999}'", "'{\"alpha\": [1]}'"])
def test_a_state_that_is_none_is_an_error(path, state):
    change(path, f"INSERT INTO adaptation VALUES ('north', 'load', 1, 80.0, {state})")
    with pytest.raises(RunError, match="damaged: in the table adaptation, "):
        read(path)


def test_a_journal_that_names_another_file_is_not_followed(path):
    """SQLite would undo what the journal holds, and then delete the file that it names."""
    name = str(path.parent / "mine.txt").encode()
    size, checksum = len(name).to_bytes(4, "big"), sum(name).to_bytes(4, "big")
    end = bytes(4) + name + size + checksum + bytes.fromhex("d9d505f920a163d7")
    Path(f"{path}-journal").write_bytes(bytes(512) + end)
    for read_only in (True, False):
        with pytest.raises(RunError, match="its journal names another file"):
            open_store(FILE, path.parent, read_only).__enter__()


def test_a_full_disk_undoes_the_transaction(path):
    before = read(path)
    many = [make_forecast(f"2026-02-{day:02}", range(200)) for day in range(1, 29)]
    with open_store(FILE, path.parent) as store:
        store._database._connection.execute("PRAGMA max_page_count = 20")
        with pytest.raises(
            InputOutputFailed, match=r"forecasts.db: cannot be written: No space left on device; free space"
        ):
            store.add_forecasts("north", "v1", many, NOW)
        store._database._connection.execute("PRAGMA max_page_count = 20000")
        assert len(store.read_forecasts()) == len(before[0])
        assert store.add_forecasts("north", "v1", many, NOW) == 5600


def test_a_write_that_fails_leaves_what_was_there(path):
    """Files may not grow beyond a limit: writing fails with EFBIG, as it does with EIO."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    many = [make_forecast(f"2026-02-{day:02}", range(200)) for day in range(1, 29)]
    try:
        with open_store(FILE, path.parent) as store:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
            with pytest.raises(InputOutputFailed, match=r"forecasts.db: cannot be written: Input/output error"):
                store.add_forecasts("north", "v1", many, NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(read(path)[0]) == 2
    with open_store(FILE, path.parent) as store:
        assert store.add_forecasts("north", "v1", many, NOW) == 5600


def test_a_writer_waits_for_another_for_a_while(path, monkeypatch):
    monkeypatch.setattr(connection, "_LOCK_SECONDS", 0.1)
    with closing(sqlite3.connect(path)) as other, open_store(FILE, path.parent) as store:
        other.execute("BEGIN IMMEDIATE")
        assert len(store.read_forecasts()) == 2  # readers do not wait
        with pytest.raises(Locked, match="other processes have written to the store for 0.1 seconds; try again"):
            store.add_actuals("north", make_actuals([5.0]), NOW)
        other.rollback()
        assert store.add_actuals("north", make_actuals([5.0]), NOW) == 1


@pytest.mark.parametrize(
    ("mounts", "mode"),
    [
        ("server:/x {folder} nfs4 rw 0 0", "delete"),
        ("//host/x {folder} cifs rw 0 0", "delete"),
        ("server:/x {parent} nfs rw 0 0\n/dev/sda1 {folder} ext4 rw 0 0", "wal"),
        ("/dev/sda1 / ext4 rw 0 0\nserver:/x {folder}x nfs rw 0 0", "wal"),
        (None, "wal"),
    ],
)
def test_a_network_folder_has_no_log(tmp_path, monkeypatch, mounts, mode):
    folder = tmp_path / "my data"
    folder.mkdir()
    table = tmp_path / "mounts"
    if mounts is not None:
        places = {"folder": str(folder).replace(" ", "\\040"), "parent": tmp_path}
        table.write_text("/dev/sda1 / ext4 rw 0 0\n" + mounts.format(**places) + "\n")
    monkeypatch.setattr(connection, "_MOUNTS", table)
    with open_store(FILE, folder) as store:
        store.add_forecasts("north", "v1", [make_forecast()], NOW)
        assert store._database._connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
    assert len(read(folder / "forecasts.db")[0]) == 2


WRITERS = """
import os, sys
from pathlib import Path
if sys.argv[1].startswith("postgresql"):  # before the processes begin
    import psycopg, pyarrow, sqlalchemy.dialects.postgresql.psycopg
from forecaster.store.store import open_store
from tests.store.test_store import NOW, make_actuals, make_forecast

url, folder = sys.argv[1], Path(sys.argv[2])
children = []
for writer in range(8):
    if not (child := os.fork()):
        code = 1
        try:
            for day in range(1, 3):
                with open_store(url, folder) as store:
                    store.add_forecasts("shared", "v1", [make_forecast(f"2026-01-0{day}")], NOW)
                    store.add_forecasts(f"job {writer}", "v1", [make_forecast(f"2026-01-0{day}")], NOW)
                    store.add_actuals("shared", make_actuals([1.0, 2.0]), NOW)
            code = 0
        finally:
            os._exit(code)
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.fixture
def run_script(fork_server) -> Callable[..., str]:
    """Run Python statements in a fork of a process that has the imports."""

    def run(text: str, *arguments: object) -> str:
        command = ["-c", f"import warnings; warnings.simplefilter('error'){text}", *map(str, arguments)]
        result = fork_server(False).run(command, ROOT, os.environ, timeout=120)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_eight_processes_create_and_write_one_store_at_once(tmp_path, request, run_script, database):
    url = request.getfixturevalue("postgresql") if database == "postgresql" else FILE
    run_script(WRITERS, url, tmp_path)
    with open_store(url, tmp_path, read_only=True) as store:
        counts = store.read_forecasts().groupby("job").size()
        assert counts.to_dict() == {"shared": 4, **{f"job {writer}": 4 for writer in range(8)}}
        assert len(store.read_actuals()) == 2


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
if sys.argv[1].startswith("postgresql"):  # before the processes begin
    import psycopg, pyarrow, sqlalchemy.dialects.postgresql.psycopg
from forecaster.store.store import open_store
from tests.store.test_store import NOW, make_actuals, make_forecast

url, folder, rounds, longest = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
delays = random.Random(1)
stored = 0
for number in range(rounds):
    finished, announce = os.pipe()
    if not (child := os.fork()):
        for day in range(1, 1000):
            with open_store(url, folder) as store, store.transaction():
                store.add_forecasts(f"job {number}", "v1", [make_forecast(1000 * day, range(1, 25))], NOW)
                store.add_actuals(f"job {number}", make_actuals([1.0] * 10, 1000 * day), NOW)
            os.write(announce, b".")
    os.close(announce)
    if number % 2:  # every other process has written something; the rest may be killed while they create the store
        os.read(finished, 1)
    time.sleep(delays.uniform(0.002, longest))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(finished)
    if url.startswith("sqlite") and not (folder / "forecasts.db").exists():
        continue
    with open_store(url, folder) as store:
        forecasts, actuals = store.read_forecasts(f"job {number}"), store.read_actuals(f"job {number}")
    steps = forecasts.groupby("origin").size()
    assert set(steps) <= {24}, steps
    assert len(actuals) == 10 * len(steps)
    assert len(steps) >= number % 2
    stored += len(steps)
print(stored)
"""


@pytest.mark.parametrize(("database", "rounds", "longest"), [("sqlite", 12, 0.06), ("postgresql", 4, 0.3)])
def test_a_process_that_is_killed_leaves_whole_transactions(tmp_path, request, run_script, database, rounds, longest):
    url = request.getfixturevalue("postgresql") if database == "postgresql" else FILE
    assert int(run_script(KILLED, url, tmp_path, rounds, longest)) > 0


def execute(url: str, *statements: str, user: str = "me"):
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "").replace("me@", f"{user}@"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_server_is_checked_as_a_file_is(postgresql, tmp_path):
    with pytest.raises(RunError, match="holds no forecasts yet"):
        open_store(postgresql, tmp_path, read_only=True).__enter__()
    with open_store(postgresql, tmp_path) as store:
        store.add_forecasts("north", "v1", [make_forecast()], NOW)
    with open_store(postgresql, tmp_path, read_only=True) as store:
        with pytest.raises(CannotCreate, match="read-only transaction"):
            store.add_forecasts("north", "v2", [make_forecast()], NOW)
        assert len(store.read_forecasts()) == 2
    execute(postgresql, "UPDATE forecasts SET quantiles = '[1]'")
    with open_store(postgresql, tmp_path) as store, pytest.raises(RunError, match="restore it from a backup$"):
        store.read_forecasts()
    execute(postgresql, "UPDATE meta SET value = '2'")
    with pytest.raises(RunError, match="format 2, this forecast reads format 1"):
        open_store(postgresql, tmp_path).__enter__()
    execute(postgresql, "DROP TABLE actuals")
    with pytest.raises(RunError, match=r"a table that forecast did not make \(actuals\)"):
        open_store(postgresql, tmp_path).__enter__()


def test_a_server_that_ends_the_connection_is_reported(postgresql, tmp_path):
    with open_store(postgresql, tmp_path) as store:
        execute(postgresql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        with pytest.raises(InputOutputFailed, match="the connection broke: .*; try again"):
            store.add_forecasts("north", "v1", [make_forecast()], NOW)
    with open_store(postgresql, tmp_path) as store:
        assert store.add_forecasts("north", "v1", [make_forecast()], NOW) == 2


def test_a_server_whose_lock_another_holds_is_waited_for_a_while(postgresql, tmp_path, monkeypatch):
    import psycopg

    monkeypatch.setattr(connection, "_LOCK_SECONDS", 0.2)
    with open_store(postgresql, tmp_path) as store, psycopg.connect(postgresql.replace("+psycopg", "")) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({connection._WRITER_LOCK})")
        with pytest.raises(Locked, match="try again"):
            store.add_forecasts("north", "v1", [make_forecast()], NOW)
        other.rollback()
        assert store.add_forecasts("north", "v1", [make_forecast()], NOW) == 2


def test_a_user_without_the_right_to_write_may_read(postgresql, tmp_path):
    schema = postgresql.rpartition("%3D")[2]
    with open_store(postgresql, tmp_path) as store:
        store.add_forecasts("north", "v1", [make_forecast()], NOW)
    execute(
        postgresql,
        f"CREATE ROLE reader_{schema} LOGIN",
        f"GRANT USAGE ON SCHEMA {schema} TO reader_{schema}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader_{schema}",
    )
    with open_store(postgresql.replace("me@", f"reader_{schema}@"), tmp_path) as store:
        assert len(store.read_forecasts()) == 2
        with pytest.raises(CannotCreate, match="permission denied for table forecasts"):
            store.add_forecasts("north", "v2", [make_forecast()], NOW)


def test_a_server_that_is_not_there_is_named_without_a_password(tmp_path, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv(PASSWORD, "hush-hush")
    with pytest.raises(InputOutputFailed, match="cannot connect: .*its password is read from") as found:
        open_store(f"postgresql+psycopg://me@/db?host={tmp_path}", tmp_path).__enter__()
    assert "hush-hush" not in str(found.value)
