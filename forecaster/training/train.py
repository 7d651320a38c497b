"""Train a network, or an ensemble of them, on a prepared series and write it as a version of a run."""

import contextlib
import functools
import itertools
import logging
import signal
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from forecaster import __version__
from forecaster.config.ensemble import list_members
from forecaster.engine import Engine
from forecaster.errors import ChallengerLost, Diverged, Interrupted, RunError, UsageError
from forecaster.evaluation import tables
from forecaster.evaluation.challenge import Challenge, challenge
from forecaster.forecasting.predictor import Predictor
from forecaster.hosts import Hosts
from forecaster.models import Network
from forecaster.models.parameter_counts import count_parameters
from forecaster.models.weights import dump_weights
from forecaster.parallel import run_in_processes
from forecaster.preprocessing.missing_codes import report_missing_codes
from forecaster.preprocessing.plan import Plan, join_parts, select_shard
from forecaster.preprocessing.read_data import hash_data
from forecaster.problems import Problem, condense_problems
from forecaster.runs import (
    Version,
    complete_promotion,
    find_differences,
    read_checkpoint,
    read_pin,
    remove_checkpoint,
    remove_member_checkpoints,
    write_checkpoint,
    write_version,
)
from forecaster.runs import promote as promote_version
from forecaster.runs.json_files import encode_json
from forecaster.runs.promotion import CHALLENGE
from forecaster.shard import Shard
from forecaster.training import progress
from forecaster.training.artifacts import (
    Refit,
    TrainedNetwork,
    build_predictor,
    build_refit,
    build_version_files,
    choose_config,
    format_history,
    measure_errors,
    measure_past_errors,
    record_training,
)
from forecaster.training.build import compute_zero_shot_table, load_initial_weights, prepare_trainer
from forecaster.training.export import trace_network
from forecaster.training.gradient_exchange import Exchange, open_exchange
from forecaster.training.progress import ProgressLogger
from forecaster.training.step import ZeroShotTable, keep_step
from forecaster.training.trainer import Course, Epoch, Trainer
from forecaster.wording import count_steps

log = logging.getLogger("forecaster")

# What numpy and TensorFlow raise for arrays that are damaged or of another network.
_UNFIT_STATE = (
    *(ValueError, LookupError, TypeError, AttributeError, OSError, EOFError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, tf.errors.OpError),
)
_CHECKPOINT_SECONDS = 10.0  # between checkpoints, which are saved at the end of an epoch

Observer = Callable[[str, Epoch], None]  # takes the prefix of a network's curves, such as `member_2/`, and an epoch


@dataclass(frozen=True)
class Trained:
    """What a training made.

    Attributes:
        version: the new version.
        challenge: how it compares with the version that was in use.
        promoted: whether it is in use now.
        notice: which version is in use now, and why; None for the first version of a run.
    """

    version: Version
    challenge: Challenge
    promoted: bool
    notice: Problem | None

    def check_not_worse(self) -> None:
        """Refuse a new version that lost, for callers that fail then.

        Raises:
            ChallengerLost: it is worse than the version in use, which stays.
        """
        if self.challenge.is_worse and not self.promoted and self.notice is not None:
            raise ChallengerLost(self.notice)


