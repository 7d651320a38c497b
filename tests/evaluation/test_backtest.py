"""Rolling origins: where they lie, that nothing behind them is seen, how they are compared, and the commands."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.data import Panel
from forecaster.errors import DataError
from forecaster.evaluation.backtest import backtest
from forecaster.evaluation.baselines import BaselineForecast
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.evaluate import evaluate
from forecaster.evaluation.folds import plan_folds
from forecaster.evaluation.metrics import Scale
from forecaster.evaluation.origins import Origins, compute_scale, forecast_with_baseline
from forecaster.evaluation.significance import compare_losses
from forecaster.extras import MissingExtra
from forecaster.problems import Problem
from forecaster.runs import load_version
from tests.helpers.command import ROOT, write_hourly_csv

SMALL = {
    "window": {"length": 24, "horizon": 6},
    "model": {"cell": "simple_rnn", "units": 2, "decoder": "dense"},
    "training": {"epochs": 1},
}


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def panel_of(values, observed=None):
    return Panel(["y"], ["y"], None, "step", pd.Index([0]), np.array([len(values)]), values, observed=observed)


def folds_of(tmp_path, count=3, stride=None, refit=None, rows=200):
    path = write_hourly_csv(tmp_path / "load.csv", rows)
    loaded = load_values({"data": {"path": str(path)}, **SMALL}, "x.yaml")
    return plan_folds(loaded, count, stride, refit, None)


def test_folds_end_where_the_series_ends(tmp_path):
    folds = folds_of(tmp_path, 3, 10)
    assert [folds.count_known_steps(fold).tolist() for fold in range(3)] == [[174], [184], [194]]
    assert folds.horizon == 6
    assert len(folds.first.panel[0]) == 174
    assert folds.first.members[0].split.test == 0
    assert folds.trainings == [range(3)]


def test_a_refit_serves_several_folds(tmp_path):
    assert folds_of(tmp_path, 5, refit=2).trainings == [range(2), range(2, 4), range(4, 5)]
    folds = folds_of(tmp_path, 5, refit=2)
    assert [len(folds.plan_training(fold).panel[0]) for fold in (0, 2, 4)] == [170, 182, 194]


def test_more_folds_than_there_are_rows_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"40 folds hold back 240 rows of each series; use fewer"):
        folds_of(tmp_path, 40)


@pytest.mark.parametrize(
    ("rows", "stride", "count", "known"),
    [
        (200, None, 10, 140),  # ten folds of 6 steps
        (110, None, 9, 56),  # a tenth would leave 50 steps, less than half
        (70, None, 5, 40),  # a tenth of 40 steps is shorter than the horizon, so a horizon is held out
        (64, None, 4, 40),
        (58, None, 3, 40),  # half of it is too short for a window, a horizon and a validation part
        (200, 3, 19, 140),  # every second one overlaps
    ],
)
def test_by_default_there_are_as_many_folds_as_fit(tmp_path, caplog, rows, stride, count, known):
    with caplog.at_level("INFO", "forecaster"):
        folds = folds_of(tmp_path, None, stride, rows=rows)
    assert (folds.count, folds.count_known_steps(0).tolist()) == (count, [known])
    assert (f"{count} folds of the 10 that a verdict needs" in caplog.text) == (count < 10)


def test_a_gap_at_an_origin_is_filled_from_before_it():
    values, observed = np.array([1.0, 2, 3, 4, 5, 6]), np.array([True, True, False, False, True, True])
    panel = panel_of(values, observed)
    np.testing.assert_array_equal(panel.truncate(np.array([4]))[0].values, [1, 2, 2, 2])
    np.testing.assert_array_equal(panel.truncate(np.array([5]))[0].values, [1, 2, 3, 4, 5])
    origins = Origins(panel, np.array([0, 0]), np.array([3, 4]))
    np.testing.assert_array_equal(origins.series[0].values, [1, 2, 2, 2, 5, 6])
    np.testing.assert_array_equal(origins.series[1].values, values)
    np.testing.assert_array_equal(origins.read_actuals(3), [[5, 6, np.nan], [6, np.nan, np.nan]])
    np.testing.assert_array_equal(Origins(panel, np.array([0]), np.array([0])).read_actuals(2), [[2, np.nan]])


def compared(first, second, actual, stride=1):
    """Two forecasters of one step each fold."""
    panel = panel_of(np.arange(20.0) ** 2)
    origins = Origins(panel, np.zeros(len(actual), int), np.arange(len(actual)))
    scores = {
        "model": BaselineForecast(np.array(first)[:, None], {}),
        "naive": BaselineForecast(np.array(second)[:, None], {}),
    }
    scale = Scale(np.full(len(actual), 2.0), np.full(len(actual), 4.0))
    return Comparison(scores, origins, 1 + np.arange(len(actual)), np.array(actual)[:, None], scale, stride, (), 1)


def test_skill_and_scores_by_hand():
    found = compared([1.0, 2, 3, 4, 6], [3.0, 0, 5, 2, 7], [0.0, 0, 0, 0, 0])
    assert found.measure == "mase"
    assert found.scores["model"]["mase"] == pytest.approx(16 / 5 / 2)
    assert found.compute_skill("naive")["mae"] == pytest.approx(1 - 16 / 17)
    assert found.tabulate_by_fold()["mae"].tolist() == [1, 2, 3, 4, 6, 3, 0, 5, 2, 7]
    assert found.tabulate_by_step()["mae"].tolist() == [3.2, 3.4]
    assert found.tabulate_by_series()["mae"].tolist() == [3.2, 3.4]


def test_a_clear_winner_is_more_than_chance_and_few_folds_are_not_tested():
    generator = np.random.default_rng(0)
    errors = generator.uniform(1, 2, 12)
    found = compared(errors, 3 * errors + generator.uniform(0, 0.1, 12), np.zeros(12))
    # At one step ahead the test is that of paired differences, with n in place of n - 1 and corrected back.
    differences = errors / 2 - found.forecasts["naive"].mean[:, 0] / 2
    expected = differences.mean() / np.sqrt(differences.var(ddof=1) / 12)
    assert found.test_significance("naive")["statistic"] == pytest.approx(expected)
    assert "The network wins: its MASE is " in found.to_text()
    assert compared([1.0, 2], [2.0, 3], [0.0, 0]).test_significance("naive") == {}
    assert "Too few forecasts for a verdict: 2 forecasts of 1 step; it needs 10 that do not overlap." in (
        compared([1.0, 2], [2.0, 3], [0.0, 0]).to_text()
    )


def test_forecasts_that_overlap_are_tested_as_such_and_not_counted_twice():
    """Two steps ahead from each step: 20 forecasts, 10 of which do not overlap, correlated at a lag of 1."""
    generator = np.random.default_rng(0)
    first, second = generator.uniform(1, 2, (20, 2)), generator.uniform(2, 3, (20, 2))
    panel = panel_of(np.arange(30.0) ** 2)
    origins, unit = Origins(panel, np.zeros(20, int), np.arange(20)), np.ones(20)
    forecasts = {"model": BaselineForecast(first, {}), "naive": BaselineForecast(second, {})}
    made = Comparison(forecasts, origins, 1 + np.arange(20), np.zeros((20, 2)), Scale(unit, unit), 1, (), 1)
    assert (made.summary["forecasts"], made.summary["separate"]) == (20, 10)
    assert made.test_significance("naive") == compare_losses(first.mean(axis=1), second.mean(axis=1), 2)._asdict()
    unknown = np.zeros((20, 2))
    unknown[-1] = np.nan
    made = dataclasses.replace(made, actual=unknown)
    assert (made.summary["forecasts"], made.summary["separate"]) == (19, 10)
    unknown[-2] = np.nan
    assert dataclasses.replace(made, actual=unknown).test_significance("naive") == {}


def test_the_scale_is_of_what_was_known_and_observed():
    panel = panel_of(np.array([0.0, 1, 3, 6, 100]), np.array([True, True, True, False, True]))
    scale = compute_scale(Origins(panel, np.array([0]), np.array([3])), [4], 1)
    assert scale.absolute.tolist() == [1.5]


def test_padding_is_no_history_of_a_baseline():
    series = panel_of(np.array([4.0, 7, 5, 9, 6, 8]))
    padded = Origins(series, np.array([0, 0]), np.array([3, 4])).pad(3, 1)
    found = forecast_with_baseline("naive", padded, 2, [1], [80], 3)
    expected = forecast_with_baseline("naive", Origins(series, np.array([0, 0]), np.array([3, 4])), 2, [1], [80])
    np.testing.assert_array_equal(found.mean, [[9, 9], [6, 6]])
    np.testing.assert_array_equal(found.quantiles[0.9], expected.quantiles[0.9])


@pytest.fixture(scope="module")
def backtested(tmp_path_factory, forecast):
    folder = tmp_path_factory.mktemp("backtest")
    header, *rows = write_hourly_csv(folder / "load.csv", 200).read_text().splitlines()
    (folder / "load.csv").write_text("\n".join([header, rows[1], rows[0], *rows[2:]]) + "\n")
    (folder / "small.yaml").write_text(json.dumps({"data": {"path": "load.csv"}, **SMALL}))
    result = forecast("backtest", "small.yaml", "--folds", 5, "--format", "json", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    return folder, json.loads(result.stdout)


def test_the_command_writes_scores_forecasts_and_a_picture(backtested):
    folder, scores = backtested
    written = folder / "backtests/small"
    names = [
        "scores.csv",
        "scores_by_step.csv",
        "scores_by_series.csv",
        "scores_by_fold.csv",
        "forecasts.csv",
    ]
    assert {path.name for path in written.iterdir()} == {
        *names,
        "scores.json",
        "errors.png",
        "work",
        ".lock",
    }
    (notice,) = scores["problems"]
    assert (notice["level"], notice["code"]) == ("note", "rows-sorted")
    assert json.loads((written / "scores.json").read_text()) | {"problems": [notice]} == scores
    rows = pd.read_csv(written / "forecasts.csv")
    assert (len(rows), scores["folds"], scores["horizon"]) == (30, 5, 6)
    load = pd.read_csv(folder / "load.csv", index_col="time")["load"]
    np.testing.assert_allclose(rows["actual"], load.loc[rows["timestamp"]])
    np.testing.assert_allclose(rows["naive"], load.loc[rows["origin"]])
    assert scores["scores"]["model"]["mae"] == pytest.approx((rows["mean"] - rows["actual"]).abs().mean())
    assert list(scores["scores"]) == ["model", "network_alone", "naive", "seasonal_naive", "zero-shot"]


def test_values_after_an_origin_are_not_seen_from_it(backtested, forecast, tmp_path):
    folder, _ = backtested
    before = pd.read_csv(folder / "backtests/small/forecasts.csv").query("fold == 1")
    shutil.copy(folder / "small.yaml", tmp_path)
    rows = pd.read_csv(folder / "load.csv")
    rows.loc[200 - 5 * 6 :, "load"] = 1e6 * np.cos(np.arange(30))
    rows.to_csv(tmp_path / "load.csv", index=False)
    assert forecast("backtest", "small.yaml", "--folds", 5, cwd=tmp_path).returncode == 0
    after = pd.read_csv(tmp_path / "backtests/small/forecasts.csv").query("fold == 1")
    columns = [name for name in before if name != "actual"]
    pd.testing.assert_frame_equal(before[columns], after[columns])


def test_a_planted_leak_is_caught(backtested, tmp_path, monkeypatch):
    """The same comparison, with a preparation that looks at the whole series, does find a difference."""
    folder, _ = backtested
    rows = pd.read_csv(folder / "load.csv")
    poisoned = rows["load"].to_numpy().copy()
    poisoned[200 - 5 * 6 :] = 1e6 * np.cos(np.arange(30))
    scales = {}
    for leaky in (False, True):
        if leaky:
            monkeypatch.setattr(Panel, "truncate", lambda panel, lengths: panel)
        for name, values in (("clean", rows["load"].to_numpy()), ("poisoned", poisoned)):
            path = write_hourly_csv(tmp_path / "load.csv", values=values)
            folds = plan_folds(load_values({"data": {"path": str(path)}, **SMALL}, "x.yaml"), 5, None, None, None)
            scales[leaky, name] = folds.first.preprocessing.to_json()
    assert scales[False, "clean"] == scales[False, "poisoned"]
    assert scales[True, "clean"] != scales[True, "poisoned"]


def test_a_backtest_resumes_where_it_was_broken_off(backtested, forecast):
    folder, scores = backtested
    (training,) = (folder / "backtests/small/work").glob("*/training-001/versions/*")
    (folder / "backtests/small/scores.json").unlink()
    again = forecast("backtest", "small.yaml", "--folds", 5, "--format", "json", "--verbose", cwd=folder)
    assert "training" not in again.stderr
    assert json.loads(again.stdout) == scores
    assert training.exists()


def test_a_backtest_that_cannot_train_keeps_the_networks_of_the_one_before(tmp_path):
    def train(*_):
        raise MissingExtra(Problem("interrupted"))

    network = tmp_path / "backtest/work/another/training-001"
    network.mkdir(parents=True)
    with pytest.raises(MissingExtra):
        backtest(folds_of(tmp_path), tmp_path / "backtest", [], train)
    assert network.is_dir()


def test_a_backtest_that_is_done_removes_the_networks_of_the_one_before(backtested, forecast, tmp_path):
    shutil.copytree(backtested[0], tmp_path, dirs_exist_ok=True)
    network = tmp_path / "backtests/small/work/another/training-001"
    network.mkdir(parents=True)
    assert forecast("backtest", "small.yaml", "--folds", 2, cwd=tmp_path, fitted=False).returncode == 0
    assert len([*network.parents[1].iterdir()]) == 1
    assert not network.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--baselines", "snaive"], 2, "snaive: no such baseline"),
        (["--refit", "often"], 2, "--refit often: expected never, every, or a number of folds"),
        (["--folds", "30"], 4, "30 folds hold back 180 rows"),
        (["--set", "model.units=0"], 2, "model.units"),
    ],
)
def test_what_cannot_be_done_is_reported_before_anything_is_trained(backtested, forecast, arguments, code, expected):
    folder, _ = backtested
    result = forecast("backtest", "small.yaml", *arguments, "--output", "elsewhere", cwd=folder)
    assert result.returncode == code
    assert expected in result.stderr
    assert not (folder / "elsewhere/work").exists()


def test_a_run_is_scored_on_data_after_it(trained, forecast, tmp_path):
    longer = write_hourly_csv(tmp_path / "longer.csv", 460)  # 360 of the 400 rows trained on were seen
    header, *rows = longer.read_text().splitlines()
    longer.write_text("\n".join([header, rows[1], rows[0], *rows[2:]]) + "\n")
    result = forecast("evaluate", trained / "runs/tiny", "--data", longer, "--format", "json", "--stride", 10)
    assert (result.returncode, result.stderr) == (0, "")
    scores = json.loads(result.stdout)
    assert (scores["origins"], scores["stride"]) == (10, 10)
    assert list(scores["scores"]) == ["model", "network_alone", "naive", "seasonal_naive", "zero-shot"]
    assert [(each["level"], each["code"]) for each in scores["problems"]] == [("note", "rows-sorted")]
    (version,) = (trained / "runs/tiny/versions").iterdir()
    assert json.loads((version / "preprocessing.json").read_text())["trained_until"] == {"load": "2026-01-15 23:00:00"}


@pytest.mark.parametrize("name", ["load", "shops", "close"])
def test_on_its_own_data_a_run_has_the_scores_of_its_training(name):
    folder = ROOT / "tests/runs/format-4"
    version = load_version(folder / name)
    found = evaluate(version, folder / f"{name}.csv").comparison.summary
    before = version.metrics["scores"]
    assert found["scores"]["model"] == pytest.approx(before["model"], rel=1e-5)
    for forecaster, scores in before.items():
        assert found["scores"][forecaster]["mae"] == pytest.approx(scores["mae"], rel=1e-5)
    assert found["coverage"] == pytest.approx(version.metrics["coverage"])
    assert found["origins"] == version.metrics["origins"]


def test_nothing_new_is_nothing_to_score(trained, forecast, tmp_path):
    shorter = write_hourly_csv(tmp_path / "shorter.csv", 300)
    result = forecast("evaluate", trained / "runs/tiny", "--data", shorter)
    assert result.returncode == 4
    assert "no rows after 2026-01-15 23:00:00, where the training data of this run ends" in result.stderr
