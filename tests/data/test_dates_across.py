"""Dates in the header become the timestamps of the values below them, or an error that names the layout."""

from pathlib import Path

import numpy as np
import pytest

from forecaster.config import load_values
from forecaster.data.assembly.dates_across import find_dates_across, find_months_across
from forecaster.errors import DataError
from forecaster.preprocessing.read_data import infer_data_keys
from tests.helpers.reading import read_series

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
YEARS = "\n".join(
    f"{year}," + ",".join(str(100 * year + month) for month in range(1, 13)) for year in range(2020, 2023)
)


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "x.csv").write_text(text)
    return tmp_path / "x.csv"


@pytest.mark.parametrize(
    "names",
    [
        MONTHS,
        [month.upper() for month in MONTHS],
        [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "Sept",
            "October",
            "November",
            "December",
        ],
        [str(month) for month in range(1, 13)],
        [f"{month:02}" for month in range(1, 13)],
    ],
)
def test_months_next_to_a_year_are_one_monthly_series(tmp_path: Path, names: list[str]) -> None:
    path = write(tmp_path, "Year," + ",".join(names) + "\n" + YEARS + "\n")
    (found,) = read_series(path, "auto", "auto", "auto", layout="dates")
    assert (found.frequency, len(found), str(found.timestamps[0].date())) == ("MS", 36, "2020-01-01")
    np.testing.assert_array_equal(found.values, [100 * y + m for y in range(2020, 2023) for m in range(1, 13)])


def test_quarters_and_a_year_that_is_not_complete(tmp_path: Path) -> None:
    path = write(tmp_path, "Year,Q1,Q2,Q3,Q4,Total\n2019,1,2,3,4,10\n2020,2,3,4,5,14\n2021,3,4,,,7\n")
    (found,) = read_series(path, "auto", "auto", "auto", layout="dates")
    np.testing.assert_array_equal(found.values, [1, 2, 3, 4, 2, 3, 4, 5, 3, 4])
    assert str(found.timestamps[-1].date()) == "2021-04-01"


def test_dates_next_to_names_are_a_series_for_each_name(tmp_path: Path) -> None:
    path = write(tmp_path, "Name,Code,2019,2020,2021,2022\nNorway,NO,1.5,2.5,3,\nPeru,PE,,1,2,3\n")
    norway, peru = read_series(path, "auto", "auto", "auto", layout="dates")
    assert (norway.name, peru.name, norway.frequency[:2]) == ("Norway", "Peru", "YS")
    assert (norway.values.tolist(), norway.timestamps[0].year) == ([1.5, 2.5, 3], 2019)
    assert (peru.values.tolist(), peru.timestamps[0].year) == ([1, 2, 3], 2020)
    days = write(tmp_path, "shop,2026-01-01,2026-01-02,2026-01-03,2026-01-04\na,1,2,3,4\nb,5,6,7,8\n")
    one, two = read_series(days, "auto", "auto", "auto", layout="dates")
    assert (one.frequency, one.values.tolist(), two.values.tolist()) == ("D", [1, 2, 3, 4], [5, 6, 7, 8])


@pytest.mark.parametrize("target", ["auto", "*"])
@pytest.mark.parametrize("text", [f"Year,{','.join(MONTHS)}\n{YEARS}\n", "shop,2019,2020,2021\na,1,2,3\nb,5,6,7\n"])
def test_another_layout_that_loses_the_dates_is_refused(tmp_path: Path, text: str, target: str) -> None:
    with pytest.raises(DataError) as caught:
        read_series(write(tmp_path, text), "auto", target, "auto")
    assert [(problem.code, problem.repairs) for problem in caught.value.problems] == [
        ("dates-in-header", ({"data.layout": "dates"},))
    ]


@pytest.mark.parametrize(
    "names",
    [["a", "b", "c"], ["1", "2", "3", "4"], ["V1", "V2", "V3"], ["x_2019", "x_2020", "x_2021"], ["Mark", "June"]],
)
def test_other_names_are_no_dates(names: list[str]) -> None:
    assert not find_dates_across(names)
    assert not find_months_across(names)


def test_years_next_to_dates_are_series(tmp_path: Path) -> None:
    path = write(
        tmp_path, "day,2019,2020,2021\n01-01,1,2,3\n".replace("01-01", "2026-01-01") + "2026-01-02,1,2,3\n" * 1
    )
    assert len(read_series(path, "day", "*", "D")) == 3


def test_a_header_without_dates_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no dates among the columns day, load"):
        read_series(write(tmp_path, "day,load\n2026-01-01,1\n"), "auto", "auto", "auto", layout="dates")


def test_the_keys_that_are_found_read_the_same_again(tmp_path: Path) -> None:
    path = write(tmp_path, f"Year,{','.join(MONTHS)}\n{YEARS}\n")
    values = {"data": {"path": str(path), "layout": "dates"}, "window": {"length": 4, "horizon": 2}}
    (series,) = read_series(path, "auto", "auto", "auto", layout="dates")
    found = infer_data_keys(load_values(values, "x.yaml").config.data, series)
    assert "time" not in found
    assert "target" not in found
    again = load_values(values | {"data": values["data"] | {"frequency": found["frequency"]}}, "x.yaml")
    assert again.problems == ()