def train(
    plan: Plan,
    run: Path,
    received: Sequence[int],
    resume: bool = False,
    warm: Version | None = None,
    promote: str = "better",
    margin: float = 0.0,
    engine: Engine | None = None,
    hosts: Hosts | None = None,
    observe: Observer | None = None,
) -> Trained:
    """Train on `plan`, compare the result with the version in use, and promote it or not. Call it under `lock_run`.

    Args:
        plan: to train on.
        run: the folder.
        received: signals received so far (`signals.collect_signals`); training stops at the next batch.
        resume: from the checkpoint of an interrupted training of the same plan.
        warm: a version whose weights to start from, where shapes match.
        promote: `better`: where the new version is not worse than the one in use; `always`, or `never` unless it is
            the first. The version of a pinned run stays in use.
        margin: by how much the error of the new version may be larger, as a fraction.
        engine: what trains the networks of an ensemble; None: this process, or `ensemble.processes`.
        hosts: that train each network together, of which this is the first; the others call `assist`.
        observe: takes each epoch of the networks that this process trains, refits excepted.

    Raises:
        InputOutputFailed: another host ended.
        Interrupted: a signal was received; the checkpoint is saved, and in a refit the version before it, too.
        Diverged: a loss or a forecast became NaN or infinite; the old version stays.
        UsageError: the checkpoint has a different config, or no matrix of `warm` has a matching shape.
        RunError: the checkpoint is damaged.
    """
    with open_exchange(hosts, received) as exchange:
        return _train(plan, run, received, resume, warm, promote, margin, engine, exchange, observe)


def assist(plan: Plan, received: Sequence[int], hosts: Hosts) -> None:
    """Train the networks of a plan together with the first host, which writes the run.

    Args:
        plan: of the same config on the same data.
        received: signals received so far, which stop all hosts.
        hosts: all of them, with the number of this one.

    Raises:
        Diverged, InputOutputFailed, Interrupted, UsageError: as `train`.
    """
    with open_exchange(hosts, received) as exchange:
        tasks = _build_tasks(plan, Path(), False, None, _build_identity(plan), exchange)
        trained = _train_all(plan, tasks, received, None)
        with contextlib.suppress(Diverged):
            _train_again(plan, tasks, trained, received, None)


def _train(
    plan: Plan,
    run: Path,
    received: Sequence[int],
    resume: bool,
    warm: Version | None,
    promote: str,
    margin: float,
    engine: Engine | None,
    exchange: Exchange | None,
    observe: Observer | None,
) -> Trained:
    started = time.monotonic()
    complete_promotion(run)
    if constant := list(itertools.compress(plan.members.names, plan.members.scaler.is_constant[:, 0])):
        log.warning("%s", Problem("constant-training-part", detail={"names": constant}))
    for code in condense_problems(report_missing_codes(plan.members.panel, plan.config.data)):
        log.warning("%s", code)
    if not resume:
        remove_member_checkpoints(run)
    identity = _build_identity(plan)
    tasks = _build_tasks(plan, run, resume, warm, identity, exchange)
    tasks = [replace(task, observe=observe) for task in tasks]
    trained = _train_all(plan, tasks, received, engine)
    plan = replace(plan, config=choose_config(plan, trained))
    predictor = build_predictor(plan, trained)
    # What takes long is measured before the refit, so that little is left to do where that is stopped.
    past = measure_past_errors(plan, predictor)
    metrics = measure_errors(plan, trained, predictor, past)
    result = challenge(run, plan, predictor, margin)
    refit, stopped = _refit_unless_stopped(plan, tasks, trained, predictor, received, engine)
    if received and tasks[0].is_only:
        write_checkpoint(run, identity, trained[0].state)
    if received and stopped is None:
        raise Interrupted(Problem("interrupted-trainings", detail={"members": False}), received[0])
    if refit is not None:
        metrics["refit"] = refit.to_json()
    files = build_version_files(plan, trained, predictor, past, run.resolve().name, metrics, refit)
    pinned = read_pin(run) is not None
    promoted = result.decide(promote) and not pinned
    files[CHALLENGE] = encode_json(result.to_json(promote, promoted))
    record = {**record_training(plan, started, identity["data"]), "from": warm and str(warm.path.resolve())}
    version = write_version(run, files, record if len(trained) == 1 else {**record, "members": len(trained)})
    if promoted:
        promote_version(run, version.path.name, "train")
    if stopped is not None:
        saved = Problem("saved-before-refit", str(version.path), detail={"promoted": promoted})
        raise Interrupted([*stopped.problems, saved], received[0])
    remove_checkpoint(run)
    log.info("%s", tables.format_error_table(metrics))
    if table := result.to_text():
        log.info("%s", table)
    return Trained(version, result, promoted, result.describe(run, version.path.name, promoted, pinned))


