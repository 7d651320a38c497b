"""Train a network on a prepared series and write it as a version of a run."""

import csv
import hashlib
import importlib.metadata
import io
import json
import logging
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from forecaster import __version__, report
from forecaster.config import sections
from forecaster.config.template import commented_yaml
from forecaster.data.rules import OBSERVED
from forecaster.data.source import described
from forecaster.data.windows import Starts
from forecaster.errors import Interrupted, RunError, UsageError
from forecaster.evaluation import last_forecast, test_scores, validation_residuals
from forecaster.export import export_onnx
from forecaster.fitting import AnyLearner, Epoch, Steps, Trainer
from forecaster.forecast import timestamp_texts
from forecaster.inference import OnnxNetwork
from forecaster.initial import initial_network, start_from
from forecaster.models import Network
from forecaster.models.optimizers import build_optimizer
from forecaster.models.schedules import Constant, Cosine, Exponential, Patience, Plateau, Schedule
from forecaster.models.summary import layer_counts
from forecaster.models.weights import weights_to_h5
from forecaster.plots import plot_forecast, plot_loss, shown_steps
from forecaster.prediction import Predictor
from forecaster.preparation import Plan, scaled_values, window_places
from forecaster.runs import Version, read_checkpoint, remove_checkpoint, write_checkpoint, write_version

log = logging.getLogger("forecaster")

_CHECKPOINT_SECONDS = 10.0  # at the end of an epoch, where the last is older
_ADAPTED_WINDOWS = 10_000
_VALIDATION_WINDOWS = 20_000  # that epochs are compared by, at most
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
    trainer = _trainer(plan)
    log.info("%s", report.parameter_table(layer_counts(trainer.network)))
    if warm is not None:
        start_from(trainer.network, warm, plan.vocabulary)
    identity = {"config": plan.config.model_dump(mode="json"), "data": _data_hash(plan), "version": __version__}
    _go_on(trainer, run, identity, resume)
    _fit(trainer, run, identity, received)
    files, metrics = _results(plan, trainer, run.resolve().name)
    _stop_if(received, trainer, run, identity)
    version = write_version(run, files, {**_facts(plan, started), "from": warm and str(warm.path.resolve())})
    remove_checkpoint(run)
    log.info("%s", report.error_table(metrics))
    return version


def _trainer(plan: Plan) -> Trainer[Network]:
    config = plan.config
    training, length = config.training, config.window.length
    tf.config.experimental.enable_op_determinism()
    training_starts, validation_starts = window_places(plan)
    log.info("%s", _description(plan, len(training_starts), len(validation_starts)))
    network = initial_network(config, plan.preprocessing)
    steps = _steps(plan)
    _adapt_head(network, steps.values, training_starts, length)
    return build_trainer(
        network, training, steps, length, training_starts, validation_starts.spread(_VALIDATION_WINDOWS)
    )


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
    return Steps(scaled_values(plan), told, past, ends, plan.preprocessing.codes(panel))


def build_trainer(
    network: AnyLearner,
    training: sections.Training,
    steps: Steps,
    length: int,
    training_starts: Starts | np.ndarray,
    validation_starts: np.ndarray,
) -> Trainer[AnyLearner]:
    """The trainer that a config's `training` section describes; what it trains on as `Trainer` takes it."""
    stopping = training.early_stopping
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


def _go_on(trainer: Trainer[Network], run: Path, identity: Mapping[str, Any], resume: bool) -> None:
    checkpoint = read_checkpoint(run) if resume else None
    if checkpoint is None:
        if resume:
            log.info("there is no interrupted training to resume: starting from the beginning")
        return
    kept, state = checkpoint
    if kept.get("config") != identity["config"]:
        different = ", ".join(_differences(kept.get("config"), identity["config"]))
        raise UsageError(
            f"--resume: the interrupted training in {run} was of other settings ({different}); "
            "undo the change, or train without --resume"
        )
    if kept != identity:
        what = "data have" if kept.get("data") != identity["data"] else "version of forecast has"
        log.info("the %s changed since the interrupted training: starting from the beginning", what)
        return
    try:
        trainer.restore(state)
    except Exception as error:
        raise RunError(f"{run}/checkpoint: cannot be gone on from ({error}); train without --resume") from None
    log.info("resuming after epoch %d, batch %d", len(trainer.progress.history), trainer.progress.batch)


