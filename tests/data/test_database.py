"""A query of a database is read as the CSV of its rows would be, and no password is ever printed or written."""

import datetime
import os
import sqlite3
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from forecaster.config import load_config, load_values
from forecaster.config.database_urls import PASSWORD, has_password, is_url, make_url_absolute, mask_passwords
from forecaster.data.read_tables import read_cells
from forecaster.data.sources import database as sql
from forecaster.data.sources import files
from forecaster.data.sources.files import Query
from forecaster.errors import DataError, InputOutputFailed, UsageError
from tests.helpers.command import write_hourly_csv
from tests.helpers.reading import read_series


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


pytest.importorskip("pyarrow")
pytest.importorskip("sqlalchemy")

DAYS = [f"2026-01-{day:02}" for day in range(1, 7)]


def database(folder: Path, statements: str) -> Path:
    """A file sales.db made by some statements."""
    path = folder / "sales.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(statements)
    connection.close()
    return path


@pytest.fixture
def sales(tmp_path) -> str:
    """The URL of a database with the table sales: six days of two shops, the second of which has a NULL."""
    values = [(day, shop, 10 * shop + number) for shop in (1, 2) for number, day in enumerate(DAYS)]
    rows = ", ".join(
        f"('{day}', 'shop {shop}', {'NULL' if value == 22 else value + 0.25})" for day, shop, value in values
    )
    made = f"CREATE TABLE sales (day DATE, shop TEXT, sold REAL); INSERT INTO sales VALUES {rows};"
    return f"sqlite:///{database(tmp_path, made)}"


def read(url: str, text: str, **options):
    asked = {"time": "day", "target": "sold", "frequency": "auto"}
    return read_series(Query(url, text), **asked | options)


@pytest.mark.parametrize("at_once", [10_000, 5])
def test_rows_come_in_parts_into_several_series(sales, monkeypatch, at_once):
    monkeypatch.setattr(sql, "ROWS", at_once)
    one, two = read(sales, "SELECT * FROM sales", series="shop", gaps="interpolate")
    assert (one.name, two.name, one.frequency) == ("shop 1", "shop 2", "D")
    assert one.values.tolist() == [10.25, 11.25, 12.25, 13.25, 14.25, 15.25]
    assert two.values.tolist() == [20.25, 21.25, 22.25, 23.25, 24.25, 25.25]
    assert [str(day.date()) for day in one.timestamps] == DAYS


def test_what_is_wrong_is_reported_with_its_row(sales):
    with pytest.raises(DataError) as found:
        read(sales, "SELECT * FROM sales", series="shop")
    assert str(found.value) == (
        f"{sales}: row 9: sold: 1 cell is empty: '' (row 9); choose how to fill them: "
        "data.gaps: interpolate | seasonal | previous | zero [series shop 2]"
    )


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("SELECT * FROM sale", {}, "data.query: no such table: sale"),
        ("SELECT day sold FROM", {}, "data.query: incomplete input"),
        ("SELECT day, sold FROM sales WHERE sold > 99", {}, "data.query: no rows"),
        ("SELECT sold, sold FROM sales", {}, "the column 'sold' is named twice; rename one"),
        ("SELECT day, shop FROM sales", {}, "no column 'sold'; columns: day, shop"),
        ("SELECT day, shop AS sold FROM sales", {}, "row 1: sold: 12 cells are not a number: 'shop 1' (row 1)"),
        ("SELECT day, sold FROM sales", {"gaps": "zero"}, "row 1: 6 timestamps have duplicate rows"),
    ],
)
def test_what_the_query_gives_may_be_no_series(sales, text, options, expected):
    with pytest.raises(DataError) as found:
        read(sales, text, **options)
    assert expected in str(found.value)
    assert "sqlalche.me" not in str(found.value)


def test_cells_of_one_column_may_have_several_types(tmp_path, monkeypatch):
    """SQLite keeps what it is given: here an integer, a float, a text, an integer beyond 64 bits and nothing."""
    monkeypatch.setattr(sql, "ROWS", 2)
    values = ["1", "2.5", "'3'", "18446744073709551616", "NULL", "6"]
    rows = ", ".join(f"('{day}', {value})" for day, value in zip(DAYS, values, strict=True))
    url = f"sqlite:///{database(tmp_path, f'CREATE TABLE x (day, sold); INSERT INTO x VALUES {rows};')}"
    (series,) = read(url, "SELECT * FROM x", gaps="zero")
    assert series.values.tolist() == [1, 2.5, 3, 2.0**64, 0, 6]


