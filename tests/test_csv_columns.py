"""Numbers and texts as columns of bytes, which are what Python writes."""

import numpy as np
import pytest

from forecaster.csv_columns import join_columns, make_number_column, make_text_column


def write_numbers(values: list[float], mark: str = ".") -> list[str]:
    return join_columns([(make_number_column(np.array(values, float), mark), None)], len(values), ",").decode().split()


@pytest.mark.parametrize("decimals", range(10))
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6, 1e10, 1e13, 1e17])
def test_numbers_are_written_as_by_repr(scale, decimals):
    values = (np.random.default_rng(decimals).normal(size=300) * scale).round(decimals).tolist()
    assert write_numbers(values) == [repr(value) for value in values]


@pytest.mark.parametrize(
    "values",
    [
        [0.0, -0.0, 3.0, -100.0, 10_000.0, 99_990_000.0, 1e8, 0.001, 0.0001],
        [0.00012, 0.0, 12_345.00012, 10_000_000.0001],
        [0.00001, 5e-324, 1e300],
        [float("inf"), 1.5],
        [2.0**53 + 2, 0.5],
        [0.1 + 0.2, 0.3],
        [1 / 3],
    ],
)
def test_numbers_of_each_size_are_written_as_by_repr(values):
    assert write_numbers(values) == [repr(value) for value in values]
    assert write_numbers(values, ",") == [repr(value).replace(".", ",") for value in values]


def test_missing_numbers_are_blank():
    column = make_number_column(np.array([1.5, np.nan, -2.0]))
    assert join_columns([(column, None), (column, None)], 3, ";") == b"1.5;1.5\n;\n-2.0;-2.0\n"


def test_cells_are_repeated_by_their_numbers(monkeypatch):
    monkeypatch.setattr("forecaster.csv_columns._BYTES", 20)
    texts = make_text_column(["a", "Zürich", ""])
    rows = join_columns([(texts, np.array([1, 1, 0, 2])), (make_text_column("wxyz"), None)], 4, ",")
    assert rows.decode() == "Zürich,w\nZürich,x\na,y\n,z\n"


def test_no_rows_are_no_text():
    assert join_columns([(make_text_column([]), None), (make_number_column(np.zeros(0)), None)], 0, ",") == b""
