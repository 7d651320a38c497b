"""A run of every format that was ever written is read, and forecasts what it did when it was written."""

import csv
from pathlib import Path

import numpy as np
import pytest

RUNS = Path(__file__).parent / "runs"

# Runs were written with every digit; now a forecast has two more than the data, as whole numbers of sales have none.
ROUNDING = {"load": 0.0, "shops": 0.005, "close": 0.0}


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("name", ["load", "shops", "close"])
@pytest.mark.parametrize("folder", sorted(RUNS.iterdir()), ids=lambda folder: folder.name)
def test_a_run_forecasts_as_it_did_when_it_was_written(forecast, folder, name):
    result = forecast("predict", folder / name, "--data", folder / f"{name}.csv")
    assert (result.returncode, result.stderr) == (0, "")
    found, expected = rows_of(result.stdout), rows_of((folder / f"{name}-expected.csv").read_text())
    assert [list(row) for row in found] == [list(row) for row in expected]
    for mine, theirs in zip(found, expected, strict=True):
        numbers = [column for column in theirs if column == "mean" or column.startswith("q")]
        assert [mine[c] for c in mine if c not in numbers] == [theirs[c] for c in theirs if c not in numbers]
        mine_values, their_values = ([float(row[c]) for c in numbers] for row in (mine, theirs))
        np.testing.assert_allclose(mine_values, their_values, rtol=1e-5, atol=ROUNDING[name])


def test_keys_of_an_earlier_format_are_read_under_their_names_of_today():
    from forecaster.runs import load_version

    config = load_version(RUNS / "format-3" / "shops").config
    assert (config.window.min_length, config.training.balance_series, config.ensemble.vary) == (7, True, "sign_flip")
    config = load_version(RUNS / "format-3" / "load").config
    assert (config.data.max_gap, config.data.date_order, config.training.sign_flip) == (3, "day_first", True)
    assert load_version(RUNS / "format-3" / "close").config.data.frequency == "sessions"


@pytest.mark.parametrize("name", ["load", "shops", "close"])
def test_the_calibration_of_a_run_is_the_same_in_every_format(name):
    from forecaster.forecasting.calibration import read_calibration
    from forecaster.runs import load_version

    old, new = (read_calibration(load_version(RUNS / f"format-{number}" / name)) for number in (3, 4))
    np.testing.assert_allclose(old.residuals, new.residuals, rtol=1e-5)
    assert (old.smallest_change is None) == (new.smallest_change is None) == (name == "shops")
    assert old.fallback is not None
    assert new.fallback is not None
    assert (old.fallback.forecasters, list(old.fallback.weights)) == (
        new.fallback.forecasters,
        list(new.fallback.weights),
    )
    np.testing.assert_allclose(old.fallback.unknown_weights, new.fallback.unknown_weights, rtol=1e-5)


@pytest.mark.parametrize("folder", sorted(RUNS.iterdir()), ids=lambda folder: folder.name)
def test_a_forecast_repeats_that_the_network_did_not_beat_the_baseline(forecast, folder):
    result = forecast("predict", folder / "load", "--data", folder / "load.csv", "--verbose")
    assert "training found: On the validation part the network did not beat the seasonal naive. " in result.stderr
