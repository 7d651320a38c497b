"""A new version compared with the version in use: the same origins, the same actual values, and what is decided."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Panel
from forecaster.errors import DataError, RunError, UsageError
from forecaster.evaluation.challenge import (
    OTHER,
    Challenge,
    Contender,
    _match_series,
    challenge,
    compare_versions,
    judge_challenge,
)
from forecaster.evaluation.evaluate import read_training_ends
from forecaster.evaluation.origins import MODEL
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.fallback import Fallback
from forecaster.forecasting.predict import load_predictor
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import restore_plan
from forecaster.preprocessing.scaling import Scaler
from forecaster.problems import Problem
from forecaster.runs import load_version
from tests.helpers.last_value import LastValue, plan
from tests.helpers.zero_shot import replace_zero_shot

RUNS = Path(__file__).parents[1] / "runs"


class Growing(LastValue):
    """Forecasts ten percent more than the value before."""

    factor = 1.1


def panel_of(frequency="D", first="2026-01-01", **series) -> Panel:
    """A panel of these values by name, without gaps."""
    values = {name: np.asarray(of, float) for name, of in series.items()}
    return Panel(
        list(values),
        ["y"] * len(values),
        "t",
        frequency,
        pd.DatetimeIndex([first] * len(values)),
        np.cumsum([len(of) for of in values.values()]),
        np.concatenate(list(values.values())),
    )


def contender(known, panel=None, network=None, horizon=3) -> Contender:
    """A version that reads windows of 4 steps and forecasts 3, and was trained on the first `known` steps of each."""
    panel = panel_of(y=np.arange(40)) if panel is None else panel
    made = plan(horizon=horizon)
    saved = dataclasses.replace(made.preprocessing, scalers=dict.fromkeys(panel.names, Scaler(0.0, 1.0)))
    predictor = Predictor.from_network(network or LastValue(), made.config, saved)
    predictor = dataclasses.replace(predictor, calibration=Calibration(np.ones((1, horizon))))
    known = np.broadcast_to(known, len(panel)) if np.isscalar(known) else np.array(known)
    return Contender(predictor, panel, known)


def steps(comparison):
    return comparison.origins.steps.tolist()


def test_origins_begin_where_neither_version_was_trained_and_end_a_horizon_before_the_data():
    for first, second in ((30, 34), (34, 30)):
        compared = compare_versions(contender(first), contender(second))
        assert steps(compared) == [33, 34, 35, 36]
    assert compared.actual[0].tolist() == [34, 35, 36]
    # the last value is 1, 2, 3 too low on 0, 1, 2, ...
    assert compared.scores[MODEL]["mae"] == compared.scores[OTHER]["mae"] == pytest.approx(2)
    assert compared.scores[MODEL]["mase"] == pytest.approx(1)  # the seasonal naive of 2 steps is 2 off


def test_scores_are_those_of_each_network_from_the_same_windows():
    compared = compare_versions(contender(30), contender(30, network=Growing()))
    theirs = [[abs(v * 1.1**h - (v + h)) for h in (1, 2, 3)] for v in range(29, 37)]
    assert steps(compared) == list(range(29, 37))
    assert compared.scores[MODEL]["mae"] == pytest.approx(2)
    assert compared.scores[OTHER]["mae"] == pytest.approx(np.mean(theirs), rel=1e-5)
    assert compared.baselines == [OTHER, "naive", "seasonal_naive", "zero-shot"]


def test_each_origin_is_forecast_zero_shot_once_for_both_versions(monkeypatch):
    windows = replace_zero_shot(monkeypatch)
    panel, fallback = panel_of(y=np.arange(40)), Fallback(("network", "zero-shot"), {"y": (0.5, 0.5)}, (0.5, 0.5))
    both = []
    for known in (30, 34):
        made = contender(known, panel)
        calibration = dataclasses.replace(made.predictor.calibration, fallback=fallback)
        both.append(made._replace(predictor=dataclasses.replace(made.predictor, calibration=calibration)))
    compared = compare_versions(*both)
    assert windows == [33, 34, 35, 36]
    assert compared.scores[MODEL]["mae"] == compared.scores[OTHER]["mae"] == pytest.approx(1.5)


def test_other_horizons_are_compared_over_the_shorter():
    compared = compare_versions(contender(30), contender(30, horizon=2))
    assert compared.actual.shape == (9, 2)
    assert compared.scores[MODEL]["mae"] == compared.scores[OTHER]["mae"] == pytest.approx(1.5)


def test_series_of_one_version_alone_are_left_out():
    values = np.arange(40)
    new = panel_of(a=values, fresh=values, b=values + 5)
    old = panel_of(b=values + 5, gone=values, a=values)
    compared = compare_versions(contender(30, new), contender([32, 32, 0], old))
    assert np.unique(compared.origins.members).tolist() == [2]  # `a` was not in the training data of the old one
    compared = compare_versions(contender(30, new), contender([32, 32, 36], old))
    found = {new.names[m]: compared.origins.steps[compared.origins.members == m].min() for m in (0, 2)}
    assert found == {"a": 35, "b": 31}


def test_a_version_that_reads_an_earlier_beginning_forecasts_from_the_same_timestamps():
    longer = panel_of(first="2025-12-27", y=np.arange(-5, 40))
    compared = compare_versions(contender(30), contender(37, longer, Growing()))
    assert steps(compared) == list(range(31, 37))
    assert compared.forecasts[OTHER].mean[0] == pytest.approx([31 * 1.1, 31 * 1.21, 31 * 1.331], rel=1e-5)


def joint(known, panel, names=("a", "b")) -> Contender:
    """A version that reads two series together, in the order of these names."""
    one = contender(known, panel)
    data = one.predictor.config.data.model_copy(update={"target": tuple(names)})
    model = one.predictor.config.model.model_copy(update={"channels": "joint"})
    config = one.predictor.config.model_copy(update={"data": data, "model": model})
    return one._replace(predictor=dataclasses.replace(one.predictor, config=config))


def test_series_that_one_version_reads_together_stay_together():
    values = np.arange(40)
    panel, other = panel_of(a=values, b=values + 5), panel_of(b=values + 5, a=values)
    together = joint(32, panel)
    assert together.predictor.config.channels == 2
    groups, channels = _match_series(contender(30, other), together)
    assert (groups, channels) == ([([1, 0], [0, 1])], 2)
    groups, _ = _match_series(together, contender([30, 0], other))  # `a` is unknown to the second
    assert groups == []
    groups, _ = _match_series(together, joint(30, other, ("b", "a")))  # in another order, so other channels
    assert groups == []


def test_gaps_are_not_scored():
    panel = panel_of(y=np.arange(40))
    observed = np.ones(40, bool)
    observed[38] = False
    compared = compare_versions(contender(30, dataclasses.replace(panel, observed=observed)), contender(30, panel))
    assert np.argwhere(np.isnan(compared.actual)).tolist() == [[6, 2], [7, 1]]  # step 38 from steps 35 and 36


@pytest.mark.parametrize(
    ("other", "error", "code"),
    [
        (lambda: contender(30, panel_of("h", y=np.arange(40))), UsageError, "other-frequency"),
        (lambda: contender(30, panel_of(z=np.arange(40))), UsageError, "no-common-series"),
        (lambda: contender(0), UsageError, "no-common-series"),
        (lambda: contender(30, panel_of(y=1000 * np.arange(40))), UsageError, "other-values"),
        (lambda: contender(40), DataError, "no-common-rows"),
    ],
)
def test_what_cannot_be_compared_is_reported_with_the_reason(other, error, code):
    with pytest.raises(error) as raised:
        compare_versions(contender(30), other())
    assert raised.value.problems[0].code == code


def judged(margin=0.0, ours=None, theirs=None) -> Challenge:
    return judge_challenge("old", compare_versions(contender(30, network=ours), contender(30, network=theirs)), margin)


def test_a_worse_version_is_promoted_only_within_the_margin():
    lost = judged(ours=Growing())
    ours, theirs = (lost.summary["scores"][name]["mase"] for name in ("challenger", "champion"))
    assert (lost.outcome, theirs) == ("worse", pytest.approx(1))
    assert judged(margin=ours - 1 + 0.01, ours=Growing()).outcome == "not-worse"
    assert judged(margin=ours - 1 - 0.01, ours=Growing()).outcome == "worse"
    assert judged(theirs=Growing()).outcome == "not-worse"
    assert lost.summary["baseline"] in {"naive", "seasonal_naive", "zero-shot"}
    assert (lost.summary["forecasts"], lost.summary["separate"]) == (8, 3)


def test_an_equal_version_is_not_worse_and_a_negative_margin_wants_an_improvement():
    assert judged().outcome == "not-worse"
    assert judged(margin=-0.02).outcome == "worse"


@pytest.mark.parametrize(
    ("outcome", "better", "always", "never"),
    [
        ("first", True, True, True),
        ("not-worse", True, True, False),
        ("worse", False, True, False),
        ("no-common-rows", False, True, False),
        ("not-comparable", True, True, False),
        ("unreadable", True, True, False),
    ],
)
def test_the_rules(outcome, better, always, never):
    found = Challenge("old", outcome)
    assert [found.decide(rule) for rule in ("better", "always", "never")] == [better, always, never]


def test_the_notice_has_both_errors_the_number_of_forecasts_and_a_command():
    notice = str(judged(ours=Growing()).describe(Path("runs/x"), "new", False, False))
    assert notice.startswith("runs/x: old stays in use: the MASE of the new version new is ")
    assert "above 1, over 8 forecasts of 3 days, 3 without overlap (too few for a verdict)" in notice
    assert notice.endswith("use the new version with: forecast promote runs/x new")
    notice = str(judged(theirs=Growing()).describe(Path("runs/x"), "new", True, False))
    assert notice.startswith("runs/x: the new version new replaces old: its MASE is 1, ")
    assert "since the run is pinned" in str(judged().describe(Path("runs/x"), "new", False, True))
    assert Challenge(None, "first").describe(Path("runs/x"), "new", True, False) is None


def test_the_table_has_both_versions_and_the_best_baseline():
    lines = judged(ours=Growing()).to_text().splitlines()
    assert [line.split("  ")[0] for line in lines[1:3]] == ["new version", "in use (old)"]
    assert len(lines) == 4


@pytest.fixture(params=["format-3", "format-4"])
def run(request, tmp_path):
    """A function that copies a run of each format that was ever written."""

    def copy(name: str) -> Path:
        shutil.copytree(RUNS / request.param / name, tmp_path / name)
        shutil.copy(RUNS / request.param / f"{name}.csv", tmp_path / f"{name}.csv")
        return tmp_path / name

    return copy


@pytest.mark.parametrize("name", ["load", "shops", "close"])
def test_a_version_of_every_format_is_compared_with_its_like(run, name):
    """An hourly rollout; an ensemble over several series, one of them short; trading days."""
    folder = run(name)
    version = load_version(folder)
    found = challenge(folder, restore_plan(version, folder.with_suffix(".csv")), load_predictor(version))
    assert (found.outcome, found.reason) == ("not-worse", "")
    scores = found.summary["scores"]
    assert scores["challenger"] == scores["champion"]
    metrics = version.metrics
    # the same origins as the test part of the training, unless gaps or the calendar move them
    assert scores["challenger"]["mae"] == pytest.approx(metrics["scores"]["model"]["mae"], rel=0.05)
    json.dumps(found.to_json("better", True), allow_nan=False)


HARMS = {
    "a version that was removed": lambda run: shutil.rmtree(next((run / "versions").iterdir())),
    "an edited network": lambda run: next((run / "versions").glob("*/encode.onnx")).write_bytes(b"x"),
    "a current that cannot be read": lambda run: (run / "current").write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_version_in_use_that_cannot_be_read_is_replaced_with_a_warning(run, harm):
    folder = run("load")
    version = load_version(folder)
    made, predictor = restore_plan(version, folder.with_suffix(".csv")), load_predictor(version)
    HARMS[harm](folder)
    found = challenge(folder, made, predictor)
    assert (found.outcome, found.decide("better")) == ("unreadable", True)
    notice = found.describe(folder, "new", True, False)
    assert isinstance(notice, Problem)
    assert notice.code == "champion-not-comparable"
    assert found.reason in str(notice)


def test_a_run_without_a_version_has_no_challenge(run, tmp_path):
    version = load_version(run("load"))
    made = restore_plan(version, tmp_path / "load.csv")
    assert challenge(tmp_path / "new", made, load_predictor(version)).outcome == "first"


def test_the_version_in_use_reads_the_data_with_its_own_settings(run, monkeypatch):
    """Other settings of reading read the file again; the same ones do not."""
    folder = run("load")
    version = load_version(folder)
    made = restore_plan(version, folder.with_suffix(".csv"))
    monkeypatch.setattr("forecaster.evaluation.challenge.read_data", lambda *_: pytest.fail("read again"))
    path = made.config.data.path
    assert challenge(folder, made, load_predictor(version)).outcome == "not-worse"
    assert made.config.data.path == path
    other = made.config.model_copy(update={"data": made.config.data.model_copy(update={"gaps": "seasonal"})})
    with pytest.raises(pytest.fail.Exception, match="read again"):
        challenge(folder, dataclasses.replace(made, config=other), load_predictor(version))


def test_a_version_too_old_to_know_its_training_end_is_replaced(run):
    folder = run("load")
    version = load_version(folder)
    made, predictor = restore_plan(version, folder.with_suffix(".csv")), load_predictor(version)
    path = version.path / "preprocessing.json"
    values = json.loads(path.read_text())
    content = json.dumps({key: value for key, value in values.items() if key not in {"trained_until", "seen"}})
    path.write_text(content)
    manifest = json.loads((version.path / "manifest.json").read_text())
    entry = {"size": len(content), "sha256": hashlib.sha256(content.encode()).hexdigest()}
    manifest["files"]["preprocessing.json"] = entry
    (version.path / "manifest.json").write_text(json.dumps(manifest))
    assert challenge(folder, made, predictor).outcome == "unreadable"
    with pytest.raises(RunError, match="does not record where its training data ends"):
        read_training_ends(load_version(folder))
