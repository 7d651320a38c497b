"""Forecasts that are handed over batch by batch, so that memory does not grow with the number of series."""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.cli.forecast_output import _WrittenCsv, _WrittenParquet
from forecaster.data.assembly import out_of_core, typed_path
from forecaster.errors import DataError, Diverged, InputOutputFailed
from forecaster.forecast import (
    Forecast,
    ForecastBlock,
    forecasts_to_csv,
    forecasts_to_dated_frame,
    forecasts_to_parquet,
    write_csv,
)
from forecaster.forecasting import predict as prediction
from forecaster.forecasting import zero_shot
from forecaster.runs import load_version

RUNS = Path(__file__).parents[1] / "runs" / "format-4"


def take_batches(monkeypatch: pytest.MonkeyPatch, forecast, at_once: int) -> tuple[list[list[Forecast]], object]:
    for module in (prediction, zero_shot):
        monkeypatch.setattr(module, "SERIES_AT_ONCE", at_once)
    batches: list[list[Forecast]] = []
    return batches, forecast(lambda forecasts: batches.append(list(forecasts)))


def forecast_with_run(receive=None, **options):
    return prediction.predict(load_version(RUNS / "shops"), RUNS / "shops.csv", receive=receive, **options)


def forecast_without_run(receive=None):
    config = zero_shot.load_data_config(RUNS / "shops.csv", ["data.series=shop"]).config
    return zero_shot.predict_zero_shot(config, 3, receive=receive)


@pytest.mark.parametrize("forecast", [forecast_with_run, forecast_without_run])
def test_batches_hold_the_forecasts_that_are_collected_otherwise(monkeypatch, forecast):
    expected = forecast()
    assert len(expected.forecasts) == 2
    batches, found = take_batches(monkeypatch, forecast, 1)
    assert [len(batch) for batch in batches] == [1, 1]
    assert forecasts_to_csv([each for batch in batches for each in batch]) == forecasts_to_csv(expected.forecasts)
    assert (found.forecasts, found.panel, found.freshness) == ([], [], [])
    assert (found.problems, found.notices) == (expected.problems, expected.notices)


def test_a_prediction_without_any_forecast_is_refused_and_hands_nothing_over(monkeypatch):
    def refuse(*arguments):
        raise Diverged(prediction.Problem("infinite-intervals"))

    monkeypatch.setattr(prediction.Predictor, "forecast_prepared", refuse)
    with pytest.raises(Diverged):
        take_batches(monkeypatch, forecast_with_run, 2)


@pytest.mark.parametrize("decimal_comma", [False, True])
@pytest.mark.parametrize("most", [1, 1 << 20])
def test_written_batches_are_one_csv_in_memory_or_beyond_it(monkeypatch, most, decimal_comma):
    monkeypatch.setattr("forecaster.cli.forecast_output._BYTES_IN_MEMORY", most)
    monkeypatch.setattr("forecaster.cli.forecast_output._BYTES_AT_ONCE", 100)
    forecasts = forecast_without_run().forecasts
    with contextlib.closing(_WrittenCsv(decimal_comma, "utf-8-sig")) as written:
        for first in range(len(forecasts)):
            written.add(forecasts[first : first + 1])
        parts = list(written.read())
    assert len(parts) > 1
    assert b"".join(parts) == forecasts_to_csv(forecasts, decimal_comma=decimal_comma).encode("utf-8-sig")


def test_written_batches_are_one_parquet_file():
    pytest.importorskip("pyarrow")
    forecasts, written = forecast_without_run().forecasts, _WrittenParquet()
    with contextlib.closing(written):
        for first in range(len(forecasts)):
            written.add(forecasts[first : first + 1])
        found = pd.read_parquet(io.BytesIO(b"".join(written.read())))
    pd.testing.assert_frame_equal(found, pd.read_parquet(io.BytesIO(forecasts_to_parquet(forecasts))))
    assert found["series"].unique().tolist() == ["a", "b"]


