"""A single series to train on, as tests like to make it."""

import numpy as np

from forecaster.data import Panel
from forecaster.data.scaling import Scaler
from forecaster.members import Members


def only(series, split, scaler):
    """The members of a panel of this series alone."""
    names, targets, ends = [series.name], [series.target], np.array([len(series)])
    panel = Panel(names, targets, series.time, series.frequency, series.timestamps[:1], ends, series.values)
    return Members(panel, [0], [split], Scaler.stacked([scaler]))
