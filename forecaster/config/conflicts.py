"""Combinations of valid values that cannot work together."""

import re
from collections.abc import Iterator, Sequence

from forecaster.config.calendar_names import clashes, is_dated
from forecaster.config.database_urls import PASSWORD, has_password, is_url
from forecaster.config.ensemble import members_of
from forecaster.config.reader import Path
from forecaster.config.schema import ONE_SIDED, Config, Constant, Data, Model, Optimizer, Split, Window

# Behind blanks, brackets and comments.
_SELECT = re.compile(r"(?:[\s(]|--[^\n]*\n|/\*.*?\*/)*(?:select|with)\b", re.IGNORECASE | re.DOTALL)


def conflicts(config: Config, broken: set[Path]) -> list[tuple[Path, str]]:
    """Every impossible combination as (path, sentence), but those of keys in `broken`, whose values
    are not the user's.
    """
    touched = {path[:2] for path in broken}
    found = [
        *_source(config.data),
        *_calendar(config.data),
        *_features(config.data),
        *_data(config.data),
        *_model(config.model),
        *_decoder(config.model),
        *_head(config),
        *_panel(config),
        *_covariates(config),
        *_transform(config),
        *_difference(config),
        *_bounds(config.data),
        *_stack(config),
        *_window(config.window),
        *_optimizer(config.training.optimizer),
        *_training(config),
        *_ensemble(config),
        *_snapshots(config),
        *_split(config.split),
        *_rollout(config),
    ]
    return [(path, message) for path, message in found if path[:2] not in touched]


def _source(data: Data) -> Iterator[tuple[Path, str]]:
    urls = [path for path in ([data.path] if isinstance(data.path, str) else data.path) if is_url(path)]
    if any(map(has_password, urls)):
        yield ("data", "path"), f"holds a password; take it out of the URL and set it in the environment as {PASSWORD}"
    if urls and not isinstance(data.path, str):
        yield ("data", "path"), "lists a database; it is asked alone: name its URL by itself"
    elif urls and data.query is None:
        yield ("data", "path"), "names a database; say what to ask it: data.query: SELECT day, sold FROM sales"
    if data.query is not None and not urls:
        yield ("data", "query"), "is asked of a database; name its URL in data.path, such as sqlite:///sales.db"
    if data.query is not None and not _SELECT.match(data.query):
        yield ("data", "query"), "expected a SELECT, or WITH ... SELECT: nothing is ever written"


def _calendar(data: Data) -> Iterator[tuple[Path, str]]:
    if data.frequency in {"auto", "C", "sessions"}:
        return
    for key, stated in (("weekmask", data.weekmask), ("holidays", data.holidays)):
        if stated:
            yield ("data", key), f"frequency {data.frequency} reads no calendar; use frequency: C or sessions, or auto"


def _features(data: Data) -> Iterator[tuple[Path, str]]:
    """Of data.calendar: what no file of any frequency could make right."""
    found = list(clashes(data.calendar, None if data.season == "auto" else data.seasons))
    if data.time is None or data.frequency == "step":
        mend = "name their column in data.time" if data.time is None else "state their data.frequency"
        dated = [index for index, name in enumerate(data.calendar) if is_dated(name)]
        found += [(index, f"{data.calendar[index]} is read off dates; {mend}, or remove it") for index in dated]
    for index, message in sorted(found):
        yield ("data", "calendar", index), message


def _data(data: Data) -> Iterator[tuple[Path, str]]:
    if data.layout == "rows" and data.time not in {"auto", None}:
        yield ("data", "time"), "cannot go with layout: rows, whose columns are the steps; use null"
    if data.layout == "rows" and data.frequency not in {"auto", "step"}:
        yield ("data", "frequency"), f"{data.frequency} cannot go with layout: rows, which has no dates; use auto"
    if data.layout == "rows" and (data.covariates.past or data.covariates.future):
        named = "past" if data.covariates.past else "future"
        yield ("data", "covariates", named), "cannot go with layout: rows, where a row is a series; use layout: columns"
    if data.decimal == data.thousands != "auto":
        yield ("data", "thousands"), f"'{data.thousands}' cannot go with the same data.decimal; use none"
    if data.delimiter != "auto" and data.comment is not None and data.delimiter in data.comment:
        yield ("data", "comment"), f"{data.comment!r} holds data.delimiter; use another"


