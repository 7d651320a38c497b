"""Split-conformal intervals: errors on the validation part become intervals around later forecasts.

Vovk, Gammerman & Shafer (2005), in the form of Lei et al. (2018), separately for each step of the horizon. Errors are
divided by the spread that the forecast itself gives (their section 5.2, normalized residuals), which is the same
everywhere for a network without one. Neighbouring origins are correlated and series drift, so the coverage that the
theory guarantees for exchangeable errors holds only approximately.
"""

from collections.abc import Sequence

import numpy as np

from forecaster.forecast import level_to_quantiles


def compute_half_widths(residuals: np.ndarray, level: float) -> np.ndarray:
    """Compute half the width of the interval of `level` % at each step: (origins, horizon) -> (horizon,).

    It is the k-th smallest of n absolute residuals, k = ceil((n + 1) level / 100). NaN residuals are left out. A step
    with too few residuals for the level uses its largest, and at least the width of the step before it. Level 0 is the
    median, of width 0.
    """
    widths = np.zeros(residuals.shape[1])
    for step, column in enumerate(residuals.T):
        sizes = np.sort(np.abs(column[~np.isnan(column)]))
        # rounded first: (19 + 1) * 0.95 is 19.000000000000004 in floating point
        rank = int(np.ceil(round((len(sizes) + 1) * level / 100, 9)))
        if rank == 0:
            continue
        if rank <= len(sizes):
            widths[step] = sizes[rank - 1]
        else:
            widths[step] = max([*sizes[-1:], *widths[max(0, step - 1) : step]])
    return widths


def compute_conformal_quantiles(
    mean: np.ndarray, spread: np.ndarray, residuals: np.ndarray, levels: Sequence[float]
) -> dict[float, np.ndarray]:
    """Compute the quantiles of each level around the mean, by probability in rising order.

    Args:
        mean, spread: (..., horizon), in the series' own unit.
        residuals: (origins, horizon), actual minus mean, over the spread. Later steps use the width of its last step.
        levels: coverage in percent.
    """
    steps = np.minimum(np.arange(mean.shape[-1]), residuals.shape[1] - 1)
    quantiles: dict[float, np.ndarray] = {}
    for level in levels:
        low, high = level_to_quantiles(level)
        width = compute_half_widths(residuals, level)[steps] * spread  # (..., horizon)
        quantiles |= {low: mean - width, high: mean + width}
    return dict(sorted(quantiles.items()))
