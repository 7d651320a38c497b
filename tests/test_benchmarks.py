"""The benchmarks of accuracy: they print the scores in their logs without training, under the published protocols."""

import argparse
import importlib
import json
import sys

import numpy as np
import pandas as pd
import pytest

from tests.helpers.command import ROOT

FOLDER = ROOT / "benchmarks/accuracy"
CASES = {
    "airline": {f"last {months}": (f"window.horizon={months}",) for months in (12, 24, 36)},
    "m3": {"Monthly": ()},
    "m4": {"Hourly": ()},
    "taylor": {"last week": ()},
    "tourism": {"Monthly": ()},
}


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module("harness")
    for name in ("harness", "scores"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", CASES)
def test_a_benchmark_prints_its_log(harness, monkeypatch, capsys, tmp_path, name):
    def train(*_):
        raise AssertionError("a benchmark whose log is whole trains nothing")

    monkeypatch.setattr(harness, "_forecasts", train)
    monkeypatch.setattr(sys, "argv", [name])
    cases = {case: harness.Case(tmp_path / "x.csv", np.zeros((1, 12)), keys) for case, keys in CASES[name].items()}
    benchmark = harness.Benchmark(FOLDER / f"{name}.yaml", lambda _: cases, lambda *_: {}, 12)
    before = benchmark.log.read_text()
    harness.run(benchmark, "")
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[2].strip() for row in rows[2:]] == len(cases) * [
        "one training, 3 seeds",
        "median of [0, 1, 2]",
        "last season repeated",
    ]
    assert benchmark.log.read_text() == before


def test_only_what_a_config_states_belongs_to_its_key(harness, tmp_path):
    def find_key(*lines):
        (tmp_path / "x.yaml").write_text("\n".join(["data: {path: x.csv}", "window: {length: 4, horizon: 2}", *lines]))
        return harness._digest(harness.load_config(tmp_path / "x.yaml", ["training.seed=1"]))

    plain, stated = find_key(), find_key("model: {units: 5}")
    assert plain != stated
    assert find_key("format: 1") == plain
    assert find_key("training: {seed: 7}") == plain
    values = {"data": {}, "window": {"length": 4, "horizon": 2}, "training": {}}
    expected = harness.hashlib.sha256(harness.json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]
    assert plain == expected


@pytest.fixture
def zero_shot(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(FOLDER)
    module = importlib.import_module("zero_shot")
    monkeypatch.setattr(module, "LOG", tmp_path / "zero_shot.jsonl")
    yield module
    for name in ("zero_shot", "defaults", "ett", "harness", "m3", "m4", "scores", "tourism"):
        sys.modules.pop(name, None)


def test_the_last_season_has_its_published_scores_in_the_log_of_zero_shot_forecasts():
    """M4: Makridakis et al. 2020; MASE of M3 and Tourism: Ansari et al. 2024; MAPE: Athanasopoulos et al. 2011."""
    rows = [json.loads(line) for line in (FOLDER / "zero_shot.jsonl").read_text().splitlines()]
    found = {row["set"]: row for row in rows if row["method"] == "seasonal_naive" and not row["part"]}
    assert found["M4 Hourly"] | {"mase": 1.193, "smape": 13.912} == pytest.approx(found["M4 Hourly"], abs=5e-4)
    assert found["M3 Monthly"]["mase"] == pytest.approx(1.146, abs=5e-4)
    assert found["M3 Quarterly"]["mase"] == pytest.approx(1.425, abs=5e-4)
    assert found["Tourism Monthly"]["mase"] == pytest.approx(1.631, abs=5e-4)
    assert found["Tourism Monthly"]["mape"] == pytest.approx(22.56, abs=5e-3)


def test_the_pretrained_network_reads_each_series_up_to_its_origin(zero_shot, monkeypatch):
    read = []

    def forecast(windows, seasons, horizon, probabilities):
        read.append(windows)
        assert seasons == (4,)
        assert probabilities == [0.025, 0.1, 0.5, 0.9, 0.975]
        return np.tile([0.0, 4.0, 5.0, 6.0, 9.0], (len(windows), horizon, 1))

    monkeypatch.setattr(zero_shot, "forecast_zero_shot", forecast)
    monkeypatch.setattr(zero_shot, "count_history_steps", lambda *_: 6)
    past, truth = [np.arange(8.0), np.array([3.0, 1, 4, 1, 5])], np.array([[5.0, 7], [4, 10]])
    part = zero_shot.build_panel_part("", past, truth, 4, (4,))
    found = zero_shot.score_part(part, "zero_shot", ("mase", "smape", "coverage_80", "coverage_95"))
    np.testing.assert_array_equal(read[0], [[2, 3, 4, 5, 6, 7], [np.nan, 3, 1, 4, 1, 5]])
    assert found["mase"] == pytest.approx(((0 + 2) / 2 / 4 + (1 + 5) / 2 / 2) / 2)
    assert found["smape"] == pytest.approx(200 * ((0 + 2 / 12) / 2 + (1 / 9 + 5 / 15) / 2) / 2, abs=1e-5)
    assert (found["coverage_80"], found["coverage_95"]) == (50, 75)


@pytest.mark.parametrize(("count", "expected"), [(10**6, 2785), (50, 50)])
def test_ett_is_forecast_from_the_origins_of_its_test_part(zero_shot, tmp_path, count, expected):
    (tmp_path / "ETT-small").mkdir()
    values = np.arange(14_500.0)
    pd.DataFrame({"date": values, "OT": values}).to_csv(tmp_path / "ETT-small/x.csv", index=False)
    options = argparse.Namespace(data=tmp_path, ett_horizons=[96], ett_origins=count)
    part = next(zero_shot.read_ett(options, "x", (24,)))
    assert len(part.steps) == expected
    assert (part.steps[0], part.steps[-1]) == (16 * 720 - 1, 20 * 720 - 96 - 1)
    np.testing.assert_array_equal(part.actual[0], np.arange(16 * 720.0, 16 * 720 + 96))
    deviation = np.sqrt(((12 * 720) ** 2 - 1) / 12)  # of the integers below 12 * 720
    assert zero_shot.score_part(part, "naive", ("mae",))["mae"] == pytest.approx(48.5 / deviation, abs=1e-5)


def test_scores_of_another_pretrained_network_are_computed_again(zero_shot, monkeypatch, tmp_path):
    network = tmp_path / "network.onnx"
    network.write_bytes(b"first")
    monkeypatch.setattr(zero_shot, "NETWORK", network)
    monkeypatch.setattr(zero_shot, "forecast_part", lambda part, _: (part.actual, {}))
    part = zero_shot.build_panel_part("", [np.arange(9.0)], np.ones((1, 2)), 1, ())
    benchmark = zero_shot.Benchmark(lambda *_: iter([part]), ("mase",), ("zero_shot", "naive", "seasonal_naive"))
    monkeypatch.setitem(zero_shot.BENCHMARKS, "x", benchmark)
    options = argparse.Namespace(methods=zero_shot.METHODS)
    for _ in range(2):
        zero_shot.score_set("x", options)
    assert [row["method"] for row in zero_shot.read_log()] == ["zero_shot", "naive"]
    network.write_bytes(b"second")
    assert [row["method"] for row in zero_shot.read_log()] == ["naive"]
    zero_shot.score_set("x", options)
    assert [row["method"] for row in zero_shot.read_log()] == ["naive", "zero_shot"]
