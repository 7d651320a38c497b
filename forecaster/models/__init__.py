"""Keras networks; `build_network` and `build_imputing_network` alone read the model section."""

from forecaster.models.build import build_imputing_network, build_network
from forecaster.models.imputing import ImputingNetwork
from forecaster.models.networks import Network

__all__ = ["ImputingNetwork", "Network", "build_imputing_network", "build_network"]
