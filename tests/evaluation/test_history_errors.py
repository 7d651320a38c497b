"""Errors of the zero-shot network over the training part, next to those of a network in validation."""

import dataclasses

import numpy as np
import pytest

from forecaster.evaluation.calibrate import measure_calibration, measure_past_errors
from forecaster.evaluation.history_errors import forecast_history, has_comparable_residuals
from forecaster.forecasting.conformal import compute_half_widths
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.transforms import Transform
from tests.helpers.last_value import LastValue, plan
from tests.helpers.members import only


@pytest.fixture(autouse=True)
def falling(monkeypatch):
    """A zero-shot network that forecasts 1, 2, 3 less than the last value."""

    def forecast(windows, _seasons, horizon, _probabilities):
        return (windows[:, -1:] - np.arange(1, horizon + 1))[..., None]

    monkeypatch.setattr("forecaster.preprocessing.zero_shot_feature.forecast_zero_shot", forecast)


SCALER = Scaler(0.0, 1.0)


def make_plan(values, scaler=SCALER, **options):
    """A plan of 40 steps, the last 10 of them test, the 10 before validation, and a network that repeats the last value."""
    made = plan()
    options = {"interval_scale": "none", "fallback": "never", **options}
    config = made.config.model_copy(update={"forecast": made.config.forecast.model_copy(update=options)})
    series = dataclasses.replace(made.panel[0], values=np.asarray(values, float))
    return dataclasses.replace(made, config=config, members=only(series, made.members.splits[0], scaler))


def measure(made):
    return measure_calibration(made, Predictor.from_network(LastValue(), made.config, made.preprocessing)).residuals


def rising_faster_at_first():
    """Steps of 2 in the training part, of 1 after it."""
    return np.cumsum(np.where(np.arange(40) < 20, 2.0, 1.0))


# The network's errors in validation are half of those of the zero-shot one, over 10 origins, horizons of 3 steps and 1/3;
# 2 horizons in which both are as good count next to these.
RATIO = 0.5 ** ((10 / 3) / (10 / 3 + 2))


def test_residuals_of_the_training_part_are_as_large_as_those_of_the_network_in_validation():
    residuals = measure(make_plan(rising_faster_at_first()))
    np.testing.assert_array_equal(residuals[0], [1, 2, 3])  # in validation the network's errors are the step ahead,
    # those of the zero-shot network twice as large; in the training part these are 3, 6 and 9
    np.testing.assert_allclose(residuals[10], np.array([3, 6, 9]) * RATIO)
    assert len(residuals) == 10 + 16  # origins 3 .. 18


def test_no_value_after_the_training_part_is_read():
    values = rising_faster_at_first()
    last = measure(make_plan(values))[-1]
    np.testing.assert_allclose(last, [3 * RATIO, np.nan, np.nan])
    values[30:] = 1e6  # the test part
    np.testing.assert_array_equal(measure(make_plan(values)), measure(make_plan(rising_faster_at_first())))


def test_an_interval_covers_the_errors_of_a_training_part_that_was_less_calm_than_the_validation_part():
    widths = compute_half_widths(measure(make_plan(rising_faster_at_first())), 80)
    np.testing.assert_allclose(widths, np.array([3, 6, 9]) * RATIO)
    calm = compute_half_widths(measure(make_plan(np.arange(40))), 80)
    np.testing.assert_allclose(calm, np.array([2, 4, 6]) * RATIO)


def test_they_are_divided_by_the_changes_of_their_windows():
    made = make_plan(rising_faster_at_first(), interval_scale="change")
    residuals = measure(made)  # a season of 2 steps: windows change by 4 in the training part, by 2 at the end
    late = residuals[5]
    np.testing.assert_allclose(late, [0.5, 1, 1.5])
    np.testing.assert_allclose(residuals[10], np.array([3, 6, 9]) / 4 * RATIO)


def test_there_are_none_without_a_validation_part_or_where_the_network_makes_no_errors_in_it():
    made = make_plan(np.arange(40))
    split = dataclasses.replace(made.members.splits[0], training_end=30)
    made = dataclasses.replace(made, members=only(made.panel[0], split, SCALER))
    assert len(measure(made)) == 26  # of the network in the training part
    values = np.arange(40.0)
    values[18:30] = 18
    assert len(measure(make_plan(values))) == 10


@pytest.mark.parametrize("change", [{"head": "normal", "decoder": "dense"}, {"decoder": "latent"}])
def test_there_are_none_where_the_network_gives_a_spread(change):
    made = make_plan(rising_faster_at_first())
    predictor = Predictor.from_network(LastValue(), made.config, made.preprocessing)
    assert has_comparable_residuals(made, predictor)
    config = made.config.model_copy(update={"model": made.config.model.model_copy(update=change)})
    network = LastValue()
    network.noise = int(change["decoder"] == "latent")
    predictor = Predictor.from_network(network, config, made.preprocessing)
    assert not has_comparable_residuals(dataclasses.replace(made, config=config), predictor)


def test_values_without_a_transform_are_left_out():
    values = np.linspace(0.5, 30.0, 40)  # the zero-shot network forecasts less than 0 at first
    logs = Scaler(0.0, 1.0, Transform("log"))
    residuals = measure(make_plan(values, logs))
    assert not np.isinf(residuals).any()
    assert np.isnan(residuals[10, 2])
    assert np.isfinite(residuals[20]).all()


def test_errors_of_those_that_were_not_trained_are_those_in_the_training_part():
    values = rising_faster_at_first()
    values[20:] = 1e6  # validation and test part
    made = make_plan(values)
    predictor = Predictor.from_network(LastValue(), made.config, made.preprocessing)
    past = measure_past_errors(made, predictor, forecast_history(made, predictor, 10))
    assert past.errors["window_drift"] == pytest.approx([0])
    assert past.errors["naive"] / past.errors["zero-shot"] == pytest.approx([2 / 3])  # steps of 2, and 3 below them
    assert "network" not in past.errors
    assert past.horizons.tolist() == [6]  # origins 3 .. 18, of 3 steps


def test_later_errors_weigh_more():
    values = np.concatenate([np.arange(12.0), np.full(28, 11.0)])  # the last value is right in the end
    made = make_plan(values)
    predictor = Predictor.from_network(LastValue(), made.config, made.preprocessing)
    errors = measure_past_errors(made, predictor, forecast_history(made, predictor, 10)).errors["naive"]
    # of origins 3 .. 18, those up to 10 see changes: of 2 in the mean, but of 5/3 and 3/3 at origins 9 and 10
    changes = np.array([2.0] * 6 + [5 / 3, 1.0] + [0.0] * 8)
    cells = np.array([3.0] * 14 + [2.0, 1.0])  # known steps after each
    weights = 0.5 ** ((20 - np.arange(3, 19)) / 10) * cells  # they halve every 10 of 20 steps
    assert errors == pytest.approx([(changes * weights).sum() / weights.sum()])
