"""The range of the values that a run was trained on, and the series that have left it."""

from collections.abc import Mapping, Sequence

import numpy as np

from forecaster.data import Series
from forecaster.problems import Problem

FAR = 3.0  # ranges beyond the range, from which values are far outside


def measure_ranges(values: np.ndarray) -> list[list[float]]:
    """Measure the lowest and the highest value of series, (series, steps), in the series' own unit."""
    return np.stack([np.nanmin(values, axis=1), np.nanmax(values, axis=1)], axis=1).tolist()


def find_values_outside(ranges: Mapping[str, Sequence[float]], panel: Sequence[Series], length: int) -> list[Problem]:
    """Find series with a value in their last `length` steps that is far outside what the run was trained on.

    Args:
        ranges: the lowest and the highest value by series; those of series that are not named are not known.
        panel: the series.
        length: steps that the network reads.
    """
    problems = []
    for series in panel:
        if series.name not in ranges:
            continue
        low, high = ranges[series.name]
        window = series.values[-length:]
        if max(low - window.min(), window.max() - high) <= FAR * (high - low):
            continue  # as almost every window
        distances = np.maximum(low - window, window - high)
        farthest = int(np.nanargmax(distances))
        if distances[farthest] > FAR * (high - low) and high > low:
            detail = {"series": series.name, "value": float(window[farthest]), "low": low, "high": high}
            problems.append(Problem("outside-training-range", detail=detail))
    return problems
