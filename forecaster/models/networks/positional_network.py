"""The positional decoder: every segment of the horizon in parallel, told apart by an embedding of its position."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.encoder import Encoder
from forecaster.models.encoder_to_decoder import Bridge
from forecaster.models.networks.base_network import DecoderOutput, Network, NetworkParts


class PositionalNetwork(Network):
    """SegRNN's parallel multi-step forecasting (Lin et al. 2023, section 4.3).

    The encoder's states are copied to each segment of the horizon, whose decoder takes one step from them and reads
    nothing but a learnt vector for the position, what is known of its steps, and the embedding of the series.
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
        """Make the positions and the decoder's weights."""
        width = self.decoder.layers[0].cell.units
        self.positions = self.add_weight(
            shape=(self.segments, width), initializer=keras.initializers.RandomNormal(), name="positions"
        )
        joined = self.segment * self.known_width + (0 if self.embedding is None else self.embedding.width)
        self.decoder(ops.zeros((1, 1, width + joined)))
        super().build(window_shape)

    @property
    def steps_decoded(self) -> int:
        """The whole horizon."""
        return self.ahead

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """The parameters of the `ahead` steps after the window."""
        return self._decoded(self._states(inputs, training), self._last(inputs.window), inputs.future, training)

    def encode(self, inputs: Inputs) -> list[KerasTensor]:
        """The anchors and the states that each segment starts from."""
        return self._states(inputs, training=False)

    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """All segments at once; there is nothing to call it on again."""
        return DecoderOutput(self._decoded(states, previous, future, training=False), [])

    def _states(self, inputs: Inputs, training: bool) -> list[KerasTensor]:
        sequence, anchors, vector = self._read(inputs)
        _, _, states = self.encoder(sequence, training=training)
        return [*anchors, *vector, *(states if self.bridge is None else self.bridge(states))]

    def _decoded(
        self, states: Sequence[KerasTensor], previous: KerasTensor, future: KerasTensor | None, training: bool
    ) -> KerasTensor:
        anchors, vector, states = self._told_apart(states, self.decoder.state_count)
        _, anchors = self.normalization.step(previous, anchors)
        read = [self.positions[None]]  # (1, segments, width)
        read += [] if future is None else [self._segments(future)]  # (batch, segments, known features of a segment)
        vector, states = ([each[:, None] for each in group] for group in (vector, states))  # (batch, 1, width)
        output, _ = self.decoder.step([*read, *vector], states)  # (batch, segments, width)
        output = self.dropout(output, training=training)
        return self._answer(output, anchors, self.segments * self.segment)[:, : self.ahead * self.channels]
