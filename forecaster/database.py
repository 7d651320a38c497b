"""Connections to databases, to read from and to write to; SQLAlchemy is an optional dependency."""

import dataclasses
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from forecaster.config.database_urls import PASSWORD, mask_passwords
from forecaster.config.reader import report_missing_file
from forecaster.errors import DataError, InputOutputFailed, UsageError
from forecaster.extras import import_extra
from forecaster.problems import Problem

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

# What makes a connection of each kind of database, or its transaction, read-only.
READ_ONLY = {
    "sqlite": ("PRAGMA query_only = ON",),
    "postgresql": ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET TRANSACTION READ ONLY"),
    "cockroachdb": ("SET TRANSACTION READ ONLY",),
    "redshift": ("SET TRANSACTION READ ONLY",),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "START TRANSACTION READ ONLY"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "START TRANSACTION READ ONLY"),
    "oracle": ("SET TRANSACTION READ ONLY",),
}
# What installs a driver that is named otherwise, or needs a library of the system without its extra.
_PACKAGES = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
_OPENING = ("mode", "uri", "vfs", "immutable", "nolock", "psow", "cache")  # how SQLite opens a file


@contextmanager
def connect(url: str, feature: str) -> Iterator["Connection"]:
    """Open a connection, and close it after use.

    Args:
        url: without a password, which is in the environment; an SQLite file is opened read-only.
        feature: what needs the extra `sql`, for the message where it is missing.

    Raises:
        InputOutputFailed: there is no connection.
        UsageError: the URL is none, or a package that it needs is not installed.
    """
    engine = _create_engine(url, feature)
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        connection = engine.connect()
    except (SQLAlchemyError, OSError, ValueError, TypeError) as error:
        detail = {"reason": find_reason(error), "user": bool(engine.url.username), "variable": PASSWORD}
        detail |= {"is_set": bool(os.environ.get(PASSWORD))}
        raise InputOutputFailed(Problem("cannot-connect", url, detail=detail)) from None
    try:
        yield connection
    finally:
        connection.close()
        engine.dispose()


def _create_engine(url: str, feature: str) -> "Engine":
    with import_extra("sql", f"{url}: {feature}"):
        import pyarrow  # noqa: F401, PLC0415
        import sqlalchemy  # noqa: PLC0415
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415
    try:
        return sqlalchemy.create_engine(_complete_url(sqlalchemy.make_url(url)), poolclass=sqlalchemy.NullPool)
    except NoSuchModuleError:
        raise UsageError(Problem("unknown-database", url)) from None
    except (ArgumentError, ValueError):
        raise UsageError(Problem("not-a-database-url", url)) from None
    except ImportError as error:
        driver = error.name or sqlalchemy.make_url(url).get_driver_name()
        package = _PACKAGES.get(driver, driver)
        raise UsageError(Problem("missing-driver", url, detail={"package": package})) from None


def _complete_url(url: "URL") -> "URL":
    """Add the password to a URL; or open an SQLite file, which has to exist, read-only: SQLite would create it."""
    if url.get_backend_name() != "sqlite":
        password = os.environ.get(PASSWORD)
        return url.set(password=password) if url.username and password else url
    file = _find_sqlite_file(url.database or ":memory:")
    others = url.difference_update_query(_OPENING)
    if file == ":memory:":
        return others.set(database=file)
    if not Path(file).is_file():
        raise DataError(dataclasses.replace(report_missing_file(Path(file)), where=str(url)))
    return others.set(database=f"file:{quote(file)}").update_query_dict({"mode": "ro", "uri": "true"})


def _find_sqlite_file(database: str) -> str:
    """Find the path that SQLite is asked for, which may be a URI: `file:/sales.db?mode=rwc`."""
    if not database.startswith("file:"):
        return database
    path = unquote(database.removeprefix("file:").partition("?")[0].partition("#")[0])
    return re.sub(r"^//(?:localhost)?(?=/)", "", path)


def find_reason(error: Exception) -> str:
    """Take the database's own message, in a line; SQLAlchemy wraps it with the statement."""
    own = getattr(error, "orig", None) or error
    texts = [each for each in own.args if isinstance(each, str)]  # MySQL's drivers have a number before it
    return mask_passwords((texts[-1] if texts else str(own)).strip().partition("\n")[0])
