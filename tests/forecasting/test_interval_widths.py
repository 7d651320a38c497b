"""Widths of zero-shot intervals by errors at past origins, with fake networks of known errors."""

from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Series
from forecaster.forecasting import interval_widths
from forecaster.forecasting.interval_widths import WidthFactors, measure_width_factors, select_past_origins

LEVELS = (80.0, 95.0)


def make_series(values: np.ndarray, observed: np.ndarray | None = None) -> Series:
    days = pd.date_range("2020-01-01", periods=len(values))
    return Series("y", "y", "day", days, np.asarray(values, float), "D", observed=observed)


class NormalNetwork:
    """Forecasts a normal distribution around 0 with the same deviation at each step; keeps what it has read."""

    def __init__(self, deviation: float) -> None:
        self.deviation, self.windows = deviation, []

    def __call__(self, windows, seasons, horizon, probabilities):
        self.windows.extend(windows)
        quantiles = [self.deviation * NormalDist().inv_cdf(p) for p in probabilities]
        return np.tile(quantiles, (len(windows), horizon, 1))


@pytest.fixture
def use(monkeypatch):
    def set_deviation(deviation: float) -> NormalNetwork:
        network = NormalNetwork(deviation)
        monkeypatch.setattr(interval_widths, "forecast_zero_shot", network)
        return network

    return set_deviation


def test_origins_are_denser_near_the_end():
    series = make_series(np.zeros(1000))
    members, ends, horizons = select_past_origins([series], (7,), 10)
    assert (len(members), members.max()) == (64, 0)
    assert ends.max() <= 990, "a whole horizon follows each"
    ages = 990 - ends
    assert 28 <= np.count_nonzero(ages < 100) <= 36, "the density halves every tenth of the series"
    assert 12 <= np.count_nonzero((ages >= 100) & (ages < 200)) <= 20
    # Weights of a half-life of 100 steps count as 2 * 100 / log(2) equal ones, nearly.
    assert horizons == pytest.approx((2 * 100 / np.log(2) + 9) / 10, rel=0.02)


def test_at_each_origin_about_as_many_steps_are_read_as_at_the_end():
    short = make_series(np.zeros(60))
    assert select_past_origins([short], (12,), 6).ends.min() >= 40
    long = make_series(np.zeros(100_000))
    assert select_past_origins([long], (12,), 6).ends.min() < 70_000, "older steps change nothing"
    assert len(select_past_origins([make_series(np.zeros(15))], (), 6).ends) == 0


@pytest.mark.parametrize(("count", "origins", "series"), [(2, 64, 2), (300, 300, 300), (2000, 512, 512)])
def test_series_share_a_bounded_number_of_origins(count, origins, series):
    panel = [make_series(np.zeros(50))] * count
    found = select_past_origins(panel, (), 5)
    assert (len(found.members), len(np.unique(found.members))) == (origins, series)
    assert found.members.max() < count


def test_horizons_of_several_series_count_once_since_they_share_their_times():
    series = make_series(np.zeros(200))
    one, many = (select_past_origins([series] * count, (), 5).horizons for count in (1, 300))
    assert many == pytest.approx(one)


@pytest.mark.parametrize(("deviation", "factor"), [(1.0, 1.0), (0.7, 1 / 0.7), (1.4, 1 / 1.4)])
def test_too_narrow_intervals_are_widened_and_too_wide_ones_narrowed(use, deviation, factor):
    use(deviation)
    series = make_series(np.random.default_rng(0).normal(size=20_000))
    widths = measure_width_factors([series], (), 12, LEVELS, "mask")
    assert widths.origins == 64
    # 64 horizons next to 5 of the network: the logarithm of a factor counts 64 / 69
    for level in LEVELS:
        assert widths.by_level[level] == pytest.approx(factor ** (64 / 69), rel=0.12)


def test_few_horizons_prove_little(use):
    use(0.5)
    values = np.random.default_rng(1).normal(size=2000)
    factors = [
        measure_width_factors([make_series(values[-steps:])], (), 12, [80.0], "mask").by_level[80.0]
        for steps in (40, 200, 2000)
    ]
    assert 1 < factors[0] < factors[1] < factors[2] <= 2


def test_levels_above_95_share_its_factor_and_factors_are_limited(use):
    use(0.1)
    series = make_series(np.random.default_rng(2).normal(size=3000))
    widths = measure_width_factors([series], (), 12, [95.0, 99.9], "mask")
    assert widths.by_level[99.9] == widths.by_level[95.0] == pytest.approx(2 ** (64 / 69))


def test_filled_values_are_neither_read_nor_compared(use):
    network = use(1.0)
    values, observed = np.random.default_rng(3).normal(size=400), np.ones(400, bool)
    observed[::3] = False
    values[::3] = 1e6
    widths = measure_width_factors([make_series(values, observed)], (), 4, LEVELS, "mask")
    assert widths.by_level[80.0] == pytest.approx(1, rel=0.2)
    assert np.isnan(network.windows).any()
    assert np.nanmax(network.windows) < 10


def test_steps_without_width_or_history_are_left_out(use):
    use(0.0)
    series = make_series(np.random.default_rng(4).normal(size=400))
    assert measure_width_factors([series], (), 4, [80.0], "mask").by_level == {80.0: 1.0}
    unknown = make_series(np.full(400, np.nan), np.zeros(400, bool))
    assert measure_width_factors([unknown], (), 4, [80.0], "mask") == WidthFactors()
    assert measure_width_factors([], (), 4, [80.0], "mask") == WidthFactors()


def test_values_too_large_to_compute_with_are_left_out():
    values = np.random.default_rng(5).normal(size=200)
    values[150] = 1e200
    widths = measure_width_factors([make_series(values)], (), 4, LEVELS, "mask")
    assert 0 < widths.origins < 64
    assert all(0.5 < factor < 2 for factor in widths.by_level.values())


def test_factors_are_of_both_bounds_of_a_level():
    widths = WidthFactors({80.0: 1.5, 95.0: 1.25}, 3)
    assert widths.list_by_probability([0.025, 0.1, 0.5, 0.9, 0.975]).tolist() == [1.25, 1.5, 1, 1.5, 1.25]
