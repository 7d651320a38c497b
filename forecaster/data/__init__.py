"""From a CSV to regular series, scaled and cut into windows."""

from forecaster.data.panel import Panel
from forecaster.data.read import Further, read_columns, read_series
from forecaster.data.series import Column, Series

__all__ = ["Column", "Further", "Panel", "Series", "read_columns", "read_series"]
