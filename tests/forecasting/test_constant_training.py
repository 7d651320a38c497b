"""Series that are constant until their training part ends, and change then: a sensor switched on, a product launched."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Series
from forecaster.evaluation.calibrate import measure_calibration
from forecaster.forecasting.predict import predict
from forecaster.forecasting.predictor import Predictor, measure_deviation
from forecaster.forecasting.training_range import find_values_outside, measure_ranges
from forecaster.preprocessing.plan import place_windows
from forecaster.preprocessing.prepared_series import PreparedSeries
from forecaster.preprocessing.saved_preprocessing import fit_series_scaler
from forecaster.preprocessing.scaling import Scaler
from forecaster.runs import load_version
from tests.helpers.last_value import LastValue, plan
from tests.helpers.members import members_of

# Constant over the training part, 20 steps, and launched at step 24, in the validation part.
LATE = np.r_[np.zeros(24), 40.0, 55, 50, 45, 40, 55, 50, 45, 40, 55, 50, 45, 40, 55, 50, 45]


def series_of(name, values):
    return Series(name, name, "t", pd.date_range("2026-01-01", periods=len(values)), np.asarray(values, float), "D")


def plan_of(**values):
    """A plan of several series of 40 steps, each with the scaler of its training part."""
    made = plan()
    split = made.members.splits[0]
    members = [
        PreparedSeries(series_of(name, each), split, fit_series_scaler(made.config, np.asarray(each, float)[:20]))
        for name, each in values.items()
    ]
    return dataclasses.replace(made, members=members_of(*members))


def predictor_of(made):
    return Predictor.from_network(LastValue(), made.config, made.preprocessing)


def test_forecasts_after_a_change_are_near_the_last_values_and_have_a_width():
    made = plan_of(late=LATE)
    predictor = predictor_of(made)
    predictor = dataclasses.replace(predictor, calibration=measure_calibration(made, predictor))
    (forecast,) = predictor.forecast(made.panel, 4, [80])
    np.testing.assert_array_equal(forecast.mean, [45, 45, 45, 45])
    assert forecast.source == "naive"
    # the window is 40, 55, 50, 45: its changes are 15, -5 and -5; 1.28155 is the normal quantile of 90 %
    widths = 1.2815515655 * np.sqrt((15**2 + 5**2 + 5**2) / 3) * np.sqrt([1, 2, 3, 4])
    np.testing.assert_allclose(forecast.quantiles[0.9], 45 + widths)
    np.testing.assert_allclose(forecast.quantiles[0.1], 45 - widths)
    (walked,) = predictor.forecast(made.panel, 4, [80], with_samples=True)
    assert walked.samples.std(axis=0)[0] == pytest.approx(widths[0] / 1.2815515655, rel=0.2)


def test_a_series_that_stays_constant_is_forecast_as_that_constant():
    made = plan_of(still=np.full(40, 7.0))
    predictor = predictor_of(made)
    predictor = dataclasses.replace(predictor, calibration=measure_calibration(made, predictor))
    (forecast,) = predictor.forecast(made.panel, 3, [80])
    for values in (forecast.mean, *forecast.quantiles.values()):
        np.testing.assert_array_equal(values, [7, 7, 7])


@pytest.mark.parametrize(
    ("window", "deviation"),
    [
        ([0.0, 0, 40, 55, 50], np.sqrt((15**2 + 5**2) / 2)),  # without the step from 0 to 40
        ([0.0, 0, 0, 0, 40], np.sqrt(40**2 / 4)),  # which is the only change here
        ([np.nan, np.nan, 0, 40, 55], np.sqrt((40**2 + 15**2) / 2)),
    ],
)
def test_the_width_is_that_of_the_changes_since_the_first(window, deviation):
    window = np.array(window)
    assert measure_deviation(window, ~np.isnan(window) & (window != 0)) == pytest.approx(deviation)


def test_neighbours_have_the_intervals_that_they_have_without_it():
    noise = np.random.default_rng(0).normal(size=(2, 40))
    with_it, without = plan_of(a=noise[0], late=LATE, b=noise[1]), plan_of(a=noise[0], b=noise[1])
    calibrations = [measure_calibration(made, predictor_of(made)) for made in (with_it, without)]
    np.testing.assert_array_equal(*[each.residuals for each in calibrations])
    assert calibrations[0].smallest_change == calibrations[1].smallest_change
    assert calibrations[0].fallback.unknown_weights == calibrations[1].fallback.unknown_weights
    for training, expected in zip(place_windows(with_it), place_windows(without), strict=True):
        assert len(training) == len(expected)


def test_a_beginning_that_is_constant_for_most_of_the_training_part_does_not_fit_the_scale():
    config = plan().config
    alive = np.random.default_rng(0).normal(100, 5, 20)
    found = fit_series_scaler(config, np.r_[np.zeros(80), alive])
    assert (found.offset, found.scale) == (pytest.approx(alive.mean()), pytest.approx(alive.std()))
    for values in (np.r_[np.zeros(80), alive[:19]], np.r_[np.zeros(20), alive]):  # too few of one kind or the other
        found = fit_series_scaler(config, values)
        assert (found.offset, found.scale) == (pytest.approx(values.mean()), pytest.approx(values.std()))


def test_only_a_training_part_of_equal_values_is_constant():
    assert Scaler(5.0, 0.0).is_constant
    assert not Scaler(5.0, 1.0).is_constant
    assert not Scaler(5.0, 0.0, lags=(1,)).is_constant  # a straight line, which the network continues


def test_values_far_outside_the_training_data_are_named():
    ranges = {"load": measure_ranges(np.array([[90.0, np.nan, 110]]))[0], "still": [7.0, 7.0]}
    assert ranges["load"] == [90, 110]
    found = find_values_outside(ranges, [series_of("load", [100.0, 1e15]), series_of("new", [1e15])], 2)
    assert [str(problem) for problem in found] == [
        "load: 1e+15 is far outside the training data, 90 to 110, so the forecast is unreliable; correct the value, or "
        "train again"
    ]
    inside = [series_of("load", [-1e9, 31.0, 169]), series_of("still", [8.0, 8])]  # three ranges are not far
    assert find_values_outside(ranges, inside, 2) == []
    assert find_values_outside(ranges, [series_of("load", [29.0])], 2)[0].detail["value"] == 29


def test_predict_warns_of_values_outside_the_ranges_of_its_run(caplog):
    folder = Path(__file__).parents[1] / "runs/format-4"
    version = load_version(folder / "load")
    version.__dict__["preprocessing"] = {**version.preprocessing, "ranges": {"load": [0.0, 20.0]}}
    predict(version, folder / "load.csv")
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert record.getMessage().startswith("load: ")
    assert "is far outside the training data, 0 to 20" in record.getMessage()


def test_the_commands_warn_without_a_terminal(forecast, tmp_path):
    values = np.r_[np.zeros(32), 40, 55, 50, 45, 40, 55, 50].astype(int)
    days = pd.date_range("2024-01-01", periods=len(values)).strftime("%Y-%m-%d")
    (tmp_path / "quiet.csv").write_text(
        "date,sold\n" + "".join(f"{day},{value}\n" for day, value in zip(days, values, strict=True))
    )
    options = ["--set", "training.epochs=1", "--set", "model.units=[2]", "--set", "ensemble=null"]
    trained = forecast("train", "quiet.csv", *options, cwd=tmp_path, fitted=False)
    forecasts = forecast("predict", "runs/quiet", cwd=tmp_path)
    for result in (trained, forecasts):
        assert result.returncode == 0
        assert result.stderr.startswith("the training part of sold is constant, so nothing was learned about changes")
    assert {row.split(",")[4] for row in forecasts.stdout.splitlines()[1:]} == {"50.0"}
