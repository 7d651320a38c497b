"""The errors that `forecast check` shows of the last season, by a network that always forecasts 10."""

import numpy as np
import pandas as pd
import pytest

from forecaster.check import last_horizon
from forecaster.check.findings import report_last_horizon
from forecaster.check.last_horizon import measure_last_errors
from forecaster.data import Series

MONTHS = np.arange(12.0)


@pytest.fixture
def windows(monkeypatch) -> list[np.ndarray]:
    """What the network has read."""
    read: list[np.ndarray] = []

    def forecast_ten(windows, seasons, horizon, probabilities):
        assert probabilities == [0.5]
        read.extend(windows)
        return np.full((len(windows), horizon, 1), 10.0)

    monkeypatch.setattr(last_horizon, "forecast_zero_shot", forecast_ten)
    return read


def make_series(values: np.ndarray, name: str = "sales") -> Series:
    timestamps = pd.date_range("2020-01-01", periods=len(values), freq="MS")
    return Series(name, "sales", "month", timestamps, np.asarray(values, float), "MS")


def test_one_series_has_errors_in_its_unit(windows):
    found = measure_last_errors([make_series([*MONTHS, *MONTHS + 2])], (12,))
    np.testing.assert_array_equal(windows[0], MONTHS)
    assert (found.steps, found.forecast) == (12, 1)
    assert found.seasonal == 2
    assert found.naive == pytest.approx(np.mean([9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2]))
    assert found.zero_shot == pytest.approx(np.mean([8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3]))


def test_missing_steps_are_neither_read_nor_scored(windows):
    values = np.array([*MONTHS, *MONTHS + 2])
    values[[3, 11, 14]] = np.nan
    found = measure_last_errors([make_series(values)], (12,))
    assert np.flatnonzero(np.isnan(windows[0])).tolist() == [3, 11]
    known = np.delete(MONTHS + 2, 2)
    assert found.naive == pytest.approx(np.abs(known - 10).mean()), "the last value that is known is 10"


def test_several_series_have_the_mean_of_their_mase(windows):
    flat = np.full(36, 5.0)  # without a scale
    one = np.concatenate([MONTHS, MONTHS + 1, MONTHS + 3])  # changes by 1 from year to year before its last
    two = np.concatenate([MONTHS, MONTHS + 4, MONTHS + 6])  # by 4
    panel = [make_series(flat, "flat"), make_series(one, "one"), make_series(two, "two"), make_series(MONTHS, "short")]
    found = measure_last_errors(panel, (12,))
    assert found.forecast == 2
    assert found.seasonal == pytest.approx((2 / 1 + 2 / 4) / 2)
    assert found.zero_shot == pytest.approx((np.abs(MONTHS + 3 - 10).mean() + np.abs(MONTHS + 6 - 10).mean() / 4) / 2)


def test_short_series_and_endless_numbers_have_no_errors(windows):
    assert measure_last_errors([make_series(np.arange(20.0))], (12,)) is None
    assert measure_last_errors([make_series(np.full(30, np.nan))], (12,)) is None
    assert measure_last_errors([make_series(np.where(np.arange(30) % 3, 1.7e308, -1.7e308))], ()) is None


def test_the_finding_compares_with_naive_forecasts(windows):
    (finding,) = report_last_horizon([make_series([*MONTHS, *MONTHS + 2])], (12,))
    assert (finding.level, finding.code) == ("note", "last-horizon")
    assert finding.text.startswith(
        "the last 12 months, forecast from the steps before: mean absolute error "
        "zero-shot 3.5, last value 4, value 12 months before 2;"
    )
    (alone,) = report_last_horizon([make_series(np.arange(30.0))] * 2, ())
    assert alone.text.startswith("the last 12 months of 2 series, forecast from the steps before: MASE zero-shot ")
    assert "months before" not in alone.text
