"""Generated series: levels, trends, seasons, noise, shifts, outliers and counts, in random mixtures.

The pretrained network sees nothing else, so that every score of it on real series is zero-shot. A batch follows from
two numbers, the seed and its place in the training.
"""

from typing import NamedTuple

import numpy as np

Generator = np.random.Generator


class Task(NamedTuple):
    """What the series of one batch have in common.

    Attributes:
        seasons: steps in each, the main one first; none where there are none.
        history: steps before the origin.
        share: of the batches.
    """

    seasons: tuple[int, ...]
    history: int
    share: float


# Seasons of quarters, weekdays, days, months, hours, half hours, weeks, quarter hours, and others.
TASKS = (
    Task((), 120, 0.13),
    Task((4,), 120, 0.12),
    Task((5,), 160, 0.03),
    Task((6,), 160, 0.02),
    Task((7,), 196, 0.11),
    Task((7, 365), 1095, 0.05),
    Task((12,), 168, 0.24),
    Task((24,), 336, 0.06),
    Task((24, 168), 672, 0.09),
    Task((48, 336), 1344, 0.02),
    Task((52,), 260, 0.08),
    Task((96,), 480, 0.02),
    Task((96, 672), 1344, 0.01),
    Task((144,), 576, 0.01),
    Task((288,), 864, 0.01),
    Task((365,), 1095, 0.01),
)
_LARGEST_RANDOM_SEASON = 60  # of the batches whose season is drawn, among those without one


def draw_task(generator: Generator) -> Task:
    """Draw the task of a batch."""
    shares = np.array([task.share for task in TASKS])
    task = TASKS[generator.choice(len(TASKS), p=shares / shares.sum())]
    if not task.seasons and generator.random() < 0.25:
        season = int(generator.integers(2, _LARGEST_RANDOM_SEASON))
        return Task((season,), min(max(120, 6 * season), 336), task.share)
    return task


def generate_series(generator: Generator, count: int, steps: int, seasons: tuple[int, ...]) -> np.ndarray:
    """Generate series, (count, steps), that share seasons of a known length and nothing else.

    The sum of level, seasons and noise is scaled so that the noise has a deviation of 0.03 to 1.2; half of the series
    are the exponential of it, so that their seasons and noise grow with the level.
    """
    main = seasons[0] if seasons else 1
    # Months drift further than hours. Some series drift alike all the same.
    slower = np.where(generator.random(count) < 0.7, min(1.0, 12 / main), 1.0)
    season = _generate_season(generator, count, steps, main)
    if len(seasons) > 1:
        season = season + _generate_long_season(generator, count, steps, main, seasons[1], season)
    noise = _generate_noise(generator, count, steps, season)
    total = _generate_level(generator, count, steps, slower) + season + noise
    return _reshape(generator, total)


