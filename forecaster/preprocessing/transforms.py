"""Transforms of a series: what makes its values easier to learn, and undoes it exactly."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np


def difference(values: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """y(t) - y(t - lag) for one lag after the other: (..., steps) -> (..., steps), the first sum(lags) of them NaN."""
    for lag in lags:
        differences = np.full(values.shape, np.nan)
        differences[..., lag:] = values[..., lag:] - values[..., :-lag]
        values = differences
    return values


def undo_difference(differences: np.ndarray, history: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """The values whose differences follow a history: (..., horizon), (..., at least sum(lags)) -> (..., horizon)."""
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


_HIGHEST_POWER = 2.0
_ROUNDS = 7  # of 9 powers each, a quarter as far apart as those before: to 1e-4


@dataclass(frozen=True)
class Transform:
    """A rising function of the values, in float64; NaN stays NaN.

    Attributes:
        kind: `none | log | log1p | boxcox | logit`.
        power: Box-Cox's lambda, from 0; (batch, 1) where each row has its own.
        low, high: the bounds between which logit's values lie.
    """

    kind: str = "none"
    power: float | np.ndarray = 1.0
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def stack(cls, transforms: "Sequence[Transform]") -> "Transform":
        """One of one kind for values (batch, steps), whose rows are transformed each by its own."""
        first = transforms[0]
        return cls(first.kind, np.array([transform.power for transform in transforms])[:, None], first.low, first.high)

    @classmethod
    def concatenate(cls, parts: "Sequence[Transform]") -> "Transform":
        """One of the rows of several that are stacked."""
        return replace(parts[0], power=np.concatenate([np.asarray(part.power) for part in parts]))

    def select_rows(self, chosen: slice) -> "Transform":
        """Some rows of one that is stacked."""
        return replace(self, power=np.asarray(self.power)[chosen])

    def select_row(self, number: int) -> "Transform":
        """That of one row of one that is stacked."""
        return replace(self, power=float(np.asarray(self.power)[number, 0]))

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Values in the series' own unit -> transformed values, any shape."""
        match self.kind:
            case "log":
                return np.log(values)
            case "log1p":
                return np.log1p(values)
            case "boxcox":
                return _boxcox(values, self.power)
            case "logit":
                return np.log(values - self.low) - np.log(self.high - values)
        return values

    def inverse(self, transformed: np.ndarray) -> np.ndarray:
        """Transformed values -> values in the series' own unit, any shape.

        What no value transforms to, below 0 of log1p and below -1 / lambda of Box-Cox, becomes 0; what is too
        large for a float becomes infinite.
        """
        with np.errstate(over="ignore"):
            match self.kind:
                case "log":
                    return np.exp(transformed)
                case "log1p":
                    return np.expm1(np.maximum(transformed, 0))
                case "boxcox":
                    return _inverse_boxcox(transformed, self.power)
                case "logit":
                    return self.low + (self.high - self.low) * _logistic(transformed)
        return transformed

    def to_json(self) -> dict[str, Any]:
        """Every number, exact."""
        return asdict(self)


IDENTITY = Transform()


def fit_transform(values: np.ndarray, kind: str, low: float | None = None, high: float | None = None) -> Transform:
    """Fit on training parts of one length, (series, steps), whose values the transform takes; a row for each.

    Args:
        kind: of the transform; Box-Cox's lambda is the likeliest from 0 to 2 (`estimate_boxcox_power`).
        low, high: the bounds of logit.
    """
    powers = [estimate_boxcox_power(row) for row in values] if kind == "boxcox" else [1.0] * len(values)
    stacked = Transform(kind, np.array(powers)[:, None])
    return replace(stacked, low=low, high=high) if kind == "logit" and low is not None and high is not None else stacked


def estimate_boxcox_power(values: np.ndarray) -> float:
    """The lambda in [0, 2] under which the transformed values are most likely normal (Box & Cox 1964, section 3).

    Below 0 the transform has a ceiling: a network whose answer lies above it has no forecast in the series' own unit.
    1 where all values are the same.
    """
    if np.ptp(values) == 0:
        return 1.0
    logs = np.log(values)
    logs = logs - logs.mean()  # lambda does not depend on the unit; in this one, the likelihood's sum of logs is 0
    low, best, high = 0.0, 0.0, _HIGHEST_POWER
    for _ in range(_ROUNDS):
        powers = np.linspace(low, high, 9)
        with np.errstate(over="ignore", invalid="ignore"):  # such a power is not the best; 0 is always finite
            best = float(powers[np.nanargmin([np.var(_boxcox_of_logs(logs, power)) for power in powers])])
        step = powers[1] - powers[0]
        low, high = max(0.0, best - step), min(_HIGHEST_POWER, best + step)
    return best


def _boxcox(values: np.ndarray, power: float | np.ndarray) -> np.ndarray:
    """(x^λ - 1) / λ, and log x where λ is 0 (Box & Cox 1964, equation 1)."""
    return _boxcox_of_logs(np.log(values), power)


def _boxcox_of_logs(logs: np.ndarray, power: float | np.ndarray) -> np.ndarray:
    safe = np.where(np.equal(power, 0), 1.0, power)
    return np.where(np.equal(power, 0), logs, np.expm1(power * logs) / safe)


def _inverse_boxcox(transformed: np.ndarray, power: float | np.ndarray) -> np.ndarray:
    """(λ y + 1)^(1 / λ), and exp y where λ is 0."""
    safe = np.where(np.equal(power, 0), 1.0, power)
    with np.errstate(divide="ignore"):  # 0 is exp of minus infinity
        logs = np.log1p(np.maximum(power * transformed, -1)) / safe
    return np.exp(np.where(np.equal(power, 0), transformed, logs))


def _logistic(values: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-y)), exact far from 0 on both sides."""
    small = np.exp(-np.abs(values))
    return np.where(values < 0, small, 1.0) / (1 + small)
