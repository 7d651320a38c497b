"""Gradient norms by steps back in time: whether they vanish or explode, and how fast."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

LARGEST_NORM = float(np.finfo(np.float32).max)  # replaces norms beyond float32
FADED = 1e-3  # of the largest norm: below, a gradient counts as vanished
_EXPLODED = 10.0  # times the norm at the state read last
_MIN_R2 = 0.7  # of a line through the norms' logarithms, for its slope to be a rate
_SMALLEST_NORM = 1e-36  # below, float32 loses precision, then becomes 0


class GradientKind(StrEnum):
    """How a gradient changes with steps back in time."""

    VANISHING = "vanishing"
    EXPLODING = "exploding"
    HEALTHY = "healthy"
    NONE = "none"


@dataclass(frozen=True)
class GradientNorms:
    """The norm of the loss's gradient with respect to one state of one layer, by steps back.

    Attributes:
        state: `h`, the hidden state, or `c`, the cell state.
        level: of the layer in its stack, 0 at the bottom.
        stride: steps of the series in one recurrent step.
        norms: finite, (recurrent steps,); the state read last comes first.
    """

    layer: str
    state: str
    level: int
    stride: int
    norms: np.ndarray

    @property
    def steps_back(self) -> np.ndarray:
        """Steps of the series between each state and the one read last, (recurrent steps,)."""
        return self.stride * np.arange(len(self.norms))

    @property
    def span(self) -> int:
        """Largest number of steps back."""
        return int(self.steps_back[-1])

    @property
    def doublings(self) -> float:
        """Doublings of the norm per step back, -1 / half-life; NaN if the rate is not constant.

        It is the slope of the least-squares line through log2 of the norms within float32's range.
        """
        in_range = (self.norms > _SMALLEST_NORM) & (self.norms < LARGEST_NORM)
        if in_range.sum() < 2:
            return math.nan
        steps, powers = self.steps_back[in_range], np.log2(self.norms[in_range])
        slope, start = np.polyfit(steps, powers, 1)
        residual = np.var(powers - slope * steps - start)
        return float(slope) if residual <= (1 - _MIN_R2) * np.var(powers) else math.nan

    @property
    def reach(self) -> int:
        """Steps back to the last norm of at least `FADED` times the largest."""
        return int(self.steps_back[self.norms >= FADED * self.norms.max()][-1])

    @property
    def growth(self) -> float:
        """Norm furthest back over the first nonzero norm; 0 if all are 0."""
        above = self.norms[self.norms > 0]
        return float(self.norms[-1] / above[0]) if len(above) else 0.0

    @property
    def kind(self) -> GradientKind:
        """Classification of the norms."""
        if not self.norms.any():
            return GradientKind.NONE
        if self.norms.max() >= LARGEST_NORM or self.growth >= _EXPLODED:
            return GradientKind.EXPLODING
        return GradientKind.VANISHING if self.reach < self.span else GradientKind.HEALTHY
