"""Heads: losses against SciPy or worked by hand, domain maps, and numbers at the ends of float32."""

import contextlib
from itertools import product

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from forecaster.forecasting import distributions
from forecaster.models import heads
from forecaster.models.losses import LOSSES, leave_out_windows

pytestmark = pytest.mark.slow

PROBABILITIES = (0.1, 0.5, 0.9)
HEADS = {
    **{name: lambda loss=loss: heads.PointHead(1, loss) for name, loss in LOSSES.items()},
    "quantile": lambda: heads.QuantileHead(1, PROBABILITIES),
    "normal": lambda: heads.NormalHead(1),
    "student_t": lambda: heads.StudentTHead(1),
    "log_normal": lambda: heads.LogNormalHead(1),
    "negative_binomial": lambda: heads.NegativeBinomialHead(1, unit=1.0),
    "negative_binomial of thousands": lambda: heads.NegativeBinomialHead(1, unit=1e3),
    "categorical": lambda: heads.CategoricalHead(1, bins=3),
}
every_head = pytest.mark.parametrize("name", HEADS)
GENERATOR = np.random.default_rng(0)
RAW = {numbers: GENERATOR.normal(0, 3, (4, 5, numbers)).astype("float32") for numbers in (1, 2, 3)}
ABOVE_0 = GENERATOR.gamma(2, size=(4, 5)).astype("float32")
COUNTS = GENERATOR.poisson(30, size=(4, 5)).astype("float32")


def map_to_domain(head, raw, offset=0.0, scale=1.0):
    """Parameters in numpy; the head's own shapes of offset and scale, one for each window."""
    ones = np.ones((1, 1, 1), "float32")
    return np.asarray(head.map_to_domain(tf.constant(raw), offset * ones, scale * ones))


def loss(head, targets, parameters):
    return float(head.compute_loss(np.asarray(targets, "float32"), tf.constant(np.asarray(parameters, "float32"))))


@pytest.mark.parametrize(
    ("name", "targets", "log_density"),
    [
        ("normal", RAW[1][..., 0], stats.norm.logpdf),
        ("student_t", RAW[1][..., 0], lambda y, location, scale, df: stats.t.logpdf(y, df, location, scale)),
        ("log_normal", ABOVE_0, lambda y, median, deviation: stats.lognorm.logpdf(y, deviation, scale=median)),
        (
            "negative_binomial of thousands",
            COUNTS / 1e3,
            lambda y, mean, a: stats.nbinom.logpmf(np.rint(y * 1e3), 1 / a, 1 / (1 + a * mean * 1e3)),
        ),
    ],
)
def test_a_loss_is_the_mean_negative_log_likelihood(name, targets, log_density):
    head = HEADS[name]()
    parameters = map_to_domain(head, RAW[head.raw_count], offset=0.5, scale=2.0)
    expected = -np.mean(log_density(targets.astype(float), *np.moveaxis(parameters.astype(float), -1, 0)))
    assert loss(head, targets, parameters) == pytest.approx(expected, rel=1e-5)


@every_head
def test_windows_that_fill_up_a_batch_change_neither_loss_nor_gradient(name):
    head, targets = HEADS[name](), tf.constant(COUNTS)
    parameters = tf.constant(map_to_domain(head, RAW[head.raw_count], scale=2.0))
    found = []
    for count, left_out in ((3, False), (4, True)):
        windows = parameters[:count]
        with tf.GradientTape() as tape:
            tape.watch(windows)
            with leave_out_windows(tf.constant([1.0, 1.0, 1.0, 0.0])) if left_out else contextlib.nullcontext():
                mean = head.compute_loss(targets[:count], windows)
        found.append((mean, tape.gradient(mean, windows)))
    (expected, gradient), (filled, with_zeros) = found
    np.testing.assert_allclose(filled, expected, rtol=1e-6)
    np.testing.assert_allclose(with_zeros, np.pad(gradient, ((0, 1), (0, 0), (0, 0))), rtol=1e-5)


@pytest.mark.parametrize(
    ("count", "mean", "dispersion"),
    [(0, 0.01, 0.5), (0, 5, 1e-6), (7, 5, 1e-6), (3, 1e-3, 20), (1e6, 1e6, 1e-4), (2e5, 1e6, 3), (40, 2, 1e4)],
)
def test_counts_near_poisson_and_far_from_it(count, mean, dispersion):
    parameters = np.float32([mean, dispersion])
    mu, alpha = parameters.astype(float)
    expected = -stats.nbinom.logpmf(count, 1 / alpha, 1 / (1 + alpha * mu))
    found = loss(HEADS["negative_binomial"](), [[count]], [[parameters]])
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", (0.25 + 4) / 2),
        ("mae", (0.5 + 2) / 2),
        ("huber", (0.125 + 1.5) / 2),
        ("log_cosh", np.log(np.cosh(0.5) * np.cosh(2)) / 2),
    ],
)
def test_a_point_learns_by_the_loss_asked_for(name, expected):
    assert loss(HEADS[name](), [[1.5, 3]], [[[1], [5]]]) == pytest.approx(expected)


