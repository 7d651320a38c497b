"""From files and databases to regular series.

- `read`: from a source to its series
- `read_tables`: the same with pandas, and cells and covariates alone
- `sources/`: bytes, tables and columns of files and databases
- `assembly/`: decoded columns to rows, and rows to a regular grid
- `series`, `panel`: one series, and many of one frequency
- `plain_csv`: one series of a CSV without pandas, where nothing in it needs a decision
- `options`, `dialect`: how columns become series, and how a CSV is written
"""

from forecaster.data.panel import Panel
from forecaster.data.read import read_series
from forecaster.data.series import Column, Series

__all__ = ["Column", "Panel", "Series", "read_series"]
