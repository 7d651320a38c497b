"""Seasons that several series show together."""

import numpy as np
import pytest

from forecaster.time.seasons import find_longer_seasons, find_seasons, find_shared_seasons, find_shared_weeks


def test_short_series_show_together_the_season_that_few_show_alone():
    generator = np.random.default_rng(3)
    season = np.tile([0.75, 0.25, -0.75, -0.25], 10)
    rows = [season + generator.normal(size=40).cumsum() for _ in range(40)]
    assert sum(find_seasons(row) == [4] for row in rows) < len(rows) / 2
    assert find_shared_seasons(rows) == [4]


@pytest.mark.parametrize("steps", [30, 200])
def test_random_walks_and_noise_share_no_season(steps):
    generator = np.random.default_rng(4)
    noise = [generator.normal(size=steps) for _ in range(30)]
    assert find_shared_seasons(noise) == []
    assert find_shared_seasons([row.cumsum() for row in noise]) == []
    assert find_shared_seasons([]) == []


@pytest.mark.parametrize(("frequency", "main"), [("h", 24), ("step", 24), ("30min", 48)])
def test_three_and_a_half_weeks_of_several_series_show_their_week(frequency, main):
    generator = np.random.default_rng(5)
    days = np.repeat([1.0, 1, 1, 1, 1, 0, 0], main)
    rows = [np.tile(days, 4) + generator.normal(scale=0.5, size=28 * main) for _ in range(20)]
    assert [find_longer_seasons(row, frequency, main) for row in rows] == 20 * [[]]
    assert find_shared_weeks(rows, frequency, main) == [7 * main]
    assert find_shared_weeks([row[: 25 * main] for row in rows], frequency, main) == [7 * main]
    with np.errstate(all="raise"):  # after detrending three weeks have no steps that are two weeks apart
        for days in (14, 21, 24):
            assert find_shared_weeks([row[: days * main] for row in rows], frequency, main) == []
    assert find_shared_weeks(rows[:1], frequency, main) == []


def test_noise_walks_and_other_frequencies_share_no_week():
    generator = np.random.default_rng(6)
    noise = [generator.normal(size=700) + np.sin(np.arange(700) * np.pi / 12) for _ in range(20)]
    growing = [np.linspace(0.1, 2, 700) * np.sin(np.arange(700) * np.pi / 12) for _ in range(20)]
    for rows in (noise, [row.cumsum() for row in noise], growing):
        assert find_shared_weeks(rows, "h", 24) == []
    weeks = [np.tile(np.repeat([1.0, 1, 1, 1, 1, 0, 0], 24), 4) for _ in range(20)]
    assert find_shared_weeks(weeks, "ME", 12) == []
    assert find_shared_weeks(weeks, "step", 12) == []


def test_walks_with_a_common_part_share_no_week():
    for seed in range(40):  # each of five walks resembles the common one, so that their mean is no clearer than one
        generator = np.random.default_rng(seed)
        common = 2 * generator.normal(size=1000).cumsum()
        rows = [common + generator.normal(size=1000).cumsum() for _ in range(5)]
        assert find_shared_weeks(rows, "h", 24) == [], seed
