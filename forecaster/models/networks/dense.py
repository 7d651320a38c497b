"""The dense decoder: the whole horizon at once from what the encoder knows after the window."""

from collections.abc import Sequence

from keras import KerasTensor

from forecaster.models.attention import Attention
from forecaster.models.networks.base import Decoded, Network, Parts


class DenseNetwork(Network):
    """The head on the encoder's summary, which may look back at every step by attention."""

    def __init__(self, parts: Parts, attention: Attention | None = None) -> None:
        super().__init__(parts)
        self.attention = attention

    def call(self, window: KerasTensor, categories: KerasTensor | None = None, training: bool = False) -> KerasTensor:
        """The parameters of the `ahead` steps after the window."""
        return self.decode(self._states(window, categories, training), self._last(window)).parameters

    def encode(self, window: KerasTensor, categories: KerasTensor | None = None) -> list[KerasTensor]:
        """The anchors, the encoder's summary (batch, width), and with attention its outputs (batch, steps, width)."""
        return self._states(window, categories, training=False)

    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor, noise: KerasTensor | None = None) -> Decoded:
        """The head alone; there is nothing to call it on again."""
        known = 1 if self.attention is None else 2
        anchors, (summary, *memory) = states[:-known], states[-known:]
        _, anchors = self.normalization.step(previous, anchors)
        weights = None
        if self.attention is not None:
            summary, weights = self.attention(summary, memory[0])
        return Decoded(self._answer(summary, anchors, self.ahead), [], weights)

    def _states(self, window: KerasTensor, categories: KerasTensor | None, training: bool) -> list[KerasTensor]:
        sequence, anchors, _ = self._read(window, categories)
        outputs, summary, _ = self.encoder(sequence, training=training)
        return [*anchors, summary] if self.attention is None else [*anchors, summary, outputs]
