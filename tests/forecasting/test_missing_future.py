"""The notice of future covariates whose values for the steps ahead are replaced."""

import logging

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.data import Series
from forecaster.data.series import Column
from forecaster.forecasting.predict import _report_missing_future


@pytest.mark.parametrize(
    ("policy", "known", "messages"),
    [
        ("last", 10, ["promo: values of the steps ahead are missing and replaced (last); give them with --future"]),
        ("last", 11, ["promo: values of the steps ahead are missing and replaced (last); give them with --future"]),
        ("last", 12, []),
        ("error", 10, []),  # refused with the cells that are missing
    ],
)
def test_replaced_values_of_the_steps_ahead_are_reported(monkeypatch, caplog, policy, known, messages):
    log = logging.getLogger("forecaster")
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "handlers", [caplog.handler])
    covariates = {"future": ["promo"], "missing": {"promo": policy}}
    data = {"path": "x.csv", "time": "day", "target": "sold", "covariates": covariates}
    config = load_values({"data": data, "window": {"length": 4, "horizon": 2}}, "x.yaml").config
    days = pd.date_range("2026-01-01", periods=10)
    series = Series("sold", "sold", "day", days, np.arange(10.0), "D", covariates={"promo": Column(np.ones(known))})
    with caplog.at_level(logging.INFO, "forecaster"):
        _report_missing_future(config, [series], 2)
    assert caplog.messages == messages
