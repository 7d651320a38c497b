"""`forecaster.predict`."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from forecaster.api.forecasts import Request, predict_data, predict_run
from forecaster.api.frames import (
    Frame,
    check_levels,
    check_whole_number,
    frame_to_overrides,
    hold_frame,
    settings_to_overrides,
)
from forecaster.errors import Partial, UsageError
from forecaster.forecast import forecasts_to_dated_frame
from forecaster.forecasting.zero_shot import load_data_config
from forecaster.problems import Problem
from forecaster.runs import load_version


def predict(
    frame: Frame | None = None,
    run: str | os.PathLike[str] | None = None,
    *,
    horizon: int | None = None,
    levels: Sequence[float] | None = None,
    future: Frame | None = None,
    settings: Mapping[str, Any] | None = None,
    version: str | None = None,
    allow_partial: bool = False,
) -> pd.DataFrame:
    """Forecast the steps after the newest row of a frame, with a trained network or without training.

    Args:
        frame: a column of timestamps, or an index of them, and one of numbers; or several series, as a CSV has them.
            The data that the run was trained on, as they are now, where None.
        run: the folder of a trained run; None: the network that comes with the package, without training.
        horizon: steps to forecast; the trained horizon, or about a season without a run, where None.
        levels: of the intervals, in percent; those of the run, or 80 and 95, where None.
        future: known values of future covariates.
        settings: keys of the config with values, as `{"data.gaps": "previous", "checks.max_age": "6h"}`.
        version: of the run, by its name or its beginning; the one in use where None.
        allow_partial: whether series that cannot be forecast are left out, instead of an error.

    Returns:
        A row for each step of each series, with the columns of `forecast predict` and dates as timestamps.

    Raises:
        ForecasterError: as the command does (`forecaster.errors`); `Partial` where only some series are forecast.
    """
    _check_arguments(frame, run, future, version)
    check_whole_number("horizon", horizon)
    checked = check_levels(levels)
    if frame is None or run is not None:  # a run knows the time zone that it was trained with
        overrides = tuple(settings_to_overrides(settings, has_frame=frame is not None))
    else:
        overrides = tuple(frame_to_overrides(frame, settings))
    with ExitStack() as stack:
        path = None if frame is None else stack.enter_context(hold_frame(frame))
        ahead = None if future is None else stack.enter_context(hold_frame(future))
        request = Request(None if horizon is None else int(horizon), checked, overrides, future=ahead)
        if run is not None:
            loaded = load_version(Path(run), version)
            found, names = predict_run(loaded, path, request), loaded.config.forecast.columns
        else:
            assert path is not None
            config = load_data_config(path, overrides)
            found, names = predict_data(config, path, request), config.config.forecast.columns
    if found.problems and not allow_partial:
        raise Partial(found.problems)
    return forecasts_to_dated_frame(found.forecasts, names)


def _check_arguments(frame: object, run: object, future: object, version: object) -> None:
    """Refuse a call that names neither a frame nor a run, or asks what only a run has.

    Raises:
        UsageError: it does.
    """
    if run is None and frame is None:
        raise UsageError(Problem("no-frame-or-run"))
    if run is None and (future is not None or version is not None):
        detail = {"source": "the frame", "command": 'forecaster.train(frame, "runs/name")'}
        raise UsageError(Problem("option-of-a-run", "version" if future is None else "future", detail=detail))
