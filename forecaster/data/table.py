"""Read a CSV, check every cell, and lay its rows on a regular grid."""

import bisect
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from forecaster.config.reader import suggestion
from forecaster.data.dialect import UNKNOWN, Dialect
from forecaster.data.frequency import check_frequency, date_grid, grid_size, infer_frequency
from forecaster.data.numerals import MISSING, NONE, Unsure, find_marks, is_missing, looks_numeric, to_numbers
from forecaster.data.records import read_records
from forecaster.data.series import Series
from forecaster.data.source import Paths
from forecaster.errors import DataError

SHOWN_PLACES = 5
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%b-%Y", "%b %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DATE_FORMATS = ("%Y-%m-%d", "%Y-%m", "%Y", "%Y%m%d", *(date + time for date in _DATES for time in _TIMES))


@dataclass(frozen=True)
class Table:
    """One CSV, or several below each other, as text: every cell a string, with the line that each row stands on.

    Attributes:
        path: what it is called.
        lines: (rows,), counted on from file to file.
        header, texts: the records as they are written, line ends included.
        header_line: the line of the header.
        dialect: how it is written.
        files: each file, with the number of lines in those before it.
        marked: whether it begins with a byte order mark.
        notices: what was found while reading, as sentences.
    """

    path: str
    columns: dict[str, pd.Series]
    lines: np.ndarray
    header: str
    texts: tuple[str, ...]
    header_line: int
    dialect: Dialect
    files: tuple[tuple[int, str], ...]
    marked: bool = False
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, chosen: np.ndarray) -> "Table":
        """Some of its rows, by number."""
        columns = {name: cells.iloc[chosen].reset_index(drop=True) for name, cells in self.columns.items()}
        texts = tuple(self.texts[row] for row in chosen)
        return dataclasses.replace(self, columns=columns, lines=self.lines[chosen], texts=texts)

    def where(self, line: int) -> str:
        """`file:line`, as an editor counts it."""
        before, name = self.files[bisect.bisect_left(self.files, int(line), key=lambda file: file[0]) - 1]
        return f"{name}:{line - before}"

    def spot(self, line: int) -> str:
        """`line 7`, or `file:7` where there are several files."""
        return f"line {line}" if len(self.files) == 1 else self.where(line)


def read_series(
    path: Paths,
    time: str | None,
    target: str,
    frequency: str,
    gaps: str = "error",
    duplicates: str = "error",
    domain: str = "any",
    series: str | None = None,
    static: Sequence[str] = (),
    text: str = "error",
    na_values: Sequence[int | float | str] = (),
    dialect: Dialect = UNKNOWN,
) -> list[Series]:
    """Read the series of a CSV, in the order in which their ids first stand there.

    Args:
        path: the CSV, with a header; `-` for stdin; a pattern or a list for several that share a header.
        time: the time column; `auto` finds it, None makes the row number the step.
        target: the target column, or `auto` where only one other holds numbers.
        frequency: a pandas alias, `step`, or `auto`; the same for all series.
        gaps: `error | interpolate | previous | zero`, for missing steps and cells; `mask` leaves them NaN.
        duplicates: `error | first | last | mean | sum`, for rows of one timestamp.
        domain: `any | positive | counts`, what the numbers must be.
        series: the column of ids; None where the file holds one series.
        static: columns of categories, one value for each series.
        text: `error | missing`, for cells of the target that are no number.
        na_values: numbers and texts that stand for a missing number.
        dialect: what is known of how the CSV is written.

    Raises:
        DataError: the file cannot be read as series; all problems at once.
        Changing: it changed while it was read.
    """
    table = read_table(path, dialect)
    return series_of(table, time, target, frequency, gaps, duplicates, domain, series, static, text, na_values)


def series_of(
    table: Table,
    time: str | None,
    target: str,
    frequency: str,
    gaps: str = "error",
    duplicates: str = "error",
    domain: str = "any",
    series: str | None = None,
    static: Sequence[str] = (),
    text: str = "error",
    na_values: Sequence[int | float | str] = (),
) -> list[Series]:
    """The series in a table; arguments and problems as in `read_series`."""
    time = find_time(table) if time == "auto" else time
    named = [name for name in (time, series, *static) if name is not None]
    target = find_target(table, named, na_values) if target == "auto" else target
    _require_columns(table, [*named, target])
    reading = _Reading(time, target, gaps, duplicates, domain, text, tuple(na_values))
    table = _with_marks(table, reading)
    first, *others = (
        _long(table, series, static, frequency, reading)
        if series is not None
        else [_series(table, target, frequency, reading)]
    )
    return [dataclasses.replace(first, notices=(*table.notices, *first.notices)), *others]


