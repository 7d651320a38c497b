"""The measures of `forecast check` on series with known anomalies, and the command on broken files."""

import json

import numpy as np
import pandas as pd
import pytest

from forecaster.check.check import Checkup, check
from forecaster.check.id_columns import are_events, find_separating_columns
from forecaster.check.leakage import find_copied_shift, find_parts
from forecaster.check.statistics import (
    Shift,
    Stretch,
    examine,
    find_constant_stretches,
    find_level_shifts,
    find_outliers,
    measure_errors,
    measure_season_strengths,
)
from forecaster.config import load_values
from forecaster.data.dialect import USUAL
from forecaster.data.series import Series
from forecaster.data.sources.text_table import parse_part
from forecaster.errors import DataError
from forecaster.preprocessing.missing_codes import find_missing_codes

NOISE = np.random.default_rng(0).normal(size=1000)
DAYS = np.sin(2 * np.pi * np.arange(1000) / 24)
WEEKS = np.sin(2 * np.pi * np.arange(1000) / 168)


def test_constant_stretches_by_hand():
    values = np.concatenate([NOISE[:50], np.full(20, 7.0), NOISE[50:80], np.full(15, np.nan), np.full(13, 2.0)])
    assert find_constant_stretches(values, 1) == [Stretch(50, 20), Stretch(115, 13)]
    assert find_constant_stretches(values, 14) == [Stretch(50, 20)]
    assert find_constant_stretches(np.full(12, 4.0), 24) == [Stretch(0, 12)]
    assert find_constant_stretches(np.full(7, 4.0), 3) == []
    assert find_constant_stretches(NOISE, 1) == []


def test_a_stretch_counts_that_chance_does_not_make():
    coins = np.random.default_rng(0).integers(0, 2, 5000).astype(float)
    assert find_constant_stretches(coins, 1) == []  # heads 12 times running comes up
    rain = np.where(np.arange(1000) % 100 < 20, NOISE, 0.0)  # dry for 80 steps, again and again
    assert find_constant_stretches(rain, 1) == []
    stuck = np.where(np.arange(1000) < 960, NOISE.round(2) + 5, 0.0)
    assert find_constant_stretches(stuck, 1) == [Stretch(960, 40)]


def test_outliers_are_found_and_a_step_of_the_level_is_none():
    values = 10 * DAYS + 0.1 * NOISE
    values[[100, 500]] += [20, -50]
    values[700:] += 30
    np.testing.assert_array_equal(find_outliers(values, [24]), [500, 100])
    assert len(find_outliers(NOISE)) == 0
    assert len(find_outliers(np.full(100, 2.0))) == 0
    assert len(find_outliers(np.full(100, np.nan), [24])) == 0


def test_an_outlier_does_not_hide_the_one_a_season_later():
    values = 10 * DAYS + 0.1 * NOISE
    values[[500, 524]] += [60, 50]
    np.testing.assert_array_equal(find_outliers(values, [24]), [500, 524])


def test_outliers_use_the_season_that_repeats_best():
    values = 10 * WEEKS + 0.1 * NOISE
    values[500] += 6  # no more than a day differs from the next
    assert list(find_outliers(values, [24])) != [500]
    assert list(find_outliers(values, [24, 168])) == [500]


def test_marks_for_missing_numbers_are_known_by_their_nines_and_their_distance():
    values = np.concatenate([NOISE, [-999.0, -999.0, 99.0]])
    assert find_missing_codes(values) == [-999.0]
    assert find_missing_codes(np.concatenate([values, [99.0]])) == [-999.0]  # 99 is not far where -999 is a value
    assert find_missing_codes(np.arange(2000.0).repeat(2) - 999) == []
    assert find_missing_codes(np.array([np.nan])) == []


