"""Combinations of valid values that cannot work together."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from forecaster.config.calendar_names import find_clashes, is_dated
from forecaster.config.database_urls import PASSWORD, has_password, is_url
from forecaster.config.ensemble import list_members
from forecaster.config.reader import KeyProblem, Path, Repairs
from forecaster.config.schema import ONE_SIDED, Config, Constant, Data, Model, Optimizer, Window

# Behind blanks, brackets and comments.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)  # texts, names and comments
_SEVERAL = re.compile(r";\s*\S")  # statements
_SELECT = re.compile(r"(?:[\s(]|--[^\n]*\n|/\*.*?\*/)*(?:select|with)\b", re.IGNORECASE | re.DOTALL)


def find_conflicts(config: Config, broken: set[Path]) -> list[KeyProblem]:
    """Find every impossible combination, but those of keys in `broken`, whose values are not the user's."""
    touched = {path[:2] for path in broken}
    found = [
        *_check_source(config.data),
        *_check_calendar(config.data),
        *_check_features(config.data),
        *_check_data(config.data),
        *_check_model(config.model),
        *_check_decoder(config.model),
        *_check_head(config),
        *_check_panel(config),
        *_check_covariates(config),
        *_check_transform(config),
        *_check_difference(config),
        *_check_bounds(config.data),
        *_check_stack(config),
        *_check_window(config.window),
        *_check_optimizer(config.training.optimizer),
        *_check_training(config),
        *_check_ensemble(config),
        *_check_snapshots(config),
        *_check_split(config),
        *_check_rollout(config),
    ]
    return [conflict for conflict in found if conflict.path[:2] not in touched]


def _conflict(key: str, code: str, *repairs: Mapping[str, Any], **detail: Any) -> KeyProblem:
    """Report a key; `detail` fills the template of the code."""
    return KeyProblem(tuple(key.split(".")), code, detail, repairs)


def _check_source(data: Data) -> Iterator[KeyProblem]:
    urls = [path for path in ([data.path] if isinstance(data.path, str) else data.path) if is_url(path)]
    if any(map(has_password, urls)):
        yield _conflict("data.path", "password-in-url", variable=PASSWORD)
    if urls and not isinstance(data.path, str):
        yield _conflict("data.path", "database-in-list")
    elif urls and data.query is None:
        yield _conflict("data.path", "database-without-query")
    if data.query is not None and not urls:
        yield _conflict("data.query", "query-without-database")
    if data.query is not None and (not _SELECT.match(data.query) or _SEVERAL.search(_QUOTED.sub("", data.query))):
        yield _conflict("data.query", "not-a-select")


def _check_calendar(data: Data) -> Iterator[KeyProblem]:
    if data.frequency in {"auto", "C", "sessions"}:
        return
    for key, stated in (("weekmask", data.weekmask), ("holidays", data.holidays)):
        if stated:
            repairs = tuple({"data.frequency": each} for each in ("C", "sessions", "auto"))
            yield _conflict(f"data.{key}", "calendar-without-days", *repairs, frequency=data.frequency)


def _check_features(data: Data) -> Iterator[KeyProblem]:
    """Of data.calendar: what no file of any frequency could make right."""
    found = [
        KeyProblem(("data", "calendar", index), code, detail)
        for index, code, detail in find_clashes(data.calendar, None if data.season == "auto" else data.seasons)
    ]
    if data.time is None or data.frequency == "step":
        for index, name in enumerate(data.calendar):
            if is_dated(name):
                detail = {"name": name, "key": "data.time" if data.time is None else "data.frequency"}
                found.append(KeyProblem(("data", "calendar", index), "calendar-without-dates", detail))
    yield from sorted(found, key=lambda conflict: int(conflict.path[2]))


