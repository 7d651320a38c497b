"""The rollout: a segment ahead from forward layers, which feed on their own output."""

from collections.abc import Sequence

from keras import KerasTensor, ops

from forecaster.models.networks.base import Decoded, Network, Parts


class RolloutNetwork(Network):
    """Learns the segment after the window, or after every segment of it; `decode` carries the state on."""

    def __init__(self, parts: Parts, every_step: bool = False) -> None:
        super().__init__(parts)
        self.every_step = every_step

    def call(self, window: KerasTensor, categories: KerasTensor | None = None, training: bool = False) -> KerasTensor:
        """The parameters of what follows the window."""
        sequence, anchors, _ = self._read(window, categories)
        _, summary, _ = self.encoder(sequence, training=training)
        _, anchors = self.normalization.step(self._last(window), anchors)
        return self._answer(summary, anchors, self.segment)

    def after_each(
        self, window: KerasTensor, categories: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        """The parameters of what follows each segment that is read, (batch, steps read, parameters)."""
        sequence, _, _ = self._read(window, categories)
        outputs, _, _ = self.encoder(sequence, training=training)
        return self.head(outputs, self.normalization.offsets_of_next(window), ops.ones((1, 1)))

    def training_loss(
        self,
        window: KerasTensor,
        targets: KerasTensor,
        epoch: KerasTensor,
        categories: KerasTensor | None = None,
    ) -> KerasTensor:
        """Of the segment after the window, or after each segment in it, too."""
        if not self.every_step:
            return super().training_loss(window, targets, epoch, categories)
        first = self.normalization.skipped + self.segment
        targets = ops.concatenate([window[:, first:], targets], axis=1)  # (batch, steps read)
        return self.head.loss(targets, self.after_each(window, categories, training=True))

    def encode(self, window: KerasTensor, categories: KerasTensor | None = None) -> list[KerasTensor]:
        """The anchors, the embedding, and the states before the last segment, which `decode` reads as `previous`."""
        sequence, anchors, vector = self._read(window, categories)
        _, _, states = self.encoder(sequence[:, :-1])
        return [*anchors, *vector, *states]

    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor, noise: KerasTensor | None = None) -> Decoded:
        """One step of every layer."""
        anchors, vector, states = self._told_apart(states, self.encoder.state_count)
        read, anchors = self.normalization.step(previous, anchors)
        output, states = self.encoder.step(ops.concatenate([read, *vector], axis=-1), states)
        return Decoded(self._answer(output, anchors, self.segment), [*anchors, *vector, *states])
