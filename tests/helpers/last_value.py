"""A network that forecasts the last value, and a plan whose errors can be counted by hand."""

import numpy as np
import pandas as pd

from forecaster.config import load_values
from forecaster.data import Series
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.split import Split
from tests.helpers.fake_network import Fake
from tests.helpers.members import only


class LastValue(Fake):
    """Forecasts the last value; its error on 0, 1, 2, ... is the step ahead."""

    factor = 1.0

    def read(self, windows):
        return [windows[:, -1:]]

    def answer(self, states, previous):
        return previous * np.float32(self.factor), [previous]


def plan(validation=10, test=10, horizon=3) -> Plan:
    values = np.arange(40.0)
    series = Series("y", "y", "t", pd.date_range("2026-01-01", periods=40), values, "D")
    document = {
        "data": {"path": "x.csv", "season": 2},
        "window": {"length": 4, "horizon": horizon},
        "split": {"validation": validation, "test": test},
        "forecast": {"levels": [80]},
    }
    split = Split(40 - validation - test, 40 - test, 40)
    return Plan(load_values(document, "x").config, only(series, split, Scaler(0.0, 1.0)))


def predicted(network=None, **parts):
    made = plan(**parts)
    return made, Predictor.from_network(network or LastValue(), made.config, made.preprocessing)
