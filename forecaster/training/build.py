"""Build a network from its config, and a trainer with its schedule, optimizer and data."""

import logging
import random
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from forecaster.config import Config, schema
from forecaster.errors import UsageError
from forecaster.models import Network, build_network
from forecaster.models.networks import Seq2SeqNetwork
from forecaster.models.weights import MatchingRows, warm_start
from forecaster.preprocessing.categories import Vocabulary
from forecaster.preprocessing.plan import Plan, join_parts, place_windows
from forecaster.preprocessing.prepared_series import join_on_disk
from forecaster.preprocessing.saved_preprocessing import Preprocessing, load_preprocessing
from forecaster.preprocessing.windows import Starts
from forecaster.preprocessing.zero_shot_feature import compute_zero_shot_of_groups
from forecaster.problems import Problem
from forecaster.runs import Version
from forecaster.training import averaging
from forecaster.training.averaging import Average
from forecaster.training.early_stopping import Patience
from forecaster.training.gradient_exchange import Exchange
from forecaster.training.optimizers import build_optimizer
from forecaster.training.schedules import Constant, Cosine, Exponential, Plateau, Schedule
from forecaster.training.step import AnyLearner, Steps, TrainingStep, ZeroShotTable, take_step
from forecaster.training.trainer import Course, Trainer
from forecaster.wording import count_of, count_steps, format_timestamps, name_steps

log = logging.getLogger("forecaster")


def initialize_network(config: Config, preprocessing: Preprocessing) -> Network:
    """Initialize the network of a resolved config, its weights drawn with the config's seed.

    Sets the seed of Python's generator, from which Keras draws the seeds of weights and masks. TensorFlow's own seed,
    which none of our operations reads, stays: to set it makes TensorFlow optimize every traced function again.
    """
    random.seed(config.training.seed)
    return build_network(*_describe_network(config, preprocessing))


def _describe_network(config: Config, preprocessing: Preprocessing) -> tuple[Any, ...]:
    """Return the arguments of `build_network`, which show whether two networks differ in more than their weights."""
    # the one head that reads the unit of the series, which differs between the folds of a backtest
    counts = config.model.head == "negative_binomial"
    unit = float(next(iter(preprocessing.scalers.values())).unit) if counts else 1.0
    sizes = tuple(preprocessing.vocabulary.sizes) if preprocessing.vocabulary else ()
    length, season = config.window.length, config.data.main_season
    widths = preprocessing.feature_widths
    return config.model, length, config.steps_ahead, season, config.loss, unit, sizes, *widths, config.channels


def load_initial_weights(network: Network, version: Version, vocabulary: Vocabulary | None, number: int = 1) -> None:
    """Load the weights of another run into a network where shapes match, and log which do not.

    Args:
        vocabulary: of the network's series and categories; their vectors are matched by name.
        number: of the network in its ensemble, from 1. From a run of an ensemble it takes the weights of the same
            number, cyclically.

    Raises:
        UsageError: no weight matrix has a matching shape.
        RunError: a file of the run was changed.
    """
    theirs = load_preprocessing(version).vocabulary
    folder = version.members[(number - 1) % len(version.members)]
    name = f"{folder}network.weights.h5"
    try:
        agreed, different = warm_start(network, version.read(name), _match_rows(vocabulary, theirs))
    except (ValueError, IndexError) as error:
        raise version.refuse(name, error) from None
    if not agreed:
        raise UsageError(Problem("no-common-weights", f"--from {version.path}"))
    log.info("\n".join([f"Starting from the weights of {version.path / folder}.", *different]))


def _match_rows(ours: Vocabulary | None, theirs: Vocabulary | None) -> list[MatchingRows]:
    """Match the embedding rows of values that both vocabularies have, for each of our categories."""
    if ours is None:
        return []
    known = {} if theirs is None else dict(zip(theirs.names, theirs.values, strict=True))
    found = []
    for name, values in zip(ours.names, ours.values, strict=True):
        places = {value: row for row, value in enumerate(known.get(name, ()))}
        shared = [(row, places[value]) for row, value in enumerate(values) if value in places]
        found.append(MatchingRows([row for row, _ in shared], [row for _, row in shared]))
    return found


_ADAPTED_WINDOWS = 10_000
_COMPILED_STEPS = 100_000  # recurrent steps of batches: XLA saves 50 µs or more in each


_VALIDATION_WINDOWS = 20_000  # at most, to compare epochs
_ZERO_SHOT_WINDOWS = 40_000  # at most to train on: a forecast takes about a millisecond


