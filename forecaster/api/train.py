"""`forecaster.train`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from forecaster.api.frames import Frame, frame_to_overrides, hold_frame, settings_to_overrides
from forecaster.api.trainings import load_frame_config, move_data, train_run
from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.default_config import check_windows
from forecaster.extras import require_extra
from forecaster.preprocessing.plan import plan_training
from forecaster.runs import load_version

_DATA = "data.csv"  # in the run folder


@dataclass(frozen=True)
class TrainedRun:
    """What a training made.

    Attributes:
        path: the run folder, as `predict` and `forecast predict` take it.
        version: the name of the new version.
        promoted: whether it is the version in use now.
        metrics: its errors on the test part and those of the baselines, as in `metrics.json`.
        notice: why it is in use, or why not; empty for the first version of a run.
    """

    path: Path
    version: str
    promoted: bool
    metrics: Mapping[str, Any] = field(repr=False)
    notice: str = ""


def train(
    frame: Frame,
    run: str | os.PathLike[str],
    *,
    config: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    start: str | os.PathLike[str] | None = None,
    promote: Literal["better", "always", "never"] = "better",
    margin: float = 0.0,
) -> TrainedRun:
    """Train a network on a frame, and save it as a run.

    The frame is kept as `data.csv` in the run folder, for `forecast predict RUN` and later trainings.

    Args:
        frame: a column of timestamps, or an index of them, and one of numbers; or several series, as a CSV has them.
        run: the folder, which is made where it is missing.
        config: a YAML, whose data the frame replaces; None: settings are chosen for the frame.
        settings: keys of the config with values, as `{"training.epochs": 5}`.
        resume: whether an interrupted training is resumed.
        start: a run whose weights to start from, where shapes match.
        promote: when the new version replaces the one in use.
        margin: by how much its error may be larger, as a fraction.

    Raises:
        ForecasterError: as the command does (`forecaster.errors`).
    """
    require_extra("train", "forecaster.train")
    folder = Path(run)
    overrides = frame_to_overrides(frame, settings) if config is None else settings_to_overrides(settings)
    first = None if start is None else load_version(Path(start))
    with hold_frame(frame) as path:
        loaded, panel = load_frame_config(path, None if config is None else Path(config), overrides)
        plan = plan_training(loaded, panel)
        if config is None:
            check_windows(plan)
        with convert_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / _DATA, path.read_bytes())
    plan = replace(plan, config=move_data(plan.config, str((folder / _DATA).resolve())))
    trained = train_run(plan, folder, "forecaster.train", [], resume, first, promote, margin)
    notice = "" if trained.notice is None else str(trained.notice)
    return TrainedRun(folder, trained.version.path.name, trained.promoted, trained.version.metrics, notice)
