"""The files of a version: weights, calibration, metrics, pictures, and the record of the training."""

import csv
import importlib.metadata
import io
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from forecaster import __version__
from forecaster.config.ensemble import list_members
from forecaster.config.schema import Config
from forecaster.config.template import render_commented_yaml
from forecaster.data.sources.files import name_source
from forecaster.errors import DataError
from forecaster.evaluation.calibrate import measure_calibration
from forecaster.evaluation.held_out import forecast_last_horizon, score_test_part
from forecaster.evaluation.hierarchy_errors import measure_joint_errors
from forecaster.evaluation.rollout_choice import choose_rollout
from forecaster.evaluation.validation_score import build_held_out_score
from forecaster.forecasting.calibration import encode_calibration
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.forecasting.plausibility import ConstantRuns, measure_all_runs, measure_runs, select_observed
from forecaster.forecasting.plots import count_history_steps, plot_forecast
from forecaster.forecasting.predictor import Predictor
from forecaster.forecasting.reconciliation import (
    PastErrors,
    build_reconciler,
    encode_reconciliation,
    fit_reconciliation,
    is_reconciled,
)
from forecaster.forecasting.training_range import measure_ranges
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.prepared_series import SERIES_PER_BLOCK
from forecaster.pretrained.zero_shot import hash_network
from forecaster.reporting.figures import count_shown, render_figure
from forecaster.runs import BEFORE_REFIT, list_member_folders
from forecaster.runs.json_files import encode_json
from forecaster.training.model_card import MODEL_CARD, render_model_card
from forecaster.training.plots import LossCurve, plot_loss, plot_losses
from forecaster.training.trainer import Course, Epoch, Progress
from forecaster.wording import count_steps

_GRAPHS, _HISTORY = ("encode.onnx", "decode.onnx"), "history.csv"
_PROCESSES = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


