"""Series shorter than the window: filled before their start, distinguished from what was observed, forecast all the same."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.errors import DataError
from forecaster.forecasting.predict import read_newest
from forecaster.preprocessing.plan import place_windows, plan_training
from forecaster.preprocessing.split import Split
from tests.helpers.reading import read_series

DAYS = """\
day,shop,heat,sold
2026-01-03,a,1,1
2026-01-04,a,2,2
2026-01-05,a,3,3
2026-01-06,a,4,4
2026-01-03,b,5,5
2026-01-04,b,6,6
2026-01-05,b,7,7
"""


def read(tmp_path: Path, text: str, target: str = "auto", frequency: str = "auto", **options):
    (tmp_path / "days.csv").write_text(text)
    return read_series(tmp_path / "days.csv", "auto", target, frequency, **options)


def test_a_first_season_is_repeated_going_back(tmp_path):
    panel = read(tmp_path, DAYS, "sold", series="shop", columns=["heat"]).prepend_steps(4, 3)
    a, b = panel
    np.testing.assert_array_equal(a.values, [3, 1, 2, 3, 1, 2, 3, 4])
    np.testing.assert_array_equal(b.values, [7, 5, 6, 7, 5, 6, 7])
    np.testing.assert_array_equal(a.observed, [False] * 4 + [True] * 4)
    np.testing.assert_array_equal(a.covariates["heat"].values, [3, 1, 2, 3, 1, 2, 3, 4])
    assert str(a.timestamps[0]) == "2025-12-30 00:00:00"
    np.testing.assert_array_equal(a.timestamps, pd.date_range("2025-12-30", "2026-01-06"))


def test_a_series_shorter_than_a_season_repeats_what_it_has(tmp_path):
    (series,) = read(tmp_path, "y\n1\n2\n").prepend_steps(5, 3)
    np.testing.assert_array_equal(series.values, [2, 1, 2, 1, 2, 1, 2])
    assert list(series.timestamps) == [-5, -4, -3, -2, -1, 0, 1]


def test_steps_before_the_first_follow_the_calendar(tmp_path):
    (series,) = read(tmp_path, "day,y\n2026-01-31,1\n2026-02-28,2\n2026-03-31,3\n").prepend_steps(2, 1)
    assert [str(day.date()) for day in series.timestamps[:3]] == ["2025-11-30", "2025-12-31", "2026-01-31"]


def test_filled_cells_stay_marked_behind_the_start(tmp_path):
    panel = (
        read(tmp_path, DAYS.replace("b,6,6", "b,6,"), "sold", series="shop", gaps="mask")
        .carry_forward()
        .prepend_steps(1, 1)
    )
    np.testing.assert_array_equal(panel[1].observed, [False, True, False, True])


def test_sessions_have_no_days_before_the_first(tmp_path):
    panel = read(tmp_path, "day,y\n2026-01-02,1\n2026-01-05,2\n2026-01-06,3\n2026-01-08,4\n", frequency="sessions")
    with pytest.raises(DataError, match="window.min_length: frequency sessions has no step before the first row"):
        panel.prepend_steps(2, 1)


def plan(tmp_path: Path, lengths: dict[str, int], **options):
    rows = [f"{name},{','.join(str(value) for value in range(1, length + 1))}" for name, length in lengths.items()]
    width = max(lengths.values())
    rows = [row + "," * (width - lengths[row.split(",")[0]]) for row in rows]
    (tmp_path / "rows.csv").write_text("\n".join([f"id,{','.join(map(str, range(width)))}", *rows]) + "\n")
    values = {
        "data": {"path": str(tmp_path / "rows.csv"), "layout": "rows", "season": 4},
        "window": {"length": 8, "horizon": 2, "min_length": 3},
        "split": {"validation": 2, "test": 0},
        "model": {"decoder": "dense"},
        **options,
    }
    loaded = load_values(values, "x.yaml")
    assert not loaded.problems
    return plan_training(loaded)


def test_the_parts_of_a_short_series_are_its_own(tmp_path):
    found = plan(tmp_path, {"long": 12, "short": 7, "shorter": 6})
    assert [member.series.name for member in found.members] == ["long", "short"]
    assert found.members[1].split == Split(5 + 5, 5 + 7, 5 + 7)
    assert found.members[1].scaler.offset == np.mean([1, 2, 3, 4, 5])
    training, validation = place_windows(found)
    # the short one: its only window has 3 of its 5 training steps, and the other 2 as targets
    assert training[np.arange(len(training))].tolist() == [0, 1, 2, 3, 4, 5, 17]
    assert validation[np.arange(2)].tolist() == [7, 19]
    values = found.members.scale(1)[17:]
    np.testing.assert_allclose(
        found.members[1].scaler.invert(values[:10, 0]), [4, 1, 2, 3, 4, 1, 2, 3, 4, 5], rtol=1e-6
    )


def test_the_network_reads_what_was_filled(tmp_path):
    found = plan(tmp_path, {"long": 12, "short": 7})
    assert found.preprocessing.feature_widths == (0, 1)
    member = found.members[1]
    features = found.features.build(member.series, member.scaler, 0, 14)
    np.testing.assert_array_equal(features[:, 0], [0] * 5 + [1] * 9)


def test_series_of_the_shortest_length_are_forecast_and_shorter_ones_named(tmp_path):
    config = plan(tmp_path, {"long": 12, "three": 3, "two": 2}).config
    panel, problems = read_newest(config, None)
    assert [series.name for series in panel] == ["long", "three"]
    np.testing.assert_array_equal(panel[1].values, [2, 3, 1, 2, 3, 1, 2, 3])
    assert len(problems) == 1
    assert "2 rows are too few to forecast from; expected at least 3, the window [series two]" in str(problems[0])


def test_shortest_is_below_the_length():
    loaded = load_values({"data": {"path": "x.csv"}, "window": {"length": 8, "horizon": 2, "min_length": 8}}, "x.yaml")
    assert "window.min_length: is not below window.length, 8" in str(loaded.problems[0])