def test_a_lasting_level_shift_is_found_and_a_trend_and_an_excursion_are_none():
    values = 5 * DAYS + 0.3 * NOISE
    shifted = values + np.where(np.arange(1000) >= 400, 6, 0)
    (shift,) = find_level_shifts(shifted, 24)
    assert abs(shift.at - 400) <= 3
    assert shift.change == pytest.approx(6, abs=0.3)
    assert find_level_shifts(values, 24) == []
    assert find_level_shifts(values + np.arange(1000) / 5, 24) == []
    assert find_level_shifts(values + 40 / (1 + np.exp(-(np.arange(1000) - 500) / 100)), 24) == []
    assert find_level_shifts(values + np.where(np.abs(np.arange(1000) - 500) < 10, 6, 0), 24) == []
    assert find_level_shifts(np.full(1000, np.nan), 24) == []
    holes = np.where(np.arange(1000) % 50 == 0, np.nan, shifted)
    (again,) = find_level_shifts(holes, 24)
    assert again == Shift(pytest.approx(shift.at, abs=3), pytest.approx(shift.change, abs=0.2))


def test_a_season_is_as_strong_as_what_it_explains():
    assert measure_season_strengths(DAYS, [24])[24] == pytest.approx(1, abs=1e-6)
    assert measure_season_strengths(NOISE, [24])[24] < 0.05
    assert measure_season_strengths(NOISE, [300])[300] < 0.05  # 300 phases fit much of 1000 steps by chance
    # the variance of the sine is 1/2, of the noise 1/2: the season explains half
    assert measure_season_strengths(DAYS + np.sqrt(0.5) * NOISE, [24])[24] == pytest.approx(0.5, abs=0.06)
    assert measure_season_strengths(DAYS[:40], [24]) == {}
    holes = np.where(np.arange(1000) % 50 == 0, np.nan, DAYS)
    assert measure_season_strengths(holes, [24])[24] == pytest.approx(1, abs=1e-3)


def test_each_of_several_seasons_has_its_own_strength():
    noise = np.sqrt(0.5) * NOISE
    both = measure_season_strengths(DAYS + 2 * WEEKS + noise, [24, 168])
    assert list(both) == [24, 168]
    assert both[24] == pytest.approx(1 / 2, abs=0.1)  # 1/2 against 1/2 of noise
    assert both[168] == pytest.approx(4 / 5, abs=0.1)  # 2 against 1/2
    assert measure_season_strengths(DAYS + noise, [24, 168])[168] < 0.15


def test_a_walk_has_nothing_beyond_the_naive_and_an_autoregression_has():
    walk = measure_errors(np.cumsum(NOISE), [])
    assert abs(walk.gain) < 0.05
    assert not walk.learnable
    swing = np.zeros(1000)
    for step in range(2, 1000):  # the best forecast errs by the noise alone
        swing[step] = 1.8 * swing[step - 1] - 0.9 * swing[step - 2] + NOISE[step]
    found = measure_errors(swing, [])
    assert found.line == pytest.approx(np.mean(np.abs(NOISE)), rel=0.1)
    assert found.gain > 0.4
    assert found.learnable
    assert measure_errors(NOISE[:30], []) is None


def test_a_season_is_forecast_from_the_season_before():
    found = measure_errors(10 * DAYS + NOISE, [24])
    assert found.seasonal[24] == pytest.approx(np.sqrt(2) * np.mean(np.abs(NOISE)), rel=0.15)
    assert found.line < found.seasonal[24] < found.naive
    both = measure_errors(10 * DAYS + 10 * WEEKS + 0.1 * NOISE, [24, 168])
    assert both.best == both.seasonal[168] < both.seasonal[24]


def test_outliers_of_one_run_are_one_episode():
    values = 10 * DAYS + 0.1 * NOISE
    values[[300, 302, 310, 700]] += [20, 30, 25, 22]
    index = pd.date_range("2026-01-01", periods=1000, freq="h")
    found = examine(Series("y", "y", "t", index, values, "h"), [24])
    assert list(found.outliers) == [302, 310, 700, 300]
    assert list(found.episodes) == [302, 700]
    assert not found.has_extreme_outliers
    values[500] = 1000
    assert examine(Series("y", "y", "t", index, values, "h"), [24]).has_extreme_outliers


