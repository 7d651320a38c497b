"""Covariates: their encodings, what replaces missing cells, and the commands that read them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Series
from forecaster.data.series import Column
from forecaster.errors import DataError
from forecaster.preprocessing.covariate_features import (
    Encoding,
    Features,
    fill_column,
    find_event_columns,
    fit_columns,
    fit_scale,
    fit_static,
)
from forecaster.preprocessing.scaling import Scaler

NAN = float("nan")
SCALER = Scaler(10.0, 2.0)


def series_of(steps: int = 4, name: str = "a", categories=None, **covariates) -> Series:
    """Daily from 2026-01-01; a list of numbers is a numeric column, (numbers, levels) a categorical one."""
    columns = {
        key: Column(np.array(values[0], np.int32), values[1])
        if isinstance(values, tuple)
        else Column(np.array(values, float))
        for key, values in covariates.items()
    }
    timestamps = pd.date_range("2026-01-01", periods=steps)
    return Series(
        name, "y", "t", timestamps, np.arange(steps, dtype=float), "D", (), categories or {}, covariates=columns
    )


def test_numbers_become_standard_scores_and_categories_a_one_each():
    number, category = Encoding("x", 3.0, 2.0), Encoding("z", levels=("rain", "sun"))
    np.testing.assert_array_equal(number.encode_column(Column(np.array([3.0, 7]))), [[0], [2]])
    column = Column(np.array([1, 0, 2], np.int32), ("sun", "rain", "snow"))  # snow was not trained on
    np.testing.assert_array_equal(category.encode_column(column), [[1, 0], [0, 1], [0, 0]])


def test_encodings_are_fitted_on_the_training_parts_of_all_series():
    panel = [series_of(3, x=[1, 3, 99], z=([0, 0, 1], ("b", "c"))), series_of(3, x=[5, NAN, 99], z=([0, 0, 0], ("a",)))]
    numbers, categories = fit_columns(["x", "z"], panel, [2, 2])
    assert numbers == Encoding("x", 3.0, float(np.std([1, 3, 5])))
    assert categories.levels == ("b", "a")  # c came later than both were trained on
    assert fit_columns(["x"], [series_of(2, x=[4, 4])], [2])[0] == Encoding("x", 4.0, 1.0)  # constant: 0 throughout


def test_more_categories_than_features_can_hold_are_refused():
    many = series_of(300, z=(np.arange(300), tuple(map(str, range(300)))))
    assert len(fit_columns(["z"], [many], [256])[0].levels) == 256
    with pytest.raises(
        DataError, match=r"z: 257 categories, each of which would be a feature: at most 256 are possible"
    ):
        fit_columns(["z"], [many], [257])


def test_static_covariates_are_numbers_unless_they_are_called_categories_or_are_text():
    panel = [series_of(categories={"size": "10", "kind": "1", "town": "Ulm"}),
             series_of(categories={"size": "30", "kind": "2", "town": "Bonn"})]  # fmt: skip
    size, kind, town = fit_static(["size", "kind", "town"], ["kind"], panel)
    assert (size, kind.levels, town.levels) == (Encoding("size", 20.0, 10.0), ("1", "2"), ("Ulm", "Bonn"))


def test_the_scale_of_a_series_is_a_logarithm():
    found = Features(scale=fit_scale([Scaler(0.0, 1.0), Scaler(0.0, np.e**2)]))
    np.testing.assert_allclose(found.build(series_of(1), Scaler(0.0, np.e), 0, 1), [[0.0, 0.0]], atol=1e-7)
    np.testing.assert_allclose(found.build(series_of(1), Scaler(0.0, np.e**2), 0, 1), [[0.0, 1.0]], atol=1e-6)


@pytest.mark.parametrize(
    ("policy", "values", "rows", "expected"),
    [
        ("last", [NAN, 1, NAN, 3], 6, [1, 1, 1, 3, 3, 3]),
        ("seasonal", [1, 2, NAN, 4, NAN], 7, [1, 2, 1, 4, 1, 4, 1]),
        ("seasonal", [NAN, 2, 3, NAN], 4, [3, 2, 3, 2]),
        ("seasonal", [NAN, 2, NAN, 4], 4, [2, 2, 2, 4]),  # nothing of that phase: the first that is known
        ("error", [1, NAN], 3, [1, NAN, NAN]),
        ("last", [1, 2, 3], 2, [1, 2]),
    ],
)
def test_missing_cells_are_filled_by_policy(policy, values, rows, expected):
    np.testing.assert_array_equal(fill_column(Column(np.array(values, float)), rows, policy, 2).values, expected)


def test_missing_categories_are_filled_alike():
    column = Column(np.array([-1, 1, -1, 0], np.int32), ("a", "b"))
    np.testing.assert_array_equal(fill_column(column, 5, "last", 1).values, [1, 1, 1, 0, 0])


def test_a_new_category_is_reported_of_static_covariates_too():
    features = Features(static=(Encoding("region", levels=("N", "S")),))
    new, known = (series_of(categories={"region": level}) for level in "WS")
    assert list(map(str, features.find_unseen(new))) == [
        "region: the network was not trained on 'W': read as none of its categories [series a]"
    ]
    assert not list(features.find_unseen(known))


def test_features_are_in_the_order_of_past_future_calendar_static_and_scale():
    series = series_of(3, temperature=[1, 2, 3], promo=[0, 1, 0, 1, 1], categories={"size": "4"})
    features = Features((Encoding("temperature"),), (Encoding("promo"),), (Encoding("size"),), calendar=("weekend",))
    found = features.build(series, SCALER, 1, 5)
    # Friday the 2nd, Saturday, Sunday, Monday; behind the end no temperature is known.
    np.testing.assert_array_equal(found, [[2, 1, 0, 4], [3, 0, 1, 4], [0, 1, 1, 4], [0, 1, 0, 4]])
    assert (features.past_width, features.known_width) == (1, 3)
    assert Features.from_json(features.to_json()) == features


def test_a_missing_cell_names_series_column_and_timestamp():
    features = Features((Encoding("temperature"),), (Encoding("promo"),))
    series = series_of(3, name="shop 7", temperature=[1, NAN, 3], promo=[0, 1, 0, 1])
    with pytest.raises(DataError) as caught:
        features.build(series, SCALER, 0, 6)
    past, future = map(str, caught.value.problems)
    assert past == (
        "temperature: 1 cell is missing: 2026-01-02; add them; or choose what replaces them: "
        "data.covariates.missing: {temperature: last} | {temperature: seasonal} [series shop 7]"
    )
    assert future.startswith("promo: 2 cells are missing: 2026-01-05, 2026-01-06; add them in rows behind")
    assert future.endswith("[series shop 7]")
    features.build(series, SCALER, 2, 4)  # what is not read may be missing


SHOPS = """\
data:
  path: shops.csv
  time: day
  target: sold
  series: shop
  covariates: {past: [weather], future: [promo, opening], static: [size]}
  calendar: [weekday]
  frequency: D
  season: 7
