"""One pass over the validation part: residuals, smallest change and fallback weights of a network."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from forecaster.config import Config
from forecaster.evaluation.held_out import select_origins, spread_over_panel
from forecaster.evaluation.history_errors import (
    History,
    forecast_history,
    forecast_zero_shot_from,
    has_comparable_residuals,
    measure_history_residuals,
)
from forecaster.evaluation.origins import Origins
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.fallback import (
    NETWORK,
    ZERO_SHOT,
    Fallback,
    PastErrors,
    fit_fallback,
    list_window_baselines,
)
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.scaling import Scaler

_HALF_LIFE = 0.5  # of a training part, in which the weight of its errors in the fallback halves
_FEW_SERIES = 4  # up to which errors are also divided by the distance of two forecasts
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
    compares = has_comparable_residuals(plan, predictor)
    history = forecast_history(plan, predictor, len(origins)) if others or compares else None
    fallback = None
    if others and history is not None:
        past = measure_past_errors(plan, predictor, history)
        fallback = _fit_fallback(plan, origins, actual, {NETWORK: networks.mean, **others}, past)
    # Where there are many series, errors are pooled, and each one's own change is enough.
    by_distance = fallback is not None and compares and config.by_change and len(plan.members) <= _FEW_SERIES
    empty = Calibration(smallest_change=smallest, fallback=fallback, by_distance=by_distance)
    predictor = dataclasses.replace(predictor, calibration=empty)
    residuals = predictor.blend(networks, origins.series, windows, others).compute_residuals(actual)
    measured = pooled & ~np.isnan(residuals).all(axis=1)  # not where a forecaster of the fallback made no forecast
    kept = measured if measured.any() else pooled
    compared = np.where(kept[:, None], residuals, np.nan)
    calibration = dataclasses.replace(empty, residuals=residuals[kept])
    if history is None or not compares:
        return calibration
    further = measure_history_residuals(predictor, origins, actual, compared, others.get(ZERO_SHOT), history)
    return dataclasses.replace(calibration, residuals=np.concatenate([residuals[kept], further]))


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
    zero_shot = forecast_zero_shot_from(predictor, origins, horizon)
    return {ZERO_SHOT: zero_shot, **_forecast_with_baselines(plan, predictor, windows)}


def _forecast_with_baselines(plan: Plan, predictor: Predictor, windows: np.ndarray) -> dict[str, np.ndarray]:
    """Forecast with the baselines that read windows (origins, lookback), by name, each (origins, horizon)."""
    return {
        name: predictor.forecast_without_network(name, windows, windows, plan.config.window.horizon)
        for name in list_window_baselines(plan.season, windows.shape[1])
    }


def measure_past_errors(plan: Plan, predictor: Predictor, history: History) -> PastErrors:
    """Measure the errors of the zero-shot network and the baselines in the training parts; later ones weigh more."""
    origins, splits = history.origins, plan.members.splits
    baselines = _forecast_with_baselines(plan, predictor, origins.cut_windows(plan.config.lookback_steps))
    ends = spread_over_panel(plan, [split.training_end for split in splits])[origins.members]
    weights = 0.5 ** ((ends - origins.steps) / (_HALF_LIFE * ends))  # (origins,)
    errors = {
        name: _average_by_series(plan, origins, np.abs(history.actual - each), weights)
        for name, each in {ZERO_SHOT: history.zero_shot, **baselines}.items()
    }
    first, last = (np.full(len(plan.members.panel), fill) for fill in (np.iinfo(int).max, -1))
    np.minimum.at(first, origins.members, origins.steps)
    np.maximum.at(last, origins.members, origins.steps)
    spans = np.maximum(last - first, 0)[plan.members.numbers]  # of the origins of each series, (members,)
    return PastErrors(errors, spans / plan.config.window.horizon + 1)


def _fit_fallback(
    plan: Plan, origins: Origins, actual: np.ndarray, forecasts: Mapping[str, np.ndarray], past: PastErrors
) -> Fallback:
    """Fit the fallback on errors in validation of forecasts by name, each (origins, horizon), and on errors before it.

    All of them are compared at the origins that the zero-shot network forecast from.
    """
    splits, horizon = plan.members.splits, actual.shape[1]
    actual = np.where(np.isnan(forecasts[ZERO_SHOT]), np.nan, actual)
    errors = {name: _average_by_series(plan, origins, np.abs(actual - each)) for name, each in forecasts.items()}
    horizons = np.array([split.validation / horizon for split in splits])  # (members,)
    return fit_fallback(plan.members.names, errors, horizons, plan.config.forecast.fallback, past)


def _average_by_series(
    plan: Plan, origins: Origins, errors: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Average errors (origins, horizon) by series, with a weight for each origin: (members,).

    NaN where a series has none, and where its training part is constant: the last value replaces all its forecasts.
    """
    series = len(plan.members.panel)
    weights = np.ones(len(origins)) if weights is None else weights
    known = ~np.isnan(errors) * weights[:, None]
    sums = np.bincount(origins.members, (np.nan_to_num(errors) * known).sum(axis=1), series)
    counts = np.bincount(origins.members, known.sum(axis=1), series)  # weights of known cells of each series, (series,)
    averages = np.where(counts > 0, sums / np.where(counts > 0, counts, 1), np.nan)[plan.members.numbers]
    return np.where(plan.members.scaler.is_constant[:, 0], np.nan, averages)
