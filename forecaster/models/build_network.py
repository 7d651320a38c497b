"""Networks built from the `model` section of a config."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from forecaster.config.schema import Model
from forecaster.inputs import Inputs
from forecaster.models import heads
from forecaster.models.attention import ATTENTIONS
from forecaster.models.cells import CELLS
from forecaster.models.embedding import Embedding
from forecaster.models.encoder import Encoder
from forecaster.models.encoder_to_decoder import Bridge
from forecaster.models.heads import Head
from forecaster.models.imputation_network import ImputationNetwork
from forecaster.models.linear_forecast import LinearForecast
from forecaster.models.losses import LOSSES
from forecaster.models.networks import (
    ContextNetwork,
    DenseNetwork,
    LatentNetwork,
    Network,
    NetworkParts,
    PositionalNetwork,
    RolloutNetwork,
    ScheduledSampling,
    Seq2SeqNetwork,
)
from forecaster.models.normalization import build_normalization
from forecaster.models.recurrent_layers import Bidirectional, Recurrent, skip_steps


def build_network(
    model: Model,
    length: int,
    ahead: int,
    season: int = 1,
    loss: str = "mse",
    unit: float = 1.0,
    categories: Sequence[int] = (),
    past_width: int = 0,
    known_width: int = 0,
    channels: int = 1,
) -> Network:
    """Build the network of a model section, with its weights initialized.

    Args:
        model: the section, its quantiles resolved if its head needs them.
        length: steps in a window.
        ahead: steps after the window that it is trained to forecast.
        season: steps in a season, 1 without one.
        loss: of a point head.
        unit: counts in a scaled value of 1, for the negative binomial head.
        categories: the number of values of each embedded category.
        past_width: features of each step that are known up to the origin only.
        known_width: features that are also known over the horizon.
        channels: series that one window holds and that are forecast jointly.
    """
    normalization = build_normalization(model.normalization, season, model.segment, channels, model.normalization_scale)
    steps_per_call = channels * (ahead if model.decoder == "dense" else model.segment)
    embedding = Embedding(categories, model.embedding) if categories else None
    head = _build_head(model, steps_per_call, loss, unit)
    reads_states = model.decoder == "positional" or (model.decoder == "seq2seq" and model.attention == "none")
    encoder = _build_encoder(model, has_summary=not reads_states)
    linear = LinearForecast(ahead, channels) if model.linear else None
    parts = NetworkParts(
        normalization,
        encoder,
        head,
        model.segment,
        ahead,
        embedding,
        past_width,
        known_width,
        channels,
        linear,
        model.pretrained,
    )
    network = _build_by_decoder(model, parts, length - normalization.skipped_steps, season)
    with skip_steps():
        network(_make_zero_inputs(network, length, categories))  # the first call creates the weights
    if model.pretrained:
        network.start_at_zero()
    return network


def build_imputation_network(
    model: Model, length: int, season: int, reach: int, shares: np.ndarray, loss: str = "mse", seed: int = 0
) -> ImputationNetwork:
    """Build the network that fills gaps with the encoder of a model section, with its weights initialized.

    Args:
        model: the section, which is bidirectional.
        length: steps that the encoder reads.
        season: steps in a season.
        reach: seasons read on each side of the window.
        shares: the probability that a hidden gap has 1, 2, ... steps, (longest,).
        loss: name of the training loss.
        seed: of the gaps hidden in training.
    """
    return ImputationNetwork(_build_encoder(model, has_summary=True), LOSSES[loss], length, season, reach, shares, seed)


def _make_zero_inputs(network: Network, length: int, categories: Sequence[int]) -> Inputs:
    """Make one window of zeros, with zero features and category 0."""
    features, future = network.past_width + network.known_width, network.future_width
    return Inputs(
        ops.zeros((1, length * network.channels)),
        ops.zeros((1, length, features)) if features else None,
        ops.zeros((1, network.ahead, future)) if future else None,
        ops.zeros((1, len(categories)), "int32") if categories else None,
    )


def _build_by_decoder(model: Model, parts: NetworkParts, steps: int, season: int) -> Network:
    """Build the network of the model's decoder; the encoder reads `steps` steps."""
    attention = None if model.attention == "none" else ATTENTIONS[model.attention]()
    if model.decoder == "dense":
        copied = steps // model.segment if model.copy_segments else 0
        return DenseNetwork(parts, attention, model.units[-1], copied)
    if model.decoder == "rollout":
        # A bidirectional encoder has no state to carry forward: the window slides over a direct network of one segment.
        every_step = model.output == "sequence"
        return DenseNetwork(parts, hidden=model.units[-1]) if model.bidirectional else RolloutNetwork(parts, every_step)
    decoder = _build_decoder(model)
    bridge, sampling = Bridge(decoder.state_widths), ScheduledSampling(model.scheduled_sampling, model.warmup)
    encoder_bridge = bridge if model.bidirectional else None
    if model.decoder == "positional":
        return PositionalNetwork(parts, decoder, encoder_bridge, model.dropout)
    if model.decoder == "seq2seq":
        return Seq2SeqNetwork(parts, decoder, sampling, encoder_bridge, attention)
    context = _build_recurrent(model, model.units[-1], "context")
    if model.decoder == "context":
        return ContextNetwork(parts, decoder, sampling, bridge, steps // season, context)
    future = _build_recurrent(model, model.units[-1], "future")
    return LatentNetwork(parts, decoder, sampling, bridge, steps // season, context, model.latent, future)


def _build_head(model: Model, steps: int, loss: str, unit: float) -> Head:
    """Build the head for `steps` values per call."""
    match model.head:
        case "point":
            return heads.PointHead(steps, LOSSES[loss])
        case "quantile":
            return heads.QuantileHead(steps, model.quantiles or (0.5,))
        case "negative_binomial":
            return heads.NegativeBinomialHead(steps, unit)
        case "categorical":
            return heads.CategoricalHead(steps, model.bins)
        case name:
            return {"normal": heads.NormalHead, "student_t": heads.StudentTHead, "log_normal": heads.LogNormalHead}[
                name
            ](steps)


def _build_encoder(model: Model, has_summary: bool) -> Encoder:
    """Build the encoder; `has_summary` is false if only its states are read."""
    layers = [_build_layer(model, index) for index in range(len(model.units))]
    return Encoder(layers, model.dropout, model.residual, model.layer_normalization, has_summary)


def _build_decoder(model: Model) -> Encoder:
    """Build forward layers of the encoder's sizes, so that its states fit; the decoder is only ever stepped."""
    layers = [
        _build_recurrent(model, units, f"{model.cell}_{index + 1}", 2**index if model.dilation else 1)
        for index, units in enumerate(model.units)
    ]
    return Encoder(layers, residual=model.residual, layer_normalization=model.layer_normalization, name="decoder")


def _build_layer(model: Model, index: int) -> Recurrent | Bidirectional:
    name, units, dilation = f"{model.cell}_{index + 1}", model.units[index], 2**index if model.dilation else 1
    if not model.bidirectional:
        return _build_recurrent(model, units, name, dilation)
    forward = _build_recurrent(model, units, f"{name}_forward", dilation)
    return Bidirectional(
        forward, _build_recurrent(model, units, f"{name}_backward", dilation, backward=True), model.merge, name
    )


def _build_recurrent(model: Model, units: int, name: str, dilation: int = 1, backward: bool = False) -> Recurrent:
    cell = CELLS[model.cell](units, model.activation, model.recurrent_activation)
    return Recurrent(cell, model.recurrent_dropout, model.zoneout, dilation, backward, model.unroll, name)
