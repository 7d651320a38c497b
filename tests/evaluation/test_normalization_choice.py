"""The normalization that is chosen for a series by what its windows forecast."""

import numpy as np
import pytest

from forecaster.evaluation.normalization_choice import choose_normalization

STEPS = np.arange(3000)


def make_weather(season_size, season_spread, level_size):
    """A daily wave whose size changes from day to day, on a level that returns to its mean within a week."""
    generator = np.random.default_rng(0)
    level = np.zeros(len(STEPS))
    for step in STEPS[1:]:
        level[step] = 0.99 * level[step - 1] + level_size * generator.normal()
    size = season_size * (1 + season_spread * np.repeat(generator.normal(size=125), 24))
    return level + size * np.sin(STEPS * 2 * np.pi / 24)


@pytest.mark.parametrize(
    ("values", "normalization"),
    [
        (make_weather(3, 0.5, 0.3), "last"),
        (make_weather(3, 0.1, 0.05), "seasonal"),
        (np.cumsum(np.random.default_rng(1).normal(size=3000)), "last"),
        (np.random.default_rng(1).normal(size=3000), "mean"),
    ],
    ids=["a weak season", "a strong season", "a random walk", "noise"],
)
def test_a_weak_season_is_left_where_a_linear_forecast_from_the_level_is_better(values, normalization):
    assert choose_normalization(values, 24, 336, 24, 300) == normalization


def test_the_anchors_decide_alone_where_too_few_steps_are_before_the_held_out_ones():
    weather = make_weather(3, 0.5, 0.3)
    assert choose_normalization(weather, 24, 336, 24, 0) == "seasonal"
    assert choose_normalization(weather[:400], 24, 96, 24, 300) == choose_normalization(weather[:400], 24, 96, 24, 0)


def test_a_series_without_a_window_has_its_last_value():
    assert choose_normalization(np.arange(30.0), 12, 24, 12, 3) == "last"
