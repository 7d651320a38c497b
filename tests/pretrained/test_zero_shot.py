"""Zero-shot forecasts: shapes, units, signs, missing values, horizons of any length."""

import numpy as np
import pytest

from forecaster.pretrained.features import PROBABILITIES, count_history_steps, count_trained_steps
from forecaster.pretrained.zero_shot import MIN_STEPS, forecast_zero_shot
from tests.helpers.command import ROOT

LEVELS = [0.025, 0.1, 0.5, 0.9, 0.975]


def make_series(steps: int = 120, season: int = 12, noise: float = 0.1, rows: int = 3) -> np.ndarray:
    generator = np.random.default_rng(1)
    places = np.arange(steps)
    pattern = np.sin(2 * np.pi * places / season) if season > 1 else 0.0
    return 50 + 0.05 * places + 5 * pattern + noise * generator.standard_normal((rows, steps))


@pytest.mark.parametrize("seasons", [(), (1,), (4,), (7,), (12,), (7, 365), (24, 168), (96, 672), (1440,)])
@pytest.mark.parametrize("horizon", [1, 30])
def test_quantiles_are_finite_and_do_not_cross(seasons: tuple[int, ...], horizon: int) -> None:
    windows = make_series(steps=200, season=max(seasons, default=1))
    found = forecast_zero_shot(windows, seasons, horizon, LEVELS)
    assert found.shape == (3, horizon, 5)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=2) >= 0).all()
    assert (found[..., -1] > found[..., 0]).all()


def test_a_season_is_continued_more_closely_than_its_amplitude() -> None:
    series = make_series(steps=144)
    found = forecast_zero_shot(series[:, :132], (12,), 12, [0.5])[..., 0]
    assert np.abs(found - series[:, 132:]).mean() < 0.5  # the amplitude is 5


def test_a_change_of_unit_changes_the_forecast_alike() -> None:
    windows = make_series()
    found = forecast_zero_shot(windows, (12,), 6, LEVELS)
    np.testing.assert_allclose(forecast_zero_shot(1e6 * windows, (12,), 6, LEVELS), 1e6 * found, rtol=1e-5)
    negative = forecast_zero_shot(-windows + 40, (12,), 6, LEVELS)
    shifted = forecast_zero_shot(windows - 40, (12,), 6, LEVELS)
    np.testing.assert_allclose(negative, -shifted[..., ::-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e12, 1e300])
def test_extreme_units_give_finite_forecasts(size: float) -> None:
    found = forecast_zero_shot(size * make_series(), (12,), 6, LEVELS)
    np.testing.assert_allclose(found / size, forecast_zero_shot(make_series(), (12,), 6, LEVELS), rtol=1e-4)


def test_each_window_is_forecast_as_it_is_alone() -> None:
    windows = make_series(rows=5, noise=1.0)
    windows[2, :100] = np.nan
    together = forecast_zero_shot(windows, (12,), 60, LEVELS)
    for row, window in enumerate(windows):
        alone = forecast_zero_shot(window[None], (12,), 60, LEVELS)
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-4, atol=1e-4)


def test_paths_of_a_window_beyond_a_block_are_those_that_it_has_alone() -> None:
    windows = make_series(rows=20)
    horizon = 2 * count_trained_steps((12,)) + 5
    together = forecast_zero_shot(windows, (12,), horizon, LEVELS)
    for row in (0, 7, 19):
        np.testing.assert_allclose(together[row], forecast_zero_shot(windows[[row]], (12,), horizon, LEVELS)[0], 1e-4)


def test_steps_before_the_history_change_nothing() -> None:
    steps = count_history_steps((12,))
    windows = make_series(steps=steps + 50)
    found = forecast_zero_shot(windows, (12,), 6, LEVELS)
    windows[:, :50] = 1e9
    np.testing.assert_array_equal(forecast_zero_shot(windows, (12,), 6, LEVELS), found)


def test_missing_values_and_short_windows_are_forecast() -> None:
    windows = make_series(rows=4)
    windows[0, ::3] = np.nan
    windows[1, 40:70] = np.nan
    windows[2, :-MIN_STEPS] = np.nan
    windows[3, -12:] = np.nan  # the newest values are missing
    found = forecast_zero_shot(windows, (12,), 12, LEVELS)
    assert np.isfinite(found).all()
    assert np.abs(found[..., 2] - 55).max() < 20
    windows[2, -MIN_STEPS] = np.nan
    with pytest.raises(ValueError, match="fewer than 3"):
        forecast_zero_shot(windows, (12,), 12, LEVELS)


