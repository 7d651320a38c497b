"""A network without recurrent state, rolled out over the horizon."""

from collections.abc import Callable, Sequence

import numpy as np

from forecaster.forecasting.distributions import Distribution, Point, Samples
from forecaster.forecasting.onnx_network import DecodedSteps, ServedNetwork
from forecaster.inputs import Inputs

_ROWS = 4096  # windows, or paths of windows, in memory at once


class Rollout:
    """How a network's steps become a horizon.

    Args:
        network: what serves.
        kind: `direct` takes the first steps of one answer; `carry` reads the window once and carries the states
            on; `slide` re-reads the last steps of the window at each step, its own answers among them.
        family: the head's parameters -> their distribution (`distributions.select_distribution`).
        paths: how many are drawn where the quantiles have no closed form.
        seed: of the draws.
        channels: rows that are answered together, which follow each other.
    """

    def __init__(
        self,
        network: ServedNetwork,
        kind: str,
        family: Callable[[np.ndarray], Distribution] = Point,
        paths: int = 200,
        seed: int = 0,
        channels: int = 1,
    ) -> None:
        self.network, self.kind, self.family, self.seed = network, kind, family, seed
        self.channels = channels
        answers_alone = family is Point or kind == "direct"
        self.paths = 1 if answers_alone and not network.noise else paths

    def __call__(self, inputs: Inputs, horizon: int) -> Distribution:
        """The distribution of the `horizon` steps after each window, (batch, horizon).

        Args:
            inputs: float32; the known features of at least `horizon` steps, where the network reads any.
            horizon: steps.
        """
        generator = np.random.default_rng(self.seed)
        inputs = self.together(inputs)
        many = max(1, _ROWS // self.paths)
        parts = [
            self._part(inputs.rows(slice(first, first + many)), horizon, generator)
            for first in range(0, len(inputs.window), many)
        ]
        parameters = self._apart(np.concatenate(parts))
        if self.paths > 1:
            return Samples(parameters)
        return self.family(parameters) if self.kind == "direct" else Point(parameters)

    def together(self, inputs: Inputs) -> Inputs:
        """The rows of all channels as one, their values of each step side by side; the rest is that of the first."""
        if self.channels == 1:
            return inputs
        windows = inputs.window.reshape(-1, self.channels, inputs.window.shape[1])  # (batch, channels, length)
        first = inputs.rows(slice(None, None, self.channels))
        return first._replace(window=np.moveaxis(windows, 1, 2).reshape(len(windows), -1))

    def _apart(self, parameters: np.ndarray) -> np.ndarray:
        """(batch, horizon * channels, parameters) -> (batch * channels, horizon, parameters)."""
        steps = parameters.reshape(len(parameters), -1, self.channels, parameters.shape[2])
        return np.moveaxis(steps, 2, 1).reshape(-1, steps.shape[1], parameters.shape[2])

    def _part(self, inputs: Inputs, horizon: int, generator: np.random.Generator) -> np.ndarray:
        """(batch, values, parameters), or (batch, values, paths)."""
        values = horizon * self.channels
        if self.kind == "direct":
            return self.first(inputs).parameters[:, :values]
        walk = (self._slide if self.kind == "slide" else self._carry)(inputs, values, generator)
        return np.moveaxis(walk.reshape(len(inputs.window), self.paths, values), 1, 2)

    def _slide(self, inputs: Inputs, values: int, generator: np.random.Generator) -> np.ndarray:
        """(batch * paths, values)."""
        length = inputs.window.shape[1]
        inputs = inputs.repeated(self.paths)
        known = np.empty((len(inputs.window), length + values), np.float32)
        known[:, :length] = inputs.window
        place = 0
        while place < values:
            read = self._moved(inputs, place // self.channels)._replace(window=known[:, place : place + length])
            answer = self._answer(self.first(read), generator)[:, : values - place]
            known[:, place + length : place + length + answer.shape[1]] = answer
            place += answer.shape[1]
        return known[:, length:]

    def _moved(self, inputs: Inputs, steps: int) -> Inputs:
        """The features of the window and the future some steps later."""
        if inputs.features is None or inputs.future is None:
            return inputs
        told, length = np.concatenate([inputs.features, inputs.future], axis=1), inputs.features.shape[1]
        return inputs._replace(features=told[:, steps:][:, :length], future=told[:, steps + length :])

    def _carry(self, inputs: Inputs, values: int, generator: np.random.Generator) -> np.ndarray:
        """(batch * paths, values)."""
        states: Sequence[np.ndarray] = [np.repeat(each, self.paths, axis=0) for each in self.network.encode(inputs)]
        inputs = inputs.repeated(self.paths)
        previous = inputs.window[:, -self.network.width :]
        noise = generator.standard_normal((len(previous), self.network.noise)).astype(np.float32)
        answers = []
        for first in range(0, values, self.network.width):
            decoded = self.network.decode(states, previous, self.future(inputs, first // self.channels), noise)
            previous, states = self._answer(decoded, generator), decoded.states
            answers.append(previous)
        return np.concatenate(answers, axis=1)[:, :values]

    def first(self, inputs: Inputs) -> DecodedSteps:
        """What `decode` gives first."""
        last = inputs.window[:, -self.network.width :]
        return self.network.decode(self.network.encode(inputs), last, self.future(inputs))

    def future(self, inputs: Inputs, first: int = 0) -> np.ndarray | None:
        """The known features that `decode` reads from a step on; what is short is as the last step."""
        if not self.network.known_steps:
            return None
        known = inputs.future[:, first : first + self.network.known_steps]
        short = self.network.known_steps - known.shape[1]
        return np.pad(known, ((0, 0), (0, short), (0, 0)), mode="edge")

    def _answer(self, decoded: DecodedSteps, generator: np.random.Generator) -> np.ndarray:
        """A draw for each path, or the value, which is read next: (rows, steps)."""
        return self.family(decoded.parameters).sample(generator).astype(np.float32)