def prepare_trainer(
    plan: Plan,
    first_choice: int = 1,
    described: bool = True,
    course: Course | None = None,
    zero_shot: ZeroShotTable | None = None,
    exchange: Exchange | None = None,
) -> Trainer[Network]:
    """Prepare the trainer of a plan's network, before its first batch.

    Args:
        first_choice: the first epoch whose weights may be kept.
        described: whether to log the data that it is trained on.
        course: of the training that this one repeats on all parts of the series; None for the first.
        zero_shot: what `compute_zero_shot_table` makes of the plan, where several networks share it.
        exchange: with the other processes that train the network.

    Raises:
        DataError: a part has no window.
    """
    plan = plan if course is None else join_parts(plan)
    config, training = plan.config, plan.config.training
    length = config.window.length
    tf.config.experimental.enable_op_determinism()
    training_starts, validation_starts = _place_used_windows(plan)
    if described:
        log.info("%s", _describe_plan(plan, len(training_starts), len(validation_starts)))
    network = initialize_network(config, plan.preprocessing)
    steps, watched = _concatenate_series(plan), validation_starts.spread_evenly(_VALIDATION_WINDOWS)
    if config.model.pretrained:
        steps = replace(steps, zero_shot=zero_shot or compute_zero_shot_table(plan))
    _adapt_head(network, steps, training_starts, length)
    # XLA compiles no collectives of CPUs.
    is_compiled = exchange is None and choose_compilation(network, config.model, training, length, len(training_starts))
    shape = _describe_network(config, plan.preprocessing)
    return build_trainer(
        network, training, steps, length, training_starts, watched, first_choice, course, is_compiled, shape, exchange
    )


def _concatenate_series(plan: Plan) -> Steps:
    """Concatenate the scaled series of a plan, with their features and categories."""
    features, past = plan.features, 0
    groups = plan.groups
    if features is not None:
        past = features.past_width
        rows = (features.build(group[0].series, group[0].scaler, 0, len(group[0].series)) for group in groups)
    panel = [group[0].series for group in groups]
    ends, values = np.cumsum([len(series) for series in panel]), plan.members.scale(plan.config.channels)
    joined = None  # (steps, features)
    if features is not None:
        on_disk = isinstance(values, np.memmap)
        joined = join_on_disk(rows, past + features.known_width) if on_disk else np.concatenate(list(rows))
    return Steps(values, joined, past, ends, plan.preprocessing.encode_categories(panel))


def _place_used_windows(plan: Plan) -> tuple[Starts, Starts]:
    """Find where training and validation windows start; fewer of those whose zero-shot forecasts take time."""
    training, validation = place_windows(plan)
    return (training.thin(_ZERO_SHOT_WINDOWS) if plan.config.model.pretrained else training), validation


def compute_zero_shot_table(plan: Plan) -> ZeroShotTable:
    """Forecast the steps after each training and validation window with the pretrained network.

    The table is that of every network that reads the same series in windows of the same length.
    """
    training, validation = _place_used_windows(plan)
    watched, groups = validation.spread_evenly(_VALIDATION_WINDOWS), plan.groups
    starts = np.union1d(training[np.arange(len(training))], watched)
    ends = np.cumsum([len(group[0].series) for group in groups])
    numbers = np.searchsorted(ends, starts, side="right")  # the group of each window
    known = starts - np.concatenate([[0], ends])[numbers] + plan.config.window.length  # its steps up to the origin
    read = [groups[number] for number in numbers.tolist()]
    return ZeroShotTable(
        starts, compute_zero_shot_of_groups(read, known, plan.config.data.seasons, plan.config.steps_ahead)
    )


def build_trainer(
    network: AnyLearner,
    training: schema.Training,
    steps: Steps,
    length: int,
    training_starts: Starts | np.ndarray,
    validation_starts: np.ndarray,
    first_choice: int = 1,
    course: Course | None = None,
    is_compiled: bool = False,
    shape: Hashable = None,
    exchange: Exchange | None = None,
) -> Trainer[AnyLearner]:
    """Build the trainer of a config's `training` section; the other arguments are those of `Trainer`.

    Args:
        course: of the training whose rates and averages the new one repeats, and that it ends as early as.
        shape: of the network, whose step is then shared with other trainings; None where it is not.
        exchange: as in `TrainingStep`.
    """
    stopping, on_disk = training.early_stopping, isinstance(steps.values, np.memmap)
    tensors = steps if on_disk else steps.to_tensors()
    specs = (steps.cut(np.zeros(1, int), 1)[0] if isinstance(tensors, Steps) else tensors).specs
    course = course or Course(training.epochs, training.batches_per_epoch or len(training_starts), ())
    return Trainer(
        _take_or_build_step(
            network,
            training,
            steps.past,
            specs,
            length,
            min(training.batch_size, len(training_starts)) if is_compiled else None,
            shape,
            exchange,
        ),
        build_schedule(training.schedule, training.epochs),
        tensors,
        training_starts,
        validation_starts,
        batch_size=training.batch_size,
        batches_per_epoch=course.batches,
        balanced=training.balance_series,
        epochs=course.epochs,
        early_stopping=None if stopping is None else Patience(stopping.patience, stopping.min_delta),
        seed=training.seed,
        sign_flip=training.sign_flip,
        first_choice=first_choice,
        losses=course.losses,
    )


