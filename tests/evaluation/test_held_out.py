"""The held-out parts, scored with a network whose answers are known."""

import dataclasses

import numpy as np
import pytest

from forecaster.data import Series
from forecaster.errors import Diverged
from forecaster.evaluation.held_out import last_forecast, least_change, test_scores, validation_residuals
from forecaster.evaluation.tables import format_error_table
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.scaling import Scaler
from tests.helpers.last_value import LastValue, plan, predicted
from tests.helpers.members import members_of, only

test_scores.__test__ = False  # a function of the project, not a test


def test_residuals_are_those_of_the_validation_part_alone():
    residuals = validation_residuals(*predicted())
    assert residuals.shape == (10, 3)  # origins 19 .. 28
    np.testing.assert_array_equal(residuals[0], [1, 2, 3])
    np.testing.assert_array_equal(residuals[-1], [1, np.nan, np.nan])  # steps 30 and 31 are test steps
    assert np.isnan(residuals).sum() == 3


def test_without_a_validation_part_the_training_part_gives_them():
    assert validation_residuals(*predicted(validation=0)).shape == (26, 3)  # origins 3 .. 28


def test_scores_are_over_every_origin_of_the_test_part():
    metrics = test_scores(*predicted(), np.array([[1.0, 2.0, 3.0]]))
    assert (metrics["origins"], metrics["first_origin"], metrics["last_origin"]) == (
        8,
        "2026-01-30 00:00:00",
        "2026-02-06 00:00:00",
    )
    assert metrics["scores"]["model"]["mae"] == pytest.approx(2)  # (1 + 2 + 3) / 3
    assert metrics["scores"]["naive"]["mae"] == pytest.approx(2)
    assert metrics["scores"]["seasonal_naive"]["mae"] == pytest.approx((2 + 2 + 4) / 3)
    # a season of 2 steps before the test part: the seasonal naive is 2 off
    assert {name: row["mase"] for name, row in metrics["scores"].items()} == {
        "model": pytest.approx(1),
        "naive": pytest.approx(1),
        "seasonal_naive": pytest.approx(4 / 3),
    }
    assert metrics["coverage"] == {"80": 100.0}
    assert metrics["scores"]["model"]["width_80"] == pytest.approx(2 * 2)
    assert metrics["unscaled"] == 0


def test_scaled_errors_weigh_each_series_alike_and_leave_out_what_repeats_itself():
    made = plan()
    (steady,) = made.members
    values = {
        "y": steady.series.values,
        "big": 1000 * steady.series.values,
        "flat": np.r_[np.zeros(30), np.arange(10.0)],
    }
    members = members_of(
        *(
            dataclasses.replace(steady, series=dataclasses.replace(steady.series, name=name, values=of))
            for name, of in values.items()
        )
    )
    panel = dataclasses.replace(made, members=members)
    metrics = test_scores(panel, Predictor.of(LastValue(), panel.config, panel.preprocessing), np.ones((1, 3)))
    assert metrics["scores"]["naive"]["mase"] == pytest.approx(1)
    assert metrics["scores"]["naive"]["mae"] > 600
    assert metrics["unscaled"] == 1
    assert "MASE leaves out 1 of 3 series" in format_error_table(metrics)


def test_the_table_of_errors_stays_narrow_and_marks_what_is_not_defined():
    metrics = test_scores(*predicted(), np.array([[1.0, 2.0, 3.0]]))
    head = format_error_table(metrics).splitlines()[0]
    assert head.split("  ")[0] == "error on the test part"
    assert head.split()[-5:] == ["MAE", "RMSE", "sMAPE", "%", "MASE"]
    del metrics["scores"]["model"]["mase"]
    assert format_error_table(metrics).splitlines()[1].split()[-1] == "-"


def test_no_test_part_no_scores():
    assert test_scores(*predicted(test=0), np.array([[1.0]]))["scores"] == {}


def test_the_last_forecast_is_of_the_last_horizon():
    forecast = last_forecast(*predicted(), np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(forecast.mean, [36, 36, 36])
    np.testing.assert_array_equal(forecast.quantiles[0.9], [37, 38, 39])
    assert str(forecast.timestamps[-1]) == "2026-02-09 00:00:00"


def test_forecasts_that_explode_are_an_error():
    network = LastValue()
    network.factor = 1e30
    with np.errstate(over="ignore"), pytest.raises(Diverged, match="become infinite at step 2"):
        test_scores(*predicted(network), np.array([[1.0]]))


def test_errors_are_told_in_how_much_the_window_changes_from_season_to_season():
    made, predictor = predicted()  # 0, 1, 2, ... with a season of 2 steps: each window changes by 2
    least = least_change(made, predictor)
    assert least == pytest.approx(0.25 * 2)
    predictor = dataclasses.replace(
        predictor, preprocessing=dataclasses.replace(made.preprocessing, least_change=least)
    )
    np.testing.assert_array_equal(validation_residuals(made, predictor)[0], [0.5, 1.0, 1.5])
    windows = np.array([[0.0, 1.0, 6.0, 7.0], [0.0, 5.0, 0.0, 5.0]])  # they change by 6, and not at all
    outlook = predictor.outlook(2 * made.panel, windows, 3)
    quantiles = outlook.conformal_quantiles(np.array([[0.5, 1.0, 1.5]]), [50])
    np.testing.assert_allclose(quantiles[0.75] - outlook.mean, [[3, 6, 9], [0.25, 0.5, 0.75]])


def test_errors_are_told_in_changes_only_where_that_is_asked_and_there_are_some():
    made, predictor = predicted()
    options = made.config.forecast.model_copy(update={"interval_scale": "none"})
    plain = dataclasses.replace(made, config=made.config.model_copy(update={"forecast": options}))
    assert least_change(plain, predictor) is None
    flat = Series("y", "y", "t", made.panel[0].timestamps, np.ones(40), "D")
    still = dataclasses.replace(made, members=only(flat, made.members.splits[0], Scaler(1.0, 0.0)))
    assert least_change(still, predictor) is None
