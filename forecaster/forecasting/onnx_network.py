"""An exported network in ONNX Runtime, without TensorFlow."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import onnxruntime

from forecaster.inputs import Inputs


class DecodedSteps(NamedTuple):
    """What one call of `decode` gives: the head's parameters (batch, steps, parameters), the states after them,
    and the attention over the steps read, (batch, steps read), where there is any.
    """

    parameters: np.ndarray
    states: Sequence[np.ndarray]
    attention: np.ndarray | None = None


class ServedNetwork(Protocol):
    """The two functions that every network serves through; all arrays are float32 and scaled.

    Attributes:
        width: values in `previous`, a segment of every channel.
        noise: width of the noise that `decode` takes, 0 where it takes none.
        known_steps: steps whose known features `decode` takes, 0 where it takes none.
    """

    width: int
    noise: int
    known_steps: int

    def encode(self, inputs: Inputs) -> Sequence[np.ndarray]:
        """Encode windows without their future: inputs -> states, each (batch, ...)."""

    def decode(
        self,
        states: Sequence[np.ndarray],
        previous: np.ndarray,
        future: np.ndarray | None = None,
        noise: np.ndarray | None = None,
    ) -> DecodedSteps:
        """Decode the next steps from states, the last known values (batch, width), known features and noise."""


class OnnxNetwork:
    """A served network in ONNX Runtime."""

    def __init__(self, encode: bytes, decode: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._encode = onnxruntime.InferenceSession(encode, options, providers=["CPUExecutionProvider"])
        self._decode = onnxruntime.InferenceSession(decode, options, providers=["CPUExecutionProvider"])
        self._states = sorted(output.name for output in self._encode.get_outputs())
        self._inputs = {node.name: node.shape[1] for node in self._decode.get_inputs()}
        self.width = self._inputs.get("previous", 1)
        self.noise = self._inputs.get("noise", 0)
        self.known_steps = self._inputs.get("future", 0)
        outputs = {node.name for node in self._decode.get_outputs()}
        self._new_states = sorted(outputs - {"parameters", "attention"})
        self._attention = ["attention"] if "attention" in outputs else []

    def encode(self, inputs: Inputs) -> Sequence[np.ndarray]:
        """Encode windows without their future: inputs -> states, each (batch, ...)."""
        given = {node.name: getattr(inputs, node.name) for node in self._encode.get_inputs()}
        return self._encode.run(self._states, given)

    def decode(
        self,
        states: Sequence[np.ndarray],
        previous: np.ndarray,
        future: np.ndarray | None = None,
        noise: np.ndarray | None = None,
    ) -> DecodedSteps:
        """Decode the next steps from states, the last known values (batch, width), known features and noise."""
        inputs = dict(zip(self._states, states, strict=True)) | {"previous": previous, "future": future}
        if self.noise:
            inputs["noise"] = np.zeros((len(previous), self.noise), np.float32) if noise is None else noise
        given = {name: inputs[name] for name in self._inputs}
        parameters, *rest = self._decode.run(["parameters", *self._new_states, *self._attention], given)
        return DecodedSteps(parameters, rest[: len(self._new_states)], rest[-1] if self._attention else None)
