"""The dense decoder: the whole horizon at once from what the encoder knows after the window."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.attention import Attention
from forecaster.models.networks.base_network import DecoderOutput, Network, NetworkParts


class DenseNetwork(Network):
    """The head on the encoder's summary, which may look back at every step by attention.

    What is known of a step to come adds to what the head makes of the summary: a hidden layer on both, the same for
    every step, as the temporal decoder of TiDE (Das et al. 2023, section 4.2).

    Where it copies, each segment of the horizon begins with a weighted mean of those of the window, whose weights the
    summary chooses: a pointer to the days that tomorrow is like (pointer networks, Vinyals et al. 2015; the copying of
    See et al. 2017, equations 8 and 9). What the head adds are the changes.

    Args:
        hidden: units between what is known of a step and what it adds.
        copied: segments of the window to choose from, 0 where nothing is copied.
    """

    def __init__(
        self, parts: NetworkParts, attention: Attention | None = None, hidden: int = 0, copied: int = 0
    ) -> None:
        super().__init__(parts)
        self.attention = attention
        self.copied = copied
        if copied:
            self.choice = keras.layers.Dense(copied * -(-self.ahead // self.segment), name="choice")
        if self.known_width:
            self.from_summary = keras.layers.Dense(hidden, name="known_from_summary")
            self.from_known = keras.layers.Dense(hidden, use_bias=False, name="known_from_features")
            self.effect = keras.layers.Dense(self.channels * self.head.raw_count, use_bias=False, name="known_effect")

    @property
    def steps_decoded(self) -> int:
        """The whole horizon."""
        return self.ahead

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """The parameters of the `ahead` steps after the window."""
        states = self._states(inputs, training)
        return self.decode(states, self._last(inputs.window), inputs.future).parameters

    def encode(self, inputs: Inputs) -> list[KerasTensor]:
        """The anchors, the normalised window where it is copied (batch, values), the encoder's summary (batch, width).

        With attention the encoder's outputs (batch, steps, width) come last.
        """
        return self._states(inputs, training=False)

    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """The head alone; there is nothing to call it on again."""
        known = 1 if self.attention is None else 2
        anchors, (summary, *memory) = states[:-known], states[-known:]
        anchors, read = (anchors[:-1], anchors[-1:]) if self.copied else (anchors, [])
        _, anchors = self.normalization.step(previous, anchors)
        weights = None
        if self.attention is not None:
            summary, weights = self.attention(summary, memory[0])
        offset, scale = self.normalization.compute_affine(anchors, self.ahead * self.channels)
        offset = offset + scale * self._copy(summary, read[0]) if read else offset
        return DecoderOutput(self.head(summary, offset, scale, self._effect(summary, future)), [], weights)

    def _copy(self, summary: KerasTensor, read: KerasTensor) -> KerasTensor:
        """The mean of the segments read (batch, values) that stands for each of the horizon, (batch, ahead values)."""
        shares = ops.softmax(ops.reshape(self.choice(summary), (-1, self.choice.units // self.copied, self.copied)))
        segments = ops.matmul(shares, ops.reshape(read, (-1, self.copied, self.width)))
        return ops.reshape(segments, (-1, segments.shape[1] * self.width))[:, : self.ahead * self.channels]

    def _effect(self, summary: KerasTensor, future: KerasTensor | None) -> KerasTensor | None:
        """What the known features of each step add, (batch, ahead, raw)."""
        if future is None:
            return None
        hidden = ops.relu(self.from_summary(summary)[:, None] + self.from_known(future))  # (batch, ahead, hidden)
        return ops.reshape(self.effect(hidden), (-1, self.ahead * self.channels, self.head.raw_count))

    def _states(self, inputs: Inputs, training: bool) -> list[KerasTensor]:
        sequence, anchors, _ = self._read(inputs)
        outputs, summary, _ = self.encoder(sequence, training=training)
        read = [self.normalization.normalize(inputs.window, anchors)] if self.copied else []
        return [*anchors, *read, summary, *([] if self.attention is None else [outputs])]