@pytest.mark.parametrize("written", [lambda: _WrittenCsv(False, "utf-8"), _WrittenParquet])
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("is_small", [True, False])
def test_a_full_disk_ends_with_the_folder_of_the_temporary_file(monkeypatch, written, threads, is_small):
    """It is noticed when rows leave the buffer of the file: while others follow, or when it is read."""
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    forecasts = forecast_without_run().forecasts
    with Path("/dev/full").open("r+b", buffering=1 << 20 if is_small else 64) as full:

        def write() -> None:
            with contextlib.closing(written()) as batches:
                batches._file.close()
                batches._file = full
                for _ in range(3):
                    batches.write_behind(forecasts)
                list(batches.read())

        with pytest.raises(InputOutputFailed, match=tempfile.gettempdir()):
            write()
        assert full.closed


def test_series_of_several_calendars_have_their_own_timestamps():
    ahead = [pd.date_range(day, periods=2, freq="D") for day in ("2026-01-02", "2026-01-05")]
    values = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    times = [(ahead[0][0], ahead[0]), (ahead[1][0], ahead[1]), (ahead[0][0], ahead[0])]
    block = ForecastBlock(["x", "y", "z"], times, values, {0.5: values}, ["naive"] * 3)
    frame = forecasts_to_dated_frame(block)
    assert frame["timestamp"].tolist() == [*ahead[0], *ahead[1], *ahead[0]]
    assert frame["origin"].tolist() == [day[0] for day in (*[ahead[0]] * 2, *[ahead[1]] * 2, *[ahead[0]] * 2)]
    pd.testing.assert_frame_equal(frame, forecasts_to_dated_frame(list(block)))
    assert forecasts_to_csv(block) == forecasts_to_csv(list(block))


def test_a_header_is_written_once():
    forecasts, file = forecast_without_run().forecasts, io.StringIO()
    write_csv(file, forecasts[:1])
    write_csv(file, forecasts[1:], header=False)
    assert file.getvalue() == forecasts_to_csv(forecasts)


@pytest.fixture
def small_groups(monkeypatch) -> None:
    """The rows of each series are a group."""
    pytest.importorskip("pyarrow")
    for name in ("WORTHWHILE", "LEAST_GROUPED", "_SAMPLE"):
        monkeypatch.setattr(typed_path, name, 0)
    monkeypatch.setattr(out_of_core, "GROUP", 1)


def test_forecasts_of_series_that_are_read_some_at_a_time_are_those_of_all(monkeypatch, small_groups):
    expected = forecast_with_run()
    batches, found = take_batches(monkeypatch, forecast_with_run, 1000)
    assert [[forecast.series for forecast in batch] for batch in batches] == [["a"], ["b"]]
    assert forecasts_to_csv([each for batch in batches for each in batch]) == forecasts_to_csv(expected.forecasts)
    assert (found.problems, found.notices) == (expected.problems, expected.notices)


@pytest.mark.parametrize("short", ["a", "b"])
def test_a_group_of_series_that_are_all_too_short_leaves_out_no_other(monkeypatch, small_groups, tmp_path, short):
    header, *rows = (RUNS / "shops.csv").read_text().splitlines()
    kept = [row for row in rows if f",{short}," not in row] + [row for row in rows if f",{short}," in row][:4]
    (tmp_path / "x.csv").write_text("\n".join([header, *sorted(kept, key=lambda row: row.split(",")[1])]) + "\n")

    def forecast(receive):
        return prediction.predict(load_version(RUNS / "shops"), tmp_path / "x.csv", receive=receive)

    batches, found = take_batches(monkeypatch, forecast, 1000)
    assert {batch[0].series: batch[0].source.startswith("zero-shot") for batch in batches} == {
        name: name == short for name in "ab"
    }
    assert [notice.code for notice in found.notices] == ["too-few-rows-for-network"]


def test_series_that_are_all_too_short_in_every_group_are_an_error(monkeypatch, small_groups, tmp_path):
    header, *rows = (RUNS / "shops.csv").read_text().splitlines()
    kept = [row for name in "ab" for row in [row for row in rows if f",{name}," in row][:4]]
    (tmp_path / "x.csv").write_text("\n".join([header, *kept]) + "\n")
    with pytest.raises(DataError) as error:
        prediction.predict(load_version(RUNS / "shops"), tmp_path / "x.csv", receive=lambda forecasts: None)
    assert [problem.code for problem in error.value.problems] == ["too-few-rows-to-forecast"] * 2
