"""The base of all networks: a normalization, an encoder and a head, connected by a decoder."""

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
from forecaster.models.linear_forecast import LinearForecast
from forecaster.models.normalization import Normalization


class DecoderOutput(NamedTuple):
    """The result of one call of `decode`.

    Attributes:
        parameters: of the head's distribution, (batch, steps, parameters), in scaled units.
        states: after these steps; empty if `decode` is called only once.
        attention: weights over the encoder's recurrent steps, (batch, recurrent steps), if the network has any.
    """

    parameters: KerasTensor
    states: list[KerasTensor]
    attention: KerasTensor | None = None


@dataclass(frozen=True)
class NetworkParts:
    """The parts that every network has.

    Attributes:
        segment: steps of the series in one recurrent step (SegRNN, Lin et al. 2023, section 4.2).
        ahead: steps after the window that training forecasts.
        embedding: of the series and its categories, read at every step of the encoder.
        past_width: features per step known up to the origin only.
        known_width: features per step that are also known over the horizon.
        channels: series in one window, forecast jointly; a step holds one value of each.
        linear: the linear forecast to which direct decoders add theirs, if any.
        pretrained: whether forecasts begin at the zero-shot forecast, which is then part of the future features.
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
    linear: LinearForecast | None = None
    pretrained: bool = False


class Network(keras.Model, abc.ABC):
    """Maps windows of scaled values (batch, length) to parameters of the head for the steps after them.

    With several channels, values and parameters are (batch, steps * channels, ...), the channels of one step next to
    each other; shapes below name the steps only.

    It trains through `compute_training_loss`, and forecasts through two functions that are exported to ONNX:
    `encode(window[, features][, categories]) -> states` and
    `decode(states, previous[, future][, noise]) -> parameters, states`.

    Attributes:
        normalization, encoder, head, segment, ahead, embedding, past_width, known_width, channels, linear, pretrained:
            as in `NetworkParts`.
        width: values in a segment, segment * channels: the width of `previous`.
        noise: width of the standard normal noise that `decode` reads, 0 if none.
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
        self.linear = parts.linear
        self.pretrained = parts.pretrained
        self.width = parts.segment * parts.channels

    @property
    def steps_decoded(self) -> int:
        """Steps whose future features one call of `decode` reads."""
        return self.segment

    @property
    def future_width(self) -> int:
        """Features of each step to forecast: those known of it, and its zero-shot forecast."""
        return self.known_width + (self.channels if self.pretrained else 0)

    def start_at_zero(self) -> None:
        """Let every output of the network be 0 before training, so that its forecast is the zero-shot forecast."""
        self.head.dense.kernel.assign(ops.zeros_like(self.head.dense.kernel))

    def build(self, window_shape: Sequence[int | None]) -> None:
        """Leave the weights to the first call; without this method, Keras would first trace the call twice."""
        super().build(window_shape)

    @abc.abstractmethod
    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """Forecast the head's parameters for the `ahead` steps after the window, (batch, ahead, parameters)."""

    @abc.abstractmethod
    def encode(self, inputs: Inputs, training: bool = False) -> list[KerasTensor]:
        """Read the window into the states that `decode` starts from, (batch, ...) each, without future features."""

    @abc.abstractmethod
    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """Forecast the next steps.

        Args:
            states: of `encode`, or of the previous call.
            previous: (batch, width), the last known segment: the window's end, then the network's own forecast.
            future: (batch, steps_decoded, future features), of the steps to forecast.
            noise: (batch, noise), the same at every call of one sample path; zeros for the central path.
        """

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """Compute the mean training loss, a scalar.

        Args:
            inputs: with the known features of the `ahead` steps after the window.
            targets: (batch, ahead), the values of those steps.
            epoch: epochs passed, with fractions, a scalar.
        """
        return self.compute_error(inputs, targets, self(inputs, training=True))

    def compute_validation_loss(self, inputs: Inputs, targets: KerasTensor) -> KerasTensor:
        """Compute the mean loss of the steps after the windows, forecast as after training."""
        return self.compute_error(inputs, targets, self(inputs))

    def compute_error(self, inputs: Inputs, targets: KerasTensor, parameters: KerasTensor) -> KerasTensor:
        """Compute the head's mean loss, in the unit of each window if its normalization has one.

        Only point and quantile losses depend on the unit; a likelihood changes by a constant.
        """
        unit = self.normalization.compute_unit(inputs.window)
        if unit is None or not self.head.predicts_values:
            return self.head.compute_loss(targets, parameters)
        unit = ops.tile(unit, (1, targets.shape[1] // self.channels))  # (batch, ahead * channels)
        return self.head.compute_loss(targets / unit, parameters / unit[..., None])

    def _read_window(self, inputs: Inputs) -> tuple[KerasTensor, list[KerasTensor], list[KerasTensor]]:
        """Build the encoder's input (batch, recurrent steps, width), the anchors, and the embedding if there is one.

        A recurrent step reads a segment of the normalized window, its features, and the embedding.
        """
        read, anchors = self.normalization(inputs.window)  # (batch, values), without the steps skipped
        parts = [self._to_segments(ops.reshape(read, (-1, read.shape[1] // self.channels, self.channels)))]
        if inputs.features is not None:
            parts.append(self._to_segments(self._select_features(inputs)))
        vector = [] if self.embedding is None else [self.embedding(inputs.categories)]  # (batch, width)
        parts += [ops.repeat(each[:, None], parts[0].shape[1], axis=1) for each in vector]
        return ops.concatenate(parts, axis=-1), anchors, vector

    def _select_features(self, inputs: Inputs) -> KerasTensor:
        """Select the features that the encoder reads with each step, (batch, steps, features)."""
        return inputs.features[:, self.normalization.skipped_steps :]

    def _to_segments(self, steps: KerasTensor) -> KerasTensor:
        """Reshape (batch, steps, width) -> (batch, segments, segment * width), padded with the last step."""
        short = -steps.shape[1] % self.segment
        whole = ops.concatenate([steps, ops.repeat(steps[:, -1:], short, axis=1)], axis=1) if short else steps
        return ops.reshape(whole, (-1, whole.shape[1] // self.segment, self.segment * steps.shape[2]))

    def _split_states(self, states: Sequence[KerasTensor], layers: int) -> tuple[Sequence[KerasTensor], ...]:
        """Split states into the anchors, the embedding if there is one, and the `layers` states of recurrent layers."""
        first = len(states) - layers
        known = first if self.embedding is None else first - 1
        return states[:known], states[known:first], states[first:]

    def _forecast_linearly(self, inputs: Inputs, anchors: Sequence[KerasTensor]) -> list[KerasTensor]:
        """Compute the linear forecast, normalized, (batch, ahead, channels), if the network has one."""
        return [] if self.linear is None else [self.linear(self.normalization.normalize(inputs.window, anchors))]

    def _take_last_segment(self, window: KerasTensor) -> KerasTensor:
        """Return the window's last segment, (batch, width)."""
        return window[:, -self.width :]

    def _place_forecast(
        self, future: KerasTensor | None, anchors: Sequence[KerasTensor], steps: int
    ) -> tuple[KerasTensor | None, KerasTensor, KerasTensor]:
        """Compute what is read of the next `steps` steps, and the offset and scale of the network's output there.

        The offset is that of the normalization, or the zero-shot forecast, which the decoder also reads, normalized.

        Args:
            future: (batch, steps, future features), or None if there are none.
            anchors: of the window.
            steps: to forecast.
        """
        offset, scale = self.normalization.compute_affine(anchors, steps * self.channels)
        if future is None or not self.pretrained:
            return future, offset, scale
        known, zero_shot = future[:, :, : self.known_width], future[:, :, self.known_width :]
        zero_shot = ops.reshape(zero_shot, (-1, steps * self.channels))
        normalized = ops.reshape((zero_shot - offset) / scale, (-1, steps, self.channels))
        return ops.concatenate([known, normalized], axis=-1), zero_shot, scale
