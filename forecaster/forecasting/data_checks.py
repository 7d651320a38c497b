"""The checks of one prediction: which series are forecast, and what is reported of the others."""

import datetime
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from forecaster.config.schema import Checks
from forecaster.data.series import SelectedSeries, Series
from forecaster.errors import DataError, Diverged, ForecasterError, Stale
from forecaster.forecast import Forecast
from forecaster.forecasting.plausibility import (
    Statistics,
    find_coarser_end,
    find_constant_end,
    find_implausible_forecast,
    find_implausible_value,
)
from forecaster.forecasting.training_range import find_values_outside
from forecaster.problems import Problem

if TYPE_CHECKING:
    from forecaster.forecasting.freshness import Freshness

_NOT_WRITTEN = {"infinite-forecast", "infinite-intervals", "implausible-forecast"}


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
        self._seen: dict[str, Sequence[float]] = {}
        self.problems: list[Problem] = []
        self.notices: list[Problem] = []

    def select_series(
        self,
        panel: Sequence[Series],
        freshness: "Sequence[Freshness]",
        now: datetime.datetime,
        where: str,
        channels: int,
    ) -> SelectedSeries:
        """Select the series that may be forecast.

        Args:
            panel: the series; those that are read together follow each other.
            freshness: of each series; not used where there is no largest age.
            now: the time to which ages are counted.
            where: the name of the source.
            channels: series that are read together; one that is refused leaves out the others.
        """
        ages = freshness if self._checks.max_age is not None else itertools.repeat(None, len(panel))
        accepted = [
            (fresh is None or self._check_age(series, fresh, now, where)) and self._check_values(series)
            for series, fresh in zip(panel, ages, strict=True)
        ]
        firsts = range(0, len(panel), channels)
        groups = [range(first, first + channels) for first in firsts if all(accepted[first : first + channels])]
        return SelectedSeries(panel, [number for group in groups for number in group])

    def _check_age(self, series: Series, fresh: "Freshness", now: datetime.datetime, where: str) -> bool:
        from forecaster.forecasting.freshness import report_age  # noqa: PLC0415  with pandas, for this check alone

        max_age = self._checks.max_age
        problem = None if max_age is None else report_age(series, fresh, max_age, now, where)
        if problem is None:
            return True
        stale = problem.code == "stale-data"
        (self.problems if stale else self.notices).append(problem.add_series(series.name) if self._several else problem)
        return not stale

    def _check_values(self, series: Series) -> bool:
        """Check the window of a series, and keep the range that it has been seen in."""
        name, (ranges, runs), checks = series.name, self._statistics, self._checks
        accepted = True
        if checks.constant != "ignore":
            accepted &= self._report(checks.constant, find_constant_end(series, runs.get(name)))
        if checks.step != "ignore":
            accepted &= self._report(checks.step, find_coarser_end(series, self._length))
        if checks.range != "ignore":
            found, seen = find_implausible_value(series, self._length, ranges.get(name), checks.range_factor)
            accepted &= self._report(checks.range, found)
            if found is None:
                self.notices += find_values_outside(ranges, [series], self._length)
                self._seen |= {} if seen is None else {name: seen}
        return accepted

    def check_forecast(self, forecast: Forecast) -> bool:
        """Check a forecast; whether it may be written."""
        if (seen := self._seen.pop(forecast.series, None)) is None:
            return True
        found = find_implausible_forecast(forecast, seen, self._checks.range_factor)
        return self._report(self._checks.range, found)

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
