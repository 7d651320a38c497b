"""The benchmarks of accuracy print the scores in their logs, without training."""

import importlib
import sys

import numpy as np
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
