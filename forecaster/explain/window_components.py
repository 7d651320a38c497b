"""The values before an origin as a sum of components: a reference, the level, the season, and the rest by parts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.preprocessing.scaling import Scaler
from forecaster.wording import count_steps

LEVEL, SEASON = "level", "season"
_PARTS = 4  # of the window
_ROUNDS = 8
_SEASONS, _HISTORY = 8, 20_000  # seasons, and steps, in which a season is found at most


@dataclass(frozen=True)
class WindowComponents:
    """The values before some origins, in transformed units divided by the scale of each series.

    values = invert(reference + unit * (level + season + rest)); a window without information is the reference.

    Attributes:
        scaler: with a row for each origin.
        reference: the mean of each series, in transformed units, (origins, 1).
        level: the distance of the window's mean from it, (origins, 1).
        season: repeated over all steps, (origins, steps); None without one.
        rest: what is left of each step, (origins, steps); NaN where a value is missing.
        parts: the number of the window's part that each step is in, (steps,); 0 is the newest.
    """

    scaler: Scaler
    reference: np.ndarray
    level: np.ndarray
    season: np.ndarray | None
    rest: np.ndarray
    parts: np.ndarray

    def compose(self, level: np.ndarray, season: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """Compose windows of some components, (origins, steps), in the series' own unit; NaN where values are missing.

        Args:
            level, season: whether each origin has them, (origins,).
            parts: whether each origin has each part of the rest, (origins, parts).
        """
        kept = parts[:, self.parts]  # (origins, steps)
        sums = np.where(kept, self.rest, self.rest * 0) + np.where(level[:, None], self.level, 0)
        if self.season is not None:
            sums = sums + np.where(season[:, None], self.season, 0)
        return self.scaler.curve.invert(self.reference + self.scaler.unit * sums)

    def exchange(self, component: str | int, order: np.ndarray) -> np.ndarray:
        """Compose whole windows with a component (or the number of a part) of other origins, as `order` lists them."""
        level, season, rest = self.level, self.season, self.rest
        if component == LEVEL:
            level = level[order]
        elif component == SEASON:
            season = None if season is None else season[order]
        else:
            # a step that is missing at the other origin has no rest there
            rest = np.where(self.parts == component, np.nan_to_num(rest[order]) + rest * 0, rest)
        sums = level + (0 if season is None else season) + rest
        return self.scaler.curve.invert(self.reference + self.scaler.unit * sums)


def split_windows(
    values: np.ndarray,
    history: np.ndarray,
    references: np.ndarray,
    scaler: Scaler,
    window: int,
    seasons: Sequence[int],
) -> WindowComponents:
    """Split the values before some origins into components.

    Args:
        values: (origins, steps) in the series' own unit, the newest last; NaN where missing.
        history: the same with more steps, in which seasons are found, (origins, more steps).
        references: the mean of each series in transformed units, (origins,).
        scaler: with a row for each origin.
        window: the newest steps, which a network reads; the level is their mean. Those before them are a part.
        seasons: steps in each, in any order; one is found where it fits twice into the history.
    """
    steps = values.shape[1]
    with np.errstate(all="ignore"):
        known = (scaler.curve.apply(history) - references[:, None]) / scaler.unit  # (origins, more steps)
        rest = (scaler.curve.apply(values) - references[:, None]) / scaler.unit  # (origins, steps)
    total, found = np.zeros_like(rest), False
    for season in sorted({each for each in seasons if 1 < each <= known.shape[1] / 2}):
        profile = _find_profile(known, season)  # (origins, season)
        repeated = np.tile(profile, math.ceil(known.shape[1] / season))[:, -known.shape[1] :]
        known, total, found = known - repeated, total + repeated[:, -steps:], found or bool(profile.any())
    rest = rest - total
    level = _average(rest[:, -window:])[:, None]
    return WindowComponents(
        scaler, references[:, None], level, total if found else None, rest - level, find_parts(steps, window)
    )


def count_season_steps(seasons: Sequence[int], steps: int) -> int:
    """Count the steps of the history in which seasons are found, at least `steps`."""
    return max(steps, *(max(2 * season, min(_SEASONS * season, _HISTORY)) for season in (1, *seasons)))


def find_reference(values: np.ndarray, season: int) -> float:
    """Find the mean of transformed values (steps,) over whole seasons, the newest; over all where there are fewer."""
    whole = len(values) // season * season
    known = values[len(values) - whole :] if whole else values
    low, high = np.nanmin(known), np.nanmax(known)
    return float(low) if low == high else float(np.nanmean(known))  # a mean of equal values may be rounded


def find_parts(steps: int, window: int) -> np.ndarray:
    """Find the number of each step's part, (steps,): quarters of the window, 0 the newest, then what is before it."""
    back = np.arange(steps)[::-1]  # steps before the newest
    window = min(window, steps)
    count = min(_PARTS, window)
    return np.where(back < window, back * count // window, count)


def name_parts(parts: np.ndarray, frequency: str) -> list[str]:
    """Name the parts of a window by their steps: `newest 6 hours`, `7 to 12 hours back`."""
    names, before = [], 0
    for count in np.bincount(parts).tolist():
        first, last = before + 1, before + count
        if not before:
            names.append(f"newest {count_steps(count, frequency)}" if count > 1 else "newest value")
        elif count == 1:
            names.append(f"{count_steps(first, frequency)} back")
        else:
            names.append(f"{first} to {count_steps(last, frequency)} back")
        before = last
    return names


def _average(values: np.ndarray) -> np.ndarray:
    """Average rows of (origins, steps), ignoring NaN; 0 where all is missing."""
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def _find_profile(values: np.ndarray, season: int) -> np.ndarray:
    """Find the mean of each phase over whole seasons, (origins, season): its last column is the newest step's.

    The mean of each season is subtracted, and within a season the trend, which is the mean change from season to
    season. Seasons of which half is missing do not count; with fewer than two the profile is 0.
    """
    count = values.shape[1] // season
    recent = values[:, values.shape[1] - count * season :]
    slopes = _average(recent[:, season:] - recent[:, :-season]) / season  # a step, (origins,)
    trend = slopes[:, None] * (np.arange(season) - (season - 1) / 2)  # (origins, season)
    blocks = recent.reshape(len(values), count, season) - trend[:, None]
    known = ~np.isnan(blocks)
    known &= (known.sum(axis=2) >= season / 2)[..., None]
    profile = np.zeros((len(values), season))
    # Means of seasons and of phases in turn, until neither depends on which values are missing.
    for _ in range(1 if known.all() else _ROUNDS):
        seasonal = np.where(known, blocks - profile[:, None], 0)
        means = seasonal.sum(axis=2) / np.maximum(known.sum(axis=2), 1)  # (origins, count)
        profile = np.where(known, blocks - means[..., None], 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    profile[known.any(axis=2).sum(axis=1) < 2] = 0
    return profile - profile.mean(axis=1, keepdims=True)
