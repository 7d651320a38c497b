"""`forecast explain`, `train --from` and what goes with distributions, through the real command."""

import numpy as np
import pandas as pd
import pytest

from tests.helpers.command import TINY, write_hourly_csv

ATTENTIVE = TINY.replace("decoder: rollout", "decoder: DECODER, attention: additive").replace(
    "length: 12", "length: 24"
)


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


@pytest.fixture(scope="module")
def attentive(tmp_path_factory, forecast):
    folder = tmp_path_factory.mktemp("attentive")
    write_hourly_csv(folder / "load.csv")
    for decoder in ("seq2seq", "dense"):
        (folder / f"{decoder}.yaml").write_text(ATTENTIVE.replace("DECODER", decoder))
        result = forecast("train", f"{decoder}.yaml", cwd=folder, fitted=decoder == "seq2seq")
        assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize(("decoder", "rows"), [("seq2seq", 6), ("dense", 48)])
def test_the_weights_over_the_past_are_written_and_drawn(forecast, attentive, decoder, rows):
    result = forecast(
        "explain", f"runs/{decoder}", "--show", "attention", "-o", "w.csv", "--plot", "w.png", cwd=attentive
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    weights = pd.read_csv(attentive / "w.csv", parse_dates=["origin", "timestamp"])
    assert list(weights.columns) == ["series", "origin", "step", "timestamp", "steps_back", "weight"]
    assert len(weights) == rows * 24
    totals = weights.groupby(["origin", "step"])["weight"].sum()
    assert len(totals) == rows
    np.testing.assert_allclose(totals, 1, atol=1e-5)
    hours = (weights["origin"] - weights["timestamp"]) / pd.Timedelta(hours=1)
    np.testing.assert_array_equal(hours, weights["steps_back"])
    assert weights["origin"].max() == pd.Timestamp("2026-01-17 15:00")
    assert (attentive / "w.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_without_attention_or_embedding_names_how_to_have_them(forecast, trained):
    result = forecast("explain", "runs/tiny", "--show", "attention", cwd=trained)
    assert result.returncode == 2
    assert "this network was trained without attention; train with model.attention: additive" in result.stderr
    result = forecast("explain", "runs/tiny", "--show", "similar", cwd=trained)
    assert result.returncode == 2
    assert "this network was trained without an embedding of series" in result.stderr


def test_a_training_starts_from_another_runs_weights_where_shapes_agree(forecast, attentive):
    begin = ["--from", "runs/seq2seq", "--run", "runs/again"]
    again = forecast("train", "seq2seq.yaml", *begin, cwd=attentive, fitted=False)
    assert again.returncode == 0, again.stderr
    first, second = (forecast("predict", f"runs/{run}", cwd=attentive).stdout for run in ("seq2seq", "again"))
    means = [[float(line.split(",")[4]) for line in text.splitlines()[1:]] for text in (first, second)]
    np.testing.assert_allclose(*means, rtol=1e-5)
    begin = ["--from", "runs/seq2seq", "--run", "runs/x"]
    other = forecast("train", "dense.yaml", *begin, "-v", cwd=attentive, fitted=False)
    assert other.returncode == 0, other.stderr
    assert "Starting from the weights of runs/seq2seq/versions/" in other.stderr
    assert "head/dense/kernel: (4, 6), newly initialized; the other run has (4, 1)" in other.stderr


def test_a_run_that_shares_no_weight_is_refused(forecast, attentive):
    options = ["--from", "runs/seq2seq", "--run", "runs/y", "--set", "model.cell=gru", "--set", "model.units=5"]
    other = forecast("train", "dense.yaml", *options, "--set", "model.attention=none", cwd=attentive)
    assert other.returncode == 2
    assert "no weight matrix has a matching shape" in other.stderr
    missing = forecast("train", "dense.yaml", "--from", "runs/nowhere", cwd=attentive)
    assert missing.returncode == 6


@pytest.mark.parametrize("options", [["decoder=dense", "head=quantile"], ["decoder=seq2seq", "head=normal"]])
def test_a_head_gives_its_own_intervals(forecast, project, options):
    sets = [part for option in options for part in ("--set", f"model.{option}")]
    result = forecast("train", "tiny.yaml", *sets, "--set", "forecast.samples=40", cwd=project, fitted=False)
    assert result.returncode == 0, result.stderr
    result = forecast("predict", "runs/tiny", "--levels", "80,95", "--samples", "paths.csv", cwd=project)
    (project / "out.csv").write_text(result.stdout)
    rows = pd.read_csv(project / "out.csv")
    assert list(rows.columns)[4:] == ["mean", "lower_95", "lower_80", "median", "upper_80", "upper_95", "source"]
    assert (np.diff(rows[["lower_95", "lower_80", "median", "upper_80", "upper_95"]], axis=1) >= 0).all()
    assert pd.read_csv(project / "paths.csv")["path"].max() == 40
    again = forecast("predict", "runs/tiny", "--levels", "80,95", cwd=project)
    assert again.stdout == result.stdout  # seeded
    beyond = forecast("predict", "runs/tiny", "--levels", "99", cwd=project)
    assert beyond.returncode == (2 if "head=quantile" in options else 0)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (
            [3, -1, 2.5],
            ["head=negative_binomial"],
            "load.csv:3: load: 2 cells are not among whole numbers from 0 up: '-1",
        ),
        ([3, 0, 2], ["head=log_normal"], r"load.csv:3: load: 1 cell is not among numbers above 0: '0"),
    ],
)
def test_values_that_a_head_cannot_have_are_refused_with_their_line(forecast, project, values, options, message):
    write_hourly_csv(project / "load.csv", values=np.array(values + [4] * 200, float))
    sets = [part for option in options for part in ("--set", f"model.{option}")]
    result = forecast("validate", "tiny.yaml", "--set", "scaling=mean", *sets, cwd=project)
    assert result.returncode == 4
    assert message in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["data.season=1", "model.decoder=context"], "context needs a season, and none was found; set data.season, or"),
        (["model.decoder=context"], "context reads whole seasons of 24 steps; use window.length: 48"),
        (["data.season=5", "model.decoder=latent", "model.segment=2"], "season that divides into segments; 5 steps, 2"),
    ],
)
def test_a_hierarchy_needs_its_seasons(forecast, project, options, message):
    sets = [part for option in options for part in ("--set", option)]
    result = forecast("validate", "tiny.yaml", *sets, cwd=project)
    assert result.returncode == 2
    assert message in result.stderr


