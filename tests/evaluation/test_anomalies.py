"""Anomalies: p-values by hand, the rate that is kept, events, and the known days of taxi trips in New York."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import DataError, UsageError
from forecaster.evaluation.anomalies import (
    compute_scores,
    count_needed,
    find_anomalies,
    find_anomalies_of_run,
    find_anomalies_without_training,
)
from forecaster.forecasting.zero_shot import load_data_config
from forecaster.jobs.anomalies import find_anomalies_of_job
from forecaster.jobs.past_forecasts import join_actuals
from forecaster.jobs.score import Score
from forecaster.runs import load_version
from tests.helpers.command import DATA
from tests.jobs.past import make_frames

RUNS = Path(__file__).parents[1] / "runs" / "format-4"
TAXI = DATA / "nyc_taxi" / "nyc_taxi.csv"


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def make_rows(actual, horizon=1, width=1.0, series="load"):
    """Values that were forecast as 0, between -width and width, from an origin each `horizon` steps."""
    steps = np.arange(len(actual))
    return pd.DataFrame(
        {
            "series": series, "origin": steps - steps % horizon - 1, "timestamp": steps, "step": steps % horizon + 1,
            "actual": np.asarray(actual, float), "mean": 0.0, "lower": -width, "upper": width,
        }
    )  # fmt: skip


def test_the_score_is_the_distance_over_that_of_the_bound_on_its_side():
    scores = compute_scores(
        np.array([3.0, -3.0, 1.0, 1.0]), np.ones(4), np.array([-1.0, -1.0, 1.0, 0.0]), np.ones(4) * 5
    )
    assert scores.tolist() == [0.5, 2.0, 0.0, 0.0]
    outside_of_no_width = compute_scores(np.array([2.0]), np.ones(1), np.ones(1), np.ones(1))
    assert np.isinf(outside_of_no_width).all()


def test_a_p_value_is_the_share_of_known_scores_that_are_as_large():
    known = np.arange(1.0, 10.0)
    found = find_anomalies(make_rows([10.0, 9.0, -8.5, 0.0]), rate=0.1, known=known)
    # Each is known to the next: (1 + 0) / 10, (1 + 2) / 11, (1 + 3) / 12 and (1 + 12) / 13.
    assert found.rows["p_value"].tolist() == pytest.approx([1 / 10, 3 / 11, 4 / 12, 1.0])
    assert found.rows["anomaly"].tolist() == [True, False, False, False]
    assert (found.rows["lower"][0], found.rows["upper"][0]) == (-9.0, 9.0)  # the largest of nine, for a rate of 1 in 10


def test_values_are_not_checked_before_the_rate_can_be_kept():
    assert [count_needed(rate) for rate in (0.1, 0.01, 0.05, 0.3)] == [9, 99, 19, 3]
    found = find_anomalies(make_rows([0.0] * 9 + [5.0]), rate=0.1)
    assert found.rows["p_value"].notna().tolist() == [False] * 9 + [True]
    assert (found.checked, found.flagged) == (1, 1)
    none = find_anomalies(make_rows([0.0, 5.0]), rate=0.1)
    assert none.describe() == "no value can be checked at a rate of 0.1: it needs 9 earlier ones of 2"


def test_values_of_one_horizon_do_not_count_for_each_other():
    found = find_anomalies(make_rows([1.0] * 12 + [7.0, 8.0, 9.0, 9.5], horizon=4), rate=0.1)
    assert found.rows["p_value"].iloc[-4:].tolist() == pytest.approx([1 / 13] * 4)


@pytest.mark.parametrize("rate", [0.01, 0.05])
@pytest.mark.parametrize("width", [0.3, 1.96])
def test_the_rate_is_kept_whatever_the_intervals_are(rate, width):
    actual = np.random.default_rng(3).normal(size=20_000)
    found = find_anomalies(make_rows(actual, horizon=24, width=width), rate)
    assert found.flagged / found.checked == pytest.approx(rate, rel=0.15)


def test_anomalies_are_the_values_outside_of_the_bounds():
    generator = np.random.default_rng(4)
    rows = make_rows(generator.standard_t(3, 3000), horizon=7)
    rows = rows.assign(lower=-generator.uniform(0.5, 2, 3000), upper=generator.uniform(0.5, 2, 3000))
    checked = find_anomalies(rows, 0.02).rows.dropna()
    outside = (checked["actual"] < checked["lower"]) | (checked["actual"] > checked["upper"])
    assert outside.sum() > 20
    assert checked["anomaly"].equals(outside)


def test_what_is_flagged_stays_flagged_when_rows_are_added():
    actual = np.random.default_rng(5).normal(size=2000)
    actual[1500:] *= 3
    before, after = (find_anomalies(make_rows(actual[:count], horizon=5), 0.02).rows for count in (1000, 2000))
    pd.testing.assert_series_equal(before["anomaly"], after["anomaly"][:1000])


def test_neighbours_are_one_event_and_the_largest_is_first():
    actual = np.zeros(300)
    actual[[150, 152, 154, 170]] = [5, -9, 6, 7]
    found = find_anomalies(pd.concat([make_rows(actual), make_rows(np.zeros(300), series="shop")]), 0.01, season=24)
    first, second = found.events  # an eighth of a season: three steps
    assert (first.first, first.last, first.values, first.peak, first.actual) == (150, 154, 3, 152, -9.0)
    assert (second.first, second.last, second.values) == (170, 170, 1)
    assert first.score == pytest.approx(-np.log10(found.rows["p_value"][[150, 152, 154]]).sum(), abs=1e-3)
    assert found.rows["event"][[150, 153, 154, 170]].tolist() == [1, 0, 1, 2]


def test_the_known_days_of_taxi_trips_are_among_the_first_ten_events():
    if not TAXI.is_file():
        pytest.skip(f"needs {TAXI}")
    found = find_anomalies_without_training(load_data_config(TAXI).config)
    # The marathon, Thanksgiving, Christmas, New Year's Day and the snow storm, as NAB labels them.
    days = {"2014-11-02", "2014-11-27", "2014-12-25", "2015-01-01", "2015-01-27"}
    top = {str(time)[:10] for event in found.events[:10] for time in (event.first, event.last)}
    assert days <= top
    assert 0.005 < found.flagged / found.checked < 0.012


def test_a_run_checks_the_values_after_its_training(tmp_path):
    shutil.copytree(RUNS, tmp_path / "runs")
    version = load_version(tmp_path / "runs" / "load")
    rows = pd.read_csv(RUNS / "load.csv")
    usual = find_anomalies_of_run(version, RUNS / "load.csv", 0.02)
    assert usual.checked == len(usual.rows)  # the errors of the validation part are known from the start
    rows.loc[len(rows) - 5, rows.columns[-1]] *= 2
    rows.to_csv(tmp_path / "spike.csv", index=False)
    found = find_anomalies_of_run(version, tmp_path / "spike.csv", 0.02)
    assert str(found.events[0].peak) == rows.iloc[len(rows) - 5, 0]


def test_a_job_checks_actuals_by_the_newest_forecast_of_each():
    values = np.random.default_rng(6).normal(size=400)
    values[-3] = 9.0
    origins = np.arange(100, 398)
    mean = np.zeros((len(origins), 2))
    frames = make_frames(values, origins, mean, quantiles={0.1: mean - 1, 0.9: mean + 1})
    found = find_anomalies_of_job(Score("north", join_actuals(*frames, season=1), "h"), 0.01)
    assert len(found.rows) == 299  # each once, though two forecasts cover most
    assert set(found.rows["step"]) == {1, 2}
    assert (found.rows["step"] == 2).sum() == 1  # only of the last one there is no newer forecast
    assert found.events[0].actual == 9.0


def test_predict_writes_anomalies_by_the_ending_of_a_name(forecast, tmp_path):
    hours = pd.date_range("2026-01-01", periods=400, freq="h")
    load = 50 + 9 * np.sin(np.arange(400) * np.pi / 12) + np.random.default_rng(7).normal(0, 0.5, 400)
    load[350] = 90
    pd.DataFrame({"time": hours, "load": load.round(2)}).to_csv(tmp_path / "load.csv", index=False)
    paths = [tmp_path / name for name in ("days.csv", "days.json", "days.svg")]
    options = [option for path in paths for option in ("--anomalies", path)]
    result = forecast("predict", tmp_path / "load.csv", *options, "--rate", "0.02", "-v")
    assert result.returncode == 0, result.stderr
    assert "load.csv: " in result.stderr
    table, facts = pd.read_csv(paths[0]), json.loads(paths[1].read_text())
    assert table.loc[table["anomaly"] == 1, "timestamp"].tolist() == [each["timestamp"] for each in facts["values"]]
    assert facts["events"][0]["peak"] == str(hours[350])
    assert facts["checked"] + facts["not_checked"] == len(table)
    assert paths[2].read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--anomalies", "days.xlsx"], "use --anomalies days.csv"),
        (["--anomalies", "days.csv", "--rate", "2"], "a share from"),
        (["--anomalies", "days.csv", "--rate", "0.0000009"], "a share from"),
        (["--rate", "0.01"], "add --anomalies"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    from forecaster.cli.options import check_anomaly_files

    paths = [Path(options[1])] if options[0] == "--anomalies" else None
    rate = float(options[-1]) if "--rate" in options else None
    with pytest.raises(UsageError, match=message):
        check_anomaly_files(paths, rate)


def test_a_series_of_few_rows_is_refused(tmp_path):
    pd.DataFrame({"time": pd.date_range("2026-01-01", periods=20, freq="h"), "load": np.arange(20.0) % 7}).to_csv(
        tmp_path / "short.csv", index=False
    )
    with pytest.raises(DataError, match="too few to find anomalies"):
        find_anomalies_without_training(load_data_config(tmp_path / "short.csv").config)


@pytest.mark.parametrize("season", [1, 7])
def test_values_that_return_to_a_constant_after_a_spike_are_no_anomalies(tmp_path: Path, season: int):
    values = np.resize(np.arange(season) + 5.0, 400)
    values[300] = 90.0
    days = pd.date_range("2025-01-01", periods=400).strftime("%Y-%m-%d")
    pd.DataFrame({"day": days, "y": values}).to_csv(tmp_path / "y.csv", index=False)
    config = load_data_config(tmp_path / "y.csv", [f"data.season={season}"]).config
    found = find_anomalies_without_training(config)
    flagged = found.rows[found.rows["anomaly"]]
    assert flagged["actual"].tolist() == [90.0]
    assert "usual" not in found.rows
