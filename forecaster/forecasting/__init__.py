"""Turns the output of exported networks into forecasts, without TensorFlow.

- `predict`: forecasts of the real future with a run
- `predictor`: forecasts of many series with one version
- `onnx_network`: an exported network in ONNX Runtime
- `rollout`: from single steps or one call to a horizon
- `distributions`: the distribution of each head: mean, quantiles, samples
- `predictive_distribution`: distributions in the series' own unit
- `calibration`, `conformal`: what validation measures, and conformal intervals
- `fallback`: blending in a naive forecast where the network does not beat it
- `future_covariates`: covariates over the horizon from a file
- `plots`: forecasts with intervals
"""
