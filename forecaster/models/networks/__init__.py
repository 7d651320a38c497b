"""The networks, one file for each way to decode."""

from forecaster.models.networks.base_network import DecoderOutput, Network, NetworkParts
from forecaster.models.networks.dense_network import DenseNetwork
from forecaster.models.networks.hierarchical_network import ContextNetwork, LatentNetwork
from forecaster.models.networks.positional_network import PositionalNetwork
from forecaster.models.networks.rollout_network import RolloutNetwork
from forecaster.models.networks.seq2seq_network import ScheduledSampling, Seq2SeqNetwork

__all__ = [
    "ContextNetwork",
    "DecoderOutput",
    "DenseNetwork",
    "LatentNetwork",
    "Network",
    "NetworkParts",
    "PositionalNetwork",
    "RolloutNetwork",
    "ScheduledSampling",
    "Seq2SeqNetwork",
]
