"""Keras networks; `build_network` and `build_imputation_network` alone read the model section."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from forecaster.config.schema import Model
from forecaster.inputs import Inputs
from forecaster.models import heads
from forecaster.models.attention import ATTENTIONS, Attention
from forecaster.models.cells import CELLS
from forecaster.models.embedding import Embedding
from forecaster.models.encoder import Encoder
from forecaster.models.encoder_to_decoder import Bridge
from forecaster.models.heads import Head
from forecaster.models.imputation_network import ImputationNetwork
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
from forecaster.models.recurrent_layers import Bidirectional, Recurrent


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
    """The network that a model section describes, with its weights made.

    Args:
        model: the section; its quantiles are given where its head needs them.
        length: steps in a window.
        ahead: steps after the window that it learns.
        season: steps in a season, for what goes by it.
        loss: of a point head.
        unit: what a scaled value of 1 stands for, for a head of counts.
        categories: how many values each category that tells series apart has.
        past_width: features of each step that are known up to the window's end.
        known_width: features that are known of the steps that follow, too.
        channels: series that are read and answered together.
    """
    normalization = build_normalization(model.normalization, season, model.segment, channels, model.normalization_scale)
    at_once = channels * (ahead if model.decoder == "dense" else model.segment)
    embedding = Embedding(categories, model.embedding) if categories else None
    head = _head(model, at_once, loss, unit)
    by_states = model.decoder == "positional" or (model.decoder == "seq2seq" and model.attention == "none")
    encoder = _encoder(model, answers=not by_states)
    parts = NetworkParts(
        normalization, encoder, head, model.segment, ahead, embedding, past_width, known_width, channels
    )
    network = _network(model, parts, length - normalization.skipped_steps, season)
    network(_empty_inputs(network, length, categories))  # makes the weights
    return network


def build_imputation_network(
    model: Model, length: int, season: int, reach: int, shares: np.ndarray, loss: str = "mse", seed: int = 0
) -> ImputationNetwork:
    """The network that fills gaps with the encoder that a model section describes, with its weights made.

    Args:
        model: the section; it is bidirectional.
        length: steps that the encoder reads.
        season: steps in a season.
        reach: seasons looked up on each side.
        shares: how often a stretch of 1, 2, ... steps is hidden in training, (longest,).
        loss: the name of what training lowers.
        seed: of what is hidden.
    """
    return ImputationNetwork(_encoder(model, answers=True), LOSSES[loss], length, season, reach, shares, seed)


def _empty_inputs(network: Network, length: int, categories: Sequence[int]) -> Inputs:
    """One window of zeros, with all that the network reads beside it."""
    features, known = network.past_width + network.known_width, network.known_width
    return Inputs(
        ops.zeros((1, length * network.channels)),
        ops.zeros((1, length, features)) if features else None,
        ops.zeros((1, network.ahead, known)) if known else None,
        ops.zeros((1, len(categories)), "int32") if categories else None,
    )


def _network(model: Model, parts: NetworkParts, read: int, season: int) -> Network:
    """The network by its decoder; `read` are the steps that the encoder reads."""
    if model.decoder == "dense":
        copied = read // model.segment if model.copy_segments else 0
        return DenseNetwork(parts, _attention(model), model.units[-1], copied)
    if model.decoder == "rollout":
        # Both directions have no state to carry on: a direct network of one segment, slid.
        every_step = model.output == "sequence"
        return DenseNetwork(parts, hidden=model.units[-1]) if model.bidirectional else RolloutNetwork(parts, every_step)
    decoder = _decoder(model)
    bridge, feedback = Bridge(decoder.state_widths), ScheduledSampling(model.scheduled_sampling, model.warmup)
    fitting_bridge = bridge if model.bidirectional else None
    if model.decoder == "positional":
        return PositionalNetwork(parts, decoder, fitting_bridge, model.dropout)
    if model.decoder == "seq2seq":
        return Seq2SeqNetwork(parts, decoder, feedback, fitting_bridge, _attention(model))
    context = _recurrent(model, model.units[-1], "context")
    if model.decoder == "context":
        return ContextNetwork(parts, decoder, feedback, bridge, read // season, context)
    future = _recurrent(model, model.units[-1], "future")
    return LatentNetwork(parts, decoder, feedback, bridge, read // season, context, model.latent, future)


def _head(model: Model, steps: int, loss: str, unit: float) -> Head:
    """The head for `steps` steps at once."""
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


def _attention(model: Model) -> Attention | None:
    return None if model.attention == "none" else ATTENTIONS[model.attention]()


def _encoder(model: Model, answers: bool) -> Encoder:
    """The stack; `answers` says whether its outputs are read, or its states alone."""
    layers = [_layer(model, index) for index in range(len(model.units))]
    return Encoder(layers, model.dropout, model.residual, model.layer_normalization, answers)


def _decoder(model: Model) -> Encoder:
    """Layers like the encoder's, all forward, so that its states fit them; they are only ever stepped."""
    layers = [
        _recurrent(model, units, f"{model.cell}_{index + 1}", 2**index if model.dilation else 1)
        for index, units in enumerate(model.units)
    ]
    return Encoder(layers, residual=model.residual, layer_normalization=model.layer_normalization, name="decoder")


def _layer(model: Model, index: int) -> Recurrent | Bidirectional:
    name, units, dilation = f"{model.cell}_{index + 1}", model.units[index], 2**index if model.dilation else 1
    if not model.bidirectional:
        return _recurrent(model, units, name, dilation)
    forward = _recurrent(model, units, f"{name}_forward", dilation)
    return Bidirectional(
        forward, _recurrent(model, units, f"{name}_backward", dilation, backward=True), model.merge, name
    )


def _recurrent(model: Model, units: int, name: str, dilation: int = 1, backward: bool = False) -> Recurrent:
    cell = CELLS[model.cell](units, model.activation, model.recurrent_activation)
    return Recurrent(cell, model.recurrent_dropout, model.zoneout, dilation, backward, model.unroll, name)