def test_the_pinball_loss_by_hand():
    # errors 2, 1, -1 and -1, -2, -4 cost 0.2, 0.5, 0.1 and 0.9, 1, 0.4
    found = loss(HEADS["quantile"](), [[3, 0]], [[[1, 2, 4], [1, 2, 4]]])
    assert found == pytest.approx((0.8 + 2.3) / 6)


@pytest.mark.parametrize(
    ("lowest", "width", "target", "probability"),
    [
        (-1, 1, -0.5, 0.1),
        (-1, 1, 0, 0.2),  # an edge belongs to the bin above it
        (-1, 1, 1.9, 0.7),
        (-1, 1, 50, 0.7),
        (-1, 1, -50, 0.1),
        (2, -1, 1.9, 0.1),  # a negative width lays the bins downwards
        (2, -1, -0.9, 0.7),
        (2, -1, 50, 0.1),
    ],
)
def test_the_cross_entropy_by_hand(lowest, width, target, probability):
    parameters = [*np.log([0.1, 0.2, 0.7]), lowest, width]
    assert loss(HEADS["categorical"](), [[target]], [[parameters]]) == pytest.approx(-np.log(probability))


def test_bins_cover_the_training_values_and_a_tenth_more_on_both_sides():
    head = heads.CategoricalHead(1, bins=6)
    head.adapt(0, 10)
    parameters = map_to_domain(head, np.zeros((1, 1, 6), "float32"))
    np.testing.assert_allclose(parameters[0, 0], [*[-np.log(6)] * 6, -1, 2], rtol=1e-6)


@pytest.mark.parametrize(("steps", "read"), [(3, (2, 7)), (1, (2, 3, 7))], ids=["at once", "of every recurrent step"])
def test_a_head_gives_parameters_for_each_step(steps, read):
    head = heads.NormalHead(steps)
    assert head(np.ones(read, "float32"), np.zeros((2, 3), "float32"), np.ones((2, 1), "float32")).shape == (2, 3, 2)


# The ends of float32.

ENDS = (0.0, 1e-30, 1e30, -1e30)
IN_DOMAIN = {
    "quantile": lambda q: np.diff(q) >= 0,
    "normal": lambda p: p[..., 1] > 0,
    "student_t": lambda p: (p[..., 1] > 0) & (p[..., 2] > 2),
    "log_normal": lambda p: (p > 0).all(-1) & np.isfinite(distributions.LogNormal(p).mean),
    "negative_binomial": lambda p: p > 0,
    "categorical": lambda p: np.abs(np.exp(p[..., :-2]).sum(-1) - 1) < 1e-5,
}


def every(numbers):
    """All rows of that many numbers at the ends of float32, (rows, 1, numbers)."""
    return np.array(list(product(ENDS, repeat=numbers)), "float32")[:, None]


@pytest.mark.parametrize("scale", [1.0, 1e-6, -2.0])
@pytest.mark.parametrize("name", IN_DOMAIN)
def test_any_raw_numbers_make_parameters_that_are_allowed(name, scale):
    head = HEADS[name]()
    parameters = map_to_domain(head, every(head.raw_count), offset=0.5, scale=scale)
    assert np.isfinite(parameters).all()
    assert IN_DOMAIN[name](parameters).all()


@pytest.mark.parametrize("scale", [3.0, -3.0])
def test_quantiles_lie_apart(scale):
    assert (np.diff(map_to_domain(HEADS["quantile"](), RAW[3], 0.5, scale)) > 0).all()


def loss_and_gradient(head, raw, targets, through_domain):
    """Of every raw row with every target, in one batch: one number that is not finite shows in both."""
    rows, goals = np.repeat(raw, len(targets), axis=0), np.tile(targets, (len(raw), 1))
    rows = tf.repeat(tf.constant(rows), goals.shape[1], axis=1)  # (rows * targets, steps, numbers)
    one = tf.ones((1, 1, 1))
    with tf.GradientTape() as tape:
        tape.watch(rows)
        value = head.compute_loss(
            tf.constant(goals), head.map_to_domain(rows, 0 * one, one) if through_domain else rows
        )
    return value.numpy(), tape.gradient(value, rows).numpy()


@pytest.mark.parametrize("through_domain", [True, False], ids=["through the domain map", "straight into the loss"])
@every_head
def test_loss_and_gradient_are_finite_for_any_parameters_and_targets(name, through_domain):
    head = HEADS[name]()
    targets = np.float32([[y, y, y] for y in ENDS])  # constant series
    raw = every(head.raw_count if through_domain else head.parameter_count)
    value, gradient = loss_and_gradient(head, raw, targets, through_domain)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@every_head
