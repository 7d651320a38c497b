"""One pass over the validation part: residuals, smallest change and fallback weights of a network."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from forecaster.config import Config
from forecaster.evaluation.held_out import select_origins, spread_over_panel
from forecaster.evaluation.history_errors import forecast_zero_shot_from, measure_history_residuals
from forecaster.evaluation.origins import Origins
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.fallback import NETWORK, ZERO_SHOT, Fallback, fit_fallback, list_window_baselines
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.scaling import Scaler

_SMALLEST_CHANGE = 0.25  # share of the median change over the validation part


def measure_calibration(plan: Plan, predictor: Predictor) -> Calibration:
    """Forecast the validation part once and measure the calibration of its networks.

    The order matters. The smallest change limits the spread, which the residuals are divided by; the fallback's
    weights shift the centre, which the residuals are measured from. A network predicts each origin once for all three.

    Residuals of the zero-shot network over the training part follow those of the validation part, where they can be
    compared. Without a validation part, residuals come from the training part, and are too small. Those of series whose
    training part is constant have no scale, so they are left out where there are others.

    Args:
        plan: of the training.
        predictor: without a calibration.

    Raises:
        Diverged: a forecast became infinite or NaN.
    """
    config, horizon = plan.config, plan.config.window.horizon
    origins, actual = select_validation(plan, predictor)
    windows = origins.cut_windows(config.lookback_steps)  # (origins, lookback)
    constant = Scaler.stack([predictor.get_scaler(series) for series in origins.series]).is_constant[:, 0]
    pooled = ~constant if not constant.all() else ~np.zeros_like(constant)  # origins of units that can be compared
    smallest = _find_smallest_change(predictor, config, origins, windows, pooled)
    predictor = dataclasses.replace(predictor, calibration=Calibration(smallest_change=smallest))
    features = origins.build_features(predictor, horizon)  # (origins, length + horizon, features)
    networks = predictor.predict_with_networks(origins.series, windows, horizon, features)
    others = _forecast_without_network(plan, predictor, origins, windows)
    fallback = _fit_fallback(plan, origins, actual, {NETWORK: networks.mean, **others}) if others else None
    predictor = dataclasses.replace(predictor, calibration=Calibration(smallest_change=smallest, fallback=fallback))
    residuals = predictor.blend(networks, origins.series, windows, others).compute_residuals(actual)
    measured = pooled & ~np.isnan(residuals).all(axis=1)  # not where a forecaster of the fallback made no forecast
    kept = measured if measured.any() else pooled
    compared = np.where(kept[:, None], residuals, np.nan)
    further = measure_history_residuals(plan, predictor, origins, actual, compared, others.get(ZERO_SHOT))
    return Calibration(np.concatenate([residuals[kept], further]), smallest, fallback)


def select_validation(plan: Plan, predictor: Predictor) -> tuple[Origins, np.ndarray]:
    """Select origins in the validation parts, and their actual values (origins, horizon), NaN after a part's end."""
    first, splits = plan.config.context_steps, plan.members.splits
    ranges = [((s.training_end if s.validation else first) - 1, s.validation_end - 2) for s in splits]
    origins = select_origins(plan.members.panel, plan.members.numbers, ranges, predictor)
    ends = spread_over_panel(plan, [split.validation_end for split in splits])
    return origins, origins.read_actuals(plan.config.window.horizon, ends)


def _find_smallest_change(
    predictor: Predictor, config: Config, origins: Origins, windows: np.ndarray, pooled: np.ndarray
) -> float | None:
    """Find the change below which windows count as equally calm; None where residuals are not divided by changes.

    A window that hardly changes would otherwise give an interval of almost no width.
    """
    if not config.by_change:
        return None
    changes = predictor.measure_changes(origins.series, windows[:, -config.context_steps :])
    typical = float(np.median(changes[pooled]))
    return _SMALLEST_CHANGE * typical if 0 < typical < np.inf else None


def _forecast_without_network(
    plan: Plan, predictor: Predictor, origins: Origins, windows: np.ndarray
) -> dict[str, np.ndarray]:
    """Forecast with the zero-shot network and the baselines, by name, each (origins, horizon).

    Empty where there is no fallback: it is off, or a series has no validation part.
    """
    config, horizon = plan.config, plan.config.window.horizon
    if config.forecast.fallback == "never" or not all(split.validation for split in plan.members.splits):
        return {}
    forecasts = {
        name: predictor.forecast_without_network(name, windows, windows, horizon)
        for name in list_window_baselines(plan.season, windows.shape[1])
    }
    return {ZERO_SHOT: forecast_zero_shot_from(predictor, origins, horizon), **forecasts}


def _fit_fallback(plan: Plan, origins: Origins, actual: np.ndarray, forecasts: Mapping[str, np.ndarray]) -> Fallback:
    """Fit the fallback on errors in validation of forecasts by name, each (origins, horizon).

    All of them are compared at the origins that the zero-shot network forecast from.
    """
    splits, horizon = plan.members.splits, actual.shape[1]
    actual = np.where(np.isnan(forecasts[ZERO_SHOT]), np.nan, actual)
    errors = {name: _average_by_series(plan, origins, np.abs(actual - each)) for name, each in forecasts.items()}
    errors[NETWORK][plan.members.scaler.is_constant[:, 0]] = np.nan  # the last value replaces their forecasts
    horizons = np.array([split.validation / horizon for split in splits])  # (members,)
    return fit_fallback(plan.members.names, errors, horizons, plan.config.forecast.fallback)


def _average_by_series(plan: Plan, origins: Origins, errors: np.ndarray) -> np.ndarray:
    """Average errors (origins, horizon) by series, (members,); NaN where a series has none."""
    known, series = ~np.isnan(errors), len(plan.members.panel)
    sums = np.bincount(origins.members, np.where(known, errors, 0.0).sum(axis=1), series)
    counts = np.bincount(origins.members, known.sum(axis=1), series)  # known cells of each series, (series,)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)[plan.members.numbers]
