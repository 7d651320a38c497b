"""Stored forecasts joined with actuals and baselines: small tables computed by hand."""

import numpy as np
import pandas as pd

from forecaster.jobs.past_forecasts import join_actuals
from tests.jobs.past import make_frames


def test_each_step_gets_its_actual_and_its_baselines():
    values = np.array([1.0, 5.0, 2.0, 6.0, 3.0, np.nan, 4.0])
    forecasts, actuals = make_frames(values, [3, 4], np.zeros((2, 3)))
    past = join_actuals(forecasts, actuals, season=2)
    np.testing.assert_array_equal(past.actual, [[3, np.nan, 4], [np.nan, 4, np.nan]])
    np.testing.assert_array_equal(past.baselines["naive"], [[6, 6, 6], [3, 3, 3]])
    np.testing.assert_array_equal(past.baselines["seasonal_naive"], [[2, 6, 2], [6, 3, 6]])
    np.testing.assert_array_equal(past.scale.absolute, [1.0, 1.0])  # |2 - 1| and |6 - 5| until the first origin
    np.testing.assert_array_equal(past.origins, [3, 4])


def test_a_missing_row_is_a_step_of_the_grid():
    values = np.arange(10.0)
    forecasts, actuals = make_frames(values, [6], np.zeros((1, 2)))
    past = join_actuals(forecasts, actuals.drop([3, 4]), season=3)
    np.testing.assert_array_equal(past.actual, [[7, 8]])
    np.testing.assert_array_equal(past.baselines["seasonal_naive"], [[2, 5]])  # steps 4 and 5; 4 repeats 2


def test_months_are_steps_though_their_lengths_differ():
    values = np.arange(30.0)
    forecasts, actuals = make_frames(values, [20, 21], np.zeros((2, 3)), freq="MS")
    past = join_actuals(forecasts, actuals, season=12)
    np.testing.assert_array_equal(past.actual, [[21, 22, 23], [22, 23, 24]])
    np.testing.assert_array_equal(past.baselines["seasonal_naive"][0], [9, 10, 11])


def test_integer_steps_have_a_grid():
    forecasts, actuals = make_frames(np.arange(6.0), [3], np.zeros((1, 2)))
    for frame in (forecasts, actuals):
        for name in {"origin", "timestamp"} & {*frame}:
            hours = (pd.to_datetime(frame[name]) - pd.Timestamp("2026-01-01")).dt.total_seconds() // 3600
            frame[name] = hours.astype(int).astype(str)
    past = join_actuals(forecasts, actuals, season=1)
    np.testing.assert_array_equal(past.actual, [[4, 5]])
    assert list(past.origin_times) == [3]


def test_of_two_versions_the_later_forecast_is_the_latest():
    values = np.arange(8.0)
    old, actuals = make_frames(values, [3, 4], np.full((2, 2), 1.0))
    new, _ = make_frames(values, [4], np.full((1, 2), 2.0), version="v2")
    past = join_actuals(pd.concat([old, new], ignore_index=True), actuals, season=1)
    latest = past.select(past.is_latest)
    assert list(latest.versions) == ["v1", "v2"]
    np.testing.assert_array_equal(latest.mean[:, 0], [1, 2])


def test_series_of_different_lengths_share_a_grid():
    first, known = make_frames(np.arange(8.0), [4], np.zeros((1, 2)))
    second, others = make_frames(10 * np.arange(6.0), [3], np.zeros((1, 2)), series="wind")
    past = join_actuals(pd.concat([first, second], ignore_index=True), pd.concat([known, others]), season=1)
    by_name = {past.names[number]: row.tolist() for number, row in zip(past.series, past.actual, strict=True)}
    assert by_name == {"load": [5, 6], "wind": [40, 50]}


def test_quantiles_are_tables_and_those_of_the_run_where_they_were_adapted():
    tables = {0.1: np.array([[-1.0, -2.0], [-1.5, -2.5]]), 0.9: np.array([[1.0, 2.0], [1.5, 2.5]])}
    own = {p: table / 2 for p, table in tables.items()}
    forecasts, actuals = make_frames(np.arange(8.0), [3, 4], np.zeros((2, 2)), tables, own)
    forecasts.at[0, "run_quantiles"] = {}
    past = join_actuals(forecasts, actuals, season=1)
    np.testing.assert_array_equal(past.quantiles[0.9], tables[0.9])
    np.testing.assert_array_equal(past.run_quantiles[0.9], [[1.0, 1.0], [0.75, 1.25]])
