"""From files and databases to regular series.

- `read`: from a source to its series
- `sources/`: bytes, tables and columns of files and databases
- `assembly/`: columns to rows, and rows to a regular grid
- `time/`: frequencies, time zones and calendars
- `series`, `panel`: one series, and many of one frequency
- `options`, `dialect`: how columns become series, and how a CSV is written
- `gaps`: gaps of a series, and filling them
- `seasonality`: seasons inferred from the data
- `value_ranges`: the numbers that a series may have
"""

from forecaster.data.panel import Panel
from forecaster.data.read import CovariateRows, read_columns, read_series
from forecaster.data.series import Column, Series

__all__ = ["Column", "CovariateRows", "Panel", "Series", "read_columns", "read_series"]
