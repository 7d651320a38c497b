"""The sums of a panel's series, which become series of it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from forecaster.data.panel import Columns, Panel
from forecaster.data.series import Column
from forecaster.errors import DataError
from forecaster.hierarchy.levels import Columns as HierarchyColumns
from forecaster.hierarchy.levels import Hierarchy, build_hierarchy
from forecaster.problems import Problem
from forecaster.time.grid import Grid
from forecaster.wording import format_timestamp


def add_sums(panel: Panel, hierarchy: HierarchyColumns, ids: Sequence[str]) -> Panel:
    """Add the sums of bottom series to a panel, before them.

    A series counts as 0 before it begins, and all end at the same step. A step of a sum counts as observed where it is
    in all of its series. Covariates of a sum are the means of its series'.

    Args:
        panel: of the bottom series, without open gaps.
        hierarchy, ids: as for `build_hierarchy`.

    Raises:
        DataError: the series do not end at the same step, a covariate holds categories, or names are ambiguous.
    """
    found = build_hierarchy(hierarchy, ids, list(panel.names))
    _check_ends(panel)
    if text := [name for name, column in panel.columns.columns.items() if column.levels is not None]:
        raise DataError(Problem("categories-in-hierarchy", detail={"columns": text}))
    lengths = panel.lengths
    longest = int(lengths.argmax())
    values = _align(panel.values, panel.ends, lengths, int(lengths[longest]), 0.0)  # (bottom, steps)
    given = np.ones(len(panel.values)) if panel.observed is None else panel.observed.astype(float)
    observed = np.asarray(_align(given, panel.ends, lengths, values.shape[1], 1.0) == 1)
    # Of each sum: the number of its longest series, which it begins with, and its steps.
    numbers = [np.flatnonzero((found.parents == place).any(axis=0)) for place in range(len(found.names) - found.bottom)]
    firsts = [int(some[lengths[some].argmax()]) for some in numbers]
    steps = [int(lengths[first]) for first in firsts]
    pairs = list(zip(numbers, steps, strict=True))
    sums = [values[some].sum(axis=0)[values.shape[1] - count :] for some, count in pairs]
    seen = [np.asarray(observed[some].all(axis=0))[values.shape[1] - count :] for some, count in pairs]
    begins = panel.firsts.index[:1] if isinstance(panel.firsts, Grid) else panel.firsts
    every = np.concatenate([*seen, np.ones(0, bool) if panel.observed is None else panel.observed])
    return dataclasses.replace(
        panel,
        names=found.names,
        targets=[panel.targets[0]] * len(sums) + list(panel.targets),
        firsts=begins[firsts].append(begins),
        ends=np.concatenate([np.cumsum(steps), panel.ends + sum(steps)]),
        values=np.concatenate([*sums, panel.values]),
        timestamps=None if panel.timestamps is None else _repeat_timestamps(panel, firsts),
        observed=None if panel.observed is None else every,
        columns=_average_covariates(panel, found),
        notices={number + len(sums): notices for number, notices in panel.notices.items()},
    )


def _check_ends(panel: Panel) -> None:
    """Check that all series end at the same step: sums of unequal ends would be too small.

    Raises:
        DataError: some end before others.
    """
    ends = [series.last_timestamp for series in panel]
    last = max(ends)
    if early := [(name, end) for name, end in zip(panel.names, ends, strict=True) if end != last]:
        detail = {
            "last": format_timestamp(last),
            "names": [f"{name} ({format_timestamp(end)})" for name, end in early],
        }
        raise DataError(Problem("hierarchy-ends-apart", detail=detail))


def _align(values: np.ndarray, ends: np.ndarray, lengths: np.ndarray, steps: int, before: float) -> np.ndarray:
    """Align series laid end to end by their last steps, (series, steps), with a value before they begin."""
    found = np.full((len(ends), steps), before)
    for row, (end, length) in enumerate(zip(ends.tolist(), lengths.tolist(), strict=True)):
        found[row, steps - length :] = values[end - length : end]
    return found


def _repeat_timestamps(panel: Panel, firsts: Sequence[int]) -> Any:
    """Repeat the timestamps of some series before those of all, where each row is a step."""
    assert panel.timestamps is not None
    found = panel[firsts[0]].timestamps
    for first in firsts[1:]:
        found = found.append(panel[first].timestamps)
    return found.append(panel.timestamps)


def _average_covariates(panel: Panel, found: Hierarchy) -> Columns:
    """Average the covariates of the series of each sum, with rows after the last step that all of them have."""
    if not panel.columns.columns:
        return panel.columns
    rows, lengths = np.diff(panel.columns.ends, prepend=0), panel.lengths
    sums = len(found.names) - found.bottom
    parts: dict[str, list[np.ndarray]] = {name: [] for name in panel.columns.columns}
    counts = []
    for place in range(sums):
        some = np.flatnonzero((found.parents == place).any(axis=0))
        ahead = int((rows - lengths)[some].min())
        steps = int(lengths[some].max()) + ahead
        counts.append(steps)
        for name, column in panel.columns.columns.items():
            aligned = np.full((len(some), steps), np.nan)
            for row, number in enumerate(some.tolist()):
                last = int(panel.columns.ends[number] - rows[number] + lengths[number]) + ahead
                length = int(lengths[number]) + ahead
                aligned[row, steps - length :] = column.values[last - length : last]
            known = ~np.isnan(aligned)
            total = np.where(known, aligned, 0).sum(axis=0)
            parts[name].append(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan))
    columns = {
        name: Column(np.concatenate([*parts[name], column.values])) for name, column in panel.columns.columns.items()
    }
    return Columns(columns, np.concatenate([np.cumsum(counts), panel.columns.ends + sum(counts)]))
