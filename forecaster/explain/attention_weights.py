"""Attention weights over the past of one series, and their table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecaster.data import Series
from forecaster.wording import format_timestamps


@dataclass(frozen=True)
class AttentionWeights:
    """Attention weights over the past of one series; each row sums to 1.

    Attributes:
        series: the series read.
        origin: index of the origin of each row, (rows,).
        step: step of the horizon of each row, (rows,); 0 for the whole horizon.
        steps_back: steps from the end of each segment read to the origin, (columns,), decreasing.
        segment: steps in a column.
        weights: (rows, columns).
    """

    series: Series
    origin: np.ndarray
    step: np.ndarray
    steps_back: np.ndarray
    segment: int
    weights: np.ndarray

    def to_frame(self) -> pd.DataFrame:
        """Return one row per weight: series, origin, step, timestamp, steps_back, weight."""
        rows, columns = self.weights.shape
        timestamps = np.array(format_timestamps(list(self.series.timestamps)))
        origins, back = np.repeat(self.origin, columns), np.tile(self.steps_back, rows)
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
    """Format the weights of all series as one CSV."""
    return pd.concat([attention.to_frame() for attention in attentions]).to_csv(index=False, lineterminator="\n")
