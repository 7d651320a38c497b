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


def cut_second_series(tmp_path, rows):
    lines = RUN.with_suffix(".csv").read_text().splitlines()
    names = list(dict.fromkeys(line.split(",")[1] for line in lines[1:]))
    short = [line for line in lines if line.split(",")[1] == names[1]][-rows:]
    path = tmp_path / "short.csv"
    path.write_text("\n".join([line for line in lines if line.split(",")[1] != names[1]] + short) + "\n")
    return path, names[1]


def test_a_shard_of_short_series_alone_has_the_forecasts_that_they_have_with_others(forecast_here, tmp_path):
    path, name = cut_second_series(tmp_path, 6)
    whole = forecast_here("predict", RUN, "--data", path, cwd=tmp_path)
    part = forecast_here("predict", RUN, "--data", path, "--shard", "2/2", cwd=tmp_path)
    assert (whole.returncode, part.returncode) == (0, 0)
    header, *rows = whole.stdout.splitlines()
    expected = [row for row in rows if row.startswith(f"{name},")]
    assert part.stdout.splitlines() == [header, *expected]
    assert len(expected) == 7
    assert part.stderr == whole.stderr  # the forecast is zero-shot


def test_a_shard_whose_series_are_all_refused_ends_as_data_without_a_forecast(forecast_here, tmp_path):
    path, name = cut_second_series(tmp_path, 1)
    whole = forecast_here("predict", RUN, "--data", path, cwd=tmp_path)
    part = forecast_here("predict", RUN, "--data", path, "--shard", "2/2", "--output", "part.csv", cwd=tmp_path)
    assert (whole.returncode, part.returncode) == (3, 4)
    assert part.stderr == whole.stderr
    assert name in part.stderr
    assert not (tmp_path / "part.csv").exists()


def test_anomalies_have_no_shards(forecast_here, tmp_path):
    result, _ = forecast_shard(forecast_here, tmp_path, "--shard", "1/2", "--anomalies", "anomalies.csv")
    assert result.returncode == 2
    assert "--anomalies: expected no --shard" in result.stderr
    assert not (tmp_path / "anomalies.csv").exists()
