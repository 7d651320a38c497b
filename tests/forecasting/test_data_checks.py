"""The checks of one prediction: what is refused, warned of or written, in runs that were trained long ago."""

import dataclasses
import datetime
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config.schema import MaxAge
from forecaster.errors import ConfigError, DataError, Diverged, RunError, Stale, UsageError
from forecaster.forecasting.plausibility import read_statistics
from forecaster.forecasting.predict import predict
from forecaster.forecasting.predictor import Predictor
from forecaster.runs import load_version

RUNS = Path(__file__).parents[1] / "runs/format-4"
UTC = datetime.UTC
DAY = "2026-01-13"  # of the newest hour of load.csv, 11:00


@pytest.fixture
def load():
    return load_version(RUNS / "load")


@pytest.fixture
def shops():
    return load_version(RUNS / "shops")


def write_changed(folder, name, change):
    """A copy of the data of a run, changed."""
    table = pd.read_csv(RUNS / f"{name}.csv")
    change(table).to_csv(folder / f"{name}.csv", index=False)
    return folder / f"{name}.csv"


def set_newest(count, value, shop=None):
    """Set the newest values of a table, of one shop where it is named."""

    def change(table):
        rows = table.index if shop is None else table.index[table["shop"] == shop]
        return table.assign(**{table.columns[-1]: table.iloc[:, -1].where(~table.index.isin(rows[-count:]), value)})

    return change


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def at(text):
    return datetime.datetime.fromisoformat(text).astimezone(UTC)  # local times of the machine, as those of the data


def test_old_data_are_stale_by_the_largest_age_of_the_call_or_the_run(load, caplog):
    limits, late = MaxAge(warn="3h", error="6h"), at(f"{DAY} 18:01")
    with pytest.raises(Stale, match="the newest row, 2026-01-13 11:00:00, ended 6 hours 1 minute ago, and at most 6"):
        predict(load, RUNS / "load.csv", max_age=limits, now=late)
    with pytest.raises(Stale):
        predict(load, RUNS / "load.csv", overrides=["checks.max_age={warn: 3h, error: 6h}"], now=late)
    assert not warnings_of(caplog)
    found = predict(load, RUNS / "load.csv", max_age=limits, now=at(f"{DAY} 15:30"))
    assert [notice.code for notice in found.notices] == ["aging-data"]
    assert warnings_of(caplog) == [str(found.notices[0])]
    (fresh,) = found.freshness
    assert (fresh.newest, fresh.rows) == (pd.Timestamp(f"{DAY} 11:00"), 300)
    assert fresh.measure_age(at(f"{DAY} 15:30")) == 3.5 * 3600
    assert predict(load, RUNS / "load.csv", max_age=limits, now=at(f"{DAY} 14:59")).notices == []
    assert predict(load, RUNS / "load.csv").notices == []  # however old they are


def test_one_stale_series_stops_no_other(shops, tmp_path):
    def drop(table):
        return table[(table["shop"] != "a") | (table["day"] < "2026-03-25")]

    data = write_changed(tmp_path, "shops", drop)
    found = predict(shops, data, max_age=MaxAge(error=3), now=at("2026-04-01 06:00"))
    assert [(problem.code, problem.detail["series"]) for problem in found.problems] == [("stale-data", "a")]
    assert [forecast.series for forecast in found.forecasts] == ["b"]
    assert [(each.series, str(each.newest.date())) for each in found.freshness] == [
        ("a", "2026-03-24"),
        ("b", "2026-03-31"),
    ]
    with pytest.raises(Stale) as stopped:
        predict(shops, data, max_age=MaxAge(error=3), now=at("2026-05-01 06:00"))
    assert [problem.detail["series"] for problem in stopped.value.problems] == ["a", "b"]


CASES = {
    "range": (set_newest(2, 9_999_999), "implausible-value"),
    "constant": (set_newest(30, 91.5), "constant-end"),
}


@pytest.mark.parametrize("key", CASES)
def test_a_fault_is_a_warning_and_in_jobs_an_error_unless_its_key_decides(key, load, tmp_path, caplog):
    change, code = CASES[key]
    data = write_changed(tmp_path, "load", change)
    found = predict(load, data)
    assert [notice.code for notice in found.notices] == [code]
    assert warnings_of(caplog) == [str(found.notices[0])]
    with pytest.raises(DataError) as refused:
        predict(load, data, strict=True)
    assert [problem.code for problem in refused.value.problems] == [code]
    with pytest.raises(DataError):
        predict(load, data, overrides=[f"checks.{key}=error"])
    assert [n.code for n in predict(load, data, overrides=[f"checks.{key}=warn"], strict=True).notices] == [code]
    assert predict(load, data, overrides=[f"checks.{key}=ignore"], strict=True).notices == []


