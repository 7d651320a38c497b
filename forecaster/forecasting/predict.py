"""From served networks to forecasts in the series' own unit."""

import dataclasses
import io
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecaster.config.schema import Config
from forecaster.data import Series
from forecaster.data.sources.files import described
from forecaster.errors import DataError, RunError, UsageError
from forecaster.forecast import Forecast
from forecaster.forecasting.fallback import Fallback
from forecaster.forecasting.future_covariates import with_future
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.load import read_data
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.runs import Version

log = logging.getLogger("forecaster")

_SERIES = 1000  # forecast at once, so that the paths of many fit into memory


@dataclass(frozen=True)
class Prediction:
    """Forecasts, the series that each goes on from, and the series that could not be forecast."""

    forecasts: list[Forecast]
    panel: list[Series]
    problems: list[str]


def predict(
    version: Version,
    data: Path | None = None,
    horizon: int | None = None,
    levels: Sequence[float] | None = None,
    with_samples: bool = False,
    future: Path | None = None,
) -> Prediction:
    """Forecast the real future after the newest timestamp of each series.

    Args:
        version: a verified version of a run.
        data: a CSV instead of the one trained on.
        horizon: steps; the trained horizon where None.
        levels: of the intervals, in percent; the trained ones where None.
        with_samples: whether the forecasts come with paths.
        future: a CSV of the future covariates, laid over those behind the end of the series.

    Raises:
        UsageError: more steps than the network gives at once, a level beyond its quantiles, or a future that it does
            not read.
        DataError: a CSV cannot be read as the series trained on, or none of them is long enough and has all cells of
            its covariates.
    """
    config = version.config
    steps = config.window.horizon if horizon is None else horizon
    asked = config.forecast.levels if levels is None else levels
    _check_horizon(config, steps)
    check_levels(config, asked)
    predictor, residuals = load_predictor(version)
    panel, problems = read_newest(config, data)
    if future is not None:
        panel = with_future(config, panel, future, steps)
    if config.conformal:
        for level in asked:
            _say_where_errors_are_few(residuals, level)
    found = Prediction([], [], problems)
    many = config.channels * _SERIES
    for some in (panel[first : first + many] for first in range(0, len(panel), many)):
        ready = predictor.ready(some, steps)
        found.problems.extend(ready.problems)
        if ready.panel:
            found.forecasts.extend(predictor.forecasts_of(ready, steps, residuals, asked, with_samples))
            found.panel.extend(series.part(config.padding_steps, len(series)) for series in ready.panel)
    if not found.forecasts:
        raise DataError(found.problems)
    return found


def _say_where_errors_are_few(residuals: np.ndarray, level: float) -> None:
    """A level needs a number of errors in validation; with fewer the largest stands for it."""
    needed, known = math.ceil(round(level / (100 - level), 9)), int(np.sum(~np.isnan(residuals[:, 0])))
    if known < needed:
        log.info(
            "level %g needs %d errors in validation, there are %d: the largest stands for it", level, needed, known
        )


def _check_horizon(config: Config, steps: int) -> None:
    if config.rollout == "direct" and steps > config.window.horizon:
        raise UsageError(
            f"--horizon {steps}: this network's decoder is {config.model.decoder} and gives {config.window.horizon} "
            "steps at most; ask for fewer, or train with model.decoder: rollout, which goes on for any number"
        )


def check_levels(config: Config, levels: Sequence[float]) -> None:
    """Refuse levels that a head of quantiles does not reach.

    Raises:
        UsageError: says how far it reaches.
    """
    known = config.model.quantiles
    if config.model.head != "quantile" or config.conformal or known is None:
        return
    reach = round(100 * min(1 - 2 * min(known), 2 * max(known) - 1), 6)
    beyond = [level for level in levels if level > reach]
    if beyond:
        raise UsageError(
            f"--levels {beyond[0]:g}: this network learnt the quantiles {', '.join(f'{p:g}' for p in known)}, which "
            f"reach level {max(reach, 0):g}; ask for less, or train with more in model.quantiles"
        )


def read_newest(config: Config, data: Path | None) -> tuple[list[Series], list[str]]:
    """The series of a run, or of another CSV, that are long enough for a window, and what is wrong with the others.

    Raises:
        DataError: they cannot be read, or all are shorter than the window.
    """
    panel, length = read_data(config, data), config.context_steps - config.padding_steps
    path = described(data or config.data.path)
    problems = [
        f"{path}: {f'series {series.name}: ' if config.data.several else ''}{len(series)} rows are too few to forecast "
        f"from; expected at least {length}, the window{' and its differences' if config.data.difference else ''}"
        for series in panel
        if len(series) < length
    ]
    led_in = panel.led_in(config.padding_steps, config.data.main_season)
    enough = [series for series in led_in if len(series) >= config.context_steps]
    if not enough:
        raise DataError(problems)
    return enough, problems


def load_predictor(version: Version) -> tuple[Predictor, np.ndarray]:
    """The predictor and the residuals of a version.

    Raises:
        RunError: one of its files cannot be what was written.
    """
    try:
        networks = [
            OnnxNetwork(version.read(f"{folder}encode.onnx"), version.read(f"{folder}decode.onnx"))
            for folder in version.members
        ]
        preprocessing = Preprocessing.from_json(version.preprocessing)
        residuals = np.load(io.BytesIO(version.read("residuals.npy")), allow_pickle=False)
        fallback = None if version.fallback is None else Fallback.from_json(version.fallback)
        predictor = dataclasses.replace(Predictor.of_all(networks, version.config, preprocessing), fallback=fallback)
    except Exception as error:  # whatever ONNX Runtime and numpy say of bytes that are not theirs
        raise RunError(f"{version.path}: its files were changed after training: {error}") from None
    return predictor, residuals
