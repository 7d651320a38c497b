"""Members: the series of a panel that are trained on, each with its split and its scaler, made when asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from forecaster.data import Panel, Series
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.split import Split

SERIES_PER_BLOCK = 256  # series that are worked on at once


@dataclass(frozen=True)
class PreparedSeries:
    """One series to train on: its split and its scaler."""

    series: Series
    split: Split
    scaler: Scaler


@dataclass(frozen=True, eq=False)
class PreparedPanel(Sequence[PreparedSeries]):
    """Some series of a panel; each is made once, when it is first asked for.

    Attributes:
        panel: they, and those that are too short.
        numbers: theirs in the panel, in rising order.
        splits: of each.
        scaler: of all, each a row.
    """

    panel: Panel
    numbers: Sequence[int]
    splits: Sequence[Split]
    scaler: Scaler
    _made: dict[int, PreparedSeries] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, number: int) -> PreparedSeries: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[PreparedSeries, ...]: ...
    def __getitem__(self, number: int | slice) -> PreparedSeries | tuple[PreparedSeries, ...]:
        places = range(len(self))
        if isinstance(number, slice):
            return tuple(self[each] for each in places[number])
        number = places[number]
        if number not in self._made:
            self._made[number] = PreparedSeries(
                self.panel[self.numbers[number]], self.splits[number], self.scaler.select_row(number)
            )
        return self._made[number]

    def __iter__(self) -> Iterator[PreparedSeries]:
        return (self[number] for number in range(len(self)))

    @property
    def names(self) -> list[str]:
        """Of the series."""
        return [self.panel.names[number] for number in self.numbers]

    def scale(self, channels: int) -> np.ndarray:
        """The values end to end, each scaled by its own scaler, (steps, channels) float32."""
        scaled = np.empty((sum(split.steps for split in self.splits) // channels, channels), np.float32)
        end = 0
        for block, values in self.panel.blocks(self.numbers, SERIES_PER_BLOCK * channels):
            rows = self.scaler.select_rows(block).transform(values)  # (series, steps)
            groups = rows.reshape(-1, channels, rows.shape[1]).swapaxes(1, 2)  # (groups, steps, channels)
            first, end = end, end + values.size // channels
            scaled[first:end] = groups.reshape(-1, channels)
        return scaled
