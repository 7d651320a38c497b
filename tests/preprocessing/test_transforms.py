"""Transforms and bounds: fitted, undone exactly in forecasts, quantiles and paths, and refused with a line."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from forecaster.config import load_values
from forecaster.data import Series
from forecaster.errors import Diverged
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.distributions import Categorical, Normal, Point, Quantile, Samples
from forecaster.forecasting.onnx_network import DecodedSteps
from forecaster.forecasting.predictive_distribution import NetworkDistribution
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.saved_preprocessing import Preprocessing, fit_series_scaler
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.transforms import IDENTITY, Transform, difference, estimate_boxcox_power, undo_difference
from tests.helpers.command import ROOT, write_hourly_csv
from tests.helpers.fake_network import Fake
from tests.helpers.scaling import fit_scaler, fit_transform

LOG = Transform("log")
KINDS = [IDENTITY, LOG, Transform("log1p"), Transform("boxcox", 0.3), Transform("logit", low=-0.5, high=1e7)]
kinds = pytest.mark.parametrize("transform", KINDS, ids=[transform.kind for transform in KINDS])

positive = st.floats(1e-3, 1e6)


@kinds
@settings(max_examples=50, deadline=None)
@given(st.lists(positive, min_size=1, max_size=20))
def test_a_transform_rises_and_is_undone_exactly(transform, values):
    values = np.sort(values)
    transformed = transform.apply(values)
    assert (np.diff(transformed) >= 0).all()
    np.testing.assert_allclose(transform.invert(transformed), values, rtol=1e-8)


@pytest.mark.parametrize("power", [0.0, 1e-9, 0.25, 0.5, 1.0, 2.0])
def test_box_cox_is_scipys(power):
    values = np.geomspace(1e-6, 1e6, 50)
    transform = Transform("boxcox", power)
    np.testing.assert_allclose(transform.apply(values), special.boxcox(values, power), rtol=1e-12)
    some = np.linspace(-0.4, 30, 50)
    np.testing.assert_allclose(transform.invert(some), special.inv_boxcox(some, power), rtol=1e-12)


@pytest.mark.parametrize("power", [0.0, 0.2, 0.5, 1.0, 1.6])
def test_the_power_is_the_one_that_scipy_finds_likeliest(power):
    values = special.inv_boxcox(np.random.default_rng(3).normal(8, 0.8, 600), power)
    _, expected = stats.boxcox(values)
    found = estimate_boxcox_power(values)
    assert found == pytest.approx(np.clip(expected, 0, 2), abs=2e-4)
    other = [stats.boxcox_llf(each, values) for each in np.linspace(0, 2, 21)]
    assert stats.boxcox_llf(found, values) >= max(other) - 1e-6


def test_the_power_does_not_depend_on_the_unit_and_stays_from_0_to_2():
    values = np.random.default_rng(0).gamma(2, 3, 400)
    assert (
        estimate_boxcox_power(values * 1e30)
        == estimate_boxcox_power(values)
        == pytest.approx(estimate_boxcox_power(values / 1e30))
    )
    assert estimate_boxcox_power(1 / values) == 0
    assert estimate_boxcox_power(np.exp(values)[values < 20] ** 0.01) <= 2
    assert estimate_boxcox_power(np.array([1e-60, 1.0, 1e60])) == pytest.approx(0, abs=1e-3)
    assert estimate_boxcox_power(np.full(5, 7.0)) == 1


def test_values_that_nothing_transforms_to_become_0_and_too_large_ones_infinite():
    np.testing.assert_array_equal(Transform("log1p").invert(np.array([-3.0, 0])), 0)
    np.testing.assert_array_equal(Transform("boxcox", 0.5).invert(np.array([-9.0, -2])), 0)
    assert (LOG.invert(np.array([-1e9, -700.0])) >= 0).all()
    assert LOG.invert(np.array([1e4])) == np.inf
    logit = Transform("logit", low=2, high=5).invert(np.array([-1e300, -800, 0, 800, 1e300]))
    np.testing.assert_array_equal(logit, [2, 2, 3.5, 5, 5])


def test_a_scaler_with_its_transform_is_kept_exactly_and_one_without_is_still_read():
    values = np.random.default_rng(0).lognormal(1, 2, 50)
    scaler = fit_scaler(values, "standard", fit_transform(values, "boxcox"))
    kept = json.loads(json.dumps(scaler.to_json()))
    assert Scaler.from_json(kept) == scaler
    assert Scaler.from_json({"offset": 1.0, "scale": 2.0}) == Scaler(1.0, 2.0)
    np.testing.assert_allclose(scaler.invert(scaler.transform(values)), values, rtol=1e-9)
    assert scaler.transform(values).std() == pytest.approx(1)


def test_each_row_has_its_own_power_and_scale():
    rows = np.random.default_rng(0).lognormal([[0], [3]], 1, (2, 30))
    scalers = [
        fit_scaler(row, "standard", fit_transform(row**exponent, "boxcox"))
        for row, exponent in zip(rows, (1, 0.4), strict=True)
    ]
    assert scalers[0].curve.power != scalers[1].curve.power
    stacked = Scaler.stack(scalers)
    expected = np.stack([scaler.transform(row) for scaler, row in zip(scalers, rows, strict=True)])
    np.testing.assert_array_equal(stacked.transform(rows), expected)
    np.testing.assert_allclose(stacked.invert(stacked.transform(rows)), rows, rtol=1e-9)
    draws = np.stack([stacked.transform(rows)] * 3)  # (draws, batch, steps)
    np.testing.assert_allclose(stacked.invert(draws), np.stack([rows] * 3), rtol=1e-9)


@pytest.mark.parametrize("kind", ["log", "log1p", "boxcox", "logit"])
def test_a_constant_series_stays_what_it_is(kind):
    values = np.full(9, 0.3)
    scaler = fit_scaler(values, "standard", fit_transform(values, kind, 0.0, 1.0))
    np.testing.assert_array_equal(scaler.transform(values), 0)
    np.testing.assert_allclose(scaler.invert(np.array([-5.0, 0, 5])), 0.3, rtol=1e-12)


# Distributions of two rows, each with its scale.

SCALER = Scaler(np.array([[1.0], [2.0]]), np.array([[0.5], [0.25]]), LOG)
PLACE = np.array([[[0.2, 0.6]] * 3, [[-0.4, 1.0]] * 3])  # (batch 2, horizon 3, mean and deviation)
RESIDUALS = np.array([[1.0], [-2], [3], [-1]]) * np.ones(3)  # the 4th smallest of 4 is 3
LEVELS = [80, 95]


def lognormal():
    """What `PLACE` is under `SCALER`, (batch, horizon)."""
    location, deviation = np.moveaxis(PLACE, -1, 0)
    return stats.lognorm(s=deviation * SCALER.scale, scale=np.exp(location * SCALER.scale + SCALER.offset))


def test_quantiles_are_those_of_the_bent_distribution_and_its_mean_is_its_own():
    prediction = NetworkDistribution(Normal(PLACE), SCALER, counts=False)
    for probability, values in prediction.compute_quantiles(LEVELS).items():
        np.testing.assert_allclose(values, lognormal().ppf(probability), rtol=1e-9)
    np.testing.assert_allclose(prediction.mean, lognormal().mean(), rtol=1e-7)
    assert (prediction.mean > lognormal().median()).all()


def test_the_mean_of_a_wide_lognormal_is_recovered():
    found = NetworkDistribution(Normal(np.array([[[0.0, 2.0]]])), Scaler(0.0, 1.0, LOG), counts=False).mean
    np.testing.assert_allclose(found, np.exp(2), rtol=1e-3)


def test_the_mean_of_bins_is_the_integral_over_each():
    shares, lowest, width = np.array([0.1, 0.2, 0.4, 0.3]), -1.0, 0.5
    edges = lowest + width * np.arange(5)
    parameters = np.array([[[*np.log(shares), lowest, width]]])
    found = NetworkDistribution(Categorical(parameters), Scaler(0.0, 1.0, LOG), counts=False).mean
    np.testing.assert_allclose(found, np.sum(shares * np.diff(np.exp(edges)) / width), rtol=5e-3)


def test_values_alone_and_medians_are_undone_as_they_are():
    point = NetworkDistribution(Point(np.full((1, 2, 1), 3.0)), Scaler(1.0, 2.0, LOG), counts=False)
    np.testing.assert_allclose(point.mean, np.exp(7), rtol=1e-12)
    medians = NetworkDistribution(
        Quantile(np.array([[[0.0, 3, 9]]]), (0.1, 0.5, 0.9)), Scaler(1.0, 2.0, LOG), counts=False
    )
    np.testing.assert_allclose(medians.mean, np.exp(7), rtol=1e-12)
    np.testing.assert_allclose(medians.compute_quantiles([80])[0.9], np.exp(19), rtol=1e-12)


def test_the_mean_of_paths_is_taken_over_the_paths_undone():
    draws = np.random.default_rng(0).normal(size=(2, 3, 7))  # (batch, horizon, draws)
    prediction = NetworkDistribution(Samples(draws), SCALER, counts=False)
    paths = prediction.draw_paths(7, Calibration(RESIDUALS), np.random.default_rng(0))
    expected = np.exp(np.moveaxis(draws, -1, 0) * SCALER.scale + SCALER.offset)
    np.testing.assert_allclose(paths, expected, rtol=1e-12)
    np.testing.assert_allclose(prediction.mean, expected.mean(axis=0), rtol=1e-12)


def test_conformal_intervals_are_transformed_and_never_below_0():
    prediction = NetworkDistribution(Normal(PLACE), SCALER, counts=False)
    centre = PLACE[..., 0] * SCALER.scale + SCALER.offset
    spread = PLACE[..., 1] * SCALER.scale
    found = prediction.compute_conformal_quantiles(Calibration(RESIDUALS), [80])
    np.testing.assert_allclose(found[0.1], np.exp(centre - 3 * spread), rtol=1e-12)
    np.testing.assert_allclose(found[0.9], np.exp(centre + 3 * spread), rtol=1e-12)
    np.testing.assert_allclose(prediction.compute_residuals(found[0.9]), 3, rtol=1e-9)
    wide = NetworkDistribution(Point(np.zeros((1, 3, 1))), Scaler(0.0, 9.0, LOG), counts=False)
    assert (wide.compute_conformal_quantiles(Calibration(100 * RESIDUALS), [80])[0.1] >= 0).all()
    assert (wide.draw_paths(50, Calibration(RESIDUALS), np.random.default_rng(0)) > 0).all()


def test_bounds_hold_for_means_quantiles_intervals_and_paths():
    point = NetworkDistribution(
        Point(np.array([[[-5.0], [5.0]]])), Scaler(0.0, 1.0), counts=False, minimum=0.0, maximum=4.0
    )
    normal = NetworkDistribution(
        Normal(np.array([[[-1.0, 2]] * 2])), Scaler(0.0, 1.0), counts=False, minimum=0.0, maximum=4.0
    )
    samples = NetworkDistribution(Samples(np.array([[[-1.0, 2, 9], [0, 5, 3]]])), Scaler(0.0, 1.0), False, 0.0, 4.0)
    np.testing.assert_array_equal(point.mean, [[0, 4]])
    np.testing.assert_array_equal(
        samples.draw_paths(3, Calibration(RESIDUALS), np.random.default_rng(0))[:, 0], [[0, 0], [2, 4], [4, 3]]
    )
    for prediction in (point, normal, samples):
        forecasts = [
            prediction.mean,
            *prediction.compute_quantiles([99]).values(),
            *prediction.compute_conformal_quantiles(Calibration(RESIDUALS), [80]).values(),
            prediction.draw_paths(60, Calibration(RESIDUALS), np.random.default_rng(0)),
        ]
        assert all((values >= 0).all() and (values <= 4).all() for values in forecasts)
    np.testing.assert_allclose(normal.compute_quantiles([99])[0.995], 4)
    np.testing.assert_allclose(normal.compute_quantiles([50])[0.75], -1 + 2 * stats.norm.ppf(0.75))


# Predictors.


class Same(Fake):
    """Answers with a scaled value."""

    def __init__(self, value):
        self.value = np.float32(value)

    def encode(self, inputs):
        return [inputs.window[:, -1:]]

    def decode(self, states, previous, future=None, noise=None):
        return DecodedSteps(np.full((len(previous), 1, 1), self.value), states)


def config_of(**data):
    return load_values({"data": {"path": "x.csv", **data}, "window": {"length": 2, "horizon": 3}}, "x").config


def series_of(values):
    return Series("y", "y", "t", pd.date_range("2026-01-01", periods=len(values)), np.array(values, float), "D")


@pytest.mark.parametrize(
    ("scaler", "value", "data"),
    [
        (Scaler(0.0, 1.0, LOG), 1e4, {"transform": "log"}),
        (Scaler(0.0, 1.0), np.inf, {"maximum": 1000}),
        (Scaler(0.0, 1.0, Transform("logit")), np.inf, {"transform": "logit", "minimum": 0, "maximum": 1}),
    ],
)
def test_what_leaves_the_finite_numbers_is_an_error_even_where_a_bound_would_hide_it(scaler, value, data):
    predictor = Predictor.from_network(Same(value), config_of(**data), Preprocessing({"y": scaler}))
    with pytest.raises(Diverged, match="infinite at step 1"):
        predictor.predict([series_of([0.3, 0.4])], np.array([[0.3, 0.4]]), 3)


def calibrated(predictor, residuals):
    return dataclasses.replace(predictor, calibration=Calibration(residuals))


def test_intervals_that_become_infinite_are_an_error():
    predictor = Predictor.from_network(
        Same(700), config_of(transform="log"), Preprocessing({"y": Scaler(0.0, 1.0, LOG)})
    )
    with pytest.raises(Diverged, match="intervals become infinite"):
        calibrated(predictor, 50 * RESIDUALS).forecast([series_of([1, 2])], 3, [80])


def test_a_series_that_was_not_trained_on_is_fitted_alone():
    config = config_of(transform="boxcox")
    values = np.random.default_rng(0).gamma(3, 1, 100)
    predictor = Predictor.from_network(Same(0), config, Preprocessing({"other": fit_series_scaler(config, values**3)}))
    assert predictor.get_scaler(series_of(values)) == fit_series_scaler(config, values)
    assert predictor.get_scaler(series_of(values)).curve.power == estimate_boxcox_power(values)


# Differences.

lags_of = st.lists(st.integers(1, 5), min_size=1, max_size=3)


def test_differences_by_hand():
    nan = np.nan
    np.testing.assert_array_equal(difference(np.array([1.0, 4, 9, 16]), [1]), [nan, 3, 5, 7])
    np.testing.assert_array_equal(difference(np.array([[1.0, 4, 9, 16, 25]]), [1, 2]), [[nan, nan, nan, 4, 4]])
    np.testing.assert_array_equal(undo_difference(np.array([4.0, 4]), np.array([4.0, 9, 16]), [1, 2]), [25, 36])
    np.testing.assert_array_equal(undo_difference(np.array([1.0, 1, 1]), np.array([7.0, 8]), [2]), [8, 9, 9])


@settings(max_examples=50, deadline=None)
@given(lags_of, st.integers(1, 12), st.integers(0, 1000))
def test_sums_undo_differences_exactly_for_each_path(lags, horizon, seed):
    values = np.random.default_rng(seed).integers(-1000, 1000, (3, 2, sum(lags) + 4 + horizon)).astype(float)
    values[..., :-horizon] = values[:1, :, :-horizon]  # (paths, batch, steps): one past, several futures
    differences = difference(values, lags)
    assert np.isnan(differences[..., : sum(lags)]).all()
    found = undo_difference(differences[..., -horizon:], values[0, :, :-horizon], lags)
    np.testing.assert_array_equal(found, values[..., -horizon:])  # whole numbers: no rounding


class Drawn(Fake):
    """Scaled differences of a normal of a known mean and deviation, whatever was before."""

    def encode(self, inputs):
        assert np.isfinite(inputs.window).all()
        return [inputs.window[:, -1:]]

    def decode(self, states, previous, future=None, noise=None):
        parameters = np.tile(np.float32([0.5, 1]), (len(previous), 1, 1))
        return DecodedSteps(parameters, states)


def test_quantiles_of_summed_paths_are_those_of_a_random_walk_in_logarithms():
    values = {
        "data": {"path": "x.csv", "transform": "log", "difference": [1]},
        "window": {"length": 3, "horizon": 4},
        "model": {"head": "normal"},
        "forecast": {"samples": 4000},
    }
    config = load_values(values, "x").config
    scaler = Scaler(0.1, 0.2, LOG, (1,))
    predictor = Predictor.from_network(Drawn(), config, Preprocessing({"y": scaler}))
    (found,) = calibrated(predictor, RESIDUALS).forecast([series_of([9, 5, 6, 7, 8])], 4, [80], with_samples=True)
    steps = np.arange(1, 5)
    expected = stats.lognorm(s=0.2 * np.sqrt(steps), scale=8 * np.exp(0.2 * steps))  # 0.5 * 0.2 + 0.1 a step
    for probability, forecasts in found.quantiles.items():
        np.testing.assert_allclose(forecasts, expected.ppf(probability), rtol=0.05)
    np.testing.assert_allclose(found.mean, expected.mean(), rtol=0.03)
    np.testing.assert_allclose(found.mean, found.samples.mean(axis=0), rtol=1e-12)
    moves = np.diff(np.log(found.samples), axis=1)
    np.testing.assert_allclose(moves.std(axis=0), 0.2, rtol=0.06)


def test_a_value_of_a_direct_network_is_summed_for_each_series_from_its_own_past():
    config = config_of(difference=[1, 2])
    scalers = [Scaler(0.5, 2.0, lags=(1, 2)), Scaler(-1.0, 0.0, lags=(1, 2))]  # the second's differences are constant
    predictor = Predictor.from_network(Same(0.25), config, Preprocessing(dict(zip("ab", scalers, strict=True))))
    panel = [dataclasses.replace(series_of([1, 2, 4, 8, 9]), name=name) for name in "ab"]
    windows = np.array([[1.0, 2, 4, 8, 9], [0, 0, 1, 1, 5]])
    prediction = predictor.predict(panel, windows, 3)
    past = [difference(np.append(row, mean), (1, 2))[5:] for row, mean in zip(windows, prediction.mean, strict=True)]
    np.testing.assert_allclose(past, [[1] * 3, [-1] * 3], atol=1e-12)
    np.testing.assert_allclose(prediction.spread, [[2] * 3, [1] * 3])
    np.testing.assert_allclose(prediction.compute_residuals(prediction.mean + prediction.spread), 1, atol=1e-12)


def test_a_scaler_is_fitted_on_differences_and_kept_with_its_lags():
    values = np.random.default_rng(0).lognormal(0, 1, 60)
    scaler = fit_scaler(values, "standard", LOG, (1, 3))
    differences = scaler.transform(values)
    assert np.isnan(differences[:4]).all()
    assert differences[4:].mean() == pytest.approx(0, abs=1e-12)
    assert differences[4:].std() == pytest.approx(1)
    assert Scaler.from_json(json.loads(json.dumps(scaler.to_json()))) == scaler


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            {"decoder": "dense", "head": "normal"},
            "data.difference: needs whole paths to sum, and decoder dense gives the distribution of each step alone",
        ),
        ({"decoder": "positional", "head": "quantile"}, "use model.decoder: rollout | seq2seq or model.head: point"),
        ({"head": "negative_binomial"}, "data.difference: differences fall below 0"),
    ],
)
def test_differences_that_cannot_be_summed_exactly_are_refused(model, expected):
    (problem,) = problems_of({"difference": [1]}, model=model, scaling="mean")
    assert expected in problem


def test_a_seasonal_pattern_on_a_line_is_forecast_exactly_by_its_differences(forecast, tmp_path):
    hours = np.arange(160)
    values = 5.0 * hours + np.random.default_rng(0).integers(0, 100, 24)[hours % 24]
    write_hourly_csv(tmp_path / "load.csv", values=values)
    config = LOGGED.replace("transform: log, minimum: 2, maximum: 400", "difference: [24, 1]")
    (tmp_path / "c.yaml").write_text(config.replace("dense", "rollout"))
    result = forecast("train", "c.yaml", "--verbose", "--set", "split.validation=0", cwd=tmp_path, fitted=False)
    assert result.returncode == 0, result.stderr
    assert "the differences of load are constant in the training part" in result.stderr
    result = forecast("predict", "runs/c", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (tmp_path / "out.csv").write_text(result.stdout)
    ahead = np.arange(160, 166)
    np.testing.assert_allclose(
        pd.read_csv(tmp_path / "out.csv")["mean"], 5.0 * ahead + (values - 5.0 * hours)[ahead % 24], rtol=1e-9
    )
    short = (tmp_path / "load.csv").read_text().splitlines()[:37]
    (tmp_path / "short.csv").write_text("\n".join(short) + "\n")
    result = forecast("predict", "runs/c", "--data", "short.csv", cwd=tmp_path)
    assert result.returncode == 4
    assert "36 rows are too few to forecast from; expected at least 37, the window and its differences" in result.stderr


# Refusals.


def problems_of(data, **sections):
    values = {"data": {"path": "x.csv", **data}, "window": {"length": 2, "horizon": 3}, **sections}
    return list(map(str, load_values(values, "x").problems))


@pytest.mark.parametrize(
    ("data", "sections", "expected"),
    [
        (
            {"transform": "log"},
            {"model": {"head": "log_normal"}, "scaling": "mean"},
            "takes the logarithm itself; use model.head: normal",
        ),
        (
            {"transform": "log1p"},
            {"model": {"head": "negative_binomial"}, "scaling": "mean"},
            "turns counts into fractions",
        ),
        (
            {"transform": "boxcox"},
            {"model": {"head": "student_t"}},
            "a mean without bound; use model.head: normal | quantile",
        ),
        ({"transform": "logit"}, {}, "needs both bounds; set data.minimum and data.maximum"),
        ({"transform": "logit", "minimum": 0}, {}, "needs both bounds; set data.maximum"),
        ({"transform": "log", "gaps": "zero"}, {}, "data.gaps: zero cannot go with transform: log"),
        ({"minimum": 5, "maximum": 5}, {}, "data.maximum: 5 is not above data.minimum, 5"),
        ({"minimum": 1, "gaps": "zero"}, {}, "data.gaps: zero lies outside"),
        ({"maximum": 9, "duplicates": "sum"}, {}, "data.duplicates: sum cannot go with"),
        ({"minimum": "low"}, {}, "data.minimum: received 'low', expected a number"),
        ({"maximum": float("inf")}, {}, "data.maximum: received inf, expected a finite number"),
    ],
)
def test_what_cannot_go_together_is_refused_with_the_nearest_thing_that_can(data, sections, expected):
    (problem,) = problems_of(data, **sections)
    assert expected in problem


@pytest.mark.parametrize(
    ("data", "sections"),
    [
        ({"minimum": 0, "gaps": "zero", "duplicates": "sum"}, {}),
        ({"minimum": 0}, {"model": {"head": "negative_binomial"}, "scaling": "mean"}),
        ({"transform": "logit", "minimum": -1, "maximum": 1, "gaps": "zero"}, {"model": {"head": "student_t"}}),
        ({"transform": "log1p", "gaps": "zero"}, {"model": {"head": "categorical"}}),
    ],
)
def test_what_can_go_together_is_not_refused(data, sections):
    assert problems_of(data, **sections) == []


# The real command.

LOGGED = """\
data: {path: load.csv, transform: log, minimum: 2, maximum: 400, frequency: h}
window: {length: 12, horizon: 6}
model: {cell: gru, units: 4, decoder: dense}
training: {epochs: 2, batch_size: 64}
"""


def wild(rows=300):
    """Lognormal around a daily season."""
    hours = np.arange(rows)
    noise = np.random.default_rng(0).normal(0, 0.8, rows)
    return np.clip(np.exp(2.5 + np.sin(2 * np.pi * hours / 24) + noise), 2.01, 399)


@pytest.fixture(scope="module")
def logged(tmp_path_factory, forecast) -> Path:
    folder = tmp_path_factory.mktemp("logged")
    write_hourly_csv(folder / "load.csv", values=wild())
    (folder / "logged.yaml").write_text(LOGGED)
    result = forecast("train", "logged.yaml", cwd=folder, fitted=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    return folder


def test_a_forecast_under_log_keeps_its_bounds(forecast, logged):
    result = forecast("predict", "runs/logged", "--samples", "paths.csv", "--levels", "50,99.9", cwd=logged)
    assert (result.returncode, result.stderr) == (0, "")
    (logged / "out.csv").write_text(result.stdout)
    forecasts = pd.read_csv(logged / "out.csv").filter(regex="mean|median|lower|upper")
    assert (forecasts.to_numpy() >= 2).all()
    assert (forecasts.to_numpy() <= 400).all()
    assert (forecasts["lower_99.9"] <= forecasts["lower_50"]).all()
    assert (forecasts["upper_50"] <= forecasts["upper_99.9"]).all()
    # forecasts in logarithms: further up than down
    assert (forecasts["upper_50"] - forecasts["mean"] > forecasts["mean"] - forecasts["lower_50"]).all()
    assert pd.read_csv(logged / "paths.csv")["value"].between(2, 400).all()
    (version,) = (logged / "runs/logged/versions").iterdir()
    metrics = json.loads((version / "metrics.json").read_text())
    assert metrics["scores"]["naive"]["mae"] > 1  # in the series' own unit
    kept = json.loads((version / "preprocessing.json").read_text())["scalers"]["load"]
    training = wild()[: round(0.8 * 300)].round(4)
    assert kept["curve"]["kind"] == "log"
    assert kept["offset"] == pytest.approx(np.log(training).mean(), rel=1e-9)


def test_new_values_that_the_run_does_not_take_are_refused_with_their_line(forecast, logged, tmp_path):
    values = wild(40)
    values[[7, 20]] = 0, 500
    write_hourly_csv(tmp_path / "new.csv", values=values)
    result = forecast("predict", "runs/logged", "--data", tmp_path / "new.csv", cwd=logged)
    assert result.returncode == 4
    found = [line.split("new.csv:", 1)[1] for line in result.stderr.splitlines()]
    assert found[0].startswith("9: load: 1 cell is not among numbers above 0: '0.0000' (line 9); data.transform: log")
    assert found[1].startswith("9: load: 1 cell is not among numbers from data.minimum, 2, up")
    assert found[2].startswith("22: load: 1 cell is not among numbers up to data.maximum, 400: '500.0000' (line 22)")


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("boxcox", "load.csv:5: load: 2 cells are not among numbers above 0: '0.0000' (line 5), '-1.0000' (line 6)"),
        ("log1p", "load.csv:6: load: 1 cell is not among numbers from 0 up: '-1.0000' (line 6)"),
        (
            "logit",
            "load.csv:6: load: 2 cells are not among numbers between -1 and 399, both excluded: '-1.0000'",
        ),
    ],
)
def test_validate_names_the_first_line_that_a_transform_does_not_take(forecast, tmp_path, transform, expected):
    values = wild(60)
    values[[3, 4, 9]] = 0, -1, 399
    write_hourly_csv(tmp_path / "load.csv", values=values)
    bounds = ", minimum: -1, maximum: 399" if transform == "logit" else ""
    (tmp_path / "c.yaml").write_text(LOGGED.replace("log, minimum: 2, maximum: 400", transform + bounds))
    result = forecast("validate", "c.yaml", cwd=tmp_path)
    assert result.returncode == 4
    assert expected in result.stderr


def test_predicting_loads_nothing_that_fitting_would_need(logged):
    code = (
        "import sys; from forecaster.cli import main\n"
        "sys.argv = ['forecast', 'predict', 'runs/logged', '--output', 'again.csv']\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print(sorted({'scipy.stats', 'scipy.optimize', 'tensorflow'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=logged, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_gaps_are_filled_within_the_bounds_and_the_transform(forecast, tmp_path):
    values = wild(200)
    write_hourly_csv(tmp_path / "full.csv", values=values)
    lines = (tmp_path / "full.csv").read_text().splitlines()
    lines[50:56] = [line.split(",")[0] + "," for line in lines[50:56]]
    (tmp_path / "gaps.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "c.yaml").write_text(
        LOGGED.replace("decoder: dense", "bidirectional: true").replace("length: 12", "length: 24")
    )
    result = forecast("impute", "gaps.csv", "c.yaml", "--levels", "99", cwd=tmp_path, fitted=False)
    assert result.returncode == 0, result.stderr
    (tmp_path / "out.csv").write_text(result.stdout)
    rows = pd.read_csv(tmp_path / "out.csv")
    filled = rows[rows["filled"] == 1]
    assert len(filled) == 6
    assert (filled[["load", "lower_99", "upper_99"]].to_numpy() >= 2).all()
    assert (filled["upper_99"] - filled["load"] > filled["load"] - filled["lower_99"]).all()
    observed = rows[rows["filled"] == 0]
    np.testing.assert_array_equal(observed["load"], np.delete(values, np.arange(49, 55)).round(4))


def test_every_key_of_the_table_is_a_key_of_the_config():
    text = (ROOT / "docs/data.md").read_text().split("## Transforms")[1].split("\n#")[0]
    keys = [line.split("|")[2].strip().strip("`") for line in text.splitlines() if line.startswith("| ")][1:]
    config = config_of().model_dump()
    for key in keys:
        section, name = key.split(".") if "." in key else (None, key)
        assert name in (config if section is None else config[section]), key
