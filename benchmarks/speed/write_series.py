"""Write a CSV or a Parquet file of many monthly series, for measurements.

.venv/bin/python benchmarks/speed/write_series.py 1000000.parquet 1000000
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from forecaster.csv_columns import join_columns, make_number_column, make_text_column

_MONTHS = 120
_AT_ONCE = 5000  # series that are written at once


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("series", type=int)
    options = parser.parse_args()
    write_series(options.path, options.series)


def write_series(path: Path, count: int) -> None:
    """Write monthly series with a trend, a season and noise, one row for each month of each."""
    generator = np.random.default_rng(0)
    months = np.arange("2016-01", "2026-01", dtype="datetime64[M]")
    file = (_CsvFile if path.suffix == ".csv" else _ParquetFile)(path, months)
    for first in range(0, count, _AT_ONCE):
        numbers = np.arange(first, min(first + _AT_ONCE, count))
        steps = np.arange(_MONTHS)
        # As many draws whatever the number of series, so that the first ones are the same in every file.
        slopes, phases = generator.normal(0, 0.3, (_AT_ONCE, 1)), generator.random((_AT_ONCE, 1))
        season = 10 * np.sin(2 * np.pi * (steps / 12 + phases))
        values = 100 + slopes * steps + season + generator.normal(0, 3, (_AT_ONCE, _MONTHS))
        file.add([f"shop {number}" for number in numbers], values[: len(numbers)].round(2))
    file.close()


class _CsvFile:
    """A CSV of months, (steps,), that takes names and values (series, steps) at a time."""

    def __init__(self, path: Path, months: np.ndarray) -> None:
        self.file, self.months = path.open("wb"), months
        self.open()

    def open(self) -> None:
        """Write the header."""
        self.file.write(b"shop,month,sales\n")

    def add(self, names: list[str], values: np.ndarray) -> None:
        """Add the rows of some series."""
        series, step = np.divmod(np.arange(values.size), len(self.months))
        columns = [
            (make_text_column(names), series),
            (make_text_column(f"{month}-01" for month in self.months), step),
            (make_number_column(values.reshape(-1)), None),
        ]
        self.file.write(join_columns(columns, values.size, ","))

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class _ParquetFile(_CsvFile):
    """The same as Parquet."""

    def open(self) -> None:
        """Write the schema."""
        kinds = {"shop": pa.string(), "month": pa.timestamp("us"), "sales": pa.float64()}
        self._writer = ParquetWriter(self.file, pa.schema(kinds.items()))

    def add(self, names: list[str], values: np.ndarray) -> None:
        """Add the rows of some series."""
        columns = {
            "shop": pa.array(np.repeat(names, len(self.months))),
            "month": pa.array(np.tile(self.months.astype("datetime64[us]"), len(names))),
            "sales": pa.array(values.reshape(-1)),
        }
        self._writer.write_table(pa.table(columns))

    def close(self) -> None:
        """Complete the file."""
        self._writer.close()
        super().close()


if __name__ == "__main__":
    main()
