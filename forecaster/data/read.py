"""From a source to its series."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from forecaster.data.arrow import plain_rows
from forecaster.data.dialect import UNKNOWN, Dialect
from forecaster.data.domains import Domain
from forecaster.data.large import read_large
from forecaster.data.layout import panel_of
from forecaster.data.ordering import ordered
from forecaster.data.panel import Panel
from forecaster.data.reading import AUTO, Reading
from forecaster.data.rows import rows_of
from forecaster.data.rules import AS_WRITTEN, TimeRules
from forecaster.data.series import Column
from forecaster.data.source import Paths, is_large
from forecaster.data.table import Table, read_table
from forecaster.data.typed import is_typed, typed_rows, typed_table
from forecaster.errors import DataError


def read_series(
    path: Paths,
    time: str | None,
    target: str,
    frequency: str,
    gaps: str = "error",
    duplicates: str = "error",
    domains: Sequence[Domain] = (),
    series: str | None = None,
    static: Sequence[str] = (),
    rules: TimeRules = AS_WRITTEN,
    text: str = "error",
    na_values: Sequence[int | float | str] = (),
    dialect: Dialect = UNKNOWN,
    columns: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> Panel:
    """Read the series of a source, in the order in which their ids first stand there.

    Args:
        path: a CSV with a header, or Parquet; `-` for stdin; a pattern or a list for several of the same columns; or
            a query of a database.
        dialect: what is known of how the CSV is written.
        time, target, frequency, gaps, duplicates, domains, series, static, rules, text, na_values, columns,
            categorical: as `Reading` has them.

    Raises:
        DataError: the file cannot be read as series; all problems at once.
        Changing: it changed while it was read.
        UsageError: a package that reads it is not installed.
    """
    asked = time, target, frequency, gaps, duplicates, domains, series, static, rules, text, na_values
    reading = Reading(*asked, columns, categorical)
    if is_typed(path):
        return panel_of(typed_rows(path, dialect, reading), reading)
    if is_large(path):
        return read_large(path, dialect, reading)
    rows = plain_rows(path, dialect, reading)
    return panel_of(rows_of(read_table(path, dialect), reading) if rows is None else rows, reading)


def table_of(path: Paths, dialect: Dialect = UNKNOWN) -> Table:
    """All cells of a source as text; arguments and problems as for `read_series`."""
    return typed_table(path) if is_typed(path) else read_table(path, dialect)


def series_of(
    table: Table,
    time: str | None,
    target: str,
    frequency: str,
    gaps: str = "error",
    duplicates: str = "error",
    domains: Sequence[Domain] = (),
    series: str | None = None,
    static: Sequence[str] = (),
    rules: TimeRules = AS_WRITTEN,
    text: str = "error",
    na_values: Sequence[int | float | str] = (),
    columns: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> Panel:
    """The series in a table; arguments and problems as in `read_series`."""
    asked = time, target, frequency, gaps, duplicates, domains, series, static, rules, text, na_values
    reading = Reading(*asked, columns, categorical)
    return panel_of(rows_of(table, reading), reading)


class Further(NamedTuple):
    """Covariates of one series: their timestamps, (rows,) in order, and the columns, each (rows,)."""

    timestamps: pd.Index
    columns: dict[str, Column]


def read_columns(
    path: Paths,
    time: str | None,
    series: str | None,
    columns: Sequence[str],
    categorical: Sequence[str] = (),
    frequency: str = AUTO,
    rules: TimeRules = AS_WRITTEN,
    na_values: Sequence[int | float | str] = (),
    dialect: Dialect = UNKNOWN,
) -> dict[str, Further]:
    """Read covariates alone, of a file that has no target: by the name of the series, "" where there is one.

    Args:
        path, dialect: as for `read_series`.
        time, series, columns, categorical, frequency, rules, na_values: as `Reading` has them.

    Raises:
        DataError: the file cannot be read so, or a timestamp stands twice in a series; all problems at once.
        Changing: it changed while it was read.
    """
    reading = Reading(time, None, frequency, "mask", "error", (), series, (), rules, "error", na_values)
    rows = rows_of(table_of(path, dialect), replace(reading, columns=columns, categorical=categorical))
    if problems := rows.problems():
        raise DataError(problems)
    found = ordered(rows, "error")
    if twice := [rows.named(number, str(text)) for number, texts in found.told.problems.items() for text in texts]:
        raise DataError(twice)
    parts = ((name, found.rows.rows(found.part(number))) for number, name in enumerate(rows.names))
    return {name: Further(part.timestamps, part.columns) for name, part in parts}
