"""Hierarchies through the real command: coherent forecasts, scores by level, and data that cannot be added up."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from forecaster.evaluation.tables import format_comparison_table

CONFIG = """
data: {path: sales.csv, time: day, target: sold, hierarchy: [region, shop], season: 7}
window: {length: 14, horizon: 3}
split: {validation: 20, test: 10}
model: {cell: gru, units: 4, decoder: dense}
training: {epochs: 1}
forecast: {samples: 50}
"""


@pytest.fixture(scope="module")
def sales(tmp_path_factory, forecast):
    folder = tmp_path_factory.mktemp("sales")
    generator, days = np.random.default_rng(0), pd.date_range("2026-01-01", periods=90)
    common = generator.normal(size=90).cumsum()
    shops = [(region, shop) for region, names in (("north", "ab"), ("south", "c")) for shop in names]
    frames = []
    for number, (region, shop) in enumerate(shops):
        sold = 50 + 10 * number + common + 5 * np.sin(2 * np.pi * np.arange(90) / 7) + generator.normal(size=90)
        frames.append(pd.DataFrame({"region": region, "shop": shop, "day": days, "sold": sold.round(1)}))
    pd.concat(frames).to_csv(folder / "sales.csv", index=False)
    (folder / "sales.yaml").write_text(CONFIG)
    result = forecast("train", "sales.yaml", cwd=folder, fitted=False)
    assert result.returncode == 0, result.stderr
    return folder


def read(text):
    return pd.read_csv(io.StringIO(text))


@pytest.fixture(scope="module")
def base(forecast, sales):
    """The forecasts without reconciliation."""
    table = read(forecast("predict", "runs/sales", "--set", "forecast.reconcile=none", cwd=sales).stdout)
    assert "level" not in table
    return table


def assert_coherent(table, column):
    wide = table.pivot(index=[name for name in ("step", "path") if name in table], columns="series", values=column)
    np.testing.assert_allclose(wide["north"], wide["north/a"] + wide["north/b"], atol=1e-9)
    np.testing.assert_allclose(wide["total"], wide["north"] + wide["south"], atol=1e-9)


@pytest.mark.parametrize("method", ["mint", "bottom_up", "top_down"])
def test_forecasts_and_paths_add_up(forecast, sales, base, method):
    options = ["--set", f"forecast.reconcile={method}", "--samples", "paths.csv", "--levels", "80"]
    result = forecast("predict", "runs/sales", *options, cwd=sales)
    assert result.returncode == 0, result.stderr
    table = read(result.stdout)
    assert list(table["series"].unique()) == ["total", "north", "south", "north/a", "north/b", "south/c"]
    assert list(table.columns)[-2:] == ["level", "source"]
    assert list(table["level"])[::3] == ["total", "region", "region", "shop", "shop", "shop"]
    assert set(table["source"].str.extract(r"\((\w+)\)")[0]) == {method}
    assert_coherent(table, "mean")
    paths = pd.read_csv(sales / "paths.csv")
    assert_coherent(paths, "value")
    quantiles = paths.groupby(["series", "step"])["value"].quantile([0.1, 0.9]).unstack()
    bounds = table.set_index(["series", "step"])[["lower_80", "upper_80"]].loc[quantiles.index]
    np.testing.assert_allclose(bounds, quantiles, atol=1e-3)
    unreconciled = base.set_index(["series", "step"])["mean"]
    found = table.set_index(["series", "step"])["mean"]
    changed = [name for name in found.index.unique(0) if np.abs(found[name] - unreconciled[name]).max() > 0.002]
    expected = {
        "mint": ["total", "north", "south", "north/a", "north/b", "south/c"],
        "bottom_up": ["total", "north"],  # the south has one shop
        "top_down": ["north", "south", "north/a", "north/b", "south/c"],
    }
    assert changed == expected[method]


def test_scores_are_by_level(forecast, sales):
    rows = pd.read_csv(sales / "sales.csv", parse_dates=["day"])
    newer = rows.assign(day=rows["day"] + pd.Timedelta(days=35))
    newer.to_csv(sales / "newer.csv", index=False)
    result = forecast(
        "evaluate",
        "runs/sales",
        "--data",
        "newer.csv",
        "--stride",
        "15",
        "--baselines",
        "naive",
        "--format",
        "json",
        cwd=sales,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert list(found["by_level"]) == ["total", "region", "shop"]
    assert set(found["by_level"]["total"]) == set(found["scores"]) >= {"model", "unreconciled"}
    counts = {"total": 1, "region": 2, "shop": 3}
    means = [found["by_level"][level]["model"]["mae"] * count for level, count in counts.items()]
    assert sum(means) / 6 == pytest.approx(found["scores"]["model"]["mae"])
    lines = format_comparison_table(found).splitlines()
    assert "not reconciled" in next(line for line in lines if line.startswith("MASE by level"))
    assert sum(line.startswith("level ") for line in lines) == 3


def test_errors_of_a_training_are_those_of_reconciled_forecasts_and_of_those_before(sales):
    version = (sales / "runs" / "sales" / "current").read_text().strip()
    metrics = json.loads((sales / "runs" / "sales" / "versions" / version / "metrics.json").read_text())
    assert list(metrics["by_level"]) == ["total", "region", "shop"]
    before, after = (
        {level: scores[name]["mae"] for level, scores in metrics["by_level"].items()}
        for name in ("unreconciled", "model")
    )
    assert all(before[level] != after[level] for level in before)
    assert (after["total"] + 2 * after["region"] + 3 * after["shop"]) / 6 == pytest.approx(
        metrics["scores"]["model"]["mae"]
    )
    card = (sales / "runs" / "sales" / "versions" / version / "README.md").read_text()
    assert "not reconciled" in next(line for line in card.splitlines() if line.startswith("MASE by level"))


def test_zero_shot_forecasts_are_reconciled(forecast, sales):
    def predict(*options):
        result = forecast("predict", "sales.yaml", "--horizon", "3", *options, cwd=sales)
        assert result.returncode == 0, result.stderr
        return read(result.stdout)

    table, base = predict(), predict("--set", "forecast.reconcile=none")
    assert "level" not in base
    assert set(table["source"]) == {"zero-shot (mint)"}
    assert_coherent(table, "mean")
    bottom_up = predict("--set", "forecast.reconcile=bottom_up")
    assert_coherent(bottom_up, "mean")
    # 50 evenly spaced quantiles of each step have the quantiles that they were taken from.
    shops = [frame[frame["series"].str.contains("/")].reset_index(drop=True) for frame in (bottom_up, base)]
    for name in ("mean", "lower_80", "upper_80"):
        width = (shops[1]["upper_80"] - shops[1]["lower_80"]).max()
        np.testing.assert_allclose(shops[0][name], shops[1][name], atol=0.05 * width)


def test_a_hierarchy_whose_series_are_all_stale_is_stale(forecast, sales):
    for source in ("sales.yaml", "runs/sales"):
        result = forecast("predict", source, "--max-age", "1d", cwd=sales)
        assert result.returncode == 5, result.stderr


def test_what_cannot_be_added_up_is_refused(forecast, sales):
    lines = (sales / "sales.csv").read_text().splitlines()
    (sales / "late.csv").write_text("\n".join(lines[:-1]) + "\n")
    result = forecast("predict", "runs/sales", "--data", "late.csv", cwd=sales)
    assert result.returncode == 4
    assert "south/c (2026-03-30): not all series end at 2026-03-31, so that sums would be too small" in result.stderr
    added = [line.replace("south,c", "south,d") for line in lines if "south,c" in line]
    (sales / "added.csv").write_text("\n".join([*lines, *added]) + "\n")
    result = forecast("predict", "runs/sales", "--data", "added.csv", cwd=sales)
    assert result.returncode == 2
    assert "south/d: the series are others than those that MinT was fitted to" in result.stderr
    result = forecast(
        "predict", "runs/sales", "--data", "added.csv", "--set", "forecast.reconcile=bottom_up", cwd=sales
    )
    assert result.returncode == 0, result.stderr
    wide = read(result.stdout).pivot(index="step", columns="series", values="mean")
    np.testing.assert_allclose(wide["south"], wide["south/c"] + wide["south/d"])
