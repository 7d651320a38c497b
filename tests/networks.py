"""Networks for tests: fakes whose answers are known, and real ones with weights that are not small."""

import keras
import numpy as np
import tensorflow as tf

from forecaster.config.sections import Model
from forecaster.export import export_onnx
from forecaster.inference import Decoded, OnnxNetwork, Rollout
from forecaster.models import build_network


class Fake:
    """What every fake network has; `read` and `answer` are its own."""

    segment = 1
    noise = 0

    def encode(self, windows, categories=None):
        return self.read(windows)

    def decode(self, states, previous, noise=None):
        values, new_states = self.answer(states, previous)
        return Decoded(values[..., None], new_states)


def roll_out(network, windows, horizon, kind):
    """The values of a rollout, (batch, horizon)."""
    return Rollout(network, kind)(np.asarray(windows), horizon).mean


def randomised(model: Model, length: int, ahead: int, season: int = 1, categories=()):
    """A network with random weights, and the same exported."""
    network = build_network(model, length, ahead, season, categories=categories)
    generator = np.random.default_rng(3)
    for variable in network.trainable_variables:
        variable.assign(generator.normal(size=variable.shape) * 0.4 + (1 if "gain" in variable.path else 0))
    return network, OnnxNetwork(*export_onnx(network, length))


def one_answer(served, windows):
    """The parameters of one call of `decode` after one of `encode`."""
    return served.decode(served.encode(windows), windows[:, -served.segment :]).parameters


def fitted(network, batch, steps=300, rate=0.01):
    """Train on `steps` batches of (windows, targets[, categories]), each made by `batch(generator)`."""
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    optimizer.build(network.trainable_variables)
    generator = np.random.default_rng(0)

    @tf.function(autograph=False)
    def step(epoch, *tensors):
        windows, targets, *categories = tensors
        with tf.GradientTape() as tape:
            loss = network.training_loss(windows, targets, epoch, *categories)
        optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)

    for number in range(steps):
        step(tf.constant(10 * number / steps, tf.float32), *map(tf.constant, batch(generator)))
    return network
