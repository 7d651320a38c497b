"""Hierarchical networks: one vector for each season, a context over seasons, a decoder conditioned on it."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.encoder import Encoder
from forecaster.models.encoder_to_decoder import Bridge
from forecaster.models.networks.base_network import NetworkParts
from forecaster.models.networks.seq2seq_network import ScheduledSampling, Seq2SeqNetwork, ramp_up
from forecaster.models.recurrent_layers import Recurrent

_LOG_VARIANCES = (-10.0, 10.0)


class ContextNetwork(Seq2SeqNetwork):
    """The hierarchical recurrent encoder-decoder (HRED, Sordoni et al. 2015), its utterances seasons.

    The encoder reads the steps of each season by itself; a second layer reads what it made of them; the decoder
    starts from that context and reads it beside the previous answer at every step.

    Args:
        seasons: how many the encoder is given.
        context: the layer that reads them.
    """

    bridge: Bridge

    def __init__(
        self,
        parts: NetworkParts,
        decoder: Encoder,
        feedback: ScheduledSampling,
        bridge: Bridge,
        seasons: int,
        context: Recurrent,
    ) -> None:
        super().__init__(parts, decoder, feedback, bridge)
        self.seasons = seasons
        self.context = context

    @property
    def decoder_features(self) -> int:
        """What every decoder reads, and the context."""
        return super().decoder_features + self.context.cell.units

    @property
    def _kept(self) -> int:
        return 1

    def _context(self, inputs: Inputs, training: bool) -> tuple[list[KerasTensor], KerasTensor]:
        """The anchors, and what all seasons come to, (batch, units)."""
        sequence, anchors, _ = self._read(inputs)
        steps = sequence.shape[1] // self.seasons
        seasons = ops.reshape(sequence, (-1, steps, sequence.shape[-1]))  # (batch * seasons, steps, width)
        _, summary, _ = self.encoder(seasons, training=training)
        _, context, _ = self.context(ops.reshape(summary, (-1, self.seasons, summary.shape[-1])), training=training)
        return anchors, context

    def _states(self, inputs: Inputs, training: bool) -> list[KerasTensor]:
        anchors, context = self._context(inputs, training)
        return [*anchors, context, *self.bridge([context])]

    def _beside(self, kept: Sequence[KerasTensor], noise: KerasTensor | None) -> list[KerasTensor]:
        return [kept[0]]


class LatentNetwork(ContextNetwork):
    """HRED with a latent variable, drawn once for a whole path (VHRED, Serban et al. 2017).

    z ~ N(μ, σ²) with μ, σ from the context when it forecasts, and from the context and the future when it learns,
    where z = μ + σ ε (Kingma & Welling 2014) and the loss has their Kullback-Leibler divergence added.

    Args:
        latent: width of z.
        future: the layer that reads the future in training.
        feedback: over its warm-up the divergence, too, rises from 0 to its full weight.
    """

    def __init__(
        self,
        parts: NetworkParts,
        decoder: Encoder,
        feedback: ScheduledSampling,
        bridge: Bridge,
        seasons: int,
        context: Recurrent,
        latent: int,
        future: Recurrent,
    ) -> None:
        super().__init__(parts, decoder, feedback, bridge, seasons, context)
        self.noise = latent
        self.future = future
        self.prior = keras.layers.Dense(2 * latent, name="prior")
        self.posterior = keras.layers.Dense(2 * latent, name="posterior")

    def build(self, window_shape: Sequence[int | None]) -> None:
        """Make the posterior's weights, which a forecast never calls."""
        units = self.context.cell.units
        self.future(ops.zeros((1, 1, self.width)))
        self.posterior(ops.zeros((1, units + self.future.cell.units)))
        super().build(window_shape)

    @property
    def decoder_features(self) -> int:
        """What a context's decoder reads, and z."""
        return super().decoder_features + self.noise

    @property
    def _kept(self) -> int:
        return 3

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """The head's loss under z from the posterior, and the divergence for each step, as far as it has risen."""
        noise = keras.random.normal((ops.shape(targets)[0], self.noise), seed=self.draws)
        states = self._states(inputs, training=True)
        loss, compute_kl_divergence = self._bound(states, inputs, targets, noise, self._own_now(epoch), training=True)
        return loss + ramp_up(epoch, self.feedback.warmup) * compute_kl_divergence

    def compute_validation_loss(self, inputs: Inputs, targets: KerasTensor) -> KerasTensor:
        """The same as it is validated, with the posterior's mean for z, and the whole divergence."""
        noise = ops.zeros((ops.shape(targets)[0], self.noise))
        states = self._states(inputs, training=False)
        loss, compute_kl_divergence = self._bound(states, inputs, targets, noise, self._validated_share, training=False)
        return loss + compute_kl_divergence

    def _bound(
        self,
        states: Sequence[KerasTensor],
        inputs: Inputs,
        targets: KerasTensor,
        noise: KerasTensor,
        own_share: KerasTensor | float,
        training: bool,
    ) -> tuple[KerasTensor, KerasTensor]:
        """The head's loss, and the divergence of posterior from prior for each step of the horizon."""
        anchors, (context, *prior), layers = self._parted(states)
        offset, scale = self.normalization.compute_affine(
            self.normalization.step(self._last(inputs.window), anchors)[1], targets.shape[1]
        )
        future = self._segments(ops.reshape((targets - offset) / scale, (-1, self.ahead, self.channels)))
        _, seen, _ = self.future(future, training=training)
        posterior = _gaussian(self.posterior(ops.concatenate([context, seen], axis=-1)))
        states = [*anchors, context, *posterior, *layers]
        parameters = self._horizon(states, inputs, targets, own_share, noise)
        return self.error(inputs, targets, parameters), ops.mean(compute_kl_divergence(posterior, prior)) / self.ahead

    def _states(self, inputs: Inputs, training: bool) -> list[KerasTensor]:
        anchors, context = self._context(inputs, training)
        return [*anchors, context, *_gaussian(self.prior(context)), *self.bridge([context])]

    def _beside(self, kept: Sequence[KerasTensor], noise: KerasTensor | None) -> list[KerasTensor]:
        context, mean, deviation = kept
        return [context, mean if noise is None else mean + deviation * noise]


def compute_kl_divergence(posterior: Sequence[KerasTensor], prior: Sequence[KerasTensor]) -> KerasTensor:
    """KL(posterior ‖ prior) of diagonal normals, each as mean and deviation (batch, width): (batch,).

    Σ log(σ_p / σ_q) + (σ_q² + (μ_q - μ_p)²) / (2 σ_p²) - 1/2 (Kingma & Welling 2014, appendix B).
    """
    (mean_q, deviation_q), (mean_p, deviation_p) = posterior, prior
    square = ops.square(deviation_q) + ops.square(mean_q - mean_p)
    return ops.sum(ops.log(deviation_p / deviation_q) + square / (2 * ops.square(deviation_p)) - 0.5, axis=-1)


def _gaussian(raw: KerasTensor) -> list[KerasTensor]:
    """(batch, 2 width) -> mean and deviation, each (batch, width)."""
    mean, log_variance = ops.split(raw, 2, axis=-1)
    return [mean, ops.exp(ops.clip(log_variance, *_LOG_VARIANCES) / 2)]
