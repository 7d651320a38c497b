"""A refit: the network trained once more on all rows, and the errors, intervals and comparisons of the one before."""

import importlib
import shutil
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest

from forecaster.config import load_config, load_values
from forecaster.errors import Diverged, Interrupted
from forecaster.evaluation.challenge import challenge
from forecaster.evaluation.evaluate import evaluate, read_training_ends
from forecaster.evaluation.tables import format_error_table
from forecaster.forecasting.predict import load_predictor, predict
from forecaster.preprocessing.plan import join_parts, place_windows, plan_training, restore_plan
from forecaster.problems import Problem
from forecaster.runs import load_version, lock_run
from forecaster.training.artifacts import Refit
from forecaster.training.build import build_schedule, prepare_trainer
from forecaster.training.progress import ProgressLogger
from forecaster.training.step import keep_step
from forecaster.training.train import train
from forecaster.training.trainer import Course
from tests.helpers.command import TINY, write_hourly_csv
from tests.helpers.last_value import plan as plan_of_steps

pytestmark = pytest.mark.slow

REFIT = TINY.replace("epochs: 2,", "refit: all, epochs: 3, early_stopping: null, optimizer: {learning_rate: 0.02},")
SEVERAL = REFIT.replace("decoder: rollout", "decoder: dense") + "ensemble: {size: 2, vary: %s}\n"


def load_plan(folder: Path, text: str, *overrides: str):
    (folder / "x.yaml").write_text(text)
    return plan_training(load_config(folder / "x.yaml", overrides))


def train_in(folder: Path, text: str, *overrides: str, run: str = "run"):
    plan = load_plan(folder, text, *overrides)
    with lock_run(folder / run):
        return train(plan, folder / run, []).version


