"""Runs in the formats of other libraries forecast what the run forecasts."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecaster
from forecaster.config import load_values
from forecaster.config.calendar_names import CYCLES
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs
from forecaster.portable import example
from forecaster.portable.example_inputs import Table, build_calendar, read_table
from forecaster.portable.onnx_files import describe_steps, export_onnx, find_example_obstacle
from forecaster.preprocessing.calendar_features import build_calendar_features
from forecaster.preprocessing.covariate_features import Features
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.runs import load_version
from forecaster.time.rules import TimeRules
from tests.helpers.command import ROOT

RUNS = ROOT / "tests/runs/format-4"
# Runs the example of a folder without the packages of ours and others that it must not need.
WITHOUT_PACKAGE = """
import runpy, sys
sys.modules.update(dict.fromkeys(["forecaster", "pandas", "scipy", "onnx", "tensorflow", "keras"]))
folder, *sys.argv[1:] = sys.argv[1:]
sys.path.insert(0, folder)
runpy.run_path(folder + "/example.py", run_name="__main__")
"""


MODEL = {"columns": [], "masks": False, "series": {"load": {"column": "load"}}}
WINDOW = {"length": 14, "horizon": 7}


def run_example(folder: Path, values: pd.Series | pd.DataFrame, tmp_path: Path, *arguments: str) -> np.ndarray:
    values.to_csv(tmp_path / "values.csv", index=False)
    command = [sys.executable, "-c", WITHOUT_PACKAGE, str(folder), str(tmp_path / "values.csv"), *arguments]
    printed = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    return np.array([float(line.split(",")[1]) for line in printed.splitlines()])


@pytest.mark.parametrize(("name", "decimals"), [("load", 6), ("close", 4)])
def test_the_example_forecasts_as_the_run_does(tmp_path: Path, name: str, decimals: int):
    assert export_onnx(load_version(RUNS / name), tmp_path / "out") == ""
    frame = pd.read_csv(RUNS / f"{name}.csv")
    found = run_example(tmp_path / "out", frame[name], tmp_path)
    expected = forecaster.predict(frame, RUNS / name)["mean"]
    np.testing.assert_allclose(found, expected, atol=0.6 * 10**-decimals, rtol=0)


def test_the_example_averages_with_the_zero_shot_network(trained: Path, tmp_path: Path):
    run = trained / "runs/tiny"
    export_onnx(load_version(run), tmp_path / "out")
    model = json.loads((tmp_path / "out/model.json").read_text())
    assert "zero-shot" in model["forecasters"]
    frame = pd.read_csv(trained / "load.csv")
    found = run_example(tmp_path / "out", frame.iloc[:, -1], tmp_path, frame.columns[-1])
    np.testing.assert_allclose(found, forecaster.predict(frame, run)["mean"], atol=0.006, rtol=0)


@pytest.mark.parametrize("kind", ["carry", "slide"])
def test_the_example_rolls_a_network_out_as_the_package_does(tmp_path: Path, kind: str):
    version = load_version(RUNS / "load")
    export_onnx(version, tmp_path / "out")
    model = json.loads((tmp_path / "out/model.json").read_text())
    model["networks"][0]["rollout"], model["horizon"] = kind, 9
    model["series"]["load"] |= {"offset": 0.0, "scale": 1.0}
    window = np.random.default_rng(0).normal(size=12).astype(np.float32)
    found = example.run_network(Table(window.astype(float)), "load", model, model["networks"][0], tmp_path / "out")
    network = OnnxNetwork(version.read("encode.onnx"), version.read("decode.onnx"))
    expected = Rollout(network, kind)(Inputs(window[None]), 9).mean[0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_baselines_of_the_example_are_those_of_the_package():
    from forecaster.forecasting.fallback import WINDOW_BASELINES

    window = np.random.default_rng(1).normal(size=15)
    for season in (1, 4, 20):
        for name, baseline in WINDOW_BASELINES.items():
            found = example._BASELINES[name](window, 6, season)
            np.testing.assert_allclose(found, baseline(window[None], 6, season)[0], rtol=1e-12, err_msg=name)


def test_the_example_forecasts_with_a_calendar_an_embedding_and_an_ensemble(tmp_path: Path):
    version = load_version(RUNS / "shops")
    assert export_onnx(version, tmp_path / "out") == ""
    assert version.read("members/2/decode.onnx") == (tmp_path / "out/members/2/decode.onnx").read_bytes()
    frame = pd.read_csv(RUNS / "shops.csv")
    expected = pd.read_csv(RUNS / "shops-expected.csv").set_index("series")["mean"]
    for shop in ("a", "b"):
        rows = frame[frame["shop"] == shop]
        days = pd.date_range(rows["day"].iloc[-1], periods=8)[1:].astype(str)
        table = pd.concat([rows, pd.DataFrame({"day": days, "shop": shop})])
        found = run_example(tmp_path / "out", table, tmp_path, shop)
        np.testing.assert_allclose(found, expected[shop], rtol=1e-6)
    page = (tmp_path / "out/README.md").read_text()
    for row in ("| encode.onnx | input | `categories` | int32 |", "| decode.onnx | output | `parameters` | float32 |"):
        assert row in page
    assert "`values.csv` has the columns `day`, `sold`, and 7 rows without a value for the steps ahead" in page


COVARIATES = """
data: {path: rows.csv, time: time, target: sold, season: 24, gaps: mask, transform: log, minimum: 0,
  calendar: [hour, weekend, fourier.24.2],
  covariates: {past: [heat], future: [promo, weather], missing: {promo: last}}}
