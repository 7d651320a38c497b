"""Future covariates: read from a file, and the template of such a file to fill in."""

import dataclasses
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data import Series
from forecaster.data.assembly.rows import Rows
from forecaster.data.read_tables import read_columns
from forecaster.data.series import Column
from forecaster.errors import DataError, UsageError
from forecaster.forecast import Timestamp
from forecaster.forecasting.reconciliation import build_hierarchy_of
from forecaster.preprocessing.read_data import build_data_request
from forecaster.problems import Problem
from forecaster.wording import format_timestamp, format_timestamps

log = logging.getLogger("forecaster")


def extend_with_future(config: Config, panel: Sequence[Series], path: Path, steps: int) -> list[Series]:
    """Extend series with the future covariates of a file, for the `steps` steps after their ends.

    Rows of the file before or after those steps are ignored, and their number is logged.

    Raises:
        UsageError: the config has no future covariates.
        DataError: the file cannot be read, a row stands between two steps, or none is one of them.
    """
    found = _read_file(config, panel[0], path)
    counts: dict[str, int] = {}  # of rows that are steps ahead, by id
    extended: list[Series] = []
    problems: list[Problem] = []
    for series in panel:
        further = found.get(_get_id(config, series))
        if further is None:
            extended.append(series)
            continue
        if config.data.time is None:  # its rows are the steps that follow
            further = dataclasses.replace(further, timestamps=further.timestamps + series.timestamps[-1] + 1)
        ahead = series.list_future_timestamps(steps)
        counts[_get_id(config, series)] = int(further.timestamps.isin(ahead).sum())
        problems += _find_off_grid(path, series, further, ahead)
        extended.append(_extend(series, further, ahead))
    if problems:
        raise DataError(problems)
    if config.data.hierarchy:
        extended = _average_into_sums(config, extended, set(counts), steps)
    _check_counts(
        path, sum(len(each.timestamps) for each in found.values()), counts, panel[0].list_future_timestamps(steps)
    )
    return extended


def _average_into_sums(config: Config, panel: Sequence[Series], given: Collection[str], steps: int) -> list[Series]:
    """Average the future covariates of the series of each sum, as in the rows of the data, for `steps` steps ahead.

    Args:
        config: with a hierarchy.
        panel: all series that are forecast.
        given: the names of series that have rows in the file.
        steps: the horizon.
    """
    hierarchy = build_hierarchy_of(config, [series.name for series in panel])
    parts = dict(zip(hierarchy.names, hierarchy.build_summing_matrix() > 0, strict=True))
    by_name = {series.name: series for series in panel}
    bottom = hierarchy.bottom_names
    found = []
    for series in panel:
        if series.name in bottom or series.name in given:
            found.append(series)
            continue
        some = [by_name[name] for name, is_part in zip(bottom, parts[series.name], strict=True) if is_part]
        columns = {name: _average(series, some, name, steps) for name in config.data.covariates.future}
        found.append(dataclasses.replace(series, covariates={**series.covariates, **columns}))
    return found


def _average(series: Series, parts: Sequence[Series], name: str, steps: int) -> Column:
    """Average a column of the parts of a sum after its end; NaN where none is known."""
    ahead = np.full((len(parts), steps), np.nan)
    for row, part in zip(ahead, parts, strict=True):
        known = part.covariates[name].values[len(part) : len(part) + steps]
        row[: len(known)] = known
    counts = (~np.isnan(ahead)).sum(axis=0)
    means = np.where(counts, np.nansum(ahead, axis=0) / np.maximum(counts, 1), np.nan)
    return Column(np.concatenate([series.covariates[name].values[: len(series)], means]))


def _check_counts(path: Path, rows: int, counts: Mapping[str, int], ahead: pd.Index) -> None:
    """Report how many rows of the file are for steps ahead.

    Raises:
        DataError: none does.
    """
    first, last = format_timestamps([ahead[0], ahead[-1]])
    if not any(counts.values()):
        detail = {"first": first, "last": last}
        raise DataError(Problem("no-future-rows", str(path), detail=detail))
    if sum(counts.values()) < rows:
        log.info("%s: %d of %d rows are for steps ahead; the others are ignored", path, sum(counts.values()), rows)


