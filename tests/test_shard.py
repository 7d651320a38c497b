"""`forecast predict RUN --shard 2/4` forecasts a share of the series, as they are forecast with the others."""

import csv
import io

import pytest

from tests.helpers.command import ROOT

RUN = ROOT / "tests" / "runs" / "format-4" / "shops"


def forecast_shard(forecast_here, tmp_path, *options):
    command = ["predict", RUN, "--data", RUN.with_suffix(".csv"), *options]
    result = forecast_here(*command, cwd=tmp_path)
    return result, list(csv.DictReader(io.StringIO(result.stdout)))


def test_shards_have_the_forecasts_of_all_series_together(forecast_here, tmp_path):
    _, whole = forecast_shard(forecast_here, tmp_path)
    names = list(dict.fromkeys(row["series"] for row in whole))
    assert len(names) > 1
    parts = [forecast_shard(forecast_here, tmp_path, "--shard", f"{number}/2")[1] for number in (1, 2)]
    for number, part in enumerate(parts):
        assert part == [row for row in whole if row["series"] in names[number::2]]


@pytest.mark.parametrize(
    ("shard", "message"),
    [("900/900", "at most"), ("3/2", "NUMBER/COUNT, such as 2/4"), ("half", "NUMBER/COUNT, such as 2/4")],
)
def test_a_shard_without_series_is_refused(forecast_here, tmp_path, shard, message):
    result, _ = forecast_shard(forecast_here, tmp_path, "--shard", shard)
    assert result.returncode == 2
    assert message in result.stderr


def test_a_file_without_a_run_has_no_shards(forecast_here, tmp_path):
    result = forecast_here("predict", RUN.with_suffix(".csv"), "--shard", "1/2", cwd=tmp_path)
    assert result.returncode == 2
    assert "--shard" in result.stderr