window: {length: 14, horizon: 3}
model: {cell: gru, units: 4, decoder: seq2seq, series_scale: true}
training: {epochs: 2, batch_size: 64}
"""
DAYS, AHEAD_GIVEN = 120, 2


def shops(ahead: int = AHEAD_GIVEN, weather=lambda day: day % 10) -> str:
    """Two shops; promo doubles what is sold. The last `ahead` days of each are still to come."""
    rows = ["day,shop,sold,weather,promo,opening,size"]
    for shop, size in (("a", 10), ("b", 40)):
        for day, date in enumerate(pd.date_range("2026-01-01", periods=DAYS + ahead).strftime("%Y-%m-%d")):
            promo = day % 3 == 0
            known = f"{size * (1 + promo)},{weather(day)}" if day < DAYS else ","
            rows.append(f"{date},{shop},{known},{int(promo)},{'late' if day % 2 else 'early'},{size}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def trained_shops(tmp_path_factory, forecast):
    folder = tmp_path_factory.mktemp("shops")
    (folder / "shops.csv").write_text(shops())
    (folder / "shops.yaml").write_text(SHOPS)
    result = forecast("train", "shops.yaml", cwd=folder, fitted=False)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.slow
def test_the_future_comes_from_the_same_file_or_from_the_template_filled_in(trained_shops, forecast):
    short = forecast("predict", "runs/shops", "--horizon", 2, cwd=trained_shops)
    assert short.returncode == 0, short.stderr
    assert [row.split(",")[:4] for row in short.stdout.splitlines()[1:]] == [
        [shop, "2026-04-30", f"2026-05-0{step}", str(step)] for shop in "ab" for step in (1, 2)
    ]
    missing = forecast("predict", "runs/shops", cwd=trained_shops)
    assert missing.returncode == 4
    assert missing.stderr.splitlines()[0].startswith("promo: 1 cell is missing: 2026-05-03; add them in rows")
    written = forecast("future", "runs/shops", "--output", "future.csv", cwd=trained_shops)
    assert (written.returncode, written.stdout, written.stderr) == (0, "", "")
    rows = (trained_shops / "future.csv").read_text().splitlines()
    assert rows[:4] == ["day,shop,promo,opening", "2026-05-01,a,1,early", "2026-05-02,a,0,late", "2026-05-03,a,,"]
    filled = [row.replace(",,", ",0,early") if row.endswith(",") else row for row in rows]
    (trained_shops / "future.csv").write_text("\n".join(filled) + "\n")
    features = forecast("predict", "runs/shops", "--future", "future.csv", cwd=trained_shops)
    assert features.returncode == 0, features.stderr
    assert len(features.stdout.splitlines()) == 7
    changed = "\n".join(row.replace("01,a,1", "01,a,0") for row in filled)
    (trained_shops / "other.csv").write_text(changed + "\n")
    other = forecast("predict", "runs/shops", "--future", "other.csv", cwd=trained_shops)
    before, after = (result.stdout.splitlines() for result in (features, other))
    assert before[1] != after[1]  # the file lies over the rows of the CSV
    assert before[4:] == after[4:]  # of the other shop


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ("day,shop,promo\n2026-05-03,a,0\n", 4, "other.csv:1: no column 'opening'"),
        ("day,shop,promo,opening\n2026-05-02 12:00,a,0,late\n", 4, "other.csv: 2026-05-02 12:00:00 is not on a step of D"),
        ("day,shop,promo,opening\n2031-05-03,a,0,late\n", 4, "other.csv: no row is a step ahead, 2026-05-01 to 2026-05-03; correct"),
        ("day,shop,promo,opening\n2026-05-03,a,much,late\n2026-05-03,b,more,late\n", 4, "other.csv: promo: holds text, 'much', and the network was trained on numbers"),
    ],
)  # fmt: skip
def test_a_future_that_cannot_be_read_is_refused(trained_shops, forecast, content, code, message):
    (trained_shops / "other.csv").write_text(content)
    result = forecast("predict", "runs/shops", "--future", "other.csv", cwd=trained_shops)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr


@pytest.mark.slow
def test_a_network_without_future_covariates_has_no_template(trained, forecast):
    for arguments in (["future", "runs/tiny"], ["predict", "runs/tiny", "--future", "load.csv"]):
        result = forecast(*arguments, cwd=trained)
        assert (result.returncode, result.stdout) == (2, "")
        assert "trained without data.covariates.future" in result.stderr


def validated(folder, forecast, text: str, *overrides: str):
    (folder / "shops.csv").write_text(text)
    (folder / "shops.yaml").write_text(SHOPS)
    return forecast("validate", "shops.yaml", *(part for each in overrides for part in ("--set", each)), cwd=folder)


@pytest.mark.parametrize(
    ("overrides", "code", "message"),
    [
        (["data.covariates.missing={weather: last}"], 0, ""),
        ([], 4, "shops.csv: weather: 4 cells are missing: 2026-02-10, 2026-02-11, 2026-02-12, 2026-02-13; add them"),
        (["model.decoder=rollout"], 2, "shops.yaml:6:16: data.covariates.past: are not known of the steps that decoder rollout reads"),
        (["data.covariates.static=[promo]"], 2, "column 'promo' is future and static"),
        (["data.covariates.missing={rain: last}"], 2, "data.covariates.missing: column 'rain' is not a covariate"),
        (["data.covariates.future=[rain]"], 4, "shops.csv:1: no column 'rain'"),
    ],
)  # fmt: skip
def test_covariates_are_checked_before_training(tmp_path, forecast, overrides, code, message):
    text = shops(weather=lambda day: "" if 40 <= day < 44 else day % 10)
    result = validated(tmp_path, forecast, text, *overrides)
    assert result.returncode == code, result.stderr
    assert message in result.stderr


@pytest.mark.slow
def test_masked_gaps_are_marked_for_the_network_and_do_not_count_in_scores(tmp_path, forecast):
    lines = shops(0).splitlines()
    kept = [line for number, line in enumerate(lines) if number % 9 or number == 0]
    text = SHOPS.replace("  covariates: {past: [weather], future: [promo, opening], static: [size]}\n", "")
    (tmp_path / "shops.yaml").write_text(text.replace("frequency: D", "frequency: D\n  gaps: mask"))
    (tmp_path / "shops.csv").write_text("\n".join(kept) + "\n")
    result = forecast("train", "shops.yaml", "--verbose", cwd=tmp_path, fitted=False)
    assert result.returncode == 0, result.stderr
    assert "missing" in result.stderr
    assert "weekday" not in result.stderr
    predicted = forecast("predict", "runs/shops", cwd=tmp_path)
    assert (predicted.returncode, len(predicted.stdout.splitlines())) == (0, 7)


def test_the_mask_is_a_known_feature_of_1_ahead():
    series = series_of(4)
    masked = Series(**{**vars(series), "observed": np.array([True, False, True, True])})
    found = Features(mask=True).build(masked, SCALER, 0, 6)
    np.testing.assert_array_equal(found[:, 0], [1, 0, 1, 1, 1, 1])


@pytest.mark.slow
def test_the_future_of_rows_without_times_are_the_rows_that_follow(tmp_path, forecast):
    rows = "".join(f"{row % 7},{row % 7}\n" for row in range(200))
    (tmp_path / "steps.csv").write_text("y,x\n" + rows)
    (tmp_path / "steps.yaml").write_text(
        "data: {path: steps.csv, time: null, target: y, season: 7, covariates: {future: [x]}}\n"
        "window: {length: 14, horizon: 3}\nmodel: {cell: gru, units: 4, decoder: dense}\ntraining: {epochs: 1}\n"
    )
    assert forecast("train", "steps.yaml", cwd=tmp_path, fitted=False).returncode == 0
    template = forecast("future", "runs/steps", cwd=tmp_path).stdout
    assert template.splitlines() == ["step,x", "200,", "201,", "202,"]
    (tmp_path / "future.csv").write_text(template.replace(",\n", ",3\n"))
    features = forecast("predict", "runs/steps", "--future", "future.csv", cwd=tmp_path)
    assert features.returncode == 0, features.stderr
    assert [row.split(",")[2] for row in features.stdout.splitlines()[1:]] == ["200", "201", "202"]


def test_a_column_of_events_is_blank_where_there_is_none():
    steps = 10
    fair = Column(np.array([-1, -1, 0, -1, -1, -1, 1, -1, -1, -1], np.int32), ("fair", "sale"))
    weather = Column(np.array([0, 1, 0, -1, 0, 0, 1, 1, 0, 0], np.int32), ("sun", "rain"))
    flag, gauge = np.full(steps, np.nan), np.full(steps, np.nan)
    flag[[2, 6]], gauge[[2, 6]] = 1, [1.5, 2]
    columns = {"fair": fair, "weather": weather, "flag": Column(flag), "gauge": Column(gauge)}
    panel = [dataclasses.replace(series_of(steps), covariates=columns)]
    assert find_event_columns([*columns], panel, [steps]) == ["fair", "flag"]

    (encoding,) = fit_columns(["fair"], panel, [steps], {"fair": "none"})
    assert encoding.levels == ("fair", "sale", "")
    filled = fill_column(fair, steps, "none", 1)
    encoded = encoding.encode_column(filled)
    assert encoded.argmax(axis=1).tolist() == [2, 2, 0, 2, 2, 2, 1, 2, 2, 2]
    assert encoded.sum(axis=1).tolist() == [1] * steps
    assert fill_column(Column(flag), steps, "none", 1).values.tolist() == [0, 0, 1, 0, 0, 0, 1, 0, 0, 0]


def test_no_event_is_assumed_behind_the_last_row():
    fair = Column(np.array([-1, 0], np.int32), ("fair",))
    assert fill_column(fair, 4, "none", 1).values.tolist() == [1, 0, -1, -1]