@pytest.mark.parametrize(
    ("count", "factor", "is_found"), [(3, 0.001, True), (2, 0.001, False), (3, 0, False), (3, 0.1, False)]
)
def test_newest_values_in_another_unit_are_found(load, tmp_path, count, factor, is_found):
    def scale(table):
        table = table.copy()
        table.iloc[-count:, -1] *= factor
        return table

    data = write_changed(tmp_path, "load", scale)
    assert [notice.code for notice in predict(load, data).notices if notice.code == "other-unit"] == [
        "other-unit"
    ] * is_found
    if is_found:
        with pytest.raises(DataError, match="less than a twentieth of all before, .* is this another unit"):
            predict(load, data, strict=True)
        assert predict(load, data, overrides=["checks.range=ignore"], strict=True).forecasts


def test_newest_rows_of_a_longer_step_are_found_where_gaps_are_filled(load, tmp_path):
    def thin(table):
        return table[(table.index < 270) | (table.index % 3 == 2)]

    data = write_changed(tmp_path, "load", thin)
    assert [notice.code for notice in predict(load, data).notices] == ["coarser-end"]
    with pytest.raises(DataError, match="the newest rows are 3 hours apart"):
        predict(load, data, strict=True)


def test_a_file_that_is_all_of_a_longer_step_is_refused_unless_its_key_allows_it(load, tmp_path):
    data = write_changed(tmp_path, "load", lambda table: table[table.index % 3 == 2])
    with pytest.raises(DataError) as refused:
        predict(load, data)
    assert [problem.code for problem in refused.value.problems] == ["coarser-rows"]
    assert [notice.code for notice in predict(load, data, overrides=["checks.step=warn"]).notices] == ["coarser-end"]
    assert predict(load, data, overrides=["checks.step=ignore"], strict=True).notices == []


def test_one_bad_series_stops_no_other(shops, tmp_path):
    data = write_changed(tmp_path, "shops", set_newest(1, 9_999_999, "a"))
    found = predict(shops, data, strict=True)
    assert [(problem.code, problem.detail["series"]) for problem in found.problems] == [("implausible-value", "a")]
    assert [forecast.series for forecast in found.forecasts] == ["b"]


def test_the_runs_and_ranges_of_a_training_are_those_that_count(load, tmp_path):
    data = write_changed(tmp_path, "load", set_newest(30, 91.5))
    known = {"ranges": {"load": [80.0, 120.0]}, "constant_runs": {"load": [15, 200, None]}}
    load.__dict__["preprocessing"] = {**load.preprocessing, **known}
    assert predict(load, data, strict=True).notices == []  # 30 is twice 15


@pytest.mark.slow
def test_a_training_keeps_the_ranges_and_runs_of_its_series(trained):
    version = load_version(trained / "runs/tiny")
    end = pd.Timestamp(version.preprocessing["trained_until"]["load"])
    values = pd.read_csv(trained / "load.csv", index_col=0, parse_dates=True)["load"][:end]
    lengths = values.groupby((values != values.shift()).cumsum()).size()
    kept = read_statistics(version)
    assert kept.ranges["load"] == (values.min(), values.max())
    assert kept.runs["load"] == (lengths.max(), len(lengths), None)


@pytest.mark.parametrize(
    "runs", [{"load": [1, 2]}, {"load": 5}, {"load": ["x", 1, None]}, [1], {"load": [float("inf"), 1, 0]}]
)
def test_statistics_that_no_training_wrote_are_refused(runs, load):
    load.__dict__["preprocessing"] = {**load.preprocessing, "constant_runs": runs}
    with pytest.raises(RunError, match=r"preprocessing\.json"):
        predict(load, RUNS / "load.csv")


def break_forecasts(monkeypatch, series, values):
    """Replace the forecast of one series, as a network would that has left the finite numbers."""
    prepared = Predictor.forecast_prepared

    def replace(predictor, inputs, *arguments):
        found = prepared(predictor, inputs, *arguments)
        return [
            dataclasses.replace(each, mean=np.full_like(each.mean, values)) if each.series == series else each
            for each in found
        ]

    monkeypatch.setattr(Predictor, "forecast_prepared", replace)


def test_an_implausible_forecast_is_a_warning_and_in_jobs_an_error(shops, load, monkeypatch, caplog):
    break_forecasts(monkeypatch, "a", 1e6)
    assert [notice.code for notice in predict(shops, RUNS / "shops.csv").notices] == ["implausible-forecast"]
    found = predict(shops, RUNS / "shops.csv", strict=True)
    assert [(problem.code, problem.detail["series"]) for problem in found.problems] == [("implausible-forecast", "a")]
    assert [forecast.series for forecast in found.forecasts] == ["b"]
    monkeypatch.undo()
    break_forecasts(monkeypatch, "load", 1e6)
    with pytest.raises(Diverged):
        predict(load, RUNS / "load.csv", strict=True)