def _check_data(data: Data) -> Iterator[KeyProblem]:
    rows = data.layout == "rows"
    if rows and data.time not in {"auto", None}:
        yield _conflict("data.time", "time-with-layout-rows", {"data.time": None})
    if rows and data.frequency not in {"auto", "step"}:
        detail, repairs = {"frequency": data.frequency}, ({"data.frequency": "auto"},)
        yield _conflict("data.frequency", "frequency-with-layout-rows", *repairs, **detail)
    if data.layout != "columns" and (data.covariates.past or data.covariates.future):
        named = "past" if data.covariates.past else "future"
        yield _conflict(f"data.covariates.{named}", "covariates-with-layout-rows", {"data.layout": "columns"})
    if data.decimal == data.thousands != "auto":
        yield _conflict("data.thousands", "same-mark", {"data.thousands": "none"}, mark=data.thousands)
    if data.delimiter != "auto" and data.comment is not None and data.delimiter in data.comment:
        yield _conflict("data.comment", "comment-holds-delimiter", comment=data.comment)


def _check_model(model: Model) -> Iterator[KeyProblem]:
    last, sequence = {"model.output": "last"}, model.output == "sequence"
    repairs: Repairs
    if model.bidirectional and sequence:
        yield _conflict("model.output", "sequence-bidirectional", last)
    if model.decoder != "rollout" and sequence:
        yield _conflict("model.output", "sequence-without-rollout", {"model.decoder": "rollout"}, decoder=model.decoder)
    if model.normalization in {"last", "mean", "revin", "profile"} and sequence:
        repairs = ({"model.normalization": "seasonal"}, {"model.normalization": "none"}, last)
        yield _conflict("model.normalization", "normalization-leaks", *repairs, normalization=model.normalization)
    if model.normalization_scale != "none" and model.normalization == "revin":
        yield _conflict("model.normalization_scale", "revin-has-scale", {"model.normalization": "mean"})
    if model.normalization_scale != "none" and sequence:
        yield _conflict("model.normalization_scale", "scale-leaks", last)
    if model.copy_segments and model.decoder != "dense":
        dense = {"model.decoder": "dense"}
        yield _conflict("model.copy_segments", "copy-segments-needs-dense", dense, decoder=model.decoder)
    if model.linear and model.decoder not in {"dense", "positional"}:
        repairs = ({"model.decoder": "dense"}, {"model.decoder": "positional"})
        yield _conflict("model.linear", "linear-needs-direct-decoder", *repairs, decoder=model.decoder)
    if model.pretrained and model.decoder == "rollout":
        repairs = tuple({"model.decoder": each} for each in ("dense", "positional", "seq2seq"))
        yield _conflict("model.pretrained", "pretrained-in-rollout", *repairs)
    if model.pretrained and model.copy_segments:
        repairs = ({"model.copy_segments": False}, {"model.pretrained": False})
        yield _conflict("model.copy_segments", "copy-segments-of-pretrained", *repairs)
    if model.cell == "simple_rnn" and model.recurrent_activation != "sigmoid":
        repairs = ({"model.cell": "lstm"}, {"model.cell": "gru"})
        yield _conflict("model.recurrent_activation", "cell-without-gates", *repairs)


def _check_decoder(model: Model) -> Iterator[KeyProblem]:
    decoder = model.decoder
    detail = {"decoder": decoder}
    seq2seq, latent = {"model.decoder": "seq2seq"}, {"model.decoder": "latent"}
    if model.attention != "none" and decoder not in {"dense", "seq2seq"}:
        instead = {"model.decoder": "dense"} if decoder == "positional" else seq2seq
        yield _conflict("model.attention", "attention-needs-states", instead, **detail, attention=model.attention)
    if model.scheduled_sampling and decoder not in {"seq2seq", "context", "latent"}:
        yield _conflict("model.scheduled_sampling", "sampling-needs-feedback", seq2seq, **detail)
    if model.warmup and not model.scheduled_sampling and decoder != "latent":
        yield _conflict("model.warmup", "warmup-of-nothing", {"model.scheduled_sampling": 0.5}, latent)
    if model.latent != 16 and decoder != "latent":
        yield _conflict("model.latent", "latent-needs-decoder", latent, **detail)


