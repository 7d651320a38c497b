"""Combinations of valid values that cannot work together."""

from collections.abc import Iterator

from forecaster.config.reader import Path
from forecaster.config.sections import Config, Model, Optimizer, Split


def conflicts(config: Config, broken: set[Path]) -> list[tuple[Path, str]]:
    """Every impossible combination as (path, sentence), but those of keys in `broken`, whose values
    are not the user's.
    """
    touched = {path[:2] for path in broken}
    found = [
        *_model(config.model),
        *_stack(config),
        *_optimizer(config.training.optimizer),
        *_training(config),
        *_split(config.split),
        *_rollout(config),
    ]
    return [(path, message) for path, message in found if path[:2] not in touched]


def _model(model: Model) -> Iterator[tuple[Path, str]]:
    if model.bidirectional and model.output == "sequence":
        yield (
            ("model", "output"),
            "sequence cannot go with bidirectional: true, whose backward half reads the answer; use output: last",
        )
    if model.decoder == "dense" and model.output == "sequence":
        yield (
            ("model", "output"),
            "sequence cannot go with decoder: dense, which learns from the last step; use decoder: rollout",
        )
    if model.normalization in {"last", "mean", "revin"} and model.output == "sequence":
        yield (
            ("model", "normalization"),
            f"{model.normalization} cannot go with output: sequence, since it tells early steps of later ones; "
            "use seasonal or none, or output: last",
        )
    if model.cell == "simple_rnn" and model.recurrent_activation != "sigmoid":
        yield ("model", "recurrent_activation"), "cell simple_rnn has no gates; remove the key, or use lstm or gru"


def _stack(config: Config) -> Iterator[tuple[Path, str]]:
    model, length = config.model, config.window.length
    if model.residual and len(set(model.units)) > 1:
        yield ("model", "residual"), f"needs layers of the same width, units are {list(model.units)}; make them equal"
    if model.residual and len(model.units) == 1:
        yield ("model", "residual"), "needs a second layer to add to the first; give units two numbers"
    if model.dilation and len(model.units) == 1:
        yield ("model", "dilation"), "begins with the second layer; give units two numbers or more"
    if model.merge != "concat" and not model.bidirectional:
        yield ("model", "merge"), f"{model.merge} merges two directions; set bidirectional: true"
    if length % model.segment:
        down, up = length - length % model.segment, length + model.segment - length % model.segment
        yield (
            ("model", "segment"),
            f"a window of {length} steps does not divide into segments of {model.segment}; "
            f"use window.length: {' or '.join(str(n) for n in (down, up) if n)}",
        )
    elif model.decoder == "rollout" and length < 2 * model.segment:
        yield ("model", "segment"), f"a rollout needs a window of at least two segments, {2 * model.segment} steps"


def _optimizer(optimizer: Optimizer) -> Iterator[tuple[Path, str]]:
    path: Path = ("training", "optimizer")
    if optimizer.clip_value is not None and optimizer.clip_norm is not None:
        yield (*path, "clip_value"), "cannot go with clip_norm; use clip_norm: null beside it"
    if optimizer.momentum and optimizer.name not in {"sgd", "rmsprop"}:
        yield (*path, "momentum"), f"{optimizer.name} has no momentum of its own; use name: sgd or rmsprop"
    if optimizer.nesterov and (optimizer.name != "sgd" or not optimizer.momentum):
        yield (*path, "nesterov"), "needs name: sgd and a momentum above 0, such as momentum: 0.9"


def _training(config: Config) -> Iterator[tuple[Path, str]]:
    training = config.training
    if training.schedule.name == "plateau" and config.split.validation == 0:
        yield ("training", "schedule", "name"), "plateau watches the validation loss; give split.validation steps"
    if training.schedule.warmup >= training.epochs:
        yield (
            ("training", "schedule", "warmup"),
            f"{training.schedule.warmup} epochs of warm-up leave none of {training.epochs}; use fewer",
        )


def _split(split: Split) -> Iterator[tuple[Path, str]]:
    shares = [part for part in (split.validation, split.test) if isinstance(part, float)]
    if sum(shares) >= 1:
        yield ("split", "test"), f"validation and test, {' and '.join(map(str, shares))}, leave nothing to train on"


def _rollout(config: Config) -> Iterator[tuple[Path, str]]:
    if config.forecast.rollout == "carry" and config.model.bidirectional:
        yield (
            ("forecast", "rollout"),
            "carry cannot go with model.bidirectional: true, whose backward half has no state to carry on; use slide",
        )
    if config.forecast.rollout == "carry" and config.model.decoder == "dense":
        yield ("forecast", "rollout"), "carry needs model.decoder: rollout; dense gives its horizon at once"
