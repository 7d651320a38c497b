"""`forecast tune`: its space, its yardstick, its trials in SQLite, and the real command."""

import csv
import json
import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config import Choices, Range, load_config, load_values
from forecaster.config.schema import Model
from forecaster.errors import CannotCreate, ConfigError, RunError, UsageError
from forecaster.evaluation.validation_score import build_validation_score
from forecaster.forecasting.predictor import Predictor
from forecaster.forecasting.rollout import Rollout
from forecaster.preprocessing.plan import drop_test_parts, plan_training
from forecaster.tuning.plan import plan_tuning
from forecaster.tuning.search import Search
from forecaster.tuning.trials import DIVERGED, DONE, IMPOSSIBLE, STOPPED
from tests.helpers.command import TINY, write_hourly_csv
from tests.helpers.last_value import LastValue, predicted

TUNABLE = (
    TINY.replace("epochs: 2", "epochs: 1")
    + """\
tune:
  model.decoder: [rollout, dense]
  model: {units: {low: 2, high: 6}}
  window.length: [12, 18]
  training.optimizer.learning_rate: {low: 0.001, high: 0.1, log: true}
"""
)


def problems(tmp_path: Path, tune: str) -> list[str]:
    path = tmp_path / "c.yaml"
    path.write_text(f"data: {{path: x.csv}}\nwindow: {{length: 10, horizon: 2}}\ntune:\n  {tune}\n")
    return [str(problem).replace(f"{path}:4:", "").replace("tune.", "") for problem in load_config(path).problems]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("model.unit: [3]", "model.unit: unknown key, did you mean 'units'?"),
        ("trainng.epochs: [3]", "trainng.epochs: unknown key, did you mean 'training'?"),
        ("window.horizon: [1, 2]", "window.horizon: is the same for every trial; what may be tuned: model.*"),
        ("data.path: [x, y]", "data.path: is the same for every trial"),
        ("model: [{cell: gru}]", "model: is a whole section; name a key of it, such as model.units"),
        ("training.seed: [1, 2]", "training.seed: is chance"),
        ("model.cell: [gru, lsmt]", "model.cell.1: received 'lsmt', expected simple_rnn | lstm"),
        ("model.cell: [gru, gru]", "model.cell.1: 'gru' is given twice"),
        ("model.cell: []", "model.cell: is empty; list the values to choose from"),
        ("model.cell: gru", "model.cell: received 'gru', expected a list of values, or {low: ..., high: ...}"),
        ("model.dropout: {low: 0.0, high: 1.5}", "model.dropout.high: received 1.5, expected less than 1"),
        ("model.dropout: {low: 0.5, high: 0.1}", "model.dropout.high: 0.1 is not above low, 0.5"),
        ("model.dropout: {low: 0.5}", "model.dropout: high is missing: a range is"),
        ("model.dropout: {low: 0.0, hihg: 0.5}", "model.dropout.hihg: unknown key, did you mean 'high'?"),
        ("model.dropout: {low: 0.0, high: few}", "model.dropout.high: received 'few', expected a number"),
        ("model.dropout: {low: 0.0, high: 0.5, log: true}", "model.dropout.low: 0 has no logarithm"),
        ("model.dropout: {low: 0.1, high: 0.5, log: 1}", "model.dropout.log: received 1, expected true or false"),
        ("window.length: {low: 4, high: 12, step: 3}", "window.length.high: 12 is no whole number of steps of 3"),
        ("window.length: {low: 4, high: 12, step: 0.5}", "window.length.step: received 4.5, expected a whole number"),
        ("model.segment: {low: 1, high: 2.5}", "model.segment.high: received 2.5, expected a whole number"),
        ("training.batch_size: {low: 4, high: 9, log: true, step: 1}", "training.batch_size.step: cannot go with log"),
        ("training.optimizer: [{name: adem}]", "training.optimizer.0: received 'adem', expected sgd"),
    ],
)  # fmt: skip
def test_a_wrong_space_is_reported_with_its_place(tmp_path, line, expected):
    found = problems(tmp_path, line)
    assert len(found) == 1
    assert found[0].split(": ", 1)[1].startswith(expected)


