"""What the pretrained network reads of a window: scaled values, seasonal profiles, smoothed levels, trends.

Periodicity is computed, not learnt: the network corrects a first forecast, the seasonal profile on a smoothed level.
The same functions serve the training and the forecast.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ENCODER_FEATURES, DECODER_FEATURES = 11, 21
# The quantiles that the network gives; the median is the point forecast.
PROBABILITIES = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
_RATES = np.array([0.1, 0.3, 0.7])  # of the smoothed levels; the first forecast stands on the second
_LARGEST = 30.0  # of a scaled value
_FORGETTING = 0.9  # by which the weight of a cycle falls with each that is newer, in its profile
_RECENT = 0.5  # the same in the profile of recent cycles
_CYCLES = 4  # of the longest season that are read
_LEAST_CHANGE = 0.02  # scaled
_EXTRAPOLATED = 8  # times the trained steps, beyond which levels and widths stay as they are
_LEAST_KNOWN = 0.75  # of the steps of a cycle that enters a profile


class Features(NamedTuple):
    """What the network reads of a batch of windows, and how its answers return to the series' unit.

    Attributes:
        encoder: of each step that the recurrent layer reads, (batch, encoder steps, `ENCODER_FEATURES`) float32.
        decoder: of each step ahead, (batch, horizon, `DECODER_FEATURES`) float32.
        base: the first forecast, scaled, (batch, horizon) float32.
        centre, scale: of the window in the series' unit, (batch,): a scaled value is (value - centre) / scale.
        change: the mean change from a season before, scaled, (batch,): the unit of the network's answers.
    """

    encoder: np.ndarray
    decoder: np.ndarray
    base: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    change: np.ndarray


class _Profile(NamedTuple):
    """A seasonal profile: steps `season` before the origin and after.

    Attributes:
        past: of the steps of the window, (batch, steps).
        future: of the steps ahead, (batch, horizon).
        recent: the profile of the newest cycles, of the steps ahead, (batch, horizon).
        strength: how much of the profile is not noise, 0 to 1, (batch,).
    """

    past: np.ndarray
    future: np.ndarray
    recent: np.ndarray
    strength: np.ndarray


def get_main_season(seasons: Sequence[int]) -> int:
    """Return the main season, 1 where there is none."""
    return int(seasons[0]) if len(seasons) else 1


def count_encoder_steps(seasons: Sequence[int]) -> int:
    """Count the steps that the recurrent layer reads: twelve years of quarters, eight of months, a week of hours."""
    main = get_main_season(seasons)
    return 48 if main <= 4 else 96 if main <= 12 else 168


def count_trained_steps(seasons: Sequence[int]) -> int:
    """Count the steps ahead that the network is trained to forecast."""
    return 48 if get_main_season(seasons) <= 12 else 168


def count_history_steps(seasons: Sequence[int]) -> int:
    """Count the steps before the origin that the network can use; older ones change nothing.

    Args:
        seasons: steps in each, the main one first; empty or 1 where there are none.
    """
    main = get_main_season(seasons)
    longest = max([*seasons, 1])
    return max(count_encoder_steps(seasons) + main, _CYCLES * longest, 14 * main if main <= 24 else 7 * main)


def build_features(windows: np.ndarray, seasons: Sequence[int], horizon: int) -> Features:
    """Build what the network reads of windows.

    Args:
        windows: (batch, steps), the newest value last, in the series' own unit; NaN where missing.
        seasons: steps in each, the main one first; empty or 1 where there are none.
        horizon: steps ahead.
    """
    main, count = get_main_season(seasons), count_encoder_steps(seasons)
    values = windows[:, -count_history_steps(seasons) :]
    if (lacking := count - values.shape[1]) > 0:
        values = np.pad(values, ((0, 0), (lacking, 0)), constant_values=np.nan)
    known = ~np.isnan(values)
    centre, scale = _measure_scale(values, known, main, count)
    scaled = np.where(known, np.clip((values - centre[:, None]) / scale[:, None], -_LARGEST, _LARGEST), 0.0)
    short = _fit_profile(scaled, known, main, horizon)
    long = _fit_long_profile(scaled - short.past, known, seasons, horizon)
    total = (short.past + long.past)[:, -count:]
    future = short.future + long.future
    newest, newest_known = scaled[:, -count:], known[:, -count:]
    rest = np.where(newest_known, newest - total, 0.0)
    levels = _smooth(rest, newest_known)  # (batch, count, rates)
    base = future + levels[:, -1:, 1]
    before = [_look_back(scaled, known, season, count) for season in (main, *seasons[1:2])]
    if len(before) == 1:
        before.append((np.zeros_like(newest), np.zeros(newest.shape, bool)))
    encoder = np.stack(
        [newest, rest, total, *(part for pair in before for part in pair), newest_known,
         *np.moveaxis(np.where(newest_known[..., None], rest[..., None] - levels, 0.0), 2, 0)],
        axis=-1,
    )  # fmt: skip
    change = _measure_change(scaled, known, main)
    ahead = [_repeat_season(scaled, known, season, base) for season in (main, *seasons[1:2])]
    if len(ahead) == 1:
        ahead.append((np.zeros_like(base), np.zeros(base.shape, bool)))
    of_window = _describe_window(newest, newest_known, rest, levels, change, main)  # (batch, 9)
    trends = _measure_trends(rest, newest_known, max(main, 4))  # (batch, 2)
    steps = np.minimum(np.arange(1, horizon + 1), _EXTRAPOLATED * count_trained_steps(seasons))
    rows = len(values)
    decoder = np.stack(
        [
            future,
            short.recent + long.recent - future,
            *(part for pair in ahead for part in pair),
            *(np.clip(trends[:, [side]] * steps, -10, 10) for side in (0, 1)),
            *np.broadcast_to([np.log(steps)[None] / 3, np.minimum(steps / main / 4, 3.0)[None]], (2, rows, horizon)),
            *np.broadcast_to(np.stack([short.strength, long.strength], 1).T[..., None], (2, rows, horizon)),
            *np.broadcast_to(of_window.T[..., None], (of_window.shape[1], rows, horizon)),
        ],
        axis=-1,
    )
    return Features(
        encoder.astype(np.float32), decoder.astype(np.float32), base.astype(np.float32), centre, scale, change
    )


def _measure_scale(values: np.ndarray, known: np.ndarray, season: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Measure the mean of the last season and the deviation from it of the steps that are read, each (batch,)."""
    last = min(max(season, 4), count)
    filled = np.where(known, values, 0.0)
    ends, in_season = filled[:, -last:], known[:, -last:].sum(axis=1)
    # Where the whole last season is missing, all known values count.
    everything = filled.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    centre = np.where(in_season > 0, ends.sum(axis=1) / np.maximum(in_season, 1), everything)
    near, near_known = filled[:, -count:], known[:, -count:]
    squares = np.where(near_known, (near - centre[:, None]) ** 2, 0.0).sum(axis=1)
    scale = np.sqrt(squares / np.maximum(near_known.sum(axis=1), 1))
    return centre, np.maximum(scale, np.abs(centre) * 1e-6 + 1e-9)