def write_template(config: Config, panel: Sequence[Series], steps: int) -> str:
    """Write a CSV with a row for each of the `steps` steps after each series, with its future covariates if known.

    Raises:
        UsageError: the config has no future covariates, or reads timestamps from several columns.
    """
    names, ids, time = _get_future_names(config), config.data.ids, config.data.time
    if isinstance(time, tuple):
        raise UsageError(Problem("time-in-columns", detail={"columns": list(time)}))
    if config.data.hierarchy:  # the rows of a sum are those of its series
        bottom = set(build_hierarchy_of(config, [series.name for series in panel]).bottom_names)
        panel = [series for series in panel if series.name in bottom]
    rows = []
    for key, cells in _collect_cells(config, panel, names, steps).items():
        timestamps = sorted(cells)
        parts = dict(zip(ids, key.split("/", len(ids) - 1), strict=True)) if ids else {}
        for timestamp, text in zip(timestamps, format_timestamps(timestamps), strict=True):
            rows.append({time or "step": text} | parts | cells[timestamp])
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def _collect_cells(
    config: Config, panel: Sequence[Series], names: Sequence[str], steps: int
) -> dict[str, dict[Timestamp, dict[str, str]]]:
    """Collect the known cells of each column by id and timestamp; targets of one id share their rows."""
    cells: dict[str, dict[Timestamp, dict[str, str]]] = {}
    for series in panel:
        texts = {name: _format_cells(series, name, steps) for name in names}
        rows = cells.setdefault(_get_id(config, series), {})
        for step, timestamp in enumerate(series.list_future_timestamps(steps)):
            rows.setdefault(timestamp, {name: texts[name][step] for name in names})
    return cells


def _get_id(config: Config, series: Series) -> str:
    """Get the id of a series, whose name may end in that of its target; "" where there is no id column."""
    return series.get_id(config.data.wide) if config.data.ids else ""


def _get_future_names(config: Config) -> tuple[str, ...]:
    names = config.data.covariates.future
    if not names:
        raise UsageError(Problem("no-future-covariates"))
    return names


def _read_file(config: Config, known: Series, path: Path) -> dict[str, Rows]:
    """Read the rows of the file; a column is text or numbers as in a known series."""
    names = _get_future_names(config)
    text = [name for name in names if known.covariates[name].levels is not None]
    request = build_data_request(config, path)
    found = read_columns(request.paths, dataclasses.replace(request.reading, columns=names, categorical=text))
    wrong = {name: column for each in found.values() for name, column in each.columns.items() if name not in text}
    problems = [
        Problem("text-instead-of-numbers", str(path), name, detail={"levels": [repr(column.levels[0])]})
        for name, column in wrong.items()
        if column.levels
    ]
    if problems:
        raise DataError(problems)
    return found


def _find_off_grid(path: Path, series: Series, further: Rows, ahead: pd.Index) -> list[Problem]:
    """Report rows within the horizon that lie between two steps."""
    inside = (further.timestamps > series.timestamps[-1]) & (further.timestamps <= ahead[-1])
    off = further.timestamps[inside & ~further.timestamps.isin(ahead)]
    if not len(off):
        return []
    detail = {
        "stray": format_timestamp(off[0]),
        "frequency": series.frequency,
        "expected": format_timestamps(list(ahead[:2])),
    }
    return [Problem("future-off-grid", str(path), detail=detail | {"series": series.name})]


def _extend(series: Series, further: Rows, ahead: pd.Index) -> Series:
    places = further.timestamps.get_indexer(ahead)  # (steps,), -1 where the file has no row
    columns = {
        name: _fill_column(series.covariates[name], column, len(series), places)
        for name, column in further.columns.items()
    }
    return dataclasses.replace(series, covariates={**series.covariates, **columns})


def _fill_column(old: Column, new: Column, steps: int, places: np.ndarray) -> Column:
    """Fill the cells of a column from `steps` on with those of another of its kind, where it has any."""
    levels = None if old.levels is None else tuple(dict.fromkeys((*old.levels, *(new.levels or ()))))
    values, missing = new.values, np.nan
    if levels is not None:
        missing = -1
        numbers = {level: number for number, level in enumerate(levels)}
        values = np.array([*(numbers[level] for level in new.levels or ()), -1], np.int32)[new.values]
    known = old.values[steps : steps + len(places)]
    ahead = np.full(len(places), missing, old.values.dtype)
    ahead[: len(known)] = known
    given = places >= 0
    given[given] = (values[places[given]] >= 0) if levels is not None else ~np.isnan(values[places[given]])
    ahead[given] = values[places[given]]
    return Column(np.concatenate([old.values[:steps], ahead]), levels)


def _format_cells(series: Series, name: str, steps: int) -> list[str]:
    """Format the cells of a column after a series' end, empty where they are unknown."""
    column = series.covariates[name]
    known = column.values[len(series) : len(series) + steps]
    if column.levels is None:
        texts = ["" if np.isnan(value) else _format_number(value) for value in known]
    else:
        texts = ["" if number < 0 else column.levels[number] for number in known]
    return texts + [""] * (steps - len(texts))


def _format_number(value: float) -> str:
    """Format a number as the shortest text that reads back as the same."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