def _check_head(config: Config) -> Iterator[KeyProblem]:
    model, name = config.model, config.model.head
    detail = {"head": name}
    if name in {"negative_binomial", "log_normal"} and config.scaling_method not in {"mean", "none"}:
        keeps = "none" if name == "negative_binomial" and config.data.several else "mean"
        yield _conflict("scaling", "scaling-moves-zero", {"scaling": keeps}, **detail, scaling=config.scaling_method)
    if name == "log_normal" and config.data.gaps == "zero":
        yield _conflict("data.gaps", "zero-gaps-with-head", {"data.gaps": "interpolate"}, **detail)
    if name != "point" and config.training.loss != "auto":
        loss = {**detail, "loss": config.training.loss}
        yield _conflict("training.loss", "head-has-loss", {"training.loss": "auto"}, **loss)
    if model.quantiles is not None and name != "quantile":
        yield _conflict("model.quantiles", "head-without-quantiles", {"model.head": "quantile"}, **detail)
    if model.quantiles is not None and list(model.quantiles) != sorted(set(model.quantiles)):
        rising = {"quantiles": list(model.quantiles), "rising": sorted(set(model.quantiles))}
        yield _conflict("model.quantiles", "quantiles-not-rising", {"model.quantiles": rising["rising"]}, **rising)
    elif model.quantiles is not None:
        yield from _check_reach(config, model.quantiles)
    if model.bins != 64 and name != "categorical":
        yield _conflict("model.bins", "head-without-bins", {"model.head": "categorical"}, **detail)
    if config.forecast.intervals == "head" and name == "point" and model.decoder != "latent":
        yield _conflict("forecast.intervals", "head-without-intervals", {"forecast.intervals": "conformal"})


def _check_panel(config: Config) -> Iterator[KeyProblem]:
    data, model = config.data, config.model
    if model.embedding and not data.several:
        yield _conflict("model.embedding", "embedding-of-one-series")
    if model.series_scale and not data.several:
        yield _conflict("model.series_scale", "scale-of-one-series", {"model.series_scale": False})
    if config.training.balance_series and not data.several:
        yield _conflict("training.balance_series", "balance-of-one-series", {"training.balance_series": False})
    yield from _check_hierarchy(config)
    if model.channels == "joint" and not data.wide:
        yield _conflict("model.channels", "joint-of-one-target")
    if model.channels == "joint" and model.series_scale:
        yield _conflict("model.series_scale", "scale-of-joint-channels", {"model.series_scale": False})
    if model.head == "negative_binomial" and data.several and config.scaling_method == "mean":
        yield _conflict("scaling", "scaling-of-counts", {"scaling": "none"}, scaling=config.scaling_method)


def _check_hierarchy(config: Config) -> Iterator[KeyProblem]:
    data, hierarchy = config.data, config.data.hierarchy
    if not hierarchy:
        return
    nested = all(isinstance(column, str) for column in hierarchy)
    named = [column for level in hierarchy for column in ([level] if isinstance(level, str) else level)]
    if (nested and list(data.ids) != named) or not set(named) <= set(data.ids):
        columns = list(dict.fromkeys([*named, *data.ids]))
        yield _conflict("data.hierarchy", "hierarchy-of-other-ids", {"data.series": columns}, columns=named)
    if data.wide:
        yield _conflict("data.hierarchy", "hierarchy-of-several-targets", {"data.hierarchy": None})
    if data.covariates.static:
        yield _conflict("data.covariates.static", "hierarchy-with-static", {"data.covariates.static": []})
    if config.forecast.reconcile == "top_down" and not nested:
        repairs = ({"forecast.reconcile": "mint"}, {"forecast.reconcile": "bottom_up"})
        yield _conflict("forecast.reconcile", "top-down-of-groups", *repairs)


def _check_covariates(config: Config) -> Iterator[KeyProblem]:
    data, given, decoder = config.data, config.data.covariates, config.model.decoder
    path = "data.covariates"
    if given.past and decoder == "rollout":
        repairs = tuple({"model.decoder": each} for each in ("seq2seq", "positional", "dense"))
        yield _conflict(f"{path}.past", "past-covariates-in-rollout", *repairs)
    if given.static and data.series is None and data.layout == "columns":
        yield _conflict(f"{path}.static", "static-covariates-of-one-series")
    parts = (("time", data.time), ("target", data.target), ("series", data.series))
    roles = [(role, name) for role, names in parts for name in ([names] if isinstance(names, str) else names or ())]
    roles += [(kind, name) for kind in ("past", "future", "static") for name in getattr(given, kind)]
    seen: dict[str, str] = {}
    for role, name in roles:
        if name in seen and name not in {"auto", "*"}:
            yield _conflict(path, "column-has-two-roles", name=name, roles=[seen[name], role])
        seen[name] = role
    for key, names in (("categorical", given.categorical), ("missing", given.missing)):
        for name in names:
            if name not in {*given.past, *given.future, *(given.static if key == "categorical" else ())}:
                yield _conflict(f"{path}.{key}", "not-a-covariate", name=name)


