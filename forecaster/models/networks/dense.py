"""The dense decoder: the whole horizon at once from what the encoder knows after the window."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.attention import Attention
from forecaster.models.networks.base import Decoded, Network, Parts


class DenseNetwork(Network):
    """The head on the encoder's summary, which may look back at every step by attention.

    What is known of a step to come adds to what the head makes of the summary: a hidden layer on both, the same for
    every step, as the temporal decoder of TiDE (Das et al. 2023, section 4.2).
    """

    def __init__(self, parts: Parts, attention: Attention | None = None, hidden: int = 0) -> None:
        super().__init__(parts)
        self.attention = attention
        if self.known:
            self.from_summary = keras.layers.Dense(hidden, name="known_from_summary")
            self.from_known = keras.layers.Dense(hidden, use_bias=False, name="known_from_features")
            self.effect = keras.layers.Dense(self.channels * self.head.raw, use_bias=False, name="known_effect")

    @property
    def steps_decoded(self) -> int:
        """The whole horizon."""
        return self.ahead

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """The parameters of the `ahead` steps after the window."""
        states = self._states(inputs, training)
        return self.decode(states, self._last(inputs.window), inputs.future).parameters

    def encode(self, inputs: Inputs) -> list[KerasTensor]:
        """The anchors, the encoder's summary (batch, width), and with attention its outputs (batch, steps, width)."""
        return self._states(inputs, training=False)

    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> Decoded:
        """The head alone; there is nothing to call it on again."""
        known = 1 if self.attention is None else 2
        anchors, (summary, *memory) = states[:-known], states[-known:]
        _, anchors = self.normalization.step(previous, anchors)
        weights = None
        if self.attention is not None:
            summary, weights = self.attention(summary, memory[0])
        affine = self.normalization.affine(anchors, self.ahead * self.channels)
        return Decoded(self.head(summary, *affine, self._effect(summary, future)), [], weights)

    def _effect(self, summary: KerasTensor, future: KerasTensor | None) -> KerasTensor | None:
        """What the known features of each step add, (batch, ahead, raw)."""
        if future is None:
            return None
        hidden = ops.relu(self.from_summary(summary)[:, None] + self.from_known(future))  # (batch, ahead, hidden)
        return ops.reshape(self.effect(hidden), (-1, self.ahead * self.channels, self.head.raw))

    def _states(self, inputs: Inputs, training: bool) -> list[KerasTensor]:
        sequence, anchors, _ = self._read(inputs)
        outputs, summary, _ = self.encoder(sequence, training=training)
        return [*anchors, summary] if self.attention is None else [*anchors, summary, outputs]