@dataclass(frozen=True)
class _Reading:
    """The columns and policies by which rows become a series."""

    time: str | None
    target: str
    gaps: str
    duplicates: str
    domain: str
    text: str
    na_values: tuple[int | float | str, ...]


def _with_marks(table: Table, reading: _Reading) -> Table:
    """The table with the decimal and thousands marks of its target, which are said where they are not usual.

    Raises:
        DataError: its numbers can be read in several ways.
    """
    cells, dialect = table.columns[reading.target], table.dialect
    try:
        decimal, thousands = find_marks(cells, dialect.decimal, dialect.thousands, dialect.delimiter, reading.na_values)
    except Unsure as unsure:
        ways = " | ".join(_way(*reading) for reading in unsure.readings)
        cell, line = cells.iloc[unsure.row], table.lines[unsure.row]
        found = f"{table.where(line)}: {reading.target}: {cell!r} can be read in several ways"
        raise DataError([f"{found}; say which: {ways}"]) from None
    said = []
    if decimal not in {dialect.decimal, "."}:
        said.append(f"{table.path}: {reading.target}: decimals have a comma (data.decimal)")
    if thousands not in {dialect.thousands, NONE}:
        said.append(f"{table.path}: {reading.target}: thousands have a mark, {thousands!r} (data.thousands)")
    known = dataclasses.replace(dialect, decimal=decimal, thousands=thousands)
    return dataclasses.replace(table, dialect=known, notices=(*table.notices, *said))


def _way(decimal: str, thousands: str, value: float) -> str:
    """What to write to read an example so, and what it would be."""
    mark = thousands if thousands == NONE else f'"{thousands}"'
    read = "no number" if np.isnan(value) else f"{value:.12g}"
    return f'data: {{decimal: "{decimal}", thousands: {mark}}} ({read})'


def _long(table: Table, ids: str, static: Sequence[str], frequency: str, reading: _Reading) -> list[Series]:
    """The series of a long file; their frequency is that of the longest."""
    rows = table.columns[ids].groupby(table.columns[ids], sort=False).indices
    parts = {str(name): table.rows(np.asarray(numbers)) for name, numbers in rows.items()}
    ordered = list(parts)
    longest = max(ordered, key=lambda name: len(parts[name]))
    problems = [f"{table.path}: {ids}: a cell is empty; every row needs its series"] if "" in parts else []
    found: dict[str, Series] = {}
    for name in [longest, *(name for name in ordered if name != longest)]:
        try:
            found[name] = dataclasses.replace(
                _series(parts[name], name, frequency, reading),
                categories=tuple(_category(parts[name], name, column) for column in static),
            )
            frequency = found[name].frequency
        except DataError as error:
            problems += [f"{problem} [series {name}]" for problem in error.problems]
    if problems:
        raise DataError(problems)
    return [found[name] for name in ordered]


def _category(table: Table, name: str, column: str) -> str:
    """The one value that a static covariate has for a series."""
    values = table.columns[column].unique().tolist()
    if len(values) == 1:
        return str(values[0])
    found = f"{table.where(table.lines[0])}: {column}: {len(values)} values in one series: {_listed(values)}"
    raise DataError([f"{found}; a static covariate has one"])


def read_table(path: Paths, dialect: Dialect = UNKNOWN) -> Table:
    """Read a CSV, or several that share a header, without interpreting a cell; blank lines do not count.

    Raises:
        DataError: it is missing, no plain file, empty, not text, not rectangular, or names a column twice.
        Changing: it changed while it was read.
        InputOutputFailed: it cannot be read.
    """
    records = read_records(path, dialect)
    columns = {
        name: pd.Series([row[index].strip() for row in records.rows], dtype=str)
        for index, name in enumerate(records.names)
        if name
    }
    return Table(
        records.name,
        columns,
        np.array(records.lines),
        records.header,
        tuple(records.texts),
        records.header_line,
        records.dialect,
        records.files,
        records.marked,
        records.notices,
    )