def _model(model: Model) -> Iterator[tuple[Path, str]]:
    if model.bidirectional and model.output == "sequence":
        yield (
            ("model", "output"),
            "sequence cannot go with bidirectional: true, whose backward half reads the answer; use output: last",
        )
    if model.decoder != "rollout" and model.output == "sequence":
        yield (
            ("model", "output"),
            f"sequence cannot go with decoder: {model.decoder}, which learns what follows the window; "
            "use decoder: rollout",
        )
    if model.normalization in {"last", "mean", "revin", "profile"} and model.output == "sequence":
        yield (
            ("model", "normalization"),
            f"{model.normalization} cannot go with output: sequence, since it tells early steps of later ones; "
            "use seasonal or none, or output: last",
        )
    if model.normalization_scale != "none" and model.normalization == "revin":
        yield ("model", "normalization_scale"), "revin has a scale of its own; remove the key, or use mean"
    if model.normalization_scale != "none" and model.output == "sequence":
        yield (
            ("model", "normalization_scale"),
            "cannot go with output: sequence, since it tells early steps of later ones; use output: last",
        )
    if model.copy_segments and model.decoder != "dense":
        yield ("model", "copy_segments"), f"decoder {model.decoder} answers step by step; use decoder: dense"
    if model.cell == "simple_rnn" and model.recurrent_activation != "sigmoid":
        yield ("model", "recurrent_activation"), "cell simple_rnn has no gates; remove the key, or use lstm or gru"


def _decoder(model: Model) -> Iterator[tuple[Path, str]]:
    decoder = model.decoder
    if model.attention != "none" and decoder not in {"dense", "seq2seq"}:
        instead = "dense" if decoder == "positional" else "seq2seq"
        yield (
            ("model", "attention"),
            f"{model.attention} cannot go with decoder: {decoder}, which keeps nothing of the window but its states; "
            f"use decoder: {instead}",
        )
    feeds_back = decoder in {"seq2seq", "context", "latent"}
    if model.scheduled_sampling and not feeds_back:
        yield (
            ("model", "scheduled_sampling"),
            f"decoder {decoder} is not trained on its own answers; remove the key, or use decoder: seq2seq",
        )
    if model.warmup and not model.scheduled_sampling and decoder != "latent":
        yield ("model", "warmup"), "nothing rises over these epochs; give scheduled_sampling, or use decoder: latent"
    if model.latent != 16 and decoder != "latent":
        yield ("model", "latent"), f"decoder {decoder} draws nothing; use decoder: latent, or remove the key"


def _head(config: Config) -> Iterator[tuple[Path, str]]:
    model, name = config.model, config.model.head
    if name in {"negative_binomial", "log_normal"} and config.scaling not in {"mean", "none"}:
        keeps = "none" if name == "negative_binomial" and config.data.several else "mean"
        yield (
            ("scaling",),
            f"{config.scaling} moves 0, below which head {name} has no values; use scaling: {keeps}",
        )
    if name == "log_normal" and config.data.gaps == "zero":
        yield ("data", "gaps"), "zero cannot go with head: log_normal, which takes numbers above 0; use interpolate"
    if name != "point" and config.training.loss != "auto":
        yield (
            ("training", "loss"),
            f"{config.training.loss} is a loss of head point; {name} has its own: use loss: auto",
        )
    if model.quantiles is not None and name != "quantile":
        yield ("model", "quantiles"), f"head {name} has a closed form; remove the key, or use head: quantile"
    if model.quantiles is not None and list(model.quantiles) != sorted(set(model.quantiles)):
        yield ("model", "quantiles"), f"{list(model.quantiles)} do not rise; write {sorted(set(model.quantiles))}"
    elif model.quantiles is not None:
        yield from _reach(config, model.quantiles)
    if model.bins != 64 and name != "categorical":
        yield ("model", "bins"), f"head {name} has no bins; remove the key, or use head: categorical"
    if config.forecast.intervals == "head" and name == "point" and model.decoder != "latent":
        yield ("forecast", "intervals"), "head cannot go with model.head: point, which has none; use conformal"


