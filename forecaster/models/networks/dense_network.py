"""The dense decoder: the whole horizon in one step from the encoder's summary of the window."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.attention import Attention
from forecaster.models.networks.base_network import DecoderOutput, Network, NetworkParts


class DenseNetwork(Network):
    """Direct multi-step forecasting: ŷ = head(summary), optionally with attention over the encoder's outputs.

    Future features x_k of step k add V relu(U summary + W x_k) to the head's input, with the same weights at every
    step, as the temporal decoder of TiDE does (Das et al. 2023, section 4.2).

    With copying, each segment of the horizon starts from Σ_j α_j segment_j over the window's segments, α =
    softmax(W summary): pointers to similar days (pointer networks, Vinyals et al. 2015; See et al. 2017, equations 8
    and 9). The head adds the difference. To a linear forecast it adds, too.

    Args:
        hidden: units of the hidden layer between future features and their effect.
        copied: segments of the window to copy from, 0 without copying.
    """

    def __init__(
        self, parts: NetworkParts, attention: Attention | None = None, hidden: int = 0, copied: int = 0
    ) -> None:
        super().__init__(parts)
        self.attention = attention
        self.copied = copied
        if copied:
            self.choice = keras.layers.Dense(copied * -(-self.ahead // self.segment), name="choice")
        if self.future_width:
            self.from_summary = keras.layers.Dense(hidden, name="known_from_summary")
            self.from_known = keras.layers.Dense(hidden, use_bias=False, name="known_from_features")
            self.effect = keras.layers.Dense(self.channels * self.head.raw_count, use_bias=False, name="known_effect")

    @property
    def steps_decoded(self) -> int:
        """The whole horizon."""
        return self.ahead

    def start_at_zero(self) -> None:
        """Let the effect of future features be 0, too."""
        super().start_at_zero()
        self.effect.kernel.assign(ops.zeros_like(self.effect.kernel))

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """Forecast the parameters of the `ahead` steps after the window, (batch, ahead, parameters)."""
        return self.decode(
            self.encode(inputs, training), self._take_last_segment(inputs.window), inputs.future
        ).parameters

    def encode(self, inputs: Inputs, training: bool = False) -> list[KerasTensor]:
        """Return the anchors, the linear forecast (batch, ahead, channels) if there is one, and the summary.

        Between them is the normalized window (batch, values) if it is copied. The summary is (batch, width); with
        attention the encoder's outputs (batch, steps, width) come last.
        """
        sequence, anchors, _ = self._read_window(inputs)
        outputs, summary, _ = self.encoder(sequence, training=training, has_outputs=self.attention is not None)
        read = [self.normalization.normalize(inputs.window, anchors)] if self.copied else []
        linear = self._forecast_linearly(inputs, anchors)
        return [*anchors, *linear, *read, summary, *([] if self.attention is None else [outputs])]

    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """Forecast the whole horizon in one call."""
        known = 1 if self.attention is None else 2
        anchors, (summary, *memory) = states[:-known], states[-known:]
        anchors, read = (anchors[:-1], anchors[-1:]) if self.copied else (anchors, [])
        anchors, linear = (anchors[:-1], anchors[-1:]) if self.linear is not None else (anchors, [])
        _, anchors = self.normalization.step(previous, anchors)
        weights = None
        if self.attention is not None:
            summary, weights = self.attention(summary, memory[0])
        future, offset, scale = self._place_forecast(future, anchors, self.ahead)
        offset = offset + scale * self._copy(summary, read[0]) if read else offset
        offset = offset + scale * ops.reshape(linear[0], (-1, self.ahead * self.channels)) if linear else offset
        return DecoderOutput(
            self.head(summary, offset, scale, self._compute_known_effect(summary, future)), [], weights
        )

    def _copy(self, summary: KerasTensor, read: KerasTensor) -> KerasTensor:
        """Average the window's segments (batch, values) for each segment of the horizon, (batch, ahead values)."""
        # (batch, segments of the horizon, segments of the window)
        shares = ops.softmax(ops.reshape(self.choice(summary), (-1, self.choice.units // self.copied, self.copied)))
        segments = ops.matmul(shares, ops.reshape(read, (-1, self.copied, self.width)))  # (batch, segments, width)
        return ops.reshape(segments, (-1, segments.shape[1] * self.width))[:, : self.ahead * self.channels]

    def _compute_known_effect(self, summary: KerasTensor, future: KerasTensor | None) -> KerasTensor | None:
        """Compute what the future features of each step add to the head's input, (batch, ahead, raw count)."""
        if future is None:
            return None
        hidden = ops.relu(self.from_summary(summary)[:, None] + self.from_known(future))  # (batch, ahead, hidden)
        return ops.reshape(self.effect(hidden), (-1, self.ahead * self.channels, self.head.raw_count))