def find_time(table: Table) -> str | None:
    """The first column that begins with dates; None where every column begins with numbers.

    Raises:
        DataError: there are columns of text, and none of dates.
    """
    texts = []
    for name, cells in table.columns.items():
        head = cells.iloc[:20]
        numeric = looks_numeric(head).mean() > 0.5
        dated = not numeric or _epoch_unit(head) or _is_compact(head)
        if dated and _best_reading(head).notna().mean() > 0.5:
            return name
        if not numeric and not head.str.lower().isin(MISSING).all():
            texts.append(name)
    if texts:
        example = table.columns[texts[0]].iloc[0]
        raise DataError(
            [
                f"{table.path}: no column holds timestamps such as 2026-01-31 ({texts[0]!r} begins with {example!r}); "
                "name it with data.time, or set data.time: null to take the rows as steps"
            ]
        )
    return None


def find_target(table: Table, others: Sequence[str], na_values: Sequence[int | float | str] = ()) -> str:
    """The only column besides those of time, ids and categories that starts with numbers.

    Raises:
        DataError: there is none, or a choice.
    """
    numeric = [
        name
        for name, cells in table.columns.items()
        if name not in others and _mostly_numbers(cells.iloc[:100], na_values)
    ]
    if len(numeric) == 1:
        return numeric[0]
    if numeric:
        offered = ", ".join(numeric[:10])
        more = ", ..." if len(numeric) > 10 else ""
        mend = f"choose one, as with --set data.target={numeric[-1]}"
        raise DataError([f"{table.path}: data.target: several columns hold numbers: {offered}{more}; {mend}"])
    raise DataError([f"{table.path}: data.target: no column holds numbers; columns: {', '.join(table.columns)}"])


def _series(table: Table, name: str, frequency: str, reading: _Reading) -> Series:
    rows, cells = _rows(table, reading)
    rows, sorting = _sorted(rows, table)
    rows, problems, merging = _distinct(rows, table, reading.duplicates)
    observed = pd.Series(rows["value"].to_numpy(), index=pd.Index(rows["timestamp"], name=None))
    try:
        frequency = infer_frequency(observed.index) if frequency == "auto" else frequency
        check_frequency(frequency, observed.index)
    except DataError as error:
        raise DataError([*problems, *(f"{table.path}: {problem}" for problem in error.problems)]) from None
    regular, gap_problems, filling = _regular(observed, rows["line"].to_numpy(), frequency, table, reading.gaps)
    if problems or gap_problems:
        raise DataError([*problems, *gap_problems])
    notices = (*sorting, *merging, *filling, *cells)
    values = regular.to_numpy(float)
    return Series(name, reading.target, reading.time, regular.index, values, frequency, notices, dialect=table.dialect)


def _rows(table: Table, reading: _Reading) -> tuple[pd.DataFrame, list[str]]:
    """The rows as (timestamp, value, line), and what is said of cells; empty and infinite ones are NaN.

    Raises:
        DataError: a cell that is no timestamp or no number of the domain, or is missing where `gaps` is `error`.
    """
    timestamps, time_problems = row_timestamps(table, reading.time)
    values, value_problems, notices = _numbers(table, reading)
    if time_problems or value_problems:
        raise DataError([*time_problems, *value_problems])
    return pd.DataFrame({"timestamp": timestamps, "value": values, "line": table.lines}), notices


def row_timestamps(table: Table, time: str | None) -> tuple[pd.Index, list[str]]:
    """The timestamp of each row, in the order of the rows, or the problem with them."""
    if time is None:
        return pd.RangeIndex(len(table)), []
    cells = table.columns[time]
    if _all_are(r"[+-]?\d{1,9}", cells) and not _is_compact(cells):
        return pd.Index(cells.astype("int64")), []
    readings = _readings(cells)
    whole = {name: parsed for name, parsed in readings.items() if parsed.notna().all()}
    if len(whole) > 1:
        ways = " and as ".join(whole)
        mend = "write dates as 2026-01-31"
        return pd.Index([]), [f"{table.path}: {time}: {cells.iloc[0]!r} can be read as {ways}; {mend}"]
    parsed = next(iter(whole.values())) if whole else _best_reading(cells)
    wrong = parsed.isna().to_numpy()
    if wrong.any():
        expected = "expected a date such as 2026-01-31 or 2026-01-31 13:45:00"
        return pd.Index([]), [_cell_problem(table, time, wrong, "not a timestamp", expected)]
    return pd.DatetimeIndex(parsed), []


def _best_reading(cells: pd.Series) -> pd.Series:
    """The way to read the cells as dates that reads most of them; NaT where it does not."""
    return max(_readings(cells).values(), key=lambda parsed: parsed.notna().sum())


