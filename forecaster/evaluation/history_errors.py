"""Errors over the training parts of forecasters that were not trained on them, where a validation part is too short."""

from typing import NamedTuple

import numpy as np

from forecaster.evaluation.held_out import space_origins, spread_over_panel
from forecaster.evaluation.origins import Origins
from forecaster.forecasting.fallback import ZERO_SHOT
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.scaling import Scaler
from forecaster.pretrained.features import count_history_steps

_FEWEST, _MOST = 100, 400  # origins, and between them as many as in validation
# Horizons at which the trained network counts as good as the zero-shot one, next to those of validation: its epochs and
# its weight were chosen by the same errors, which are too small where they are few.
_EQUAL_HORIZONS = 2.0
_MOST_ZERO_SHOT = 2000  # origins of zero-shot forecasts, which take milliseconds each


class History(NamedTuple):
    """Origins in the training parts, from which the zero-shot network forecasts.

    Attributes:
        origins: evenly spaced.
        actual: the values after each within the training part, (origins, horizon); NaN where unknown.
        zero_shot: the forecasts, (origins, horizon).
    """

    origins: Origins
    actual: np.ndarray
    zero_shot: np.ndarray


def forecast_history(plan: Plan, predictor: Predictor, count: int) -> History:
    """Forecast zero-shot from about `count` origins in the training parts, within `_FEWEST` and `_MOST`."""
    horizon, channels, members = plan.config.window.horizon, plan.config.channels, plan.members
    ends = [split.training_end for split in members.splits]
    ranges = [(plan.config.context_steps - 1, end - 2) for end in ends]
    most = max(1, min(max(count, _FEWEST), _MOST) // channels)
    origins = space_origins(members.panel, members.numbers, ranges, channels, most)
    actual = origins.read_actuals(horizon, spread_over_panel(plan, ends))
    return History(origins, actual, forecast_zero_shot_from(predictor, origins, horizon))


def measure_history_residuals(
    predictor: Predictor,
    validation: Origins,
    actual: np.ndarray,
    residuals: np.ndarray,
    zero_shot: np.ndarray | None,
    history: History,
) -> np.ndarray:
    """Measure the residuals of the zero-shot network over the training parts, as large as those of a trained network.

    A validation part of one winter, or of a few horizons, does not show how large errors become at other times. The
    trained network has learnt the training part, and its errors there are too small; the zero-shot network has seen
    none of the series. Its residuals are multiplied by the ratio of both networks' mean absolute residuals in
    validation. The logarithm of a ratio below 1 is shrunk towards 0 where validation holds few horizons.

    Args:
        predictor: with the smallest change.
        validation: origins in the validation parts.
        actual: the values after each, (origins, horizon); NaN where unknown.
        residuals: of the network with its fallback, (origins, horizon); NaN where unknown, or not to be compared.
        zero_shot: the forecasts of the zero-shot network from these origins, (origins, horizon); None to make them.
        history: the forecasts over the training parts.

    Returns:
        (further origins, horizon); none where one of both networks makes no errors in validation.
    """
    horizon = actual.shape[1]
    forecasts = forecast_zero_shot_from(predictor, validation, horizon) if zero_shot is None else zero_shot
    reference = _compute_residuals(predictor, validation, forecasts, actual)
    both = ~np.isnan(residuals) & ~np.isnan(reference)
    own, other = (float(np.abs(each[both]).sum()) for each in (residuals, reference))
    if not (0 < own < np.inf and 0 < other < np.inf):
        return np.empty((0, horizon))
    ratio = own / other
    if ratio < 1:
        horizons = _count_horizons(validation, horizon)
        ratio **= horizons / (horizons + _EQUAL_HORIZONS)
    found = _compute_residuals(predictor, history.origins, history.zero_shot, history.actual)
    constant = Scaler.stack([predictor.get_scaler(series) for series in history.origins.series]).is_constant[:, 0]
    return ratio * found[~constant & ~np.isnan(found).all(axis=1)]


def _count_horizons(origins: Origins, horizon: int) -> float:
    """Count the horizons that origins cover without overlap, averaged over series."""
    numbers = np.unique(origins.members, return_inverse=True)[1]
    first, last = np.full(numbers.max() + 1, np.iinfo(int).max), np.full(numbers.max() + 1, -1)
    np.minimum.at(first, numbers, origins.steps)
    np.maximum.at(last, numbers, origins.steps)
    return float(np.mean(last - first + 1)) / horizon


def has_comparable_residuals(plan: Plan, predictor: Predictor) -> bool:
    """Whether residuals of both networks can be compared: no spread of one divides them, and all have validation."""
    config = plan.config
    points = config.model.head == "point" and predictor.rollout.paths == 1
    return points and config.conformal and all(split.validation for split in plan.members.splits)


def forecast_zero_shot_from(predictor: Predictor, origins: Origins, horizon: int) -> np.ndarray:
    """Forecast with the zero-shot network, (origins, horizon), in the series' own unit.

    It takes milliseconds a window, so that it forecasts from some origins, evenly spaced, and is NaN at the others.
    """
    config, seasons = predictor.config, predictor.config.data.seasons
    windows = origins.cut_windows(config.lookback_steps)  # (origins, lookback)
    history = origins.cut_windows(count_history_steps(seasons), config.padding_steps)
    chosen = np.zeros(len(origins), bool)
    chosen[np.linspace(0, len(origins) - 1, min(_MOST_ZERO_SHOT, len(origins))).round().astype(int)] = True
    found = predictor.forecast_without_network(ZERO_SHOT, windows, history, horizon, chosen)
    return np.where(chosen[:, None], found, np.nan)


def _compute_residuals(predictor: Predictor, origins: Origins, forecasts: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Compute the residuals of forecasts as those of a network, (origins, horizon); NaN without a transform."""
    scaler = Scaler.stack([predictor.get_scaler(series) for series in origins.series])
    windows = origins.cut_windows(predictor.config.context_steps)  # (origins, context)
    spread = predictor.measure_spread(origins.series, windows) * scaler.unit
    if predictor.calibration.by_distance:
        seasons = origins.cut_windows(predictor.config.lookback_steps)
        spread = np.hypot(spread, predictor.measure_distance(scaler.curve.apply, seasons, forecasts))
    with np.errstate(all="ignore"):  # a logarithm of 0
        residuals = (scaler.curve.apply(actual) - scaler.curve.apply(forecasts)) / spread
    return np.where(np.isfinite(residuals), residuals, np.nan)
