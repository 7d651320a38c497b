"""Calendars: the timestamps of many series of one frequency, of which those that are alike are listed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.time.frequency import GridStep, make_grid, measure_step, step_back

_MOST = 64  # indices of timestamps that are kept


class _SharedGrid(NamedTuple):
    """Timestamps, and the place among them at which each series begins, (series,); -1 where they do not hold it."""

    timestamps: pd.Index
    places: np.ndarray


@dataclass(frozen=True, eq=False)
class Calendars:
    """The timestamps of series, from the first of each, (series,), on.

    Attributes:
        lengths: steps in each series, (series,).
        step: of all of them.
    """

    firsts: pd.Index
    lengths: np.ndarray
    step: GridStep

    def list_steps(self, number: int, steps: int) -> pd.Index:
        """List the timestamps of the first steps of a series; series of one calendar get the same index."""
        if not isinstance(self.firsts, pd.DatetimeIndex):
            return make_grid(self.firsts[number], steps, self.step)
        key = int(self._first_ticks[number]), steps
        if key not in self._known:
            if len(self._known) == _MOST:
                self._known.clear()
            place = self._shared_grid.places[number]
            shared = self._shared_grid.timestamps[place : place + steps]
            self._known[key] = make_grid(self.firsts[number], steps, self.step) if place < 0 else shared
        return self._known[key]

    def move_firsts(self, steps: Sequence[int]) -> pd.Index:
        """Return the timestamp some steps after the first of each series, before it where they are below 0."""
        moved = (
            step_back(first, -by, self.step) if by < 0 else self.list_steps(number, by + 1)[by]
            for number, (first, by) in enumerate(zip(self.firsts, steps, strict=True))
        )
        return pd.Index(list(moved))

    @cached_property
    def _known(self) -> dict[tuple[int, int], pd.Index]:
        """The timestamps of some series by their first and their number."""
        return {}

    @cached_property
    def _first_ticks(self) -> np.ndarray:
        return pd.DatetimeIndex(self.firsts).asi8

    @cached_property
    def _shared_grid(self) -> _SharedGrid:
        """The grid of several series whose steps differ in length, such as months, which are slow to list for each."""
        none = np.full(len(self.firsts), -1)
        is_dated = isinstance(self.firsts, pd.DatetimeIndex)
        if len(self.firsts) < 2 or not is_dated or measure_step(self.step) is not None:
            return _SharedGrid(pd.DatetimeIndex([]), none)
        starts = pd.date_range(self.firsts.min(), self.firsts.max(), freq=self.step)
        places = starts.get_indexer(self.firsts)
        if (places < 0).all():
            return _SharedGrid(starts, none)
        return _SharedGrid(make_grid(starts[0], int((places + self.lengths)[places >= 0].max()), self.step), places)