def test_values_keep_their_sign_and_constant_windows_are_repeated() -> None:
    generator = np.random.default_rng(0)
    windows = np.stack([generator.poisson(0.5, 100), -generator.poisson(0.5, 100), np.full(100, 7.0), np.zeros(100)])
    found = forecast_zero_shot(windows.astype(float), (7,), 20, LEVELS)
    assert (found[0] >= 0).all()
    assert (found[1] <= 0).all()
    assert (found[2] == 7).all()
    assert (found[3] == 0).all()


def test_long_horizons_continue_short_ones_and_widen_for_a_random_walk() -> None:
    block = count_trained_steps((12,))
    walk = np.cumsum(np.random.default_rng(3).standard_normal((8, 200)), axis=1)
    found = forecast_zero_shot(walk, (), 4 * block, LEVELS)
    np.testing.assert_allclose(found[:, :block], forecast_zero_shot(walk, (), block, LEVELS))
    widths = (found[..., 3] - found[..., 1]).mean(axis=0)
    assert widths[-1] > 1.3 * widths[block - 1]
    season = make_series(steps=144, noise=0.3)
    found = forecast_zero_shot(season, (12,), 3 * block, LEVELS)[..., 2]
    pattern = np.sin(2 * np.pi * (144 + np.arange(block)) / 12)
    last = found[:, -block:] - found[:, -block:].mean(axis=1, keepdims=True)
    for row in last:  # the amplitude of 5 is kept, 100 steps ahead
        assert 4 < row @ pattern / (pattern @ pattern) < 6


def test_probabilities_between_and_beyond_those_of_the_network_are_interpolated() -> None:
    windows = make_series()
    probabilities = [0.001, *PROBABILITIES, 0.999]
    found = forecast_zero_shot(windows, (12,), 6, probabilities)
    assert (np.diff(found, axis=2) > 0).all()
    between = forecast_zero_shot(windows, (12,), 6, [0.1, 0.15, 0.2])
    assert (between[..., 0] < between[..., 1]).all()
    assert (between[..., 1] < between[..., 2]).all()


def test_percentages_that_reach_their_limit_stay_below_it_and_others_do_not() -> None:
    generator = np.random.default_rng(0)
    humidity = np.minimum(100.0, 95 + 5 * generator.standard_normal((1, 100)))
    assert (humidity == 100).sum() >= 3
    assert forecast_zero_shot(humidity, (), 10, LEVELS).max() == 100
    assert forecast_zero_shot(humidity + 1, (), 10, LEVELS).max() > 101


@pytest.mark.parametrize("seasons", [(), (12,), (24,), (24, 168)])
def test_the_longest_horizons_stay_near_what_a_series_was(seasons: tuple[int, ...]) -> None:
    generator = np.random.default_rng(4)
    places = np.arange(500)
    windows = np.stack(
        [
            100 + 10 * np.sin(2 * np.pi * places / 24) + generator.standard_normal(500),
            100 + np.cumsum(generator.standard_normal(500)),
            100 + 0.1 * places + generator.standard_normal(500),
        ]
    )
    found = forecast_zero_shot(windows, seasons, 20_000, LEVELS)
    ranges = np.ptp(windows, axis=1)[:, None, None]
    assert (np.abs(found - windows[:, -1:, None]) < 20 * ranges).all()
    assert (np.abs(found[..., 2:3] - windows[:, -1:, None]) < 5 * ranges).all()


def test_widths_multiply_distances_from_the_median_within_the_same_bounds() -> None:
    windows = np.stack([make_series()[0], np.maximum(np.random.default_rng(0).normal(size=120), 0)])
    plain = forecast_zero_shot(windows, (12,), 6, LEVELS)
    median = forecast_zero_shot(windows, (12,), 6, [0.5])
    factors = np.array([1.5 if p in {LEVELS[0], LEVELS[-1]} else 0.75 for p in LEVELS])
    wide = forecast_zero_shot(windows, (12,), 6, LEVELS, factors)
    np.testing.assert_allclose(wide[0], median[0] + factors * (plain[0] - median[0]))
    assert plain[1].min() >= 0
    assert wide[1].min() == 0
    crossing = forecast_zero_shot(windows, (12,), 6, LEVELS, np.where(factors == 1.5, 0.01, 5.0))
    assert (np.diff(crossing, axis=2) >= 0).all()


def test_the_last_year_of_airline_passengers_is_forecast_as_before() -> None:
    values = np.loadtxt(ROOT / "configs/data/airline.csv", delimiter=",", skiprows=1, usecols=1)
    found = forecast_zero_shot(values[None, :-12], (12,), 12, LEVELS)[0]
    assert np.abs(found[:, 2] - values[-12:]).mean() < 14  # 13.74 in `forecast check`; 47.83 by the year before
    assert ((values[-12:] > found[:, 0]) & (values[-12:] < found[:, 4])).mean() > 0.9
