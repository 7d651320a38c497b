"""The zero-shot forecast of the steps after a window, in the scaled units that a network reads."""

from collections.abc import Sequence

import numpy as np

from forecaster.data.series import Series
from forecaster.preprocessing.prepared_series import PreparedSeries
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.transforms import Transform
from forecaster.preprocessing.windows import take_last_steps
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import MIN_STEPS, forecast_zero_shot

_BATCH = 1024  # histories at once, which bounds memory


def compute_zero_shot(
    panel: Sequence[Series], ends: Sequence[int], scaler: Scaler, seasons: Sequence[int], horizon: int
) -> np.ndarray:
    """Forecast the medians of the steps after some origins with the pretrained network, (origins, horizon) float32.

    It reads what was observed up to each origin, filled values excepted, however short the window of a run is. Where
    fewer than `MIN_STEPS` values are known, the last one repeats.

    Args:
        panel: the series of each origin.
        ends: steps of each series that are known at its origin, (origins,).
        scaler: with a row for each origin.
        seasons: as `data.seasons` of a config.
        horizon: steps.
    """
    length, lag = count_history_steps(seasons), sum(scaler.lags)
    parts = []
    for first in range(0, len(panel), _BATCH):
        rows = slice(first, first + _BATCH)
        origins = list(zip(panel[rows], ends[rows], strict=True))
        histories = np.stack([cut_history(series, end, length) for series, end in origins])
        before = np.stack([take_last_steps(series.values, end, lag) for series, end in origins])  # (origins, lag)
        parts.append(scale_zero_shot(histories, before, scaler.select_rows(rows), seasons, horizon))
    return np.concatenate(parts)


def scale_zero_shot(
    histories: np.ndarray, before: np.ndarray, scaler: Scaler, seasons: Sequence[int], horizon: int
) -> np.ndarray:
    """Forecast the medians of the steps after histories, in scaled units, (origins, horizon) float32.

    Args:
        histories: (origins, steps), in the series' own unit; NaN where nothing was observed.
        before: the last values, from which differences of the first steps are taken, (origins, lags).
        scaler: with a row for each origin.
        seasons, horizon: as in `compute_zero_shot`.
    """
    medians = _keep_in_domain(forecast_medians(histories, seasons, horizon), histories, scaler.curve)
    scaled = scaler.transform(np.concatenate([before, medians], axis=1))
    return scaled[:, before.shape[1] :].astype(np.float32)


def compute_zero_shot_of_groups(
    groups: Sequence[Sequence[PreparedSeries]], ends: np.ndarray, seasons: Sequence[int], horizon: int
) -> np.ndarray:
    """Forecast as `compute_zero_shot` for series that are read together, (origins, horizon, channels).

    Args:
        groups: the channels at each origin.
        ends: steps of each group that are known at its origin, (origins,).
        seasons, horizon: as in `compute_zero_shot`.
    """
    members, channels = [member for group in groups for member in group], len(groups[0])
    scaler = Scaler.stack([member.scaler for member in members])
    known = np.repeat(ends, channels).tolist()
    forecasts = compute_zero_shot([member.series for member in members], known, scaler, seasons, horizon)
    return np.swapaxes(forecasts.reshape(-1, channels, horizon), 1, 2)


def cut_history(series: Series, end: int, length: int) -> np.ndarray:
    """Cut the `length` steps before `end`, (length,); NaN where nothing was observed."""
    history = take_last_steps(series.values, end, length)
    if series.observed is not None:
        steps = series.observed[max(0, end - length) : end]
        history[length - len(steps) :][~steps] = np.nan
    return history


def forecast_medians(histories: np.ndarray, seasons: Sequence[int], horizon: int) -> np.ndarray:
    """Forecast the medians of the steps after histories, in the series' own unit.

    Args:
        histories: (origins, steps); NaN where nothing is known.
        seasons, horizon: as in `compute_zero_shot`.

    Returns:
        (origins, horizon); the last known value repeats where fewer than `MIN_STEPS` are known, 0 where none is.
    """
    known = ~np.isnan(histories)
    newest = histories.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    last = np.nan_to_num(histories[np.arange(len(histories)), newest])  # (origins,)
    medians = np.repeat(last[:, None], horizon, axis=1)
    enough = known.sum(axis=1) >= MIN_STEPS
    if enough.any():
        medians[enough] = forecast_zero_shot(histories[enough], seasons, horizon, [0.5])[..., 0]
    return medians


def _keep_in_domain(medians: np.ndarray, histories: np.ndarray, curve: Transform) -> np.ndarray:
    """Replace medians that a transform does not accept, such as 0 by a logarithm, by the nearest known value."""
    with np.errstate(all="ignore"):
        valid = np.isfinite(curve.apply(medians))
    if valid.all():
        return medians
    low, high = np.nanmin(histories, axis=1, keepdims=True), np.nanmax(histories, axis=1, keepdims=True)
    return np.where(valid, medians, np.clip(medians, low, high))
