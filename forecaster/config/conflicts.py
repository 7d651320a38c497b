"""Combinations of valid values that cannot work together."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from forecaster.config.calendar_names import find_clashes, is_dated
from forecaster.config.database_urls import PASSWORD, has_password, is_url
from forecaster.config.ensemble import list_members
from forecaster.config.reader import KeyProblem, Path, Repairs
from forecaster.config.schema import ONE_SIDED, Config, Constant, Data, Model, Optimizer, Split, Window

# Behind blanks, brackets and comments.
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
        *_check_split(config.split),
        *_check_rollout(config),
    ]
    return [conflict for conflict in found if conflict.path[:2] not in touched]


def _check_source(data: Data) -> Iterator[KeyProblem]:
    urls = [path for path in ([data.path] if isinstance(data.path, str) else data.path) if is_url(path)]
    if any(map(has_password, urls)):
        yield KeyProblem(("data", "path"), "password-in-url", {"variable": PASSWORD})
    if urls and not isinstance(data.path, str):
        yield KeyProblem(("data", "path"), "database-in-list")
    elif urls and data.query is None:
        yield KeyProblem(("data", "path"), "database-without-query")
    if data.query is not None and not urls:
        yield KeyProblem(("data", "query"), "query-without-database")
    if data.query is not None and not _SELECT.match(data.query):
        yield KeyProblem(("data", "query"), "not-a-select")


def _check_calendar(data: Data) -> Iterator[KeyProblem]:
    if data.frequency in {"auto", "C", "sessions"}:
        return
    for key, stated in (("weekmask", data.weekmask), ("holidays", data.holidays)):
        if stated:
            repairs = tuple({"data.frequency": each} for each in ("C", "sessions", "auto"))
            yield KeyProblem(("data", key), "calendar-without-days", {"frequency": data.frequency}, repairs)


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
        yield KeyProblem(("data", "time"), "time-with-layout-rows", repairs=({"data.time": None},))
    if rows and data.frequency not in {"auto", "step"}:
        detail, repairs = {"frequency": data.frequency}, ({"data.frequency": "auto"},)
        yield KeyProblem(("data", "frequency"), "frequency-with-layout-rows", detail, repairs)
    if rows and (data.covariates.past or data.covariates.future):
        named = "past" if data.covariates.past else "future"
        repairs = ({"data.layout": "columns"},)
        yield KeyProblem(("data", "covariates", named), "covariates-with-layout-rows", repairs=repairs)
    if data.decimal == data.thousands != "auto":
        detail, none = {"mark": data.thousands}, ({"data.thousands": "none"},)
        yield KeyProblem(("data", "thousands"), "same-mark", detail, none)
    if data.delimiter != "auto" and data.comment is not None and data.delimiter in data.comment:
        yield KeyProblem(("data", "comment"), "comment-holds-delimiter", {"comment": data.comment})


def _check_model(model: Model) -> Iterator[KeyProblem]:
    last, sequence = {"model.output": "last"}, model.output == "sequence"
    detail: dict[str, Any]
    repairs: Repairs
    if model.bidirectional and sequence:
        yield KeyProblem(("model", "output"), "sequence-bidirectional", repairs=(last,))
    if model.decoder != "rollout" and sequence:
        detail, repairs = {"decoder": model.decoder}, ({"model.decoder": "rollout"},)
        yield KeyProblem(("model", "output"), "sequence-without-rollout", detail, repairs)
    if model.normalization in {"last", "mean", "revin", "profile"} and sequence:
        detail = {"normalization": model.normalization}
        repairs = ({"model.normalization": "seasonal"}, {"model.normalization": "none"}, last)
        yield KeyProblem(("model", "normalization"), "normalization-leaks", detail, repairs)
    if model.normalization_scale != "none" and model.normalization == "revin":
        yield KeyProblem(
            ("model", "normalization_scale"), "revin-has-scale", repairs=({"model.normalization": "mean"},)
        )
    if model.normalization_scale != "none" and sequence:
        yield KeyProblem(("model", "normalization_scale"), "scale-leaks", repairs=(last,))
    if model.copy_segments and model.decoder != "dense":
        detail, repairs = {"decoder": model.decoder}, ({"model.decoder": "dense"},)
        yield KeyProblem(("model", "copy_segments"), "copy-segments-needs-dense", detail, repairs)
    if model.cell == "simple_rnn" and model.recurrent_activation != "sigmoid":
        repairs = ({"model.cell": "lstm"}, {"model.cell": "gru"})
        yield KeyProblem(("model", "recurrent_activation"), "cell-without-gates", repairs=repairs)


def _check_decoder(model: Model) -> Iterator[KeyProblem]:
    decoder = model.decoder
    detail = {"decoder": decoder}
    seq2seq, latent = {"model.decoder": "seq2seq"}, {"model.decoder": "latent"}
    if model.attention != "none" and decoder not in {"dense", "seq2seq"}:
        instead = {"model.decoder": "dense"} if decoder == "positional" else seq2seq
        yield KeyProblem(
            ("model", "attention"), "attention-needs-states", {**detail, "attention": model.attention}, (instead,)
        )
    if model.scheduled_sampling and decoder not in {"seq2seq", "context", "latent"}:
        yield KeyProblem(("model", "scheduled_sampling"), "sampling-needs-feedback", detail, (seq2seq,))
    if model.warmup and not model.scheduled_sampling and decoder != "latent":
        yield KeyProblem(("model", "warmup"), "warmup-of-nothing", repairs=({"model.scheduled_sampling": 0.5}, latent))
    if model.latent != 16 and decoder != "latent":
        yield KeyProblem(("model", "latent"), "latent-needs-decoder", detail, (latent,))


def _check_head(config: Config) -> Iterator[KeyProblem]:
    model, name = config.model, config.model.head
    detail = {"head": name}
    if name in {"negative_binomial", "log_normal"} and config.scaling not in {"mean", "none"}:
        keeps = "none" if name == "negative_binomial" and config.data.several else "mean"
        yield KeyProblem(
            ("scaling",), "scaling-moves-zero", {**detail, "scaling": config.scaling}, ({"scaling": keeps},)
        )
    if name == "log_normal" and config.data.gaps == "zero":
        yield KeyProblem(("data", "gaps"), "zero-gaps-with-head", detail, ({"data.gaps": "interpolate"},))
    if name != "point" and config.training.loss != "auto":
        loss = {**detail, "loss": config.training.loss}
        yield KeyProblem(("training", "loss"), "head-has-loss", loss, ({"training.loss": "auto"},))
    if model.quantiles is not None and name != "quantile":
        yield KeyProblem(("model", "quantiles"), "head-without-quantiles", detail, ({"model.head": "quantile"},))
    if model.quantiles is not None and list(model.quantiles) != sorted(set(model.quantiles)):
        rising = {"quantiles": list(model.quantiles), "rising": sorted(set(model.quantiles))}
        yield KeyProblem(
            ("model", "quantiles"), "quantiles-not-rising", rising, ({"model.quantiles": rising["rising"]},)
        )
    elif model.quantiles is not None:
        yield from _check_reach(config, model.quantiles)
    if model.bins != 64 and name != "categorical":
        yield KeyProblem(("model", "bins"), "head-without-bins", detail, ({"model.head": "categorical"},))
    if config.forecast.intervals == "head" and name == "point" and model.decoder != "latent":
        yield KeyProblem(
            ("forecast", "intervals"), "head-without-intervals", repairs=({"forecast.intervals": "conformal"},)
        )


def _check_panel(config: Config) -> Iterator[KeyProblem]:
    data, model = config.data, config.model
    if model.embedding and not data.several:
        yield KeyProblem(("model", "embedding"), "embedding-of-one-series")
    if model.series_scale and not data.several:
        yield KeyProblem(("model", "series_scale"), "scale-of-one-series", repairs=({"model.series_scale": False},))
    if config.training.balance_series and not data.several:
        repairs = ({"training.balance_series": False},)
        yield KeyProblem(("training", "balance_series"), "balance-of-one-series", repairs=repairs)
    if model.channels == "joint" and not data.wide:
        yield KeyProblem(("model", "channels"), "joint-of-one-target")
    if model.channels == "joint" and model.series_scale:
        yield KeyProblem(("model", "series_scale"), "scale-of-joint-channels", repairs=({"model.series_scale": False},))
    if model.head == "negative_binomial" and data.several and config.scaling == "mean":
        yield KeyProblem(("scaling",), "scaling-of-counts", {"scaling": config.scaling}, ({"scaling": "none"},))


def _check_covariates(config: Config) -> Iterator[KeyProblem]:
    data, given, decoder = config.data, config.data.covariates, config.model.decoder
    path: Path = ("data", "covariates")
    if given.past and decoder == "rollout":
        repairs = tuple({"model.decoder": each} for each in ("seq2seq", "positional", "dense"))
        yield KeyProblem((*path, "past"), "past-covariates-in-rollout", repairs=repairs)
    if given.static and data.series is None and data.layout == "columns":
        yield KeyProblem((*path, "static"), "static-covariates-of-one-series")
    parts = (("time", data.time), ("target", data.target), ("series", data.series))
    roles = [(role, name) for role, names in parts for name in ([names] if isinstance(names, str) else names or ())]
    roles += [(kind, name) for kind in ("past", "future", "static") for name in getattr(given, kind)]
    seen: dict[str, str] = {}
    for role, name in roles:
        if name in seen and name not in {"auto", "*"}:
            yield KeyProblem(path, "column-has-two-roles", {"name": name, "roles": [seen[name], role]})
        seen[name] = role
    for key, names in (("categorical", given.categorical), ("missing", given.missing)):
        for name in names:
            if name not in {*given.past, *given.future, *(given.static if key == "categorical" else ())}:
                yield KeyProblem((*path, key), "not-a-covariate", {"name": name})


def _check_transform(config: Config) -> Iterator[KeyProblem]:
    data, head, name = config.data, config.model.head, config.data.transform
    path: Path = ("data", "transform")
    detail, none = {"transform": name, "head": head}, {"data.transform": "none"}
    if name == "none":
        return
    if head == "log_normal":
        yield KeyProblem(path, "transform-with-log-normal", detail, ({"model.head": "normal"},))
    if head == "negative_binomial":
        yield KeyProblem(path, "transform-of-counts", detail, (none,))
    if head == "student_t" and name != "logit":
        repairs = ({"model.head": "normal"}, {"model.head": "quantile"}, none)
        yield KeyProblem(path, "transform-with-student-t", detail, repairs)
    if name == "logit" and (data.minimum is None or data.maximum is None):
        missing = [f"data.{key}" for key in ("minimum", "maximum") if getattr(data, key) is None]
        yield KeyProblem(path, "logit-without-bounds", {"missing": missing}, ({"data.transform": "log"},))
    if name in {"log", "boxcox"} and data.gaps == "zero":
        yield KeyProblem(("data", "gaps"), "zero-gaps-with-transform", detail, ({"data.gaps": "interpolate"},))


def _check_difference(config: Config) -> Iterator[KeyProblem]:
    model, path = config.model, ("data", "difference")
    if not config.data.difference:
        return
    if model.head in {"negative_binomial", "log_normal"}:
        yield KeyProblem(path, "difference-with-head", {"head": model.head}, ({"model.head": "normal"},))
    elif model.head != "point" and config.rollout == "direct":
        repairs = ({"model.decoder": "rollout"}, {"model.decoder": "seq2seq"}, {"model.head": "point"})
        yield KeyProblem(path, "difference-without-paths", {"decoder": model.decoder}, repairs)


def _check_bounds(data: Data) -> Iterator[KeyProblem]:
    low, high = data.minimum, data.maximum
    if low is None and high is None:
        return
    strict = data.transform == "logit"
    if low is not None and high is not None and low >= high:
        yield KeyProblem(("data", "maximum"), "maximum-below-minimum", {"minimum": low, "maximum": high})
        return
    below = low is not None and (low > 0 or (strict and low == 0))
    above = high is not None and (high < 0 or (strict and high == 0))
    if data.gaps == "zero" and (below or above):
        yield KeyProblem(("data", "gaps"), "zero-gaps-outside-bounds", repairs=({"data.gaps": "interpolate"},))
    if data.duplicates == "sum" and (low, high, strict) != (0, None, False):
        yield KeyProblem(("data", "duplicates"), "sum-with-bounds", repairs=({"data.duplicates": "mean"},))


def _check_reach(config: Config, quantiles: Sequence[float]) -> Iterator[KeyProblem]:
    """Find levels beyond the outermost quantiles, which the network does not learn."""
    path = ("model", "quantiles")
    if not quantiles:
        yield KeyProblem(path, "quantiles-empty", repairs=({"model.quantiles": [0.1, 0.5, 0.9]},))
    elif not quantiles[0] <= 0.5 <= quantiles[-1]:
        yield KeyProblem(path, "quantiles-without-median")
    elif not config.conformal:
        reach = 100 * min(1 - 2 * quantiles[0], 2 * quantiles[-1] - 1)
        beyond = [level for level in config.forecast.levels if level > reach + 1e-6]
        if beyond:
            low, high = round((1 - beyond[0] / 100) / 2, 10), round((1 + beyond[0] / 100) / 2, 10)
            detail = {"level": beyond[0], "low": low, "high": high}
            yield KeyProblem(("forecast", "levels"), "level-beyond-quantiles", detail)


def _check_window(window: Window) -> Iterator[KeyProblem]:
    if window.min_length is not None and window.min_length >= window.length:
        detail, repairs = {"length": window.length}, ({"window.min_length": None},)
        yield KeyProblem(("window", "min_length"), "min-length-too-long", detail, repairs)


def _check_stack(config: Config) -> Iterator[KeyProblem]:
    model, length = config.model, config.window.length
    if model.residual and len(set(model.units)) > 1:
        yield KeyProblem(("model", "residual"), "residual-of-unequal-layers", {"units": list(model.units)})
    if model.residual and len(model.units) == 1:
        yield KeyProblem(("model", "residual"), "residual-of-one-layer")
    if model.dilation and len(model.units) == 1:
        yield KeyProblem(("model", "dilation"), "dilation-of-one-layer")
    read, layers = length // model.segment, len(model.units)
    if model.dilation and 2 ** (layers - 1) >= read > 1:
        detail = {"layer": layers, "distance": 2 ** (layers - 1), "read": read}
        yield KeyProblem(
            ("model", "dilation"), "dilation-beyond-window", {**detail, "most": max(2, (read - 1).bit_length())}
        )
    if model.merge != "concat" and not model.bidirectional:
        detail = {"merge": model.merge}
        yield KeyProblem(("model", "merge"), "merge-of-one-direction", detail, ({"model.bidirectional": True},))
    if length % model.segment:
        down, up = length - length % model.segment, length + model.segment - length % model.segment
        repairs = tuple({"window.length": steps} for steps in (down, up) if steps)
        yield KeyProblem(
            ("model", "segment"), "window-not-in-segments", {"window": length, "segment": model.segment}, repairs
        )
    elif model.decoder == "rollout" and length < 2 * model.segment:
        yield KeyProblem(("model", "segment"), "rollout-of-one-segment", {"steps": 2 * model.segment})


def _check_optimizer(optimizer: Optimizer) -> Iterator[KeyProblem]:
    path: Path = ("training", "optimizer")
    key = "training.optimizer"
    if optimizer.clip_value is not None and optimizer.clip_norm is not None:
        yield KeyProblem((*path, "clip_value"), "clipped-twice", repairs=({f"{key}.clip_norm": None},))
    if optimizer.momentum and optimizer.name not in {"sgd", "rmsprop"}:
        repairs = ({f"{key}.name": "sgd"}, {f"{key}.name": "rmsprop"})
        yield KeyProblem((*path, "momentum"), "optimizer-without-momentum", {"optimizer": optimizer.name}, repairs)
    if optimizer.nesterov and (optimizer.name != "sgd" or not optimizer.momentum):
        yield KeyProblem(
            (*path, "nesterov"), "nesterov-without-sgd", repairs=({f"{key}.name": "sgd", f"{key}.momentum": 0.9},)
        )


def _check_training(config: Config) -> Iterator[KeyProblem]:
    training = config.training
    if training.schedule.name == "plateau" and config.split.validation == 0:
        yield KeyProblem(("training", "schedule", "name"), "plateau-without-validation")
    if training.loss in {"mape", "smape"}:
        yield from _check_percentages(config)
    if training.sign_flip and config.model.head in ONE_SIDED:
        repairs = ({"training.sign_flip": False},)
        yield KeyProblem(("training", "sign_flip"), "one-sided-head", {"head": config.model.head}, repairs)
    if config.model.warmup >= training.epochs:
        yield KeyProblem(
            ("model", "warmup"), "warmup-too-long", {"warmup": config.model.warmup, "epochs": training.epochs}
        )
    if training.schedule.warmup >= training.epochs:
        detail = {"warmup": training.schedule.warmup, "epochs": training.epochs}
        yield KeyProblem(("training", "schedule", "warmup"), "warmup-too-long", detail)


def _check_ensemble(config: Config) -> Iterator[KeyProblem]:
    ensemble, head = config.ensemble, config.model.head
    if ensemble is None:
        return
    path, seeds = ("ensemble", "vary"), ({"ensemble.vary": "seed"}, {"ensemble.vary": "window"})
    if ensemble.size == 1 and ensemble.vary != "seed":
        yield KeyProblem(path, "ensemble-of-one", {"vary": ensemble.vary})
    if ensemble.processes > ensemble.size:
        repairs = ({"ensemble.processes": ensemble.size},)
        yield KeyProblem(("ensemble", "processes"), "more-processes-than-networks", repairs=repairs)
    if ensemble.vary == "loss" and head != "point":
        yield KeyProblem(path, "losses-with-head", {"head": head}, seeds)
    if ensemble.vary == "sign_flip" and head in ONE_SIDED:
        yield KeyProblem(path, "one-sided-head", {"head": head}, seeds)
    elif ensemble.vary == "sign_flip" and config.training.sign_flip:
        repairs = ({"training.sign_flip": False},)
        yield KeyProblem(("training", "sign_flip"), "sign-flipped-twice", repairs=repairs)
    lengths = {member.window.length for member in list_members(config)} if ensemble.vary == "window" else set()
    if ensemble.vary == "window" and len(lengths) < min(2, ensemble.size):
        detail = {"window": config.window.length}
        yield KeyProblem(path, "window-cannot-be-shorter", detail, ({"ensemble.vary": "seed"},))


def _check_snapshots(config: Config) -> Iterator[KeyProblem]:
    """Find conflicts of a training in cycles, whose networks are those at the end of each."""
    ensemble, training = config.ensemble, config.training
    if ensemble is None or ensemble.vary != "snapshot" or ensemble.size == 1:
        return
    if ensemble.processes > 1:
        yield KeyProblem(("ensemble", "processes"), "snapshots-in-processes", repairs=({"ensemble.processes": 1},))
    if training.epochs % ensemble.size:
        fitting = max(1, round(training.epochs / ensemble.size)) * ensemble.size
        detail, repairs = {"epochs": training.epochs, "cycles": ensemble.size}, ({"training.epochs": fitting},)
        yield KeyProblem(("training", "epochs"), "epochs-not-in-cycles", detail, repairs)
    elif config.model.warmup >= training.epochs // ensemble.size:
        detail = {"warmup": config.model.warmup, "cycle": training.epochs // ensemble.size}
        yield KeyProblem(("model", "warmup"), "warmup-longer-than-cycle", detail)
    if training.early_stopping is not None:
        last = ({"training.early_stopping": None},)
        yield KeyProblem(("training", "early_stopping"), "snapshots-stop-early", repairs=last)
    if training.schedule != Constant():
        yield KeyProblem(("training", "schedule"), "snapshots-have-schedule")
    if training.averaging is not None:
        yield KeyProblem(("training", "averaging"), "snapshots-are-averaged", repairs=({"training.averaging": None},))


def _check_percentages(config: Config) -> Iterator[KeyProblem]:
    """Find what keeps the difference of two scaled values from being the logarithm of a ratio."""
    path, detail, mae = ("training", "loss"), {"loss": config.training.loss}, {"training.loss": "mae"}
    if config.data.transform not in {"log", "log1p"}:
        repairs = ({"data.transform": "log"}, {"data.transform": "log1p"}, mae)
        yield KeyProblem(path, "percentage-without-logarithm", detail, repairs)
    elif config.scaling != "none":
        yield KeyProblem(path, "percentage-with-scaling", detail, ({"scaling": "none"}, mae))
    elif config.model.normalization_scale != "none":
        yield KeyProblem(path, "percentage-with-scale", detail, ({"model.normalization_scale": "none"}, mae))


def _check_split(split: Split) -> Iterator[KeyProblem]:
    shares = [part for part in (split.validation, split.test) if isinstance(part, float)]
    if sum(shares) >= 1:
        yield KeyProblem(("split", "test"), "nothing-to-train-on", {"shares": shares})


def _check_rollout(config: Config) -> Iterator[KeyProblem]:
    if config.forecast.rollout == "slide":
        return
    path, slide = ("forecast", "rollout"), ({"forecast.rollout": "slide"},)
    if config.model.decoder != "rollout":
        yield KeyProblem(path, "carry-without-rollout", {"decoder": config.model.decoder}, slide)
    elif config.model.bidirectional:
        yield KeyProblem(path, "carry-bidirectional", repairs=slide)
