"""What a tracker records of a training, read from the version that it made."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from forecaster.runs import Version

_EPOCH, _SKIPPED = "epoch", "seconds"


@dataclass(frozen=True)
class TrainingRecord:
    """A training as a tracker takes it.

    Attributes:
        run, version: their names.
        parameters: every key of the resolved config, dotted, as text.
        scores: errors on the test part by `forecaster/metric`, as `model/mase`.
        curves: by name, such as `loss` or `member_2/loss`: the values of each epoch, from 1.
    """

    run: str
    version: str
    parameters: Mapping[str, str]
    scores: Mapping[str, float]
    curves: Mapping[str, list[tuple[int, float]]]

    @classmethod
    def from_version(cls, version: Version) -> "TrainingRecord":
        """Read the record of a version.

        Raises:
            RunError: a file of the version is damaged.
        """
        scores = {
            f"{name}/{metric}": float(value)
            for name, row in version.metrics.get("scores", {}).items()
            for metric, value in row.items()
        }
        curves: dict[str, list[tuple[int, float]]] = {}
        for number, folder in enumerate(version.members, 1):
            prefix = f"member_{number}/" if len(version.members) > 1 else ""
            curves |= _read_curves(version.read(f"{folder}history.csv").decode(), prefix)
        run = version.path.parent.parent.resolve().name
        parameters = dict(_flatten(version.config.model_dump(mode="json")))
        return cls(run, version.path.name, parameters, scores, curves)


def _flatten(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Flatten nested values to dotted keys with texts."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value)


def _read_curves(history: str, prefix: str) -> dict[str, list[tuple[int, float]]]:
    """Read the curves of a network's `history.csv`, without cells that are empty."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in csv.DictReader(io.StringIO(history)):
        for name, value in list_curves(row):
            curves.setdefault(f"{prefix}{name}", []).append((int(row[_EPOCH]), value))
    return curves


def list_curves(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """List the values of an epoch by curve: all of its row in `history.csv` that is given, but its number and time."""
    for name, cell in row.items():
        if cell not in {None, ""} and name not in {_EPOCH, _SKIPPED}:
            yield name, float(cell)
