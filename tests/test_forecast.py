"""The table of a forecast: names of columns, decimals, and every format in which it is written."""

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Series
from forecaster.forecast import (
    Forecast,
    forecasts_to_csv,
    forecasts_to_frame,
    forecasts_to_json,
    forecasts_to_nixtla,
    forecasts_to_parquet,
    name_bound,
)
from forecaster.forecasting.predict import count_decimals


def make_forecast(name="shop"):
    ahead = pd.date_range("2026-01-03", periods=2, freq="D")
    quantiles = {0.025: [1.5, 2.5], 0.1: [2.0, 3.0], 0.5: [4.0, 5.0], 0.9: [6.0, 7.0], 0.975: [8.5, 9.5]}
    mean, quantiles = np.array([4.25, 5.25]), {p: np.array(values) for p, values in quantiles.items()}
    return Forecast(name, pd.Timestamp("2026-01-02"), ahead, mean, quantiles)


def test_intervals_are_named_by_their_level():
    assert forecasts_to_csv([make_forecast()]).splitlines() == [
        "series,origin,timestamp,step,mean,lower_95,lower_80,median,upper_80,upper_95,source",
        "shop,2026-01-02,2026-01-03,1,4.25,1.5,2.0,4.0,6.0,8.5,network",
        "shop,2026-01-02,2026-01-04,2,5.25,2.5,3.0,5.0,7.0,9.5,network",
    ]


def test_quantiles_keep_their_names_where_they_are_chosen():
    columns = forecasts_to_frame([make_forecast()], "quantiles").columns
    assert list(columns)[4:] == ["mean", "q0.025", "q0.1", "q0.9", "q0.975", "source"]


@pytest.mark.parametrize(
    ("probability", "name"),
    [(0.0005, "lower_99.9"), (0.35, "lower_30"), (0.5, "median"), (0.65, "upper_30"), (0.999995, "upper_99.999")],
)
def test_a_bound_is_named_with_all_digits_of_its_level(probability, name):
    assert name_bound(probability) == name


@pytest.mark.parametrize("names", ["levels", "quantiles"])
def test_a_forecast_is_read_back_under_both_names(names):
    forecast = make_forecast()
    again = Forecast.from_csv(forecasts_to_csv([forecast], names))
    kept = [p for p in forecast.quantiles if names == "levels" or p != 0.5]
    assert list(again.quantiles) == kept
    for probability in kept:
        np.testing.assert_array_equal(again.quantiles[probability], forecast.quantiles[probability])


def test_decimal_commas_come_with_semicolons():
    lines = forecasts_to_csv([make_forecast()], decimal_comma=True).splitlines()
    assert lines[1] == "shop;2026-01-02;2026-01-03;1;4,25;1,5;2,0;4,0;6,0;8,5;network"


def test_json_holds_numbers_under_the_same_names():
    assert json.loads(forecasts_to_json([make_forecast()]))[1] == {
        **{"series": "shop", "origin": "2026-01-02", "timestamp": "2026-01-04", "step": 2, "mean": 5.25},
        **{"lower_95": 2.5, "lower_80": 3.0, "median": 5.0, "upper_80": 7.0, "upper_95": 9.5, "source": "network"},
    }


def test_nixtla_reads_ids_dates_and_values():
    rows = pd.read_csv(io.StringIO(forecasts_to_nixtla([make_forecast("a"), make_forecast("b")])), parse_dates=["ds"])
    assert list(rows.columns) == ["unique_id", "ds", "y"]
    assert rows["unique_id"].tolist() == ["a", "a", "b", "b"]
    assert rows["ds"].dt.day.tolist() == [3, 4, 3, 4]
    assert rows["y"].tolist() == [4.25, 5.25, 4.25, 5.25]


def test_parquet_holds_dates():
    pytest.importorskip("pyarrow")
    rows = pd.read_parquet(io.BytesIO(forecasts_to_parquet([make_forecast("a"), make_forecast("b")])))
    assert rows["timestamp"].tolist() == list(pd.to_datetime(["2026-01-03", "2026-01-04"] * 2))
    assert rows["origin"].tolist() == [pd.Timestamp("2026-01-02")] * 4
    assert rows["upper_95"].tolist() == [8.5, 9.5] * 2


