"""Forecasts in a table of a database that other programs read: SQLite or PostgreSQL."""

import datetime
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from forecaster.config.database_urls import find_sqlite_path, is_url
from forecaster.errors import UsageError
from forecaster.forecast import COLUMNS, ColumnNames, Forecast, name_column
from forecaster.jobs.database_connection import DatabaseConnection, connect_to_store
from forecaster.jobs.store import TABLES
from forecaster.problems import Problem
from forecaster.wording import format_timestamps

_TABLE = re.compile(r"[?&]table=([^&]*)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class ForecastTable(NamedTuple):
    """A table of a database.

    Attributes:
        url: of the database, without the table and without a password.
        name: of the table.
    """

    url: str
    name: str

    @classmethod
    def from_url(cls, url: str) -> "ForecastTable | None":
        """Split a URL such as `sqlite:///forecasts.db?table=sales`; None where it is the path of a file.

        Raises:
            UsageError: it names no table, or one whose name is not letters, digits and _.
        """
        if not is_url(url):
            return None
        found = _TABLE.search(url)
        if found is None or not _NAME.fullmatch(found[1]):
            detail = {"received": found[1] if found else "", "url": url.partition("?")[0]}
            raise UsageError(Problem("no-table-in-url", "--output", detail=detail))
        before, after = url[: found.start()], url[found.end() :]
        separator = "?" if found[0].startswith("?") and after else ""
        return cls(before + separator + after.removeprefix("&" if separator else ""), found[1])

    @property
    def is_sqlite(self) -> bool:
        """Whether it is in an SQLite file."""
        return find_sqlite_path(self.url) is not None


def write_forecast_table(
    table: ForecastTable, forecasts: Sequence[Forecast], names: ColumnNames, replaces: bool = False
) -> int:
    """Write forecasts into a table, in one transaction; the table is made where it is missing.

    A forecast replaces that of the same series and origin, so that a repeated command changes nothing.

    Args:
        table: with the columns of `forecasts_to_frame`.
        forecasts: at least one.
        names: of the columns of quantiles.
        replaces: whether other rows of the table are removed.

    Returns:
        The rows written.

    Raises:
        UsageError: the URL cannot be used, or the table has other columns and stays.
        CannotCreate, InputOutputFailed, Locked: the database refuses it; nothing is written.
    """
    columns = _list_columns(forecasts[0], names)
    rows = [row for each in forecasts for row in _list_rows(each, columns, table.is_sqlite)]
    connection = connect_to_store(table.url, Path.cwd())
    try:
        with connection.transaction():
            _prepare_table(connection, table, columns, _choose_type(forecasts[0], table.is_sqlite), replaces)
            old = [{"p0": row["p0"], "p1": row["p1"]} for row in rows if row["p3"] == 1]
            connection.execute(f'DELETE FROM "{table.name}" WHERE "series" = :p0 AND "origin" = :p1', old)
            marks = ", ".join(f":p{number}" for number in range(len(columns)))
            connection.execute(f'INSERT INTO "{table.name}" ({_quote(columns)}) VALUES ({marks})', rows)
    finally:
        connection.close()
    return len(rows)


def _list_columns(forecast: Forecast, names: ColumnNames) -> dict[str, float | None]:
    """List the columns of the table, with the probability of those that are quantiles."""
    shown = [each for each in forecast.quantiles if names == "levels" or each != 0.5]
    return {**dict.fromkeys(COLUMNS), **{name_column(each, names): each for each in shown}, "source": None}


def _list_rows(forecast: Forecast, columns: dict[str, float | None], is_text: bool) -> list[dict[str, Any]]:
    """List the rows of a forecast, with parameters p0, p1, ... in the order of the columns."""
    times: list[Any] = [forecast.origin, *forecast.timestamps]
    if is_text and not isinstance(times[0], int):
        times = format_timestamps(times)
    else:
        times = [_to_plain(time) for time in times]
    numbers = [forecast.mean, *(forecast.quantiles[each] for each in columns.values() if each is not None)]
    cells = [[None if math.isnan(value) else value for value in each.tolist()] for each in numbers]
    steps = zip(times[1:], range(1, len(times)), *cells, strict=True)
    return [
        {f"p{place}": value for place, value in enumerate((forecast.series, times[0], *values, forecast.source))}
        for values in steps
    ]


def _to_plain(time: Any) -> Any:
    """Convert a timestamp of pandas to one of Python, which drivers of databases know."""
    if hasattr(time, "to_pydatetime"):
        return time.to_pydatetime()
    return time if _is_date(time) else int(time)


def _is_date(time: Any) -> bool:
    return isinstance(time, datetime.datetime)


def _choose_type(forecast: Forecast, is_sqlite: bool) -> str:
    """Choose the type of the columns of timestamps."""
    if not _is_date(forecast.origin):
        return "BIGINT"
    if is_sqlite:
        return "TEXT"
    return "TIMESTAMP" if forecast.origin.tzinfo is None else "TIMESTAMP WITH TIME ZONE"


def _prepare_table(
    connection: DatabaseConnection,
    table: ForecastTable,
    columns: dict[str, float | None],
    time_type: str,
    replaces: bool,
) -> None:
    """Make the table, or empty it where its rows are replaced; one with other columns is made anew then.

    Raises:
        UsageError: it has other columns, and its rows stay; or it is a table of a store of jobs.
    """
    if table.name.lower() in TABLES and len(connection.find_tables([*TABLES])) == len(TABLES):
        raise UsageError(Problem("table-of-a-store", table.url, detail={"table": table.name}))
    query = (
        f"SELECT name FROM pragma_table_info('{table.name}')"
        if table.is_sqlite
        else "SELECT column_name FROM information_schema.columns "
        f"WHERE table_schema = current_schema() AND table_name = '{table.name}'"
    )
    found = [name for (name,) in connection.execute(query)]
    if found and not columns.keys() <= set(found):
        if not replaces:
            detail = {"table": table.name, "missing": [name for name in columns if name not in found]}
            raise UsageError(Problem("table-of-other-columns", table.url, detail=detail))
        connection.execute(f'DROP TABLE "{table.name}"')
        found = []
    if found and replaces:
        connection.execute(f'DELETE FROM "{table.name}"')
    if not found:
        kinds = {"series": "TEXT", "origin": time_type, "timestamp": time_type, "step": "INTEGER", "source": "TEXT"}
        typed = ", ".join(f'"{name}" {kinds.get(name, "DOUBLE PRECISION")}' for name in columns)
        connection.execute(f'CREATE TABLE "{table.name}" ({typed}, PRIMARY KEY ("series", "origin", "timestamp"))')


def _quote(columns: dict[str, float | None]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
