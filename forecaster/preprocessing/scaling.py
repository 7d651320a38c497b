"""Scaling of a series, after its transform and differences: fitted on its training part, applied, and undone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from forecaster.errors import DataError
from forecaster.preprocessing.transforms import IDENTITY, Transform, difference
from forecaster.problems import Problem


@dataclass(frozen=True)
class Scaler:
    """scaled = (differences of curve(value) - offset) / scale, in float64.

    A scale of 0 marks a training part that was constant: everything scales to itself less the
    offset, and every forecast becomes the offset.

    Attributes:
        offset, scale: in transformed units.
        curve: the transform that comes first.
        lags: of the differences that are taken next, one after the other, in steps.
    """

    offset: float | np.ndarray
    scale: float | np.ndarray
    curve: Transform = IDENTITY
    lags: tuple[int, ...] = ()

    @classmethod
    def stack(cls, scalers: "Sequence[Scaler]") -> "Scaler":
        """One for values (batch, steps), whose rows are scaled each by its own; their lags are the same."""
        offsets, scales = ([getattr(scaler, name) for scaler in scalers] for name in ("offset", "scale"))
        curve = Transform.stack([scaler.curve for scaler in scalers])
        return cls(np.array(offsets)[:, None], np.array(scales)[:, None], curve, scalers[0].lags)

    @classmethod
    def concatenate(cls, parts: "Sequence[Scaler]") -> "Scaler":
        """One of the rows of several that are stacked."""
        offsets, scales = (np.concatenate([getattr(part, name) for part in parts]) for name in ("offset", "scale"))
        return cls(offsets, scales, Transform.concatenate([part.curve for part in parts]), parts[0].lags)

    def select_rows(self, chosen: slice) -> "Scaler":
        """Some rows of one that is stacked."""
        offsets, scales = np.asarray(self.offset)[chosen], np.asarray(self.scale)[chosen]
        return Scaler(offsets, scales, self.curve.select_rows(chosen), self.lags)

    def select_row(self, number: int) -> "Scaler":
        """That of one row of one that is stacked."""
        offset, scale = (float(np.asarray(numbers)[number, 0]) for numbers in (self.offset, self.scale))
        return Scaler(offset, scale, self.curve.select_row(number), self.lags)

    @property
    def unit(self) -> np.ndarray:
        """What a scaled difference of 1 stands for, never 0."""
        return np.where(np.asarray(self.scale) == 0, 1.0, self.scale)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Values in the series' own unit -> scaled values, (..., steps); NaN where there is no difference yet."""
        return (difference(self.curve.forward(values), self.lags) - self.offset) / self.unit

    def inverse(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled values -> values in the series' own unit, any shape; without differences alone."""
        return self.curve.inverse(self.unscale(scaled))

    def unscale(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled values -> transformed values, or their differences, any shape."""
        return scaled * self.scale + self.offset

    def to_json(self) -> dict[str, Any]:
        """Every number, exact."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Scaler":
        """Read back what `to_json` gave."""
        curve, lags = Transform(**values.get("curve", {})), tuple(values.get("lags", ()))
        return cls(float(values["offset"]), float(values["scale"]), curve, lags)


def fit_scaler(values: np.ndarray, kind: str, curve: Transform, lags: Sequence[int] = ()) -> Scaler:
    """Fit on the training parts of series of one length, (series, steps), each by itself; a row for each.

    Args:
        curve, lags: the transform, stacked, and the differences that come first.
        kind: `none`; `standard`, mean and population deviation; `minmax`, onto [0, 1];
            `robust`, median and interquartile range; `mean`, the mean absolute value, which leaves 0 at 0.

    Raises:
        DataError: the values are too large to be scaled in floating point.
    """
    transformed = difference(curve.forward(values), lags)[:, sum(lags) :]
    low, high = transformed.min(axis=1), transformed.max(axis=1)
    if max(-low.min(), high.max(), -values.min(), values.max()) > 1e100:
        raise DataError(Problem("values-too-large", detail={"largest": float(np.max(np.abs(values)))}))
    offsets, scales = _offsets_and_scales(transformed, kind, low, high)
    constant = low == high
    offsets, scales = np.where(constant, low, offsets), np.where(constant, 0.0, scales)
    return Scaler(offsets[:, None], scales[:, None], curve, tuple(lags))


def _offsets_and_scales(
    values: np.ndarray, kind: str, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of transformed values (series, steps), from `low` to `high`, that are not constant: each (series,)."""
    if kind == "none":
        return np.zeros_like(low), np.ones_like(low)
    if kind == "standard":
        means = values.mean(axis=1, keepdims=True)
        return means[:, 0], np.std(values, axis=1, mean=means)
    if kind == "minmax":
        return low, high - low
    if kind == "mean":
        return np.zeros_like(low), np.abs(values).mean(axis=1)
    first, middle, third = np.percentile(values, [25, 50, 75], axis=1)
    # More than half of the values may be the same; the deviation still tells them apart.
    return middle, np.where(third > first, third - first, values.std(axis=1))
