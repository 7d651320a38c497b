"""Sequence to sequence: a recurrent decoder that starts from the encoder's states and reads its own forecasts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.attention import Attention
from forecaster.models.encoder import Encoder
from forecaster.models.encoder_to_decoder import Bridge
from forecaster.models.heads import PointHead
from forecaster.models.networks.base_network import DecoderOutput, Network, NetworkParts
from forecaster.models.recurrent_layers import are_steps_skipped


@dataclass(frozen=True)
class ScheduledSampling:
    """The schedule by which a decoder reads its own forecasts in training (Bengio et al. 2015, section 2.4).

    Attributes:
        sampled_share: final share of steps that read the decoder's own forecast; 0 is teacher forcing.
        warmup: epochs over which the share rises linearly from 0.
    """

    sampled_share: float = 0.0
    warmup: int = 0


class Seq2SeqNetwork(Network):
    """An encoder-decoder, optionally with attention (Sutskever et al. 2014; Cho et al. 2014; Bahdanau et al. 2015).

    s_0 = encoder(window), s_k = cell(s_(k-1), y_(k-1)), ŷ_k = head(s_k). In training a step reads the actual y_(k-1)
    (teacher forcing), or with a probability that rises with the epochs the network's own forecast (scheduled sampling,
    Bengio et al. 2015): a point forecast's value, or a sample of the distribution. Point forecasts are validated on
    their own forecasts; distributions on actuals, under which the steps' losses add up to the path's log-likelihood.

    Args:
        decoder: the layers that are stepped over the horizon.
        sampling: the schedule of scheduled sampling.
        bridge: None if the encoder's states fit the decoder.
    """

    def __init__(
        self,
        parts: NetworkParts,
        decoder: Encoder,
        sampling: ScheduledSampling,
        bridge: Bridge | None = None,
        attention: Attention | None = None,
    ) -> None:
        super().__init__(parts)
        self.decoder = decoder
        self.bridge = bridge
        self.attention = attention
        self.sampling = sampling
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, window_shape: Sequence[int | None]) -> None:
        """Create the decoder's weights, since it is only ever stepped."""
        self.decoder(ops.zeros((1, 1, self.decoder_features)))
        super().build(window_shape)

    @property
    def decoder_features(self) -> int:
        """Inputs of a decoder step: the previous segment and the future features of the step."""
        return self.segment * (self.channels + self.future_width)

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """Forecast the `ahead` steps after the window from their own forecasts, (batch, ahead, parameters)."""
        return self._decode_horizon(self.encode(inputs), inputs)

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """Compute the loss with teacher forcing and, by the schedule, scheduled sampling."""
        states, sampled_share = self.encode(inputs, training=True), self._compute_sampled_share(epoch)
        return self.compute_error(inputs, targets, self._decode_horizon(states, inputs, targets, sampled_share))

    def compute_validation_loss(self, inputs: Inputs, targets: KerasTensor) -> KerasTensor:
        """Compute the loss on the network's own forecasts, or on actuals if forecasts are samples."""
        parameters = self._decode_horizon(self.encode(inputs), inputs, targets, self._validation_share)
        return self.compute_error(inputs, targets, parameters)

    @property
    def _validation_share(self) -> float:
        return 1.0 if isinstance(self.head, PointHead) else 0.0

    def encode(self, inputs: Inputs, training: bool = False) -> list[KerasTensor]:
        """Return the anchors, with attention the encoder's outputs (batch, steps, width), and initial states."""
        sequence, anchors, _ = self._read_window(inputs)
        outputs, _, states = self.encoder(sequence, training=training, has_outputs=self.attention is not None)
        kept = [] if self.attention is None else [outputs]
        return [*anchors, *kept, *(states if self.bridge is None else self.bridge(states))]

    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """Take one step of the decoder."""
        anchors, kept, layers = self._split_decoder_states(states)
        read, anchors = self.normalization.step(previous, anchors)
        if future is not None:
            future = ops.reshape(future, (-1, self.segment, self.future_width))
        future, offset, scale = self._place_forecast(future, anchors, self.segment)
        ahead = [] if future is None else [ops.reshape(future, (-1, self.segment * self.future_width))]
        output, layers = self.decoder.step(
            ops.concatenate([read, *ahead, *self._collect_context(kept, noise)], axis=-1), layers
        )
        weights = None
        if self.attention is not None:
            output, weights = self.attention(output, kept[0])
        return DecoderOutput(self.head(output, offset, scale), [*anchors, *kept, *layers], weights)

    @property
    def _context_count(self) -> int:
        """Number of constant tensors between the anchors and the decoder's states, read at every step."""
        return 0 if self.attention is None else 1

    def _split_decoder_states(
        self, states: Sequence[KerasTensor]
    ) -> tuple[Sequence[KerasTensor], list[KerasTensor], Sequence[KerasTensor]]:
        """Split states into the anchors, the constant context, and the decoder's states."""
        layers = len(states) - self.decoder.state_count
        return (
            states[: layers - self._context_count],
            list(states[layers - self._context_count : layers]),
            states[layers:],
        )

    def _collect_context(self, kept: Sequence[KerasTensor], noise: KerasTensor | None) -> list[KerasTensor]:
        """Collect further decoder inputs of every step, (batch, width) each."""
        return []

    def _compute_sampled_share(self, epoch: KerasTensor) -> KerasTensor:
        """Return the share of steps that read the network's own forecast in this epoch."""
        return self.sampling.sampled_share * ramp_up(epoch, self.sampling.warmup)

    def _decode_horizon(
        self,
        states: Sequence[KerasTensor],
        inputs: Inputs,
        targets: KerasTensor | None = None,
        sampled_share: KerasTensor | float = 1.0,
        noise: KerasTensor | None = None,
    ) -> KerasTensor:
        """Step the decoder over the horizon from the states of `encode`: (batch, ahead, parameters).

        Args:
            targets: (batch, ahead), actuals that steps read instead of the network's own forecasts.
            sampled_share: the share of (window, step) pairs that read the network's own forecast nevertheless.
            noise: as in `decode`.
        """
        steps = 1 if are_steps_skipped() else -(-self.ahead // self.segment)  # whole segments that cover the horizon
        mix = None if targets is None else self._mix_actuals_and_samples(targets, sampled_share, steps)
        if inputs.future is not None:
            future = ops.swapaxes(self._to_segments(inputs.future), 0, 1)  # (steps, batch, segment * features)
        collected = tf.TensorArray(tf.float32, size=steps, element_shape=(None, self.width, self.head.parameter_count))

        def take_step(
            step: tf.Tensor, collected: tf.TensorArray, previous: tf.Tensor, *states: tf.Tensor
        ) -> tuple[Any, ...]:
            known = None if inputs.future is None else future[step]
            parameters, new_states, _ = self.decode(states, previous, known, noise)
            read = self.head.to_point(parameters) if mix is None else mix(step, parameters)  # (batch, width)
            return step + 1, collected.write(step, parameters), read, *new_states

        _, collected, *_ = tf.while_loop(
            lambda step, *_: step < steps,
            take_step,
            (0, collected, self._take_last_segment(inputs.window), *states),
            maximum_iterations=steps,
        )
        parts = ops.swapaxes(collected.stack(), 0, 1)  # (batch, steps, width, parameters)
        parameters = ops.reshape(parts, (-1, steps * self.width, self.head.parameter_count))
        return parameters[:, : self.ahead * self.channels]

    def _mix_actuals_and_samples(
        self, targets: KerasTensor, sampled_share: KerasTensor | float, steps: int
    ) -> Callable[[tf.Tensor, KerasTensor], KerasTensor]:
        """Build the function of a step and its parameters that returns what the next step reads, (batch, width)."""
        # the last segment reaches past the horizon; what it reads there is not scored
        padded = ops.pad(targets, [[0, 0], [0, steps * self.width - targets.shape[1]]])
        actuals = ops.swapaxes(ops.reshape(padded, (-1, steps, self.width)), 0, 1)  # (steps, batch, width)
        # one draw for each window and step of the decoder
        uniform = keras.random.uniform((steps, ops.shape(targets)[0], 1), seed=self.seed_generator)
        reads_forecast = uniform < sampled_share
        seed = ops.cast(self.seed_generator.next(), "int32")
        return lambda step, parameters: ops.where(
            reads_forecast[step], self.head.sample(parameters, seed + 2 * step), actuals[step]
        )


def ramp_up(epoch: KerasTensor, warmup: int) -> KerasTensor:
    """Return a factor that rises linearly from 0 to 1 over the first `warmup` epochs."""
    return ops.minimum(1.0, epoch / warmup) if warmup else ops.ones(())
