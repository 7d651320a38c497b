"""Which columns hold time, ids and values: those that are named, and others found by their cells."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from forecaster.config.reader import format_option as set_option
from forecaster.data.assembly.time_columns import find_rivals, find_times
from forecaster.data.options import AUTO, COLUMNS, DATES, ROWS, Reading
from forecaster.data.sources.text_table import Table
from forecaster.errors import DataError
from forecaster.formats.number_formats import MISSING, NaValues, is_missing, looks_numeric
from forecaster.formats.units import has_numbers
from forecaster.problems import Problem
from forecaster.wording import KEPT

HEAD = 100  # rows that are looked at, at most
_LEAST_NUMBERED = 13  # columns: more than the months of a year
_EXAMINED = 1000  # rows by which an example of a target is chosen
# Names of columns that are forecast, the likeliest first; and of those that are not.
MEASURES = [
    re.compile(rf"(?i)(?<![a-z])(?:{words})(?![a-z])")
    for words in (
        "target|y|close|closing",
        "sales?|sold|demand|load|consumption|revenue|turnover|umsatz|absatz|last|verbrauch",
        "values?|price|preis|total|amount|quantity|qty|count|visitors|passengers|power|wert",
    )
]
NO_MEASURE = re.compile(
    r"(?i)(?:^|[_ .-])(?:id|ids|key|index|no|nr|code|zip|plz|year|month|day|hour|minute|second|week|weekday|"
    r"quarter|lat|lon|latitude|longitude|flag|jahr|monat|tag|stunde)$|(?-i:(?<=[a-z])I[dD]$)"
)

# Names of columns that separate series: `sensor`, `store_id`, `Item No`.
_IDS = re.compile(
    r"(?i)(?:.*[_ .-])?(?:unique_?id|series|sensor|meter|device|machine|store|shop|filiale|branch|site|station|plant|"
    r"product|item|sku|article|artikel|customer|kunde|region|country|land|city|symbol|ticker|isin|metric|variable|"
    r"indicator)(?:[_ .-]?(?:id|no|nr|code|name|key))?"
)
_FEWEST_IDS, _ROWS_OF_ID = 2, 3


class ColumnRoles(NamedTuple):
    """The columns of time, none where rows are steps; of ids; of values, none where covariates are read alone.

    Attributes:
        notices: of roles that were recognized by name.
    """

    times: tuple[str, ...]
    ids: tuple[str, ...]
    targets: tuple[str, ...]
    notices: tuple[Problem, ...] = ()

    @property
    def time(self) -> str | None:
        """What the columns of time are called together."""
        return " ".join(self.times) or None


def find_roles(table: Table, reading: Reading) -> ColumnRoles:
    """Find the columns that are read, by their cells where they are not stated; raise `DataError` for absent ones."""
    if reading.layout == DATES:  # which are found once all cells are text
        return ColumnRoles((), (), tuple(table.columns))
    if reading.layout == ROWS:
        return _find_roles_in_rows(table, reading)
    known = find_known_columns(table.columns, reading)
    reading = replace(reading, **known)
    times = find_time_columns(table, reading)
    named = [*times, *reading.ids, *reading.static, *reading.columns]
    match reading.target:
        case None:
            targets: tuple[str, ...] = ()
        case "auto":
            targets = (find_target(table, [*named, *reading.where], reading.na_values),)
        case "*":
            targets = tuple(find_every_target(table, [*named, *reading.where], reading.na_values))
        case str(name):
            targets = (name,)
        case several:
            targets = tuple(several)
    read = [*named, *targets]
    table.require(read)
    notices = _report_known_columns(table, known, read), _report_unread(table, reading, times, read)
    return ColumnRoles(times, reading.ids, targets, (*notices[0], *notices[1]))


def find_known_columns(names: Collection[str], reading: Reading) -> dict[str, Any]:
    """Find the columns `ds`, `y` and `unique_id` that Prophet and Nixtla's libraries agree on, where none is stated.

    Args:
        names: of all columns; capitals do not matter.
        reading: without a time column; a target or ids that it states are kept.

    Returns:
        The fields of `Reading` that they set: `time`, `target` and `series`; none without a column `ds`.
    """
    by_name = {name.lower(): name for name in names} | {name: name for name in names if name.islower()}
    if reading.layout != COLUMNS or reading.time != AUTO or "ds" not in by_name:
        return {}
    taken = {*reading.ids, *reading.static, *reading.columns}
    found: dict[str, Any] = {"time": by_name["ds"]}
    free = {name: column for name, column in by_name.items() if column not in taken}
    if reading.target == AUTO and "y" in free:
        found["target"] = free["y"]
    if not reading.ids and "unique_id" in free:
        found["series"] = free["unique_id"]
    return found if len(found) > 1 else {}


def _report_known_columns(table: Table, known: Mapping[str, str], read: Sequence[str]) -> tuple[Problem, ...]:
    """Give a notice of columns that were recognized by name, and of those that are not read then."""
    if not known:
        return ()
    rest = [name for name in table.columns if name not in read]
    detail = {"roles": [f"{role} {name!r}" for role, name in known.items()], "rest": ", ".join(map(repr, rest[:KEPT]))}
    return (Problem("known-columns", table.path, detail=detail),)


def _report_unread(table: Table, reading: Reading, times: Sequence[str], read: Sequence[str]) -> Iterator[Problem]:
    """Warn of columns that are not read and are called as ids of series, or hold dates as well as the one that is."""
    rest = {name: cells for name, cells in table.columns.items() if name not in {*read, *reading.where}}
    for name, cells in rest.items() if not reading.ids and len(read) > len(times) else ():
        count = cells.nunique()
        if _IDS.fullmatch(name) and _FEWEST_IDS <= count <= len(table) / _ROWS_OF_ID:
            repairs = ({"data.series": name},)
            yield Problem("ids-not-read", table.path, name, detail={"count": count}, repairs=repairs)
    if reading.time == AUTO and len(times) == 1 and (others := find_rivals(table, times[0], rest)):
        yield Problem("dates-not-read", table.path, times[0], detail={"names": others})


def _find_roles_in_rows(table: Table, reading: Reading) -> ColumnRoles:
    """Find the columns where each row is a series: ids, and values after them or from the column that is named."""
    ids = reading.ids or (find_ids(table),)
    stated = [] if reading.target == AUTO or reading.target is None else reading.target
    targets = [stated] if isinstance(stated, str) else list(stated)
    table.require([*ids, *reading.static, *targets])
    names = list(table.columns)
    if not targets:
        targets = names[1 + max(map(names.index, (*ids, *reading.static))) :]
    elif isinstance(stated, str):
        targets = names[names.index(stated) :]
    if not targets:
        raise DataError(Problem("no-value-columns", table.path, detail={"last": ids[-1]}))
    return ColumnRoles((), ids, tuple(targets))


def report_series_in_rows(table: Table, reading: Reading) -> None:
    """Raise `DataError` where each row seems to be a series: names in a column of text, values in numbered ones."""
    is_open = isinstance(reading.target, str) and reading.target in {AUTO, "*"}
    is_open = is_open and (reading.time == AUTO or (reading.time is None and reading.target == AUTO))
    if reading.layout != COLUMNS or reading.ids or reading.columns or not is_open:
        return
    names = list(table.columns)
    texts = (name for name, cells in table.columns.items() if not are_numbers(cells.iloc[:HEAD]))
    text = next(texts, None)
    if text is None or table.columns[text].duplicated().any():
        return
    numbered = _find_numbered_columns(names[names.index(text) + 1 :])
    if len(numbered) < _LEAST_NUMBERED:
        return
    times = find_times(table, set(), reading.known_way)  # of each step, or of the start of each series
    if times and not pd.DataFrame({name: table.columns[name] for name in times}).duplicated().any():
        return
    repair: dict[str, object] = {"data.layout": "rows", "data.series": text}
    if names[names.index(text) + 1] != numbered[0]:
        repair["data.target"] = numbered[0]
    detail = {"text_column": text, "first": numbered[0], "last": numbered[-1]}
    raise DataError(Problem("series-in-rows", table.path, detail=detail, repairs=(repair,)))


def _find_numbered_columns(names: Sequence[str]) -> list[str]:
    """Find the last columns of a header that are counted, such as 1, 2, 3 or V2, V3, V4."""
    parts = [re.fullmatch(r"(.*?)(\d{1,9})", name.strip()) for name in names]
    first = len(names)
    for place in range(len(names) - 1, -1, -1):
        here, after = parts[place], parts[first] if first < len(names) else None
        if here is None or (after is not None and (here[1], int(here[2]) + 1) != (after[1], int(after[2]))):
            break
        first = place
    return list(names[first:])


def find_time_columns(table: Table, reading: Reading) -> tuple[str, ...]:
    """Find the columns of time, none where rows are steps; raise `DataError` for text that is no date."""
    if reading.time != AUTO:
        return reading.times
    stated = [] if isinstance(reading.target, str | None) else [*reading.target]
    stated += [reading.target] if isinstance(reading.target, str) and reading.target not in {AUTO, "*"} else []
    others = {*reading.ids, *reading.static, *reading.columns, *stated}
    times = find_times(table, others, reading.known_way)
    if not times and (text := _find_unread_text(table, others)) is not None:
        detail = {"text_column": text, "example": table.columns[text].iloc[0]}
        raise DataError(Problem("no-time-column", table.path, detail=detail))
    return times


def _find_unread_text(table: Table, others: Collection[str]) -> str | None:
    """Find the first column of text, which may hold dates in a way that nothing reads."""
    for name, cells in table.columns.items():
        head = cells.iloc[:HEAD]
        if name not in others and not are_numbers(head) and not head.str.lower().isin(MISSING).all():
            return name
    return None


def find_target(table: Table, others: Sequence[str], na_values: NaValues = ()) -> str:
    """Find the only column of numbers apart from those of time, ids and categories; raise `DataError` for a choice."""
    numeric = find_targets(table, others, na_values)
    if len(numeric) == 1:
        return numeric[0]
    example = choose_example({name: table.columns[name].iloc[:_EXAMINED] for name in numeric})
    option = set_option("data.target", example)
    detail = {"columns": numeric[:10], "more": len(numeric) > 10, "option": option}
    repairs = ({"data.target": example}, {"data.target": "*"})
    raise DataError(Problem("several-numeric-columns", table.path, "data.target", detail=detail, repairs=repairs))


def choose_example(columns: Mapping[str, pd.Series]) -> str:
    """Choose the column of numbers that is most likely forecast: no constant, flag, counter, code or part of a date."""
    worth = [name for name, cells in columns.items() if not (NO_MEASURE.search(name) or _is_flat(cells))]
    named = (name for pattern in MEASURES for name in worth if pattern.search(name))
    return next(named, (worth or list(columns))[-1])


def _is_flat(cells: pd.Series) -> bool:
    """Whether cells have two values at most, or count up."""
    given = cells[~is_missing(cells)]
    if given.nunique() <= 2:
        return True
    numbers = pd.to_numeric(given, errors="coerce")
    return bool((numbers.diff().iloc[1:] == 1).all())


def find_targets(table: Table, others: Sequence[str], na_values: NaValues = ()) -> list[str]:
    """Find every column of numbers apart from those of time, ids and categories; raise `DataError` for none."""
    heads = {name: cells.iloc[:HEAD] for name, cells in table.columns.items() if name not in others}
    if numeric := [name for name, head in heads.items() if are_numbers(head, na_values)]:
        return numeric
    first = {name: next((cell for cell in head if cell), "") for name, head in heads.items()}
    detail = {"columns": list(table.columns), "cells": [f"{name} {cell!r}" for name, cell in first.items()][:KEPT]}
    raise DataError(Problem("no-numeric-column", table.path, "data.target", detail=detail))


def find_every_target(table: Table, others: Sequence[str], na_values: NaValues = ()) -> list[str]:
    """Find also columns that are empty at first and hold no text later; raises as `find_targets` does."""
    found = find_targets(table, others, na_values)
    rest = {name: cells for name, cells in table.columns.items() if name not in others}
    return [name for name, cells in rest.items() if name in found or _begins_with_numbers(cells, na_values)]


def _begins_with_numbers(cells: pd.Series, na_values: NaValues) -> bool:
    """Whether the first cells that are given of a column, which is empty where the others begin, are numbers."""
    if not is_missing(cells.iloc[:HEAD], na_values).all():
        return False
    given = cells[~is_missing(cells, na_values)].iloc[:HEAD]
    return not len(given) or are_numbers(given)


def find_ids(table: Table) -> str:
    """Find the first column of text, where each row is a series; raise `DataError` for none."""
    texts = (name for name, cells in table.columns.items() if not are_numbers(cells.iloc[:HEAD]))
    if (found := next(texts, None)) is None:
        raise DataError(Problem("no-id-column", table.path))
    return found


def are_numbers(cells: pd.Series, na_values: NaValues = ()) -> bool:
    """Whether more than half of the cells that are given are numbers, in whatever way to write them."""
    given = cells[~is_missing(cells, na_values)]
    return bool(looks_numeric(given).mean() > 0.5) or has_numbers(given)