def test_types_of_python_become_columns():
    times = [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), None]
    assert str(sql._build_column(times).type) == "timestamp[us, tz=UTC]"
    assert sql._build_column([1, "x", None]).to_pylist() == ["1", "x", None]


def test_marks_in_a_statement_are_left_to_the_database(sales):
    text = "SELECT day, sold FROM sales WHERE shop LIKE 'shop%1' AND ':x' = ':x' AND '%s' <> '12:30'"
    assert len(read(sales, text)[0]) == 6


def test_nothing_is_ever_written(sales, tmp_path):
    before = (tmp_path / "sales.db").read_bytes()
    with pytest.raises(DataError, match="readonly database"):
        read(sales, "WITH x AS (SELECT 1) DELETE FROM sales RETURNING day, sold")
    with pytest.raises(DataError, match=r"none\.db: no such file"):
        read(f"sqlite:///{tmp_path}/none.db", "SELECT 1")
    assert (tmp_path / "sales.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["sales.db"]


WRITING = [
    "WITH x AS (SELECT 1) DELETE FROM sales RETURNING day, sold",
    "WITH x AS (SELECT 1) INSERT INTO sales VALUES ('2026-02-01', 'x', 1) RETURNING day, sold",
    "WITH x AS (SELECT 1) UPDATE sales SET sold = 0 RETURNING day, sold",
]


@pytest.mark.parametrize("text", WRITING)
@pytest.mark.parametrize(
    "form",
    [
        "sqlite:///{}",
        "sqlite:///file:{}?uri=true",
        "sqlite:///file:{}?mode=rwc&uri=true",
        "sqlite:///file://{}?uri=true&nolock=1",
        "sqlite+pysqlite:///file:{}?uri=true&immutable=1",
    ],
)
def test_no_form_of_a_url_lets_a_query_write(sales, tmp_path, monkeypatch, form, text):
    monkeypatch.setenv(PASSWORD, SECRET)
    path = tmp_path / "sales.db"
    before = path.read_bytes()
    with pytest.raises(DataError, match="readonly database"):
        read(form.format(path), text)
    assert path.read_bytes() == before
    assert len(read(form.format(path), "SELECT * FROM sales WHERE shop = 'shop 1'")[0]) == 6
    with pytest.raises(DataError, match="no such file"):
        read(form.format(tmp_path / "none.db"), "SELECT 1")
    assert [each.name for each in tmp_path.iterdir()] == ["sales.db"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///file::memory:?uri=true&cache=shared"])
def test_a_database_in_memory_is_read_only_too(url):
    with pytest.raises(DataError, match="readonly database"):
        read(url, "CREATE TABLE x (y)")


@pytest.mark.parametrize(("kind", "statement"), [("postgresql", "SET TRANSACTION READ ONLY"), ("mysql", "READ ONLY")])
def test_a_transaction_is_read_only_before_the_query_runs(monkeypatch, kind, statement):
    asked = []

    class Connection:
        dialect = SimpleNamespace(name=kind)

        def exec_driver_sql(self, text, execution_options=None):
            asked.append(text)
            return SimpleNamespace(keys=lambda: ["day", "sold"], partitions=lambda _: [[("2026-01-01", 1.5)]])

    @contextmanager
    def connect(_, feature):
        yield Connection()

    monkeypatch.setattr(sql, "connect", connect)
    list(sql.read_query(Query(f"{kind}://host/db", "SELECT * FROM sales")))
    assert asked[-1] == "SELECT * FROM sales"
    assert statement in asked[-2]


@pytest.fixture
def server(postgresql) -> str:
    """The URL of a PostgreSQL server with the table of `sales`, in types that are its own."""
    import psycopg

    with psycopg.connect(postgresql.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE sales (day TIMESTAMPTZ, shop TEXT, sold NUMERIC(10, 2), open BOOLEAN)")
        for shop in (1, 2):
            for number, day in enumerate(DAYS):
                row = (f"{day} 00:00+00", f"shop {shop}", 10 * shop + number + 0.25, number % 2 == 0)
                connection.execute("INSERT INTO sales VALUES (%s, %s, %s, %s)", row)
        connection.execute("CREATE FUNCTION wipe() RETURNS INT LANGUAGE sql AS 'DELETE FROM sales; SELECT 1'")
        connection.execute("CREATE SEQUENCE numbers")
    return postgresql


@pytest.mark.parametrize("at_once", [10_000, 5])
def test_a_server_gives_the_series_that_a_file_gives(server, sales, monkeypatch, at_once):
    monkeypatch.setattr(sql, "ROWS", at_once)
    text = "SELECT day, shop, sold FROM sales WHERE shop LIKE 'shop%' ORDER BY day DESC"
    one, two = read(server, text, series="shop")
    assert one.values.tolist() == [10.25, 11.25, 12.25, 13.25, 14.25, 15.25]
    assert two.values.tolist() == [20.25, 21.25, 22.25, 23.25, 24.25, 25.25]
    assert [str(day.date()) for day in one.timestamps] == DAYS
    (alone,) = read(server, "SELECT day, sold FROM sales WHERE shop = 'shop 1'")
    assert alone.values.tolist() == one.values.tolist()


@pytest.mark.parametrize(
    "text",
    [
        *WRITING,
        "SELECT day, wipe() AS sold FROM sales",
        "SELECT day, nextval('numbers') AS sold FROM sales",
        "SELECT day, sold FROM sales FOR UPDATE",
        "SELECT * INTO copied FROM sales",
        "SELECT day, wipe() AS sold FROM sales WHERE set_config('transaction_read_only', 'off', true) = 'off'",
        "SELECT day, wipe() AS sold FROM sales WHERE set_config('default_transaction_read_only', 'off', false) = 'off'",
        "SELECT day, sold FROM sales); DELETE FROM sales; SELECT (1",
        "SELECT day, sold FROM sales; DELETE FROM sales",
    ],
)
def test_a_server_refuses_a_query_that_writes(server, text):
    with pytest.raises(
        DataError, match="read-only transaction|must be set before any query|syntax error|multiple commands|not allowed"
    ):
        read(server, text)
    assert len(read(server, "SELECT day, sold FROM sales WHERE shop = 'shop 1'")[0]) == 6


def test_a_server_names_what_is_wrong_with_a_query(server):
    with pytest.raises(DataError, match='data.query: relation "sale" does not exist$'):
        read(server, "SELECT * FROM sale")
    with pytest.raises(DataError, match="data.query: division by zero"):
        read(server, "SELECT day, sold / (sold - 12.25) AS sold FROM sales")


@pytest.mark.parametrize("text", ["SELECT 1; DELETE FROM sales", "SELECT 1; COMMIT; DROP TABLE sales", "SELECT ';'; x"])
def test_several_statements_are_no_query(text):
    values = {"data": {"path": "sqlite:///x.db", "query": text}, "window": {"length": 2, "horizon": 1}}
    assert [problem.code for problem in load_values(values, "x.yaml").problems] == ["not-a-select"]


@pytest.mark.parametrize("text", ["SELECT ';a' FROM x;", "SELECT 1 -- a; b", 'SELECT "a; b" FROM x ; '])
def test_a_semicolon_in_a_text_or_at_the_end_is_one_statement(text):
    values = {"data": {"path": "sqlite:///x.db", "query": text}, "window": {"length": 2, "horizon": 1}}
    assert not load_values(values, "x.yaml").problems


def test_text_of_too_many_cells_is_refused(sales, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 8 * 35)
    with pytest.raises(DataError, match="12 rows of 3 columns are more than 35 cells"):
        read_cells(Query(sales, "SELECT * FROM sales"))


@pytest.mark.parametrize(
    ("url", "error", "expected"),
    [
        ("nosuch://user@host/db", UsageError, "SQLAlchemy does not know this kind of database"),
        ("postgresql+nosuch://user@host/db", UsageError, "SQLAlchemy does not know this kind of database"),
        ("postgresql+pg8000://user@host/db", UsageError, "needs a driver that is not installed: pip install pg8000"),
        ("postgresql://user@host:port/db", UsageError, "not the URL of a database"),
        ("sqlite:////no/such/folder/x.db", DataError, "no such file; the folder /no/such/folder does not exist"),
    ],
)
def test_databases_that_cannot_be_reached(url, error, expected):
    with pytest.raises(error, match=expected):
        read(url, "SELECT 1")


DRIVER = """\
paramstyle, threadsafety, apilevel = "pyformat", 1, "2.0"


class Error(Exception):
    pass


class OperationalError(Error):
    pass


InterfaceError = InternalError = DatabaseError = ProgrammingError = type("ProgrammingError", (Error,), {})


def connect(**given):
    raise OperationalError(1045, f"access denied for {given['user']}, by the password {given.get('password')}\\nat this host")
"""


@pytest.fixture
def talkative(tmp_path_factory) -> Path:
    """A folder with a driver of MySQL that finds no database, and prints the password that it was given."""
    folder = tmp_path_factory.mktemp("drivers")
    (folder / "pymysql.py").write_text(DRIVER)
    return folder


def test_a_connection_that_fails_reports_where_its_password_comes_from(monkeypatch, talkative):
    monkeypatch.syspath_prepend(talkative)
    for given, state in (("hush-hush", "set"), ("", "not set")):
        monkeypatch.setenv(PASSWORD, given)
        with pytest.raises(InputOutputFailed) as found:
            read("mysql+pymysql://user@host/db", "SELECT 1")
        assert str(found.value) == (
            "mysql+pymysql://user@host/db: cannot connect: access denied for user, by the password "
            f"{'***' if given else None}; its password is read from {PASSWORD}, which is {state}"
        )


@pytest.mark.parametrize("package", ["sqlalchemy", "pyarrow"])
def test_without_its_packages_the_extra_is_named(sales, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        UsageError, match=rf"reading a database needs {package}, .*: pip install 'recurrent-forecast\[sql\]'"
    ):
        read(sales, "SELECT * FROM sales")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///sales.db", "sqlite:////srv/sales.db"),
        ("sqlite:///../sales.db?timeout=5", "sqlite:////sales.db?timeout=5"),
        ("sqlite+pysqlite:////data/sales.db", "sqlite+pysqlite:////data/sales.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
    ],
)
def test_a_relative_file_is_relative_to_the_yaml(url, expected):
    assert is_url(url)
    assert make_url_absolute(url, Path("/srv")) == expected


@pytest.mark.parametrize("path", ["sales.csv", "-", "C:/sales.csv", "C:\\sales.csv", "a/b://c.csv", "*.csv"])
def test_a_path_is_no_url(path):
    assert not is_url(path)


SECRET = "hush-hush"
WITH_PASSWORD = [
    f"postgresql://user:{SECRET}@host/db",
    f"postgresql://user%3A{SECRET}@host/db",
    f"postgresql://host/db?pass={SECRET}",
    f"snowflake://host/db?user=u&apikey={SECRET}",
    f"trino://host/db?api_key={SECRET}&auth={SECRET}",
    f"trino://host/db?key={SECRET}",
    f"postgresql://user:{SECRET}@@/@host:5432/db",
    f"postgresql://:{SECRET} x@host/db",
    f"postgresql://user:5432/{SECRET}@host/db",
    f"postgresql://host/db?user=user&password={SECRET}",
    f"mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{SECRET}",
]


@pytest.mark.parametrize("url", WITH_PASSWORD)
def test_a_password_in_a_url_is_refused_and_masked(url):
    assert has_password(url)
    text = mask_passwords(f"--set data.path={url}: '{url}' and {url.replace('//', '/')}")
    assert SECRET not in text
    assert "***" in text
    loaded = load_values({"data": {"path": url, "query": "SELECT 1"}, "window": {"length": 2, "horizon": 1}}, "x.yaml")
    assert tuple(map(str, loaded.problems)) == (
        f"x.yaml: data.path: holds a password; remove it from the URL and set it in the environment as {PASSWORD}",
    )


@pytest.mark.parametrize(
    "text",
    [
        "sales.csv:12: a@b",
        "postgresql://user@host:5432/db: a@b",
        "x://host:5432/db: row 7: a@b",
        "data: {path: x@y}",
        "the path=x",
        "postgresql://host/db?sslkey=client.key",
        "monkey=3",
        "bypass=1",
    ],
)
def test_what_holds_no_password_stays(text, monkeypatch):
    monkeypatch.delenv(PASSWORD, raising=False)
    assert mask_passwords(text) == text
    assert not has_password(text)


@pytest.mark.parametrize(
    ("password", "text", "masked"),
    [
        ("a", "a bad date at line 3", "a bad date at line 3"),
        ("date", "a bad date, dates, data.date_order", "a bad ***, dates, data.date_order"),
        ("s3cret-word", "login as u with xs3cret-wordx", "login as u with x***x"),
        ("p@ss word!", "postgresql://u@h?x=p%40ss%20word%21 or p%40ss+word%21", "postgresql://u@h?x=*** or ***"),
    ],
)
def test_the_password_of_the_environment_is_hidden_where_it_is_one(monkeypatch, password, text, masked):
    monkeypatch.setenv(PASSWORD, password)
    assert mask_passwords(text) == masked


def problems(tmp_path: Path, data: str) -> str:
    (tmp_path / "x.yaml").write_text(f"data: {{{data}}}\nwindow: {{length: 2, horizon: 1}}\n")
    return "\n".join(map(str, load_config(tmp_path / "x.yaml").problems))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("path: 'sqlite:///x.db'", "data.path: names a database; add the query: data.query: SELECT"),
        ("path: ['sqlite:///x.db'], query: SELECT 1", "data.path: lists a database; name its URL alone"),
        ("path: x.csv, query: SELECT 1", "data.query: needs a database; name its URL in data.path"),
        ("path: 'sqlite:///x.db', query: DROP TABLE x", "data.query: expected a SELECT"),
        ("path: 'sqlite:///x.db', query: selection", "data.query: expected a SELECT"),
        ("path: 'sqlite:///x.db', query: ''", "data.query: received '', expected text that is not empty"),
    ],
)
def test_keys_that_do_not_go_together(tmp_path, data, expected):
    assert expected in problems(tmp_path, data)


