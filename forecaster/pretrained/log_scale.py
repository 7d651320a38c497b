"""The scale on which the pretrained network reads a window: logarithms where variation grows with the level."""

from dataclasses import dataclass

import numpy as np

_BLOCK = 8  # steps of a series without a season whose level and variation are compared
_LEAST_BLOCKS = 4
_LEAST_SLOPE = 0.5  # of the logarithm of the variation over that of the level, from which logarithms are taken
_RIDGE = 0.01  # variance of log levels next to which those of the window count
_REACH = 2.0  # ranges of a window's logarithms that a forecast may lie above or below them


@dataclass(frozen=True)
class Scale:
    """The scales of a batch of windows.

    Attributes:
        units: what values are divided by first, so that the largest is 1, (batch,).
        is_log: whether logarithms are taken, (batch,).
        low, high: between which logarithms are kept, (batch,).
    """

    units: np.ndarray
    is_log: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values (batch, steps) in the series' own unit."""
        ratios = values / self.units[:, None]
        with np.errstate(invalid="ignore"):
            logs = np.log(np.maximum(ratios, np.exp(self.low)[:, None]))
        return np.where(self.is_log[:, None], logs, ratios)

    def invert(self, values: np.ndarray) -> np.ndarray:
        """Transform values (batch, ...) back to the series' own unit."""
        units, is_log, low, high = (
            each.reshape(-1, *(1,) * (values.ndim - 1)) for each in (self.units, self.is_log, self.low, self.high)
        )
        return np.where(is_log, np.exp(np.clip(values, low, high)), values) * units


def choose_scale(windows: np.ndarray, season: int) -> Scale:
    """Choose the scale of each window (batch, steps), NaN where missing.

    Logarithms are taken of positive values where the deviation within a season grows at least with the root of its
    mean, as of exponential growth with seasons in percent (the plot of spread over level, Tukey 1977).
    """
    largest = np.nanmax(np.abs(windows), axis=1)
    units = np.where(largest > 0, largest, 1.0)
    ratios = windows / units[:, None]
    least = np.nanmin(ratios, axis=1)
    positive = least > 1e-4
    block = season if season > 1 else _BLOCK
    while block < _BLOCK:
        block += season
    is_log = positive & (_measure_slope(np.where(positive[:, None], ratios, np.nan), block) > _LEAST_SLOPE)
    logs = np.log(np.where(positive, least, 1.0))  # from the least to 0, the logarithm of the largest
    return Scale(units, is_log, (1 + _REACH) * logs, -_REACH * logs)


def _measure_slope(ratios: np.ndarray, block: int) -> np.ndarray:
    """Measure how the log deviation of blocks of steps depends on their log mean, (batch,); 0 where they are few."""
    rows, steps = ratios.shape
    blocks = steps // block
    if blocks < _LEAST_BLOCKS:
        return np.zeros(rows)
    cells = ratios[:, steps - blocks * block :].reshape(rows, blocks, block)
    known = ~np.isnan(cells)
    counts = known.sum(axis=2)
    filled = np.where(known, cells, 0.0)
    means = filled.sum(axis=2) / np.maximum(counts, 1)
    deviations = np.sqrt(np.where(known, (filled - means[..., None]) ** 2, 0.0).sum(axis=2) / np.maximum(counts, 1))
    valid = (counts >= max(3, block // 2)) & (deviations > 0) & (means > 0)
    x, y = (np.log(np.where(valid, each, 1.0)) for each in (means, deviations))
    number = np.maximum(valid.sum(axis=1), 1)[:, None]
    x, y = (np.where(valid, each - each.sum(axis=1, keepdims=True) / number, 0.0) for each in (x, y))
    slopes = (x * y).sum(axis=1) / ((x**2).sum(axis=1) + _RIDGE * number[:, 0])
    return np.where(valid.sum(axis=1) >= _LEAST_BLOCKS, slopes, 0.0)
