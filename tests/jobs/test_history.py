"""What became of stored forecasts: a row for each step with its actual, and a picture of both."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.cli.history import history as run_history
from forecaster.errors import UsageError
from forecaster.jobs.history import find_store, history_to_csv, history_to_json, history_to_parquet, read_history
from forecaster.jobs.plots import plot_history
from forecaster.reporting.figures import render_figure
from forecaster.store.store import open_store
from tests.helpers.command import HEAVY, run_in_turn
from tests.store.test_store import make_actuals, make_forecast


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


NOW = datetime(2026, 11, 30, 7, tzinfo=UTC)
HEADER = "job,version,series,origin,timestamp,step,mean,lower_80,upper_80,source,made_at,actual"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with forecasts.db: two forecasts of the job north that overlap, one of south, and actuals of the first."""
    with open_store("sqlite:///forecasts.db", tmp_path) as store:
        one, two = (make_forecast(f"2026-01-01 0{hour}", (hour, 2.5), {0.1: (-1, 0), 0.9: (3, 4)}) for hour in (0, 1))
        store.add_forecasts("north", "v1", [one], NOW)
        store.add_forecasts("north", "v2", [two], NOW + timedelta(hours=1))
        store.add_forecasts("south", "v1", [make_forecast("2026-01-01", series="a")], NOW)
        store.add_actuals("north", make_actuals([7.0, 8.0]), NOW)
    return tmp_path


def read(folder: Path, since=None, until=None, **selected):
    with open_store("sqlite:///forecasts.db", folder, read_only=True) as store:
        return read_history(store, selected, since, until)


def test_each_step_is_a_row_with_its_actual(folder):
    assert history_to_csv(read(folder).table).splitlines() == [
        HEADER,
        "north,v1,load,2026-01-01 00:00:00,2026-01-01 01:00:00,1,0.0,-1.0,3.0,network,2026-11-30T07:00:00+00:00,8.0",
        "north,v1,load,2026-01-01 00:00:00,2026-01-01 02:00:00,2,2.5,0.0,4.0,network,2026-11-30T07:00:00+00:00,",
        "north,v2,load,2026-01-01 01:00:00,2026-01-01 02:00:00,1,1.0,-1.0,3.0,network,2026-11-30T08:00:00+00:00,",
        "north,v2,load,2026-01-01 01:00:00,2026-01-01 03:00:00,2,2.5,0.0,4.0,network,2026-11-30T08:00:00+00:00,",
        "south,v1,a,2026-01-01 00:00:00,2026-01-01 01:00:00,1,1.5,,,network,2026-11-30T07:00:00+00:00,",
        "south,v1,a,2026-01-01 00:00:00,2026-01-01 02:00:00,2,2.5,,,network,2026-11-30T07:00:00+00:00,",
    ]


def test_json_and_parquet_hold_the_same(folder):
    table = read(folder).table
    rows = json.loads(history_to_json(table))
    assert [rows[0]["actual"], rows[1]["actual"], rows[4]["lower_80"]] == [8.0, None, None]
    assert (rows[0]["step"], list(rows[0])) == (1, HEADER.split(","))
    pytest.importorskip("pyarrow")
    frame = pd.read_parquet(io.BytesIO(history_to_parquet(table)))
    assert frame["timestamp"].to_list()[:2] == [pd.Timestamp("2026-01-01 01:00"), pd.Timestamp("2026-01-01 02:00")]
    assert frame["made_at"].iloc[0] == pd.Timestamp("2026-11-30T07:00Z")
    pd.testing.assert_series_equal(frame["actual"], table["actual"])


def test_days_are_dates_without_a_time_and_steps_are_integers(tmp_path):
    with open_store("sqlite:///forecasts.db", tmp_path) as store:
        day = make_forecast("2026-01-01", (1.0,))
        later = pd.DatetimeIndex(["2026-01-02"])
        store.add_forecasts("days", "v1", [type(day)("load", day.origin, later, day.mean)], NOW)
        store.add_forecasts("steps", "v1", [make_forecast(9, (1.0, 2.0))], NOW)
        store.add_actuals("steps", make_actuals([5.0], 10), NOW)
    table = read(tmp_path).table
    assert table["timestamp"].to_list() == ["2026-01-02", "10", "11"]
    assert table["actual"].to_list()[1:2] == [5.0]
    pytest.importorskip("pyarrow")
    assert pd.read_parquet(io.BytesIO(history_to_parquet(table)))["timestamp"].to_list() == ["2026-01-02", "10", "11"]
    steps = read(tmp_path, job="steps").table
    assert pd.read_parquet(io.BytesIO(history_to_parquet(steps)))["timestamp"].to_list() == [10, 11]


