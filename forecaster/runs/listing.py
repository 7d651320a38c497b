"""What runs and their versions hold: age, errors, challenge, data and size; of damaged ones, what is wrong."""

import datetime
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forecaster.config import Config
from forecaster.errors import ForecasterError, RunError
from forecaster.problems import Problem
from forecaster.runs.checkpoints import find_differences
from forecaster.runs.promotion import find_previous, read_challenge, read_pin, read_promotions
from forecaster.runs.versions import (
    Version,
    list_versions,
    load_version,
    load_version_at,
    read_current,
    read_version_time,
)

_BASELINE_FREE = {"model", "network_alone"}


@dataclass(frozen=True)
class VersionSummary:
    """A version of a run.

    Attributes:
        name: of its folder.
        problem: what is wrong with it; empty where nothing is.
        trained_at: ISO 8601, UTC; empty where its name has no time.
        size: bytes on disk.
        promoted_at: when it was last put into use; empty where it never was, or that is not recorded.
        in_use, previous, pinned: whether it is in use, is what a rollback puts into use, is pinned.
        measure, error: the error on the test part of its training; None where there is none.
        baseline, baseline_error: the best baseline there.
        challenge: how it compared with the version in use when it was trained.
        data: what it was trained on: path, first and last timestamp, series, steps.
        config: None where it cannot be read.
    """

    name: str
    problem: str = ""
    trained_at: str = ""
    size: int = 0
    promoted_at: str = ""
    in_use: bool = False
    previous: bool = False
    pinned: bool = False
    measure: str = ""
    error: float | None = None
    baseline: str = ""
    baseline_error: float | None = None
    challenge: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    config: Config | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON values; settings are in the version's config.yaml."""
        kept = ("outcome", "champion", "promote", "rule", "margin")
        values = {name: value for name, value in vars(self).items() if name not in {"config", "challenge", "data"}}
        challenge = {key: self.challenge[key] for key in kept if key in self.challenge}
        values["challenge"] = json.loads(json.dumps(challenge), parse_constant=str) or None
        return {**values, "data": dict(self.data) or None}


@dataclass(frozen=True)
class RunSummary:
    """A run folder.

    Attributes:
        run: the folder.
        problem: what is wrong with it; empty where nothing is.
        size: bytes on disk, with checkpoints and versions that are not in use.
        versions: how many there are.
        pinned: whether trainings leave the version in use.
        current: the version in use; None where there is none.
    """

    run: Path
    problem: str = ""
    size: int = 0
    versions: int = 0
    pinned: bool = False
    current: VersionSummary | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON values."""
        current = None if self.current is None else self.current.to_json()
        return {**vars(self), "run": str(self.run), "current": current}


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, finished or not."""
    return (folder / "versions").is_dir() or os.path.lexists(folder / "current")


def find_runs(folder: Path) -> list[Path]:
    """Find the runs in a folder, by name.

    Raises:
        RunError: there is no such folder, or it cannot be read.
    """
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir() and is_run(each))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(Problem("unreadable-run", str(folder), detail={"reason": reason})) from None


def summarize_run(run: Path) -> RunSummary:
    """Summarize a run; what is wrong with it is its `problem`."""
    problem, current, pinned = "", None, False
    try:
        pinned = read_pin(run) is not None
        version = load_version(run)
        current = _summarize(run, version)
    except ForecasterError as error:
        problem = str(error)
    if current is not None:
        problem = current.problem
    return RunSummary(run, problem, measure_size(run), len(list_versions(run)), pinned, current)


def summarize_versions(run: Path) -> list[VersionSummary]:
    """Summarize each version of a run, from the newest to the oldest; damaged ones have a `problem`.

    Raises:
        RunError: the folder is no run.
    """
    names = list_versions(run)[::-1]
    if not names:
        load_version(run)
    return [summarize_version(run, name) for name in names]


def summarize_version(run: Path, name: str) -> VersionSummary:
    """Summarize a version; what is wrong with it is its `problem`."""
    path = run / "versions" / name
    try:
        return _summarize(run, load_version_at(path))
    except ForecasterError as error:
        return VersionSummary(name, str(error), size=measure_size(path), **_find_role(run, name))


def _summarize(run: Path, version: Version) -> VersionSummary:
    """Summarize a version whose files are verified."""
    name, problem = version.path.name, ""
    found: dict[str, Any] = {}
    try:
        found["data"] = _read_data_record(version)
        found["config"] = version.config
        found["challenge"] = read_challenge(version) or {}
        found |= _find_errors(version)
    except ForecasterError as error:
        problem = str(error)
    return VersionSummary(name, problem, size=measure_size(version.path), **_find_role(run, name), **found)


def _find_role(run: Path, name: str) -> dict[str, Any]:
    """Find when a version was trained and promoted, and what it is to its run."""
    time, promoted = read_version_time(name), [each.at for each in read_promotions(run) if each.version == name]
    role: dict[str, Any] = {"trained_at": "" if time is None else time.isoformat()}
    role["promoted_at"] = promoted[-1] if promoted else ""
    try:
        role["in_use"] = read_current(run) == name
        role["previous"] = find_previous(run) == name
        role["pinned"] = read_pin(run) == name
    except RunError:
        pass
    return role


def _read_data_record(version: Version) -> dict[str, Any]:
    """Read what a version was trained on from its manifest, which may come from elsewhere."""
    data = version.manifest.get("data")
    kinds = {"path": str, "first": str, "last": str, "series": int, "steps": int}
    return {key: data[key] for key, kind in kinds.items() if isinstance(data, dict) and type(data.get(key)) is kind}


def _find_errors(version: Version) -> dict[str, Any]:
    """Find the error of a version and of the best baseline on its test part."""
    try:
        scores = version.metrics["scores"] if "metrics.json" in version.manifest["files"] else {}
        if not scores:
            return {}
        measure = "mase" if "mase" in scores["model"] else "mae"
        others = {name: float(row[measure]) for name, row in scores.items() if name not in _BASELINE_FREE}
        best = min(others, key=lambda name: others[name], default="")
        error = float(scores["model"][measure])
        if not all(map(math.isfinite, [error, *others.values()])):
            raise ValueError(f"errors that are not finite: {error}, {others}")
        return {"measure": measure, "error": error, "baseline": best, "baseline_error": others.get(best)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise version.refuse("metrics.json", repr(error)) from None


def measure_size(folder: Path) -> int:
    """Measure the bytes of the files below a folder; links are not followed."""
    return sum(_measure_files(folder))


def _measure_files(folder: Path) -> Iterator[int]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _measure_files(Path(entry.path))
                else:
                    yield entry.stat(follow_symlinks=False).st_size
    except (OSError, ValueError):  # removed meanwhile, or not readable
        return


def find_setting_changes(config: Config, other: Config) -> dict[str, tuple[Any, Any]]:
    """Find the settings that differ between two configs: by dotted key, the value of each."""
    one, two = config.model_dump(mode="json"), other.model_dump(mode="json")
    return {key: (_get(one, key), _get(two, key)) for key in find_differences(one, two)}


def _get(values: Any, key: str) -> Any:
    """Get a value by its dotted key; None where it is missing."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def compute_age(summary: VersionSummary, now: datetime.datetime) -> datetime.timedelta | None:
    """Compute the time since a version was trained; None where that is not known."""
    return now - datetime.datetime.fromisoformat(summary.trained_at) if summary.trained_at else None
