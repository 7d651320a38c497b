"""Keras networks; `build_network` alone reads the model section."""

from keras import ops

from forecaster.config.sections import Model
from forecaster.models.cells import CELLS
from forecaster.models.decoder import DenseNetwork, Network, RolloutNetwork
from forecaster.models.encoder import Encoder
from forecaster.models.layers import Bidirectional, Recurrent
from forecaster.models.normalization import build_normalization

__all__ = ["Network", "build_network"]


def build_network(model: Model, length: int, ahead: int, season: int = 1) -> Network:
    """The network that a model section describes, with its weights made.

    Args:
        length: steps in a window.
        ahead: steps that one prediction covers.
        season: steps in a season, for the normalisation by it.
    """
    layers = [_layer(model, units, f"{model.cell}_{index}") for index, units in enumerate(model.units, 1)]
    encoder = Encoder(layers, model.dropout)
    normalization = build_normalization(model.normalization, season)
    network: Network
    if model.decoder == "rollout" and not model.bidirectional:
        network = RolloutNetwork(normalization, encoder, every_step=model.output == "sequence")
    else:
        network = DenseNetwork(normalization, encoder, ahead)
    network(ops.zeros((1, length)))  # makes the weights
    return network


def _layer(model: Model, units: int, name: str) -> Recurrent | Bidirectional:
    if not model.bidirectional:
        return _direction(model, units, name, backward=False)
    forward = _direction(model, units, f"{name}_forward", backward=False)
    return Bidirectional(forward, _direction(model, units, f"{name}_backward", backward=True), name)


def _direction(model: Model, units: int, name: str, backward: bool) -> Recurrent:
    cell = CELLS[model.cell](units, model.activation, model.recurrent_activation)
    return Recurrent(cell, model.recurrent_dropout, backward, model.unroll, name)
