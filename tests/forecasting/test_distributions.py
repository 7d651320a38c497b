"""Distributions against SciPy or worked by hand, and what rollouts and predictions draw from them."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from forecaster.config import load_values
from forecaster.config.schema import Model
from forecaster.data import Series
from forecaster.errors import Diverged, UsageError
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.distributions import (
    Categorical,
    LogNormal,
    NegativeBinomial,
    Normal,
    Point,
    Quantile,
    Samples,
    StudentT,
    select_distribution,
)
from forecaster.forecasting.onnx_network import DecodedSteps
from forecaster.forecasting.predict import check_levels
from forecaster.forecasting.predictive_distribution import NetworkDistribution
from forecaster.forecasting.predictor import Predictor
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.preprocessing.scaling import Scaler
from tests.helpers.fake_network import Fake

PROBABILITIES = [0.0005, 0.025, 0.1, 0.45, 0.8, 0.9, 0.975, 0.9995]


def bins(shares, lowest, width):
    """A histogram of SciPy's, whose edges must rise: a negative width turns it round."""
    edges = lowest + width * np.arange(len(shares) + 1)
    return stats.rv_histogram((shares, edges) if width > 0 else (shares[::-1], edges[::-1]), density=False)


CLOSED = [
    (Normal, [1.5, 0.7], stats.norm(1.5, 0.7)),
    (Normal, [-1e6, 1e-6], stats.norm(-1e6, 1e-6)),
    (StudentT, [0.5, 2, 2.5], stats.t(2.5, 0.5, 2)),
    (StudentT, [-3, 0.125, 200], stats.t(200, -3, 0.125)),
    (LogNormal, [2, 0.5], stats.lognorm(0.5, scale=2)),
    (LogNormal, [1e-6, 3], stats.lognorm(3, scale=1e-6)),
    (Categorical, [*np.log([0.1, 0.2, 0.7]), -1, 0.5], bins([0.1, 0.2, 0.7], -1, 0.5)),
    (Categorical, [*np.log([0.1, 0.2, 0.7]), 2, -3], bins([0.1, 0.2, 0.7], 2, -3)),
    (Categorical, [np.log(0.5), -1e30, np.log(0.5), 0, 1], bins([0.5, 0, 0.5], 0, 1)),
]
closed = pytest.mark.parametrize(
    ("kind", "parameters", "expected"), CLOSED, ids=[f"{kind.__name__} {i}" for i, (kind, *_) in enumerate(CLOSED)]
)


@closed
def test_mean_deviation_and_quantiles_are_those_of_scipy(kind, parameters, expected):
    found = kind(np.array([[parameters, parameters]], float))  # (batch 1, steps 2)
    assert found.mean.shape == found.deviation.shape == found.compute_quantile(0.1).shape == (1, 2)
    np.testing.assert_allclose(found.mean, expected.mean(), rtol=1e-9)
    np.testing.assert_allclose(found.deviation, expected.std(), rtol=1e-9)
    quantiles = np.array([found.compute_quantile(probability)[0, 0] for probability in PROBABILITIES])
    np.testing.assert_allclose(quantiles, expected.ppf(PROBABILITIES), rtol=1e-9, atol=1e-12)


COUNTS = np.array(
    [
        (mean, dispersion)
        for mean in (1e-6, 0.01, 0.3, 1, 5, 250, 1e5)
        for dispersion in (1e-6, 1e-3, 0.1, 1, 20, 1e3, 1e6)
    ]
)


@pytest.mark.parametrize("unit", [1.0, 37.5])
def test_counts_are_those_of_scipy_in_scaled_units(unit):
    mean, dispersion = COUNTS.T
    expected = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    found = NegativeBinomial(np.stack([mean / unit, dispersion], axis=-1), unit)
    close = {"rtol": 1e-4}  # SciPy's 1 - p is rough where p is nearly 1
    np.testing.assert_allclose(found.mean * unit, expected.mean(), **close)
    np.testing.assert_allclose(found.deviation * unit, expected.std(), **close)
    for probability in PROBABILITIES:
        np.testing.assert_allclose(found.compute_quantile(probability) * unit, expected.ppf(probability), rtol=1e-15)


