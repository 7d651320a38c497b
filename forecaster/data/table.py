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
from forecaster.data.domains import Domain
from forecaster.data.frequency import check_frequency, date_grid, grid_size
from forecaster.data.gaps import filled, longest_gap
from forecaster.data.jitter import duration_text, snapped
from forecaster.data.numerals import MISSING, NONE, Unsure, find_marks, is_missing, looks_numeric, to_numbers
from forecaster.data.records import read_records
from forecaster.data.rules import AS_WRITTEN, OBSERVED, TimeRules
from forecaster.data.season import find_seasons, natural_season
from forecaster.data.series import Series
from forecaster.data.source import Paths
from forecaster.data.steps import Step, common_frequency, find_frequency, unfinished
from forecaster.data.zones import clock_change, in_zone
from forecaster.errors import DataError
from forecaster.forecast import Timestamp

SHOWN_PLACES = 5
_POLICIES = "data.gaps: interpolate | seasonal | previous | zero"
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
    domains: Sequence[Domain] = (),
    series: str | None = None,
    static: Sequence[str] = (),
    rules: TimeRules = AS_WRITTEN,
    text: str = "error",
    na_values: Sequence[int | float | str] = (),
    dialect: Dialect = UNKNOWN,
) -> list[Series]:
    """Read the series of a CSV, in the order in which their ids first stand there.

    Args:
        path: the CSV, with a header; `-` for stdin; a pattern or a list for several that share a header.
        time: the time column; `auto` finds it, None makes the row number the step.
        target: the target column, or `auto` where only one other holds numbers.
        frequency: a pandas alias, `step`, `observed`, or `auto`; the same for all series.
        gaps: `error | interpolate | seasonal | previous | zero`, for missing steps and cells; `mask` leaves them NaN.
        duplicates: `error | first | last | mean | sum`, for rows of one timestamp.
        domains: what the numbers must be, each.
        series: the column of ids; None where the file holds one series.
        static: columns of categories, one value for each series.
        rules: how timestamps are read and laid out.
        text: `error | missing`, for cells of the target that are no number.
        na_values: numbers and texts that stand for a missing number.
        dialect: what is known of how the CSV is written.

    Raises:
        DataError: the file cannot be read as series; all problems at once.
        Changing: it changed while it was read.
    """
    table = read_table(path, dialect)
    return series_of(table, time, target, frequency, gaps, duplicates, domains, series, static, rules, text, na_values)


def series_of(
    table: Table,
    time: str | None,
    target: str,
    frequency: str,
    gaps: str = "error",
    duplicates: str = "error",
    domains: Sequence[Domain] = (),
    series: str | None = None,
    static: Sequence[str] = (),
    rules: TimeRules = AS_WRITTEN,
    text: str = "error",
    na_values: Sequence[int | float | str] = (),
) -> list[Series]:
    """The series in a table; arguments and problems as in `read_series`."""
    time = find_time(table) if time == "auto" else time
    named = [name for name in (time, series, *static) if name is not None]
    target = find_target(table, named, na_values) if target == "auto" else target
    _require_columns(table, [*named, target])
    reading = _Reading(time, target, gaps, duplicates, domains, frequency, rules, text, tuple(na_values))
    table = _with_marks(table, reading)
    first, *others = [_series(table, target, reading)] if series is None else _long(table, series, static, reading)
    return [dataclasses.replace(first, notices=(*table.notices, *first.notices)), *others]


@dataclass(frozen=True)
class _Reading:
    """The columns and policies by which rows become a series."""

    time: str | None
    target: str
    gaps: str
    duplicates: str
    domains: Sequence[Domain]
    frequency: str
    rules: TimeRules
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


def _long(table: Table, ids: str, static: Sequence[str], reading: _Reading) -> list[Series]:
    """The series of a long file; their frequency is the commonest among them."""
    rows = table.columns[ids].groupby(table.columns[ids], sort=False).indices
    parts = {str(name): table.rows(np.asarray(numbers)) for name, numbers in rows.items()}
    problems = [f"{table.path}: {ids}: a cell is empty; every row needs its series"] if "" in parts else []
    found: dict[str, _Rows] = {}
    for name, part in parts.items():
        try:
            found[name] = _read_rows(part, reading)
        except DataError as error:
            problems += _of_series(error, name)
    if not found:
        raise DataError(problems)
    try:
        step = _common_step(table, found, reading)
    except DataError as error:
        raise DataError([*problems, *error.problems]) from None
    laid_out = []
    for name, read in found.items():
        try:
            series = _laid_out(parts[name], name, read, step, reading)
            categories = {column: _category(parts[name], name, column) for column in static}
            laid_out.append(dataclasses.replace(series, categories=categories))
            step = dataclasses.replace(step, notices=())  # said once
        except DataError as error:
            problems += _of_series(error, name)
    if problems:
        raise DataError(problems)
    return laid_out


