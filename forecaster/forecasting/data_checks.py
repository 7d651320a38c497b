"""The checks of one prediction: which series are forecast, and what is reported of the others."""

import datetime
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from forecaster.config.schema import Checks
from forecaster.data.series import Series
from forecaster.errors import DataError, Diverged, ForecasterError, Stale
from forecaster.forecast import ForecastBlock
from forecaster.forecasting.freshness import Freshness, report_age
from forecaster.forecasting.plausibility import (
    FEWEST_STUCK,
    NEWEST_OF_UNIT,
    Statistics,
    are_of_other_unit,
    find_coarser_end,
    find_constant_end,
    find_implausible_forecast,
    find_implausible_value,
    measure_reach,
)
from forecaster.forecasting.series_block import SeriesBlock
from forecaster.forecasting.training_range import FAR, find_values_outside
from forecaster.problems import Problem

_NOT_WRITTEN = {"infinite-forecast", "infinite-intervals", "implausible-forecast"}


class CheckedSeries(NamedTuple):
    """Series that may be forecast.

    Attributes:
        seen: the lowest and the highest value ever seen of each, (series, 2); NaN where they are not known.
    """

    block: SeriesBlock
    seen: np.ndarray

    def split(self, most: int) -> "Iterator[CheckedSeries]":
        """Split them into blocks of at most `most` that follow each other."""
        blocks = self.block.split(most)
        return (CheckedSeries(each, self.seen[place * most :][: len(each)]) for place, each in enumerate(blocks))

    def select(self, places: Sequence[int] | np.ndarray) -> "CheckedSeries":
        """Select some of them by place."""
        return CheckedSeries(self.block.select(places), self.seen[places])


