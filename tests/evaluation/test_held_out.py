"""The held-out parts, scored with a network whose answers are known."""

import dataclasses

import numpy as np
import pytest

from forecaster.errors import Diverged
from forecaster.evaluation.held_out import forecast_last_horizon, score_test_part, share_ranges
from forecaster.evaluation.tables import format_error_table
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.fallback import Fallback
from forecaster.forecasting.predictor import Predictor
from tests.helpers.last_value import LastValue, plan, predicted
from tests.helpers.members import members_of
from tests.helpers.zero_shot import replace_zero_shot


def calibrated(made, predictor, residuals):
    return made, dataclasses.replace(predictor, calibration=Calibration(np.array(residuals)))


def test_scores_are_over_every_origin_of_the_test_part():
    metrics = score_test_part(*calibrated(*predicted(), [[1.0, 2.0, 3.0]]))
    assert (metrics["origins"], metrics["first_origin"], metrics["last_origin"]) == (
        8,
        "2026-01-30 00:00:00",
        "2026-02-06 00:00:00",
    )
    assert metrics["scores"]["model"]["mae"] == pytest.approx(2)  # (1 + 2 + 3) / 3
    assert metrics["scores"]["naive"]["mae"] == pytest.approx(2)
    assert metrics["scores"]["seasonal_naive"]["mae"] == pytest.approx((2 + 2 + 4) / 3)
    # a season of 2 steps before the test part: the seasonal naive is 2 off
    scaled = {name: row["mase"] for name, row in metrics["scores"].items()}
    assert scaled.pop("zero-shot") > 0
    assert scaled == {
        "model": pytest.approx(1),
        "naive": pytest.approx(1),
        "seasonal_naive": pytest.approx(4 / 3),
    }
    assert metrics["coverage"] == {"80": 100.0}
    assert metrics["scores"]["model"]["width_80"] == pytest.approx(2 * 2)
    assert metrics["unscaled"] == 0
    assert (metrics["forecasts"], metrics["separate"]) == (8, 3)  # of 3 steps from 8 steps in a row
    assert metrics["diebold_mariano"] == {"naive": {}, "seasonal_naive": {}, "zero-shot": {}}


def test_scaled_errors_weigh_each_series_alike_and_leave_out_what_repeats_itself(monkeypatch):
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
    predictor = Predictor.from_network(LastValue(), panel.config, panel.preprocessing)
    metrics = score_test_part(*calibrated(panel, predictor, np.ones((1, 3))))
    assert metrics["scores"]["naive"]["mase"] == pytest.approx(1)
    assert metrics["scores"]["naive"]["mae"] > 600
    assert metrics["unscaled"] == 1
    assert "MASE is undefined for 1 of 3 series (their history repeats exactly)" in format_error_table(metrics)
    # Very many series are scored on some of them, from the first to the last.
    monkeypatch.setattr("forecaster.evaluation.held_out.MAX_ORIGINS", 1)
    monkeypatch.setattr("forecaster.evaluation.held_out._MOST_SERIES", 2)
    some = score_test_part(*calibrated(panel, predictor, np.ones((1, 3))))
    assert (some["origins"], some["series"], some["unscaled"]) == (2, 3, 1)
    assert some["scores"]["naive"]["mae"] == pytest.approx(1.5)  # without that of 1000 times the values
    assert "MASE is undefined for 1 of 2 series" in format_error_table(some)
    assert "These are the errors of 2 of 3 series, evenly spaced." in format_error_table(some)


def test_the_table_of_errors_stays_narrow_and_marks_what_is_not_defined():
    metrics = score_test_part(*calibrated(*predicted(), [[1.0, 2.0, 3.0]]))
    head = format_error_table(metrics).splitlines()[0]
    assert head.split("  ")[0] == "error on the test part"
    assert head.split()[-5:] == ["MAE", "RMSE", "sMAPE", "%", "MASE"]
    metrics["measure"] = "mae"
    del metrics["scores"]["model"]["mase"]
    assert format_error_table(metrics).splitlines()[1].split()[-1] == "-"


def test_each_origin_is_forecast_zero_shot_once(monkeypatch):
    windows = replace_zero_shot(monkeypatch)
    made, predictor = calibrated(*predicted(), [[1.0, 2.0, 3.0]])
    fallback = Fallback(("network", "zero-shot"), {"y": (0.5, 0.5)}, (0.5, 0.5))
    calibration = dataclasses.replace(predictor.calibration, fallback=fallback)
    metrics = score_test_part(made, dataclasses.replace(predictor, calibration=calibration))
    assert windows == list(range(29, 37))
    errors = {name: metrics["scores"][name]["mae"] for name in ("network_alone", "zero-shot", "model")}
    assert errors == {"network_alone": pytest.approx(2), "zero-shot": pytest.approx(1), "model": pytest.approx(1.5)}


def test_no_test_part_no_scores():
    assert score_test_part(*calibrated(*predicted(test=0), [[1.0]]))["scores"] == {}


def test_the_last_forecast_is_of_the_last_horizon():
    forecast = forecast_last_horizon(*calibrated(*predicted(), [[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(forecast.mean, [36, 36, 36])
    np.testing.assert_array_equal(forecast.quantiles[0.9], [37, 38, 39])
    assert str(forecast.timestamps[-1]) == "2026-02-09 00:00:00"


def test_forecasts_that_explode_are_an_error():
    network = LastValue()
    network.factor = 1e30
    with np.errstate(over="ignore"), pytest.raises(Diverged, match="become infinite at step 2"):
        score_test_part(*calibrated(*predicted(network), [[1.0]]))


def test_ranges_of_series_that_end_together_are_cut_to_the_steps_that_all_have():
    # 6 to 2 steps up to the end of the first, 8 to 2 of the second
    assert share_ranges(np.array([10, 20]), [(4, 8), (12, 18)]) == [(4, 8), (14, 18)]
