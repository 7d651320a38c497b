"""The gradient flow of a run's network, before and after its training."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecaster.config.ensemble import member_of
from forecaster.errors import RunError
from forecaster.explain.gradient_advice import verdict
from forecaster.explain.gradient_norms import GradientNorms
from forecaster.explain.state_gradients import measure_gradients
from forecaster.inputs import Inputs
from forecaster.models import Network
from forecaster.models.weights import load_weights
from forecaster.preprocessing.covariate_features import Features
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.prepared_series import PreparedSeries
from forecaster.preprocessing.saved_preprocessing import load_preprocessing
from forecaster.preprocessing.split import Split
from forecaster.preprocessing.windows import list_window_starts
from forecaster.runs import Version, load_version_at
from forecaster.training.build import initialize_network, load_initial_weights

_WINDOWS = 64  # that the norms are a mean of, at most


@dataclass(frozen=True)
class Diagnosis:
    """The flow through each state of each layer before and after training, and what it means in words."""

    before: list[GradientNorms]
    after: list[GradientNorms]
    verdict: list[str]

    def to_csv(self) -> str:
        """A row for each state and step back."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("when", "layer", "state", "steps_back", "gradient_norm"))
        for when, flows in (("before", self.before), ("after", self.after)):
            for flow in flows:
                rows = zip(flow.steps_back, flow.norms, strict=True)
                writer.writerows((when, flow.layer, flow.state, steps, f"{norm:.6g}") for steps, norm in rows)
        return text.getvalue()


def diagnose(version: Version, plan: Plan, member: int = 1) -> Diagnosis:
    """Measure the flow of the validation loss's gradient, over windows spread through the validation part.

    Args:
        plan: `restore_plan` the version.
        member: which network of an ensemble, from 1. Snapshots are of one training: what is before is its beginning.

    Raises:
        UsageError: there is no such network.
        DataError: a series was not trained on, and the network has learnt each by itself.
        RunError: one of the version's files cannot be what was written, or the version that its training started
            from is gone.
    """
    ensemble, kept = plan.config.ensemble, load_preprocessing(version)
    plan = dataclasses.replace(plan, config=member_of(plan.config, member))
    began = 1 if ensemble is not None and ensemble.vary == "snapshot" else member
    network = initialize_network(member_of(version.config, began), kept)
    if source := version.manifest.get("from"):
        load_initial_weights(network, load_version_at(Path(source)), kept.vocabulary, began)
    initial = [variable.numpy() for variable in network.trainable_variables]
    _load(network, version, version.members[member - 1])
    sample = _sample(plan)
    after = measure_gradients(network, *sample)
    # What is no weight, such as the bins of a head, comes from the training part: the training began with it, too.
    for variable, value in zip(network.trainable_variables, initial, strict=True):
        variable.assign(value)
    before = measure_gradients(network, *sample)
    return Diagnosis(before, after, verdict(before, after, plan.config))


def _load(network: Network, version: Version, folder: str) -> None:
    try:
        load_weights(network, version.read(f"{folder}network.weights.h5"))
    except Exception as error:  # whatever HDF5 and Keras say of bytes that are not theirs
        raise RunError(f"{version.path}: its files were changed after training: {error}") from None


def _sample(plan: Plan) -> tuple[Inputs, np.ndarray]:
    """What the network reads of some windows, and the scaled steps after each (windows, ahead).

    They are spread over the validation parts, or over the training parts where there is no validation.
    """
    length, ahead, before = plan.config.window.length, plan.config.steps_ahead, sum(plan.config.data.difference)
    groups = plan.groups
    parts = [_starts(group[0].split, length, ahead, before) for group in groups]
    owners, starts = np.repeat(np.arange(len(parts)), [len(part) for part in parts]), np.concatenate(parts)
    spread = np.unique(np.linspace(0, len(starts) - 1, _WINDOWS).round().astype(int))
    chosen = [(groups[owner], start) for owner, start in zip(owners[spread], starts[spread], strict=True)]
    rows = np.stack([_scaled(group, start - before, start + length + ahead)[before:] for group, start in chosen])
    window, targets = (part.reshape(len(chosen), -1) for part in (rows[:, :length], rows[:, length:]))
    firsts = [(group[0], start) for group, start in chosen]
    codes, (past, known) = (
        plan.preprocessing.encode_categories([member.series for member, _ in firsts]),
        plan.preprocessing.feature_widths,
    )
    told = plan.features or Features()
    features = np.stack([told.build(m.series, m.scaler, start, start + length + ahead) for m, start in firsts])
    inputs = Inputs(
        window,
        features[:, :length] if past + known else None,
        features[:, length:, past:] if known else None,
        codes,
    )
    return inputs, targets


def _scaled(group: Sequence[PreparedSeries], first: int, last: int) -> np.ndarray:
    """Some steps of series that are read together, (steps, channels) float32."""
    rows = [member.scaler.transform(member.series.values[first:last]) for member in group]
    return np.stack(rows, axis=1).astype(np.float32)


def _starts(split: Split, length: int, ahead: int, before: int) -> np.ndarray:
    return list_window_starts(
        split.training_end if split.validation else before + length, split.validation_end, length, ahead
    )