@pytest.mark.parametrize(
    ("selected", "rows"),
    [
        ({"job": "north"}, 4),
        ({"job": "*th"}, 6),
        ({"version": "v1"}, 4),
        ({"series": "a", "job": "south"}, 2),
        ({"since": "2026-01-01 02"}, 4),
        ({"until": "2026-01-01 01"}, 2),
        ({"since": "2027"}, 0),
    ],
)
def test_rows_are_selected(folder, selected, rows):
    assert len(read(folder, **selected).table) == rows


def test_a_name_that_is_not_stored_is_an_error_with_the_nearest(folder):
    with pytest.raises(UsageError, match=r"--job nort: the store has no forecasts of this job, did you mean 'north'\?"):
        read(folder, job="nort")


def test_the_store_is_that_of_a_jobs_file_a_url_or_a_file(folder):
    (folder / "x.csv").write_text("time,load\n2026-01-01,1\n")
    jobs = folder / "jobs.yaml"
    jobs.write_text("jobs:\n  - {name: north, data: x.csv}\n")
    expected = f"sqlite:///{folder}/forecasts.db"
    assert find_store(str(jobs))[0] == expected
    assert find_store(str(folder / "forecasts.db"))[0] == expected
    assert find_store("postgresql://me@host/db")[0] == "postgresql://me@host/db"
    jobs.write_text("store: null\njobs:\n  - {name: north, data: x.csv, output: x.out.csv}\n")
    with pytest.raises(UsageError, match="stores no forecasts; set store: sqlite:///forecasts.db"):
        find_store(str(jobs))


def test_the_picture_shows_the_newest_forecast_of_each_timestamp_and_every_actual(folder):
    (axes,) = plot_history(read(folder, job="north")).axes
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert lines["actual"] == [7.0, 8.0]
    assert lines["newest forecast"] == [0.0, 1.0, 2.5]
    assert lines["earlier forecast"] == [0.0, 2.5]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["actual", "newest forecast", "80 % interval", "earlier forecast", "new version"]
    assert axes.figure.get_suptitle() == "north: 2 forecasts against actuals"
    assert axes.get_ylabel() == "load"


def test_the_picture_has_a_panel_for_each_series_and_interrupts_lines_where_nothing_was_forecast(folder):
    with open_store("sqlite:///forecasts.db", folder) as store:
        store.add_forecasts("south", "v1", [make_forecast("2026-01-03", series="a")], NOW)
    figure = plot_history(read(folder))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["north: load", "south: a"]
    line = next(line for line in figure.axes[1].lines if line.get_label() == "newest forecast")
    np.testing.assert_array_equal(line.get_ydata(), [1.5, 2.5, np.nan, 1.5, 2.5])
    assert render_figure(figure)[:4] == b"\x89PNG"


def test_the_command_writes_a_table_and_a_picture(folder, capsys):
    pytest.importorskip("matplotlib")
    source = f"sqlite:///{folder}/forecasts.db"
    run_history(source, job="north", plot=folder / "north.png")
    assert capsys.readouterr().out.splitlines()[0] == HEADER
    assert (folder / "north.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UsageError, match="nothing|no forecasts in this span"):
        run_history(source, since="2027", output=str(folder / "x.csv"), plot=folder / "none.png")
    with pytest.raises(UsageError, match=r"--since 31.1.2026: expected a date such as 2026-01-31"):
        run_history(source, since="31.1.2026")


def test_the_command_loads_neither_tensorflow_nor_what_only_servers_and_pictures_need(folder):
    (ended,) = run_in_turn([["history", f"sqlite:///{folder}/forecasts.db"]], folder)
    assert ended.code == 0
    assert ended.packages & (HEAVY | {"sqlalchemy", "onnxruntime", "scipy"}) == set()
    assert "sqlite3" in ended.packages


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["sqlite:///none.db"], 6, "none.db: holds no forecasts yet"),
        (["forecasts.db", "--job", "nort"], 2, "did you mean 'north'?"),
        (["forecasts.db", "--plot", "x.csv"], 2, "pictures are PNG, SVG or PDF files"),
        (["mysql://me@host/db"], 2, "forecasts are stored in SQLite or PostgreSQL"),
        (["postgresql://me:hush-hush@host/db"], 2, "holds a password"),
        (["none.yaml"], 2, "none.yaml: no such file"),
        (["forecasts.db", "--output", "no/x.csv"], 73, "cannot be created"),
    ],
)
def test_each_failure_of_the_command_has_its_exit_code(forecast, folder, arguments, code, expected):
    result = forecast("history", *arguments, cwd=folder)
    assert (result.returncode, result.stdout) == (code, "")
    assert expected in result.stderr
    assert "hush-hush" not in result.stderr


def test_the_command_is_quiet_and_prints_the_table(forecast, folder):
    result = forecast("history", "forecasts.db", "--job", "south", "--until", "2026-01-01 01", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 2