def hide_values(generator: Generator, count: int, steps: int, longest_season: int) -> np.ndarray:
    """Draw which values of a history are known, (count, steps): some series are short, some have gaps.

    At least 3 values of each, and the last one, are known.
    """
    least, kind = min(max(2 * longest_season, 8), steps), generator.random(count)
    lengths = np.where(kind < 0.4, steps, generator.integers(least, steps + 1, count))
    short = np.exp(generator.uniform(np.log(3), np.log(steps + 1), count)).astype(int)
    lengths = np.where(kind > 0.85, short, lengths)
    known = np.arange(steps) >= (steps - lengths)[:, None]
    with_gaps = generator.random(count) < 0.15
    shares = _draw_logarithmic(generator, 0.005, 0.3, count)
    gaps = generator.random((count, steps)) < shares[:, None]
    wide = generator.random(count) < 0.3  # gaps of eight steps
    blocks = np.repeat(generator.random((count, -(-steps // 8))) < shares[:, None], 8, axis=1)[:, :steps]
    known &= ~(with_gaps[:, None] & np.where(wide[:, None], blocks, gaps))
    known[:, -3:] = True
    return known


def _draw_logarithmic(generator: Generator, low: float, high: float, shape: int | tuple[int, ...]) -> np.ndarray:
    """Draw numbers whose logarithm is uniform."""
    return np.exp(generator.uniform(np.log(low), np.log(high), shape))


def _draw_sparse(generator: Generator, zero: float, low: float, high: float, count: int) -> np.ndarray:
    """Draw numbers of which a share is 0, and the logarithm of the others uniform."""
    return np.where(generator.random(count) < zero, 0.0, _draw_logarithmic(generator, low, high, count))


def _generate_level(generator: Generator, count: int, steps: int, slower: np.ndarray) -> np.ndarray:
    """Generate local linear trends with damping, mean reversion, momentum and level shifts, (count, steps)."""
    level_noise = _draw_sparse(generator, 0.3, 5e-3, 0.5, count) * np.sqrt(slower)
    trend_noise = _draw_sparse(generator, 0.6, 1e-4, 2e-2, count) * slower**1.5
    trend = generator.standard_normal(count) * _draw_sparse(generator, 0.35, 1e-3, 0.1, count) * slower
    damping = np.where(generator.random(count) < 0.5, 1.0, generator.uniform(0.8, 1.0, count))
    reversion = np.where(generator.random(count) < 0.2, generator.uniform(0.005, 0.3, count), 0.0)
    momentum = np.where(generator.random(count) < 0.25, generator.uniform(-0.5, 0.8, count), 0.0)
    shocks = generator.standard_normal((steps, count)) * level_noise
    trend_shocks = generator.standard_normal((steps, count)) * trend_noise
    levels, level, step = np.empty((steps, count)), np.zeros(count), np.zeros(count)
    for t in range(steps):
        trend = damping * trend + trend_shocks[t]
        step = momentum * step + shocks[t]
        level = (level + trend + step) * (1 - reversion)
        levels[t] = level
    levels = levels.T
    levels += _generate_shifts(generator, count, steps)
    # Trends that bend once, as after a change of policy.
    bent = generator.random(count) < 0.1
    at = generator.integers(0, steps, count)
    slopes = generator.standard_normal(count) * _draw_logarithmic(generator, 1e-3, 0.05, count) * slower * bent
    return levels + slopes[:, None] * np.maximum(np.arange(steps) - at[:, None], 0)


def _generate_shifts(generator: Generator, count: int, steps: int) -> np.ndarray:
    """Generate level shifts that stay, and others that end, (count, steps)."""
    shifts, places = np.zeros((count, steps)), np.arange(steps)
    for share, ends in ((0.2, False), (0.06, False), (0.1, True)):
        rows = generator.random(count) < share
        begin = generator.integers(0, steps, count)
        length = generator.integers(1, max(2, steps // 4), count) if ends else np.full(count, steps)
        sizes = generator.standard_normal(count) * 2 * rows
        inside = (places >= begin[:, None]) & (places < (begin + length)[:, None])
        shifts += sizes[:, None] * inside
    return shifts


def draw_patterns(generator: Generator, count: int, season: int) -> np.ndarray:
    """Draw patterns of one season with mean 0 and deviation 1, (count, season)."""
    if season == 1:
        return np.zeros((count, 1))
    phases = np.arange(season)
    waves = min(season // 2, 8)
    decay = _draw_logarithmic(generator, 0.2, 1.0, count)[:, None] ** np.arange(waves)
    sines = generator.standard_normal((count, waves)) * decay
    cosines = generator.standard_normal((count, waves)) * decay
    angles = 2 * np.pi * np.arange(1, waves + 1)[:, None] * phases / season  # (waves, season)
    smooth = sines @ np.sin(angles) + cosines @ np.cos(angles)
    free = generator.standard_normal((count, season))
    spikes = np.zeros((count, season))
    spikes[np.arange(count), generator.integers(0, season, count)] = 3.0
    spikes[np.arange(count), generator.integers(0, season, count)] += generator.standard_normal(count)
    peaks = np.zeros((count, season))
    for _ in range(2):  # such as those of mornings and evenings
        at, width = generator.uniform(0, season, count), _draw_logarithmic(generator, 0.03, 0.2, count) * season
        distance = np.abs((phases - at[:, None] + season / 2) % season - season / 2)
        peaks += generator.standard_normal(count)[:, None] * np.exp(-((distance / width[:, None]) ** 2) / 2)
    weights = generator.dirichlet([0.6, 0.6 if season <= 12 else 0.15, 0.25, 0.3], count)
    parts = [_standardize(part) for part in (smooth, free, spikes, peaks)]
    return _standardize(sum(weights[:, [place]] * part for place, part in enumerate(parts)))


def _standardize(patterns: np.ndarray) -> np.ndarray:
    """Shift and scale each row to mean 0 and deviation 1."""
    centred = patterns - patterns.mean(axis=1, keepdims=True)
    return centred / (centred.std(axis=1, keepdims=True) + 1e-9)


def _generate_season(generator: Generator, count: int, steps: int, season: int) -> np.ndarray:
    """Generate a season whose pattern and amplitude may change from cycle to cycle, (count, steps)."""
    if season == 1:
        return np.zeros((count, steps))
    cycles = -(-steps // season) + 1
    amplitude = _draw_sparse(generator, 0.2, 0.05, 3.0, count)
    pattern = draw_patterns(generator, count, season)
    change = _draw_sparse(generator, 0.5, 0.01, 0.3, count)
    if season <= 12:
        changes = generator.standard_normal((count, cycles, season))
    else:  # neighbouring phases change alike
        basis = np.stack([draw_patterns(generator, count, season) for _ in range(3)], axis=1)  # (count, 3, season)
        changes = generator.standard_normal((count, cycles, 3)) @ basis / np.sqrt(3)
    patterns = pattern[:, None] + np.cumsum(changes, axis=1) * change[:, None, None]  # (count, cycles, season)
    growth = np.where(generator.random(count) < 0.2, generator.standard_normal(count) * 0.5, 0.0)
    swings = _draw_sparse(generator, 0.6, 0.03, 0.4, count)[:, None] * generator.standard_normal((count, cycles))
    sizes = np.exp(growth[:, None] * np.linspace(0, 1, cycles) + swings) * amplitude[:, None]
    first = int(generator.integers(0, season))
    return (patterns * sizes[:, :, None]).reshape(count, -1)[:, first : first + steps]


def _generate_long_season(
    generator: Generator, count: int, steps: int, main: int, season: int, short: np.ndarray
) -> np.ndarray:
    """Generate a longer season next to a short one, (count, steps): a week of days, or a year of weeks."""
    places = np.arange(steps) + int(generator.integers(0, season))
    amplitude = _draw_sparse(generator, 0.25, 0.05, 3.0, count)[:, None]
    if season != 7 * main:
        year = draw_patterns(generator, count, season) * amplitude
        return year[:, places % season]
    days = (places // main) % 7
    free = draw_patterns(generator, count, 7)
    rest = np.zeros((count, 7))  # two days that follow each other differ from the other five
    at = generator.integers(0, 7, count)
    rest[np.arange(count), at], rest[np.arange(count), (at + 1) % 7] = 1.0, generator.uniform(0.3, 1.0, count)
    is_rest = generator.random(count) < 0.6
    levels = np.where(is_rest[:, None], -rest * _draw_logarithmic(generator, 0.3, 3.0, count)[:, None], free)
    sizes = np.where(is_rest[:, None], rest * generator.uniform(-0.8, 0.3, count)[:, None], 0.15 * free)
    return (levels * amplitude)[:, days] + short * (sizes * (amplitude > 0))[:, days]


def _generate_noise(generator: Generator, count: int, steps: int, season: np.ndarray) -> np.ndarray:
    """Generate autoregressive noise, some heavy-tailed, some of changing variance, with outliers, (count, steps)."""
    deviation = _draw_logarithmic(generator, 0.03, 1.2, count)
    persistence = np.where(generator.random(count) < 0.4, 0.0, generator.uniform(-0.4, 0.98, count))
    shocks = generator.standard_normal((count, steps))
    heavy = generator.random(count) < 0.3
    shocks[heavy] = generator.standard_t(4, (int(heavy.sum()), steps)) * 0.7
    by_season = np.where(generator.random(count) < 0.2, generator.uniform(-0.6, 0.6, count), 0.0)
    shocks *= np.exp(np.clip(by_season[:, None] * season, -2, 2))
    swinging = np.where(generator.random(count) < 0.15, generator.uniform(0.05, 0.3, count), 0.0)
    shocks *= np.exp(
        np.clip(_run_autoregression(generator.standard_normal((count, steps)), 0.95) * swinging[:, None], -3, 3)
    )
    # Shocks are scaled so that the noise, not its shocks, keeps the deviation drawn, for the most part.
    scale = deviation * (1 - np.abs(persistence) ** 2) ** 0.25
    noise = _run_autoregression(shocks * scale[:, None], persistence)
    rows = generator.random(count) < 0.1
    outliers = (generator.random((count, steps)) < 0.02) & rows[:, None]
    return noise + np.where(outliers, generator.standard_normal((count, steps)) * 4, 0.0)


def _run_autoregression(shocks: np.ndarray, persistence: np.ndarray | float) -> np.ndarray:
    """Run x[t] = persistence x[t - 1] + shock[t] along each row."""
    rows, state = np.empty(shocks.shape[::-1]), np.zeros(len(shocks))
    for t, shock in enumerate(np.ascontiguousarray(shocks.T)):
        state = persistence * state + shock
        rows[t] = state
    return rows.T


def _reshape(generator: Generator, total: np.ndarray) -> np.ndarray:
    """Turn sums into series: exponentials, counts, values that end at 0 or at a limit, rounded values."""
    count = len(total)
    growth = _draw_logarithmic(generator, 0.03, 0.5, count)[:, None]
    kind = generator.random(count)
    series = np.where(kind[:, None] < 0.5, np.exp(np.clip(total * growth, -6, 6)), total)
    counts = kind > 0.93
    rates = np.exp(np.clip(total[counts] * 0.5, -4, 4)) * _draw_logarithmic(generator, 0.3, 20, (int(counts.sum()), 1))
    spread = np.where(generator.random(len(rates)) < 0.5, 1e3, _draw_logarithmic(generator, 0.5, 20, len(rates)))[
        :, None
    ]
    series[counts] = generator.poisson(np.minimum(rates * generator.gamma(spread, 1 / spread, rates.shape), 1e4))
    cut = (kind > 0.5) & (kind < 0.56)
    floors = np.quantile(total[cut], generator.uniform(0.05, 0.6), axis=1, keepdims=True)
    series[cut] = np.maximum(total[cut] - floors, 0)
    limited = (kind > 0.56) & (kind < 0.59)
    series[limited] = np.tanh(total[limited] * generator.uniform(0.2, 1.0))
    flipped = (generator.random(count) < 0.3) & ~counts
    series[flipped] *= -1
    rounded = (generator.random(count) < 0.1) & ~counts
    grid = _draw_logarithmic(generator, 0.02, 0.5, count)[:, None] * (series.std(axis=1, keepdims=True) + 1e-9)
    return np.where(rounded[:, None], np.round(series / grid) * grid, series)
