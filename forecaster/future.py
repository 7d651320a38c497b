"""What is known of the future: read from a file of its own, and the template of one to fill."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.config import Config
from forecaster.data import Series
from forecaster.data.read import Further, read_columns
from forecaster.data.rules import TimeRules
from forecaster.data.series import Column
from forecaster.errors import DataError, UsageError
from forecaster.forecast import timestamp_texts


def with_future(config: Config, panel: Sequence[Series], path: Path, steps: int) -> list[Series]:
    """The series with the future covariates of a file laid over those behind their ends, `steps` of them.

    Rows of the file that lie before or behind those steps do not count.

    Raises:
        UsageError: the config has no future covariates.
        DataError: the file cannot be read, or a row stands between two steps.
    """
    found = _read(config, panel[0], path)
    extended: list[Series] = []
    problems: list[str] = []
    for series in panel:
        further = found.get(_id(config, series))
        if further is None:
            extended.append(series)
            continue
        ahead = series.future(steps)
        problems += _off_grid(path, series, further, ahead)
        extended.append(_extended(series, further, ahead))
    if problems:
        raise DataError(problems)
    return extended


def template(config: Config, panel: Sequence[Series], steps: int) -> str:
    """A CSV with a row for each of the `steps` steps after each series, its future covariates as far as known.

    Raises:
        UsageError: the config has no future covariates, or reads timestamps from several columns.
    """
    data, names = config.data, _names(config)
    if isinstance(data.time, tuple):
        raise UsageError(f"data.time is in parts, {', '.join(data.time)}: write the file by hand, with these columns")
    first = {
        _id(config, series): series for series in reversed(panel)
    }  # one of those that differ in their target alone
    parts = []
    for name, series in reversed(first.items()):
        columns = {data.time or "step": timestamp_texts(list(series.future(steps)))}
        cells = name.split("/", len(data.ids) - 1) if data.ids else []
        columns |= {column: [cell] * steps for column, cell in zip(data.ids, cells, strict=True)}
        parts.append(pd.DataFrame(columns | {name: _texts(series, name, steps) for name in names}))
    return pd.concat(parts).to_csv(index=False, lineterminator="\n")


def _id(config: Config, series: Series) -> str:
    """What the ids call a series, whose name may end in that of its target; "" where there are none."""
    if not config.data.ids:
        return ""
    several = not isinstance(config.data.target, str) or config.data.target == "*"
    return series.name.removesuffix(f"/{series.target}") if several else series.name


def _names(config: Config) -> tuple[str, ...]:
    names = config.data.covariates.future
    if not names:
        raise UsageError("this network reads no columns of the future: it was trained without data.covariates.future")
    return names


def _read(config: Config, known: Series, path: Path) -> dict[str, Further]:
    """The rows of the file; its columns are of the kinds that those of a `known` series are of."""
    data, names = config.data, _names(config)
    text = [name for name in names if known.covariates[name].levels is not None]
    rules = TimeRules.of(data.model_dump())
    found = read_columns(str(path), data.time, data.series, names, text, data.frequency, rules, data.na_values)
    wrong = {name: column for each in found.values() for name, column in each.columns.items() if name not in text}
    problems = [
        f"{path}: {name}: holds text, {column.levels[0]!r}, and was trained on as numbers; correct the cells"
        for name, column in wrong.items()
        if column.levels
    ]
    if problems:
        raise DataError(problems)
    return found


def _off_grid(path: Path, series: Series, further: Further, ahead: pd.Index) -> list[str]:
    """The problem of rows within the horizon that stand between two steps."""
    inside = (further.timestamps > series.timestamps[-1]) & (further.timestamps <= ahead[-1])
    off = further.timestamps[inside & ~further.timestamps.isin(ahead)]
    if not len(off):
        return []
    expected = ", ".join(timestamp_texts(list(ahead[:2])))
    return [f"{path}: series {series.name}: {off[0]} is no step of {series.frequency}; expected {expected}, ..."]


def _extended(series: Series, further: Further, ahead: pd.Index) -> Series:
    places = further.timestamps.get_indexer(ahead)  # (steps,), -1 where the file has no row
    columns = {
        name: _joined(series.covariates[name], column, len(series), places) for name, column in further.columns.items()
    }
    return dataclasses.replace(series, covariates={**series.covariates, **columns})


def _joined(old: Column, new: Column, steps: int, places: np.ndarray) -> Column:
    """A column with the cells of another of its kind laid over those from `steps` on, where that has any."""
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


def _texts(series: Series, name: str, steps: int) -> list[str]:
    """The cells of a column behind a series' end, empty where they are not known."""
    column = series.covariates[name]
    known = column.values[len(series) : len(series) + steps]
    if column.levels is None:
        texts = ["" if np.isnan(value) else _number(value) for value in known]
    else:
        texts = ["" if number < 0 else column.levels[number] for number in known]
    return texts + [""] * (steps - len(texts))


def _number(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
