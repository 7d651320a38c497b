"""The checkpoints of an interrupted training, in its run folder."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.errors import RunError
from forecaster.problems import Problem
from forecaster.regular_files import read_regular_file

_MAX_CHECKPOINT = 1 << 33  # bytes; it holds the optimizer, too


def write_checkpoint(run: Path, identity: Mapping[str, Any], state: bytes, name: str = "checkpoint") -> None:
    """Save an interrupted training with the identity of its config and data."""
    header = {"sha256": hashlib.sha256(state).hexdigest(), "identity": identity}
    write_atomically(run / name, json.dumps(header).encode() + b"\n" + state, follow=False)


def read_checkpoint(run: Path, name: str = "checkpoint") -> tuple[dict[str, Any], bytes] | None:
    """Read the identity and the state of a checkpoint; None where there is none.

    Raises:
        RunError: it cannot be read.
    """
    try:
        header, _, state = read_regular_file(run / name, _MAX_CHECKPOINT, follow=False).partition(b"\n")
        saved = json.loads(header)
        intact = saved["sha256"] == hashlib.sha256(state).hexdigest()
        identity = dict(saved["identity"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        intact, identity = False, {}
    if not intact:
        raise RunError(Problem("damaged-checkpoint", f"{run}/{name}"))
    return identity, state


def remove_checkpoint(run: Path) -> None:
    """Remove the checkpoints of an interrupted training."""
    with convert_write_errors(run / "checkpoint"):
        (run / "checkpoint").unlink(missing_ok=True)
    remove_member_checkpoints(run)


def remove_member_checkpoints(run: Path) -> None:
    """Remove the checkpoints of an ensemble's networks."""
    for path in run.glob("checkpoint-*"):
        with convert_write_errors(path):
            path.unlink(missing_ok=True)


def find_differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Find the keys, joined by dots, where two records of a training or a search differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from find_differences(
                one.get(key), other.get(key), f"{path}.{key}".removeprefix(".").removeprefix("config.")
            )
    elif one != other:
        yield path