def weights(version: Path, name: str = "network.weights.h5") -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(version / name) as file:
        file.visititems(lambda key, item: found.update({key: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


class Quiet:
    """Watches a training, and prints nothing."""

    def report_batch(self, epoch, batch, batches, loss):
        pass

    def report_epoch(self, epoch):
        pass


def write_drifting_csv(path: Path, rows: int) -> None:
    """An hourly series whose day changes its shape from the first to the last row."""
    hours = np.arange(rows)
    share = hours / rows
    day = (1 - share) * np.sin(2 * np.pi * hours / 24) + share * np.sin(4 * np.pi * hours / 24 + 1)
    write_hourly_csv(path, values=100 + 10 * day + np.random.default_rng(1).normal(0, 0.3, rows))


DRIFT = """\
data: {path: load.csv, season: 24}
window: {length: 24, horizon: 24}
model: {cell: gru, units: 16, decoder: dense}
training: {optimizer: {learning_rate: 0.02}, epochs: 6, early_stopping: null}
forecast: {fallback: never}
"""


@pytest.fixture(scope="module")
def drifting(tmp_path_factory):
    """A folder with the first rows of a drifting series, a run with a refit of them, and the file with later rows."""
    folder = tmp_path_factory.mktemp("drift")
    write_drifting_csv(folder / "later.csv", 960)
    lines = (folder / "later.csv").read_text().splitlines(keepends=True)
    (folder / "load.csv").write_text("".join(lines[: 1 + 720]))
    train_in(folder, DRIFT, "training.refit=all")
    return folder


def test_a_drifting_series_is_forecast_better_by_a_network_that_has_seen_its_newest_rows(drifting):
    version = load_version(drifting / "run")
    later = np.loadtxt(drifting / "later.csv", delimiter=",", skiprows=1, usecols=1)
    plan, predictors = restore_plan(version), [load_predictor(version, before) for before in (False, True)]
    origins = range(720, 720 + 5 * 24, 24)
    actual = np.stack([later[origin : origin + 24] for origin in origins])
    windows = np.stack([later[origin - 24 : origin] for origin in origins])
    refit, before = (np.abs(each.predict(5 * [plan.panel[0]], windows, 24).mean - actual).mean() for each in predictors)
    assert refit < 0.9 * before


def test_the_reported_errors_and_the_intervals_are_those_of_the_network_before(drifting):
    train_in(drifting, DRIFT, run="plain")
    with_refit, plain = (load_version(drifting / name) for name in ("run", "plain"))
    assert with_refit.metrics["refit"]["used"] is True
    kept = dict(with_refit.metrics)
    del kept["refit"]
    assert kept == plain.metrics
    for name in ("residuals.npy", "calibration.json", "history.csv"):
        if name == "history.csv":  # but for the seconds of each epoch
            mine, theirs = (
                [line.rsplit(",", 1)[0] for line in v.read(name).decode().split()] for v in (with_refit, plain)
            )
            assert mine == theirs
        else:
            assert with_refit.read(name) == plain.read(name)
    np.testing.assert_allclose(
        *(load_predictor(version, before).predict(*last_window(version)).mean for version, before in ((with_refit, True), (plain, False))),
        rtol=1e-6,
    )  # fmt: skip
    note = format_error_table(with_refit.metrics).splitlines()[-1]
    trained = "The network was then trained once more on all rows, for as many steps"
    assert note == f"{trained}; the errors above are those before that."
    assert "refit" not in format_error_table(plain.metrics)


def last_window(version):
    plan = restore_plan(version)
    return [plan.panel[0]], plan.panel[0].values[None, -24:], 24


def test_a_run_records_that_its_refit_has_read_every_row(drifting):
    version = load_version(drifting / "run")
    assert read_training_ends(version) == {"load": "2026-01-30 23:00:00"}  # 720 hours
    assert read_training_ends(version, before_refit=True) == {"load": "2026-01-27 23:00:00"}  # without the last tenth
    plan = load_plan(drifting, DRIFT)
    training, validation = place_windows(join_parts(plan))
    assert len(training) == 720 - 48 + 1
    assert len(validation) == 0
    assert training[np.array([len(training) - 1])] == 720 - 48


def test_scalers_stay_those_of_the_training_part(drifting):
    plan = load_plan(drifting, DRIFT)
    assert join_parts(plan).preprocessing == plan.preprocessing


def test_evaluate_scores_the_refit_on_later_rows_and_the_network_before_where_there_are_none(drifting, caplog):
    version = load_version(drifting / "run")
    caplog.set_level("INFO", "forecaster")
    on_own_rows = evaluate(version).comparison
    assert "the networks before it are scored on the rows after theirs" in caplog.text
    own = version.metrics["scores"]["model"]["mae"]
    assert on_own_rows.scores["model"]["mae"] == pytest.approx(own)
    assert on_own_rows.origins.steps.min() == 720 - 72 - 1
    caplog.clear()
    on_later_rows = evaluate(version, drifting / "later.csv").comparison
    assert caplog.text == ""
    assert on_later_rows.origins.steps.min() == 719


def test_a_challenge_compares_networks_from_rows_that_neither_was_trained_on(drifting, tmp_path):
    """The next night's training has 48 more rows, of which a refit of the first leaves no horizon without overlap."""
    folder = tmp_path / "copy"
    shutil.copytree(drifting, folder)
    lines = (folder / "later.csv").read_text().splitlines(keepends=True)
    (folder / "load.csv").write_text("".join(lines[: 1 + 768]))
    version = load_version(folder / "run")
    plan = load_plan(folder, DRIFT)
    found = challenge(folder / "run", plan, load_predictor(version, before_refit=True))
    # the training parts end at 648 and 768 - 77 = 691: 768 - 691 - 24 + 1 origins follow both
    assert (found.outcome, found.summary["origins"]) == ("not-worse", 54)
    assert found.summary["scores"]["challenger"] == found.summary["scores"]["champion"]
    assert found.summary["first_origin"] == "2026-01-29 18:00:00"


@pytest.fixture
def hourly(tmp_path):
    write_drifting_csv(tmp_path / "load.csv", 400)
    return tmp_path


def compare_courses(folder, text, *overrides, is_shared=False):
    """Train, then once more, with the same traced step or with another; the trainers of both."""
    plan = load_plan(folder, text, *overrides)
    first = prepare_trainer(plan, described=False)
    assert first.fit(Quiet())
    if is_shared:
        keep_step(first.step)
    again = prepare_trainer(plan, described=False, course=first.course)
    assert again.fit(Quiet())
    return first, again


SCHEDULES = {
    "cosine": "training.schedule={name: cosine}",
    "plateau": "training.schedule={name: plateau, patience: 1, factor: 0.5}",
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_refit_takes_as_many_steps_at_the_rates_of_the_training_before(hourly, schedule):
    options = ["training.epochs=6", "training.optimizer.learning_rate=0.3", SCHEDULES[schedule]]
    first, again = compare_courses(hourly, REFIT, *options, is_shared=True)
    best = first.progress.best_epoch
    assert again.batches == first.batches
    assert [row.epoch for row in again.progress.history] == list(range(1, best + 1))
    assert [row.learning_rate for row in again.progress.history] == pytest.approx(
        [row.learning_rate for row in first.progress.history[:best]]
    )
    assert len(again.training_starts) > len(first.training_starts)
    assert again.progress.best_epoch == best


def test_a_plateau_falls_with_the_losses_of_the_training_before():
    """On the losses 3, 4, 4, 1 with a patience of 1 the rate halves after the second and the third epoch."""
    plan = plan_of_steps()
    training = load_values(
        plan.config.model_dump(mode="json") | {"training": {"schedule": {"name": "plateau", "patience": 1, "factor": 0.5}}}, "x"
    ).config.training  # fmt: skip
    schedule = build_schedule(training.schedule, 4)
    shares = []
    for loss in Course(4, 1, [3.0, 4.0, 4.0, 1.0]).losses:
        shares.append(schedule.compute_share(1))
        schedule.observe(loss)
    assert shares == [1, 1, 0.5, 0.25]


def test_an_average_begins_where_it_did(hourly):
    first, again = compare_courses(hourly, REFIT, "training.averaging={name: swa, start: 0.5}")
    assert again.average.first_epoch == first.average.first_epoch
    assert again.progress.best_epoch == first.progress.best_epoch


def test_a_refit_that_fits_the_added_rows_worse_is_not_used(hourly, monkeypatch):
    monkeypatch.setattr(Refit, "is_better", False)
    version = train_in(hourly, REFIT)
    plain = train_in(hourly, REFIT, "training.refit=none", run="plain")
    assert version.metrics["refit"]["used"] is False
    assert not version.has_refit
    assert read_training_ends(version) == read_training_ends(plain)
    ours, theirs = weights(version.path), weights(plain.path)
    assert all(np.array_equal(values, theirs[name]) for name, values in ours.items())
    assert "so the training before is used (training.refit)" in format_error_table(version.metrics)


def test_errors_decide_whether_a_refit_is_used():
    assert Refit([], 0.5, 0.5).is_better
    assert not Refit([], 0.51, 0.5).is_better


def test_without_held_out_rows_there_is_nothing_to_refit(hourly):
    version = train_in(hourly, REFIT, "split.validation=0", "split.test=0")
    assert not version.has_refit
    assert "refit" not in version.metrics


def test_every_network_of_an_ensemble_is_refitted_and_kept_before(hourly, monkeypatch):
    monkeypatch.setattr(Refit, "is_better", True)
    text = (SEVERAL % "snapshot").replace("epochs: 3", "epochs: 4")
    version = train_in(hourly, text)
    plain = train_in(hourly, text, "training.refit=none", run="plain")
    assert version.has_refit
    for folder in ("members/1/", "members/2/"):
        ours, theirs = (weights(each.path, f"{folder}network.weights.h5") for each in (version, plain))
        assert any(np.any(values != theirs[name]) for name, values in ours.items())
    before, alone = (load_predictor(each, each.has_refit) for each in (version, plain))
    panel = restore_plan(plain).panel
    assert before.predict(panel, panel[0].values[None, -24:], 6).mean == pytest.approx(
        alone.predict(panel, panel[0].values[None, -24:], 6).mean
    )
    assert len(predict(version).forecasts[0].mean) == 6


@pytest.mark.parametrize(
    ("text", "at", "checkpoints"),
    [
        (REFIT, "refit: ", ["checkpoint", "checkpoint-refit"]),
        (
            SEVERAL % "seed",
            "member 2 of 2: refit: ",
            ["checkpoint-1", "checkpoint-2", "checkpoint-refit-1", "checkpoint-refit-2"],
        ),
    ],
    ids=["one network", "an ensemble"],
)
def test_an_interrupted_refit_resumes_to_the_weights_of_an_uninterrupted_one(
    hourly, monkeypatch, text, at, checkpoints
):
    monkeypatch.setattr(Refit, "is_better", True)
    plan, received, report = load_plan(hourly, text), [], ProgressLogger.report_batch

    def interrupt(self, epoch, batch, batches, loss):
        report(self, epoch, batch, batches, loss)
        if (self._label, epoch, batch) == (at, 2, 2):
            received.append(signal.SIGTERM)

    with lock_run(hourly / "run"):
        monkeypatch.setattr(ProgressLogger, "report_batch", interrupt)
        with pytest.raises(Interrupted, match="saved without the refit, and in use: .* --resume completes") as stopped:
            train(plan, hourly / "run", received)
        monkeypatch.setattr(ProgressLogger, "report_batch", report)
        usable = load_version(hourly / "run")
        assert (stopped.value.exit_code, usable.has_refit) == (143, False)
        assert "refit" not in usable.metrics
        assert len(predict(usable).forecasts[0].mean) == 6
        assert sorted(path.name for path in (hourly / "run").glob("checkpoint*")) == checkpoints
        ours = train(plan, hourly / "run", [], resume=True).version
    theirs = train_in(hourly, text, run="whole")
    assert not list((hourly / "run").glob("checkpoint*"))
    for folder in ours.members:
        mine, whole = (weights(each.path, f"{folder}network.weights.h5") for each in (ours, theirs))
        assert all(np.array_equal(values, whole[name]) for name, values in mine.items())
    assert ours.metrics == theirs.metrics
    without = {name: value for name, value in theirs.metrics.items() if name != "refit"}
    assert usable.metrics == without
    current = load_version(hourly / "run")
    assert (current.path, current.has_refit) == (ours.path, True)


def test_what_was_trained_before_a_refit_that_diverges_is_used(hourly, monkeypatch, caplog):
    def diverge(trainer, task, received):
        if task.is_refit:
            raise Diverged(Problem("infinite-forecast", detail={"step": 1}))
        fit(trainer, task, received)

    module = importlib.import_module("forecaster.training.train")
    fit = module._fit
    monkeypatch.setattr(module, "_fit", diverge)
    version = train_in(hourly, REFIT)
    assert not version.has_refit
    assert "the refit diverged, so the training before it is used" in caplog.text
    assert not list((hourly / "run").glob("checkpoint*"))
