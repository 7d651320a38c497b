"""Zero-shot forecasts: of series that the pretrained network has never seen, in ONNX Runtime."""

import functools
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from statistics import NormalDist

import numpy as np
import onnxruntime

from forecaster.pretrained.features import (
    PROBABILITIES,
    build_features,
    count_block_steps,
    count_history_steps,
    get_main_season,
)
from forecaster.pretrained.log_scale import choose_scale

MIN_STEPS = 3  # known values that a window needs
NETWORK_FILE = "network.onnx"
_AT_ONCE = 256  # windows, so that the features of many fit into memory
_LIMITS, _AT_LIMIT = (1.0, 100.0), 3
_PATHS = 8  # that carry the distribution from one block of steps to the next, in pairs of opposite shocks
_NORMAL = NormalDist()
_SCORES = np.array([_NORMAL.inv_cdf(p) for p in PROBABILITIES])


def forecast_zero_shot(
    windows: np.ndarray, seasons: Sequence[int], horizon: int, probabilities: Sequence[float]
) -> np.ndarray:
    """Forecast what follows windows with the pretrained network.

    The answers for a window and for its negative are averaged. Horizons longer than the network was trained for are
    forecast in blocks, each from paths that follow the distribution of the one before.

    Args:
        windows: (batch, steps), the newest value last, in the series' own unit; NaN where missing, and before a series
            begins. More than `count_history_steps` steps change nothing.
        seasons: steps in each season of all windows, the main one first; empty or 1 where there are none.
        horizon: steps ahead, any number.
        probabilities: of the quantiles, rising.

    Returns:
        Quantiles in the series' own unit, (batch, horizon, probabilities), which do not cross; those of 0.5 are the
        point forecast. None is negative where no known value is. A window of equal values is repeated.

    Raises:
        ValueError: a window has fewer than `MIN_STEPS` known values.
    """
    windows = np.asarray(windows, float)
    known = ~np.isnan(windows)
    if len(windows) and known.sum(axis=1).min() < MIN_STEPS:
        raise ValueError(f"a window with fewer than {MIN_STEPS} known values")
    seasons = [season for season in seasons if season > 1]
    windows = windows[:, -count_history_steps(seasons) :]
    found = np.empty((len(windows), horizon, len(probabilities)))
    together = _AT_ONCE if horizon <= count_block_steps(seasons) else _AT_ONCE // _PATHS  # windows, or their paths
    parts = [slice(first, first + together) for first in range(0, len(windows), together)]

    def fill(part: slice) -> None:
        found[part] = _forecast_batch(windows[part], seasons, horizon, probabilities)

    # Batches side by side, each on one thread: threads that share a recurrent layer wait for each other at every step.
    with ThreadPoolExecutor(min(_count_threads(), max(len(parts), 1))) as pool:
        list(pool.map(fill, parts))
    return found


