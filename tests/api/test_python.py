"""The functions of the package on pandas frames: the results and errors of the commands."""

import datetime
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecaster
from forecaster.api.frames import frame_to_csv, frame_to_overrides, hold_frame, settings_to_overrides
from forecaster.errors import ConfigError, DataError, Partial, RunError, UsageError
from forecaster.runs import load_version
from tests.helpers.command import ROOT, TINY

RUNS = ROOT / "tests/runs/format-4"


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def make_series(steps: int = 60, seed: int = 0) -> pd.Series:
    days = pd.date_range("2024-03-01", periods=steps, freq="D", name="day")
    values = 20 + 5 * np.sin(2 * np.pi * np.arange(steps) / 7) + np.random.default_rng(seed).normal(size=steps)
    return pd.Series(values, days, name="sales")


def read_forecast(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), parse_dates=["origin", "timestamp"])


def test_a_frame_is_forecast_as_its_file(forecast, tmp_path: Path):
    frame = make_series().round(3).reset_index()
    frame.to_csv(tmp_path / "sales.csv", index=False)
    result = forecast("predict", "sales.csv", "--horizon", 5, "--levels", 90, cwd=tmp_path)
    found = forecaster.predict(frame, horizon=5, levels=[90])
    pd.testing.assert_frame_equal(found, read_forecast(result.stdout), check_dtype=False, rtol=0, atol=0)
    assert found["timestamp"].tolist() == list(pd.date_range("2024-04-30", periods=5, freq="D"))


def test_the_time_zone_of_a_frame_is_that_of_its_timestamps():
    days = make_series(60).tz_localize("Europe/Berlin")  # with a day of 23 hours
    found = forecaster.predict(days, horizon=2)
    plain = forecaster.predict(make_series(60), horizon=2)
    assert found["timestamp"].tolist() == plain["timestamp"].tolist()
    np.testing.assert_array_equal(found["mean"], plain["mean"])
    assert forecaster.check_data(days).is_ready
    assert frame_to_overrides(days.reset_index(), {"data.gaps": "mask"}) == [
        "data.timezone=Europe/Berlin",
        "data.gaps=mask",
    ]
    offset = days.tz_convert(datetime.timezone(datetime.timedelta(hours=2)))
    assert frame_to_overrides(offset, None) == ["data.timezone=UTC+02:00"]
    assert frame_to_overrides(days.tz_convert("UTC"), None) == []
    assert frame_to_overrides(make_series(), None) == []


@pytest.mark.parametrize("name", ["load", "shops"])
def test_a_run_forecasts_a_frame_as_its_file(forecast, name: str):
    file = RUNS / f"{name}.csv"
    result = forecast("predict", RUNS / name, "--data", file)
    frame = pd.read_csv(file, dtype=str, keep_default_na=False, sep=None, engine="python")
    found = forecaster.predict(frame, RUNS / name)
    expected = read_forecast(result.stdout)
    assert list(found) == list(expected)
    numbers = expected.select_dtypes("number").columns
    assert found[numbers].to_numpy().tolist() == expected[numbers].to_numpy().tolist()


