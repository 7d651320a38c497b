"""The connection to the database of a store: SQLite by the standard library, a server through SQLAlchemy.

Both take the same SQL, with parameters written as `:name`.
"""

import errno
import os
import re
import shlex
import sqlite3
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from forecaster.config.database_urls import PASSWORD, find_sqlite_path, has_password, mask_passwords
from forecaster.database import READ_ONLY, connect, find_reason
from forecaster.errors import (
    CannotCreate,
    ForecasterError,
    InputOutputFailed,
    Locked,
    RunError,
    UsageError,
    make_output_error,
    make_system_error,
)
from forecaster.problems import Problem
from forecaster.regular_files import open_regular_file

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_LOCK_SECONDS = 30  # to wait for another process that writes
_RETRY_SECONDS = 0.05
_WRITER_LOCK = 5_210_466_337_829_001_113  # of PostgreSQL's advisory locks: any number that others do not use
_MAX_CELL = 1 << 20  # bytes of the largest cell or row that SQLite reads
# SQLite's memory map of the write-ahead log is not shared between the machines that mount a network folder.
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")  # ends a journal that names the journal of several databases
_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.sshfs", "fuse.glusterfs")
_MOUNTS = Path("/proc/self/mounts")
_LOCK_NOT_AVAILABLE, _DISK_FULL, _READ_ONLY, _NO_PRIVILEGE = "55P03", "53100", "25006", "42501"  # of PostgreSQL


