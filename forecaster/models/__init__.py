"""Keras networks. Only `build_network.py` reads the `model` section of a config.

- `build_network`: a model section -> a network
- `cells`: the equations of one recurrent step: simple RNN, LSTM, peephole LSTM, GRU
- `recurrent_layers`: a cell run through time: dilation, zoneout, recurrent dropout, both directions
- `encoder`: stacked layers with residuals, layer normalization and dropout
- `encoder_to_decoder`: the bridge from the encoder's states to the decoder's
- `attention`: additive and multiplicative attention
- `embedding`: vectors of series and of their static covariates
- `normalization`: normalization of each window, and its inverse
- `heads`: output distributions and their losses
- `losses`: losses of point forecasts
- `networks/`: one network per decoder
- `imputation_network`: the network that fills gaps
- `parameter_counts`: parameters of each layer
- `weights`: the file of weights, and warm starts
"""

from forecaster.models.build_network import build_imputation_network, build_network
from forecaster.models.imputation_network import ImputationNetwork
from forecaster.models.networks import Network

__all__ = ["ImputationNetwork", "Network", "build_imputation_network", "build_network"]
