"""The transform and the scaler of one series, as tests like to fit them."""

from forecaster.preprocessing import scaling, transforms
from forecaster.preprocessing.transforms import IDENTITY, Transform


def fit_transform(values, *asked):
    """Fitted on (steps,)."""
    return transforms.fit_transform(values[None], *asked).select_row(0)


def fit_scaler(values, kind, curve=IDENTITY, lags=()):
    """Fitted on (steps,)."""
    return scaling.fit_scaler(values[None], kind, Transform.stack([curve]), lags).select_row(0)
