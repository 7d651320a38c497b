"""An exported network's answers: ONNX Runtime and numpy alone, rollouts and sample paths included."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import onnxruntime

from forecaster.distributions import Distribution, Point, Samples

_ROWS = 4096  # windows, or paths of windows, in memory at once


class Decoded(NamedTuple):
    """What one call of `decode` gives: the head's parameters (batch, steps, parameters), the states after them,
    and the attention over the steps read, (batch, steps read), where there is any.
    """

    parameters: np.ndarray
    states: Sequence[np.ndarray]
    attention: np.ndarray | None = None


class ServedNetwork(Protocol):
    """The two functions that every network serves through; all arrays are float32 and scaled.

    Attributes:
        segment: steps in `previous`.
        noise: width of the noise that `decode` takes, 0 where it takes none.
    """

    segment: int
    noise: int

    def encode(self, windows: np.ndarray, categories: np.ndarray | None = None) -> Sequence[np.ndarray]:
        """(batch, length), and where it reads them (batch, categories) int32 -> states, each (batch, ...)."""

    def decode(self, states: Sequence[np.ndarray], previous: np.ndarray, noise: np.ndarray | None = None) -> Decoded:
        """States, the last known values (batch, segment) and a path's noise -> the next steps."""


class OnnxNetwork:
    """A served network in ONNX Runtime."""

    def __init__(self, encode: bytes, decode: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._encode = onnxruntime.InferenceSession(encode, options, providers=["CPUExecutionProvider"])
        self._decode = onnxruntime.InferenceSession(decode, options, providers=["CPUExecutionProvider"])
        self._states = sorted(output.name for output in self._encode.get_outputs())
        self._inputs = {node.name: node.shape[1] for node in self._decode.get_inputs()}
        self.segment = self._inputs.get("previous", 1)
        self.noise = self._inputs.get("noise", 0)
        outputs = {node.name for node in self._decode.get_outputs()}
        self._new_states = sorted(outputs - {"parameters", "attention"})
        self._attention = ["attention"] if "attention" in outputs else []

    def encode(self, windows: np.ndarray, categories: np.ndarray | None = None) -> Sequence[np.ndarray]:
        """(batch, length), and where it reads them (batch, categories) int32 -> states, each (batch, ...)."""
        inputs = {"window": windows} | ({} if categories is None else {"categories": categories})
        return self._encode.run(self._states, inputs)

    def decode(self, states: Sequence[np.ndarray], previous: np.ndarray, noise: np.ndarray | None = None) -> Decoded:
        """States, the last known values (batch, segment) and a path's noise -> the next steps."""
        inputs = dict(zip(self._states, states, strict=True)) | {"previous": previous}
        if self.noise:
            inputs["noise"] = np.zeros((len(previous), self.noise), np.float32) if noise is None else noise
        given = {name: inputs[name] for name in self._inputs}
        parameters, *rest = self._decode.run(["parameters", *self._new_states, *self._attention], given)
        return Decoded(parameters, rest[: len(self._new_states)], rest[-1] if self._attention else None)


class Rollout:
    """How a network's steps become a horizon.

    Args:
        network: what serves.
        kind: `direct` takes the first steps of one answer; `carry` reads the window once and carries the states
            on; `slide` re-reads the last steps of the window at each step, its own answers among them.
        family: the head's parameters -> their distribution (`distributions.family`).
        paths: how many are drawn where the quantiles have no closed form.
        seed: of the draws.
    """

    def __init__(
        self,
        network: ServedNetwork,
        kind: str,
        family: Callable[[np.ndarray], Distribution] = Point,
        paths: int = 200,
        seed: int = 0,
    ) -> None:
        self.network, self.kind, self.family, self.seed = network, kind, family, seed
        answers_alone = family is Point or kind == "direct"
        self.paths = 1 if answers_alone and not network.noise else paths

    def __call__(self, windows: np.ndarray, horizon: int, categories: np.ndarray | None = None) -> Distribution:
        """The distribution of the steps after each window, (batch, horizon).

        Args:
            windows: (batch, length), scaled.
            horizon: steps.
            categories: (batch, categories), where the network reads them.
        """
        generator = np.random.default_rng(self.seed)
        many = max(1, _ROWS // self.paths)
        parts = []
        for first in range(0, len(windows), many):
            some = slice(first, first + many)
            told = None if categories is None else categories[some]
            parts.append(self._part(windows[some].astype(np.float32), told, horizon, generator))
        parameters = np.concatenate(parts)
        if self.paths > 1:
            return Samples(parameters)
        return self.family(parameters) if self.kind == "direct" else Point(parameters)

    def _part(
        self, windows: np.ndarray, categories: np.ndarray | None, horizon: int, generator: np.random.Generator
    ) -> np.ndarray:
        """(batch, horizon, parameters), or (batch, horizon, paths)."""
        if self.kind == "direct":
            states = self.network.encode(windows, categories)
            return self.network.decode(states, windows[:, -self.network.segment :]).parameters[:, :horizon]
        walk = self._slide if self.kind == "slide" else self._carry
        values = walk(windows, categories, horizon, generator)  # (batch * paths, horizon)
        return np.moveaxis(values.reshape(len(windows), self.paths, horizon), 1, 2)

    def _slide(
        self, windows: np.ndarray, categories: np.ndarray | None, horizon: int, generator: np.random.Generator
    ) -> np.ndarray:
        length = windows.shape[1]
        known = np.empty((len(windows) * self.paths, length + horizon), np.float32)
        known[:, :length] = np.repeat(windows, self.paths, axis=0)
        told = None if categories is None else np.repeat(categories, self.paths, axis=0)
        step = 0
        while step < horizon:
            read = known[:, step : step + length]
            decoded = self.network.decode(self.network.encode(read, told), read[:, -self.network.segment :])
            answer = self._answer(decoded, generator)[:, : horizon - step]
            known[:, step + length : step + length + answer.shape[1]] = answer
            step += answer.shape[1]
        return known[:, length:]

    def _carry(
        self, windows: np.ndarray, categories: np.ndarray | None, horizon: int, generator: np.random.Generator
    ) -> np.ndarray:
        read = self.network.encode(windows, categories)
        states: Sequence[np.ndarray] = [np.repeat(state, self.paths, axis=0) for state in read]
        previous = np.repeat(windows[:, -self.network.segment :], self.paths, axis=0)
        noise = generator.standard_normal((len(previous), self.network.noise)).astype(np.float32)
        answers = []
        for _ in range(-(-horizon // self.network.segment)):
            decoded = self.network.decode(states, previous, noise)
            previous, states = self._answer(decoded, generator), decoded.states
            answers.append(previous)
        return np.concatenate(answers, axis=1)[:, :horizon]

    def _answer(self, decoded: Decoded, generator: np.random.Generator) -> np.ndarray:
        """A draw for each path, or the value, which is read next: (rows, steps)."""
        return self.family(decoded.parameters).sample(generator).astype(np.float32)
