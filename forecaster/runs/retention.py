"""Which versions of a run are kept, by rules on their age, and the removal of the others."""

import datetime
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from forecaster.atomic_files import convert_write_errors, sync_folder
from forecaster.runs.promotion import find_previous, load_promoted_name, read_pin
from forecaster.runs.versions import UNFINISHED, list_versions, read_version_time, remove_unfinished


@dataclass(frozen=True)
class Retention:
    """How many versions to keep; each rule keeps its own, as `restic forget` does.

    Attributes:
        last: the newest ones.
        daily, weekly, monthly, yearly: the newest of each of the last days, ISO weeks, months and years (UTC) that have
            a version.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0


class KeptVersion(NamedTuple):
    """A version and why it is kept; without a reason it is forgotten."""

    name: str
    reasons: tuple[str, ...]


_PERIODS: dict[str, Callable[[datetime.datetime], object]] = {
    "daily": lambda time: time.date(),
    "weekly": lambda time: time.isocalendar()[:2],
    "monthly": lambda time: (time.year, time.month),
    "yearly": lambda time: time.year,
}


def plan_retention(run: Path, retention: Retention) -> list[KeptVersion]:
    """Plan which versions of a run to keep, from the newest to the oldest, each with its reasons.

    The version in use, a pinned one, and the one that a rollback puts into use are always kept, and so is a folder
    whose name has no time.

    Raises:
        RunError: the run has no version in use.
        ValueError: no rule is given, which would forget everything else.
    """
    counts = asdict(retention)
    if not any(counts.values()):
        raise ValueError("no rule of retention")
    current = load_promoted_name(run)
    protected = {find_previous(run): "before", read_pin(run): "pinned", current: "in use"}
    names = list_versions(run)[::-1]
    times = {name: time for name in names if (time := read_version_time(name)) is not None}
    reasons: dict[str, list[str]] = {name: [protected[name]] if name in protected else [] for name in names}
    for name in names:
        if name not in times:
            reasons[name].append("other")
    for name in list(times)[: counts.pop("last")]:
        reasons[name].append("last")
    for rule, count in counts.items():
        for name in _select_newest(times, _PERIODS[rule], count):
            reasons[name].append(rule)
    return [KeptVersion(name, tuple(found)) for name, found in reasons.items()]


def _select_newest(
    times: dict[str, datetime.datetime], find_period: Callable[[datetime.datetime], object], count: int
) -> list[str]:
    """Select the newest version of each of the last `count` periods; `times` are from the newest on."""
    newest: dict[object, str] = {}
    for name, time in times.items():
        newest.setdefault(find_period(time), name)
    return list(newest.values())[:count]


def find_forgettable(run: Path, retention: Retention) -> list[str]:
    """Find the versions that `forget` removes, from the newest to the oldest; arguments and errors as there."""
    return [each.name for each in plan_retention(run, retention) if not each.reasons]


def forget(run: Path, retention: Retention) -> list[str]:
    """Remove the versions that no rule keeps, and return their names. Call it under `lock_run`.

    Args:
        run: the folder.
        retention: the rules, at least one.

    Raises:
        RunError: the run has no version in use.
        CannotCreate, InputOutputFailed: a version cannot be removed; those before it are.
        ValueError: no rule is given.
    """
    return remove_forgotten(run, plan_retention(run, retention))


def remove_forgotten(run: Path, planned: Sequence[KeptVersion]) -> list[str]:
    """Remove the versions of a plan that have no reason to be kept, the oldest first, and return their names.

    What a process that was killed left of others is removed, too.
    """
    remove_unfinished(run / "versions")
    names = [each.name for each in planned if not each.reasons]
    for name in names[::-1]:
        remove_version(run, name)
    return names


def remove_version(run: Path, name: str) -> None:
    """Remove a version: it gets the name of an unfinished one first, so that no reader finds a part of it.

    Where the process is killed after that, the next training or `forget` removes the rest.
    """
    versions = run / "versions"
    with convert_write_errors(versions / name):
        doomed = Path(tempfile.mkdtemp(dir=versions, prefix=UNFINISHED))
        os.replace(versions / name, doomed / name)  # noqa: PTH105  a folder onto no other
        sync_folder(versions)
        shutil.rmtree(doomed)