def test_parquet_holds_the_numbers_of_steps():
    pytest.importorskip("pyarrow")
    forecast = Forecast("y", 9, pd.RangeIndex(10, 12), np.array([1.0, 2.0]))
    rows = pd.read_parquet(io.BytesIO(forecasts_to_parquet([forecast])))
    assert (rows["timestamp"].tolist(), rows["origin"].tolist()) == ([10, 11], [9, 9])


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([112, 118, 132], 0),
        ([0.1, 0.25, -3.0], 2),
        ([1e15, 1e15 + 1], 0),
        ([1e39, 1.0], 0),  # beyond float32, without a warning
        ([0.00001, 0.00003], 5),
        (np.float32([0.1, 0.7]).astype(float), 1),
        ([1 / 3, 2 / 3], None),
        ([0.0, 0.0], 0),
    ],
)
def test_decimals_are_those_that_the_data_is_written_with(values, decimals):
    values = np.array(values, float)
    assert count_decimals([Series("y", "y", None, pd.RangeIndex(len(values)), values, "step")]) == [decimals]


def test_filled_values_do_not_add_decimals():
    values = np.where(np.arange(30) % 3, 5.0, 1 / 3)
    series = Series("y", "y", None, pd.RangeIndex(30), values, "step", observed=values == 5.0)
    assert count_decimals([series]) == [0]


def test_a_rounded_forecast_has_no_minus_zero():
    forecast = Forecast("y", 0, pd.RangeIndex(1, 3), np.array([-0.001, 1.005]), {0.1: np.array([-0.004, 0.996])})
    assert str(forecast.round(2).mean[0]) == "0.0"
    assert forecast.round(2).quantiles[0.1].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("decimal_comma", [False, True])
@pytest.mark.parametrize("names", ["levels", "quantiles"])
@pytest.mark.parametrize(
    "name", ["shop", "a,b", "a;b", 'say "hi"', "two\nlines", "carriage\rreturn", " blank ", "", "Zürich", "1.5"]
)
def test_the_csv_is_that_of_pandas(name, names, decimal_comma):
    generator = np.random.default_rng(0)
    values = [*generator.normal(size=4), 1e300, 5e-324, 1e16, 123456789012.5, -0.0, 0.1 + 0.2, np.nan, 3.0]
    ahead = pd.date_range("2026-01-02 23:00", periods=len(values), freq="h", tz="Europe/Berlin")
    quantiles = {0.025: np.array(values[::-1]), 0.5: np.array(values), 0.975: np.array(values)}
    zoned = Forecast(name, ahead[0] - pd.Timedelta("1h"), ahead, np.array(values), quantiles)
    found = [zoned, make_forecast(name), make_forecast("other"), Forecast(name, 5, pd.RangeIndex(6, 8), np.ones(2))]
    found = [dataclasses.replace(each, quantiles=dict.fromkeys(quantiles, each.mean)) for each in found]
    mark, separator = (",", ";") if decimal_comma else (".", ",")
    frame = forecasts_to_frame(found, names)
    expected = frame.to_csv(index=False, lineterminator="\n", sep=separator, decimal=mark)
    assert forecasts_to_csv(found, names, decimal_comma) == expected


def test_decimals_of_many_series_are_those_of_each():
    generator = np.random.default_rng(0)
    rows = [
        generator.normal(size=30).round(2),
        generator.normal(size=30),
        generator.integers(0, 9, 30).astype(float),
        generator.normal(size=30).round(3).astype(np.float32).astype(float),
        generator.normal(size=12).round(1),
        np.append(generator.normal(size=1500), np.arange(1000.0)),
    ]
    panel = [Series("y", "y", None, pd.RangeIndex(len(values)), values, "step") for values in rows]
    panel.append(dataclasses.replace(panel[1], observed=np.zeros(30, bool) | (np.arange(30) < 3)))
    assert count_decimals(panel) == [2, None, 0, 3, 1, 0, None]
    assert count_decimals([]) == []
