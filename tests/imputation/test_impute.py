"""Imputation: gaps found and cut, the network's loss, and `forecast impute` from end to end."""

import csv
import io
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from forecaster.imputation.artificial_gaps import compute_length_shares, cut_gaps, measure_distances
from forecaster.imputation.filled_csv import FilledSeries, format_filled_csv
from forecaster.imputation.interpolation import fill_seasonal_mean, interpolate_seasonally
from forecaster.inputs import Inputs
from forecaster.time.gaps import Gap, find_gaps, interpolate_linearly
from tests.helpers.command import HEAVY, run_in_turn, write_hourly_csv
from tests.helpers.reading import read_table, series_of

NAN = np.nan

FILL = """\
data: {path: elsewhere.csv, season: 24}
window: {length: 24, horizon: 1}
model: {cell: lstm, units: 4, bidirectional: true}
training: {epochs: 1, batch_size: 64, batches_per_epoch: 2, loss: mae}
"""


def test_gaps_are_runs_of_nan():
    assert find_gaps(np.array([NAN, 1, NAN, NAN, 2.0])) == [Gap(0, 1), Gap(2, 2)]
    assert find_gaps(np.array([1.0, 2.0])) == []
    assert Gap(2, 4).middle == 4


def test_distances_to_the_nearest_observed_cell():
    np.testing.assert_array_equal(
        measure_distances(np.array([NAN, 1, NAN, NAN, NAN, 2, NAN, NAN])), [1, 0, 1, 2, 1, 0, 1, 2]
    )


def test_lengths_are_half_like_the_gaps_and_half_any():
    np.testing.assert_allclose(compute_length_shares([], 4), [0.25] * 4)
    np.testing.assert_allclose(compute_length_shares([Gap(0, 1), Gap(5, 9)], 4), [0.375, 0.125, 0.125, 0.375])


def test_gaps_are_cut_inside_their_part_and_the_same_for_a_seed():
    values = np.arange(5000.0)
    one, other = (cut_gaps(values, 1000, 4000, np.full(9, 1 / 9), 0.2, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    hidden = np.flatnonzero(np.isnan(one))
    assert hidden.min() >= 1000
    assert hidden.max() < 4000
    assert 0.15 < len(hidden) / 3000 < 0.25
    assert max(gap.length for gap in find_gaps(one)) == 9


def test_baselines_of_a_gap_by_hand():
    values = np.array([0.0, 10, NAN, NAN, 4, 14, 6, 16])
    np.testing.assert_allclose(interpolate_linearly(values), [0, 10, 8, 6, 4, 14, 6, 16])
    np.testing.assert_allclose(fill_seasonal_mean(values, 2), [0, 10, 2, 12, 4, 14, 6, 16])
    # a saw that rises by 2 each season: its mean of both sides is right already
    np.testing.assert_allclose(interpolate_seasonally(np.array([0.0, 10, 2, 12, NAN, 14, 6, 16, 8, 18]), 2)[4], 4)


def network(length=8, season=2, reach=1, shares=(0.5, 0.5), loss="mse"):
    from forecaster.config.schema import Model
    from forecaster.models import build_imputation_network

    model = Model(cell="gru", units=(3,), bidirectional=True)
    return build_imputation_network(model, length, season, reach, np.array(shares), loss, 0)


@pytest.mark.slow
def test_straight_lines_between_observed_cells():
    from forecaster.models.imputation_network import interpolate

    values = np.array([[NAN, 1, NAN, NAN, 4, NAN], [NAN] * 6], np.float32)
    lines, before, after = interpolate(values, ~np.isnan(values))
    np.testing.assert_allclose(lines, [[1, 1, 2, 3, 4, 4], [0] * 6])
    np.testing.assert_allclose(before[0, 1:5], [0, 1, 2, 0])
    np.testing.assert_allclose(after[0, 1:5], [0, 2, 1, 0])


@pytest.mark.slow
def test_an_untrained_network_interpolates_what_the_season_leaves():
    steps = np.arange(12, dtype=np.float32)
    truth = np.where(steps % 2, 5.0, 0.0) + steps  # a saw on a slope
    window = truth.copy()
    window[5:7] = NAN
    np.testing.assert_allclose(np.asarray(network()(window[None]))[0], truth[2:10], atol=1e-4)


@pytest.mark.slow
def test_a_window_of_which_nothing_is_known_is_finite():
    assert np.isfinite(np.asarray(network()(np.full((1, 12), NAN, np.float32)))).all()


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "penalty"), [("mae", np.abs), ("mse", np.square)])
def test_the_loss_counts_cells_that_are_hidden_and_known_alone(loss, penalty):
    net = network(loss=loss)
    truth = np.random.default_rng(0).normal(size=(1, 12)).astype(np.float32)
    truth[0, 5] = NAN  # a gap of the series: hidden or not, nobody knows its value
    hidden = np.zeros((1, 8), bool)
    hidden[0, 2:5] = True  # the window's steps 4, 5, 6
    masked = truth.copy()
    masked[0, 4:7] = NAN
    filled = np.asarray(net(masked))
    expected = penalty(filled[0, [2, 4]] - truth[0, [4, 6]]).mean()
    assert float(net._score_hidden_cells(truth, hidden, training=False)) == pytest.approx(expected, rel=1e-5)
    assert float(net._score_hidden_cells(truth, np.zeros((1, 8), bool), training=False)) == 0


