"""The real training into a run that has a version: which is in use afterwards, what is printed and what is kept."""

import json
import shutil
from pathlib import Path

import pytest

from forecaster import runs
from tests.helpers.command import write_hourly_csv

BAD = ["--set", "forecast.fallback=never"]  # with the weights of the beginning


def challenge_of(run: Path, name: str) -> dict:
    return json.loads((run / "versions" / name / "challenge.json").read_text())


@pytest.mark.slow
def test_a_retraining_replaces_the_version_in_use_only_where_it_is_not_worse(forecast, trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    run = tmp_path / "runs/tiny"
    (first,) = runs.list_versions(run)
    assert challenge_of(run, first)["outcome"] == "first"
    write_hourly_csv(tmp_path / "load.csv", 430)

    result = forecast("train", "tiny.yaml", *BAD, cwd=tmp_path, fitted=False)
    _, lost = runs.list_versions(run)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.startswith(f"runs/tiny: {first} stays in use: the MASE of the new version {lost} is ")
    assert f"use the new version with: forecast promote runs/tiny {lost}" in result.stderr
    assert runs.load_version(run).path.name == first
    found = challenge_of(run, lost)
    assert (found["outcome"], found["promote"], found["champion"]) == ("worse", False, first)
    assert found["scores"]["challenger"]["mase"] > found["scores"]["champion"]["mase"]
    metrics = json.loads((run / "versions" / lost / "metrics.json").read_text())
    assert found["scores"]["challenger"]["mae"] == pytest.approx(metrics["scores"]["model"]["mae"])

    result = forecast("train", "tiny.yaml", *BAD, "--promote", "always", cwd=tmp_path, fitted=False)
    won = runs.list_versions(run)[-1]
    assert (result.returncode, result.stderr) == (0, "")
    assert runs.load_version(run).path.name == won
    assert challenge_of(run, won)["promote"] is True
    assert [each.version for each in runs.read_promotions(run)] == [first, won]
