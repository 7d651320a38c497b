"""Forecasts in a table of SQLite or PostgreSQL."""

import dataclasses
import datetime
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.cli.comparison_output import ComparisonOutput
from forecaster.cli.forecast_output import TableRows
from forecaster.errors import InputOutputFailed, UsageError
from forecaster.forecast import Forecast
from forecaster.store.forecast_table import ForecastTable, write_comparison_table, write_forecast_table
from forecaster.store.store import open_store


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def make_forecast(series: str = "a", origin: str = "2026-03-01", steps: int = 2, first: float = 1.5, quantiles=None):
    start = pd.Timestamp(origin)
    ahead = pd.date_range(start, periods=steps + 1, freq="D")[1:]
    values = np.arange(steps) + first
    return Forecast(series, start, ahead, values, quantiles or {0.1: values - 1, 0.9: values + 1})


@pytest.fixture(params=["sqlite", "postgresql"])
def table(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ForecastTable:
    monkeypatch.chdir(tmp_path)
    if request.param == "sqlite":
        return ForecastTable("sqlite:///sales.db", "forecasts")
    return ForecastTable(request.getfixturevalue("postgresql"), "forecasts")


def read(table: ForecastTable, columns: str = "series, origin, step, mean, lower_80") -> list[tuple]:
    query = f"SELECT {columns} FROM {table.name} ORDER BY series, origin, step"
    if table.is_sqlite:
        with closing(sqlite3.connect("sales.db")) as connection:
            return connection.execute(query).fetchall()
    import psycopg

    with psycopg.connect(table.url.replace("+psycopg", "")) as connection:
        return connection.execute(query).fetchall()


def day(table: ForecastTable, number: int) -> object:
    return f"2026-03-{number:02}" if table.is_sqlite else datetime.datetime(2026, 3, number)


def test_a_repeated_write_changes_nothing_and_other_rows_stay(table: ForecastTable):
    assert write_forecast_table(table, [make_forecast(), make_forecast("b", first=7)], "levels") == 4
    once = read(table)
    write_forecast_table(table, [make_forecast(), make_forecast("b", first=7)], "levels")
    assert read(table) == once
    assert once[:2] == [("a", day(table, 1), 1, 1.5, 0.5), ("a", day(table, 1), 2, 2.5, 1.5)]
    write_forecast_table(table, [make_forecast(origin="2026-03-02", first=3)], "levels")
    write_forecast_table(table, [make_forecast(steps=1, first=9)], "levels")
    assert [row[:4] for row in read(table)] == [
        ("a", day(table, 1), 1, 9.0),
        ("a", day(table, 2), 1, 3.0),
        ("a", day(table, 2), 2, 4.0),
        ("b", day(table, 1), 1, 7.0),
        ("b", day(table, 1), 2, 8.0),
    ]


def test_replace_removes_other_rows_and_makes_a_table_of_other_columns_anew(table: ForecastTable):
    write_forecast_table(table, [make_forecast(), make_forecast("b")], "levels")
    write_forecast_table(table, [make_forecast("c")], "levels", replaces=True)
    assert [row[0] for row in read(table)] == ["c", "c"]
    other = make_forecast("d", quantiles={0.25: np.ones(2), 0.75: np.full(2, 3.0)})
    with pytest.raises(UsageError, match=r"the table forecasts has no lower_50 or upper_50.*--if-exists replace"):
        write_forecast_table(table, [other], "levels")
    assert [row[0] for row in read(table)] == ["c", "c"]
    write_forecast_table(table, [other], "levels", replaces=True)
    assert read(table, "series, lower_50, upper_50") == [("d", 1.0, 3.0)] * 2


@pytest.mark.parametrize("name", ["forecasts", "meta"])
def test_tables_of_a_store_are_never_replaced(table: ForecastTable, name: str):
    with open_store(table.url, Path.cwd()) as store:
        assert store.list_jobs() == []
    with pytest.raises(UsageError, match=rf"the table {name} belongs to the store"):
        write_forecast_table(ForecastTable(table.url, name), [make_forecast()], "levels", replaces=True)
    assert read(table, "job, quantiles, made_at") == []  # the columns of the store
    assert write_forecast_table(ForecastTable(table.url, "next"), [make_forecast()], "levels") == 2


def test_all_rows_are_written_or_none(table: ForecastTable):
    write_forecast_table(table, [make_forecast()], "levels")
    twice = make_forecast("b")  # two rows of one key
    with pytest.raises(InputOutputFailed, match="database failed"):
        write_forecast_table(table, [make_forecast(first=5), twice, twice], "levels")
    assert [row[3] for row in read(table)] == [1.5, 2.5]


def test_zones_steps_and_missing_numbers_keep_their_kind(table: ForecastTable):
    zoned = pd.date_range("2026-03-01", periods=3, freq="h", tz="Europe/Berlin")
    hourly = Forecast("zoned", zoned[0], zoned[1:], np.array([1.0, np.nan]), {0.25: np.zeros(2)})
    write_forecast_table(ForecastTable(table.url, "zoned"), [hourly], "quantiles")
    first, second = read(ForecastTable(table.url, "zoned"), 'timestamp, mean, "q0.25"')
    assert pd.Timestamp(first[0]) == pd.Timestamp("2026-03-01 01:00:00+01:00")
    assert (first[1:], second[1]) == ((1.0, 0.0), None)
    steps = ForecastTable(table.url, "steps")
    write_forecast_table(steps, [Forecast("s", 7, pd.Index([8, 9]), np.ones(2))], "levels")
    assert read(steps, "origin, timestamp") == [(7, 8), (7, 9)]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("forecast.csv", None),
        ("sqlite:///a.db?table=t", ("sqlite:///a.db", "t")),
        ("postgresql://u@h/d?table=t&sslmode=require", ("postgresql://u@h/d?sslmode=require", "t")),
        ("postgresql://u@h/d?sslmode=require&table=t", ("postgresql://u@h/d?sslmode=require", "t")),
    ],
)
def test_a_url_names_database_and_table(output: str, expected: tuple[str, str] | None):
    assert ForecastTable.from_url(output) == expected


