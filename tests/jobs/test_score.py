"""Scores of stored forecasts, by hand and through the command."""

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import UsageError
from forecaster.evaluation.metrics import ScoredForecasts, compute_scores, compute_scores_by_group
from forecaster.forecast import Forecast
from forecaster.jobs.past_forecasts import join_actuals
from forecaster.jobs.score import RECENT, Score, describe_drift, find_exceeded_limits, score_job
from forecaster.store.store import open_store
from tests.jobs.past import make_frames


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


NOW = datetime(2026, 11, 30, tzinfo=UTC)


def make_score(values, origins, mean, season=1, **options) -> Score:
    return Score("north", join_actuals(*make_frames(values, origins, mean, **options), season=season), "h")


def test_errors_skill_and_coverage_by_hand():
    values = np.array([0.0, 2.0, 0.0, 2.0, 4.0, 8.0])
    tables = {0.1: np.array([[3.0, 3.0]]), 0.9: np.array([[6.0, 6.0]])}
    score = make_score(values, [3], np.array([[5.0, 6.0]]), quantiles=tables)
    found = score.summary
    assert found["scores"]["model"]["mae"] == 1.5  # |4 - 5| and |8 - 6|
    assert found["scores"]["model"]["bias"] == -0.5
    assert found["scores"]["model"]["wape"] == pytest.approx(100 * 3 / 12)
    assert found["scores"]["model"]["mase"] == 1.5 / 2  # changes of 2 before the first origin
    assert found["scores"]["naive"]["mae"] == 4.0  # |4 - 2| and |8 - 2|
    assert found["skill"]["naive"] == {"mae": 1 - 1.5 / 4, "mase": 1 - 1.5 / 4}
    assert found["coverage"] == {"80": 50.0}
    assert (found["forecasts"], found["separate"]) == (1, 1)
    assert score.to_status() == {
        "error_now": 0.75, "error_then": None, "skill": 1 - 1.5 / 4, "coverage": 0.5, "drift": False,
    }  # fmt: skip


def test_a_forecast_without_an_actual_is_not_counted_and_overlapping_ones_are_not_separate():
    score = make_score(np.arange(20.0), [10, 11, 12, 13, 18, 19], np.zeros((6, 3)))
    assert (score.summary["forecasts"], score.summary["separate"]) == (5, 3)  # of 10, 13 and 18


def test_scores_by_step_week_version_and_series():
    values = np.arange(24.0 * 21)
    origins = [24 * day for day in range(7, 20)]
    mean = values[np.array(origins)[:, None] + [1, 2]] + [1.0, 3.0]
    versions = ["v1"] * 6 + ["v2"] * 7
    score = make_score(values, origins, mean, version=versions)
    assert list(score.tabulate("step")["mae"]) == pytest.approx([1.0, 3.0])
    weeks = score.tabulate("week")
    assert list(weeks.index) == ["2026-01-05", "2026-01-12", "2026-01-19"]
    assert list(weeks["cells"]) == [8, 14, 4]
    assert list(score.tabulate("version")["cells"]) == [12, 14]
    assert list(score.tabulate("series").index) == ["load"]
    # The last value is 1 and 2 too low.
    assert list(score.tabulate("step")["skill_naive"]) == pytest.approx([0.0, 1 - 3 / 2])


def test_scores_of_a_hierarchy_are_by_level():
    frames = []
    for number, name in enumerate(["total", "a", "b"]):
        mean = np.array([[3.0 + number, 4.0 + number]])
        frames.append(make_frames(np.arange(6.0), [2], mean, series=name))
    forecasts, actuals = (pd.concat([pair[place] for pair in frames], ignore_index=True) for place in (0, 1))
    past = join_actuals(forecasts, actuals, season=1)
    levels = {"total": "total", "a": "shop", "b": "shop"}
    table = Score("north", past, "h", level_by_name=levels).tabulate("level")
    assert list(table.index) == ["total", "shop"]
    assert list(table["mae"]) == [0, 1.5]
    with pytest.raises(UsageError, match="no hierarchy"):
        Score("north", past, "h").tabulate("level")


def test_steps_have_no_weeks():
    forecasts, actuals = make_frames(np.arange(6.0), [3], np.zeros((1, 2)))
    for frame in (forecasts, actuals):
        for name in {"origin", "timestamp"} & {*frame}:
            frame[name] = [str(int(text[11:13])) for text in frame[name]]
    with pytest.raises(UsageError, match="no weeks"):
        Score("north", join_actuals(forecasts, actuals, season=1)).tabulate("week")


def test_one_group_of_all_cells_has_the_overall_scores():
    generator = np.random.default_rng(0)
    actual, mean = generator.normal(10, 1, (2, 30, 4))
    scored = ScoredForecasts(actual, mean, {0.1: mean - 1, 0.9: mean + 1}, series=np.arange(30) % 3)
    table = compute_scores_by_group(scored, np.zeros((30, 4), int))
    assert table.loc[0].to_dict() == pytest.approx(compute_scores(scored))


def test_limits_concern_the_newest_forecasts_and_need_ten():
    values = np.arange(24.0 * 80)
    origins = np.array([24 * day for day in range(7, 70)])
    mean = values[origins[:, None] + [1, 2]]
    mean[-RECENT:] += 3.0
    score = make_score(values, origins, mean)
    (problem,) = find_exceeded_limits(score, {"mae": 2.0, "mase": 5.0}, fail_on_drift=False)
    assert (problem.code, problem.detail["metric"], problem.detail["error"]) == ("error-above-limit", "MAE", 3.0)
    few = make_score(values, origins[-9:], mean[-9:])
    assert not find_exceeded_limits(few, {"mae": 2.0}, fail_on_drift=False)


