"""The scaler of one series, as tests like to fit it."""

from forecaster.data.scaling import fit_scalers
from forecaster.data.transforms import IDENTITY


def fit_scaler(values, kind, curve=IDENTITY, lags=()):
    """Fitted on (steps,)."""
    return fit_scalers(values[None], kind, [curve], lags)[0]