def _of_series(error: DataError, name: str) -> list[str]:
    return [f"{problem} [series {name}]" for problem in error.problems]


def _common_step(table: Table, found: dict[str, "_Rows"], reading: _Reading) -> Step:
    """The step of all series: the one stated, or the commonest among them.

    Raises:
        DataError: names the series that have another.
    """
    stamps = {name: pd.Index(rows.frame["timestamp"]) for name, rows in found.items()}
    try:
        return common_frequency(stamps, reading.frequency, reading.gaps, reading.rules)
    except DataError as error:
        raise DataError([f"{table.path}: {problem}" for problem in error.problems]) from None


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


@dataclass(frozen=True)
class _Rows:
    """The rows of one series, sorted and distinct: (timestamp, value, line), with what is to be said of them."""

    frame: pd.DataFrame
    problems: list[str]
    notices: list[str]
    cells: list[str]  # said last: of cells that count as missing


def _series(table: Table, name: str, reading: _Reading) -> Series:
    rows = _read_rows(table, reading)
    try:
        step = find_frequency(pd.Index(rows.frame["timestamp"]), reading.frequency, reading.gaps, reading.rules)
    except DataError as error:
        raise DataError([*rows.problems, *(f"{table.path}: {problem}" for problem in error.problems)]) from None
    return _laid_out(table, name, rows, step, reading)


def _laid_out(table: Table, name: str, rows: _Rows, step: Step, reading: _Reading) -> Series:
    """The series on the grid of a step."""
    frame, notices = rows.frame, [*rows.notices, *(f"{table.path}: {notice}" for notice in step.notices)]
    try:
        check_frequency(step.frequency, pd.Index(frame["timestamp"]), step.rules)
    except DataError as error:
        raise DataError([*rows.problems, *(f"{table.path}: {problem}" for problem in error.problems)]) from None
    if step.rules.drop_incomplete and (dropped := unfinished(pd.Index(frame["timestamp"]), step)):
        notices.append(f"{table.path}: {_listed(frame['timestamp'].iloc[-dropped:])}: not over yet: left out")
        frame = frame.iloc[:-dropped]
    observed = pd.Series(frame["value"].to_numpy(), index=pd.Index(frame["timestamp"], name=None))
    regular, gap_problems, filling = _regular(observed, frame["line"].to_numpy(), step, table, reading.gaps)
    if rows.problems or gap_problems:
        raise DataError([*rows.problems, *gap_problems])
    values, known = _filled(regular, table, reading.gaps, step)
    notices += [*filling, *rows.cells]
    return Series(
        name,
        reading.target,
        reading.time,
        regular.index,
        values,
        step.frequency,
        tuple(notices),
        rules=step.rules,
        observed=known,
        dialect=table.dialect,
    )


def _read_rows(table: Table, reading: _Reading) -> _Rows:
    rows, cells = _rows(table, reading)
    rows, sorting = _sorted(rows, table)
    rows, problems, merging = _distinct(rows, table, reading.duplicates)
    return _Rows(rows, problems, [*sorting, *merging], cells)


def _rows(table: Table, reading: _Reading) -> tuple[pd.DataFrame, list[str]]:
    """The rows as (timestamp, value, line), and what is said of cells; empty and infinite ones are NaN.

    Raises:
        DataError: a cell that is no timestamp or no number of the domains, or is missing where `gaps` is `error`.
    """
    timestamps, time_problems = row_timestamps(table, reading.time, reading.frequency, reading.rules)
    values, value_problems, notices = _numbers(table, reading)
    if time_problems or value_problems:
        raise DataError([*time_problems, *value_problems])
    return pd.DataFrame({"timestamp": timestamps, "value": values, "line": table.lines}), notices