class DatabaseConnection(ABC):
    """A connection that reads, and writes in transactions.

    Attributes:
        where: the file or the URL, for messages.
        table_options: what follows the columns where a table is created.
    """

    where: str
    table_options = ""

    @abstractmethod
    def execute(self, statement: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Run a statement once, or once for each of several parameters; return its rows."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Open a transaction that no other writer of the store overlaps; an error inside it undoes it."""

    @abstractmethod
    def find_tables(self, names: Sequence[str]) -> dict[str, str]:
        """Find those of some tables that exist, with the statement that made each, where the database keeps it."""

    def make_damage_error(self, reason: str) -> RunError:
        """Build the error for content that cannot be what was written."""
        return RunError(Problem("damaged-store", self.where, detail={"reason": reason, "command": ""}))

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""


def connect_to_store(url: str, base: Path, read_only: bool = False) -> DatabaseConnection:
    """Connect to the database that a URL names; an SQLite file is created where it is missing.

    Args:
        url: without a password, which is in the environment.
        base: the folder that the path of an SQLite file is relative to.
        read_only: whether nothing is written, and nothing created.

    Raises:
        UsageError: the URL cannot be used.
        CannotCreate, InputOutputFailed: there is no connection, or the file cannot be created.
        RunError: the file is missing, or damaged.
        Locked: another process holds the file.
    """
    if has_password(url):
        raise UsageError(Problem("password-in-store", mask_passwords(url), detail={"variable": PASSWORD}))
    path = find_sqlite_path(url)
    if path is not None:
        return _SQLite(base / Path(path).expanduser(), read_only)
    if not re.match(r"postgresql(\+\w+)?://", url):
        raise UsageError(Problem("unsupported-store", url))
    return _Server(url, read_only)


class _SQLite(DatabaseConnection):
    """A connection to an SQLite file, with a write-ahead log; each transaction is on the disk when it ends."""

    table_options = " WITHOUT ROWID"  # rows are in the tree of the primary key, which is not stored twice

    def __init__(self, path: Path, read_only: bool) -> None:
        self.path, self.where, self._read_only = path, str(path), read_only
        self._check_path()
        with self._convert_errors():
            self._connection = self._open("ro" if read_only else "rwc")
            try:
                self._prepare()
            except sqlite3.OperationalError as error:
                self._connection.close()
                if not read_only:
                    raise
                self._connection = self._reopen(error)
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _reopen(self, error: sqlite3.OperationalError) -> sqlite3.Connection:
        """Open the file where it could not be opened for reading.

        Raises:
            OperationalError: the error, where nothing helps.
        """
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK:
            # A process was killed while it changed the file; the next connection that may write undoes its change.
            with closing(self._open("rw")) as connection:
                connection.execute("PRAGMA schema_version")
            return self._open("ro")
        # In a folder that cannot be written, a log cannot be opened; without a log there is nothing to open.
        if _code(error) not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY} or self._has_log():
            raise error
        return self._open("ro&immutable=1")

    def _check_path(self) -> None:
        """Refuse what no file can be opened at, before SQLite does without a reason."""
        if self._read_only and not os.path.lexists(self.path):
            raise RunError(Problem("no-such-store", self.where))
        folder = self.path.parent
        if not folder.is_dir():
            detail = {"reason": f"the folder {folder} does not exist"}
            raise CannotCreate(Problem("cannot-create", self.where, detail=detail))
        if self.path.exists() and not self.path.is_file():
            raise CannotCreate(Problem("cannot-create", self.where, detail={"reason": "not a regular file"}))
        try:
            with open_regular_file(f"{self.path}-journal") as journal:
                journal.seek(-len(_SUPER_JOURNAL), os.SEEK_END)
                names_file = journal.read() == _SUPER_JOURNAL
        except OSError:
            return
        if names_file:
            raise self.make_damage_error("its journal names another file, which SQLite would delete")

    def _has_log(self) -> bool:
        log = Path(f"{self.path}-wal")
        return log.exists() and log.stat().st_size > 0

    def _open(self, mode: str) -> sqlite3.Connection:
        address = f"file:{quote(str(self.path.absolute()))}?mode={mode}"
        connection = sqlite3.connect(address, timeout=_LOCK_SECONDS, isolation_level=None, uri=True)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_CELL)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        return connection

    def _prepare(self) -> None:
        """Set what each connection needs. The file may come from elsewhere: nothing in its schema is trusted."""
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        if self._read_only:
            self._connection.execute("PRAGMA query_only = ON")
            found = self._connection.execute("PRAGMA quick_check(1)").fetchall()
            if found != [("ok",)]:
                raise self.make_damage_error(str(found[0][0]).partition("\n")[2] or str(found[0][0]))
        else:
            self._choose_journal()

    def _choose_journal(self) -> None:
        """Use a write-ahead log, so that readers and the writer do not wait for each other."""
        wanted = "delete" if _is_on_network(self.path) else "wal"
        give_up = time.monotonic() + _LOCK_SECONDS
        while self._connection.execute("PRAGMA journal_mode").fetchone() != (wanted,):
            try:
                # Without shared memory SQLite keeps the journal that it has.
                self._connection.execute(f"PRAGMA journal_mode = {wanted}")
                return
            except sqlite3.OperationalError as error:
                # The busy timeout does not cover this statement.
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(_RETRY_SECONDS)

    def execute(self, statement: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        with self._convert_errors():
            if isinstance(parameters, Mapping) or not parameters:
                return self._connection.execute(statement, parameters).fetchall()
            self._connection.executemany(statement, parameters)
            return []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        # IMMEDIATE: the lock is taken before anything is read that the transaction depends on.
        self.execute("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite undoes it where the disk is full
                self._connection.execute("ROLLBACK")
            raise

    def find_tables(self, names: Sequence[str]) -> dict[str, str]:
        marks = ", ".join(f"'{name}'" for name in names)
        rows = self.execute(f"SELECT type, lower(tbl_name), sql FROM sqlite_schema WHERE lower(tbl_name) IN ({marks})")
        found = {name: str(text) for kind, name, text in rows if kind in {"table", "view"}}
        triggers = {name: str(text) for kind, name, text in rows if kind == "trigger"}
        return found | triggers  # a table with a trigger is not one that we made

    def close(self) -> None:
        self._connection.close()

    def make_damage_error(self, reason: str) -> RunError:
        # A log that is left behind would be replayed into the next file of this name.
        away = self.path.with_name("damaged")
        command = f"mkdir {shlex.quote(str(away))} && mv {shlex.quote(str(self.path))}* {shlex.quote(str(away))}"
        return RunError(Problem("damaged-store", self.where, detail={"reason": reason, "command": command}))

    @contextmanager
    def _convert_errors(self) -> Iterator[None]:
        """Convert errors of SQLite to those with an exit code."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._convert(error) from None

    def _find_refusal(self) -> OSError:
        """Find why no file can be opened for writing, which SQLite does not report: try it."""
        try:
            if self.path.exists():
                os.close(os.open(self.path, os.O_RDWR))
            with tempfile.TemporaryFile(dir=self.path.parent) as file:
                file.write(b"\0")
        except OSError as error:
            return error
        return OSError(errno.EACCES, os.strerror(errno.EACCES))

    def _convert(self, error: sqlite3.Error) -> ForecasterError:
        match _code(error):
            case sqlite3.SQLITE_FULL:
                return make_output_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), self.path)
            case sqlite3.SQLITE_IOERR:
                return make_output_error(OSError(errno.EIO, os.strerror(errno.EIO)), self.path)
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN if self._read_only:
                if not os.access(self.path, os.R_OK, effective_ids=True):
                    return make_system_error(OSError(errno.EACCES, os.strerror(errno.EACCES), self.where))
                return InputOutputFailed(Problem("unfinished-store", self.where))
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
                return make_output_error(self._find_refusal(), self.path)
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return Locked(Problem("locked-store", self.where, detail={"seconds": _LOCK_SECONDS}))
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_TOOBIG | sqlite3.SQLITE_FORMAT:
                return self.make_damage_error(str(error))
            case 0 if str(error).startswith("Could not decode"):  # of Python's module
                return self.make_damage_error("a text is not UTF-8")
        return InputOutputFailed(Problem("store-failed", self.where, detail={"reason": str(error)}))


def _code(error: sqlite3.Error) -> int:
    """Return the primary code of an error: the lowest byte of SQLite's extended codes; 0 where it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_on_network(path: Path) -> bool:
    """Whether a file is in a folder of another machine, by the table of mounts; False where there is none."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    folder = os.path.realpath(path.parent)
    mounts = [line.split(" ")[1:3] for line in lines]
    # A blank in the name of a folder is written \040.
    places = [(place.replace("\\040", " "), kind) for place, kind in mounts]
    inside = [(place, kind) for place, kind in places if Path(folder).is_relative_to(place)]
    return bool(inside) and max(inside, key=lambda mount: len(mount[0]))[1].startswith(_NETWORK)


class _Server(DatabaseConnection):
    """A connection to PostgreSQL."""

    def __init__(self, url: str, read_only: bool) -> None:
        self.where, self._read_only = url, read_only
        self._stack = ExitStack()
        self._connection = self._stack.enter_context(connect(url, "storing forecasts in a database"))
        try:
            for statement in READ_ONLY["postgresql"][:1] if read_only else ():
                self.execute(statement)
            self.execute(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
            self._connection.commit()
        except BaseException:
            self._stack.close()
            raise

    def execute(self, statement: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        from sqlalchemy import text  # noqa: PLC0415

        with self._convert_errors():
            result = self._connection.execute(text(statement), parameters or None)
            return [tuple(row) for row in result] if result.returns_rows else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._convert_errors():
            self._connection.rollback()  # ends what an earlier reading began
            with self._connection.begin():
                if not self._read_only:
                    self.execute(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")
                yield

    def find_tables(self, names: Sequence[str]) -> dict[str, str]:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        return {str(name): "" for (name,) in self.execute(query) if name in names}

    def close(self) -> None:
        self._stack.close()

    @contextmanager
    def _convert_errors(self) -> Iterator[None]:
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError  # noqa: PLC0415

        try:
            yield
        except SQLAlchemyError as error:
            reason = find_reason(error)
            code = getattr(getattr(error, "orig", None), "sqlstate", None)
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise InputOutputFailed(Problem("connection-lost", self.where, detail={"reason": reason})) from None
            if code == _LOCK_NOT_AVAILABLE:
                raise Locked(Problem("locked-store", self.where, detail={"seconds": _LOCK_SECONDS})) from None
            if code in {_READ_ONLY, _NO_PRIVILEGE}:
                raise CannotCreate(Problem("cannot-create", self.where, detail={"reason": reason})) from None
            raise InputOutputFailed(Problem("store-failed", self.where, detail={"reason": reason})) from None
