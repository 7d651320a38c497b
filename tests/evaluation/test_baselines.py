"""Baselines and their intervals against textbook formulas worked by hand, other libraries and published forecasts."""

import sys

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Series
from forecaster.errors import DataError, UsageError
from forecaster.evaluation.baselines import (
    BASELINES,
    compute_seasonal_indices,
    forecast_baseline,
    forecast_baseline_at,
    forecast_drift,
    forecast_mean,
    forecast_naive,
    forecast_naive2,
    forecast_naive_baselines,
    forecast_seasonal_naive,
)
from forecaster.pretrained.zero_shot import forecast_zero_shot
from tests.helpers.command import ROOT

SIMPLE = ("naive", "seasonal_naive", "drift", "mean", "naive2")
FITTED = dict.fromkeys(("ets", "theta", "arima", "mstl"), "statsforecast") | {"flair": "flaircast"}
Z80, Z95 = 1.2815515655446004, 1.959963984540054  # of the normal distribution, from its tables


def series_of(values, name="y") -> Series:
    return Series(name, "y", "t", pd.date_range("2026-01-01", periods=len(values)), np.asarray(values, float), "D")


def noisy_season(steps: int, season: int = 6) -> np.ndarray:
    noise = np.random.default_rng(2).normal(0, 0.3, steps)
    return 20 + 5 * np.sin(2 * np.pi * np.arange(steps) / season) + noise


def test_forecasts_by_hand():
    values, origins = np.array([1.0, 2, 3, 4, 5, 6, 14]), np.array([4, 6])
    np.testing.assert_array_equal(forecast_naive(values, origins, 2), [[5, 5], [14, 14]])
    np.testing.assert_array_equal(forecast_seasonal_naive(values, origins, 5, 3), [[3, 4, 5, 3, 4], [5, 6, 14, 5, 6]])
    np.testing.assert_allclose(forecast_drift(values, origins, 2), [[6, 7], [14 + 13 / 6, 14 + 13 / 3]])
    np.testing.assert_allclose(forecast_mean(values, origins, 2), [[3, 3], [5, 5]])


def test_the_seasonal_naive_needs_a_season_and_a_whole_one_before_the_origin():
    values = np.arange(10.0)
    assert set(forecast_naive_baselines(values, np.array([5]), 2, 1)) == {"naive"}
    assert set(forecast_naive_baselines(values, np.array([5]), 2, 7)) == {"naive"}
    assert set(forecast_naive_baselines(values, np.array([6]), 2, 7)) == {"naive", "seasonal_naive"}


@pytest.mark.parametrize(
    ("name", "values", "seasons", "means", "deviations"),
    [  # FPP3, table 5.2, with its σ: the residuals' squares over their number less that of the parameters
        ("naive", [0, 1, 3, 2], [], [2, 2], np.sqrt(6 / 3) * np.sqrt([1, 2])),
        ("seasonal_naive", [1, 5, 2, 7, 4], [2], [7, 4, 7], np.sqrt((1 + 4 + 4) / 3) * np.sqrt([1, 1, 2])),
        ("drift", [0, 1, 3, 3], [], [4, 5], np.sqrt((0 + 1 + 1) / 2) * np.sqrt([1 * (1 + 1 / 3), 2 * (1 + 2 / 3)])),
        ("mean", [1, 2, 6], [], [3, 3], np.sqrt((4 + 1 + 9) / 2) * np.sqrt([1 + 1 / 3] * 2)),
        ("naive2", [0, 1, 3, 2], [2], [2, 2], np.sqrt(6 / 3) * np.sqrt([1, 2])),
    ],
)
def test_intervals_by_the_formulas_of_the_textbook(name, values, seasons, means, deviations):
    found = forecast_baseline(name, series_of(values), len(means), seasons, [95, 80])
    np.testing.assert_allclose(found.mean, means)
    assert list(found.quantiles) == [0.025, 0.1, 0.9, 0.975]
    np.testing.assert_allclose(found.quantiles[0.025], means - Z95 * deviations)
    np.testing.assert_allclose(found.quantiles[0.9], means + Z80 * deviations)


def test_a_baseline_is_a_forecast_of_the_real_future():
    found = forecast_baseline("naive", series_of([1, 2, 4], "shop"), 2, [], [])
    assert (found.series, str(found.origin), found.quantiles) == ("shop", "2026-01-03 00:00:00", {})
    assert [str(time) for time in found.timestamps] == ["2026-01-04 00:00:00", "2026-01-05 00:00:00"]
    assert len(found.to_csv().splitlines()) == 3


@pytest.mark.parametrize("name", SIMPLE)
def test_many_origins_are_as_each_alone_and_read_nothing_behind_it(name):
    panel = [series_of(1e6 + noisy_season(60)), series_of(noisy_season(40), "z")]
    members, origins = np.array([1, 0, 0, 1, 0]), np.array([39, 30, 59, 20, 7])
    found = forecast_baseline_at(name, panel, members, origins, 9, [6], [80])
    for row, (member, origin) in enumerate(zip(members, origins, strict=True)):
        alone = forecast_baseline(name, series_of(panel[member].values[: origin + 1]), 9, [6], [80])
        np.testing.assert_allclose(found.mean[row], alone.mean)
        np.testing.assert_allclose(found.quantiles[0.1][row], alone.quantiles[0.1])