def _readings(cells: pd.Series) -> dict[str, pd.Series]:
    """Every way to read the cells as dates; ISO 8601 alone where it reads all of them."""
    if unit := _epoch_unit(cells):
        return {"epoch": pd.to_datetime(cells.astype("int64"), unit=unit)}
    if _is_compact(cells):
        return {"%Y%m%d": pd.to_datetime(cells, format="%Y%m%d", errors="coerce")}
    iso = _read_iso(cells)
    if iso.notna().all():
        return {"ISO 8601": iso}
    patterns = [date + time for date in _DATES for time in _TIMES]
    return {"ISO 8601": iso} | {p: pd.to_datetime(cells, format=p, errors="coerce") for p in patterns}


def _read_iso(cells: pd.Series) -> pd.Series:
    """ISO 8601, in UTC where the cells carry offsets."""
    try:
        parsed = pd.to_datetime(cells, format="ISO8601", errors="coerce")
        zoned = getattr(parsed.dt, "tz", None) is not None
    except (ValueError, AttributeError):  # offsets that differ, as over a change to summer time
        zoned = True
    return pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True) if zoned else parsed


def _epoch_unit(cells: pd.Series) -> Literal["s", "ms"] | None:
    """`s` or `ms` where all cells are seconds (10 digits) or milliseconds (13) since 1970."""
    if _all_are(r"\d{10}", cells):
        return "s"
    return "ms" if _all_are(r"\d{13}", cells) else None


def _is_compact(cells: pd.Series) -> bool:
    """Whether all cells are dates of eight digits, 20260131."""
    if not _all_are(r"(?:1[6-9]|20|21)\d{6}", cells):
        return False
    return bool(pd.to_datetime(cells, format="%Y%m%d", errors="coerce").notna().mean() > 0.5)


def _all_are(pattern: str, cells: pd.Series) -> bool:
    """Whether all cells match; where the first does not, the others are not looked at."""
    return bool(cells.iloc[:1].str.fullmatch(pattern).all() and cells.str.fullmatch(pattern).all())


def _numbers(table: Table, reading: _Reading) -> tuple[np.ndarray, list[str], list[str]]:
    """The target column as float64 with problems and notices, NaN where a cell is missing or infinite."""
    cells, target = table.columns[reading.target], reading.target
    numbers = to_numbers(cells, table.dialect.decimal, table.dialect.thousands)
    empty, named = is_missing(cells), np.zeros(len(cells), bool)
    if reading.na_values:
        sentinels = [value for value in reading.na_values if not isinstance(value, str)]
        named = (is_missing(cells, reading.na_values) | np.isin(numbers, sentinels)) & ~empty
    numbers = np.where(named, np.nan, numbers)
    infinite = np.isinf(numbers)
    text = np.isnan(numbers) & ~empty & ~named
    problems, notices = [], []
    if text.any() and reading.text == "error":
        mend = "correct the cells, or empty them; or data.text: missing, data.na_values"
        problems.append(_cell_problem(table, target, text, "not a number", mend))
    elif text.any():
        notices.append(_cell_problem(table, target, text, "not a number", "taken for missing"))
    if infinite.any() and reading.gaps != "error":
        notices.append(_cell_problem(table, target, infinite, "infinite", "taken for missing"))
    if reading.domain != "any":
        what, outside = _outside(numbers, reading.domain)
        if outside.any():
            mend = f"model.head takes {what}; correct the cells, or use head: normal or student_t"
            problems.append(_cell_problem(table, target, outside, f"not among {what}", mend))
    mend = "say how to fill them: data.gaps: interpolate | previous | zero"
    kinds = [(empty, "empty"), (named, "missing (data.na_values)"), (infinite, "infinite")]
    if reading.text == "missing":
        kinds.append((text, "not a number"))
    for wrong, what in kinds:
        if wrong.any() and reading.gaps == "error":
            problems.append(_cell_problem(table, target, wrong, what, mend))
    return np.where(infinite, np.nan, numbers), problems, notices


def _outside(numbers: np.ndarray, domain: str) -> tuple[str, np.ndarray]:
    """What the domain is, and which finite numbers lie outside it."""
    if domain == "positive":
        return "numbers above 0", np.isfinite(numbers) & (numbers <= 0)
    return "whole numbers from 0 up", np.isfinite(numbers) & ((numbers < 0) | (numbers % 1 != 0))