def _panel(config: Config) -> Iterator[tuple[Path, str]]:
    data, model = config.data, config.model
    if model.embedding and not data.several:
        yield ("model", "embedding"), "tells series apart, and there is one; name their column in data.series"
    if model.series_scale and not data.several:
        yield ("model", "series_scale"), "tells large series from small ones, and there is one; remove the key"
    if config.training.balance_series and not data.several:
        yield ("training", "balance_series"), "there is one series alone; use false"
    if model.channels == "joint" and not data.wide:
        yield ("model", "channels"), "joint reads several targets together; name them in data.target: [a, b]"
    if model.channels == "joint" and model.series_scale:
        yield ("model", "series_scale"), "tells series apart, which channels: joint reads together; remove the key"
    if model.head == "negative_binomial" and data.several and config.scaling == "mean":
        yield ("scaling",), f"{config.scaling} gives each series its own unit of counts; use scaling: none"


def _covariates(config: Config) -> Iterator[tuple[Path, str]]:
    data, given, decoder = config.data, config.data.covariates, config.model.decoder
    path: Path = ("data", "covariates")
    if given.past and decoder == "rollout":
        yield (
            (*path, "past"),
            "are not known of the steps that decoder rollout reads next; use decoder: seq2seq, positional or dense",
        )
    if given.static and data.series is None and data.layout == "columns":
        yield (*path, "static"), "tell series apart, and there is one; name their column in data.series"
    parts = (("time", data.time), ("target", data.target), ("series", data.series))
    roles = [(role, name) for role, names in parts for name in ([names] if isinstance(names, str) else names or ())]
    roles += [(kind, name) for kind in ("past", "future", "static") for name in getattr(given, kind)]
    seen: dict[str, str] = {}
    for role, name in roles:
        if name in seen and name not in {"auto", "*"}:
            yield path, f"column {name!r} is {seen[name]} and {role}; a column has one part"
        seen[name] = role
    for key, names in (("categorical", given.categorical), ("missing", given.missing)):
        for name in names:
            if name not in {*given.past, *given.future, *(given.static if key == "categorical" else ())}:
                yield (*path, key), f"column {name!r} is no covariate; name it in data.covariates.past or future, too"


def _transform(config: Config) -> Iterator[tuple[Path, str]]:
    data, head, name = config.data, config.model.head, config.data.transform
    path: Path = ("data", "transform")
    if name == "none":
        return
    if head == "log_normal":
        yield path, f"{name} cannot go with head: log_normal, which takes the logarithm itself; use head: normal"
    if head == "negative_binomial":
        yield path, f"{name} makes counts fractions, which head negative_binomial has not; use transform: none"
    if head == "student_t" and name != "logit":
        yield (
            path,
            f"{name} undone gives Student's t a mean without bound; use head: normal or quantile, or transform: none",
        )
    if name == "logit" and (data.minimum is None or data.maximum is None):
        missing = " and ".join(key for key in ("minimum", "maximum") if getattr(data, key) is None)
        yield path, f"logit needs both bounds; give data.{missing}, a little beyond any value, or use transform: log"
    if name in {"log", "boxcox"} and data.gaps == "zero":
        yield ("data", "gaps"), f"zero cannot go with transform: {name}, which takes numbers above 0; use interpolate"


def _difference(config: Config) -> Iterator[tuple[Path, str]]:
    model, path = config.model, ("data", "difference")
    if not config.data.difference:
        return
    if model.head in {"negative_binomial", "log_normal"}:
        yield path, f"differences fall below 0, where head {model.head} has no values; use head: normal"
    elif model.head != "point" and config.rollout == "direct":
        yield (
            path,
            f"needs whole paths to sum, and decoder {model.decoder} tells the distribution of each step by itself; "
            "use decoder: rollout or seq2seq, or head: point",
        )