def row_timestamps(
    table: Table,
    time: str | None,
    frequency: str = "auto",
    rules: TimeRules = AS_WRITTEN,
) -> tuple[pd.Index, list[str]]:
    """The timestamp of each row, in the order of the rows, in its zone and moved to its step, or the problems."""
    timestamps, problems = _written_timestamps(table, time)
    if problems or time is None or not isinstance(timestamps, pd.DatetimeIndex):
        return timestamps, problems
    if rules.timezone is not None:
        if timestamps.tz is None and _epoch_unit(table.columns[time]):
            timestamps = timestamps.tz_localize("UTC")
        timestamps, never = in_zone(timestamps, rules.timezone, rules.tolerance)
        if never.any():
            mend = f"in {rules.timezone} the clock is set forward over it; correct the cell or data.timezone"
            problems.append(_cell_problem(table, time, never, "a time that never came", mend))
    if rules.tolerance > pd.Timedelta(0):
        timestamps, far = snapped(timestamps, frequency, rules.tolerance)
        if far.any():
            allowed = duration_text(rules.tolerance.value // 1000)
            mend = "correct the cells, or allow more with data.tolerance"
            problems.append(_cell_problem(table, time, far, f"further than {allowed} from a step", mend))
    return timestamps, problems


def _written_timestamps(table: Table, time: str | None) -> tuple[pd.Index, list[str]]:
    """The timestamp of each row as it is written, or the problem with them."""
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
    for domain in reading.domains:
        outside = domain.outside(numbers)
        if outside.any():
            problems.append(_cell_problem(table, target, outside, f"not among {domain.what}", domain.mend))
    mend = f"say how to fill them: {_POLICIES}"
    kinds = [(empty, "empty"), (named, "missing (data.na_values)"), (infinite, "infinite")]
    if reading.text == "missing":
        kinds.append((text, "not a number"))
    for wrong, what in kinds:
        if wrong.any() and reading.gaps == "error":
            problems.append(_cell_problem(table, target, wrong, what, mend))
    return np.where(infinite, np.nan, numbers), problems, notices


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
        if clock_change(pd.Index(distinct)):
            mend = f"where a clock was set back, name its zone: data.timezone: Europe/Berlin; or {mend}"
        return merged, [f"{found}; say which counts: {mend}"], []
    return merged, [], [f"{found}: took the {policy}"]


def _regular(
    observed: pd.Series, lines: np.ndarray, step: Step, table: Table, policy: str
) -> tuple[pd.Series, list[str], list[str]]:
    """The values on the grid from the first number to the last, NaN where missing, with problems and notices."""
    numbers, frequency = observed.dropna(), step.frequency
    if not len(numbers):
        return observed, [f"{table.path}: no cell of the target holds a number"], []
    place = step.rules.step(frequency)
    size = grid_size(numbers.index, place)
    if size > 20 * len(numbers):
        found = f"{len(numbers)} rows lie on a grid of {size:,} steps of {frequency}"
        return observed, [f"{table.path}: {found}: almost all are missing; check data.time and data.frequency"], []
    if frequency == OBSERVED:
        regular = observed.loc[numbers.index[0] : numbers.index[-1]]
    else:
        regular = numbers.reindex(date_grid(numbers.index[0], numbers.index[-1], place))
    missing = regular.index[regular.isna()]
    if not len(missing):
        return regular, [], []
    count = f"1 step of {frequency} is" if len(missing) == 1 else f"{len(missing)} steps of {frequency} are"
    line = _line_of(missing[0], observed, lines)
    found = f"{table.where(line)}: {count} missing: {_listed(missing)}"
    if policy == "error":
        hint = "where a clock was set forward, name its zone: data.timezone: Europe/Berlin; or "
        mend = (hint if clock_change(missing) else "") + f"say how to fill them: {_POLICIES}"
        mend += "; or where they are holidays: data.frequency: observed" if frequency == "B" else ""
        return regular, [f"{found}; {mend}"], []
    if problem := _too_long(regular, observed, lines, step, table):
        return regular, [problem], []
    return regular, [], [found if policy == "mask" else f"{found}: filled ({policy})"]


def _line_of(missing: Timestamp, observed: pd.Series, lines: np.ndarray) -> int:
    """The line of the row after a missing step, or of its own where the cell is empty in an observed series."""
    return int(lines[min(int(np.searchsorted(observed.index, missing, side="right")), len(lines) - 1)])


def _too_long(regular: pd.Series, observed: pd.Series, lines: np.ndarray, step: Step, table: Table) -> str | None:
    """The problem of a run of missing steps that is longer than the rules allow."""
    gap, most = longest_gap(regular.to_numpy(float)), step.rules.longest_gap
    if most is None or gap.length <= most:
        return None
    first, last = regular.index[gap.first], regular.index[gap.first + gap.length - 1]
    line = _line_of(first, observed, lines)
    found = f"{table.where(line)}: {gap.length} steps of {step.frequency} are missing in a row, {first} to {last}"
    return f"{found}: more than data.longest_gap, {most}; give the rows, or allow more"


def _filled(regular: pd.Series, table: Table, policy: str, step: Step) -> tuple[np.ndarray, np.ndarray | None]:
    """The values with their gaps filled, and which of them were observed, None where all were.

    A gap of zeros is no filler: that nothing happened is what the file says by leaving the row out.
    """
    values = regular.to_numpy(float)
    known = ~np.isnan(values)
    if known.all() or policy == "error":
        return values, None
    season = step.rules.season or natural_season(step.frequency, regular.index, step.rules)
    if policy == "seasonal" and season == 1:
        season = next(iter(find_seasons(values)), 1)
        if season == 1:
            raise DataError([f"{table.path}: data.gaps: seasonal needs a season, and none was found; set data.season"])
    return filled(values, policy, season), None if policy == "zero" else known


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
