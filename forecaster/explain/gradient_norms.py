"""The flow of a gradient: its norm by steps back in time, and what to call the way it goes."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

LARGEST_NORM = float(np.finfo(np.float32).max)  # stands for every norm that float32 does not hold
FADED = 1e-3  # of the largest norm: a gradient with less left counts as gone
_GROWN = 10.0  # times the norm of the state read last: an explosion
_EXPLAINED = 0.7  # of the variance of a norm's logarithm, by a line that is to stand for it
_SMALLEST_NORM = 1e-36  # below it float32 runs out of digits, then out of numbers


class GradientKind(StrEnum):
    """What a gradient does on its way back."""

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
        stride: steps of the series that a recurrent step takes.
        norms: finite, (recurrent steps,), that of the state read last first.
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
        """The most steps back."""
        return int(self.steps_back[-1])

    @property
    def doublings(self) -> float:
        """How often the norm doubles with a step back, -1/half-life; NaN where it does not fall or grow by a rate.

        The slope of the least-squares line through log2 of those norms that float32 holds in full.
        """
        held = (self.norms > _SMALLEST_NORM) & (self.norms < LARGEST_NORM)
        if held.sum() < 2:
            return math.nan
        steps, powers = self.steps_back[held], np.log2(self.norms[held])
        slope, start = np.polyfit(steps, powers, 1)
        left = np.var(powers - slope * steps - start)
        return float(slope) if left <= (1 - _EXPLAINED) * np.var(powers) else math.nan

    @property
    def reach(self) -> int:
        """Steps back to the last norm that is not `FADED`."""
        return int(self.steps_back[self.norms >= FADED * self.norms.max()][-1])

    @property
    def growth(self) -> float:
        """The norm furthest back over that of the state read last, or of the first that has one; 0 where none has."""
        above = self.norms[self.norms > 0]
        return float(self.norms[-1] / above[0]) if len(above) else 0.0

    @property
    def kind(self) -> GradientKind:
        """What to call it."""
        if not self.norms.any():
            return GradientKind.NONE
        if self.norms.max() >= LARGEST_NORM or self.growth >= _GROWN:
            return GradientKind.EXPLODING
        return GradientKind.VANISHING if self.reach < self.span else GradientKind.HEALTHY
