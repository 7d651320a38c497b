"""Tests of drift: their statistics from first principles, quiet on noise, quick on planted changes."""

import numpy as np
import pytest
from scipy import stats

from forecaster.jobs.drift import (
    REFERENCE_ORIGINS,
    SIGNIFICANT,
    THRESHOLD,
    TOLERANCE,
    _cut_views,
    _measure_distances,
    _test_view,
    count_window_steps,
    detect_error_drift,
    detect_input_drift,
    scale_errors,
)


def test_the_statistic_is_the_sum_above_its_minimum():
    reference = np.tile([-1.0, 1.0], REFERENCE_ORIGINS // 2)  # a negative first autocorrelation counts as 0
    deviation = reference.std(ddof=1)
    later = np.array([0.0, 3.0, 3.0, 0.5, 2.0])
    found = detect_error_drift(np.concatenate([reference, deviation * later]))
    sums = np.cumsum(later - TOLERANCE)
    lowest = np.minimum.accumulate(np.append(0.0, sums))[1:]
    np.testing.assert_allclose(found.statistic[REFERENCE_ORIGINS:], sums - lowest)
    assert not found.found.any()
    assert found.since is None


def test_an_increase_is_found_with_the_origin_where_it_began_and_ends_after_errors_are_small_again():
    generator = np.random.default_rng(0)
    sizes = generator.normal(size=150)
    sizes[60:90] += 4
    found = detect_error_drift(sizes[:90])
    assert not found.found[:60].any()
    assert np.flatnonzero(found.found)[0] - 60 <= 5
    assert abs(found.since - 60) <= 2
    assert detect_error_drift(sizes).since is None


def test_one_bad_night_is_no_drift():
    sizes = np.random.default_rng(1).normal(size=60)
    sizes[45] = 1000.0
    assert not detect_error_drift(sizes).found.any()


def test_too_few_origins_have_no_verdict():
    assert detect_error_drift(np.zeros(REFERENCE_ORIGINS)) is None


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_a_year_of_noise_gives_few_false_alarms(correlation):
    generator = np.random.default_rng(2)
    alarms = 0
    for _ in range(100):
        noise = generator.normal(size=395)
        for place in range(1, len(noise)):
            noise[place] += correlation * noise[place - 1]
        alarms += bool(detect_error_drift(noise).found.any())
    assert alarms <= 5  # in a hundred years of nights


def test_a_season_that_is_harder_to_forecast_raises_both_errors_and_is_no_drift():
    generator = np.random.default_rng(3)
    difficulty = np.exp(1 - np.cos(2 * np.pi * np.arange(365) / 365))  # 7 times as large in the middle of the year
    errors, baseline = difficulty * generator.uniform(0.5, 1.5, (2, 365))
    assert not detect_error_drift(scale_errors(errors, 2 * baseline)).found.any()
    assert detect_error_drift(scale_errors(errors)).found.any()


def test_scaled_errors_are_logs_of_ratios_to_the_newest_baseline_errors():
    errors, baseline = np.array([1.0, 2.0, 0.0]), np.array([2.0, 4.0, 6.0])
    floor = 0.01 * 1.0
    np.testing.assert_allclose(scale_errors(errors, baseline), np.log([1 / 2, 2 / 3, floor / 4]), rtol=1e-6)


def test_the_distance_is_that_of_scipy_with_and_without_ties():
    generator = np.random.default_rng(4)
    for reference, windows in (
        (generator.normal(size=500), generator.normal(0.3, 1, (4, 40))),
        (generator.integers(0, 5, 500).astype(float), generator.integers(1, 4, (4, 40)).astype(float)),
        (generator.normal(size=500), np.zeros((1, 40))),
    ):
        expected = [stats.ks_2samp(window, reference).statistic for window in windows]
        np.testing.assert_allclose(_measure_distances(np.sort(reference), windows), expected)


def simulate_load(seed, days=500):
    """Hourly values with a daily profile and noise that is correlated over days."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=24 * days)
    for place in range(1, len(noise)):
        noise[place] += 0.9 * noise[place - 1]
    return 100 + 10 * np.sin(2 * np.pi * np.arange(24 * days) / 24) + noise


def find_first_alarm(values, training, begin):
    for day in range(1, 15):
        found = detect_input_drift(values[: begin + 24 * day], training, 24)
        if found.unlike_training and found.p_value < SIGNIFICANT:
            return day
    return None


@pytest.mark.parametrize("change", ["level", "scale", "stuck"])
def test_changed_inputs_are_found_within_days(change):
    values, training = simulate_load(5), 24 * 400
    begin = 24 * 450
    assert find_first_alarm(values, training, begin) is None
    if change == "level":
        values[begin:] += 4 * 2.3  # standard deviations of the noise
    elif change == "scale":
        values[begin:] += 3 * (values[begin:] - simulate_load(6)[begin:])
    else:
        values[begin:] = values[begin - 1]
    assert find_first_alarm(values, training, begin) <= 7


def test_correlated_inputs_count_as_fewer_independent_ones():
    white = np.random.default_rng(7).normal(size=24 * 400)
    loads = {"white": white, "correlated": simulate_load(8, 400)}
    levels = {name: _cut_views(values, 24 * 390, 24, count_window_steps(24))[0] for name, values in loads.items()}
    sizes = {name: _test_view(view).effective_size for name, view in levels.items()}
    # The long-run variance of a first-order autoregression of 0.9 is 19 times that of its values.
    assert 168 / 19 / 2 < sizes["correlated"] < 168 / 19 * 4
    assert sizes["white"] > 120


def test_a_short_history_has_no_verdict_on_inputs():
    assert detect_input_drift(np.arange(24.0 * 60), 24 * 50, 24) is None


def test_windows_hold_whole_seasons():
    assert [count_window_steps(season) for season in (1, 7, 12, 24, 96)] == [28, 28, 36, 168, 672]


def test_the_threshold_needs_more_than_one_origin():
    assert THRESHOLD > 4 - TOLERANCE


def test_without_an_origin_there_are_no_errors_and_no_drift():
    for baseline in (None, np.zeros(0)):
        assert scale_errors(np.zeros(0), baseline).shape == (0,)
    assert detect_error_drift(np.zeros(0)) is None
