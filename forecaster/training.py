"""Train a network, or an ensemble of them, on a prepared series and write it as a version of a run."""

import csv
import functools
import importlib.metadata
import io
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from forecaster import __version__, report
from forecaster.config import sections
from forecaster.config.members import members_of
from forecaster.config.template import commented_yaml
from forecaster.data.source import described
from forecaster.data.windows import Starts
from forecaster.errors import Diverged, Interrupted, RunError, UsageError
from forecaster.evaluation import last_forecast, least_change, test_scores, validation_guard, validation_residuals
from forecaster.export import export_onnx
from forecaster.fitting import AnyLearner, Epoch, Progress, Steps, Trainer
from forecaster.forecast import timestamp_texts
from forecaster.inference import OnnxNetwork
from forecaster.initial import initial_network, start_from
from forecaster.models import Network, averaging
from forecaster.models.averaging import Average
from forecaster.models.optimizers import build_optimizer
from forecaster.models.schedules import Constant, Cosine, Exponential, Patience, Plateau, Schedule
from forecaster.models.summary import layer_counts
from forecaster.models.weights import weights_to_h5
from forecaster.parallel import in_processes
from forecaster.plots import LossCurve, plot_forecast, plot_loss, plot_losses, shown_steps
from forecaster.prediction import Predictor
from forecaster.preparation import Plan, data_hash, window_places
from forecaster.runs import (
    Version,
    differences,
    member_folders,
    read_checkpoint,
    remove_checkpoint,
    remove_member_checkpoints,
    write_checkpoint,
    write_version,
)

log = logging.getLogger("forecaster")

_CHECKPOINT_SECONDS = 10.0  # at the end of an epoch, where the last is older
_ADAPTED_WINDOWS = 10_000
_VALIDATION_WINDOWS = 20_000  # that epochs are compared by, at most
_PROCESSES = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_LIBRARIES = ("keras", "tensorflow", "numpy", "pandas", "onnx", "onnxruntime", "tf2onnx")


def train(plan: Plan, run: Path, received: Sequence[int], resume: bool = False, warm: Version | None = None) -> Version:
    """Train on `plan` and promote the result. Call it under `runs.locked`.

    Args:
        received: the signals that have come so far (`interrupts.collected`); training stops at the next batch.
        resume: go on from the checkpoint of an interrupted training of the same plan.
        warm: a version whose weights to start from, where shapes agree.

    Raises:
        Interrupted: a signal came; the checkpoint is saved.
        Diverged: a loss or a forecast became NaN or infinite; the old version stays.
        UsageError: the checkpoint is of another config, or no matrix of `warm` fits.
        RunError: the checkpoint is damaged.
    """
    started = time.monotonic()
    if not resume:
        remove_member_checkpoints(run)
    trained = _train_all(plan, _tasks(plan, run, resume, warm), received)
    files, metrics = _results(plan, trained, run.resolve().name)
    if received and len(trained) == 1:
        write_checkpoint(run, _identity(plan), trained[0].state)
    if received:
        raise Interrupted("interrupted: the checkpoint is saved; go on with the same command and --resume", received[0])
    facts = {**_facts(plan, started), "from": warm and str(warm.path.resolve())}
    version = write_version(run, files, facts if len(trained) == 1 else {**facts, "members": len(trained)})
    remove_checkpoint(run)
    log.info("%s", report.error_table(metrics))
    return version


@dataclass(frozen=True)
class _Task:
    """One network to train.

    Attributes:
        plan: with the network's own config.
        number, count: which it is among how many, from 1.
        identity: of the whole training.
        snapshot: whether it is a cycle of one training, which goes on from the network before.
        resume, warm: as in `train`.
    """

    plan: Plan
    number: int
    count: int
    run: Path
    identity: Mapping[str, Any]
    snapshot: bool
    resume: bool
    warm: Version | None

    @property
    def checkpoint(self) -> str:
        """The name of the file."""
        return "checkpoint" if self.count == 1 else f"checkpoint-{self.number}"

    @property
    def label(self) -> str:
        """What messages begin with."""
        return "" if self.count == 1 else f"member {self.number} of {self.count}: "

    def description(self) -> str:
        """What sets it apart."""
        config = self.plan.config
        return f"{self.label}seed {config.training.seed}, window of {config.window.length} steps, loss {config.loss}"


