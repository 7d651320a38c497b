"""Adaptive intervals: the recursion by hand, the order in which actuals come, and coverage after a shift."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from forecaster.forecast import Forecast
from forecaster.jobs.adaptive_intervals import (
    WINDOW,
    AdaptiveIntervals,
    Intervals,
    adapt,
    adapt_from_store,
    count_needed,
    replay,
)
from forecaster.jobs.past_forecasts import join_actuals
from forecaster.store.store import open_store
from tests.jobs.past import make_frames


def make_run(mean, half):
    """Intervals around a mean (origins, series, levels, horizon), which they hold."""
    return Intervals(mean - half, mean + half, mean + 0 * half, mean + 0 * half)


def simulate_year(shift, horizon=24, nights=365, seed=0):
    """Errors of forecasts, (nights, 1, 1, horizon): standard normal, and from the middle of the year on shifted."""
    errors = np.random.default_rng(seed).normal(size=(nights, 1, 1, horizon))
    errors[nights // 2 :] += shift
    return errors


def test_alpha_follows_gibbs_and_candes_by_hand():
    state = AdaptiveIntervals.start([80], (1, 1, 1))
    run = make_run(np.zeros((1, 1, 1)), np.ones((1, 1, 1)))
    allowed = 0.2
    for actual in (0.5, 2.0, -0.3, -3.0, 0.9):
        state.learn(np.full((1, 1, 1), actual), run, run, np.zeros((1, 1, 1)), np.asarray(True), np.array([0.05]))
        allowed += 0.05 * (0.2 - (abs(actual) > 1))
        np.testing.assert_allclose(state.alpha, allowed)
    assert state.scored.item() == 5


def test_the_interval_is_that_of_the_kth_smallest_score():
    state = AdaptiveIntervals.start([80], (1, 1, 1))
    run = make_run(np.zeros((1, 1, 1)), np.full((1, 1, 1), 2.0))
    scores = np.random.default_rng(1).permutation(np.arange(1.0, 21))
    for place, score in enumerate(scores):
        actual = np.full((1, 1, 1), 2 * score * (-1) ** place)
        state.learn(actual, run, run, np.zeros((1, 1, 1)), np.asarray(False), np.array([0.05]))
    published = state.publish(make_run(np.full((1, 1, 1), 7.0), np.full((1, 1, 1), 0.5)))
    assert published.high.item() == 7 + 0.5 * 17  # ceil(21 x 0.8) = 17
    assert published.low.item() == 7 - 0.5 * 17


@pytest.mark.parametrize(("level", "needed"), [(50, 10), (80, 10), (95, 19), (99, 99), (99.9, 999)])
def test_a_level_needs_as_many_scores_as_its_rank(level, needed):
    assert count_needed(level) == needed


def test_a_step_is_scored_only_after_it_came():
    """An interval at an origin uses no actual value after it: those are replaced, and nothing changes before."""
    horizon, nights = 6, 60
    origins = np.arange(nights) * 2  # the next three forecasts are made before one is scored
    errors = np.random.default_rng(2).normal(size=(nights, 1, 1, horizon))
    run = make_run(np.zeros_like(errors), np.ones_like(errors))
    first = replay(AdaptiveIntervals.start([80], (1, 1, horizon)), origins, errors, run)
    cut = 40
    changed = np.where((origins[:, None] + np.arange(1, horizon + 1) > origins[cut])[:, None, None, :], 100.0, errors)
    second = replay(AdaptiveIntervals.start([80], (1, 1, horizon)), origins, changed, run)
    np.testing.assert_array_equal(first.high[: cut + 1], second.high[: cut + 1])
    assert (first.high[cut + 1 :] != second.high[cut + 1 :]).any(axis=(1, 2, 3)).all()
    # A step of six is scored three origins later, and ten scores are needed.
    adapted = (first.high != run.high)[:, 0, 0]
    assert adapted[:, 0].argmax() == 10
    assert adapted[:, 5].argmax() == 12


@pytest.mark.parametrize("level", [80, 95])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_coverage_comes_back_after_a_level_shift_where_static_intervals_do_not(level, shift):
    """A year of nightly forecasts of 24 hours, from whose middle on all actual values are higher."""
    errors = simulate_year(shift)
    half = np.full_like(errors, {80: 1.2816, 95: 1.96}[level])
    run = make_run(np.zeros_like(errors), half)
    published = replay(AdaptiveIntervals.start([level], (1, 1, 24)), 24 * np.arange(365), errors, run)

    def cover(intervals, nights):
        return 100 * np.mean((intervals.low <= errors)[nights] & (errors <= intervals.high)[nights])

    before, after = slice(30, 182), slice(182 + 30, None)
    assert abs(cover(published, before) - level) < 2
    assert abs(cover(published, after) - level) < 2
    assert cover(run, after) < level - 10
    assert np.isfinite(published.low).all()
    assert np.isfinite(published.high).all()


def test_the_centre_follows_a_bias_so_that_intervals_stay_narrow():
    errors = simulate_year(3.0)
    run = make_run(np.zeros_like(errors), np.full_like(errors, 1.2816))
    published = replay(AdaptiveIntervals.start([80], (1, 1, 24)), 24 * np.arange(365), errors, run)
    after = slice(240, None)
    assert (published.low[after] <= 0).all()  # the mean stays inside
    assert (published.high - published.low)[after].mean() < 4.5  # symmetric ones would be 2 x 3.84 wide


def test_without_a_bias_the_centre_stays():
    errors = simulate_year(0.0)
    run = make_run(np.zeros_like(errors), np.full_like(errors, 1.2816))
    published = replay(AdaptiveIntervals.start([80], (1, 1, 24)), 24 * np.arange(365), errors, run)
    middle = (published.low + published.high) / 2
    assert np.mean(middle == 0) > 0.95


def test_wide_intervals_become_narrower():
    errors = simulate_year(0.0)
    run = make_run(np.zeros_like(errors), np.full_like(errors, 5.0))
    published = replay(AdaptiveIntervals.start([80], (1, 1, 24)), 24 * np.arange(365), errors, run)
    np.testing.assert_allclose(published.high[100:].mean(), 1.2816, rtol=0.1)


# Forecasts and stored frames.

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def make_forecast(origin, mean, half, level=80):
    times = pd.date_range("2026-01-01", periods=origin + len(mean) + 1, freq="h")
    tail = round((1 - level / 100) / 2, 10)
    quantiles = {tail: mean - half, 0.5: mean.copy(), round(1 - tail, 10): mean + half}
    return Forecast("load", times[origin], times[origin + 1 :], mean, quantiles)


def run_nights(values, nights, horizon=3, half=1.0, level=80, store=None):
    """Forecast every night with zeros, as jobs do: adapt, publish, keep the state."""
    frames, states, published = [], {}, []
    for night in range(nights):
        origin = 10 + horizon * night
        forecast = make_forecast(origin, np.zeros(horizon), half, level)
        past = None
        if frames:
            _, actuals = make_frames(values[: origin + 1], [origin], np.zeros((1, horizon)))
            past = join_actuals(pd.concat(frames, ignore_index=True), actuals, season=1)
        adapted = adapt([forecast], past, states)
        (new,), states = adapted.forecasts, {**states, **adapted.states}
        tables = [{p: q[None] for p, q in each.items()} for each in (new.quantiles, new.run_quantiles)]
        frames.append(make_frames(values, [origin], np.zeros((1, horizon)), *tables)[0])
        published.append(new)
    return published, states, adapted


def test_nights_one_by_one_give_the_intervals_of_the_replay():
    horizon, nights = 3, 45
    values = np.random.default_rng(3).normal(0, 2, 10 + horizon * (nights + 2))
    half = 1.23456789012  # values with as many decimals are not rounded
    published, states, _ = run_nights(values, nights, half=half)
    origins = 10 + horizon * np.arange(nights)
    errors = values[origins[:, None] + np.arange(1, horizon + 1)][:, None, None]
    run = make_run(np.zeros_like(errors), np.full_like(errors, half))
    state = AdaptiveIntervals.start([80], (1, 1, horizon))
    errors[-1] = np.nan  # the last night has no actual values yet
    expected = replay(state, origins, errors, run)
    high = np.array([each.quantiles[0.9] for each in published])
    np.testing.assert_allclose(high, expected.high[:, 0, 0], atol=1e-9)
    alphas = [states["load", step, 80.0]["alpha"] for step in (1, 2, 3)]
    np.testing.assert_allclose(alphas, state.alpha[0, 0])


def test_the_same_night_again_changes_nothing():
    values = np.random.default_rng(4).normal(0, 2, 200)
    _, states, adapted = run_nights(values, 30)
    assert adapted.states == {key: states[key] for key in adapted.states}
    frames, actuals = make_frames(
        values[:70], [10, 13], np.zeros((2, 3)), {0.1: -np.ones((2, 3)), 0.9: np.ones((2, 3))}
    )
    past = join_actuals(frames, actuals, season=1)
    first = adapt([make_forecast(70, np.zeros(3), 1.0)], past, {})
    again = adapt([make_forecast(70, np.zeros(3), 1.0)], past, first.states)
    assert again.states == first.states


def test_too_few_scores_leave_the_run_s_intervals_and_are_noted():
    published, _, adapted = run_nights(np.random.default_rng(5).normal(0, 5, 100), 5)
    assert all(not each.run_quantiles for each in published)
    (note,) = adapted.notes
    assert (note.code, note.detail["scored"], note.detail["needed"]) == ("too-few-scored-to-adapt", 4, 10)


def test_a_level_beyond_the_window_is_never_adapted_and_noted():
    published, _, adapted = run_nights(np.random.default_rng(6).normal(0, 5, 200), 20, level=99.9)
    assert all(not each.run_quantiles for each in published)
    assert adapted.notes[0].code == "level-too-high-to-adapt"
    assert count_needed(99.9) > WINDOW


def test_errors_beyond_all_scores_are_noted_and_intervals_stay_finite():
    values = np.exp(0.2 * np.arange(200))  # each error is larger than all before
    published, _, adapted = run_nights(values, 25)
    assert [note.code for note in adapted.notes] == ["interval-of-largest-error"]
    assert np.isfinite(published[-1].quantiles[0.9]).all()


def test_positive_data_keep_positive_intervals_and_levels_are_nested():
    horizon, nights = 2, 40
    generator = np.random.default_rng(7)
    values = generator.exponential(5.0, 200)
    mean = np.full((nights, horizon), 3.0)
    tables = {
        0.025: mean - 1.5, 0.1: mean - 1, 0.5: mean, 0.9: mean + 1, 0.975: mean + 1.5,
    }  # fmt: skip
    origins = [10 + 2 * night for night in range(nights)]
    past = join_actuals(*make_frames(values[:90], origins, mean, tables), season=1)
    forecast = make_forecast(90, mean[0], 1.0)
    forecast = replace(forecast, quantiles={p: table[0] for p, table in tables.items()})
    (adapted,) = adapt([forecast], past, {}).forecasts
    bounds = np.array([adapted.quantiles[p] for p in sorted(tables)])
    assert (np.diff(bounds, axis=0) >= 0).all()
    assert (bounds >= 0).all()
    assert adapted.run_quantiles == forecast.quantiles
    assert bounds[-1].max() > 5


def test_forecasts_adapt_to_those_in_a_store(tmp_path):
    horizon, values = 3, np.random.default_rng(8).normal(0, 3, 100)
    times = pd.date_range("2026-01-01", periods=100, freq="h")
    with open_store("sqlite:///forecasts.db", tmp_path) as store:
        store.add_actuals("north", pd.DataFrame({"series": "load", "timestamp": times, "value": values}), NOW)
        for night in range(20):
            new = make_forecast(10 + horizon * night, np.zeros(horizon), 1.0)
            adapted = adapt_from_store(store, "north", [new])
            store.add_forecasts("north", "v1", adapted.forecasts, NOW)
            store.write_adaptation("north", adapted.states)
        assert adapted.forecasts[0].quantiles[0.9].min() > 1.5
        assert set(store.read_adaptation("north")) == {("load", step, 80.0) for step in (1, 2, 3)}
