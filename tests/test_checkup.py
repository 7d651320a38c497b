"""The doctor's measures, on series whose ailments are known."""

import json

import numpy as np
import pytest

from forecaster.data.checkup import (
    Stretch,
    constant_stretches,
    errors_ahead,
    level_shifts,
    outliers,
    season_strength,
)

NOISE = np.random.default_rng(0).normal(size=1000)
DAYS = np.sin(2 * np.pi * np.arange(1000) / 24)


def test_constant_stretches_by_hand():
    values = np.array([1.0, 2, 2, 2, 3, 3, np.nan, np.nan, np.nan, 5, 5, 5, 5])
    assert constant_stretches(values, 3) == [Stretch(9, 4), Stretch(1, 3)]
    assert constant_stretches(np.full(7, 4.0), 3) == [Stretch(0, 7)]
    assert constant_stretches(NOISE, 2) == []


def test_outliers_are_found_and_a_step_of_the_level_is_none():
    values = 10 * DAYS + 0.1 * NOISE
    values[[100, 500]] += [20, -50]
    values[700:] += 30
    np.testing.assert_array_equal(outliers(values, 24), [500, 100])
    assert len(outliers(NOISE, 1)) == 0
    assert len(outliers(np.full(100, 2.0), 1)) == 0


def test_level_shifts_are_found_where_they_are():
    values = 5 * DAYS + 0.3 * NOISE
    values[400:] += 6
    (shift,) = level_shifts(values, 48)
    assert abs(shift.at - 400) <= 3
    assert shift.change == pytest.approx(6, abs=0.3)
    assert level_shifts(5 * DAYS + 0.3 * NOISE, 48) == []


def test_a_season_is_as_strong_as_what_it_explains():
    assert season_strength(DAYS, 24) == pytest.approx(1, abs=1e-6)
    assert season_strength(NOISE, 24) < 0.1
    # the variance of the sine is 1/2, of the noise 1/2: the season explains half
    assert season_strength(DAYS + np.sqrt(0.5) * NOISE, 24) == pytest.approx(0.5, abs=0.06)
    holes = DAYS.copy()
    holes[::50] = np.nan
    assert season_strength(DAYS[:40], 24) == 0


def test_a_walk_has_nothing_beyond_the_naive_and_an_autoregression_has():
    walk = np.cumsum(NOISE)
    assert abs(errors_ahead(walk, 1).gain) < 0.05
    swing = np.zeros(1000)
    for step in range(2, 1000):  # the best forecast errs by the noise alone
        swing[step] = 1.8 * swing[step - 1] - 0.9 * swing[step - 2] + NOISE[step]
    found = errors_ahead(swing, 1)
    assert found.line == pytest.approx(np.mean(np.abs(NOISE)), rel=0.1)
    assert found.gain > 0.4
    assert errors_ahead(NOISE[:30], 1) is None


def test_a_season_is_forecast_from_the_season_before():
    found = errors_ahead(10 * DAYS + NOISE, 24)
    assert found.seasonal_naive == pytest.approx(np.sqrt(2) * np.mean(np.abs(NOISE)), rel=0.15)
    assert found.line < found.seasonal_naive < found.naive


def test_a_healthy_csv_is_ready_and_its_season_is_told(forecast, project):
    result = forecast("check", "load.csv", "--plot", "check.png", cwd=project)
    assert (result.returncode, result.stderr) == (0, "")
    assert "frequency: h" in result.stdout
    assert "strength of seasons, from 0 to 1: 24: 0.9" in result.stdout
    assert "there is something to learn beyond the naive" in result.stdout
    assert result.stdout.endswith("ready to train\n")
    assert (project / "check.png").read_bytes().startswith(b"\x89PNG")


def test_a_sick_csv_exits_4_with_places_and_the_lines_that_mend_it(forecast, project):
    lines = (project / "load.csv").read_text().splitlines()
    lines[100] = lines[100].split(",")[0] + ",900"
    lines.insert(200, lines[200])
    del lines[300]
    (project / "load.csv").write_text("\n".join(lines) + "\n")
    result = forecast("check", "load.csv", "--format", "json", cwd=project)
    assert result.returncode == 4
    findings = {finding["kind"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert findings["duplicates"]["level"] == "error"
    assert "load.csv:201: 1 timestamp stands on several rows: 2026-01-09 07:00:00" in findings["duplicates"]["text"]
    assert findings["outliers"]["text"] == "1 outlier, the farthest first: 2026-01-05 03:00:00 (900)"
    repairs = [finding["repair"] for finding in findings.values() if finding["level"] == "error"]
    sets = [part for repair in repairs for part in ("--set", repair.replace(": ", "="))]
    assert forecast("check", "load.csv", *sets, cwd=project).returncode == 0


def test_a_column_that_tells_the_future_is_suspected(forecast, tmp_path):
    values = np.cumsum(NOISE[:200])
    rows = [f"{np.datetime64('2026-01-01') + i},{values[i]},{values[min(i + 1, 199)]}" for i in range(200)]
    (tmp_path / "leak.csv").write_text("day,price,tomorrow\n" + "\n".join(rows) + "\n")
    result = forecast("check", "leak.csv", "--set", "data.target=price", cwd=tmp_path)
    assert result.returncode == 0
    assert "the column 'tomorrow' is the target one row later: it tells the future" in result.stdout
    assert forecast("check", "nothing.csv", cwd=tmp_path).returncode == 4
