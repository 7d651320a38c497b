"""Trainings that start from the zero-shot forecast: what they are trained on, and what they forecast before."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from forecaster.config import load_values
from forecaster.config.schema import Model
from forecaster.default_config import propose
from forecaster.errors import RunError
from forecaster.evaluation.origins import Origins
from forecaster.forecasting import predict as forecasting
from forecaster.forecasting.predict import load_predictor
from forecaster.forecasting.predictor import Predictor
from forecaster.models import build_network
from forecaster.preprocessing.plan import drop_test_parts, plan_training
from forecaster.preprocessing.windows import Starts
from forecaster.pretrained.zero_shot import forecast_zero_shot
from forecaster.spool import Spool
from forecaster.training import build
from forecaster.training import train as training
from forecaster.training.build import prepare_trainer
from forecaster.training.optimizers import build_optimizer
from forecaster.training.schedules import Constant
from forecaster.training.step import Steps, TrainingStep, ZeroShotTable
from forecaster.training.trainer import Course, Trainer
from tests.helpers.command import ROOT
from tests.helpers.fake_network import Fake
from tests.helpers.fast_trainings import run_untraced
from tests.training.test_trainer import Silent

pytestmark = pytest.mark.slow

LENGTH, HORIZON = 8, 3


def plan_of(folder, values, data, model=None, **sections):
    """The plan of a table of series, which its columns name, and a row for each of their months."""
    frame = pd.DataFrame(values)
    frame.index = pd.date_range("2010-01-01", periods=len(frame), freq="MS", name="month")
    path = folder / "table.csv"
    if data.get("series"):
        frame = frame.melt(var_name="shop", value_name="sales", ignore_index=False).dropna()
    frame.to_csv(path)
    document = {
        "data": {"path": str(path), "season": 4, **data},
        "window": {"length": LENGTH, "horizon": HORIZON, **sections.pop("window", {})},
        "model": {"cell": "gru", "units": 3, "decoder": "dense", "pretrained": True, **(model or {})},
        "split": {"validation": 6, "test": 6},
        **sections,
    }
    return plan_training(load_values(document, "table.yaml"))


def wave(steps: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=steps)
    return 20 * (seed + 1) + 5 * np.sin(np.arange(steps) * np.pi / 2) + noise


def long_format() -> dict:
    """Two series, one of which begins later, with a month missing."""
    late = np.where(np.arange(48) < 9, np.nan, wave(48, 1))
    late[25] = np.nan
    return {"a": wave(48, 0), "b": late}


SERIES = {"series": "shop", "target": "sales", "gaps": "interpolate"}
CASES = {
    "two series, one with a gap": (long_format, SERIES, {}),
    "padded": (long_format, SERIES, {"window": {"min_length": 4}}),
    "logarithms of differences": (long_format, {**SERIES, "transform": "log", "difference": [1]}, {}),
    "known covariates": (long_format, {**SERIES, "calendar": ["month"]}, {}),
    "channels": (
        lambda: {"a": wave(48, 0), "b": wave(48, 1)},
        {"target": ["a", "b"]},
        {"model": {"channels": "joint", "normalization": "last"}},
    ),
}


@pytest.mark.parametrize(
    ("case", "model"),
    [("known covariates", {"embedding": 2}), ("channels", {}), ("two series, one with a gap", {"pretrained": False})],
)
def test_series_that_stay_on_disk_give_the_same_losses(tmp_path, case, model):
    values, data, sections = CASES[case]
    sections = {**sections, "model": {**sections.get("model", {}), **model}}
    plan = plan_of(tmp_path, values(), data, **sections, training={"epochs": 2, "sign_flip": True})
    panel = plan.members.panel
    spool = Spool(panel.values.dtype)
    spool.append(panel.values)
    on_disk = dataclasses.replace(panel, values=spool.map_records())
    found = []
    for each in (plan, dataclasses.replace(plan, members=dataclasses.replace(plan.members, panel=on_disk))):
        trainer = prepare_trainer(each)
        assert isinstance(trainer.tensors, Steps) == (each is not plan)
        trainer.fit(Silent())
        weights = [variable.numpy().tolist() for variable in trainer.network.trainable_variables]
        found.append(([(epoch.loss, epoch.validation_loss) for epoch in trainer.progress.history], weights))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", CASES)
def test_a_network_is_trained_on_what_it_reads_in_a_forecast(tmp_path, name):
    values, data, sections = CASES[name]
    plan = plan_of(tmp_path, values(), data, **sections)
    config, channels = plan.config, plan.config.channels
    trainer = prepare_trainer(plan)
    starts = np.concatenate(
        [trainer.training_starts[np.arange(len(trainer.training_starts))], trainer.validation_starts]
    )
    trained, _ = trainer.step.cut_batch(trainer.tensors, tf.constant(starts, tf.int32))
    ends = np.cumsum([len(group[0].series) for group in plan.groups])
    groups = np.searchsorted(ends, starts, side="right")
    steps = starts - np.concatenate([[0], ends])[groups] + LENGTH - 1  # the last of each window
    members = np.array(plan.members.numbers)[groups[:, None] * channels + np.arange(channels)].ravel()
    origins = Origins(plan.members.panel, members, np.repeat(steps, channels))
    predictor = Predictor.from_network(Fake(), config, plan.preprocessing)
    features = origins.build_features(predictor, HORIZON)
    windows = origins.cut_windows(config.context_steps)
    scaled = np.stack(
        [
            predictor.get_scaler(series).transform(row)[-LENGTH:]
            for series, row in zip(origins.series, windows, strict=True)
        ]
    )
    read = predictor.rollout.join_channels(predictor.build_inputs(origins.series, scaled, features))
    observed = [
        s.observed is None or s.observed[step] for s, step in zip(origins.series, steps.repeat(channels), strict=True)
    ]
    known = np.reshape(observed, (-1, channels)).all(axis=1)  # gaps that an origin lies in are filled from before it
    np.testing.assert_allclose(read.future[known], trained.future.numpy()[known], atol=1e-4)
    assert known.sum() >= len(known) - 1
    assert read.future.shape == (len(starts), HORIZON, channels + plan.preprocessing.feature_widths[1])


def test_a_network_that_learns_nothing_forecasts_zero_shot_and_only_with_the_network_it_was_trained_on(
    tmp_path, monkeypatch
):
    plan = plan_of(
        tmp_path,
        {"sales": wave(60, 0)},
        {},
        training={"epochs": 1, "optimizer": {"name": "sgd", "learning_rate": 1e-12}},
        forecast={"fallback": "never"},
    )
    (tmp_path / "run").mkdir()
    with run_untraced():
        result = training.train(plan, tmp_path / "run", [])
    predictor, (series,) = load_predictor(result.version), plan.panel
    expected = forecast_zero_shot(series.values[None], (4,), HORIZON, [0.5])[0, :, 0]
    for steps in (HORIZON, 2):  # a shorter horizon is the beginning of the whole one
        (forecast,) = predictor.forecast([series], steps, [80])
        np.testing.assert_allclose(forecast.mean, expected[:steps], rtol=1e-5)
    monkeypatch.setattr(forecasting, "hash_network", lambda: "of a later version")
    with pytest.raises(RunError, match="zero-shot forecasts of another version of forecast"):
        load_predictor(result.version)


def test_half_of_an_ensemble_starts_from_the_zero_shot_forecast_and_half_does_not_read_it(tmp_path):
    plan = plan_of(
        tmp_path,
        {"sales": wave(60, 0)},
        {"calendar": ["month"]},
        training={"epochs": 1, "optimizer": {"name": "sgd", "learning_rate": 1e-12}},
        ensemble={"size": 2, "vary": "start", "combine": "mean"},
        forecast={"fallback": "never"},
    )
    (tmp_path / "run").mkdir()
    with run_untraced():
        result = training.train(plan, tmp_path / "run", [])
    predictor, (series,) = load_predictor(result.version), plan.panel
    inputs = predictor.prepare([series], HORIZON)
    (forecast,) = predictor.forecast_prepared(inputs, HORIZON, [80])
    zero_shot = forecast_zero_shot(series.values[None], (4,), HORIZON, [0.5])[0, :, 0]
    start, plain = predictor.members
    windows = series.values[None, -LENGTH:]
    np.testing.assert_allclose(
        start.predict_with_networks([series], windows, HORIZON, inputs.features).mean[0], zero_shot, rtol=1e-5
    )
    # With another zero-shot forecast in its place, the other network forecasts the same.
    alone = plain.predict_with_networks([series], windows, HORIZON, inputs.features).mean[0]
    changed = inputs.features.copy()
    changed[..., -1] += 1
    np.testing.assert_array_equal(plain.predict_with_networks([series], windows, HORIZON, changed).mean[0], alone)
    np.testing.assert_allclose(forecast.mean, (zero_shot + alone) / 2, rtol=1e-5)


def trainer_of(values, forecasts, **options) -> Trainer:
    """A trainer on one series whose zero-shot forecasts are given."""
    network = build_network(Model(cell="gru", units=4, decoder="dense", pretrained=True), 8, 2, loss="mse")
    for variable in network.trainable_variables:
        variable.assign(np.random.default_rng(3).normal(size=variable.shape) * 0.4)
    starts = np.arange(60, dtype=np.int32)
    tensors = Steps(values, zero_shot=ZeroShotTable(starts, forecasts[:, :, None])).to_tensors()
    return Trainer(
        TrainingStep(network, build_optimizer("adam", 0.01), tensors.specs, 8),
        Constant(),
        tensors,
        starts[:40],
        starts[50:],
        batch_size=16,
        epochs=1,
        seed=5,
        **options,
    )


def test_sign_flipped_windows_come_with_sign_flipped_forecasts(monkeypatch):
    monkeypatch.setattr(Trainer, "_draw_signs", lambda _, count, __: -tf.ones((count, 1)))
    values = np.sin(np.arange(80) / 3).astype("float32")
    forecasts = np.random.default_rng(0).normal(size=(60, 2)).astype("float32")
    flipped, negative = trainer_of(values, forecasts, sign_flip=True), trainer_of(-values, -forecasts)
    with run_untraced():
        flipped.fit(Silent())
        negative.fit(Silent())
    losses = ([row.loss for row in trainer.progress.history] for trainer in (flipped, negative))
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_windows_are_thinned_where_their_forecasts_would_take_minutes(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_ZERO_SHOT_WINDOWS", 10)
    plan = plan_of(tmp_path, long_format(), SERIES)
    trainer = prepare_trainer(plan)
    assert len(trainer.training_starts) == 10
    assert len(prepare_trainer(dataclasses.replace(plan, config=without_start(plan.config))).training_starts) == 40


def test_a_panel_without_a_yaml_has_lower_errors_than_zero_shot_and_the_last_week(tmp_path):
    """On the last fifty days of six generated shops, with the errors of 2026-11-30."""
    shortened = ["ensemble.size=1", "training.refit=none", "training.epochs=3", "training.batches_per_epoch=20"]
    overrides = ["data.series=store", "data.target=sold", *shortened]
    loaded, panel = propose(ROOT / "configs/data/stores.csv", overrides)
    (tmp_path / "run").mkdir()
    result = training.train(plan_training(loaded, panel), tmp_path / "run", [])
    found = {name: errors["mase"] for name, errors in json.loads(result.version.read("metrics.json"))["scores"].items()}
    assert found["seasonal_naive"] == pytest.approx(1.219, abs=0.001)
    assert found["zero-shot"] == pytest.approx(0.960, abs=0.005)
    assert found["network_alone"] < 0.945  # 0.936
    assert found["model"] < 0.965  # 0.958


@pytest.mark.parametrize("is_refit", [False, True], ids=["training", "refit"])
def test_networks_with_windows_of_one_length_share_their_zero_shot_forecasts(tmp_path, monkeypatch, is_refit):
    computed = []

    def compute(plan):
        computed.append(plan.config.window.length)
        return build.compute_zero_shot_table(plan)

    monkeypatch.setattr(training, "compute_zero_shot_table", compute)
    monkeypatch.setattr(training, "_train_one", lambda task, *_: task)
    plan = plan_of(tmp_path, long_format(), SERIES, {"segment": 4}, ensemble={"size": 4, "vary": "window"})
    course = Course(1, 1, ()) if is_refit else None
    tasks = [
        dataclasses.replace(each, course=course)
        for each in training._build_tasks(plan, tmp_path, False, None, {}, None)
    ]
    shared = training._train_all(plan, tasks, [], None)
    assert sorted(computed) == sorted({task.plan.config.window.length for task in tasks})
    assert 1 < len(computed) < len(tasks)
    for task in shared:
        alone, given = (
            prepare_trainer(task.plan, described=False, course=course, zero_shot=table).tensors[-2:]
            for table in (None, task.zero_shot)
        )
        for expected, found in zip(alone, given, strict=True):  # starts and forecasts
            np.testing.assert_array_equal(expected, found)


def without_start(config):
    return config.model_copy(update={"model": config.model.model_copy(update={"pretrained": False})})


def test_thinned_starts_are_spread_over_all_series():
    starts = Starts.from_starts([np.arange(100), np.empty(0, int), np.arange(200, 203), np.arange(300, 400)])
    thinned = starts.thin(21)
    kept = thinned[np.arange(len(thinned))]
    assert len(kept) == 21
    assert np.isin(kept, starts[np.arange(len(starts))]).all()
    np.testing.assert_array_equal(thinned.series_ends, [10, 10, 11, 21])
    assert np.diff(kept[:10]).max() <= 11
    assert starts.thin(203) is starts


def test_origins_in_the_test_part_change_nothing_in_training(tmp_path):
    plan = plan_of(tmp_path, {"sales": wave(60, 0)}, {})
    whole, cut = (prepare_trainer(each).tensors.zero_shot.numpy() for each in (plan, drop_test_parts(plan)))
    np.testing.assert_array_equal(whole, cut)
