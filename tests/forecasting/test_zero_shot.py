"""Forecasts of files without training: what the pretrained network reads and what is written, by a fake network."""

import datetime
import logging
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.cli.options import is_data
from forecaster.errors import ConfigError, DataError, Diverged, Stale, UsageError
from forecaster.forecasting import interval_widths, zero_shot_forecasts
from forecaster.forecasting.predict import Prediction
from forecaster.forecasting.zero_shot import choose_horizon, load_data_config, predict_zero_shot

NOW = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)


class FakeNetwork:
    """Forecasts the last value, plus the step, plus the probability; keeps what it has read."""

    def __init__(self, plus: float = 0.0) -> None:
        self.windows: list[np.ndarray] = []
        self.seasons: tuple[int, ...] = ()
        self.widths: np.ndarray | None = None
        self._plus = plus

    def __call__(self, windows, seasons, horizon, probabilities, widths=None):
        self.windows, self.seasons, self.widths = list(windows), tuple(seasons), widths
        steps = np.arange(1, horizon + 1)[:, None] + np.array(probabilities)
        return windows[:, -1, None, None] + steps + self._plus


@pytest.fixture
def network(monkeypatch) -> FakeNetwork:
    fake = FakeNetwork()
    for module in (zero_shot_forecasts, interval_widths):
        monkeypatch.setattr(module, "forecast_zero_shot", fake)
    for module in (zero_shot_forecasts, interval_widths):
        monkeypatch.setattr(module, "count_history_steps", lambda seasons: 20)
    return fake


def write_days(path: Path, values: list[float | str], drop: list[int] | None = None) -> Path:
    rows = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=len(values)), "sold": values})
    rows.drop(drop or []).to_csv(path, index=False)
    return path


def write_shops(path: Path, shops: dict[str, list[float]]) -> Path:
    tables = [
        pd.DataFrame({"day": pd.date_range("2026-01-01", periods=len(sold)), "shop": shop, "sold": sold})
        for shop, sold in shops.items()
    ]
    pd.concat(tables).to_csv(path, index=False)
    return path


def predict(path: Path, *overrides: str, **options) -> Prediction:
    return predict_zero_shot(load_data_config(path, overrides).config, now=NOW, **options)


def test_a_file_is_forecast_by_its_season_with_the_default_levels(tmp_path, network):
    found = predict(write_days(tmp_path / "sales.csv", [10.5, 11.25, *range(28)]))
    (forecast,) = found.forecasts
    assert (forecast.series, str(forecast.origin), forecast.source) == ("sold", "2026-01-30 00:00:00", "zero-shot")
    assert network.seasons == (7,)
    assert len(forecast.mean) == 14, "two weeks of days"
    assert str(forecast.timestamps[0]) == "2026-01-31 00:00:00"
    assert list(forecast.quantiles) == [0.025, 0.1, 0.5, 0.9, 0.975]
    np.testing.assert_allclose(forecast.mean[:2], [27 + 1.5, 27 + 2.5])
    np.testing.assert_allclose(forecast.quantiles[0.975][:2], [27 + 1.975, 27 + 2.975])
    np.testing.assert_array_equal(network.windows[0], np.arange(8, 28))


def test_horizon_and_levels_may_be_asked_for(tmp_path, network):
    path = write_days(tmp_path / "sales.csv", list(range(30)))
    (forecast,) = predict(path, horizon=3, levels=[50]).forecasts
    assert (len(forecast.mean), list(forecast.quantiles)) == (3, [0.25, 0.5, 0.75])
    (alone,) = predict(path, levels=[]).forecasts
    assert (list(alone.quantiles), alone.mean[0]) == ([], 30.5)


def test_forecasts_have_two_decimals_more_than_the_data(tmp_path, network):
    network._plus = 0.123456
    (forecast,) = predict(write_days(tmp_path / "sales.csv", [1.5] * 20 + [2.5]), horizon=1).forecasts
    assert forecast.mean.tolist() == [2.5 + 1 + 0.5 + 0.123]