@pytest.mark.parametrize("options", ["", "?table=", "?table=x;drop", "?table=a%20b"])
def test_a_url_without_a_usable_table_is_refused(options: str):
    with pytest.raises(UsageError, match=r"sqlite:///a.db\?table=forecasts"):
        ForecastTable.from_url(f"sqlite:///a.db{options}")


def test_the_command_writes_into_a_table(forecast, tmp_path: Path):
    frame = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=40), "sold": np.arange(40) % 7 + 0.5})
    frame.to_csv(tmp_path / "sales.csv", index=False)
    command = ["predict", "sales.csv", "--horizon", 3, "--output", "sqlite:///sales.db?table=next"]
    for _ in range(2):
        result = forecast(*command, cwd=tmp_path)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    printed = forecast(*command[:4], cwd=tmp_path).stdout.splitlines()
    with closing(sqlite3.connect(tmp_path / "sales.db")) as connection:
        rows = connection.execute("SELECT * FROM next").fetchall()
    assert [[str(cell) for cell in row] for row in rows] == [line.split(",") for line in printed[1:]]
    for extra in (["--format", "json"], ["--decimal-comma"]):
        assert forecast(*command, *extra, cwd=tmp_path).returncode == 2
    refused = forecast("predict", "sales.csv", "--if-exists", "append", cwd=tmp_path)
    assert (refused.returncode, "--output with the URL" in refused.stderr) == (2, True)


def test_a_view_is_no_table(table: ForecastTable):
    write_forecast_table(table, [make_forecast()], "levels")
    statement = f"CREATE VIEW newest AS SELECT * FROM {table.name}"
    if table.is_sqlite:
        with closing(sqlite3.connect("sales.db")) as connection:
            connection.execute(statement)
    else:
        import psycopg

        with psycopg.connect(table.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement)
    for replaces in (False, True):
        with pytest.raises(UsageError, match="newest is a view, into which no rows are written"):
            write_forecast_table(table._replace(name="newest"), [make_forecast()], "levels", replaces)
    assert len(read(table)) == 2


def test_names_that_sqlite_keeps_are_refused():
    with pytest.raises(UsageError, match="SQLite keeps names that begin with sqlite_, such as SQLITE_x"):
        ForecastTable.from_url("sqlite:///sales.db?table=SQLITE_x")
    assert ForecastTable.from_url("postgresql://host/sales?table=sqlite_x").name == "sqlite_x"


def test_the_level_of_a_hierarchy_is_a_column(table: ForecastTable):
    write_forecast_table(table, [dataclasses.replace(make_forecast(), level="region")], "levels")
    assert read(table, "series, level, source") == [("a", "region", "network")] * 2


def make_comparison(fold: int = 1, origin: int = 3, mean: float = 2.0) -> pd.DataFrame:
    days = [f"2026-03-{origin + step:02}" for step in (1, 2)]
    return pd.DataFrame(
        {
            "series": "a",
            "fold": fold,
            "origin": f"2026-03-{origin:02}",
            "timestamp": days,
            "step": [1, 2],
            "actual": [1.5, np.nan],
            "mean": mean,
            "lower_80": 1.0,
            "naive": 4.0,
        }
    )


def test_forecasts_of_a_backtest_are_rows_of_a_table(table: ForecastTable):
    assert write_comparison_table(table, make_comparison()) == 2
    write_comparison_table(table, make_comparison(fold=2, origin=5, mean=7.0))
    write_comparison_table(table, make_comparison(mean=3.0))
    rows = read(table, "series, fold, origin, step, actual, mean, naive")
    assert rows == [
        ("a", 1, day(table, 3), 1, 1.5, 3.0, 4.0),
        ("a", 1, day(table, 3), 2, None, 3.0, 4.0),
        ("a", 2, day(table, 5), 1, 1.5, 7.0, 4.0),
        ("a", 2, day(table, 5), 2, None, 7.0, 4.0),
    ]
    with pytest.raises(UsageError, match="has no network_alone"):
        write_comparison_table(table, make_comparison().assign(network_alone=1.0))
    assert write_comparison_table(table, make_comparison().iloc[:1], replaces=True) == 1
    assert len(read(table)) == 1


def test_forecasts_of_a_backtest_are_a_file_of_typed_columns(tmp_path: Path):
    rows = make_comparison()
    for name in ("past.csv", "past.parquet"):
        ComparisonOutput(str(tmp_path / name), None).write(rows)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "past.csv"), rows)
    stored = pd.read_parquet(tmp_path / "past.parquet")
    assert stored["timestamp"].tolist() == [pd.Timestamp(2026, 3, 4), pd.Timestamp(2026, 3, 5)]
    pd.testing.assert_frame_equal(
        stored.drop(columns=["origin", "timestamp"]), rows.drop(columns=["origin", "timestamp"])
    )


@pytest.mark.parametrize(
    ("output", "if_exists", "reason"),
    [
        ("past.xlsx", None, "--forecasts past.xlsx"),
        ("past.csv", TableRows.APPEND, "--if-exists"),
        (None, TableRows.REPLACE, "--if-exists"),
        ("sqlite:///past.db", None, "name a table"),
    ],
)
def test_other_outputs_of_a_backtest_are_refused(output: str | None, if_exists: TableRows | None, reason: str):
    with pytest.raises(UsageError, match=reason):
        ComparisonOutput(output, if_exists)