def test_naive2_repeats_the_last_value_without_its_season():
    values = np.tile([1.0, 2, 3], 20) * 10
    np.testing.assert_allclose(compute_seasonal_indices(values, 3), [0.5, 1, 1.5])
    np.testing.assert_allclose(forecast_naive2(values, np.array([58, 59]), 4, 3), [[30, 10, 20, 30], [10, 20, 30, 10]])
    found = forecast_baseline("naive2", series_of(noisy_season(60) ** 2), 6, [6], [80])
    index = compute_seasonal_indices(noisy_season(60) ** 2, 6)
    width = found.quantiles[0.9] - found.mean
    np.testing.assert_allclose(width / width[0], np.sqrt(np.arange(1, 7)) * index / index[0])


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).uniform(1, 2, 60),
        np.tile([1.0, 2, 3], 20) - 1,
        np.tile([1.0, 2, 3], 2),
        np.full(60, 3.0),
    ],
    ids=["no season", "a zero", "less than three seasons", "constant"],
)
def test_naive2_leaves_unadjusted_what_has_no_season_to_adjust_for(values):
    np.testing.assert_array_equal(compute_seasonal_indices(values, 3), 1)


@pytest.mark.parametrize("season", [6, 7])
def test_seasonal_indices_are_those_of_the_classical_decomposition(season):
    decomposition = pytest.importorskip("statsmodels.tsa.seasonal")
    values = noisy_season(100, season) * np.linspace(1, 3, 100)
    expected = decomposition.seasonal_decompose(values, model="multiplicative", period=season).seasonal[:season]
    np.testing.assert_allclose(compute_seasonal_indices(values, season), expected)


def test_an_unknown_baseline_is_named_with_the_nearest():
    with pytest.raises(UsageError, match="naiv2: no such baseline, did you mean 'naive2'\\?; choose from naive, "):
        forecast_baseline("naiv2", series_of([1, 2]), 1, [], [])


@pytest.mark.parametrize(("name", "fewest"), [("naive", 2), ("seasonal_naive", 5), ("drift", 3), ("arima", 2)])
def test_a_series_that_is_too_short_is_named(name, fewest):
    message = f"shop: {fewest - 1} rows? (is|are) too few for the baseline {name}, which reads {fewest}"
    with pytest.raises(DataError, match=message):
        forecast_baseline(name, series_of(range(fewest - 1), "shop"), 1, [4], [80])


@pytest.mark.parametrize("name", FITTED)
def test_without_its_package_the_extra_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, FITTED[name], None)
    with pytest.raises(
        UsageError,
        match=rf"needs {FITTED[name]}, which is not installed; .*: pip install 'recurrent-forecast\[baselines\]'",
    ):
        forecast_baseline(name, series_of(noisy_season(30)), 1, [6], [80])


def airline() -> np.ndarray:
    return pd.read_csv(ROOT / "configs/data/airline.csv").iloc[:, -1].to_numpy(float)


@pytest.fixture
def statsforecast():
    return pytest.importorskip("statsforecast", reason="the extra baselines is not installed")