_LOSS_NAMES = {"mse": "mean squared error", "mae": "mean absolute error", "huber": "Huber", "log_cosh": "log-cosh"}
_LIBRARIES = ("keras", "tensorflow", "numpy", "pandas", "onnx", "onnxruntime")


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network.

    Attributes:
        files: its graphs, weights and history.
        progress: losses by epoch.
        course: of its training, which a refit repeats.
        state: of its trainer at the end.
    """

    files: dict[str, bytes]
    progress: Progress
    course: Course
    state: bytes


@dataclass(frozen=True)
class Refit:
    """The networks of a plan trained once more, on all parts of its series.

    Attributes:
        networks: in their order.
        error, error_before: MASE on validation and test part, which these networks have seen, and that of those before.
    """

    networks: Sequence[TrainedNetwork]
    error: float
    error_before: float

    @property
    def is_better(self) -> bool:
        """Whether the new networks fit the rows that were added at least as well as those that had not seen them."""
        return self.error <= self.error_before

    def to_json(self) -> dict[str, Any]:
        """Convert to the JSON values of `metrics.json`."""
        return {"used": self.is_better, "mase": self.error, "mase_before": self.error_before}


def choose_config(plan: Plan, trained: Sequence[TrainedNetwork]) -> Config:
    """Choose what a config leaves open until its networks are trained."""
    return choose_rollout(plan, _open_networks(trained))


def build_predictor(plan: Plan, trained: Sequence[TrainedNetwork]) -> Predictor:
    """Build the predictor of trained networks, and calibrate it on the validation part."""
    predictor = _build_uncalibrated(plan, trained)
    return replace(predictor, calibration=measure_calibration(plan, predictor))


def build_refit(plan: Plan, networks: Sequence[TrainedNetwork], before: Predictor) -> Refit | None:
    """Build the refit of networks that were trained on all parts of a plan's series; None where nothing was added.

    Residuals and weights cannot be measured on rows that a network has seen, so they are those of the networks before.

    Args:
        plan: of the training.
        networks: trained once more.
        before: the predictor of the networks before.

    Raises:
        Diverged: a forecast became infinite or NaN.
    """
    try:
        score = build_held_out_score(plan)
    except DataError:  # every held-out value was filled, so that nothing was added
        return None
    predictor = replace(_build_uncalibrated(plan, networks), calibration=before.calibration)
    return Refit(networks, score.score(plan, predictor), score.score(plan, before))


def _build_uncalibrated(plan: Plan, trained: Sequence[TrainedNetwork]) -> Predictor:
    return Predictor.from_networks(_open_networks(trained), plan.config, plan.preprocessing)


def _open_networks(trained: Sequence[TrainedNetwork]) -> list[OnnxNetwork]:
    return [OnnxNetwork(each.files["encode.onnx"], each.files["decode.onnx"]) for each in trained]


def measure_past_errors(plan: Plan, predictor: Predictor) -> PastErrors | None:
    """Measure what reconciles the forecasts of a hierarchy in validation; None where nothing is reconciled.

    Raises:
        MissingExtra, UsageError: as `fit_reconciliation`.
    """
    if not is_reconciled(plan.config):
        return None
    return fit_reconciliation(plan.config, plan.members.names, measure_joint_errors(plan, predictor))


def measure_errors(
    plan: Plan, trained: Sequence[TrainedNetwork], predictor: Predictor, past: PastErrors | None
) -> dict[str, Any]:
    """Measure the test errors of trained networks for `metrics.json`, and describe the networks.

    Args:
        plan, trained, predictor: of the training.
        past: what reconciles their forecasts.
    """
    reconciler = None if past is None else build_reconciler(plan.config, past.names, past)
    metrics = score_test_part(plan, predictor, reconciler)
    if len(trained) > 1:
        metrics["members"] = _describe_members(plan, trained)
    fallback = predictor.calibration.fallback
    if fallback is not None and fallback.weights:
        metrics["fallback"] = {
            "forecasters": list(fallback.forecasters),
            "weights": {name: list(weights) for name, weights in fallback.weights.items()},
            "horizons": fallback.horizons,
        }
    return metrics


def build_version_files(
    plan: Plan,
    trained: Sequence[TrainedNetwork],
    predictor: Predictor,
    past: PastErrors | None,
    name: str,
    metrics: Mapping[str, Any],
    refit: Refit | None = None,
) -> dict[str, bytes]:
    """Build every file of the version.

    Args:
        plan: of the training.
        trained: its networks.
        predictor: of the networks.
        past: what reconciles their forecasts.
        name: of the run.
        metrics: of the networks.
        refit: of the networks; they are kept next to it where it is better, since the errors are theirs.
    """
    config = plan.config
    splits = plan.members.splits
    measured = _measure_known_parts(plan)
    ends = {"trained_until": _find_ends(plan, [split.validation_end for split in splits]), **measured}
    is_refit = refit is not None and refit.is_better
    if is_refit:
        ends[BEFORE_REFIT] = ends["trained_until"]
        ends["trained_until"] = _find_ends(plan, [split.steps for split in splits])
    return {
        "config.yaml": render_commented_yaml(config, "forecast train config.yaml").encode(),
        "preprocessing.json": encode_json({**plan.preprocessing.to_json(), **ends, **_record_zero_shot(config)}),
        **encode_calibration(predictor.calibration),
        **({} if past is None else encode_reconciliation(past)),
        "metrics.json": encode_json(metrics),
        MODEL_CARD: render_model_card(plan, name, metrics, is_refit),
        "loss.png": _plot_losses(plan, trained, name),
        "forecast.png": _plot_last_forecast(plan, predictor, name),
        **_collect_network_files(trained, refit.networks if refit is not None and refit.is_better else None),
    }


def _find_ends(plan: Plan, steps: Sequence[int]) -> dict[str, str]:
    """Find the last timestamp of the first `steps` steps of each series, by its name."""
    times = plan.members.find_timestamps(count - 1 for count in steps)
    return dict(zip(plan.members.names, map(str, times), strict=True))


def _measure_known_parts(plan: Plan) -> dict[str, dict[str, Any]]:
    """Measure the values of each series before its test part, by its name: its range and its runs of equal values."""
    members, padding = plan.members, plan.config.padding_steps
    ranges: list[list[float]] = []
    runs: list[ConstantRuns] = []
    for block, values in members.panel.iterate_blocks(members.numbers, SERIES_PER_BLOCK):
        some, ends = members[block], [split.validation_end for split in members.splits[block]]
        if len(set(ends)) == 1 and all(member.series.observed is None for member in some):
            known = values[:, padding : ends[0]]  # (series, steps)
            ranges += measure_ranges(known)
            runs += measure_all_runs(known)
            continue
        for member, end in zip(some, ends, strict=True):
            series = member.series.cut(padding, end)
            ranges += measure_ranges(series.values[None])
            runs.append(measure_runs(select_observed(series)))
    names = members.names
    return {"ranges": dict(zip(names, ranges, strict=True)), "constant_runs": dict(zip(names, runs, strict=True))}


def _collect_network_files(
    trained: Sequence[TrainedNetwork], refitted: Sequence[TrainedNetwork] | None
) -> dict[str, bytes]:
    """Collect the files of networks; with those of a refit, of the networks before it the graphs and the history."""
    files: dict[str, bytes] = {}
    for number, folder in enumerate(list_member_folders(len(trained))):
        own = trained[number].files
        files |= {f"{folder}{name}": content for name, content in own.items()}
        if refitted is not None:
            again = {name: content for name, content in refitted[number].files.items() if name != _HISTORY}
            files |= {f"{folder}{name}": content for name, content in again.items()}
            files |= {f"{BEFORE_REFIT}/{folder}{name}": own[name] for name in _GRAPHS}
    return files


def _record_zero_shot(config: Config) -> dict[str, str]:
    """Record the network whose zero-shot forecasts a run was trained on, for `load_predictor`."""
    return {"zero_shot": hash_network()} if config.model.pretrained else {}


def _describe_members(plan: Plan, trained: Sequence[TrainedNetwork]) -> list[dict[str, Any]]:
    """Describe each network of an ensemble for `metrics.json`."""
    return [
        {
            "seed": config.training.seed,
            "window": config.window.length,
            "loss": config.loss,
            "epoch": each.progress.best_epoch,
            "validation_loss": each.progress.history[each.progress.best_epoch - 1].validation_loss,
        }
        for config, each in zip(list_members(plan.config), trained, strict=True)
    ]


def _plot_losses(plan: Plan, trained: Sequence[TrainedNetwork], name: str) -> bytes:
    """Plot the losses by epoch of every network."""
    title, kinds = f"{name}: loss by epoch", list(dict.fromkeys(config.loss for config in list_members(plan.config)))
    unit = f"loss ({', '.join(_LOSS_NAMES.get(kind, kind) for kind in kinds)}, scaled units)"
    curves = [
        LossCurve(
            [row.loss for row in each.progress.history],
            [row.validation_loss for row in each.progress.history],
            each.progress.best_epoch,
        )
        for each in trained
    ]
    return render_figure(plot_loss(*curves[0], title, unit) if len(curves) == 1 else plot_losses(curves, title, unit))


def _plot_last_forecast(plan: Plan, predictor: Predictor, name: str) -> bytes:
    """Plot the forecast of the last `horizon` steps of the first series, held out where there is a test part."""
    member = plan.members[0]
    forecast = forecast_last_horizon(plan, predictor)
    series = member.series.cut(plan.config.padding_steps, len(member.series))
    values = pd.Series(series.values, series.timestamps)
    steps, count = len(forecast.mean), len(plan.members)
    several = plan.config.data.several
    kind = "held out" if member.split.test else "part of the training data"
    last = count_steps(steps, series.frequency)
    subject = f"{name}, {series.name}" if several else name
    figure = plot_forecast(
        values.iloc[:-steps].iloc[-count_history_steps(steps) :],
        forecast,
        f"{subject}: forecast of the last {last} ({kind}){count_shown(1, count)}",
        series.target,
        values.iloc[-steps:],
    )
    return render_figure(figure)


def format_history(history: list[Epoch]) -> bytes:
    """Write the losses of each epoch as the bytes of a CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Epoch.__dataclass_fields__)
    for row in history:
        validation = "" if row.validation_loss is None else row.validation_loss
        writer.writerow([row.epoch, row.loss, validation, row.learning_rate, round(row.seconds, 3)])
    return text.getvalue().encode()


def record_training(plan: Plan, started: float, data: str) -> dict[str, Any]:
    """Record a training, of data with a hash, for the manifest."""
    lengths, (first, last) = [len(member.series) for member in plan.members], plan.members.find_span()
    return {
        "forecaster": __version__,
        "python": sys.version.split()[0],
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "seed": plan.config.training.seed,
        "data": {
            "path": name_source(plan.config.data.path),
            "sha256": data,
            "series": len(lengths),
            "steps": sum(lengths),
            "first": str(first),
            "last": str(last),
        },
        "wall_seconds": round(time.monotonic() - started, 2),
        "peak_memory_mb": round(max(resource.getrusage(who).ru_maxrss for who in _PROCESSES) / 1024, 1),
    }
