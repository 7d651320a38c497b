"""The store of forecasts, in SQLite and in PostgreSQL: what is added is read back, once, whatever happens meanwhile."""

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from forecaster.forecast import Forecast
from forecaster.store.store import ACTUALS, FORECASTS, OriginError, open_store
from forecaster.store.timestamps import parse_timestamps

NOW = datetime(2026, 11, 30, 7, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def make_forecast(origin="2026-01-01", mean=(1.5, 2.5), quantiles=None, series="load", **fields) -> Forecast:
    """A forecast of the hours after an origin, or of the integer steps after it."""
    start = origin if isinstance(origin, int) else pd.Timestamp(origin)
    steps = range(1, len(mean) + 1)
    later = [start + step if isinstance(start, int) else start + pd.Timedelta(hours=step) for step in steps]
    bounds = {name: np.array(values) for name, values in (quantiles or {}).items()}
    return Forecast(series, start, pd.Index(later), np.array(mean), bounds, **fields)


def make_actuals(values, first="2026-01-01", series="load") -> pd.DataFrame:
    times = (
        range(first, first + len(values))
        if isinstance(first, int)
        else pd.date_range(first, periods=len(values), freq="h")
    )
    return pd.DataFrame({"series": series, "timestamp": times, "value": values})


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request) -> str:
    return request.getfixturevalue("postgresql") if request.param == "postgresql" else "sqlite:///forecasts.db"


@pytest.fixture
def store(url, tmp_path):
    with open_store(url, tmp_path) as opened:
        yield opened


def test_a_forecast_is_read_back_as_it_was_made(store):
    one = make_forecast(
        mean=(0.1 + 0.2, 1e-300), quantiles={0.025: (-1.0, 2.0), 0.975: (1.0, 1 / 3)}, source="network+naive"
    )
    assert store.add_forecasts("north", "v1", [one], NOW) == 2
    rows = store.read_forecasts()
    assert tuple(rows.columns) == FORECASTS
    first, second = rows.to_dict("records")
    assert first == {
        "job": "north", "version": "v1", "series": "load", "origin": "2026-01-01 00:00:00",
        "timestamp": "2026-01-01 01:00:00", "step": 1, "mean": 0.1 + 0.2, "quantiles": {0.025: -1.0, 0.975: 1.0}, "run_quantiles": {},
        "source": "network+naive", "made_at": "2026-11-30T07:00:00+00:00",
    }  # fmt: skip
    assert (second["mean"], second["quantiles"][0.975], second["step"]) == (1e-300, 1 / 3, 2)


def test_the_same_again_changes_nothing_and_other_values_replace(store):
    one, other = make_forecast(), make_forecast(mean=(1.5, 9.0))
    assert [store.add_forecasts("north", "v1", [one, make_forecast("2026-01-02")], NOW) for _ in range(2)] == [4, 0]
    assert store.add_forecasts("north", "v1", [one], LATER) == 0
    assert store.add_forecasts("north", "v1", [other], LATER) == 1
    rows = store.read_forecasts("north", until="2026-01-01")
    assert rows["mean"].to_list() == [1.5, 9.0]
    assert rows["made_at"].str[11:13].to_list() == ["07", "08"]
    assert store.add_forecasts("north", "v2", [one], NOW) == 2
    assert store.add_forecasts("south", "v1", [one], NOW) == 2
    assert len(store.read_forecasts()) == 8


def test_a_corrected_actual_keeps_the_value_that_was_seen_first(store):
    assert [store.add_actuals("north", make_actuals([1.0, np.nan, 3.0]), NOW) for _ in range(2)] == [2, 0]
    assert store.add_actuals("north", make_actuals([1.0, 2.0, 4.0]), LATER) == 2
    assert store.add_actuals("north", make_actuals([5.0], series="other"), NOW) == 1
    rows = store.read_actuals("north", until="2026-01-01 02:00")
    assert tuple(rows.columns) == ACTUALS
    load = rows[rows["series"] == "load"]
    assert load["value"].to_list() == [1.0, 2.0, 4.0]
    assert load["first_value"].to_list() == [1.0, 2.0, 3.0]
    assert load["first_seen"].str[11:13].to_list() == ["07", "08", "07"]
    assert load["seen_at"].str[11:13].to_list() == ["07", "08", "08"]