@pytest.mark.slow
def test_arima_of_the_airline_passengers_is_that_of_another_library(statsforecast):
    """The order that is found, (1,1,0)(0,1,0)[12], in statsmodels; R's `auto.arima` comes within 1 %."""
    statespace = pytest.importorskip("statsmodels.tsa.statespace.sarimax")
    fitted = statespace.SARIMAX(airline(), order=(1, 1, 0), seasonal_order=(0, 1, 0, 12)).fit(disp=0)
    expected = fitted.get_forecast(6)
    found = forecast_baseline("arima", series_of(airline()), 6, [12], [80, 95])
    np.testing.assert_allclose(found.mean, expected.predicted_mean, rtol=1e-4)
    np.testing.assert_allclose(found.quantiles[0.1], expected.conf_int(alpha=0.2)[:, 0], rtol=1e-3)
    np.testing.assert_allclose(found.quantiles[0.975], expected.conf_int(alpha=0.05)[:, 1], rtol=1e-3)
    np.testing.assert_allclose(found.mean[:3], [445.6349, 420.3950, 449.1983], rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", FITTED)
def test_fitted_baselines_know_the_season_and_nothing_behind_the_origin(name):
    pytest.importorskip(FITTED[name], reason="the extra baselines is not installed")
    values = noisy_season(90)
    changed = np.concatenate([values[:72], np.full(18, 1e6)])
    found = forecast_baseline_at(name, [series_of(changed)], np.array([0, 0]), np.array([65, 71]), 6, [6], [80, 99.9])
    assert not found.failures
    np.testing.assert_allclose(found.mean, [values[66:72], values[72:78]], atol=1.5)
    low, high = found.quantiles[0.1], found.quantiles[0.9]
    assert (found.quantiles[0.0005] < low).all()
    assert ((low < found.mean) & (found.mean < high)).all()
    assert (high - low < 4).all()


@pytest.mark.slow
def test_where_a_model_cannot_be_fitted_the_last_value_replaces_it_and_is_reported(statsforecast, caplog):
    caplog.set_level("INFO", "forecaster")
    panel = [series_of(noisy_season(40)), series_of([1.0, 2.0, 4.0], "short")]
    found = forecast_baseline_at("ets", panel, np.array([1, 0]), np.array([2, 39]), 2, [6], [80])
    assert found.failures == {0: "tiny datasets"}
    expected = forecast_baseline("naive", panel[1], 2, [], [80])
    np.testing.assert_array_equal(found.mean[0], expected.mean)
    np.testing.assert_array_equal(found.quantiles[0.9][0], expected.quantiles[0.9])
    assert "ets could not be fitted at 1 of 2 origins; the last value replaces it there: tiny datasets" in caplog.text


@pytest.mark.slow
def test_one_package_of_the_extra_is_enough_for_its_models(statsforecast, monkeypatch):
    monkeypatch.setitem(sys.modules, "flaircast", None)
    assert forecast_baseline("theta", series_of(noisy_season(40)), 2, [6], [80]).mean.shape == (2,)


@pytest.mark.slow
@pytest.mark.parametrize(("seasons", "frequency"), [([24, 168], "H"), ([7, 365], "D"), ([12], "M"), ([], "Y")])
def test_flair_chooses_among_the_seasons_as_its_package_does_by_the_calendar(seasons, frequency):
    flaircast = pytest.importorskip("flaircast", reason="the extra baselines is not installed")
    values = noisy_season(800, next(iter(seasons), 1)) + np.tile(np.arange(7.0), 115)[:800]
    paths = flaircast.forecast(values, 30, frequency, n_samples=1000, seed=0)
    found = forecast_baseline("flair", series_of(values), 30, seasons, [80])
    np.testing.assert_array_equal(found.mean, paths.mean(axis=0))
    np.testing.assert_array_equal(found.quantiles[0.1], np.quantile(paths, 0.1, axis=0))


@pytest.mark.slow
def test_flair_reads_a_season_that_no_calendar_has():
    pytest.importorskip("flaircast", reason="the extra baselines is not installed")
    values = np.tile([1.0, 5, 9, 2, 7], 30) + np.random.default_rng(0).normal(0, 0.1, 150)
    found = forecast_baseline("flair", series_of(values), 10, [5], [])
    np.testing.assert_allclose(found.mean, np.tile([1.0, 5, 9, 2, 7], 2), atol=0.5)


def test_the_registry_holds_them_all():
    assert set(BASELINES) == {*SIMPLE, "zero-shot", *FITTED}


def test_zero_shot_forecasts_are_those_of_the_pretrained_network_and_the_last_value_where_it_has_too_few():
    values = 10 + np.sin(2 * np.pi * np.arange(60) / 12)
    found = BASELINES["zero-shot"](values, np.array([1, 59]), 12, (12,), [80])
    expected = forecast_zero_shot(values[None], (12,), 12, [0.1, 0.5, 0.9])[0]
    np.testing.assert_allclose(found.mean[1], expected[:, 1])
    np.testing.assert_allclose(found.quantiles[0.1][1], expected[:, 0])
    np.testing.assert_allclose(found.quantiles[0.9][1], expected[:, 2])
    np.testing.assert_array_equal(found.mean[0], values[1])
    few = BASELINES["zero-shot"](values, np.array([1]), 3, (12,), [80])
    np.testing.assert_allclose(
        few.quantiles[0.9], BASELINES["naive"](values, np.array([1]), 3, (12,), [80]).quantiles[0.9]
    )


def test_zero_shot_forecasts_of_many_series_are_one_batch_with_the_answers_of_each_alone(monkeypatch):
    generator = np.random.default_rng(0)
    panel = [series_of(50 * number + generator.normal(size=length)) for number, length in enumerate((40, 90, 60), 1)]
    members, origins = np.array([2, 0, 1, 1, 0]), np.array([59, 1, 30, 89, 39])  # the second has too few steps
    batches = []

    def forecast(windows, *arguments):
        batches.append(len(windows))
        return forecast_zero_shot(windows, *arguments)

    monkeypatch.setattr("forecaster.evaluation.baselines.forecast_zero_shot", forecast)
    found = forecast_baseline_at("zero-shot", panel, members, origins, 6, (12,), [80])
    assert batches == [4]
    for row, (member, origin) in enumerate(zip(members, origins, strict=True)):
        alone = BASELINES["zero-shot"](panel[member].values, np.array([origin]), 6, (12,), [80])
        np.testing.assert_allclose(found.mean[row], alone.mean[0], rtol=1e-5)
        for probability in (0.1, 0.9):
            np.testing.assert_allclose(found.quantiles[probability][row], alone.quantiles[probability][0], rtol=1e-5)