def _check_transform(config: Config) -> Iterator[KeyProblem]:
    data, head, name = config.data, config.model.head, config.data.transform
    path = "data.transform"
    detail, none = {"transform": name, "head": head}, {"data.transform": "none"}
    if name == "none":
        return
    if head == "log_normal":
        yield _conflict(path, "transform-with-log-normal", {"model.head": "normal"}, **detail)
    if head == "negative_binomial":
        yield _conflict(path, "transform-of-counts", none, **detail)
    if head == "student_t" and name != "logit":
        repairs = ({"model.head": "normal"}, {"model.head": "quantile"}, none)
        yield _conflict(path, "transform-with-student-t", *repairs, **detail)
    if name == "logit" and (data.minimum is None or data.maximum is None):
        missing = [f"data.{key}" for key in ("minimum", "maximum") if getattr(data, key) is None]
        yield _conflict(path, "logit-without-bounds", {"data.transform": "log"}, missing=missing)
    if name in {"log", "boxcox"} and data.gaps == "zero":
        yield _conflict("data.gaps", "zero-gaps-with-transform", {"data.gaps": "interpolate"}, **detail)


def _check_difference(config: Config) -> Iterator[KeyProblem]:
    model, path = config.model, "data.difference"
    if not config.data.difference:
        return
    if model.head in {"negative_binomial", "log_normal"}:
        yield _conflict(path, "difference-with-head", {"model.head": "normal"}, head=model.head)
    elif model.head != "point" and config.rollout == "direct":
        repairs = ({"model.decoder": "rollout"}, {"model.decoder": "seq2seq"}, {"model.head": "point"})
        yield _conflict(path, "difference-without-paths", *repairs, decoder=model.decoder)


def _check_bounds(data: Data) -> Iterator[KeyProblem]:
    low, high = data.minimum, data.maximum
    if low is None and high is None:
        return
    strict = data.transform == "logit"
    if low is not None and high is not None and low >= high:
        yield _conflict("data.maximum", "maximum-below-minimum", minimum=low, maximum=high)
        return
    below = low is not None and (low > 0 or (strict and low == 0))
    above = high is not None and (high < 0 or (strict and high == 0))
    if data.gaps == "zero" and (below or above):
        yield _conflict("data.gaps", "zero-gaps-outside-bounds", {"data.gaps": "interpolate"})
    if data.duplicates == "sum" and (low, high, strict) != (0, None, False):
        yield _conflict("data.duplicates", "sum-with-bounds", {"data.duplicates": "mean"})


def _check_reach(config: Config, quantiles: Sequence[float]) -> Iterator[KeyProblem]:
    """Find levels beyond the outermost quantiles, which the network does not learn."""
    path = "model.quantiles"
    if not quantiles:
        yield _conflict(path, "quantiles-empty", {"model.quantiles": [0.1, 0.5, 0.9]})
    elif not quantiles[0] <= 0.5 <= quantiles[-1]:
        yield _conflict(path, "quantiles-without-median")
    elif not config.conformal:
        reach = 100 * min(1 - 2 * quantiles[0], 2 * quantiles[-1] - 1)
        beyond = [level for level in config.forecast.levels if level > reach + 1e-6]
        if beyond:
            low, high = round((1 - beyond[0] / 100) / 2, 10), round((1 + beyond[0] / 100) / 2, 10)
            yield _conflict("forecast.levels", "level-beyond-quantiles", level=beyond[0], low=low, high=high)