@pytest.mark.parametrize("freq", ["D", "h", "250ms", "1ns"])
@pytest.mark.parametrize("zone", [None, "Asia/Kathmandu"])
def test_a_forecast_and_its_actual_have_equal_timestamps(tmp_path, freq, zone):
    times = pd.date_range("2026-01-01", periods=3, freq=freq, tz=zone)
    forecast = Forecast("load", times[0], times[1:], np.array([1.0, 2.0]))
    with open_store("sqlite:///forecasts.db", tmp_path) as store:
        store.add_forecasts("north", "v1", [forecast], NOW)
        store.add_actuals("north", pd.DataFrame({"series": "load", "timestamp": times, "value": [1.0, 2.0, 3.0]}), NOW)
        assert store.read_forecasts()["timestamp"].to_list() == store.read_actuals()["timestamp"].to_list()[1:]


def test_states_of_intervals_are_kept_by_series_step_and_level(store):
    states = {("load", 1, 80.0): {"alpha": 0.1, "scored": 12.0}, ("load", 2, 97.5): {"alpha": 1 / 3}}
    store.write_adaptation("north", states)
    store.write_adaptation("north", {("load", 1, 80.0): {"alpha": 0.3}})
    assert store.read_adaptation("north") == states | {("load", 1, 80.0): {"alpha": 0.3}}
    assert store.read_adaptation("south") == {}


def test_what_is_older_than_asked_is_deleted(store):
    store.add_forecasts("north", "v1", [make_forecast()], NOW)
    store.add_forecasts("north", "v1", [make_forecast("2026-01-02")], LATER)
    store.add_actuals("north", make_actuals([1.0, 2.0]), NOW)
    assert store.delete_older(3600, LATER) == 0
    assert store.delete_older(3599, LATER, "south") == 0
    assert store.delete_older(3599, LATER) == 2
    assert store.read_forecasts()["origin"].unique() == ["2026-01-02 00:00:00"]
    assert len(store.read_actuals()) == 0


def test_several_changes_are_made_together_or_not_at_all(store):
    def fail():
        with store.transaction():
            store.add_forecasts("north", "v1", [make_forecast()], NOW)
            store.add_actuals("north", make_actuals([1.0]), NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(store.read_forecasts()) == len(store.read_actuals()) == 0
    with store.transaction():
        store.add_forecasts("north", "v1", [make_forecast()], NOW)
    assert len(store.read_forecasts()) == 2


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        ("2026-03-29", "2026-03-29", 24),
        ("2026-03-29T02:00", None, 50),
        (None, "2026-03-29 01", 2),
        ("2026-04", None, 0),
        ("2026", "2026-03", 52),
        (pd.Timestamp("2026-03-30 00:00"), None, 28),
        ("17", None, 0),
    ],
)
def test_a_span_is_of_the_local_time_of_the_data(store, since, until, hours):
    store.add_actuals("north", make_actuals(np.arange(52.0), "2026-03-29"), NOW)
    assert len(store.read_actuals("north", since, until)) == hours


def test_integer_steps_are_in_their_order(store):
    store.add_actuals("north", make_actuals(np.arange(12.0), -1), NOW)
    assert store.add_actuals("north", make_actuals(np.arange(12.0), -1), NOW) == 0
    rows = store.read_actuals()
    assert rows["timestamp"].to_list() == [str(step) for step in range(-1, 11)]
    assert store.read_actuals(since=9)["timestamp"].to_list() == ["9", "10"]
    assert store.read_actuals(until="0")["timestamp"].to_list() == ["-1", "0"]
    assert len(store.read_actuals(since="2026-01-01")) == 0
    assert parse_timestamps(["-1", "10"]).to_list() == [-1, 10]


def test_the_hour_that_summer_time_repeats_is_two_timestamps(store):
    times = pd.date_range("2026-10-25", periods=5, freq="h", tz="Europe/Berlin")
    actuals = pd.DataFrame({"series": "load", "timestamp": times, "value": np.arange(5.0)})
    assert [store.add_actuals("north", actuals, NOW) for _ in range(2)] == [5, 0]
    rows = store.read_actuals()
    assert rows["value"].to_list() == [0, 1, 2, 3, 4]
    assert rows["timestamp"].to_list()[2:4] == ["2026-10-25 02:00:00+02:00", "2026-10-25 02:00:00+01:00"]
    assert parse_timestamps(rows["timestamp"]).equals(times.tz_convert("UTC"))