@pytest.mark.parametrize(
    "query", ["select 1", "WITH a AS (SELECT 1) SELECT 2", "(SELECT 1)", '"-- a; drop\\n /* b */ SELECT 1"']
)
def test_every_way_to_select_is_taken(tmp_path, query):
    assert problems(tmp_path, f"path: 'sqlite:///x.db', query: {query}") == ""


YAML = """\
data: {path: "sqlite:///load.db", query: "SELECT time, load FROM load ORDER BY time"}
window: {length: 12, horizon: 6}
model: {cell: lstm, units: 4, decoder: rollout}
training: {epochs: 1, batch_size: 64}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with load.csv, load.db of the same rows, and tiny.yaml that asks for them."""
    rows = [line.split(",") for line in write_hourly_csv(tmp_path / "load.csv").read_text().splitlines()[1:]]
    with sqlite3.connect(tmp_path / "load.db") as connection:
        connection.execute("CREATE TABLE load (time TIMESTAMP, load REAL)")
        connection.executemany("INSERT INTO load VALUES (?, ?)", rows)
    connection.close()
    (tmp_path / "tiny.yaml").write_text(YAML)
    return tmp_path


def everything(folder: Path) -> bytes:
    """The content of all files, and their names."""
    return b"\0".join(str(path).encode() + (path.read_bytes() if path.is_file() else b"") for path in folder.rglob("*"))


