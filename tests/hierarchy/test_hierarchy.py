"""Levels, sums and reconciliation, by numbers that are computed by hand or by the library."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.data import Panel
from forecaster.data.panel import Columns
from forecaster.data.series import Column
from forecaster.errors import DataError, UsageError
from forecaster.forecasting.reconciliation import build_hierarchy_of, find_levels_by_name
from forecaster.hierarchy import Reconciler, add_sums, build_hierarchy, fit_mint, select_projection
from forecaster.hierarchy.reconcile import compute_path_quantiles, divide_total, round_paths, shuffle_paths

IDS = ["region", "shop"]
NAMES = ["north/a", "north/b", "south/c"]


def build():
    return build_hierarchy(IDS, IDS, NAMES)


def test_columns_from_the_top_down_are_levels():
    found = build()
    assert found.names == ("total", "north", "south", *NAMES)
    assert found.levels == ("total", "region", "region", "shop", "shop", "shop")
    expected = [[1, 1, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert found.build_summing_matrix().tolist() == expected


def test_levels_may_cross():
    names = ["north/work/x", "north/play/x", "south/work/x"]
    found = build_hierarchy([["state"], ["purpose"], ["state", "purpose"]], ["state", "purpose", "age"], names)
    sums = ["total", "state=north", "state=south", "purpose=work", "purpose=play"]
    pairs = ["state=north/purpose=work", "state=north/purpose=play", "state=south/purpose=work"]
    assert found.names == (*sums, *pairs, *names)
    assert found.level_by_name["purpose=play"] == "purpose"
    assert found.build_summing_matrix()[3].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("names", "code"), [(["north/a/b", "north/c"], "slash-in-hierarchy"), (["x/a", "x/a"], "sum-named-as-series")]
)
def test_ambiguous_names_are_refused(names, code):
    with pytest.raises(DataError) as caught:
        build_hierarchy(IDS, IDS, names)
    assert caught.value.problems[0].code == code


def build_panel(lengths=(3, 2, 3), last="2026-01-03", **fields):
    values = np.concatenate([10.0 ** (row + 1) * np.arange(4 - length, 4) for row, length in enumerate(lengths)])
    ends = pd.Timestamp(last)
    firsts = pd.Index([ends - pd.Timedelta(days=length - 1) for length in lengths])
    return Panel(NAMES, ["sold"] * 3, "day", "D", firsts, np.cumsum(lengths), values, **fields)


def test_sums_are_series_before_the_others():
    found = add_sums(build_panel(), IDS, IDS)
    series = {each.name: each for each in found}
    assert list(series) == ["total", "north", "south", *NAMES]
    assert series["north"].values.tolist() == [10, 20 + 200, 30 + 300]  # the second begins a day later
    assert series["total"].values.tolist() == [1010, 2220, 3330]
    assert series["total"].timestamps[0] == pd.Timestamp("2026-01-01")
    assert series["north/b"].values.tolist() == [200, 300]
    assert {each.target for each in found} == {"sold"}


def test_a_step_of_a_sum_is_observed_where_it_is_in_every_series():
    observed = np.array([True, False, True, True, True, True, True, True])
    found = add_sums(build_panel(observed=observed), IDS, IDS)
    assert found[0].observed.tolist() == found[1].observed.tolist() == [True, False, True]
    assert found[2].observed is None


def test_covariates_of_a_sum_are_means_with_the_rows_ahead_that_all_have():
    price = np.array([1, 2, 3, 4, 5.0, 6, 7, 8, 20, 21, 22, 23, 24])  # 5, 3 and 5 rows: 2, 1 and 2 steps ahead
    columns = Columns({"price": Column(price)}, np.array([5, 8, 13]))
    found = add_sums(build_panel(columns=columns), IDS, IDS)
    assert found[1].covariates["price"].values.tolist() == [1, (2 + 6) / 2, (3 + 7) / 2, (4 + 8) / 2]
    assert found[2].covariates["price"].values.tolist() == [20, 21, 22, 23, 24]
    assert found[4].covariates["price"].values.tolist() == [6, 7, 8]


def test_series_that_end_early_and_categories_are_refused():
    panel = build_panel()
    panel = dataclasses.replace(panel, firsts=panel.firsts[:2].append(pd.Index([pd.Timestamp("2025-12-31")])))
    with pytest.raises(DataError, match="south/c .2026-01-02.: not all series end at 2026-01-03"):
        add_sums(panel, IDS, IDS)
    columns = Columns({"kind": Column(np.zeros(8, int), ("x",))}, np.array([3, 5, 8]))
    with pytest.raises(DataError, match="kind: a covariate of a sum is the mean"):
        add_sums(build_panel(columns=columns), IDS, IDS)


def reconcile(method, mean, **parts):
    hierarchy = build_hierarchy(["shop"], ["shop"], ["a", "b"])
    paths = np.repeat(np.array(mean, float)[None, :, None], 5, axis=0)
    found, draws = Reconciler(hierarchy, method, **parts).reconcile(np.array(mean, float)[:, None], paths)
    np.testing.assert_allclose(draws[0], found)
    np.testing.assert_allclose(found[0], found[1] + found[2])
    return found[:, 0]


def test_each_method_by_hand():
    np.testing.assert_allclose(reconcile("bottom_up", [12, 4, 5]), [9, 4, 5])
    np.testing.assert_allclose(reconcile("top_down", [12, 4, 5]), [12, 12 * 4 / 9, 12 * 5 / 9])
    np.testing.assert_allclose(reconcile("top_down", [12, 0, 0]), [12, 6, 6])
    np.testing.assert_allclose(reconcile("bottom_up", [12, 4, -5], minimum=0.0), [4, 4, 0])
    hierarchy = build_hierarchy(["shop"], ["shop"], ["a", "b"])
    # Without errors variances are 2, 1 and 1: the 3 that the total is above the parts is divided by them.
    structural = fit_mint(hierarchy, np.empty((3, 0, 2)))
    np.testing.assert_allclose(reconcile("mint", [12, 4, 5], projection=structural), [10.5, 4.75, 5.75])


def test_mint_weighs_forecasts_by_their_errors():
    # Errors without correlation, with variances in the ratio of 1 (total), 4 and 16.
    signs = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
    errors = (signs * [[1], [2], [4]])[:, :, None].astype(float)
    projection = fit_mint(build_hierarchy(["shop"], ["shop"], ["a", "b"]), errors)
    expected = [12 - 3 / 21, 4 + 3 * 4 / 21, 5 + 3 * 16 / 21]
    np.testing.assert_allclose(reconcile("mint", [12, 4, 5], projection=projection), expected, rtol=1e-5)


def test_shares_are_those_of_hierarchicalforecast():
    from hierarchicalforecast.methods import TopDown

    hierarchy, generator = build(), np.random.default_rng(0)
    mean = generator.uniform(1, 9, (6, 4))
    tags = {"total": np.array([0]), "region": np.array([1, 2]), "shop": np.array([3, 4, 5])}
    expected = TopDown("forecast_proportions").fit_predict(hierarchy.build_summing_matrix(), mean, tags)["mean"]
    np.testing.assert_allclose(divide_total(hierarchy, mean, mean), expected[3:], rtol=1e-6)


@pytest.mark.parametrize("method", ["bottom_up", "top_down", "mint"])
def test_intervals_of_exact_forecasts_cover_their_level(method):
    hierarchy, generator, level = build(), np.random.default_rng(2), np.array([50.0, 80.0, 120.0])
    summing = hierarchy.build_summing_matrix()

    def draw(count):  # (count, series, 1): one change of all shops, and larger ones of each
        changes = generator.normal(0, 0.05, (count, 1)) + generator.normal(0, 0.15, (count, 3))
        return (level * (1 + changes) @ summing.T)[:, :, None]

    mean, errors = summing @ level[:, None], np.moveaxis(draw(60), 1, 0) - (summing @ level)[:, None, None]
    reconciler = Reconciler(hierarchy, method, fit_mint(hierarchy, errors) if method == "mint" else None, errors)
    _, found = reconciler.reconcile(mean, generator.permuted(draw(4000), axis=0))
    low, high = np.quantile(found, [0.1, 0.9], axis=0)
    actual = draw(4000)
    cover = ((actual >= low) & (actual <= high)).mean(axis=(0, 2))
    np.testing.assert_allclose(cover, 0.8, atol=0.06)


def test_rounded_paths_keep_sums_and_expectations():
    paths = np.tile([[0.2], [0.2], [1.3], [5.0], [0.3]], (2000, 1, 1))
    found = round_paths(paths)
    assert set(found.sum(axis=1).ravel()) == {7}
    np.testing.assert_allclose(found.mean(axis=0), paths[0], atol=0.04)
    assert np.abs(found - paths).max() < 1
    assert set(found[:, 3].ravel()) == {5}


def test_bounds_of_counts_are_whole():
    hierarchy, generator = build(), np.random.default_rng(3)
    paths = generator.poisson(2.0, (41, 6, 2)).astype(float)
    _, found = Reconciler(hierarchy, "top_down", counts=np.array([True, True, False])).reconcile(
        paths.mean(axis=0), paths
    )
    bounds = compute_path_quantiles(found, [0.13, 0.87])
    whole = (bounds == bounds.round()).all(axis=(0, 2))
    assert whole.tolist() == [False, True, False, True, True, False]
    np.testing.assert_allclose(found[:, 0], found[:, 3:].sum(axis=1))


def test_paths_get_the_dependence_of_errors_and_keep_their_values():
    generator = np.random.default_rng(1)
    common = generator.normal(size=(400, 2))
    errors = np.stack([common, -common, generator.normal(size=(400, 2))])  # (series, origins, steps)
    paths = generator.normal(size=(400, 3, 3))
    found = shuffle_paths(paths, errors)
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(paths, axis=0))
    for step in range(2):
        correlation = np.corrcoef(found[:, :, step].T)
        assert correlation[0, 1] < -0.95
        assert abs(correlation[0, 2]) < 0.2
    # a sum of opposite errors hardly varies, that of independent paths does
    assert np.std(found[:, 0] + found[:, 1]) < 0.3 < np.std(paths[:, 0] + paths[:, 1])


def test_a_projection_follows_the_order_of_series_and_is_of_no_others():
    hierarchy = build_hierarchy(["shop"], ["shop"], ["b", "a"])
    stored = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])  # for total, a, b
    found = select_projection(stored, ("total", "a", "b"), hierarchy)
    assert found.tolist() == [[0.4, 0.6, 0.5], [0.1, 0.3, 0.2]]
    with pytest.raises(UsageError, match="b, c: the series are others"):
        select_projection(stored, ("total", "a", "c"), hierarchy)
    with pytest.raises(UsageError, match="was not trained with forecast.reconcile: mint"):
        select_projection(None, ("total", "a", "b"), hierarchy)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ({"hierarchy": ["shop"]}, ["a", "b"]),
        ({"hierarchy": IDS}, NAMES),
        ({"hierarchy": [["region"], ["shop"]], "series": IDS}, NAMES),
    ],
)
def test_the_hierarchy_is_found_again_from_the_names_of_all_series(data, names):
    document = {"data": {"path": "x.csv", **data}, "window": {"length": 8, "horizon": 2}}
    config = load_values(document, "x").config
    expected = build_hierarchy(config.data.hierarchy, config.data.ids, names)
    found = build_hierarchy_of(config, expected.names)
    assert (found.names, found.levels) == (expected.names, expected.levels)
    assert find_levels_by_name(config, expected.names)["total"] == "total"


def find_codes(data, **sections):
    document = {"data": {"path": "x.csv", **data}, "window": {"length": 8, "horizon": 2}, **sections}
    return {problem.code for problem in load_values(document, "x").problems}


def test_a_hierarchy_identifies_series_and_conflicts_are_found():
    config = load_values({"data": {"path": "x", "hierarchy": IDS}, "window": {"length": 8, "horizon": 2}}, "x").config
    assert config.data.ids == ("region", "shop")
    assert config.forecast.reconcile == "mint"
    assert find_codes({"hierarchy": IDS}) == set()
    assert find_codes({"hierarchy": ["region"], "series": IDS}) == {"hierarchy-of-other-ids"}
    assert find_codes({"hierarchy": [["region"]], "series": IDS}) == set()
    assert find_codes({"hierarchy": [["state"]], "series": IDS}) == {"hierarchy-of-other-ids"}
    assert find_codes({"hierarchy": IDS, "covariates": {"static": ["size"]}}) == {"hierarchy-with-static"}
    assert find_codes({"hierarchy": IDS, "target": ["a", "b"]}) >= {"hierarchy-of-several-targets"}
    crossed = find_codes({"hierarchy": [["region"]], "series": IDS}, forecast={"reconcile": "top_down"})
    assert crossed == {"top-down-of-groups"}