@dataclass(frozen=True)
class _Task:
    """One network to train.

    Attributes:
        plan: with the network's own config.
        number, count: of this network, from 1, and of all.
        identity: of the whole training.
        snapshot: whether it is a cycle of one training, which continues from the previous network.
        resume, warm: as in `train`.
        course: of the network's training, in its refit; None in that training.
        zero_shot: the forecasts that it starts from, which several networks share; None where it starts from none,
            or where they are made of its shard.
        shard: the series that it is trained on, which have not been selected yet; None for all of its plan.
        exchange: with the other processes that train it.
        observe: as in `train`.
    """

    plan: Plan
    number: int
    count: int
    run: Path
    identity: Mapping[str, Any]
    snapshot: bool
    resume: bool
    warm: Version | None
    course: Course | None = None
    zero_shot: ZeroShotTable | None = None
    exchange: Exchange | None = None
    observe: Observer | None = None
    shard: Shard | None = None

    def select_series(self) -> "_Task":
        """Select the series of its shard, so that the others are neither sent to another process nor kept in memory."""
        return self if self.shard is None else replace(self, plan=select_shard(self.plan, self.shard), shard=None)

    @property
    def is_writer(self) -> bool:
        """Whether this process writes what is kept of the training."""
        return self.exchange is None or self.exchange.place == 0

    @property
    def is_refit(self) -> bool:
        """Whether the network is trained once more, on all parts of the series."""
        return self.course is not None

    @property
    def is_only(self) -> bool:
        """Whether nothing is trained before or after it."""
        return self.count == 1 and self.plan.config.training.refit == "none"

    @property
    def checkpoint(self) -> str:
        """The name of its checkpoint file."""
        name = "checkpoint-refit" if self.is_refit else "checkpoint"
        return name if self.count == 1 else f"{name}-{self.number}"

    @property
    def label(self) -> str:
        """The prefix of its messages."""
        member = "" if self.count == 1 else f"member {self.number} of {self.count}: "
        return f"{member}refit: " if self.is_refit else member

    def describe(self) -> str:
        """Describe what differs between the networks."""
        config = self.plan.config
        window = count_steps(config.window.length, self.plan.panel[0].frequency)
        return f"{self.label}seed {config.training.seed}, window of {window}, loss {config.loss}"


def _build_tasks(
    plan: Plan,
    run: Path,
    resume: bool,
    warm: Version | None,
    identity: Mapping[str, Any],
    exchange: Exchange | None,
) -> list[_Task]:
    """Build the tasks of a plan's networks, in their order."""
    configs = list_members(plan.config)
    if exchange is not None:
        exchange.check_same(encode_json(identity))
    vary = "" if plan.config.ensemble is None or len(configs) == 1 else plan.config.ensemble.vary
    snapshot, is_sharded = vary == "snapshot", vary == "shards"
    return [
        _Task(
            replace(plan, config=config),
            number,
            len(configs),
            run,
            identity,
            snapshot,
            resume,
            warm,
            exchange=exchange,
            shard=Shard(number, len(configs)) if is_sharded else None,
        )
        for number, config in enumerate(configs, 1)
    ]


def _build_identity(plan: Plan) -> dict[str, Any]:
    """Build what a checkpoint must match to be resumed; the number of processes does not change the weights."""
    config = plan.config.model_dump(mode="json")
    if config["ensemble"] is not None:
        del config["ensemble"]["processes"]
    return {"config": config, "data": hash_data(plan.panel), "version": __version__}


