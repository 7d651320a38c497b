"""The networks, one file for each way to decode."""

from forecaster.models.networks.base import Decoded, Network, Parts
from forecaster.models.networks.context import ContextNetwork, LatentNetwork
from forecaster.models.networks.dense import DenseNetwork
from forecaster.models.networks.positional import PositionalNetwork
from forecaster.models.networks.rollout import RolloutNetwork
from forecaster.models.networks.seq2seq import Feedback, Seq2SeqNetwork

__all__ = [
    "ContextNetwork",
    "Decoded",
    "DenseNetwork",
    "Feedback",
    "LatentNetwork",
    "Network",
    "Parts",
    "PositionalNetwork",
    "RolloutNetwork",
    "Seq2SeqNetwork",
]