@pytest.mark.parametrize(
    ("mean", "dispersion", "probability"),
    [(26883.399083649645, 0.1734508349821373, 0.995), (918650.9066309496, 1255.6266615300235, 0.9995)],
)
def test_the_quantile_of_large_counts_is_the_next_above_however_near_the_one_below(mean, dispersion, probability):
    # the continuous inverse is 64302.00004: the count 64302 does not reach the probability yet
    expected = stats.nbinom.ppf(probability, 1 / dispersion, 1 / (1 + dispersion * mean))
    assert NegativeBinomial(np.array([mean, dispersion]), 1.0).compute_quantile(probability) == expected


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.1, 1), (0.3, 1.5), (0.5, 2), (0.7, 3), (0.9, 4), (0.05, 0.875), (0.975, 4.375)],
)
def test_quantiles_are_straight_between_and_beyond_those_learnt(probability, expected):
    found = Quantile(np.array([[1.0, 2, 4]]), (0.1, 0.5, 0.9))
    np.testing.assert_allclose(found.compute_quantile(probability), [expected])
    np.testing.assert_allclose([*found.mean, *found.deviation], [2, 3])


def test_a_learnt_quantile_is_returned_exactly():
    found = Quantile(np.float32([[-7, 0.1, 1 / 3, 1e8]]), (0.025, 0.3, 0.5, 0.975))
    quantiles = [found.compute_quantile(probability)[0] for probability in found.probabilities]
    np.testing.assert_array_equal(quantiles, found.parameters[0])


def test_quantiles_at_the_ends_of_float32_do_not_cross():
    values = np.sort(np.random.default_rng(0).choice(np.float32([-1e30, -1, 0, 1e-30, 1, 3, 1e30]), (500, 4)))
    found = Quantile(values, (0.1, 0.2, 0.5, 0.9))
    quantiles = np.stack([found.compute_quantile(probability) for probability in np.linspace(0.001, 0.999, 200)])
    assert (np.diff(quantiles, axis=0) >= 0).all()


def test_without_the_median_the_mean_lies_between_its_neighbours_and_one_quantile_is_every_other():
    np.testing.assert_allclose(Quantile(np.array([0.0, 6]), (0.2, 0.8)).mean, 3)
    alone = Quantile(np.array([[3.0]]), (0.4,))
    assert (alone.mean, alone.compute_quantile(0.9), alone.sample(np.random.default_rng(0))) == (3, 3, 3)
    assert alone.deviation > 0


def test_a_point_is_itself():
    found = Point(np.array([[[3.0], [4.0]]]))
    for values in (found.mean, found.compute_quantile(0.9), found.sample(np.random.default_rng(0))):
        np.testing.assert_array_equal(values, [[3, 4]])
    np.testing.assert_array_equal(found.deviation, [[1, 1]])


def test_samples_have_their_own_quantiles_and_are_drawn_as_whole_paths():
    draws = np.array([[[1.0, 2, 3, 4, 10], [10, 20, 30, 40, 100]]])  # (batch 1, steps 2, draws 5)
    found = Samples(draws)
    np.testing.assert_allclose(found.mean, [[4, 40]])
    np.testing.assert_allclose(found.deviation, np.array([[1, 10]]) * np.sqrt(10))  # (9 + 4 + 1 + 0 + 36) / 5
    np.testing.assert_allclose(found.compute_quantile(0.625), [[3.5, 35]])
    one, ten = found.sample(np.random.default_rng(0))[0]
    assert ten == 10 * one
    assert (Samples(np.ones((1, 1, 5))).deviation > 0).all()


