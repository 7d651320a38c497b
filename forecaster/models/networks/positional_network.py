"""The positional decoder: every segment of the horizon in parallel, each with a learned position embedding."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.encoder import Encoder
from forecaster.models.encoder_to_decoder import Bridge
from forecaster.models.networks.base_network import DecoderOutput, Network, NetworkParts


class PositionalNetwork(Network):
    """Parallel multi-step forecasting: ŷ_k = head(cell(s_T, [p_k, x_k, e])) (SegRNN, Lin et al. 2023, section 4.3).

    Each segment k of the horizon takes one decoder step from the encoder's states s_T. It reads a learned vector p_k of
    its position, the future features x_k of its steps, and the embedding e of the series. With a linear forecast it
    also reads that of its steps, and the head adds to it.
    """

    def __init__(
        self, parts: NetworkParts, decoder: Encoder, bridge: Bridge | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__(parts)
        self.decoder = decoder
        self.bridge = bridge
        self.dropout = keras.layers.Dropout(dropout)
        self.segments = -(-self.ahead // self.segment)

    def build(self, window_shape: Sequence[int | None]) -> None:
        """Create the position vectors and the decoder's weights."""
        width = self.decoder.layers[0].cell.units
        self.positions = self.add_weight(
            shape=(self.segments, width), initializer=keras.initializers.RandomNormal(), name="positions"
        )
        joined = self.segment * self.future_width + (0 if self.embedding is None else self.embedding.width)
        joined += 0 if self.linear is None else self.width
        self.decoder(ops.zeros((1, 1, width + joined)))
        super().build(window_shape)

    @property
    def steps_decoded(self) -> int:
        """The whole horizon."""
        return self.ahead

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """Forecast the parameters of the `ahead` steps after the window, (batch, ahead, parameters)."""
        return self._decode_segments(
            self.encode(inputs, training), self._take_last_segment(inputs.window), inputs.future, training
        )

    def encode(self, inputs: Inputs, training: bool = False) -> list[KerasTensor]:
        """Return anchors, linear forecast (batch, ahead, channels), embedding, and the states before each segment."""
        sequence, anchors, vector = self._read_window(inputs)
        _, _, states = self.encoder(sequence, training=training, has_outputs=False)
        linear = self._forecast_linearly(inputs, anchors)
        return [*anchors, *linear, *vector, *(states if self.bridge is None else self.bridge(states))]

    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """Forecast all segments in one call."""
        return DecoderOutput(self._decode_segments(states, previous, future, training=False), [])

    def _decode_segments(
        self, states: Sequence[KerasTensor], previous: KerasTensor, future: KerasTensor | None, training: bool
    ) -> KerasTensor:
        anchors, vector, states = self._split_states(states, self.decoder.state_count)
        anchors, linear = (anchors[:-1], anchors[-1:]) if self.linear is not None else (anchors, [])
        _, anchors = self.normalization.step(previous, anchors)
        steps = self.segments * self.segment
        if future is not None:
            future = ops.reshape(self._to_segments(future), (-1, steps, self.future_width))
        future, offset, scale = self._place_forecast(future, anchors, steps)
        read = [self.positions[None]]  # (1, segments, width)
        read += [] if future is None else [self._to_segments(future)]  # (batch, segments, features of a segment)
        if linear:
            read.append(self._to_segments(linear[0]))  # (batch, segments, width)
            offset = offset + scale * ops.reshape(read[-1], (-1, self.segments * self.width))
        vector, states = ([each[:, None] for each in group] for group in (vector, states))  # (batch, 1, width)
        output, _ = self.decoder.step([*read, *vector], states)  # (batch, segments, width)
        output = self.dropout(output, training=training)
        return self.head(output, offset, scale)[:, : self.ahead * self.channels]