@pytest.mark.parametrize(
    ("column", "shift"),
    [
        (2 * NOISE + 3, 0),
        (np.roll(NOISE, -1), 1),
        (np.roll(NOISE, 1), -1),
        (np.roll(NOISE, -24), 24),
        (np.roll(NOISE, -5), None),
        (NOISE + 0.3 * NOISE[::-1], None),
        (np.full(1000, 2.0), None),
    ],
)
def test_a_copy_is_found_at_every_shift(column, shift):
    assert find_copied_shift(NOISE, column, [0, 1, -1, 24, -24]) == shift


def test_a_shift_longer_than_the_columns_finds_nothing():
    assert find_copied_shift(NOISE[:20], NOISE[:20], [24, -24]) is None


def test_trends_are_no_copies_of_each_other():
    assert find_copied_shift(np.arange(1000.0) + NOISE, np.arange(1000.0) + NOISE[::-1], [0]) is None


def test_parts_are_found_among_other_columns():
    casual, registered, weather = np.random.default_rng(1).normal(size=(3, 500))
    columns = {"weather": weather, "registered": registered, "casual": casual, "constant": np.full(500, 1.0)}
    assert sorted(find_parts(casual + 2 * registered, columns)) == ["casual", "registered"]
    assert find_parts(casual + registered + 0.1 * NOISE[:500], columns) == []
    assert find_parts(casual, {"weather": weather}) == []
    assert find_parts(casual, {}) == []


# The command


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def findings(result) -> dict[str, dict]:
    return {finding["code"]: finding for finding in json.loads(result.stdout)["findings"]}


def hourly(values) -> list[str]:
    stamps = pd.date_range("2026-01-01", periods=len(values), freq="h")
    return [f"{stamp},{value}" for stamp, value in zip(stamps, values, strict=True)]


def written(folder, rows, header="time,load", encoding="utf-8"):
    (folder / "bad.csv").write_bytes(("\n".join([header, *rows]) + "\n").encode(encoding))
    return folder / "bad.csv"


CLOCK = {"repeated-hour", "skipped-hour"}
LOAD = (100 + 10 * DAYS[:600] + NOISE[:600]).round(3)


def test_a_healthy_csv_is_ready_and_its_season_is_reported(forecast, project):
    result = forecast("check", "load.csv", "--plot", "check.png", cwd=project)
    assert (result.returncode, result.stderr) == (0, "")
    assert "frequency: h" in result.stdout
    assert "strength of seasons, from 0 to 1: 24: 0.9" in result.stdout
    assert "there is something to learn" in result.stdout
    assert "dialect:" not in result.stdout
    assert "warning" not in result.stdout
    assert result.stdout.endswith("ready to train\n")
    assert (project / "check.png").read_bytes().startswith(b"\x89PNG")


def gap(rows):
    return rows[:300] + rows[310:]


def long_gap(rows):
    return rows[:300] + rows[340:]


def twice(rows):
    return [*rows[:200], rows[199], *rows[200:]]


def replaced(text, places):
    def write_bad(rows):
        return [row.split(",")[0] + f",{text}" if index in places else row for index, row in enumerate(rows)]

    return write_bad


def jitter(rows):
    return [row.replace(":00:00", f":00:0{index % 3}") for index, row in enumerate(rows)]


def in_latin(rows):
    return [f"{row};ü".replace(",", ";").replace(".", ",") for row in rows]


ILLS = {
    "gap": (gap, {"data.gaps": "interpolate"}),
    "long gap in a season": (long_gap, {"data.gaps": "seasonal"}),
    "duplicate": (twice, {"data.duplicates": "mean"}),
    "both": (lambda rows: twice(gap(rows)), {"data.duplicates": "mean", "data.gaps": "interpolate"}),
    "empty": (replaced("", {7, 8}), {"data.gaps": "interpolate"}),
    "infinite": (replaced("inf", {7}), {"data.gaps": "interpolate"}),
    "one text": (replaced("n.a.", {7}), {"data.invalid_values": "missing", "data.gaps": "interpolate"}),
    "a mark": (replaced("?", {7, 90, 300}), {"data.na_values": ["?"], "data.gaps": "interpolate"}),
    "jitter": (jitter, {"data.tolerance": "2s"}),
}