def _check_window(window: Window) -> Iterator[KeyProblem]:
    if window.min_length is not None and window.min_length >= window.length:
        yield _conflict("window.min_length", "min-length-too-long", {"window.min_length": None}, length=window.length)


def _check_stack(config: Config) -> Iterator[KeyProblem]:
    model, length = config.model, config.window.length
    if model.residual and len(set(model.units)) > 1:
        yield _conflict("model.residual", "residual-of-unequal-layers", units=list(model.units))
    if model.residual and len(model.units) == 1:
        yield _conflict("model.residual", "residual-of-one-layer")
    if model.dilation and len(model.units) == 1:
        yield _conflict("model.dilation", "dilation-of-one-layer")
    read, layers = length // model.segment, len(model.units)
    if model.dilation and 2 ** (layers - 1) >= read > 1:
        detail = {"layer": layers, "distance": 2 ** (layers - 1), "read": read}
        yield _conflict("model.dilation", "dilation-beyond-window", **detail, most=max(2, (read - 1).bit_length()))
    if model.merge != "concat" and not model.bidirectional:
        yield _conflict("model.merge", "merge-of-one-direction", {"model.bidirectional": True}, merge=model.merge)
    if length % model.segment:
        down, up = length - length % model.segment, length + model.segment - length % model.segment
        repairs = tuple({"window.length": steps} for steps in (down, up) if steps)
        yield _conflict("model.segment", "window-not-in-segments", *repairs, window=length, segment=model.segment)
    elif model.decoder == "rollout" and length < 2 * model.segment:
        yield _conflict("model.segment", "rollout-of-one-segment", steps=2 * model.segment)


def _check_optimizer(optimizer: Optimizer) -> Iterator[KeyProblem]:
    path = "training.optimizer"
    if optimizer.clip_value is not None and optimizer.clip_norm is not None:
        yield _conflict(f"{path}.clip_value", "clipped-twice", {f"{path}.clip_norm": None})
    if optimizer.momentum and optimizer.name not in {"sgd", "rmsprop"}:
        repairs = ({f"{path}.name": "sgd"}, {f"{path}.name": "rmsprop"})
        yield _conflict(f"{path}.momentum", "optimizer-without-momentum", *repairs, optimizer=optimizer.name)
    if optimizer.nesterov and (optimizer.name != "sgd" or not optimizer.momentum):
        yield _conflict(f"{path}.nesterov", "nesterov-without-sgd", {f"{path}.name": "sgd", f"{path}.momentum": 0.9})


def _check_training(config: Config) -> Iterator[KeyProblem]:
    training = config.training
    if training.schedule.name == "plateau" and config.split.validation == 0:
        yield _conflict("training.schedule.name", "plateau-without-validation")
    if training.loss in {"mape", "smape"}:
        yield from _check_percentages(config)
    if training.sign_flip and config.model.head in ONE_SIDED:
        yield _conflict("training.sign_flip", "one-sided-head", {"training.sign_flip": False}, head=config.model.head)
    if config.model.warmup >= training.epochs:
        yield _conflict("model.warmup", "warmup-too-long", warmup=config.model.warmup, epochs=training.epochs)
    if training.schedule.warmup >= training.epochs:
        detail = {"warmup": training.schedule.warmup, "epochs": training.epochs}
        yield _conflict("training.schedule.warmup", "warmup-too-long", **detail)