def test_the_forecast_of_counts_is_their_mean_and_their_quantiles_are_whole(tmp_path):
    """Of Poisson values; the median of the first is 0 at each step."""
    generator, means = np.random.default_rng(3), []
    for rate in (0.3, 2.0):
        shops = {f"{shop}": generator.poisson(rate, 150).tolist() for shop in range(60)}
        forecasts = predict(write_shops(tmp_path / "sold.csv", shops), "data.series=shop", horizon=14).forecasts
        quantiles = np.stack([[*forecast.quantiles.values()] for forecast in forecasts])
        np.testing.assert_array_equal(quantiles, np.rint(quantiles))
        means.append(np.mean([forecast.mean for forecast in forecasts]))
    np.testing.assert_allclose(means, [0.3, 2.0], rtol=0.2)


def test_missing_steps_and_those_before_a_series_are_nan_in_its_window(tmp_path, network):
    predict(write_days(tmp_path / "sales.csv", [*range(10), "", 11.0], drop=[4]), "data.gaps=mask", horizon=2)
    expected = [0.0, 1, 2, 3, np.nan, 5, 6, 7, 8, 9, np.nan, 11]
    np.testing.assert_array_equal(network.windows[0], expected)
    predict(write_shops(tmp_path / "shops.csv", {"a": [1.0] * 9 + [2], "b": [3.0, 4, 5]}), "data.series=shop")
    assert np.isnan(network.windows[1][:7]).all()
    np.testing.assert_array_equal(network.windows[1][7:], [3, 4, 5])


@pytest.mark.parametrize(("policy", "filled"), [("zero", 0.0), ("previous", 3.0), ("interpolate", 4.0)])
def test_gaps_that_a_policy_fills_are_read_as_filled(tmp_path, network, policy, filled):
    predict(write_days(tmp_path / "sales.csv", list(range(12)), drop=[4]), f"data.gaps={policy}")
    assert network.windows[0][4] == filled


def test_up_to_a_tenth_of_a_series_may_be_missing_unless_gaps_are_chosen(tmp_path, network):
    path = write_days(tmp_path / "sales.csv", list(range(40)), drop=[1, 2, 8, 30])
    assert predict(path, limits_missing=True).forecasts
    path = write_days(tmp_path / "sales.csv", list(range(40)), drop=[1, 2, 8, 20, 30])
    assert predict(path).forecasts
    with pytest.raises(DataError, match=r"sales.csv: 5 days of 40 are missing; choose how to fill them.* \| zero"):
        predict(path, limits_missing=True)


def test_of_several_series_the_others_are_forecast(tmp_path, network):
    path = write_shops(tmp_path / "shops.csv", {"a": [1.0, 2], "b": [*range(30)], "c": [1e101, 2e101, 1e101]})
    found = predict(path, "data.series=shop")
    assert [forecast.series for forecast in found.forecasts] == ["b"]
    assert [series.name for series in found.panel] == ["b"]
    assert [(problem.code, problem.detail["series"]) for problem in found.problems] == [
        ("too-few-values-to-forecast", "a"),
        ("values-too-large", "c"),
    ]


def test_a_series_that_is_too_short_is_refused_with_what_is_enough(tmp_path, network):
    with pytest.raises(DataError, match="short.csv: 2 values are too few to forecast from; expected at least 3"):
        predict(write_days(tmp_path / "short.csv", [1.0, 2]), "data.frequency=D")
    (forecast,) = predict(write_days(tmp_path / "enough.csv", [1.0, 2, 4]), "data.frequency=D").forecasts
    assert forecast.mean[0] == 5.5


def test_forecasts_keep_the_bounds_of_the_config(tmp_path, network):
    path = write_days(tmp_path / "sales.csv", list(range(30)))
    (forecast,) = predict(path, "data.minimum=0", "data.maximum=30.1", horizon=2).forecasts
    assert forecast.quantiles[0.025].tolist() == [30.025, 30.1] or forecast.quantiles[0.025].tolist() == [30.02, 30.1]
    assert forecast.mean.tolist() == [30.1, 30.1]


def test_old_data_are_stale(tmp_path, network):
    path = write_days(tmp_path / "sales.csv", list(range(20)))
    with pytest.raises(Stale, match="the newest row, 2026-01-20, ended 11 days ago"):
        predict(path, "checks.max_age=3")
    assert predict(path, "checks.max_age=20").forecasts


