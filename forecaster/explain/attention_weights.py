"""Attention: what a network looked at in the past of one series, and every file and picture of it begins with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.data import Series
from forecaster.forecast import format_timestamps


@dataclass(frozen=True)
class AttentionWeights:
    """Weights over the past of one series, each row summing to 1.

    Attributes:
        series: what was looked at.
        origin: the number of the last step behind each row, (rows,).
        step: the step of the horizon that each row asks for, (rows,); 0 where it is all of it.
        read: how many steps before the origin each segment that was read ends, (columns,), falling.
        segment: steps that each column stands for.
        weights: (rows, columns).
    """

    series: Series
    origin: np.ndarray
    step: np.ndarray
    read: np.ndarray
    segment: int
    weights: np.ndarray

    def to_frame(self) -> pd.DataFrame:
        """One row a weight: series, origin, step, timestamp, steps_back, weight."""
        rows, columns = self.weights.shape
        timestamps = np.array(format_timestamps(list(self.series.timestamps)))
        origins, back = np.repeat(self.origin, columns), np.tile(self.read, rows)
        return pd.DataFrame(
            {
                "series": self.series.name,
                "origin": timestamps[origins],
                "step": np.repeat(self.step, columns),
                "timestamp": timestamps[origins - back],
                "steps_back": back,
                "weight": self.weights.ravel(),
            }
        )


def format_attention_csv(attentions: Sequence[AttentionWeights]) -> str:
    """The weights over every series below each other."""
    return pd.concat([attention.to_frame() for attention in attentions]).to_csv(index=False, lineterminator="\n")
