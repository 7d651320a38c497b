"""Future covariates of the sums of a hierarchy: means of those of their series."""

import numpy as np
import pandas as pd

from forecaster.config import load_values
from forecaster.data import Series
from forecaster.data.series import Column
from forecaster.forecasting.future_covariates import extend_with_future, write_template

DAYS = pd.date_range("2026-01-01", periods=4)


def load():
    data = {"path": "x.csv", "time": "day", "target": "sold", "hierarchy": ["region", "shop"]}
    data |= {"covariates": {"future": ["promo"]}}
    return load_values({"data": data, "window": {"length": 2, "horizon": 2}}, "x.yaml").config


def build(name):
    columns = {"promo": Column(np.zeros(4))}
    return Series(name, "sold", "day", DAYS, np.arange(4.0), "D", covariates=columns)


def test_sums_have_the_mean_of_the_rows_of_their_series(tmp_path):
    names = ["total", "north", "south", "north/a", "north/b", "south/c"]
    rows = [("north", "a", 1.0), ("north", "b", 0.5), ("south", "c", 3.0)]
    lines = [f"2026-01-0{5 + step},{region},{shop},{value + step}" for region, shop, value in rows for step in (0, 1)]
    path = tmp_path / "future.csv"
    path.write_text("\n".join(["day,region,shop,promo", *lines]) + "\n")
    found = extend_with_future(load(), [build(name) for name in names], path, 2)
    ahead = {series.name: series.covariates["promo"].values[4:].tolist() for series in found}
    assert ahead == {
        "total": [1.5, 2.5],
        "north": [0.75, 1.75],
        "south": [3.0, 4.0],
        "north/a": [1.0, 2.0],
        "north/b": [0.5, 1.5],
        "south/c": [3.0, 4.0],
    }


def test_a_step_that_no_series_of_a_sum_has_is_missing_and_one_that_some_have_is_their_mean(tmp_path):
    path = tmp_path / "future.csv"
    path.write_text("day,region,shop,promo\n2026-01-05,north,a,1\n2026-01-05,north,b,\n2026-01-06,north,b,\n")
    names = ["total", "north", "north/a", "north/b"]
    found = extend_with_future(load(), [build(name) for name in names], path, 2)
    ahead = {series.name: series.covariates["promo"].values[4:] for series in found}
    np.testing.assert_array_equal(ahead["total"], [1.0, np.nan])
    np.testing.assert_array_equal(ahead["north"], [1.0, np.nan])


def test_the_template_has_the_rows_of_the_bottom_series(tmp_path):
    text = write_template(load(), [build(name) for name in ("total", "north", "north/a")], 2)
    assert text.splitlines() == ["day,region,shop,promo", "2026-01-05,north,a,", "2026-01-06,north,a,"]
