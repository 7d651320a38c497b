"""A fake network whose answers are known, and rollouts of any network; no TensorFlow."""

import numpy as np

from forecaster.forecasting.onnx_network import DecodedSteps
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs


class Fake:
    """What every fake network has; `read` and `answer` are its own."""

    width = 1
    noise = 0
    known_steps = 0

    def encode(self, inputs):
        return self.read(inputs.window)

    def decode(self, states, previous, future=None, noise=None):
        values, new_states = self.answer(states, previous)
        return DecodedSteps(values[..., None], new_states)


def roll_out(network, windows, horizon, kind):
    """The values of a rollout, (batch, horizon)."""
    return Rollout(network, kind)(Inputs(np.asarray(windows, "float32")), horizon).mean


def one_answer(served, inputs):
    """The parameters of one call of `decode` after one of `encode`."""
    inputs = inputs if isinstance(inputs, Inputs) else Inputs(inputs)
    return Rollout(served, "direct").decode_first(inputs).parameters