def test_a_forecast_that_is_not_finite_is_not_written_and_stops_no_other(shops, monkeypatch):
    compute = Predictor._predict_with_network

    def overflow(predictor, panel, windows, horizon, features, change):
        scaled = [windows * np.nan if each.name == "a" else windows for each in panel]
        windows = np.stack([row[number] for number, row in enumerate(scaled)])
        return compute(predictor, panel, windows, horizon, features, change)

    monkeypatch.setattr(Predictor, "_predict_with_network", overflow)
    found = predict(shops, RUNS / "shops.csv")
    assert {problem.detail["series"] for problem in found.problems} == {"a"}
    assert {problem.code for problem in found.problems} == {"infinite-forecast"}
    monkeypatch.undo()
    (expected,) = (each for each in predict(shops, RUNS / "shops.csv").forecasts if each.series == "b")
    np.testing.assert_allclose(found.forecasts[0].mean, expected.mean)
    monkeypatch.setattr(
        Predictor, "_predict_with_network", lambda *each: compute(*each[:2], each[2] * np.nan, *each[3:])
    )
    with pytest.raises(Diverged):
        predict(shops, RUNS / "shops.csv")


def test_policies_of_one_prediction_change_nothing_else(load, shops, tmp_path):
    before = predict(load, RUNS / "load.csv")
    again = predict(load, RUNS / "load.csv", overrides=["data.gaps=previous", "data.max_gap=9", "checks.range=error"])
    np.testing.assert_array_equal(before.forecasts[0].mean, again.forecasts[0].mean)
    data = write_changed(tmp_path, "shops", lambda table: table.drop(index=80))
    with pytest.raises(DataError, match="1 day is missing"):
        predict(shops, data)
    assert len(predict(shops, data, overrides=["data.gaps=previous"]).forecasts) == 2


@pytest.mark.parametrize(
    ("policy", "origin", "newest"), [("fill", "2026-03-31", "2026-03-30"), ("move_back", "2026-03-30", "2026-03-30")]
)
def test_late_steps_are_named_in_the_source_of_a_forecast(policy, origin, newest, shops, tmp_path):
    def blank(table):
        return table.assign(sold=table["sold"].where(table.index != table.index[-1]))

    data = write_changed(tmp_path, "shops", blank)
    with pytest.raises(DataError, match="1 cell is empty"):
        predict(shops, data)
    found = predict(shops, data, overrides=[f"data.late={{steps: 2, policy: {policy}}}"])
    a, b = found.forecasts
    assert (str(a.origin.date()), str(b.origin.date())) == ("2026-04-30", origin)  # a is newer by 30 days
    assert "late" not in a.source
    assert b.source == f"{a.source} (late: {policy})"
    assert str(found.freshness[1].newest.date()) == newest  # a filled step is not new


@pytest.mark.parametrize(
    "override",
    ["window.length=24", "model.units=8", "data.target=x", "data.frequency=D", "data={gaps: zero}", "gaps=zero"],
)
def test_what_a_network_depends_on_cannot_be_set(load, override):
    with pytest.raises(UsageError, match=r"cannot change for one prediction.*; --set takes data\.gaps, data\.max_gap"):
        predict(load, RUNS / "load.csv", overrides=[override])


def test_an_invalid_policy_is_reported_as_in_a_config(load):
    with pytest.raises(ConfigError, match="data.gaps: received 'prevous', expected .* did you mean 'previous'"):
        predict(load, RUNS / "load.csv", overrides=["data.gaps=prevous"])
    with pytest.raises(UsageError, match="did you mean 'data.gaps'"):
        predict(load, RUNS / "load.csv", overrides=["data.gap=zero"])


def test_the_command_ends_with_5_for_stale_data_and_3_for_some(forecast, tmp_path):
    for name in ("load", "shops"):
        shutil.copytree(RUNS / name, tmp_path / name)
        shutil.copy(RUNS / f"{name}.csv", tmp_path)
    result = forecast("predict", "load", "--data", "load.csv", "--max-age", "6h", "--output", "out.csv", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (5, "")
    assert "--max-age" in result.stderr
    assert not (tmp_path / "out.csv").exists()
    data = write_changed(tmp_path, "shops", set_newest(1, 9_999_999, "a"))
    result = forecast("predict", "shops", "--data", data, "--set", "checks.range=error", cwd=tmp_path)
    assert result.returncode == 3
    assert {line.split(",")[0] for line in result.stdout.splitlines()[1:]} == {"b"}
    result = forecast("predict", "load", "--data", "load.csv", "--max-age", "soon", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "--max-age soon" in result.stderr