def _take_or_build_step(
    network: AnyLearner,
    training: schema.Training,
    past: int,
    specs: dict[str, tf.TensorSpec],
    length: int,
    compiled_size: int | None,
    shape: Hashable,
    exchange: Exchange | None,
) -> TrainingStep[AnyLearner]:
    """Take the step of a network of the same shape, with the state of this one, or build it.

    Args:
        compiled_size: windows in a batch that XLA compiles a step for; None without XLA.
    """
    averaged = (training.averaging, training.epochs) if training.averaging else None
    others = (
        training.optimizer,
        averaged,
        past,
        tuple(specs.values()),
        length,
        compiled_size,
        exchange,
    )
    key = None if shape is None else (shape, others)
    if key is not None and (step := take_step(key)) is not None:
        step.start_over(network)
        return step
    return TrainingStep(
        network,
        build_optimizer(**training.optimizer.model_dump()),
        specs,
        length,
        past=past,
        average=build_average(training.averaging, network.trainable_variables, training.epochs),
        compiled_size=compiled_size,
        shape=key,
        exchange=exchange,
    )


def choose_compilation(
    network: Network, model: schema.Model, training: schema.Training, length: int, windows: int
) -> bool:
    """Choose whether XLA compiles the training step: where that saves more than its one to two seconds.

    It depends on the config and the data only, so that a resumed training chooses the same.

    Args:
        network: to train.
        model: of its config.
        training: batches and epochs.
        length: steps in a window.
        windows: to train on.
    """
    is_stepped = isinstance(network, Seq2SeqNetwork)
    # XLA compiles each step of an unrolled loop, and has no kernel for samples of gamma and Poisson distributions.
    if model.unroll or (is_stepped and model.head in {"student_t", "negative_binomial"}):
        return False
    looped = len(model.units) * -(-(length + network.ahead * is_stepped) // model.segment)  # steps of a batch
    batches = min(-(-windows // training.batch_size), training.batches_per_epoch or windows)
    return training.epochs * batches * looped >= _COMPILED_STEPS


def _adapt_head(network: Network, steps: Steps, starts: Starts, length: int) -> None:
    """Adapt a categorical head to the range of the training targets after the windows' normalization."""
    some = starts.spread_evenly(_ADAPTED_WINDOWS)
    rows = steps.values[some[:, None] + np.arange(length + network.ahead)]  # (windows, steps, channels)
    rows = rows.reshape(len(some), -1).astype(np.float32)
    window, targets = rows[:, : length * network.channels], rows[:, length * network.channels :]
    anchors = network.normalization.step(window[:, -network.width :], network.normalization.compute_anchors(window))[1]
    offset, scale = network.normalization.compute_affine(anchors, targets.shape[1])
    if steps.zero_shot is not None:
        offset = steps.zero_shot.select(some).reshape(targets.shape)
    normalized = (targets - np.asarray(offset)) / np.asarray(scale)
    network.head.adapt(float(normalized.min()), float(normalized.max()))


def build_schedule(section: schema.Schedule, epochs: int) -> Schedule:
    """Build the schedule that a config names."""
    match section:
        case schema.Exponential():
            return Exponential(section.decay, section.warmup)
        case schema.Cosine():
            return Cosine(epochs, section.minimum, section.warmup)
        case schema.Plateau():
            return Plateau(section.factor, section.patience, section.minimum, section.warmup)
        case _:
            return Constant(section.warmup)


def build_average(section: schema.Averaging | None, weights: Sequence[tf.Variable], epochs: int) -> Average | None:
    """Build the average of weights that a config names; None without one."""
    match section:
        case schema.Ema():
            return averaging.Exponential(weights, section.decay)
        case schema.Swa():
            return averaging.Equal(weights, section.start, epochs)
        case _:
            return None


def _describe_plan(plan: Plan, training: int, validation: int) -> str:
    panel, splits = plan.panel, [member.split for member in plan.members]
    filled = plan.config.padding_steps
    steps = sum(len(series) - filled for series in panel)
    first, last = format_timestamps(list(plan.members.find_span(filled)))
    of_target = f" of {panel[0].target}" if len({series.target for series in panel}) == 1 else ""
    name = panel[0].name if len(panel) == 1 else f"{len(panel):,} series{of_target}"
    lines = [
        f"{name}: {count_steps(steps, panel[0].frequency)}, {first} to {last}",
        f"season: {count_steps(plan.season, panel[0].frequency)}" if plan.season > 1 else "season: none",
        f"{name_steps(panel[0].frequency)}: {sum(split.training_end - filled for split in splits):,} training, "
        f"{sum(split.validation for split in splits):,} validation, {sum(split.test for split in splits):,} test; "
        f"windows: {training + validation:,}, of which {training:,} training, {validation:,} validation",
    ]
    settings = plan.config.training
    batches = min(-(-training // settings.batch_size), settings.batches_per_epoch or training)
    lines.append(
        f"cost: {count_of(batches, 'batch', 'batches')} of {settings.batch_size} windows per epoch, "
        f"{count_of(settings.epochs, 'epoch')} at most"
    )
    for number in np.flatnonzero(np.asarray(plan.members.scaler.scale)[:, 0] == 0).tolist():
        series, scaler = plan.members[number].series, plan.members[number].scaler
        if scaler.lags:
            named = f"the differences of {series.name}"
            lines.append(f"{named} are constant in the training part: every forecast continues them")
        else:
            named = f"the training part of {series.name}"
            lines.append(f"{named} is constant: every forecast will be {series.values[0]:g}")
    return "\n".join(lines)
