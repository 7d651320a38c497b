"""The networks, one file per decoder.

- `base_network`: what every network has: normalization, encoder, head, `encode` and `decode`
- `rollout_network`: forward layers that read their own output
- `dense_network`: the whole horizon from the encoder's summary, with attention, copying and known features
- `seq2seq_network`: encoder and recurrent decoder, with teacher forcing, scheduled sampling and attention
- `positional_network`: all segments of the horizon in parallel
- `hierarchical_network`: a layer over seasons, and its variant with a latent variable
"""

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
