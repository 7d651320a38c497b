"""Forecasts in a table of a database that other programs read: SQLite or PostgreSQL."""

import datetime
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from forecaster.config.database_urls import find_sqlite_path, is_url
from forecaster.errors import UsageError
from forecaster.forecast import COLUMNS, LEVEL, ColumnNames, Forecast, name_column
from forecaster.problems import Problem
from forecaster.store.connection import DatabaseConnection, connect_to_store
from forecaster.store.store import TABLES
from forecaster.store.timestamps import parse_timestamps
from forecaster.wording import format_timestamps

if TYPE_CHECKING:
    import pandas as pd

_TABLE = re.compile(r"[?&]table=([^&]*)")
_RESERVED = "sqlite_"  # by SQLite, at the beginning of a name
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
            UsageError: it names no table, or one whose name is not letters, digits and _, or that SQLite keeps.
        """
        if not is_url(url):
            return None
        found = _TABLE.search(url)
        if found is None or not _NAME.fullmatch(found[1]):
            detail = {"received": found[1] if found else "", "url": url.partition("?")[0]}
            raise UsageError(Problem("no-table-in-url", "--output", detail=detail))
        before, after = url[: found.start()], url[found.end() :]
        separator = "?" if found[0].startswith("?") and after else ""
        table = cls(before + separator + after.removeprefix("&" if separator else ""), found[1])
        if table.is_sqlite and table.name.lower().startswith(_RESERVED):
            raise UsageError(Problem("reserved-table", table.url, detail={"table": table.name}))
        return table

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
    shown = [each for each in forecasts[0].quantiles if names == "levels" or each != 0.5]
    quantiles = {name_column(each, names): each for each in shown}
    level = [LEVEL] if forecasts[0].level else []
    rows = [row for each in forecasts for row in _list_rows(each, list(quantiles.values()), table.is_sqlite)]
    return _write_rows(table, [*COLUMNS, *quantiles, *level, "source"], rows, replaces)


def write_comparison_table(table: ForecastTable, rows: "pd.DataFrame", replaces: bool = False) -> int:
    """Write the forecasts of a backtest into a table, as `write_forecast_table` writes those of the future.

    Args:
        table: with the columns of `Comparison.tabulate_forecasts`.
        rows: from there, at least one.
        replaces: whether other rows of the table are removed.

    Returns:
        The rows written.

    Raises:
        UsageError, CannotCreate, InputOutputFailed, Locked: as for `write_forecast_table`.
    """
    times = {name: _parse_times(rows[name].tolist(), table.is_sqlite) for name in ("origin", "timestamp")}
    typed = rows.assign(**{name: np.array(each, object) for name, each in times.items()})
    cells = [
        tuple(None if isinstance(cell, float) and math.isnan(cell) else cell for cell in row)
        for row in zip(*(typed[name].tolist() for name in typed.columns), strict=True)
    ]
    return _write_rows(table, list(map(str, typed.columns)), cells, replaces)


def _parse_times(texts: Sequence[str], is_text: bool) -> list[Any]:
    """Parse timestamps as a database takes them: the numbers of steps, or dates, which SQLite keeps as text."""
    parsed = [_to_plain(time) for time in parse_timestamps(texts)]
    return list(texts) if is_text and _is_date(parsed[0]) else parsed


def _write_rows(table: ForecastTable, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], replaces: bool) -> int:
    """Write rows in the order of the columns, in one transaction; those of the same series and origin are replaced."""
    series, origin = columns.index("series"), columns.index("origin")
    given = [{f"p{place}": cell for place, cell in enumerate(row)} for row in rows]
    old = [{"series": name, "origin": time} for name, time in dict.fromkeys((row[series], row[origin]) for row in rows)]
    connection = connect_to_store(table.url, Path.cwd())
    try:
        with connection.transaction():
            _prepare_table(connection, table, columns, _choose_type(rows[0][origin], table.is_sqlite), replaces)
            connection.execute(f'DELETE FROM "{table.name}" WHERE "series" = :series AND "origin" = :origin', old)
            marks = ", ".join(f":p{number}" for number in range(len(columns)))
            connection.execute(f'INSERT INTO "{table.name}" ({_quote(columns)}) VALUES ({marks})', given)
    finally:
        connection.close()
    return len(rows)


def _list_rows(forecast: Forecast, quantiles: Sequence[float], is_text: bool) -> list[tuple[Any, ...]]:
    """List the rows of a forecast in the order of the columns, with the quantiles of some probabilities."""
    times: list[Any] = [forecast.origin, *forecast.timestamps]
    if is_text and not isinstance(times[0], int):
        times = format_timestamps(times)
    else:
        times = [_to_plain(time) for time in times]
    numbers = [forecast.mean, *(forecast.quantiles[each] for each in quantiles)]
    cells = [[None if math.isnan(value) else value for value in each.tolist()] for each in numbers]
    steps = zip(times[1:], range(1, len(times)), *cells, strict=True)
    last = (forecast.level, forecast.source) if forecast.level else (forecast.source,)
    return [(forecast.series, times[0], *values, *last) for values in steps]


def _to_plain(time: Any) -> Any:
    """Convert a timestamp of pandas to one of Python, which drivers of databases know."""
    if hasattr(time, "to_pydatetime"):
        return time.to_pydatetime()
    return time if _is_date(time) else int(time)


def _is_date(time: Any) -> bool:
    return isinstance(time, datetime.datetime)


def _choose_type(time: Any, is_sqlite: bool) -> str:
    """Choose the type of the columns of timestamps such as this one."""
    if isinstance(time, int):
        return "BIGINT"
    if is_sqlite:
        return "TEXT"
    return "TIMESTAMP" if time.tzinfo is None else "TIMESTAMP WITH TIME ZONE"


def _prepare_table(
    connection: DatabaseConnection,
    table: ForecastTable,
    columns: Sequence[str],
    time_type: str,
    replaces: bool,
) -> None:
    """Make the table, or empty it where its rows are replaced; one with other columns is made anew then.

    Raises:
        UsageError: it has other columns, and its rows stay; or it is a view, or a table of a store of jobs.
    """
    views = (
        f"SELECT name FROM sqlite_master WHERE type = 'view' AND lower(name) = '{table.name.lower()}'"
        if table.is_sqlite
        else "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() "
        f"AND table_type <> 'BASE TABLE' AND table_name = '{table.name}'"
    )
    if connection.execute(views):
        raise UsageError(Problem("view-as-table", table.url, detail={"table": table.name}))
    if table.name.lower() in TABLES and len(connection.find_tables([*TABLES])) == len(TABLES):
        raise UsageError(Problem("table-of-a-store", table.url, detail={"table": table.name}))
    query = (
        f"SELECT name FROM pragma_table_info('{table.name}')"
        if table.is_sqlite
        else "SELECT column_name FROM information_schema.columns "
        f"WHERE table_schema = current_schema() AND table_name = '{table.name}'"
    )
    found = [name for (name,) in connection.execute(query)]
    if found and not set(columns) <= set(found):
        if not replaces:
            detail = {"table": table.name, "missing": [name for name in columns if name not in found]}
            raise UsageError(Problem("table-of-other-columns", table.url, detail=detail))
        connection.execute(f'DROP TABLE "{table.name}"')
        found = []
    if found and replaces:
        connection.execute(f'DELETE FROM "{table.name}"')
    if not found:
        kinds = dict.fromkeys(("origin", "timestamp"), time_type) | dict.fromkeys(("step", "fold"), "INTEGER")
        kinds |= dict.fromkeys(("series", LEVEL, "source"), "TEXT")
        typed = ", ".join(f'"{name}" {kinds.get(name, "DOUBLE PRECISION")}' for name in columns)
        connection.execute(f'CREATE TABLE "{table.name}" ({typed}, PRIMARY KEY ("series", "origin", "timestamp"))')


def _quote(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
