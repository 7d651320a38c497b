"""Read a CSV, check every cell, and lay its rows on a regular grid."""

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from forecaster.config.reader import nearest_file, suggestion
from forecaster.data.domains import Domain
from forecaster.data.frequency import check_frequency, date_grid, grid_size, infer_frequency
from forecaster.data.series import Series
from forecaster.errors import DataError, InputOutputFailed

SHOWN_PLACES = 5
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "nat", "-nan"})
Record = tuple[int, list[str], str]
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%b-%Y", "%b %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DATE_FORMATS = ("%Y-%m-%d", "%Y-%m", "%Y", "%Y%m%d", *(date + time for date in _DATES for time in _TIMES))


@dataclass(frozen=True)
class Table:
    """A CSV as text: every cell a string, with the line of the file that each row stands on.

    Attributes:
        header, texts: the records as they are written, line ends included.
    """

    path: Path
    columns: dict[str, pd.Series]
    lines: np.ndarray  # (rows,)
    header: str
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, chosen: np.ndarray) -> "Table":
        """Some of its rows, by number."""
        columns = {name: cells.iloc[chosen].reset_index(drop=True) for name, cells in self.columns.items()}
        return Table(self.path, columns, self.lines[chosen], self.header, tuple(self.texts[row] for row in chosen))


def read_series(
    path: Path,
    time: str | None,
    target: str,
    frequency: str,
    gaps: str = "error",
    duplicates: str = "error",
    domains: Sequence[Domain] = (),
    series: str | None = None,
    static: Sequence[str] = (),
) -> list[Series]:
    """Read the series of a CSV, in the order in which their ids first stand there.

    Args:
        path: the CSV: comma-separated UTF-8 with a header.
        time: the time column; `auto` finds it, None makes the row number the step.
        target: the target column, or `auto` where only one other holds numbers.
        frequency: a pandas alias, `step`, or `auto`; the same for all series.
        gaps: `error | interpolate | previous | zero`, for missing steps and cells; `mask` leaves them NaN.
        duplicates: `error | first | last | mean | sum`, for rows of one timestamp.
        domains: what the numbers must be, each.
        series: the column of ids; None where the file holds one series.
        static: columns of categories, one value for each series.

    Raises:
        DataError: the file cannot be read as series; all problems at once.
    """
    return series_of(read_table(path), time, target, frequency, gaps, duplicates, domains, series, static)


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
) -> list[Series]:
    """The series in a table; arguments and problems as in `read_series`."""
    time = find_time(table) if time == "auto" else time
    named = [name for name in (time, series, *static) if name is not None]
    target = find_target(table, named) if target == "auto" else target
    _require_columns(table, [*named, target])
    reading = _Reading(time, target, gaps, duplicates, domains)
    if series is None:
        return [_series(table, target, frequency, reading)]
    return _long(table, series, static, frequency, reading)


@dataclass(frozen=True)
class _Reading:
    """The columns and policies by which rows become a series."""

    time: str | None
    target: str
    gaps: str
    duplicates: str
    domains: Sequence[Domain]


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
    found = f"{table.path}:{table.lines[0]}: {column}: {len(values)} values in one series: {_listed(values)}"
    raise DataError([f"{found}; a static covariate has one"])


