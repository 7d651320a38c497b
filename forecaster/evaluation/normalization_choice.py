"""Which normalization suits a series: the errors of linear forecasts from windows normalized in each way."""

import numpy as np

from forecaster.evaluation.metrics import compute_mae
from forecaster.preprocessing.windows import gather_windows

_FITTED, _COMPARED = 1000, 200  # windows that a linear forecast is fitted on, and compared on
_FEWEST_FITTED, _FEWEST_COMPARED = 100, 20  # windows, below which the anchors alone are compared
_READ = 96  # newest steps of a window that are read one by one; of all of it the means of blocks
_BLOCKS = 16
_AHEAD = 24  # steps ahead that are compared, evenly spaced over the horizon
_PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)  # of squared weights, for features in units of the mean change
_STRONG = 0.6  # error of the last season, as a share of that of the level, of a season that no network learns better
_CLEAR = 0.03  # share by which the error of a linear forecast from the level is lower


def choose_normalization(values: np.ndarray, season: int, length: int, horizon: int, held_out: int) -> str:
    """Choose `last`, `mean` or `seasonal` for a series (steps,): the one whose anchor is the best forecast.

    A season that is not strong is left, where linear forecasts from the level are clearly better in the last `held_out`
    steps: ridge regressions (Hoerl & Kennard 1970) from the normalized window to the anchor's errors, which is what a
    network learns at least.

    Args:
        season: steps, 1 without one.
        length: steps in a window.
        held_out: steps at the end that are compared on, 0 where the steps before are too few to learn from.
    """
    starts = _space_evenly(0, len(values) - length - horizon + 1, _FITTED)
    if not len(starts):
        return "last"
    ahead = np.unique(np.linspace(0, horizon - 1, min(horizon, _AHEAD)).round().astype(int))
    levels, seasons = ("last", "mean"), ("seasonal",) if 1 < season <= length // 2 else ()
    alone = {
        name: compute_mae(*_forecast_anchor(values, starts, name, season, length, ahead)) for name in levels + seasons
    }
    best = min(alone, key=lambda name: alone[name])
    begin = len(values) - held_out
    fitted = _space_evenly(0, begin - length - horizon + 1, _FITTED)
    compared = _space_evenly(max(begin - length, 0), len(values) - length - horizon + 1, _COMPARED)
    is_strong = best == "seasonal" and alone["seasonal"] < _STRONG * min(alone[name] for name in levels)
    if best != "seasonal" or is_strong or len(fitted) < _FEWEST_FITTED or len(compared) < _FEWEST_COMPARED:
        return best
    corrected = {name: _measure_corrected(values, (fitted, compared), name, season, length, ahead) for name in alone}
    level = min(levels, key=lambda name: corrected[name])
    return level if corrected[level] < (1 - _CLEAR) * corrected["seasonal"] else best


def _space_evenly(first: int, last: int, most: int) -> np.ndarray:
    """Space at most `most` starts of windows evenly over [first, last)."""
    return np.arange(first, last)[:: max(1, -(-(last - first) // most))]


def _forecast_anchor(
    values: np.ndarray, starts: np.ndarray, name: str, season: int, length: int, ahead: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the actuals of windows at steps ahead, and the anchor as their forecast, each (windows, steps ahead)."""
    actual = values[starts[:, None] + length + ahead]
    windows = gather_windows(values, starts, length)
    if name == "seasonal":
        return actual, windows[:, length - season + ahead % season]
    level = windows[:, -1:] if name == "last" else windows.mean(axis=1, keepdims=True)
    return actual, np.broadcast_to(level, actual.shape)


def _measure_corrected(
    values: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    name: str,
    season: int,
    length: int,
    ahead: np.ndarray,
) -> float:
    """Measure the MAE of an anchor with the best ridge correction, or without one, on the second of two parts."""
    fitted, compared = parts
    unit = float(np.abs(np.diff(values)).mean()) or 1.0
    learnt, read = (_build_features(values, starts, name, season, length) / unit for starts in parts)
    actual, anchor = _forecast_anchor(values, fitted, name, season, length, ahead)
    targets = (actual - anchor) / unit
    mean, mean_error = learnt.mean(axis=0), targets.mean(axis=0)
    learnt, read = learnt - mean, read - mean
    sizes, directions = np.linalg.eigh(learnt.T @ learnt)  # (features,), (features, features)
    weights = directions.T @ (learnt.T @ (targets - mean_error))  # (features, steps ahead)
    actual, anchor = _forecast_anchor(values, compared, name, season, length, ahead)
    errors = [compute_mae(actual, anchor)]
    for penalty in _PENALTIES:
        shrunk = weights / (sizes + penalty * len(fitted))[:, None]
        errors.append(compute_mae(actual, anchor + unit * (mean_error + read @ directions @ shrunk)))
    return min(errors)


def _build_features(values: np.ndarray, starts: np.ndarray, name: str, season: int, length: int) -> np.ndarray:
    """Build what a linear forecast reads of normalized windows: the newest steps, and means of blocks."""
    windows = gather_windows(values, starts, length)
    if name == "seasonal":
        windows = windows[:, season:] - windows[:, :-season]
    else:
        windows = windows - (windows[:, -1:] if name == "last" else windows.mean(axis=1, keepdims=True))
    count = min(_BLOCKS, windows.shape[1])
    width = windows.shape[1] // count
    blocks = windows[:, -count * width :].reshape(len(windows), count, width).mean(axis=2)
    return np.concatenate([windows[:, -_READ:], blocks], axis=1)