def _bounds(data: Data) -> Iterator[tuple[Path, str]]:
    low, high = data.minimum, data.maximum
    if low is None and high is None:
        return
    strict = data.transform == "logit"
    if low is not None and high is not None and low >= high:
        yield ("data", "maximum"), f"{high:g} is not above data.minimum, {low:g}; exchange or correct them"
        return
    below = low is not None and (low > 0 or (strict and low == 0))
    above = high is not None and (high < 0 or (strict and high == 0))
    if data.gaps == "zero" and (below or above):
        yield ("data", "gaps"), "zero lies outside data.minimum and data.maximum; use interpolate"
    if data.duplicates == "sum" and (low, high, strict) != (0, None, False):
        yield (
            ("data", "duplicates"),
            "sum cannot go with data.minimum and data.maximum, which hold for each cell; use mean, or minimum: 0 alone",
        )


def _reach(config: Config, quantiles: Sequence[float]) -> Iterator[tuple[Path, str]]:
    """Levels beyond the outermost quantiles, which nothing was learnt of."""
    if not quantiles:
        yield ("model", "quantiles"), "is empty; give probabilities such as [0.1, 0.5, 0.9]"
    elif not quantiles[0] <= 0.5 <= quantiles[-1]:
        yield ("model", "quantiles"), "leave the median out, which stands for the forecast; add 0.5"
    elif not config.conformal:
        reach = 100 * min(1 - 2 * quantiles[0], 2 * quantiles[-1] - 1)
        beyond = [level for level in config.forecast.levels if level > reach + 1e-6]
        if beyond:
            low, high = round((1 - beyond[0] / 100) / 2, 10), round((1 + beyond[0] / 100) / 2, 10)
            yield (
                ("forecast", "levels"),
                f"{beyond[0]:g} lies beyond model.quantiles; add {low:g} and {high:g} to them, or ask for less",
            )


def _window(window: Window) -> Iterator[tuple[Path, str]]:
    if window.min_length is not None and window.min_length >= window.length:
        yield ("window", "min_length"), f"is not below window.length, {window.length}; use fewer steps, or null"


def _stack(config: Config) -> Iterator[tuple[Path, str]]:
    model, length = config.model, config.window.length
    if model.residual and len(set(model.units)) > 1:
        yield ("model", "residual"), f"needs layers of the same width, units are {list(model.units)}; make them equal"
    if model.residual and len(model.units) == 1:
        yield ("model", "residual"), "needs a second layer to add to the first; give units two numbers"
    if model.dilation and len(model.units) == 1:
        yield ("model", "dilation"), "begins with the second layer; give units two numbers or more"
    read, layers = length // model.segment, len(model.units)
    if model.dilation and 2 ** (layers - 1) >= read > 1:
        fitting = max(2, (read - 1).bit_length())
        yield (
            ("model", "dilation"),
            f"layer {layers} would go on from {2 ** (layers - 1)} steps before, and {read} are read; "
            f"use {fitting} layers or fewer, or a longer window",
        )
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
    if training.loss in {"mape", "smape"}:
        yield from _percentages(config)
    if training.sign_flip and config.model.head in ONE_SIDED:
        yield ("training", "sign_flip"), f"head {config.model.head} has no values upside down; use sign_flip: false"
    if config.model.warmup >= training.epochs:
        yield (
            ("model", "warmup"),
            f"{config.model.warmup} epochs of warm-up leave none of {training.epochs}; use fewer",
        )
    if training.schedule.warmup >= training.epochs:
        yield (
            ("training", "schedule", "warmup"),
            f"{training.schedule.warmup} epochs of warm-up leave none of {training.epochs}; use fewer",
        )