def _train_all(
    plan: Plan, tasks: Sequence[_Task], received: Sequence[int], engine: Engine | None
) -> list[TrainedNetwork]:
    """Train one network after the other, or several at a time: `ensemble.processes`, or as a cluster has processors."""
    tasks = _share_zero_shot(tasks)
    is_alone = plan.config.ensemble is None or tasks[0].exchange is not None
    processes = 1 if is_alone or plan.config.ensemble is None else plan.config.ensemble.processes
    is_on_cluster = engine is not None and engine.kind == "ray" and len(tasks) > 1 and not tasks[0].snapshot
    if processes > 1 or is_on_cluster:
        alone = [replace(task, observe=None) for task in tasks]
        count = None if is_on_cluster and processes == 1 else processes
        if tasks[0].shard is not None:
            selected = (task.select_series() for task in alone)
            return run_in_processes(_train_one, selected, count, received, engine, tasks[0].run)
        train_task = functools.partial(_train_task, alone)  # what the networks share is sent to each process once
        return run_in_processes(train_task, range(len(tasks)), count, received, engine, tasks[0].run)
    trained: list[TrainedNetwork] = []
    for task in tasks:
        before = trained[-1].state if trained and task.snapshot else None
        trained.append(_train_one(task, received, before))
    return trained


def _train_task(tasks: Sequence[_Task], index: int, received: Sequence[int]) -> TrainedNetwork:
    return _train_one(tasks[index], received)


def _share_zero_shot(tasks: Sequence[_Task]) -> list[_Task]:
    """Add the zero-shot forecasts to networks that start from them, computed once for all windows of a length."""
    if tasks[0].shard is not None:
        return [*tasks]
    plans = {task.plan.config.window.length: task.plan for task in tasks if task.plan.config.model.pretrained}
    tables = {
        length: compute_zero_shot_table(join_parts(plan) if tasks[0].is_refit else plan)
        for length, plan in plans.items()
    }
    return [
        replace(task, zero_shot=tables[task.plan.config.window.length]) if task.plan.config.model.pretrained else task
        for task in tasks
    ]


def _refit_unless_stopped(
    plan: Plan,
    tasks: Sequence[_Task],
    trained: Sequence[TrainedNetwork],
    predictor: Predictor,
    received: Sequence[int],
    engine: Engine | None,
) -> tuple[Refit | None, Interrupted | None]:
    """Refit networks; without one where it diverged, or a signal stopped it, which is returned."""
    try:
        return _refit(plan, tasks, trained, predictor, received, engine), None
    except Interrupted as stopped:
        return None, stopped
    except Diverged:
        log.warning("%s", Problem("diverged-refit"))
        return None, None


def _refit(
    plan: Plan,
    tasks: Sequence[_Task],
    trained: Sequence[TrainedNetwork],
    predictor: Predictor,
    received: Sequence[int],
    engine: Engine | None,
) -> Refit | None:
    """Train networks once more on all parts of the series, for as many steps; None where nothing is held out."""
    networks = _train_again(plan, tasks, trained, received, engine)
    return build_refit(plan, networks, predictor) if networks else None


def _train_again(
    plan: Plan,
    tasks: Sequence[_Task],
    trained: Sequence[TrainedNetwork],
    received: Sequence[int],
    engine: Engine | None,
) -> list[TrainedNetwork]:
    """Train networks once more, as `_refit`; none where nothing is held out."""
    held_out = any(split.training_end < split.steps for split in plan.members.splits)
    if plan.config.training.refit == "none" or not held_out:
        return []
    again = [replace(task, course=each.course) for task, each in zip(tasks, trained, strict=True)]
    return _train_all(plan, again, received, engine)


