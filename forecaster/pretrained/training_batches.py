"""Batches of generated series for the training of the pretrained network; each follows from a seed and its number."""

from typing import NamedTuple

import numpy as np

from forecaster.pretrained.features import build_features, count_trained_steps, get_main_season
from forecaster.pretrained.generator import draw_task, generate_series, hide_values
from forecaster.pretrained.log_scale import choose_scale

_LARGEST_TARGET = 100.0  # changes from the first forecast


class Batch(NamedTuple):
    """Windows of one batch, and what follows them.

    Attributes:
        encoder, decoder: of `Features`.
        target: actual values less the first forecast, in changes of the window, (batch, horizon) float32.
        weights: of the errors, which sum to 1 over the steps that count, (batch, horizon) float32.
    """

    encoder: np.ndarray
    decoder: np.ndarray
    target: np.ndarray
    weights: np.ndarray


def generate_batch(seed: int, number: int, size: int) -> Batch:
    """Generate the batch of a training at place `number`; the same arguments give the same bits.

    Args:
        seed: of the training.
        number: from 0.
        size: windows.
    """
    generator = np.random.default_rng([seed, number])
    task = draw_task(generator)
    season = get_main_season(task.seasons)
    horizon = count_trained_steps(task.seasons)
    series = generate_series(generator, size, task.history + horizon, task.seasons)
    history, future = series[:, : task.history], series[:, task.history :]
    known = hide_values(generator, size, task.history, season)
    windows = np.where(known, history, np.nan)
    scale = choose_scale(windows, season)
    features = build_features(scale.transform(windows), task.seasons, horizon)
    future = scale.transform(future)
    scaled = (future - features.centre[:, None]) / features.scale[:, None] - features.base
    target = np.clip(scaled / features.change[:, None], -_LARGEST_TARGET, _LARGEST_TARGET)
    # Most forecasts are of one to three seasons: errors of later steps count in few windows.
    longest = np.exp(generator.uniform(np.log(min(max(season, 4), horizon) / 2), np.log(horizon + 1), size)).astype(int)
    longest = np.maximum(longest, 1)[:, None]
    weights = np.where(np.arange(horizon) < longest, 1 / longest, 0.0)
    return Batch(features.encoder, features.decoder, target.astype(np.float32), weights.astype(np.float32))
