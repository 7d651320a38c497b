"""Rows: a CSV as typed columns, in the order of the file: the first half of reading."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from forecaster.data.covariates import covariates_of
from forecaster.data.dialect import Dialect
from forecaster.data.finding import HEAD, find_target, find_time, mostly_numbers
from forecaster.data.jitter import duration_text
from forecaster.data.places import Places, listed
from forecaster.data.reading import AUTO, Reading
from forecaster.data.rules import TimeRules
from forecaster.data.series import Column
from forecaster.data.table import Table
from forecaster.data.timestamps import Written, placed, written
from forecaster.data.values import EMPTY, GIVEN, INFINITE, NAMED, TEXT, numbers_of, with_marks

POLICIES = "data.gaps: interpolate | seasonal | previous | zero"
FILE = -1  # the number under which is said what concerns no series alone


@dataclass
class Told:
    """What is said of each series, by its number: what is wrong with it, and what was made of its cells.

    Attributes:
        stop: whether timestamps are so wrong that nothing more can be told of any series.
    """

    problems: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    notices: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    stop: bool = False


@dataclass(frozen=True)
class Rows:
    """The rows of one or several series.

    Attributes:
        places: what messages say of lines.
        dialect: how the CSV is written.
        time, target: the columns.
        names: of the series, in the order in which they first stand there.
        long: whether the rows of several series stand below each other.
        codes: the number of each row's series, (rows,) int32.
        lines: (rows,), counted on from file to file.
        timestamps: (rows,), dates in one zone, or integers.
        values: (rows,) float64, NaN where missing.
        categories: of each series, its values of the static covariates.
        columns: the covariates, a value for each row.
        told: what was found wrong with cells, or taken for missing.
        notices: what was found while reading, as sentences.
    """

    places: Places
    dialect: Dialect
    time: str | None
    target: str
    names: Sequence[str]
    long: bool
    codes: np.ndarray
    lines: np.ndarray
    timestamps: pd.Index
    values: np.ndarray
    categories: Sequence[tuple[str, ...]] = ()
    columns: dict[str, Column] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, chosen: np.ndarray | slice) -> "Rows":
        """Some of them, by number, by a mask or by a range."""
        columns = {name: Column(column.values[chosen], column.levels) for name, column in self.columns.items()}
        return dataclasses.replace(
            self,
            codes=self.codes[chosen],
            lines=self.lines[chosen],
            timestamps=self.timestamps[chosen],
            values=self.values[chosen],
            columns=columns,
        )

    def problems(self) -> list[str]:
        """All that is wrong, in the order of the series, each with the name of its series."""
        told = self.told.problems
        return [self.named(number, text) for number in sorted(told) for text in told[number]]

    def named(self, number: int, problem: str) -> str:
        """A problem with the name of its series, where there are several."""
        return f"{problem} [series {self.names[number]}]" if self.long and number != FILE else problem


def rows_of(table: Table, reading: Reading) -> Rows:
    """The typed columns of a table; what is wrong with cells is told in them.

    Raises:
        DataError: a column is not there or cannot be told, or its cells can be read in several ways.
    """
    time, target = found_columns(table, reading)
    numeric = _numeric(table, reading) if target is None else target
    table = with_marks(table, numeric, reading.na_values)
    label = target or ""
    names, codes = _series(table, reading.series) if reading.series else ([label], np.zeros(len(table), np.int32))
    told = Told()
    if "" in names:
        told.problems[FILE].append(f"{table.path}: {reading.series}: a cell is empty; every row needs its series")
    timestamps = _timestamps(table, time, codes, reading, told)
    values = np.zeros(len(table)) if target is None else _values(table, target, codes, timestamps, reading, told)
    categories = _categories(table, codes, len(names), reading.static, told)
    columns, wrong, said = covariates_of(table, reading.columns, reading.categorical, reading.na_values)
    if wrong:
        told.problems[FILE] += wrong
    return Rows(
        table.places,
        table.dialect,
        time,
        label,
        names,
        reading.series is not None,
        codes,
        table.lines,
        timestamps,
        values,
        categories,
        columns,
        told,
        (*table.notices, *said),
    )


def found_columns(table: Table, reading: Reading) -> tuple[str | None, str | None]:
    """The columns of time and target, found where they are not stated.

    Raises:
        DataError: one cannot be told, or a column is not there.
    """
    time = find_time(table) if reading.time == AUTO else reading.time
    ids = [] if reading.series is None else [reading.series]
    named = [name for name in (time, *ids, *reading.static, *reading.columns) if name is not None]
    target = find_target(table, named, reading.na_values) if reading.target == AUTO else reading.target
    table.require([*named, *([] if target is None else [target])])
    return time, target


def _numeric(table: Table, reading: Reading) -> str | None:
    """The first covariate of numbers, which tells the marks where there is no target."""
    numeric = (name for name in reading.columns if mostly_numbers(table.columns[name].iloc[:HEAD], reading.na_values))
    return next((name for name in numeric if name not in reading.categorical), None)


def _series(table: Table, ids: str) -> tuple[list[str], np.ndarray]:
    """The names of the series, and the number of each row's."""
    codes, names = pd.factorize(table.columns[ids])
    return list(map(str, names)), codes.astype(np.int32)


