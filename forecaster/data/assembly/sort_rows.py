"""The rows of each series together, in order of time, one for each timestamp."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecaster.data.assembly.rows import Rows
from forecaster.data.sources.issues import IssueLog
from forecaster.problems import Problem
from forecaster.time.timezones import is_clock_change
from forecaster.wording import KEPT, format_timestamps

_RADIX = 1 << 16  # numbers below it are sorted in linear time


@dataclass(frozen=True)
class SortedRows:
    """Rows of series end to end, each in order of time, where those of each end, (series,), and what was changed."""

    rows: Rows
    ends: np.ndarray
    issues: IssueLog


def to_ticks(timestamps: pd.Index) -> np.ndarray:
    """Convert timestamps to integers that rise with time, (rows,)."""
    return np.asarray(timestamps.asi8 if isinstance(timestamps, pd.DatetimeIndex) else timestamps)


def sort_rows(rows: Rows, duplicates: str) -> SortedRows:
    """Sort rows, which are in the order of the file, by series and time, and merge those of one timestamp.

    Those are a problem where `duplicates` is `error`.
    """
    if np.any(rows.codes[1:] < rows.codes[:-1]):
        rows = rows.select_rows(_sort_codes(rows.codes))
    issues = IssueLog()
    ticks = to_ticks(rows.timestamps)
    # Rows are mostly sorted already, which is quick to see.
    if np.any((ticks[1:] <= ticks[:-1]) & (rows.codes[1:] == rows.codes[:-1])):
        rows = _merge_duplicates(_sort_by_time(rows, issues), duplicates, issues)
    ends = np.searchsorted(rows.codes, np.arange(len(rows.names), dtype=np.int32), side="right")
    return SortedRows(rows, ends, issues)


def _sort_codes(codes: np.ndarray) -> np.ndarray:
    """Sort codes stably: (rows,) numbers of rows."""
    order = np.argsort((codes % _RADIX).astype(np.uint16), kind="stable")
    if codes.max() < _RADIX:
        return order
    return order[np.argsort((codes[order] // _RADIX).astype(np.uint16), kind="stable")]


def _sort_by_time(rows: Rows, issues: IssueLog) -> Rows:
    ticks, codes = to_ticks(rows.timestamps), rows.codes
    back = np.flatnonzero((ticks[1:] < ticks[:-1]) & (codes[1:] == codes[:-1])) + 1
    if not len(back):
        return rows
    numbers, first = np.unique(codes[back], return_index=True)
    begin, end = np.searchsorted(codes, numbers), np.searchsorted(codes, numbers, side="right")
    order = np.arange(len(rows))
    for number, row, start, stop in zip(numbers.tolist(), back[first], begin, end, strict=True):
        order[start:stop] = start + np.argsort(ticks[start:stop], kind="stable")
        spot = rows.places.name_line(rows.lines[row])
        issues.notices[number].append(Problem("rows-sorted", rows.places.path, detail={"place": spot}))
    return rows.select_rows(order)


def _merge_duplicates(rows: Rows, policy: str, issues: IssueLog) -> Rows:
    """Keep one row of a timestamp: the first, with the value that the policy makes of all of them."""
    ticks, codes = to_ticks(rows.timestamps), rows.codes
    repeats = np.concatenate([[False], (ticks[1:] == ticks[:-1]) & (codes[1:] == codes[:-1])])
    if not repeats.any():
        return rows
    values = rows.values.copy()
    for number in np.unique(codes[repeats]).tolist():
        part = slice(*np.searchsorted(codes, [number, number + 1]).tolist())
        merged = pd.Series(values[part]).groupby(ticks[part]).agg("first" if policy == "error" else policy)
        values[part.start + np.flatnonzero(~repeats[part])] = merged.to_numpy()
        _report_duplicates(rows, part, number, policy, issues)
    return replace(rows, values=values).select_rows(~repeats)


def _report_duplicates(rows: Rows, part: slice, number: int, policy: str, issues: IssueLog) -> None:
    """Add a problem where the policy is `error`, else a notice."""
    timestamps = rows.timestamps[part]
    repeated = timestamps.duplicated(keep=False)
    distinct = timestamps[repeated].unique()
    where = rows.places.locate(rows.lines[part][repeated][0])
    detail = {"count": len(distinct), "timestamps": format_timestamps(distinct[:KEPT])}
    if policy == "error":
        detail |= {"clock_change": is_clock_change(distinct)}
        repairs = tuple({"data.duplicates": each} for each in ("first", "last", "mean", "sum"))
        issues.problems[number].append(Problem("duplicate-timestamps", where, detail=detail, repairs=repairs))
    else:
        issues.notices[number].append(Problem("duplicates-merged", where, detail=detail | {"policy": policy}))
