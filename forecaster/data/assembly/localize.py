"""Timestamps of several series moved into their zone and to their steps."""

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.data.sources.issues import group_by_series
from forecaster.data.sources.text_table import Table
from forecaster.formats.timestamp_formats import (
    EPOCHS,
    ParsedTimestamps,
    find_date_order,
    find_time_format,
    parse_time_columns,
    split_way,
)
from forecaster.time.jitter import snap
from forecaster.time.rules import AS_WRITTEN, TimeRules
from forecaster.time.timezones import to_zone


def resolve_rules(read: ParsedTimestamps, rules: TimeRules) -> TimeRules:
    """Complete rules by the cells: how dates are written, and the offset from UTC that all of them have.

    Times that keep one offset from UTC are local times of that offset.
    """
    zone = getattr(read.timestamps, "tz", None)
    if rules.timezone is None and zone is not None and zone != datetime.UTC:
        rules = replace(rules, timezone=str(zone))
    order = find_date_order(split_way(read.way)[1])
    return replace(
        rules,
        date_order=rules.date_order if order in {None, "year_first"} else order,
        time_format=find_time_format(read.way) or rules.time_format,
    )


class Localized(NamedTuple):
    """Timestamps in their zone and on their steps, (rows,) each.

    Attributes:
        never: which of them do not exist, skipped by DST.
        far: which are too far from a step.
        shifts: how far each was moved to its step, in microseconds.
    """

    timestamps: pd.Index
    never: np.ndarray
    far: np.ndarray
    shifts: np.ndarray


def localize(read: ParsedTimestamps, frequency: str, rules: TimeRules) -> Localized:
    """Move the timestamps of one series, in the order of the file, into their zone and onto their steps."""
    timestamps = read.timestamps
    never, far, shifts = (np.zeros(len(timestamps), kind) for kind in (bool, bool, np.int64))
    if not isinstance(timestamps, pd.DatetimeIndex) or not len(timestamps):
        return Localized(timestamps, never, far, shifts)
    if rules.timezone is not None:
        if timestamps.tz is None and split_way(read.way)[1] in EPOCHS:
            timestamps = timestamps.tz_localize("UTC")
        timestamps, never = to_zone(timestamps, rules.timezone, pd.Timedelta(rules.tolerance))
    if pd.Timedelta(rules.tolerance) > pd.Timedelta(0):
        before = timestamps
        timestamps, far = snap(before, frequency, pd.Timedelta(rules.tolerance))
        shifts = timestamps.as_unit("us").asi8 - before.as_unit("us").asi8
    return Localized(timestamps, never, far, shifts)


def parse_row_timestamps(
    table: "Table", time: str | Sequence[str] | None, frequency: str = "auto", rules: TimeRules = AS_WRITTEN
) -> pd.Index:
    """Parse the timestamp of each row of a table of one series, in the order of the rows, as `parse_series` does."""
    if time is None:
        return pd.RangeIndex(len(table))
    names = [time] if isinstance(time, str) else time
    way = None if rules.time_format == "auto" else rules.time_format
    read = parse_time_columns([table.columns[name] for name in names], names, way, rules.date_order)
    return localize(read, frequency, rules).timestamps


def rank_within_series(codes: np.ndarray) -> pd.Index:
    """Rank the rows of each series from 0, (rows,)."""
    return pd.Index(pd.Series(codes).groupby(codes).cumcount()) if codes.any() else pd.RangeIndex(len(codes))


def changes_timestamps(rules: TimeRules) -> bool:
    """Whether timestamps become others than they are written as."""
    return rules.timezone is not None or pd.Timedelta(rules.tolerance) > pd.Timedelta(0)


def localize_each_series(read: ParsedTimestamps, codes: np.ndarray, frequency: str, rules: TimeRules) -> Localized:
    """Localize series by series: each has its own repeated hour, and its own distance from the steps."""
    if not codes.any():
        return localize(read, frequency, rules)
    parts = [
        (rows, localize(ParsedTimestamps(read.timestamps[rows], read.wrong[rows], read.way), frequency, rules))
        for _, rows in group_by_series(np.arange(len(codes)), codes)
    ]
    indices = [part.timestamps for _, part in parts]
    dated = [index for index in indices if isinstance(index, pd.DatetimeIndex)]
    if any(index.tz is not None for index in dated):  # series of dates have no zone, and get that of the others
        zone = rules.timezone
        indices = [each if each.tz is not None else each.tz_localize(zone, True, "shift_forward") for each in dated]
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    never, far, shifts = (np.concatenate(found)[order] for found in zip(*(part[1:] for _, part in parts), strict=True))
    return Localized(indices[0].append(indices[1:])[order], never, far, shifts)
