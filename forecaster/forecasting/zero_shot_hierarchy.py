"""What reconciles zero-shot forecasts of a hierarchy: errors at past origins, and sample paths."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from forecaster.config.schema import Config, Data
from forecaster.data.series import Series
from forecaster.forecast import ForecastBlock
from forecaster.forecasting.interval_widths import WidthFactors, cut_window, read_actual
from forecaster.forecasting.reconciliation import build_reconciler, fit_reconciliation
from forecaster.forecasting.series_block import SeriesBlock
from forecaster.forecasting.zero_shot_forecasts import are_counts, take_windows
from forecaster.hierarchy import Reconciler
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import LARGEST, MIN_STEPS, forecast_zero_shot

_MOST_ORIGINS, _MOST_WINDOWS = 50, 2000  # of each series, and of all: 2,000 windows take 10 s on one core
_LONGEST = 96  # steps ahead whose errors are measured


def fit_zero_shot_reconciler(panel: SeriesBlock, config: Config, data: Data, steps: int) -> Reconciler:
    """Fit what reconciles the forecasts of all series of a hierarchy, by errors of the network at past origins.

    Args:
        panel: all series, sums among them.
        config: with the method.
        data: the section that they were read by, with its seasons and bounds.
        steps: the horizon.

    Raises:
        MissingExtra: hierarchicalforecast is not installed, and the method is MinT.
        UsageError: there are too many series for it.
    """
    if data.minimum is None and all(np.nanmin(series.values) >= 0 for series in panel):
        data = data.model_copy(update={"minimum": 0.0})  # as the network's forecasts of such series
    config, names = config.model_copy(update={"data": data}), panel.list_names()
    past = fit_reconciliation(config, names, measure_past_errors(panel, data, min(steps, _LONGEST)))
    reconciler = build_reconciler(config, names, past)
    bottom = panel.select([name in set(reconciler.hierarchy.bottom_names) for name in names])
    return dataclasses.replace(reconciler, counts=are_counts(take_windows(bottom, data)))


def measure_past_errors(panel: Sequence[Series], data: Data, steps: int) -> np.ndarray:
    """Measure the errors of the network at past times that all series share, (series, origins, steps).

    Errors are NaN where the value was filled, or the window has too few. Without a common origin the array is empty.
    """
    shortest = min(len(series) for series in panel)
    count = min(_MOST_ORIGINS, max(3, _MOST_WINDOWS // len(panel)), shortest - steps - MIN_STEPS + 1)
    if count < 1:
        return np.empty((len(panel), 0, steps))
    length = count_history_steps(data.seasons)
    # Steps from the origin up to the end of the data: errors of older origins are those of shorter histories.
    most = max(steps, shortest - min(length, shortest // 2))
    after = np.unique(np.linspace(steps, most, count).round().astype(int))[::-1]
    errors = np.full((len(panel), len(after), steps), np.nan)
    for row, series in enumerate(panel):
        ends = (len(series) - after).tolist()
        windows = np.stack([cut_window(series, end, length, str(data.gaps)) for end in ends])
        with np.errstate(invalid="ignore"):
            able = ((~np.isnan(windows)).sum(axis=1) >= MIN_STEPS) & ~(np.abs(windows) > LARGEST).any(axis=1)
        medians = forecast_zero_shot(windows[able], data.seasons, steps, [0.5])[:, :, 0]
        errors[row, able] = np.stack([read_actual(series, end, steps) for end in ends])[able] - medians
    return errors


def draw_zero_shot_paths(
    forecasts: ForecastBlock, windows: np.ndarray, data: Data, count: int, widths: WidthFactors
) -> ForecastBlock:
    """Add sample paths to forecasts: at each step evenly spaced quantiles, in random order.

    Args:
        forecasts: of the windows.
        windows: that were read, (series, length).
        data: the section that the series were read by.
        count: of paths.
        widths: of the intervals; those of levels between are interpolated.
    """
    steps, probabilities = forecasts.mean.shape[1], (np.arange(count) + 0.5) / count
    levels, factors = zip(*sorted((widths.by_level or {50.0: 1.0}).items()), strict=True)
    factor = np.interp(100 * np.abs(2 * probabilities - 1), levels, factors)
    found = forecast_zero_shot(windows, data.seasons, steps, probabilities.tolist(), factor)
    counts = are_counts(windows)
    found[counts] = np.rint(found[counts])
    if data.minimum is not None or data.maximum is not None:
        found = np.clip(found, data.minimum, data.maximum)
    paths = np.random.default_rng(0).permuted(np.moveaxis(found, 2, 0), axis=0)  # (paths, series, steps)
    return dataclasses.replace(forecasts, samples=paths)