def _ensemble(config: Config) -> Iterator[tuple[Path, str]]:
    ensemble, head = config.ensemble, config.model.head
    if ensemble is None:
        return
    if ensemble.size == 1 and ensemble.vary != "seed":
        yield ("ensemble", "vary"), f"{ensemble.vary} sets several networks apart, and size is 1; give a larger size"
    if ensemble.processes > ensemble.size:
        yield ("ensemble", "processes"), f"more than ensemble.size has networks; use {ensemble.size} or fewer"
    if ensemble.vary == "loss" and head != "point":
        yield ("ensemble", "vary"), f"loss cannot go with head: {head}, which has its own; use seed or window"
    if ensemble.vary == "sign_flip" and head in ONE_SIDED:
        yield ("ensemble", "vary"), f"head {head} has no values upside down; use seed or window"
    elif ensemble.vary == "sign_flip" and config.training.sign_flip:
        yield (
            ("training", "sign_flip"),
            "ensemble.vary: sign_flip has every second network learn upside down; remove the key",
        )
    if ensemble.vary == "window" and len({member.window.length for member in members_of(config)}) < min(
        2, ensemble.size
    ):
        yield (
            ("ensemble", "vary"),
            f"this network reads no window shorter than {config.window.length} steps; use vary: seed, or a longer one",
        )


def _snapshots(config: Config) -> Iterator[tuple[Path, str]]:
    """Of a training in cycles, whose networks are those at the end of each."""
    ensemble, training = config.ensemble, config.training
    if ensemble is None or ensemble.vary != "snapshot" or ensemble.size == 1:
        return
    if ensemble.processes > 1:
        yield ("ensemble", "processes"), "snapshot goes on from one network to the next; use processes: 1"
    if training.epochs % ensemble.size:
        fitting = max(1, round(training.epochs / ensemble.size)) * ensemble.size
        yield (
            ("training", "epochs"),
            f"{training.epochs} do not divide into {ensemble.size} cycles of ensemble.vary: snapshot; use {fitting}",
        )
    elif config.model.warmup >= training.epochs // ensemble.size:
        cycle = training.epochs // ensemble.size
        yield ("model", "warmup"), f"{config.model.warmup} epochs leave none of a cycle's {cycle}; use fewer"
    if training.early_stopping is not None:
        yield ("training", "early_stopping"), "snapshot trains each cycle to its end; use early_stopping: null"
    if training.schedule != Constant():
        yield ("training", "schedule"), "snapshot has a rate of its own, a cosine for each cycle; remove the key"
    if training.averaging is not None:
        yield ("training", "averaging"), "snapshot takes the weights at the end of each cycle; use averaging: null"


def _percentages(config: Config) -> Iterator[tuple[Path, str]]:
    """What has to be so that a difference of two scaled values is the logarithm of a ratio."""
    name = config.training.loss
    if config.data.transform not in {"log", "log1p"}:
        yield ("training", "loss"), f"{name} is told by logarithms; use data.transform: log or log1p, or loss: mae"
    elif config.scaling != "none":
        yield ("training", "loss"), f"{name} is told by logarithms as they are; use scaling: none, or loss: mae"
    elif config.model.normalization_scale != "none":
        yield ("training", "loss"), f"{name} has a unit of its own; use model.normalization_scale: none, or loss: mae"


def _split(split: Split) -> Iterator[tuple[Path, str]]:
    shares = [part for part in (split.validation, split.test) if isinstance(part, float)]
    if sum(shares) >= 1:
        yield ("split", "test"), f"validation and test, {' and '.join(map(str, shares))}, leave nothing to train on"


def _rollout(config: Config) -> Iterator[tuple[Path, str]]:
    if config.forecast.rollout == "slide":
        return
    if config.model.decoder != "rollout":
        yield (
            ("forecast", "rollout"),
            f"carry is a choice of decoder: rollout alone; {config.model.decoder} has its own way: remove the key",
        )
    elif config.model.bidirectional:
        yield (
            ("forecast", "rollout"),
            "carry cannot go with model.bidirectional: true, whose backward half has no state to carry on; use slide",
        )