window: {length: 30, horizon: 6}
split: {validation: 30, test: 0}
model: {cell: gru, units: 2, decoder: dense, head: quantile}
training: {epochs: 1}
"""


def test_the_example_forecasts_with_covariates_gaps_and_quantiles(forecast, tmp_path: Path):
    generator, count = np.random.default_rng(0), 150
    rows = pd.DataFrame(
        {
            "time": pd.date_range("2026-01-01", periods=count + 6, freq="h"),
            "sold": generator.uniform(1, 9, count + 6).round(2),
            "heat": generator.normal(size=count + 6).round(2),
            "promo": generator.integers(0, 2, count + 6).astype(float),
            "weather": generator.choice(["sun", "rain"], count + 6),
        }
    )
    rows.loc[count:, ["sold", "heat"]] = np.nan
    rows.loc[[40, 41, count - 3], "sold"] = np.nan
    rows.loc[[10, count + 2], "promo"] = np.nan
    rows.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "rows.yaml").write_text(COVARIATES)
    result = forecast("train", "rows.yaml", cwd=tmp_path, fitted=False)
    assert result.returncode == 0, result.stderr
    run = tmp_path / "runs/rows"
    assert export_onnx(load_version(run), tmp_path / "out") == ""
    expected = forecaster.predict(rows, run)["mean"]
    np.testing.assert_allclose(run_example(tmp_path / "out", rows, tmp_path), expected, atol=6e-5, rtol=0)
    for column, reason in (("weather", "no column weather"), ("time", "no column time")):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            run_example(tmp_path / "out", rows.drop(columns=column), tmp_path)
        assert reason in caught.value.stderr
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_example(tmp_path / "out", rows.iloc[:-2], tmp_path)
    assert "weather: a cell is missing; rows after the newest value hold the 6 steps ahead" in caught.value.stderr


@pytest.mark.parametrize(
    ("frequency", "weekmask"),
    [
        *((each, None) for each in ("h", "7min", "D", "2W-MON", "B", "MS", "QE-DEC", "2YS-JAN")),
        ("sessions", "Mon Tue Wed Thu Fri"),
    ],
)
def test_calendar_features_of_the_example_are_those_of_the_package(frequency: str, weekmask: str | None):
    names = [*CYCLES, "weekend", "fourier.7.3", "fourier.2"]
    times = pd.date_range("2023-12-20", periods=40, freq="B" if weekmask else frequency)
    features = Features(calendar=tuple(names), seasons=(4, 52))
    data = {"path": "x.csv", "time": "day", "target": "sold", "frequency": frequency, "weekmask": weekmask}
    config = load_values({"data": data, "window": WINDOW}, "x.yaml").config
    steps = describe_steps(config, Preprocessing({}, features=features))
    found = build_calendar(times.to_pydatetime().tolist(), {**features.to_json(), "steps": steps})
    rules = TimeRules(weekmask=weekmask) if weekmask else TimeRules()
    expected = build_calendar_features(names, times, (4, 52), frequency, rules)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"model": {"head": "student_t"}, "data": {"transform": "log"}}, "the head student_t with a transform"),
        ({"data": {"calendar": ["hour"], "timezone": "Europe/Berlin"}}, "calendar features of a time zone"),
        ({"data": {"calendar": ["holiday.DE"]}}, "features of holidays"),
        ({"data": {"calendar": ["fourier.7.1"], "frequency": "SMS"}}, "fourier features of the frequency SMS"),
        ({"data": {"calendar": ["fourier.7.1"], "time": None}}, "calendar features of timestamps that are not in one"),
        ({"data": {"series": ["a", "b"], "hierarchy": ["a", "b"]}}, "reconciled forecasts of a hierarchy"),
        ({"model": {"channels": "joint"}, "data": {"target": ["a", "b"]}}, "series that are forecast jointly"),
    ],
)
def test_what_the_example_does_not_compute_is_named(values: dict, reason: str):
    data = {"path": "x.csv", "time": "day", "target": "sold", "frequency": "D"} | values.get("data", {})
    config = load_values({**values, "data": data, "window": WINDOW}, "x.yaml").config
    features = Features(calendar=tuple(data.get("calendar", ())), seasons=(7,))
    found = find_example_obstacle(config, Preprocessing({}, features=features))
    assert found.startswith(reason)


def test_too_few_values_are_an_error_of_the_example(tmp_path: Path):
    export_onnx(load_version(RUNS / "load"), tmp_path / "out")
    with pytest.raises(ValueError, match="3 values; a forecast needs 24"):
        example.forecast(Table(np.ones(3)), folder=tmp_path / "out")


def test_the_command_writes_into_new_folders_only(forecast, tmp_path: Path):
    assert forecast("export", RUNS / "load", cwd=tmp_path).returncode == 0
    assert (tmp_path / "load-onnx/example.py").exists()
    again = forecast("export", RUNS / "load", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert "load-onnx: the folder is not empty" in again.stderr


def test_the_command_reports_that_there_is_no_example(forecast, tmp_path: Path):
    shutil.copytree(RUNS / "shops", tmp_path / "shops")
    (config,) = tmp_path.glob("shops/versions/*/config.yaml")
    config.write_text(config.read_text().replace("timezone: null", "timezone: Europe/Berlin"))
    (manifest,) = tmp_path.glob("shops/versions/*/manifest.json")
    record, content = json.loads(manifest.read_text()), config.read_bytes()
    record["files"]["config.yaml"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest.write_text(json.dumps(record))
    result = forecast("export", "shops", cwd=tmp_path)
    assert (result.returncode, "without example.py" in result.stderr) == (0, True)
    assert not (tmp_path / "shops-onnx/example.py").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("day,load\n1,2.5\n2,3\n\n", [2.5, 3]),
        ("\ufeffload\r\n2.5\r\n3\r\n", [2.5, 3]),
        ("2.5\n3\n", [2.5, 3]),
        ("load,price\n2.5,9\n3,8\n", [2.5, 3]),
        ("", []),
        ("day,load\n1,2.5\n2\n", "values.csv:3:"),
        ("day,load\n1,2.5\n2,\n3,4\n", "values.csv:3:"),
        ("day,load\n1,2.5\n2,nan\n", "values.csv:3:"),
        ("day,load\n1,?\n2,3\n", "values.csv:2:"),
        ("day;load\n1;2,5\n", "values.csv:2:"),
    ],
)
def test_an_example_reads_all_values_or_none(tmp_path: Path, text: str, expected: list[float] | str):
    path = tmp_path / "values.csv"
    path.write_text(text)
    if isinstance(expected, list):
        assert read_table(path, MODEL, "load").values.tolist() == expected
    else:
        with pytest.raises(ValueError, match=expected):
            read_table(path, MODEL, "load")
