"""Scores forecasts and compares them with baselines.

- `metrics`: error measures, and a table of them all
- `baselines`: forecasts without a network: naive, seasonal naive, drift, ...
- `fitted_models`: ETS, Theta, ARIMA, MSTL and FLAIR as baselines
- `origins`: forecasts from origins in the past
- `held_out`: forecasts of the validation and test part
- `calibrate`: residuals, smallest change and fallback weights from the validation part
- `validation_score`: the validation error by which epochs and trials are compared
- `evaluate`: scores of a run on newer data
- `backtest`, `folds`: training and scoring at several origins
- `comparison`, `significance`: network against baselines, and the Diebold-Mariano test
- `tables`, `plots`: tables of errors, and errors by step ahead
"""
