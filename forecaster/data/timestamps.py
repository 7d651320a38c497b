"""Cells of text as timestamps, in whatever way they are written."""

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.jitter import snapped
from forecaster.data.rules import AS_WRITTEN, TimeRules
from forecaster.data.table import Table
from forecaster.data.zones import in_zone

_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%b-%Y", "%b %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DATE_FORMATS = ("%Y-%m-%d", "%Y-%m", "%Y", "%Y%m%d", *(date + time for date in _DATES for time in _TIMES))


class Written(NamedTuple):
    """A column of cells as timestamps.

    Attributes:
        timestamps: (rows,) as they are written; integers where they are steps.
        wrong: whether each cell is none, (rows,).
        ways: how else all of them can be read, where there is more than one way.
        epoch: whether they count from 1970.
    """

    timestamps: pd.Index
    wrong: np.ndarray
    ways: tuple[str, ...] = ()
    epoch: bool = False


def written(cells: pd.Series) -> Written:
    """The timestamps of (rows,) cells, by the one way to read them that reads all, or else most."""
    nothing = np.zeros(len(cells), bool)
    if _all_are(r"[+-]?\d{1,9}", cells) and not _is_compact(cells):
        return Written(pd.Index(cells.astype("int64")), nothing)
    readings = _readings(cells)
    whole = {name: parsed for name, parsed in readings.items() if parsed.notna().all()}
    parsed = next(iter(whole.values())) if whole else _most(readings)
    ways = tuple(whole) if len(whole) > 1 else ()
    return Written(pd.DatetimeIndex(parsed), parsed.isna().to_numpy(), ways, "epoch" in readings)


def placed(read: Written, frequency: str, rules: TimeRules) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    """The timestamps of one series in their zone and on their steps, which never came, and which are too far off.

    Args:
        read: in the order of the file.
        frequency: a pandas alias, or `auto`.
        rules: the zone and the tolerance.
    """
    timestamps = read.timestamps
    never, far = np.zeros(len(timestamps), bool), np.zeros(len(timestamps), bool)
    if not isinstance(timestamps, pd.DatetimeIndex) or not len(timestamps):
        return timestamps, never, far
    if rules.timezone is not None:
        if timestamps.tz is None and read.epoch:
            timestamps = timestamps.tz_localize("UTC")
        timestamps, never = in_zone(timestamps, rules.timezone, rules.tolerance)
    if rules.tolerance > pd.Timedelta(0):
        timestamps, far = snapped(timestamps, frequency, rules.tolerance)
    return timestamps, never, far


def row_timestamps(table: Table, time: str | None, frequency: str = "auto", rules: TimeRules = AS_WRITTEN) -> pd.Index:
    """The timestamp of each row of a table that holds one series, in the order of the rows, as `series_of` has it."""
    if time is None:
        return pd.RangeIndex(len(table))
    return placed(written(table.columns[time]), frequency, rules)[0]


def are_dated(cells: pd.Series) -> bool:
    """Whether most of the cells are timestamps, and not mere numbers."""
    return bool(_most(_readings(cells)).notna().mean() > 0.5)


def are_coded(cells: pd.Series) -> bool:
    """Whether numbers are timestamps: seconds or milliseconds since 1970, or 20260131."""
    return _epoch_unit(cells) is not None or _is_compact(cells)


def _most(readings: dict[str, pd.Series]) -> pd.Series:
    """The reading of most cells; NaT where it does not read one."""
    return max(readings.values(), key=lambda parsed: parsed.notna().sum())


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