def test_loss_and_gradient_are_finite_on_a_constant_series_hit_exactly(name):
    head = HEADS[name]()
    raw = np.float32([[[constant] + [-1e30] * (head.raw_count - 1)] for constant in (0, 1, 5)])
    value, gradient = loss_and_gradient(head, raw, np.float32([[0, 0, 0], [1, 1, 1], [5, 5, 5]]), True)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_bins_of_a_constant_training_part_are_finite():
    head = HEADS["categorical"]()
    head.adapt(5, 5)
    value, gradient = loss_and_gradient(head, every(3), np.float32([[5, 5], [0, 1e30]]), True)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_a_large_error_still_costs_its_likelihood():
    found = loss(HEADS["normal"](), [[1e30]], [[[0, 1e29]]])
    assert found == pytest.approx(-stats.norm.logpdf(10) + np.log(1e29), rel=1e-5)


# A window's normalization undone.

AFFINE = {
    "mse": distributions.Point,
    "quantile": lambda parameters: distributions.Quantile(parameters, PROBABILITIES),
    "normal": distributions.Normal,
    "student_t": distributions.StudentT,
    "categorical": distributions.Categorical,
}


@pytest.mark.parametrize("scale", [2.5, -2.5], ids=["up", "turned"])
@pytest.mark.parametrize("name", AFFINE)
def test_undoing_a_normalization_moves_the_whole_distribution(name, scale):
    head, family = HEADS[name](), AFFINE[name]
    raw = RAW[head.raw_count]
    normalized, moved = family(map_to_domain(head, raw)), family(map_to_domain(head, raw, 0.7, scale))
    close = {"rtol": 1e-4, "atol": 2e-4}  # apart from the floor of a width, which is not scaled
    np.testing.assert_allclose(moved.mean, normalized.mean * scale + 0.7, **close)
    if name != "mse":
        np.testing.assert_allclose(moved.deviation, normalized.deviation * abs(scale), **close)
    for probability in (0.05, 0.3, 0.9):
        turned = probability if scale > 0 or name == "quantile" else 1 - probability
        expected = normalized.compute_quantile(turned) * scale + 0.7
        if name == "quantile":  # its steps go up and down from the middle, whichever the sign
            expected = (
                0.7 + normalized.mean * scale + (normalized.compute_quantile(turned) - normalized.mean) * abs(scale)
            )
        np.testing.assert_allclose(moved.compute_quantile(probability), expected, **close)


@pytest.mark.parametrize("name", ["log_normal", "negative_binomial"])
def test_what_stays_above_0_follows_the_normalization_where_it_is_far_from_0(name):
    head = HEADS[name]()
    parameters = map_to_domain(head, RAW[2], offset=100.0, scale=2.0)
    np.testing.assert_allclose(parameters[..., 0], RAW[2][..., 0] * 2 + 100, rtol=1e-5)
    np.testing.assert_array_equal(parameters[..., 1], map_to_domain(head, RAW[2])[..., 1])


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("mse", [4], 4),
        ("quantile", [1, 2, 4], 2),
        ("normal", [4, 1], 4),
        ("categorical", [*np.log([0.1, 0.2, 0.7]), -1, 2], -1 + 2 * (0.1 * 0.5 + 0.2 * 1.5 + 0.7 * 2.5)),
    ],
)
def test_one_value_represents_a_distribution_fed_back(name, parameters, expected):
    found = HEADS[name]().to_point(tf.constant([[parameters]], "float32"))
    np.testing.assert_allclose(found, [[expected]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters", "theirs"),
    [
        ("mse", [1.5], stats.norm(1.5, 1e-9)),
        ("quantile", [-1, 0, 3], None),
        ("normal", [1, 2], stats.norm(1, 2)),
        ("student_t", [1, 2, 4], stats.t(4, 1, 2)),
        ("log_normal", [2, 0.5], stats.lognorm(0.5, scale=2)),
        ("negative_binomial", [6, 0.5], stats.nbinom(2, 0.25)),
        ("categorical", [np.log(0.2), np.log(0.5), np.log(0.3), -1, 2], None),
    ],
)
def test_a_draw_is_of_the_distribution(name, parameters, theirs):
    head = HEADS[name]()
    many = tf.tile(tf.constant([[parameters]], tf.float32), (1, 50_000, 1))
    draws = np.asarray(head.sample(many, tf.constant([3, 5])))[0]
    np.testing.assert_array_equal(draws, np.asarray(head.sample(many, tf.constant([3, 5])))[0])
    if name == "quantile":  # a line through -1 at 0.1, 0 at 0.5, 3 at 0.9
        expected = [-1, -0.5, 0, 1.875, 3]
    elif name == "categorical":  # 0.2 over (-1, 1), 0.5 over (1, 3), 0.3 over (3, 5)
        expected = [0, 1.2, 2.2, 3 + 2 * 0.05 / 0.3, 3 + 2 * 0.2 / 0.3]
    else:
        expected = theirs.ppf([0.1, 0.3, 0.5, 0.75, 0.9])
    at = [0.1, 0.3, 0.5, 0.75, 0.9]
    if name == "categorical":
        at = [0.1, 0.25, 0.5, 0.75, 0.9]
    np.testing.assert_allclose(np.quantile(draws, at), expected, atol=0.06)
