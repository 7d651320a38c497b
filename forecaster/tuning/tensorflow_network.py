"""A network that is still in training, served by the functions that will be exported."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from forecaster.forecasting.onnx_network import DecodedSteps
from forecaster.inputs import Inputs
from forecaster.models import Network
from forecaster.training.export import ServingFunction, build_serving_functions


class TensorFlowNetwork:
    """A served network in TensorFlow, with the weights that its network has when it is asked."""

    def __init__(self, network: Network, length: int) -> None:
        encode, decode = build_serving_functions(network, length)
        self._read = [spec.name for spec in encode.inputs]
        self._beside = [spec.name for spec in decode.inputs if not spec.name.startswith("state_")]
        self._encode, self._decode = _traced(encode), _traced(decode)
        self.width, self.noise = network.width, network.noise
        self.known_steps = network.steps_decoded if network.known_width else 0

    def encode(self, inputs: Inputs) -> Sequence[np.ndarray]:
        """What is read of some windows, nothing of the future -> states, each (batch, ...)."""
        found = self._encode(*(tf.constant(getattr(inputs, name)) for name in self._read))
        return [found[name].numpy() for name in sorted(found)]

    def decode(
        self,
        states: Sequence[np.ndarray],
        previous: np.ndarray,
        future: np.ndarray | None = None,
        noise: np.ndarray | None = None,
    ) -> DecodedSteps:
        """States, the last known values (batch, width), known features and a path's noise -> the next steps."""
        if self.noise and noise is None:
            noise = np.zeros((len(previous), self.noise), np.float32)
        beside = {"previous": previous, "future": future, "noise": noise}
        found = self._decode(*map(tf.constant, (*states, *(beside[name] for name in self._beside))))
        new_states = [found[name].numpy() for name in sorted(found) if name.startswith("new_state_")]
        attention = found.get("attention")
        return DecodedSteps(found["parameters"].numpy(), new_states, None if attention is None else attention.numpy())


def _traced(served: ServingFunction) -> tf.types.experimental.PolymorphicFunction:
    return tf.function(served.function, input_signature=served.inputs, autograph=False)