def test_train_and_predict_from_a_database(forecast, folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    environment = {**os.environ, PASSWORD: SECRET}
    for arguments in (
        ["validate", "tiny.yaml"],
        ["check", "tiny.yaml"],
        ["train", "tiny.yaml", "--verbose", "--debug"],
    ):
        result = forecast(*arguments, cwd=folder, env=environment, fitted=False)
        assert result.returncode == 0, result.stderr
        assert SECRET not in result.stdout + result.stderr
    run = folder / "runs" / "tiny"
    from_database = forecast("predict", run, cwd=elsewhere, env=environment)
    from_csv = forecast("predict", run, "--data", folder / "load.csv", cwd=elsewhere)
    assert (from_database.returncode, from_database.stderr) == (0, "")
    assert from_database.stdout == from_csv.stdout
    assert forecast("validate", "tiny.yaml", "--data", "load.csv", cwd=folder).returncode == 0
    version = run / "versions" / (run / "current").read_text().strip()
    assert f"path: sqlite:///{folder}/load.db" in (version / "config.yaml").read_text()
    assert SECRET.encode() not in everything(folder)


@pytest.mark.parametrize(
    ("path", "query", "code", "expected"),
    [
        ("sqlite:///load.db", "SELECT * FROM lod", 4, "/load.db: data.query: no such table: lod"),
        ("sqlite:///lod.db", "SELECT 1", 4, "lod.db: no such file, did you mean 'load.db'?"),
        ("mysql+pymysql://user@host/db", "SELECT 1", 74, "by the password ***; its password is read from"),
        ("nosuch://host/db", "SELECT 1", 2, "SQLAlchemy does not know this kind of database"),
        ("load.csv", "SELECT 1", 2, "data.query: needs a database"),
        *((url, "SELECT 1", 2, "data.path: holds a password") for url in WITH_PASSWORD),
    ],
)
def test_each_failure_has_its_exit_code_and_no_password(forecast, folder, talkative, path, query, code, expected):
    (folder / "tiny.yaml").write_text(
        YAML.replace("sqlite:///load.db", path).replace("SELECT time, load FROM load ORDER BY time", query)
    )
    before = sorted(folder.rglob("*"))
    modules = os.pathsep.join(filter(None, (str(talkative), os.environ.get("PYTHONPATH"))))
    for arguments in (
        ["train", "tiny.yaml", "--debug"],
        [
            "validate",
            "tiny.yaml",
            "--log-format",
            "json",
            "--set",
            f"data.path={path}" if code == 2 else "training.seed=1",
        ],
    ):
        result = forecast(*arguments, cwd=folder, env={**os.environ, PASSWORD: SECRET, "PYTHONPATH": modules})
        assert result.returncode == code, result.stderr
        assert expected in result.stderr
        assert SECRET not in result.stdout + result.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("url", ["sqlite:///load.db", *WITH_PASSWORD])
def test_a_url_that_is_no_file_is_sent_into_a_yaml_without_being_printed(forecast, folder, url):
    for arguments in (["train", url], ["init", url], ["check", url], ["validate", "tiny.yaml", "--data", url]):
        result = forecast(*arguments, "--debug", cwd=folder)
        assert result.returncode == 2
        assert "a database URL needs a YAML: write data: {path: URL, query: SELECT ...}" in result.stderr
        assert SECRET not in result.stdout + result.stderr


def test_a_malformed_path_does_not_print_a_password(forecast, folder):
    for value in (f"[{WITH_PASSWORD[0]}, 3]", f"{{a: '{WITH_PASSWORD[2]}'}}"):
        result = forecast("validate", "tiny.yaml", "--set", f"data.path={value}", cwd=folder)
        assert result.returncode == 2
        assert SECRET not in result.stderr


def test_values_are_those_of_the_csv(folder):
    loaded = load_config(folder / "tiny.yaml").config.data
    assert loaded.path == f"sqlite:///{folder}/load.db"
    (ours,) = read_series(Query(loaded.path, loaded.query), "auto", "auto", "auto")
    (theirs,) = read_series(folder / "load.csv", "auto", "auto", "auto")
    np.testing.assert_array_equal(ours.values, theirs.values)
    assert list(ours.timestamps) == list(theirs.timestamps)


@pytest.mark.parametrize("arguments", [["validate", "x.yaml", "URL"], ["train", "--bogus=URL"], ["URL"]])
def test_a_usage_error_prints_no_password(forecast, tmp_path, arguments):
    url = f"postgresql://user:{SECRET}@host/db"
    result = forecast(*(argument.replace("URL", url) for argument in arguments), cwd=tmp_path)
    assert result.returncode == 2
    assert "Usage: " in result.stderr
    assert SECRET not in result.stdout + result.stderr
