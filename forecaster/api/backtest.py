"""`forecaster.backtest`."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from forecaster.api.frames import Frame, check_whole_number, frame_to_overrides, hold_frame, settings_to_overrides
from forecaster.api.trainings import load_frame_config, load_training, move_data
from forecaster.evaluation.backtest import backtest as compare
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.folds import plan_folds
from forecaster.runs import lock_run


def backtest(
    frame: Frame,
    *,
    folds: int | None = None,
    stride: int | None = None,
    refit: int | None = None,
    baselines: Sequence[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    output: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Forecast a frame from origins in its past, with networks trained on what was known then, and with baselines.

    Args:
        frame: as in `train`.
        folds: origins; up to 10 in the second half of the series where None.
        stride: steps between origins; the horizon where None.
        refit: folds after which a network is trained anew; None: one network for all.
        baselines: to compare with, as `["naive", "ets"]`.
        config, settings: as in `train`.
        output: a folder that keeps networks, scores, forecasts and a picture, and resumes; None: nothing is kept.

    Returns:
        The comparison: `tabulate_scores()` and `tabulate_forecasts()` are frames, `to_text()` is what
        `forecast backtest` prints, and `summary` its JSON values.

    Raises:
        ForecasterError: as the command does (`forecaster.errors`).
    """
    for name, value in (("folds", folds), ("stride", stride), ("refit", refit)):
        check_whole_number(name, value)
    overrides = frame_to_overrides(frame, settings) if config is None else settings_to_overrides(settings)
    with hold_frame(frame) as path:
        loaded, panel = load_frame_config(path, None if config is None else Path(config), overrides)
    # The name is a part of what an interrupted backtest has to agree in.
    loaded = replace(loaded, config=move_data(loaded.config, "frame"))
    planned = plan_folds(loaded, folds, stride, refit, baselines, panel)
    with ExitStack() as stack:
        kept = Path(stack.enter_context(TemporaryDirectory()) if output is None else output)
        stack.enter_context(lock_run(kept))
        return compare(
            planned,
            kept,
            [],
            lambda plan, run, received, resume: (
                load_training("forecaster.backtest")(plan, run, received, resume).version
            ),
        )
