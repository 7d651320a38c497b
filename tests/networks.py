"""Networks for tests: fakes whose answers are known, and real ones with weights that are not small."""

import numpy as np

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


def randomised(model: Model, length: int, ahead: int, season: int = 1):
    """A network with random weights, and the same exported."""
    network = build_network(model, length, ahead, season)
    generator = np.random.default_rng(3)
    for variable in network.trainable_variables:
        variable.assign(generator.normal(size=variable.shape) * 0.4 + (1 if "gain" in variable.path else 0))
    return network, OnnxNetwork(*export_onnx(network, length))


def one_answer(served, windows):
    """The parameters of one call of `decode` after one of `encode`."""
    return served.decode(served.encode(windows), windows[:, -served.segment :]).parameters