def test_a_training_is_that_of_the_command(trained: Path, tmp_path: Path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    frame = pd.read_csv(trained / "load.csv")
    run = forecaster.train(frame, tmp_path / "run", config=tmp_path / "tiny.yaml")
    theirs, ours = load_version(trained / "runs/tiny"), load_version(run.path)
    assert ours.read("metrics.json") == theirs.read("metrics.json")
    assert ours.read("encode.onnx") == theirs.read("encode.onnx")
    assert (run.version, run.promoted, run.metrics) == (ours.path.name, True, ours.metrics)
    again, from_frame = forecaster.predict(run=run.path, horizon=3), forecaster.predict(frame, run.path, horizon=3)
    pd.testing.assert_frame_equal(again, from_frame)


def test_a_frame_that_cannot_be_trained_on_leaves_the_run_as_it_was(tmp_path: Path):
    shutil.copytree(RUNS / "load", tmp_path / "run")
    with pytest.raises(DataError):
        forecaster.train(make_series().iloc[:4], tmp_path / "run")
    assert not (tmp_path / "run/data.csv").exists()


def test_a_backtest_with_trained_networks_needs_no_other_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    calls = []

    def train(plan, run, received, resume):
        calls.append(plan.config.data.path)
        raise RunError([])

    monkeypatch.setattr("forecaster.api.backtest.load_training", lambda feature: train)
    settings = {"model.units": [4], "ensemble": None}
    with pytest.raises(ValueError, match="without a problem"):
        forecaster.backtest(make_series(), folds=2, settings=settings, output=tmp_path / "kept")
    assert calls == ["frame"]


def test_check_data_reports_what_a_training_refuses():
    found = forecaster.check_data(make_series().drop(pd.Timestamp("2024-03-20")))
    assert not found.is_ready
    assert found.repairs == {"data.gaps": "interpolate"}
    assert forecaster.check_data(make_series(), settings={"data.gaps": "interpolate"}).is_ready


def test_errors_name_the_frame_and_the_line_of_its_csv():
    with pytest.raises(DataError, match=r"^frame:21: 1 day is missing: 2024-03-20"):
        forecaster.predict(make_series().drop(pd.Timestamp("2024-03-20")), settings={"data.gaps": "error"})


def test_series_that_cannot_be_forecast_are_an_error_unless_allowed():
    short = pd.DataFrame({"unique_id": "short", "ds": pd.date_range("2024-03-01", periods=2), "y": [1.0, 2.0]})
    frame = make_series().rename_axis("ds").rename("y").reset_index().assign(unique_id="long")
    frame = pd.concat([frame, short])
    with pytest.raises(Partial, match="short"):
        forecaster.predict(frame, horizon=2)
    assert set(forecaster.predict(frame, horizon=2, allow_partial=True)["series"]) == {"long"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (forecaster.predict, UsageError, "give a frame, a run, or both"),
        (lambda: forecaster.predict([1, 2]), UsageError, "received list"),
        (lambda: forecaster.predict(make_series(), future=make_series()), UsageError, "needs a trained network"),
        (lambda: forecaster.predict(make_series(), "runs/none"), RunError, "runs/none"),
        (lambda: forecaster.predict(make_series(), settings={"model.units": 3}), UsageError, "model.units"),
        (
            lambda: forecaster.check_data(make_series(), settings={"data.gap": "zero"}),
            ConfigError,
            "did you mean 'gaps'",
        ),
    ],
)
def test_wrong_calls_are_errors_of_the_package(call, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (pd.Series([1.5, 2.0], name=None), "value\n1.5\n2.0\n"),
        (
            pd.Series([0.1 + 0.2], pd.DatetimeIndex(["2024-01-01 05:00"])),
            "time,value\n2024-01-01 05:00:00,0.30000000000000004\n",
        ),
        (
            pd.DataFrame({"y": [1, None]}, pd.period_range("2024-01", periods=2, freq="M")),
            "time,y\n2024-01-01,1.0\n2024-02-01,\n",
        ),
        (pd.DataFrame({"y": [1]}, pd.Index([7], name="step")), "step,y\n7,1\n"),
        (pd.DataFrame({"y": [1]}, index=[7]), "y\n1\n"),
        (pd.DataFrame({"y": [1]}, pd.MultiIndex.from_tuples([("a", 3)], names=["shop", "t"])), "shop,t,y\na,3,1\n"),
    ],
)
def test_a_frame_becomes_a_csv_with_its_index(frame, expected: str):
    assert frame_to_csv(frame).decode() == expected


def test_the_file_of_a_frame_is_gone_afterwards():
    with hold_frame(make_series()) as path:
        assert path.is_file()
    assert not path.parent.exists()


def test_settings_are_written_as_yaml():
    assert settings_to_overrides({"data.na_values": [-999, "?"], "ensemble": None, "data.target": "a b"}) == [
        'data.na_values=[-999, "?"]',
        "ensemble=null",
        "data.target=a b",
    ]