def read_table(path: Path) -> Table:
    """Read a CSV without interpreting a cell; blank lines do not count.

    Raises:
        DataError: it is missing, no plain file, empty, not UTF-8, not rectangular, or names a column twice.
        InputOutputFailed: it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError([f"{path}: not a file; expected a CSV"])
        with path.open(encoding="utf-8-sig", newline="") as file:
            numbered = [record for record in _records(file) if any(cell.strip() for cell in record[1])]
    except FileNotFoundError:
        raise DataError([f"{path}: no such file{nearest_file(path)}"]) from None
    except UnicodeDecodeError as error:
        raise DataError([f"{path}: not UTF-8 text (byte {error.start} of a block); save it as UTF-8"]) from None
    except csv.Error as error:
        raise DataError([f"{path}: not a CSV: {error}"]) from None
    except OSError as error:
        raise InputOutputFailed(f"{path}: cannot be read: {error.strerror or error}") from None
    return _rectangular(path, numbered)


def _records(file: Iterable[str]) -> Iterator[Record]:
    """Each record as the last of its lines, its cells, and its text."""
    read: list[str] = []

    def lines() -> Iterator[str]:
        for line in file:
            read.append(line)
            yield line

    reader = csv.reader(lines())
    for row in reader:
        yield reader.line_num, row, "".join(read)
        read.clear()


def _rectangular(path: Path, numbered: list[Record]) -> Table:
    """The header and the rows below it, once every row has the header's columns."""
    if not numbered:
        raise DataError([f"{path}: the file is empty; expected a header and rows"])
    (line, header, text), rows = numbered[0], numbered[1:]
    names = [name.strip() for name in header]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    problems = [f"{path}:{line}: the column {name!r} is named twice; rename one" for name in twice]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        problems.append(f"{path}:{line}: one column, {names[0]!r}; cells must be separated by commas")
    if not rows:
        problems.append(f"{path}: only a header; expected rows below it")
    # What follows the last named column may be empty: a comma at the end of each line.
    ragged = [(line, row) for line, row, _ in rows if len(row) < len(names) or any(row[len(names) :])]
    if ragged:
        line, row = ragged[0]
        found = f"{path}:{line}: {len(row)} cells in a row of {len(names)} columns"
        more = f", and {len(ragged) - 1} more such rows" if len(ragged) > 1 else ""
        problems.append(f"{found}{more}; a comma inside a cell needs quotes around the cell")
    if problems:
        raise DataError(problems)
    columns = {
        name: pd.Series([row[index].strip() for _, row, _ in rows], dtype=str)
        for index, name in enumerate(names)
        if name
    }
    return Table(path, columns, np.array([line for line, _, _ in rows]), text, tuple(text for *_, text in rows))


def find_time(table: Table) -> str | None:
    """The first column that begins with dates; None where every column begins with numbers.

    Raises:
        DataError: there are columns of text, and none of dates.
    """
    texts = []
    for name, cells in table.columns.items():
        head = cells.iloc[:20]
        numeric = pd.to_numeric(head, errors="coerce").notna().mean() > 0.5
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


