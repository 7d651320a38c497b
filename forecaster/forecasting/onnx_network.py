"""An exported network in ONNX Runtime, without TensorFlow."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state

from forecaster.errors import RunError
from forecaster.inputs import Inputs
from forecaster.problems import Problem


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


# The errors of ONNX Runtime have no class in common; a text that is not UTF-8 is a ValueError.
_ERRORS: tuple[type[Exception], ...] = (
    *(
        each
        for each in vars(onnxruntime_pybind11_state).values()
        if isinstance(each, type) and issubclass(each, Exception)
    ),
    *(ValueError, RuntimeError),
)


Shape = tuple[int, ...]  # without the batch; -1 for a number that is open


class OnnxNetwork:
    """A served network in ONNX Runtime.

    Args:
        encode, decode: the graphs.
        where: the folder that they come from.

    Attributes:
        encode_inputs, states: the shapes of the inputs and outputs of `encode`, by name.
        decode_inputs, outputs: those of `decode`.

    Raises:
        RunError: the graphs are damaged; or fail, at any later call.
    """

    def __init__(self, encode: bytes, decode: bytes, where: str = "") -> None:
        self._where = where
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised, too
        # Threads that wait for the next step of a loop by spinning double the CPU time of a recurrent network.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if (threads := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():  # the share of a worker process
            options.intra_op_num_threads = int(threads)
        with self._convert_errors():
            self._encode, self._decode = (
                # Its fallback prints on stdout that it tries the same again.
                onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"], enable_fallback=0)
                for graph in (encode, decode)
            )
        self.encode_inputs, self.states = (
            _get_shapes(self._encode.get_inputs()),
            _get_shapes(self._encode.get_outputs()),
        )
        self.decode_inputs, self.outputs = (
            _get_shapes(self._decode.get_inputs()),
            _get_shapes(self._decode.get_outputs()),
        )
        self.width, self.noise, self.known_steps = (
            (self.decode_inputs.get(name) or (absent,))[0]
            for name, absent in (("previous", 1), ("noise", 0), ("future", 0))
        )
        self._new_states = sorted(self.outputs.keys() - {"parameters", "attention"})
        self._attention = ["attention"] if "attention" in self.outputs else []

    def encode(self, inputs: Inputs) -> Sequence[np.ndarray]:
        """Encode windows without their future: inputs -> states, each (batch, ...)."""
        return self._run(
            self._encode, sorted(self.states), {name: getattr(inputs, name) for name in self.encode_inputs}
        )

    def decode(
        self,
        states: Sequence[np.ndarray],
        previous: np.ndarray,
        future: np.ndarray | None = None,
        noise: np.ndarray | None = None,
    ) -> DecodedSteps:
        """Decode the next steps from states, the last known values (batch, width), known features and noise."""
        inputs = dict(zip(sorted(self.states), states, strict=True)) | {"previous": previous, "future": future}
        if self.noise:
            inputs["noise"] = np.zeros((len(previous), self.noise), np.float32) if noise is None else noise
        given = {name: inputs[name] for name in self.decode_inputs}
        parameters, *rest = self._run(self._decode, ["parameters", *self._new_states, *self._attention], given)
        return DecodedSteps(parameters, rest[: len(self._new_states)], rest[-1] if self._attention else None)

    def _run(self, session: onnxruntime.InferenceSession, names: Sequence[str], given: Mapping[str, Any]) -> Any:
        with self._convert_errors():
            return session.run(names, given)

    @contextlib.contextmanager
    def _convert_errors(self) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            raise RunError(Problem("changed-run-file", self._where, detail={"reason": str(error)})) from None


def _get_shapes(nodes: Sequence[Any]) -> dict[str, Shape | None]:
    """Get the shapes of inputs or outputs by name; None for one of another type."""
    return {
        node.name: tuple(size if isinstance(size, int) else -1 for size in node.shape[1:])
        if node.shape and node.type == ("tensor(int32)" if node.name == "categories" else "tensor(float)")
        else None
        for node in nodes
    }