def test_implausible_values_and_forecasts_are_warnings_or_errors(tmp_path, network, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("forecaster"), "propagate", True)
    spoilt = write_days(tmp_path / "sales.csv", [*range(10, 50), 1e6, *range(10, 15)])
    assert predict(spoilt).forecasts
    assert "1e+06 is more than 10 times the range ever seen" in caplog.text
    with pytest.raises(DataError, match="1e\\+06 is more than 10 times the range"):
        predict(spoilt, "checks.range=error")
    network._plus = 1e6
    with pytest.raises(Diverged, match="the forecast of .* is 1.00007e.06, more than 10 times"):
        predict(write_days(tmp_path / "good.csv", list(range(10, 60))), "checks.range=error")


def test_numbers_that_may_mean_a_missing_value_are_warnings(tmp_path, network, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("forecaster"), "propagate", True)
    codes = {"a": [*range(10, 30), -999.0, 30, 31, -999], "b": [*range(24)], "c": [99.0, *range(21), 99, 99]}
    found = predict(write_shops(tmp_path / "shops.csv", codes), "data.series=shop", "data.na_values=[-1]")
    assert [problem.detail for problem in found.notices if problem.code == "missing-code-as-number"] == [
        {"value": -999.0, "count": 2, "series": "a"},
        {"value": 99.0, "count": 3, "series": "c"},
    ]
    assert "shops.csv: -999 occurs 2 times, far from all other values" in caplog.text
    assert "set data.na_values: [-1, -999]" in caplog.text
    repaired = predict(write_shops(tmp_path / "shops.csv", codes), "data.series=shop", "data.na_values=[-999, 99]")
    assert not repaired.notices
    assert predict(write_days(tmp_path / "days.csv", [*range(10, 30), "inf", *range(30, 40)])).forecasts
    (warning,) = [record for record in caplog.records if "infinite" in record.getMessage()]
    assert warning.levelno == logging.WARNING


def test_a_log_reports_that_nothing_was_trained(tmp_path, network, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("forecaster"), "propagate", True)
    with caplog.at_level(logging.INFO, "forecaster"):
        predict(write_days(tmp_path / "sales.csv", list(range(20))))
    (text,) = [message for message in caplog.messages if "zero-shot" in message]
    assert text.splitlines()[0].endswith("sales.csv: 1 series, season of 7 days, horizon of 14 days")
    assert text.splitlines()[1].startswith("zero-shot: ")


def test_intervals_are_widened_by_errors_at_past_origins(tmp_path, network, caplog, monkeypatch):
    """The network is off by 0.5 at each step: its lower bounds of 80 and 95 % lie 0.4 and 0.475 below its median."""
    monkeypatch.setattr(logging.getLogger("forecaster"), "propagate", True)
    path = write_days(tmp_path / "sales.csv", list(range(1, 41)))
    with caplog.at_level(logging.INFO, "forecaster"):
        predict(path, horizon=2)
    low, _, median, _, high = network.widths.tolist()
    exact, exact_80 = 0.5 / 0.475, 0.5 / 0.4
    assert exact**0.25 < low == high < exact, "shrunk, since 40 days are few"
    assert network.widths[1] == pytest.approx(low ** (np.log(exact_80) / np.log(exact))), "shrunk by the same power"
    assert median == 1
    assert f"of the network times {network.widths[1]:.2f} (80%), {low:.2f} (95%), by its errors at" in caplog.text
    predict(path, horizon=2, levels=[])
    assert network.widths.tolist() == [1]
    predict(write_days(tmp_path / "short.csv", list(range(1, 10))), horizon=2)
    assert network.widths.tolist() == [1] * 5, "no past origin has enough before and after it"


@pytest.mark.parametrize(
    ("season", "steps"), [(1, 12), (4, 8), (5, 10), (7, 14), (12, 12), (24, 24), (52, 13), (48, 48), (144, 96)]
)
def test_the_horizon_without_one_asked_for(season, steps):
    assert choose_horizon(season) == steps


