"""The pass over the validation part, with networks whose forecasts are known."""

import dataclasses

import numpy as np
import pytest

from forecaster.data import Series
from forecaster.evaluation import calibrate
from forecaster.evaluation.calibrate import measure_calibration
from forecaster.forecasting import predictor as predictors
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.fallback import Fallback
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.scaling import Scaler
from tests.helpers.last_value import LastValue, plan, predicted
from tests.helpers.members import only


def with_options(made, **options):
    forecast = made.config.forecast.model_copy(update=options)
    return dataclasses.replace(made, config=made.config.model_copy(update={"forecast": forecast}))


def residuals_in_steps(made, predictor):
    """Residuals that are not divided by the change of the window."""
    return measure_calibration(with_options(made, interval_scale="none"), predictor).residuals


def test_residuals_begin_with_those_of_the_validation_part():
    made, predictor = predicted()
    residuals = residuals_in_steps(with_options(made, fallback="never"), predictor)
    assert residuals.shape == (10 + 16, 3)  # origins 29 .. 38, and 3 .. 18 of the zero-shot network
    residuals = residuals[:10]
    np.testing.assert_array_equal(residuals[0], [1, 2, 3])
    np.testing.assert_array_equal(residuals[-1], [1, np.nan, np.nan])  # steps 30 and 31 are test steps
    assert np.isnan(residuals).sum() == 3


def test_without_a_validation_part_the_training_part_gives_them():
    assert residuals_in_steps(*predicted(validation=0)).shape == (26, 3)  # origins 3 .. 28


def test_residuals_are_divided_by_how_much_the_window_changes_from_season_to_season():
    made, predictor = predicted()  # 0, 1, 2, ... with a season of 2 steps: each window changes by 2
    calibration = measure_calibration(with_options(made, fallback="never"), predictor)
    assert calibration.smallest_change == pytest.approx(0.25 * 2)
    np.testing.assert_array_equal(calibration.residuals[0], [0.5, 1.0, 1.5])
    windows = np.array([[0.0, 1.0, 6.0, 7.0], [0.0, 5.0, 0.0, 5.0]])  # they change by 6, and not at all
    prediction = dataclasses.replace(predictor, calibration=calibration).predict(2 * made.panel, windows, 3)
    quantiles = prediction.compute_conformal_quantiles(Calibration(np.array([[0.5, 1.0, 1.5]])), [50])
    np.testing.assert_allclose(quantiles[0.75] - prediction.mean, [[3, 6, 9], [0.25, 0.5, 0.75]])


def test_residuals_of_few_series_are_divided_by_the_distance_of_two_forecasts_too(monkeypatch):
    made, predictor = predicted()
    assert measure_calibration(made, predictor).by_distance
    assert not measure_calibration(with_options(made, interval_scale="none"), predictor).by_distance
    assert not measure_calibration(with_options(made, fallback="never"), predictor).by_distance
    windows, zero_shot = np.array([[0.0, 1.0, 6.0, 7.0]]), np.array([[14.0, 7.0, -2.0]])
    ones = Calibration(np.ones((1, 3)), smallest_change=0.5, by_distance=True)
    prediction = dataclasses.replace(predictor, calibration=ones).predict(made.panel, windows, 3, zero_shot=zero_shot)
    quantiles = prediction.compute_conformal_quantiles(ones, [50])
    # The window changes by 6; its last season is 6, 7, which the zero-shot forecast is 8, 0 and 8 from.
    np.testing.assert_allclose(quantiles[0.75] - prediction.mean, [[10, 6, 10]])
    np.testing.assert_allclose(prediction.compute_residuals(prediction.mean + 5), [[0.5, 5 / 6, 0.5]])
    drawn = prediction.draw_paths(2, ones, np.random.default_rng(0))
    np.testing.assert_allclose(drawn - prediction.mean, 2 * [[[10, 6, 10]]])
    mixed = dataclasses.replace(ones, fallback=Fallback(("network", "zero-shot"), {"y": (0.5, 0.5)}, (1.0, 0.0)))
    prediction = dataclasses.replace(predictor, calibration=mixed).predict(made.panel, windows, 3, zero_shot=zero_shot)
    np.testing.assert_allclose(prediction.network_mean, [[7, 7, 7]])
    np.testing.assert_allclose(prediction.mean, [[10.5, 7, 2.5]])
    monkeypatch.setattr(calibrate, "_FEW_SERIES", 0)
    assert not measure_calibration(made, predictor).by_distance


def test_the_zero_shot_forecast_of_every_series_is_made_where_the_spread_depends_on_it(monkeypatch):
    made, predictor = predicted()
    monkeypatch.setattr(predictors, "forecast_without_network", lambda *_: np.array([[15.0, 15.0, 14.0]]))
    ones = Calibration(np.ones((1, 3)), smallest_change=0.5, by_distance=True)
    predictor = dataclasses.replace(predictor, calibration=ones)
    assert predictor.count_history_steps(3) > 1
    prediction = predictor.predict(made.panel, np.array([[0.0, 1.0, 6.0, 7.0]]), 3)
    np.testing.assert_allclose(prediction.spread, [[np.hypot(6, 9), 10, 10]])


def test_residuals_are_divided_by_changes_only_where_that_is_asked_and_there_are_some():
    made, predictor = predicted()
    assert measure_calibration(with_options(made, interval_scale="none"), predictor).smallest_change is None
    flat = Series("y", "y", "t", made.panel[0].timestamps, np.ones(40), "D")
    still = dataclasses.replace(made, members=only(flat, made.members.splits[0], Scaler(1.0, 0.0)))
    assert measure_calibration(still, predictor).smallest_change is None


class Counting(LastValue):
    """Keeps every window that it reads; `factor` moves its forecasts away from the last value."""

    def __init__(self, factor=1.0):
        self.factor, self.windows = factor, []

    def read(self, windows):
        self.windows.extend(windows[:, -1].tolist())
        return super().read(windows)


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_each_origin_is_forecast_once(factor):
    made, network = with_options(plan(), rollout="carry"), Counting(factor)  # reads each window once a forecast
    calibration = measure_calibration(made, Predictor.from_network(network, made.config, made.preprocessing))
    assert network.windows == list(range(19, 29))  # the last value at each of the 10 origins
    assert calibration.fallback is not None
    assert len(calibration.residuals) == len(network.windows)


def test_residuals_are_measured_from_the_forecast_with_its_fallback():
    made, predictor = predicted(Counting(2.0))  # rolled out: 2, 4 and 8 times the last value
    made = with_options(made, interval_scale="none", fallback="replace")
    calibration = measure_calibration(made, predictor)
    assert calibration.fallback.forecasters == ("network", "window_drift")
    assert calibration.fallback.weights == {"y": (0.0, 1.0)}
    np.testing.assert_array_equal(calibration.residuals[0], [0, 0, 0])  # the series is a straight line
    free = measure_calibration(with_options(made, fallback="never"), predictor)
    assert free.fallback is None
    np.testing.assert_array_equal(free.residuals[0], [20 - 38, 21 - 76, 22 - 152])


def test_a_plan_without_validation_has_no_fallback():
    made, predictor = predicted(Counting(2.0), validation=0)
    assert measure_calibration(made, predictor).fallback is None
    assert plan().config.forecast.fallback == "combine"
