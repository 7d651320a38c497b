"""Read a CSV, check every cell, and lay its rows on a regular grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from forecaster.config.reader import suggestion
from forecaster.data.frequency import check_frequency, date_grid, infer_frequency
from forecaster.data.series import Series
from forecaster.errors import DataError, InputOutputFailed

SHOWN_PLACES = 5
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "nat", "-nan"})
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%b-%Y", "%b %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S")


@dataclass(frozen=True)
class Table:
    """A CSV as text: every cell a string, with the line of the file that each row stands on."""

    path: Path
    columns: dict[str, pd.Series]
    lines: np.ndarray  # (rows,)

    def __len__(self) -> int:
        return len(self.lines)


def read_series(
    path: Path, time: str | None, target: str, frequency: str, gaps: str = "error", duplicates: str = "error"
) -> Series:
    """Read one series from a CSV.

    Args:
        path: the CSV: comma-separated UTF-8 with a header.
        time: the time column; `auto` finds it, None makes the row number the step.
        target: the target column, or `auto` where only one other holds numbers.
        frequency: a pandas alias, `step`, or `auto`.
        gaps: `error | interpolate | previous | zero`, for missing steps and cells.
        duplicates: `error | first | last | mean | sum`, for rows of one timestamp.

    Raises:
        DataError: the file cannot be a series; all problems at once.
    """
    table = read_table(path)
    time = find_time(table) if time == "auto" else time
    target = find_target(table, time) if target == "auto" else target
    _require_columns(table, [name for name in (time, target) if name is not None])
    return _series(table, time, target, frequency, gaps, duplicates)


def read_table(path: Path) -> Table:
    """Read a CSV without interpreting a cell.

    Raises:
        DataError: it is missing, empty, not UTF-8 or not rectangular.
    """
    try:
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig", index_col=False
        )
    except FileNotFoundError:
        raise DataError([f"{path}: no such file{_nearest_file(path)}"]) from None
    except pd.errors.EmptyDataError:
        raise DataError([f"{path}: the file is empty; expected a header and rows"]) from None
    except UnicodeDecodeError as error:
        raise DataError([f"{path}: not UTF-8 text (byte {error.start} of a block); save it as UTF-8"]) from None
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError([f"{path}: not a CSV: {reason}"]) from None
    except IsADirectoryError:
        raise DataError([f"{path}: a folder; expected a CSV file"]) from None
    except OSError as error:
        raise InputOutputFailed(f"{path}: cannot be read: {error.strerror or error}") from None
    frame = frame.fillna("")
    filled = (frame != "").any(axis=1).to_numpy()
    lines = np.flatnonzero(filled) + 2  # the header is line 1
    if not len(lines):
        raise DataError([f"{path}: only a header; expected rows below it"])
    kept = frame[filled].reset_index(drop=True)
    return Table(path, {str(name).strip(): kept[name].str.strip() for name in kept.columns}, lines)


def find_time(table: Table) -> str | None:
    """The first column whose first cells are dates; None where there is none."""
    for name, cells in table.columns.items():
        head = cells.iloc[:20]
        if pd.to_numeric(head, errors="coerce").notna().all() and not _is_epoch(head):
            continue
        try:
            parsed = _parse_dates(head)
        except _Ambiguous:
            return name
        if parsed is not None and parsed.notna().all():
            return name
    return None


def find_target(table: Table, time: str | None) -> str:
    """The only column besides the time that starts with numbers.

    Raises:
        DataError: there is none, or a choice.
    """
    numeric = [name for name, cells in table.columns.items() if name != time and _mostly_numbers(cells.iloc[:100])]
    if len(numeric) == 1:
        return numeric[0]
    if numeric:
        offered = ", ".join(numeric[:10])
        raise DataError([f"{table.path}: data.target: several columns hold numbers, name one: {offered}"])
    raise DataError([f"{table.path}: data.target: no column holds numbers; columns: {', '.join(table.columns)}"])


def _series(table: Table, time: str | None, target: str, frequency: str, gaps: str, duplicates: str) -> Series:
    rows = _rows(table, time, target, gaps)
    rows, sorting = _sorted(rows, table)
    rows, problems, merging = _distinct(rows, table, duplicates)
    observed = pd.Series(rows["value"].to_numpy(), index=pd.Index(rows["timestamp"], name=None))
    try:
        frequency = infer_frequency(observed.index) if frequency == "auto" else frequency
        check_frequency(frequency, observed.index)
    except DataError as error:
        raise DataError([*problems, *(f"{table.path}: {problem}" for problem in error.problems)]) from None
    regular, gap_problems, filling = _regular(observed, frequency, table, gaps)
    if problems or gap_problems:
        raise DataError([*problems, *gap_problems])
    notices = (*sorting, *merging, *filling)
    return Series(target, time, regular.index, regular.to_numpy(float), frequency, notices)


def _rows(table: Table, time: str | None, target: str, gaps: str) -> pd.DataFrame:
    """The rows as (timestamp, value, line); empty and infinite cells are NaN.

    Raises:
        DataError: a cell that is no timestamp or no number, or is missing where `gaps` is `error`.
    """
    timestamps, time_problems = _timestamps(table, time)
    values, value_problems = _numbers(table, target, gaps)
    if time_problems or value_problems:
        raise DataError([*time_problems, *value_problems])
    return pd.DataFrame({"timestamp": timestamps, "value": values, "line": table.lines})


def _timestamps(table: Table, time: str | None) -> tuple[pd.Index, list[str]]:
    if time is None:
        return pd.RangeIndex(len(table)), []
    cells = table.columns[time]
    if cells.str.fullmatch(r"[+-]?\d{1,9}").all():
        return pd.Index(cells.astype("int64")), []
    try:
        parsed = _parse_dates(cells)
    except _Ambiguous as error:
        return pd.Index([]), [f"{table.path}: {time}: {error}"]
    if parsed is None:
        parsed = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    wrong = parsed.isna().to_numpy()
    if wrong.any():
        expected = "expected a date such as 2026-01-31 or 2026-01-31 13:45:00"
        return pd.Index([]), [_cell_problem(table, time, wrong, "not a timestamp", expected)]
    return pd.DatetimeIndex(parsed), []


class _Ambiguous(Exception):
    """Dates that can be read in two ways."""


def _parse_dates(cells: pd.Series) -> pd.Series | None:
    """The cells as timestamps, in UTC where they carry offsets; None where no one format reads all."""
    if _is_epoch(cells):
        unit: Literal["s", "ms"] = "s" if len(cells.iloc[0]) == 10 else "ms"
        return pd.to_datetime(cells.astype("int64"), unit=unit)
    for utc in (False, True):  # offsets that differ, as over a change to summer time, need UTC
        try:
            parsed = pd.to_datetime(cells, format="ISO8601", utc=utc)
        except ValueError:
            continue
        return parsed.dt.tz_convert("UTC") if parsed.dt.tz is not None else parsed
    readings = {}
    for pattern in (date + time for date in _DATES for time in _TIMES):
        parsed = pd.to_datetime(cells, format=pattern, errors="coerce")
        if parsed.notna().all():
            readings[pattern] = parsed
    if len(readings) > 1:
        raise _Ambiguous(f"{cells.iloc[0]!r} can be read as {' and as '.join(readings)}; write dates as 2026-01-31")
    return next(iter(readings.values()), None)


def _is_epoch(cells: pd.Series) -> bool:
    """Whether all cells are seconds (10 digits) or milliseconds (13) since 1970."""
    return bool(cells.str.fullmatch(r"\d{10}").all() or cells.str.fullmatch(r"\d{13}").all())


def _numbers(table: Table, target: str, gaps: str) -> tuple[np.ndarray, list[str]]:
    """The target column as float64, NaN where a cell is empty or infinite."""
    cells = table.columns[target]
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    empty = cells.str.lower().isin(MISSING).to_numpy()
    infinite = np.isinf(numbers)
    problems = []
    text = np.isnan(numbers) & ~empty
    if text.any():
        problems.append(_cell_problem(table, target, text, "not a number", "correct the cells, or empty them"))
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
    merged = rows.groupby("timestamp", as_index=False).agg({"value": "first" if policy == "error" else policy})
    if policy == "error":
        return merged, [f"{found}; say which counts: data.duplicates: first | last | mean | sum"], []
    return merged, [], [f"{found}: took the {policy}"]


def _regular(observed: pd.Series, frequency: str, table: Table, policy: str) -> tuple[pd.Series, list[str], list[str]]:
    """The values on the grid from the first number to the last, filled by the policy."""
    numbers = observed.dropna()
    if not len(numbers):
        return observed, [f"{table.path}: no cell of the target holds a number"], []
    grid = date_grid(numbers.index[0], numbers.index[-1], frequency)
    regular = numbers.reindex(grid)
    missing = grid[regular.isna()]
    if not len(missing):
        return regular, [], []
    count = f"1 step of {frequency} is" if len(missing) == 1 else f"{len(missing)} steps of {frequency} are"
    found = f"{table.path}: {count} missing: {_listed(missing)}"
    if policy == "error":
        return regular, [f"{found}; say how to fill them: data.gaps: interpolate | previous | zero"], []
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


def _nearest_file(path: Path) -> str:
    try:
        return suggestion(path.name, [other.name for other in path.parent.iterdir()])
    except OSError:
        return f": the folder {path.parent} does not exist either"