def _train_one(task: _Task, received: Sequence[int], before: bytes | None = None) -> TrainedNetwork:
    """Train one network to the end; where others follow, keep its checkpoint until all are trained.

    Args:
        task: to train.
        received: signals received so far.
        before: the state of the network that a snapshot continues from.
    """
    task = task.select_series()
    first_choice = task.plan.config.training.epochs if task.snapshot else 1
    described = task.number == 1 and not task.is_refit
    trainer = prepare_trainer(task.plan, first_choice, described, task.course, task.zero_shot, task.exchange)
    network = trainer.network
    if described:
        log.info("%s", progress.format_parameter_table(count_parameters(network)))
    if task.count > 1:
        log.info("%s", task.describe())
    if task.warm is not None and before is None:
        load_initial_weights(network, task.warm, task.plan.vocabulary, task.number)
    if before is not None:
        trainer.begin_from(before)
    try:
        _resume(trainer, task)
        if task.exchange is not None:
            trainer.restore(task.exchange.share_state(trainer.save_state()))
        _fit(trainer, task, received)
        state = trainer.save_state()
        if not task.is_only and task.is_writer:
            write_checkpoint(task.run, task.identity, state, task.checkpoint)
        trainer.step.served = trainer.step.served or trace_network(network, task.plan.config.window.length)
        encode, decode = trainer.step.served.export()
        files = {
            "network.weights.h5": dump_weights(network),
            "encode.onnx": encode,
            "decode.onnx": decode,
            "history.csv": format_history(trainer.progress.history),
        }
        return TrainedNetwork(files, trainer.progress, trainer.course, state)
    finally:
        keep_step(trainer.step)  # also of a training that was interrupted or diverged


def _resume(trainer: Trainer[Network], task: _Task) -> None:
    checkpoint = read_checkpoint(task.run, task.checkpoint) if task.resume else None
    if checkpoint is None:
        if task.resume and task.number == 1 and not task.is_refit:
            log.info("No interrupted training to resume: training starts from the beginning.")
        return
    kept, state = checkpoint
    identity = task.identity
    if kept.get("config") != identity["config"]:
        different = list(find_differences(kept.get("config"), identity["config"]))
        detail = {"run": str(task.run), "different": different}
        raise UsageError(Problem("checkpoint-of-other-config", "--resume", detail=detail))
    if kept != identity:
        changed = "data have" if kept.get("data") != identity["data"] else "version of forecast has"
        log.info("The %s changed since the interrupted training: training starts from the beginning.", changed)
        return
    try:
        trainer.restore(state)
    except _UNFIT_STATE as error:
        where = f"{task.run}/{task.checkpoint}"
        raise RunError(Problem("unusable-checkpoint", where, detail={"reason": str(error)})) from None
    progress = trainer.progress
    log.info("%sresuming after epoch %d, batch %d", task.label, len(progress.history), progress.batch)


def _fit(trainer: Trainer[Network], task: _Task, received: Sequence[int]) -> None:
    try:
        with progress.TrainingProgress(trainer.epochs, task.label) as bar:
            checkpointer = Checkpointer(ProgressLogger(bar, task.label), trainer, task)
            is_done = trainer.fit(checkpointer, stop=lambda: bool(received))
    except Diverged as error:
        (problem,) = error.problems
        raise Diverged(replace(problem, detail={**problem.detail, "member": task.label})) from None
    if received or not is_done:  # perhaps by a signal of another host
        if task.is_writer:
            write_checkpoint(task.run, task.identity, trainer.save_state(), task.checkpoint)
        detail = {"member": task.number, "members": task.count if task.count > 1 else 0}
        detail |= {"epoch": len(trainer.progress.history), "batch": trainer.progress.batch}
        raise Interrupted(Problem("interrupted-training", detail=detail), [*received, signal.SIGTERM][0])


class Checkpointer:
    """Reports progress, and saves a checkpoint every few seconds in case of a crash."""

    def __init__(self, logger: ProgressLogger, trainer: Trainer[Network], task: _Task) -> None:
        self._logger, self._trainer, self._task = logger, trainer, task
        self._saved = time.monotonic()

    def report_batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Report the batch."""
        self._logger.report_batch(epoch, batch, batches, loss)

    def report_epoch(self, epoch: Epoch) -> None:
        """Report the epoch, and save a checkpoint if the last is old."""
        self._logger.report_epoch(epoch)
        if (observe := self._task.observe) is not None and not self._task.is_refit:
            observe(f"member_{self._task.number}/" if self._task.count > 1 else "", epoch)
        if self._task.is_writer and time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
            task = self._task
            write_checkpoint(task.run, task.identity, self._trainer.save_state(), task.checkpoint)
            self._saved = time.monotonic()
