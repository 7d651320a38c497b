"""Reading: which columns of a CSV are asked for, and the policies by which they become series."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from forecaster.time.rules import AS_WRITTEN, TimeRules

AUTO = "auto"
COLUMNS, ROWS, DATES = "columns", "rows", "dates"  # layouts: one step per row, one series per row, dates in the header


class Late(NamedTuple):
    """What happens where the newest steps are missing.

    Attributes:
        steps: last steps of each series that may be.
        policy: `fill`, as `gaps` does, by the previous value where it is `error`; or `move_back`, to before them.
    """

    steps: int
    policy: str


@dataclass(frozen=True)
class Domain:
    """The numbers that a series may have, from `low` to `high`.

    Attributes:
        code, repairs: of the problem of numbers outside it.
        what: what its numbers are called: `numbers above 0`.
        open: whether `low` and `high` themselves lie outside.
        whole: whether they have no fraction.
        transform: the one that takes no others; empty where it is the head or a bound.
    """

    code: str
    what: str
    low: float = -math.inf
    high: float = math.inf
    open: bool = False
    whole: bool = False
    transform: str = ""
    repairs: tuple[Mapping[str, Any], ...] = ()

    @property
    def detail(self) -> dict[str, str]:
        """The values that the sentence of its problem needs."""
        return {"expected": self.what} | ({"transform": self.transform} if self.transform else {})

    def find_outside(self, numbers: np.ndarray) -> np.ndarray:
        """Find the finite numbers that lie outside it."""
        beyond = (numbers < self.low) | (numbers > self.high)
        if self.open:
            beyond |= (numbers == self.low) | (numbers == self.high)
        if self.whole:
            beyond |= np.isfinite(numbers) & (np.mod(np.where(np.isfinite(numbers), numbers, 0), 1) != 0)
        return np.isfinite(numbers) & beyond


@dataclass(frozen=True)
class Reading:
    """What is asked of a CSV.

    Attributes:
        time: the time column; `auto` finds it, None makes the row number the step; several that are read together.
        target: the target column, or `auto` where only one other holds numbers; several, or `*` for every column of
            numbers, each one series; None for covariates alone.
        frequency: a pandas alias, `step`, `sessions`, or `auto`; the same for all series.
        gaps: `error | interpolate | seasonal | previous | zero`, for missing steps and cells; `mask` leaves them NaN.
        duplicates: `error | first | last | mean | sum`, for rows of one timestamp.
        series: the column of ids, or several that identify a series together; None where there is none.
        static: columns of categories, one value for each series.
        invalid_values: `error | missing`, for cells of the target that are no number.
        na_values: numbers and texts that mean a missing number.
        columns: covariates; where there are any, rows after the last number of the target hold their future.
        categorical: those of them that are categories although they look like numbers.
        layout: `columns`, one step in each row; or `rows`, one series in each, with values in the columns of `target`,
            which names the first of them, or all; in those after the ids where it is `auto`; or `dates`, which are the
            names of columns, or months next to a column of years.
        late: what happens where the newest steps are missing; None where `gaps` decides.
        allows_longer_step: whether rows that are all of a longer step than the stated one may be filled between.
        way: how timestamps are written, as `timestamp_formats` names it; None where the column decides.
        where: the cells of columns with which a row is read; all rows where there are none.
    """

    time: str | Sequence[str] | None = AUTO
    target: str | Sequence[str] | None = AUTO
    frequency: str = AUTO
    gaps: str = "error"
    duplicates: str = "error"
    domains: Sequence[Domain] = ()
    series: str | Sequence[str] | None = None
    static: Sequence[str] = ()
    rules: TimeRules = AS_WRITTEN
    invalid_values: str = "error"
    na_values: Sequence[int | float | str] = ()
    columns: Sequence[str] = ()
    categorical: Sequence[str] = ()
    layout: str = COLUMNS
    late: Late | None = None
    allows_longer_step: bool = False
    way: str | None = None
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def from_data(cls, data: Mapping[str, Any], domains: Sequence[Domain] = ()) -> "Reading":
        """Take what a `data` section asks for, of numbers within some domains."""
        named = ("time", "target", "frequency", "gaps", "duplicates", "series", "invalid_values", "na_values", "layout")
        covariates = data["covariates"]
        return cls(
            **{name: data[name] for name in named},
            domains=domains,
            static=covariates["static"],
            rules=TimeRules.from_data(data),
            columns=(*covariates["past"], *covariates["future"]),
            categorical=covariates["categorical"],
            late=data["late"] and Late(**data["late"]),
            where=data["where"] or {},
        )

    @property
    def known_way(self) -> str | None:
        """How timestamps are written, as far as it is known."""
        return self.way or (None if self.rules.time_format == AUTO else self.rules.time_format)

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns of ids."""
        return (self.series,) if isinstance(self.series, str) else tuple(self.series or ())

    @property
    def times(self) -> tuple[str, ...]:
        """The columns of time that are stated."""
        return (self.time,) if isinstance(self.time, str) else tuple(self.time or ())
