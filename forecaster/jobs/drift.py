"""Drift: forecast errors that have become larger, or inputs unlike those of the training part.

Errors are watched by the test of Page and Hinkley, inputs by a Kolmogorov-Smirnov test of the newest window. Both are
tuned to be quiet: over a year of nights on ten real series they report changes in the data, not chance
(benchmarks/reliability/drift.py, docs/scoring.md).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import kolmogorov

REFERENCE_ORIGINS = 30  # the first origins, whose errors are the standard of the later ones
# In long-run standard deviations of the log error. The tolerance is above what seasons change in the errors of real
# series (up to 1); the threshold takes three nights at least, since no night counts for more than 4 less the tolerance.
TOLERANCE, THRESHOLD, _LARGEST = 1.0, 8.0, 4.0
_SMALLEST_DEVIATION = 0.2  # of the log error: changes of less than about 20 % are no drift
_RECENT_ORIGINS = 28  # whose baseline errors an error is compared with
_LARGEST_CORRELATION = 0.8
SIGNIFICANT = 1e-5  # p-value of a window of inputs, times the number of series
_LEVEL_WINDOWS = 4  # before a window, whose mean is its level
MIN_WINDOWS = 10  # of the training part, to calibrate the test of inputs on, without overlap
_MAX_WINDOWS = 100
_MAX_REFERENCE = 50_000  # values of the training part, the newest
_MEAN_OF_KOLMOGOROV = 0.8687311606  # sqrt(pi / 2) ln 2, the mean of its distribution


class ErrorDrift(NamedTuple):
    """The state of the test of Page and Hinkley after each origin.

    Attributes:
        statistic: the sum above its minimum after each origin, (origins,), in standard deviations; 0 in the reference.
        since: the place of the first origin with larger errors; None where there is no drift at the last origin.
    """

    statistic: np.ndarray
    since: int | None

    @property
    def found(self) -> np.ndarray:
        """Whether there is drift after each origin, (origins,)."""
        return np.asarray(self.statistic > THRESHOLD)


class InputDrift(NamedTuple):
    """How the newest window of one series differs from those of its training part.

    Attributes:
        view: what differs most: `level`, `changes` or `deseasonalized changes`.
        distance: the statistic of Kolmogorov and Smirnov, 0 to 1.
        p_value: of a window that is no different.
        unlike_training: whether no window of the training part is as far away.
        effective_size: independent values in a window.
    """

    view: str
    distance: float
    p_value: float
    unlike_training: bool
    effective_size: float


@dataclass(frozen=True)
class _View:
    """The windows of one property of a series: of the training part, and the newest."""

    name: str
    training: np.ndarray  # (windows, steps)
    newest: np.ndarray  # (steps,)


def scale_errors(errors: np.ndarray, baseline: np.ndarray | None = None) -> np.ndarray:
    """Take the log of errors over the baseline's mean error at the newest origins, (origins,).

    What makes a season harder to forecast raises both errors, and is no drift.

    Args:
        errors: the mean error of each origin, (origins,), in time order, all at least 0.
        baseline: that of a baseline at the same origins, (origins,); None where there is none.
    """
    if not len(errors):  # no origin has both errors yet
        return errors
    lowest = 0.01 * np.median(errors[:REFERENCE_ORIGINS]) + np.finfo(float).tiny  # of a forecast without an error
    sizes = np.log(np.maximum(errors, lowest))
    if baseline is None:
        return sizes
    totals = np.cumsum(np.append(0.0, baseline))
    ends = np.arange(1, len(errors) + 1)
    starts = np.maximum(0, ends - _RECENT_ORIGINS)
    recent = (totals[ends] - totals[starts]) / (ends - starts)  # (origins,)
    lowest = 0.01 * np.median(baseline[:REFERENCE_ORIGINS]) + np.finfo(float).tiny
    return sizes - np.log(np.maximum(recent, lowest))


def detect_error_drift(sizes: np.ndarray) -> ErrorDrift | None:
    """Detect a lasting increase by the test of Page and Hinkley.

    Page (1954), Biometrika 41, 100-115; Hinkley (1971), Biometrika 58, 509-523: with m_t the sum of x - mean - δ up to
    t, there is a change where m_t less its minimum exceeds λ; it began at the minimum. Mean and deviation are those of
    the first origins. Correlated errors reach a threshold by chance as independent ones of their long-run deviation
    do, s √((1 + r) / (1 - r)) for a first autocorrelation r. The sum is at most 2 λ, so that an alarm ends after
    errors are small again.

    Args:
        sizes: one value for each origin, in time order, (origins,): `scale_errors`.

    Returns:
        None where there are no more origins than the reference has.
    """
    if len(sizes) <= REFERENCE_ORIGINS:
        return None
    reference = sizes[:REFERENCE_ORIGINS]
    deviation = max(_compute_long_run_deviation(reference), _SMALLEST_DEVIATION)
    scores = np.clip((sizes - reference.mean()) / deviation, -_LARGEST, _LARGEST)
    total, begin, statistic, since = 0.0, REFERENCE_ORIGINS, np.zeros(len(sizes)), None
    for place in range(REFERENCE_ORIGINS, len(sizes)):
        if total == 0:
            begin = place
        total = min(max(0.0, total + scores[place] - TOLERANCE), 2 * THRESHOLD)
        statistic[place] = total
        since = begin if total > THRESHOLD else None
    return ErrorDrift(statistic, since)


def _compute_long_run_deviation(values: np.ndarray) -> float:
    """Compute the deviation of a first-order autoregression's long-run mean, times the root of its length."""
    centred = values - values.mean()
    power = float(centred @ centred)
    if not power:
        return 0.0
    correlation = float(centred[1:] @ centred[:-1] / power)
    # Kendall (1954), Biometrika 41, 403-404: a correlation from few values is too low by (1 + 3 r) / n.
    correlation = min(max(0.0, correlation + (1 + 3 * correlation) / len(values)), _LARGEST_CORRELATION)
    return math.sqrt(power / (len(values) - 1) * (1 + correlation) / (1 - correlation))


