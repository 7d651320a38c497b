"""What makes the trainings of the tests faster without changing a number."""

import contextlib
import functools
import typing
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from forecaster.pretrained import zero_shot
from forecaster.training import artifacts


def speed_up_trainings() -> None:
    """Have TensorFlow run graphs as they are traced, and trainings make figures without rendering them.

    Optimizing a graph takes longer than its few steps of a test. A training of `forecast_process` does both.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    artifacts.render_figure = lambda figure: b""
    # TensorFlow compares its arguments with protocols, whose members Python 3.11 lists anew at each comparison.
    typing._get_protocol_attrs = functools.cache(typing._get_protocol_attrs)
    keep_zero_shot_forecasts()


def keep_zero_shot_forecasts() -> None:
    """Have the pretrained network run once on the same windows: trainings on the same data compare themselves with it.

    That takes a third of a training of a second.
    """
    plain = zero_shot._run_network

    @functools.lru_cache(maxsize=64)
    def run(content: bytes, shape: tuple[int, ...], seasons: tuple[int, ...], horizon: int) -> np.ndarray:
        return plain(np.frombuffer(content).reshape(shape), seasons, horizon)

    def run_once(windows: np.ndarray, seasons: list[int], horizon: int) -> np.ndarray:
        return run(windows.tobytes(), windows.shape, tuple(seasons), horizon).copy()

    zero_shot._run_network = run_once


@contextlib.contextmanager
def run_untraced() -> Iterator[None]:
    """Run the steps of a training operation by operation; for a few batches that takes less time than a graph."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
