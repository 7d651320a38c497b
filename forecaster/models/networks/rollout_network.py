"""The rollout decoder: forward layers that forecast one segment and read it as the next input."""

from collections.abc import Sequence

from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.networks.base_network import DecoderOutput, Network, NetworkParts


class RolloutNetwork(Network):
    """An autoregressive network, h_t = cell(h_(t-1), y_(t-1), x_t), trained on the segment after the window or on all.

    A step reads a segment of values y_(t-1) and the known features x_t of the segment to forecast (DeepAR, Salinas et
    al. 2020, equation 1). `decode` takes one step from the states of `encode`.

    Args:
        every_step: whether training forecasts the segment after each segment of the window.
    """

    def __init__(self, parts: NetworkParts, every_step: bool = False) -> None:
        super().__init__(parts)
        self.every_step = every_step

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """Forecast the parameters of the segment after the window, (batch, segment, parameters)."""
        sequence, anchors, _ = self._read_window(inputs)
        _, summary, _ = self.encoder(sequence, training=training, has_outputs=False)
        _, anchors = self.normalization.step(self._take_last_segment(inputs.window), anchors)
        return self.head(summary, *self.normalization.compute_affine(anchors, self.width))

    def predict_after_each(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """Forecast the parameters of the segment after each segment read, (batch, steps read, parameters)."""
        sequence, _, _ = self._read_window(inputs)
        outputs, _, _ = self.encoder(sequence, training=training)
        return self.head(outputs, self.normalization.compute_next_offsets(inputs.window), ops.ones((1, 1)))

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """Compute the loss of the segment after the window, and of those after each segment in it if `every_step`."""
        if not self.every_step:
            return super().compute_training_loss(inputs, targets, epoch)
        first = (self.normalization.skipped_steps + self.segment) * self.channels
        targets = ops.concatenate([inputs.window[:, first:], targets], axis=1)  # (batch, steps read)
        return self.head.compute_loss(targets, self.predict_after_each(inputs, training=True))

    def encode(self, inputs: Inputs, training: bool = False) -> list[KerasTensor]:
        """Return anchors, embedding, and the states before the last segment, which `decode` reads as `previous`."""
        if inputs.features is not None:  # a placeholder: the last segment is not read here
            inputs = inputs._replace(future=inputs.features[:, -self.segment :])
        sequence, anchors, vector = self._read_window(inputs)
        _, _, states = self.encoder(sequence[:, :-1], training=training, has_outputs=False)
        return [*anchors, *vector, *states]

    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """Take one step of every layer."""
        anchors, vector, states = self._split_states(states, self.encoder.state_count)
        read, anchors = self.normalization.step(previous, anchors)
        known = [] if future is None else [ops.reshape(future, (-1, self.segment * self.known_width))]
        output, states = self.encoder.step(ops.concatenate([read, *known, *vector], axis=-1), states)
        parameters = self.head(output, *self.normalization.compute_affine(anchors, self.width))
        return DecoderOutput(parameters, [*anchors, *vector, *states])

    def _select_features(self, inputs: Inputs) -> KerasTensor:
        """Select the features of the segment after each segment read."""
        behind = inputs.features[:, self.normalization.skipped_steps + self.segment :]
        return ops.concatenate([behind, inputs.future[:, : self.segment]], axis=1)