@pytest.mark.parametrize("name", ILLS)
def test_the_printed_lines_really_repair_it(forecast, tmp_path, name):
    make, repairs = ILLS[name]
    written(tmp_path, make(hourly(LOAD)))
    result = forecast("check", "bad.csv", "--format", "json", cwd=tmp_path)
    assert result.returncode == 4, result.stderr
    report = json.loads(result.stdout)
    assert report["repairs"] == repairs
    assert report["repairable"]
    places = [str((each["where"], each["column"], each["cells"])) for each in report["findings"] if each["cells"]]
    assert len(places) == len(set(places))  # each cell is reported once
    sets = [part for key, value in repairs.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    again = forecast("check", "bad.csv", *sets, cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    lines = {"path": "bad.csv"} | {key.removeprefix("data."): value for key, value in repairs.items()}
    data = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in lines.items())
    (tmp_path / "bad.yaml").write_text(f"data:\n{data}window: {{length: 48, horizon: 24}}\n")
    validated = forecast("validate", "bad.yaml", cwd=tmp_path)
    assert validated.returncode == 0, validated.stderr


def test_a_file_that_is_no_table_is_repaired_before_it_is_read(forecast, tmp_path):
    written(tmp_path, ["time,load", *hourly(LOAD)], "# of the new sensor")
    result = forecast("check", "bad.csv", cwd=tmp_path)
    assert result.returncode == 4
    assert 'with these lines a training accepts it:\n  data:\n    comment: "#"\n' in result.stdout
    assert forecast("check", "bad.csv", "--set", 'data.comment="#"', cwd=tmp_path).returncode == 0


def test_places_are_reported_and_the_lines_are_yaml(forecast, tmp_path):
    written(tmp_path, twice(gap(hourly(LOAD))))
    result = forecast("check", "bad.csv", cwd=tmp_path)
    assert result.returncode == 4
    assert "error: bad.csv:201: 1 timestamp has duplicate rows: 2026-01-09 07:00:00; choose" in result.stdout
    assert (
        "note: 10 of 600 hours (1.67%) are missing, in 1 gap, the longest of 10: 2026-01-13 12:00:00\n" in result.stdout
    )
    assert (
        "with these lines a training accepts it:\n  data:\n    duplicates: mean\n    gaps: interpolate\n"
        in result.stdout
    )
    assert result.stdout.endswith("a training would refuse it as it is\n")


def test_a_dialect_is_reported_where_it_is_not_the_usual(forecast, tmp_path):
    written(tmp_path, in_latin(hourly(LOAD)), "time;load;unit", "latin-1")
    result = forecast("check", "bad.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "  dialect: encoding latin-1, delimiter ;, decimal ,\n" in result.stdout


def test_an_outlier_that_spoils_the_scale_is_worth_another(forecast, tmp_path):
    written(tmp_path, hourly(np.where(np.arange(600) == 99, 9000, LOAD)))
    result = forecast("check", "bad.csv", "--format", "json", cwd=tmp_path)
    assert result.returncode == 0
    found = findings(result)["outliers"]
    assert (found["level"], found["repair"]) == ("warning", {"scaling": "robust"})
    assert (
        (found["message"])
        == "1 outlier or run of them, far from the values a season before and after: 2026-01-05 03:00:00 (9000)"
    )
    counts = forecast(
        "check",
        "bad.csv",
        "--format",
        "json",
        "--set",
        "scaling=mean",
        "--set",
        "model.head=negative_binomial",
        cwd=tmp_path,
    )
    assert findings(counts)["outliers"]["level"] == "note"


def test_a_code_for_missing_numbers_is_reported_with_the_lines_that_remove_it(forecast, tmp_path):
    written(tmp_path, hourly(np.where(np.isin(np.arange(600), [50, 51, 300]), -999, LOAD)))
    result = forecast("check", "bad.csv", cwd=tmp_path)
    assert result.returncode == 0
    assert "warning: -999 occurs 3 times, far from all other values, like a code for a missing value" in result.stdout
    assert "worth a try:\n  data:\n    na_values: [-999]\n    gaps: interpolate\n" in result.stdout
    repaired = forecast(
        "check", "bad.csv", "--set", "data.na_values=[-999]", "--set", "data.gaps=interpolate", cwd=tmp_path
    )
    assert repaired.returncode == 0
    assert "-999" not in repaired.stdout


def test_several_series_without_their_column_are_distinguished(forecast, tmp_path):
    rows = [f"{row},{name}" for name in ("north", "south") for row in hourly(LOAD[:200])]
    written(tmp_path, rows, "time,load,shop")
    result = forecast("check", "bad.csv", cwd=tmp_path)
    assert result.returncode == 4
    assert "the column 'shop' separates several series: data.series: shop" in result.stdout
    assert "with these lines a training accepts it:\n  data:\n    series: shop\n" in result.stdout
    assert forecast("check", "bad.csv", "--set", "data.series=shop", cwd=tmp_path).returncode == 0


def test_a_panel_is_counted_and_its_worst_series_stand_first(forecast, tmp_path):
    rows = []
    for number in range(14):
        values = 100 + 10 * DAYS[:200] + np.random.default_rng(number).normal(size=200)
        values[100 : 100 + 3 * number] = values[100]
        rows += [f"{row},shop {number}" for row in hourly(values)]
    written(tmp_path, rows, "time,load,shop")
    result = forecast("check", "bad.csv", "--set", "data.series=shop", "--plot", "p.png", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "  series: 14, of 200 hours\n" in result.stdout
    assert "warning: constant stretches in 6 of 14 series: shop 13, " in result.stdout
    lines = result.stdout.splitlines()
    table = lines[
        lines.index(next(line for line in lines if line.startswith("the worst series first, 10 of 14"))) + 1 :
    ]
    assert table[0].split() == ["series", "steps", "missing", "constant", "outliers", "shifts", "season", "gain", "%"]
    assert table[1].split()[:5] == ["shop", "13", "200", "0", "39"]
    assert len([line for line in table if line.startswith("  shop")]) == 10
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_another_season_that_is_worth_more_is_reported(forecast, tmp_path):
    weeks = 100 + 10 * np.sin(2 * np.pi * np.arange(2016) / 168) + 5 * np.sin(2 * np.pi * np.arange(2016) / 24)
    written(tmp_path, hourly(weeks + np.random.default_rng(0).normal(size=2016)))
    result = forecast("check", "bad.csv", "--format", "json", cwd=tmp_path)
    assert result.returncode == 0
    found = findings(result)["better-season"]
    assert found["message"] == (
        "the value 168 hours before has a smaller error than the value 24 hours before, the main season"
    )
    assert found["repair"] == {"data.season": [168, 24]}
    assert forecast("check", "bad.csv", "--set", "data.season=[168, 24]", cwd=tmp_path).returncode == 0


def test_a_config_is_checked_with_its_csv(forecast, project):
    (project / "long.yaml").write_text("data: {path: load.csv}\nwindow: {length: 300, horizon: 48}\n")
    result = forecast("check", "load.csv", "long.yaml", cwd=project)
    assert result.returncode == 4
    assert "error: long.yaml:2:10: window.length" in result.stdout
    (project / "log.yaml").write_text("data: {path: load.csv, minimum: 100}\nwindow: {length: 24, horizon: 4}\n")
    bounded = forecast("check", "load.csv", "log.yaml", cwd=project)
    assert bounded.returncode == 4
    assert "cells are not among" in bounded.stdout


def test_a_column_that_holds_the_future_is_suspected(forecast, tmp_path):
    values = np.cumsum(NOISE[:200])
    rows = [
        f"{np.datetime64('2026-01-01') + i},{values[i]},{values[min(i + 1, 199)]},{values[i] - NOISE[-i]},{NOISE[-i]}"
        for i in range(200)
    ]
    (tmp_path / "leak.csv").write_text("day,price,tomorrow,one,other\n" + "\n".join(rows) + "\n")
    result = forecast("check", "leak.csv", "--set", "data.target=price", cwd=tmp_path)
    assert result.returncode == 0
    assert "the column 'tomorrow' is the target 1 row later: it reveals the future" in result.stdout
    assert "is the target: they are its parts, and not known any sooner" in result.stdout


def test_what_no_line_repairs_is_reported_and_refused(forecast, tmp_path):
    assert forecast("check", "nothing.csv", cwd=tmp_path).returncode == 4
    written(tmp_path, [*hourly(LOAD), "yesterday,5"])
    result = forecast("check", "bad.csv", cwd=tmp_path)
    assert result.returncode == 4
    assert "bad.csv:602: time: 1 cell is not a timestamp: 'yesterday' (line 602)" in result.stdout


# The same in one process


def checked(path, *lines: str) -> Checkup:
    smallest = {"data": {"path": str(path)}, "window": {"length": 2, "horizon": 1}}
    return check(load_values(smallest, str(path), list(lines)))


def get_texts(found: Checkup) -> dict[str, str]:
    return {finding.code: finding.text for finding in found.findings}


def stamped(stamps, values=LOAD) -> list[str]:
    return [f"{stamp},{value}" for stamp, value in zip(stamps, values, strict=False)]


@pytest.mark.parametrize("weekmask", ["Mon Tue Wed Thu Fri Sat", "Mon Tue Wed Thu Sun"])
def test_days_of_a_calendar_that_is_seen_are_healthy(tmp_path, weekmask):
    days = pd.bdate_range("2020-01-01", periods=300, freq="C", weekmask=weekmask)
    found = checked(written(tmp_path, stamped(days)))
    assert found.is_ready
    assert found.facts["frequency"] == "C"
    assert f"all rows are on {weekmask}" in get_texts(found)["weekdays-found"]


def test_rows_that_are_series_are_checked_without_looking_for_leaks(tmp_path):
    header = ",".join(["name", *(f"V{step}" for step in range(60))])
    rows = [",".join([name, *map(str, LOAD[:60])]) for name in ("a", "b")]
    assert checked(written(tmp_path, rows, header), "data.layout=rows").is_ready


def test_a_short_file_with_a_second_column_of_numbers_is_checked(tmp_path):
    rows = [f"{row},{index}" for index, row in enumerate(hourly(LOAD[:20]))]
    assert "short" in get_texts(checked(written(tmp_path, rows, "time,load,other"), "data.target=load"))


def test_an_error_names_a_problem():
    with pytest.raises(ValueError, match="without a problem"):
        DataError([])


def several(folder, header, *columns) -> str:
    """A CSV of 200 rows in which each timestamp stands `len(rows) / 50` times."""
    rows = [f"{','.join(ids)},{row}" for ids in zip(*columns, strict=True) for row in hourly(LOAD[:50])]
    return written(folder, rows, f"{header},time,load")


@pytest.mark.parametrize(
    ("header", "columns", "repairs"),
    [
        ("state,shop", [("CA", "CA", "TX", "TX"), ("x", "y", "x", "y")], {"data.series": ["state", "shop"]}),
        ("state,shop", [("CA", "CA", "TX", "TX"), ("a", "b", "c", "d")], {"data.series": "shop"}),
        ("shop", [("1", "2", "3", "4")], {"data.series": "shop"}),
    ],
)
def test_columns_of_ids_are_found_that_separate_series(tmp_path, header, columns, repairs):
    found = checked(several(tmp_path, header, *columns), "data.target=load")
    assert found.repairs == repairs
    assert found.is_repairable


def test_series_with_duplicates_are_separated_first(tmp_path):
    rows = [f"{row},{name}" for name in "ab" for row in twice(hourly(LOAD[:250]))]
    assert checked(written(tmp_path, rows, "time,load,id")).repairs == {"data.series": "id", "data.duplicates": "mean"}


def test_a_column_of_hours_is_a_part_of_the_time(tmp_path):
    rows = [f"2026-01-{1 + index // 24:02},{index % 24},{value}" for index, value in enumerate(LOAD[:240])]
    path = written(tmp_path, rows, "day,hr,load")
    found = checked(path, "data.target=load")
    assert (found.facts["time"], found.facts["frequency"], found.repairs) == ("day, hr", "h", {})
    stated = checked(path, "data.target=load", "data.time=day")
    assert stated.repairs == {"data.time": ["day", "hr"]}
    assert stated.facts["frequency"] == "h"


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        *(("Europe/Berlin", day) for day in ("2023-10-20", "2024-03-20")),
        *(("America/New_York", day) for day in ("2023-10-25", "2024-03-01")),
        ("Europe/London", "2024-03-20"),
    ],
)
def test_a_change_of_the_clock_is_repaired_by_its_zone(tmp_path, zone, start):
    stamps = pd.date_range(start, periods=480, freq="h", tz=zone).tz_localize(None)
    found = checked(written(tmp_path, stamped(stamps)))
    assert found.repairs == {"data.timezone": zone}
    assert found.is_repairable
    assert "the clock was set " in next(finding.text for finding in found.findings if finding.code in CLOCK)


def test_hours_dated_by_their_end_are_explained_by_no_zone(tmp_path):
    stamps = pd.date_range("2023-03-01", periods=24 * 280, freq="h", tz="America/New_York").tz_localize(None)
    ends = stamps + pd.Timedelta(hours=1)  # 03:00 is missing in spring, 02:00 there twice in autumn
    found = checked(written(tmp_path, stamped(ends, np.tile(LOAD, 12))))
    assert found.repairs == {"data.duplicates": "mean", "data.gaps": "interpolate"}
    assert found.is_repairable
    assert not any("time zone" in finding.text for finding in found.findings)


def test_a_shop_that_closes_gets_a_calendar_not_made_up_sales(tmp_path):
    days = pd.date_range("2023-01-02", "2023-08-26")
    open_days = days[(days.day_of_week != 6) & ~((days >= "2023-03-01") & (days < "2023-03-20"))]  # and a refit
    shop = checked(written(tmp_path, stamped(open_days)))
    assert shop.repairs == {"data.weekmask": "Mon Tue Wed Thu Fri Sat"}
    assert any("most of them on Sundays" in finding.text for finding in shop.findings)
    hours = pd.date_range("2023-01-02", periods=24 * 28, freq="h")
    opening = checked(written(tmp_path, stamped(hours[(hours.hour >= 8) & (hours.hour < 21)])))
    assert opening.repairs == {"data.frequency": "sessions"}
    assert opening.is_repairable


@pytest.mark.parametrize("frequency", ["D", "MS"])
def test_local_midnights_with_changing_offsets_are_dates_of_their_zone(tmp_path, frequency):
    stamps = pd.date_range("2023-01-01", periods=120, freq=frequency, tz="America/New_York")
    found = checked(written(tmp_path, stamped(stamps)))
    assert found.repairs == {"data.timezone": "America/New_York"}
    assert (found.facts["frequency"], found.facts["span"][:10]) == (frequency, "2023-01-01")


@pytest.mark.parametrize(
    ("rows", "header", "offered"),
    [
        ([f"{row},1" for row in hourly(LOAD[:30])], "time,load,other", "choose one"),
        ([f"01/{1 + index:02}/2010,{index}" for index in range(12)], "time,load", "can be read as"),
        (
            [row.replace(",", ";") for row in hourly([f"{value:.3f}" for value in LOAD[:30] / 30])],
            "time;load",
            "choose one",
        ),
    ],
)
def test_what_offers_choices_alone_is_a_report_too(tmp_path, rows, header, offered):
    found = checked(written(tmp_path, rows, header))
    assert not found.is_ready
    assert not found.is_repairable
    assert offered in found.findings[0].text
    assert found.facts["rows"] == len(rows)
    assert json.loads(found.to_json())["series"] == []


def test_missing_cells_of_covariates_are_repaired(tmp_path):
    rows = [f"{row},{'' if index == 40 else index % 5}" for index, row in enumerate(hourly(LOAD[:100]))]
    path, sets = (
        written(tmp_path, rows, "time,load,heat"),
        ("data.target=load", "data.covariates.past=[heat]", "model.decoder=dense"),
    )
    found = checked(path, *sets)
    assert found.repairs == {"data.covariates.missing": {"heat": "last"}}
    assert "  data:\n    covariates:\n      missing: {heat: last}\n" in found.to_text()
    assert checked(path, *sets, "data.covariates.missing={heat: last}").is_ready


def test_marks_for_missing_numbers_are_no_level_shift(tmp_path):
    rows = hourly(np.where(np.isin(np.arange(300), [4, 60, 100]), -999, LOAD[:300]))
    found = get_texts(checked(written(tmp_path, rows)))
    assert "missing-code" in found
    assert "level-shifts" not in found


def test_problems_of_rows_that_are_several_series_are_dropped(tmp_path):
    days = [f"{day},1.5,b" for day in pd.date_range("2025-06-01", periods=300)]
    found = checked(
        written(tmp_path, [*(f"{row},{name}" for name in "ac" for row in hourly(LOAD)), *days], "time,load,id")
    )
    assert not any("follow no regular step" in finding.text for finding in found.findings)


def test_rows_half_a_decade_apart_are_a_step_of_months(tmp_path):
    stamps = [f"{year}-01-01" for year in range(1880, 2020, 5)]
    found = checked(written(tmp_path, stamped(stamps)))
    assert found.repairs == {"data.frequency": "60MS"}
    assert found.is_repairable


def table_of(columns):
    rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    return parse_part(("\n".join(rows) + "\n").encode(), "x.csv", "x.csv", USUAL)


def test_measures_are_no_ids_and_sparse_names_no_series():
    days = [f"2026-01-{1 + row // 4:02}" for row in range(100)]
    store = [row % 4 for row in range(100)]
    events = {"day": days, "store": ["a"] * 100, "quantity": store, "total": range(100)}
    assert find_separating_columns(table_of(events), ["day"], "total").columns == ()
    assert find_separating_columns(table_of(events | {"storeId": store}), ["day"], "total").columns == ("storeId",)
    assert find_separating_columns(table_of(events | {"shelf": store}), ["day"], "total").columns == ("shelf",)
    customers = [f"c{row * 7 % 50}" for row in range(100)]
    assert find_separating_columns(table_of(events | {"customer": customers}), ["day"], "total").columns == ()


def test_rows_of_one_timestamp_are_events_where_their_number_changes():
    days = [f"2026-01-{1 + row // 4:02}" for row in range(100)]
    assert not are_events(table_of({"day": days}), ["day"])
    assert are_events(table_of({"day": days[1:]}), ["day"])
    assert not are_events(table_of({"day": dict.fromkeys(days)}), ["day"])


def test_transactions_are_summed_and_days_without_any_are_zero(forecast, tmp_path):
    rows = [
        f"2026-{1 + day // 28:02}-{1 + day % 28:02},{sale},{sale + 1}" for day in range(80) for sale in range(day % 4)
    ]
    (tmp_path / "x.csv").write_text("\n".join(["day,quantity,total", *rows]) + "\n")
    result = forecast("check", "x.csv", "--set", "data.target=total", "--format", "json", cwd=tmp_path)
    report = json.loads(result.stdout)
    assert report["repairs"] == {"data.duplicates": "sum", "data.gaps": "zero"}
    assert report["repairable"]
    assert "rows-are-events" in [finding["code"] for finding in report["findings"]]