class DataChecks:
    """What the checks of a config find in the series and the forecasts of one prediction.

    Attributes:
        problems: why series are not forecast.
        notices: warnings about those that are.
    """

    def __init__(self, checks: Checks, statistics: Statistics, strict: bool, length: int, several: bool) -> None:
        """Keep what the checks need.

        Args:
            checks: the policies.
            statistics: those of the training.
            strict: whether the policy `auto` is an error, as in jobs.
            length: steps of the window.
            several: whether the file may hold several series.
        """
        self._checks, self._statistics, self._strict = checks, statistics, strict
        self._length, self._several = length, several
        self.problems: list[Problem] = []
        self.notices: list[Problem] = []

    def select_series(
        self,
        panel: Sequence[Series],
        freshness: Sequence[Freshness],
        now: datetime.datetime,
        where: str,
        channels: int,
    ) -> CheckedSeries:
        """Select the series that may be forecast.

        Args:
            panel: the series; those that are read together follow each other.
            freshness: of each series; not used where there is no largest age.
            now: the time to which ages are counted.
            where: the name of the source.
            channels: series that are read together; one that is refused leaves out the others.
        """
        block = SeriesBlock(panel)
        seen, plain = self._find_plain_series(block)
        accepted = np.ones(len(block), bool)
        is_dated = self._checks.max_age is not None
        for place in range(len(block)) if is_dated else np.flatnonzero(~plain).tolist():
            series = block[place]
            if is_dated and not self._check_age(series, freshness[place], now, where):
                accepted[place] = False
            elif not plain[place]:
                accepted[place], seen[place] = self._check_values(series)
        together = accepted.reshape(-1, channels).all(axis=1)  # (groups,)
        kept = np.flatnonzero(np.repeat(together, channels))
        return CheckedSeries(block.select(kept), seen[kept])

    def _find_plain_series(self, block: SeriesBlock) -> tuple[np.ndarray, np.ndarray]:
        """Find the series in whose values no check finds anything, as in almost all of them.

        Returns:
            The range ever seen of each, (series, 2), NaN where it is not known; and whether a series is one of them.
        """
        checks, length = self._checks, self._length
        seen, plain = np.full((len(block), 2), np.nan), block.are_observed()
        if checks.constant != "ignore":
            newest = block.take_last_steps(FEWEST_STUCK)
            plain &= ~(newest == newest[:, -1:]).all(axis=1)
        if checks.range != "ignore":
            window = block.take_last_steps(length)
            lowest, highest = window.min(axis=1), window.max(axis=1)
            trained = self._list_ranges(block)
            known = np.where(np.isnan(trained), block.measure_ranges_before(length), trained)
            known[np.isnan(trained[:, 0]) & (block.measure_lengths() < 2 * length)] = np.nan
            low, high = known.T
            with np.errstate(all="ignore"):
                beyond = np.maximum(low - lowest, highest - high)
                near = beyond <= measure_reach(low, high, checks.range_factor)
                near &= np.isnan(trained[:, 0]) | (beyond <= FAR * (high - low))
            plain &= near | (np.isnan(low) & ~np.isnan(lowest))
            plain &= ~are_of_other_unit(block.take_last_steps(NEWEST_OF_UNIT), low)
            seen = np.stack([np.minimum(low, lowest), np.maximum(high, highest)], axis=1)
        return seen, plain

    def _list_ranges(self, block: SeriesBlock) -> np.ndarray:
        """List the lowest and the highest value of each series in training, (series, 2); NaN where not known."""
        ranges, unknown = self._statistics.ranges, (np.nan, np.nan)
        return np.array([ranges.get(name, unknown) for name in block.list_names()], float).reshape(len(block), 2)

    def _check_age(self, series: Series, fresh: Freshness, now: datetime.datetime, where: str) -> bool:
        max_age = self._checks.max_age
        problem = None if max_age is None else report_age(series, fresh, max_age, now, where)
        if problem is None:
            return True
        stale = problem.code == "stale-data"
        (self.problems if stale else self.notices).append(problem.add_series(series.name) if self._several else problem)
        return not stale

    def _check_values(self, series: Series) -> tuple[bool, tuple[float, float]]:
        """Check the window of a series; whether it may be forecast, and the range that it has been seen in."""
        name, (ranges, runs), checks = series.name, self._statistics, self._checks
        accepted, seen = True, None
        if checks.constant != "ignore":
            accepted &= self._report(checks.constant, find_constant_end(series, runs.get(name)))
        if checks.step != "ignore":
            accepted &= self._report(checks.step, find_coarser_end(series, self._length))
        if checks.range != "ignore":
            found, range_seen = find_implausible_value(series, self._length, ranges.get(name), checks.range_factor)
            accepted &= self._report(checks.range, found)
            if found is None:
                self.notices += find_values_outside(ranges, [series], self._length)
                seen = range_seen
        return accepted, seen or (np.nan, np.nan)

    def check_forecasts(self, forecasts: ForecastBlock, seen: np.ndarray) -> list[int]:
        """Check forecasts, with the ranges seen of their series, (series, 2); return the places of those to write."""
        low, high = seen.T[..., None]  # (series, 1) both
        with np.errstate(all="ignore"):
            beyond = np.maximum(low - forecasts.mean, forecasts.mean - high).max(axis=1)
            far = beyond > 0.999 * measure_reach(low, high, self._checks.range_factor)[:, 0]  # or almost
        refused = {
            place
            for place in np.flatnonzero(far).tolist()
            if not self._report(
                self._checks.range, find_implausible_forecast(forecasts[place], seen[place], self._checks.range_factor)
            )
        }
        return [place for place in range(len(forecasts)) if place not in refused]

    def _report(self, policy: str, problem: Problem | None) -> bool:
        """Report what a check found; whether the series may be forecast all the same."""
        if problem is None:
            return True
        refused = policy == "error" or (policy == "auto" and self._strict)
        (self.problems if refused else self.notices).append(problem)
        return not refused


def make_prediction_error(problems: Sequence[Problem]) -> ForecasterError:
    """Build the error of a prediction without any forecast: that of its problems, where all have the same."""
    codes = {problem.code for problem in problems}
    if codes == {"stale-data"}:
        return Stale(problems)
    return Diverged(problems) if codes <= _NOT_WRITTEN else DataError(problems)
