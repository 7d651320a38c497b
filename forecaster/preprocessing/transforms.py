"""Transforms of a series that make it easier to learn, and their exact inverses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


def difference(values: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """Take y(t) - y(t - lag) for one lag after the other: (..., steps), the first sum(lags) NaN."""
    for lag in lags:
        differences = np.full(values.shape, np.nan)
        differences[..., lag:] = values[..., lag:] - values[..., :-lag]
        values = differences
    return values


def undo_difference(differences: np.ndarray, history: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """Integrate differences (..., horizon) that follow a history (..., at least sum(lags)): (..., horizon)."""
    levels = [history]
    for lag in lags[:-1]:
        levels.append(levels[-1][..., lag:] - levels[-1][..., :-lag])
    for lag, level in zip(reversed(lags), reversed(levels), strict=True):
        known = np.broadcast_to(level[..., -lag:], (*differences.shape[:-1], lag))
        values = np.concatenate([known, differences], axis=-1)
        for step in range(lag, values.shape[-1]):
            values[..., step] += values[..., step - lag]
        differences = values[..., lag:]
    return differences


_MAX_POWER = 2.0
_SEARCH_ROUNDS = 7  # of 9 powers each, at a quarter of the previous distance: precise to 1e-4


@dataclass(frozen=True)
class Transform:
    """An increasing function of the values, in float64; NaN stays NaN.

    Attributes:
        kind: `none | log | log1p | boxcox | logit`.
        power: Box-Cox's λ ≥ 0; (batch, 1) in a stack.
        low, high: the bounds of logit.
    """

    kind: str = "none"
    power: float | np.ndarray = 1.0
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def stack(cls, transforms: "Sequence[Transform]") -> "Transform":
        """Stack transforms of one kind into one for values (batch, steps), a row for each."""
        first = transforms[0]
        return cls(first.kind, np.array([transform.power for transform in transforms])[:, None], first.low, first.high)

    @classmethod
    def concatenate(cls, parts: "Sequence[Transform]") -> "Transform":
        """Concatenate stacks of transforms."""
        return replace(parts[0], power=np.concatenate([np.asarray(part.power) for part in parts]))

    def select_rows(self, chosen: slice | np.ndarray) -> "Transform":
        """Select rows of a stack."""
        return replace(self, power=np.asarray(self.power)[chosen])

    def select_row(self, number: int) -> "Transform":
        """Select one transform of a stack."""
        return replace(self, power=float(np.asarray(self.power)[number, 0]))

    def list_rows(self) -> "list[Transform]":
        """List the transforms of a stack; those that are equal are one object."""
        powers = np.asarray(self.power)[:, 0].tolist()
        known = {power: replace(self, power=power) for power in set(powers)}
        return [known[power] for power in powers]

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Transform values in the series' own unit, any shape."""
        match self.kind:
            case "log":
                return np.log(values)
            case "log1p":
                return np.log1p(values)
            case "boxcox":
                return _apply_boxcox_to_logs(np.log(values), self.power)
            case "logit":
                # the logit of (y - low) / (high - low), without dividing
                return np.log(values - self.low) - np.log(self.high - values)
        return values

    def invert(self, transformed: np.ndarray) -> np.ndarray:
        """Convert transformed values to the series' own unit, any shape.

        Results outside the transform's range (below 0 for log1p, below -1 / λ for Box-Cox) become 0; results too large
        for a float become infinite.
        """
        with np.errstate(over="ignore"):
            match self.kind:
                case "log":
                    return np.exp(transformed)
                case "log1p":
                    return np.expm1(np.maximum(transformed, 0))  # expm1 and log1p keep the digits of small values
                case "boxcox":
                    return _invert_boxcox(transformed, self.power)
                case "logit":
                    return self.low + (self.high - self.low) * _apply_logistic(transformed)
        return transformed

    def to_json(self) -> dict[str, Any]:
        """Return every number, exact, for JSON."""
        return {"kind": self.kind, "power": self.power, "low": self.low, "high": self.high}


IDENTITY = Transform()


def fit_transform(values: np.ndarray, kind: str, low: float | None = None, high: float | None = None) -> Transform:
    """Fit transforms on training parts of one length, (series, steps): a stack with a row for each.

    Args:
        kind: of the transform; Box-Cox's λ is the most likely from 0 to 2 (`estimate_boxcox_power`).
        low, high: the bounds of logit.
    """
    powers = [estimate_boxcox_power(row) for row in values] if kind == "boxcox" else [1.0] * len(values)
    stacked = Transform(kind, np.array(powers)[:, None])
    return replace(stacked, low=low, high=high) if kind == "logit" and low is not None and high is not None else stacked


def estimate_boxcox_power(values: np.ndarray) -> float:
    """Estimate Box-Cox's λ in [0, 2] by maximum likelihood (Box & Cox 1964, section 3); 1 for constant values.

    A negative λ would bound the transform from above, and outputs above the bound have no inverse.
    """
    if np.ptp(values) == 0:
        return 1.0
    logs = np.log(values)
    logs = logs - logs.mean()  # λ does not depend on the unit; in this one the Jacobian, a sum of logs, is 0
    low, best, high = 0.0, 0.0, _MAX_POWER
    for _ in range(_SEARCH_ROUNDS):
        powers = np.linspace(low, high, 9)
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # an overflow is never the best power; λ = 0 is always finite
            best = float(powers[np.nanargmin([np.var(_apply_boxcox_to_logs(logs, power)) for power in powers])])
        step = powers[1] - powers[0]
        low, high = max(0.0, best - step), min(_MAX_POWER, best + step)
    return best


def _apply_boxcox_to_logs(logs: np.ndarray, power: float | np.ndarray) -> np.ndarray:
    """Compute (x^λ - 1) / λ, or log x for λ = 0, from log x (Box & Cox 1964, equation 1)."""
    safe = np.where(np.equal(power, 0), 1.0, power)
    return np.where(np.equal(power, 0), logs, np.expm1(power * logs) / safe)


def _invert_boxcox(transformed: np.ndarray, power: float | np.ndarray) -> np.ndarray:
    """Apply (λ y + 1)^(1 / λ), or exp y for λ = 0."""
    safe = np.where(np.equal(power, 0), 1.0, power)
    with np.errstate(divide="ignore"):  # log1p(-1) is minus infinity, whose exp is 0
        logs = np.log1p(np.maximum(power * transformed, -1)) / safe
    return np.exp(np.where(np.equal(power, 0), transformed, logs))


def _apply_logistic(values: np.ndarray) -> np.ndarray:
    """Apply 1 / (1 + exp(-y)) without overflow on either side."""
    small = np.exp(-np.abs(values))
    return np.where(values < 0, small, 1.0) / (1 + small)