def test_each_head_has_its_family():
    parameters = np.zeros((1, 1, 3))
    assert select_distribution(Model(head="student_t"), 1.0)(parameters) == StudentT(parameters)
    assert select_distribution(Model(head="quantile", quantiles=(0.1, 0.5, 0.9)), 1.0)(parameters).probabilities == (
        0.1,
        0.5,
        0.9,
    )
    assert select_distribution(Model(head="negative_binomial"), 7.0)(parameters).unit == 7


# Sampling. A share of n draws is off by a standard normal times √(p (1 - p) / n).

SHAPE = (400, 250)
DRAWS = SHAPE[0] * SHAPE[1]


def drawn(distribution):
    """Draws of one distribution laid out over (batch, steps), (DRAWS,)."""
    found = distribution.sample(np.random.default_rng(0))
    assert found.shape == SHAPE
    np.testing.assert_array_equal(found, distribution.sample(np.random.default_rng(0)))
    assert (found != distribution.sample(np.random.default_rng(1))).any()
    return found.ravel()


def everywhere(parameters):
    return np.broadcast_to(np.float32(parameters), (*SHAPE, len(parameters)))


def assert_shares(draws, values, probabilities):
    shares = np.array([np.mean(draws <= value) for value in values])
    errors = np.sqrt(probabilities * (1 - probabilities) / DRAWS)
    assert (np.abs(shares - probabilities) <= 4.5 * errors + 1e-12).all()


