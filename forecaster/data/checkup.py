"""What a doctor measures on a series: outliers, level shifts, constant stretches, seasons, what can be learnt."""

from typing import NamedTuple

import numpy as np

_FAR = 8.0  # robust deviations from its neighbours that make a value an outlier
_SHIFT = 6.0  # robust deviations of the difference of medians that make a level shift
_MAD = 1.4826  # a normal's deviation over its median absolute deviation
_LAGS = 64  # that a straight line is fitted through, at most
_RIDGE = 1e-3  # of the lags' variance


class Stretch(NamedTuple):
    """`length` steps from the step `first` on."""

    first: int
    length: int


class Shift(NamedTuple):
    """The level changes by `change`, in the series' own unit, at the step `at`."""

    at: int
    change: float


class Errors(NamedTuple):
    """Mean absolute errors `ahead` steps ahead, half a season or one step, on the last fifth of a series."""

    ahead: int
    naive: float
    seasonal_naive: float | None
    line: float

    @property
    def gain(self) -> float:
        """How much less the straight line errs than the better naive, a share; below 0 where it errs more."""
        best = self.naive if self.seasonal_naive is None else min(self.naive, self.seasonal_naive)
        return 1 - self.line / best if best else 0.0


def constant_stretches(values: np.ndarray, shortest: int) -> list[Stretch]:
    """Runs of one value of at least `shortest` steps, the longest first; a whole series that is constant is one."""
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    lengths = np.diff(np.append(starts, len(values)))
    kept = (lengths >= shortest) & ~np.isnan(values[starts])
    found = [Stretch(int(first), int(length)) for first, length in zip(starts[kept], lengths[kept], strict=True)]
    return sorted(found, key=lambda stretch: -stretch.length)


def outliers(values: np.ndarray, season: int) -> np.ndarray:
    """Steps that lie far from their neighbours a season away (a step, where there is none), the farthest first.

    Far is 8 robust deviations of all such distances (the Hampel identifier, Davies & Gather 1993). A step must be
    far from both neighbours on the same side, so that a step of the level is none.
    """
    if len(values) < 2 * season + 2:
        return np.array([], int)
    before, after = values[season:-season] - values[: -2 * season], values[season:-season] - values[2 * season :]
    distance = np.where(np.sign(before) == np.sign(after), np.minimum(np.abs(before), np.abs(after)), 0.0)
    scale = _MAD * np.nanmedian(np.abs(np.concatenate([before, after])))
    far = np.flatnonzero(distance > _FAR * scale) if scale > 0 else np.array([], int)
    return season + far[np.argsort(-distance[far], kind="stable")]


def level_shifts(values: np.ndarray, width: int) -> list[Shift]:
    """Steps at which the median of the next `width` steps leaves that of the last, the largest first.

    `width` should hold whole seasons. Every change is told in the robust deviation of all of them; of neighbours
    within a width only the largest counts.
    """
    if len(values) < 4 * width:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    medians = np.nanmedian(windows, axis=1)  # (steps - width + 1,)
    changes = medians[width:] - medians[:-width]  # at the steps width, width + 1, ...
    noise = _MAD * np.nanmedian(np.abs(changes - np.nanmedian(changes)))
    found: list[Shift] = []
    for index in np.argsort(-np.abs(changes), kind="stable"):
        if noise == 0 or np.abs(changes[index]) < _SHIFT * noise:
            break
        if all(abs(index + width - shift.at) >= width for shift in found):
            found.append(Shift(int(index) + width, float(changes[index])))
    return found


def season_strength(values: np.ndarray, season: int) -> float:
    """From 0 to 1: how much of what is left of the trend the season explains (Hyndman & Athanasopoulos, FPP3, 4.3).

    max(0, 1 - Var(remainder) / Var(season + remainder)), the trend a moving mean over a season, the season the mean
    of each of its phases. 0 where fewer than two seasons and a half are there, or more than half is missing.
    """
    if season < 2 or len(values) < 2.5 * season:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(values, season)
    trend = windows.mean(axis=1)  # (steps - season + 1,), NaN where a value is missing
    detrended = values[season // 2 : season // 2 + len(trend)] - trend
    if np.isnan(detrended).mean() > 0.5:
        return 0.0
    phases = np.arange(len(detrended)) % season
    profile = np.array(
        [np.nanmean(part) if np.isfinite(part := detrended[phases == p]).any() else 0.0 for p in range(season)]
    )
    spread = np.nanvar(detrended)
    return float(max(0.0, 1 - np.nanvar(detrended - profile[phases]) / spread)) if spread > 0 else 0.0


def errors_ahead(values: np.ndarray, season: int) -> Errors | None:
    """A straight line through the last values beside the naive ones; None where the series is too short.

    The line is a ridge regression of the change since a season ago on the last lags less their mean, fitted on the
    first four fifths, so that it knows of the last fifth nothing but its past.
    """
    lags = min(_LAGS, max(8, 2 * season), len(values) // 8)
    ahead = (season + 1) // 2
    origins = np.arange(max(lags, season) - 1, len(values) - ahead)
    if lags < 2 or len(origins) < 50:
        return None
    past = values[origins[:, None] - np.arange(lags)]  # (origins, lags), the newest first
    future, last = values[origins + ahead], values[origins]
    seasonal = values[origins + ahead - season] if season > 1 else last
    known = np.isfinite(past).all(axis=1) & np.isfinite(future) & np.isfinite(seasonal)
    past, future, last, seasonal = past[known], future[known], last[known], seasonal[known]
    split = int(0.8 * len(future))
    if split < 2 * lags or split == len(future):
        return None
    level = past.mean(axis=1, keepdims=True)
    features = np.concatenate([past - level, (seasonal[:, None] - level)], axis=1)
    anchor = seasonal if season > 1 else last
    line = anchor + _ridge(features[:split], (future - anchor)[:split], features)
    return Errors(
        ahead,
        _mae(future[split:], last[split:]),
        _mae(future[split:], seasonal[split:]) if season > 1 else None,
        _mae(future[split:], line[split:]),
    )


def _ridge(features: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    center, mean = features.mean(axis=0), targets.mean()
    gram = (features - center).T @ (features - center)
    penalty = _RIDGE * max(np.trace(gram) / len(gram), 1e-12) * np.eye(len(gram))
    weights = np.linalg.solve(gram + penalty, (features - center).T @ (targets - mean))
    return mean + (asked - center) @ weights


def _mae(actual: np.ndarray, forecast: np.ndarray) -> float:
    return float(np.mean(np.abs(actual - forecast)))