def find_target(table: Table, others: Sequence[str]) -> str:
    """The only column besides those of time, ids and categories that starts with numbers.

    Raises:
        DataError: there is none, or a choice.
    """
    numeric = [
        name for name, cells in table.columns.items() if name not in others and _mostly_numbers(cells.iloc[:100])
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
    rows = _rows(table, reading)
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
    notices = (*sorting, *merging, *filling)
    values = regular.to_numpy(float)
    return Series(name, reading.target, reading.time, regular.index, values, frequency, notices)


def _rows(table: Table, reading: _Reading) -> pd.DataFrame:
    """The rows as (timestamp, value, line); empty and infinite cells are NaN.

    Raises:
        DataError: a cell that is no timestamp or no number of the domains, or is missing where `gaps` is `error`.
    """
    timestamps, time_problems = row_timestamps(table, reading.time)
    values, value_problems = _numbers(table, reading.target, reading.gaps, reading.domains)
    if time_problems or value_problems:
        raise DataError([*time_problems, *value_problems])
    return pd.DataFrame({"timestamp": timestamps, "value": values, "line": table.lines})


def row_timestamps(table: Table, time: str | None) -> tuple[pd.Index, list[str]]:
    """The timestamp of each row, in the order of the rows, or the problem with them."""
    if time is None:
        return pd.RangeIndex(len(table)), []
    cells = table.columns[time]
    if cells.str.fullmatch(r"[+-]?\d{1,9}").all() and not _is_compact(cells):
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
    if cells.str.fullmatch(r"\d{10}").all():
        return "s"
    return "ms" if cells.str.fullmatch(r"\d{13}").all() else None


def _is_compact(cells: pd.Series) -> bool:
    """Whether all cells are dates of eight digits, 20260131."""
    if not cells.str.fullmatch(r"(?:1[6-9]|20|21)\d{6}").all():
        return False
    return bool(pd.to_datetime(cells, format="%Y%m%d", errors="coerce").notna().mean() > 0.5)


def _numbers(table: Table, target: str, gaps: str, domains: Sequence[Domain]) -> tuple[np.ndarray, list[str]]:
    """The target column as float64, NaN where a cell is empty or infinite."""
    cells = table.columns[target]
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    empty = cells.str.lower().isin(MISSING).to_numpy()
    infinite = np.isinf(numbers)
    problems = []
    text = np.isnan(numbers) & ~empty
    if text.any():
        problems.append(_cell_problem(table, target, text, "not a number", "correct the cells, or empty them"))
    for domain in domains:
        outside = domain.outside(numbers)
        if outside.any():
            problems.append(_cell_problem(table, target, outside, f"not among {domain.what}", domain.mend))
    mend = "say how to fill them: data.gaps: interpolate | previous | zero"
    for wrong, what in ((empty, "empty"), (infinite, "infinite")):
        if wrong.any() and gaps == "error":
            problems.append(_cell_problem(table, target, wrong, what, mend))
    return np.where(infinite, np.nan, numbers), problems


def _cell_problem(table: Table, column: str, wrong: np.ndarray, what: str, mend: str) -> str:
    """`file:line: column: 3 cells are not a number: 'x' (line 7), ...`, with the first few places."""
    where = np.flatnonzero(wrong)
    places = [f"{table.columns[column].iloc[row]!r} (line {table.lines[row]})" for row in where[:SHOWN_PLACES]]
    more = ", ..." if len(where) > SHOWN_PLACES else ""
    count = "1 cell is" if len(where) == 1 else f"{len(where)} cells are"
    return f"{table.path}:{table.lines[where[0]]}: {column}: {count} {what}: {', '.join(places)}{more}; {mend}"


def _sorted(rows: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, list[str]]:
    if rows["timestamp"].is_monotonic_increasing:
        return rows, []
    first = rows["line"][rows["timestamp"] < rows["timestamp"].shift()].iloc[0]
    ordered = rows.sort_values("timestamp", kind="stable", ignore_index=True)
    return ordered, [f"{table.path}: rows are not in order of time (the first at line {first}): sorted"]


def _distinct(rows: pd.DataFrame, table: Table, policy: str) -> tuple[pd.DataFrame, list[str], list[str]]:
    """One row a timestamp, with problems where the policy is `error`, else with notices."""
    repeated = rows["timestamp"].duplicated(keep=False)
    if not repeated.any():
        return rows, [], []
    distinct = rows["timestamp"][repeated].drop_duplicates()
    count = "1 timestamp stands" if len(distinct) == 1 else f"{len(distinct)} timestamps stand"
    lines = rows["line"][repeated & (rows["timestamp"] == distinct.iloc[0])]
    found = f"{table.path}:{lines.iloc[0]}: {count} on several rows: {_listed(distinct)}"
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
    found = f"{table.path}:{line}: {count} missing: {_listed(missing)}"
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
    problems = [
        f"{table.path}:1: no column {name!r}{suggestion(name, table.columns)}; columns: {', '.join(table.columns)}"
        for name in names
        if name not in table.columns
    ]
    if problems:
        raise DataError(problems)


def _mostly_numbers(cells: pd.Series) -> bool:
    given = cells[~cells.str.lower().isin(MISSING)]
    return bool(pd.to_numeric(given, errors="coerce").notna().mean() > 0.5)
