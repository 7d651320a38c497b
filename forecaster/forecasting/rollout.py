"""The rollout: a network's outputs, one call or step by step, become a horizon."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from forecaster.forecasting.distributions import Distribution, Point, Samples
from forecaster.inputs import Inputs

if TYPE_CHECKING:
    from forecaster.forecasting.onnx_network import DecodedSteps, ServedNetwork

_ROWS = 4096  # windows, or paths of windows, in memory at once


class Rollout:
    """The way a network forecasts a horizon.

    Args:
        network: with `encode` and `decode`.
        kind: `direct` takes the first steps of one output; `carry` reads the window once and carries the states
            on; `slide` reads the last steps again at each step, with its own outputs among them.
        family: the function from the head's parameters to their distribution (`distributions.select_distribution`).
        paths: sample paths, where the quantiles have no closed form.
        seed: of the draws.
        channels: rows that are predicted together, which follow each other.
    """

    def __init__(
        self,
        network: "ServedNetwork",
        kind: str,
        family: Callable[[np.ndarray], Distribution] = Point,
        paths: int = 200,
        seed: int = 0,
        channels: int = 1,
    ) -> None:
        self.network, self.kind, self.family, self.seed = network, kind, family, seed
        self.channels = channels
        one_value = family is Point or kind == "direct"
        self.paths = 1 if one_value and not network.noise else paths

    def __call__(self, inputs: Inputs, horizon: int) -> Distribution:
        """Predict the distribution of the `horizon` steps after each window, (batch, horizon).

        Args:
            inputs: float32; the known features of at least `horizon` steps, where the network reads any.
            horizon: steps.
        """
        generator = np.random.default_rng(self.seed)
        inputs = self.join_channels(inputs)  # (batch, ...)
        many = max(1, _ROWS // self.paths)  # windows per batch
        parts = [
            self._predict_batch(inputs.select(slice(first, first + many)), horizon, generator)
            for first in range(0, len(inputs.window), many)
        ]
        parameters = self._split_channels(np.concatenate(parts))
        if self.paths > 1:
            return Samples(parameters)
        return self.family(parameters) if self.kind == "direct" else Point(parameters)

    def join_channels(self, inputs: Inputs) -> Inputs:
        """Join the rows of all channels to one, step by step; the other inputs are those of the first channel."""
        if self.channels == 1:
            return inputs
        windows = inputs.window.reshape(-1, self.channels, inputs.window.shape[1])  # (batch, channels, length)
        first = inputs.select(slice(None, None, self.channels))
        return first._replace(window=np.moveaxis(windows, 1, 2).reshape(len(windows), -1))

    def _split_channels(self, parameters: np.ndarray) -> np.ndarray:
        """Split channels: (batch, horizon * channels, parameters) -> (batch * channels, horizon, parameters)."""
        steps = parameters.reshape(len(parameters), -1, self.channels, parameters.shape[2])
        return np.moveaxis(steps, 2, 1).reshape(-1, steps.shape[1], parameters.shape[2])

    def _predict_batch(self, inputs: Inputs, horizon: int, generator: np.random.Generator) -> np.ndarray:
        """Predict (batch, values, parameters), or (batch, values, paths) of sample paths."""
        values = horizon * self.channels
        if self.kind == "direct":
            return self.decode_first(inputs).parameters[:, :values]
        steps = (self._slide if self.kind == "slide" else self._carry)(inputs, values, generator)
        return np.moveaxis(steps.reshape(len(inputs.window), self.paths, values), 1, 2)

    def _slide(self, inputs: Inputs, values: int, generator: np.random.Generator) -> np.ndarray:
        """Read the window again at each step, (batch * paths, values)."""
        length = inputs.window.shape[1]
        inputs = inputs.repeat(self.paths)
        known = np.empty((len(inputs.window), length + values), np.float32)  # the window, then its own outputs
        known[:, :length] = inputs.window
        place = 0
        while place < values:
            read = self._shift_features(inputs, place // self.channels)._replace(
                window=known[:, place : place + length]
            )
            # (batch * paths, steps), as many as the network answers at once
            answer = self._draw(self.decode_first(read), generator)[:, : values - place]
            known[:, place + length : place + length + answer.shape[1]] = answer
            place += answer.shape[1]
        return known[:, length:]

    def _shift_features(self, inputs: Inputs, steps: int) -> Inputs:
        """Shift the features of the window and the future by some steps."""
        if inputs.features is None or inputs.future is None:
            return inputs
        known, length = np.concatenate([inputs.features, inputs.future], axis=1), inputs.features.shape[1]
        return inputs._replace(features=known[:, steps:][:, :length], future=known[:, steps + length :])

    def _carry(self, inputs: Inputs, values: int, generator: np.random.Generator) -> np.ndarray:
        """Carry the states from step to step, (batch * paths, values)."""
        states: Sequence[np.ndarray] = [np.repeat(each, self.paths, axis=0) for each in self.network.encode(inputs)]
        inputs = inputs.repeat(self.paths)
        previous = inputs.window[:, -self.network.width :]  # (batch * paths, width)
        noise = generator.standard_normal((len(previous), self.network.noise)).astype(np.float32)
        answers = []
        for first in range(0, values, self.network.width):
            decoded = self.network.decode(states, previous, self.slice_future(inputs, first // self.channels), noise)
            previous, states = self._draw(decoded, generator), decoded.states
            answers.append(previous)  # (batch * paths, width)
        return np.concatenate(answers, axis=1)[:, :values]

    def decode_first(self, inputs: Inputs) -> "DecodedSteps":
        """Encode the window and decode the first steps."""
        last = inputs.window[:, -self.network.width :]
        return self.network.decode(self.network.encode(inputs), last, self.slice_future(inputs))

    def slice_future(self, inputs: Inputs, first: int = 0) -> np.ndarray | None:
        """Slice the known features that `decode` reads from a step on; the last step repeats after their end."""
        if not self.network.known_steps:
            return None
        known = inputs.future[:, first : first + self.network.known_steps]
        short = self.network.known_steps - known.shape[1]  # the last segment may reach past the horizon
        return np.pad(known, ((0, 0), (0, short), (0, 0)), mode="edge")

    def _draw(self, decoded: "DecodedSteps", generator: np.random.Generator) -> np.ndarray:
        """Draw the values that are read next, or take the point forecast: (rows, steps)."""
        return self.family(decoded.parameters).sample(generator).astype(np.float32)