def _fit_profile(scaled: np.ndarray, known: np.ndarray, season: int, horizon: int) -> _Profile:
    """Fit the profile of a season: the mean cycle without its trend, each wave shrunk by how much of it is noise.

    A wave whose square is not above the variance of its mean over the cycles is noise (James and Stein 1961, for each
    frequency).
    """
    rows, steps = scaled.shape
    cycles = steps // season
    if season == 1 or not cycles:
        zero = np.zeros((rows, horizon))
        return _Profile(np.zeros_like(scaled), zero, zero, np.zeros(rows))
    shape = (rows, cycles, season)
    cells, are_known = (
        scaled[:, steps - cycles * season :].reshape(shape),
        known[:, steps - cycles * season :].reshape(shape),
    )
    counts = are_known.sum(axis=2)
    valid = counts >= _LEAST_KNOWN * season  # (rows, cycles)
    means = np.where(valid, cells.sum(axis=2) / np.maximum(counts, 1), 0.0)
    slopes = _measure_slopes(means, valid) / season
    trend = means[..., None] + slopes[..., None] * (np.arange(season) - (season - 1) / 2)
    rest = np.where(are_known & valid[..., None], cells - trend, 0.0)
    number = valid.sum(axis=1)
    ages = np.arange(cycles - 1, -1, -1)
    shares = valid * _FORGETTING**ages
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    waves = np.fft.rfft(rest, axis=2)  # (rows, cycles, waves)
    mean = (waves * shares[..., None]).sum(axis=1)
    power = np.abs(mean) ** 2
    # The variance of a weighted mean: that of one cycle times the sum of the squared weights.
    deviations = (np.abs(waves - mean[:, None]) ** 2 * shares[..., None]).sum(axis=1)
    squares = (shares**2).sum(axis=1)[:, None]
    noise = deviations * squares / np.maximum(1 - squares, 1e-9)
    power, noise = _average_neighbours(power, 1), _average_neighbours(noise, 3)
    share = np.clip(1 - noise / np.maximum(power, 1e-12), 0, 1)
    share = np.where((number >= 2)[:, None], share, 0.6 * (number == 1)[:, None])
    profile = np.fft.irfft(mean * share, season, axis=1)
    weights = valid * _RECENT**ages
    recent = (rest * weights[..., None]).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)[:, None]
    kept = (power * share).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-12)
    ahead = np.arange(horizon) % season
    past = np.tile(profile, (1, cycles + 1))[:, -steps:]
    return _Profile(past, profile[:, ahead], recent[:, ahead], kept)


