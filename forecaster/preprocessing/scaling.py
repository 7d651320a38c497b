"""Scaling of series after transform and differences, fitted on training parts, and its inverse."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster.errors import DataError
from forecaster.preprocessing.transforms import IDENTITY, Transform, difference
from forecaster.problems import Problem

_LEAST_CHANGE = 0.01  # standard deviations; the scale `change` of a series that is its season


@dataclass(frozen=True)
class Scaler:
    """scaled = (difference(curve(value)) - offset) / scale, in float64.

    A scale of 0 marks a constant training part: values are scaled by 1, and every output of a network is the offset.

    Attributes:
        offset, scale: in transformed units; (series, 1) in a stack of scalers.
        curve: the transform, applied first.
        lags: of the differences taken next, one after the other, in steps.
    """

    offset: float | np.ndarray
    scale: float | np.ndarray
    curve: Transform = IDENTITY
    lags: tuple[int, ...] = ()

    @classmethod
    def stack(cls, scalers: "Sequence[Scaler]") -> "Scaler":
        """Stack scalers with the same lags into one for values (batch, steps), a row for each."""
        offsets, scales = ([getattr(scaler, name) for scaler in scalers] for name in ("offset", "scale"))
        curve = Transform.stack([scaler.curve for scaler in scalers])
        return cls(np.array(offsets)[:, None], np.array(scales)[:, None], curve, scalers[0].lags)

    @classmethod
    def concatenate(cls, parts: "Sequence[Scaler]") -> "Scaler":
        """Concatenate stacks of scalers."""
        offsets, scales = (np.concatenate([getattr(part, name) for part in parts]) for name in ("offset", "scale"))
        return cls(offsets, scales, Transform.concatenate([part.curve for part in parts]), parts[0].lags)

    def select_rows(self, chosen: slice | np.ndarray) -> "Scaler":
        """Select rows of a stack."""
        offsets, scales = np.asarray(self.offset)[chosen], np.asarray(self.scale)[chosen]
        return Scaler(offsets, scales, self.curve.select_rows(chosen), self.lags)

    def select_row(self, number: int) -> "Scaler":
        """Select one scaler of a stack."""
        offset, scale = (float(np.asarray(numbers)[number, 0]) for numbers in (self.offset, self.scale))
        return Scaler(offset, scale, self.curve.select_row(number), self.lags)

    def list_rows(self) -> "list[Scaler]":
        """List the scalers of a stack."""
        offsets, scales = (np.asarray(numbers)[:, 0].tolist() for numbers in (self.offset, self.scale))
        rows = zip(offsets, scales, self.curve.list_rows(), strict=True)
        return [Scaler(offset, scale, curve, self.lags) for offset, scale, curve in rows]

    @property
    def is_constant(self) -> np.ndarray:
        """Whether all values of a training part are equal, so that it shows nothing of how the series changes."""
        return np.asarray(np.equal(self.scale, 0) & (not self.lags))

    @property
    def unit(self) -> np.ndarray:
        """The scale, or 1 if it is 0: transformed units in a scaled difference of 1."""
        return np.where(np.asarray(self.scale) == 0, 1.0, self.scale)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Scale values in the series' own unit, (..., steps); the first sum(lags) are NaN, which have no difference."""
        return (difference(self.curve.apply(values), self.lags) - self.offset) / self.unit

    def invert(self, scaled: np.ndarray) -> np.ndarray:
        """Convert scaled values to the series' own unit, any shape; only without differences."""
        return self.curve.invert(self.unscale(scaled))

    def unscale(self, scaled: np.ndarray) -> np.ndarray:
        """Convert scaled values to transformed values, or to differences of them, any shape."""
        return scaled * self.scale + self.offset

    def to_json(self) -> dict[str, Any]:
        """Return every number, exact, for JSON."""
        return {"offset": self.offset, "scale": self.scale, "curve": self.curve.to_json(), "lags": self.lags}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Scaler":
        """Restore what `to_json` returned."""
        curve, lags = Transform(**values.get("curve", {})), tuple(values.get("lags", ()))
        return cls(float(values["offset"]), float(values["scale"]), curve, lags)


def fit_scaler(values: np.ndarray, kind: str, curve: Transform, lags: Sequence[int] = (), season: int = 1) -> Scaler:
    """Fit scalers on training parts of one length, (series, steps): a stack with a row for each.

    Args:
        curve, lags: the transforms, stacked, and the differences applied first.
        kind: `none`; `standard`, mean and population standard deviation; `minmax`, to [0, 1]; `robust`, median and
            interquartile range; `mean`, the mean absolute value, which keeps 0 at 0; `change`, mean and mean absolute
            change from a season before, the denominator of MASE (Hyndman & Koehler 2006).
        season: steps in a season, for `change`.

    Raises:
        DataError: the values are too large for floating point.
    """
    transformed = difference(curve.apply(values), lags)[:, sum(lags) :]
    low, high = transformed.min(axis=1), transformed.max(axis=1)  # (series,) each
    # squares and their sums stay far below 1.8e308, the largest float64
    if float(max(-low.min(), high.max(), -values.min(), values.max())) > 1e100:
        raise DataError(Problem("values-too-large", detail={"largest": float(np.max(np.abs(values)))}))
    offsets, scales = _compute_offsets_and_scales(transformed, kind, low, high, season)
    constant = low == high  # a scale of 0 would divide by 0: scaled values are 0, and a forecast is the constant
    offsets, scales = np.where(constant, low, offsets), np.where(constant, 0.0, scales)
    return Scaler(offsets[:, None], scales[:, None], curve, tuple(lags))


def _compute_offsets_and_scales(
    values: np.ndarray, kind: str, low: np.ndarray, high: np.ndarray, season: int
) -> tuple[np.ndarray, np.ndarray]:
    """Compute offset and scale, (series,) each, of transformed values (series, steps) from `low` to `high`."""
    if kind == "none":
        return np.zeros_like(low), np.ones_like(low)
    if kind == "standard":
        means = values.mean(axis=1, keepdims=True)
        return means[:, 0], np.std(values, axis=1, mean=means)
    if kind == "minmax":
        return low, high - low
    if kind == "mean":
        return np.zeros_like(low), np.abs(values).mean(axis=1)
    if kind == "change":
        lag = season if 2 * season <= values.shape[1] else 1  # at least a season of changes
        changes = np.abs(values[:, lag:] - values[:, :-lag]).mean(axis=1)
        # A season that repeats itself exactly has no change, and is no constant.
        return values.mean(axis=1), np.maximum(changes, _LEAST_CHANGE * values.std(axis=1))
    first, middle, third = np.percentile(values, [25, 50, 75], axis=1)  # quartiles, (series,) each
    # The interquartile range is 0 if more than half of the values are equal; the deviation is not.
    return middle, np.where(third > first, third - first, values.std(axis=1))