def by_series(wrong: np.ndarray, codes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each series of some rows with their numbers: (rows,) bool or numbers, (all rows,)."""
    chosen = np.flatnonzero(wrong) if wrong.dtype == bool else wrong
    if not len(chosen):
        return
    order = np.argsort(codes[chosen], kind="stable")
    numbers, first = np.unique(codes[chosen][order], return_index=True)
    yield from zip(numbers.tolist(), np.split(chosen[order], first[1:]), strict=True)


def _timestamps(table: Table, time: str | None, codes: np.ndarray, reading: Reading, told: Told) -> pd.Index:
    """The timestamp of each row, integers from 0 in each series where there is no column of them."""
    if time is None:
        return counted(codes)
    cells = table.columns[time]
    read = written(cells)
    if read.ways:
        found = f"{table.path}: {time}: {cells.iloc[0]!r} can be read as {' and as '.join(read.ways)}"
        told.problems[FILE].append(f"{found}; write dates as 2026-01-31")
        told.stop = True

    def tell(wrong: np.ndarray, what: str, mend: str) -> None:
        for number, rows in by_series(wrong, codes):
            problem = table.places.cells(time, table.lines, cells.iloc.__getitem__, rows, what, mend)
            told.problems[number].append(problem)

    tell(read.wrong, "not a timestamp", "expected a date such as 2026-01-31 or 2026-01-31 13:45:00")
    if not are_moved(reading.rules) or read.wrong.any() or read.ways:
        told.stop |= are_moved(reading.rules)
        return read.timestamps
    timestamps, never, far = moved(read, codes, reading.frequency, reading.rules)
    zone = reading.rules.timezone
    tell(
        never,
        "a time that never came",
        f"in {zone} the clock is set forward over it; correct the cell or data.timezone",
    )
    allowed = duration_text(reading.rules.tolerance.value // 1000)
    tell(far, f"further than {allowed} from a step", "correct the cells, or allow more with data.tolerance")
    return timestamps


def counted(codes: np.ndarray) -> pd.Index:
    """The place of each row among those of its series, from 0."""
    if not codes.any():
        return pd.RangeIndex(len(codes))
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])[:-1]
    places = np.empty(len(codes), np.int64)
    places[order] = np.arange(len(codes)) - starts[codes[order]]
    return pd.Index(places)


def are_moved(rules: TimeRules) -> bool:
    """Whether timestamps become others than they are written as."""
    return rules.timezone is not None or rules.tolerance > pd.Timedelta(0)


def moved(
    read: Written, codes: np.ndarray, frequency: str, rules: TimeRules
) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    """As `placed` has it, series by series: which hour comes twice, and how far off all are, each tells for itself."""
    if not codes.any():
        return placed(read, frequency, rules)
    parts = [
        (rows, *placed(Written(read.timestamps[rows], read.wrong[rows], (), read.epoch), frequency, rules))
        for _, rows in by_series(np.arange(len(codes)), codes)
    ]
    indices = [index for _, index, *_ in parts]
    if any(getattr(index, "tz", None) is not None for index in indices):
        indices = [_zoned(index, rules.timezone) for index in indices]
    order = np.argsort(np.concatenate([rows for rows, *_ in parts]))
    never, far = (np.concatenate([part[kind] for part in parts])[order] for kind in (2, 3))
    return indices[0].append(indices[1:])[order], never, far


def _zoned(index: pd.Index, zone: str | None) -> pd.Index:
    """Dates in the zone of the other series' times."""
    if not isinstance(index, pd.DatetimeIndex) or index.tz is not None:
        return index
    return index.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")


def _values(
    table: Table, target: str, codes: np.ndarray, timestamps: pd.Index, reading: Reading, told: Told
) -> np.ndarray:
    """The target as float64, NaN where a cell is missing or infinite; what is wrong with cells is told."""
    cells = table.columns[target]
    numbers, kinds = numbers_of(cells, table.dialect, reading.na_values)

    def sentence(rows: np.ndarray, what: str, mend: str) -> str:
        return table.places.cells(target, table.lines, cells.iloc.__getitem__, rows, what, mend)

    def refuse(wrong: np.ndarray, what: str, mend: str) -> None:
        for number, rows in by_series(wrong, codes):
            told.problems[number].append(sentence(rows, what, mend))

    def notice(wrong: np.ndarray, what: str) -> None:
        for number, rows in by_series(wrong, codes):
            told.notices[number].append(sentence(rows, what, "taken for missing"))

    if reading.text == "error":
        refuse(kinds == TEXT, "not a number", "correct the cells, or empty them; or data.text: missing, data.na_values")
    else:
        notice(kinds == TEXT, "not a number")
    if reading.gaps != "error":
        notice(kinds == INFINITE, "infinite")
    for domain in reading.domains:
        refuse(domain.outside(numbers), f"not among {domain.what}", domain.mend)
    values = np.where(kinds == GIVEN, numbers, np.nan)
    if reading.gaps == "error":
        expected = expected_rows(values, codes, timestamps) if reading.columns else np.ones(len(values), bool)
        kinds_missing = [(EMPTY, "empty"), (NAMED, "missing (data.na_values)"), (INFINITE, "infinite")]
        for kind, what in [*kinds_missing, *([(TEXT, "not a number")] if reading.text == "missing" else [])]:
            refuse((kinds == kind) & expected, what, f"say how to fill them: {POLICIES}")
    return values


def expected_rows(values: np.ndarray, codes: np.ndarray, timestamps: pd.Index) -> np.ndarray:
    """Which rows are no later than the last number of their series, (rows,): the others tell of the future."""
    if not len(values) or len(timestamps) < len(values) or timestamps.hasnans:
        return np.ones(len(values), bool)
    ticks = np.asarray(timestamps.asi8 if isinstance(timestamps, pd.DatetimeIndex) else timestamps)
    known = ~np.isnan(values)
    last = np.full(int(codes.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(last, codes[known], ticks[known])
    none = np.bincount(codes[known], minlength=len(last)) == 0
    return (ticks <= last[codes]) | none[codes]


def first_rows(codes: np.ndarray) -> np.ndarray:
    """The first row of each series, (series,)."""
    first = np.zeros(int(codes.max()) + 1, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first


def _categories(
    table: Table, codes: np.ndarray, count: int, static: Sequence[str], told: Told
) -> list[tuple[str, ...]]:
    """The one value that each static covariate has for each series."""
    if not static:
        return []
    firsts = first_rows(codes)
    found = []
    for column in static:
        values = table.columns[column]
        numbers = pd.factorize(values)[0]
        for number, _ in by_series(numbers != numbers[firsts][codes], codes):
            several = values[codes == number].unique().tolist()
            place = table.places.where(table.lines[firsts[number]])
            problem = f"{place}: {column}: {len(several)} values in one series: {listed(several)}"
            told.problems[number].append(f"{problem}; a static covariate has one")
        found.append(values.iloc[firsts].tolist())
    return list(zip(*found, strict=True))
