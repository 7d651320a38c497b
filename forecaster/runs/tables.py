"""Tables of runs, of the versions of one run, and of what is kept of them."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forecaster.config.reader import format_value
from forecaster.reporting.tables import format_table
from forecaster.runs.listing import RunSummary, VersionSummary, compute_age, find_setting_changes
from forecaster.runs.retention import KeptVersion
from forecaster.wording import count_of, format_timestamp, name_duration

_OUTCOMES = {
    "first": "first",
    "not-worse": "not worse",
    "worse": "worse",
    "no-common-rows": "no rows",
    "not-comparable": "not comparable",
    "unreadable": "not comparable",
}
_REASONS = {"before": "for rollback", "other": "no time in its name"}


def format_runs(runs: Sequence[RunSummary], now: datetime.datetime) -> str:
    """Format a row for each run, and below them what is wrong with some."""
    if not runs:
        return "no runs\n"
    head = ("run", "version in use", "age", "error", "best baseline", "versions", "size", "data until", "")
    rows = [(str(each.run), *_describe_run(each, now)) for each in runs]
    return "\n".join([format_table([head, *rows]), *_list_problems(runs)]) + "\n"


def _describe_run(run: RunSummary, now: datetime.datetime) -> tuple[object, ...]:
    size, mark = format_size(run.size), "pinned" if run.pinned else ""
    if run.current is None:
        return "-", "-", "-", "-", run.versions, size, "-", "damaged"
    current = run.current
    mark = "damaged" if run.problem else mark
    return (current.name, *_describe_errors(current, now), run.versions, size, _describe_end(current), mark)


def _describe_errors(version: VersionSummary, now: datetime.datetime) -> tuple[str, str, str]:
    """Describe the age of a version, its error on its test part and that of the best baseline."""
    age, unit = compute_age(version, now), version.measure.upper()
    error = "-" if version.error is None else f"{unit} {version.error:.4g}"
    baseline = "-" if version.baseline_error is None else f"{version.baseline_error:.4g}"
    return "-" if age is None else _name_age(age), error, baseline


def _name_age(age: datetime.timedelta) -> str:
    """Name an age by its largest unit: `3 days`; the clock of another machine may be ahead."""
    seconds = max(1, round(age.total_seconds()))
    return " ".join(name_duration(datetime.timedelta(seconds=seconds)).split()[:2])


def _describe_end(version: VersionSummary) -> str:
    return format_timestamp(version.data["last"]) if "last" in version.data else "-"


def format_versions(run: Path, versions: Sequence[VersionSummary], now: datetime.datetime) -> str:
    """Format a row for each version of a run, then the settings that differ from those in use."""
    head = ("version", "", "age", "error", "best baseline", "challenge", "promoted", "size", "data from", "until")
    rows = [(each.name, _describe_role(each), *_describe_version(each, now)) for each in versions]
    parts = [f"{run}: {count_of(len(versions), 'version')}", format_table([head, *rows])]
    return "\n".join([*parts, *_list_changes(versions), *_list_problems(versions)]) + "\n"


def _describe_role(version: VersionSummary) -> str:
    if version.in_use:
        return "in use, pinned" if version.pinned else "in use"
    return "pinned" if version.pinned else "before" if version.previous else ""


def _describe_version(version: VersionSummary, now: datetime.datetime) -> tuple[object, ...]:
    first = format_timestamp(version.data["first"]) if "first" in version.data else "-"
    challenge = "damaged" if version.problem else _OUTCOMES.get(str(version.challenge.get("outcome")), "-")
    promoted = version.promoted_at.replace("T", " ").removesuffix("+00:00") or "-"
    size, last = format_size(version.size), _describe_end(version)
    return (*_describe_errors(version, now), challenge, promoted, size, first, last)


def _list_changes(versions: Sequence[VersionSummary]) -> list[str]:
    """List the settings of each version that differ from those of the version in use."""
    used = next((each.config for each in versions if each.in_use), None)
    lines = []
    for version in versions:
        if used is None or version.config is None or version.in_use:
            continue
        for key, (mine, theirs) in find_setting_changes(version.config, used).items():
            lines.append(f"  {version.name}: {key}: {format_value(mine)}, in use: {format_value(theirs)}")
    return ["settings that differ from those in use:", *lines] if lines else []


def _list_problems(found: Sequence[RunSummary] | Sequence[VersionSummary]) -> list[str]:
    return [each.problem for each in found if each.problem]


def format_kept(run: Path, kept: Sequence[KeptVersion], removed: bool) -> str:
    """Format what is kept of a run and why, and what is forgotten."""
    verb = "removed" if removed else "would be removed"
    rows = [(each.name, ", ".join(_REASONS.get(reason, reason) for reason in each.reasons) or verb) for each in kept]
    count = sum(not each.reasons for each in kept)
    title = f"{run}: {count_of(count, 'version')} of {len(kept)} {verb}"
    return "\n".join([title, format_table([("version", "kept for"), *rows])]) + "\n"


def format_size(size: int) -> str:
    """Format a number of bytes: `12.3 MB`."""
    return f"{size / 1e6:,.1f} MB"


def kept_to_json(run: Path, kept: Sequence[KeptVersion], removed: bool) -> dict[str, Any]:
    """Convert what is kept of a run to JSON values."""
    return {
        "run": str(run),
        "dry_run": not removed,
        "kept": [{"version": each.name, "reasons": list(each.reasons)} for each in kept if each.reasons],
        "forgotten": [each.name for each in kept if not each.reasons],
    }
