"""CSV -> Series: one regular sequence of timestamps and values."""

from forecaster.data.series import Series
from forecaster.data.table import read_series

__all__ = ["Series", "read_series"]