def _check_ensemble(config: Config) -> Iterator[KeyProblem]:
    ensemble, head = config.ensemble, config.model.head
    if ensemble is None:
        return
    path, seeds = "ensemble.vary", ({"ensemble.vary": "seed"}, {"ensemble.vary": "window"})
    if ensemble.size == 1 and ensemble.vary != "seed":
        yield _conflict(path, "ensemble-of-one", vary=ensemble.vary)
    if ensemble.processes > ensemble.size:
        yield _conflict("ensemble.processes", "more-processes-than-networks", {"ensemble.processes": ensemble.size})
    if ensemble.vary == "loss" and head != "point":
        yield _conflict(path, "losses-with-head", *seeds, head=head)
    if ensemble.vary == "sign_flip" and head in ONE_SIDED:
        yield _conflict(path, "one-sided-head", *seeds, head=head)
    elif ensemble.vary == "sign_flip" and config.training.sign_flip:
        yield _conflict("training.sign_flip", "sign-flipped-twice", {"training.sign_flip": False})
    if ensemble.vary == "start" and not config.model.pretrained:
        yield _conflict(path, "start-without-pretrained", {"model.pretrained": True}, *seeds)
    if ensemble.vary == "shards" and not config.data.several:
        yield _conflict(path, "shards-of-one-series", *seeds)
    elif ensemble.vary == "shards" and config.model.embedding:
        yield _conflict("model.embedding", "shards-with-embedding", {"model.embedding": 0})
    lengths = {member.window.length for member in list_members(config)} if ensemble.vary == "window" else set()
    if ensemble.vary == "window" and len(lengths) < min(2, ensemble.size):
        yield _conflict(path, "window-cannot-be-shorter", {"ensemble.vary": "seed"}, window=config.window.length)


def _check_snapshots(config: Config) -> Iterator[KeyProblem]:
    """Find conflicts of a training in cycles, whose networks are those at the end of each."""
    ensemble, training = config.ensemble, config.training
    if ensemble is None or ensemble.vary != "snapshot" or ensemble.size == 1:
        return
    if ensemble.processes > 1:
        yield _conflict("ensemble.processes", "snapshots-in-processes", {"ensemble.processes": 1})
    if training.epochs % ensemble.size:
        fitting = max(1, round(training.epochs / ensemble.size)) * ensemble.size
        detail, repairs = {"epochs": training.epochs, "cycles": ensemble.size}, ({"training.epochs": fitting},)
        yield _conflict("training.epochs", "epochs-not-in-cycles", *repairs, **detail)
    elif config.model.warmup >= training.epochs // ensemble.size:
        detail = {"warmup": config.model.warmup, "cycle": training.epochs // ensemble.size}
        yield _conflict("model.warmup", "warmup-longer-than-cycle", **detail)
    if training.early_stopping is not None:
        yield _conflict("training.early_stopping", "snapshots-stop-early", {"training.early_stopping": None})
    if training.schedule != Constant():
        yield _conflict("training.schedule", "snapshots-have-schedule")
    if training.averaging is not None:
        yield _conflict("training.averaging", "snapshots-are-averaged", {"training.averaging": None})


def _check_percentages(config: Config) -> Iterator[KeyProblem]:
    """Find what keeps the difference of two scaled values from being the logarithm of a ratio."""
    path, detail, mae = "training.loss", {"loss": config.training.loss}, {"training.loss": "mae"}
    if config.data.transform not in {"log", "log1p"}:
        repairs = ({"data.transform": "log"}, {"data.transform": "log1p"}, mae)
        yield _conflict(path, "percentage-without-logarithm", *repairs, **detail)
    elif config.scaling_method != "none":
        yield _conflict(path, "percentage-with-scaling", {"scaling": "none"}, mae, **detail)
    elif config.model.normalization_scale != "none":
        yield _conflict(path, "percentage-with-scale", {"model.normalization_scale": "none"}, mae, **detail)


def _check_split(config: Config) -> Iterator[KeyProblem]:
    parts = {"validation": config.split.validation, "test": config.split.test}
    shares = [part for part in parts.values() if isinstance(part, float)]
    if sum(shares) >= 1:
        yield _conflict("split.test", "nothing-to-train-on", shares=shares)
    for name, ahead in (("validation", config.steps_ahead), ("test", config.window.horizon)):
        if isinstance(parts[name], int) and 0 < parts[name] < ahead:
            key = f"split.{name}"
            yield _conflict(key, "part-too-short", {key: ahead}, {key: 0}, part=name, steps=parts[name], ahead=ahead)


def _check_rollout(config: Config) -> Iterator[KeyProblem]:
    if config.forecast.rollout != "carry":
        return
    path, slide = "forecast.rollout", {"forecast.rollout": "slide"}
    if config.model.decoder != "rollout":
        yield _conflict(path, "carry-without-rollout", slide, decoder=config.model.decoder)
    elif config.model.bidirectional:
        yield _conflict(path, "carry-bidirectional", slide)