def _differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from _differences(
                one.get(key), other.get(key), f"{path}.{key}".removeprefix(".").removeprefix("config.")
            )
    elif one != other:
        yield path


def _fit(trainer: Trainer[Network], run: Path, identity: Mapping[str, Any], received: Sequence[int]) -> None:
    with report.TrainingProgress(trainer.epochs) as bar:
        trainer.fit(_Keeper(Teller(bar), trainer, run, identity), stop=lambda: bool(received))
    _stop_if(received, trainer, run, identity)


def _stop_if(received: Sequence[int], trainer: Trainer[Network], run: Path, identity: Mapping[str, Any]) -> None:
    if not received:
        return
    write_checkpoint(run, identity, trainer.state())
    raise Interrupted(
        f"interrupted after epoch {len(trainer.progress.history)}, batch {trainer.progress.batch}: the checkpoint "
        "is saved; go on with the same command and --resume",
        received[0],
    )


class Teller:
    """Moves the bar, or says each epoch where there is none."""

    def __init__(self, bar: report.TrainingProgress) -> None:
        self._bar = bar

    def batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Move the bar."""
        self._bar.batch(epoch, batch, batches, loss)

    def epoch(self, epoch: Epoch) -> None:
        """Show the epoch's validation loss, or say the epoch."""
        self._bar.epoch(epoch.validation_loss)
        if not self._bar.visible:
            validation = "" if epoch.validation_loss is None else f", validation loss {epoch.validation_loss:.5g}"
            log.info("epoch %d: loss %.5g%s", epoch.epoch, epoch.loss, validation)


class _Keeper:
    """Tells, and keeps a checkpoint against a crash."""

    def __init__(self, teller: Teller, trainer: Trainer[Network], run: Path, identity: Mapping[str, Any]) -> None:
        self._teller, self._trainer, self._run, self._identity = teller, trainer, run, identity
        self._saved = time.monotonic()

    def batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Tell."""
        self._teller.batch(epoch, batch, batches, loss)

    def epoch(self, epoch: Epoch) -> None:
        """Tell, and save where the last checkpoint is old."""
        self._teller.epoch(epoch)
        if time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
            write_checkpoint(self._run, self._identity, self._trainer.state())
            self._saved = time.monotonic()


def _results(plan: Plan, trainer: Trainer[Network], name: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Every file of the version, and its metrics."""
    config, history = plan.config, trainer.progress.history
    encode, decode = export_onnx(trainer.network, config.window.length)
    predictor = Predictor.of(OnnxNetwork(encode, decode), config, plan.preprocessing)
    residuals = validation_residuals(plan, predictor)
    metrics = test_scores(plan, predictor, residuals)
    losses, validation = [row.loss for row in history], [row.validation_loss for row in history]
    files = {
        "config.yaml": commented_yaml(config, "forecast train config.yaml").encode(),
        "preprocessing.json": _json(plan.preprocessing.to_json()),
        "network.weights.h5": weights_to_h5(trainer.network),
        "residuals.npy": _npy(residuals),
        "encode.onnx": encode,
        "decode.onnx": decode,
        "history.csv": _history_csv(history),
        "metrics.json": _json(metrics),
        "loss.png": plot_loss(
            losses,
            validation,
            trainer.progress.best_epoch,
            f"{name}: loss by epoch",
            f"{config.loss}, scaled",
        ),
        "forecast.png": _forecast_picture(plan, predictor, residuals, name),
    }
    return files, metrics


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
            "sha256": _data_hash(plan),
            "series": len(panel),
            "steps": sum(map(len, panel)),
            "first": str(min(series.timestamps[0] for series in panel)),
            "last": str(max(series.timestamps[-1] for series in panel)),
        },
        "wall_seconds": round(time.monotonic() - started, 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _data_hash(plan: Plan) -> str:
    """SHA-256 over the names, timestamps, values and covariates that were trained on."""
    digest = hashlib.sha256()
    for series in plan.panel:
        ends = (series.timestamps[0], series.timestamps[-1], len(series), series.frequency)
        digest.update("\n".join([series.name, *series.categories.values(), *map(str, ends)]).encode())
        if series.frequency == OBSERVED:
            digest.update(np.asarray(series.timestamps).tobytes())
        digest.update(series.values.tobytes())
        for column in series.covariates.values():
            digest.update("\n".join(column.levels or ()).encode() + column.values[: len(series)].tobytes())
    return digest.hexdigest()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, indent=1, allow_nan=False).encode() + b"\n"
