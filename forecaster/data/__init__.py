"""From files and databases to regular series.

- `read`: from a source to its series
- `sources/`: bytes, tables and columns of files and databases
- `assembly/`: columns to rows, and rows to a regular grid
- `time/`: frequencies, time zones and calendars
- `series`, `panel`: one series, and many of one frequency
- `plain_csv`: one series of a CSV without pandas, where nothing in it needs a decision
- `options`, `dialect`: how columns become series, and how a CSV is written
- `gaps`: gaps of a series, and filling them
- `seasonality`: seasons inferred from the data
- `value_ranges`: the numbers that a series may have
"""

import importlib
from typing import TYPE_CHECKING, Any

from forecaster.data.series import Column, Series

if TYPE_CHECKING:
    from forecaster.data.panel import Panel
    from forecaster.data.read import CovariateRows, read_columns, read_series

__all__ = ["Column", "CovariateRows", "Panel", "Series", "read_columns", "read_series"]

_WITH_PANDAS = {"Panel": "panel", "CovariateRows": "read", "read_columns": "read", "read_series": "read"}


def __getattr__(name: str) -> Any:
    """Import what needs pandas when it is first used: a forecast of one plain CSV does without."""
    if name not in _WITH_PANDAS:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"forecaster.data.{_WITH_PANDAS[name]}"), name)