@pytest.mark.slow
def test_validation_hides_the_same_each_time_and_training_does_not():
    net = network(length=16, shares=np.full(6, 1 / 6))
    windows = np.random.default_rng(0).normal(size=(20, 20)).astype(np.float32)
    nothing = np.zeros((20, 0), np.float32)
    assert float(net.compute_validation_loss(Inputs(windows), nothing)) == float(
        net.compute_validation_loss(Inputs(windows), nothing)
    )
    assert float(net.compute_training_loss(Inputs(windows), nothing, 0.0)) != float(
        net.compute_training_loss(Inputs(windows), nothing, 0.0)
    )


def filled_text(path: Path, text: str, time: str | None = "t", numbers: float = 9.5) -> str:
    """The CSV with every gap filled by one number."""
    path.write_bytes(text.encode())
    table = read_table(path)
    (series,) = series_of(table, time, "y", "auto", "mask")
    gap = np.isnan(series.values)
    return format_filled_csv(
        table,
        FilledSeries(
            series, np.where(gap, numbers, series.values), {0.1: np.where(gap, 9.0, NAN), 0.9: np.where(gap, 10.0, NAN)}
        ),
    )


def test_rows_come_back_as_written_with_the_missing_ones_among_them(tmp_path):
    text = 't,"no, te",y\n2026-01-01,"a ""b""", 1.50\n2026-01-02,,\n2026-01-03, x ,3e0\n2026-01-05,,05\n2026-01-06,"",nan\n2026-01-07,,7\n'
    assert filled_text(tmp_path / "a.csv", text).splitlines() == [
        't,"no, te",y,filled,lower_80,upper_80',
        '2026-01-01,"a ""b""", 1.50,0,,',
        "2026-01-02,,9.5,1,9,10",
        "2026-01-03, x ,3e0,0,,",
        "2026-01-04,,9.5,1,9,10",
        "2026-01-05,,05,0,,",
        "2026-01-06,,9.5,1,9,10",
        "2026-01-07,,7,0,,",
    ]


def test_rows_outside_the_numbers_stay_and_line_ends_stay(tmp_path):
    text = "t,y\r\n2026-01-01,\r\n2026-01-02,1\r\n2026-01-04,2\r\n2026-01-05,3\r\n2026-01-06,\r\n"
    assert filled_text(tmp_path / "a.csv", text) == (
        "t,y,filled,lower_80,upper_80\r\n2026-01-01,,0,,\r\n2026-01-02,1,0,,\r\n2026-01-03,9.5,1,9,10\r\n2026-01-04,2,0,,\r\n"
        "2026-01-05,3,0,,\r\n2026-01-06,,0,,\r\n"
    )


TIMES = {
    "minutes": ("2026-01-01 00:00", "2026-01-01 01:00", "2026-01-01 02:00", "2026-01-01 03:00"),
    "zone": ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z", "2026-01-01T03:00:00Z"),
    "offset": tuple(f"2026-01-01T0{hour}:00:00+02:00" for hour in range(4)),
    "months": ("2026-01", "2026-02", "2026-03", "2026-04"),
    "compact": ("20260101", "20260102", "20260103", "20260104"),
    "American": ("1/28/2026", "1/29/2026", "1/30/2026", "1/31/2026"),
    "German": ("28.01.2026 00:00", "29.01.2026 00:00", "30.01.2026 00:00", "31.01.2026 00:00"),
    "seconds": ("1767225600", "1767229200", "1767232800", "1767236400"),
    "milliseconds": ("1767225600000", "1767229200000", "1767232800000", "1767236400000"),
    "numbers": ("7", "8", "9", "10"),
}


