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
    layers = [_layer(model, index) for index in range(len(model.units))]
    encoder = Encoder(layers, model.dropout, model.residual, model.layer_normalization)
    normalization = build_normalization(model.normalization, season, model.segment)
    network: Network
    if model.decoder == "rollout" and not model.bidirectional:
        network = RolloutNetwork(normalization, encoder, model.segment, every_step=model.output == "sequence")
    else:
        network = DenseNetwork(normalization, encoder, model.segment, ahead)
    network(ops.zeros((1, length)))  # makes the weights
    return network


def _layer(model: Model, index: int) -> Recurrent | Bidirectional:
    name = f"{model.cell}_{index + 1}"
    if not model.bidirectional:
        return _direction(model, index, name)
    forward = _direction(model, index, f"{name}_forward")
    return Bidirectional(forward, _direction(model, index, f"{name}_backward", backward=True), model.merge, name)


def _direction(model: Model, index: int, name: str, backward: bool = False) -> Recurrent:
    cell = CELLS[model.cell](model.units[index], model.activation, model.recurrent_activation)
    dilation = 2**index if model.dilation else 1
    return Recurrent(cell, model.recurrent_dropout, model.zoneout, dilation, backward, model.unroll, name)
