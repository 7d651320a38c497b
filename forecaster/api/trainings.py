"""The plan and the training of a source, as the command and the Python function both make them."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from forecaster.config import Config, is_config, load_config
from forecaster.default_config import Proposal, check_windows, load_or_propose, propose
from forecaster.engine import Engine
from forecaster.errors import Interrupted, UsageError
from forecaster.extras import configure_libraries, import_extra
from forecaster.hosts import Hosts
from forecaster.preprocessing.plan import Plan, plan_training
from forecaster.preprocessing.read_data import read_data
from forecaster.problems import Problem
from forecaster.runs import Version, lock_run

if TYPE_CHECKING:
    from forecaster.training.train import Observer, Trained


def plan_source(source: Path, overrides: Sequence[str], data: Path | None = None) -> tuple[Path, Plan]:
    """Plan the training of a config, or of a data file whose config is written first.

    Args:
        source: the YAML, or the data.
        overrides: of the config, as `--set` takes them.
        data: that replace those of the config.

    Returns:
        The path of the config, and the plan.

    Raises:
        ConfigError, DataError, UsageError: as `load_or_propose` and `plan_training`.
    """
    loaded, config, panel = load_or_propose(source, overrides, data)
    plan = plan_training(loaded, panel)
    if not is_config(source):
        check_windows(plan)
    return config, plan


def load_frame_config(data: Path, config: Path | None, overrides: Sequence[str]) -> Proposal:
    """Load the config of a frame: a YAML whose data it replaces, or settings that are chosen for it; with its series.

    Args:
        data: the CSV of the frame, which is not read again later.
        config: the YAML.
        overrides: of the config.

    Raises:
        ConfigError: the config or an override is invalid.
        DataError: the frame cannot be read as series.
    """
    loaded, panel = propose(data, overrides) if config is None else (load_config(config, overrides, data), None)
    return Proposal(loaded, read_data(loaded.config) if panel is None and not loaded.problems else panel)


def move_data(config: Config, path: str) -> Config:
    """Name another place of a config's data."""
    return config.model_copy(update={"data": config.data.model_copy(update={"path": path})})


def train_run(
    plan: Plan,
    folder: Path,
    feature: str,
    received: Sequence[int] = (),
    resume: bool = False,
    start: Version | None = None,
    promote: str = "better",
    margin: float = 0.0,
    imports: AbstractContextManager[object] | None = None,
    engine: Engine | None = None,
    hosts: Hosts | None = None,
    observe: "Observer | None" = None,
) -> "Trained":
    """Train a plan into a run folder, under its lock; TensorFlow is loaded first.

    Args:
        plan, received, resume, promote, margin, engine, hosts, observe: as in `training.train`.
        folder: of the run.
        feature, imports: as in `load_training`.
        start: the version whose weights to start from.

    Raises:
        ForecasterError: as `training.train`.
        Interrupted: a signal was received before TensorFlow is loaded, which takes seconds.
        UsageError: Keras is loaded with another backend.
    """
    with lock_run(folder):
        if received:
            raise Interrupted(Problem("interrupted"), received[0])
        train = load_training(feature, imports)
        return train(plan, folder, received, resume, start, promote, margin, engine, hosts, observe)


def assist_training(
    plan: Plan,
    feature: str,
    received: Sequence[int],
    hosts: Hosts,
    imports: AbstractContextManager[object] | None = None,
) -> None:
    """Train a plan together with the first host, which writes the run; the arguments are those of `train_run`.

    Raises:
        ForecasterError: as `training.assist`.
        UsageError: Keras is loaded with another backend.
    """
    load_training(feature, imports)
    from forecaster.training.train import assist  # noqa: PLC0415  TensorFlow, which is loaded now

    assist(plan, received, hosts)


def load_training(feature: str, imports: AbstractContextManager[object] | None = None) -> Callable[..., "Trained"]:
    """Load TensorFlow, and return the function that trains.

    Args:
        feature: what needs the extra `train`, for the message where it is missing.
        imports: the context in which TensorFlow is imported.

    Raises:
        MissingExtra: TensorFlow is not installed.
        UsageError: Keras is loaded with another backend.
    """
    with import_extra("train", feature), imports or contextlib.nullcontext():
        configure_libraries()
        _check_backend()
        from forecaster.training.train import train  # noqa: PLC0415  TensorFlow, once the config is right
    return train


def _check_backend() -> None:
    keras = sys.modules.get("keras")
    if keras is not None and (backend := keras.backend.backend()) != "tensorflow":
        raise UsageError(Problem("other-keras-backend", detail={"backend": backend}))
