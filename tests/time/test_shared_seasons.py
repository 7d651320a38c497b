"""Seasons that several series show together."""

import numpy as np
import pytest

from forecaster.time.seasons import find_seasons, find_shared_seasons


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
