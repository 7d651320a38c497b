"""Series prepared for training, each with its split and scaler, built when first read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from forecaster.data.series import Series
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.split import Split
from forecaster.spool import Spool

if TYPE_CHECKING:
    from forecaster.data import Panel
    from forecaster.forecast import Timestamp

SERIES_PER_BLOCK = 256  # series processed at once, which bounds memory


@dataclass(frozen=True)
class PreparedSeries:
    """A series to train on, its split and its scaler."""

    series: Series
    split: Split
    scaler: Scaler


@dataclass(frozen=True, eq=False)
class PreparedPanel(Sequence[PreparedSeries]):
    """The series of a panel that are long enough to train on; each is built once, when first read.

    Attributes:
        panel: all series, including those that are too short.
        numbers: indices of the prepared series in the panel, in rising order.
        splits: by prepared series.
        scaler: with a row for each prepared series.
    """

    panel: "Panel"
    numbers: Sequence[int]
    splits: Sequence[Split]
    scaler: Scaler
    _cache: dict[int, PreparedSeries] = field(default_factory=dict, init=False)

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
        if number not in self._cache:
            self._cache[number] = PreparedSeries(
                self.panel[self.numbers[number]], self.splits[number], self.scalers[number]
            )
        return self._cache[number]

    def __iter__(self) -> Iterator[PreparedSeries]:
        return (self._cache.get(number) or self[number] for number in range(len(self)))

    @cached_property
    def scalers(self) -> list[Scaler]:
        """The scaler of each series."""
        return self.scaler.list_rows()

    def take(self, places: np.ndarray) -> "PreparedPanel":
        """Copy some series with their steps, (series,) places in rising order."""
        numbers, splits = np.asarray(self.numbers)[places], [self.splits[place] for place in places.tolist()]
        return PreparedPanel(self.panel.take(numbers), range(len(numbers)), splits, self.scaler.select_rows(places))

    def find_timestamps(self, steps: Iterable[int]) -> "list[Timestamp]":
        """Find the timestamp of one step of each series; series of one calendar share an index, which is read once."""
        known: dict[tuple[int, int], Timestamp] = {}
        found = []
        for member, step in zip(self, steps, strict=True):
            timestamps = member.series.timestamps
            key = id(timestamps), step
            if key not in known:
                known[key] = timestamps[step]
            found.append(known[key])
        return found

    def find_span(self, skipped: int = 0) -> "tuple[Timestamp, Timestamp]":
        """Find the first and the last timestamp of all series, without `skipped` steps at the beginning of each."""
        calendars = {id(index): index for index in (member.series.timestamps for member in self)}.values()
        return min(index[skipped] for index in calendars), max(index[-1] for index in calendars)

    @property
    def names(self) -> list[str]:
        """Names of the series."""
        return [self.panel.names[number] for number in self.numbers]

    def scale(self, channels: int) -> np.ndarray:
        """Scale every series by its own scaler and concatenate them, (steps, channels) float32.

        They are in a file without a name where the values of the panel are.
        """
        blocks = self._scale_blocks(channels)
        if isinstance(self.panel.values, np.memmap):
            return join_on_disk(blocks, channels)
        scaled = np.empty((sum(split.steps for split in self.splits) // channels, channels), np.float32)
        end = 0
        for rows in blocks:
            first, end = end, end + len(rows)
            scaled[first:end] = rows
        return scaled

    def _scale_blocks(self, channels: int) -> Iterator[np.ndarray]:
        """Scale some series at a time, (steps, channels)."""
        for block, values in self.panel.iterate_blocks(self.numbers, SERIES_PER_BLOCK * channels):
            rows = self.scaler.select_rows(block).transform(values)  # (series, steps)
            groups = rows.reshape(-1, channels, rows.shape[1]).swapaxes(1, 2)  # (groups, steps, channels)
            yield groups.reshape(-1, channels)


def join_on_disk(blocks: Iterable[np.ndarray], width: int) -> np.ndarray:
    """Concatenate blocks, (steps, width) each, in a file without a name, float32."""
    spool = Spool(np.float32)
    for block in blocks:
        spool.append(block.reshape(-1))
    return spool.map_records().reshape(-1, width)
