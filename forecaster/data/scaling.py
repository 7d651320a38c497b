"""Scaling of a series, after its transform and differences: fitted on its training part, applied, and undone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from forecaster.data.differences import differenced
from forecaster.data.transforms import IDENTITY, Transform
from forecaster.errors import DataError


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
    def stacked(cls, scalers: "Sequence[Scaler]") -> "Scaler":
        """One for values (batch, steps), whose rows are scaled each by its own; their lags are the same."""
        offsets, scales = ([getattr(scaler, name) for scaler in scalers] for name in ("offset", "scale"))
        curve = Transform.stacked([scaler.curve for scaler in scalers])
        return cls(np.array(offsets)[:, None], np.array(scales)[:, None], curve, scalers[0].lags)

    @property
    def unit(self) -> np.ndarray:
        """What a scaled difference of 1 stands for, never 0."""
        return np.where(np.asarray(self.scale) == 0, 1.0, self.scale)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Values in the series' own unit -> scaled values, (..., steps); NaN where there is no difference yet."""
        return (differenced(self.curve.forward(values), self.lags) - self.offset) / self.unit

    def inverse(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled values -> values in the series' own unit, any shape; without differences alone."""
        return self.curve.inverse(self.unscaled(scaled))

    def unscaled(self, scaled: np.ndarray) -> np.ndarray:
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


def fit_scaler(values: np.ndarray, kind: str, curve: Transform = IDENTITY, lags: Sequence[int] = ()) -> Scaler:
    """Fit on the training part, (steps,).

    Args:
        curve, lags: the transform and the differences that come first.
        kind: `none`; `standard`, mean and population deviation; `minmax`, onto [0, 1];
            `robust`, median and interquartile range; `mean`, the mean absolute value, which leaves 0 at 0.

    Raises:
        DataError: the values are too large to be scaled in floating point.
    """
    transformed = differenced(curve.forward(values), lags)[sum(lags) :]
    low, high = float(transformed.min()), float(transformed.max())
    if max(-low, high, -float(values.min()), float(values.max())) > 1e100:
        raise DataError([f"values up to {np.max(np.abs(values)):.3g} are too large to work with; divide them"])
    offset, scale = _offset_and_scale(transformed, kind, low, high)
    return Scaler(offset, scale, curve, tuple(lags))


def _offset_and_scale(values: np.ndarray, kind: str, low: float, high: float) -> tuple[float, float]:
    """Of transformed values from `low` to `high`."""
    if low == high:
        return low, 0.0
    if kind == "none":
        return 0.0, 1.0
    if kind == "standard":
        return float(np.mean(values)), float(np.std(values))
    if kind == "minmax":
        return low, high - low
    if kind == "mean":
        return 0.0, float(np.mean(np.abs(values)))
    first, middle, third = np.percentile(values, [25, 50, 75])
    # More than half of the values may be the same; the deviation still tells them apart.
    return float(middle), float(third - first) or float(np.std(values))