@pytest.mark.parametrize("case", TIMES)
@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
def test_a_missing_timestamp_is_written_like_the_others(tmp_path, case, backwards):
    times = [*TIMES[case]]
    rows = [f"{time},{value}" for value, time in enumerate(times)]
    kept = [row for row in rows if row != rows[2]]
    text = filled_text(tmp_path / "a.csv", "\n".join(["t,y", *(kept[::-1] if backwards else kept)]) + "\n")
    written = [row.split(",")[0] for row in text.splitlines()[1:]]
    assert written == (times[::-1] if backwards else times)


def test_a_second_reading_of_a_filled_csv_has_no_gap(tmp_path):
    text = filled_text(tmp_path / "a.csv", "t,y\n2026-01-01,1\n2026-01-02,\n2026-01-05,3\n2026-01-06,2\n")
    (tmp_path / "b.csv").write_text(text)
    assert not np.isnan(series_of(read_table(tmp_path / "b.csv"), "t", "y", "auto")[0].values).any()


@pytest.fixture
def gappy(tmp_path: Path) -> Path:
    """A folder with fill.yaml and load.csv: 400 hours, 5 rows missing from line 60 on, two empty cells later."""
    rows = write_hourly_csv(tmp_path / "load.csv").read_text().splitlines()
    rows[300], rows[301] = (row.split(",")[0] + "," for row in rows[300:302])
    (tmp_path / "load.csv").write_text("\n".join([*rows[:58], *rows[63:]]) + "\n")
    (tmp_path / "fill.yaml").write_text(FILL)
    return tmp_path


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.slow
def test_impute_fills_marks_and_leaves_the_rest_alone_and_the_same_twice(forecast, gappy):
    call = ("impute", "load.csv", "fill.yaml", "--levels", "80")
    result = forecast(*call, "--output", "filled.csv", "--plot", "filled.png", cwd=gappy)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    text = (gappy / "filled.csv").read_text()
    before = (gappy / "load.csv").read_text().splitlines()
    after = [row.removesuffix(",0,,") for row in text.splitlines() if row.endswith(",0,,")]
    assert after == [row for row in before[1:] if not row.endswith(",")]
    rows = records(text)
    assert len(rows) == 400
    filled = [row for row in rows if row["filled"] == "1"]
    assert [row["time"] for row in filled] == [
        *(f"2026-01-03 {hour:02}:00:00" for hour in range(9, 14)),
        *(f"2026-01-13 {hour}:00:00" for hour in (11, 12)),
    ]
    assert all(float(row["lower_80"]) <= float(row["load"]) <= float(row["upper_80"]) for row in filled)
    assert (gappy / "filled.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in gappy.iterdir()) == ["fill.yaml", "filled.csv", "filled.png", "load.csv"]
    again = forecast(*call, "--verbose", cwd=gappy)
    assert again.stdout == text
    assert "400 hours, 7 missing in 2 gaps, the longest of 5 hours" in again.stderr
    assert re.search(r"error on [\d,]+ cells hidden in the test part +MAE", again.stderr)


@pytest.mark.slow
def test_it_learns_to_fill_better_than_a_straight_line(forecast, tmp_path):
    steps = np.arange(600)
    truth = 100 + 10 * np.sin(2 * np.pi * steps / 17.3)
    write_hourly_csv(tmp_path / "load.csv", values=truth)
    rows = (tmp_path / "load.csv").read_text().splitlines()
    gapped = cut_gaps(truth, 480, 600, compute_length_shares([], 12), 0.2, np.random.default_rng(0))
    gapped[-1] = truth[-1]
    hidden = np.isnan(gapped)
    kept = [row for row, gone in zip(rows[1:], hidden, strict=True) if not gone]
    (tmp_path / "load.csv").write_text("\n".join([rows[0], *kept]) + "\n")
    (tmp_path / "fill.yaml").write_text(FILL)
    result = forecast(
        "impute", "load.csv", "fill.yaml", "--levels", "", "--set", "data.season=1", "--set", "model.units=32", "--set", "window.length=48",
        "--set", "training={epochs: 6, batches_per_epoch: 40, optimizer: {learning_rate: 0.02}, schedule: {name: cosine}}",
        "--set", "split={validation: 0.1, test: 0}", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = records(result.stdout)
    assert list(rows[0]) == ["time", "load", "filled"]
    filled = np.array([float(row["load"]) for row in rows])
    network_error = np.abs(filled - truth)[hidden].mean()
    assert network_error < 0.5 * np.abs(interpolate_linearly(gapped) - truth)[hidden].mean()


def test_nothing_to_fill_is_written_and_reported_without_tensorflow(forecast, gappy):
    write_hourly_csv(gappy / "load.csv", rows=30)
    with (gappy / "load.csv").open("a") as file:
        file.write("2026-01-02 06:00:00,\n")
    result = forecast("impute", "load.csv", "fill.yaml", "-o", "filled.csv", "-v", cwd=gappy)
    assert result.returncode == 0
    assert "load.csv: nothing to fill" in result.stderr
    assert "1 row is before the first number or after the last, and not filled" in result.stderr
    rows = (gappy / "filled.csv").read_text().splitlines()
    assert rows[0] == "time,load,filled,lower_95,lower_80,upper_80,upper_95"
    assert [row.removesuffix(",0,,,,") for row in rows[1:]] == (gappy / "load.csv").read_text().splitlines()[1:]
    (ended,) = run_in_turn([["impute", "load.csv", "fill.yaml", "-o", "filled.csv"]], gappy)
    assert (ended.code, ended.packages & HEAVY) == (0, set())


REFUSED = {
    "forward": (
        "model.bidirectional=false",
        2,
        "model.bidirectional: a gap is filled from both sides",
    ),
    "head": ("model.head=normal", 2, "model.head: normal cannot fill gaps: impute learns one value for each cell"),
    "segment": ("model.segment=2", 2, "model.segment: 2 cannot fill gaps"),
    "normalization": ("model.normalization=last", 2, "model.normalization: last cannot fill gaps"),
    "no validation": ("split.validation=0", 2, "split.validation: intervals are measured on gaps"),
    "ids": ("data.series=load", 2, "data.series: impute fills one series"),
    "key": ("model.cel=gru", 2, "model.cel: unknown key, did you mean 'cell'?"),
    "gap": (
        "window.length=8",
        4,
        "load.csv:59: 5 hours are missing in a row, 2026-01-03 09:00:00 to 2026-01-03 13:00:00",
    ),
    "window": ("window.length=390", 4, "400 steps are too few to learn windows of 390 from"),
    "target": ("data.target=lod", 4, "no column 'lod', did you mean 'load'?"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(forecast, gappy, case):
    override, code, message = REFUSED[case]
    result = forecast("impute", "load.csv", "fill.yaml", "-o", "filled.csv", "--set", override, cwd=gappy)
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (gappy / "filled.csv").exists()


def test_missing_files_taken_columns_and_pictures_of_other_kinds_are_refused(forecast, gappy):
    assert forecast("impute", "laod.csv", "fill.yaml", cwd=gappy).returncode == 4
    assert forecast("impute", "load.csv", "fil.yaml", cwd=gappy).returncode == 2
    assert forecast("impute", "load.csv", "fill.yaml", "--plot", "x.jpg", cwd=gappy).returncode == 2
    assert forecast("impute", "load.csv", "fill.yaml", "--levels", "0", cwd=gappy).returncode == 2
    rows = (gappy / "load.csv").read_text().splitlines()
    (gappy / "load.csv").write_text("\n".join([rows[0] + ",filled", *(row + ",0" for row in rows[1:])]))
    taken = forecast("impute", "load.csv", "fill.yaml", "--set", "data.target=load", cwd=gappy)
    assert taken.returncode == 4
    assert "load.csv:1: 'filled' will be a column of the filled CSV" in taken.stderr


@pytest.mark.slow
def test_an_interrupted_imputation_writes_nothing(forecast, gappy):
    endless = ["--set", "training={epochs: 100000, early_stopping: null}"]
    third = (lambda stderr: "epoch 2" in stderr), signal.SIGINT
    stopped = forecast(
        "impute", "load.csv", "fill.yaml", "-o", "filled.csv", "-v", *endless, cwd=gappy, signal_when=third
    )
    assert stopped.returncode == 130, stopped.stderr
    assert stopped.stderr.endswith("interrupted: nothing was written\n")
    assert sorted(path.name for path in gappy.iterdir()) == ["fill.yaml", "load.csv"]