def test_importing_the_package_loads_nothing_else():
    code = "import sys, forecaster; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "pydantic", "typer", "tensorflow"} & set(found)
    assert set(forecaster.__all__) == {"predict", "train", "backtest", "check_data"}
    with pytest.raises(AttributeError, match="no attribute 'forecast_all'"):
        forecaster.forecast_all  # noqa: B018


def test_another_backend_of_keras_is_refused(monkeypatch: pytest.MonkeyPatch):
    from types import SimpleNamespace

    from forecaster.api.trainings import load_training

    keras = SimpleNamespace(__spec__=object(), backend=SimpleNamespace(backend=lambda: "torch"))
    monkeypatch.setitem(sys.modules, "keras", keras)
    with pytest.raises(UsageError, match="set KERAS_BACKEND=tensorflow"):
        load_training("forecaster.train")


@pytest.mark.slow
def test_the_notebook_runs_and_its_outputs_are_those_of_its_cells():
    from docs.run_notebook import read_cells, run_cells

    cells = [cell for cell in read_cells() if cell["cell_type"] == "code"]
    stored = ["".join(line for each in cell["outputs"] for line in each["text"]) for cell in cells]
    # Digits may differ on another processor.
    assert [re.sub(r"\d", "0", text) for text in run_cells(cells)] == [re.sub(r"\d", "0", text) for text in stored]
    assert all(stored)


@pytest.mark.parametrize("name", ["day", None])
def test_an_index_with_the_name_of_a_column_is_a_duplicate_or_has_a_free_name(name: str | None):
    series = make_series()
    frame = pd.DataFrame({"time" if name is None else name: series.index, "sales": series.to_numpy()})
    frame.index = pd.Index(series.index if name else [f"row {n}" for n in range(len(series))], name=name)
    columns = frame_to_csv(frame).decode().splitlines()[0].split(",")
    assert columns == (["day", "day", "sales"] if name else ["index", "time", "sales"])
    if name:
        with pytest.raises(DataError, match="frame:1: the column 'day' is named twice"):
            forecaster.predict(frame)


@pytest.mark.parametrize(
    "arguments",
    [{"horizon": value} for value in (0, -1, 3.0, "3", True, 10**12)]
    + [{"levels": value} for value in (80, "80", [0], [100], ["80"], [float("nan")])],
)
def test_arguments_that_are_no_steps_or_levels_are_refused(arguments: dict):
    [(name, value)] = arguments.items()
    with pytest.raises(UsageError, match=rf"^{name}={re.escape(repr(value))}: expected a"):
        forecaster.predict(make_series(), **arguments)


@pytest.mark.parametrize("name", ["folds", "stride", "refit"])
def test_a_backtest_of_no_folds_is_refused(name: str):
    with pytest.raises(UsageError, match=f"{name}=0: expected a whole number"):
        forecaster.backtest(make_series(), **{name: 0})


def test_numbers_of_numpy_are_arguments(tmp_path: Path):
    found = forecaster.predict(make_series(), horizon=np.int64(2), levels=np.array([80, 90]))
    assert (len(found), "lower_90" in found) == (2, True)


@pytest.mark.parametrize("settings", [{"data.path": "other.csv"}, {"data.query": "x"}, {"data": {"path": "other.csv"}}])
def test_settings_do_not_replace_the_frame(settings: dict):
    for function in (forecaster.predict, forecaster.check_data, forecaster.backtest):
        with pytest.raises(UsageError, match=r"settings: data\.(path|query): expected no other data than the frame"):
            function(make_series(), settings=settings)


def test_settings_of_numpy_and_pandas_are_those_of_python():
    settings = {
        "data.season": np.int64(7),
        "data.seasons": np.array([7, 30]),
        "data.start": pd.Timestamp("2024-01-11"),
        "a": {"b": (np.float64(0.5), np.True_)},
    }
    assert settings_to_overrides(settings) == [
        "data.season=7",
        "data.seasons=[7, 30]",
        'data.start="2024-01-11 00:00:00"',
        "a={b: [0.5, true]}",
    ]
