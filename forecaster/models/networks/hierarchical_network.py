"""Hierarchical networks: a vector per season, a context over seasons, and a decoder conditioned on it."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.encoder import Encoder
from forecaster.models.encoder_to_decoder import Bridge
from forecaster.models.losses import average
from forecaster.models.networks.base_network import NetworkParts
from forecaster.models.networks.seq2seq_network import ScheduledSampling, Seq2SeqNetwork, ramp_up
from forecaster.models.recurrent_layers import Recurrent

_LOG_VARIANCES = (-10.0, 10.0)  # range in which exp does not overflow and no variance is 0


class ContextNetwork(Seq2SeqNetwork):
    """The hierarchical recurrent encoder-decoder (HRED, Sordoni et al. 2015, section 3), with seasons as utterances.

    v_i = encoder(season i); C = context(v_1, ..., v_n); s_0 = bridge(C); s_k = cell(s_(k-1), [y_(k-1), C]).

    Args:
        seasons: seasons in the window.
        context: the layer that reads the seasons' vectors.
    """

    bridge: Bridge

    def __init__(
        self,
        parts: NetworkParts,
        decoder: Encoder,
        sampling: ScheduledSampling,
        bridge: Bridge,
        seasons: int,
        context: Recurrent,
    ) -> None:
        super().__init__(parts, decoder, sampling, bridge)
        self.seasons = seasons
        self.context = context

    @property
    def decoder_features(self) -> int:
        """Inputs of a decoder step, and the context."""
        return super().decoder_features + self.context.cell.units

    @property
    def _context_count(self) -> int:
        return 1

    def _encode_context(self, inputs: Inputs, training: bool) -> tuple[list[KerasTensor], KerasTensor]:
        """Encode each season, then all seasons: the anchors, and the context (batch, units)."""
        sequence, anchors, _ = self._read_window(inputs)
        steps = sequence.shape[1] // self.seasons
        seasons = ops.reshape(sequence, (-1, steps, sequence.shape[-1]))  # (batch * seasons, steps, width)
        _, summary, _ = self.encoder(seasons, training=training, has_outputs=False)  # (batch * seasons, units)
        vectors = ops.reshape(summary, (-1, self.seasons, summary.shape[-1]))
        _, context, _ = self.context(vectors, training=training, has_outputs=False)
        return anchors, context

    def encode(self, inputs: Inputs, training: bool = False) -> list[KerasTensor]:
        """Return the anchors, the context (batch, units), and initial states."""
        anchors, context = self._encode_context(inputs, training)
        return [*anchors, context, *self.bridge([context])]

    def _collect_context(self, kept: Sequence[KerasTensor], noise: KerasTensor | None) -> list[KerasTensor]:
        return [kept[0]]


class LatentNetwork(ContextNetwork):
    """HRED with a latent variable z per sample path (VHRED, Serban et al. 2017, section 3).

    z = μ + σ ε with ε ~ N(0, I) (Kingma & Welling 2014, section 2.4). In forecasts μ and σ come from the context (the
    prior); in training from the context and the actual horizon (the posterior), and the loss, a bound of the negative
    log-likelihood, includes the divergence KL(posterior ‖ prior).

    Args:
        latent: width of z.
        future: the layer that reads the actual horizon in training.
        sampling: the weight of the divergence rises over its warm-up, too (KL annealing, Bowman et al. 2016).
    """

    def __init__(
        self,
        parts: NetworkParts,
        decoder: Encoder,
        sampling: ScheduledSampling,
        bridge: Bridge,
        seasons: int,
        context: Recurrent,
        latent: int,
        future: Recurrent,
    ) -> None:
        super().__init__(parts, decoder, sampling, bridge, seasons, context)
        self.noise = latent
        self.future = future
        self.prior = keras.layers.Dense(2 * latent, name="prior")
        self.posterior = keras.layers.Dense(2 * latent, name="posterior")

    def build(self, window_shape: Sequence[int | None]) -> None:
        """Create the posterior's weights, which forecasts do not use."""
        units = self.context.cell.units
        self.future(ops.zeros((1, 1, self.width)))
        self.posterior(ops.zeros((1, units + self.future.cell.units)))
        super().build(window_shape)

    @property
    def decoder_features(self) -> int:
        """Inputs of a decoder step, the context, and z."""
        return super().decoder_features + self.noise

    @property
    def _context_count(self) -> int:
        return 3

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """Compute the head's loss with z from the posterior, plus the annealed divergence per step."""
        noise = keras.random.normal((ops.shape(targets)[0], self.noise), seed=self.seed_generator)  # ε, (batch, latent)
        states = self.encode(inputs, training=True)
        loss, divergence = self._compute_losses(
            states, inputs, targets, noise, self._compute_sampled_share(epoch), training=True
        )
        return loss + ramp_up(epoch, self.sampling.warmup) * divergence

    def compute_validation_loss(self, inputs: Inputs, targets: KerasTensor) -> KerasTensor:
        """Compute the loss as it is validated, with z the posterior's mean, plus the whole divergence per step."""
        noise = ops.zeros((ops.shape(targets)[0], self.noise))  # ε = 0: z is the mean of the posterior
        states = self.encode(inputs)
        loss, divergence = self._compute_losses(states, inputs, targets, noise, self._validation_share, training=False)
        return loss + divergence

    def _compute_losses(
        self,
        states: Sequence[KerasTensor],
        inputs: Inputs,
        targets: KerasTensor,
        noise: KerasTensor,
        sampled_share: KerasTensor | float,
        training: bool,
    ) -> tuple[KerasTensor, KerasTensor]:
        """Compute the head's loss, and KL(posterior ‖ prior) per step of the horizon."""
        anchors, (context, *prior), layers = self._split_decoder_states(states)
        offset, scale = self.normalization.compute_affine(
            self.normalization.step(self._take_last_segment(inputs.window), anchors)[1], targets.shape[1]
        )
        future = self._to_segments(ops.reshape((targets - offset) / scale, (-1, self.ahead, self.channels)))
        _, seen, _ = self.future(future, training=training, has_outputs=False)  # the actual horizon, (batch, units)
        posterior = _to_gaussian(self.posterior(ops.concatenate([context, seen], axis=-1)))
        states = [*anchors, context, *posterior, *layers]
        parameters = self._decode_horizon(states, inputs, targets, sampled_share, noise)
        # per step, as the error of the head is a mean over steps
        divergence = average(compute_kl_divergence(posterior, prior)) / self.ahead
        return self.compute_error(inputs, targets, parameters), divergence

    def encode(self, inputs: Inputs, training: bool = False) -> list[KerasTensor]:
        """Return the anchors, the context (batch, units), mean and deviation of the prior, and initial states."""
        anchors, context = self._encode_context(inputs, training)
        return [*anchors, context, *_to_gaussian(self.prior(context)), *self.bridge([context])]

    def _collect_context(self, kept: Sequence[KerasTensor], noise: KerasTensor | None) -> list[KerasTensor]:
        context, mean, deviation = kept
        return [context, mean if noise is None else mean + deviation * noise]


def compute_kl_divergence(posterior: Sequence[KerasTensor], prior: Sequence[KerasTensor]) -> KerasTensor:
    """Compute KL(posterior ‖ prior) of diagonal normals, each as mean and deviation (batch, width): (batch,).

    Σ log(σ_p / σ_q) + (σ_q² + (μ_q - μ_p)²) / (2 σ_p²) - 1/2 (Kingma & Welling 2014, appendix B).
    """
    (mean_q, deviation_q), (mean_p, deviation_p) = posterior, prior
    square = ops.square(deviation_q) + ops.square(mean_q - mean_p)
    return ops.sum(ops.log(deviation_p / deviation_q) + square / (2 * ops.square(deviation_p)) - 0.5, axis=-1)


def _to_gaussian(raw: KerasTensor) -> list[KerasTensor]:
    """Split (batch, 2 width) into mean and standard deviation, each (batch, width)."""
    mean, log_variance = ops.split(raw, 2, axis=-1)
    return [mean, ops.exp(ops.clip(log_variance, *_LOG_VARIANCES) / 2)]
