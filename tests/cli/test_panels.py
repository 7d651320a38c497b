"""Several series in one file, through the real command: reading, training one network, forecasting each."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import DataError
from tests.helpers.reading import read_series


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


LONG = """\
day,shop,kind,sold
2026-01-01,a,big,1
2026-01-01,b,small,5
2026-01-02,b,small,6
2026-01-02,a,big,2
2026-01-03,a,big,3
2026-01-03,b,small,7
2026-01-04,b,small,8
"""


def read(tmp_path: Path, text: str, **options):
    (tmp_path / "long.csv").write_text(text)
    return read_series(tmp_path / "long.csv", "auto", "auto", "auto", series="shop", **options)


def test_the_rows_of_each_id_are_a_series(tmp_path):
    a, b = read(tmp_path, LONG, static=["kind"])
    assert (a.name, a.target, a.frequency, a.categories) == ("a", "sold", "D", {"kind": "big"})
    np.testing.assert_array_equal(a.values, [1, 2, 3])
    np.testing.assert_array_equal(b.values, [5, 6, 7, 8])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LONG.replace("a,big,2", "a,big,x"), r"long.csv:5: sold: 1 cell is not a number: 'x' \(line 5\).*series a"),
        (LONG.replace("a,big,3", "a,small,3"), "long.csv:2: kind: 2 values in one series: big, small.*has one"),
        (
            LONG.replace("a,big,2", ",big,2"),
            "long.csv:5: shop: 1 cell is empty; every row needs the name of its series",
        ),
        (LONG.replace("2026-01-02,a", "2026-01-01,a"), r"1 timestamp has duplicate rows.*\[series a\]"),
    ],
)
def test_what_is_wrong_with_one_series_is_reported_with_its_name(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, static=["kind"])


CONFIG = """\
data: {path: shops.csv, series: shop, covariates: {static: [kind]}}
window: {length: 14, horizon: 7}
model: {cell: gru, units: 8, decoder: dense, embedding: 3, normalization: last}
training: {epochs: 2, optimizer: {learning_rate: 0.01}}
"""


def write_shops(path: Path, shops=4, days=120) -> None:
    generator = np.random.default_rng(0)
    rows = ["day,shop,kind,sold"]
    for day in range(days):
        for shop in range(shops):
            phase = np.pi * (shop % 2)
            value = 50 * (shop + 1) + 10 * np.sin(2 * np.pi * day / 7 + phase) + generator.normal()
            date = np.datetime64("2026-01-01") + day
            rows.append(f"{date},s{shop},{'odd' if shop % 2 else 'even'},{value:.2f}")
    path.write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def shops(tmp_path_factory, forecast) -> Path:
    folder = tmp_path_factory.mktemp("shops")
    write_shops(folder / "shops.csv")
    (folder / "shops.yaml").write_text(CONFIG)
    result = forecast("train", "shops.yaml", "--verbose", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "4 series of sold: 480 days" in result.stderr
    return folder


def test_each_series_is_forecast_in_its_own_unit(forecast, shops):
    result = forecast("predict", "runs/shops", "--samples", "paths.csv", "--plot", "all.png", cwd=shops)
    assert (result.returncode, result.stderr) == (0, "")
    (shops / "out.csv").write_text(result.stdout)
    rows = pd.read_csv(shops / "out.csv")
    assert list(rows["series"].unique()) == ["s0", "s1", "s2", "s3"]
    assert (rows.groupby("series")["step"].max() == 7).all()
    means = rows.groupby("series")["mean"].mean()
    np.testing.assert_allclose(means, [50, 100, 150, 200], atol=12)
    paths = pd.read_csv(shops / "paths.csv")
    assert list(paths.columns) == ["series", "origin", "timestamp", "step", "path", "value"]
    assert len(paths) == 4 * 7 * 200
    np.testing.assert_allclose(paths.groupby("series")["value"].mean(), means, rtol=0.1)
    assert (shops / "all.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_the_rows_of_every_series(forecast, shops):
    rows = json.loads(forecast("predict", "runs/shops", "--format", "json", cwd=shops).stdout)
    assert [row["series"] for row in rows[::7]] == ["s0", "s1", "s2", "s3"]


def test_a_series_that_was_not_trained_on_is_left_out_where_each_has_its_vector(forecast, shops, tmp_path):
    text = (shops / "shops.csv").read_text().replace(",s3,", ",s9,")
    (tmp_path / "new.csv").write_text(text)
    result = forecast("predict", "runs/shops", "--data", tmp_path / "new.csv", cwd=shops)
    assert result.returncode == 3
    assert "shop: 's9' was not in the training data" in result.stderr
    assert list(pd.read_csv(io.StringIO(result.stdout))["series"].unique()) == ["s0", "s1", "s2"]
    alone = [line for line in text.splitlines() if ",s9," in line]
    (tmp_path / "alone.csv").write_text("\n".join([text.splitlines()[0], *alone]) + "\n")
    result = forecast("predict", "runs/shops", "--data", tmp_path / "alone.csv", cwd=shops)
    assert (result.returncode, result.stdout) == (4, "")


def test_a_series_that_was_not_trained_on_is_forecast_where_none_has_a_vector(forecast, shops, tmp_path):
    (tmp_path / "plain.yaml").write_text(
        CONFIG.replace(", embedding: 3", "").replace(
            "covariates: {static: [kind]}", "transform: boxcox, difference: [7], minimum: 0"
        )
    )
    (tmp_path / "shops.csv").write_text((shops / "shops.csv").read_text())
    assert forecast("train", "plain.yaml", cwd=tmp_path).returncode == 0
    (tmp_path / "new.csv").write_text((shops / "shops.csv").read_text().replace(",s3,", ",s9,"))
    result = forecast("predict", "runs/plain", "--data", "new.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "\ns9,2026-04-30" in result.stdout
    rows = pd.read_csv(io.StringIO(result.stdout))
    np.testing.assert_allclose(rows.groupby("series")["mean"].mean(), [50, 100, 150, 200], atol=12)
    (kept,) = (tmp_path / "runs/plain/versions").glob("*/preprocessing.json")
    scalers = json.loads(kept.read_text())["scalers"]
    assert len({scaler["curve"]["power"] for scaler in scalers.values()}) == 4


def test_a_series_shorter_than_the_window_is_forecast_zero_shot(forecast, shops, tmp_path):
    lines = (shops / "shops.csv").read_text().splitlines()
    others = [line for line in lines[1:] if ",s2," not in line and ",s3," not in line]
    newest = [line for line in lines if ",s2," in line][-5:]
    rows = [lines[0], *others, *newest, *[line for line in lines if ",s3," in line][-2:]]
    (tmp_path / "short.csv").write_text("\n".join(rows) + "\n")
    result = forecast("predict", "runs/shops", "--data", tmp_path / "short.csv", cwd=shops)
    assert result.returncode == 3  # for two values no network forecasts
    assert "2 rows are too few to forecast from; expected at least 14, the window [series s3]" in result.stderr
    assert "5 rows are too few for the network, which reads at least 14; the forecast is zero-shot [series s2]" in (
        result.stderr
    )
    found = pd.read_csv(io.StringIO(result.stdout))
    assert found.groupby("series").size().to_dict() == {"s0": 7, "s1": 7, "s2": 7}
    assert set(found[found["series"] == "s2"]["source"]) == {"zero-shot"}
    # The same as without a run, but for the columns of its levels.
    alone = tmp_path / "alone.csv"
    alone.write_text("\n".join([lines[0], *newest]) + "\n")
    settings = ["--set", "data.target=sold", "--set", "data.series=shop", "--set", "data.season=7"]
    expected = forecast("predict", alone, "--horizon", "7", *settings, cwd=tmp_path)
    assert expected.returncode == 0, expected.stderr
    means = pd.read_csv(io.StringIO(expected.stdout))["mean"]
    np.testing.assert_allclose(found[found["series"] == "s2"]["mean"], means, rtol=1e-3)


def test_sample_paths_of_a_series_shorter_than_the_window_are_left_out(forecast, shops, tmp_path):
    lines = (shops / "shops.csv").read_text().splitlines()
    rows = [line for line in lines if ",s2," not in line] + [line for line in lines if ",s2," in line][-5:]
    (tmp_path / "short.csv").write_text("\n".join(rows) + "\n")
    arguments = ["--data", tmp_path / "short.csv", "--samples", tmp_path / "paths.csv"]
    result = forecast("predict", "runs/shops", *arguments, cwd=shops)
    assert result.returncode == 3
    assert "5 rows are too few to forecast from; expected at least 14, the window [series s2]" in result.stderr
    assert len(result.stdout.splitlines()) == 1 + 3 * 7


def test_explain_lists_the_nearest_series(forecast, shops):
    result = forecast("explain", "runs/shops", "--show", "similar", cwd=shops)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "category,value,rank,neighbour,similarity"
    assert [line.split(",")[:3] for line in lines[1:4]] == [
        ["shop", "s0", "1"],
        ["shop", "s0", "2"],
        ["shop", "s0", "3"],
    ]
    assert [line.split(",")[:4] for line in lines[13:]] == [["kind", "even", "1", "odd"], ["kind", "odd", "1", "even"]]


def test_a_series_too_short_to_train_on_is_left_out_and_named(forecast, shops, tmp_path):
    lines = (shops / "shops.csv").read_text().splitlines()
    rows = [line for line in lines if ",s2," not in line] + [line for line in lines if ",s2," in line][-9:]
    (tmp_path / "shops.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "shops.yaml").write_text(CONFIG)
    result = forecast("train", "shops.yaml", "--verbose", "--set", "training.epochs=1", cwd=tmp_path, fitted=False)
    assert result.returncode == 0, result.stderr
    assert "shops.csv: 9 rows are too few for a window" in result.stderr
    assert "[series s2]" in result.stderr
    assert "3 series of sold" in result.stderr
