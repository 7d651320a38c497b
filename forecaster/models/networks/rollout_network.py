"""The rollout: a segment ahead from forward layers, which feed on their own output."""

from collections.abc import Sequence

from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.networks.base_network import DecoderOutput, Network, NetworkParts


class RolloutNetwork(Network):
    """Learns the segment after the window, or after every segment of it; `decode` carries the state on.

    A step reads a segment of values beside the known features of the segment that it is to give (DeepAR, Salinas et
    al. 2020, equation 1).
    """

    def __init__(self, parts: NetworkParts, every_step: bool = False) -> None:
        super().__init__(parts)
        self.every_step = every_step

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """The parameters of what follows the window."""
        sequence, anchors, _ = self._read(inputs)
        _, summary, _ = self.encoder(sequence, training=training)
        _, anchors = self.normalization.step(self._last(inputs.window), anchors)
        return self._answer(summary, anchors, self.segment)

    def predict_after_each(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """The parameters of what follows each segment that is read, (batch, steps read, parameters)."""
        sequence, _, _ = self._read(inputs)
        outputs, _, _ = self.encoder(sequence, training=training)
        return self.head(outputs, self.normalization.compute_next_offsets(inputs.window), ops.ones((1, 1)))

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """Of the segment after the window, or after each segment in it, too."""
        if not self.every_step:
            return super().compute_training_loss(inputs, targets, epoch)
        first = (self.normalization.skipped_steps + self.segment) * self.channels
        targets = ops.concatenate([inputs.window[:, first:], targets], axis=1)  # (batch, steps read)
        return self.head.compute_loss(targets, self.predict_after_each(inputs, training=True))

    def encode(self, inputs: Inputs) -> list[KerasTensor]:
        """The anchors, the embedding, and the states before the last segment, which `decode` reads as `previous`."""
        if inputs.features is not None:  # of the last segment there is no step to read what follows it
            inputs = inputs._replace(future=inputs.features[:, -self.segment :])
        sequence, anchors, vector = self._read(inputs)
        _, _, states = self.encoder(sequence[:, :-1])
        return [*anchors, *vector, *states]

    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """One step of every layer."""
        anchors, vector, states = self._told_apart(states, self.encoder.state_count)
        read, anchors = self.normalization.step(previous, anchors)
        known = [] if future is None else [ops.reshape(future, (-1, self.segment * self.known_width))]
        output, states = self.encoder.step(ops.concatenate([read, *known, *vector], axis=-1), states)
        return DecoderOutput(self._answer(output, anchors, self.segment), [*anchors, *vector, *states])

    def _features(self, inputs: Inputs) -> KerasTensor:
        """Those of the segment after each that is read."""
        behind = inputs.features[:, self.normalization.skipped_steps + self.segment :]
        return ops.concatenate([behind, inputs.future[:, : self.segment]], axis=1)
