"""The step of a training: shared by trainings of networks of one shape, which it gives the weights that each had alone."""

import io

import numpy as np
import pytest

from forecaster.config import load_values
from forecaster.preprocessing.plan import plan_training
from forecaster.training import step as steps
from forecaster.training.build import prepare_trainer
from forecaster.training.export import export_onnx, trace_network
from forecaster.training.step import keep_step
from tests.helpers.command import write_hourly_csv

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(steps, "_KEPT", {})


@pytest.fixture
def plan_of(tmp_path):
    """Plan the training of a small network with dropout and an average, with other settings or fewer rows."""

    def build(rows=160, model=None, optimizer=None, **training):
        values = {
            "data": {"path": str(write_hourly_csv(tmp_path / f"{rows}.csv", rows)), "season": 24},
            "window": {"length": 12, "horizon": 4},
            "model": {"cell": "gru", "units": 3, "decoder": "dense", "dropout": 0.3, **(model or {})},
            "training": {
                "epochs": 2,
                "batch_size": 48,
                "averaging": {"name": "ema", "decay": 0.8},
                "optimizer": {"learning_rate": 0.01, **(optimizer or {})},
                **training,
            },
        }
        return plan_training(load_values(values, "x.yaml"))

    return build


class Quiet:
    def report_batch(self, *arguments):
        pass

    def report_epoch(self, *arguments):
        pass


def fit(plan):
    trainer = prepare_trainer(plan, described=False)
    assert trainer.fit(Quiet())
    return trainer


def test_trainings_that_share_a_step_have_the_weights_losses_and_graphs_of_trainings_alone(plan_of):
    plans = [plan_of(seed=1), plan_of(rows=200, seed=2, sign_flip=True)]
    alone = [fit(plan) for plan in plans]
    assert len({id(trainer.step) for trainer in alone}) == 2
    expected = [(trainer.best_weights, trainer.progress.history, trainer.save_state()) for trainer in alone]
    graphs = [export_onnx(trainer.network, 12) for trainer in alone]
    keep_step(alone[0].step)
    for plan, (weights, history, state), exported in zip(plans, expected, graphs, strict=True):
        trainer = fit(plan)
        assert trainer.step is alone[0].step
        for ours, theirs in zip(trainer.best_weights, weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for ours, theirs in zip(trainer.progress.history, history, strict=True):
            assert (ours.loss, ours.validation_loss) == (theirs.loss, theirs.validation_loss)
        found, whole = (np.load(io.BytesIO(each)) for each in (trainer.save_state(), state))
        for name in set(whole.files) - {"record"}:  # with the optimizer, the average and the seeds of dropout
            np.testing.assert_array_equal(found[name], whole[name])
        trainer.step.served = trainer.step.served or trace_network(trainer.network, 12)
        assert trainer.step.served.export() == exported
        keep_step(trainer.step)
    assert trainer.step._train.experimental_get_tracing_count() == 1


def test_a_step_is_used_by_one_training_at_a_time(plan_of):
    first = prepare_trainer(plan_of(), described=False)
    keep_step(first.step)
    second, third = prepare_trainer(plan_of(), described=False), prepare_trainer(plan_of(), described=False)
    assert second.step is first.step
    assert third.step is not first.step


@pytest.mark.parametrize(
    "other",
    [
        {"model": {"units": 4}},
        {"model": {"dropout": 0.2}},
        {"optimizer": {"clip_norm": 2.0}},
        {"optimizer": {"learning_rate": 0.02}},
        {"averaging": {"name": "ema", "decay": 0.9}},
        {"loss": "mae"},
    ],
    ids=str,
)
def test_trainings_whose_steps_differ_share_none(plan_of, other):
    first = prepare_trainer(plan_of(), described=False)
    keep_step(first.step)
    assert prepare_trainer(plan_of(**other), described=False).step is not first.step


def test_the_oldest_of_many_steps_is_dropped(plan_of, monkeypatch):
    monkeypatch.setattr(steps, "_MOST_KEPT", 2)
    first = prepare_trainer(plan_of(), described=False)
    keep_step(first.step)
    for units in (4, 5):
        keep_step(prepare_trainer(plan_of(model={"units": units}), described=False).step)
    assert prepare_trainer(plan_of(), described=False).step is not first.step
