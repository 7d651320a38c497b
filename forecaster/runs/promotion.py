"""Which version of a run is in use: promotion with its history, rollback and pins.

What changes a run is called under `lock_run`.
"""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.errors import RunError, UsageError
from forecaster.problems import Problem
from forecaster.regular_files import read_regular_file
from forecaster.runs.versions import (
    CURRENT,
    Version,
    find_current,
    list_versions,
    load_version,
    load_version_at,
    read_current,
    read_name,
)

CHALLENGE = "challenge.json"
_HISTORY, _PIN = "promotions.jsonl", "pinned"
_MAX_HISTORY = 1 << 24  # bytes
_KEPT = 10_000  # promotions


class Promotion(NamedTuple):
    """One change of the version in use.

    Attributes:
        version: its name.
        replaced: the name of the version that was in use before; None for the first.
        at: ISO 8601, UTC.
        by: `train`, `promote`, `rollback` or `pin`.
    """

    version: str
    replaced: str | None
    at: str
    by: str


def promote(run: Path, name: str, by: str = "promote") -> None:
    """Put a version into use, and record that.

    The record is written first. Where the process is killed before the second write, the old version stays in use,
    and `read_promotions` leaves out a record of what did not happen.
    """
    current = _find_current(run)
    if name == current:
        return
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    history = [*read_promotions(run), Promotion(name, current, now, by)]
    lines = [json.dumps(each._asdict()) + "\n" for each in history[-_KEPT:]]
    write_atomically(run / _HISTORY, "".join(lines).encode(), follow=False)
    write_atomically(run / CURRENT, f"{name}\n".encode(), follow=False)


def _find_current(run: Path) -> str | None:
    """Find the name of the version in use; None where it cannot be read, either."""
    try:
        return read_current(run)
    except RunError:
        return None


def read_promotions(run: Path) -> list[Promotion]:
    """Read which versions were put into use, from the first to that in use.

    Lines that cannot be read are left out; runs of earlier versions of forecast have none.
    """
    try:
        lines = read_regular_file(run / _HISTORY, _MAX_HISTORY, follow=False).decode(errors="replace").splitlines()
    except OSError:
        return []
    found = [promotion for line in lines if (promotion := _parse_promotion(line)) is not None]
    current = _find_current(run)
    while found and found[-1].version != current:
        found.pop()
    return found


def _parse_promotion(line: str) -> Promotion | None:
    try:
        promotion = Promotion(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = [promotion.version, promotion.at, promotion.by, promotion.replaced or ""]
    return promotion if all(isinstance(text, str) for text in texts) else None


def find_previous(run: Path) -> str | None:
    """Find the version that a rollback puts into use: the one before, as far as it still exists.

    A rollback undoes one promotion: after it, another goes further back. Without a record, the next older version
    counts as the one before.
    """
    current, existing = read_current(run), list_versions(run)
    stack: list[str] = []
    for promotion in read_promotions(run):
        if not stack and promotion.replaced:
            stack.append(promotion.replaced)
        if promotion.by == "rollback":
            stack = _cut_after(stack, promotion.version)
        if stack[-1:] != [promotion.version]:
            stack.append(promotion.version)
    earlier = [name for name in stack[:-1] if name in existing and name != current]
    if not earlier and current is not None and len(stack) < 2:
        earlier = [name for name in existing if name < current]
    return earlier[-1] if earlier else None


def _cut_after(stack: Sequence[str], name: str) -> list[str]:
    """Keep a stack up to the last place of a name before its end."""
    places = [place for place, each in enumerate(stack[:-1]) if each == name]
    return list(stack[: places[-1] + 1]) if places else []


def roll_back(run: Path) -> str:
    """Put the version into use that was in use before, and return its name.

    Raises:
        RunError: there is none, or it is damaged.
        UsageError: the run is pinned.
    """
    load_promoted_name(run)
    check_pin(run)
    name = find_previous(run)
    if name is None:
        raise RunError(Problem("no-earlier-version", str(run)))
    load_version_at(run / "versions" / name)
    promote(run, name, "rollback")
    return name


def load_promoted_name(run: Path) -> str:
    """Load the name of the version in use.

    Raises:
        RunError: the folder is no run, or that version was removed.
    """
    current = read_current(run)
    return load_version(run).path.name if current is None else find_current(run, current).name


def read_pin(run: Path) -> str | None:
    """Read the name of the version that a run is pinned to; None where it is not pinned.

    Raises:
        RunError: it cannot be read.
    """
    return read_name(run / _PIN)


def pin(run: Path, name: str) -> None:
    """Put a version into use and keep it there: no training replaces it until `remove_pin`.

    Killed in between, the version is in use and not pinned.
    """
    promote(run, name, "pin")
    write_atomically(run / _PIN, f"{name}\n".encode(), follow=False)


def remove_pin(run: Path) -> None:
    """Let trainings replace the version in use again."""
    with convert_write_errors(run / _PIN):
        (run / _PIN).unlink(missing_ok=True)


def check_pin(run: Path) -> None:
    """Refuse to replace a pinned version.

    Raises:
        UsageError: the run is pinned.
    """
    if (pinned := read_pin(run)) is not None:
        raise UsageError(Problem("pinned-run", str(run), detail={"version": pinned}))


def read_challenge(version: Version) -> dict[str, Any] | None:
    """Read how a version compared with the one in use when it was trained; None where it was trained before that.

    Raises:
        RunError: it is damaged.
    """
    return dict(version.read_json(CHALLENGE)) if CHALLENGE in version.manifest["files"] else None


def complete_promotion(run: Path) -> str | None:
    """Promote the newest version where its training decided that and was killed before it did.

    Returns:
        Its name, or None where nothing was left to do.
    """
    current, pinned = _find_current(run), read_pin(run)
    newest = next(iter(list_versions(run)[::-1]), None)
    if newest is None or newest == current or pinned is not None:
        return None
    if current is not None and newest in {promotion.version for promotion in read_promotions(run)}:
        return None  # and a rollback replaced it
    try:
        found = read_challenge(load_version_at(run / "versions" / newest))
    except RunError:
        return None
    if found is None or found.get("promote") is not True or found.get("champion") != current:
        return None
    promote(run, newest, "train")
    return newest
