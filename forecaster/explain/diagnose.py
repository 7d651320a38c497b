"""Gradient norms of a run's network before and after training."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecaster.config.ensemble import get_member
from forecaster.explain.gradient_advice import describe_gradients
from forecaster.explain.gradient_norms import GradientNorms
from forecaster.explain.state_gradients import measure_gradients
from forecaster.inputs import Inputs
from forecaster.models.weights import load_weights
from forecaster.preprocessing.covariate_features import Features
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.prepared_series import PreparedSeries
from forecaster.preprocessing.saved_preprocessing import load_preprocessing
from forecaster.preprocessing.split import Split
from forecaster.preprocessing.windows import list_window_starts
from forecaster.preprocessing.zero_shot_feature import compute_zero_shot_of_groups
from forecaster.runs import Version, load_version_at
from forecaster.training.build import initialize_network, load_initial_weights

_MAX_WINDOWS = 64  # over which norms are averaged


@dataclass(frozen=True)
class Diagnosis:
    """Gradient norms of each state of each layer before and after training, and sentences on them."""

    before: list[GradientNorms]
    after: list[GradientNorms]
    sentences: list[str]

    def to_csv(self) -> str:
        """Format one row per state and step back."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("when", "layer", "state", "steps_back", "gradient_norm"))
        for when, layers in (("before", self.before), ("after", self.after)):
            for norms in layers:
                rows = zip(norms.steps_back, norms.norms, strict=True)
                writer.writerows((when, norms.layer, norms.state, steps, f"{norm:.6g}") for steps, norm in rows)
        return text.getvalue()


def diagnose(version: Version, plan: Plan, member: int = 1) -> Diagnosis:
    """Measure the gradient of the validation loss on windows spread over the validation part.

    Args:
        plan: of the version, from `restore_plan`.
        member: network of an ensemble, from 1. Snapshots share one training, whose initial weights are the "before".

    Raises:
        UsageError: there is no such network.
        DataError: a series was not trained on, and the network embeds series.
        RunError: a file of the version was changed, or the version from which its training started is gone.
    """
    ensemble, preprocessing = plan.config.ensemble, load_preprocessing(version)
    plan = dataclasses.replace(plan, config=get_member(plan.config, member))
    first_member = 1 if ensemble is not None and ensemble.vary == "snapshot" else member
    network = initialize_network(get_member(version.config, first_member), preprocessing)
    if isinstance(source := version.manifest.get("from"), str):
        load_initial_weights(network, load_version_at(Path(source)), preprocessing.vocabulary, first_member)
    initial = [variable.numpy() for variable in network.trainable_variables]
    name = f"{version.members[member - 1]}network.weights.h5"
    try:
        load_weights(network, version.read(name))
    except ValueError as error:
        raise version.refuse(name, error) from None
    sample = _sample_windows(plan)
    after = measure_gradients(network, *sample)
    # Only trainable weights are reset: the bins of a categorical head were set before training began.
    for variable, value in zip(network.trainable_variables, initial, strict=True):
        variable.assign(value)
    before = measure_gradients(network, *sample)
    return Diagnosis(before, after, describe_gradients(before, after, plan.config))


def _sample_windows(plan: Plan) -> tuple[Inputs, np.ndarray]:
    """Sample windows, and the scaled steps after each, (windows, ahead).

    They are spread evenly over the validation parts, or over the training parts without validation.
    """
    length, ahead, before = plan.config.window.length, plan.config.steps_ahead, sum(plan.config.data.difference)
    groups = plan.groups
    parts = [_list_starts(group[0].split, length, ahead, before) for group in groups]
    owners, starts = np.repeat(np.arange(len(parts)), [len(part) for part in parts]), np.concatenate(parts)
    spread = np.unique(np.linspace(0, len(starts) - 1, _MAX_WINDOWS).round().astype(int))
    chosen = [(groups[owner], start) for owner, start in zip(owners[spread], starts[spread], strict=True)]
    rows = np.stack([_scale_steps(group, start - before, start + length + ahead)[before:] for group, start in chosen])
    window, targets = (part.reshape(len(chosen), -1) for part in (rows[:, :length], rows[:, length:]))
    firsts = [(group[0], start) for group, start in chosen]
    codes, (past, known) = (
        plan.preprocessing.encode_categories([member.series for member, _ in firsts]),
        plan.preprocessing.feature_widths,
    )
    builder = plan.features or Features()
    features = np.stack([builder.build(m.series, m.scaler, start, start + length + ahead) for m, start in firsts])
    future = [features[:, length:, past:]] if known else []
    if plan.config.model.pretrained:
        ends = np.array([start + length for _, start in chosen])
        read = [group for group, _ in chosen]
        future.append(compute_zero_shot_of_groups(read, ends, plan.config.data.seasons, ahead))
    inputs = Inputs(
        window,
        features[:, :length] if past + known else None,
        np.concatenate(future, axis=-1) if future else None,
        codes,
    )
    return inputs, targets


def _scale_steps(group: Sequence[PreparedSeries], first: int, last: int) -> np.ndarray:
    """Scale steps [first, last) of a group of channels, (steps, channels) float32."""
    rows = [member.scaler.transform(member.series.values[first:last]) for member in group]
    return np.stack(rows, axis=1).astype(np.float32)


def _list_starts(split: Split, length: int, ahead: int, before: int) -> np.ndarray:
    return list_window_starts(
        split.training_end if split.validation else before + length, split.validation_end, length, ahead
    )
