"""Reading: which columns of a CSV are asked for, and the policies by which they become series."""

from collections.abc import Sequence
from dataclasses import dataclass

from forecaster.data.domains import Domain
from forecaster.data.rules import AS_WRITTEN, TimeRules

AUTO = "auto"


@dataclass(frozen=True)
class Reading:
    """What is asked of a CSV.

    Attributes:
        time: the time column; `auto` finds it, None makes the row number the step.
        target: the target column, or `auto` where only one other holds numbers; None for covariates alone.
        frequency: a pandas alias, `step`, `observed`, or `auto`; the same for all series.
        gaps: `error | interpolate | seasonal | previous | zero`, for missing steps and cells; `mask` leaves them NaN.
        duplicates: `error | first | last | mean | sum`, for rows of one timestamp.
        domains: what the numbers must be, each.
        series: the column of ids; None where the file holds one series.
        static: columns of categories, one value for each series.
        rules: how timestamps are read and laid out.
        text: `error | missing`, for cells of the target that are no number.
        na_values: numbers and texts that stand for a missing number.
        columns: covariates; where there are any, rows behind the last number of the target tell of their future.
        categorical: those of them that are categories although they look like numbers.
    """

    time: str | None = AUTO
    target: str | None = AUTO
    frequency: str = AUTO
    gaps: str = "error"
    duplicates: str = "error"
    domains: Sequence[Domain] = ()
    series: str | None = None
    static: Sequence[str] = ()
    rules: TimeRules = AS_WRITTEN
    text: str = "error"
    na_values: Sequence[int | float | str] = ()
    columns: Sequence[str] = ()
    categorical: Sequence[str] = ()