@dataclass(frozen=True)
class _Trained:
    """A network that was trained.

    Attributes:
        files: its graphs, weights and history.
        state: of its trainer at the end.
    """

    files: dict[str, bytes]
    progress: Progress
    state: bytes


def _tasks(plan: Plan, run: Path, resume: bool, warm: Version | None) -> list[_Task]:
    """The networks of a plan, in their order."""
    configs, identity = members_of(plan.config), _identity(plan)
    snapshot = len(configs) > 1 and plan.config.ensemble is not None and plan.config.ensemble.vary == "snapshot"
    return [
        _Task(replace(plan, config=config), number, len(configs), run, identity, snapshot, resume, warm)
        for number, config in enumerate(configs, 1)
    ]


def _identity(plan: Plan) -> dict[str, Any]:
    """What a checkpoint belongs to; how many processes train makes no difference to the weights."""
    config = plan.config.model_dump(mode="json")
    if config["ensemble"] is not None:
        del config["ensemble"]["processes"]
    return {"config": config, "data": data_hash(plan.panel), "version": __version__}


def _train_all(plan: Plan, tasks: Sequence[_Task], received: Sequence[int]) -> list[_Trained]:
    """One after the other, or as many at the same time as the config says."""
    if plan.config.ensemble is not None and plan.config.ensemble.processes > 1:
        processes = plan.config.ensemble.processes
        threads = max(1, (os.cpu_count() or 1) // processes)
        return in_processes(functools.partial(_train_apart, threads), tasks, processes, received)
    trained: list[_Trained] = []
    for task in tasks:
        before = trained[-1].state if trained and task.snapshot else None
        trained.append(_train_one(task, received, before))
    return trained


def _train_apart(threads: int, task: _Task, received: Sequence[int]) -> _Trained:
    """In a process that trains nothing else meanwhile."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return _train_one(task, received)


def _train_one(task: _Task, received: Sequence[int], before: bytes | None = None) -> _Trained:
    """One network to the end, its checkpoint kept where others follow.

    Args:
        before: the state of the network that it goes on from.
    """
    first_choice = task.plan.config.training.epochs if task.snapshot else 1
    trainer = trainer_of(task.plan, first_choice, described=task.number == 1)
    network = trainer.network
    if task.number == 1:
        log.info("%s", report.parameter_table(layer_counts(network)))
    if task.count > 1:
        log.info("%s", task.description())
    if task.warm is not None and before is None:
        start_from(network, task.warm, task.plan.vocabulary, task.number)
    if before is not None:
        trainer.begin_from(before)
    _go_on(trainer, task)
    _fit(trainer, task, received)
    state = trainer.state()
    if task.count > 1:
        write_checkpoint(task.run, task.identity, state, task.checkpoint)
    encode, decode = export_onnx(network, task.plan.config.window.length)
    files = {
        "network.weights.h5": weights_to_h5(network),
        "encode.onnx": encode,
        "decode.onnx": decode,
        "history.csv": _history_csv(trainer.progress.history),
    }
    return _Trained(files, trainer.progress, state)


def trainer_of(plan: Plan, first_choice: int = 1, described: bool = True) -> Trainer[Network]:
    """What trains the network of a plan, before its first batch.

    Args:
        first_choice: the epoch from which one may be the best.
        described: whether to say what it is trained on.

    Raises:
        DataError: no window is left of a part.
    """
    config, training = plan.config, plan.config.training
    length = config.window.length
    tf.config.experimental.enable_op_determinism()
    training_starts, validation_starts = window_places(plan)
    if described:
        log.info("%s", _description(plan, len(training_starts), len(validation_starts)))
    network = initial_network(config, plan.preprocessing)
    steps = _steps(plan)
    _adapt_head(network, steps.values, training_starts, length)
    watched = validation_starts.spread(_VALIDATION_WINDOWS)
    return build_trainer(network, training, steps, length, training_starts, watched, first_choice)


def _steps(plan: Plan) -> Steps:
    """The series of a plan, scaled and laid end to end, with all that is read beside them."""
    features, past = plan.features, 0
    groups = plan.groups
    if features is not None:
        past = features.past_width
        rows = [features.of(group[0].series, group[0].scaler, 0, len(group[0].series)) for group in groups]
    panel = [group[0].series for group in groups]
    ends = np.cumsum([len(series) for series in panel]).tolist()
    told = None if features is None else np.concatenate(rows)
    return Steps(plan.members.scaled(plan.config.channels), told, past, ends, plan.preprocessing.codes(panel))


def build_trainer(
    network: AnyLearner,
    training: sections.Training,
    steps: Steps,
    length: int,
    training_starts: Starts | np.ndarray,
    validation_starts: np.ndarray,
    first_choice: int = 1,
) -> Trainer[AnyLearner]:
    """The trainer that a config's `training` section describes; what it trains on as `Trainer` takes it."""
    stopping, weights = training.early_stopping, network.trainable_variables
    return Trainer(
        network,
        build_optimizer(**training.optimizer.model_dump()),
        build_schedule(training.schedule, training.epochs),
        steps,
        length,
        training_starts,
        validation_starts,
        batch_size=training.batch_size,
        batches_per_epoch=training.batches_per_epoch,
        balanced=training.sampling == "series",
        epochs=training.epochs,
        early_stopping=None if stopping is None else Patience(stopping.patience, stopping.min_delta),
        seed=training.seed,
        average=build_average(training.averaging, weights, training.epochs),
        flip=training.flip,
        first_choice=first_choice,
    )


def _adapt_head(network: Network, values: np.ndarray, starts: Starts, length: int) -> None:
    """Show the head the range of the values that training has it predict, as the windows' normalisation leaves them."""
    some = starts.spread(_ADAPTED_WINDOWS)
    rows = values[some[:, None] + np.arange(length + network.ahead)]  # (windows, steps, channels)
    rows = rows.reshape(len(some), -1).astype(np.float32)
    window, targets = rows[:, : length * network.channels], rows[:, length * network.channels :]
    anchors = network.normalization.step(window[:, -network.width :], network.normalization.anchors(window))[1]
    offset, scale = network.normalization.affine(anchors, targets.shape[1])
    normalised = (targets - np.asarray(offset)) / np.asarray(scale)
    network.head.adapt(float(normalised.min()), float(normalised.max()))


def build_schedule(section: sections.Schedule, epochs: int) -> Schedule:
    """The schedule that a config names."""
    match section:
        case sections.Exponential():
            return Exponential(section.decay, section.warmup)
        case sections.Cosine():
            return Cosine(epochs, section.minimum, section.warmup)
        case sections.Plateau():
            return Plateau(section.factor, section.patience, section.minimum, section.warmup)
        case _:
            return Constant(section.warmup)


def build_average(section: sections.Averaging | None, weights: Sequence[tf.Variable], epochs: int) -> Average | None:
    """The average of weights that a config names."""
    match section:
        case sections.Ema():
            return averaging.Exponential(weights, section.decay)
        case sections.Swa():
            return averaging.Equal(weights, section.start, epochs)
        case _:
            return None


def _description(plan: Plan, training: int, validation: int) -> str:
    panel, splits = plan.panel, [member.split for member in plan.members]
    filled = plan.config.filled
    steps = sum(len(series) - filled for series in panel)
    first, last = timestamp_texts([min(s.timestamps[filled] for s in panel), max(s.timestamps[-1] for s in panel)])
    name = panel[0].name if len(panel) == 1 else f"{len(panel):,} series of {panel[0].target}"
    lines = [
        f"{name}: {steps:,} steps of {panel[0].frequency}, {first} to {last}",
        f"season: {plan.season} steps" if plan.season > 1 else "season: none",
        f"steps: {sum(split.training_end - filled for split in splits):,} training, "
        f"{sum(split.validation for split in splits):,} validation, {sum(split.test for split in splits):,} test; "
        f"windows: {training + validation:,}, of which {training:,} training, {validation:,} validation",
    ]
    for member in plan.members:
        name, value = member.series.name, member.series.values[0]
        if member.scaler.scale == 0 and member.scaler.lags:
            lines.append(f"the differences of {name} are constant in training: every forecast goes on by them")
        elif member.scaler.scale == 0:
            lines.append(f"the training part of {name} is constant: every forecast will be {value:g}")
    return "\n".join(lines)


def _go_on(trainer: Trainer[Network], task: _Task) -> None:
    checkpoint = read_checkpoint(task.run, task.checkpoint) if task.resume else None
    if checkpoint is None:
        if task.resume and task.number == 1:
            log.info("there is no interrupted training to resume: starting from the beginning")
        return
    kept, state = checkpoint
    identity = task.identity
    if kept.get("config") != identity["config"]:
        different = ", ".join(differences(kept.get("config"), identity["config"]))
        raise UsageError(
            f"--resume: the interrupted training in {task.run} was of other settings ({different}); "
            "undo the change, or train without --resume"
        )
    if kept != identity:
        what = "data have" if kept.get("data") != identity["data"] else "version of forecast has"
        log.info("the %s changed since the interrupted training: starting from the beginning", what)
        return
    try:
        trainer.restore(state)
    except Exception as error:
        where = f"{task.run}/{task.checkpoint}"
        raise RunError(f"{where}: cannot be gone on from ({error}); train without --resume") from None
    progress = trainer.progress
    log.info("%sresuming after epoch %d, batch %d", task.label, len(progress.history), progress.batch)


def _fit(trainer: Trainer[Network], task: _Task, received: Sequence[int]) -> None:
    try:
        with report.TrainingProgress(trainer.epochs, task.label) as bar:
            trainer.fit(_Keeper(Teller(bar, task.label), trainer, task), stop=lambda: bool(received))
    except Diverged as error:
        raise Diverged(f"{task.label}{error}") from None
    if received:
        write_checkpoint(task.run, task.identity, trainer.state(), task.checkpoint)
        raise Interrupted(
            f"interrupted{f' in member {task.number} of {task.count}' if task.count > 1 else ''} after epoch "
            f"{len(trainer.progress.history)}, batch {trainer.progress.batch}: the checkpoint is saved; go on with the "
            "same command and --resume",
            received[0],
        )


class Teller:
    """Moves the bar, or says each epoch where there is none."""

    def __init__(self, bar: report.TrainingProgress, label: str = "") -> None:
        self._bar, self._label = bar, label

    def batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Move the bar."""
        self._bar.batch(epoch, batch, batches, loss)

    def epoch(self, epoch: Epoch) -> None:
        """Show the epoch's validation loss, or say the epoch."""
        self._bar.epoch(epoch.validation_loss)
        if not self._bar.visible:
            validation = "" if epoch.validation_loss is None else f", validation loss {epoch.validation_loss:.5g}"
            log.info("%sepoch %d: loss %.5g%s", self._label, epoch.epoch, epoch.loss, validation)


class _Keeper:
    """Tells, and keeps a checkpoint against a crash."""

    def __init__(self, teller: Teller, trainer: Trainer[Network], task: _Task) -> None:
        self._teller, self._trainer, self._task = teller, trainer, task
        self._saved = time.monotonic()

    def batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Tell."""
        self._teller.batch(epoch, batch, batches, loss)

    def epoch(self, epoch: Epoch) -> None:
        """Tell, and save where the last checkpoint is old."""
        self._teller.epoch(epoch)
        if time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
            task = self._task
            write_checkpoint(task.run, task.identity, self._trainer.state(), task.checkpoint)
            self._saved = time.monotonic()


def _results(plan: Plan, trained: Sequence[_Trained], name: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Every file of the version, and its metrics."""
    config = plan.config
    networks = [OnnxNetwork(each.files["encode.onnx"], each.files["decode.onnx"]) for each in trained]
    alone = Predictor.of_all(networks, config, plan.preprocessing)
    preprocessing = replace(plan.preprocessing, least_change=least_change(plan, alone))
    alone = replace(alone, preprocessing=preprocessing)
    guard = validation_guard(plan, alone)
    predictor = replace(alone, guard=guard)
    residuals = validation_residuals(plan, predictor)
    metrics = test_scores(plan, predictor, residuals)
    if len(trained) > 1:
        metrics["members"] = _member_facts(plan, trained)
    if guard is not None and guard.weights:
        metrics["guard"] = {"baseline": guard.baseline, "weights": dict(guard.weights)}
    files = {
        "config.yaml": commented_yaml(config, "forecast train config.yaml").encode(),
        "preprocessing.json": _json({**preprocessing.to_json(), "seen": _seen(plan)}),
        "residuals.npy": _npy(residuals),
        "metrics.json": _json(metrics),
        "loss.png": _loss_picture(plan, trained, name),
        "forecast.png": _forecast_picture(plan, predictor, residuals, name),
    }
    if guard is not None:
        files["guard.json"] = _json(guard.to_json())
    for folder, each in zip(member_folders(len(trained)), trained, strict=True):
        files |= {f"{folder}{file}": content for file, content in each.files.items()}
    return files, metrics


def _seen(plan: Plan) -> dict[str, str]:
    """The last timestamp of each series that the network learnt from or was chosen by."""
    return {m.series.name: str(m.series.timestamps[m.split.validation_end - 1]) for m in plan.members}


def _member_facts(plan: Plan, trained: Sequence[_Trained]) -> list[dict[str, Any]]:
    """What `metrics.json` tells of each network of an ensemble."""
    return [
        {
            "seed": config.training.seed,
            "window": config.window.length,
            "loss": config.loss,
            "epoch": each.progress.best_epoch,
            "validation_loss": each.progress.history[each.progress.best_epoch - 1].validation_loss,
        }
        for config, each in zip(members_of(plan.config), trained, strict=True)
    ]


def _loss_picture(plan: Plan, trained: Sequence[_Trained], name: str) -> bytes:
    """The losses by epoch, of every network of an ensemble."""
    title, kinds = f"{name}: loss by epoch", list(dict.fromkeys(config.loss for config in members_of(plan.config)))
    unit = f"{', '.join(kinds)}, scaled"
    curves = [
        LossCurve(
            [row.loss for row in each.progress.history],
            [row.validation_loss for row in each.progress.history],
            each.progress.best_epoch,
        )
        for each in trained
    ]
    return plot_loss(*curves[0], title, unit) if len(curves) == 1 else plot_losses(curves, title, unit)


def _forecast_picture(plan: Plan, predictor: Predictor, residuals: np.ndarray, name: str) -> bytes:
    """The last `horizon` steps of the first series, forecast from before them; held out where there is a test part."""
    member = plan.members[0]
    forecast = last_forecast(plan, predictor, residuals)
    series = member.series.part(plan.config.filled, len(member.series))
    values = pd.Series(series.values, series.timestamps)
    steps = len(forecast.mean)
    kind = "held out" if member.split.test else "not held out"
    return plot_forecast(
        values.iloc[:-steps].iloc[-shown_steps(steps) :],
        forecast,
        f"{name}: the last {steps} steps ({kind}), forecast from before them",
        values.iloc[-steps:],
        "held-out truth" if member.split.test else "observed, not held out",
    )


def _history_csv(history: list[Epoch]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Epoch.__dataclass_fields__)
    for row in history:
        validation = "" if row.validation_loss is None else row.validation_loss
        writer.writerow([row.epoch, row.loss, validation, row.learning_rate, round(row.seconds, 3)])
    return text.getvalue().encode()


def _facts(plan: Plan, started: float) -> dict[str, Any]:
    """What the manifest tells of a training."""
    panel = plan.panel
    return {
        "forecaster": __version__,
        "python": sys.version.split()[0],
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "seed": plan.config.training.seed,
        "data": {
            "path": described(plan.config.data.path),
            "sha256": data_hash(plan.panel),
            "series": len(panel),
            "steps": sum(map(len, panel)),
            "first": str(min(series.timestamps[0] for series in panel)),
            "last": str(max(series.timestamps[-1] for series in panel)),
        },
        "wall_seconds": round(time.monotonic() - started, 2),
        "peak_memory_mb": round(max(resource.getrusage(who).ru_maxrss for who in _PROCESSES) / 1024, 1),
    }


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, indent=1, allow_nan=False).encode() + b"\n"
