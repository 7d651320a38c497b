"""Forecast the real future with a run."""

import dataclasses
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecaster.config.schema import Config
from forecaster.data import Series
from forecaster.data.sources.files import name_source
from forecaster.errors import DataError, UsageError
from forecaster.forecast import Forecast
from forecaster.forecasting.calibration import Calibration, read_calibration
from forecaster.forecasting.future_covariates import extend_with_future
from forecaster.forecasting.predictor import Predictor
from forecaster.forecasting.saved_networks import load_networks
from forecaster.forecasting.training_range import find_values_outside
from forecaster.preprocessing.read_data import read_data
from forecaster.preprocessing.saved_preprocessing import load_preprocessing
from forecaster.problems import Problem
from forecaster.runs import Version
from forecaster.wording import KEPT

log = logging.getLogger("forecaster")

_FURTHER_DECIMALS = 2  # of a forecast, after those of the data
_MOST_DECIMALS = 12
_NEWEST = 1000  # values whose decimals are counted
_SERIES_AT_ONCE = 1000  # so that the paths of many series fit into memory


@dataclass(frozen=True)
class Prediction:
    """Forecasts, their series, and why other series could not be forecast."""

    forecasts: list[Forecast]
    panel: list[Series]
    problems: list[Problem]


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
        future: a CSV of the future covariates, which replaces those after the end of the series.

    Raises:
        UsageError: more steps than the decoder gives, a level beyond its quantiles, or a future that is not read.
        DataError: a CSV cannot be read as the series trained on, or none of them is long enough and has all cells of
            its covariates.
    """
    config = version.config
    steps = config.window.horizon if horizon is None else horizon
    levels = config.forecast.levels if levels is None else levels
    _check_horizon(config, steps)
    check_levels(config, levels)
    predictor = load_predictor(version)
    panel, problems = read_newest(config, data)
    if future is not None:
        panel = extend_with_future(config, panel, future, steps)
    _report_missing_future(config, panel, steps)
    if config.conformal:
        _report_few_errors(predictor.calibration, levels)
    _warn_of_unknown_values(version, predictor, panel)
    prediction, batch = Prediction([], [], problems), config.channels * _SERIES_AT_ONCE
    for first in range(0, len(panel), batch):
        _extend_prediction(prediction, predictor, panel[first : first + batch], steps, levels, with_samples)
    if not prediction.forecasts:
        raise DataError(prediction.problems)
    return prediction


def _extend_prediction(
    prediction: Prediction,
    predictor: Predictor,
    panel: Sequence[Series],
    steps: int,
    levels: Sequence[float],
    with_samples: bool,
) -> None:
    """Forecast the series of one batch, and add forecasts and problems to a prediction."""
    inputs, padding = predictor.prepare(panel, steps), predictor.config.padding_steps
    prediction.problems.extend(inputs.problems)
    if inputs.panel:
        asked = [0, *levels] if levels else []  # level 0 is the median
        found = predictor.forecast_prepared(inputs, steps, asked, with_samples)
        for series, forecast in zip(inputs.panel, found, strict=True):
            decimals = count_decimals(series)
            prediction.forecasts.append(forecast if decimals is None else forecast.round(decimals + _FURTHER_DECIMALS))
        prediction.panel.extend(series.cut(padding, len(series)) for series in inputs.panel)


def _warn_of_unknown_values(version: Version, predictor: Predictor, panel: Sequence[Series]) -> None:
    """Warn of series whose window holds values unlike those of the training, the first of them by name."""
    length = predictor.config.context_steps
    outside = find_values_outside(_read_ranges(version), panel, length)
    for problem in outside[:KEPT]:
        log.warning("%s", problem)
    if len(outside) > KEPT:
        log.warning("and %d other series with values far outside the training data", len(outside) - KEPT)
    if changed := [
        series.name for series in panel if predictor.find_changed_steps([series], series.values[None, -length:]).any()
    ]:
        log.warning("%s", Problem("constant-training-part", detail={"names": changed}))


def _read_ranges(version: Version) -> dict[str, tuple[float, float]]:
    """Read the lowest and the highest value of each series in the training; runs of format 3 have none."""
    try:
        ranges = version.preprocessing.get("ranges", {}).items()
        return {name: (float(low), float(high)) for name, (low, high) in ranges}
    except (ValueError, TypeError, AttributeError) as error:
        raise version.refuse("preprocessing.json", error) from None


def count_decimals(series: Series) -> int | None:
    """Count the decimals with which almost all newest values of a series are written; None where there are too many.

    Values that are not in the file, or are means of several rows, may have more.
    """
    observed = slice(None) if series.observed is None else series.observed
    values = series.values[observed][-_NEWEST:]
    single = values.astype(np.float32)
    # float32, as in some Parquet files, has 7 digits; float64 has 15.
    tolerance = 1e-7 if (single == values).all() else 1e-14
    for decimals in range(_MOST_DECIMALS + 1):
        if np.isclose(values.round(decimals), values, rtol=tolerance, atol=0).mean() >= 0.95:
            return decimals
    return None


def _report_few_errors(calibration: Calibration, levels: Sequence[float]) -> None:
    """Log each level without enough validation errors; it needs the least n with ceil((n + 1) level / 100) <= n."""
    message = (
        "The %g %% interval needs %d validation errors and has %d; it uses the largest, so treat it as a lower bound."
    )
    for level in levels:
        needed = math.ceil(round(level / (100 - level), 9))
        if calibration.count < needed:
            log.info(message, level, needed, calibration.count)


def _report_missing_future(config: Config, panel: Sequence[Series], steps: int) -> None:
    """Log future covariates without values for the steps ahead, where a policy replaces them."""
    for name in config.data.covariates.future:
        lacking = sum(len(series.covariates[name].values) < len(series) + steps for series in panel)
        if lacking and (policy := config.data.covariates.missing.get(name, "error")) != "error":
            message = "%s: values of the steps ahead are missing and replaced (%s); give them with --future"
            log.info(message, name, policy)


def _check_horizon(config: Config, steps: int) -> None:
    if config.rollout == "direct" and steps > config.window.horizon:
        detail = {"decoder": config.model.decoder, "steps": config.window.horizon, "horizon": steps}
        raise UsageError(Problem("horizon-too-long", f"--horizon {steps}", detail=detail))


def check_levels(config: Config, levels: Sequence[float]) -> None:
    """Check that a quantile head reaches the levels.

    Raises:
        UsageError: a level is beyond its quantiles.
    """
    known = config.model.quantiles
    if config.model.head != "quantile" or config.conformal or known is None:
        return
    reach = round(100 * min(1 - 2 * min(known), 2 * max(known) - 1), 6)
    beyond = [level for level in levels if level > reach]
    if beyond:
        detail = {"quantiles": [f"{p:g}" for p in known], "reach": max(reach, 0)}
        raise UsageError(Problem("level-not-learnt", f"--levels {beyond[0]:g}", detail=detail))


def read_newest(config: Config, data: Path | None) -> tuple[list[Series], list[Problem]]:
    """Read the series of a run, or of another CSV, that are long enough for a window, and why others are not.

    Raises:
        DataError: they cannot be read, or all are shorter than the window.
    """
    panel, length = read_data(config, data), config.context_steps - config.padding_steps
    path = name_source(data or config.data.path)
    problems = []
    for series in panel:
        if len(series) < length:
            detail = {"rows": len(series), "needed": length, "differences": bool(config.data.difference)}
            problem = Problem("too-few-rows-to-forecast", path, detail=detail)
            problems.append(problem.add_series(series.name) if config.data.several else problem)
    led_in = panel.prepend_steps(config.padding_steps, config.data.main_season)
    enough = [series for series in led_in if len(series) >= config.context_steps]
    if not enough:
        raise DataError(problems)
    return enough, problems


def load_predictor(version: Version) -> Predictor:
    """Load the predictor of a version, with its calibration.

    Raises:
        RunError: one of its files cannot be what was written.
    """
    config, preprocessing, calibration = version.config, load_preprocessing(version), read_calibration(version)
    if (steps := calibration.residuals.shape[1]) != config.window.horizon:
        raise version.refuse("residuals.npy", f"errors of {steps} steps; the horizon is {config.window.horizon}")
    predictor = Predictor.from_networks(load_networks(version, preprocessing), config, preprocessing)
    return dataclasses.replace(predictor, calibration=calibration)
