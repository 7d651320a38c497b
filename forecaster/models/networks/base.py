"""What every network is: a normalisation, an encoder and a head, joined by its decoder."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import keras
from keras import KerasTensor, ops

from forecaster.models.embedding import Embedding
from forecaster.models.encoder import Encoder
from forecaster.models.heads import Head
from forecaster.models.normalization import Normalization


class Decoded(NamedTuple):
    """What one call of `decode` gives.

    Attributes:
        parameters: of the head, (batch, steps, parameters), in scaled units.
        states: after these steps; none where `decode` cannot be called on them.
        attention: over the recurrent steps that the encoder read, (batch, steps read), where there is any.
    """

    parameters: KerasTensor
    states: list[KerasTensor]
    attention: KerasTensor | None = None


@dataclass(frozen=True)
class Parts:
    """What a network of any kind is made of.

    Attributes:
        segment: steps that one recurrent step reads (SegRNN, Lin et al. 2023).
        ahead: steps after the window that training looks at.
        embedding: of the series and its categories, which every step of the encoder reads.
    """

    normalization: Normalization
    encoder: Encoder
    head: Head
    segment: int
    ahead: int
    embedding: Embedding | None = None


class Network(keras.Model, abc.ABC):
    """Windows of scaled values (batch, length) -> parameters of the head for the steps after them.

    It trains through `training_loss`, and serves through two functions that are exported:
    `encode(window[, categories]) -> states` and `decode(states, previous[, noise]) -> parameters, states`.
    `categories`, (batch, categories), are the numbers that tell the series of each window, where it has an embedding.

    Attributes:
        normalization, encoder, head, segment, ahead, embedding: of its `Parts`; `previous` holds a segment.
        noise: width of the standard normal noise that `decode` takes, 0 where it takes none.
    """

    noise = 0

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.normalization = parts.normalization
        self.encoder = parts.encoder
        self.head = parts.head
        self.segment = parts.segment
        self.ahead = parts.ahead
        self.embedding = parts.embedding

    @abc.abstractmethod
    def call(self, window: KerasTensor, categories: KerasTensor | None = None, training: bool = False) -> KerasTensor:
        """The head's parameters for the `ahead` steps after the window, (batch, ahead, parameters)."""

    @abc.abstractmethod
    def encode(self, window: KerasTensor, categories: KerasTensor | None = None) -> list[KerasTensor]:
        """The states that `decode` starts from, (batch, ...) each."""

    @abc.abstractmethod
    def decode(self, states: Sequence[KerasTensor], previous: KerasTensor, noise: KerasTensor | None = None) -> Decoded:
        """The next steps.

        Args:
            states: of `encode`, or of the call before.
            previous: (batch, segment), what is known last: the window's end, then one's own answer.
            noise: (batch, `noise`), the same at every call of one path; zeros for the path in the middle.
        """

    def training_loss(
        self,
        window: KerasTensor,
        targets: KerasTensor,
        epoch: KerasTensor,
        categories: KerasTensor | None = None,
    ) -> KerasTensor:
        """The mean loss that training lowers.

        Args:
            window: (batch, length).
            targets: (batch, ahead), the steps after it.
            epoch: how many epochs have passed, fractions included.
        """
        return self.head.loss(targets, self(window, categories, training=True))

    def validation_loss(
        self, window: KerasTensor, targets: KerasTensor, categories: KerasTensor | None = None
    ) -> KerasTensor:
        """The mean loss of the steps after the windows, as they are forecast."""
        return self.head.loss(targets, self(window, categories))

    def _read(
        self, window: KerasTensor, categories: KerasTensor | None
    ) -> tuple[KerasTensor, list[KerasTensor], list[KerasTensor]]:
        """What the encoder reads, the anchors, and the embedding where there is one.

        It reads (batch, steps / segment, features): a segment of the normalised window, and the embedding.
        """
        read, anchors = self.normalization(window)
        sequence = ops.reshape(read, (-1, read.shape[1] // self.segment, self.segment))
        if self.embedding is None:
            return sequence, anchors, []
        vector = self.embedding(categories)  # (batch, width)
        copies = ops.repeat(vector[:, None], sequence.shape[1], axis=1)
        return ops.concatenate([sequence, copies], axis=-1), anchors, [vector]

    def _told_apart(self, states: Sequence[KerasTensor], layers: int) -> tuple[Sequence[KerasTensor], ...]:
        """States as (anchors, the embedding where there is one, those of `layers`)."""
        first = len(states) - layers
        known = first if self.embedding is None else first - 1
        return states[:known], states[known:first], states[first:]

    def _last(self, window: KerasTensor) -> KerasTensor:
        """The window's last segment."""
        return window[:, -self.segment :]

    def _answer(self, output: KerasTensor, anchors: Sequence[KerasTensor], steps: int) -> KerasTensor:
        """The head on (batch, width), its `steps` steps undone by the anchors."""
        return self.head(output, *self.normalization.affine(anchors, steps))
