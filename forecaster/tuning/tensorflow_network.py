"""A network in training behind the interface of an exported network, so that trials are scored during training."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from forecaster.forecasting.onnx_network import DecodedSteps
from forecaster.inputs import Inputs
from forecaster.models import Network
from forecaster.training.export import build_serving_functions


class TensorFlowNetwork:
    """A `ServedNetwork` in TensorFlow that uses the current weights of a network."""

    def __init__(self, network: Network, length: int) -> None:
        encode, decode = build_serving_functions(network, length)
        self._encode_inputs = encode.inputs
        self._decode_inputs = [name for name in decode.inputs if not name.startswith("state_")]
        self._encode, self._decode = encode.function, decode.function
        self.width, self.noise = network.width, network.noise
        self.known_steps = network.steps_decoded if network.future_width else 0

    def encode(self, inputs: Inputs) -> Sequence[np.ndarray]:
        """Read windows into states, each (batch, ...), without future features."""
        outputs = self._encode(*(tf.constant(getattr(inputs, name)) for name in self._encode_inputs))
        return [outputs[name].numpy() for name in sorted(outputs)]

    def decode(
        self,
        states: Sequence[np.ndarray],
        previous: np.ndarray,
        future: np.ndarray | None = None,
        noise: np.ndarray | None = None,
    ) -> DecodedSteps:
        """Decode the next steps from states, the last known values (batch, width), known features and noise."""
        if self.noise and noise is None:
            noise = np.zeros((len(previous), self.noise), np.float32)
        optional = {"previous": previous, "future": future, "noise": noise}
        outputs = self._decode(*map(tf.constant, (*states, *(optional[name] for name in self._decode_inputs))))
        new_states = [outputs[name].numpy() for name in sorted(outputs) if name.startswith("new_state_")]
        attention = outputs.get("attention")
        return DecodedSteps(outputs["parameters"].numpy(), new_states, None if attention is None else attention.numpy())