def test_the_place_of_a_candidate_is_its_own(tmp_path):
    assert problems(tmp_path, "model.cell: [gru, lsmt]")[0].startswith("21: model.cell.1: received 'lsmt'")


def test_keys_of_a_space_do_not_overlap(tmp_path):
    path = "training.optimizer"
    found = problems(tmp_path, f"{path}.learning_rate: [0.1]\n  {path}: [{{name: sgd}}]")
    assert found == [f"{tmp_path}/c.yaml:5:3: {path}: overlaps with {path}.learning_rate; " + (
        "tune the inner key alone, or the outer"
    )]  # fmt: skip


def test_all_problems_of_a_space_and_of_the_config_come_at_once(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(TINY.replace("epochs", "epoch") + "tune: {model.unit: [1], scaling: []}\n")
    assert [problem.column for problem in load_config(path).problems] == [
        "training.epoch",
        "tune.model.unit",
        "tune.scaling",
    ]


def test_a_space_is_read_as_the_keys_take_it_and_the_config_stays_as_it_is():
    values = {"data": {"path": "x"}, "window": {"length": 9, "horizon": 1}}
    tune = {
        "model": {"units": [8, [8, 8]], "dropout": {"low": 0, "high": 0.5}},
        "training.optimizer.clip_norm": {"low": 1, "high": 5},
        "training.epochs": {"low": 1, "high": 5},
    }
    loaded = load_values({**values, "tune": tune}, "x")
    assert loaded.space == {
        "model.units": Choices(("[8]", "[8, 8]")),
        "model.dropout": Range(0, 0.5),
        "training.optimizer.clip_norm": Range(1, 5),
        "training.epochs": Range(1, 5, whole=True),
    }
    assert loaded.config == load_values(values, "x").config


def test_a_space_may_be_given_with_set(tmp_path):
    (tmp_path / "c.yaml").write_text(TINY)
    loaded = load_config(tmp_path / "c.yaml", ["tune.model.units=[[4], [8]]"])
    assert loaded.space == {"model.units": Choices(("[4]", "[8]"))}


def test_the_yardstick_worked_by_hand():
    plan, predictor = (
        predicted()
    )  # 0, 1, 2, ...: a step of the season of 2 changes by 2; the last value errs by 1, 2, 3
    measure = build_validation_score(drop_test_parts(plan))
    assert measure.score(drop_test_parts(plan), predictor) == pytest.approx(2 / 2)
    assert measure.baselines.keys() == {"naive", "seasonal_naive", "zero-shot"}
    assert measure.baselines["naive"] == pytest.approx(2 / 2)
    assert measure.baselines["seasonal_naive"] == pytest.approx(8 / 3 / 2)
    assert measure.steps[[0, -1]].tolist() == [19, 26]  # whole horizons before step 30, where the test begins


def test_the_yardstick_lies_at_the_same_places_for_windows_that_begin_before_their_series(tmp_path):
    (tmp_path / "y.csv").write_text("y\n" + "".join(f"{day * day}\n" for day in range(40)))
    plans = [
        plan_training(
            load_values(
                {
                    "data": {"path": str(tmp_path / "y.csv")},
                    "window": {"length": length, "horizon": 2, "min_length": 1},
                    "split": {"validation": 10, "test": 0},
                },
                "c.yaml",
            )
        )
        for length in (2, 4, 9)
    ]
    measure = build_validation_score(plans[0])
    errors = [
        measure.score(plan, Predictor.from_network(LastValue(), plan.config, plan.preprocessing)) for plan in plans
    ]
    assert errors == pytest.approx(3 * [measure.baselines["naive"]])


def identity(**changed) -> dict:
    return {"config": {"training": {"seed": 0, "epochs": 10}}, "tune": "", **changed}


SMALL = {"model.units": Choices(("[2]", "[4]")), "model.dropout": Range(0.0, 0.2, step=0.1)}
LARGE = {"a": Range(0.001, 1.0, log=True), "b": Range(1, 1000, whole=True)}


def test_a_small_space_is_exhausted_and_begins_with_the_config_as_it_stands(tmp_path):
    own = {"model.units": [4], "model.dropout": 0.1}
    search = Search(tmp_path, identity(), SMALL, own)
    tried = []
    while (drawn := search.start_trial(50)) is not None:
        tried.append(drawn.values)
        search.finish(drawn, 1.0, 1)
    search.close()
    assert tried[0] == own
    assert {json.dumps(values) for values in tried} == {
        json.dumps({"model.units": units, "model.dropout": dropout})
        for units in ([2], [4])
        for dropout in (0.0, 0.1, 0.2)
    }
    assert len(tried) == 6


def test_no_combination_is_tried_twice(tmp_path):
    search = Search(tmp_path, identity(), SMALL, {"model.units": [9], "model.dropout": 0.1})
    tried = []
    while (drawn := search.start_trial(5)) is not None:
        tried.append(json.dumps(drawn.values))
        search.finish(drawn, float(len(tried)), 1)
    search.close()
    assert len(set(tried)) == len(tried) == 5


def drawn_values(folder: Path, total: int, killed_at: int | None = None) -> list:
    """What is drawn for trials whose error depends on their values, with a process that dies in between."""
    search, found = Search(folder, identity(), LARGE, {"a": 0.5, "b": 2000}), []
    while (drawn := search.start_trial(total)) is not None:
        if len(found) == killed_at:
            search._alive.release()  # as the system does for a process that is gone
            return found + drawn_values(folder, total)
        found.append(drawn.values)
        search.finish(drawn, drawn.values["a"] + drawn.values["b"] / 1000, 1)
    search.close()
    return found


def test_a_killed_search_makes_the_lost_trial_again_and_loses_no_other(tmp_path):
    whole = drawn_values(tmp_path / "one", 5)
    broken = drawn_values(tmp_path / "two", 5, killed_at=2)
    assert len(whole) == len(broken) == 5
    assert broken == whole
    search = Search(tmp_path / "two", identity(), LARGE, {"a": 0.5, "b": 2000})
    assert [row.state for row in search.list_results()] == [DONE] * 5
    search.close()


def test_a_damaged_file_is_reported(tmp_path):
    (tmp_path / "study.db").write_text("no database" * 100)
    with pytest.raises(RunError, match="study.db: cannot be read.*move it away"):
        Search(tmp_path, identity(), LARGE, {"a": 0.5, "b": 1})


def test_two_processes_share_a_search(tmp_path):
    one, other = (Search(tmp_path, identity(), LARGE, {"a": 0.5, "b": 2000}) for _ in range(2))
    drawn = [search.start_trial(5) for search in (one, other, one, other, one, other)]
    assert [each and each.number for each in drawn] == [0, 1, 2, 3, 4, None]
    assert len({each.values["a"] for each in drawn[:-1]}) == 5
    one.drop(drawn[0], IMPOSSIBLE, "too long")
    one.drop(drawn[2], DIVERGED)
    other.drop(drawn[1], STOPPED)
    other.requeue(drawn[3])
    assert [row.state for row in one.list_results()] == [IMPOSSIBLE, STOPPED, DIVERGED, "running"]
    assert one.start_trial(5).values == drawn[3].values
    one.close()
    other.close()


def test_other_settings_or_data_are_another_search(tmp_path, caplog):
    first = Search(tmp_path, identity(), LARGE, {"a": 0.5, "b": 1})
    first.finish(first.start_trial(1), 1.0, 1)
    first.close()
    with caplog.at_level(logging.INFO, "forecaster"):
        second = Search(tmp_path, identity(data="x"), LARGE, {"a": 0.5, "b": 1})
    assert second.list_results() == []
    assert "settings or data differ from the last search in this folder: data" in caplog.text
    second.close()


@pytest.fixture
def tunable(project: Path) -> Path:
    (project / "tiny.yaml").write_text(TUNABLE)
    return project


def test_without_a_section_the_usual_space_is_searched(project):
    space = plan_tuning(load_config(project / "tiny.yaml")).space
    assert space["training.optimizer.learning_rate"] == Range(0.0001, 0.01, log=True)
    assert space["window.length"] == Choices(
        ("12", "24", "48", "72", "96")
    )  # seasons up to a third of the training part
    assert space["model.units"] == Choices(("[2]", "[4]", "[8]", "[4, 4]"))
    assert "model.linear" not in space  # rollout, the decoder of tiny.yaml, has no linear forecast


def test_the_season_of_many_series_is_that_of_all_without_their_test_parts(tmp_path):
    random, steps = np.random.default_rng(0), np.arange(90)
    columns = {f"s{number}": np.sin(2 * np.pi * steps / 5) + 0.3 * random.normal(size=90) for number in range(6)}
    for values in columns.values():
        values[81:] = random.normal(size=9)  # the test part
    columns = {"noise": random.normal(size=120)} | columns  # the longest series has no season
    pd.DataFrame({name: pd.Series(values) for name, values in columns.items()}).to_csv(tmp_path / "x.csv", index=False)
    (tmp_path / "x.yaml").write_text("""\
data: {path: x.csv, time: null, target: "*"}
window: {length: 12, horizon: 4}
model: {units: [2], decoder: dense}
""")
    assert plan_tuning(load_config(tmp_path / "x.yaml")).base.season == 5


def test_the_usual_space_of_a_direct_decoder_has_a_linear_forecast_and_windows_of_weeks(tmp_path):
    write_hourly_csv(tmp_path / "load.csv", rows=2700)
    (tmp_path / "tiny.yaml").write_text(TINY)
    space = plan_tuning(load_config(tmp_path / "tiny.yaml", ["model.decoder=dense"])).space
    assert space["model.linear"] == Choices(("false", "true"))
    assert "672" in space["window.length"].values  # 28 days of 24 hours


def test_without_a_validation_part_nothing_is_tuned(tunable):
    with pytest.raises(ConfigError, match="trials are compared on the validation part, and it is 0"):
        plan_tuning(load_config(tunable / "tiny.yaml", ["split.validation=0"]))


def test_a_trial_that_cannot_be_is_refused_with_its_reason(tunable):
    plan = plan_tuning(load_config(tunable / "tiny.yaml"))
    with pytest.raises(ConfigError, match="does not divide into segments of 5"):
        plan.plan_trial({"model.segment": 5})


def trials_of(folder: Path) -> list[dict[str, str]]:
    rows = csv.DictReader((folder / "runs/tiny/tune/trials.csv").read_text().splitlines())
    return [{**row, "seconds": ""} for row in rows]


@pytest.mark.slow
def test_the_command_writes_the_best_config_and_continues(forecast, tunable):
    result = forecast("tune", "tiny.yaml", "--trials", 1, cwd=tunable, fitted=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert sorted(path.name for path in tunable.iterdir()) == ["load.csv", "runs", "tiny.tuned.yaml", "tiny.yaml"]
    first = trials_of(tunable)
    assert [row["state"] for row in first] == ["done"]
    assert forecast("tune", "tiny.yaml", "--trials", 2, cwd=tunable, fitted=False).returncode == 0
    trials = trials_of(tunable)
    assert trials[:1] == first
    assert len(trials) == 2
    tuned = load_config(tunable / "tiny.tuned.yaml")
    best = min((row for row in trials if row["error"]), key=lambda row: float(row["error"]))
    assert not tuned.problems
    assert tuned.config.training.optimizer.learning_rate == float(best["training.optimizer.learning_rate"])
    assert tuned.config.model.units == (int(best["model.units"]),)
    assert tuned.config.data.path == str(tunable / "load.csv")
    (tunable / "tiny.tuned.yaml").write_text("# mine\n")
    refused = forecast("tune", "tiny.yaml", "--trials", 2, cwd=tunable)
    assert refused.returncode == 2
    assert "tiny.tuned.yaml: exists and is not from this search" in refused.stderr


def search(folder: Path, trials: int) -> list[dict[str, str]]:
    """What the command does with tiny.yaml, in this process."""
    from forecaster.tuning.tune import search_config

    plan, found = plan_tuning(load_config(folder / "tiny.yaml")), folder / "runs/tiny/tune"
    search_config(plan, found, folder / "tiny.tuned.yaml", trials, None, [])
    return trials_of(folder)


@pytest.mark.slow
def test_the_window_that_reaches_back_to_what_repeats_is_found(tmp_path):
    values = np.tile(np.random.default_rng(2).normal(size=20), 15)  # every value is that of 20 steps before
    (tmp_path / "load.csv").write_text("y\n" + "".join(f"{value:.4f}\n" for value in values))
    (tmp_path / "tiny.yaml").write_text("""\
data: {path: load.csv, season: 1}
window: {length: 6, horizon: 4}
model: {units: [2], decoder: dense, linear: true}
training: {epochs: 3, batch_size: 8, optimizer: {learning_rate: 0.01}}
tune:
  window.length: [6, 24]
""")
    errors = {row["window.length"]: float(row["error"]) for row in search(tmp_path, trials=2)}
    assert errors["24"] < 0.5 * errors["6"]
    assert load_config(tmp_path / "tiny.tuned.yaml").config.window.length == 24


@pytest.mark.slow
def test_the_test_part_is_never_read(tunable):
    found = search(tunable, trials=1)
    hours = np.arange(400)
    values = 100 + 10 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(1).normal(0, 1, 400)
    values[360:] = 1e9 * np.arange(1, 41)  # a tenth is held out
    other = tunable / "other"
    other.mkdir()
    write_hourly_csv(other / "load.csv", values=values)
    (other / "tiny.yaml").write_text(TUNABLE)
    assert search(other, trials=1) == found


@pytest.mark.slow
def test_a_signal_keeps_what_was_found(tunable):
    from forecaster.errors import Interrupted
    from forecaster.tuning.tune import search_config

    plan = plan_tuning(load_config(tunable / "tiny.yaml"))
    with pytest.raises(Interrupted, match="interrupted, 0 trials: none; resume with the same command") as raised:
        search_config(plan, tunable / "tune", tunable / "x.yaml", 3, None, [15])
    assert raised.value.exit_code == 143
    assert not (tunable / "x.yaml").exists()


@pytest.mark.slow
def test_where_no_trial_can_be_the_first_reason_is_reported(forecast, project):
    (project / "tiny.yaml").write_text(TUNABLE.split("tune:")[0] + "tune: {model.segment: [5, 7]}\n")
    result = forecast("tune", "tiny.yaml", "--trials", 5, cwd=project)
    assert result.returncode == 2
    assert re.search("no trial completed.*2 impossible; first impossible trial: model.segment: a", result.stderr)
    assert not (project / "tiny.tuned.yaml").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output", "error"), [("no/x.yaml", CannotCreate), ("x.txt", UsageError), ("tiny.yaml", UsageError)]
)
def test_what_cannot_be_written_is_refused_before_any_trial(tunable, output, error):
    from forecaster.tuning.tune import search_config

    plan = plan_tuning(load_config(tunable / "tiny.yaml"))
    with pytest.raises(error, match=output):
        search_config(plan, tunable / "tune", tunable / output, 1, None, [])


@pytest.mark.slow
def test_a_live_network_answers_as_the_exported_one():
    from forecaster.inputs import Inputs
    from forecaster.tuning.tensorflow_network import TensorFlowNetwork
    from tests.helpers.networks import randomised

    network, served = randomised(Model(cell="gru", units=3, decoder="seq2seq"), 6, 2)
    windows = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    one, other = (Rollout(each, "carry")(Inputs(windows), 4).mean for each in (TensorFlowNetwork(network, 6), served))
    np.testing.assert_allclose(one, other, atol=1e-5)