def test_only_keys_that_are_used_may_be_set(tmp_path):
    path = write_days(tmp_path / "sales.csv", list(range(20)))
    used = ["data.target=sold", "checks.max_age.error=3h", "forecast.levels=[50]", "forecast.columns=quantiles"]
    config = load_data_config(path, used).config
    assert (config.data.target, config.data.gaps, config.forecast.levels) == ("sold", "mask", (50,))
    for unused in ("model.units=8", "data.transform=log", "data.covariates.past=[x]", "window.horizon=3", "training=1"):
        with pytest.raises(UsageError, match=f"does not use {unused.partition('=')[0]}; it uses data") as refused:
            load_data_config(path, [unused])
        for key in ("checks", "forecast.levels", "forecast.columns", "forecast.reconcile"):
            assert key in str(refused.value).partition("it uses")[2]
    with pytest.raises(ConfigError, match="data.gaps"):
        load_data_config(path, ["data.gaps=some"])


def test_a_yaml_names_data_and_its_network_is_not_used(tmp_path, network):
    write_days(tmp_path / "sales.csv", [0, *range(29)], drop=[5])  # no logarithm of 0
    yaml = tmp_path / "sales.yaml"
    yaml.write_text(
        "data: {path: sales.csv, transform: log, difference: [1], gaps: previous}\n"
        "window: {length: 300, horizon: 4}\nmodel: {units: 8}\n"
    )
    (forecast,) = predict(yaml).forecasts
    assert network.windows[0][-3:].tolist() == [26, 27, 28]
    assert forecast.mean[0] == 29.5


def test_a_path_is_a_run_or_data_by_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run in ("runs/power", "runs/load.csv"):
        Path(run).mkdir(parents=True)
    Path("runs/power/current").touch()
    Path("sales").touch()
    data = ["-", "sales", "in/*.csv", "absent.csv", "absent.parquet", "absent.csv.gz", "absent.yaml"]
    assert [name for name in data if not is_data(Path(name))] == []
    runs = ["runs", "runs/power", "runs/load.csv", "runs/absent", "runs/v1.2", "power", "power.csv"]
    assert [name for name in runs if is_data(Path(name))] == []


def test_options_of_a_run_are_refused_for_a_file(forecast, tmp_path):
    write_days(tmp_path / "my sales.csv", list(range(30)))
    result = forecast(
        "predict", "my sales.csv", "--samples", "p.csv", "--version", "2026", "--future", "f.csv", cwd=tmp_path
    )
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"{option}: my sales.csv is data, and this option needs a trained network: forecast train 'my sales.csv'"
        for option in ("--future", "--samples", "--version")
    ]


def test_the_command_writes_tables_and_pictures_of_a_file(forecast, tmp_path):
    write_days(tmp_path / "sales.csv", [20 + 5 * np.sin(2 * np.pi * day / 7) for day in range(60)])
    result = forecast("predict", "sales.csv", "--levels", "80", "--plot", "next.png", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    header, *rows = result.stdout.splitlines()
    assert header == "series,origin,timestamp,step,mean,lower_80,median,upper_80,source"
    assert len(rows) == 14
    assert rows[0].startswith("sold,2026-03-01,2026-03-02,1,")
    assert rows[0].endswith(",zero-shot")
    assert (tmp_path / "next.png").read_bytes().startswith(b"\x89PNG")
    verbose = forecast("predict", "sales.csv", "-v", "-o", "f.csv", cwd=tmp_path)
    assert verbose.stderr.splitlines()[-1].startswith("next: forecast train sales.csv")


def test_a_file_that_is_refused_ends_with_the_command_that_is_accepted(forecast, tmp_path):
    write_shops(tmp_path / "shops.csv", {"a": [*range(30)], "b": [*range(40, 70)]})
    result = forecast("predict", "shops.csv", cwd=tmp_path)
    assert result.returncode == 4
    problem, command = result.stderr.splitlines()
    assert "the column 'shop' separates several series" in problem
    assert command == "this is accepted: forecast predict shops.csv --set data.series=shop"
    accepted = forecast(*shlex.split(command.partition(": ")[2])[1:], cwd=tmp_path)
    assert (accepted.returncode, len(accepted.stdout.splitlines())) == (0, 1 + 2 * 14)


def test_some_series_too_short_is_partial(forecast, tmp_path):
    write_shops(tmp_path / "shops.csv", {"a": [*range(30)], "b": [1.0, 2]})
    result = forecast("predict", "shops.csv", "--set", "data.series=shop", cwd=tmp_path)
    assert (result.returncode, len(result.stdout.splitlines())) == (3, 1 + 14)
    assert "2 values are too few to forecast from; expected at least 3 [series b]" in result.stderr
