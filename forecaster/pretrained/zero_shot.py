"""Zero-shot forecasts: of series that the pretrained network has never seen, in ONNX Runtime."""

import functools
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from statistics import NormalDist

import numpy as np
import onnxruntime

from forecaster.pretrained.features import (
    PROBABILITIES,
    build_features,
    count_history_steps,
    get_main_season,
)
from forecaster.pretrained.log_scale import choose_scale
from forecaster.threads import count_threads

MIN_STEPS = 3  # known values that a window needs
LARGEST = 1e100  # value whose squares and their sums are finite
NETWORK_FILE = "network.onnx"
_AT_ONCE, _STEPS_AT_ONCE = 64, 168  # windows, and steps ahead of each, in memory together: more are no faster
_LIMITS, _AT_LIMIT = (1.0, 100.0), 3  # of shares and percentages; values that reach one before it counts as such
_NORMAL = NormalDist()
_SCORES = np.array([_NORMAL.inv_cdf(p) for p in PROBABILITIES])


def forecast_zero_shot(
    windows: np.ndarray,
    seasons: Sequence[int],
    horizon: int,
    probabilities: Sequence[float],
    widths: np.ndarray | None = None,
) -> np.ndarray:
    """Forecast what follows windows with the pretrained network.

    The answers for a window and for its negative are averaged. Steps beyond those that the network was trained for
    (`count_trained_steps`) are extrapolated by its decoder, with the profiles of their places in the seasons.

    Args:
        windows: (batch, steps), the newest value last, in the series' own unit; NaN where missing, and before a series
            begins. More than `count_history_steps` steps change nothing.
        seasons: steps in each season of all windows, the main one first; empty or 1 where there are none.
        horizon: steps ahead, any number.
        probabilities: of the quantiles, rising.
        widths: the factor by which the distance of each quantile from the median grows, (probabilities,).

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
    together = max(1, _AT_ONCE * _STEPS_AT_ONCE // max(horizon, _STEPS_AT_ONCE))
    parts = [slice(first, first + together) for first in range(0, len(windows), together)]

    def fill(part: slice) -> None:
        found[part] = _forecast_batch(windows[part], seasons, horizon, probabilities, widths)

    # Batches side by side, each on one thread: threads that share a recurrent layer wait for each other at every step.
    with ThreadPoolExecutor(min(count_threads(), max(len(parts), 1))) as pool:
        list(pool.map(fill, parts))
    return found


def _forecast_batch(
    windows: np.ndarray,
    seasons: Sequence[int],
    horizon: int,
    probabilities: Sequence[float],
    widths: np.ndarray | None,
) -> np.ndarray:
    """Forecast one batch: the mean of the answers for windows and for their negatives."""
    scale = choose_scale(windows, get_main_season(seasons))
    least, most = np.nanmin(windows, axis=1)[:, None, None], np.nanmax(windows, axis=1)[:, None, None]
    # Shares and percentages that reach their largest value several times do not exceed it.
    has_limit = np.isin(most, _LIMITS) & ((windows == most[:, 0]).sum(axis=1) >= _AT_LIMIT)[:, None, None]
    windows = scale.transform(windows)
    quantiles = _run_network(np.concatenate([windows, -windows]), seasons, horizon)
    straight, flipped = quantiles[: len(windows)], -quantiles[len(windows) :, :, ::-1]
    low = np.where(least >= 0, 0.0, -np.inf)
    high = np.where((most <= 0) | has_limit, np.maximum(most, 0.0), np.inf)
    answers = (straight + flipped) / 2
    forecast = np.clip(scale.invert(_interpolate_quantiles(answers, probabilities)), low, high)
    if widths is not None:
        median = np.clip(scale.invert(_interpolate_quantiles(answers, [0.5])), low, high)  # (batch, horizon, 1)
        # Sorted, since a narrow interval may grow more than a wide one.
        forecast = np.sort(np.clip(median + widths * (forecast - median), low, high), axis=2)
    return np.where(least == most, least, forecast)


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