@pytest.mark.parametrize("name", ["o'hara; DROP TABLE forecasts", "Zürich \U0001f600", ":name %s {} \\", '"'])
def test_names_are_never_a_part_of_the_sql(store, name):
    store.add_forecasts(name, name, [make_forecast(series=name)], NOW)
    store.add_actuals(name, make_actuals([1.0], series=name), NOW)
    assert store.read_forecasts(name)["series"].to_list() == [name, name]
    assert store.read_actuals(name)["series"].to_list() == [name]


def test_a_forecast_that_is_not_finite_is_never_stored(store):
    for forecast in (make_forecast(mean=(1.0, np.nan)), make_forecast(quantiles={0.1: (1.0, np.inf)})):
        with pytest.raises(ValueError, match="not finite|not JSON compliant"):
            store.add_forecasts("north", "v1", [make_forecast("2026-01-02"), forecast], NOW)
    assert len(store.read_forecasts()) == 0


def test_the_quantiles_of_the_run_are_kept_next_to_adapted_ones(store):
    forecast = make_forecast(quantiles={0.1: (0.0, 1.0), 0.9: (3.0, 4.0)})
    adapted = dataclasses.replace(forecast, run_quantiles={0.1: np.array([1.0, 2.0]), 0.9: np.array([2.0, 3.0])})
    store.add_forecasts("north", "v1", [forecast], NOW)
    assert list(store.read_forecasts("north")["run_quantiles"]) == [{}, {}]
    assert store.add_forecasts("north", "v1", [adapted], NOW) == 2
    assert list(store.read_forecasts("north")["run_quantiles"]) == [{0.1: 1.0, 0.9: 2.0}, {0.1: 2.0, 0.9: 3.0}]


def add_nights(store, nights, seconds=86_400):
    """A forecast of two steps for each night, made in the night of its origin."""
    for night, origin in enumerate(pd.date_range("2026-01-01", periods=nights, freq="D")):
        forecast = make_forecast(str(origin.date()), quantiles={0.1: (0.0, night)})
        store.add_forecasts("north", f"v{night // 5}", [forecast], NOW + timedelta(seconds=seconds * night))


def test_the_newest_origins_are_read_whatever_is_stored(store):
    add_nights(store, 20)
    every = store.read_forecasts("north")
    origins = [origin for origin, _ in store.list_origins("north")]
    assert origins == every["origin"].drop_duplicates().to_list()
    assert store.list_origins("north")[4:6] == [(origins[4], "v0"), (origins[5], "v1")]
    newest = store.read_newest_forecasts("north", rows=0, least=3)
    assert newest["origin"].drop_duplicates().to_list() == origins[-4:]  # the newest is not over
    pd.testing.assert_frame_equal(newest, every[every["origin"] >= origins[-4]].reset_index(drop=True))
    assert len(store.read_newest_forecasts("north", rows=14, least=3)) == 14
    pd.testing.assert_frame_equal(store.read_newest_forecasts("north", rows=1000, least=3), every)
    assert store.read_newest_forecasts("south", rows=1000, least=3).empty


def test_what_is_deleted_by_age_is_the_same_for_one_job_and_for_all(store):
    add_nights(store, 20)
    now = NOW + timedelta(days=20)
    assert store.delete_older(10 * 86_400 - 1, now, "north") == 22
    assert store.delete_older(8 * 86_400 - 1, now) == 4
    assert len(store.read_forecasts()) == 14


def test_errors_of_origins_are_kept_by_age(store):
    days = pd.date_range("2026-01-01", periods=3, freq="D")
    errors = [OriginError(day, "v1", {"mase": 1.5, "naive": 2.0}) for day in days]
    assert store.write_errors("north", errors[:2], NOW) == 2
    assert store.write_errors("north", [errors[1]._replace(version="v2"), errors[2]], LATER) == 2
    assert store.read_errors("north", "local") == [errors[0], errors[1]._replace(version="v2"), errors[2]]
    assert store.read_errors("north", "step") == store.read_errors("south", "local") == []
    store.delete_older(3599, LATER, "north")
    assert [each.time for each in store.read_errors("north", "local")] == days[1:].to_list()
