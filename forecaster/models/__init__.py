"""Keras networks; `build_network` and `build_imputation_network` alone read the model section."""

from forecaster.models.build_network import build_imputation_network, build_network
from forecaster.models.imputation_network import ImputationNetwork
from forecaster.models.networks import Network

__all__ = ["ImputationNetwork", "Network", "build_imputation_network", "build_network"]
