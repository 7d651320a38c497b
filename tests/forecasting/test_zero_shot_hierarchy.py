"""Errors and sample paths of zero-shot forecasts of a hierarchy."""

import numpy as np
import pandas as pd

from forecaster.config.schema import Data
from forecaster.data import Series
from forecaster.forecast import ForecastBlock
from forecaster.forecasting.interval_widths import WidthFactors
from forecaster.forecasting.zero_shot_hierarchy import draw_zero_shot_paths, measure_past_errors
from forecaster.pretrained.zero_shot import forecast_zero_shot

DATA = Data(path="x.csv", time="day", target="sold", season=1)


def build(values):
    days = pd.date_range("2026-01-01", periods=len(values))
    return Series("y", "sold", "day", days, np.array(values, float), "D")


def test_errors_are_those_of_origins_that_end_at_the_same_times():
    # A constant window is repeated, so that only steps that end on the last day have an error.
    errors = measure_past_errors([build([5.0] * 20 + [7.0]), build([1.0] * 40 + [4.0])], DATA, 1)
    assert errors.shape[0] == 2
    np.testing.assert_allclose(errors[:, -1, 0], [2.0, 3.0])
    np.testing.assert_allclose(errors[:, :-1], 0.0)


def test_series_without_a_past_origin_have_no_errors():
    assert measure_past_errors([build([5.0, 6.0, 7.0])], DATA, 3).shape == (1, 0, 3)


def test_paths_have_the_quantiles_of_the_intervals_with_their_widths():
    windows = np.random.default_rng(0).normal(size=(2, 60)).cumsum(axis=1)
    empty = ForecastBlock(["a", "b"], [(0, [])] * 2, np.zeros((2, 3)), {}, ["zero-shot"] * 2)
    widths = WidthFactors({80.0: 1.5, 95.0: 1.5}, 10)
    paths = draw_zero_shot_paths(empty, windows, DATA, 1000, widths).samples
    assert paths.shape == (1000, 2, 3)
    expected = forecast_zero_shot(windows, [1], 3, [0.1, 0.5, 0.9], np.array([1.5, 1.0, 1.5]))  # (2, 3, 3)
    found = np.moveaxis(np.quantile(paths, [0.1, 0.5, 0.9], axis=0), 0, 2)
    np.testing.assert_allclose(found, expected, atol=0.02)
    # in random order, apart from each other
    assert abs(np.corrcoef(paths[:, 0, 0], paths[:, 1, 0])[0, 1]) < 0.1