def _fit_long_profile(rest: np.ndarray, known: np.ndarray, seasons: Sequence[int], horizon: int) -> _Profile:
    """Fit the profile of the second season to what the first leaves; zeros without one."""
    return _fit_profile(np.where(known, rest, 0.0), known, int(seasons[1]) if len(seasons) > 1 else 1, horizon)


def _measure_slopes(means: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Measure the change of a mean from cycle to cycle, (rows, cycles); 0 where its neighbours are unknown."""
    differences = np.diff(means, axis=1)
    both = valid[:, 1:] & valid[:, :-1]
    padded = np.pad(np.where(both, differences, 0.0), ((0, 0), (1, 1)))
    number = np.pad(both.astype(int), ((0, 0), (1, 1)))
    return (padded[:, 1:] + padded[:, :-1]) / np.maximum(number[:, 1:] + number[:, :-1], 1)


def _average_neighbours(values: np.ndarray, reach: int) -> np.ndarray:
    """Average each number with its neighbours along a row, up to `reach` on each side."""
    sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    places = np.arange(values.shape[1])
    low, high = np.maximum(places - reach, 0), np.minimum(places + reach + 1, values.shape[1])
    return np.maximum(sums[:, high] - sums[:, low], 0.0) / (high - low)


def _smooth(rest: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Smooth values exponentially at each rate, (batch, steps, rates); they begin at the first known value."""
    rows, steps = rest.shape
    levels, level = np.zeros((steps, rows, len(_RATES))), np.zeros((rows, len(_RATES)))
    begun = np.zeros(rows, bool)
    for step in range(steps):
        value, is_known = rest[:, step, None], known[:, step]
        rates = np.where(begun[:, None], _RATES, 1.0) * is_known[:, None]
        level = level + rates * (value - level)
        begun |= is_known
        levels[step] = level
    return np.moveaxis(levels, 0, 1)


def _look_back(scaled: np.ndarray, known: np.ndarray, season: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Look up the value a season before each of the last steps, 0 where unknown, and whether it is known."""
    steps = scaled.shape[1]
    found, are_known = np.zeros((len(scaled), count)), np.zeros((len(scaled), count), bool)
    number = min(count, steps - season)
    if number > 0:
        part = slice(steps - season - number, steps - season)
        found[:, count - number :], are_known[:, count - number :] = scaled[:, part], known[:, part]
    return found, are_known


def _repeat_season(
    scaled: np.ndarray, known: np.ndarray, season: int, base: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Repeat the last season over the horizon, less the first forecast, 0 where unknown; and whether it is known."""
    horizon, steps = base.shape[1], scaled.shape[1]
    places = steps - season + np.arange(horizon) % season
    inside = places >= 0
    values, are_known = scaled[:, np.maximum(places, 0)], known[:, np.maximum(places, 0)] & inside
    return np.where(are_known, values - base, 0.0), are_known


def _measure_change(scaled: np.ndarray, known: np.ndarray, season: int) -> np.ndarray:
    """Measure the mean absolute change from a season before, or from step to step without a season, (batch,)."""
    lag = season if scaled.shape[1] > season else 1
    both = known[:, lag:] & known[:, :-lag]
    short = both.sum(axis=1) == 0
    change = np.where(both, np.abs(scaled[:, lag:] - scaled[:, :-lag]), 0.0).sum(axis=1) / np.maximum(
        both.sum(axis=1), 1
    )
    by_step = known[:, 1:] & known[:, :-1]
    steps = np.where(by_step, np.abs(np.diff(scaled, axis=1)), 0.0).sum(axis=1) / np.maximum(by_step.sum(axis=1), 1)
    return np.maximum(np.where(short, steps, change), _LEAST_CHANGE)


def _measure_trends(rest: np.ndarray, known: np.ndarray, season: int) -> np.ndarray:
    """Measure the mean change a step over two seasons and over the whole window, (batch, 2); 0 where unknown."""
    steps = rest.shape[1]
    trends = []
    for half in (min(season, steps // 2), steps // 2):
        sums = [np.where(known[:, part], rest[:, part], 0.0).sum(axis=1) for part in _split_in_halves(steps, half)]
        counts = [known[:, part].sum(axis=1) for part in _split_in_halves(steps, half)]
        older, newer = (total / np.maximum(number, 1) for total, number in zip(sums, counts, strict=True))
        trends.append(np.where(np.minimum(*counts) > 0, (newer - older) / half, 0.0))
    return np.stack(trends, axis=1)


def _split_in_halves(steps: int, half: int) -> tuple[slice, slice]:
    return slice(steps - 2 * half, steps - half), slice(steps - half, steps)


def _describe_window(
    newest: np.ndarray, known: np.ndarray, rest: np.ndarray, levels: np.ndarray, change: np.ndarray, season: int
) -> np.ndarray:
    """Describe windows in nine numbers, (batch, 9): levels, length, noise, extremes, season."""
    number = known.sum(axis=1)
    low = np.where(known, newest, np.inf).min(axis=1)
    high = np.where(known, newest, -np.inf).max(axis=1)
    at_low = (known & (newest <= low[:, None] + 1e-9)).sum(axis=1) / np.maximum(number, 1)
    follows = known[:, 1:] & known[:, :-1]
    jumps = np.where(follows, np.abs(rest[:, 1:] - levels[:, :-1, 1]), 0.0)
    noise = jumps.sum(axis=1) / np.maximum(follows.sum(axis=1), 1)
    last = levels[:, -1]
    return np.stack(
        [
            last[:, 0] - last[:, 1],
            last[:, 2] - last[:, 1],
            np.log(np.maximum(number, 1)) / 4,
            np.log(noise + 1e-3) / 3,
            np.log(change + 1e-3) / 3,
            np.maximum(low, -10) / 4,
            np.minimum(high, 10) / 4,
            at_low,
            np.full(len(newest), np.log(min(season, 400)) / 4),
        ],
        axis=1,
    )