def _cell_problem(table: Table, column: str, wrong: np.ndarray, what: str, mend: str) -> str:
    """`file:line: column: 3 cells are not a number: 'x' (line 7), ...`, with the first few places."""
    where = np.flatnonzero(wrong)
    shown = where[:SHOWN_PLACES]
    places = [f"{table.columns[column].iloc[row]!r} ({table.spot(table.lines[row])})" for row in shown]
    more = ", ..." if len(where) > SHOWN_PLACES else ""
    count = "1 cell is" if len(where) == 1 else f"{len(where)} cells are"
    return f"{table.where(table.lines[where[0]])}: {column}: {count} {what}: {', '.join(places)}{more}; {mend}"


def _sorted(rows: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, list[str]]:
    if rows["timestamp"].is_monotonic_increasing:
        return rows, []
    first = rows["line"][rows["timestamp"] < rows["timestamp"].shift()].iloc[0]
    ordered = rows.sort_values("timestamp", kind="stable", ignore_index=True)
    return ordered, [f"{table.path}: rows are not in order of time (the first at {table.spot(first)}): sorted"]


def _distinct(rows: pd.DataFrame, table: Table, policy: str) -> tuple[pd.DataFrame, list[str], list[str]]:
    """One row a timestamp, with problems where the policy is `error`, else with notices."""
    repeated = rows["timestamp"].duplicated(keep=False)
    if not repeated.any():
        return rows, [], []
    distinct = rows["timestamp"][repeated].drop_duplicates()
    count = "1 timestamp stands" if len(distinct) == 1 else f"{len(distinct)} timestamps stand"
    lines = rows["line"][repeated & (rows["timestamp"] == distinct.iloc[0])]
    found = f"{table.where(lines.iloc[0])}: {count} on several rows: {_listed(distinct)}"
    merged = rows.groupby("timestamp", as_index=False).agg(
        {"value": "first" if policy == "error" else policy, "line": "first"}
    )
    if policy == "error":
        mend = "data.duplicates: first | last | mean | sum; or which column tells series apart: data.series"
        return merged, [f"{found}; say which counts: {mend}"], []
    return merged, [], [f"{found}: took the {policy}"]


def _regular(
    observed: pd.Series, lines: np.ndarray, frequency: str, table: Table, policy: str
) -> tuple[pd.Series, list[str], list[str]]:
    """The values on the grid from the first number to the last, filled by the policy."""
    numbers = observed.dropna()
    if not len(numbers):
        return observed, [f"{table.path}: no cell of the target holds a number"], []
    size = grid_size(numbers.index, frequency)
    if size > 20 * len(numbers):
        found = f"{len(numbers)} rows lie on a grid of {size:,} steps of {frequency}"
        return observed, [f"{table.path}: {found}: almost all are missing; check data.time and data.frequency"], []
    grid = date_grid(numbers.index[0], numbers.index[-1], frequency)
    regular = numbers.reindex(grid)
    missing = grid[regular.isna()]
    if not len(missing):
        return regular, [], []
    count = f"1 step of {frequency} is" if len(missing) == 1 else f"{len(missing)} steps of {frequency} are"
    line = lines[np.searchsorted(observed.index, missing[0], side="right")]  # of the row after the first gap
    found = f"{table.where(line)}: {count} missing: {_listed(missing)}"
    if policy == "error":
        return regular, [f"{found}; say how to fill them: data.gaps: interpolate | previous | zero"], []
    if policy == "mask":
        return regular, [], [found]
    filled = {"interpolate": regular.interpolate, "previous": regular.ffill, "zero": lambda: regular.fillna(0.0)}
    return filled[policy](), [], [f"{found}: filled ({policy})"]


def _listed(timestamps: Sequence[object] | pd.Index | pd.Series) -> str:
    shown = [str(timestamp) for timestamp in list(timestamps)[:SHOWN_PLACES]]
    return ", ".join(shown) + (", ..." if len(timestamps) > SHOWN_PLACES else "")


def _require_columns(table: Table, names: Sequence[str]) -> None:
    place = table.where(table.header_line)
    problems = [
        f"{place}: no column {name!r}{suggestion(name, table.columns)}; columns: {', '.join(table.columns)}"
        for name in names
        if name not in table.columns
    ]
    if problems:
        raise DataError(problems)


def _mostly_numbers(cells: pd.Series, na_values: Sequence[int | float | str]) -> bool:
    given = cells[~is_missing(cells, na_values)]
    return bool(looks_numeric(given).mean() > 0.5)