def count_blocks(seasons: Sequence[int], horizon: int) -> int:
    """Count the blocks of steps that a forecast of one window takes: one, and `_PATHS` for each after the first."""
    return 1 + _PATHS * ((horizon - 1) // count_block_steps([season for season in seasons if season > 1]))


def _forecast_batch(
    windows: np.ndarray, seasons: Sequence[int], horizon: int, probabilities: Sequence[float]
) -> np.ndarray:
    """Forecast one batch: the first block directly, the others along paths."""
    block = count_block_steps(seasons)
    scale = choose_scale(windows, get_main_season(seasons))
    least, most = np.nanmin(windows, axis=1)[:, None, None], np.nanmax(windows, axis=1)[:, None, None]
    # Shares and percentages that reach their largest value several times do not exceed it.
    has_limit = np.isin(most, _LIMITS) & ((windows == most[:, 0]).sum(axis=1) >= _AT_LIMIT)[:, None, None]
    windows = scale.transform(windows)
    quantiles = _forecast_block(windows, seasons, min(horizon, block))  # (batch, block, PROBABILITIES)
    blocks = [_interpolate_quantiles(quantiles, probabilities)]
    paths, extended = None, windows
    for first in range(block, horizon, block):
        paths = _draw_paths(quantiles, extended, seasons, paths is None)
        before = np.repeat(extended, _PATHS, axis=0) if first == block else extended
        extended = np.concatenate([before, paths], axis=1)[:, -count_history_steps(seasons) :]
        # Every second path is read sign-flipped, which costs half as much as reading all of them both ways.
        signs = np.resize([1.0, -1.0], len(extended))[:, None]
        quantiles = _run_network(signs * extended, seasons, min(block, horizon - first))
        quantiles = np.where(signs[..., None] > 0, quantiles, -quantiles[..., ::-1])
        mixed = quantiles.reshape(len(windows), _PATHS, quantiles.shape[1], -1)
        blocks.append(_mix_quantiles(mixed, probabilities))
    forecast = scale.invert(np.concatenate(blocks, axis=1))
    forecast = np.where(least >= 0, np.maximum(forecast, 0.0), forecast)
    forecast = np.where((most <= 0) | has_limit, np.minimum(forecast, np.maximum(most, 0.0)), forecast)
    return np.where(least == most, least, forecast)


def _forecast_block(windows: np.ndarray, seasons: Sequence[int], horizon: int) -> np.ndarray:
    """Forecast at most a block of steps, (batch, horizon, PROBABILITIES): the mean for windows and their negatives."""
    quantiles = _run_network(np.concatenate([windows, -windows]), seasons, horizon)
    straight, flipped = quantiles[: len(windows)], -quantiles[len(windows) :, :, ::-1]
    return (straight + flipped) / 2


def _run_network(windows: np.ndarray, seasons: Sequence[int], horizon: int) -> np.ndarray:
    """Run the network on windows as they are, (batch, horizon, PROBABILITIES)."""
    features = build_features(windows, seasons, horizon)
    (answers,) = _load_network().run(None, {"encoder": features.encoder, "decoder": features.decoder})
    scaled = features.base[..., None] + features.change[:, None, None] * answers
    quantiles = features.centre[:, None, None] + features.scale[:, None, None] * scaled
    return np.sort(quantiles, axis=2)  # sorted, since rounding may cross what is almost equal


def _interpolate_quantiles(quantiles: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Interpolate (..., PROBABILITIES) at other probabilities, as between quantiles of normal distributions."""
    scores = np.array([_NORMAL.inv_cdf(p) for p in probabilities])
    place = np.clip(np.searchsorted(_SCORES, scores) - 1, 0, len(_SCORES) - 2)
    share = (scores - _SCORES[place]) / (_SCORES[place + 1] - _SCORES[place])  # beyond the last, they are extrapolated
    return quantiles[..., place] * (1 - share) + quantiles[..., place + 1] * share


def _mix_quantiles(quantiles: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Find the quantiles of the mixture of several distributions, (batch, paths, horizon, PROBABILITIES).

    Each is drawn as points of equal probability.
    """
    points = (np.arange(32) + 0.5) / 32
    values = _interpolate_quantiles(quantiles, points.tolist())  # (batch, paths, horizon, points)
    values = np.moveaxis(values, 2, 1).reshape(quantiles.shape[0], quantiles.shape[2], -1)
    return np.moveaxis(np.quantile(values, probabilities, axis=2), 0, 2)


def _draw_paths(quantiles: np.ndarray, windows: np.ndarray, seasons: Sequence[int], first: bool) -> np.ndarray:
    """Draw paths through quantiles (batch, horizon, PROBABILITIES): `_PATHS` of each window at first, then one of each.

    The probability along a path is a first-order autoregression whose persistence is that of the window without its
    season, so that a random walk stays where it went and noise does not. Every window has the same random numbers, so
    that its paths do not depend on the other windows.
    """
    generator = np.random.default_rng(0)  # the same forecast every time
    persistence = _measure_persistence(windows, get_main_season(seasons))
    count = _PATHS if first else 1
    rows, horizon, _ = quantiles.shape
    drawn = generator.standard_normal((horizon, _PATHS // 4, 2))
    of_window = np.concatenate([drawn, -drawn], axis=2).reshape(horizon, _PATHS)
    shocks = np.tile(of_window, (1, rows * count // _PATHS)).reshape(horizon, rows, count)
    score, scores = shocks[0], np.empty((rows, count, horizon))
    for step in range(horizon):
        if step:
            score = persistence[:, None] * score + np.sqrt(1 - persistence[:, None] ** 2) * shocks[step]
        scores[:, :, step] = score
    scores = np.clip(scores, _SCORES[0], _SCORES[-1])
    place = np.clip(np.searchsorted(_SCORES, scores) - 1, 0, len(_SCORES) - 2)
    share = (scores - _SCORES[place]) / (_SCORES[place + 1] - _SCORES[place])
    wide = np.broadcast_to(quantiles[:, None], (rows, count, *quantiles.shape[1:]))
    low, high = (np.take_along_axis(wide, (place + side)[..., None], axis=3)[..., 0] for side in (0, 1))
    return (low * (1 - share) + high * share).reshape(rows * count, horizon)


def _measure_persistence(windows: np.ndarray, season: int) -> np.ndarray:
    """Measure the autocorrelation of the change from a season before, at one step, (batch,), between 0 and 0.99."""
    lag = season if windows.shape[1] > 2 * season else 1
    rest = windows[:, lag:] - windows[:, :-lag] if lag > 1 else windows
    rest = (
        rest
        - np.nan_to_num(np.nanmean(np.where(np.isnan(rest).all(axis=1, keepdims=True), 0.0, rest), axis=1))[:, None]
    )
    products = np.nansum(rest[:, 1:] * rest[:, :-1], axis=1)
    squares = np.nansum(rest**2, axis=1)
    return np.clip(products / np.maximum(squares, 1e-12), 0.0, 0.99)


def _count_threads() -> int:
    """Count the threads of this process: the share of a worker process, or the cores of the machine."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return max(int(threads) if threads.isdecimal() else os.cpu_count() or 1, 1)


@functools.lru_cache(maxsize=1)
def hash_network() -> str:
    """Hash the network that ships with the package, with SHA-256: another network gives other forecasts."""
    return hashlib.sha256(_read_network()).hexdigest()


def _read_network() -> bytes:
    return resources.files("forecaster.pretrained").joinpath(NETWORK_FILE).read_bytes()


@functools.lru_cache(maxsize=1)
def _load_network() -> onnxruntime.InferenceSession:
    """Load the network that ships with the package."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised, too
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(_read_network(), options, providers=["CPUExecutionProvider"])