def simulate_nights(shift_at=70, nights=90):
    """Errors that are four times as large from a night on, at 24 steps a night."""
    generator = np.random.default_rng(1)
    values = 100 + generator.normal(size=24 * (nights + 10))
    origins = 24 * np.arange(7, 7 + nights) - 1
    mean = values[origins[:, None] + np.arange(1, 25)] + generator.normal(0, 1, (nights, 24))
    mean[shift_at:] += 5.0
    return values, origins, mean


def test_drift_of_errors_is_found_and_ends_with_a_new_version():
    values, origins, mean = simulate_nights()
    score = make_score(values, origins, mean)
    since = pd.Timestamp("2026-01-01") + pd.Timedelta(hours=int(origins[70]))
    assert score.drift.errors_since == since
    assert [problem.code for problem in describe_drift(score)] == ["errors-drifted"]
    assert find_exceeded_limits(score, {}, fail_on_drift=True)
    retrained = make_score(values, origins, mean, version=["v1"] * 80 + ["v2"] * 10)
    assert retrained.drift.errors_since is None
    assert retrained.drift.watched == 0  # a new reference has begun
    assert make_score(values, origins[:70], mean[:70]).drift.errors_since is None


def test_the_verdict_names_the_forecast_and_needs_evidence():
    values, origins, mean = simulate_nights()
    from forecaster.evaluation.verdict import describe_verdict

    assert describe_verdict(make_score(values, origins[:5], mean[:5]).summary).startswith("Too few forecasts")
    assert describe_verdict(make_score(values, origins[:70], mean[:70]).summary).startswith("The forecast wins")


@pytest.fixture
def folder(tmp_path):
    """A jobs file with a store of ninety nights of one job."""
    values, origins, mean = simulate_nights()
    times = pd.date_range("2026-01-01", periods=len(values) + 24, freq="h")
    (tmp_path / "north.csv").write_text("time,load\n2026-01-01,1\n")
    (tmp_path / "jobs.yaml").write_text("format: 1\njobs:\n  - {name: north, data: north.csv}\n")
    forecasts = [
        Forecast("load", times[o], times[o + 1 : o + 25], row, {0.1: row - 2, 0.9: row + 2})
        for o, row in zip(origins, mean, strict=True)
    ]
    with open_store("sqlite:///forecasts.db", tmp_path) as store:
        store.add_forecasts("north", "v1", forecasts, NOW)
        store.add_actuals(
            "north", pd.DataFrame({"series": "load", "timestamp": times[: len(values)], "value": values}), NOW
        )
    return tmp_path


def test_the_command_prints_scores_and_a_verdict(folder, forecast):
    result = forecast("score", str(folder / "jobs.yaml"))
    assert result.returncode == 0
    assert result.stdout.splitlines()[0].split()[:3] == ["job", "forecasts", "MAE"]
    assert "errors have been larger since 2026-03-18 23:00:00" in result.stdout


def test_the_command_fails_above_a_limit_and_on_drift(folder, forecast):
    for options in (("--fail-above", "mase=1.2"), ("--fail-on-drift",)):
        result = forecast("score", str(folder / "jobs.yaml"), *options)
        assert result.returncode == 7
        assert result.stderr.startswith("north: ")
        assert result.stdout
    assert forecast("score", str(folder / "jobs.yaml"), "--fail-above", "mase=9").returncode == 0
    assert forecast("score", str(folder / "jobs.yaml"), "--fail-above", "mase").returncode == 2
    assert forecast("score", str(folder / "jobs.yaml"), "--by", "month").returncode == 2


def test_json_has_the_scores_of_each_week(folder, forecast):
    found = json.loads(forecast("score", str(folder / "jobs.yaml"), "--by", "week", "--format", "json").stdout)
    (job,) = found["jobs"]
    assert job["forecasts"] == 90
    assert sum(week["cells"] for week in job["by_week"]) == 90 * 24
    assert job["drift"]["found"] is True


def test_anomalies_are_written_with_the_name_of_their_job(folder, forecast):
    paths = folder / "days.csv", folder / "{name}.svg"
    options = ("--anomalies", paths[0], "--anomalies", paths[1], "--rate", "0.02", "--format", "json")
    result = forecast("score", folder / "jobs.yaml", *options)
    assert result.returncode == 0, result.stderr
    (job,) = json.loads(result.stdout)["jobs"]
    rows = pd.read_csv(paths[0])
    assert set(rows["job"]) == {"north"}
    assert job["anomalies"]["flagged"] == rows["anomaly"].sum() > 0
    assert job["anomalies"]["checked"] == rows["p_value"].notna().sum()
    # From the 70th night on, errors are five times as large: the first of them is the largest event, or one near it.
    assert job["anomalies"]["events"][0]["first"] >= "2026-03-18"
    assert (folder / "north.svg").stat().st_size > 10_000


def test_a_picture_has_errors_skill_and_coverage(folder, forecast):
    result = forecast("score", folder / "jobs.yaml", "--plot", folder / "{name}.png")
    assert result.returncode == 0
    assert (folder / "north.png").stat().st_size > 10_000


def test_drift_is_judged_with_the_kept_errors_of_origins_that_are_no_longer_read(folder):
    with open_store("sqlite:///forecasts.db", folder) as store:
        full = score_job(store, "north", 24)
        newest = score_job(store, "north", 24, rows=0)
        assert len(np.unique(newest.past.origins)) < 31
        assert newest.drift.watched == 0
        store.write_errors("north", full.origin_errors, NOW)
        newest = score_job(store, "north", 24, rows=0)
    assert newest.drift.errors_since == full.drift.errors_since is not None
    assert newest.drift.watched == full.drift.watched == 60
    for name in ("mae", "coverage_80"):
        assert newest.recent_scores["model"][name] == full.recent_scores["model"][name]
