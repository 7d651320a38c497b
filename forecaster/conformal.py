"""Split-conformal intervals: how far off a network was on its validation part, laid around its forecasts.

Vovk, Gammerman & Shafer (2005); in the form of Lei et al. (2018), one for each step of the horizon. Steps
ahead resemble each other, so that the promise of coverage holds about, not exactly, for series that drift.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from forecaster.forecast import Forecast, level_quantiles


def half_widths(residuals: np.ndarray, level: float) -> np.ndarray:
    """Half the width of the interval of `level` % at each step: (origins, horizon) -> (horizon,).

    The k-th smallest absolute residual of n, k = ceil((n + 1) level / 100). NaN marks an origin whose step
    has no truth. A step with too few residuals for the level takes its largest, but no less than the width
    of the step before it.
    """
    widths = np.zeros(residuals.shape[1])
    for step, column in enumerate(residuals.T):
        sizes = np.sort(np.abs(column[~np.isnan(column)]))
        # rounded first: (19 + 1) * 0.95 is 19.000000000000004 in floating point
        rank = int(np.ceil(round((len(sizes) + 1) * level / 100, 9)))
        if rank <= len(sizes):
            widths[step] = sizes[rank - 1]
        else:
            widths[step] = max([*sizes[-1:], *widths[max(0, step - 1) : step]])
    return widths


def with_intervals(forecast: Forecast, residuals: np.ndarray, levels: Sequence[float]) -> Forecast:
    """The forecast with the quantiles of each level around its mean.

    Args:
        residuals: (origins, horizon), actual less forecast, in the series' own unit. Steps beyond that
            horizon take the width of its last.
        levels: coverage in percent.
    """
    steps = np.minimum(np.arange(len(forecast.mean)), residuals.shape[1] - 1)
    quantiles: dict[float, np.ndarray] = {}
    for level in levels:
        low, high = level_quantiles(level)
        width = half_widths(residuals, level)[steps]
        quantiles |= {low: forecast.mean - width, high: forecast.mean + width}
    return dataclasses.replace(forecast, quantiles=dict(sorted(quantiles.items())))


def coverage(actual: np.ndarray, forecast: np.ndarray, residuals: np.ndarray, level: float) -> float:
    """The share of actual values, (origins, horizon), inside the interval of `level` %, in percent."""
    return float(100 * np.mean(np.abs(actual - forecast) <= half_widths(residuals, level)))
