"""What a calibration draws, and the files that keep it."""

import hashlib
import json

import numpy as np
import pytest

from forecaster.forecasting.calibration import Calibration, encode_calibration, read_calibration
from forecaster.forecasting.fallback import Fallback
from forecaster.runs import Version

RESIDUALS = np.array([[0.1, np.nan], [1 / 3, -2.0]])


def version_of(folder, files, version=4):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    listed = {name: {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()} for name, text in files.items()}
    return Version(folder, {"format": version, "files": listed})


@pytest.mark.parametrize("fallback", [None, Fallback(("network", "naive"), {"a": (0.25, 0.75)}, (1 / 3, 2 / 3), 1.5)])
@pytest.mark.parametrize(("smallest_change", "by_distance"), [(None, False), (1 / 3, True)])
def test_a_calibration_is_kept_exactly(tmp_path, fallback, smallest_change, by_distance):
    kept = Calibration(RESIDUALS, smallest_change, fallback, by_distance)
    found = read_calibration(version_of(tmp_path, encode_calibration(kept)))
    np.testing.assert_array_equal(found.residuals, RESIDUALS)
    assert (found.smallest_change, found.fallback) == (smallest_change, fallback)
    assert found.by_distance is by_distance


def test_a_run_of_format_3_keeps_the_same_under_other_names(tmp_path):
    files = {
        "residuals.npy": encode_calibration(Calibration(RESIDUALS))["residuals.npy"],
        "preprocessing.json": b'{"least_change": 0.25}',
        "guard.json": json.dumps({"season": 7, "weights": {"a": 0.25}, "others": 0.75}).encode(),
    }
    found = read_calibration(version_of(tmp_path, files, version=3))
    np.testing.assert_array_equal(found.residuals, RESIDUALS)
    assert (found.smallest_change, found.fallback) == (
        0.25,
        Fallback(("network", "seasonal_naive"), {"a": (0.25, 0.75)}, (0.75, 0.25), intervals_by_errors=False),
    )
    del files["guard.json"]
    assert read_calibration(version_of(tmp_path, files, version=3)).fallback is None


def test_errors_are_drawn_as_whole_horizons_whose_last_known_error_repeats():
    drawn = Calibration(RESIDUALS).draw_errors((2, 3), 50, np.random.default_rng(0))
    assert drawn.shape == (50, 2, 3)
    assert {tuple(path) for path in drawn.reshape(-1, 3).tolist()} == {(0.1, 0.1, 0.1), (1 / 3, -2.0, -2.0)}


def test_origins_whose_first_step_is_unknown_are_not_drawn():
    drawn = Calibration(np.array([[np.nan, 5.0], [1.0, 2.0]])).draw_errors((2,), 20, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, 20 * [[1.0, 2.0]])