def detect_input_drift(values: np.ndarray, training: int, season: int) -> InputDrift | None:
    """Compare the newest window of a series with the windows of its training part, by a test of Kolmogorov-Smirnov.

    Three properties are compared: the level, which is the deseasonalized values less their mean in the four windows
    before, and the changes from step to step, as they are and deseasonalized. A window holds whole seasons. Its values
    are correlated; they count as the n independent ones for which the mean distance of the training windows, each from
    all of them, is what the law of Kolmogorov expects, E √n D = √(π / 2) ln 2. So the test keeps its level on series
    that are volatile at times.

    Args:
        values: without gaps, (steps,).
        training: steps that the network was trained on; none of the newest window count.
        season: in steps, 1 where there is none.

    Returns:
        The property that differs more; None where the training part has less than `MIN_WINDOWS` windows.
    """
    length = count_window_steps(season)
    training = min(training, len(values) - length)
    results = [_test_view(view) for view in _cut_views(values, training, season, length)]
    return min(results, key=lambda result: result.p_value, default=None)


def count_window_steps(season: int) -> int:
    """Count the steps of the window that is compared: seven days of a daily season, else whole seasons, 28 steps."""
    return 7 * season if season >= 24 else -(-28 // season) * season


def _cut_views(values: np.ndarray, training: int, season: int, length: int) -> list[_View]:
    """Cut the windows of each property; none where there are too few."""
    first = max(0, training - _MAX_REFERENCE)
    begin = (_LEVEL_WINDOWS + 1) * length  # steps before the end of the first window
    ends = np.arange(training, first + begin - 1, -season)
    if len(ends) * season < MIN_WINDOWS * length:
        return []
    ends = np.append(ends[np.linspace(0, len(ends) - 1, min(len(ends), _MAX_WINDOWS)).astype(int)], len(values))
    places = ends[:, None] - np.arange(length, 0, -1)  # (windows, length)
    values = values - values[first:training].mean()
    totals, before = np.cumsum(np.append(0.0, values)), _LEVEL_WINDOWS * length
    level = (totals[places[:, 0]] - totals[places[:, 0] - before]) / before  # (windows,)
    phases = np.arange(len(values)) % season
    known = slice(first, training)
    usual = np.bincount(phases[known], values[known], season) / np.bincount(
        phases[known], minlength=season
    )  # (season,)
    views = {
        "level": (values - usual[phases])[places] - level[:, None],
        "changes": np.diff(values, prepend=values[0])[places],
        "deseasonalized changes": np.diff(values - usual[phases], prepend=values[0] - usual[0])[places],
    }
    return [_View(name, each[:-1], each[-1]) for name, each in views.items()]


def _test_view(view: _View) -> InputDrift:
    reference = np.sort(view.training, axis=None)
    usual, distance = (
        _measure_distances(reference, view.training),
        float(_measure_distances(reference, view.newest[None])[0]),
    )
    size = min((_MEAN_OF_KOLMOGOROV / max(usual.mean(), 1e-9)) ** 2, view.newest.size)
    root = math.sqrt(size)
    # Stephens (1970): the asymptotic law holds for small samples with this factor.
    p_value = float(kolmogorov((root + 0.12 + 0.11 / root) * distance))
    return InputDrift(view.name, distance, p_value, bool(distance > usual.max()), float(size))


def _measure_distances(reference: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Measure the largest difference between two empirical distributions: (values,), (windows, steps) -> (windows,).

    The reference is sorted.
    """
    windows = np.sort(windows, axis=1)
    places = np.arange(windows.shape[1] + 1) / windows.shape[1]
    above = places[1:] - np.searchsorted(reference, windows, "right") / len(reference)
    below = np.searchsorted(reference, windows, "left") / len(reference) - places[:-1]
    return np.maximum(above.max(axis=1), below.max(axis=1))
