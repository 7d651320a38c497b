"""Series to train on, as tests like to make them."""

import numpy as np
import pandas as pd

from forecaster.data import Panel
from forecaster.preprocessing.prepared_series import PreparedPanel, PreparedSeries
from forecaster.preprocessing.scaling import Scaler


def members_of(*given: PreparedSeries) -> PreparedPanel:
    """The members of a panel of these series alone."""
    panel = [member.series for member in given]
    names, targets = [series.name for series in panel], [series.target for series in panel]
    firsts, ends = pd.Index([series.timestamps[0] for series in panel]), np.cumsum([len(series) for series in panel])
    values = np.concatenate([series.values for series in panel])
    made = Panel(names, targets, panel[0].time, panel[0].frequency, firsts, ends, values)
    scaler = Scaler.stack([member.scaler for member in given])
    return PreparedPanel(made, range(len(given)), [member.split for member in given], scaler)


def only(series, split, scaler):
    """The members of a panel of one series."""
    return members_of(PreparedSeries(series, split, scaler))
