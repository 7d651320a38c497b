"""Split-conformal intervals: how far off a network was on its validation part, laid around its forecasts.

Vovk, Gammerman & Shafer (2005); in the form of Lei et al. (2018), one for each step of the horizon. Errors are
told in the spread that the network itself gave (their section 5.2, normalised residuals), which is the same
everywhere for a network that gives none. Steps ahead resemble each other, so that the promise of coverage holds
about, not exactly, for series that drift.
"""

from collections.abc import Sequence

import numpy as np

from forecaster.forecast import level_to_quantiles


def compute_half_widths(residuals: np.ndarray, level: float) -> np.ndarray:
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


def compute_conformal_quantiles(
    mean: np.ndarray, spread: np.ndarray, residuals: np.ndarray, levels: Sequence[float]
) -> dict[float, np.ndarray]:
    """The quantiles of each level around the mean, by probability in rising order.

    Args:
        mean, spread: (..., horizon), in the series' own unit.
        residuals: (origins, horizon), actual less mean, over the spread. Steps beyond that horizon take the
            width of its last.
        levels: coverage in percent.
    """
    steps = np.minimum(np.arange(mean.shape[-1]), residuals.shape[1] - 1)
    quantiles: dict[float, np.ndarray] = {}
    for level in levels:
        low, high = level_to_quantiles(level)
        width = compute_half_widths(residuals, level)[steps] * spread
        quantiles |= {low: mean - width, high: mean + width}
    return dict(sorted(quantiles.items()))
