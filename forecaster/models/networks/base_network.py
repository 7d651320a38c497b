"""What every network is: a normalisation, an encoder and a head, joined by its decoder."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import keras
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.embedding import Embedding
from forecaster.models.encoder import Encoder
from forecaster.models.heads import Head
from forecaster.models.normalization import Normalization


class DecoderOutput(NamedTuple):
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
class NetworkParts:
    """What a network of any kind is made of.

    Attributes:
        segment: steps that one recurrent step reads (SegRNN, Lin et al. 2023).
        ahead: steps after the window that training looks at.
        embedding: of the series and its categories, which every step of the encoder reads.
        past_width: features known up to the end of the window alone.
        known_width: features known of the steps that follow, too.
        channels: series that are read and answered together; their values of one step stand side by side.
    """

    normalization: Normalization
    encoder: Encoder
    head: Head
    segment: int
    ahead: int
    embedding: Embedding | None = None
    past_width: int = 0
    known_width: int = 0
    channels: int = 1


class Network(keras.Model, abc.ABC):
    """Windows of scaled values (batch, length) -> parameters of the head for the steps after them.

    Of several channels, values and parameters are (batch, steps * channels, ...), those of one step side by side;
    where a shape says steps of values, it is so many times more.

    It trains through `training_loss`, and serves through two functions that are exported:
    `encode(window[, features][, categories]) -> states` and
    `decode(states, previous[, future][, noise]) -> parameters, states`.

    Attributes:
        normalization, encoder, head, segment, ahead, embedding, past_width, known_width, channels: as in
            `NetworkParts`.
        width: values in a segment, which `previous` holds.
        noise: width of the standard normal noise that `decode` takes, 0 where it takes none.
    """

    noise = 0

    def __init__(self, parts: NetworkParts) -> None:
        super().__init__()
        self.normalization = parts.normalization
        self.encoder = parts.encoder
        self.head = parts.head
        self.segment = parts.segment
        self.ahead = parts.ahead
        self.embedding = parts.embedding
        self.past_width = parts.past_width
        self.known_width = parts.known_width
        self.channels = parts.channels
        self.width = parts.segment * parts.channels

    @property
    def steps_decoded(self) -> int:
        """Steps whose known features `decode` reads at once."""
        return self.segment

    @abc.abstractmethod
    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """The head's parameters for the `ahead` steps after the window, (batch, ahead, parameters)."""

    @abc.abstractmethod
    def encode(self, inputs: Inputs) -> list[KerasTensor]:
        """The states that `decode` starts from, (batch, ...) each; it reads nothing of the future."""

    @abc.abstractmethod
    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """The next steps.

        Args:
            states: of `encode`, or of the call before.
            previous: (batch, width), what is known last: the window's end, then one's own answer.
            future: (batch, `steps_decoded`, known features), of the steps that are asked for.
            noise: (batch, `noise`), the same at every call of one path; zeros for the path in the middle.
        """

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """The mean loss that training lowers.

        Args:
            inputs: with the features of the `ahead` steps after the window.
            targets: (batch, ahead), the values of those steps.
            epoch: how many epochs have passed, fractions included.
        """
        return self.error(inputs, targets, self(inputs, training=True))

    def compute_validation_loss(self, inputs: Inputs, targets: KerasTensor) -> KerasTensor:
        """The mean loss of the steps after the windows, as they are forecast."""
        return self.error(inputs, targets, self(inputs))

    def error(self, inputs: Inputs, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """The head's mean loss, of values in the unit of each window where its normalisation has one.

        The likelihood of a distribution is the same in every unit, but for a constant.
        """
        unit = self.normalization.compute_unit(inputs.window)
        if unit is None or not self.head.predicts_values:
            return self.head.compute_loss(targets, parameters)
        unit = ops.tile(unit, (1, targets.shape[1] // self.channels))  # (batch, ahead * channels)
        return self.head.compute_loss(targets / unit, parameters / unit[..., None])

    def _read(self, inputs: Inputs) -> tuple[KerasTensor, list[KerasTensor], list[KerasTensor]]:
        """What the encoder reads, the anchors, and the embedding where there is one.

        It reads (batch, steps / segment, width): a segment of the normalised window, its features, and the embedding.
        """
        read, anchors = self.normalization(inputs.window)
        parts = [self._segments(ops.reshape(read, (-1, read.shape[1] // self.channels, self.channels)))]
        if inputs.features is not None:
            parts.append(self._segments(self._features(inputs)))
        vector = [] if self.embedding is None else [self.embedding(inputs.categories)]  # (batch, width)
        parts += [ops.repeat(each[:, None], parts[0].shape[1], axis=1) for each in vector]
        return ops.concatenate(parts, axis=-1), anchors, vector

    def _features(self, inputs: Inputs) -> KerasTensor:
        """Those that stand beside each step that is read, (batch, steps, features)."""
        return inputs.features[:, self.normalization.skipped_steps :]

    def _segments(self, steps: KerasTensor) -> KerasTensor:
        """(batch, steps, width) -> (batch, segments, segment * width); what is short is as the last step."""
        short = -steps.shape[1] % self.segment
        whole = ops.concatenate([steps, ops.repeat(steps[:, -1:], short, axis=1)], axis=1) if short else steps
        return ops.reshape(whole, (-1, whole.shape[1] // self.segment, self.segment * steps.shape[2]))

    def _told_apart(self, states: Sequence[KerasTensor], layers: int) -> tuple[Sequence[KerasTensor], ...]:
        """States as (anchors, the embedding where there is one, those of `layers`)."""
        first = len(states) - layers
        known = first if self.embedding is None else first - 1
        return states[:known], states[known:first], states[first:]

    def _last(self, window: KerasTensor) -> KerasTensor:
        """The window's last segment."""
        return window[:, -self.width :]

    def _answer(self, output: KerasTensor, anchors: Sequence[KerasTensor], steps: int) -> KerasTensor:
        """The head on (batch, width), its `steps` steps undone by the anchors."""
        return self.head(output, *self.normalization.compute_affine(anchors, steps * self.channels))
