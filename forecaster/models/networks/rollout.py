"""The rollout: a segment ahead from forward layers, which feed on their own output."""

from collections.abc import Sequence

from keras import KerasTensor, ops

from forecaster.models.networks.base import Decoded, Network, Parts


class RolloutNetwork(Network):
    """Learns the segment after the window, or after every segment of it; `decode` carries the state on."""

    def __init__(self, parts: Parts, every_step: bool = False) -> None:
        super().__init__(parts)
        self.every_step = every_step

    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """The parameters of what follows the window."""
        sequence, anchors = self._read(window)
        _, summary, _ = self.encoder(sequence, training=training)
        _, anchors = self.normalization.step(self._last(window), anchors)
        return self._answer(summary, anchors, self.segment)

    def after_each(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """The parameters of what follows each segment that is read, (batch, steps read, parameters)."""
        sequence, _ = self._read(window)
        outputs, _, _ = self.encoder(sequence, training=training)
        return self.head(outputs, self.normalization.offsets_of_next(window), ops.ones((1, 1)))

    def training_loss(self, window: KerasTensor, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """Of the segment after the window, or after each segment in it, too."""
        if not self.every_step:
            return super().training_loss(window, targets, epoch)
        first = self.normalization.skipped + self.segment
        targets = ops.concatenate([window[:, first:], targets], axis=1)  # (batch, steps read)
        return self.head.loss(targets, self.after_each(window, training=True))

    def encode(self, window: KerasTensor) -> list[KerasTensor]:
        """The anchors, and the states before the window's last segment, which `decode` reads as `previous`."""
        sequence, anchors = self._read(window)
        _, _, states = self.encoder(sequence[:, :-1])
        return [*anchors, *states]

    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor, noise: KerasTensor | None = None) -> Decoded:
        """One step of every layer."""
        count = len(states) - self.encoder.state_count
        read, anchors = self.normalization.step(previous, states[:count])
        output, states = self.encoder.step(read, states[count:])
        return Decoded(self._answer(output, anchors, self.segment), [*anchors, *states])
