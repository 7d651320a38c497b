"""Sequence to sequence: a recurrent decoder that starts from the encoder's states and reads its own answers."""

from collections.abc import Sequence
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


@dataclass(frozen=True)
class ScheduledSampling:
    """What a decoder reads in training.

    Attributes:
        own_share: the share of steps that read their own answer in the end, 0 for the truth alone.
        warmup: epochs over which that share rises from 0.
    """

    own_share: float = 0.0
    warmup: int = 0


class Seq2SeqNetwork(Network):
    """An encoder-decoder (Sutskever et al. 2014; Cho et al. 2014), attended where asked for.

    In training each step reads the truth before it (teacher forcing), or by a share that rises with the epochs
    its own answer (scheduled sampling, Bengio et al. 2015): the value, or a draw from the distribution, as when
    it is served. A value is validated on its own answers alone, and a distribution by the truth, under which the
    losses of the steps add up to that of the whole path.

    Args:
        decoder: the layers that are stepped over the horizon.
        feedback: how much of it is scheduled sampling.
        bridge: None where the encoder's states fit the decoder as they are.
    """

    def __init__(
        self,
        parts: NetworkParts,
        decoder: Encoder,
        feedback: ScheduledSampling,
        bridge: Bridge | None = None,
        attention: Attention | None = None,
    ) -> None:
        super().__init__(parts)
        self.decoder = decoder
        self.bridge = bridge
        self.attention = attention
        self.feedback = feedback
        self.draws = keras.random.SeedGenerator()

    def build(self, window_shape: Sequence[int | None]) -> None:
        """Make the decoder's weights, which are only ever stepped."""
        self.decoder(ops.zeros((1, 1, self.decoder_features)))
        super().build(window_shape)

    @property
    def decoder_features(self) -> int:
        """What a step of the decoder reads: the segment before it, and what is known of its own."""
        return self.segment * (self.channels + self.known_width)

    def call(self, inputs: Inputs, training: bool = False) -> KerasTensor:
        """The parameters of the `ahead` steps after the window, each from the answers before it."""
        return self._horizon(self.encode(inputs), inputs)

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """With teacher forcing, as far as the schedule has not taken it back."""
        states = self._states(inputs, training=True)
        return self.error(inputs, targets, self._horizon(states, inputs, targets, self._own_now(epoch)))

    def compute_validation_loss(self, inputs: Inputs, targets: KerasTensor) -> KerasTensor:
        """On its own answers, or by the truth where they would be draws."""
        states = self._states(inputs, training=False)
        return self.error(inputs, targets, self._horizon(states, inputs, targets, self._validated_share))

    @property
    def _validated_share(self) -> float:
        return 1.0 if isinstance(self.head, PointHead) else 0.0

    def encode(self, inputs: Inputs) -> list[KerasTensor]:
        """The anchors, with attention the encoder's outputs (batch, steps, width), and the decoder's first states."""
        return self._states(inputs, training=False)

    def decode(
        self,
        states: Sequence[KerasTensor],
        previous: KerasTensor,
        future: KerasTensor | None = None,
        noise: KerasTensor | None = None,
    ) -> DecoderOutput:
        """One step of the decoder."""
        anchors, kept, layers = self._parted(states)
        read, anchors = self.normalization.step(previous, anchors)
        known = [] if future is None else [ops.reshape(future, (-1, self.segment * self.known_width))]
        output, layers = self.decoder.step(ops.concatenate([read, *known, *self._beside(kept, noise)], axis=-1), layers)
        weights = None
        if self.attention is not None:
            output, weights = self.attention(output, kept[0])
        return DecoderOutput(self._answer(output, anchors, self.segment), [*anchors, *kept, *layers], weights)

    @property
    def _kept(self) -> int:
        """Tensors that every step sees as they are, between the anchors and the decoder's states."""
        return 0 if self.attention is None else 1

    def _parted(
        self, states: Sequence[KerasTensor]
    ) -> tuple[Sequence[KerasTensor], list[KerasTensor], Sequence[KerasTensor]]:
        """The anchors, what is kept, and the decoder's states."""
        layers = len(states) - self.decoder.state_count
        return states[: layers - self._kept], list(states[layers - self._kept : layers]), states[layers:]

    def _states(self, inputs: Inputs, training: bool) -> list[KerasTensor]:
        sequence, anchors, _ = self._read(inputs)
        outputs, _, states = self.encoder(sequence, training=training)
        kept = [] if self.attention is None else [outputs]
        return [*anchors, *kept, *(states if self.bridge is None else self.bridge(states))]

    def _beside(self, kept: Sequence[KerasTensor], noise: KerasTensor | None) -> list[KerasTensor]:
        """What else the decoder reads at every step, (batch, width) each."""
        return []

    def _own_now(self, epoch: KerasTensor) -> KerasTensor:
        """The share of steps that read their own answer in this epoch."""
        return self.feedback.own_share * ramp_up(epoch, self.feedback.warmup)

    def _horizon(
        self,
        states: Sequence[KerasTensor],
        inputs: Inputs,
        targets: KerasTensor | None = None,
        own_share: KerasTensor | float = 1.0,
        noise: KerasTensor | None = None,
    ) -> KerasTensor:
        """The parameters of all steps, (batch, ahead, parameters), from the states of `encode`.

        Args:
            targets: (batch, ahead), the truth that steps read instead of their own answer.
            own_share: the share of (window, step) pairs that read their own answer all the same.
            noise: as in `decode`.
        """
        batch, steps = ops.shape(inputs.window)[0], -(-self.ahead // self.segment)
        if targets is not None:
            padded = ops.pad(targets, [[0, 0], [0, steps * self.width - targets.shape[1]]])
            truth = ops.swapaxes(ops.reshape(padded, (-1, steps, self.width)), 0, 1)  # (steps, batch, width)
            reads_own = keras.random.uniform((steps, batch, 1), seed=self.draws) < own_share
            seed = ops.cast(self.draws.next(), "int32")
        if inputs.future is not None:
            future = ops.swapaxes(self._segments(inputs.future), 0, 1)  # (steps, batch, segment * known)
        written = tf.TensorArray(tf.float32, size=steps, element_shape=(None, self.width, self.head.parameter_count))

        def body(step: tf.Tensor, written: tf.TensorArray, previous: tf.Tensor, *states: tf.Tensor) -> tuple[Any, ...]:
            known = None if inputs.future is None else future[step]
            parameters, new_states, _ = self.decode(states, previous, known, noise)
            if targets is None:
                read = self.head.to_point(parameters)
            else:
                read = ops.where(reads_own[step], self.head.sample(parameters, seed + 2 * step), truth[step])
            return step + 1, written.write(step, parameters), read, *new_states

        _, written, *_ = tf.while_loop(
            lambda step, *_: step < steps,
            body,
            (0, written, self._last(inputs.window), *states),
            maximum_iterations=steps,
        )
        parts = ops.swapaxes(written.stack(), 0, 1)  # (batch, steps, width, parameters)
        parameters = ops.reshape(parts, (-1, steps * self.width, self.head.parameter_count))
        return parameters[:, : self.ahead * self.channels]


def ramp_up(epoch: KerasTensor, warmup: int) -> KerasTensor:
    """From 0 to 1 over the first `warmup` epochs."""
    return ops.minimum(1.0, epoch / warmup) if warmup else ops.ones(())
