"""From a CSV to regular series, scaled and cut into windows."""

from forecaster.data.panel import Panel
from forecaster.data.read import CovariateRows, read_columns, read_series
from forecaster.data.series import Column, Series

__all__ = ["Column", "CovariateRows", "Panel", "Series", "read_columns", "read_series"]