@pytest.mark.parametrize(
    ("kind", "parameters", "expected"),
    [case for case in CLOSED if case[1][0] != -1e6],  # whose deviation is nothing in float32
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_draws_are_as_frequent_as_in_scipy(kind, parameters, expected):
    draws = drawn(kind(everywhere(parameters)))
    assert_shares(draws, expected.ppf(PROBABILITIES), np.array(PROBABILITIES))


@pytest.mark.parametrize(("mean", "dispersion"), [(5, 0.25), (0.3, 1e-6), (250, 2), (0.01, 1e3)])
def test_drawn_counts_are_whole_and_as_frequent_as_in_scipy(mean, dispersion):
    unit = 12.5
    draws = drawn(NegativeBinomial(everywhere([mean / unit, dispersion]), unit)) * unit
    np.testing.assert_allclose(draws, np.rint(draws), atol=1e-9)
    expected = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    counts = np.unique(expected.ppf(PROBABILITIES))
    assert_shares(np.rint(draws), counts, expected.cdf(counts))
    assert draws.mean() == pytest.approx(mean, abs=4.5 * expected.std() / np.sqrt(DRAWS))


def test_draws_of_bins_fall_into_each_by_its_probability_and_evenly():
    shares = np.array([0.05, 0.6, 0, 0.35])
    draws = drawn(Categorical(everywhere([*np.log(np.maximum(shares, 1e-30)), 10, 2])))
    found, _ = np.histogram(draws, [10, 12, 14, 16, 18])
    np.testing.assert_allclose(found / DRAWS, shares, atol=4.5 * 0.5 / np.sqrt(DRAWS))
    inside = draws[(draws > 12) & (draws < 14)]
    assert np.mean(inside < 12.5) == pytest.approx(0.25, abs=4.5 * 0.45 / np.sqrt(len(inside)))


def test_draws_of_quantiles_are_even_between_them():
    draws = drawn(Quantile(everywhere([1, 2, 4]), (0.1, 0.5, 0.9)))
    assert_shares(draws, [0.875, 1, 1.5, 2, 3, 4, 4.125], np.array([0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.925]))


@pytest.mark.parametrize("mean", [0.0, 1e-30, 1e30])
@pytest.mark.parametrize("dispersion", [1e-6, 1e30])
def test_counts_are_drawn_at_the_ends_of_float32(mean, dispersion):
    found = NegativeBinomial(np.float32([[mean, dispersion]]), 1.0).sample(np.random.default_rng(0))
    assert np.isfinite(found).all()


def test_counts_of_a_network_that_is_lost_are_no_numbers_rather_than_an_error():
    found = NegativeBinomial(np.array([[np.nan, 1], [3, 1]]), 1.0).sample(np.random.default_rng(0))
    np.testing.assert_array_equal(np.isnan(found), [True, False])


# Rollouts.


class Walk(Fake):
    """A normal around the value before, of deviation 1: after k steps the variance is k."""

    def __init__(self):
        self.rows = []

    def encode(self, inputs):
        return [inputs.window[:, -1:]]

    def decode(self, states, previous, future=None, noise=None):
        self.rows.append(len(previous))
        return DecodedSteps(np.stack([previous, np.ones_like(previous)], axis=-1), states)


walks = pytest.mark.parametrize("kind", ["carry", "slide"])
PATHS = 4000


@walks
def test_the_paths_of_a_random_walk_spread_by_the_root_of_the_step(kind):
    found = Rollout(Walk(), kind, Normal, PATHS, seed=5)(Inputs(np.array([[0.0, 7, 3]])), 6)
    assert found.parameters.shape == (1, 6, PATHS)
    steps = np.arange(1, 7)
    np.testing.assert_allclose(found.mean[0], 3, atol=4 * np.sqrt(6 / PATHS))
    np.testing.assert_allclose(found.parameters[0].var(axis=-1), steps, rtol=4 * np.sqrt(2 / PATHS))
    for probability in (0.1, 0.5, 0.9):
        expected = stats.norm(3, np.sqrt(steps))
        value = expected.ppf(probability)
        error = np.sqrt(probability * (1 - probability) / PATHS) / expected.pdf(value)
        assert (np.abs(found.compute_quantile(probability)[0] - value) < 4 * error).all()


@walks
def test_the_paths_of_a_random_walk_are_walks(kind):
    paths = Rollout(Walk(), kind, Normal, PATHS)(Inputs(np.zeros((1, 3))), 4).parameters[0]
    moves = np.diff(paths, axis=0)
    np.testing.assert_allclose(np.cov(moves), np.eye(3), atol=4 * np.sqrt(2 / PATHS))


@walks
def test_a_rollout_is_seeded(kind):
    windows = np.random.default_rng(0).normal(size=(3, 4))
    first, again, other = (Rollout(Walk(), kind, Normal, 20, seed)(Inputs(windows), 5).parameters for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@walks
def test_many_windows_keep_all_their_paths_in_batches_of_bounded_size(kind):
    network = Walk()
    starts = 1000.0 * np.arange(7)
    found = Rollout(network, kind, Normal, 2000)(Inputs(np.repeat(starts[:, None], 3, axis=1)), 2)
    assert found.parameters.shape == (7, 2, 2000)
    assert network.rows == [4000, 4000] * 3 + [2000, 2000]
    moves = found.parameters - starts[:, None, None]
    assert np.abs(moves).max() < 10
    assert len(np.unique(moves[:, 0, 0])) == 7  # no batch repeats the draws of another


class Direct(Fake):
    """Answers with 5 steps of a known mean and deviation."""

    def encode(self, inputs):
        return [inputs.window[:, -1:]]

    def decode(self, states, previous, future=None, noise=None):
        steps = np.arange(5, dtype="float32")
        return DecodedSteps(np.stack([previous + steps, np.ones_like(previous) + steps], axis=-1), [])


def test_a_network_that_answers_at_once_has_its_quantiles_in_closed_form():
    found = Rollout(Direct(), "direct", Normal, 1000)(Inputs(np.array([[0.0, 2], [0, 10]])), 3)
    expected = stats.norm([[2, 3, 4], [10, 11, 12]], [1, 2, 3])
    np.testing.assert_allclose(found.mean, expected.mean())
    np.testing.assert_allclose(found.compute_quantile(0.975), expected.ppf(0.975), rtol=1e-6)


class Noisy(Fake):
    """Answers with the first number of its path's noise."""

    noise = 2

    def __init__(self):
        self.given = []

    def encode(self, inputs):
        return [inputs.window[:, -1:]]

    def decode(self, states, previous, future=None, noise=None):
        self.given.append(noise)
        return DecodedSteps(noise[:, :1, None], states)


def test_the_noise_is_standard_normal_and_stays_with_its_path():
    network = Noisy()
    found = Rollout(network, "carry", Point, PATHS)(Inputs(np.zeros((1, 3))), 3)
    first, *rest = network.given
    assert (first.shape, len(rest)) == ((PATHS, 2), 2)
    assert all((noise == first).all() for noise in rest)
    np.testing.assert_allclose(first.mean(axis=0), 0, atol=4 / np.sqrt(PATHS))
    np.testing.assert_allclose(np.cov(first.T), np.eye(2), atol=4 * np.sqrt(2 / PATHS))
    np.testing.assert_array_equal(found.parameters[0], [first[:, 0]] * 3)


# Outlooks, in the series' own unit: scaled · 2 + 10.

SCALER = Scaler(10, 2)
SERIES = Series("y", "y", "t", pd.date_range("2026-01-01", periods=2), np.array([10.0, 14]), "D")
KEPT = Preprocessing({"y": SCALER})
RESIDUALS = np.array([[0.5, -2, 3], [-1, 4, 0.1], [2, 1, -5], [0.1, 0.2, 0.3]])  # (origins 4, horizon 3)


class InTurn:
    """Gives every origin once, in order, where a generator would draw some."""

    def integers(self, below, size):
        count, batch = size
        assert batch == 1
        return (np.arange(count) % below)[:, None]


@dataclass(frozen=True)
class Listed(Normal):
    """A distribution whose draws are known."""

    draws: list = field(default_factory=list)

    def sample(self, generator):
        return self.draws.pop()[None]


def ranks(values):
    return values.argsort(axis=0).argsort(axis=0)


def test_paths_keep_each_steps_draws_and_take_their_order_from_the_errors():
    draws = np.random.default_rng(0).normal(size=(4, 3))
    distribution = Listed(np.ones((1, 3, 2)), list(draws))
    paths = NetworkDistribution(distribution, SCALER, counts=False).draw_paths(4, Calibration(RESIDUALS), InTurn())[
        :, 0
    ]
    np.testing.assert_array_equal(np.sort(paths, axis=0), np.sort(draws, axis=0) * 2 + 10)
    np.testing.assert_array_equal(ranks(paths), ranks(RESIDUALS))


def test_paths_of_counts_are_whole():
    distribution = NegativeBinomial(np.array([[[3.0, 0.5]] * 3]), unit=2.0)
    paths = NetworkDistribution(distribution, Scaler(0, 2), counts=True).draw_paths(
        50, Calibration(RESIDUALS), np.random.default_rng(0)
    )[:, 0]
    np.testing.assert_array_equal(paths, np.rint(paths))
    assert paths.shape == (50, 3)
    assert len(np.unique(paths)) > 5


@pytest.mark.parametrize(
    ("last", "errors"),
    [(3.0, [-2, 3, 3, 3]), (np.nan, [-2, -2, -2, -2])],
    ids=["the horizon learnt ends", "the truth ends"],
)
def test_paths_of_values_alone_are_the_errors_in_validation_as_wholes(last, errors):
    residuals = RESIDUALS.copy()
    residuals[0, 2] = last
    values = np.array([[[1.0], [2], [3], [4], [5]]])
    paths = NetworkDistribution(Point(values), SCALER, counts=False).draw_paths(6, Calibration(residuals), InTurn())[
        :, 0
    ]
    mean = np.array([12, 14, 16, 18, 20])
    np.testing.assert_allclose(paths[0], mean + 2 * np.array([0.5, *errors]))
    np.testing.assert_allclose(paths[2], mean + 2 * np.array([2, 1, -5, -5, -5]))
    np.testing.assert_array_equal(paths[4:], paths[:2])  # drawn again


def test_paths_that_were_drawn_are_returned_as_they_are():
    draws = np.array([[[1.0, 2], [3, 4.3]]])  # (batch 1, horizon 2, draws 2)
    paths = NetworkDistribution(Samples(draws), SCALER, counts=False).draw_paths(
        2, Calibration(RESIDUALS), np.random.default_rng(0)
    )[:, 0]
    np.testing.assert_allclose(paths, [[12, 16], [14, 18.6]])
    whole = NetworkDistribution(Samples(draws), SCALER, counts=True).draw_paths(
        2, Calibration(RESIDUALS), np.random.default_rng(0)
    )[:, 0]
    np.testing.assert_allclose(whole, [[12, 16], [14, 19]])


def config_of(head, decoder="dense", levels=(80,), intervals="auto", **model):
    values = {
        "data": {"path": "x.csv"},
        "window": {"length": 2, "horizon": 5},
        "model": {"head": head, "decoder": decoder, **model},
        "forecast": {"levels": list(levels), "intervals": intervals},
    }
    return load_values(values, "x").config


@pytest.mark.parametrize(("intervals", "upper"), [("head", 1.2815515655446004), ("conformal", 3)])
def test_intervals_come_from_the_head_or_from_errors_in_units_of_its_deviation(intervals, upper):
    predictor = Predictor.from_network(Direct(), config_of("normal", intervals=intervals), KEPT)
    prediction = predictor.predict([SERIES], np.array([[10.0, 14]]), 3)  # scaled 2: mean 2 3 4, deviation 1 2 3
    residuals = np.array([[1.0], [-2], [3], [-1]]) * np.ones(3)  # the 4th smallest of 4 is 3
    quantiles = dataclasses.replace(predictor, calibration=Calibration(residuals)).compute_quantiles(prediction, [80])
    mean, deviation = np.array([[14, 16, 18]]), np.array([[2, 4, 6]])
    np.testing.assert_allclose(quantiles[0.9], mean + upper * deviation, rtol=1e-6)
    np.testing.assert_allclose(quantiles[0.1], mean - upper * deviation, rtol=1e-6)


class Exploding(Walk):
    def decode(self, states, previous, future=None, noise=None):
        return DecodedSteps(np.stack([previous * np.float32(1e20), np.ones_like(previous)], axis=-1), states)


def test_sampled_paths_that_explode_are_an_error_and_no_warnings():
    predictor = Predictor.from_network(Exploding(), config_of("normal", "rollout"), KEPT)
    with pytest.raises(Diverged, match="become infinite at step 2"):
        predictor.predict([SERIES], np.array([[10.0, 14]]), 4)


@pytest.mark.parametrize(
    ("quantiles", "level", "reach"),
    [
        ((0.1, 0.5, 0.9), 95, "0.1, 0.5, 0.9, which reach level 80"),
        ((0.05, 0.8), 60.5, "0.05, 0.8, which reach level 60"),
    ],
)
def test_levels_beyond_the_quantiles_learnt_are_refused(quantiles, level, reach):
    config = config_of("quantile", levels=[], quantiles=list(quantiles))
    with pytest.raises(
        UsageError, match=f"--levels {level}: this network learnt the quantiles {reach}; use a lower level"
    ):
        check_levels(config, [50, level])
    check_levels(config, [50, 60])


def test_quantiles_all_on_one_side_reach_no_level():
    with pytest.raises(UsageError, match="reach level 0"):
        check_levels(config_of("quantile", levels=[], quantiles=[0.6, 0.9]), [10])


@pytest.mark.parametrize(
    "config",
    [
        config_of("normal"),
        config_of("quantile", levels=[], quantiles=[0.5], intervals="conformal"),
    ],
    ids=["a closed form", "conformal"],
)
def test_other_intervals_reach_every_level(config):
    check_levels(config, [50, 99.9])
