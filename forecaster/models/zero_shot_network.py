"""The network that is trained once, on generated series, and forecasts any series: a GRU and a decoder of each step."""

import keras
import numpy as np
from keras import ops

from forecaster.pretrained.features import PROBABILITIES

UNITS, HIDDEN = 128, (128, 64)
_MEDIAN = PROBABILITIES.index(0.5)
_LARGEST_LOSS = 20.0


class ZeroShotNetwork(keras.Model):
    """Reads features of a window and of each step ahead; gives quantiles of the correction of the first forecast.

    The inputs are those of `pretrained/features.py`. Quantiles are in changes of the window, (batch, horizon,
    quantiles), and rise with the probability: each is a sum of positive distances from the median.
    """

    def __init__(self) -> None:
        super().__init__()
        self.project = keras.layers.Dense(UNITS, activation="tanh", name="project")
        self.recurrent = keras.layers.GRU(UNITS, name="recurrent")
        self.of_state = keras.layers.Dense(HIDDEN[0], name="of_state")
        self.of_step = keras.layers.Dense(HIDDEN[0], use_bias=False, name="of_step")
        self.hidden = keras.layers.Dense(HIDDEN[1], activation="relu", name="hidden")
        self.out = keras.layers.Dense(len(PROBABILITIES), kernel_initializer="zeros", name="out")

    def call(self, encoder: keras.KerasTensor, decoder: keras.KerasTensor) -> keras.KerasTensor:
        """Compute quantiles from features (batch, steps, features) and (batch, horizon, features)."""
        state = self.recurrent(self.project(encoder))  # (batch, units)
        mixed = ops.relu(self.of_state(state)[:, None] + self.of_step(decoder))  # (batch, horizon, hidden)
        raw = self.out(self.hidden(mixed))
        distances = ops.softplus(raw - 1.0)
        below = ops.flip(ops.cumsum(ops.flip(distances[..., :_MEDIAN], -1), -1), -1)
        above = ops.cumsum(distances[..., _MEDIAN + 1 :], -1)
        median = raw[..., _MEDIAN : _MEDIAN + 1]
        return ops.concatenate([median - below, median, median + above], -1)


def compute_quantile_loss(
    target: keras.KerasTensor, quantiles: keras.KerasTensor, weights: keras.KerasTensor
) -> keras.KerasTensor:
    """Compute the mean quantile loss (Koenker & Bassett 1978); a single one counts at most 20.

    Args:
        target: (batch, horizon).
        quantiles: (batch, horizon, quantiles).
        weights: of the steps of each window, (batch, horizon), which sum to 1.
    """
    probabilities = np.array(PROBABILITIES, np.float32)
    error = target[..., None] - quantiles
    loss = ops.minimum(ops.maximum(probabilities * error, (probabilities - 1) * error), _LARGEST_LOSS)
    return ops.mean(ops.sum(ops.mean(loss, -1) * weights, -1))