def test_many_levels_are_drawn_and_named_apart(forecast, trained):
    levels = ",".join(str(level) for level in (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99, 99.9, 99.99, 99.999))
    result = forecast("predict", "runs/tiny", "--levels", levels, "--horizon", "1", "--plot", "many.png", cwd=trained)
    assert (result.returncode, result.stderr) == (0, "")
    names = result.stdout.splitlines()[0].split(",")[5:-1]
    assert len(set(names)) == 29
    assert (names[0], names[-1]) == ("lower_99.999", "upper_99.999")
    beyond = forecast("predict", "runs/tiny", "--levels", "99.9999", cwd=trained)
    assert beyond.returncode == 2
    assert "expected percentages from 0.001 to 99.999" in beyond.stderr


def test_a_level_that_errors_in_validation_do_not_reach_is_reported(forecast, trained):
    result = forecast("predict", "runs/tiny", "--levels", "99.9", "--verbose", cwd=trained)
    assert (
        "The 99.9 % interval needs 999 errors and has 140; it uses the largest, so treat it as a lower bound."
        in result.stderr
    )


def test_two_outputs_of_one_name_are_refused(forecast, trained):
    result = forecast("predict", "runs/tiny", "-o", "same.csv", "--samples", "same.csv", cwd=trained)
    assert result.returncode == 2
    assert "need a file each" in result.stderr
