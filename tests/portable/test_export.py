"""Runs in the formats of other libraries forecast what the run forecasts."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecaster
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs
from forecaster.portable import example
from forecaster.portable.onnx_files import export_onnx
from forecaster.runs import load_version
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


def run_example(folder: Path, values: pd.Series, tmp_path: Path, *arguments: str) -> np.ndarray:
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
    scaler = {"offset": 0.0, "scale": 1.0, "curve": {}}
    window = np.random.default_rng(0).normal(size=12).astype(np.float32)
    found = example.run_network(
        window.astype(float), np.empty(9), scaler, model, model["networks"][0], tmp_path / "out"
    )
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


def test_a_network_with_features_is_exported_without_an_example(tmp_path: Path):
    version = load_version(RUNS / "shops")
    assert export_onnx(version, tmp_path / "out") == "covariates, calendar features or masks"
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"README.md", "model.json", "members"}
    for name in ("members/1/encode.onnx", "members/2/decode.onnx"):
        assert (tmp_path / "out" / name).read_bytes() == version.read(name)
    page = (tmp_path / "out/README.md").read_text()
    for row in ("| encode.onnx | input | `categories` | int32 |", "| decode.onnx | output | `parameters` | float32 |"):
        assert row in page


def test_too_few_values_are_an_error_of_the_example(tmp_path: Path):
    export_onnx(load_version(RUNS / "load"), tmp_path / "out")
    with pytest.raises(ValueError, match="3 values; a forecast needs 24"):
        example.forecast(np.ones(3), folder=tmp_path / "out")


def test_the_command_writes_into_new_folders_only(forecast, tmp_path: Path):
    assert forecast("export", RUNS / "load", cwd=tmp_path).returncode == 0
    assert (tmp_path / "load-onnx/example.py").exists()
    again = forecast("export", RUNS / "load", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert "load-onnx: the folder is not empty" in again.stderr
    result = forecast("export", RUNS / "shops", "--output", "shops", cwd=tmp_path)
    assert (result.returncode, "without example.py" in result.stderr) == (0, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("day,load\n1,2.5\n2,3\n\n", [2.5, 3]),
        ("\ufeffload\r\n2.5\r\n3\r\n", [2.5, 3]),
        ("2.5\n3\n", [2.5, 3]),
        ("", []),
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
        assert example.read_values(str(path)).tolist() == expected
    else:
        with pytest.raises(ValueError, match=expected):
            example.read_values(str(path))
