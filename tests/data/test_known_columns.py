"""The columns `unique_id`, `ds` and `y`, which nobody has to name, and warnings of columns that nothing reads."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.check.check import find_refusal
from forecaster.config import build_smallest_config, load_values
from forecaster.data.sources import files
from forecaster.preprocessing.plan import plan_training
from forecaster.preprocessing.read_data import WARNINGS, infer_data_keys, read_data
from tests.helpers.reading import read_series

DAYS = pd.date_range("2024-01-01", periods=40, freq="D")


def make_long_form(names: tuple[str, str, str] = ("unique_id", "ds", "y"), times=DAYS) -> pd.DataFrame:
    """Two series in the long form of Nixtla's libraries, with a covariate."""
    parts = [
        pd.DataFrame({"unique_id": name, "ds": times, "y": np.arange(len(times)) + start + 0.5, "price": 2.25})
        for name, start in (("a", 10), ("b", 50))
    ]
    return pd.concat(parts).rename(columns=dict(zip(("unique_id", "ds", "y"), names, strict=True)))


def write(frame: pd.DataFrame, folder: Path, name: str = "long.csv") -> str:
    path = folder / name
    (frame.to_parquet if name.endswith("parquet") else frame.to_csv)(path, index=False)
    return str(path)


@pytest.mark.parametrize("name", ["long.csv", "long.parquet"])
@pytest.mark.parametrize("names", [("unique_id", "ds", "y"), ("UNIQUE_ID", "DS", "Y")])
def test_the_long_form_is_read_as_its_series(tmp_path: Path, name: str, names: tuple[str, str, str]):
    panel = read_series(write(make_long_form(names), tmp_path, name))
    assert (list(panel.names), panel.time, panel.ids) == (["a", "b"], names[1], (names[0],))
    assert panel[1].values.tolist() == (np.arange(40) + 50.5).tolist()
    [notice] = [each for each in panel.all_notices if each.code == "known-columns"]
    assert "not read: 'price'" in str(notice)


def test_a_large_file_is_read_in_blocks_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(make_long_form(), tmp_path)
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    panel = read_series(path)
    assert (list(panel.names), panel.ids) == (["a", "b"], ("unique_id",))
    assert sum(each.code == "known-columns" for each in panel.all_notices) == 1


def test_whole_numbers_may_be_the_time(tmp_path: Path):
    panel = read_series(write(make_long_form(times=pd.RangeIndex(1, 41)).sample(frac=1, random_state=0), tmp_path))
    series = next(each for each in panel if each.name == "b")
    assert (series.frequency, series.timestamps[-1], series.values[-1]) == ("step", 40, 89.5)


def test_one_series_needs_no_ids(tmp_path: Path):
    panel = read_series(write(make_long_form().query("unique_id == 'a'").drop(columns="unique_id"), tmp_path))
    assert (list(panel.names), panel.ids, panel.targets) == (["y"], (), ["y"])


@pytest.mark.parametrize(
    ("stated", "names"),
    [({"target": "price"}, ["a", "b"]), ({"columns": ("price",)}, ["a", "b"])],
)
def test_what_is_stated_is_kept(tmp_path: Path, stated: dict, names: list[str]):
    panel = read_series(write(make_long_form(), tmp_path), **stated)
    assert list(panel.names) == names
    assert panel[0].values[0] == (2.25 if "target" in stated else 10.5)


def test_other_names_are_not_guessed(tmp_path: Path):
    frame = make_long_form(("unique_id", "date", "y")).query("unique_id == 'a'").drop(columns="price")
    assert read_series(write(frame, tmp_path)).ids == ()


def test_a_config_names_the_ids_that_were_recognized(tmp_path: Path):
    values = build_smallest_config(write(make_long_form(), tmp_path))
    loaded = load_values(values, "long.csv", ["window.length=7", "window.horizon=2"])
    config = plan_training(loaded).config
    assert (config.data.series, config.data.time, config.data.target) == ("unique_id", "ds", "y")
    assert config.data.several
    panel = read_data(loaded.config)
    assert infer_data_keys(loaded.config.data, panel.longest, panel)["series"] == "unique_id"


def test_check_looks_for_duplicates_within_each_series(tmp_path: Path):
    frame = make_long_form()
    loaded = load_values(build_smallest_config(write(pd.concat([frame, frame.iloc[:1]]), tmp_path)), "long.csv")
    problems, repairs = find_refusal(loaded, trains=False)
    assert [problem.code for problem in problems] == ["duplicate-timestamps"]
    assert repairs["data.duplicates"] == "mean"


@pytest.mark.parametrize("others", [["Y"], ["DS"], ["UNIQUE_ID", "Y"]])
def test_exact_names_come_before_those_in_capitals(tmp_path: Path, others: list[str]):
    frame = make_long_form().assign(**dict.fromkeys(others, 1))
    panel = read_series(write(frame, tmp_path))
    assert (panel.ids, panel.time, {*panel.targets}) == (("unique_id",), "ds", {"y"})


@pytest.mark.parametrize(
    ("header", "cells", "options", "codes"),
    [
        ("day,sensor,y", ["a", "b"], {}, ["ids-not-read"]),
        ("day,Store No,y", ["1", "2"], {"target": "y"}, ["ids-not-read"]),
        ("day,store_id,y", ["1", "2"], {"target": "y", "columns": ["store_id"]}, []),
        ("day,shop,y", ["a"], {}, []),
        ("day,weekday,y", ["a", "b"], {}, []),
        ("day,shop,y", ["Oslo", "oslo"], {"series": "shop", "frequency": "2D"}, ["similar-ids"]),
        ("day,shop,y", ["Oslo", "Bergen"], {"series": "shop", "frequency": "2D"}, []),
        ("ordered,shipped,y", ["2026-03-01", "2026-03-02"], {}, ["dates-not-read"]),
        ("ordered,shipped,y", ["2026-03-01", "2026-03-02"], {"time": "ordered"}, []),
    ],
)
def test_columns_that_may_have_a_role_and_names_that_are_alike_are_warned_of(
    tmp_path: Path, header: str, cells: list[str], options: dict, codes: list[str]
) -> None:
    rows = [f"2026-01-{day:02},{cells[day % len(cells)]},{day}.5\n" for day in range(1, 21)]
    (tmp_path / "x.csv").write_text(f"{header}\n" + "".join(rows))
    panel = read_series(tmp_path / "x.csv", **({"time": "auto", "target": "auto", "frequency": "auto"} | options))
    assert [each.code for each in panel.all_notices if each.code in WARNINGS] == codes
